//! Runs of operations that do nothing: what plan, journal and store cost by themselves.
//!
//! `cargo bench -p provisionr-sqlite --bench runs`. Each operation is made durable as begun before its call, and as
//! ended after it, in a file with `synchronous = FULL`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use async_trait::async_trait;
use divan::Bencher;
use divan::counter::ItemsCount;
use provisionr_core::plan::{Action, Operation};
use provisionr_core::run::{Transition, replay};
use provisionr_core::store::Rank;
use provisionr_core::*;
use provisionr_sqlite::SqliteStore;

fn main() {
    divan::main();
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Nothing {
    target: String,
}

#[derive(Debug)]
struct Noop(Descriptor);

impl Noop {
    fn new() -> Self {
        Self(Descriptor::new("noop", "noop").kind(Kind::per_target::<Nothing>("nothing")))
    }
}

#[async_trait]
impl Adapter for Noop {
    fn descriptor(&self) -> &Descriptor {
        &self.0
    }

    async fn find_account(&self, _cx: &CallContext, _who: &AccountQuery) -> Result<Found> {
        Ok(Found::One(Account::new("a", AccountState::Active)))
    }

    async fn observe(&self, _cx: &CallContext, account: &Account, _scope: &Scope) -> Result<Observation> {
        Ok(Observation::new(account.clone(), Vec::new(), Coverage::none().kind("nothing")))
    }

    async fn apply(&self, _cx: &CallContext, _request: &Request) -> Result<Outcome> {
        Ok(Outcome::Applied(Receipt::new().before_absent()))
    }
}

fn operations(subject: &SubjectId, chains: usize, length: usize) -> Vec<Operation> {
    let mut operations = Vec::with_capacity(chains * length);
    for chain in 0..chains {
        let mut before: Option<OperationId> = None;
        for link in 0..length {
            let target = format!("{chain:06}-{link:04}");
            let change = Change::Grant(Entitlement::new("nothing", target.as_str()));
            let operation = Operation::new(subject, "noop", &target, Action::Change(change)).after(before);
            before = Some(operation.id.clone());
            operations.push(operation);
        }
    }
    operations
}

fn plan_of(subject: &str, chains: usize, length: usize) -> Plan {
    let subject = SubjectId::new(subject);
    let operations = operations(&subject, chains, length);
    Plan::new(subject, 1, Rank::Change, Digest::ZERO, operations).unwrap()
}

/// Putting operations in order, writing the plan and hashing it.
#[divan::bench(args = [1_000, 10_000, 100_000], sample_count = 5)]
fn plan(bencher: Bencher<'_, '_>, count: usize) {
    let subject = SubjectId::new("p");
    bencher.counter(ItemsCount::new(count)).with_inputs(|| operations(&subject, count / 20, 20)).bench_values(|operations| {
        let plan = Plan::new(subject.clone(), 1, Rank::Change, Digest::ZERO, operations).unwrap();
        plan.digest().unwrap()
    });
}

/// Folding a journal of two rows an operation.
#[divan::bench(args = [1_000, 10_000, 100_000], sample_count = 5)]
fn fold(bencher: Bencher<'_, '_>, count: usize) {
    let plan = plan_of("p", count / 20, 20);
    let at = Timestamp::EPOCH;
    let mut journal = vec![Transition::Opened {
        at,
        subject: "p".into(),
        version: 1,
        rank: Rank::Change,
        event: "e".into(),
        actor: Actor::service("bench"),
        plan: Digest::ZERO,
        rules: Digest::ZERO,
        descriptors: std::collections::BTreeMap::new(),
        adopts: std::collections::BTreeMap::new(),
    }];
    for operation in &plan.operations {
        let op = operation.id.clone();
        journal.push(Transition::Began { op: op.clone(), attempt: 1, epoch: 1, at, send_by: at, clear_at: at, before: Before::Absent });
        journal.push(Transition::Ended { op, attempt: 1, at, outcome: run::Ending::Applied(Receipt::new()), then: run::Then::Done });
    }
    bencher.counter(ItemsCount::new(count)).bench(|| replay(&RunId::new("r"), &plan, &journal).unwrap());
}

struct Prepared {
    runtime: tokio::runtime::Runtime,
    access: Provisioner,
    _folder: tempfile::TempDir,
}

fn prepared(runs: usize, chains: usize, length: usize) -> Prepared {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let access = runtime.block_on(async {
        let store = SqliteStore::open(folder.path().join("access.db")).await.unwrap();
        let access = Provisioner::builder(store, MemoryDirectory::default()).adapter(Noop::new()).build().unwrap();
        for run in 0..runs {
            let plan = plan_of(&format!("p{run}"), chains, length);
            access.submit(plan, &EventId::from(format!("e{run}")), Actor::service("bench")).await.unwrap();
        }
        access
    });
    Prepared { runtime, access, _folder: folder }
}

fn drive(prepared: &Prepared) {
    prepared.runtime.block_on(async { prepared.access.driver().run_until_idle().await.unwrap() });
}

/// One run of chains of 20.
#[divan::bench(args = [1_000, 10_000, 100_000], sample_count = 3, sample_size = 1)]
fn one_run(bencher: Bencher<'_, '_>, count: usize) {
    bencher.counter(ItemsCount::new(count)).with_inputs(|| prepared(1, count / 20, 20)).bench_refs(|prepared| drive(prepared));
}

/// Runs of 10 operations in one chain.
#[divan::bench(args = [100, 1_000, 10_000], sample_count = 3, sample_size = 1)]
fn many_runs(bencher: Bencher<'_, '_>, runs: usize) {
    bencher.counter(ItemsCount::new(runs * 10)).with_inputs(|| prepared(runs, 1, 10)).bench_refs(|prepared| drive(prepared));
}

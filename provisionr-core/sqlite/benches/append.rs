//! Durable journal rows of 300 bytes a second, by who waits for whom.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::atomic::{AtomicU64, Ordering};

use divan::Bencher;
use divan::counter::ItemsCount;
use futures_util::future::join_all;
use provisionr_core::store::{Actor, Commit, NewRow, PlanRow, Rank, RunId, RunRow, Store, Write};
use provisionr_core::{Digest, SubjectId, Timestamp};
use provisionr_sqlite::SqliteStore;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

fn main() {
    divan::main();
}

/// A store with runs to append to. In `PROVISIONR_BENCH_DIR` if that is set: what counts is the disk below it.
struct World {
    runtime: Runtime,
    store: SqliteStore,
    runs: Vec<(RunId, AtomicU64)>,
    _directory: TempDir,
}

impl World {
    fn new(runs: usize) -> Self {
        let runtime = Builder::new_current_thread().build().unwrap();
        let directory = match std::env::var_os("PROVISIONR_BENCH_DIR") {
            Some(at) => tempfile::tempdir_in(at),
            None => tempfile::tempdir(),
        };
        let directory = directory.unwrap();
        let store = runtime.block_on(SqliteStore::open(directory.path().join("access.db"))).unwrap();
        let names: Vec<String> = (0..runs).map(|n| format!("run_{n:020}")).collect();
        runtime.block_on(async {
            assert!(join_all(names.iter().map(|name| store.commit(open(name)))).await.iter().all(Result::is_ok));
        });
        let runs = names.into_iter().map(|name| (RunId::new(name), AtomicU64::new(0))).collect();
        Self { runtime, store, runs, _directory: directory }
    }

    /// Appends so many rows, each in a commit of its own, all submitted before the first is durable.
    fn at_once(&self, rows: usize) {
        let commits = self.runs.iter().cycle().take(rows).map(|(run, rows)| {
            let at = rows.fetch_add(1, Ordering::Relaxed);
            self.store.commit(append(run, at, 1))
        });
        assert!(self.runtime.block_on(join_all(commits)).iter().all(Result::is_ok));
    }
}

fn open(name: &str) -> Commit {
    let plan = PlanRow { digest: Digest::of([b"plan".as_slice()]), bytes: b"plan".to_vec() };
    let run = RunRow {
        id: RunId::new(name),
        subject: SubjectId::from(name),
        version: 1,
        rank: Rank::Change,
        event: name.into(),
        actor: Actor::service("bench"),
        plan: plan.digest,
        opened_at: Timestamp::EPOCH,
        rows: 0,
        head: Digest::ZERO,
        epoch: 0,
        owner: None,
        verdict: None,
    };
    Commit::new([Write::Open { run, plan, rows: vec![] }])
}

fn append(run: &RunId, at: u64, rows: usize) -> Commit {
    let rows = vec![NewRow { format: 1, bytes: vec![7; 300], hash: Digest::ZERO }; rows];
    Commit::new([Write::Append { run: run.clone(), epoch: 0, at, append: at, rows, verdict: None }])
}

/// One writer that waits for each row: what one disk sync costs.
#[divan::bench]
fn one_at_a_time(bencher: Bencher<'_, '_>) {
    let world = World::new(1);
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| world.at_once(1));
}

/// One writer whose commits hold many rows.
#[divan::bench]
fn a_hundred_in_one_commit(bencher: Bencher<'_, '_>) {
    let world = World::new(1);
    let mut at = 0;
    bencher.counter(ItemsCount::new(100_usize)).bench_local(|| {
        for (run, _) in &world.runs {
            world.runtime.block_on(world.store.commit(append(run, at, 100))).unwrap();
        }
        at += 100;
    });
}

/// Writers that each wait for their own row, every one in a run of its own.
#[divan::bench(args = [10, 100, 1_000])]
fn writers(bencher: Bencher<'_, '_>, writers: usize) {
    let world = World::new(writers);
    bencher.counter(ItemsCount::new(writers)).bench_local(|| world.at_once(writers));
}

/// A thousand rows, each in a commit of its own, over fewer or more runs.
#[divan::bench(args = [1, 1_000])]
fn a_thousand_rows_over_runs(bencher: Bencher<'_, '_>, runs: usize) {
    let world = World::new(runs);
    bencher.counter(ItemsCount::new(1_000_usize)).bench_local(|| world.at_once(1_000));
}

/// Leasing a hundred of so many due runs, and parking them again: the cost must not grow with their number.
#[divan::bench(args = [1_000, 100_000], sample_count = 20)]
fn lease_and_park_a_hundred_of(bencher: Bencher<'_, '_>, runs: usize) {
    let world = World::new(runs);
    let worker = provisionr_core::store::WorkerId::new("bench");
    let _enlisted = world.runtime.block_on(world.store.enlist(&worker)).unwrap();
    bencher.counter(ItemsCount::new(100_usize)).bench_local(|| {
        world.runtime.block_on(async {
            let leased = world.store.lease(&worker, Timestamp::EPOCH, 100).await.unwrap();
            assert_eq!(leased.len(), 100);
            let park = |run: RunRow| Write::Park { run: run.id, epoch: run.epoch, due: Some(Timestamp::EPOCH) };
            world.store.commit(Commit::new(leased.into_iter().map(park))).await.unwrap();
        });
    });
}

//! Targets whose every write replaces the whole list: one writer at a time, or somebody is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use provisionr_core::*;
use support::*;

#[derive(serde::Serialize, serde::Deserialize)]
struct OnCall {
    target: String,
}

#[derive(Debug, Default)]
struct State {
    list: BTreeSet<String>,
    writers: usize,
    most: usize,
    /// The next write is cut off, and lands this much later.
    late: Option<Duration>,
    landed: Vec<tokio::time::Instant>,
    written: Vec<tokio::time::Instant>,
}

/// Reads a list, thinks, and writes it back whole.
#[derive(Clone, Debug)]
struct Pager {
    descriptor: Descriptor,
    state: Arc<Mutex<State>>,
}

impl Pager {
    fn new() -> Self {
        let kind = Kind::per_target::<OnCall>("on_call").doc("Is called at night").contention(Contention::WholeList);
        let accounts = AccountFacts::new().found_by("email", Search::Exact);
        let descriptor = Descriptor::new("pager", "pager").accounts(accounts).kind(kind).lane(Lane::new("all"));
        Self { descriptor: descriptor.timeout(Duration::from_secs(5)).late_effect(Duration::from_secs(60)), state: Arc::default() }
    }
}

#[async_trait]
impl Adapter for Pager {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn find_account(&self, _cx: &CallContext, who: &AccountQuery) -> provisionr_core::Result<Found> {
        let id = who.known.as_ref().map(ToString::to_string).or_else(|| who.key("email").map(str::to_owned)).unwrap();
        Ok(Found::One(Account::new(id, AccountState::Active)))
    }

    async fn observe(&self, cx: &CallContext, account: &Account, _scope: &Scope) -> provisionr_core::Result<Observation> {
        let _permit = cx.permit(&Call::new("all", Access::Read)).await?;
        let there = self.state.lock().unwrap().list.contains(account.id.as_str());
        let grants = if there { vec![Grant::direct(account.id.clone(), Entitlement::new("on_call", "night"))] } else { Vec::new() };
        Ok(Observation::new(account.clone(), grants, Coverage::none().kind("on_call")))
    }

    async fn apply(&self, cx: &CallContext, request: &Request) -> provisionr_core::Result<Outcome> {
        let id = request.account()?.id.to_string();
        let mut list = {
            let _permit = cx.permit(&Call::new("all", Access::Read)).await?;
            let mut state = self.state.lock().unwrap();
            state.writers += 1;
            state.most = state.most.max(state.writers);
            state.list.clone()
        };
        tokio::time::sleep(Duration::from_millis(100)).await;
        let _permit = cx.permit(&Call::new("all", Access::Write)).await?;
        match &request.change {
            Change::Grant(_) => list.insert(id),
            _ => list.remove(&id),
        };
        let late = {
            let mut state = self.state.lock().unwrap();
            state.writers -= 1;
            state.written.push(tokio::time::Instant::now());
            state.late.take()
        };
        if let Some(late) = late {
            let state = Arc::clone(&self.state);
            tokio::spawn(async move {
                tokio::time::sleep(late).await;
                let mut state = state.lock().unwrap();
                state.list = list;
                state.landed.push(tokio::time::Instant::now());
            });
            return Err(AdapterError::timed_out("no answer").effect_unknown());
        }
        self.state.lock().unwrap().list = list;
        Ok(Outcome::Applied(Receipt::new().before_absent()))
    }
}

const PAGER: &str = "policy: { name: Night, triggers: [{ team: night }], provisions: [{ system: pager, action: on_call, target: night }] }";

async fn ten_people_at_once(pager: &Pager) {
    let access = Provisioner::builder(MemoryStore::new(), MemoryDirectory::default())
        .adapter(pager.clone())
        .clock(TokioClock::starting_at(start()))
        .rules(Rules::parse("rules.yaml", PAGER).unwrap())
        .build()
        .unwrap();
    let mut runs = Vec::new();
    for number in 0..10 {
        let subject = Subject::new(format!("p{number}")).with("email", format!("p{number}@x")).with("team", "night").with_version(1);
        runs.push(access.handle(&Event::new(format!("e{number}"), EventKind::Hired, start(), subject), Actor::service("test")).await.unwrap());
    }
    for run in &runs {
        let report = finish(&access, run).await;
        assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_writer_at_a_time_and_nobody_is_lost() {
    let pager = Pager::new();
    ten_people_at_once(&pager).await;
    let state = pager.state.lock().unwrap();
    assert_eq!((state.list.len(), state.most), (10, 1), "{:?}", state.list);
}

#[tokio::test(start_paused = true)]
async fn after_a_write_in_doubt_nothing_is_written_before_it_can_have_no_effect_any_more() {
    let pager = Pager::new();
    pager.state.lock().unwrap().late = Some(Duration::from_secs(40));
    ten_people_at_once(&pager).await;
    let state = pager.state.lock().unwrap();
    assert!(state.written[1] > state.landed[0], "a list was written while another one was still on its way");
    assert_eq!(state.list.len(), 10, "{:?}", state.list);
}

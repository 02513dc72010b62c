//! Which calls of an adapter the executor makes, and in which order: adapters here expect each call exactly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::time::Duration;

use async_trait::async_trait;
use mockall::{Sequence, mock};
use provisionr_core::plan::Action;
use provisionr_core::store::Rank;
use provisionr_core::*;
use support::{Hooked, finish, start};

mock! {
    #[derive(Debug)]
    System {}

    #[async_trait]
    impl Adapter for System {
        fn descriptor(&self) -> &Descriptor;
        async fn find_account(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found>;
        async fn observe(&self, cx: &CallContext, account: &Account, scope: &Scope) -> Result<Observation>;
        async fn apply(&self, cx: &CallContext, request: &Request) -> Result<Outcome>;
        async fn probe(&self, cx: &CallContext, request: &Request) -> Result<Probe>;
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Seat {
    target: String,
}

/// A system whose one kind is repeated as `granting` says.
fn system(granting: ChangeFacts) -> MockSystem {
    let descriptor = Descriptor::new("desk", "desk").kind(Kind::per_target::<Seat>("seat").granting(granting));
    let mut system = MockSystem::new();
    system.expect_descriptor().return_const(descriptor);
    system.expect_find_account().returning(|_, _| Ok(Found::One(Account::new("a-1", AccountState::Active))));
    system
}

fn lost() -> AdapterError {
    AdapterError::timed_out("no answer in time").effect_unknown()
}

fn held() -> Receipt {
    Receipt::new().with_grant(Grant::direct("a-1", Entitlement::new("seat", "s-1")))
}

async fn run(system: MockSystem) -> Report {
    let access = Provisioner::builder(MemoryStore::new(), MemoryDirectory::default()).adapter(system).clock(TokioClock::starting_at(start())).build().unwrap();
    let subject = SubjectId::new("p");
    let operation = Operation::new(&subject, "desk", "seat", Action::Change(Change::Grant(Entitlement::new("seat", "s-1")))).expecting(Expect::Absent);
    let plan = Plan::new(subject, 1, Rank::Change, Digest::ZERO, vec![operation]).unwrap();
    let run = access.submit(plan, &"e".into(), Actor::service("test")).await.unwrap();
    finish(&access, &run).await
}

#[tokio::test(start_paused = true)]
async fn what_succeeds_is_applied_once_and_not_looked_at() {
    let mut desk = system(ChangeFacts::set());
    desk.expect_apply().times(1).returning(|_, request| {
        assert!(!request.unsettled);
        assert_eq!(request.account.as_ref().unwrap().id, "a-1");
        Ok(Outcome::Applied(held()))
    });
    assert_eq!(run(desk).await.verdict, Some(Verdict::Completed));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_looked_at_and_not_sent_again() {
    let mut desk = system(ChangeFacts::set());
    let mut order = Sequence::new();
    desk.expect_apply().times(1).in_sequence(&mut order).returning(|_, _| Err(lost()));
    desk.expect_probe().times(1).in_sequence(&mut order).returning(|_, request| {
        assert!(request.unsettled);
        Ok(Probe::Holds(held()))
    });
    assert_eq!(run(desk).await.verdict, Some(Verdict::Completed));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_sets_a_state_is_sent_again_as_soon_as_it_is_seen_absent() {
    let mut desk = system(ChangeFacts::set().lag(Duration::from_secs(600), 3));
    let mut order = Sequence::new();
    desk.expect_apply().times(1).in_sequence(&mut order).returning(|_, _| Err(lost()));
    desk.expect_probe().times(1).in_sequence(&mut order).returning(|_, _| Ok(Probe::Absent));
    desk.expect_apply().times(1).in_sequence(&mut order).returning(|_, _| Ok(Outcome::Applied(held())));
    let begun = tokio::time::Instant::now();
    assert_eq!(run(desk).await.verdict, Some(Verdict::Completed));
    assert!(begun.elapsed() < Duration::from_secs(60), "in virtual time");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_not_a_set_waits_until_its_absence_is_certain() {
    let mut desk = system(ChangeFacts::unique("name").lag(Duration::from_secs(600), 3));
    let begun = tokio::time::Instant::now();
    let mut attempts = 0;
    desk.expect_apply().times(2).returning(move |_, _| {
        attempts += 1;
        if attempts == 1 {
            return Err(lost());
        }
        // 10 s to be sent, 30 s to time out, 30 s for a late effect, 600 s until it must show.
        assert!(begun.elapsed() >= Duration::from_secs(670), "{:?}", begun.elapsed());
        Ok(Outcome::Applied(held()))
    });
    desk.expect_probe().times(3..).returning(|_, _| Ok(Probe::Absent));
    assert_eq!(run(desk).await.verdict, Some(Verdict::Completed));
}

/// Where a run stands that nobody decides about.
async fn stuck(desk: MockSystem) -> Report {
    let access = Provisioner::builder(MemoryStore::new(), MemoryDirectory::default()).adapter(desk).clock(TokioClock::starting_at(start())).build().unwrap();
    let subject = SubjectId::new("p");
    let operation = Operation::new(&subject, "desk", "seat", Action::Change(Change::Grant(Entitlement::new("seat", "s-1"))));
    let plan = Plan::new(subject, 1, Rank::Change, Digest::ZERO, vec![operation]).unwrap();
    let run = access.submit(plan, &"e".into(), Actor::service("test")).await.unwrap();
    for _ in 0..100 {
        access.driver().run_until_idle().await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    access.report(&run).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_change_that_must_not_be_repeated_waits_for_a_person() {
    let mut desk = system(ChangeFacts::default());
    desk.expect_apply().times(1).returning(|_, _| Err(lost()));
    desk.expect_probe().times(1..).returning(|_, _| Ok(Probe::Absent));
    let report = stuck(desk).await;
    assert_eq!((report.verdict, report.count(Status::Stuck)), (None, 1), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_cannot_tell_is_never_leave_to_repeat() {
    let mut desk = system(ChangeFacts::set());
    desk.expect_apply().times(1).returning(|_, _| Err(lost()));
    let mut looks = 0;
    desk.expect_probe().times(3).returning(move |_, _| {
        looks += 1;
        match looks {
            1 => Ok(Probe::Unclear("hidden".to_owned())),
            2 => Err(AdapterError::unavailable("down")),
            _ => Ok(Probe::Holds(held())),
        }
    });
    assert_eq!(run(desk).await.verdict, Some(Verdict::Completed));
}

#[tokio::test(start_paused = true)]
async fn what_will_never_work_is_tried_once() {
    let mut desk = system(ChangeFacts::set());
    desk.expect_apply().times(1).returning(|_, _| Err(AdapterError::refused("the last owner stays")));
    let report = run(desk).await;
    assert_eq!(report.verdict, Some(Verdict::Failed));
    assert_eq!(report.operations[0].detail, "the last owner stays");
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_an_adapter_is_doubt_and_not_the_end_of_the_host() {
    let mut desk = system(ChangeFacts::set());
    let mut order = Sequence::new();
    desk.expect_apply().times(1).in_sequence(&mut order).returning(|_, _| panic!("a mistake in an adapter"));
    desk.expect_probe().times(1).in_sequence(&mut order).returning(|_, _| Ok(Probe::Holds(held())));
    assert_eq!(run(desk).await.verdict, Some(Verdict::Completed));
}

#[tokio::test(start_paused = true)]
async fn a_vendor_job_is_looked_at_with_its_ticket() {
    let mut desk = system(ChangeFacts::set());
    let wait = Wait::new(WaitReason::VendorJob, Duration::from_secs(5)).with_ticket("job-7");
    desk.expect_apply().times(1).return_once(move |_, _| Ok(Outcome::Waiting(wait, Receipt::new())));
    let mut looks = 0;
    desk.expect_probe().times(2).returning(move |_, request| {
        assert_eq!(request.ticket.as_ref().unwrap().as_str(), "job-7");
        looks += 1;
        Ok(if looks == 1 { Probe::Pending(Wait::new(WaitReason::VendorJob, Duration::from_secs(5))) } else { Probe::Holds(held()) })
    });
    assert_eq!(run(desk).await.verdict, Some(Verdict::Completed));
}

#[tokio::test(start_paused = true)]
async fn a_vendor_job_that_fails_is_begun_again_and_its_reason_stays() {
    let mut desk = system(ChangeFacts::set());
    desk.expect_apply().times(10).returning(|_, _| {
        Ok(Outcome::Waiting(Wait::new(WaitReason::VendorJob, Duration::from_secs(5)).with_ticket("job").patience(Duration::from_secs(600)), Receipt::new()))
    });
    desk.expect_probe().returning(|_, _| Ok(Probe::Failed("the role is in use".to_owned())));
    let report = run(desk).await;
    assert_eq!((report.verdict, report.operations[0].detail.as_str()), (Some(Verdict::Failed), "the role is in use"));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_may_never_be_looked_at_asks_a_person_in_its_time() {
    let mut desk = system(ChangeFacts::set());
    let wait = Wait::new(WaitReason::VendorJob, Duration::from_secs(5)).with_ticket("job").patience(Duration::from_secs(600));
    desk.expect_apply().times(1).return_once(move |_, _| Ok(Outcome::Waiting(wait, Receipt::new())));
    desk.expect_probe().returning(|_, _| Err(AdapterError::permission_denied("no right to look")));
    let report = stuck(desk).await;
    assert_eq!((report.verdict, report.count(Status::Stuck)), (None, 1), "{report}");
    assert!(report.operations[0].detail.contains("no right to look"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn while_an_intent_is_not_durable_yet_nothing_is_sent() {
    // A commit takes three seconds here: a call that does not wait for it finds no intent in the journal.
    for lanes in [false, true] {
        let store = Hooked::slow(Duration::from_secs(3));
        let durable = store.inner.clone();
        let adapter = Watched { descriptor: described(lanes), durable };
        let access = Provisioner::builder(store, MemoryDirectory::default()).adapter(adapter).clock(TokioClock::starting_at(start())).build().unwrap();
        let subject = SubjectId::new("p");
        let operation = Operation::new(&subject, "desk", "seat", Action::Change(Change::Grant(Entitlement::new("seat", "s-1"))));
        let plan = Plan::new(subject, 1, Rank::Change, Digest::ZERO, vec![operation]).unwrap();
        let run = access.submit(plan, &"e".into(), Actor::service("test")).await.unwrap();
        assert_eq!(finish(&access, &run).await.verdict, Some(Verdict::Completed));
    }
}

fn described(lanes: bool) -> Descriptor {
    let descriptor = Descriptor::new("desk", "desk").kind(Kind::per_target::<Seat>("seat"));
    if lanes { descriptor.lane(Lane::new("all")) } else { descriptor }
}

/// A system that looks into the journal at the moment a write reaches it.
#[derive(Debug)]
struct Watched {
    descriptor: Descriptor,
    durable: MemoryStore,
}

#[async_trait]
impl Adapter for Watched {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn find_account(&self, _cx: &CallContext, _who: &AccountQuery) -> Result<Found> {
        Ok(Found::One(Account::new("a-1", AccountState::Active)))
    }

    async fn observe(&self, _cx: &CallContext, account: &Account, _scope: &Scope) -> Result<Observation> {
        Ok(Observation::new(account.clone(), Vec::new(), Coverage::none()))
    }

    async fn apply(&self, cx: &CallContext, _request: &Request) -> Result<Outcome> {
        let _permit = match self.descriptor.lanes.first() {
            Some(lane) => cx.permit(&Call::new(lane.id.clone(), Access::Write)).await?,
            None => Permit::free(),
        };
        let run = RunId::of(&"p".into(), &"e".into());
        let rows = self.durable.journal(&run, 0, 10).await.unwrap();
        assert!(rows.iter().any(|row| String::from_utf8_lossy(&row.bytes).contains(r#""is":"began""#)), "sent before its intent was durable");
        Ok(Outcome::Applied(Receipt::new().before_absent()))
    }
}

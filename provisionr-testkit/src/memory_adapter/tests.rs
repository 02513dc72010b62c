use std::time::Duration;

use provisionr_sdk::*;

use super::{MemoryAdapter, MemoryFault, World};

fn cx() -> CallContext {
    CallContext::unlimited()
}

fn seeded() -> (MemoryAdapter, Account) {
    let adapter = MemoryAdapter::new("wiki");
    let sarah = Account::new("a-sarah", AccountState::Active).with_login("sarah").with_email("sarah@acme.com");
    adapter.world().seed_account(sarah.clone());
    (adapter, sarah)
}

fn request(account: &Account, change: Change, key: &str) -> Request {
    Request::new("sarah", AccountQuery::known(account.id.clone()), change, key).with_account(account.clone())
}

fn project(role: &str) -> Entitlement {
    Entitlement::new("join_project", "p-1").with_role(role)
}

#[tokio::test]
async fn an_account_is_made_once_and_effects_are_counted_by_key() {
    let adapter = MemoryAdapter::new("wiki");
    let spec = AccountSpec::new("sarah").with("email", "sarah@acme.com");
    let request = Request::new("sarah", AccountQuery::by("email", "sarah@acme.com"), Change::EnsureAccount(spec), "key-1");
    let Outcome::Applied(receipt) = adapter.apply(&cx(), &request).await.unwrap() else { panic!("not applied") };
    assert_eq!(receipt.before, Before::Absent);
    assert!(matches!(adapter.apply(&cx(), &request).await.unwrap(), Outcome::Unchanged(_)));
    assert_eq!(adapter.world().accounts().len(), 1);
    assert_eq!(adapter.world().effects_of(&request.key), 1);
}

#[tokio::test]
async fn an_account_that_is_switched_off_is_not_what_was_to_be_made() {
    for (state, holds) in [(AccountState::Active, true), (AccountState::Suspended, false), (AccountState::Deactivated, false)] {
        let adapter = MemoryAdapter::new("wiki");
        adapter.world().seed_account(Account::new("a-sarah", state).with_email("sarah@acme.com"));
        let spec = AccountSpec::new("sarah").with("email", "sarah@acme.com");
        let request = Request::new("sarah", AccountQuery::by("email", "sarah@acme.com"), Change::EnsureAccount(spec), "key-1");
        assert_eq!(matches!(adapter.probe(&cx(), &request).await.unwrap(), Probe::Holds(_)), holds, "{state}");
    }
}

#[tokio::test]
async fn another_persons_login_is_passed_over() {
    let (adapter, _) = seeded();
    let mut spec = AccountSpec::new("sarah").with("email", "sarah.chen@acme.com");
    spec.logins.push("sarah2".to_owned());
    let request = Request::new("sarah-chen", AccountQuery::by("email", "sarah.chen@acme.com"), Change::EnsureAccount(spec), "key-1");
    adapter.apply(&cx(), &request).await.unwrap();
    assert!(adapter.world().account_by_login("sarah2").is_some());
}

#[tokio::test]
async fn faults_come_in_order_and_only_where_they_are_wanted() {
    let (adapter, sarah) = seeded();
    let world = adapter.world();
    world.faults_on(2, "join_group", "g-1", MemoryFault::refuse(|| AdapterError::unavailable("down")));
    world.faults_on(1, "join_group", "g-1", MemoryFault::lose_answer());
    let first = request(&sarah, Change::Grant(Entitlement::new("join_group", "g-1")), "key-1");
    let other = request(&sarah, Change::Grant(Entitlement::new("join_group", "g-2")), "key-2");
    for effect in [Effect::None, Effect::None, Effect::Unknown] {
        assert_eq!(adapter.apply(&cx(), &first).await.unwrap_err().effect(), effect);
    }
    assert!(matches!(adapter.apply(&cx(), &other).await.unwrap(), Outcome::Applied(_)));
    assert!(matches!(adapter.apply(&cx(), &first).await.unwrap(), Outcome::Unchanged(_)));
    assert_eq!(world.effects_of(&first.key), 1);
}

#[tokio::test]
async fn a_wait_is_pending_until_it_is_finished_and_has_one_effect() {
    let (adapter, sarah) = seeded();
    let world = adapter.world();
    let wanted = project("reader");
    let request = request(&sarah, Change::Grant(wanted.clone()), "key-1");
    world.fault(MemoryFault::Wait(Wait::new(WaitReason::InvitationSent, Duration::from_secs(60))));
    for _ in 0..2 {
        assert!(matches!(adapter.apply(&cx(), &request).await.unwrap(), Outcome::Waiting(..)));
    }
    assert!(matches!(adapter.probe(&cx(), &request).await.unwrap(), Probe::Pending(_)));
    let seen = adapter.observe(&cx(), &sarah, &Scope::All).await.unwrap();
    assert_eq!(seen.grants[0].state, GrantState::Invited);
    assert!(!world.holds(&sarah.id, &wanted));
    world.finish_waits();
    assert!(world.holds(&sarah.id, &wanted));
    assert!(matches!(adapter.probe(&cx(), &request).await.unwrap(), Probe::Holds(_)));
    assert_eq!((world.effects_of(&request.key), world.mails()), (1, 1));
}

#[tokio::test]
async fn a_lagging_write_shows_after_so_many_looks() {
    let (adapter, sarah) = seeded();
    adapter.world().lag(2);
    let request = request(&sarah, Change::Grant(project("reader")), "key-1");
    adapter.apply(&cx(), &request).await.unwrap();
    for _ in 0..2 {
        assert_eq!(adapter.probe(&cx(), &request).await.unwrap(), Probe::Absent);
    }
    assert!(matches!(adapter.probe(&cx(), &request).await.unwrap(), Probe::Holds(_)));
}

#[tokio::test]
async fn a_revoke_takes_only_what_was_expected() {
    let (adapter, sarah) = seeded();
    let admin = Grant::direct(sarah.id.clone(), project("admin"));
    adapter.world().seed_grant(admin.clone());
    let expected = Expect::Grant(Grant::direct(sarah.id.clone(), project("reader")));
    let error = adapter.apply(&cx(), &request(&sarah, Change::Revoke(project("reader")), "key-1").expecting(expected)).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::Conflict, RetryHint::Replan));
    assert!(adapter.world().holds(&sarah.id, &admin.entitlement));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_may_have_had_its_effect() {
    let (adapter, sarah) = seeded();
    adapter.world().fault(MemoryFault::HangAfter);
    let request = request(&sarah, Change::Grant(project("reader")), "key-1");
    assert!(tokio::time::timeout(Duration::from_secs(30), adapter.apply(&cx(), &request)).await.is_err());
    assert_eq!(adapter.world().effects_of(&request.key), 1);
}

#[tokio::test]
async fn a_world_outlives_its_adapter() {
    let (adapter, sarah) = seeded();
    let world: World = adapter.world().clone();
    drop(adapter);
    let next = MemoryAdapter::new("wiki").over(world);
    assert_eq!(next.find_account(&cx(), &AccountQuery::by("login", "sarah")).await.unwrap(), Found::One(sarah));
}

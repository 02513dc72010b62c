//! The stored forms of this version: a change of any of them is seen here, and needs a new format and a way up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::time::Duration;

use provisionr_core::plan::{Action, Carried, OpenKey, Verification};
use provisionr_core::rules::AccountField;
use provisionr_core::run::{Decision, Ending, Failure, JOURNAL_FORMAT, Seen, Then, Transition};
use provisionr_core::store::{JournalRow, Rank, Store};
use provisionr_core::*;
use provisionr_testkit::MemoryFault;
use support::*;

fn lines(rows: &[JournalRow]) -> String {
    rows.iter().map(|row| format!("{} {} {}\n", row.format, row.hash, String::from_utf8(row.bytes.clone()).unwrap())).collect()
}

fn read_rows(journal: &str) -> Vec<JournalRow> {
    let row = |(line, seq): (&str, u64)| {
        let mut parts = line.splitn(3, ' ');
        let format = parts.next().unwrap().parse().unwrap();
        let hash = parts.next().unwrap().parse().unwrap();
        JournalRow { seq, format, bytes: parts.next().unwrap().as_bytes().to_vec(), hash }
    };
    journal.lines().zip(0..).map(row).collect()
}

async fn company_with_troubles() -> (Company, Provisioner, RunId) {
    let company = Company::new();
    let rules = RULES.replace("forge: { accounts: create, after: [wiki] }", "forge: { accounts: first_login, after: [wiki] }");
    let access = company.process_with(|builder| builder.rules(Rules::parse("rules.yaml", &rules).unwrap()));
    let run = submit(&access).await;
    company.wiki.faults_on(1, "join_group", "sales", MemoryFault::lose_answer());
    let busy = || AdapterError::unavailable("down").with_hint(RetryHint::After(Duration::from_secs(60))).with_code("E0000010").with_request_id("req-1");
    company.wiki.faults_on(1, "join_group", "engineering", MemoryFault::refuse(busy));
    access.driver().run_until_idle().await.unwrap();
    company.forge.seed_account(Account::new("f-1", AccountState::Active).with_login("sarah@company.com").with_email("sarah@company.com"));
    finish(&access, &run).await;
    (company, access, run)
}

/// One of each transition, with everything in it that can be.
fn one_of_each() -> Vec<Transition> {
    let at = start();
    let op = || OperationId::new("wiki:join_group/sales");
    let grant = Grant::direct("account-1", Entitlement::new("join_group", "sales").with_role("reader").with_param("until", "2025-01-31"));
    let account = Account::new("account-1", AccountState::Active).with_login("sarah@company.com").with_email("sarah@company.com");
    let receipt =
        Receipt::new().before_grant(grant.clone()).with_grant(grant.clone()).with_account(account.clone()).and_changed("a mail was sent").still(grant.clone());
    let wait =
        Wait::new(WaitReason::InvitationSent, Duration::from_secs(60)).with_ticket("t-1").on_event("wiki/invitation/t-1").patience(Duration::from_secs(86_400));
    let refused = AdapterError::rate_limited("all", Some(Duration::from_secs(30))).with_code("429").with_request_id("req-1");
    let ended = |outcome, then| Transition::Ended { op: op(), attempt: 1, at, outcome, then };
    vec![
        Transition::Opened {
            at,
            subject: "emp_0789".into(),
            version: 3,
            rank: Rank::Leaver,
            event: "evt_0001".into(),
            actor: Actor::person("p-1"),
            plan: Digest::ZERO,
            rules: Digest::ZERO,
            descriptors: [("wiki".into(), Digest::ZERO)].into(),
            adopts: std::collections::BTreeMap::new(),
        },
        Transition::Began { op: op(), attempt: 1, epoch: 2, at, send_by: at, clear_at: at, before: Before::Account(account) },
        ended(Ending::Applied(receipt), Then::Done),
        ended(Ending::Unchanged(Receipt::new()), Then::Done),
        ended(Ending::Waiting(Receipt::new()), Then::Wait { wait: wait.clone(), look_at: at }),
        ended(Ending::Failed(Failure::from(&refused)), Then::RetryAt(at)),
        ended(Ending::Failed(Failure::from(&AdapterError::timed_out("no answer").effect_unknown())), Then::LookAt(at)),
        ended(Ending::Failed(Failure::from(&AdapterError::refused("the last owner"))), Then::Fail),
        Transition::Resolved { op: op(), attempt: 1, at, seen: Seen::Holds(Receipt::new().with_grant(grant)), then: Then::Done },
        Transition::Resolved { op: op(), attempt: 1, at, seen: Seen::Unclear("hidden".to_owned()), then: Then::Stuck("a person has to look".to_owned()) },
        Transition::WaitOpened { op: op(), at, wait, look_at: at },
        Transition::WaitEnded { op: op(), at, seen: Seen::Absent, failed: None, then: Then::RetryAt(at) },
        Transition::WaitEnded { op: op(), at, seen: Seen::Pending, failed: None, then: Then::Fail },
        Transition::Dropped { op: op(), at, why: "another run took over".to_owned() },
        Transition::Stuck { op: op(), at, why: "the system is not there".to_owned() },
        Transition::Closing { at, by: "run_2".to_owned() },
        Transition::Settled { at, verdict: Verdict::Superseded },
    ]
}

#[test]
fn each_transition_of_format_1_is_written_and_read_as_before() {
    let run = RunId::new("run_1");
    let (rows, _) = provisionr_core::run::encode(&run, 0, Digest::ZERO, &one_of_each()).unwrap();
    let rows: Vec<_> = rows.into_iter().zip(0..).map(|(row, seq)| JournalRow { seq, format: row.format, bytes: row.bytes, hash: row.hash }).collect();
    insta::assert_snapshot!("transitions_format_1", lines(&rows));
    for (row, transition) in rows.iter().zip(one_of_each()) {
        assert_eq!(provisionr_core::run::decode(&run, row).unwrap(), transition);
    }
}

/// What format 2 added, with everything in it that can be.
fn one_of_each_of_format_2() -> Vec<Transition> {
    let at = start();
    let op = || OperationId::new("wiki:join_group/sales");
    let decided = |decision| Transition::Decided { op: op(), at, actor: Actor::person("p-7"), why: "ticket 4711".to_owned(), decision };
    vec![
        Transition::Opened {
            at,
            subject: "emp_0789".into(),
            version: 3,
            rank: Rank::Change,
            event: "evt_0002".into(),
            actor: Actor::service("hris"),
            plan: Digest::ZERO,
            rules: Digest::ZERO,
            descriptors: [("wiki".into(), Digest::ZERO)].into(),
            adopts: [(op(), at)].into(),
        },
        decided(Decision::Done),
        decided(Decision::Retry),
        decided(Decision::Skip),
    ]
}

#[test]
fn each_transition_of_format_2_is_written_and_read_as_before() {
    let run = RunId::new("run_1");
    let (rows, _) = provisionr_core::run::encode(&run, 0, Digest::ZERO, &one_of_each_of_format_2()).unwrap();
    let rows: Vec<_> = rows.into_iter().zip(0..).map(|(row, seq)| JournalRow { seq, format: row.format, bytes: row.bytes, hash: row.hash }).collect();
    assert!(rows.iter().all(|row| row.format == 2), "an earlier version must not take it for what it knows");
    insta::assert_snapshot!("transitions_format_2", lines(&rows));
    for (row, transition) in rows.iter().zip(one_of_each_of_format_2()) {
        assert_eq!(provisionr_core::run::decode(&run, row).unwrap(), transition);
    }
}

#[test]
fn a_row_of_a_newer_format_is_refused_and_not_misread() {
    let row = JournalRow { seq: 4, format: JOURNAL_FORMAT + 1, bytes: b"{}".to_vec(), hash: Digest::ZERO };
    let error = provisionr_core::run::decode(&RunId::new("run_1"), &row).unwrap_err();
    assert_eq!(error.to_string(), format!("run run_1: row 4 has format {}, this version reads up to {JOURNAL_FORMAT}", JOURNAL_FORMAT + 1));
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_format_1_is_written_as_before() {
    let (company, _, run) = company_with_troubles().await;
    let row = company.store.run(&run).await.unwrap().unwrap();
    let plan = company.store.plan(&row.plan).await.unwrap().unwrap();
    insta::assert_snapshot!("plan_format_1", String::from_utf8(plan.bytes).unwrap());
}

/// Bytes that an earlier build has written are read, checked and told by this one.
#[test]
fn a_journal_and_plan_of_format_1_are_read() {
    let body = |text: &str| text.splitn(3, "---\n").nth(2).unwrap().trim_end().to_owned();
    let plan: Plan = serde_json::from_str(&body(include_str!("snapshots/golden__plan_format_1.snap"))).unwrap();
    let rows = read_rows(include_str!("fixtures/journal_format_1.txt"));
    let run = RunId::of(&"emp_0789".into(), &"evt_0001".into());
    let transitions = provisionr_core::run::verify(&run, &rows, rows.len() as u64, &rows.last().unwrap().hash).unwrap();
    let state = provisionr_core::run::replay(&run, &plan, &transitions).unwrap();
    assert_eq!(state.verdict(), Some(Verdict::Completed));
}

/// One of each operation that format 2 added, with everything in it that can be.
fn plan_of_format_2() -> Plan {
    let operation = |what: &str, action| Operation::new(&"emp_0789".into(), "wiki", what, action);
    let (sales, legal) = (Entitlement::new("join_group", "g-1"), Entitlement::new("join_group", "g-2"));
    let adapter = provisionr_testkit::MemoryAdapter::new("wiki");
    let groups = adapter.descriptor().kinds.get(&sales.kind).unwrap();
    let mut spec = AccountSpec::new("sarah@company.com").with("first_name", "Sarah");
    spec.entitlements.push(sales.clone());
    let mut account = operation("account", Action::Change(Change::EnsureAccount(spec))).expecting(Expect::Absent);
    account.carries.push(Carried::new(groups.key_of(&sales), "sales".into()));
    let by_hand = operation("revoke/join_group/g-2", Action::ByHand(Change::Revoke(legal.clone())))
        .about("legal".into(), groups.key_of(&legal))
        .not_before(Some(start()))
        .after_any([account.id.clone()]);
    let verification = Verification::new(Duration::from_secs(60)).account(AccountState::Suspended).gone([legal]);
    let verify = operation("verify", Action::Verify(verification)).after_any([by_hand.id.clone()]);
    let mut plan = Plan::new("emp_0789".into(), 7, Rank::Leaver, Digest::ZERO, vec![verify, by_hand, account]).unwrap();
    plan.open_keys.push(OpenKey::new("wiki".into(), "login", "forge".into(), AccountField::Profile("handle".to_owned())));
    plan.blocked.push(Blocked::new("forge".into(), "everything", "it is down"));
    plan.with_account("wiki".into(), AccountQuery::known("w-1").or("email", "sarah@company.com"))
}

#[test]
fn a_plan_of_format_2_is_written_and_read_as_before() {
    let plan = plan_of_format_2();
    assert_eq!(plan.format, 2);
    insta::assert_snapshot!("plan_format_2", String::from_utf8(plan.to_bytes().unwrap()).unwrap());
    let body = include_str!("snapshots/golden__plan_format_2.snap").splitn(3, "---\n").nth(2).unwrap().trim_end();
    assert_eq!(serde_json::from_str::<Plan>(body).unwrap(), plan);
}

/// A run that took over waits, and in which a person decided, as an earlier build has written it.
#[test]
fn a_journal_and_plan_of_format_2_are_read() {
    let rows = read_rows(include_str!("fixtures/journal_format_2.txt"));
    let plan: Plan = serde_json::from_str(include_str!("fixtures/plan_of_journal_format_2.json")).unwrap();
    let run = RunId::of(&"emp_0789".into(), &"evt_2_Updated".into());
    let transitions = provisionr_core::run::verify(&run, &rows, rows.len() as u64, &rows.last().unwrap().hash).unwrap();
    assert!(matches!(&transitions[0], Transition::Opened { adopts, plan: digest, .. } if adopts.len() == 2 && *digest == plan.digest().unwrap()));
    assert_eq!(transitions.iter().filter(|transition| matches!(transition, Transition::Decided { .. })).count(), 1);
    let state = provisionr_core::run::replay(&run, &plan, &transitions).unwrap();
    assert_eq!(state.verdict(), Some(Verdict::Completed));
}

#[tokio::test(start_paused = true)]
async fn a_row_changed_cut_or_moved_is_noticed() {
    let (company, _, run) = company_with_troubles().await;
    let row = company.store.run(&run).await.unwrap().unwrap();
    let rows = company.store.journal(&run, 0, 1_000).await.unwrap();
    let verify = |rows: &[JournalRow]| provisionr_core::run::verify(&run, rows, row.rows, &row.head);
    assert!(verify(&rows).is_ok());
    for place in 0..rows.len() {
        let mut changed = rows.clone();
        changed[place].bytes.push(b' ');
        assert!(verify(&changed).is_err(), "changed {place}");
        let mut cut = rows.clone();
        cut.remove(place);
        assert!(verify(&cut).is_err(), "cut {place}");
        if place > 0 {
            let mut moved = rows.clone();
            moved.swap(place - 1, place);
            assert!(verify(&moved).is_err(), "moved {place}");
        }
    }
    assert!(provisionr_core::run::verify(&RunId::new("run_other"), &rows, row.rows, &row.head).is_err());
}

#[tokio::test(start_paused = true)]
async fn the_ledger_is_what_the_journal_says() {
    let (company, access, _) = company_with_troubles().await;
    let _ = access;
    let account = company.account();
    let given: Vec<_> = company.store.ledger(&"wiki".into(), &account).await.unwrap().into_iter().map(|row| (row.key, row.entitlement.to_string())).collect();
    let held: Vec<_> = company.wiki.grants_of(&account).into_iter().map(|grant| grant.entitlement.to_string()).collect();
    assert_eq!(given.len(), 2);
    assert!(given.iter().all(|(_, entitlement)| held.contains(entitlement)), "{given:?} {held:?}");
}

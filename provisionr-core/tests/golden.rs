//! The stored forms of this version: a change of any of them is seen here, and needs a new format and a way up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::time::Duration;

use provisionr_core::store::{JournalRow, Store};
use provisionr_core::*;
use provisionr_testkit::MemoryFault;
use support::*;

fn lines(rows: &[JournalRow]) -> String {
    rows.iter().map(|row| format!("{} {} {}\n", row.format, row.hash, String::from_utf8(row.bytes.clone()).unwrap())).collect()
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

#[tokio::test(start_paused = true)]
async fn a_journal_of_format_1_is_written_as_before() {
    let (company, _, run) = company_with_troubles().await;
    insta::assert_snapshot!("journal_format_1", lines(&company.store.journal(&run, 0, 1_000).await.unwrap()));
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
    let journal = body(include_str!("snapshots/golden__journal_format_1.snap"));
    let rows: Vec<_> = journal
        .lines()
        .zip(0..)
        .map(|(line, seq)| {
            let mut parts = line.splitn(3, ' ');
            let format = parts.next().unwrap().parse().unwrap();
            let hash = parts.next().unwrap().parse().unwrap();
            JournalRow { seq, format, bytes: parts.next().unwrap().as_bytes().to_vec(), hash }
        })
        .collect();
    let run = RunId::of(&"emp_0789".into(), &"evt_0001".into());
    let transitions = provisionr_core::run::verify(&run, &rows, rows.len() as u64, &rows.last().unwrap().hash).unwrap();
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

//! What the rules write into accounts, and what they leave alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use provisionr_core::*;
use provisionr_testkit::MemoryFault;
use serde_json::{Value, json};
use support::*;

fn rules(profile: &str) -> String {
    JOBS.replace("wiki: { accounts: create }", &format!("wiki: {{ accounts: create, profile: {profile} }}"))
}

const MAPPED: &str = "{ first_name: { from: first_name, own: create }, last_name: { own: never }, department: department }";

fn sarah_of(version: u64, department: Value) -> Subject {
    person(version, "Sales Engineer").with("department", department)
}

fn profile(company: &Company) -> Vec<String> {
    company.in_wiki().profile.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

#[tokio::test(start_paused = true)]
async fn attributes_are_written_when_the_account_is_made_and_kept_up_only_where_they_are_ours() {
    let company = Company::new();
    let access = company.ruled(&rules(MAPPED));
    let run = company.handle(&access, sarah_of(1, json!("Sales")), EventKind::Hired).await;
    finish(&access, &run).await;
    assert_eq!(profile(&company), [r#"department="Sales""#, r#"email="sarah@company.com""#, r#"first_name="Sarah""#], "never: not even then");
    let renamed = sarah_of(2, json!("Presales")).with("first_name", "Sara").with("last_name", "Chang");
    let plan = access.plan(&event(renamed.clone(), EventKind::Updated)).await.unwrap();
    let updates: Vec<_> = plan.operations.iter().map(Operation::title).collect();
    assert_eq!(updates, ["update account department"]);
    let run = company.handle(&access, renamed, EventKind::Updated).await;
    finish(&access, &run).await;
    assert_eq!(profile(&company)[0], r#"department="Presales""#);
    assert_eq!(profile(&company)[2], r#"first_name="Sarah""#, "create: only then");
}

#[tokio::test(start_paused = true)]
async fn each_change_is_one_attribute_and_comes_before_grants() {
    let company = Company::new();
    let access = company.ruled(&rules("{ first_name: first_name, department: department }"));
    let run = company.handle(&access, sarah_of(1, json!("Sales")), EventKind::Hired).await;
    finish(&access, &run).await;
    let before = company.wiki.effects().len();
    let moved = person(2, "Counsel").with("department", "Legal").with("first_name", "Sara");
    let run = company.handle(&access, moved, EventKind::Updated).await;
    finish(&access, &run).await;
    let effects: Vec<_> = company.wiki.effects()[before..].iter().map(|effect| effect.change.to_string()).collect();
    let at = |change: &str| effects.iter().position(|effect| effect == change).unwrap_or_else(|| panic!("no {change} in {effects:?}"));
    assert!(at("update account department") < at("join_group legal") && at("update account first_name") < at("join_group legal"), "{effects:?}");
}

#[tokio::test(start_paused = true)]
async fn an_explicit_null_clears_and_a_record_that_says_nothing_does_not() {
    let company = Company::new();
    let access = company.ruled(&rules(MAPPED));
    let run = company.handle(&access, sarah_of(1, json!("Sales")), EventKind::Hired).await;
    finish(&access, &run).await;
    let plan = access.plan(&event(person(2, "Sales Engineer"), EventKind::Updated)).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    let run = company.handle(&access, sarah_of(3, Value::Null), EventKind::Updated).await;
    finish(&access, &run).await;
    assert!(!company.in_wiki().profile.contains_key("department"));
    let plan = access.plan(&event(sarah_of(4, Value::Null), EventKind::Updated)).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn what_is_equal_is_not_written_numbers_as_texts_too() {
    let company = Company::new();
    let access = company.ruled(&rules(MAPPED));
    let run = company.handle(&access, sarah_of(1, json!(4711)), EventKind::Hired).await;
    finish(&access, &run).await;
    let mut account = company.in_wiki();
    account.profile.insert("department".to_owned(), json!("4711"));
    company.wiki.seed_account(account);
    let plan = access.plan(&event(sarah_of(2, json!(4711)), EventKind::Updated)).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    let plan = access.plan(&event(sarah_of(2, json!(4712)), EventKind::Updated)).await.unwrap();
    assert_eq!(plan.operations.len(), 1, "{plan}");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_others_manage_is_told_and_gets_its_grants() {
    let company = Company::new();
    let access = company.ruled(&rules(MAPPED));
    let run = company.handle(&access, sarah_of(1, json!("Sales")), EventKind::Hired).await;
    finish(&access, &run).await;
    company.wiki.seed_account(Account { managed_by: Some(Owner::new("SCIM")), ..company.in_wiki() });
    let moved = person(2, "Counsel").with("department", "Legal");
    let plan = access.plan(&event(moved.clone(), EventKind::Updated)).await.unwrap();
    assert!(plan.blocked.iter().any(|blocked| blocked.what == "update account department" && blocked.why.contains("SCIM")), "{plan}");
    let run = company.handle(&access, moved, EventKind::Updated).await;
    assert_eq!(finish(&access, &run).await.verdict, Some(Verdict::Completed));
    assert_eq!(company.held(), ["join_group legal", "join_group sales"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_attribute_holds_up_no_grant() {
    let company = Company::new();
    let access = company.ruled(&rules(MAPPED));
    let run = company.handle(&access, sarah_of(1, json!("Sales")), EventKind::Hired).await;
    finish(&access, &run).await;
    company.wiki.faults_where(1, |request| matches!(request.change, Change::UpdateAccount(_)), MemoryFault::refuse(|| AdapterError::refused("no")));
    let run = company.handle(&access, person(2, "Counsel").with("department", "Legal"), EventKind::Updated).await;
    let report = finish(&access, &run).await;
    assert_eq!((report.verdict, report.count(Status::Failed), report.count(Status::Skipped)), (Some(Verdict::Failed), 1, 0), "{report}");
    assert_eq!(company.held(), ["join_group legal", "join_group sales"]);
}

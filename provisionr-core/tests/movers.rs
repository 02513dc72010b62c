//! Those who move: what is wanted is never taken along, and what is not wanted goes whatever becomes of the rest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::time::Duration;

use provisionr_core::*;
use provisionr_testkit::MemoryFault;
use support::*;

const DAY: Duration = Duration::from_secs(86_400);

/// What happens in the wiki when somebody moves from engineering to legal, which comes late or is refused.
async fn moves(refused: bool, rules: &str, wiki: fn(Descriptor) -> Descriptor) -> (Vec<String>, Report) {
    let company = Company::new();
    let access = company.described(rules, wiki);
    company.joined(&access).await;
    let before = company.wiki.effects().len();
    if refused {
        company.wiki.faults_on(1_000, "join_group", "legal", MemoryFault::refuse(|| AdapterError::refused("the group is full")));
    } else {
        company.wiki.faults_on(1, "join_group", "legal", MemoryFault::DelayEffect(Duration::from_secs(5)));
    }
    let mover = company.handle(&access, person(2, "Counsel"), EventKind::Updated).await;
    let report = finish(&access, &mover).await;
    (company.wiki.effects()[before..].iter().map(|effect| effect.change.to_string()).collect(), report)
}

/// The groups of the wiki take other groups along when they go.
fn cascading(wiki: Descriptor) -> Descriptor {
    let kinds: Vec<Kind> = wiki.kinds.iter().cloned().collect();
    kinds.into_iter().fold(
        wiki,
        |wiki, kind| {
            if kind.name == "join_group" { wiki.kind(kind.cascade("join_group", "the account, with the last group")) } else { wiki }
        },
    )
}

#[tokio::test(start_paused = true)]
async fn where_a_removal_would_take_along_what_is_wanted_that_is_added_first() {
    for refused in [false, true] {
        let (effects, report) = moves(refused, JOBS, cascading).await;
        let wanted: &[&str] = if refused { &["revoke join_group engineering"] } else { &["join_group legal", "revoke join_group engineering"] };
        assert_eq!(effects, wanted, "{report}");
    }
}

/// Of the groups of the wiki an account holds one.
fn single(wiki: Descriptor) -> Descriptor {
    let kinds: Vec<Kind> = wiki.kinds.iter().cloned().collect();
    kinds.into_iter().fold(wiki, |wiki, kind| if kind.name == "join_group" { wiki.kind(kind.cardinality(Cardinality::AtMostOne)) } else { wiki })
}

const ONE_GROUP: &str = r#"
systems:
  wiki: { accounts: create }
policies:
  - name: "Sales Engineer"
    triggers: [{ job_title: "Sales Engineer" }]
    provisions: [{ system: wiki, action: join_group, target: engineering }]
  - name: "Counsel"
    triggers: [{ job_title: "Counsel" }]
    provisions: [{ system: wiki, action: join_group, target: legal }]
"#;

#[tokio::test(start_paused = true)]
async fn the_only_one_of_a_kind_is_replaced_and_taken_back_only_if_that_fails() {
    for refused in [false, true] {
        let (effects, report) = moves(refused, ONE_GROUP, single).await;
        assert_eq!(effects, if refused { ["revoke join_group engineering"] } else { ["join_group legal"] }, "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_only_one_of_a_kind_that_an_earlier_run_may_still_give_is_out_of_the_way_before_the_next_is_given() {
    let company = Company::new();
    let access = company.described(ONE_GROUP, single);
    company.wiki.faults_on(1, "join_group", "engineering", MemoryFault::lose_request());
    company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
    access.driver().run_until_idle().await.unwrap();
    let mover = company.handle(&access, person(2, "Counsel"), EventKind::Updated).await;
    let report = finish(&access, &mover).await;
    assert_eq!((report.verdict, company.held()), (Some(Verdict::Completed), vec!["join_group legal".to_owned()]), "{report}");
    let log = access.audit(&mover).await.unwrap();
    let place = |title: &str, what: &str| log.entries.iter().position(|entry| entry.title == title && entry.what.starts_with(what)).unwrap();
    assert!(place("revoke join_group engineering", "was so already") < place("join_group legal", "begun"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn a_higher_role_that_provisionr_gave_is_lowered_and_one_that_people_gave_is_not() {
    for people in [false, true] {
        let company = Company::new();
        let access = company.ruled(JOBS);
        if people {
            let account = Account::new("f-1", AccountState::Active).with_login("sarah@company.com").with_email("sarah@company.com");
            company.forge.seed_account(account);
            company.forge.seed_grant(Grant::direct("f-1", Entitlement::new("join_project", "solutions").with_role("admin")));
        }
        let first = company.handle(&access, person(1, "Platform Engineer"), EventKind::Hired).await;
        finish(&access, &first).await;
        let mover = company.handle(&access, person(2, "Sales Engineer"), EventKind::Updated).await;
        finish(&access, &mover).await;
        let role = if people { "admin" } else { "reader" };
        assert!(company.held().contains(&format!("join_project solutions as {role}")), "{:?}", company.held());
        assert!(!company.held().contains(&"join_project platform as writer".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_was_raised_is_taken_back_even_if_the_answer_was_lost() {
    for lost in [false, true] {
        let company = Company::new();
        let access = company.ruled(JOBS);
        company.forge.seed_account(Account::new("f-1", AccountState::Active).with_login("sarah@company.com").with_email("sarah@company.com"));
        company.forge.seed_grant(Grant::direct("f-1", Entitlement::new("join_project", "solutions").with_role("reader")));
        if lost {
            company.forge.faults_on(1, "join_project", "solutions", MemoryFault::lose_answer());
        }
        let first = company.handle(&access, person(1, "Platform Engineer"), EventKind::Hired).await;
        finish(&access, &first).await;
        assert!(company.held().contains(&"join_project solutions as admin".to_owned()));
        let mover = company.handle(&access, person(2, "Nobody"), EventKind::Updated).await;
        finish(&access, &mover).await;
        assert!(company.held().is_empty(), "answer lost: {lost}: {:?}", company.held());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_for_a_while_goes_then_and_not_if_it_is_wanted_again() {
    for back in [false, true] {
        let company = Company::new();
        let access = company.ruled(&format!("{JOBS}---\nlifecycle: {{ grace: 3 days }}\n"));
        company.joined(&access).await;
        company.handle(&access, person(2, "Counsel"), EventKind::Updated).await;
        pass(&access, 2 * DAY).await;
        assert_eq!(company.held(), ["join_group engineering", "join_group legal", "join_group sales", "join_project solutions as reader"]);
        if back {
            let at = start() + 2 * DAY;
            access.handle(&Event::new("e3", EventKind::Updated, at, person(3, "Sales Engineer")), Actor::service("hris")).await.unwrap();
        }
        pass(&access, 2 * DAY).await;
        let wanted: &[&str] = if back {
            &["join_group engineering", "join_group legal", "join_group sales", "join_project solutions as reader"]
        } else {
            &["join_group legal", "join_group sales"]
        };
        assert_eq!(company.held(), wanted, "back: {back}");
        pass(&access, 2 * DAY).await;
        assert!(open_runs(&access).await.is_empty());
        let after: &[&str] = if back { &["join_group engineering", "join_group sales", "join_project solutions as reader"] } else { wanted };
        assert_eq!(company.held(), after);
    }
}

#[tokio::test(start_paused = true)]
async fn a_leaver_keeps_nothing_for_a_while() {
    let company = Company::new();
    let access = company.ruled(&format!("{JOBS}---\nlifecycle: {{ grace: 3 days }}\n"));
    company.joined(&access).await;
    company.handle(&access, person(2, "Counsel"), EventKind::Updated).await;
    access.driver().run_until_idle().await.unwrap();
    company.handle(&access, person(3, "Counsel"), EventKind::Terminated).await;
    access.driver().run_until_idle().await.unwrap();
    assert!(company.held().is_empty(), "{:?}", company.held());
    pass(&access, Duration::from_secs(600)).await;
    assert!(open_runs(&access).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_moves_before_they_accepted_the_invitation_is_given_the_new_once_they_have() {
    let company = Company::new();
    let access = company.ruled(&JOBS.replace("wiki: { accounts: create }", "wiki: { accounts: invite }"));
    company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
    // The vendor shows the account as invited from the moment it was asked to.
    company.wiki.seed_account(Account::new("w-1", AccountState::Invited).with_login("sarah@company.com").with_email("sarah@company.com"));
    let invited = Wait::new(WaitReason::InvitationSent, Duration::from_secs(600));
    company.wiki.faults_where(1, |request| matches!(request.change, Change::EnsureAccount(_)), MemoryFault::Wait(invited));
    access.driver().run_until_idle().await.unwrap();
    let mover = company.handle(&access, person(2, "Counsel"), EventKind::Updated).await;
    pass(&access, DAY).await;
    let report = access.report(&mover).await.unwrap();
    assert!(!report.is_settled(), "{report}");
    company.wiki.seed_account(Account { state: AccountState::Active, ..company.in_wiki() });
    pass(&access, DAY).await;
    let report = access.report(&mover).await.unwrap();
    assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
}

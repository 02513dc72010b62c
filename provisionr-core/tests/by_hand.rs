//! What people do: changes no API makes, and decisions about what is stuck.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::time::Duration;

use provisionr_core::run::Decision;
use provisionr_core::*;
use provisionr_testkit::MemoryFault;
use support::*;

fn op(id: &str) -> OperationId {
    OperationId::new(id)
}

fn rules() -> String {
    JOBS.replace("wiki: { accounts: create }", "wiki: { accounts: create, cannot: by_hand }")
}

fn no_groups(wiki: Descriptor) -> Descriptor {
    wiki.cannot(&Ability::Manage("join_group".into()))
}

#[tokio::test(start_paused = true)]
async fn a_grant_by_hand_is_waited_for_and_seen_by_a_look() {
    let company = Company::new();
    let access = company.described(&rules(), no_groups);
    let run = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
    access.driver().run_until_idle().await.unwrap();
    let report = access.report(&run).await.unwrap();
    assert_eq!(line(&report, "wiki:join_group/sales").title, "by hand: join_group sales");
    assert_eq!(line(&report, "wiki:join_group/sales").status, Status::Waiting, "{report}");
    assert_eq!(report.count(Status::Done), 3, "nothing else waits for it: {report}");
    let writes = company.wiki.effects().len();
    for target in ["sales", "engineering"] {
        company.wiki.seed_grant(Grant::direct(company.account(), Entitlement::new("join_group", target)));
    }
    pass(&access, Duration::from_secs(4 * 3_600)).await;
    let report = access.report(&run).await.unwrap();
    assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
    assert_eq!(company.wiki.effects().len(), writes, "no call was made");
}

#[tokio::test(start_paused = true)]
async fn what_is_told_done_by_hand_is_remembered_with_who_and_why_and_taken_back_by_hand() {
    let company = Company::new();
    let access = company.described(&rules(), no_groups);
    let run = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
    access.driver().run_until_idle().await.unwrap();
    access.decide(&run, &op("wiki:join_group/sales"), Decision::Done, Actor::person("p-7"), "ticket 4711").await.unwrap();
    access.decide(&run, &op("wiki:join_group/engineering"), Decision::Skip, Actor::person("p-7"), "not needed").await.unwrap();
    access.driver().run_until_idle().await.unwrap();
    let report = access.report(&run).await.unwrap();
    assert_eq!(report.verdict, Some(Verdict::Failed), "what is given up is not done: {report}");
    assert_eq!(line(&report, "wiki:join_group/sales").status, Status::Done);
    let log = access.audit(&run).await.unwrap();
    let entry = log.entries.iter().find(|entry| entry.what.contains("ticket 4711")).unwrap();
    assert!(entry.what.contains("done by hand") && entry.actor == Actor::person("p-7"), "{entry}");
    let ledger = company.store.ledger(&"wiki".into(), &company.account()).await.unwrap();
    assert_eq!(ledger.into_iter().map(|row| row.key).collect::<Vec<_>>(), ["join_group/sales"]);
    company.wiki.seed_grant(Grant::direct(company.account(), Entitlement::new("join_group", "sales")));
    let moved = company.handle(&access, person(2, "Nobody"), EventKind::Updated).await;
    access.driver().run_until_idle().await.unwrap();
    let report = access.report(&moved).await.unwrap();
    assert_eq!(line(&report, "wiki:revoke/join_group/sales").title, "by hand: revoke join_group sales");
    access.decide(&moved, &op("wiki:revoke/join_group/sales"), Decision::Done, Actor::person("p-7"), "ticket 4712").await.unwrap();
    access.driver().run_until_idle().await.unwrap();
    assert_eq!(access.report(&moved).await.unwrap().verdict, Some(Verdict::Completed));
    assert!(company.store.ledger(&"wiki".into(), &company.account()).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_account_made_by_hand_is_waited_for_and_then_used() {
    let company = Company::new();
    let access = company.described(&rules(), |wiki| wiki.cannot(&Ability::CreateAccount));
    let run = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
    access.driver().run_until_idle().await.unwrap();
    let report = access.report(&run).await.unwrap();
    assert_eq!((line(&report, "wiki:account").status, line(&report, "wiki:account").title.as_str()), (Status::Waiting, "account made by hand"), "{report}");
    company.wiki.seed_account(Account::new("w-9", AccountState::Active).with_login("sarah@company.com").with_email("sarah@company.com"));
    pass(&access, Duration::from_secs(4 * 3_600)).await;
    assert_eq!(access.report(&run).await.unwrap().verdict, Some(Verdict::Completed));
    assert_eq!(company.wiki.grants_of(&"w-9".into()).len(), 2);
    assert_eq!(company.store.holder(&"wiki".into(), &"w-9".into()).await.unwrap(), Some("emp_0789".into()));
}

#[tokio::test(start_paused = true)]
async fn a_revoke_by_hand_holds_up_no_other_cut_of_a_leaver() {
    let company = Company::new();
    let rules = JOBS.replace("forge: { accounts: create, after: [wiki] }", "forge: { accounts: create, after: [wiki], cannot: by_hand }");
    let joins = company.ruled(&rules);
    company.joined(&joins).await;
    company.forge.lack(Ability::Manage("join_project".into()), "the token is read-only");
    let access = company.ruled(&rules);
    let leaver = company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await;
    access.driver().run_until_idle().await.unwrap();
    let report = access.report(&leaver).await.unwrap();
    assert_eq!(line(&report, "forge:revoke/join_project/solutions").status, Status::Waiting, "{report}");
    assert_eq!(company.held(), ["join_project solutions as reader"], "{report}");
    pass(&access, Duration::from_secs(3_600)).await;
    let report = access.report(&leaver).await.unwrap();
    assert!(!report.is_settled(), "nobody has done it yet: {report}");
    // Told done, and not done: seen at the end.
    access.decide(&leaver, &op("forge:revoke/join_project/solutions"), Decision::Done, Actor::person("p-7"), "done").await.unwrap();
    pass(&access, Duration::from_secs(600)).await;
    let open = open_runs(&access).await;
    assert_eq!(open.len(), 1, "the verification does not take a person's word");
    company.forge.remove_grant(&company.in_forge().id, &Entitlement::new("join_project", "solutions").with_role("reader"));
    pass(&access, Duration::from_secs(5 * 3_600)).await;
    assert!(open_runs(&access).await.is_empty(), "{}", access.report(&open_runs(&access).await[0]).await.unwrap());
}

async fn stuck() -> (Company, Provisioner, RunId) {
    let company = Company::new();
    // A grant that must not be repeated, of which nobody knows whether it was made.
    let access = company.described(JOBS, |wiki| {
        let kinds: Vec<Kind> = wiki.kinds.iter().cloned().collect();
        kinds.into_iter().fold(wiki, |wiki, kind| {
            let facts = ChangeFacts { repeat: Repeat::Unsafe, ..kind.grant.clone() };
            wiki.kind(kind.granting(facts))
        })
    });
    let run = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
    company.wiki.faults_on(1, "join_group", "sales", MemoryFault::lose_request());
    pass(&access, Duration::from_secs(600)).await;
    let report = access.report(&run).await.unwrap();
    assert_eq!(line(&report, "wiki:join_group/sales").status, Status::Stuck, "{report}");
    assert!(!report.is_settled());
    (company, access, run)
}

#[tokio::test(start_paused = true)]
async fn a_person_decides_what_becomes_of_what_is_stuck() {
    for (decision, verdict, held) in
        [(Decision::Retry, Verdict::Completed, true), (Decision::Skip, Verdict::Failed, false), (Decision::Done, Verdict::Completed, false)]
    {
        let (company, access, run) = stuck().await;
        access.decide(&run, &op("wiki:join_group/sales"), decision, Actor::person("p-7"), "looked at it").await.unwrap();
        pass(&access, Duration::from_secs(60)).await;
        let report = access.report(&run).await.unwrap();
        assert_eq!(report.verdict, Some(verdict), "{decision:?}: {report}");
        assert_eq!(company.held().contains(&"join_group sales".to_owned()), held, "{decision:?}");
        let log = access.audit(&run).await.unwrap().to_string();
        assert!(log.contains("person p-7") && log.contains("looked at it"), "{log}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_about_what_is_not_stuck_is_refused_and_one_that_comes_too_late_changes_nothing() {
    let (_company, access, run) = stuck().await;
    let decide = async |operation: &str| access.decide(&run, &op(operation), Decision::Done, Actor::person("p-7"), "x").await;
    for operation in ["wiki:join_group/engineering", "wiki:nothing"] {
        assert!(matches!(decide(operation).await, Err(AccessError::NothingToDecide { .. })), "{operation}");
    }
    // Two people decide before the run is moved: the second comes too late.
    decide("wiki:join_group/sales").await.unwrap();
    access.decide(&run, &op("wiki:join_group/sales"), Decision::Retry, Actor::person("p-8"), "y").await.unwrap();
    pass(&access, Duration::from_secs(60)).await;
    let report = access.report(&run).await.unwrap();
    assert_eq!((report.verdict, line(&report, "wiki:join_group/sales").attempts), (Some(Verdict::Completed), 1), "{report}");
    assert!(!access.audit(&run).await.unwrap().to_string().contains("p-8"));
    assert!(matches!(decide("wiki:join_group/sales").await, Err(AccessError::NothingToDecide { .. })));
}

#[tokio::test(start_paused = true)]
async fn what_is_stuck_in_a_run_that_gives_way_is_still_decided_by_a_person() {
    let (company, access, run) = stuck().await;
    let leaver = company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await;
    pass(&access, Duration::from_secs(3_600)).await;
    assert_eq!(company.in_wiki().state, AccountState::Suspended);
    assert!(company.held().is_empty());
    assert!(!access.report(&leaver).await.unwrap().is_settled(), "what is in doubt may still come");
    access.decide(&run, &op("wiki:join_group/sales"), Decision::Retry, Actor::person("p-7"), "it is not there").await.unwrap();
    pass(&access, Duration::from_secs(3_600)).await;
    assert_eq!(access.report(&run).await.unwrap().verdict, Some(Verdict::Superseded));
    assert_eq!(access.report(&leaver).await.unwrap().verdict, Some(Verdict::Completed));
    assert!(company.held().is_empty(), "a run that gives way tries nothing again");
}

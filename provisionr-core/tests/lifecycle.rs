//! Those who leave, are away and come back: kept out at once, cleaned, verified, retired, and given everything again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::time::Duration;

use provisionr_core::*;
use provisionr_testkit::MemoryFault;
use support::*;

const DAY: Duration = Duration::from_secs(86_400);

fn first_login() -> String {
    JOBS.replace("forge: { accounts: create, after: [wiki] }", "forge: { accounts: first_login, after: [wiki] }")
}

fn leaver_rules(leaver: &str) -> String {
    JOBS.replace("wiki: { accounts: create }", &format!("wiki: {{ accounts: create, {leaver} }}"))
}

#[tokio::test(start_paused = true)]
async fn what_is_given_to_an_account_that_was_there_before_is_taken_back() {
    let company = Company::new();
    company.wiki.seed_account(Account::new("w-1", AccountState::Active).with_login("sarah@company.com").with_email("sarah@company.com"));
    let access = company.process();
    let run = submit(&access).await;
    finish(&access, &run).await;
    assert_eq!(company.wiki.grants_of(&"w-1".into()).len(), 2);
    assert_eq!(company.store.ledger(&"wiki".into(), &"w-1".into()).await.unwrap().len(), 2);
    let moved = company.handle(&access, person(2, "Nobody"), EventKind::Updated).await;
    finish(&access, &moved).await;
    assert!(company.wiki.grants_of(&"w-1".into()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_leaves_before_the_first_login_is_cut_off_elsewhere_and_nothing_waits() {
    let company = Company::new();
    let access = company.ruled(&first_login());
    let joiner = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
    access.driver().run_until_idle().await.unwrap();
    let leaver = company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await;
    access.driver().run_until_idle().await.unwrap();
    assert_eq!(company.in_wiki().state, AccountState::Suspended, "at once");
    assert!(company.held().is_empty());
    assert_eq!(access.report(&joiner).await.unwrap().verdict, Some(Verdict::Superseded));
    assert!(company.store.waits(&joiner).await.unwrap().is_empty());
    let report = finish(&access, &leaver).await;
    assert_eq!((report.verdict, report.count(Status::Done)), (Some(Verdict::Completed), report.operations.len()), "{report}");
    assert!(report.operations.iter().any(|line| line.operation.as_str() == "forge:verify"), "{report}");
    assert!(open_runs(&access).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_account_that_surfaces_after_the_leaver_was_planned_is_found_and_suspended() {
    let company = Company::new();
    let access = company.ruled(&first_login());
    company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
    access.driver().run_until_idle().await.unwrap();
    let leaver = company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await;
    access.driver().run_until_idle().await.unwrap();
    company.forge.seed_account(Account::new("f-1", AccountState::Active).with_login("sarah@company.com").with_email("sarah@company.com"));
    let report = finish(&access, &leaver).await;
    assert_eq!(report.verdict, Some(Verdict::Superseded), "another run follows: {report}");
    pass(&access, Duration::from_secs(600)).await;
    assert_eq!(company.in_forge().state, AccountState::Suspended);
    assert!(open_runs(&access).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_lands_after_the_leaver_was_planned_is_taken_back() {
    for (answered, again) in [(true, false), (false, false), (false, true)] {
        let company = Company::new();
        let access = company.ruled(JOBS);
        company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
        // The request hangs at the vendor, past its time limit, and comes true long after.
        company.wiki.faults_on(1, "join_group", "sales", if answered { MemoryFault::lose_answer() } else { MemoryFault::lose_request() });
        if again {
            // Sent again at once, it succeeds, and the joiner is over.
            pass(&access, Duration::from_secs(10)).await;
        } else {
            access.driver().run_until_idle().await.unwrap();
        }
        let late = Grant::direct(company.account(), Entitlement::new("join_group", "sales"));
        let leaver = company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await;
        for _ in 0..20 {
            access.driver().run_until_idle().await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        if !answered {
            company.wiki.seed_grant(late);
        }
        finish(&access, &leaver).await;
        pass(&access, Duration::from_secs(600)).await;
        assert!(company.held().is_empty(), "answered: {answered}, sent again: {again}: {:?}", company.held());
        assert_eq!(company.in_wiki().state, AccountState::Suspended);
        assert!(open_runs(&access).await.is_empty());
        assert!(company.store.ledger(&"wiki".into(), &company.account()).await.unwrap().iter().all(|row| row.key == "account/state"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_suspension_is_followed_up_three_times_and_told_to_a_person() {
    let company = Company::new();
    let access = company.ruled(JOBS);
    company.joined(&access).await;
    company.wiki.log_in(company.account());
    let suspends = |request: &Request| matches!(request.change, Change::SetState(_));
    company.wiki.faults_where(1_000, suspends, MemoryFault::refuse(|| AdapterError::refused("the last owner")));
    let leaver = company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await;
    access.driver().run_until_idle().await.unwrap();
    assert!(!company.wiki.has_session(&company.account()), "sessions end all the same");
    assert!(company.held().is_empty(), "grants go all the same");
    finish(&access, &leaver).await;
    pass(&access, Duration::from_secs(7_200)).await;
    let follow_ups = access.runs(&all_runs()).await.unwrap().into_iter().filter(|run| run.event.as_str().contains("/follow-up-")).count();
    assert_eq!(follow_ups, 3);
    let open = open_runs(&access).await;
    assert_eq!(open.len(), 1);
    let report = access.report(&open[0]).await.unwrap();
    assert_eq!(line(&report, "wiki:verify").status, Status::Stuck, "{report}");
    // The person has seen to it.
    access.decide(&open[0], &OperationId::new("wiki:verify"), run::Decision::Retry, Actor::person("p-1"), "suspended by the owner").await.unwrap();
    company.wiki.seed_account(Account { state: AccountState::Suspended, ..company.in_wiki() });
    pass(&access, Duration::from_secs(600)).await;
    assert!(open_runs(&access).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_suspension_that_failed_in_an_outage_is_tried_again_by_the_follow_up() {
    let company = Company::new();
    let access = company.ruled(JOBS);
    company.joined(&access).await;
    let suspends = |request: &Request| matches!(request.change, Change::SetState(_));
    // Through the first run and its first follow-up.
    company.wiki.faults_where(2, suspends, MemoryFault::refuse(|| AdapterError::refused("not now")));
    company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await;
    pass(&access, Duration::from_secs(3_600)).await;
    assert_eq!(company.in_wiki().state, AccountState::Suspended);
    assert!(open_runs(&access).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_leaver_is_not_done_with_while_a_system_cannot_be_read() {
    let company = Company::new();
    let access = company.ruled(JOBS);
    company.joined(&access).await;
    company.wiki.fail_reads(8, || AdapterError::unavailable("down"));
    let leaver = company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await;
    let report = access.report(&leaver).await.unwrap();
    assert!(report.blocked.iter().any(|blocked| blocked.system == "wiki"), "{report}");
    pass(&access, Duration::from_secs(3_600)).await;
    assert_eq!(company.in_wiki().state, AccountState::Suspended);
    assert!(company.held().is_empty(), "{:?}", company.held());
    assert!(open_runs(&access).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn where_nothing_suspends_all_that_is_held_directly_goes_and_what_is_inherited_stays() {
    let company = Company::new();
    let access = company.described(JOBS, |wiki| {
        let facts = wiki.accounts.clone().suspension(Suspension::RevokeAll);
        wiki.accounts(facts)
    });
    company.joined(&access).await;
    let by_hand = Grant::direct(company.account(), Entitlement::new("join_project", "handbook").with_role("writer"));
    let inherited = Grant { source: Source::Inherited("staff".into()), ..Grant::direct(company.account(), Entitlement::new("join_group", "legal")) };
    company.wiki.seed_grant(by_hand);
    company.wiki.seed_grant(Grant { entitlement: Entitlement::new("join_group", "sales"), ..inherited.clone() });
    company.wiki.seed_grant(inherited);
    let leaver = company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await;
    let report = finish(&access, &leaver).await;
    assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
    assert_eq!(company.held(), ["join_group legal", "join_group sales"]);
    assert_eq!(company.in_wiki().state, AccountState::Active);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_keeps_a_leaver_out_that_is_told_or_done_by_hand() {
    let none = |wiki: Descriptor| {
        let mut facts = wiki.accounts.clone().suspension(Suspension::None);
        facts.transitions.clear();
        wiki.cannot(&Ability::SetState).accounts(facts)
    };
    let company = Company::new();
    let access = company.described(JOBS, none);
    company.joined(&access).await;
    let leaver = company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await;
    let report = finish(&access, &leaver).await;
    assert!(report.blocked.iter().any(|blocked| blocked.system == "wiki" && blocked.what == "account suspended"), "{report}");
    assert!(company.held().is_empty());

    let company = Company::new();
    let access = company.described(&leaver_rules("cannot: by_hand"), none);
    company.joined(&access).await;
    company.wiki.log_in(company.account());
    let leaver = company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await;
    access.driver().run_until_idle().await.unwrap();
    let report = access.report(&leaver).await.unwrap();
    assert_eq!(line(&report, "wiki:suspend").status, Status::Waiting, "{report}");
    assert!(company.held().is_empty(), "what is taken waits for no person: {report}");
    assert!(!company.wiki.has_session(&company.account()), "nor do sessions: {report}");
    access.decide(&leaver, &OperationId::new("wiki:suspend"), run::Decision::Done, Actor::person("p-1"), "asked the vendor").await.unwrap();
    assert_eq!(finish(&access, &leaver).await.verdict, Some(Verdict::Completed));
}

#[tokio::test(start_paused = true)]
async fn an_invitation_is_withdrawn_and_what_was_accepted_meanwhile_is_revoked() {
    for accepted in [false, true] {
        let company = Company::new();
        let access = company.ruled(JOBS);
        company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
        // A vendor that shows an open invitation as a grant of its own.
        access.driver().run_until_idle().await.unwrap();
        let (account, sales) = (company.account(), Entitlement::new("join_group", "sales"));
        company.wiki.remove_grant(&account, &sales);
        company.wiki.seed_grant(Grant::direct(account.clone(), sales.clone()).in_state(GrantState::Invited));
        let leaver = company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await;
        let plan = access.report(&leaver).await.unwrap();
        assert!(plan.operations.iter().any(|line| line.title == "withdraw join_group sales"), "{plan}");
        if accepted {
            company.wiki.remove_grant(&account, &sales);
            company.wiki.seed_grant(Grant::direct(account.clone(), sales.clone()));
        }
        finish(&access, &leaver).await;
        pass(&access, Duration::from_secs(600)).await;
        assert!(company.held().is_empty(), "accepted: {accepted}: {:?}", company.held());
        assert!(open_runs(&access).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_depends_on_something_is_taken_before_it_in_and_across_systems() {
    let company = Company::new();
    let rules = JOBS.replace(
        "      - { system: wiki, action: join_group, target: sales }\n      - { system: wiki, action: join_group, target: engineering }",
        "      - { system: wiki, action: join_group, target: sales }\n      - { system: wiki, action: join_project, target: handbook, role: reader }",
    );
    let access = company.described(&rules, |wiki| {
        let kinds: Vec<Kind> = wiki.kinds.iter().cloned().collect();
        kinds.into_iter().fold(wiki, |wiki, kind| if kind.name == "join_project" { wiki.kind(kind.after("join_group")) } else { wiki })
    });
    company.joined(&access).await;
    let before = company.wiki.effects().len();
    let leaver = company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await;
    // Whatever becomes of the earlier ones.
    company.forge.faults_on(1_000, "join_project", "solutions", MemoryFault::refuse(|| AdapterError::refused("the last member")));
    finish(&access, &leaver).await;
    let taken: Vec<_> = company.wiki.effects()[before..].iter().map(|effect| effect.change.to_string()).collect();
    assert_eq!(taken, ["account suspended", "revoke join_project handbook as reader", "revoke join_group sales"]);
    let calls = company.store.journal(&leaver, 0, 1_000).await.unwrap().into_iter().map(|row| String::from_utf8(row.bytes).unwrap()).collect::<Vec<_>>();
    let at = |operation: &str, is: &str| calls.iter().position(|row| row.contains(is) && row.contains(operation)).unwrap();
    assert!(at("forge:revoke/join_project/solutions", "\"ended\"") < at("wiki:revoke/join_project/handbook", "\"began\""), "{calls:#?}");
}

#[tokio::test(start_paused = true)]
async fn accounts_are_retired_on_their_day_and_not_if_the_person_is_back_before() {
    for back in [false, true] {
        let company = Company::new();
        let rules = leaver_rules("leaver: { deactivate_after: 10 days, delete_after: 30 days }");
        let access = company.ruled(&rules);
        company.joined(&access).await;
        let leaver = company.handle(&access, person(2, "Sales Engineer").with("end_date", "2024-11-30"), EventKind::Terminated).await;
        pass(&access, 15 * DAY).await;
        assert_eq!(company.in_wiki().state, AccountState::Suspended, "the 10th of December has not come");
        // Another process, which knows only what the store does.
        let clock = TokioClock::starting_at(start() + 15 * DAY);
        let later = company.process_with(|builder| builder.clock(clock).rules(Rules::parse("rules.yaml", &rules).unwrap()));
        pass(&later, 3 * DAY).await;
        assert_eq!(company.in_wiki().state, AccountState::Deactivated);
        if back {
            let rehired = company.handle(&later, person(3, "Sales Engineer"), EventKind::Rehired).await;
            pass(&later, DAY).await;
            assert_eq!(later.report(&rehired).await.unwrap().verdict, Some(Verdict::Completed));
            assert_eq!(company.in_wiki().state, AccountState::Active);
            assert_eq!(company.held(), ["join_group engineering", "join_group sales", "join_project solutions as reader"]);
        }
        pass(&later, 30 * DAY).await;
        assert_eq!(company.wiki.accounts().len(), usize::from(back), "deleted unless they are back");
        let verdict = later.report(&leaver).await.unwrap().verdict;
        assert_eq!(verdict, Some(if back { Verdict::Superseded } else { Verdict::Completed }));
        assert!(open_runs(&later).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_last_day_accounts_are_retired_after_the_event_and_a_second_event_puts_nothing_off() {
    let company = Company::new();
    let access = company.ruled(&leaver_rules("leaver: { delete_after: 30 days, deactivate_after: 10 days }"));
    company.joined(&access).await;
    company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await;
    pass(&access, 5 * DAY).await;
    let again = Event::new("evt_again", EventKind::Terminated, start() + 5 * DAY, person(3, "Sales Engineer"));
    access.handle(&again, Actor::service("hris")).await.unwrap();
    pass(&access, Duration::from_secs(3_600) * 24 * 6).await;
    assert_eq!(company.in_wiki().state, AccountState::Deactivated);
}

#[tokio::test(start_paused = true)]
async fn a_last_day_that_is_put_off_puts_off_the_end_of_the_account() {
    let company = Company::new();
    let access = company.ruled(&leaver_rules("leaver: { deactivate_after: 1 days, delete_after: 2 days }"));
    company.joined(&access).await;
    company.handle(&access, person(2, "Sales Engineer").with("end_date", "2024-11-25"), EventKind::Terminated).await;
    access.driver().run_until_idle().await.unwrap();
    company.handle(&access, person(3, "Sales Engineer").with("end_date", "2024-12-24"), EventKind::Terminated).await;
    pass(&access, 20 * DAY).await;
    assert_eq!(company.in_wiki().state, AccountState::Suspended);
    pass(&access, 15 * DAY).await;
    assert!(company.wiki.accounts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_switched_off_is_switched_on_only_for_who_is_back() {
    for (kind, on) in [(EventKind::Updated, false), (EventKind::Hired, true), (EventKind::Returned, true), (EventKind::Rehired, true)] {
        let company = Company::new();
        let access = company.ruled(JOBS);
        company.joined(&access).await;
        company.wiki.seed_account(Account { state: AccountState::Suspended, ..company.in_wiki() });
        let plan = access.plan(&event(person(2, "Counsel"), kind)).await.unwrap();
        let blocked = plan.blocked.iter().any(|blocked| blocked.why.contains("somebody else made it so"));
        assert_eq!(blocked, !on, "{kind:?}: {plan}");
        let run = company.handle(&access, person(2, "Counsel"), kind).await;
        finish(&access, &run).await;
        assert_eq!(company.in_wiki().state == AccountState::Active, on, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_event_that_somebody_is_back_switches_nothing_on() {
    let company = Company::new();
    let access = company.ruled(JOBS);
    company.joined(&access).await;
    let moved = company.handle(&access, person(5, "Counsel"), EventKind::Updated).await;
    finish(&access, &moved).await;
    company.wiki.seed_account(Account { state: AccountState::Suspended, ..company.in_wiki() });
    let plan = access.plan(&event(person(2, "Sales Engineer"), EventKind::Returned)).await.unwrap();
    assert!(plan.operations.iter().all(|operation| operation.id.as_str() != "wiki:account"), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn who_is_away_is_suspended_where_the_rules_say_so_and_keeps_everything() {
    for lost in [false, true] {
        let company = Company::new();
        let access = company.ruled(&leaver_rules("on_leave: suspend"));
        company.joined(&access).await;
        let held = company.held();
        if lost {
            company.wiki.faults_where(1, |request| matches!(request.change, Change::SetState(_)), MemoryFault::lose_answer());
        }
        let away = company.handle(&access, person(2, "Sales Engineer"), EventKind::LeaveStarted).await;
        assert_eq!(finish(&access, &away).await.verdict, Some(Verdict::Completed));
        assert_eq!((company.in_wiki().state, company.in_forge().state), (AccountState::Suspended, AccountState::Active));
        assert_eq!(company.held(), held);
        // An update of an active record tells as much as an event that they are back: it was provisionr that suspended.
        let back = company.handle(&access, person(3, "Sales Engineer"), EventKind::Updated).await;
        assert_eq!(finish(&access, &back).await.verdict, Some(Verdict::Completed), "answer lost: {lost}");
        assert_eq!(company.in_wiki().state, AccountState::Active, "answer lost: {lost}");
        assert_eq!(company.held(), held);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_back_while_the_suspension_is_under_way_ends_up_switched_on() {
    for fault in [MemoryFault::lose_answer(), MemoryFault::DelayEffect(Duration::from_secs(20))] {
        let company = Company::new();
        let access = company.ruled(JOBS);
        company.joined(&access).await;
        company.wiki.faults_where(1, |request| matches!(request.change, Change::SetState(AccountState::Suspended)), fault);
        company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await;
        let driver = access.driver();
        let driving = tokio::spawn(async move { driver.run_until(tokio::time::sleep(Duration::from_secs(3_600))).await });
        tokio::time::sleep(Duration::from_millis(200)).await;
        let back = company.handle(&access, person(3, "Sales Engineer"), EventKind::Rehired).await;
        driving.await.unwrap().unwrap();
        let report = access.report(&back).await.unwrap();
        assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
        assert_eq!((company.in_wiki().state, company.in_forge().state), (AccountState::Active, AccountState::Active), "{report}");
        assert_eq!(company.held(), ["join_group engineering", "join_group sales", "join_project solutions as reader"]);
        assert!(open_runs(&access).await.is_empty());
    }
}

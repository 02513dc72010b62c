//! Runs from an event to their end, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::time::Duration;

use provisionr_core::*;
use provisionr_testkit::MemoryFault;
use support::*;

#[tokio::test(start_paused = true)]
async fn a_joiner_gets_accounts_in_order_and_what_the_rules_give() {
    let company = Company::new();
    let heard = Heard::default();
    let access = company.process_with(|builder| builder.observer(heard.clone()));
    let plan = access.plan(&sarah()).await.unwrap();
    insta::assert_snapshot!(plan.to_string(), @r###"
    plan for emp_0789 (version 1): 5 operations
       1. wiki   account sarah@company.com
                 because of Sales Engineer (job_title = "Sales Engineer")
       2. forge  account sarah@company.com  (after 1)
                 because of Sales Engineer (job_title = "Sales Engineer")
       3. forge  join_project solutions as reader  (after 2)
                 because of Sales Engineer (job_title = "Sales Engineer")
       4. wiki   join_group engineering  (after 1)
                 because of Sales Engineer (job_title = "Sales Engineer")
       5. wiki   join_group sales  (after 1)
                 because of Sales Engineer (job_title = "Sales Engineer")
    "###);
    let run = submit(&access).await;
    let report = finish(&access, &run).await;
    assert_eq!(report.verdict, Some(Verdict::Completed));
    insta::assert_snapshot!(company.picture(), @r###"
    forge Some("sarah@company.com") active
    forge Some("sarah@company.com") join_project solutions as reader Held
    wiki Some("sarah@company.com") active
    wiki Some("sarah@company.com") join_group engineering Held
    wiki Some("sarah@company.com") join_group sales Held
    "###);
    let mut heard = heard.0.lock().unwrap().clone();
    heard.sort();
    insta::assert_snapshot!(heard.join("\n"), @r###"
    forge account sarah@company.com: done
    forge account sarah@company.com: open
    forge join_project solutions as reader: done
    forge join_project solutions as reader: open
    wiki account sarah@company.com: done
    wiki account sarah@company.com: open
    wiki join_group engineering: done
    wiki join_group engineering: open
    wiki join_group sales: done
    wiki join_group sales: open
    "###);
    let mut entries: Vec<_> = access.audit(&run).await.unwrap().entries.iter().map(ToString::to_string).collect();
    entries.sort();
    insta::assert_snapshot!(entries.join("\n"), @r###"
    2024-11-24T09:00:00Z service hris forge: account sarah@company.com: applied [attempt 1] because of Sales Engineer (job_title = "Sales Engineer")
    2024-11-24T09:00:00Z service hris forge: account sarah@company.com: begun [attempt 1] because of Sales Engineer (job_title = "Sales Engineer")
    2024-11-24T09:00:00Z service hris forge: join_project solutions as reader: applied [attempt 1] because of Sales Engineer (job_title = "Sales Engineer")
    2024-11-24T09:00:00Z service hris forge: join_project solutions as reader: begun [attempt 1] because of Sales Engineer (job_title = "Sales Engineer")
    2024-11-24T09:00:00Z service hris wiki: account sarah@company.com: applied [attempt 1] because of Sales Engineer (job_title = "Sales Engineer")
    2024-11-24T09:00:00Z service hris wiki: account sarah@company.com: begun [attempt 1] because of Sales Engineer (job_title = "Sales Engineer")
    2024-11-24T09:00:00Z service hris wiki: join_group engineering: applied [attempt 1] because of Sales Engineer (job_title = "Sales Engineer")
    2024-11-24T09:00:00Z service hris wiki: join_group engineering: begun [attempt 1] because of Sales Engineer (job_title = "Sales Engineer")
    2024-11-24T09:00:00Z service hris wiki: join_group sales: applied [attempt 1] because of Sales Engineer (job_title = "Sales Engineer")
    2024-11-24T09:00:00Z service hris wiki: join_group sales: begun [attempt 1] because of Sales Engineer (job_title = "Sales Engineer")
    2024-11-24T09:00:00Z service hris: opened by event evt_0001 with plan 6932050f07be under rules cf831edab4b6
    2024-11-24T09:00:00Z service hris: run completed
    "###);
}

#[tokio::test(start_paused = true)]
async fn what_holds_already_is_not_planned_again() {
    let company = Company::new();
    let access = company.process();
    let run = submit(&access).await;
    finish(&access, &run).await;
    let again = access.plan(&sarah()).await.unwrap();
    assert!(again.is_empty(), "{again}");
    assert!(again.blocked.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_event_submits_once() {
    let company = Company::new();
    let access = company.process();
    let first = submit(&access).await;
    let second = submit(&access).await;
    assert_eq!(first, second);
    finish(&access, &first).await;
    assert_eq!(submit(&access).await, first);
    assert_eq!(access.runs(&all_runs()).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_looked_at_and_not_doubled() {
    let company = Company::new();
    let access = company.process();
    let run = submit(&access).await;
    company.wiki.faults_on(1, "join_group", "sales", MemoryFault::lose_answer());
    let report = finish(&access, &run).await;
    assert_eq!(report.verdict, Some(Verdict::Completed));
    assert!(company.doubled().is_empty(), "{:?}", company.doubled());
    let log = access.audit(&run).await.unwrap().to_string();
    assert!(log.contains("found in force after a lost answer"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn an_account_whose_answer_was_lost_is_found_and_ours() {
    let company = Company::new();
    let access = company.process();
    let run = submit(&access).await;
    company.wiki.fault(MemoryFault::lose_answer());
    let report = finish(&access, &run).await;
    assert_eq!(report.verdict, Some(Verdict::Completed));
    assert_eq!(company.wiki.accounts().len(), 1);
    assert_eq!(company.store.links(&"emp_0789".into()).await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_bad_system_stops_only_itself() {
    let company = Company::new();
    let access = company.process();
    let run = submit(&access).await;
    company.forge.faults(1_000, MemoryFault::refuse(|| AdapterError::unavailable("the forge is down")));
    let report = finish(&access, &run).await;
    assert_eq!(report.verdict, Some(Verdict::Failed));
    let states: Vec<_> = report.operations.iter().map(|line| (line.system.to_string(), line.status)).collect();
    assert_eq!(report.count(Status::Done), 3, "{states:?}");
    assert_eq!(report.count(Status::Failed), 1);
    assert_eq!(report.count(Status::Skipped), 1);
}

#[tokio::test(start_paused = true)]
async fn a_system_that_cannot_be_read_is_told_and_the_rest_is_planned() {
    let company = Company::new();
    let access = company.process();
    company.wiki.fail_reads(1_000, || AdapterError::permission_denied("no right to look"));
    let plan = access.plan(&sarah()).await.unwrap();
    assert!(plan.operations.is_empty(), "the forge waits for the wiki: {plan}");
    let refused = access.submit(plan.clone(), &"evt_0001".into(), Actor::service("hris")).await.unwrap_err();
    assert!(refused.to_string().contains("no right to look"), "the event must not be spent: {refused}");
    let told: Vec<_> = plan.blocked.iter().map(|blocked| format!("{} {}: {}", blocked.system, blocked.what, blocked.why)).collect();
    insta::assert_snapshot!(told.join("\n"), @r###"
    forge account sarah@company.com: it waits for `wiki`, which could not be planned
    forge join_project solutions as reader: it waits for `wiki`, which could not be planned
    wiki everything: the system cannot be read: no right to look
    "###);
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_its_time_and_survives_the_process() {
    let company = Company::new();
    let access = company.process();
    let run = submit(&access).await;
    let busy = || AdapterError::unavailable("down for maintenance").with_hint(RetryHint::After(Duration::from_secs(300)));
    company.wiki.faults_on(1, "join_group", "sales", MemoryFault::refuse(busy));
    access.driver().run_until_idle().await.unwrap();
    let report = access.settled(&run).await.unwrap();
    assert!(!report.is_settled());
    let pending: Vec<_> = report.operations.iter().filter(|line| line.status == Status::Pending).collect();
    assert_eq!(pending.len(), 1, "nothing else waits for it: {report}");
    assert!(pending[0].next.unwrap() >= start() + Duration::from_secs(300), "{report}");
    drop(access);
    tokio::time::sleep(Duration::from_secs(310)).await;
    let later = company.process_with(|builder| builder.clock(TokioClock::starting_at(start() + Duration::from_secs(320))));
    later.driver().run_until_idle().await.unwrap();
    assert_eq!(later.report(&run).await.unwrap().verdict, Some(Verdict::Completed));
    assert!(company.doubled().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_account_that_appears_at_the_first_login_is_waited_for() {
    let company = Company::new();
    let rules = RULES.replace("forge: { accounts: create, after: [wiki] }", "forge: { accounts: first_login, after: [wiki] }");
    let access = company.process_with(|builder| builder.rules(Rules::parse("rules.yaml", &rules).unwrap()));
    let run = submit(&access).await;
    access.driver().run_until_idle().await.unwrap();
    let report = access.settled(&run).await.unwrap();
    assert_eq!((report.count(Status::Done), report.count(Status::Waiting), report.count(Status::Pending)), (3, 1, 1), "{report}");
    let rows = company.store.run(&run).await.unwrap().unwrap().rows;
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_secs(600)).await;
        access.driver().run_until_idle().await.unwrap();
    }
    assert_eq!(company.store.run(&run).await.unwrap().unwrap().rows, rows, "looks are not journalled");
    company.forge.seed_account(Account::new("f-1", AccountState::Active).with_login("sarah@company.com").with_email("sarah@company.com"));
    let report = finish(&access, &run).await;
    assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
}

#[tokio::test(start_paused = true)]
async fn an_account_of_another_subject_is_not_taken() {
    let company = Company::new();
    let access = company.process();
    let run = submit(&access).await;
    finish(&access, &run).await;
    let namesake = Subject::new("emp_9999").with("email", "sarah@company.com").with("job_title", "Sales Engineer");
    let plan = access.plan(&Event::new("evt_2", EventKind::Hired, start(), namesake)).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    assert!(plan.blocked.iter().any(|blocked| blocked.why.contains("belongs to subject emp_0789")), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn a_mover_loses_what_provisionr_gave_and_keeps_what_people_gave() {
    let company = Company::new();
    let access = company.process();
    let run = submit(&access).await;
    finish(&access, &run).await;
    company.wiki.seed_grant(Grant::direct(company.account(), Entitlement::new("join_group", "legal")));
    let moved = Subject::new("emp_0789").with("email", "sarah@company.com").with("job_title", "Account Executive").with_version(2);
    let event = Event::new("evt_2", EventKind::Updated, start(), moved);
    let plan = access.plan(&event).await.unwrap();
    let run = access.submit(plan, event.id(), Actor::service("hris")).await.unwrap();
    assert_eq!(finish(&access, &run).await.verdict, Some(Verdict::Completed));
    let left: Vec<_> = company.wiki.grants_of(&company.account()).into_iter().map(|grant| grant.entitlement.target.to_string()).collect();
    assert_eq!(left, ["legal"]);
    assert!(company.store.ledger(&"wiki".into(), &company.account()).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_leaver_is_cut_off_everywhere() {
    let company = Company::new();
    let access = company.process();
    let run = submit(&access).await;
    finish(&access, &run).await;
    let event = Event::new("evt_3", EventKind::Terminated, start(), Subject::new("emp_0789").with("email", "sarah@company.com").with_version(3));
    let plan = access.plan(&event).await.unwrap();
    let run = access.submit(plan, event.id(), Actor::service("hris")).await.unwrap();
    assert_eq!(finish(&access, &run).await.verdict, Some(Verdict::Completed));
    for world in [&company.wiki, &company.forge] {
        let account = world.account_by_login("sarah@company.com").unwrap();
        assert_eq!(account.state, AccountState::Suspended);
        assert!(!world.has_session(&account.id));
        assert!(world.grants_of(&account.id).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_not_there_is_told_with_names_that_are_near() {
    let company = Company::new();
    let rules = RULES.replace("target: sales }", "target: salse }");
    let access = company.process_with(|builder| builder.rules(Rules::parse("rules.yaml", &rules).unwrap()));
    let plan = access.plan(&sarah()).await.unwrap();
    assert_eq!(plan.blocked.len(), 1, "{plan}");
    assert!(plan.blocked[0].why.contains("`sales`"), "{plan}");
    assert_eq!(plan.operations.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_driver_lets_what_is_under_way_end() {
    let company = Company::new();
    let access = company.process();
    let run = submit(&access).await;
    company.wiki.fault(MemoryFault::DelayAnswer(Duration::from_secs(3)));
    access.driver().run_until(tokio::time::sleep(Duration::from_secs(1))).await.unwrap();
    let report = access.report(&run).await.unwrap();
    assert_eq!(report.count(Status::Done), 1, "the account is done, nothing else was begun: {report}");
    assert_eq!(finish(&access, &run).await.verdict, Some(Verdict::Completed));
    assert!(company.doubled().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_never_answers_is_cut_off_and_looked_at() {
    let company = Company::new();
    let access = company.process();
    let run = submit(&access).await;
    company.wiki.faults_on(1, "join_group", "sales", MemoryFault::HangAfter);
    company.wiki.faults_on(1, "join_group", "engineering", MemoryFault::Hang);
    assert_eq!(finish(&access, &run).await.verdict, Some(Verdict::Completed));
    assert!(company.doubled().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_account_of_the_credential_itself_is_never_touched() {
    let company = Company::new();
    company.wiki.seed_account(Account::new("w-1", AccountState::Active).with_login("sarah@company.com").with_email("sarah@company.com"));
    company.wiki.own_account("w-1");
    let plan = company.process().plan(&sarah()).await.unwrap();
    assert!(plan.operations.iter().all(|operation| operation.system != "wiki"), "{plan}");
    assert!(plan.blocked.iter().any(|blocked| blocked.why.contains("provisionr itself")), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_seen_is_never_taken_away() {
    let company = Company::new();
    let access = company.process();
    let run = submit(&access).await;
    finish(&access, &run).await;
    // A target that is wanted and cannot be seen any more might be any of those that provisionr gave.
    company.wiki.hide_target("join_group", "sales");
    let plan = access.plan(&sarah()).await.unwrap();
    assert!(plan.operations.is_empty(), "{plan}");
    assert!(!plan.blocked.is_empty(), "{plan}");
    // Nor does a system that cannot be read lose anything, whatever the rules say now.
    company.wiki.fail_reads(1_000, || AdapterError::unavailable("down"));
    let moved = Subject::new("emp_0789").with("email", "sarah@company.com").with("job_title", "Account Executive").with_version(2);
    let plan = access.plan(&Event::new("evt_2", EventKind::Updated, start(), moved)).await.unwrap();
    assert!(plan.operations.iter().all(|operation| operation.system != "wiki"), "{plan}");
    assert!(plan.blocked.iter().any(|blocked| blocked.system == "wiki"), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_another_subject_was_given_meanwhile_is_left_to_a_person() {
    let company = Company::new();
    let access = company.process();
    let namesake = Subject::new("emp_9999").with("email", "sarah@company.com").with("job_title", "Sales Engineer");
    let event = Event::new("evt_2", EventKind::Hired, start(), namesake);
    // Both are planned while nobody has the account.
    let (first, second) = (access.plan(&sarah()).await.unwrap(), access.plan(&event).await.unwrap());
    let first = access.submit(first, &"evt_0001".into(), Actor::service("hris")).await.unwrap();
    finish(&access, &first).await;
    let second = access.submit(second, event.id(), Actor::service("hris")).await.unwrap();
    access.driver().run_until_idle().await.unwrap();
    let report = access.report(&second).await.unwrap();
    assert_eq!(report.count(Status::Stuck), 1, "{report}");
    assert!(report.operations.iter().any(|line| line.detail.contains("belongs to subject emp_0789")), "{report}");
    assert!(company.store.links(&"emp_9999".into()).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_provisionr_gave_is_taken_back_even_where_it_cannot_be_seen_any_more() {
    let company = Company::new();
    let access = company.process();
    let run = submit(&access).await;
    finish(&access, &run).await;
    company.wiki.hide_target("join_group", "sales");
    let moved = Subject::new("emp_0789").with("email", "sarah@company.com").with("job_title", "Account Executive").with_version(2);
    let event = Event::new("evt_2", EventKind::Updated, start(), moved);
    let plan = access.plan(&event).await.unwrap();
    assert!(plan.operations.iter().any(|operation| operation.id.as_str() == "wiki:revoke/join_group/sales"), "{plan}");
    // The system does not say whether it is gone, and so it is not taken for gone.
    let run = access.submit(plan, event.id(), Actor::service("hris")).await.unwrap();
    let report = finish(&access, &run).await;
    assert_eq!((report.verdict, report.count(Status::Failed)), (Some(Verdict::Failed), 1), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_leaver_whose_suspension_is_refused_loses_what_provisionr_gave_all_the_same() {
    let company = Company::new();
    let access = company.process();
    let run = submit(&access).await;
    finish(&access, &run).await;
    let suspends = |request: &Request| matches!(request.change, Change::SetState(_));
    company.wiki.faults_where(1_000, suspends, MemoryFault::refuse(|| AdapterError::refused("deactivate instead")));
    let event = Event::new("evt_3", EventKind::Terminated, start(), Subject::new("emp_0789").with("email", "sarah@company.com").with_version(3));
    let plan = access.plan(&event).await.unwrap();
    let run = access.submit(plan, event.id(), Actor::service("hris")).await.unwrap();
    let report = finish(&access, &run).await;
    assert_eq!(report.verdict, Some(Verdict::Superseded), "plans follow up what is left: {report}");
    pass(&access, Duration::from_secs(1_200)).await;
    let open = access.runs(&all_runs().unsettled()).await.unwrap();
    let report = access.report(&open[0].id).await.unwrap();
    assert_eq!(report.count(Status::Stuck), 1, "a person has to hear of it: {report}");
    assert!(report.to_string().contains("surfaced: the account is active"), "{report}");
    assert!(company.wiki.grants_of(&company.account()).is_empty(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_mover_who_cannot_be_given_the_new_still_loses_the_old() {
    let company = Company::new();
    let counsel = "---\npolicy:\n  name: Legal\n  triggers: [{ job_title: Counsel }]\n  provisions: [{ system: wiki, action: join_group, target: legal }]\n";
    let access = company.process_with(|builder| builder.rules(Rules::parse("rules.yaml", &format!("{RULES}{counsel}")).unwrap()));
    let run = submit(&access).await;
    finish(&access, &run).await;
    company.wiki.faults_on(1_000, "join_group", "legal", MemoryFault::refuse(|| AdapterError::refused("the group is full")));
    let moved = Subject::new("emp_0789").with("email", "sarah@company.com").with("job_title", "Counsel").with_version(2);
    let event = Event::new("evt_2", EventKind::Updated, start(), moved);
    let plan = access.plan(&event).await.unwrap();
    let run = access.submit(plan, event.id(), Actor::service("hris")).await.unwrap();
    let report = finish(&access, &run).await;
    assert_eq!((report.count(Status::Failed), report.count(Status::Skipped)), (1, 0), "{report}");
    assert!(company.wiki.grants_of(&company.account()).is_empty(), "{report}");
}

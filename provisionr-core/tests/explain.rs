//! How a run is explained, how it stands, and whether its chain is unbroken; and a driver that waits for retries.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::time::Duration;

use provisionr_core::store::{PlanRow, RunFilter};
use provisionr_core::*;
use provisionr_testkit::MemoryFault;
use support::*;

fn waiting_company() -> (Company, String) {
    (Company::new(), RULES.replace("forge: { accounts: create, after: [wiki] }", "forge: { accounts: first_login, after: [wiki] }"))
}

fn with_rules(company: &Company, rules: &str) -> Provisioner {
    company.process_with(|builder| builder.rules(Rules::parse("rules.yaml", rules).unwrap()))
}

fn operation<'e>(explanation: &'e Explanation, title: &str) -> &'e ExplainedOperation {
    explanation.operations.iter().find(|explained| explained.line.title == title).unwrap_or_else(|| panic!("no {title} in {explanation}"))
}

#[tokio::test(start_paused = true)]
async fn an_operation_says_why_it_is_there_what_it_waits_for_and_what_follows() {
    let (company, rules) = waiting_company();
    let access = with_rules(&company, &rules);
    let run = submit(&access).await;
    access.driver().run_until_idle().await.unwrap();
    let explanation = access.explain(&run).await.unwrap();
    assert_eq!(explanation.standing, Standing::Waiting);
    let login = operation(&explanation, "account at first login");
    assert_eq!(login.line.status, Status::Waiting);
    assert!(login.line.since.is_some() && login.line.next > login.line.since, "{login}");
    assert_eq!(login.before.len(), 1, "{login}");
    assert!(login.follows.contains(&format!("looked at again at {}", login.line.next.unwrap())), "{login}");
    let project = operation(&explanation, "join_project solutions as reader");
    assert_eq!((project.after.len(), project.after[0].status), (1, Status::Waiting), "{project}");
    assert!(project.follows.contains("when 1 operation before it is over"), "{project}");
    assert!(project.because.iter().any(|reason| &*reason.trigger == "job_title = \"Sales Engineer\""), "{project}");
    let group = operation(&explanation, "join_group sales");
    let happened: Vec<_> = group.history.iter().map(|happened| happened.what.as_str()).collect();
    assert_eq!(happened, ["begun", "applied"]);
    assert_eq!(group.follows, "nothing, it is over");

    let text = explanation.to_string();
    for words in ["asked by    service hris", "waits for the first login (since ", "because of  Sales Engineer (job_title", "happened    "] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["operations"][0]["operation"], explanation.operations[0].line.operation.as_str());
    let id = login.line.operation.clone();
    assert_eq!(explanation.clone().only(&id).unwrap().operations.len(), 1);
    assert_eq!(explanation.only(&OperationId::new("forge:none")), None);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_planned_is_explained_and_counts_as_failed() {
    let company = Company::new();
    let access = company.process();
    company.forge.fail_reads(1_000, || AdapterError::permission_denied("no right to look"));
    let run = submit(&access).await;
    let report = finish(&access, &run).await;
    assert_eq!((report.verdict, report.standing()), (Some(Verdict::Completed), Standing::Failed), "{report}");
    let text = access.explain(&run).await.unwrap().to_string();
    assert!(text.contains("not planned") && text.contains("no right to look"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_failed_and_what_depends_on_it_is_explained() {
    let company = Company::new();
    let access = company.process();
    let run = submit(&access).await;
    company.forge.faults(1_000, MemoryFault::refuse(|| AdapterError::permission_denied("the forge says no")));
    let report = finish(&access, &run).await;
    assert_eq!(report.standing(), Standing::Failed);
    let brief = report.brief().to_string();
    assert!(brief.contains("the forge says no") && !brief.contains("join_group"), "{brief}");
    let explanation = access.explain(&run).await.unwrap();
    let skipped = operation(&explanation, "join_project solutions as reader");
    assert_eq!((skipped.line.status, skipped.after[0].status), (Status::Skipped, Status::Failed), "{skipped}");
}

#[tokio::test(start_paused = true)]
async fn a_superseded_run_is_no_failure_and_names_what_took_its_place() {
    let (company, rules) = waiting_company();
    let access = with_rules(&company, &rules);
    let run = submit(&access).await;
    access.driver().run_until_idle().await.unwrap();
    let subject = Subject::new("emp_0789").with("email", "sarah@company.com").with("last_name", "Chen").with("job_title", "Intern").with_version(2);
    let next = access.handle(&Event::new("evt_2", EventKind::Updated, start(), subject), Actor::service("hris")).await.unwrap();
    finish(&access, &next).await;
    let report = finish(&access, &run).await;
    assert_eq!((report.verdict, report.standing()), (Some(Verdict::Superseded), Standing::Done), "{report}");
    assert_eq!(report.superseded_by.as_deref(), Some(next.as_str()));
    assert!(report.count(Status::Failed) > 0, "what it gave up is still told: {report}");
}

#[tokio::test(start_paused = true)]
async fn a_driver_waits_for_retries_as_far_as_its_patience_reaches() {
    let busy = |pause| move || AdapterError::unavailable("down for maintenance").with_hint(RetryHint::After(Duration::from_secs(pause)));
    for (pause, done) in [(20, true), (300, false)] {
        let company = Company::new();
        let access = company.process();
        let run = submit(&access).await;
        company.wiki.faults_on(1, "join_group", "sales", MemoryFault::refuse(busy(pause)));
        access.driver().run_until_quiet(Duration::from_secs(60), std::future::pending()).await.unwrap();
        assert_eq!(access.report(&run).await.unwrap().is_settled(), done, "a pause of {pause} s");
    }
}

#[tokio::test(start_paused = true)]
async fn retries_that_an_earlier_process_left_are_waited_for_too() {
    let company = Company::new();
    let access = company.process();
    let run = submit(&access).await;
    let busy = || AdapterError::unavailable("down for maintenance").with_hint(RetryHint::After(Duration::from_secs(20)));
    company.wiki.faults_on(1, "join_group", "sales", MemoryFault::refuse(busy));
    access.driver().run_until_idle().await.unwrap();
    assert!(!access.report(&run).await.unwrap().is_settled());
    access.driver().run_until_quiet(Duration::from_secs(60), std::future::pending()).await.unwrap();
    assert_eq!(access.report(&run).await.unwrap().verdict, Some(Verdict::Completed));
}

#[tokio::test(start_paused = true)]
async fn a_driver_does_not_wait_for_what_is_outside() {
    let (company, rules) = waiting_company();
    let access = with_rules(&company, &rules);
    let run = submit(&access).await;
    let driving = access.driver().run_until_quiet(Duration::from_secs(100_000), std::future::pending());
    tokio::time::timeout(Duration::from_secs(30), driving).await.expect("it ends, for nothing is tried again").unwrap();
    assert_eq!(access.report(&run).await.unwrap().standing(), Standing::Waiting);
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_waits_for_a_retry_ends_when_it_is_stopped() {
    let company = Company::new();
    let access = company.process();
    let run = submit(&access).await;
    let busy = || AdapterError::unavailable("down").with_hint(RetryHint::After(Duration::from_secs(300)));
    company.wiki.faults_on(1, "join_group", "sales", MemoryFault::refuse(busy));
    let driving = access.driver().run_until_quiet(Duration::from_secs(600), tokio::time::sleep(Duration::from_secs(30)));
    tokio::time::timeout(Duration::from_secs(60), driving).await.expect("it was told to stop").unwrap();
    assert!(!access.report(&run).await.unwrap().is_settled());
}

/// A store in which one thing was changed behind everybody's back.
async fn tampered(change: impl FnOnce(&mut store::RunRow, &mut PlanRow, &mut Vec<store::NewRow>)) -> ChainCheck {
    let company = Company::new();
    let access = company.process();
    let run = submit(&access).await;
    finish(&access, &run).await;
    assert!(access.verify(&run).await.unwrap().is_unbroken());
    let mut row = company.store.run(&run).await.unwrap().unwrap();
    let mut plan = company.store.plan(&row.plan).await.unwrap().unwrap();
    let rows = company.store.journal(&run, 0, 1_000).await.unwrap();
    let mut rows: Vec<_> = rows.into_iter().map(|row| store::NewRow { format: row.format, bytes: row.bytes, hash: row.hash }).collect();
    (row.verdict, row.owner, row.epoch) = (None, None, 0);
    change(&mut row, &mut plan, &mut rows);
    let store = MemoryStore::new();
    store.commit(store::Commit::new([store::Write::Open { run: row, plan, rows }])).await.unwrap();
    let access = Provisioner::builder(store, MemoryDirectory::default()).build().unwrap();
    assert_eq!(access.runs(&RunFilter::all()).await.unwrap().len(), 1);
    access.verify(&run).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_chain_says_where_it_breaks() {
    assert!(tampered(|_, _, _| ()).await.is_unbroken());
    let changed = tampered(|_, _, rows| {
        let text = String::from_utf8(rows[3].bytes.clone()).unwrap();
        rows[3].bytes = text.replacen("sarah", "harry", 1).replacen("\"attempt\":1", "\"attempt\":2", 1).into_bytes();
    })
    .await;
    assert!(matches!(&changed.chain, Chain::Broken { row: Some(3), .. }), "{changed}");
    let short = tampered(|run, _, rows| {
        rows.pop();
        rows.pop();
        run.rows = rows.len() as u64;
        run.head = rows.last().unwrap().hash;
    })
    .await;
    assert!(short.is_unbroken(), "whoever changes the head as well is seen only by who kept it: {short}");
    let plan = tampered(|_, plan, _| plan.bytes = String::from_utf8(plan.bytes.clone()).unwrap().replacen("sales", "legal", 1).into_bytes()).await;
    assert!(matches!(&plan.chain, Chain::Broken { row: None, why } if why.contains("under its hash")), "{plan}");
    let other = tampered(|run, plan, _| {
        plan.bytes.push(b' ');
        plan.digest = Digest::of([plan.bytes.as_slice()]);
        run.plan = plan.digest;
    })
    .await;
    assert!(matches!(&other.chain, Chain::Broken { row: None, why } if why.contains("speaks of another one")), "{other}");
    let json = serde_json::to_value(&changed).unwrap();
    assert_eq!((json["chain"].as_str(), json["row"].as_u64()), (Some("broken"), Some(3)));
}

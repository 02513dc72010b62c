//! How accounts come about, in what order, under which names, and by which keys they are found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::time::Duration;

use provisionr_core::*;
use provisionr_testkit::MemoryFault;
use support::*;

const DAY: Duration = Duration::from_secs(86_400);

const ACCESS: &str = r#"
policies:
  - name: "Sales Engineer"
    triggers: [{ job_title: "Sales Engineer" }]
    provisions:
      - { system: wiki, action: join_group, target: sales }
      - { system: forge, action: join_project, target: solutions, role: reader }
"#;

fn rules(wiki: &str, forge: &str) -> String {
    format!("systems:\n  wiki: {wiki}\n  forge: {forge}\n{ACCESS}")
}

fn titles(plan: &Plan) -> Vec<String> {
    plan.operations.iter().map(|operation| format!("{} {}", operation.system, operation.title())).collect()
}

#[tokio::test(start_paused = true)]
async fn who_is_invited_is_waited_for_and_then_gets_everything() {
    let company = Company::new();
    let access = company.ruled(&rules("{ accounts: invite }", "{ accounts: create }"));
    let plan = access.plan(&event(person(1, "Sales Engineer"), EventKind::Hired)).await.unwrap();
    let spec = plan.operations.iter().find_map(|operation| match operation.action.change() {
        Some(Change::EnsureAccount(spec)) if operation.system == "wiki" => Some(spec.clone()),
        _ => None,
    });
    assert_eq!(spec.unwrap().state, AccountState::Invited);
    let invited = Wait::new(WaitReason::InvitationSent, Duration::from_secs(600));
    company.wiki.faults_where(1, |request| matches!(request.change, Change::EnsureAccount(_)), MemoryFault::Wait(invited));
    let run = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
    pass(&access, DAY).await;
    let report = access.report(&run).await.unwrap();
    assert_eq!((line(&report, "wiki:account").status, line(&report, "wiki:join_group/sales").status), (Status::Waiting, Status::Pending), "{report}");
    assert_eq!(company.held(), ["join_project solutions as reader"]);
    company.wiki.finish_waits();
    company.wiki.seed_account(Account { state: AccountState::Active, ..company.in_wiki() });
    finish(&access, &run).await;
    assert_eq!(company.held(), ["join_group sales", "join_project solutions as reader"]);
    assert_eq!(company.wiki.mails(), 1, "one invitation");
}

fn federated() -> String {
    rules("{ accounts: create }", "{ accounts: { federated: { by: wiki, action: join_group, target: engineering } } }")
}

#[tokio::test(start_paused = true)]
async fn what_makes_accounts_elsewhere_is_granted_first_and_goes_when_nothing_is_wanted_there() {
    let company = Company::new();
    let access = company.ruled(&federated());
    let plan = access.plan(&event(person(1, "Sales Engineer"), EventKind::Hired)).await.unwrap();
    let wait = plan.operations.iter().find(|operation| operation.id.as_str() == "forge:account").unwrap();
    assert!(wait.after.contains(&OperationId::new("wiki:join_group/engineering")), "{plan}");
    let app = plan.operation(&OperationId::new("wiki:join_group/engineering")).unwrap();
    assert_eq!(app.reasons[0].to_string(), "topology (accounts of forge)");
    let run = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
    pass(&access, Duration::from_secs(120)).await;
    assert_eq!(company.held(), ["join_group engineering", "join_group sales"], "the account is made elsewhere");
    company.forge.seed_account(Account::new("f-1", AccountState::Active).with_login("sarah@company.com").with_email("sarah@company.com"));
    assert_eq!(finish(&access, &run).await.verdict, Some(Verdict::Completed));
    let again = access.plan(&event(person(2, "Sales Engineer"), EventKind::Updated)).await.unwrap();
    assert!(again.is_empty(), "{again}");
    let moved = company.handle(&access, person(3, "Nobody"), EventKind::Updated).await;
    finish(&access, &moved).await;
    assert!(company.held().is_empty(), "{:?}", company.held());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_make_the_account_blocks_what_needs_it_and_says_why() {
    let company = Company::new();
    let access = company.ruled(&federated().replace("target: engineering", "target: engineers"));
    let plan = access.plan(&event(person(1, "Sales Engineer"), EventKind::Hired)).await.unwrap();
    assert_eq!(titles(&plan), ["wiki account sarah@company.com", "wiki join_group sales"]);
    let why = &plan.blocked.iter().find(|blocked| blocked.system == "forge" && blocked.what.starts_with("join_project")).unwrap().why;
    assert!(why.contains("`wiki` makes its accounts") && why.contains("there is no group `engineers`"), "{why}");
}

fn keyed() -> String {
    rules(
        "{ accounts: create, logins: [\"{first_name}.{last_name}@wiki.example\"] }",
        "{ accounts: first_login, keys: { login: { from: wiki, field: login } } }",
    )
}

#[tokio::test(start_paused = true)]
async fn an_account_is_found_by_what_another_systems_account_shows_known_before_or_only_in_the_run() {
    for before in [true, false] {
        let company = Company::new();
        let access = company.ruled(&keyed());
        if before {
            company.wiki.seed_account(Account::new("w-1", AccountState::Active).with_login("sarah@company.com").with_email("sarah@company.com"));
            let mut account = company.wiki.account(&"w-1".into()).unwrap();
            account.login = Some("sarah.chen@wiki.example".to_owned());
            company.wiki.seed_account(account);
        }
        let plan = access.plan(&event(person(1, "Sales Engineer"), EventKind::Hired)).await.unwrap();
        assert_eq!((plan.open_keys.is_empty(), plan.format), (before, if before { 1 } else { 2 }), "{plan}");
        let run = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
        pass(&access, Duration::from_secs(120)).await;
        let login = company.wiki.accounts()[0].login.clone().unwrap().to_lowercase();
        assert_eq!(login, "sarah.chen@wiki.example");
        // Somebody else's, by the e-mail address, is not taken.
        company.forge.seed_account(Account::new("f-0", AccountState::Active).with_login("sarah@company.com").with_email("sarah@company.com"));
        pass(&access, Duration::from_secs(3_600)).await;
        assert!(!access.report(&run).await.unwrap().is_settled());
        company.forge.seed_account(Account::new("f-1", AccountState::Active).with_login(company.wiki.accounts()[0].login.clone().unwrap()));
        let report = finish(&access, &run).await;
        assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
        assert_eq!(company.forge.grants_of(&"f-1".into()).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_found_by_one_that_cannot_be_read_is_not_taken_for_absent() {
    let company = Company::new();
    let access = company.ruled(&keyed().replace("accounts: first_login", "accounts: create"));
    company.wiki.fail_reads(1_000, || AdapterError::unavailable("down"));
    let plan = access.plan(&event(person(1, "Sales Engineer"), EventKind::Hired)).await.unwrap();
    assert!(plan.operations.is_empty(), "{plan}");
    assert!(plan.blocked.iter().any(|blocked| blocked.system == "forge" && blocked.why.contains("`wiki`")), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_taken_leads_to_the_next_candidate() {
    let company = Company::new();
    let logins = "{ accounts: create, logins: [\"{first_name}@wiki.example\", \"{first_name}.{last_name}@wiki.example\"] }";
    let access = company.ruled(&rules(logins, "{ accounts: create }"));
    let plan = access.plan(&event(person(1, "Sales Engineer"), EventKind::Hired)).await.unwrap();
    let logins = plan.operations.iter().find_map(|operation| match operation.action.change() {
        Some(Change::EnsureAccount(spec)) if operation.system == "wiki" => Some(spec.logins.clone()),
        _ => None,
    });
    let logins = logins.unwrap();
    assert_eq!(logins.len(), 2);
    company.wiki.seed_account(Account::new("w-0", AccountState::Active).with_login(logins[0].as_str()));
    let run = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
    assert_eq!(finish(&access, &run).await.verdict, Some(Verdict::Completed));
    let account = company.wiki.account_by_login(&logins[1]).unwrap();
    assert_eq!(company.wiki.grants_of(&account.id).len(), 1);
    assert!(company.wiki.grants_of(&"w-0".into()).is_empty());
}

fn carrying(wiki: Descriptor) -> Descriptor {
    let kinds: Vec<Kind> = wiki.kinds.iter().cloned().collect();
    kinds.into_iter().fold(wiki, |wiki, kind| if kind.name == "join_group" { wiki.kind(kind.on_create(OnCreate::Must)) } else { wiki })
}

#[tokio::test(start_paused = true)]
async fn what_no_account_can_be_made_without_comes_with_it_and_is_ours() {
    for lost in [false, true] {
        let company = Company::new();
        let access = company.described(&rules("{ accounts: create }", "{ accounts: create }"), carrying);
        let plan = access.plan(&event(person(1, "Sales Engineer"), EventKind::Hired)).await.unwrap();
        assert!(titles(&plan).contains(&"wiki account sarah@company.com with join_group sales".to_owned()), "{plan}");
        assert!(plan.operation(&OperationId::new("wiki:join_group/sales")).is_none(), "{plan}");
        if lost {
            company.wiki.fault(MemoryFault::lose_answer());
        }
        let run = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
        finish(&access, &run).await;
        assert_eq!(company.held(), ["join_group sales", "join_project solutions as reader"]);
        let moved = company.handle(&access, person(2, "Nobody"), EventKind::Updated).await;
        finish(&access, &moved).await;
        assert!(company.held().is_empty(), "answer lost: {lost}: {:?}", company.held());
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_that_nothing_can_be_made_with_is_told() {
    let company = Company::new();
    let rules = rules("{ accounts: create }", "{ accounts: create }")
        .replace("action: join_group, target: sales", "action: join_project, target: handbook, role: reader");
    let access = company.described(&rules, carrying);
    let plan = access.plan(&event(person(1, "Sales Engineer"), EventKind::Hired)).await.unwrap();
    assert!(plan.operations.iter().all(|operation| operation.system != "wiki"), "{plan}");
    assert!(plan.blocked.iter().any(|blocked| blocked.why.contains("cannot be made without `join_group`")), "{plan}");
}

fn prehire() -> String {
    format!("lifecycle: {{ accounts_before: 7 days, access_before: 1 days }}\n{}", rules("{ accounts: create }", "{ accounts: create, after: [wiki] }"))
}

#[tokio::test(start_paused = true)]
async fn accounts_and_access_come_so_long_before_the_first_day() {
    let company = Company::new();
    let access = company.ruled(&prehire());
    let run = company.handle(&access, person(1, "Sales Engineer").with("start_date", "2024-12-10"), EventKind::Hired).await;
    pass(&access, 8 * DAY).await;
    assert!(company.wiki.accounts().is_empty(), "the 3rd of December has not come");
    pass(&access, DAY).await;
    assert_eq!((company.wiki.accounts().len(), company.forge.accounts().len()), (1, 1));
    assert!(company.held().is_empty());
    pass(&access, 5 * DAY).await;
    assert!(company.held().is_empty(), "the 9th has not come");
    pass(&access, DAY).await;
    assert_eq!(company.held(), ["join_group sales", "join_project solutions as reader"]);
    assert_eq!(access.report(&run).await.unwrap().verdict, Some(Verdict::Completed));
}

#[tokio::test(start_paused = true)]
async fn a_first_day_that_is_moved_moves_what_waits_for_it() {
    for (day, there_after) in [("2024-12-20", 19), ("2024-12-05", 4)] {
        let company = Company::new();
        let access = company.ruled(&prehire());
        company.handle(&access, person(1, "Sales Engineer").with("start_date", "2024-12-10"), EventKind::Hired).await;
        access.driver().run_until_idle().await.unwrap();
        company.handle(&access, person(2, "Sales Engineer").with("start_date", day), EventKind::Updated).await;
        for days in 0..25 {
            assert_eq!(company.wiki.accounts().len(), usize::from(days >= there_after), "{day}, after {days} days");
            pass(&access, DAY).await;
        }
    }
}

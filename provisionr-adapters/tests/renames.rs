//! What was given stays known when people call it otherwise: between two runs a role or an AWS account gets another name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::time::Duration;

use provisionr_adapters::aws::{AccessKeys, IdentityCenterConfig};
use provisionr_adapters::jira::JiraConfig;
use provisionr_core::{Actor, Adapter, Event, EventKind, MemoryDirectory, MemoryStore, Plan, Provisioner, Report, Rules, Secret, Subject, TokioClock, Verdict};
use provisionr_testkit::{AwsFake, FakeSystem, JiraFake};

const PRODUCTION: &str = "111111111111";

fn access(store: &MemoryStore, adapter: impl Adapter, rules: &str) -> Provisioner {
    Provisioner::builder(store.clone(), MemoryDirectory::default())
        .adapter(adapter)
        .rules(Rules::parse("rules.yaml", rules).unwrap())
        .clock(TokioClock::starting_at("2024-11-24T09:00:00Z".parse().unwrap()))
        .build()
        .unwrap()
}

fn event(version: u64, kind: EventKind, title: &str) -> Event {
    let sarah = Subject::new("emp_0789").with("email", "sarah@company.com").with("job_title", title).with_version(version);
    Event::new(format!("evt_{version}"), kind, "2024-11-24T09:00:00Z".parse().unwrap(), sarah)
}

async fn planned(access: &Provisioner, version: u64, kind: EventKind, title: &str) -> Plan {
    access.plan(&event(version, kind, title)).await.unwrap()
}

async fn carried_out(access: &Provisioner, version: u64, kind: EventKind, title: &str) -> Report {
    let run = access.handle(&event(version, kind, title), Actor::service("hr")).await.unwrap();
    for _ in 0..500 {
        access.driver().run_until_idle().await.unwrap();
        let report = access.report(&run).await.unwrap();
        if report.is_settled() {
            assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
            return report;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    panic!("the run did not finish:\n{}", access.report(&run).await.unwrap());
}

fn aws(fake: &FakeSystem<AwsFake>, names: &[&str]) -> impl Adapter + use<> {
    let config = IdentityCenterConfig::new(AwsFake::REGION, AwsFake::INSTANCE, AwsFake::IDENTITY_STORE);
    let config = config.access_keys(AccessKeys::new(AwsFake::ACCESS_KEY_ID, Secret::new(AwsFake::SECRET_ACCESS_KEY)));
    names.iter().fold(config, |config, name| config.account(*name, PRODUCTION)).connect("aws", &fake.transport()).unwrap()
}

/// Its clock and that of the runs need not agree here.
fn instance() -> FakeSystem<AwsFake> {
    let aws = AwsFake::new().with_account("production", PRODUCTION).with_permission_set("ReadOnly").with_user("sarah@company.com");
    aws.with_settings(|settings| settings.skew = u64::MAX).start()
}

fn in_account(account: &str) -> String {
    format!(
        r#"
systems:
  aws: {{ accounts: existing }}
policy:
  name: "Engineer"
  triggers: [{{ job_title: "Engineer" }}]
  provisions:
    - {{ system: aws, action: assign_permission_set, target: ReadOnly, account: "{account}" }}
"#
    )
}

#[tokio::test(start_paused = true)]
async fn an_aws_account_that_gets_another_name_disowns_nothing() {
    // Without a name, with one, with another; and from a name to none.
    for (before, then) in [
        ((None, PRODUCTION), (Some("production"), "production")),
        ((Some("production"), "production"), (Some("prod"), "prod")),
        ((Some("production"), "production"), (None, PRODUCTION)),
    ] {
        let fake = instance();
        let store = MemoryStore::new();
        let with = |(name, account): (Option<&str>, &str)| access(&store, aws(&fake, name.as_slice()), &in_account(account));
        let first = with(before);
        let plan = planned(&first, 1, EventKind::Hired, "Engineer").await;
        assert!(plan.to_string().contains(&format!("assign_permission_set ReadOnly account={}", before.1)), "{plan}");
        carried_out(&first, 1, EventKind::Hired, "Engineer").await;
        assert_eq!(fake.assignments_of("sarah@company.com"), ["production/ReadOnly"]);

        let second = with(then);
        let plan = planned(&second, 2, EventKind::Updated, "Engineer").await;
        assert!(plan.is_empty() && plan.blocked.is_empty(), "{plan}");
        let plan = planned(&second, 3, EventKind::Updated, "Designer").await;
        // As it was written when it was given.
        assert!(plan.to_string().contains(&format!("revoke assign_permission_set ReadOnly account={}", before.1)), "{plan}");
        carried_out(&second, 3, EventKind::Updated, "Designer").await;
        assert_eq!(fake.assignments_of("sarah@company.com"), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_aws_account_is_called_as_in_the_organization() {
    let fake = instance();
    let config = IdentityCenterConfig::new(AwsFake::REGION, AwsFake::INSTANCE, AwsFake::IDENTITY_STORE).organization_names();
    let keys = AccessKeys::new(AwsFake::ACCESS_KEY_ID, Secret::new(AwsFake::SECRET_ACCESS_KEY));
    let adapter = config.access_keys(keys).connect("aws", &fake.transport()).unwrap();
    carried_out(&access(&MemoryStore::new(), adapter, &in_account("production")), 1, EventKind::Hired, "Engineer").await;
    assert_eq!(fake.assignments_of("sarah@company.com"), ["production/ReadOnly"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_nobody_knows_any_more_takes_nothing_away() {
    let fake = instance();
    let store = MemoryStore::new();
    carried_out(&access(&store, aws(&fake, &["production"]), &in_account("production")), 1, EventKind::Hired, "Engineer").await;
    let plan = planned(&access(&store, aws(&fake, &["prod"]), &in_account("production")), 2, EventKind::Updated, "Engineer").await;
    assert!(plan.is_empty() && plan.blocked[0].why.contains("no AWS account is called `production`"), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn what_two_policies_call_by_two_names_is_given_once() {
    let fake = instance();
    let both = in_account("production")
        + r#"---
policy:
  name: "On call"
  triggers: [{ job_title: "Engineer" }]
  provisions:
    - { system: aws, action: assign_permission_set, target: ReadOnly, account: "111111111111" }
"#;
    let plan = planned(&access(&MemoryStore::new(), aws(&fake, &["production"]), &both), 1, EventKind::Hired, "Engineer").await;
    let grants: Vec<_> = plan.operations.iter().filter(|operation| operation.grant_key.is_some()).collect();
    assert!(grants.len() == 1 && grants[0].reasons.len() == 2 && plan.blocked.is_empty(), "{plan}");
}

fn jira(fake: &FakeSystem<JiraFake>) -> impl Adapter + use<> {
    let config = JiraConfig::new("https://company.atlassian.test").api_token(JiraFake::ADMIN, Secret::new(JiraFake::TOKEN));
    config.managed_accounts().connect("jira", &fake.transport()).unwrap()
}

fn in_role(role: &str) -> String {
    format!(
        r#"
systems:
  jira: {{ accounts: create }}
policy:
  name: "Engineer"
  triggers: [{{ job_title: "Engineer" }}]
  provisions:
    - {{ system: jira, action: add_to_project_role, target: ENG, role: {role} }}
"#
    )
}

#[tokio::test(start_paused = true)]
async fn a_role_that_gets_another_name_disowns_nothing() {
    let fake = JiraFake::new().with_product("jira-software", 10, "jira-software-users").with_user("sarah@company.com").with_project("ENG").start();
    fake.admin_adds_to_group("sarah@company.com", "jira-software-users").unwrap();
    let store = MemoryStore::new();
    carried_out(&access(&store, jira(&fake), &in_role("Developers")), 1, EventKind::Hired, "Engineer").await;
    assert_eq!(fake.actors("ENG", "Developers"), ["sarah"]);

    fake.admin_renames_role("ENG", "Developers", "Engineers").unwrap();
    // The rules are behind: nothing is taken, and somebody is told.
    let plan = planned(&access(&store, jira(&fake), &in_role("Developers")), 2, EventKind::Updated, "Engineer").await;
    assert!(plan.is_empty() && plan.blocked[0].why.contains("no role `Developers`"), "{plan}");
    let access = access(&store, jira(&fake), &in_role("Engineers"));
    let plan = planned(&access, 2, EventKind::Updated, "Engineer").await;
    assert!(plan.is_empty() && plan.blocked.is_empty(), "{plan}");
    let plan = planned(&access, 3, EventKind::Updated, "Designer").await;
    assert!(plan.to_string().contains("revoke add_to_project_role ENG as Developers"), "{plan}");
    carried_out(&access, 3, EventKind::Updated, "Designer").await;
    assert_eq!(fake.actors("ENG", "Engineers"), [""; 0]);
}

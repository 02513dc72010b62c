//! A person comes and goes, by plans and runs, in a company that has Jira Cloud.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::time::Duration;

use provisionr_adapters::jira::JiraConfig;
use provisionr_core::{Actor, Event, EventKind, MemoryDirectory, MemoryStore, Provisioner, Report, Rules, RunId, Secret, Subject, TokioClock, Verdict};
use provisionr_testkit::{Fault, JiraFake};

const RULES: &str = r#"
systems:
  jira: { accounts: create }
policy:
  name: "Engineer"
  triggers: [{ job_title: "Engineer" }]
  provisions:
    - { system: jira, action: add_to_group, target: crew }
    - { system: jira, action: add_to_project_role, target: ENG, role: Developers }
    - { system: jira, action: add_to_project_role, target: ENG, role: Administrators }
"#;

fn event(version: u64, kind: EventKind) -> Event {
    let sarah = Subject::new("emp_0789").with("email", "sarah@company.com").with("job_title", "Engineer").with_version(version);
    Event::new(format!("evt_{version}"), kind, "2024-11-24T09:00:00Z".parse().unwrap(), sarah)
}

async fn finish(access: &Provisioner, run: &RunId) -> Report {
    for _ in 0..500 {
        access.driver().run_until_idle().await.unwrap();
        let report = access.report(run).await.unwrap();
        if report.is_settled() {
            return report;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    panic!("the run did not finish:\n{}", access.report(run).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_joiner_is_invited_and_a_leaver_keeps_nothing() {
    let fake = JiraFake::new().with_product("jira-software", 10, "jira-software-users").with_group("crew").with_project("ENG").with_project("OPS").start();
    let config = JiraConfig::new("https://company.atlassian.test").api_token(JiraFake::ADMIN, Secret::new(JiraFake::TOKEN)).managed_accounts();
    let access = Provisioner::builder(MemoryStore::new(), MemoryDirectory::default())
        .adapter(config.connect("jira", &fake.transport()).unwrap())
        .rules(Rules::parse("rules.yaml", RULES).unwrap())
        .clock(TokioClock::starting_at("2024-11-24T09:00:00Z".parse().unwrap()))
        .build()
        .unwrap();
    // The answers of the invitation and of a grant are lost, and nothing is done twice.
    fake.fault(Fault::reset_after().on("POST", "/rest/api/3/user"));
    fake.fault(Fault::reset_after().on("POST", "/rest/api/3/project/*/role/*"));
    let run = access.handle(&event(1, EventKind::Hired), Actor::service("hr")).await.unwrap();
    let report = finish(&access, &run).await;
    assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
    assert_eq!((fake.effects("user.created"), fake.mails_to("sarah@company.com"), fake.effects("role.actor_added")), (1, 1, 2));
    assert_eq!((fake.members("crew"), fake.actors("ENG", "Developers"), fake.actors("ENG", "Administrators")), (named(), named(), named()));

    // Given by hand meanwhile: a leaver loses that as well.
    fake.admin_adds_actor("sarah@company.com", "OPS", "Developers").unwrap();
    let run = access.handle(&event(2, EventKind::Terminated), Actor::service("hr")).await.unwrap();
    let report = finish(&access, &run).await;
    assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
    for (project, role) in [("ENG", "Developers"), ("ENG", "Administrators"), ("OPS", "Developers")] {
        assert_eq!(fake.actors(project, role), [""; 0], "{report}");
    }
    assert_eq!((fake.members("crew").len(), fake.members("jira-software-users").len()), (0, 0), "{report}");
    assert!(fake.log().iter().all(|entry| entry.method != "PUT"));
    fake.verify();
}

fn named() -> Vec<String> {
    vec!["sarah".to_owned()]
}

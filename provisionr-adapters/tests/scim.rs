//! A person comes and goes, by plans and runs, at a service that speaks SCIM and is named in a systems file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::time::Duration;

use provisionr_adapters::systems::Systems;
use provisionr_core::{Actor, Event, EventKind, MemoryDirectory, MemoryStore, Provisioner, Report, Rules, RunId, Subject, TokioClock, Verdict};
use provisionr_testkit::Fault;
use provisionr_testkit::scim::{Deletes, Filters, Patches, ScimFake};

const RULES: &str = r#"
systems:
  wiki:
    accounts: create
    logins: ["{email}"]
    keys: { user_name: email, external_id: employee_id }
policy:
  name: "Engineer"
  triggers: [{ job_title: "Engineer" }]
  provisions:
    - { system: wiki, action: add_to_group, target: crew }
    - { system: wiki, action: add_to_group, target: editors }
"#;

fn event(version: u64, kind: EventKind) -> Event {
    let sarah = Subject::new("emp_0789").with("email", "sarah@company.com").with("employee_id", "E0789").with("job_title", "Engineer");
    Event::new(format!("evt_{version}"), kind, "2024-11-24T09:00:00Z".parse().unwrap(), sarah.with_version(version))
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

async fn comes_and_goes(fake: ScimFake, quirks: &str) {
    let fake = fake.with_user("kim@company.com").with_group("crew", &["kim@company.com"]).with_group("editors", &[]).start();
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, ScimFake::TOKEN).unwrap();
    let file = format!(
        "systems:\n  wiki:\n    type: scim\n    url: https://wiki.example/scim/v2\n    credentials: {{ token: {{ file: {} }} }}\n    quirks: {quirks}\n",
        token.display()
    );
    let access = Provisioner::builder(MemoryStore::new(), MemoryDirectory::default())
        .adapters(Systems::parse("systems.yaml", &file).unwrap().connect(&fake.transport()).unwrap())
        .rules(Rules::parse("rules.yaml", RULES).unwrap())
        .clock(TokioClock::starting_at("2024-11-24T09:00:00Z".parse().unwrap()))
        .build()
        .unwrap();
    // The answers of the create and of a membership are lost, and nothing is done twice.
    fake.fault(Fault::reset_after().on("POST", "/scim/v2/Users"));
    fake.fault(Fault::reset_after().on("*", "/scim/v2/Groups/*").on_access(provisionr_core::Access::Write));
    let run = access.handle(&event(1, EventKind::Hired), Actor::service("hr")).await.unwrap();
    let report = finish(&access, &run).await;
    assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
    assert_eq!((fake.effects("user.created"), fake.effects("group.member_added"), fake.effects("group.member_removed")), (1, 2, 0));
    assert_eq!((fake.members("crew"), fake.members("editors")), (["kim@company.com", "sarah@company.com"].map(str::to_owned).to_vec(), named()));

    // A leaver is switched off and loses what the rules gave; nobody else loses anything.
    let run = access.handle(&event(2, EventKind::Terminated), Actor::service("hr")).await.unwrap();
    let report = finish(&access, &run).await;
    assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
    assert!(!fake.user("sarah@company.com").unwrap().is_active(), "{report}");
    assert_eq!(["crew", "editors"].map(|group| fake.members(group)), [vec!["kim@company.com".to_owned()], vec![]], "{report}");
    fake.verify();
}

fn named() -> Vec<String> {
    vec!["sarah@company.com".to_owned()]
}

#[tokio::test(start_paused = true)]
async fn at_a_service_as_the_rfc_has_it() {
    comes_and_goes(ScimFake::new(), "{}").await;
}

#[tokio::test(start_paused = true)]
async fn at_a_service_without_patch_filters_versions_and_deletion() {
    let fake = ScimFake::new().with_settings(|settings| {
        settings.patch = Patches::Missing;
        settings.filter = Filters::Missing;
        settings.deletes = Deletes::Deactivates;
        settings.versions = false;
    });
    comes_and_goes(fake, "{ without: [patch, filter], switch_off: delete }").await;
}

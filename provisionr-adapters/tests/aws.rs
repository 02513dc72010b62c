//! A leaver in a company that has AWS IAM Identity Center, with more assignments than AWS takes back at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::time::Duration;

use provisionr_adapters::aws::{AccessKeys, IdentityCenterConfig};
use provisionr_core::{Actor, Event, EventKind, MemoryDirectory, MemoryStore, Provisioner, Rules, Secret, Subject, TokioClock, Verdict};
use provisionr_testkit::{Act, AwsFake};
use serde_json::json;

const SARAH: &str = "sarah@company.com";
const RULES: &str = "
systems:
  aws: { accounts: existing }
policy:
  name: Engineer
  triggers: [{ job_title: Engineer }]
  provisions: [{ system: aws, action: assign_permission_set, target: Set0, account: \"111111111111\" }]
";

/// Jobs take so long that a refusal which counted as a failure would be the last one before they end.
#[tokio::test(start_paused = true)]
async fn thirty_assignments_of_a_leaver_go_ten_by_ten() {
    for code in ["ConflictException", "ThrottlingException"] {
        let aws = AwsFake::new().with_account("production", "111111111111").with_user(SARAH);
        let aws = aws.with_settings(|settings| {
            (settings.job_ms, settings.skew, settings.outstanding_error) = (Some(540_000), u64::MAX, code.to_owned());
        });
        let fake = (0..30).fold(aws, |aws, number| aws.with_permission_set(&format!("Set{number}"))).start();
        for number in 0..30 {
            fake.act(Act::new("assign", json!({ "account": "production", "permission_set": format!("Set{number}"), "user": SARAH }))).unwrap();
        }
        let config = IdentityCenterConfig::new(AwsFake::REGION, AwsFake::INSTANCE, AwsFake::IDENTITY_STORE);
        let keys = AccessKeys::new(AwsFake::ACCESS_KEY_ID, Secret::new(AwsFake::SECRET_ACCESS_KEY));
        let access = Provisioner::builder(MemoryStore::new(), MemoryDirectory::default())
            .adapter(config.access_keys(keys).connect("aws", &fake.transport()).unwrap())
            .rules(Rules::parse("rules.yaml", RULES).unwrap())
            .clock(TokioClock::starting_at("2024-11-24T09:00:00Z".parse().unwrap()))
            .build()
            .unwrap();
        let sarah = Subject::new("emp_0789").with("email", SARAH).with_version(1);
        let event = Event::new("evt_1", EventKind::Terminated, "2024-11-24T09:00:00Z".parse().unwrap(), sarah);
        let run = access.handle(&event, Actor::service("hr")).await.unwrap();
        for _ in 0..2000 {
            access.driver().run_until_idle().await.unwrap();
            if access.report(&run).await.unwrap().is_settled() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
        let report = access.report(&run).await.unwrap();
        assert_eq!(report.verdict, Some(Verdict::Completed), "{code}: {report}");
        assert_eq!(fake.assignments_of(SARAH), [""; 0], "{code}");
    }
}

//! 200 people at once, under limits that bite: what was forecast is what it takes.

use std::time::Duration;

use provisionr_core::*;
use provisionr_testkit::Limit;
use serde_json::json;

use crate::company::Company;

const RULES: &str = r##"
systems:
  okta:
    accounts: create
    profile: { department: department, title: job_title }
  gitlab:
    accounts: { federated: { by: okta, action: assign_app, target: GitLab } }
    keys: { email: email }
  slack:
    accounts: existing
    keys: { email: email }
policies:
  - name: "Sales"
    triggers: [{ department: "Sales" }]
    provisions:
      - { system: okta, action: add_to_group, target: sales-team }
      - { system: okta, action: add_to_group, target: engineering-team }
      - { system: gitlab, action: add_to_group, target: customer-solutions, role: reporter }
      - { system: slack, action: invite_to_channel, target: "#sales-team" }
      - { system: slack, action: invite_to_channel, target: "#engineering-general" }
      - { system: slack, action: add_to_usergroup, target: "@sales" }
"##;

#[tokio::test(start_paused = true)]
async fn two_hundred_people_take_the_calls_and_the_time_that_were_forecast() {
    let company = Company::new();
    let limits = [("POST", "/api/v1/users"), ("*", "/api/v1/users"), ("*", "/api/v1/users/**"), ("*", "/api/v1/groups/**"), ("*", "/api/v1/apps/**")];
    let minute: Vec<_> = limits.into_iter().map(|(method, path)| Limit::new(600, Duration::from_secs(60)).on(method, path)).collect();
    let groups = [json!({ "name": "sales-team" }), json!({ "name": "engineering-team" })];
    company.okta.seed(&json!({ "groups": groups, "apps": [{ "name": "gitlab", "label": "GitLab" }], "limits": minute })).unwrap();
    company.gitlab.seed(&json!({ "groups": [{ "path": "customer-solutions" }] })).unwrap();
    let channels = [json!({ "name": "sales-team" }), json!({ "name": "engineering-general" })];
    company.slack.seed(&json!({ "channels": channels, "usergroups": [{ "handle": "sales" }] })).unwrap();
    let people = MemoryDirectory::default();
    for number in 0..200 {
        let mail = format!("p{number:03}@company.com");
        company.slack.seed(&json!({ "users": [{ "email": mail, "name": format!("p{number:03}") }] })).unwrap();
        let person = Subject::new(format!("emp_{number:03}")).with("email", mail).with("first_name", "P").with("last_name", format!("N{number:03}"));
        people.put(person.with("department", "Sales").with("job_title", "Sales Engineer").with_version(1));
    }
    let access = company.host(&["okta", "gitlab", "slack"], Rules::parse("rules.yaml", RULES).unwrap(), MemoryStore::new(), people);
    let set = access.plan_people().await.unwrap();
    assert_eq!((set.plans.len(), set.unchanged), (200, 0));
    let forecast = set.forecast.clone();
    let calls = |company: &Company| [company.okta.log().len(), company.gitlab.log().len(), company.slack.log().len()];
    let submitted = access.submit_set(&set, &Actor::service("import")).await.unwrap();
    assert!(submitted.iter().all(|one| one.run.is_ok()));
    let (planned, begun) = (calls(&company), tokio::time::Instant::now());
    let all_but_logins = async || {
        let mut open = 0;
        for one in &submitted {
            let report = access.report(one.run.as_ref().unwrap()).await.unwrap();
            open += report.operations.iter().filter(|line| line.system != *"gitlab" && line.status != Status::Done).count();
        }
        open
    };
    let mut last = usize::MAX;
    while last > 0 {
        access.driver().run_until_idle().await.unwrap();
        last = all_but_logins().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let took = begun.elapsed();
    let made = calls(&company);
    for (place, system) in [(0, "okta"), (2, "slack")] {
        let (said, made) = (forecast.systems[system].calls, (made[place] - planned[place]) as u64);
        // A create that a limit cuts in two is looked at before it goes on: that is what comes on top.
        assert!(made <= said + said / 4 && made * 2 >= said, "{system}: {said} calls were forecast, and {made} made");
    }
    assert!(
        took + Duration::from_secs(60) >= forecast.at_least() && took <= forecast.at_least() * 2 + Duration::from_secs(120),
        "{took:?}, and {:?} were forecast",
        forecast.at_least()
    );
    let throttled = company.okta.log().iter().filter(|entry| entry.status == Some(429)).count()
        + company.slack.log().iter().filter(|entry| entry.status == Some(429)).count();
    assert_eq!(throttled, 0, "what paces itself is not refused");
}

//! The founding policy of senior engineers, unchanged: applied, and applied again without a write.

use std::time::Duration;

use provisionr_core::*;
use provisionr_testkit::gitlab::Sort;

use crate::company::{Company, founding, morning, pass};

const SYSTEMS: [&str; 5] = ["okta", "google", "aws-sso", "gitlab", "slack"];
const ALEX: &str = "alex@company.com";

const COMPANY: &str = "
okta:
  groups: [{ name: engineering-team }, { name: engineering-senior }]
  apps: [{ name: google, label: Google Workspace }, { name: aws, label: AWS }, { name: gitlab, label: GitLab, groups: [engineering-team] }]
google: { groups: [{ email: engineering@company.com }, { email: senior-engineers@company.com }] }
aws-sso: { accounts: [{ name: production, id: '111111111111' }], permission_sets: [{ name: EngineeringSeniorReadOnly }] }
gitlab: { groups: [{ path: engineering }] }
slack: { users: [{ email: alex@company.com }], channels: [{ name: engineering-general }] }
links:
  - { from: okta, app: Google Workspace, to: google, after_ms: 90000 }
  - { from: okta, app: AWS, to: aws-sso, after_ms: 90000, args: { issuer: https://company.okta.test } }
  - { from: okta, app: GitLab, to: gitlab, at: first_login }
";

const TOPOLOGY: &str = "
systems:
  okta: { accounts: create }
  google: { accounts: { federated: { by: okta, action: assign_app, target: Google Workspace } } }
  aws-sso: { accounts: { federated: { by: okta, action: assign_app, target: AWS } } }
  gitlab: { accounts: first_login, after: okta, keys: { email: email } }
  slack: { accounts: existing, keys: { email: email } }
";

fn event(version: u64, kind: EventKind) -> Event {
    let alex = Subject::new("emp_0001").with("email", ALEX).with("first_name", "Alex").with("last_name", "Moe");
    let alex = alex.with("department", "Engineering").with("seniority", "Senior").with_version(version);
    Event::new(format!("evt_{version}"), kind, morning(), alex)
}

#[tokio::test(start_paused = true)]
async fn a_senior_engineer_gets_it_all_and_it_is_not_written_twice() {
    let folder = tempfile::tempdir().unwrap();
    let seed = folder.path().join("company.yaml");
    std::fs::write(&seed, COMPANY).unwrap();
    let company = Company::seeded(&seed);
    let policy = std::fs::read_to_string(founding("senior-engineer.yaml")).unwrap();
    let rules = Rules::parse_all([("senior-engineer.yaml", policy.as_str()), ("topology.yaml", TOPOLOGY)]).unwrap();
    let access = company.host(&SYSTEMS, rules, MemoryStore::new(), MemoryDirectory::default());

    let run = access.handle(&event(1, EventKind::Hired), Actor::service("workday")).await.unwrap();
    pass(&access, Duration::from_secs(300)).await;
    company.okta.opens_app(ALEX, "GitLab").unwrap();
    pass(&access, Duration::from_secs(3600)).await;
    let report = access.report(&run).await.unwrap();
    assert_eq!((report.verdict, report.blocked.len()), (Some(Verdict::Completed), 0), "{report}");
    assert_eq!(company.okta.groups_of(ALEX), ["engineering-senior", "engineering-team"]);
    assert_eq!(company.google.groups_of(ALEX), ["engineering@company.com", "senior-engineers@company.com"]);
    assert_eq!(company.aws.assignments_of(ALEX), ["production/EngineeringSeniorReadOnly"]);
    assert_eq!(company.gitlab.member(Sort::Group, "engineering", "alex").unwrap().level, 30);
    assert_eq!(company.slack.channels_of("alex"), ["engineering-general"]);

    let writes = company.writes();
    assert!(writes > 0);
    let plan = access.plan(&event(2, EventKind::Updated)).await.unwrap();
    assert!(plan.is_empty() && plan.blocked.is_empty(), "{plan}");
    let again = access.handle(&event(2, EventKind::Updated), Actor::service("workday")).await.unwrap();
    pass(&access, Duration::from_secs(60)).await;
    assert_eq!(access.report(&again).await.unwrap().verdict, Some(Verdict::Completed));
    assert_eq!(company.writes(), writes, "applied again, it writes nothing");
}

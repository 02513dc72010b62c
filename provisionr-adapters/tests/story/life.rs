//! Sarah joins, moves and leaves, in Okta, Google, Salesforce, GitLab, Slack and Jira.

use std::time::Duration;

use provisionr_core::store::RunFilter;
use provisionr_core::*;
use provisionr_testkit::Act;
use provisionr_testkit::gitlab::Sort;
use provisionr_testkit::okta::UserStatus;
use serde_json::json;

use crate::company::{Company, event, pass, status, story};
use crate::first_day::SYSTEMS;

const SARAH: &str = "sarah@company.com";

/// Her life, and the process that sees to it.
struct Life {
    company: Company,
    access: Provisioner,
    joining: RunId,
}

impl Life {
    /// She is hired, and a minute has passed.
    async fn begin() -> Self {
        let company = Company::seeded(&story().join("company.yaml"));
        let access = company.host(&SYSTEMS, Rules::load_dir(story().join("rules")).unwrap(), MemoryStore::new(), MemoryDirectory::default());
        let joining = access.handle(&event("hired"), Actor::service("workday")).await.unwrap();
        pass(&access, Duration::from_secs(60)).await;
        Self { company, access, joining }
    }

    /// She logs in, and her first day is over.
    async fn arrives(&self) {
        self.company.first_login();
        pass(&self.access, Duration::from_secs(3600)).await;
        assert_eq!(self.access.report(&self.joining).await.unwrap().verdict, Some(Verdict::Completed));
    }

    async fn handle(&self, name: &str) -> RunId {
        self.access.handle(&event(name), Actor::service("workday")).await.unwrap()
    }

    async fn report(&self, run: &RunId) -> Report {
        self.access.report(run).await.unwrap()
    }

    fn level(&self, group: &str) -> Option<u64> {
        self.company.gitlab.member(Sort::Group, group, "sarah").map(|member| member.level)
    }
}

#[tokio::test(start_paused = true)]
async fn she_moves_and_keeps_what_she_keeps_and_what_others_gave_her() {
    let life = Life::begin().await;
    life.arrives().await;
    let company = &life.company;
    // What people do by hand is theirs.
    company.gitlab.act(Act::new("set_member", json!({ "group": "handbook", "user": "sarah", "access_level": 30 }))).unwrap();
    let added = |company: &Company| {
        company.okta.effects("group.member_added") + company.google.effects("group.member_added") + company.jira.effects("role.actor_added")
    };
    let kept = added(company);
    let run = life.handle("moved").await;
    pass(&life.access, Duration::from_secs(600)).await;
    let report = life.report(&run).await;
    assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
    assert_eq!(company.okta.groups_of(SARAH), ["account-executives", "sales-team"]);
    assert_eq!(company.okta.user(SARAH).unwrap().attribute("title"), "Account Executive", "her record follows");
    assert_eq!(company.google.groups_of(SARAH), ["sales@company.com"]);
    assert_eq!(company.salesforce.profile_of(SARAH).unwrap(), "Account Executive");
    assert_eq!((life.level("customer-solutions"), life.level("customer-solutions/demos"), life.level("handbook")), (None, Some(10), Some(30)));
    assert_eq!(company.slack.channels_of("sarah"), ["deals", "sales-team"]);
    assert_eq!(company.jira.actors("SALES", "Reporter"), ["Sarah Chen"]);
    assert_eq!(added(company), kept + 1, "what she keeps is not given again:\n{report}");
}

#[tokio::test(start_paused = true)]
async fn she_leaves_while_gitlab_still_waits_and_is_cut_off_at_once_and_verified_clean() {
    let life = Life::begin().await;
    let company = &life.company;
    let run = life.handle("left").await;
    life.access.driver().run_until_idle().await.unwrap();
    // She has never come: Okta suspends only who has, so that her account is deactivated.
    assert_eq!(company.okta.status(SARAH), Some(UserStatus::Deprovisioned));
    assert!(company.google.user(SARAH).unwrap().suspended && company.salesforce.with(|salesforce| salesforce.is_frozen(SARAH)));
    assert_eq!((company.slack.channels_of("sarah"), company.jira.actors("SALES", "Reporter")), (Vec::new(), Vec::new()));
    pass(&life.access, Duration::from_secs(900)).await;
    assert_eq!(life.report(&life.joining).await.verdict, Some(Verdict::Superseded));
    let report = life.report(&run).await;
    assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
    assert!(SYSTEMS.into_iter().all(|system| status(&report, &format!("{system}:verify")) == Status::Done), "{report}");
    assert_eq!(life.access.runs(&RunFilter::all().unsettled()).await.unwrap(), []);
    // Okta's integration has done the same from its side meanwhile.
    assert_eq!(company.salesforce.user_field(SARAH, "IsActive"), false);
}

#[tokio::test(start_paused = true)]
async fn she_leaves_and_gitlab_hears_of_her_too_late_and_that_is_followed_up() {
    let life = Life::begin().await;
    let gitlab = &life.company.gitlab;
    life.handle("left").await;
    life.access.driver().run_until_idle().await.unwrap();
    gitlab.act(Act::new("saml_login", json!({ "extern_uid": SARAH, "email": SARAH }))).unwrap();
    assert_eq!(gitlab.user("sarah").unwrap().state, "active");
    pass(&life.access, Duration::from_secs(900)).await;
    assert_eq!(gitlab.user("sarah").unwrap().state, "blocked");
    // Its account is deleted ninety days after her last day; until then that is all that is left to do.
    let open = life.access.runs(&RunFilter::all().unsettled()).await.unwrap();
    let report = life.report(&open[0].id).await;
    assert_eq!((open.len(), status(&report, "gitlab:verify"), status(&report, "gitlab:delete")), (1, Status::Done, Status::Waiting), "{report}");
}

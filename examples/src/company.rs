//! The company of Sarah's story: a fake of each of its systems, on real HTTP.

use std::path::PathBuf;
use std::time::Duration;

use door_badge_adapter::fake::BadgeFake;
use provisionr_testkit::{Act, FakeClock, FakeServer, FakeSystem, GitlabFake, GoogleFake, JiraFake, OktaFake, SalesforceFake, SlackFake, fakes};
use serde_json::json;

/// The systems, with what `story/company.yaml` puts into them: Okta makes the accounts in Google and Salesforce, and GitLab's
/// is made when she first comes in by Okta.
pub struct Company {
    /// Okta.
    pub okta: FakeSystem<OktaFake>,
    /// Google Workspace.
    pub google: FakeSystem<GoogleFake>,
    /// Salesforce.
    pub salesforce: FakeSystem<SalesforceFake>,
    /// GitLab, self-managed.
    pub gitlab: FakeSystem<GitlabFake>,
    /// Slack, without an organisation around it.
    pub slack: FakeSystem<SlackFake>,
    /// Jira.
    pub jira: FakeSystem<JiraFake>,
    /// The door badges, by an adapter of another team.
    pub badge: FakeSystem<BadgeFake>,
    servers: Vec<(&'static str, FakeServer)>,
}

/// The folder of the story.
pub fn story() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/story"))
}

impl Company {
    /// Opens it. She logs in to GitLab for the first time so long after Okta lets her.
    ///
    /// # Errors
    /// What is wrong with the seed file.
    pub fn open(first_login: Duration) -> Result<Self, Vec<String>> {
        let clock = FakeClock::new();
        let okta = FakeSystem::with_clock(OktaFake::new(), clock.clone());
        let google = FakeSystem::with_clock(GoogleFake::new(), clock.clone());
        let salesforce = FakeSystem::with_clock(SalesforceFake::new(), clock.clone());
        let gitlab = FakeSystem::with_clock(GitlabFake::new(), clock.clone());
        let slack = FakeSystem::with_clock(SlackFake::new(), clock.clone());
        let jira = FakeSystem::with_clock(JiraFake::new(), clock.clone());
        let badge = FakeSystem::with_clock(crate::badge_fake(), clock);
        let seeded = [
            ("okta", okta.erased()),
            ("google", google.erased()),
            ("salesforce", salesforce.erased()),
            ("gitlab", gitlab.erased()),
            ("slack", slack.erased()),
            ("jira", jira.erased()),
        ];
        fakes::plant(&story().join("company.yaml"), &seeded)?;
        okta.link("app.user_assigned", &okta, move |event| {
            let opens = || Act::new("open_app", json!({ "user": event.text("login"), "app": "GitLab" })).after(first_login);
            (event.text("appLabel") == "GitLab").then(opens)
        });
        let all = seeded.iter().map(|(name, fake)| (*name, fake.clone())).chain([("badge", badge.erased())]);
        let servers = all.map(|(name, fake)| (name, FakeServer::start(&fake))).collect();
        Ok(Self { okta, google, salesforce, gitlab, slack, jira, badge, servers })
    }

    /// Where each system is, by the name policies know it by.
    pub fn addresses(&self) -> impl Iterator<Item = (String, String)> {
        self.servers.iter().map(|(name, server)| ((*name).to_owned(), server.url()))
    }

    /// How many requests there were, in all systems.
    pub fn requests(&self) -> usize {
        let requests = [self.okta.log(), self.google.log(), self.salesforce.log(), self.gitlab.log(), self.slack.log(), self.jira.log(), self.badge.log()];
        requests.iter().map(Vec::len).sum()
    }
}

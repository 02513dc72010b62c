//! A company with a fake of every vendor, reached by the real adapters, in virtual time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use provisionr_adapters::aws::{AccessKeys, IdentityCenterConfig};
use provisionr_adapters::github::GithubConfig;
use provisionr_adapters::gitlab::GitlabConfig;
use provisionr_adapters::google::GoogleConfig;
use provisionr_adapters::jira::JiraConfig;
use provisionr_adapters::okta::OktaConfig;
use provisionr_adapters::salesforce::SalesforceConfig;
use provisionr_adapters::scim::ScimConfig;
use provisionr_adapters::slack::SlackConfig;
use provisionr_core::*;
use provisionr_testkit::{AwsFake, FakeClock, FakeSystem, GithubFake, GitlabFake, GoogleFake, JiraFake, OktaFake, SalesforceFake, ScimFake, SlackFake, fakes};

/// Where the story's files are.
pub fn story() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/story")
}

/// An event of the story.
pub fn event(name: &str) -> Event {
    Event::from_json(&std::fs::read(story().join(format!("sarah.{name}.json"))).unwrap()).unwrap()
}

/// The founding files: the originals where they are at hand, else the copies that are held against them.
pub fn founding(file: &str) -> PathBuf {
    match std::env::var_os("PROVISIONR_STORIES_DIR") {
        Some(originals) => Path::new(&originals).join(file),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../provisionr-core/tests/fixtures").join(file),
    }
}

pub fn morning() -> Timestamp {
    "2024-11-24T09:00:00Z".parse().unwrap()
}

/// The systems by the names policies know them by. A further one is a field, and a line in `new`, `all` and `adapter`.
pub struct Company {
    pub okta: FakeSystem<OktaFake>,
    pub google: FakeSystem<GoogleFake>,
    pub salesforce: FakeSystem<SalesforceFake>,
    pub gitlab: FakeSystem<GitlabFake>,
    pub slack: FakeSystem<SlackFake>,
    pub jira: FakeSystem<JiraFake>,
    pub aws: FakeSystem<AwsFake>,
    pub github: FakeSystem<GithubFake>,
    pub wiki: FakeSystem<ScimFake>,
    /// What a host does about calls that fail.
    pub retry: RetryPolicy,
    clock: TokioClock,
}

impl Company {
    /// A company of vendors' new accounts, at nine in the morning of the day before she begins.
    pub fn new() -> Self {
        let clock = FakeClock::starting_at(morning());
        Self {
            okta: FakeSystem::with_clock(OktaFake::new(), clock.clone()),
            google: FakeSystem::with_clock(GoogleFake::new(), clock.clone()),
            salesforce: FakeSystem::with_clock(SalesforceFake::new(), clock.clone()),
            gitlab: FakeSystem::with_clock(GitlabFake::new(), clock.clone()),
            slack: FakeSystem::with_clock(SlackFake::new(), clock.clone()),
            jira: FakeSystem::with_clock(JiraFake::new(), clock.clone()),
            aws: FakeSystem::with_clock(AwsFake::new(), clock.clone()),
            github: FakeSystem::with_clock(GithubFake::new(), clock.clone()),
            wiki: FakeSystem::with_clock(ScimFake::new(), clock),
            retry: RetryPolicy::default(),
            clock: TokioClock::starting_at(morning()),
        }
    }

    /// With what a seed file puts into them, and links between them.
    pub fn seeded(file: &Path) -> Self {
        let company = Self::new();
        fakes::plant(file, &company.all()).unwrap();
        company
    }

    pub fn all(&self) -> [(&'static str, FakeSystem); 9] {
        [
            ("okta", self.okta.erased()),
            ("google", self.google.erased()),
            ("salesforce", self.salesforce.erased()),
            ("gitlab", self.gitlab.erased()),
            ("slack", self.slack.erased()),
            ("jira", self.jira.erased()),
            ("aws-sso", self.aws.erased()),
            ("github", self.github.erased()),
            ("wiki", self.wiki.erased()),
        ]
    }

    pub fn adapter(&self, system: &str) -> Arc<dyn Adapter> {
        let token = |token: &str| Secret::new(token);
        match system {
            "okta" => {
                let lanes = ["users", "users.id", "users.create", "groups", "groups.id", "apps", "apps.id"];
                let config = OktaConfig::new("https://company.okta.test").api_token(token(OktaFake::TOKEN));
                Arc::new(lanes.into_iter().fold(config, |config, lane| config.limit(lane, 600)).connect(system, &self.okta.transport()).unwrap())
            }
            "google" => {
                Arc::new(GoogleConfig::new(GoogleFake::ADMIN).access_token(token(GoogleFake::TOKEN)).connect(system, &self.google.transport()).unwrap())
            }
            "salesforce" => {
                let config = SalesforceConfig::new("https://company.my.salesforce.test").access_token(token(SalesforceFake::TOKEN));
                Arc::new(config.fallback_profile("Minimum Access - Salesforce").connect(system, &self.salesforce.transport()).unwrap())
            }
            "gitlab" => {
                let config = GitlabConfig::self_managed("https://gitlab.company.test").private_token(token(GitlabFake::TOKEN));
                Arc::new(config.rate_limit(600, Duration::from_secs(60)).connect(system, &self.gitlab.transport()).unwrap())
            }
            "slack" => Arc::new(SlackConfig::new().token(token(SlackFake::BOT_TOKEN)).connect(system, &self.slack.transport()).unwrap()),
            "jira" => {
                let config = JiraConfig::new("https://company.atlassian.test").api_token(JiraFake::ADMIN, token(JiraFake::TOKEN));
                Arc::new(config.connect(system, &self.jira.transport()).unwrap())
            }
            "aws-sso" => {
                let keys = AccessKeys::new(AwsFake::ACCESS_KEY_ID, token(AwsFake::SECRET_ACCESS_KEY));
                let config = IdentityCenterConfig::new(AwsFake::REGION, AwsFake::INSTANCE, AwsFake::IDENTITY_STORE).access_keys(keys);
                Arc::new(config.account("production", "111111111111").connect(system, &self.aws.transport()).unwrap())
            }
            "github" => {
                Arc::new(GithubConfig::organization(GithubFake::ORG).token(token(GithubFake::TOKEN)).connect(system, &self.github.transport()).unwrap())
            }
            "wiki" => Arc::new(ScimConfig::new("https://wiki.test/scim/v2").bearer(token(ScimFake::TOKEN)).connect(system, &self.wiki.transport()).unwrap()),
            other => panic!("no system is called {other}"),
        }
    }

    /// A host that serves these systems. Made again it is another process: all that it knows is in the store.
    pub fn host(&self, systems: &[&str], rules: Rules, store: impl store::Store, people: MemoryDirectory) -> Provisioner {
        let adapters: Vec<_> = systems.iter().map(|system| self.adapter(system)).collect();
        Provisioner::builder(store, people).adapters(adapters).rules(rules).retry(self.retry.clone()).clock(self.clock).build().unwrap()
    }

    /// How many requests could have changed something, in all systems.
    pub fn writes(&self) -> usize {
        self.all().iter().map(|(_, fake)| fake.log().iter().filter(|entry| entry.access == Some(Access::Write)).count()).sum()
    }

    /// Her first login, by Okta into GitLab.
    pub fn first_login(&self) {
        self.okta.opens_app("sarah@company.com", "GitLab").unwrap();
    }
}

/// Drives until nothing is due, again and again for so long.
pub async fn pass(access: &Provisioner, time: Duration) {
    let end = tokio::time::Instant::now() + time;
    let step = (time / 500).clamp(Duration::from_secs(5), Duration::from_secs(3600));
    while tokio::time::Instant::now() < end {
        access.driver().run_until_idle().await.unwrap();
        tokio::time::sleep(step).await;
    }
    access.driver().run_until_idle().await.unwrap();
}

pub fn status(report: &Report, operation: &str) -> Status {
    line(report, operation).status
}

pub fn line<'r>(report: &'r Report, operation: &str) -> &'r ReportLine {
    report.operations.iter().find(|line| line.operation.as_str() == operation).unwrap_or_else(|| panic!("no {operation}:\n{report}"))
}

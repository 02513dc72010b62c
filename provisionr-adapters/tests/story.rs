//! Sarah's life with the company, in Okta, GitLab and Slack: the real adapters over the fakes' state models, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use provisionr_adapters::gitlab::GitlabConfig;
use provisionr_adapters::okta::OktaConfig;
use provisionr_adapters::slack::SlackConfig;
use provisionr_core::store::RunFilter;
use provisionr_core::*;
use provisionr_testkit::gitlab::Sort;
use provisionr_testkit::okta::UserStatus;
use provisionr_testkit::{Act, FakeSystem, GitlabFake, Limit, OktaFake, SlackFake};
use serde_json::{Value, json};

fn story() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/story")
}

fn event(name: &str) -> Event {
    Event::from_json(&std::fs::read(story().join(format!("sarah.{name}.json"))).unwrap()).unwrap()
}

struct Company {
    okta: FakeSystem<OktaFake>,
    gitlab: FakeSystem<GitlabFake>,
    slack: FakeSystem<SlackFake>,
    access: Provisioner,
}

impl Company {
    fn new() -> Self {
        let seed: Value = serde_saphyr::from_str(&std::fs::read_to_string(story().join("company.yaml")).unwrap()).unwrap();
        let okta = OktaFake::new().start();
        let (gitlab, slack) = (GitlabFake::new().start(), SlackFake::new().start());
        okta.seed(&seed["okta"]).unwrap();
        gitlab.seed(&seed["gitlab"]).unwrap();
        slack.seed(&seed["slack"]).unwrap();
        Self::over(okta, gitlab, slack, MemoryDirectory::default())
    }

    fn over(okta: FakeSystem<OktaFake>, gitlab: FakeSystem<GitlabFake>, slack: FakeSystem<SlackFake>, people: MemoryDirectory) -> Self {
        let token = |token: &str| Secret::new(token);
        let limits = |config: OktaConfig| {
            ["users", "users.id", "users.create", "groups", "groups.id", "apps", "apps.id"].into_iter().fold(config, |config, lane| config.limit(lane, 600))
        };
        let access = Provisioner::builder(MemoryStore::new(), people)
            .adapter(limits(OktaConfig::new("https://company.okta.test").api_token(token(OktaFake::TOKEN))).connect("okta", &okta.transport()).unwrap())
            .adapter(
                GitlabConfig::self_managed("https://gitlab.company.test")
                    .private_token(token(GitlabFake::TOKEN))
                    .rate_limit(600, Duration::from_secs(60))
                    .connect("gitlab", &gitlab.transport())
                    .unwrap(),
            )
            .adapter(SlackConfig::new().token(token(SlackFake::BOT_TOKEN)).connect("slack", &slack.transport()).unwrap())
            .rules(Rules::load_dir(story().join("rules")).unwrap())
            .clock(TokioClock::starting_at("2024-11-24T09:00:00Z".parse().unwrap()))
            .build()
            .unwrap();
        Self { okta, gitlab, slack, access }
    }

    async fn handle(&self, event: &Event) -> RunId {
        self.access.handle(event, Actor::service("workday")).await.unwrap()
    }

    /// Drives until nothing is due, again and again for so long.
    async fn pass(&self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while tokio::time::Instant::now() < end {
            self.access.driver().run_until_idle().await.unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        self.access.driver().run_until_idle().await.unwrap();
    }

    async fn report(&self, run: &RunId) -> Report {
        self.access.report(run).await.unwrap()
    }

    fn first_login(&self) {
        self.okta.log_in("sarah@company.com").unwrap();
        self.okta.admin_sets_status("sarah@company.com", UserStatus::Active).unwrap();
        self.gitlab_hears_of_her();
    }

    fn gitlab_hears_of_her(&self) {
        let login = json!({ "extern_uid": "sarah@company.com", "email": "sarah@company.com", "username": "sarah", "name": "Sarah Chen", "provider": "saml" });
        self.gitlab.act(Act::new("saml_login", login)).unwrap();
    }

    fn level(&self, group: &str) -> Option<u64> {
        self.gitlab.member(Sort::Group, group, "sarah").map(|member| member.level)
    }

    fn writes(&self) -> usize {
        self.okta.events().len() + self.gitlab.events().len() + self.slack.events().len()
    }
}

fn status(report: &Report, operation: &str) -> Status {
    report.operations.iter().find(|line| line.operation.as_str() == operation).unwrap_or_else(|| panic!("no {operation}:\n{report}")).status
}

#[tokio::test(start_paused = true)]
async fn she_joins_and_gitlab_waits_for_her_login_without_holding_anything_up() {
    let company = Company::new();
    let run = company.handle(&event("hired")).await;
    company.pass(Duration::from_secs(600)).await;
    let report = company.report(&run).await;
    assert_eq!((report.count(Status::Done), status(&report, "gitlab:account")), (7, Status::Waiting), "{report}");
    assert_eq!(company.okta.members("sales-team"), ["sarah@company.com"]);
    assert_eq!(company.okta.app_users("GitLab").len(), 1, "the app by which GitLab hears of her");
    assert!(company.slack.members("engineering-general").contains(&"sarah@company.com".to_owned()));
    company.first_login();
    company.pass(Duration::from_secs(3600)).await;
    let report = company.report(&run).await;
    assert_eq!((report.verdict, company.level("customer-solutions")), (Some(Verdict::Completed), Some(20)), "{report}");
    let writes = company.writes();
    let again = company.access.plan_event(&Event::new("evt_again", EventKind::Updated, event("hired").at(), event("hired").subject().clone())).await.unwrap();
    assert!(again.plans[0].plan.is_empty() && again.plans[0].plan.blocked.is_empty(), "{again}");
    assert_eq!(company.writes(), writes);
}

#[tokio::test(start_paused = true)]
async fn she_moves_and_keeps_what_she_keeps_and_what_others_gave_her() {
    let company = Company::new();
    company.handle(&event("hired")).await;
    company.pass(Duration::from_secs(60)).await;
    company.first_login();
    company.pass(Duration::from_secs(3600)).await;
    // What people do by hand is theirs.
    company.gitlab.act(Act::new("set_member", json!({ "group": "handbook", "user": "sarah", "access_level": 30 }))).unwrap();
    company.okta.admin_adds_to_group("kim-is-nobody", "sales-team").unwrap_err();
    let kept = company.okta.requests("PUT", "/api/v1/groups/*/users/*").len();
    let run = company.handle(&event("moved")).await;
    company.pass(Duration::from_secs(600)).await;
    let report = company.report(&run).await;
    assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
    assert_eq!(company.okta.groups_of("sarah@company.com"), ["account-executives", "sales-team"]);
    assert_eq!(company.okta.user("sarah@company.com").unwrap().attribute("title"), "Account Executive", "her record follows");
    assert_eq!(company.okta.requests("PUT", "/api/v1/groups/*/users/*").len(), kept + 1, "what she keeps is not touched");
    assert_eq!((company.level("customer-solutions"), company.level("customer-solutions/demos"), company.level("handbook")), (None, Some(10), Some(30)));
    assert_eq!(company.slack.channels_of("sarah"), ["deals", "sales-team"]);
}

#[tokio::test(start_paused = true)]
async fn she_leaves_while_gitlab_still_waits_and_is_cut_off_at_once_and_verified_clean() {
    let company = Company::new();
    let joining = company.handle(&event("hired")).await;
    company.pass(Duration::from_secs(60)).await;
    let run = company.handle(&event("left")).await;
    company.access.driver().run_until_idle().await.unwrap();
    // She has never come: Okta suspends only who has, so that her account is deactivated.
    assert_eq!(company.okta.status("sarah@company.com"), Some(UserStatus::Deprovisioned));
    assert!(company.slack.channels_of("sarah").is_empty(), "{:?}", company.slack.channels_of("sarah"));
    company.pass(Duration::from_secs(300)).await;
    assert_eq!(company.report(&joining).await.verdict, Some(Verdict::Superseded));
    let report = company.report(&run).await;
    assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
    assert!(["okta:verify", "gitlab:verify", "slack:verify"].into_iter().all(|verify| status(&report, verify) == Status::Done), "{report}");
    assert_eq!(company.access.runs(&RunFilter::all().unsettled()).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn she_leaves_and_gitlab_hears_of_her_too_late_and_that_is_followed_up() {
    let company = Company::new();
    company.handle(&event("hired")).await;
    company.pass(Duration::from_secs(60)).await;
    company.handle(&event("left")).await;
    company.access.driver().run_until_idle().await.unwrap();
    company.gitlab_hears_of_her();
    assert_eq!(company.gitlab.user("sarah").unwrap().state, "active");
    company.pass(Duration::from_secs(600)).await;
    assert_eq!(company.gitlab.user("sarah").unwrap().state, "blocked");
    // Its account is deleted ninety days after her last day; until then that is all that is left to do.
    let open = company.access.runs(&RunFilter::all().unsettled()).await.unwrap();
    let report = company.report(&open[0].id).await;
    assert_eq!((open.len(), status(&report, "gitlab:verify"), status(&report, "gitlab:delete")), (1, Status::Done, Status::Waiting), "{report}");
}

/// 200 people at once, under limits that bite: what was forecast is what it takes.
#[tokio::test(start_paused = true)]
async fn two_hundred_people_take_the_calls_and_the_time_that_were_forecast() {
    let minute = |units: u32, method: &str, path: &str| Limit::new(units, Duration::from_secs(60)).on(method, path);
    let okta = OktaFake::new()
        .with_group("sales-team")
        .with_group("engineering-team")
        .with_limit(minute(600, "POST", "/api/v1/users"))
        .with_limit(minute(600, "*", "/api/v1/users"))
        .with_limit(minute(600, "*", "/api/v1/users/**"))
        .with_limit(minute(600, "*", "/api/v1/groups/**"))
        .with_limit(minute(600, "*", "/api/v1/apps/**"))
        .start();
    okta.seed(&json!({ "apps": [{ "name": "gitlab", "label": "GitLab" }] })).unwrap();
    let gitlab = GitlabFake::new().with_group("customer-solutions").start();
    let slack = SlackFake::new().with_channel("sales-team").with_channel("engineering-general").with_usergroup("sales", &[]).start();
    let people = MemoryDirectory::default();
    for number in 0..200 {
        let mail = format!("p{number:03}@company.com");
        slack.seed(&json!({ "users": [{ "email": mail, "name": format!("p{number:03}") }] })).unwrap();
        let person = Subject::new(format!("emp_{number:03}")).with("email", mail).with("first_name", "P").with("last_name", format!("N{number:03}"));
        people.put(person.with("department", "Sales").with("job_title", "Sales Engineer").with_version(1));
    }
    let company = Company::over(okta, gitlab, slack, people);
    let set = company.access.plan_people().await.unwrap();
    assert_eq!((set.plans.len(), set.unchanged), (200, 0));
    let forecast = set.forecast.clone();
    let calls = |company: &Company| [company.okta.log().len(), company.gitlab.log().len(), company.slack.log().len()];
    let submitted = company.access.submit_set(&set, &Actor::service("import")).await.unwrap();
    assert!(submitted.iter().all(|one| one.run.is_ok()));
    let (planned, begun) = (calls(&company), tokio::time::Instant::now());
    let all_but_logins = async || {
        let mut open = 0;
        for one in &submitted {
            open += company
                .report(one.run.as_ref().unwrap())
                .await
                .operations
                .iter()
                .filter(|line| line.system != *"gitlab" && line.status != Status::Done)
                .count();
        }
        open
    };
    let mut last = usize::MAX;
    while last > 0 {
        company.access.driver().run_until_idle().await.unwrap();
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

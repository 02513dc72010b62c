//! Okta makes accounts in other fakes, and switches them off.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::time::Duration;

use provisionr_testkit::gitlab::Sort;
use provisionr_testkit::okta::UserStatus;
use provisionr_testkit::{
    Act, AwsFake, Fake, FakeClock, FakeSystem, Federation, GithubFake, GitlabFake, GoogleFake, JiraFake, OktaFake, SalesforceFake, ScimFake, SlackFake,
};
use serde_json::{Value, json};

const SARAH: &str = "sarah@company.com";
const MINUTE: Duration = Duration::from_secs(60);

/// An org with an app, and a fake behind it that gets and loses its accounts a minute later.
struct Pair<F> {
    okta: FakeSystem<OktaFake>,
    fed: FakeSystem<F>,
    args: Value,
}

impl<F: Fake> Pair<F> {
    fn new(fed: F, args: &Value) -> Self {
        let clock = FakeClock::new();
        let sarah = json!({ "users": [{ "login": SARAH, "profile": { "firstName": "Sarah", "lastName": "Chen" } }], "apps": [{ "name": "app", "label": "App" }, { "name": "other", "features": ["PUSH_NEW_USERS"] }] });
        let okta = FakeSystem::with_clock(OktaFake::new().seeded(&sarah), clock.clone());
        let fed = FakeSystem::with_clock(fed, clock);
        let app = args.as_object().unwrap().iter().fold(Federation::provisioning("App", MINUTE), |app, (name, value)| app.with(name, value.clone()));
        okta.federate(app, &fed).unwrap();
        Self { okta, fed, args: args.clone() }
    }

    /// Assigned, taken away, assigned again, and deactivated; `state` says how the account stands, and `steps` are what it should say.
    async fn lives(self, steps: [Option<&str>; 2], state: impl Fn(&FakeSystem<F>) -> Option<String>) {
        let (on, off) = (steps[0].map(str::to_owned), steps[1].map(str::to_owned));
        let later = async |at: &str, before: Option<String>, after: Option<String>| {
            tokio::time::advance(MINUTE - Duration::from_millis(1)).await;
            assert_eq!(state(&self.fed), before, "{at}, at once");
            tokio::time::advance(Duration::from_millis(1)).await;
            assert_eq!(state(&self.fed), after, "{at}");
        };
        self.okta.assigns_app(SARAH, "other").unwrap();
        later("assigned another app", None, None).await;
        self.okta.assigns_app(SARAH, "App").unwrap();
        later("assigned", None, on.clone()).await;
        self.okta.unassigns_app(SARAH, "App").unwrap();
        later("unassigned", on.clone(), off.clone()).await;
        self.okta.assigns_app(SARAH, "App").unwrap();
        later("assigned again", off.clone(), on.clone()).await;
        self.okta.admin_sets_status(SARAH, UserStatus::Deprovisioned).unwrap();
        later("deactivated", on, off).await;
        // What is so already is no event, and who is not there is no problem.
        let events = self.fed.events().len();
        for login in [SARAH, "nobody@company.com"] {
            let mut args = json!({ "login": login, "email": login });
            args.as_object_mut().unwrap().extend(self.args.as_object().unwrap().clone());
            self.fed.act(Act::new("deprovision_user", args)).unwrap();
        }
        assert_eq!(self.fed.events().len(), events);
        self.fed.verify();
    }
}

fn words(state: bool, on: &str, off: &str) -> String {
    if state { on } else { off }.to_owned()
}

#[tokio::test(start_paused = true)]
async fn google_accounts_are_made_suspended_and_restored() {
    let pair = Pair::new(GoogleFake::new(), &json!({}));
    pair.lives([Some("Sarah Chen active"), Some("Sarah Chen suspended")], |google| {
        let user = google.user(SARAH)?;
        let name = |part: &str| user.fields["name"][part].as_str().unwrap().to_owned();
        Some(format!("{} {} {}", name("givenName"), name("familyName"), words(user.suspended, "suspended", "active")))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn salesforce_accounts_come_with_a_profile_and_are_deactivated() {
    for (args, profile) in [(json!({}), "Standard User"), (json!({ "profile": "Minimum Access - Salesforce" }), "Minimum Access - Salesforce")] {
        let (on, off) = (format!("{profile} Chen true"), format!("{profile} Chen false"));
        Pair::new(SalesforceFake::new(), &args)
            .lives([Some(on.as_str()), Some(off.as_str())], |salesforce| {
                let profile = salesforce.profile_of(SARAH)?;
                Some(format!("{profile} {} {}", salesforce.user_field(SARAH, "LastName").as_str()?, salesforce.user_field(SARAH, "IsActive")))
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn gitlab_accounts_are_blocked_and_lose_the_group_on_gitlab_com() {
    let state = |gitlab: &FakeSystem<GitlabFake>| gitlab.user(SARAH).map(|user| format!("{} {}", user.name, user.state));
    Pair::new(GitlabFake::new(), &json!({})).lives([Some("Sarah Chen active"), Some("Sarah Chen blocked")], state).await;
    let com = GitlabFake::gitlab_com("company").with_group("company/eng");
    Pair::new(com, &json!({ "group": "company" }))
        .lives([Some("10"), Some("none")], |gitlab| {
            gitlab.user(SARAH)?;
            let level = gitlab.member(Sort::Group, "company", "sarah");
            Some(level.map_or_else(|| "none".to_owned(), |member| member.level.to_string()))
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn slack_jira_and_aws_switch_accounts_off_and_on() {
    Pair::new(SlackFake::new(), &json!({})).lives([Some("on"), Some("off")], |slack| Some(words(slack.user(SARAH)?.deleted, "off", "on"))).await;
    Pair::new(JiraFake::new(), &json!({})).lives([Some("on"), Some("off")], |jira| Some(words(jira.user(SARAH)?.active, "on", "off"))).await;
    let aws = Pair::new(AwsFake::new(), &json!({ "issuer": "https://idp.example" }));
    aws.lives([Some("on"), Some("off")], |aws| aws.with(|aws| Some(words(aws.user(SARAH)?.enabled, "on", "off")))).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_speaks_scim_is_switched_off_and_on() {
    Pair::new(ScimFake::new(), &json!({})).lives([Some("on"), Some("off")], |wiki| Some(words(wiki.user(SARAH)?.is_active(), "on", "off"))).await;
    let enterprise = GithubFake::new().with_enterprise();
    Pair::new(enterprise, &json!({}))
        .lives([Some("on"), Some("off")], |github| {
            github.with(|github| {
                let mut users = github.users();
                let user = users.find(|user| user.scim.as_ref().is_some_and(|scim| scim.attributes["userName"] == SARAH))?;
                Some(words(user.suspended, "off", "on"))
            })
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_first_login_makes_the_account_and_nothing_takes_it_away() {
    let clock = FakeClock::new();
    let apps = json!({ "apps": [{ "name": "gitlab", "label": "GitLab" }], "users": [{ "login": SARAH, "status": "PROVISIONED" }] });
    let okta = FakeSystem::with_clock(OktaFake::new().seeded(&apps), clock.clone());
    let gitlab = FakeSystem::with_clock(GitlabFake::new(), clock);
    okta.federate(Federation::first_login("GitLab"), &gitlab).unwrap();
    okta.opens_app(SARAH, "GitLab").unwrap_err();
    okta.assigns_app(SARAH, "GitLab").unwrap();
    assert!(gitlab.user(SARAH).is_none());
    for _ in 0..2 {
        okta.opens_app(SARAH, "GitLab").unwrap();
        let user = gitlab.user(SARAH).unwrap();
        assert_eq!((user.identities[0].extern_uid.as_str(), user.identities[0].provider.as_str()), (SARAH, "saml"));
    }
    assert_eq!((okta.status(SARAH), okta.user(SARAH).unwrap().sessions), (Some(UserStatus::Active), 1), "she came in by Okta");
    okta.unassigns_app(SARAH, "GitLab").unwrap();
    assert_eq!(gitlab.user(SARAH).unwrap().state, "active");
}

#[test]
fn an_app_that_is_not_there_and_a_fake_that_is_no_identity_provider_are_told() {
    let (okta, google) = (OktaFake::new().start(), GoogleFake::new().start());
    let error = okta.federate(Federation::provisioning("Gogle", MINUTE), &google).unwrap_err();
    assert_eq!(error.to_string(), "no app is called `Gogle`");
    google.federate(Federation::first_login("Okta"), &okta).unwrap_err();
}

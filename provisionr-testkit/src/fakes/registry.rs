//! Which types of systems there are fakes of.

use crate::aws::AwsFake;
use crate::clock::FakeClock;
use crate::github::GithubFake;
use crate::gitlab::GitlabFake;
use crate::google::GoogleFake;
use crate::jira::JiraFake;
use crate::okta::OktaFake;
use crate::salesforce::SalesforceFake;
use crate::scim::ScimFake;
use crate::slack::SlackFake;
use crate::system::FakeSystem;

/// One type of system.
pub(super) struct FakeType {
    /// As systems files have it.
    pub(super) name: &'static str,
    /// A new fake that goes by this clock.
    pub(super) start: fn(FakeClock) -> FakeSystem,
    /// What follows the port in the address a host is given: empty, or `/api`.
    pub(super) path: &'static str,
    /// What lets a host in who knows nothing but the systems file: fields of `credentials`, and the secrets of a new fake.
    pub(super) credentials: &'static [(&'static str, &'static str)],
    /// What else a systems file has to say of a new fake, none of it secret.
    pub(super) settings: &'static [(&'static str, &'static str)],
}

impl FakeType {
    const fn new(name: &'static str, start: fn(FakeClock) -> FakeSystem, credentials: &'static [(&'static str, &'static str)]) -> Self {
        Self { name, start, path: "", credentials, settings: &[] }
    }

    const fn at(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    const fn with(self, settings: &'static [(&'static str, &'static str)]) -> Self {
        Self { settings, ..self }
    }
}

/// Runs a new fake by a clock.
macro_rules! start {
    ($fake:ident) => {
        |clock| FakeSystem::with_clock($fake::new(), clock).erased()
    };
}

/// All of them.
pub(super) const TYPES: &[FakeType] = &[
    FakeType::new("aws", start!(AwsFake), &[("access_key_id", AwsFake::ACCESS_KEY_ID), ("secret_access_key", AwsFake::SECRET_ACCESS_KEY)]).with(&[
        ("region", AwsFake::REGION),
        ("instance_arn", AwsFake::INSTANCE),
        ("identity_store_id", AwsFake::IDENTITY_STORE),
    ]),
    FakeType::new("github", start!(GithubFake), &[("token", GithubFake::TOKEN)]).with(&[("organization", GithubFake::ORG)]),
    FakeType::new("gitlab", start!(GitlabFake), &[("token", GitlabFake::TOKEN)]),
    FakeType::new("google", start!(GoogleFake), &[("access_token", GoogleFake::TOKEN)]),
    FakeType::new("jira", start!(JiraFake), &[("bearer", JiraFake::SCOPED_TOKEN)]).at(JiraFake::GATEWAY),
    FakeType::new("okta", start!(OktaFake), &[("token", OktaFake::TOKEN)]),
    FakeType::new("salesforce", start!(SalesforceFake), &[("token", SalesforceFake::TOKEN)]).with(&[("fallback_profile", "Minimum Access - Salesforce")]),
    FakeType::new("scim", start!(ScimFake), &[("token", ScimFake::TOKEN)]).at("/scim/v2"),
    FakeType::new("slack", start!(SlackFake), &[("token", SlackFake::BOT_TOKEN)]).at("/api"),
];

pub(super) fn named(name: &str) -> Option<&'static FakeType> {
    TYPES.iter().find(|known| known.name == name)
}

pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
    TYPES.iter().map(|known| known.name)
}

/// "did you mean", or what there is to choose from.
pub(super) fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    provisionr_sdk::did_you_mean(word, known).unwrap_or_default()
}

//! Which types of systems there are fakes of.

use crate::clock::FakeClock;
use crate::github::GithubFake;
use crate::gitlab::GitlabFake;
use crate::okta::OktaFake;
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
    /// What else a systems file has to say: fields beside `url` and `credentials`.
    pub(super) more: &'static [(&'static str, &'static str)],
}

/// All of them.
pub(super) const TYPES: &[FakeType] = &[
    FakeType {
        name: "github",
        start: |clock| FakeSystem::with_clock(GithubFake::new(), clock).erased(),
        path: "",
        credentials: &[("token", GithubFake::TOKEN)],
        more: &[("organization", GithubFake::ORG)],
    },
    FakeType {
        name: "gitlab",
        start: |clock| FakeSystem::with_clock(GitlabFake::new(), clock).erased(),
        path: "",
        credentials: &[("token", GitlabFake::TOKEN)],
        more: &[],
    },
    FakeType {
        name: "okta",
        start: |clock| FakeSystem::with_clock(OktaFake::new(), clock).erased(),
        path: "",
        credentials: &[("token", OktaFake::TOKEN)],
        more: &[],
    },
    FakeType {
        name: "slack",
        start: |clock| FakeSystem::with_clock(SlackFake::new(), clock).erased(),
        path: "/api",
        credentials: &[("token", SlackFake::BOT_TOKEN)],
        more: &[],
    },
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

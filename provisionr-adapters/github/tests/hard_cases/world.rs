//! What the cases share: an organization, one person, and what is done to them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use provisionr_github::{Github, GithubConfig};
use provisionr_http::{MemoryTransport, Signer};
use provisionr_sdk::{
    Account, AccountQuery, AccountState, Adapter, Call, CallContext, CallGate, Change, Entitlement, Grant, LaneId, LaneReading, Outcome, Permit, Receipt,
    Request, Result, Scope, Secret, Timestamp,
};
use provisionr_testkit::github::GithubFake;
use provisionr_testkit::{Act, FakeClock, FakeSystem};
use serde_json::{Value, json};

pub(crate) type Fake = FakeSystem<GithubFake>;

pub(crate) fn cx() -> CallContext {
    CallContext::unlimited()
}

pub(crate) fn config() -> GithubConfig {
    GithubConfig::organization(GithubFake::ORG).token(Secret::new(GithubFake::TOKEN))
}

pub(crate) fn github(fake: &Fake) -> Github {
    config().connect("github", &fake.transport()).unwrap()
}

pub(crate) fn sarah(fake: &Fake) -> Account {
    Account::new(fake.user_id("sarah").unwrap(), AccountState::Active).with_login("sarah")
}

pub(crate) fn request(fake: &Fake, change: Change) -> Request {
    Request::new("s-1", AccountQuery::by("login", "sarah"), change, "k-1").with_account(sarah(fake))
}

pub(crate) fn in_org(role: &str) -> Entitlement {
    Entitlement::new("add_to_org", GithubFake::ORG).with_role(role)
}

pub(crate) fn in_team(fake: &Fake, team: &str, role: &str) -> Entitlement {
    Entitlement::new("add_to_team", fake.team_id(team).unwrap()).with_role(role)
}

pub(crate) fn on(fake: &Fake, repository: &str, role: &str) -> Entitlement {
    Entitlement::new("grant_repository", fake.repository_id(repository).unwrap()).with_role(role)
}

pub(crate) fn act(fake: &Fake, act: &str, args: Value) {
    fake.act(Act::new(act, args)).unwrap();
}

pub(crate) async fn granted(fake: &Fake, wanted: &Entitlement) -> Result<Outcome> {
    github(fake).apply(&cx(), &request(fake, Change::Grant(wanted.clone()))).await
}

pub(crate) async fn revoked(fake: &Fake, unwanted: &Entitlement) -> Result<Outcome> {
    github(fake).apply(&cx(), &request(fake, Change::Revoke(unwanted.clone()))).await
}

pub(crate) async fn seen(fake: &Fake, wanted: &Entitlement) -> Vec<Grant> {
    github(fake).observe(&cx(), &sarah(fake), &Scope::Only(vec![wanted.clone()])).await.unwrap().grants
}

pub(crate) fn applied(outcome: Outcome) -> Receipt {
    let Outcome::Applied(receipt) = outcome else { panic!("{outcome:?}") };
    receipt
}

pub(crate) fn unchanged(outcome: Outcome) -> Receipt {
    let Outcome::Unchanged(receipt) = outcome else { panic!("{outcome:?}") };
    receipt
}

/// The organization with the team `platform`, the repository `api`, and Sarah, who is in nothing.
pub(crate) fn world() -> GithubFake {
    GithubFake::new().with_user("sarah").with_team("platform").with_repository("api")
}

/// The same, and Sarah is a member.
pub(crate) fn member() -> GithubFake {
    GithubFake::new().with_member("sarah", "member").with_team("platform").with_repository("api")
}

/// A gate that goes by the fake's clock and keeps what it hears.
pub(crate) struct Ear(pub(crate) FakeClock, pub(crate) Mutex<Vec<(LaneId, LaneReading)>>);

#[async_trait]
impl CallGate for Ear {
    async fn permit(&self, _call: &Call) -> Result<Permit> {
        Ok(Permit::free())
    }

    fn heard(&self, lane: &LaneId, reading: LaneReading) {
        self.1.lock().unwrap().push((lane.clone(), reading));
    }

    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

pub(crate) fn ear(fake: &Fake) -> (Arc<Ear>, CallContext) {
    let ear = Arc::new(Ear(fake.clock().clone(), Mutex::default()));
    (ear.clone(), CallContext::new(ear))
}

/// Answers in the place of GitHub: a person, and what a query and a change are answered.
pub(crate) fn scripted(graphql: Value, put: Value) -> Github {
    let http = MemoryTransport::new(move |request| {
        let body = match (request.method().as_str(), request.uri().path()) {
            ("PUT", _) => put.to_string(),
            (_, "/graphql") => graphql.to_string(),
            (_, path) if path.ends_with("/invitations") => json!([{ "id": 9, "invitee": null, "permissions": "read" }]).to_string(),
            _ => json!({ "id": 7, "login": "sarah", "type": "User" }).to_string(),
        };
        http::Response::new(body.into())
    });
    config().connect("github", &http).unwrap()
}

/// Signs with nothing: the fake checks no signatures.
pub(crate) struct Key;

#[async_trait]
impl Signer for Key {
    async fn sign(&self, _message: &[u8]) -> Result<Vec<u8>> {
        Ok(b"signed".to_vec())
    }
}

pub(crate) fn app(fake: &Fake) -> Github {
    GithubConfig::organization(GithubFake::ORG).app(GithubFake::APP, GithubFake::INSTALLATION, Key).connect("github", &fake.transport()).unwrap()
}

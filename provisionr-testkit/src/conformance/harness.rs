//! What the suite needs to know of one system.

use async_trait::async_trait;
use provisionr_sdk::{
    Access, Account, AccountId, AccountSpec, AccountState, Adapter, Cursor, Descriptor, Entitlement, Grant, Kind, KindName, Owner, ParamType, RoleName, Roles,
    TargetId, Wait,
};
use serde_json::Value;

use super::trouble::Trouble;
use crate::log::LogEntry;
use crate::system::FakeSystem;

/// A person the suite invents. No two have anything in common.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Person {
    /// Counts them.
    pub number: usize,
    /// What they log in with: shaped like an e-mail address, since some vendors insist.
    pub login: String,
    /// Their address; the same as their login.
    pub email: String,
    /// Their first name.
    pub first_name: String,
    /// Their last name.
    pub last_name: String,
}

impl Person {
    /// The person of this number.
    pub fn new(number: usize) -> Self {
        let login = format!("person{number}@example.com");
        Self { number, email: login.clone(), login, first_name: format!("First{number}"), last_name: format!("Last{number}") }
    }

    /// What they are found by under a key of the usual names: `login`, `username`, `user_name`, `email`.
    pub fn key(&self, name: &str) -> Option<String> {
        match name {
            "login" | "username" | "user_name" | "email" => Some(self.email.clone()),
            _ => None,
        }
    }

    /// What an attribute of the usual names has for them.
    pub fn attribute(&self, name: &str) -> Option<Value> {
        Some(match name {
            "email" | "login" => self.email.clone().into(),
            "first_name" => self.first_name.clone().into(),
            "last_name" => self.last_name.clone().into(),
            "name" | "display_name" => format!("{} {}", self.first_name, self.last_name).into(),
            _ => return None,
        })
    }
}

/// One request that reached the system.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Whether it could change something.
    pub access: Access,
    /// Which route it reached, without ids: `POST /badges/{id}/suspend`.
    pub route: String,
}

impl Sent {
    /// A request on a route.
    pub fn new(access: Access, route: impl Into<String>) -> Self {
        Self { access, route: route.into() }
    }
}

/// A system of its own, with an adapter on top and a way to the truth beneath.
///
/// One harness serves one case: it is made anew for each. Whatever it does is out of band: it goes through no
/// adapter, meets no trouble and shows in no request log.
///
/// Methods with a default are for what not every system has. Where a method says that it cannot, the cases that
/// need it do not apply, and have to be skipped by name and with a reason.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The adapter under test. Each call makes another one over the same system.
    fn adapter(&self) -> Box<dyn Adapter>;

    /// Puts an account in this state there, with login, e-mail and whatever else the person has.
    /// None when the system knows no such state, or refuses a second account with what the person has.
    async fn seed_account(&self, person: &Person, state: AccountState) -> Option<AccountId>;

    /// Puts a target there; two may have one name if the system allows it. None when there can be no such target.
    async fn seed_target(&self, kind: &KindName, name: &str) -> Option<TargetId>;

    /// Makes a grant that an account holds, from its source and in its state. False when there can be none like it.
    async fn seed_grant(&self, grant: &Grant) -> bool;

    /// All accounts, as they really are.
    async fn accounts(&self) -> Vec<Account>;

    /// Each row that gives something to an account, as it really is: a second row is a second item.
    async fn grants(&self, account: &AccountId) -> Vec<Grant>;

    /// Everything secret that was handed to the adapter.
    fn secrets(&self) -> Vec<String>;

    /// The account that should be made for a person. By default a login, and the usual attributes.
    fn spec(&self, person: &Person, descriptor: &Descriptor) -> AccountSpec {
        let mut spec = AccountSpec::new(person.login.clone());
        for attribute in descriptor.accounts.attributes.iter().filter(|attribute| attribute.writable) {
            match attribute.from.and_then(|from| person.attribute(from)).or_else(|| person.attribute(attribute.name)) {
                Some(value) => spec = spec.with(attribute.name, value),
                None if attribute.required => spec = spec.with(attribute.name, "sample"),
                None => {}
            }
        }
        spec
    }

    /// What a person is found by under one of the descriptor's keys.
    fn key(&self, person: &Person, name: &str) -> Option<String> {
        person.key(name)
    }

    /// An attribute that can be changed, and another value for it.
    fn update(&self, descriptor: &Descriptor) -> Option<(String, Value)> {
        let mut attributes = descriptor.accounts.attributes.iter();
        attributes.rfind(|attribute| attribute.writable && !attribute.unique && !attribute.mails).map(|attribute| (attribute.name.to_owned(), "Changed".into()))
    }

    /// The roles of a kind, lowest first. For open roles the harness has to know some.
    fn roles(&self, kind: &Kind) -> Vec<RoleName> {
        match &kind.roles {
            Roles::Closed(roles) => roles.iter().map(|role| role.name.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// Fills in what an entitlement of this kind must have beside target and role.
    fn complete(&self, kind: &Kind, entitlement: Entitlement) -> Entitlement {
        kind.params.iter().filter(|param| param.required).fold(entitlement, |entitlement, param| {
            let value: Value = match param.takes {
                ParamType::Date => "2031-01-31".into(),
                ParamType::Integer => 1.into(),
                ParamType::Flag => true.into(),
                _ => "sample".into(),
            };
            entitlement.with_param(param.name, value)
        })
    }

    /// How many mails went to people; none when that is not counted.
    fn mails(&self) -> Option<usize> {
        None
    }

    /// The fake the system is, if it is one: requests, troubles and time follow from it.
    fn fake(&self) -> Option<FakeSystem> {
        None
    }

    /// The vendor's own description of the API, against which all that is exchanged with the [`fake`](Self::fake) in a case is held: one
    /// of a `LazyLock`, for it is read and compiled once. By default that of the fake's type, if
    /// [there is one](crate::description::Description::of).
    #[cfg(feature = "descriptions")]
    fn description(&self) -> Option<&'static crate::description::Description> {
        crate::description::Description::of(self.fake()?.system_type())
    }

    /// What has reached the system so far, in order, requests about the credential left out; none when there is no log.
    fn requests(&self) -> Option<Vec<Sent>> {
        let sent = |entry: LogEntry| {
            let route = entry.route.map_or_else(|| "unanswered".to_owned(), |route| format!("{} {route}", entry.method));
            Some(Sent::new(entry.access?, route))
        };
        Some(self.fake()?.log().into_iter().filter_map(sent).collect())
    }

    /// What was sent that the system has no route for. A case with any of it fails.
    fn unknown_requests(&self) -> Vec<String> {
        self.fake().map(|fake| fake.unknown_routes()).unwrap_or_default()
    }

    /// Makes something go wrong; whatever was to go wrong before is forgotten. False when it cannot.
    async fn trouble(&self, trouble: Trouble) -> bool {
        let Some(fake) = self.fake() else { return false };
        fake.clear_faults();
        fake.fault(trouble.fault());
        true
    }

    /// Lets everything that is late show: lagging indexes, jobs.
    async fn settle(&self) {}

    /// Does what an outcome waits for: accepts the invitation, agrees. False when it cannot.
    async fn finish(&self, account: &AccountId, wait: &Wait) -> bool {
        let _ = (account, wait);
        false
    }

    /// Opens a session. False when the system has none, or does not show them.
    async fn log_in(&self, account: &AccountId) -> bool {
        let _ = account;
        false
    }

    /// How many sessions an account has.
    async fn sessions(&self, account: &AccountId) -> usize {
        let _ = account;
        0
    }

    /// Hides a target from the credential, so that it looks as if it were gone. False when the system hides nothing.
    async fn hide_target(&self, kind: &KindName, target: &TargetId) -> bool {
        let _ = (kind, target);
        false
    }

    /// Gives a target to another owner. False when targets have none.
    async fn own_target(&self, kind: &KindName, target: &TargetId, owner: &Owner) -> bool {
        let _ = (kind, target, owner);
        false
    }

    /// Gives an account to another owner. False when accounts have none.
    async fn own_account(&self, account: &AccountId, owner: &Owner) -> bool {
        let _ = (account, owner);
        false
    }

    /// Keeps searches for accounts from seeing everything. False when they always do.
    async fn blind_searches(&self) -> bool {
        false
    }

    /// Makes a cursor too old; gives it back, or one like it that is. None when cursors do not age.
    async fn age_cursor(&self, cursor: Option<Cursor>) -> Option<Cursor> {
        let _ = cursor;
        None
    }
}

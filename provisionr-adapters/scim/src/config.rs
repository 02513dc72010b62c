//! What the host says about its service, and what follows from it: client, lane, descriptor.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use provisionr_http::scim::{self, Key, MemberRemoval, Scim, SwitchOff, classify};
use provisionr_http::{Auth, CredentialProvider, HttpClient, Routes, TokenSource, Transport};
use provisionr_sdk::{
    Ability, AccountFacts, AccountNeed, AccountState, AdapterError, Attribute, ChangeFacts, Contention, Descriptor, Kind, Lane, Result, Search, SystemName,
    Transition,
};
use serde::Deserialize;

use crate::adapter::ScimService;
use crate::groups::{ADD_TO_GROUP, AddToGroup};

/// All requests count on it: the RFCs know no limits, and services have one for all.
const LANE: &str = "requests";

/// A part of the RFCs that a service may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// `PATCH`: resources are read, changed and put back whole.
    Patch,
    /// Filters: who is looked for is looked for in the list of all.
    Filter,
    /// Groups.
    Groups,
}

/// Where all memberships of a user are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Memberships {
    /// In the list of groups, with their members. Every service shows them.
    #[default]
    Groups,
    /// In the user, for services that show there all groups it is in, through another as well; then each of these is read.
    Users,
}

/// What of a service is not as the RFCs have it, or as most services do it: data of a systems file, under `quirks`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Quirks {
    /// The parts it does not have; it has all.
    pub without: BTreeSet<Part>,
    /// What users can be found by; all keys. Many services filter by the user name alone.
    pub found_by: BTreeSet<Key>,
    /// How users are switched off; by `active: false`.
    pub switch_off: SwitchOff,
    /// How `PATCH` takes somebody out of a group; by a path with a filter.
    pub member_removal: MemberRemoval,
    /// Where all memberships of a user are read; in the list of groups.
    pub memberships: Memberships,
    /// How many resources are asked for at once; 100.
    pub page: NonZeroU32,
    /// How many requests it takes in a minute; where nobody says, only what answers say slows us.
    pub requests_per_minute: Option<NonZeroU32>,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            without: BTreeSet::new(),
            found_by: Key::ALL.into(),
            switch_off: SwitchOff::default(),
            member_removal: MemberRemoval::default(),
            memberships: Memberships::default(),
            page: NonZeroU32::MIN.saturating_add(99),
            requests_per_minute: None,
        }
    }
}

impl Quirks {
    pub(crate) fn lacks(&self, part: Part) -> bool {
        self.without.contains(&part)
    }
}

/// One service that speaks SCIM 2.0, and how it is entered. `Debug` shows no credential.
///
/// ```
/// use provisionr_http::MemoryTransport;
/// use provisionr_scim::{Part, ScimConfig};
/// use provisionr_sdk::{Adapter, Secret};
///
/// # let http = MemoryTransport::new(|_| http::Response::default());
/// let wiki = ScimConfig::new("https://wiki.example/scim/v2").bearer(Secret::new("s3cret")).quirks(|quirks| quirks.without = [Part::Patch].into());
/// let wiki = wiki.connect("wiki", &http)?;
/// assert!(wiki.descriptor().kinds.get(&"add_to_group".into()).is_some());
/// # Ok::<_, provisionr_sdk::AdapterError>(())
/// ```
#[derive(Clone)]
pub struct ScimConfig {
    url: String,
    credential: Option<Credential>,
    quirks: Quirks,
}

#[derive(Clone)]
enum Credential {
    Shown(Auth),
    Client { token_url: String, id: String, secret: Arc<dyn CredentialProvider>, scope: Option<String> },
}

impl ScimConfig {
    /// The service at this address, below which `Users` is: `https://wiki.example/scim/v2`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), credential: None, quirks: Quirks::default() }
    }

    /// Enters with a bearer token.
    #[must_use]
    pub fn bearer(mut self, provider: impl CredentialProvider) -> Self {
        self.credential = Some(Credential::Shown(Auth::bearer(provider)));
        self
    }

    /// Enters as this user, with a password.
    #[must_use]
    pub fn basic(mut self, user: impl Into<String>, password: impl CredentialProvider) -> Self {
        self.credential = Some(Credential::Shown(Auth::basic(user, password)));
        self
    }

    /// Enters with tokens that this client gets at an endpoint of its own (OAuth 2.0 client credentials), of these scopes where
    /// some are named.
    #[must_use]
    pub fn client(mut self, token_url: impl Into<String>, id: impl Into<String>, secret: impl CredentialProvider, scope: Option<String>) -> Self {
        self.credential = Some(Credential::Client { token_url: token_url.into(), id: id.into(), secret: Arc::new(secret), scope });
        self
    }

    /// Sets what is not as the RFCs have it.
    #[must_use]
    pub fn quirks(mut self, set: impl FnOnce(&mut Quirks)) -> Self {
        set(&mut self.quirks);
        self
    }

    /// The adapter of this service. Nothing is sent.
    ///
    /// # Errors
    /// `InvalidConfig` when an address is none, there is no credential, or nobody could be found.
    pub fn connect(self, system: impl Into<SystemName>, http: &(impl Transport + Clone)) -> Result<ScimService> {
        let auth = match &self.credential {
            None => return Err(AdapterError::invalid_config("a service needs a credential: a bearer token, a user with a password, or a client")),
            Some(Credential::Shown(auth)) => auth.clone(),
            Some(Credential::Client { token_url, id, secret, scope }) => {
                let source = TokenSource::client_secret(token_url, http, id.as_str(), secret.clone())?;
                Auth::bearer(scope.iter().fold(source, TokenSource::scope))
            }
        };
        let quirks = self.quirks;
        if quirks.found_by.is_empty() {
            return Err(AdapterError::invalid_config("users have to be found by something: `found_by` is empty"));
        }
        let client = HttpClient::new(&self.url, http)?.auth(auth).routes(Routes::new().any("/**", LANE)).classifier(classify);
        let calls = scim::Quirks::new().page(quirks.page.get()).switch_off(quirks.switch_off).member_removal(quirks.member_removal);
        let calls = if quirks.lacks(Part::Patch) { calls.without_patch() } else { calls };
        let calls = if quirks.lacks(Part::Filter) { calls.without_filter() } else { calls };
        Ok(ScimService { scim: Scim::new(client, calls), descriptor: descriptor(system.into(), &quirks), quirks })
    }
}

fn accounts(quirks: &Quirks, calls: u32) -> AccountFacts {
    use AccountState::{Active, Deleted, Suspended};
    let keys = u32::try_from(quirks.found_by.len()).unwrap_or(u32::MAX);
    let created = ChangeFacts::unique("user_name");
    // How many calls a list of all takes hangs on how many there are.
    let created = if quirks.lacks(Part::Filter) { created } else { created.calls(LANE, keys.saturating_add(1)) };
    let accounts = quirks.found_by.iter().fold(AccountFacts::new(), |accounts, key| accounts.found_by(key.name(), Search::Exact));
    let accounts = ATTRIBUTES.iter().fold(accounts, |accounts, attribute| accounts.attribute(attribute.clone()));
    let accounts = accounts.found_with(LANE, 1).created(created).moved(ChangeFacts::set().calls(LANE, calls)).suspended_by(Suspended);
    match quirks.switch_off {
        SwitchOff::Inactive => accounts.transition(Transition::new([Active, Suspended], Deleted).destroys("memberships in groups").irreversible()),
        _ => accounts,
    }
}

fn descriptor(system: SystemName, quirks: &Quirks) -> Descriptor {
    // A change that meets no trouble is a look, the change, and a look at what came of it. Without `PATCH` the resource is read once
    // more, right before it is put back.
    let calls = if quirks.lacks(Part::Patch) { 4 } else { 3 };
    let lane = quirks.requests_per_minute.map_or_else(|| Lane::new(LANE), |requests| Lane::per_minute(LANE, requests.get()));
    let descriptor = Descriptor::new(system, "scim").accounts(accounts(quirks, calls)).can(Ability::ListAccounts).lane(lane);
    if quirks.lacks(Part::Groups) {
        return descriptor;
    }
    let groups = Kind::per_target::<AddToGroup>(ADD_TO_GROUP)
        .doc("Puts a person into a group")
        .target_noun("group")
        .needs(AccountNeed::Known)
        .granting(ChangeFacts::set().calls(LANE, calls))
        .revoking(ChangeFacts::set().calls(LANE, calls))
        .contention(if quirks.lacks(Part::Patch) { Contention::WholeList } else { Contention::None });
    descriptor.kind(groups).can(Ability::ListTargets(ADD_TO_GROUP.into())).can(Ability::ListGrants(ADD_TO_GROUP.into()))
}

impl fmt::Debug for ScimConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScimConfig").field("url", &self.url).field("quirks", &self.quirks).finish_non_exhaustive()
    }
}

/// RFC 7643, sections 4.1 and 4.3.
const ATTRIBUTES: [Attribute; 16] = [
    Attribute::new("email").from("email"),
    Attribute::new("givenName").from("first_name"),
    Attribute::new("familyName").from("last_name"),
    Attribute::new("displayName").from("display_name"),
    Attribute::new("title").from("job_title"),
    Attribute::new("nickName"),
    Attribute::new("userType").from("employment_type"),
    Attribute::new("preferredLanguage"),
    Attribute::new("locale"),
    Attribute::new("timezone"),
    Attribute::new("externalId").from("employee_id"),
    Attribute::new("employeeNumber").from("employee_id"),
    Attribute::new("department").from("department"),
    Attribute::new("division").from("division"),
    Attribute::new("organization").from("organization"),
    Attribute::new("costCenter").from("cost_center"),
];

//! What the host says about its org, and what follows from it: client, lanes, descriptor.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use provisionr_http::{Auth, CredentialProvider, HttpClient, RateHeaders, ReadRate, Routes, ScopedSource, Signer, TokenSource, Transport};
use provisionr_sdk::{
    Ability, AccountFacts, AccountNeed, AccountState, AdapterError, Attribute, ChangeFacts, Descriptor, Kind, Lane, LaneReading, Mail, OnCreate, Result,
    Search, Secret, Suspension, SystemName, Timestamp, Transition, did_you_mean,
};
use serde::Deserialize;

use crate::adapter::Okta;
use crate::apps::{ASSIGN_APP, AssignApp};
use crate::errors;
use crate::groups::{ADD_TO_GROUP, AddToGroup};

/// Who lets a person in who signs in to Okta.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SignIn {
    /// Okta itself: a new account is `PROVISIONED` until the person has chosen a password or another factor.
    #[default]
    Okta,
    /// An identity provider in front of Okta: a new account is `ACTIVE` at once and has no password.
    IdentityProvider,
}

/// One Okta org, and how it is entered. `Debug` shows no credential.
///
/// ```
/// use provisionr_http::MemoryTransport;
/// use provisionr_okta::OktaConfig;
/// use provisionr_sdk::{Adapter, Secret};
///
/// # let http = MemoryTransport::new(|_| http::Response::default());
/// let okta = OktaConfig::new("https://company.okta.com").api_token(Secret::new("00abc")).connect("okta", &http)?;
/// assert!(okta.descriptor().kinds.get(&"add_to_group".into()).is_some());
/// # Ok::<_, provisionr_sdk::AdapterError>(())
/// ```
#[derive(Clone)]
pub struct OktaConfig {
    url: String,
    credentials: Option<Credentials>,
    sign_in: SignIn,
    concurrency: u32,
    limits: BTreeMap<String, u32>,
    /// In per cent.
    share: u32,
    attributes: Vec<Attribute>,
}

#[derive(Clone)]
enum Credentials {
    Token(Arc<dyn CredentialProvider>),
    Key { client_id: String, signer: Arc<dyn Signer>, scopes: Vec<String> },
}

impl OktaConfig {
    /// The org at this address: `https://company.okta.com`, or a domain of its own.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), credentials: None, sign_in: SignIn::Okta, concurrency: 75, limits: BTreeMap::new(), share: 50, attributes: Vec::new() }
    }

    /// Enters with an API token (`SSWS`) that this provider hands out.
    #[must_use]
    pub fn credentials(mut self, provider: impl CredentialProvider) -> Self {
        self.credentials = Some(Credentials::Token(Arc::new(provider)));
        self
    }

    /// Enters with this API token.
    #[must_use]
    pub fn api_token(self, token: Secret) -> Self {
        self.credentials(token)
    }

    /// Enters as a service app with its key. The app also needs an admin role; scopes alone are not enough.
    #[must_use]
    pub fn private_key<S: Into<String>>(mut self, client_id: impl Into<String>, signer: impl Signer, scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes = scopes.into_iter().map(Into::into).collect();
        self.credentials = Some(Credentials::Key { client_id: client_id.into(), signer: Arc::new(signer), scopes });
        self
    }

    /// Sets who lets people in; Okta itself unless set.
    #[must_use]
    pub fn sign_in(mut self, sign_in: SignIn) -> Self {
        self.sign_in = sign_in;
        self
    }

    /// Sets how many requests the org takes at once; 75 unless set. Free orgs take 35.
    #[must_use]
    pub fn concurrency(mut self, requests: u32) -> Self {
        self.concurrency = requests;
        self
    }

    /// Sets how many requests a minute the org's dashboard shows for a family of endpoints, by lane: `users`, `users.id`,
    /// `users.create`, `groups`, `groups.id`, `apps`, `apps.id`, `management`. Calls are paced by this credential's
    /// [share](Self::share) of it and forecasts rest on that; without it only the answers tell.
    #[must_use]
    pub fn limit(mut self, lane: impl Into<String>, requests: u32) -> Self {
        self.limits.insert(lane.into(), requests);
        self
    }

    /// Sets how much of each limit this credential may use, in per cent, as the admin console has it; 50 unless set, as Okta has it.
    /// <https://developer.okta.com/docs/reference/rl2-token-oauth/>
    #[must_use]
    pub fn share(mut self, percent: u32) -> Self {
        self.share = percent;
        self
    }

    /// Adds a profile attribute of the org's own.
    #[must_use]
    pub fn attribute(mut self, attribute: Attribute) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// The adapter of this org. Nothing is sent.
    ///
    /// # Errors
    /// `InvalidConfig` when the address is none of an org, there is no credential, or a limit is of no lane.
    pub fn connect(self, system: impl Into<SystemName>, http: &(impl Transport + Clone)) -> Result<Okta> {
        let url = self.url.trim_end_matches('/');
        if url.contains("-admin.okta") {
            return Err(AdapterError::invalid_config("this is the address of Okta's admin console; the API is at the same address without `-admin`"));
        }
        if let Some(unknown) = self.limits.keys().find(|lane| !LANES.iter().any(|(known, _)| known == lane)) {
            let help = did_you_mean(unknown, LANES.map(|(lane, _)| lane)).unwrap_or_default();
            return Err(AdapterError::invalid_config(format!("there is no lane `{unknown}` to set a limit of; {help}")));
        }
        let (auth, scopes) = match &self.credentials {
            None => return Err(AdapterError::invalid_config("Okta needs a credential: an API token, or the key of a service app")),
            Some(Credentials::Token(provider)) => (Auth::ssws(provider.clone()), None),
            Some(Credentials::Key { client_id, signer, scopes }) => {
                let (endpoint, http, client_id, signer) = (format!("{url}/oauth2/v1/token"), http.clone(), client_id.clone(), signer.clone());
                let source = ScopedSource::new(scopes.iter().cloned(), move |scopes| {
                    Ok(TokenSource::private_key_jwt(&endpoint, &http, client_id.as_str(), signer.clone())?.scope(scopes.join(" ")))
                })?;
                (Auth::bearer(source.clone()), Some(source))
            }
        };
        let client = HttpClient::new(url, http)?
            .auth(auth)
            .routes(routes())
            .rates(RateReader(RateHeaders::named("x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset").slack(Duration::from_secs(1))))
            .classifier(errors::classify)
            .request_id_header("x-okta-request-id");
        let descriptor = descriptor(system.into(), &self);
        let facts = Facts { sign_in: self.sign_in, scopes, attributes: descriptor.accounts.attributes.iter().map(|attribute| attribute.name).collect() };
        Ok(Okta { client, descriptor, facts })
    }
}

impl fmt::Debug for OktaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OktaConfig").field("url", &self.url).field("sign_in", &self.sign_in).finish_non_exhaustive()
    }
}

/// What of the configuration is needed at work.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) sign_in: SignIn,
    /// The scopes of a service app; none for an API token, which has its owner's rights.
    pub(crate) scopes: Option<ScopedSource>,
    attributes: Vec<&'static str>,
}

impl Facts {
    pub(crate) fn knows(&self, attribute: &str) -> bool {
        self.attributes.contains(&attribute)
    }
}

/// Okta counts per family of endpoints; the most specific family counts.
/// <https://developer.okta.com/docs/reference/rate-limits/>
fn routes() -> Routes {
    Routes::new()
        .any("/api/v1/**", "management")
        .any("/api/v1/users", "users")
        .any("/api/v1/users/**", "users.id")
        .on(Method::POST, "/api/v1/users", "users.create")
        .any("/api/v1/groups", "groups")
        .any("/api/v1/groups/**", "groups.id")
        .any("/api/v1/apps", "apps")
        .any("/api/v1/apps/**", "apps.id")
}

/// Shares of the requests an org takes at once; together no more than all of them. The sizes of the windows are the
/// org's own and come with each answer.
const LANES: [(&str, u32); 8] =
    [("management", 3), ("users", 8), ("users.id", 20), ("users.create", 8), ("groups", 4), ("groups.id", 20), ("apps", 4), ("apps.id", 8)];

/// Too many requests at once have a refusal of their own: a limit of 0, and a reset that is a guess.
/// <https://developer.okta.com/docs/reference/rl2-concurrency/>
struct RateReader(RateHeaders);

impl ReadRate for RateReader {
    fn read(&self, status: StatusCode, headers: &HeaderMap, now: Timestamp) -> LaneReading {
        let reading = self.0.read(status, headers, now);
        if reading.limit != Some(0) {
            return reading;
        }
        let pause = reading.pause.map(|pause| pause.clamp(Duration::from_secs(1), Duration::from_secs(10)));
        LaneReading { pause, ..LaneReading::default() }
    }
}

fn accounts(config: &OktaConfig) -> AccountFacts {
    use AccountState::{Active, Deactivated, Deleted, Staged, Suspended};
    let standard = [
        Attribute::new("login").from("email").required().unique(),
        Attribute::new("email").from("email").required(),
        Attribute::new("firstName").from("first_name").required(),
        Attribute::new("lastName").from("last_name").required(),
        Attribute::new("displayName").from("display_name"),
        Attribute::new("employeeNumber").from("employee_id"),
        Attribute::new("userType").from("employment_type"),
        Attribute::new("organization").from("organization"),
        Attribute::new("division").from("division"),
        Attribute::new("department").from("department"),
        Attribute::new("costCenter").from("cost_center"),
        Attribute::new("manager").from("manager_email"),
        Attribute::new("managerId"),
        Attribute::new("mobilePhone"),
        Attribute::new("city").from("location"),
        Attribute::new("countryCode"),
        Attribute::new("nickName"),
        Attribute::new("title").from("job_title"),
    ];
    let lost = "app assignments, and what apps keep for them";
    let facts = standard.into_iter().chain(config.attributes.iter().cloned()).fold(AccountFacts::new(), AccountFacts::attribute);
    let lookup = ChangeFacts::unique("login").calls("users", 5).calls("users.create", 1).calls("users.id", 3);
    facts
        .scope("okta.users.manage")
        .found_by("login", Search::Exact)
        .found_by("email", Search::Exact)
        .found_by("employee_number", Search::Indexed)
        .suspension(Suspension::State(Suspended))
        .created(ChangeFacts { mail: Mail::None, ..lookup })
        .updated(ChangeFacts::set())
        .moved(ChangeFacts::set().calls("users.id", 3))
        .logged_out(ChangeFacts::set().calls("users.id", 1))
        .found_with("users.id", 1)
        .transition(Transition::new([Staged, Suspended, Deactivated], Active))
        .transition(Transition::new([Active], Suspended))
        .transition(Transition::new([Staged, Active, Suspended], Deactivated).destroys(lost).irreversible())
        .transition(Transition::new([Staged, Active, Suspended, Deactivated], Deleted).destroys("the account").destroys(lost).frees("the login").irreversible())
}

fn descriptor(system: SystemName, config: &OktaConfig) -> Descriptor {
    // Lists of members are known to lag by up to ten seconds after a write.
    let membership = ChangeFacts::set().lag(Duration::from_secs(10), 2);
    let groups = Kind::per_target::<AddToGroup>(ADD_TO_GROUP)
        .doc("Puts a person into a group")
        .target_noun("group")
        .needs(AccountNeed::Known)
        .on_create(OnCreate::May)
        .cascade(ASSIGN_APP, "Apps the group is assigned to go with the membership")
        .granting(membership.clone().calls("users.id", 1).calls("groups.id", 1))
        .revoking(membership.calls("users.id", 2).calls("groups.id", 2))
        .scope("okta.groups.manage")
        .scope("okta.users.read");
    let apps = Kind::per_target::<AssignApp>(ASSIGN_APP)
        .doc("Assigns an app to a person directly")
        .target_noun("app")
        .needs(AccountNeed::Active)
        .granting(ChangeFacts::set().calls("apps.id", 2).calls("users.id", 1))
        .revoking(ChangeFacts::set().irreversible().calls("apps.id", 3))
        .scope("okta.apps.manage")
        .scope("okta.users.read");
    let mut descriptor =
        Descriptor::new(system, "okta").accounts(accounts(config)).kind(groups).kind(apps).can(Ability::EndSessions).can(Ability::ListAccounts);
    for kind in [ADD_TO_GROUP, ASSIGN_APP] {
        descriptor = descriptor.can(Ability::ListTargets(kind.into())).can(Ability::ListGrants(kind.into()));
    }
    let whole: u32 = LANES.iter().map(|(_, share)| share).sum();
    LANES.iter().fold(descriptor, |descriptor, (name, share)| {
        let lane = Lane::new(*name).concurrency((config.concurrency * share / whole).max(1));
        descriptor.lane(match config.limits.get(*name) {
            Some(requests) => lane.window((requests.saturating_mul(config.share.min(100)) / 100).max(1), Duration::from_secs(60)),
            None => lane,
        })
    })
}

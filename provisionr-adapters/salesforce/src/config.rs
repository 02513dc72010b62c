//! What the host says about its org, and what follows from it: client, lane, descriptor.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use provisionr_http::{Auth, CredentialProvider, HttpClient, Jwt, Routes, Signer, TokenSource, Transport};
use provisionr_sdk::{
    Ability, AccountFacts, AccountNeed, AccountState, AdapterError, Attribute, BatchRule, Cardinality, ChangeFacts, Descriptor, Kind, Lane, LaneReading,
    OnCreate, Param, Result, Search, Suspension, SystemName, TargetName, Timestamp, Transition,
};
use serde::Deserialize;

use crate::adapter::Salesforce;
use crate::batch::MOST_RECORDS;
use crate::errors;
use crate::kinds::{AddToPublicGroup, AssignPermissionSet, AssignPermissionSetGroup, AssignProfile, AssignRole, GROUP, PROFILE, ROLE, SET, SET_GROUP};
use crate::wire::User;

/// All calls of an org count on one quota.
pub(crate) const LANE: &str = "api";

/// The permission to change users.
const USERS: &str = "Manage Users";

/// How long an assertion is good. Salesforce takes no more than three minutes by its own clock, which may be behind ours.
/// <https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_jwt_flow.htm&type=5>
const ASSERTION: Duration = Duration::from_secs(120);

/// The version of the API in which `ExpirationDate` and `IsActive` came.
const OLDEST: u32 = 52;

/// What a new user needs and no person's record has, in Salesforce's own words.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Regional {
    /// `TimeZoneSidKey`: `Europe/Berlin`.
    pub time_zone: String,
    /// `LocaleSidKey`: `de_DE`.
    pub locale: String,
    /// `LanguageLocaleKey`: `de`.
    pub language: String,
}

impl Default for Regional {
    fn default() -> Self {
        Self { time_zone: "GMT".to_owned(), locale: "en_US".to_owned(), language: "en_US".to_owned() }
    }
}

/// One Salesforce org, and how it is entered. `Debug` shows no credential.
///
/// ```
/// use provisionr_http::MemoryTransport;
/// use provisionr_salesforce::SalesforceConfig;
/// use provisionr_sdk::{Adapter, Secret};
///
/// # let http = MemoryTransport::new(|_| http::Response::default());
/// let salesforce = SalesforceConfig::new("https://company.my.salesforce.com")
///     .client_credentials("3MVG9…", Secret::new("8A2F…"), "provisionr@company.com")
///     .daily_calls(105_000)
///     .fallback_profile("Minimum Access - Salesforce")
///     .connect("salesforce", &http)?;
/// assert!(salesforce.descriptor().kinds.get(&"assign_profile".into()).is_some());
/// # Ok::<_, provisionr_sdk::AdapterError>(())
/// ```
#[derive(Clone)]
pub struct SalesforceConfig {
    url: String,
    login_host: String,
    version: u32,
    credentials: Option<Credentials>,
    username: Option<String>,
    fallback: Option<TargetName>,
    regional: Regional,
    daily: Option<u32>,
    concurrency: u32,
    attributes: Vec<Attribute>,
}

#[derive(Clone)]
enum Credentials {
    Jwt { consumer_key: String, signer: Arc<dyn Signer> },
    Client { consumer_key: String, secret: Arc<dyn CredentialProvider> },
    Token(Arc<dyn CredentialProvider>),
}

impl SalesforceConfig {
    /// The org at its My Domain address: `https://company.my.salesforce.com`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            login_host: "https://login.salesforce.com".to_owned(),
            version: 62,
            credentials: None,
            username: None,
            fallback: None,
            regional: Regional::default(),
            daily: None,
            concurrency: 25,
            attributes: Vec::new(),
        }
    }

    /// Enters by the JWT bearer flow: as this user, whom an administrator has admitted to the app beforehand.
    #[must_use]
    pub fn jwt_bearer(mut self, consumer_key: impl Into<String>, username: impl Into<String>, signer: impl Signer) -> Self {
        self.credentials = Some(Credentials::Jwt { consumer_key: consumer_key.into(), signer: Arc::new(signer) });
        self.username(username)
    }

    /// Enters by the client credentials flow; `username` is the user whom the app's policy lets it run as.
    #[must_use]
    pub fn client_credentials(mut self, consumer_key: impl Into<String>, secret: impl CredentialProvider, username: impl Into<String>) -> Self {
        self.credentials = Some(Credentials::Client { consumer_key: consumer_key.into(), secret: Arc::new(secret) });
        self.username(username)
    }

    /// Enters with access tokens that this provider hands out. The user they speak for is never changed: `check` asks who that is, which
    /// takes the scope `openid`; without it, name them with [`username`](Self::username).
    #[must_use]
    pub fn access_token(mut self, provider: impl CredentialProvider) -> Self {
        self.credentials = Some(Credentials::Token(Arc::new(provider)));
        self
    }

    /// Names the user that the credential speaks for: `check` tells it, so that it is never changed.
    #[must_use]
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// Sets for whom assertions are made: `https://login.salesforce.com` unless set, `https://test.salesforce.com` for a sandbox.
    #[must_use]
    pub fn login_host(mut self, url: impl Into<String>) -> Self {
        self.login_host = url.into();
        self
    }

    /// Sets the version of the API: 62 unless set, 52 at least.
    #[must_use]
    pub fn api_version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Names the profile that users fall back to when theirs is revoked; without one that is refused.
    #[must_use]
    pub fn fallback_profile(mut self, name: impl Into<TargetName>) -> Self {
        self.fallback = Some(name.into());
        self
    }

    /// Sets time zone, locale and language of new users: GMT and English unless set.
    #[must_use]
    pub fn regional(mut self, regional: Regional) -> Self {
        self.regional = regional;
        self
    }

    /// Sets how many calls of the org's quota of 24 hours are for this adapter. Without it only answers slow it down.
    #[must_use]
    pub fn daily_calls(mut self, calls: u32) -> Self {
        self.daily = Some(calls);
        self
    }

    /// Sets how many calls may be under way at once: 25 unless set. Developer editions and trials take 5.
    #[must_use]
    pub fn concurrency(mut self, calls: u32) -> Self {
        self.concurrency = calls;
        self
    }

    /// Adds a field of users, such as a custom one (`Region__c`), or says of a standard one what differs here.
    #[must_use]
    pub fn attribute(mut self, attribute: Attribute) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// The adapter of this org. Nothing is sent.
    ///
    /// # Errors
    /// `InvalidConfig` when the address is none of an org, there is no credential, or the version is too old.
    pub fn connect(self, system: impl Into<SystemName>, http: &(impl Transport + Clone)) -> Result<Salesforce> {
        let url = self.url.trim_end_matches('/');
        if ["//login.salesforce.", "//test.salesforce.", ".lightning.force."].iter().any(|other| url.contains(other)) {
            return Err(AdapterError::invalid_config("the API is at the org's My Domain address: https://company.my.salesforce.com"));
        }
        if self.version < OLDEST {
            return Err(AdapterError::invalid_config(format!("version {} of the API is too old: {OLDEST} at least", self.version)));
        }
        let tokens = format!("{url}/services/oauth2/token");
        let auth = match &self.credentials {
            None => return Err(AdapterError::invalid_config("Salesforce needs a credential: the key or the secret of an app, or access tokens")),
            Some(Credentials::Token(provider)) => Auth::bearer(provider.clone()),
            Some(Credentials::Client { consumer_key, secret }) => {
                Auth::bearer(TokenSource::client_secret(tokens, http, consumer_key.as_str(), secret.clone())?)
            }
            Some(Credentials::Jwt { consumer_key, signer }) => {
                let claims = Jwt::new(consumer_key.as_str(), self.login_host.trim_end_matches('/'));
                let claims = claims.claim("sub", self.username.clone().unwrap_or_default()).lifetime(ASSERTION);
                Auth::bearer(TokenSource::jwt_bearer(tokens, http, claims, signer.clone())?)
            }
        };
        let root = format!("/services/data/v{}.0", self.version);
        let site = HttpClient::new(url, http)?.auth(auth.clone()).routes(Routes::new().any("/**", LANE)).classifier(errors::classify);
        let client = HttpClient::new(format!("{url}{root}"), http)?.auth(auth).routes(Routes::new().any("/**", LANE)).rates(usage).classifier(errors::classify);
        let descriptor = descriptor(system.into(), &self);
        let attributes = descriptor.accounts.attributes.iter().map(|attribute| attribute.name).filter(|name| !User::FIELDS.contains(name)).collect();
        Ok(Salesforce {
            client,
            site,
            descriptor,
            facts: Facts { root, username: self.username, fallback: self.fallback, regional: self.regional, attributes },
        })
    }
}

impl fmt::Debug for SalesforceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SalesforceConfig").field("url", &self.url).field("version", &self.version).field("username", &self.username).finish_non_exhaustive()
    }
}

/// What of the configuration is needed at work.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// The path below which the API is, as addresses within composite calls need it.
    pub(crate) root: String,
    pub(crate) username: Option<String>,
    pub(crate) fallback: Option<TargetName>,
    pub(crate) regional: Regional,
    pub(crate) attributes: Vec<&'static str>,
}

impl Facts {
    pub(crate) fn knows(&self, attribute: &str) -> bool {
        self.attributes.contains(&attribute)
    }
}

/// `Sforce-Limit-Info: api-usage=25/5000; per-app-api-usage=17/250(appName=…)`: used, of how many. It does not say when there
/// is more: the last 24 hours count.
/// <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm>
fn usage(_: StatusCode, headers: &HeaderMap, _: Timestamp) -> LaneReading {
    let reading = || {
        let text = headers.get("sforce-limit-info")?.to_str().ok()?;
        let usage = text.split(';').find_map(|part| part.trim().strip_prefix("api-usage="))?;
        let (used, limit) = usage.split_once('/')?;
        Some((used.trim().parse::<u32>().ok()?, limit.trim().parse::<u32>().ok()?))
    };
    match reading() {
        Some((used, limit)) => LaneReading { limit: Some(limit), remaining: Some(limit.saturating_sub(used)), ..LaneReading::default() },
        None => LaneReading::default(),
    }
}

fn accounts(config: &SalesforceConfig) -> AccountFacts {
    use AccountState::{Active, Deactivated, Frozen};
    let standard = [
        // A new address or name is told to the person by mail, and an address has to be confirmed.
        Attribute::new("Username").from("email").required().unique().mails(),
        Attribute::new("Email").from("email").required().mails(),
        Attribute::new("FirstName").from("first_name"),
        Attribute::new("LastName").from("last_name").required(),
        Attribute::new("Alias"),
        Attribute::new("FederationIdentifier").unique(),
        Attribute::new("EmployeeNumber").from("employee_id"),
        Attribute::new("CompanyName").from("organization"),
        Attribute::new("Division").from("division"),
        Attribute::new("Department").from("department"),
        Attribute::new("TimeZoneSidKey"),
        Attribute::new("LocaleSidKey"),
        Attribute::new("LanguageLocaleKey"),
        Attribute::new("EmailEncodingKey"),
        Attribute::new("Phone"),
        Attribute::new("MobilePhone"),
        Attribute::new("City").from("location"),
        Attribute::new("Country"),
        Attribute::new("Title").from("job_title"),
    ];
    // A query that names a field twice is refused.
    let own = |name: &str| config.attributes.iter().any(|attribute| attribute.name == name);
    let standard = standard.into_iter().filter(|attribute| !own(attribute.name));
    let facts = standard.chain(config.attributes.iter().cloned()).fold(AccountFacts::new(), AccountFacts::attribute);
    facts
        .found_by("username", Search::Exact)
        .found_by("email", Search::Exact)
        .found_by("federation_id", Search::Exact)
        .suspension(Suspension::State(Frozen))
        .created(ChangeFacts::unique("username").irreversible().calls(LANE, 2))
        .updated(ChangeFacts::set().calls(LANE, 3))
        .moved(ChangeFacts::set().calls(LANE, 2))
        .logged_out(ChangeFacts::set().calls(LANE, 2))
        .found_with(LANE, 1)
        .scope(USERS)
        .transition(Transition::new([Active], Frozen))
        .transition(Transition::new([Frozen, Deactivated], Active))
        .transition(Transition::new([Active, Frozen], Deactivated).frees("the user licence"))
}

fn descriptor(system: SystemName, config: &SalesforceConfig) -> Descriptor {
    let two = || ChangeFacts::set().calls(LANE, 2);
    let profile = Kind::per_target::<AssignProfile>(PROFILE.name)
        .doc("Gives a person a profile; there is always one")
        .target_noun("profile")
        .cardinality(Cardinality::ExactlyOne { fallback: config.fallback.clone() })
        .on_create(OnCreate::Must)
        .granting(two())
        .scope(USERS);
    let role = Kind::per_target::<AssignRole>(ROLE.name)
        .doc("Gives a person a place in the role hierarchy")
        .target_noun("role")
        .cardinality(Cardinality::AtMostOne)
        .granting(two())
        .scope(USERS);
    let set = Kind::per_target::<AssignPermissionSet>(SET.name).doc("Assigns a permission set to a person").target_noun("permission set");
    let set_group =
        Kind::per_target::<AssignPermissionSetGroup>(SET_GROUP.name).doc("Assigns a permission set group to a person").target_noun("permission set group");
    let [set, set_group] = [set, set_group].map(|kind| {
        let kind = kind.value(Param::date("until").ends().doc("the last day, in UTC"));
        kind.scope("Assign Permission Sets").scope("View Setup and Configuration")
    });
    let group = Kind::per_target::<AddToPublicGroup>(GROUP.name).doc("Puts a person into a public group").target_noun("public group").scope(USERS);
    // A second insert is refused (DUPLICATE_VALUE), or answered with the row that is there.
    let in_rows =
        |kind: Kind| kind.granting(ChangeFacts::unique("the row of user and target").calls(LANE, 2)).batch(BatchRule { max: MOST_RECORDS, same_target: false });
    let kinds = [profile, role, in_rows(set), in_rows(set_group), in_rows(group)];
    let lane = Lane::new(LANE).concurrency(config.concurrency.max(1));
    let lane = config.daily.map_or(lane.clone(), |calls| lane.window(calls, Duration::from_secs(24 * 60 * 60)));
    let descriptor = Descriptor::new(system, "salesforce").accounts(accounts(config)).can(Ability::EndSessions).can(Ability::ListAccounts).lane(lane);
    kinds.into_iter().map(|kind| kind.needs(AccountNeed::Active).revoking(two())).fold(descriptor, |descriptor, kind| {
        let name = kind.name.clone();
        descriptor.kind(kind).can(Ability::ListTargets(name.clone())).can(Ability::ListGrants(name))
    })
}

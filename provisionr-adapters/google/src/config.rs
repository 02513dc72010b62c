//! What the host says about its customer, and what follows from it: client, lane, descriptor.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use provisionr_http::{Auth, CredentialProvider, HttpClient, Jwt, Routes, RsaSigner, ScopedSource, Signer, TokenSource, Transport};
use provisionr_sdk::{
    Ability, AccountFacts, AccountNeed, AccountState, AdapterError, Attribute, CallContext, Cardinality, ChangeFacts, Descriptor, Kind, Lane, Level, Mail,
    OnCreate, Repeat, Result, Search, Secret, SystemName, Transition,
};
use serde::Deserialize;

use crate::adapter::Google;
use crate::errors;
use crate::groups::{ADD_TO_GROUP, AddToGroup};
use crate::org_units::{MOVE_TO_ORG_UNIT, MoveToOrgUnit};
use crate::profile::ATTRIBUTES;

/// Before each scope.
const PREFIX: &str = "https://www.googleapis.com/auth/";

/// All that this adapter can use.
const SCOPES: [&str; 5] = [
    "admin.directory.user",
    "admin.directory.user.security",
    "admin.directory.group.readonly",
    "admin.directory.group.member",
    "admin.directory.orgunit.readonly",
];

/// The one lane: Google counts queries, whatever they ask for.
pub(crate) const LANE: &str = "directory";

/// What becomes of a create whose address a person has as an unmanaged personal account.
/// <https://knowledge.workspace.google.com/admin/users/find-and-add-unmanaged-users>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConflictingAccounts {
    /// It is refused.
    #[default]
    Refuse,
    /// What the customer has chosen in the admin console: the account is replaced, or its owner is asked by mail and the create waits.
    Resolve,
}

/// First passwords of accounts the host hands over itself (`access: hand_over`).
#[async_trait]
pub trait FirstPasswords: Send + Sync + 'static {
    /// The first password of the account with this address: 8 to 100 ASCII characters. The person has to change it.
    /// - Asked with each attempt; answers alike until the account is there, for an attempt whose answer was lost may have made it.
    async fn first_password(&self, cx: &CallContext, email: &str) -> Result<Secret>;
}

/// One Google Workspace customer, and how it is entered. `Debug` shows no credential.
///
/// ```
/// use provisionr_google::GoogleConfig;
/// use provisionr_http::MemoryTransport;
/// use provisionr_sdk::{Adapter, Secret};
///
/// # let http = MemoryTransport::new(|_| http::Response::default());
/// let google = GoogleConfig::new("admin@company.com").access_token(Secret::new("ya29.…")).connect("google", &http)?;
/// assert!(google.descriptor().kinds.get(&"move_to_org_unit".into()).is_some());
/// # Ok::<_, provisionr_sdk::AdapterError>(())
/// ```
#[derive(Clone)]
pub struct GoogleConfig {
    admin: Option<String>,
    url: String,
    token_url: String,
    credentials: Option<Credentials>,
    scopes: Vec<String>,
    queries: u32,
    concurrency: u32,
    attributes: Vec<Attribute>,
    conflicting: ConflictingAccounts,
    passwords: Option<Arc<dyn FirstPasswords>>,
}

#[derive(Clone)]
enum Credentials {
    Token(Arc<dyn CredentialProvider>),
    ServiceAccount { email: String, signer: Arc<dyn Signer> },
}

/// The fields of a service account's key file that are needed.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: Secret,
    private_key_id: Option<String>,
}

impl GoogleConfig {
    /// The customer of this administrator, as whom everything is done.
    pub fn new(admin: impl Into<String>) -> Self {
        Self { admin: Some(admin.into()), ..Self::without_admin() }
    }

    /// The customer of whomever an access token acts as.
    pub(crate) fn without_admin() -> Self {
        Self {
            admin: None,
            url: "https://admin.googleapis.com".to_owned(),
            token_url: "https://oauth2.googleapis.com/token".to_owned(),
            credentials: None,
            scopes: SCOPES.map(full).into(),
            queries: 2400,
            concurrency: 10,
            attributes: Vec::new(),
            conflicting: ConflictingAccounts::Refuse,
            passwords: None,
        }
    }

    /// Enters as a service account with domain-wide delegation, whose key the signer has.
    #[must_use]
    pub fn service_account(mut self, email: impl Into<String>, signer: impl Signer) -> Self {
        self.credentials = Some(Credentials::ServiceAccount { email: email.into(), signer: Arc::new(signer) });
        self
    }

    /// Enters as the service account of a key file, in the JSON form in which Google hands it out.
    ///
    /// # Errors
    /// `InvalidConfig` when it is none; the message says nothing of its content.
    pub fn key_file(self, json: &Secret) -> Result<Self> {
        let wrong = |_| AdapterError::invalid_config("this is no key file of a service account: `client_email` and `private_key` have to be there");
        let file: KeyFile = serde_json::from_str(json.expose()).map_err(wrong)?;
        let signer = RsaSigner::from_pem(&file.private_key)?;
        Ok(self.service_account(file.client_email, file.private_key_id.iter().fold(signer, RsaSigner::with_key_id)))
    }

    /// Enters with the access tokens of this provider: they act as the administrator already.
    #[must_use]
    pub fn credentials(mut self, provider: impl CredentialProvider) -> Self {
        self.credentials = Some(Credentials::Token(Arc::new(provider)));
        self
    }

    /// Enters with this access token.
    #[must_use]
    pub fn access_token(self, token: Secret) -> Self {
        self.credentials(token)
    }

    /// Sets the scopes that are delegated to the service account, with or without `https://www.googleapis.com/auth/`. Google gives no
    /// token at all when one of them is not.
    #[must_use]
    pub fn scopes<S: AsRef<str>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(|scope| full(scope.as_ref())).collect();
        self
    }

    /// Sets how many queries a minute this administrator has in the project; 2,400 unless set.
    #[must_use]
    pub fn queries_per_minute(mut self, queries: u32) -> Self {
        self.queries = queries;
        self
    }

    /// Sets how many requests may be under way at once; 10 unless set. Google limits them for each customer and gives no figure.
    #[must_use]
    pub fn concurrency(mut self, requests: u32) -> Self {
        self.concurrency = requests;
        self
    }

    /// Adds a field of a custom schema as an attribute, `schema.field`.
    #[must_use]
    pub fn attribute(mut self, attribute: Attribute) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// Sets what becomes of unmanaged accounts in the way; they refuse the create unless set.
    #[must_use]
    pub fn conflicting_accounts(mut self, conflicting: ConflictingAccounts) -> Self {
        self.conflicting = conflicting;
        self
    }

    /// Sets where first passwords come from; without it accounts cannot be handed over.
    #[must_use]
    pub fn first_passwords(mut self, passwords: impl FirstPasswords) -> Self {
        self.passwords = Some(Arc::new(passwords));
        self
    }

    /// Sets where the API is, and its token endpoint: for fakes and proxies.
    #[must_use]
    pub fn at(mut self, url: impl Into<String>, token_url: impl Into<String>) -> Self {
        (self.url, self.token_url) = (url.into(), token_url.into());
        self
    }

    /// The adapter of this customer. Nothing is sent.
    ///
    /// # Errors
    /// `InvalidConfig` when there is no credential, or the administrator is no address.
    pub fn connect(self, system: impl Into<SystemName>, http: &(impl Transport + Clone)) -> Result<Google> {
        let domain = match self.admin.as_deref().map(|admin| admin.split_once('@')) {
            Some(Some((_, domain))) => Some(domain.to_owned()),
            Some(None) => return Err(AdapterError::invalid_config("the administrator to act as has to be an address")),
            None => None,
        };
        let (auth, scopes) = match &self.credentials {
            None => return Err(AdapterError::invalid_config("Google needs a credential: a service account with domain-wide delegation, or access tokens")),
            Some(Credentials::Token(provider)) => (Auth::bearer(provider.clone()), None),
            Some(Credentials::ServiceAccount { email, signer }) => {
                let Some(admin) = &self.admin else {
                    return Err(AdapterError::invalid_config("a service account has to be told the administrator it acts as"));
                };
                let (email, admin, endpoint) = (email.clone(), admin.clone(), self.token_url.clone());
                let (http, signer) = (http.clone(), signer.clone());
                let source = ScopedSource::new(self.scopes.iter().cloned(), move |scopes| {
                    let claims = Jwt::new(email.as_str(), endpoint.as_str()).claim("scope", scopes.join(" ")).claim("sub", admin.as_str());
                    TokenSource::jwt_bearer(&endpoint, &http, claims, signer.clone())
                })?;
                (Auth::bearer(source.clone()), Some(source))
            }
        };
        let client = HttpClient::new(&self.url, http)?.auth(auth).routes(Routes::new().any("/**", LANE)).classifier(errors::classify);
        let descriptor = descriptor(system.into(), &self);
        let projection = if self.attributes.is_empty() { "basic" } else { "full" };
        Ok(Google { client, descriptor, admin: self.admin, domain, scopes, projection, conflicting: self.conflicting, passwords: self.passwords })
    }
}

impl fmt::Debug for GoogleConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoogleConfig").field("admin", &self.admin).field("url", &self.url).field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

pub(crate) fn full(scope: &str) -> String {
    if scope.starts_with(PREFIX) { scope.to_owned() } else { format!("{PREFIX}{scope}") }
}

/// New users and groups are seen after seconds, and have been waited for for minutes; a tool that manages many trusts one when
/// four looks agree: <https://github.com/hashicorp/terraform-provider-googleworkspace>.
pub(crate) const SETTLES: (Duration, u32) = (Duration::from_secs(60), 4);

fn accounts(config: &GoogleConfig) -> AccountFacts {
    use AccountState::{Active, Deleted, Suspended};
    let facts = ATTRIBUTES.into_iter().chain(config.attributes.iter().cloned()).fold(AccountFacts::new(), AccountFacts::attribute);
    let create = ChangeFacts::unique("email").lag(SETTLES.0, SETTLES.1).calls(LANE, 3);
    // Whether somebody was asked by an attempt whose answer was lost no look tells, and each attempt writes to them again.
    let (mail, repeat) = match config.conflicting {
        ConflictingAccounts::Resolve => (Mail::Sent, Repeat::Unsafe),
        ConflictingAccounts::Refuse => (Mail::None, create.repeat),
    };
    facts
        .scope("https://www.googleapis.com/auth/admin.directory.user")
        .scope("https://www.googleapis.com/auth/admin.directory.user.security")
        .found_by("email", Search::Exact)
        .found_by("employee_number", Search::Indexed)
        .created(ChangeFacts { mail, repeat, ..create })
        .updated(ChangeFacts::set().calls(LANE, 2))
        .moved(ChangeFacts::set().calls(LANE, 2))
        .logged_out(ChangeFacts::set().calls(LANE, 1))
        .found_with(LANE, 1)
        .suspended_by(Suspended)
        .transition(Transition::new([Active, Suspended], Deleted).destroys("the account and what is in it").destroys("memberships").irreversible())
}

fn descriptor(system: SystemName, config: &GoogleConfig) -> Descriptor {
    let membership = ChangeFacts::set().lag(SETTLES.0, SETTLES.1);
    let groups = Kind::per_target::<AddToGroup>(ADD_TO_GROUP)
        .doc("Puts a person into a group")
        .target_noun("group")
        .role("MEMBER", Level::Read)
        .role("MANAGER", Level::Maintain)
        .role("OWNER", Level::Admin)
        .default_role("MEMBER")
        .needs(AccountNeed::Known)
        .granting(membership.clone().calls(LANE, 2))
        .revoking(membership.calls(LANE, 3))
        .scope("https://www.googleapis.com/auth/admin.directory.group.member")
        .scope("https://www.googleapis.com/auth/admin.directory.group.readonly")
        .scope("https://www.googleapis.com/auth/admin.directory.user.readonly");
    let units = Kind::per_target::<MoveToOrgUnit>(MOVE_TO_ORG_UNIT)
        .doc("Moves a person into an organizational unit, whose services and settings they get")
        .target_noun("organizational unit")
        .cardinality(Cardinality::ExactlyOne { fallback: Some("/".into()) })
        .needs(AccountNeed::Known)
        .on_create(OnCreate::May)
        .granting(ChangeFacts::set().calls(LANE, 2))
        .revoking(ChangeFacts::set().calls(LANE, 2))
        .scope("https://www.googleapis.com/auth/admin.directory.user")
        .scope("https://www.googleapis.com/auth/admin.directory.orgunit.readonly");
    let mut descriptor =
        Descriptor::new(system, "google").accounts(accounts(config)).kind(groups).kind(units).can(Ability::EndSessions).can(Ability::ListAccounts);
    for kind in [ADD_TO_GROUP, MOVE_TO_ORG_UNIT] {
        descriptor = descriptor.can(Ability::ListTargets(kind.into())).can(Ability::ListGrants(kind.into()));
    }
    let lane = Lane::per_minute(LANE, config.queries).concurrency(config.concurrency.max(1));
    descriptor.lane(match &config.credentials {
        // The minute's queries are counted by administrator and project; a service account's domain names its project.
        Some(Credentials::ServiceAccount { email, .. }) => {
            let project = email.split_once('@').map_or(email.as_str(), |(_, project)| project);
            lane.pool(format!("google {} {project}", config.admin.as_deref().unwrap_or_default()))
        }
        _ => lane,
    })
}

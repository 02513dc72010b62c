//! What the host says about its site, and what follows from it: client, lanes, descriptor.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use provisionr_http::{Auth, CredentialProvider, HttpClient, Routes, Transport};
use provisionr_sdk::{
    Ability, AccountFacts, AccountNeed, AccountState, AdapterError, Attribute, ChangeFacts, Descriptor, Kind, Lane, Result, Search, Secret, Suspension,
    SystemName, Transition,
};

use crate::adapter::Jira;
use crate::errors::{Rates, classify};
use crate::groups::{ADD_TO_GROUP, AddToGroup};
use crate::roles::{ADD_TO_PROJECT_ROLE, AddToProjectRole};

/// One Jira Cloud site, and how it is entered. `Debug` shows no credential.
///
/// ```
/// use provisionr_http::MemoryTransport;
/// use provisionr_jira::JiraConfig;
/// use provisionr_sdk::{Adapter, Secret};
///
/// # let http = MemoryTransport::new(|_| http::Response::default());
/// let jira = JiraConfig::new("https://company.atlassian.net").api_token("ops@company.com", Secret::new("ATATT3…")).connect("jira", &http)?;
/// assert!(jira.descriptor().kinds.get(&"add_to_project_role".into()).is_some());
/// # Ok::<_, provisionr_sdk::AdapterError>(())
/// ```
#[derive(Clone)]
pub struct JiraConfig {
    url: String,
    auth: Option<Auth>,
    products: Vec<String>,
    managed: bool,
}

impl JiraConfig {
    /// The site at this address: `https://company.atlassian.net`. Tokens with scopes are not good there, see
    /// [`gateway`](Self::gateway).
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), auth: None, products: vec!["jira-software".to_owned()], managed: false }
    }

    /// The site with this cloud id behind Atlassian's gateway, where API tokens with scopes, those of service accounts and those of
    /// OAuth apps are good. The id is at `https://company.atlassian.net/_edge/tenant_info`.
    pub fn gateway(cloud_id: impl fmt::Display) -> Self {
        Self::new(format!("https://api.atlassian.com/ex/jira/{cloud_id}"))
    }

    /// Enters with an API token that this provider hands out, and the address of the account it belongs to.
    #[must_use]
    pub fn credentials(mut self, email: impl Into<String>, provider: impl CredentialProvider) -> Self {
        self.auth = Some(Auth::basic(email, Arc::new(provider)));
        self
    }

    /// Enters with this API token of the account with this address.
    #[must_use]
    pub fn api_token(self, email: impl Into<String>, token: Secret) -> Self {
        self.credentials(email, token)
    }

    /// Enters with a bearer token: of a service account, or of an OAuth app. Renewal is the provider's.
    #[must_use]
    pub fn bearer(mut self, provider: impl CredentialProvider) -> Self {
        self.auth = Some(Auth::bearer(Arc::new(provider)));
        self
    }

    /// Sets the products people are invited to: `jira-software` unless set; also `jira-core`, `jira-servicedesk` and
    /// `jira-product-discovery`. Without any they get no access by being invited.
    #[must_use]
    pub fn products<S: Into<String>>(mut self, products: impl IntoIterator<Item = S>) -> Self {
        self.products = products.into_iter().map(Into::into).collect();
        self
    }

    /// The organization manages the accounts of all people that are meant, and the credential is shown their addresses: then who
    /// is not found by address is not there, and people can be invited who are known by nothing else. Who hides an address is
    /// taken for somebody else.
    #[must_use]
    pub fn managed_accounts(mut self) -> Self {
        self.managed = true;
        self
    }

    /// The adapter of this site. Nothing is sent.
    ///
    /// # Errors
    /// `InvalidConfig` when the address is none of a site, or there is no credential.
    pub fn connect(self, system: impl Into<SystemName>, http: &(impl Transport + Clone)) -> Result<Jira> {
        let url = self.url.trim_end_matches('/');
        if url.ends_with("/rest") || url.contains("/rest/") || url.contains("//admin.atlassian.com") {
            return Err(AdapterError::invalid_config("the address is that of the site, `https://company.atlassian.net`, without the path of the API"));
        }
        let Some(auth) = self.auth else {
            return Err(AdapterError::invalid_config("Jira needs a credential: an API token with its account's address, or a bearer token"));
        };
        let client = HttpClient::new(url, http)?.auth(auth).routes(routes()).rates(Rates).classifier(classify).request_id_header("atl-traceid");
        Ok(Jira {
            client,
            descriptor: descriptor(system.into(), if self.managed { Search::Exact } else { Search::Partial }),
            products: self.products,
            managed: self.managed,
        })
    }
}

impl fmt::Debug for JiraConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JiraConfig").field("url", &self.url).field("products", &self.products).finish_non_exhaustive()
    }
}

/// A bucket for each endpoint and method, shared by everybody on the site: so many requests a second.
/// <https://developer.atlassian.com/cloud/jira/platform/rate-limiting/>
const LANES: [(&str, Method, &str, u32); 18] = [
    ("user", Method::GET, "user", 150),
    ("user.invite", Method::POST, "user", 100),
    ("user.remove", Method::DELETE, "user", 50),
    ("user.search", Method::GET, "user/search", 100),
    ("user.groups", Method::GET, "user/groups", 100),
    ("users", Method::GET, "users/search", 100),
    ("groups", Method::GET, "group/bulk", 100),
    ("groups.picker", Method::GET, "groups/picker", 100),
    ("group.members", Method::GET, "group/member", 100),
    ("group.add", Method::POST, "group/user", 100),
    ("group.remove", Method::DELETE, "group/user", 50),
    ("projects", Method::GET, "project/search", 100),
    ("project.roles", Method::GET, "project/*/role", 100),
    ("role", Method::GET, "project/*/role/*", 100),
    ("role.add", Method::POST, "project/*/role/*", 100),
    ("role.remove", Method::DELETE, "project/*/role/*", 50),
    ("licences", Method::GET, "applicationrole", 100),
    ("credential", Method::GET, "*", 100),
];

fn routes() -> Routes {
    LANES.iter().fold(Routes::new(), |routes, (lane, method, path, _)| routes.on(method.clone(), &format!("rest/api/3/{path}"), *lane))
}

fn accounts(email: Search) -> AccountFacts {
    use AccountState::{Active, Deactivated, Deleted};
    // The same address again is answered with the user it made.
    let inviting = ChangeFacts::set().mails().calls("user", 1).calls("user.search", 1).calls("user.invite", 1);
    let inviting = if email == Search::Exact { inviting.calls("users", 2) } else { inviting };
    AccountFacts::new()
        .scope("read:jira-user")
        .scope("manage:jira-configuration")
        .found_by("account_id", Search::Exact)
        .found_by("email", email)
        .found_with("user", 1)
        .attribute(Attribute::new("emailAddress").from("email").required().unique())
        .attribute(Attribute::new("displayName").read_only())
        .suspension(Suspension::RevokeAll)
        .created(inviting)
        .moved(ChangeFacts::set().irreversible().calls("user", 1).calls("user.remove", 1))
        .transition(
            Transition::new([Active, Deactivated], Deleted).destroys("group memberships and project roles").frees("a seat in each product").irreversible(),
        )
}

fn descriptor(system: SystemName, email: Search) -> Descriptor {
    let groups = Kind::per_target::<AddToGroup>(ADD_TO_GROUP)
        .doc("Puts a person into a group")
        .target_noun("group")
        .needs(AccountNeed::Known)
        .cascade(ADD_TO_PROJECT_ROLE, "Roles that projects give to the group go with the membership")
        .granting(ChangeFacts::set().calls("user.groups", 1).calls("group.add", 1))
        .revoking(ChangeFacts::set().calls("user.groups", 1).calls("group.remove", 1))
        .scope("read:jira-user")
        .scope("manage:jira-configuration");
    let roles = Kind::per_role::<AddToProjectRole>(ADD_TO_PROJECT_ROLE)
        .doc("Gives a person a role in a project")
        .target_noun("project")
        .open_roles()
        .granting(ChangeFacts::set().calls("project.roles", 1).calls("role", 1).calls("role.add", 1))
        .revoking(ChangeFacts::set().calls("project.roles", 1).calls("role", 1).calls("role.remove", 1))
        .scope("read:jira-user")
        .scope("read:jira-work")
        .scope("manage:jira-configuration")
        .scope("manage:jira-project");
    // An address is given with an invitation and changed by its owner.
    let mut descriptor =
        Descriptor::new(system, "jira").accounts(accounts(email)).cannot(&Ability::UpdateAccount).kind(groups).kind(roles).can(Ability::ListAccounts);
    for kind in [ADD_TO_GROUP, ADD_TO_PROJECT_ROLE] {
        descriptor = descriptor.can(Ability::ListTargets(kind.into())).can(Ability::ListGrants(kind.into()));
    }
    LANES.iter().fold(descriptor, |descriptor, (lane, _, _, requests)| descriptor.lane(Lane::new(*lane).window(*requests, Duration::from_secs(1))))
}

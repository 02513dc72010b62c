//! What the host says about its GitLab, and what follows from it: client, lanes, descriptor.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use provisionr_http::{Auth, CredentialProvider, HttpClient, RateHeaders, ReadRate, Routes, Transport};
use provisionr_sdk::{
    Ability, AccountFacts, AccountNeed, AccountState, AdapterError, Attribute, ChangeFacts, Descriptor, Kind, Lane, LaneId, LaneReading, Mail, OnCreate, Param,
    Result, Search, Secret, Suspension, SystemName, Timestamp, Transition,
};

use crate::adapter::Gitlab;
use crate::errors::{self, API};
use crate::members::Membership;
use crate::places::Sort;
use crate::wire::ROLES;

/// Where a top-level group keeps what its identity provider calls people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Identities {
    /// SAML identities: there from the first login.
    #[default]
    Saml,
    /// SCIM identities: there from the push of the identity provider.
    Scim,
}

/// Who the credential is, and how people get their accounts.
#[derive(Clone, Debug)]
pub(crate) enum Flavour {
    /// An administrator, who makes accounts; the provider their identities are of.
    Admin { provider: Option<String> },
    /// The owner of a top-level group: accounts come by SAML, SCIM or invitation.
    Group { path: String, identities: Identities, invitations: bool, enterprise: bool },
}

/// One GitLab, and how it is entered. `Debug` shows no credential.
///
/// ```
/// use provisionr_gitlab::GitlabConfig;
/// use provisionr_http::MemoryTransport;
/// use provisionr_sdk::{Ability, Adapter, Secret};
///
/// # let http = MemoryTransport::new(|_| http::Response::default());
/// let own = GitlabConfig::self_managed("https://gitlab.company.com").private_token(Secret::new("glpat-1")).connect("gitlab", &http)?;
/// assert!(own.descriptor().has(&Ability::CreateAccount));
/// let com = GitlabConfig::group("https://gitlab.com", "company").private_token(Secret::new("glpat-2")).connect("gitlab", &http)?;
/// assert!(!com.descriptor().has(&Ability::CreateAccount));
/// # Ok::<_, provisionr_sdk::AdapterError>(())
/// ```
#[derive(Clone)]
pub struct GitlabConfig {
    url: String,
    auth: Option<Auth>,
    flavour: Flavour,
    limit: Option<(u32, Duration)>,
    user_reads: u32,
}

impl GitlabConfig {
    fn new(url: impl Into<String>, flavour: Flavour) -> Self {
        Self { url: url.into(), auth: None, flavour, limit: None, user_reads: 300 }
    }

    /// The instance at this address, entered as an administrator.
    pub fn self_managed(url: impl Into<String>) -> Self {
        Self::new(url, Flavour::Admin { provider: None })
    }

    /// A top-level group by its path, on gitlab.com or elsewhere, entered as one of its owners.
    pub fn group(url: impl Into<String>, group: impl Into<String>) -> Self {
        Self::new(url, Flavour::Group { path: group.into(), identities: Identities::Saml, invitations: false, enterprise: false })
    }

    /// Enters with a personal, group or project access token (`PRIVATE-TOKEN`) that this provider hands out.
    #[must_use]
    pub fn credentials(mut self, provider: impl CredentialProvider) -> Self {
        self.auth = Some(Auth::header("private-token", Arc::new(provider)));
        self
    }

    /// Enters with this access token.
    #[must_use]
    pub fn private_token(self, token: Secret) -> Self {
        self.credentials(token)
    }

    /// Enters with an OAuth token (`Authorization: Bearer`) that this provider hands out.
    #[must_use]
    pub fn bearer(mut self, provider: impl CredentialProvider) -> Self {
        self.auth = Some(Auth::bearer(Arc::new(provider)));
        self
    }

    /// Names the provider of the identities of a self-managed instance (`saml`, `openid_connect`): people are found by `extern_uid`
    /// there, and new accounts are linked to it. A group knows its own.
    #[must_use]
    pub fn provider(mut self, name: impl Into<String>) -> Self {
        if let Flavour::Admin { provider } = &mut self.flavour {
            *provider = Some(name.into());
        }
        self
    }

    /// Sets where a group's identities are looked for; those of SAML unless set.
    #[must_use]
    pub fn identities(mut self, wanted: Identities) -> Self {
        if let Flavour::Group { identities, .. } = &mut self.flavour {
            *identities = wanted;
        }
        self
    }

    /// People without an account are invited by e-mail to each group and project they should be in. For groups only.
    #[must_use]
    pub fn invitations(mut self) -> Self {
        if let Flavour::Group { invitations, .. } = &mut self.flavour {
            *invitations = true;
        }
        self
    }

    /// Every person is an enterprise user of the group, and a member of it or provisioned by it: owners see the address of each, and
    /// an address that is not found is nobody's. Without it that cannot be told.
    #[must_use]
    pub fn enterprise_users(mut self) -> Self {
        if let Flavour::Group { enterprise, .. } = &mut self.flavour {
            *enterprise = true;
        }
        self
    }

    /// Sets how many requests the instance takes of a user in how long. gitlab.com has limits of its own; others have none unless
    /// they are switched on, which is 7,200 an hour then.
    #[must_use]
    pub fn rate_limit(mut self, requests: u32, per: Duration) -> Self {
        self.limit = Some((requests, per));
        self
    }

    /// Sets how many reads of a user by id an instance of your own takes in ten minutes; 300 unless set, as GitLab has it from the start.
    /// 0 is for an instance where that limit is switched off.
    #[must_use]
    pub fn user_reads(mut self, requests: u32) -> Self {
        self.user_reads = requests;
        self
    }

    /// The adapter of this instance. Nothing is sent.
    ///
    /// # Errors
    /// `InvalidConfig` when the address is none, the group is not a top-level one, or there is no credential.
    pub fn connect(self, system: impl Into<SystemName>, http: &(impl Transport + Clone)) -> Result<Gitlab> {
        let url = self.url.trim_end_matches('/').trim_end_matches("/api/v4");
        let Some(auth) = self.auth.clone() else {
            return Err(AdapterError::invalid_config("GitLab needs a credential: an access token or an OAuth token"));
        };
        if let Flavour::Group { path, .. } = &self.flavour
            && (path.is_empty() || path.contains('/'))
        {
            return Err(AdapterError::invalid_config(format!("`{path}` is not the path of a top-level group")));
        }
        let client = HttpClient::new(format!("{url}/api/v4"), http)?.auth(auth).routes(routes()).rates(RateReader).classifier(errors::classify);
        let descriptor = descriptor(system.into(), &self, url == "https://gitlab.com");
        let attributes = descriptor.accounts.attributes.iter().map(|attribute| attribute.name).collect();
        Ok(Gitlab { client, descriptor, flavour: self.flavour, attributes })
    }
}

impl fmt::Debug for GitlabConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitlabConfig").field("url", &self.url).field("flavour", &self.flavour).finish_non_exhaustive()
    }
}

/// The lane of memberships that are taken away.
const REMOVALS: &str = "members.delete";

/// <https://docs.gitlab.com/user/gitlab_com/#rate-limits-on-gitlabcom>
fn routes() -> Routes {
    Routes::new()
        .any("/**", API)
        .on(Method::GET, "/users/*", "users.id")
        .on(Method::GET, "/groups", "groups")
        .on(Method::GET, "/groups/*", "groups.id")
        .on(Method::GET, "/groups/*/projects", "groups.projects")
        .on(Method::GET, "/projects", "projects")
        .on(Method::GET, "/projects/*", "projects.id")
        .on(Method::DELETE, "/groups/*/members/*", REMOVALS)
        .on(Method::DELETE, "/projects/*/members/*", REMOVALS)
}

/// The headers tell of the limit on all requests of the user, on whichever endpoint they come.
struct RateReader;

impl ReadRate for RateReader {
    fn read(&self, status: StatusCode, headers: &HeaderMap, now: Timestamp) -> LaneReading {
        RateHeaders::named("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset").read(status, headers, now)
    }

    fn lane(&self) -> Option<LaneId> {
        Some(API.into())
    }
}

fn lanes(config: &GitlabConfig, is_com: bool) -> [Lane; 8] {
    let lane = |name: &'static str, units: u32, seconds: u64| {
        let lane = Lane::new(name);
        if is_com { lane.window(units, Duration::from_secs(seconds)) } else { lane }
    };
    let all = match config.limit {
        Some((units, per)) => Lane::new(API).window(units, per),
        None => lane(API, 2000, 60),
    };
    // The one limit of an endpoint that every instance has from the start: https://docs.gitlab.com/administration/settings/rate_limit_on_users_api/
    let users = Lane::new("users.id");
    let users = if config.user_reads == 0 { users } else { users.window(config.user_reads, Duration::from_secs(600)) };
    // 60 a minute for each group or project, which is more than a lane counts: https://docs.gitlab.com/administration/settings/rate_limit_on_members_api/
    let removals = Lane::new(REMOVALS);
    [
        all,
        users,
        removals,
        lane("groups", 200, 60),
        lane("groups.id", 400, 60),
        lane("groups.projects", 600, 60),
        lane("projects", 2000, 600),
        lane("projects.id", 400, 60),
    ]
}

fn admin_accounts(provider: Option<&str>) -> AccountFacts {
    use AccountState::{Active, Deactivated, Deleted, Staged, Suspended};
    let facts = AccountFacts::new().found_by("login", Search::Exact).found_by("email", Search::Exact);
    let facts = if provider.is_some() { facts.found_by("extern_uid", Search::Exact) } else { facts };
    // Who has an identity gets no mail about the new account.
    let mail = if provider.is_some() { Mail::None } else { Mail::Sent };
    facts
        .attribute(Attribute::new("username").unique())
        .attribute(Attribute::new("email").from("email").required().unique().mails())
        .attribute(Attribute::new("name").from("display_name").required())
        .attribute(Attribute::new("external"))
        .attribute(Attribute::new("organization").from("organization"))
        .attribute(Attribute::new("location").from("location"))
        .created(ChangeFacts { mail, ..ChangeFacts::unique("email") }.calls(API, 4))
        .updated(ChangeFacts::set().calls("users.id", 1).calls(API, 1))
        .moved(ChangeFacts::set().calls("users.id", 1).calls(API, 1))
        .found_with("users.id", 1)
        .suspension(Suspension::State(Suspended))
        .transition(Transition::new([Suspended, Deactivated], Active))
        .transition(Transition::new([Active, Deactivated], Suspended).frees("a seat"))
        .transition(Transition::new([Active], Deactivated).frees("a seat"))
        .transition(
            Transition::new([Staged, Active, Suspended, Deactivated], Deleted)
                .destroys("the account, its memberships and its personal projects")
                .frees("a seat")
                .frees("the username and the address")
                .irreversible(),
        )
}

fn group_accounts(invitations: bool, enterprise: bool) -> AccountFacts {
    let email = if enterprise { Search::Exact } else { Search::Partial };
    let facts = AccountFacts::new().found_by("extern_uid", Search::Exact).found_by("login", Search::Partial).found_by("email", email);
    let facts = facts
        .attribute(Attribute::new("email").from("email").unique().read_only())
        .suspension(Suspension::RevokeAll)
        .found_with(API, 1)
        .found_with("users.id", 1);
    if invitations { facts.created(ChangeFacts::unique("email").mails().calls("groups.id", 1).calls(API, 9)) } else { facts }
}

fn kind(sort: Sort, config: &GitlabConfig) -> Kind {
    let kind = Kind::per_target::<Membership>(sort.kind());
    let kind = ROLES.iter().filter(|(name, ..)| sort == Sort::Group || *name != "minimal_access").fold(kind, |kind, (name, _, level)| match level {
        Some(level) => kind.role(name, *level),
        None => kind.role_off_scale(name),
    });
    let (read, rest) = if sort == Sort::Group { ("groups.id", 3) } else { ("projects.id", 3) };
    let calls = |facts: ChangeFacts| facts.calls(read, 1).calls(API, rest);
    let kind = kind
        .value(Param::date("expires_at").ends().doc("the last day of the membership"))
        .needs(AccountNeed::Known)
        .granting(calls(ChangeFacts::set().mails()))
        .revoking(calls(ChangeFacts::set()).calls(REMOVALS, 1))
        .scope("api");
    let kind = match sort {
        Sort::Group => kind
            .doc("Makes a person a member of a group, and of everything below it")
            .target_noun("group")
            .cascade("add_to_project", "What is inherited below the group goes with the membership; direct memberships below stay"),
        Sort::Project => kind.doc("Makes a person a member of a project").target_noun("project"),
    };
    match config.flavour {
        Flavour::Group { invitations: true, .. } => kind.on_create(OnCreate::Must),
        _ => kind,
    }
}

fn descriptor(system: SystemName, config: &GitlabConfig, is_com: bool) -> Descriptor {
    let descriptor = Descriptor::new(system, "gitlab");
    let descriptor = match &config.flavour {
        Flavour::Admin { provider } => descriptor.accounts(admin_accounts(provider.as_deref())).can(Ability::ListAccounts),
        Flavour::Group { invitations, enterprise, .. } => {
            let descriptor = descriptor.accounts(group_accounts(*invitations, *enterprise));
            if *invitations { descriptor.can(Ability::Withdraw) } else { descriptor }
        }
    };
    let descriptor = [Sort::Group, Sort::Project].into_iter().fold(descriptor, |descriptor, sort| {
        let targets = descriptor.kind(kind(sort, config)).can(Ability::ListTargets(sort.kind().into()));
        targets.can(Ability::ListGrants(sort.kind().into()))
    });
    lanes(config, is_com).into_iter().fold(descriptor, Descriptor::lane)
}

//! What the host says about its workspace, and what follows from it: clients, lanes, descriptor.

use std::fmt;
use std::sync::Arc;

use http::Method;
use provisionr_http::scim::{self, Scim};
use provisionr_http::{Auth, CredentialProvider, HttpClient, Routes, Transport};
use provisionr_sdk::{
    Ability, AccountFacts, AccountState, AdapterError, Attribute, BatchRule, ChangeFacts, Contention, Descriptor, Kind, Lane, Level, OnCreate, Result, Search,
    Secret, Suspension, SystemName, Transition,
};

use crate::adapter::{Grid, Slack};
use crate::channels::{INVITE_TO_CHANNEL, InviteToChannel, MOST_INVITED};
use crate::roles::{ASSIGN_WORKSPACE_ROLE, AssignWorkspaceRole};
use crate::usergroups::{ADD_TO_USERGROUP, AddToUsergroup};
use crate::{errors, scim::SLACK};

/// One Slack workspace, and how it is entered. `Debug` shows no credential.
///
/// ```
/// use provisionr_http::MemoryTransport;
/// use provisionr_sdk::{Adapter, Secret};
/// use provisionr_slack::SlackConfig;
///
/// # let http = MemoryTransport::new(|_| http::Response::default());
/// let slack = SlackConfig::new().token(Secret::new("xoxb-…")).connect("slack", &http)?;
/// assert!(slack.descriptor().kinds.get(&"invite_to_channel".into()).is_some());
/// # Ok::<_, provisionr_sdk::AdapterError>(())
/// ```
#[derive(Clone)]
pub struct SlackConfig {
    url: String,
    scim_url: String,
    scim_pool: String,
    team: Option<String>,
    token: Option<Arc<dyn CredentialProvider>>,
    admin: Option<Arc<dyn CredentialProvider>>,
    scim: Option<Arc<dyn CredentialProvider>>,
}

impl Default for SlackConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl SlackConfig {
    /// A workspace that has accounts and makes none.
    pub fn new() -> Self {
        let (url, scim_url) = ("https://slack.com/api".to_owned(), "https://api.slack.com/scim/v2".to_owned());
        Self { url, scim_url, scim_pool: "slack-scim".to_owned(), team: None, token: None, admin: None, scim: None }
    }

    /// Enters with a bot or user token that this provider hands out.
    #[must_use]
    pub fn credentials(mut self, provider: impl CredentialProvider) -> Self {
        self.token = Some(Arc::new(provider));
        self
    }

    /// Enters with this bot or user token.
    #[must_use]
    pub fn token(self, token: Secret) -> Self {
        self.credentials(token)
    }

    /// Names the workspace (`T…`): needed where the token is one of a whole organisation, and by it people of other companies in
    /// shared channels are told apart.
    #[must_use]
    pub fn workspace(mut self, team: impl Into<String>) -> Self {
        self.team = Some(team.into());
        self
    }

    /// The workspace belongs to an organisation on an Enterprise plan, and this provider hands out a user token of an org admin
    /// with `admin.*` scopes: people are invited, removed and given workspace roles. Needs [`workspace`](Self::workspace).
    #[must_use]
    pub fn enterprise(mut self, provider: impl CredentialProvider) -> Self {
        self.admin = Some(Arc::new(provider));
        self
    }

    /// People are provisioned over SCIM, with a user token of an owner or admin that has the scope `admin`. Needs a paid plan.
    #[must_use]
    pub fn scim(mut self, provider: impl CredentialProvider) -> Self {
        self.scim = Some(Arc::new(provider));
        self
    }

    /// Names the organisation whose SCIM limits this workspace shares with others; all systems share one unless set.
    #[must_use]
    pub fn scim_pool(mut self, name: impl Into<String>) -> Self {
        self.scim_pool = name.into();
        self
    }

    /// Sets where the Web API is; `https://slack.com/api` unless set.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// Sets where SCIM is; `https://api.slack.com/scim/v2` unless set.
    #[must_use]
    pub fn scim_url(mut self, url: impl Into<String>) -> Self {
        self.scim_url = url.into();
        self
    }

    /// The adapter of this workspace. Nothing is sent.
    ///
    /// # Errors
    /// `InvalidConfig` when there is no token, an address is none, or an organisation is named without its workspace.
    pub fn connect(self, system: impl Into<SystemName>, http: &(impl Transport + Clone)) -> Result<Slack> {
        let Some(token) = self.token.clone() else {
            return Err(AdapterError::invalid_config("Slack needs a token: `xoxb-…` of a bot, or `xoxp-…` of a user"));
        };
        let web = |provider: Arc<dyn CredentialProvider>| {
            let routes = LANES.iter().fold(Routes::new(), |routes, (method, ..)| routes.any(&format!("/{method}"), *method));
            let client = HttpClient::new(&self.url, http)?.auth(Auth::bearer(provider)).routes(routes).classifier(errors::classify);
            Ok::<_, AdapterError>(client.request_id_header("x-slack-req-id"))
        };
        let grid = match (&self.admin, &self.team) {
            (None, _) => None,
            (Some(provider), Some(team)) => Some(Grid { client: web(provider.clone())?, team: team.clone() }),
            (Some(_), None) => return Err(AdapterError::invalid_config("an organisation has many workspaces: name this one (`T…`)")),
        };
        let scim = match &self.scim {
            None => None,
            Some(provider) => {
                let routes = Routes::new().any("/**", SCIM_WRITES).on(Method::GET, "/**", SCIM_READS);
                let client = HttpClient::new(&self.scim_url, http)?.auth(Auth::bearer(provider.clone())).routes(routes).classifier(scim::classify);
                Some((Scim::new(client.request_id_header("x-slack-req-id"), SLACK), web(provider.clone())?))
            }
        };
        let web = web(token)?;
        let descriptor = descriptor(system.into(), &self);
        let attributes = descriptor.accounts.attributes.iter().map(|attribute| attribute.name).collect();
        let (scim, scim_owner) = scim.unzip();
        Ok(Slack { web, grid, scim, scim_owner, descriptor, team: self.team, attributes })
    }
}

impl fmt::Debug for SlackConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlackConfig").field("url", &self.url).field("team", &self.team).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum With {
    Any,
    Grid,
}

/// A lane for each method in use: limits are "per method, per workspace", and this is where its tier begins
/// (<https://docs.slack.dev/apis/web-api/rate-limits>). What a 429 asks for counts.
const LANES: [(&str, u32, With); 27] = [
    ("auth.test", 600, With::Any),
    ("users.info", 100, With::Any),
    ("users.lookupByEmail", 50, With::Any),
    ("users.list", 20, With::Any),
    ("users.conversations", 50, With::Any),
    ("conversations.list", 20, With::Any),
    ("conversations.info", 50, With::Any),
    ("conversations.members", 100, With::Any),
    ("conversations.invite", 50, With::Any),
    ("conversations.kick", 50, With::Any),
    ("conversations.join", 50, With::Any),
    ("usergroups.list", 20, With::Any),
    ("usergroups.users.list", 20, With::Any),
    ("usergroups.users.update", 20, With::Any),
    ("usergroups.disable", 20, With::Any),
    ("usergroups.enable", 20, With::Any),
    ("admin.users.invite", 20, With::Grid),
    ("admin.users.assign", 20, With::Grid),
    ("admin.users.remove", 20, With::Grid),
    ("admin.users.session.reset", 20, With::Grid),
    ("admin.users.setAdmin", 20, With::Grid),
    ("admin.users.setOwner", 20, With::Grid),
    ("admin.users.setRegular", 20, With::Grid),
    ("admin.teams.list", 50, With::Grid),
    ("admin.teams.admins.list", 50, With::Grid),
    ("admin.teams.owners.list", 50, With::Grid),
    ("admin.conversations.restrictAccess.listGroups", 20, With::Grid),
];

/// SCIM counts over all apps of the organisation; these are the narrowest numbers of the calls in use.
/// <https://docs.slack.dev/reference/scim-api/rate-limits>
const SCIM_READS: &str = "scim.reads";
const SCIM_WRITES: &str = "scim.writes";

fn accounts(config: &SlackConfig) -> AccountFacts {
    use AccountState::{Active, Deactivated, Invited};
    let grid = config.admin.is_some();
    let facts = AccountFacts::new().found_by("email", Search::Exact).found_with("users.info", 1);
    if config.scim.is_none() && !grid {
        return facts.suspension(Suspension::None);
    }
    let off = |from: &[AccountState]| {
        Transition::new(from.iter().copied(), Deactivated).destroys("memberships in channels and user groups").frees("the seat").irreversible()
    };
    // A look-up by e-mail, and, since nobody is there, the list of all people: more calls than one where they are many.
    let found = |facts: ChangeFacts| facts.calls("users.lookupByEmail", 1).calls("users.list", 1);
    let moved = |lane: &'static str| ChangeFacts::set().calls("users.info", 2).calls(lane, 1);
    let email = Attribute::new("email").from("email").required().unique();
    let facts = facts.suspension(Suspension::State(Deactivated)).logged_out(ChangeFacts::set().calls("admin.users.session.reset", 1));
    if config.scim.is_none() {
        let created = found(ChangeFacts::unique("email").mails().irreversible()).calls("admin.users.invite", 1).calls("users.lookupByEmail", 1);
        return facts
            .attribute(email)
            .attribute(Attribute::new("real_name").from("display_name"))
            .created(created)
            .moved(moved("admin.users.remove"))
            .transition(off(&[Active, Invited]))
            .transition(Transition::new([Deactivated], Active));
    }
    let created = found(ChangeFacts::unique("user_name")).calls(SCIM_READS, 1).calls(SCIM_WRITES, 1).calls("users.info", 1);
    let created = if grid { created.calls("admin.users.assign", 1) } else { created };
    [("givenName", "first_name"), ("familyName", "last_name"), ("displayName", "display_name"), ("title", "job_title")]
        .into_iter()
        .fold(facts.attribute(email), |facts, (name, from)| facts.attribute(Attribute::new(name).from(from)))
        .found_by("user_name", Search::Exact)
        .created(created)
        .updated(moved(SCIM_WRITES))
        .moved(moved(SCIM_WRITES))
        .transition(off(&[Active]))
        .transition(Transition::new([Deactivated], Active))
}

fn kinds(config: &SlackConfig) -> Vec<Kind> {
    let on_create = match (&config.admin, &config.scim) {
        (Some(_), None) => OnCreate::Must,
        (Some(_), Some(_)) => OnCreate::May,
        _ => OnCreate::Separate,
    };
    let channel = || ChangeFacts::set().calls("conversations.info", 1);
    let channels = Kind::per_target::<InviteToChannel>(INVITE_TO_CHANNEL)
        .doc("Puts a person into a channel, public or private")
        .target_noun("channel")
        .on_create(on_create)
        .granting(channel().calls("conversations.invite", 1))
        .revoking(channel().calls("conversations.kick", 1))
        .batch(BatchRule { max: MOST_INVITED, same_target: true });
    let private: &[&str] = if config.admin.is_some() { &["admin.conversations:read"] } else { &[] };
    let channels = ["users:read", "users:read.email", "channels:read", "groups:read", "channels:manage", "groups:write", "channels:join"]
        .iter()
        .chain(private)
        .copied()
        .fold(channels, Kind::scope);
    let list = || ChangeFacts::set().calls("usergroups.list", 1).calls("usergroups.users.update", 1).calls("usergroups.users.list", 1);
    let usergroups = Kind::per_target::<AddToUsergroup>(ADD_TO_USERGROUP)
        .doc("Adds a person to a user group, whose members are reached by one `@handle`")
        .target_noun("user group")
        .contention(Contention::WholeList)
        .granting(list())
        .revoking(list())
        .scope("users:read")
        .scope("users:read.email")
        .scope("usergroups:read")
        .scope("usergroups:write");
    let looked = || ChangeFacts::set().calls("admin.teams.owners.list", 1).calls("admin.teams.admins.list", 1);
    let roles = Kind::per_target::<AssignWorkspaceRole>(ASSIGN_WORKSPACE_ROLE)
        .doc("Makes a person an admin or owner of a workspace")
        .target_noun("workspace")
        .role("admin", Level::Maintain)
        .role("owner", Level::Admin)
        .granting(looked().calls("admin.users.setAdmin", 1))
        .revoking(looked().calls("admin.users.setRegular", 1))
        .scope("admin.teams:read")
        .scope("admin.users:write");
    [channels, usergroups].into_iter().chain(config.admin.is_some().then_some(roles)).collect()
}

fn descriptor(system: SystemName, config: &SlackConfig) -> Descriptor {
    let grid = config.admin.is_some();
    let mut descriptor = Descriptor::new(system, "slack").accounts(accounts(config)).can(Ability::ListAccounts);
    for kind in kinds(config) {
        let name = kind.name.clone();
        descriptor = descriptor.kind(kind).can(Ability::ListTargets(name.clone())).can(Ability::ListGrants(name));
    }
    if config.scim.is_none() {
        descriptor = descriptor.cannot(&Ability::UpdateAccount);
    }
    for (method, units, with) in LANES {
        if with == With::Any || grid {
            descriptor = descriptor.lane(Lane::per_minute(method, units));
        }
    }
    if grid {
        descriptor = descriptor.can(Ability::EndSessions);
    }
    if config.scim.is_some() {
        let lane = |id: &'static str, units: u32| Lane::per_minute(id, units).pool(format!("{}.{id}", config.scim_pool));
        descriptor = descriptor.lane(lane(SCIM_READS, 300)).lane(lane(SCIM_WRITES, 180));
    }
    descriptor
}

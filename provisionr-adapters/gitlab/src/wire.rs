//! GitLab's objects, as far as they are read. What is not named here is passed over.

use provisionr_sdk::{Account, AccountKind, AccountState, AdapterError, Date, Level, Owner, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Roles by access level: <https://docs.gitlab.com/api/access_requests/#valid-access-levels>. Planner is not above Guest in all
/// it may do, nor is Minimal Access a step towards it: neither is on the scale.
pub(crate) const ROLES: [(&str, u64, Option<Level>); 7] = [
    ("minimal_access", 5, None),
    ("guest", 10, Some(Level::Browse)),
    ("planner", 15, None),
    ("reporter", 20, Some(Level::Read)),
    ("developer", 30, Some(Level::Write)),
    ("maintainer", 40, Some(Level::Maintain)),
    ("owner", 50, Some(Level::Admin)),
];

/// The role of an access level; GitLab adds levels from time to time.
pub(crate) fn role_name(level: u64) -> String {
    ROLES.iter().find(|(_, known, _)| *known == level).map_or_else(|| format!("level_{level}"), |(name, ..)| (*name).to_owned())
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) username: String,
    #[serde(default)]
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) email: Option<String>,
    #[serde(default)]
    pub(crate) is_admin: Option<bool>,
    #[serde(default)]
    bot: Option<bool>,
    #[serde(default)]
    identities: Vec<Identity>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
struct Identity {
    provider: String,
    extern_uid: String,
}

impl User {
    /// What an identity provider calls them.
    pub(crate) fn extern_uid(&self, provider: &str) -> Option<&str> {
        self.identities.iter().find(|identity| identity.provider == provider).map(|identity| identity.extern_uid.as_str())
    }

    pub(crate) fn has_email(&self, email: &str) -> bool {
        self.email.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(email))
    }

    pub(crate) fn account(&self, attributes: &[&'static str]) -> Result<Account> {
        let state = match self.state.as_str() {
            "active" => AccountState::Active,
            "blocked" | "ldap_blocked" | "banned" => AccountState::Suspended,
            "blocked_pending_approval" => AccountState::Staged,
            "deactivated" => AccountState::Deactivated,
            other => return Err(AdapterError::protocol(format!("unknown user state `{other}`"))),
        };
        let kind = if self.bot == Some(true) { AccountKind::Bot } else { AccountKind::Unknown };
        let mut account = Account::new(self.id.to_string(), state).with_login(self.username.as_str()).with_kind(kind);
        account.email.clone_from(&self.email);
        // `ldapmain`, `ldapsecondary`: the names of LDAP servers in the configuration of the instance.
        let server = self.identities.iter().find_map(|identity| identity.provider.strip_prefix("ldap"));
        account.managed_by = server.map(|name| Owner::new(format!("LDAP server {name}")));
        let shown = |name: &'static str| match name {
            "username" => Some(self.username.as_str().into()),
            "email" => self.email.as_deref().map(Value::from),
            name => self.more.get(name).filter(|value| !value.is_null() && **value != "").cloned(),
        };
        account.profile = attributes.iter().filter_map(|name| Some(((*name).to_owned(), shown(name)?))).collect();
        Ok(account)
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Member {
    pub(crate) access_level: u64,
    #[serde(default)]
    pub(crate) expires_at: Option<Date>,
    #[serde(default)]
    pub(crate) membership_state: Option<String>,
    #[serde(default)]
    pub(crate) member_role: Option<MemberRole>,
    #[serde(flatten)]
    pub(crate) user: User,
}

/// A custom role on top of an access level.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct MemberRole {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) name: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Invitation {
    pub(crate) access_level: u64,
    /// A day, or a time.
    #[serde(default)]
    pub(crate) expires_at: Option<String>,
    #[serde(default)]
    pub(crate) invite_email: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Pending {
    #[serde(default)]
    pub(crate) email: Option<String>,
    #[serde(default)]
    pub(crate) invited: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Linked {
    pub(crate) user_id: u64,
}

/// A row of `GET /users/:id/memberships`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Row {
    pub(crate) source_id: u64,
    pub(crate) source_type: String,
}

/// A row of `GET /groups/:id/billable_members/:user_id/memberships`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct BillableRow {
    pub(crate) source_id: u64,
    /// `https://…/groups/full/path/-/group_members` or `https://…/full/path/-/project_members`.
    pub(crate) source_members_url: String,
}

/// A group, or a project.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Source {
    pub(crate) id: u64,
    #[serde(alias = "path_with_namespace")]
    pub(crate) full_path: String,
    /// Where a project is.
    #[serde(default)]
    pub(crate) namespace: Option<Namespace>,
    #[serde(default)]
    pub(crate) shared_with_groups: Vec<Shared>,
    #[serde(default)]
    ldap_group_links: Vec<Value>,
    #[serde(default)]
    saml_group_links: Vec<Value>,
}

/// A group that is invited to another.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Shared {
    pub(crate) group_id: u64,
    #[serde(default)]
    pub(crate) group_access_level: u64,
}

impl Source {
    /// Whose groups are synchronized into this one: what is changed here is set back there.
    pub(crate) fn owner(&self) -> Option<Owner> {
        let name = |what: &str, link: &Value, keys: [&str; 2]| {
            let name = keys.iter().find_map(|key| link.get(key)?.as_str()).unwrap_or("?");
            format!("{what} group {name}")
        };
        let ldap = self.ldap_group_links.iter().map(|link| name("LDAP", link, ["cn", "filter"]));
        let names: Vec<String> = ldap.chain(self.saml_group_links.iter().map(|link| name("SAML", link, ["name", "provider"]))).collect();
        (!names.is_empty()).then(|| Owner::new(names.join(", ")))
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Namespace {
    #[serde(default)]
    pub(crate) kind: String,
}

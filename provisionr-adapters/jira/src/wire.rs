//! Jira's objects, as far as they are read. What is not named here is passed over.

use provisionr_sdk::{Account, AccountKind, AccountState, Owner, Target};
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) account_id: String,
    #[serde(default)]
    account_type: Option<String>,
    #[serde(default)]
    app_type: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    email_address: Option<String>,
    #[serde(default)]
    pub(crate) active: bool,
    #[serde(default)]
    application_roles: Option<Listed<ApplicationRole>>,
    #[serde(default)]
    groups: Option<Listed<Group>>,
}

/// A list within an object. Where it was not asked for, or not told whole, its size and its items differ.
#[derive(Clone, Debug, Deserialize)]
struct Listed<T> {
    #[serde(default)]
    size: usize,
    #[serde(default = "Vec::new")]
    items: Vec<T>,
}

fn whole<T>(listed: Option<&Listed<T>>) -> Option<&[T]> {
    listed.filter(|listed| listed.size == listed.items.len()).map(|listed| listed.items.as_slice())
}

impl User {
    /// Broken records of deleted users have no id.
    pub(crate) fn is_known(&self) -> bool {
        self.account_id != "unknown"
    }

    /// Whether a person of the company would have this account: not an app, not a customer of a service portal, who may have the
    /// same address.
    pub(crate) fn is_person(&self) -> bool {
        !matches!(self.account_type.as_deref(), Some("app" | "customer"))
    }

    pub(crate) fn has_email(&self, email: &str) -> bool {
        self.email_address.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(email))
    }

    /// The products it has access to, where that is told.
    pub(crate) fn products(&self) -> Option<Vec<&str>> {
        Some(whole(self.application_roles.as_ref())?.iter().map(|role| role.key.as_str()).collect())
    }

    /// The groups it is in, where that is told.
    pub(crate) fn groups(&self) -> Option<&[Group]> {
        whole(self.groups.as_ref())
    }

    pub(crate) fn account(&self) -> Account {
        let state = if self.active { AccountState::Active } else { AccountState::Deactivated };
        let kind = match (self.account_type.as_deref(), self.app_type.as_deref()) {
            (Some("atlassian"), _) => AccountKind::Human,
            (Some("app"), Some("service")) => AccountKind::Service,
            (Some("app"), _) => AccountKind::Bot,
            (Some("customer"), _) => AccountKind::External,
            _ => AccountKind::Unknown,
        };
        let mut account = Account::new(self.account_id.as_str(), state).with_kind(kind);
        // Empty where the owner hides it.
        account.email = self.email_address.clone().filter(|email| !email.is_empty());
        let shown = [("emailAddress", account.email.clone()), ("displayName", self.display_name.clone())];
        account.profile = shown.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect();
        account
    }
}

/// A product and its licence.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApplicationRole {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) default_groups: Vec<String>,
    #[serde(default)]
    has_unlimited_seats: bool,
    #[serde(default)]
    number_of_seats: i64,
    #[serde(default)]
    remaining_seats: i64,
    #[serde(default)]
    pub(crate) user_count: u32,
}

impl ApplicationRole {
    /// None for without limit.
    pub(crate) fn seats(&self) -> Option<u32> {
        u32::try_from(self.number_of_seats).ok().filter(|_| !self.has_unlimited_seats)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.seats().is_some() && self.remaining_seats <= 0
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Group {
    pub(crate) group_id: String,
    pub(crate) name: String,
    /// Told by pickers only.
    #[serde(default)]
    managed_by: Option<String>,
}

impl Group {
    /// Who else decides about its members. Which directory it is, Jira does not say.
    pub(crate) fn owner(&self) -> Option<Owner> {
        (self.managed_by.as_deref() == Some("EXTERNAL")).then(|| Owner::new("the directory the group is synchronized from"))
    }

    pub(crate) fn target(&self) -> Target {
        let target = Target::new(self.group_id.as_str(), self.name.as_str());
        match self.owner() {
            Some(owner) => target.owned_by(owner),
            None => target,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FoundGroups {
    pub(crate) groups: Vec<Group>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Project {
    pub(crate) id: String,
    key: String,
}

impl Project {
    pub(crate) fn target(&self) -> Target {
        Target::new(self.id.as_str(), self.key.as_str())
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ProjectRole {
    #[serde(default)]
    pub(crate) actors: Vec<RoleActor>,
}

/// A user or a group; which, its type says, and so does the part that is there.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoleActor {
    #[serde(default)]
    actor_user: Option<ActorUser>,
    #[serde(default)]
    actor_group: Option<ActorGroup>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActorUser {
    account_id: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ActorGroup {
    group_id: String,
}

impl RoleActor {
    pub(crate) fn user(&self) -> Option<&str> {
        self.actor_user.as_ref().map(|user| user.account_id.as_str())
    }

    pub(crate) fn group(&self) -> Option<&str> {
        self.actor_group.as_ref().map(|group| group.group_id.as_str())
    }
}

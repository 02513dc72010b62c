//! Slack's objects, as far as they are read. What is not named here is passed over.

use provisionr_sdk::{Account, AccountKind, AccountState, Owner, Target};
use serde::Deserialize;
use serde_json::Value;

/// <https://docs.slack.dev/reference/objects/user-object>
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct User {
    pub(crate) id: String,
    team_id: Option<String>,
    name: Option<String>,
    deleted: Option<bool>,
    is_bot: Option<bool>,
    is_restricted: Option<bool>,
    is_ultra_restricted: Option<bool>,
    is_stranger: Option<bool>,
    is_invited_user: Option<bool>,
    enterprise_user: Option<EnterpriseUser>,
    #[serde(default)]
    profile: Profile,
}

#[derive(Clone, Debug, Deserialize)]
struct EnterpriseUser {
    #[serde(default)]
    teams: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Profile {
    email: Option<String>,
    real_name: Option<String>,
    display_name: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    title: Option<String>,
}

impl User {
    pub(crate) fn email(&self) -> Option<&str> {
        self.profile.email.as_deref()
    }

    pub(crate) fn state(&self) -> AccountState {
        match (self.deleted, self.is_invited_user) {
            (Some(true), _) => AccountState::Deactivated,
            (_, Some(true)) => AccountState::Invited,
            _ => AccountState::Active,
        }
    }

    /// Whether a user of the organisation was taken out of a workspace and not deactivated everywhere.
    pub(crate) fn has_left(&self, team: &str) -> bool {
        self.enterprise_user.is_some() && !self.is_in(team)
    }

    /// Whether the user is in a workspace, as opposed to the organisation around it alone.
    pub(crate) fn is_in(&self, team: &str) -> bool {
        self.team_id.as_deref() == Some(team) || self.enterprise_user.as_ref().is_some_and(|user| user.teams.iter().any(|known| known == team))
    }

    fn kind(&self, team: Option<&str>) -> AccountKind {
        let stranger = self.is_stranger == Some(true);
        // People of other companies in shared channels come with another workspace, and without an organisation of ours.
        let elsewhere =
            team.is_some_and(|team| self.enterprise_user.is_none() && self.team_id.as_deref().is_some_and(|own| own.starts_with('T') && own != team));
        match self {
            _ if self.is_bot == Some(true) || self.id == "USLACKBOT" => AccountKind::Bot,
            _ if stranger || elsewhere => AccountKind::External,
            _ if self.is_restricted == Some(true) || self.is_ultra_restricted == Some(true) => AccountKind::Guest,
            // Whose workspace it is, only who knows ours can tell.
            _ if team.is_none() && self.enterprise_user.is_none() => AccountKind::Unknown,
            _ => AccountKind::Human,
        }
    }

    pub(crate) fn account(&self, team: Option<&str>, attributes: &[&str]) -> Account {
        let mut account = Account::new(self.id.as_str(), self.state()).with_kind(self.kind(team));
        account.login.clone_from(&self.name);
        account.email.clone_from(&self.profile.email);
        if account.kind == AccountKind::External {
            account.managed_by = Some(Owner::new("another company on Slack"));
        }
        for name in attributes {
            let value = match *name {
                "email" => &self.profile.email,
                "real_name" => &self.profile.real_name,
                "displayName" => &self.profile.display_name,
                "givenName" => &self.profile.first_name,
                "familyName" => &self.profile.last_name,
                "title" => &self.profile.title,
                _ => continue,
            };
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                account.profile.insert((*name).to_owned(), value.into());
            }
        }
        account
    }
}

/// <https://docs.slack.dev/reference/objects/conversation-object>
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Channel {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
    is_private: Option<bool>,
    is_member: Option<bool>,
    is_ext_shared: Option<bool>,
    conversation_host_id: Option<String>,
    context_team_id: Option<String>,
}

impl Channel {
    pub(crate) fn private(&self) -> bool {
        self.is_private == Some(true)
    }

    pub(crate) fn has_app(&self) -> bool {
        self.is_member == Some(true)
    }

    pub(crate) fn shared_outside(&self) -> bool {
        self.is_ext_shared == Some(true)
    }

    /// Another company hosts it, and decides about it.
    pub(crate) fn host(&self) -> Option<Owner> {
        let host = self.conversation_host_id.as_ref().filter(|_| self.shared_outside())?;
        (self.context_team_id.as_ref() != Some(host)).then(|| Owner::new(format!("the company that hosts the channel ({host})")))
    }

    pub(crate) fn target(&self) -> Target {
        let target = Target::new(self.id.as_str(), format!("#{}", self.name));
        self.host().map_or(target.clone(), |host| target.owned_by(host))
    }
}

/// <https://docs.slack.dev/reference/objects/usergroup-object>
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Usergroup {
    pub(crate) id: String,
    pub(crate) handle: String,
    date_delete: Option<i64>,
    auto_type: Option<String>,
    auto_provision: Option<bool>,
    is_external: Option<bool>,
    #[serde(default)]
    pub(crate) users: Vec<String>,
}

impl Usergroup {
    pub(crate) fn disabled(&self) -> bool {
        self.date_delete.is_some_and(|at| at > 0)
    }

    /// Nobody is reached through a group that is switched off, whoever is on its list.
    pub(crate) fn holds(&self, user: &str) -> bool {
        !self.disabled() && self.users.iter().any(|known| known == user)
    }

    pub(crate) fn owner(&self) -> Option<Owner> {
        match self {
            Self { auto_type: Some(kind), .. } => Some(Owner::new(format!("Slack, for it is the group of every {kind}"))),
            Self { auto_provision: Some(true), .. } => Some(Owner::new("the identity provider")),
            Self { is_external: Some(true), .. } => Some(Owner::new("another workspace")),
            _ => None,
        }
    }

    pub(crate) fn target(&self) -> Target {
        let target = Target::new(self.id.as_str(), format!("@{}", self.handle));
        self.owner().map_or(target.clone(), |owner| target.owned_by(owner))
    }
}

/// A workspace of the organisation.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Team {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// The answer to an invitation; the culprits where it was refused because of some.
#[derive(Debug, Deserialize)]
pub(crate) struct Invitation {
    pub(crate) ok: bool,
    pub(crate) error: Option<String>,
    #[serde(default)]
    pub(crate) errors: Vec<Culprit>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Culprit {
    pub(crate) user: Option<String>,
    pub(crate) error: Option<String>,
}

/// One field of an answer.
pub(crate) fn field<T: serde::de::DeserializeOwned>(answer: &provisionr_http::Answer, name: &str) -> provisionr_sdk::Result<T> {
    let mut body: Value = answer.json()?;
    let value = body.get_mut(name).map(Value::take).unwrap_or_default();
    serde_json::from_value(value).map_err(|_| answer.unreadable(format!("`{name}` is not what the vendor describes")))
}

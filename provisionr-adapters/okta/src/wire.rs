//! Okta's objects, as far as they are read. What is not named here is passed over.

use std::collections::BTreeMap;

use provisionr_sdk::{Account, AccountKind, AccountState, AdapterError, Owner, Result, Target, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::config::Facts;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) status: String,
    #[serde(default)]
    transitioning_to_status: Option<String>,
    #[serde(default)]
    pub(crate) profile: BTreeMap<String, Value>,
    #[serde(default)]
    credentials: Credentials,
    #[serde(default)]
    last_updated: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Credentials {
    #[serde(default)]
    provider: Option<Provider>,
}

#[derive(Clone, Debug, Deserialize)]
struct Provider {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    name: Option<String>,
}

impl User {
    /// When the profile or the status changed last.
    pub(crate) fn changed(&self) -> Option<Timestamp> {
        self.last_updated.as_deref()?.parse().ok()
    }

    pub(crate) fn text(&self, attribute: &str) -> Option<&str> {
        self.profile.get(attribute).and_then(Value::as_str)
    }

    pub(crate) fn is(&self, attribute: &str, value: &str) -> bool {
        self.text(attribute).is_some_and(|text| text.eq_ignore_ascii_case(value))
    }

    /// The statuses of `UserStatus` in <https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/>.
    pub(crate) fn state(&self) -> Result<AccountState> {
        Ok(match self.status.as_str() {
            "STAGED" => AccountState::Staged,
            // The last four can come in, or let themselves in: a password to choose, to change, to recover, to wait for.
            "ACTIVE" | "PROVISIONED" | "PASSWORD_EXPIRED" | "RECOVERY" | "LOCKED_OUT" => AccountState::Active,
            "SUSPENDED" => AccountState::Suspended,
            "DEPROVISIONED" => AccountState::Deactivated,
            other => return Err(AdapterError::protocol(format!("unknown user status `{other}`"))),
        })
    }

    fn settling(&self) -> Option<AccountState> {
        match self.transitioning_to_status.as_deref()? {
            "DEPROVISIONED" => Some(AccountState::Deactivated),
            _ => Some(AccountState::Active),
        }
    }

    /// Directories Okta takes a person's profile from.
    fn owner(&self) -> Option<Owner> {
        let provider = self.credentials.provider.as_ref()?;
        let name = match provider.kind.as_str() {
            "ACTIVE_DIRECTORY" => "Active Directory",
            "LDAP" => "LDAP",
            _ => return None,
        };
        Some(Owner::new(match &provider.name {
            Some(domain) => format!("{name} {domain}"),
            None => name.to_owned(),
        }))
    }

    pub(crate) fn account(&self, facts: &Facts) -> Result<Account> {
        let mut account = Account::new(self.id.as_str(), self.state()?).with_kind(AccountKind::Unknown);
        account.settling = self.settling();
        // Only who is ACTIVE is suspended, see `suspendUser` in the description.
        if account.state == AccountState::Active && self.status != "ACTIVE" {
            account = account.barred_from(AccountState::Suspended);
        }
        account.login = self.text("login").map(str::to_owned);
        account.email = self.text("email").map(str::to_owned);
        account.managed_by = self.owner();
        account.profile =
            self.profile.iter().filter(|(name, value)| !value.is_null() && facts.knows(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(account)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Group {
    pub(crate) id: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    object_class: Vec<String>,
    profile: Named,
    #[serde(default, rename = "_links")]
    links: Value,
}

#[derive(Clone, Debug, Deserialize)]
struct Named {
    name: String,
}

impl Group {
    pub(crate) fn name(&self) -> &str {
        &self.profile.name
    }

    /// Who else decides about its members; none for groups of Okta's own, which alone can be written.
    pub(crate) fn owner(&self) -> Option<Owner> {
        match self.kind.as_str() {
            "APP_GROUP" if self.object_class.iter().any(|class| class.contains("windows_security_principal")) => Some(Owner::new("Active Directory")),
            "APP_GROUP" => Some(Owner::new("the app the group is imported from")),
            "BUILT_IN" => Some(Owner::new("Okta")),
            _ => None,
        }
    }

    /// The app an imported group comes from.
    pub(crate) fn app(&self) -> Option<&str> {
        self.links.pointer("/source/href")?.as_str()?.rsplit('/').next()
    }

    pub(crate) fn target(&self) -> Target {
        let target = Target::new(self.id.as_str(), self.name());
        match self.owner() {
            Some(owner) => target.owned_by(owner),
            None => target,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) label: String,
    #[serde(default)]
    status: String,
    /// One user's assignment, where it was asked for.
    #[serde(default, rename = "_embedded")]
    embedded: Embedded,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Embedded {
    #[serde(default)]
    user: Option<AppUser>,
}

impl App {
    pub(crate) fn assigned(&self) -> Option<&AppUser> {
        self.embedded.user.as_ref()
    }

    pub(crate) fn active(&self) -> bool {
        self.status == "ACTIVE"
    }

    pub(crate) fn target(&self) -> Target {
        Target::new(self.id.as_str(), self.label.as_str())
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct AppUser {
    pub(crate) id: String,
    #[serde(default)]
    scope: String,
    #[serde(default, rename = "_links")]
    links: Value,
}

impl AppUser {
    pub(crate) fn by_group(&self) -> bool {
        self.scope == "GROUP"
    }

    /// The group that gives the app, where Okta links it.
    pub(crate) fn group(&self) -> Option<&str> {
        self.links.pointer("/group/href")?.as_str()?.rsplit('/').next()
    }
}

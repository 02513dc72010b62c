//! Google's objects, as far as they are read. What is not named here is passed over.

use provisionr_http::Answer;
use provisionr_sdk::{Account, AccountKind, AccountState, Attribute, Result, Target};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::profile;

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct User {
    pub(crate) id: String,
    #[serde(rename = "primaryEmail")]
    pub(crate) email: String,
    /// Everything else: the profile is all over it.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl User {
    fn is(&self, flag: &str) -> bool {
        self.rest.get(flag).and_then(Value::as_bool) == Some(true)
    }

    pub(crate) fn resource(&self) -> &Map<String, Value> {
        &self.rest
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<Value> {
        if name == "primaryEmail" { Some(self.email.as_str().into()) } else { profile::read(&self.rest, name).cloned() }
    }

    pub(crate) fn has_address(&self, address: &str) -> bool {
        let aliases = ["aliases", "nonEditableAliases"].into_iter().filter_map(|list| self.rest.get(list)?.as_array()).flatten();
        std::iter::once(self.email.as_str()).chain(aliases.filter_map(Value::as_str)).any(|known| known.eq_ignore_ascii_case(address))
    }

    pub(crate) fn org_unit(&self) -> &str {
        self.rest.get("orgUnitPath").and_then(Value::as_str).unwrap_or("/")
    }

    /// Nobody can sign in to an account that is suspended or archived.
    pub(crate) fn state(&self) -> AccountState {
        match (self.is("archived"), self.is("suspended")) {
            (true, _) => AccountState::Deactivated,
            (false, true) => AccountState::Suspended,
            (false, false) => AccountState::Active,
        }
    }

    pub(crate) fn account(&self, attributes: &[Attribute]) -> Account {
        let kind = if self.is("isGuestUser") { AccountKind::Guest } else { AccountKind::Unknown };
        let account = Account::new(self.id.as_str(), self.state()).with_login(&self.email).with_email(&self.email).with_kind(kind);
        let shown = attributes.iter().filter_map(|attribute| Some((attribute.name, self.attribute(attribute.name)?)));
        shown.fold(account, |account, (name, value)| account.with(name, value))
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) email: String,
}

impl Group {
    pub(crate) fn target(&self) -> Target {
        Target::new(self.id.as_str(), self.email.as_str())
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Member {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) role: Option<String>,
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HasMember {
    #[serde(default)]
    pub(crate) is_member: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct OrgUnits {
    pub(crate) organization_units: Vec<OrgUnit>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrgUnit {
    pub(crate) org_unit_path: String,
}

/// What Google answers where it has done something and has nothing to show: nothing, or an empty object; it does not say which.
pub(crate) fn done(answer: &Answer) -> Result<()> {
    answer.json_if_any::<Map<String, Value>>().map(drop)
}

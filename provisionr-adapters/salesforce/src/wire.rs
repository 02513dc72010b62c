//! Salesforce's records, as far as they are read.

use std::collections::BTreeMap;
use std::time::Duration;

use provisionr_sdk::{Account, AccountKind, AccountState, Date, Timestamp};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::soql::Soql;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) is_active: bool,
    #[serde(default)]
    user_type: Option<String>,
    #[serde(flatten)]
    fields: BTreeMap<String, Value>,
}

impl User {
    /// The fields that are read of every user.
    pub(crate) const FIELDS: [&'static str; 5] = ["Id", "IsActive", "UserType", "ProfileId", "UserRoleId"];

    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_str)
    }

    /// Who has no login settings that can be seen counts as not frozen.
    pub(crate) fn account(&self, login: Option<&UserLogin>, attributes: &[&'static str]) -> Account {
        let state = match login {
            _ if !self.is_active => AccountState::Deactivated,
            Some(login) if login.is_frozen => AccountState::Frozen,
            _ => AccountState::Active,
        };
        let kind = match self.user_type.as_deref() {
            Some("AutomatedProcess" | "CloudIntegrationUser") => AccountKind::Service,
            Some("Guest") => AccountKind::Guest,
            Some("PowerPartner" | "PowerCustomerSuccess" | "CustomerSuccess" | "CspLitePortal") => AccountKind::External,
            _ => AccountKind::Unknown,
        };
        let mut account = Account::new(self.id.as_str(), state).with_kind(kind);
        account.login = self.text("Username").map(str::to_owned);
        account.email = self.text("Email").map(str::to_owned);
        let known = self.fields.iter().filter(|(name, value)| !value.is_null() && attributes.contains(&name.as_str()));
        account.profile = known.map(|(name, value)| (name.clone(), value.clone())).collect();
        account
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct UserLogin {
    pub(crate) id: String,
    pub(crate) user_id: String,
    pub(crate) is_frozen: bool,
}

impl UserLogin {
    pub(crate) fn query() -> Soql {
        Soql::select(&["Id", "UserId", "IsFrozen"], "UserLogin")
    }
}

/// A row that gives something to a user: a permission set assignment or a membership in a group.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Row {
    #[serde(rename = "Id")]
    pub(crate) id: String,
    #[serde(rename = "AssigneeId", alias = "UserOrGroupId")]
    pub(crate) holder: String,
    #[serde(rename = "PermissionSetId", default)]
    pub(crate) set: Option<String>,
    #[serde(rename = "PermissionSetGroupId", default)]
    pub(crate) set_group: Option<String>,
    #[serde(rename = "GroupId", default)]
    pub(crate) group: Option<String>,
    #[serde(rename = "PermissionSet", default)]
    parent: Option<Parent>,
    #[serde(rename = "ExpirationDate", default, deserialize_with = "time")]
    expires: Option<Timestamp>,
    /// An assignment that has expired, or that a user access policy has taken back, stays and gives nothing.
    #[serde(rename = "IsActive", default = "yes")]
    pub(crate) is_active: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parent {
    #[serde(default)]
    is_owned_by_profile: bool,
}

impl Row {
    /// Whether the set it assigns is the inside of a profile.
    pub(crate) fn mirrors_a_profile(&self) -> bool {
        self.parent.as_ref().is_some_and(|set| set.is_owned_by_profile)
    }

    /// The last day it is in force.
    pub(crate) fn until(&self) -> Option<Date> {
        self.expires.map(|at| (at - Duration::from_millis(1)).date())
    }
}

/// When an assignment expires of which this is the last day, in UTC.
pub(crate) fn end_of(day: Date) -> String {
    (day.start() + Duration::from_secs(24 * 60 * 60)).to_string()
}

fn yes() -> bool {
    true
}

/// `2031-02-01T00:00:00.000+0000`: an offset without a colon, which RFC 3339 does not know.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let text = text.strip_suffix("+0000").map_or_else(|| text.clone(), |utc| format!("{utc}Z"));
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// What came of one record of a collection, or of one that was created.
#[derive(Debug, Deserialize)]
pub(crate) struct Saved {
    #[serde(default)]
    pub(crate) id: Option<String>,
    pub(crate) success: bool,
    #[serde(default)]
    pub(crate) errors: Value,
}

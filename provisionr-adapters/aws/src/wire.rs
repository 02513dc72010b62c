//! AWS's objects, as far as they are read, and the form of its ids.

use std::collections::BTreeMap;

use provisionr_sdk::{Account, AccountState, AdapterError, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::config::Facts;

/// Profile attributes of one text each: our name is AWS's in lower camel case, as `AttributePath` has it.
pub(crate) const TEXTS: [&str; 9] = ["userName", "displayName", "nickName", "title", "userType", "preferredLanguage", "locale", "timezone", "profileUrl"];

/// An id of a user or group: a UUID, in older stores with ten digits of the store before it. Nothing else has an id of this
/// form, and AWS calls everything else malformed instead of unknown.
pub(crate) fn is_id(text: &str) -> bool {
    let uuid = match text.split_once('-') {
        Some((store, rest)) if store.len() == 10 && hex(store) => rest,
        _ => text,
    };
    let parts: Vec<&str> = uuid.split('-').collect();
    parts.iter().all(|part| hex(part)) && parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
}

/// The ARN of a permission set.
pub(crate) fn is_permission_set(text: &str) -> bool {
    let sane = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:/".contains(&byte));
    let id = text.strip_prefix("arn:aws").and_then(|rest| rest.split_once(":sso:::permissionSet/")).and_then(|(_, rest)| rest.split_once('/'));
    sane && id.is_some_and(|(instance, id)| instance.contains("ins-") && id.starts_with("ps-") && id.len() == 19)
}

pub(crate) fn is_aws_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct User {
    pub(crate) user_id: String,
    #[serde(default)]
    user_name: Option<String>,
    #[serde(default)]
    user_status: Option<String>,
    #[serde(default)]
    external_ids: Vec<ExternalId>,
    #[serde(default)]
    name: Name,
    #[serde(default)]
    emails: Vec<Valued>,
    #[serde(default)]
    phone_numbers: Vec<Valued>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Name {
    given_name: Option<String>,
    family_name: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Valued {
    value: Option<String>,
}

/// What another system calls a user or group. Who has one came over SCIM.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ExternalId {}

impl User {
    fn text(&self, attribute: &str) -> Option<String> {
        match attribute {
            "userName" => self.user_name.clone(),
            "givenName" => self.name.given_name.clone(),
            "familyName" => self.name.family_name.clone(),
            "email" => self.emails.first()?.value.clone(),
            "phoneNumber" => self.phone_numbers.first()?.value.clone(),
            other => self.more.get(&pascal(other))?.as_str().map(str::to_owned),
        }
    }

    pub(crate) fn is(&self, attribute: &str, value: &str) -> bool {
        self.text(attribute).is_some_and(|text| text.to_lowercase() == value.to_lowercase())
    }

    pub(crate) fn account(&self, facts: &Facts) -> Result<Account> {
        let state = match self.user_status.as_deref() {
            None | Some("ENABLED") => AccountState::Active,
            Some("DISABLED") => AccountState::Suspended,
            Some(other) => return Err(AdapterError::protocol(format!("unknown user status `{other}`"))),
        };
        let mut account = Account::new(self.user_id.as_str(), state);
        account.login.clone_from(&self.user_name);
        account.email = self.text("email");
        account.managed_by = facts.owner(&self.external_ids);
        account.profile = facts.attributes.iter().filter_map(|name| Some(((*name).to_owned(), self.text(name)?.into()))).collect();
        Ok(account)
    }
}

/// `displayName` as members of objects have it.
fn pascal(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

/// The members of a new user.
pub(crate) fn new_user(user_name: &str, profile: &BTreeMap<String, Value>) -> Value {
    let mut user = Map::from_iter([("UserName".to_owned(), user_name.into())]);
    let mut name = Map::new();
    for (attribute, value) in profile {
        match attribute.as_str() {
            "userName" => None,
            "givenName" | "familyName" => name.insert(pascal(attribute), value.clone()),
            "email" => user.insert("Emails".to_owned(), json!([{ "Value": value, "Type": "work", "Primary": true }])),
            "phoneNumber" => user.insert("PhoneNumbers".to_owned(), json!([{ "Value": value, "Type": "work", "Primary": true }])),
            other => user.insert(pascal(other), value.clone()),
        };
    }
    if !name.is_empty() {
        user.insert("Name".to_owned(), name.into());
    }
    user.into()
}

/// The operation that sets one attribute, or takes it away. Lists are set whole, in lower camel case.
pub(crate) fn operation(attribute: &str, value: Option<&Value>) -> Value {
    let list = |value: Option<&Value>| value.map(|value| json!([{ "value": value, "type": "work", "primary": true }]));
    let (path, value) = match attribute {
        "givenName" => ("name.givenName", value.cloned()),
        "familyName" => ("name.familyName", value.cloned()),
        "email" => ("emails", list(value)),
        "phoneNumber" => ("phoneNumbers", list(value)),
        other => (other, value.cloned()),
    };
    json!({ "AttributePath": path, "AttributeValue": value })
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Group {
    pub(crate) group_id: String,
    #[serde(default)]
    pub(crate) display_name: Option<String>,
    #[serde(default)]
    pub(crate) external_ids: Vec<ExternalId>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Membership {
    #[serde(default)]
    pub(crate) group_id: String,
    #[serde(default)]
    pub(crate) member_id: Member,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Member {
    pub(crate) user_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PermissionSet {
    pub(crate) permission_set_arn: String,
    #[serde(default)]
    pub(crate) name: String,
}

/// A row of either list of assignments.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Row {
    pub(crate) account_id: String,
    pub(crate) permission_set_arn: String,
    pub(crate) principal_id: String,
    pub(crate) principal_type: String,
}

/// A job that makes or takes an assignment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Job {
    pub(crate) status: String,
    pub(crate) request_id: String,
    pub(crate) failure_reason: Option<String>,
    pub(crate) target_id: Option<String>,
    pub(crate) permission_set_arn: Option<String>,
    pub(crate) principal_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_from_anything_else() {
        for good in ["f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "90677cd8a6-f81d4fae-7dec-11d0-a765-00a0c91e6bf6"] {
            assert!(is_id(good), "{good}");
        }
        for bad in ["", "no-such-account", "f81d4fae-7dec-11d0-a765", "f81d4fae-7dec-11d0-a765-00a0c91e6bfx", "a/f81d4fae-7dec-11d0-a765-00a0c91e6bf6"] {
            assert!(!is_id(bad), "{bad}");
        }
        let arn = "arn:aws:sso:::permissionSet/ssoins-0123456789abcdef/ps-0123456789abcdef";
        assert!(is_permission_set(arn) && !is_permission_set(&arn.replace("ps-", "")) && !is_permission_set(&format!("{arn}?")));
        assert!(is_aws_account("111122223333") && !is_aws_account("11112222333") && !is_aws_account("production-1"));
    }
}

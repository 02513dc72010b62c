//! The state of an org: records, as they are kept.

use std::collections::{BTreeMap, BTreeSet};

use provisionr_sdk::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::schema::{Object, long_id};

/// What is not the same for each org, and what nothing public says for certain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SalesforceSettings {
    /// The most records of a page, whatever is asked for (Salesforce takes 200 to 2000 for advice); 3, so that a client that does
    /// not follow `nextRecordsUrl` is found out.
    pub page_size: usize,
    /// The quota of 24 hours; 100,000.
    pub daily_calls: u32,
    /// How many long calls may be under way; 25, and 5 in developer editions.
    pub concurrency: u32,
    /// Whether a new address counts only when the person has confirmed it; true.
    pub email_confirmation: bool,
    /// Whether `ExpirationDate` can be updated, as the object reference has it; true.
    pub expiration_updates: bool,
    /// Whether tokens may ask whom they speak for, which takes a scope; true.
    pub userinfo: bool,
    /// Whether the user's permissions can be asked for (`UserPermissionAccess`); true.
    pub permission_access: bool,
    /// The code for a record that is gone, which nothing public says: `ENTITY_IS_DELETED`.
    pub gone: String,
}

impl Default for SalesforceSettings {
    fn default() -> Self {
        Self {
            page_size: 3,
            daily_calls: 100_000,
            concurrency: 25,
            email_confirmation: true,
            expiration_updates: true,
            userinfo: true,
            permission_access: true,
            gone: "ENTITY_IS_DELETED".to_owned(),
        }
    }
}

pub(super) type Record = Map<String, Value>;

/// All of an org but its credentials.
#[derive(Clone, Debug, Default)]
pub(super) struct Org {
    pub(super) settings: SalesforceSettings,
    pub(super) tables: BTreeMap<&'static str, BTreeMap<String, Record>>,
    /// User names that other orgs have.
    pub(super) taken: BTreeSet<String>,
    /// New addresses that are not confirmed, by user.
    pub(super) unconfirmed: BTreeMap<String, String>,
    /// What is left of queries, by locator.
    pub(super) cursors: BTreeMap<String, Vec<Value>>,
    ids: u64,
}

impl Org {
    pub(super) fn number(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// Keeps a new record, and hands out its id.
    pub(super) fn insert(&mut self, object: &'static Object, mut record: Record) -> String {
        let id = long_id(&format!("{}Dn{:0>10}", object.prefix, self.number()));
        record.insert("Id".to_owned(), id.clone().into());
        self.tables.entry(object.name).or_default().insert(id.clone(), record);
        id
    }

    pub(super) fn all(&self, object: &str) -> impl Iterator<Item = (&str, &Record)> {
        self.tables.get(object).into_iter().flatten().map(|(id, record)| (id.as_str(), record))
    }

    /// A record by its id of 15 or 18.
    pub(super) fn get(&self, object: &str, id: &str) -> Option<(&str, &Record)> {
        let table = self.tables.get(object)?;
        let (known, record) = match id.len() {
            18 => table.get_key_value(id)?,
            15 => table.range(id.to_owned()..).next().filter(|(known, _)| known.starts_with(id))?,
            _ => return None,
        };
        Some((known.as_str(), record))
    }

    pub(super) fn get_mut(&mut self, object: &str, id: &str) -> Option<&mut Record> {
        let id = self.get(object, id)?.0.to_owned();
        self.tables.get_mut(object)?.get_mut(&id)
    }

    pub(super) fn remove(&mut self, object: &str, id: &str) -> Option<Record> {
        let id = self.get(object, id)?.0.to_owned();
        self.tables.get_mut(object)?.remove(&id)
    }

    /// A user by id or user name.
    pub(super) fn user(&self, key: &str) -> Option<(&str, &Record)> {
        self.get("User", key).or_else(|| self.all("User").find(|(_, user)| text(user, "Username").eq_ignore_ascii_case(key)))
    }

    /// A record by id or one of its names.
    pub(super) fn named(&self, object: &str, key: &str) -> Option<(&str, &Record)> {
        let names = ["Name", "Label", "MasterLabel", "DeveloperName"];
        self.get(object, key).or_else(|| self.all(object).find(|(_, record)| names.iter().any(|name| text(record, name) == key)))
    }

    /// The login settings of a user.
    pub(super) fn login_of(&self, user: &str) -> Option<(&str, &Record)> {
        self.all("UserLogin").find(|(_, login)| text(login, "UserId") == user)
    }

    /// The licence that a profile takes.
    pub(super) fn license_of(&self, profile: &str) -> String {
        self.get("Profile", profile).map(|(_, profile)| text(profile, "UserLicenseId").to_owned()).unwrap_or_default()
    }

    pub(super) fn seats_taken(&self, license: &str) -> usize {
        let users = self.all("User").filter(|(_, user)| user.get("IsActive") == Some(&Value::Bool(true)));
        users.filter(|(_, user)| self.license_of(text(user, "ProfileId")) == license).count()
            + self.all("PermissionSetLicenseAssign").filter(|(_, assigned)| text(assigned, "PermissionSetLicenseId") == license).count()
    }

    /// A record as it is shown: with what is computed.
    pub(super) fn shown(&self, object: &str, record: &Record, now: Timestamp) -> Record {
        let mut shown = record.clone();
        match object {
            "UserLicense" | "PermissionSetLicense" => drop(shown.insert("UsedLicenses".to_owned(), self.seats_taken(text(record, "Id")).into())),
            "PermissionSetAssignment" => {
                let expires = record.get("ExpirationDate").and_then(Value::as_str).and_then(time);
                shown.insert("IsActive".to_owned(), expires.is_none_or(|at| now < at).into());
                shown.insert("ExpirationDate".to_owned(), expires.map_or(Value::Null, |at| written(at).into()));
            }
            _ => {}
        }
        shown
    }
}

pub(super) fn text<'r>(record: &'r Record, field: &str) -> &'r str {
    record.get(field).and_then(Value::as_str).unwrap_or("")
}

/// A point in time as Salesforce reads it: an offset with or without a colon.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    text.strip_suffix("+0000").map_or_else(|| text.to_owned(), |utc| format!("{utc}Z")).parse().ok()
}

/// A point in time as Salesforce writes it.
pub(super) fn written(at: Timestamp) -> String {
    let text = at.to_string();
    let text = text.trim_end_matches('Z');
    if text.contains('.') { format!("{text}+0000") } else { format!("{text}.000+0000") }
}

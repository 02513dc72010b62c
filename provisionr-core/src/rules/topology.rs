//! How each system's accounts come about.

use std::collections::{BTreeMap, BTreeSet};

use provisionr_sdk::{IdentityKey, Subject, SystemName};
use serde::Serialize;
use serde_json::Value;

/// How accounts of a system come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccountOrigin {
    /// We make them.
    Create,
    /// Somebody else makes them; they must be there already.
    Existing,
    /// The system makes them when the person first logs in.
    FirstLogin,
    /// Another system makes them here (SCIM, a directory sync); they appear some time after that system's account.
    Federated,
}

impl AccountOrigin {
    pub(crate) const ALL: [(&'static str, Self); 4] =
        [("create", Self::Create), ("existing", Self::Existing), ("first_login", Self::FirstLogin), ("federated", Self::Federated)];

    /// The word in rules files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Existing => "existing",
            Self::FirstLogin => "first_login",
            Self::Federated => "federated",
        }
    }
}

/// How the accounts of all systems come about, as far as the rules say it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Topology {
    /// By system. A system that is not here is left to what its adapter declares.
    pub systems: BTreeMap<SystemName, SystemTopology>,
}

impl Topology {
    /// What the rules say about a system.
    pub fn system(&self, name: &SystemName) -> Option<&SystemTopology> {
        self.systems.get(name)
    }
}

/// How the accounts of one system come about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SystemTopology {
    /// Who makes them; none leaves it to what the adapter can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts: Option<AccountOrigin>,
    /// An account here waits for the accounts of these systems.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub after: BTreeSet<SystemName>,
    /// What accounts are looked for by: key of the account and attribute of the subject, best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyMapping>,
    /// What is written into the profile: attribute of the account, and of the subject.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub profile: BTreeMap<String, String>,
}

/// One key accounts are looked for by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyMapping {
    /// The key of the account: `login`, `email`, `external_id`.
    pub key: String,
    /// The attribute of the subject its value comes from.
    pub attribute: String,
}

impl SystemTopology {
    /// The keys for one subject, best first; attributes that are missing, empty or not a single value are left out.
    pub fn identity_keys(&self, subject: &Subject) -> Vec<IdentityKey> {
        self.keys
            .iter()
            .filter_map(|mapping| {
                let value = match single(subject, &mapping.attribute)? {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => return None,
                };
                (!value.trim().is_empty()).then(|| IdentityKey::new(mapping.key.clone(), value))
            })
            .collect()
    }

    /// The profile for one subject; attributes that are missing are left out.
    pub fn profile_of(&self, subject: &Subject) -> BTreeMap<String, Value> {
        self.profile.iter().filter_map(|(account, attribute)| Some((account.clone(), single(subject, attribute)?.clone()))).collect()
    }
}

fn single<'s>(subject: &'s Subject, name: &str) -> Option<&'s Value> {
    let mut found = Vec::new();
    super::trigger::attribute(subject, name, &mut |value| found.push(value));
    match found.as_slice() {
        [value] => Some(*value),
        _ => None,
    }
}

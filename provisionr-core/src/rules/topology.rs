//! How each system's accounts come about, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use provisionr_sdk::{Account, AccountAccess, IdentityKey, Subject, SystemName};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::lifecycle::{Cannot, LeaverRules, OnLeave, maybe_in_words};
use super::login::LoginTemplate;

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
    /// We invite the person; the account is theirs once they accept.
    Invite,
}

impl AccountOrigin {
    pub(crate) const ALL: [(&'static str, Self); 5] =
        [("create", Self::Create), ("existing", Self::Existing), ("first_login", Self::FirstLogin), ("federated", Self::Federated), ("invite", Self::Invite)];

    /// The word in rules files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Existing => "existing",
            Self::FirstLogin => "first_login",
            Self::Federated => "federated",
            Self::Invite => "invite",
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
    /// What makes another system make accounts here; only where they are federated, and not always said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub federation: Option<Federation>,
    /// An account here waits for the accounts of these systems: those named, the one that makes accounts here, and those
    /// keys come from.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub after: BTreeSet<SystemName>,
    /// What new accounts may be called, best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logins: Vec<LoginTemplate>,
    /// How the person gets into a new account; none leaves it to the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<AccountAccess>,
    /// What accounts are looked for by, best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyMapping>,
    /// What is written into the profile, by attribute of the account.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub profile: BTreeMap<String, ProfileMapping>,
    /// What happens to the account of a person on leave.
    #[serde(skip_serializing_if = "OnLeave::is_default")]
    pub on_leave: OnLeave,
    /// What happens to the account of a person who leaves.
    #[serde(skip_serializing_if = "LeaverRules::is_default")]
    pub leaver: LeaverRules,
    /// How long a person keeps what the rules no longer give; none leaves it to [`LifecycleRules::grace`](super::LifecycleRules::grace).
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "maybe_in_words")]
    pub grace: Option<Duration>,
    /// What becomes of a change that no API of the system can make.
    #[serde(skip_serializing_if = "Cannot::is_default")]
    pub cannot: Cannot,
}

/// What makes another system make accounts here: something that is granted there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Federation {
    /// The system that makes the accounts.
    pub by: SystemName,
    /// What is done there: the name of a kind of entitlement.
    pub action: String,
    /// Target, role and parameters, as in a provision of a policy.
    pub fields: BTreeMap<String, Value>,
}

/// One key accounts are looked for by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyMapping {
    /// The key of the account: `login`, `email`, `external_id`.
    pub key: String,
    /// Where its value comes from.
    pub source: KeySource,
}

/// Where the value of a key comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeySource {
    /// From this attribute of the subject.
    Subject(String),
    /// From the person's account in another system.
    Account {
        /// The other system.
        system: SystemName,
        /// What of the account.
        field: AccountField,
    },
}

/// What of an account the value of a key comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AccountField {
    /// The vendor's id.
    Id,
    /// What the person logs in with.
    Login,
    /// The e-mail address.
    Email,
    /// An attribute of the profile.
    Profile(String),
}

impl AccountField {
    /// Its value, if the account shows one that is not empty.
    pub fn value(&self, account: &Account) -> Option<String> {
        match self {
            Self::Id => filled(account.id.as_str().to_owned()),
            Self::Login => filled(account.login.clone()?),
            Self::Email => filled(account.email.clone()?),
            Self::Profile(name) => text(account.profile.get(name)?),
        }
    }
}

impl fmt::Display for AccountField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id => f.write_str("id"),
            Self::Login => f.write_str("login"),
            Self::Email => f.write_str("email"),
            Self::Profile(name) => write!(f, "profile.{name}"),
        }
    }
}

impl Serialize for AccountField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AccountField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match (text.as_str(), text.strip_prefix("profile.")) {
            ("id", _) => Self::Id,
            ("login", _) => Self::Login,
            ("email", _) => Self::Email,
            (_, Some(name)) => Self::Profile(name.to_owned()),
            _ => return Err(D::Error::custom(format!("`{text}` is nothing of an account"))),
        })
    }
}

/// Where one attribute of a profile comes from, and how long it is ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProfileMapping {
    /// The attribute of the subject; none leaves it to what the adapter declares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When it is written.
    #[serde(skip_serializing_if = "Ownership::is_default")]
    pub own: Ownership,
}

/// When an attribute of a profile is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ownership {
    /// When the account is made; after that it belongs to others.
    Create,
    /// When the account is made, and whenever it differs from the subject.
    #[default]
    Always,
    /// Never, not even when the account is made, and not even where the adapter would fill it.
    Never,
}

impl Ownership {
    pub(crate) const ALL: [(&'static str, Self); 3] = [("create", Self::Create), ("always", Self::Always), ("never", Self::Never)];

    /// The word in rules files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Always => "always",
            Self::Never => "never",
        }
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl SystemTopology {
    /// What a new account of a subject may be called, best first, each once; templates of which an attribute is missing
    /// are left out.
    pub fn candidates(&self, subject: &Subject) -> Vec<String> {
        let mut candidates = Vec::new();
        for login in self.logins.iter().flat_map(|template| template.candidates(subject)) {
            if !candidates.contains(&login) {
                candidates.push(login);
            }
        }
        candidates
    }

    /// The keys for one subject, best first; `accounts` tells the person's account in another system, where it is known.
    ///
    /// Values that are missing, empty or not a single value are left out, and so is what comes from an account that is
    /// not known: see [`open_keys`](Self::open_keys).
    pub fn identity_keys(&self, subject: &Subject, accounts: &dyn Fn(&SystemName) -> Option<Account>) -> Vec<IdentityKey> {
        self.keys
            .iter()
            .filter_map(|mapping| {
                let value = match &mapping.source {
                    KeySource::Subject(attribute) => text(single(subject, attribute)?)?,
                    KeySource::Account { system, field } => field.value(&accounts(system)?)?,
                };
                Some(IdentityKey::new(mapping.key.clone(), value))
            })
            .collect()
    }

    /// The keys whose value comes from another system's account that is not known, or does not show the value, yet.
    pub fn open_keys(&self, accounts: &dyn Fn(&SystemName) -> Option<Account>) -> Vec<&KeyMapping> {
        let open = |mapping: &&KeyMapping| match &mapping.source {
            KeySource::Subject(_) => false,
            KeySource::Account { system, field } => accounts(system).and_then(|account| field.value(&account)).is_none(),
        };
        self.keys.iter().filter(open).collect()
    }

    /// What the rules write into the profile of a new account of one subject; attributes that are missing are left out.
    ///
    /// What an adapter fills by itself is not here; ask [`ownership`](Self::ownership) whether it may.
    pub fn profile_of(&self, subject: &Subject) -> BTreeMap<String, Value> {
        let written = self.profile.iter().filter(|(_, mapping)| mapping.own != Ownership::Never);
        written.filter_map(|(account, mapping)| Some((account.clone(), single(subject, mapping.from.as_deref()?)?.clone()))).collect()
    }

    /// When an attribute of the account is written: always, unless the rules say something else.
    pub fn ownership(&self, attribute: &str) -> Ownership {
        self.profile.get(attribute).map(|mapping| mapping.own).unwrap_or_default()
    }
}

/// The value of an attribute that has exactly one.
pub(crate) fn single<'s>(subject: &'s Subject, name: &str) -> Option<&'s Value> {
    let mut found = Vec::new();
    super::trigger::attribute(subject, name, &mut |value| found.push(value));
    match found.as_slice() {
        [value] => Some(*value),
        _ => None,
    }
}

/// A text or a number as a text that is not empty.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => filled(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn filled(text: String) -> Option<String> {
    (!text.trim().is_empty()).then_some(text)
}

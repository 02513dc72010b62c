//! The subject's user object in one system, and how it is found.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{AdapterError, Result};
use crate::id::AccountId;

/// What an account can do at the moment. The descriptor says which of them a system knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccountState {
    /// Made, and not usable yet.
    Staged,
    /// Asked to come; the person has not accepted.
    Invited,
    /// Can log in.
    Active,
    /// Cannot log in, everything else stays (Salesforce's freeze).
    Frozen,
    /// Cannot log in; access is kept for a return.
    Suspended,
    /// Switched off; the system may have dropped access and freed the seat.
    Deactivated,
    /// Gone.
    Deleted,
}

impl fmt::Display for AccountState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Staged => "staged",
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Frozen => "frozen",
            Self::Suspended => "suspended",
            Self::Deactivated => "deactivated",
            Self::Deleted => "deleted",
        })
    }
}

/// Who or what uses an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccountKind {
    /// A person of the company.
    Human,
    /// A program, with credentials of its own.
    Service,
    /// A vendor's bot user.
    Bot,
    /// A person with restricted access.
    Guest,
    /// A person of another company.
    External,
    /// The vendor does not say.
    #[default]
    Unknown,
}

/// Who else decides about an account, target or grant: `SCIM`, `group rule engineering`, `Active Directory`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(String);

impl Owner {
    /// Names the owner in words a person understands.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A subject's user object in one system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The vendor's immutable id.
    pub id: AccountId,
    /// What the person logs in with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// The e-mail address, where the vendor shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What it can do now.
    pub state: AccountState,
    /// The state the vendor is moving it to, while a transition is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settling: Option<AccountState>,
    /// States the vendor does not move it to from where it is now, although the descriptor's table has the transition:
    /// vendors know more states than there are words for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub barred: Vec<AccountState>,
    /// Who uses it.
    #[serde(default)]
    pub kind: AccountKind,
    /// Set when another party owns the account's attributes or life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<Owner>,
    /// The profile attributes of the descriptor that the vendor showed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub profile: BTreeMap<String, Value>,
}

impl Account {
    /// An account of which only id and state are known.
    pub fn new(id: impl Into<AccountId>, state: AccountState) -> Self {
        Self {
            id: id.into(),
            login: None,
            email: None,
            state,
            settling: None,
            barred: Vec::new(),
            kind: AccountKind::Unknown,
            managed_by: None,
            profile: BTreeMap::new(),
        }
    }

    /// Sets the login.
    #[must_use]
    pub fn with_login(mut self, login: impl Into<String>) -> Self {
        self.login = Some(login.into());
        self
    }

    /// Sets the e-mail address.
    #[must_use]
    pub fn with_email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// Sets one profile attribute.
    #[must_use]
    pub fn with(mut self, attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        self.profile.insert(attribute.into(), value.into());
        self
    }

    /// The vendor does not move it to this state from where it is now.
    #[must_use]
    pub fn barred_from(mut self, state: AccountState) -> Self {
        self.barred.push(state);
        self
    }

    /// Sets who uses it.
    #[must_use]
    pub fn with_kind(mut self, kind: AccountKind) -> Self {
        self.kind = kind;
        self
    }
}

/// One value an account may be found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IdentityKey {
    /// Which key: one of the descriptor's, such as `login`, `email`, `external_id`.
    pub name: String,
    /// The value to look for.
    pub value: String,
}

impl IdentityKey {
    /// A key by name and value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// Which account is meant.
///
/// A known id comes first: links are remembered, so that a changed e-mail address does not lose a leaver.
/// Keys are tried in their order and may come from another system's account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountQuery {
    /// The remembered account, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<AccountId>,
    /// What else it may be found by, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<IdentityKey>,
}

impl AccountQuery {
    /// The account of this id.
    pub fn known(id: impl Into<AccountId>) -> Self {
        Self { known: Some(id.into()), keys: Vec::new() }
    }

    /// The account with this value under this key.
    pub fn by(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { known: None, keys: vec![IdentityKey::new(name, value)] }
    }

    /// Adds a further key, tried after those before it.
    #[must_use]
    pub fn or(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.keys.push(IdentityKey::new(name, value));
        self
    }

    /// The value under a key.
    pub fn key(&self, name: &str) -> Option<&str> {
        self.keys.iter().find(|key| key.name == name).map(|key| key.value.as_str())
    }
}

/// What a search for an account found. Deactivated and invited accounts count as found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Found {
    /// This one.
    One(Account),
    /// There is none; the search could have seen it.
    None,
    /// More than one answers to the query.
    Several(Vec<Account>),
    /// The search cannot see everything, so that nothing follows from its silence; why.
    CannotTell(String),
}

impl Found {
    /// What a search found that sees every account: one, none or several.
    pub fn among(accounts: impl IntoIterator<Item = Account>) -> Self {
        let mut accounts = accounts.into_iter();
        match (accounts.next(), accounts.next()) {
            (None, _) => Self::None,
            (Some(only), None) => Self::One(only),
            (Some(one), Some(other)) => Self::Several([one, other].into_iter().chain(accounts).collect()),
        }
    }

    /// The account that is there, before one is made: making another one is right only after `None`.
    ///
    /// # Errors
    /// `Ambiguous` when there are several; `NotReady` when the search cannot tell.
    pub fn at_most_one(self) -> Result<Option<Account>> {
        match self {
            Self::One(account) => Ok(Some(account)),
            Self::None => Ok(None),
            Self::Several(accounts) => Err(AdapterError::ambiguous(format!("{} accounts answer to the query", accounts.len()))),
            Self::CannotTell(why) => Err(AdapterError::not_ready(format!("whether there is an account cannot be told: {why}"))),
        }
    }

    /// The one account, if it is one.
    pub fn one(self) -> Option<Account> {
        match self {
            Self::One(account) => Some(account),
            _ => None,
        }
    }
}

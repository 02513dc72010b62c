//! What an account can hold, and what it does hold.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::account::Owner;
use crate::error::AdapterError;
use crate::id::{AccountId, KindName, RoleName, TargetId, TargetName};

/// What access is to: a group, a channel, a permission set on an account. Known by name in policies, by id after resolving.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The vendor's immutable id.
    pub id: TargetId,
    /// What people call it.
    pub name: TargetName,
    /// Set when another party decides who is in it (a directory import, an identity provider): no grant can be made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
}

impl Target {
    /// A target nobody else owns.
    pub fn new(id: impl Into<TargetId>, name: impl Into<TargetName>) -> Self {
        Self { id: id.into(), name: name.into(), owner: None }
    }

    /// Sets who else decides about it.
    #[must_use]
    pub fn owned_by(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }
}

/// One thing an account can hold: a kind, a target by its id, a role, parameters.
///
/// An adapter reads it as the serde type of its kind:
///
/// ```
/// # use provisionr_sdk::Entitlement;
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct OpenDoor { target: String, role: String }
///
/// let wanted = Entitlement::from_typed("open_door", &OpenDoor { target: "d-7".into(), role: "visitor".into() })?;
/// assert_eq!(wanted.target, "d-7");
/// assert_eq!(wanted.to::<OpenDoor>()?.role, "visitor");
/// # Ok::<_, provisionr_sdk::AdapterError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entitlement {
    /// Its kind.
    pub kind: KindName,
    /// What it is to.
    pub target: TargetId,
    /// As what, where the kind has roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// The kind's other parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Value>,
}

impl Entitlement {
    /// An entitlement without role and parameters.
    pub fn new(kind: impl Into<KindName>, target: impl Into<TargetId>) -> Self {
        Self { kind: kind.into(), target: target.into(), role: None, params: BTreeMap::new() }
    }

    /// Sets the role.
    #[must_use]
    pub fn with_role(mut self, role: impl Into<RoleName>) -> Self {
        self.role = Some(role.into());
        self
    }

    /// Sets one parameter.
    #[must_use]
    pub fn with_param(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.params.insert(name.into(), value.into());
        self
    }

    /// From the serde type of a kind: a struct with `target`, if the kind has roles `role`, and its parameters.
    ///
    /// # Errors
    /// `Protocol` when the value is not such a struct.
    pub fn from_typed<T: Serialize>(kind: impl Into<KindName>, value: &T) -> Result<Self, AdapterError> {
        let kind = kind.into();
        let wrong = |why: &str| AdapterError::protocol(format!("the type of kind `{kind}` {why}"));
        let Ok(Value::Object(mut fields)) = serde_json::to_value(value) else {
            return Err(wrong("is not a struct"));
        };
        let Some(Value::String(target)) = fields.remove("target") else {
            return Err(wrong("has no text field `target`"));
        };
        let role = match fields.remove("role") {
            None | Some(Value::Null) => None,
            Some(Value::String(role)) => Some(role.into()),
            Some(_) => return Err(wrong("has a field `role` that is not a text")),
        };
        let params = fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
        Ok(Self { kind, target: target.into(), role, params })
    }

    /// As the serde type of its kind.
    ///
    /// # Errors
    /// `InvalidRequest` when the fields do not fit the type.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, AdapterError> {
        typed(self.target.as_str(), self.role.as_ref(), &self.params)
            .map_err(|error| AdapterError::invalid_request(format!("`{}` does not fit its type: {error}", self.kind)))
    }
}

/// The fields of a policy line or entitlement as one serde type.
pub(crate) fn typed<T: DeserializeOwned>(target: &str, role: Option<&RoleName>, params: &BTreeMap<String, Value>) -> serde_json::Result<T> {
    let mut fields: Map<String, Value> = params.clone().into_iter().collect();
    fields.insert("target".to_owned(), target.into());
    if let Some(role) = role {
        fields.insert("role".to_owned(), role.as_str().into());
    }
    T::deserialize(Value::Object(fields))
}

impl fmt::Display for Entitlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.target)?;
        if let Some(role) = &self.role {
            write!(f, " as {role}")?;
        }
        for (name, value) in &self.params {
            match value {
                Value::String(text) => write!(f, " {name}={text}")?,
                other => write!(f, " {name}={other}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Entitlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entitlement({self})")
    }
}

/// Where a grant comes from. It says who can take it away.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// Given on the target itself.
    Direct,
    /// Comes from this other target: a parent group, a nested group.
    Inherited(TargetId),
    /// Made by a rule of the vendor, named here; revoking it works against the rule.
    Rule(Owner),
    /// Another system owns it: change it there.
    Owned(Owner),
}

/// How far a grant has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GrantState {
    /// In force.
    Held,
    /// Offered; the person has not accepted.
    Invited,
    /// Asked for; somebody on the vendor's side has to agree.
    NeedsApproval,
    /// The vendor is working on it.
    InProgress,
}

/// An entitlement held by an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who holds it.
    pub account: AccountId,
    /// What is held. A term such as `until` is one of its parameters.
    pub entitlement: Entitlement,
    /// Where it comes from.
    pub source: Source,
    /// How far it has come.
    pub state: GrantState,
}

impl Grant {
    /// A grant made on the target itself and in force.
    pub fn direct(account: impl Into<AccountId>, entitlement: Entitlement) -> Self {
        Self { account: account.into(), entitlement, source: Source::Direct, state: GrantState::Held }
    }

    /// A grant made on the target itself and in force, from the serde type of its kind.
    ///
    /// # Errors
    /// Those of [`Entitlement::from_typed`].
    pub fn typed<T: Serialize>(account: impl Into<AccountId>, kind: impl Into<KindName>, value: &T) -> Result<Self, AdapterError> {
        Ok(Self::direct(account, Entitlement::from_typed(kind, value)?))
    }

    /// Sets where it comes from.
    #[must_use]
    pub fn from_source(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// Sets how far it has come.
    #[must_use]
    pub fn in_state(mut self, state: GrantState) -> Self {
        self.state = state;
        self
    }
}

/// What part of a grant a change may alter, and what makes it another grant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GrantKey(String);

impl GrantKey {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The key as one text: kind, target and whatever else identifies the grant, separated by `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GrantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

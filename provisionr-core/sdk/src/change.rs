//! What is wanted of a system, and the form in which an adapter is asked for it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::account::{Account, AccountQuery, AccountState};
use crate::descriptor::Descriptor;
use crate::entitlement::{Entitlement, Grant};
use crate::error::{AdapterError, Result, RetryHint};
use crate::facts::ChangeFacts;
use crate::id::{IdempotencyKey, SubjectId, Ticket};

/// How the person gets into a new account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccountAccess {
    /// Through the company's single sign-on: no credential is made, no mail is sent.
    #[default]
    Sso,
    /// The vendor writes to them.
    VendorMail,
    /// A first password is handed to the host, who passes it on.
    HandOver,
}

/// The account that should be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSpec {
    /// Logins that would do, best first; the next is tried only when another person has the one before.
    pub logins: Vec<String>,
    /// Profile attributes by the descriptor's names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub profile: BTreeMap<String, Value>,
    /// Entitlements the call that makes the account brings along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entitlements: Vec<Entitlement>,
    /// How the person gets in.
    #[serde(default)]
    pub access: AccountAccess,
    /// The state it begins in.
    pub state: AccountState,
}

impl AccountSpec {
    /// An active account with this login.
    pub fn new(login: impl Into<String>) -> Self {
        Self { logins: vec![login.into()], profile: BTreeMap::new(), entitlements: Vec::new(), access: AccountAccess::Sso, state: AccountState::Active }
    }

    /// Sets one profile attribute.
    #[must_use]
    pub fn with(mut self, attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        self.profile.insert(attribute.into(), value.into());
        self
    }
}

/// Profile attributes that should have other values; none clears one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProfileDelta(pub BTreeMap<String, Option<Value>>);

/// One wanted difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// There is an account like this. One that is there already is taken, never made twice.
    EnsureAccount(AccountSpec),
    /// These attributes have these values; all others stay.
    UpdateAccount(ProfileDelta),
    /// The account is in this state.
    SetState(AccountState),
    /// Nobody is logged in with it.
    EndSessions,
    /// It holds this, with this role and these values.
    Grant(Entitlement),
    /// It does not hold this.
    Revoke(Entitlement),
    /// An invitation to this is not open.
    Withdraw(Entitlement),
}

impl Change {
    /// What a descriptor says of it; the careful facts of the default where it says nothing.
    pub fn facts(&self, descriptor: &Descriptor) -> ChangeFacts {
        let accounts = &descriptor.accounts;
        let kind = |entitlement: &Entitlement| descriptor.kinds.get(&entitlement.kind);
        let facts = match self {
            Self::EnsureAccount(_) => accounts.create.as_ref(),
            Self::UpdateAccount(_) => Some(&accounts.update),
            Self::SetState(_) => Some(&accounts.set_state),
            Self::EndSessions => Some(&accounts.end_sessions),
            Self::Grant(entitlement) => kind(entitlement).map(|kind| &kind.grant),
            Self::Revoke(entitlement) | Self::Withdraw(entitlement) => kind(entitlement).map(|kind| &kind.revoke),
        };
        facts.cloned().unwrap_or_default()
    }

    /// The entitlement it is about, if it is about one.
    pub fn entitlement(&self) -> Option<&Entitlement> {
        match self {
            Self::Grant(entitlement) | Self::Revoke(entitlement) | Self::Withdraw(entitlement) => Some(entitlement),
            _ => None,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnsureAccount(spec) => write!(f, "account {}", spec.logins.first().map_or("", String::as_str)),
            Self::UpdateAccount(delta) => {
                f.write_str("update account")?;
                for name in delta.0.keys() {
                    write!(f, " {name}")?;
                }
                Ok(())
            }
            Self::SetState(state) => write!(f, "account {state}"),
            Self::EndSessions => f.write_str("end sessions"),
            Self::Grant(entitlement) => write!(f, "{entitlement}"),
            Self::Revoke(entitlement) => write!(f, "revoke {entitlement}"),
            Self::Withdraw(entitlement) => write!(f, "withdraw {entitlement}"),
        }
    }
}

/// What the plan expects to find before the change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Expect {
    /// Anything.
    #[default]
    Anything,
    /// Nothing of the kind.
    Absent,
    /// This grant.
    Grant(Grant),
    /// An account in this state.
    State(AccountState),
}

/// A change, bound at the moment of the attempt.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Request {
    /// Whom it is for.
    pub subject: SubjectId,
    /// How their account is found.
    pub who: AccountQuery,
    /// Their account as last seen; always there except for `EnsureAccount`.
    pub account: Option<Account>,
    /// What is wanted.
    pub change: Change,
    /// What should be found before it.
    pub expect: Expect,
    /// Stable for this difference, over runs and attempts.
    pub key: IdempotencyKey,
    /// Whether an earlier attempt may have taken effect.
    pub unsettled: bool,
    /// The vendor's handle of an earlier attempt, when it is probed.
    pub ticket: Option<Ticket>,
}

impl Request {
    /// A first attempt that expects anything.
    pub fn new(subject: impl Into<SubjectId>, who: AccountQuery, change: Change, key: impl Into<IdempotencyKey>) -> Self {
        Self { subject: subject.into(), who, account: None, change, expect: Expect::Anything, key: key.into(), unsettled: false, ticket: None }
    }

    /// Sets the account.
    #[must_use]
    pub fn with_account(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }

    /// Sets what should be found.
    #[must_use]
    pub fn expecting(mut self, expect: Expect) -> Self {
        self.expect = expect;
        self
    }

    /// An earlier attempt may have taken effect.
    #[must_use]
    pub fn unsettled(mut self) -> Self {
        self.unsettled = true;
        self
    }

    /// Sets the vendor's handle of an earlier attempt.
    #[must_use]
    pub fn with_ticket(mut self, ticket: Ticket) -> Self {
        self.ticket = Some(ticket);
        self
    }

    /// Compares the grant that is there with the one the plan expects; accounts are not compared.
    ///
    /// # Errors
    /// `Conflict`, to be planned anew, when another one is there, or one where none should be.
    /// None being there is no error: a revoke has nothing left to do, a grant makes it.
    pub fn check_expected(&self, present: Option<&Grant>) -> Result<()> {
        let (wanted, present) = match (&self.expect, present) {
            (Expect::Absent, Some(present)) => ("nothing".to_owned(), present),
            (Expect::Grant(wanted), Some(present)) if wanted.entitlement != present.entitlement => (format!("`{}`", wanted.entitlement), present),
            _ => return Ok(()),
        };
        let message = format!("expected {wanted}, found `{}`", present.entitlement);
        Err(AdapterError::conflict(message).with_hint(RetryHint::Replan))
    }

    /// The account.
    ///
    /// # Errors
    /// `InvalidRequest` when there is none.
    pub fn account(&self) -> Result<&Account> {
        self.account.as_ref().ok_or_else(|| AdapterError::invalid_request(format!("`{}` needs an account", self.change)))
    }
}

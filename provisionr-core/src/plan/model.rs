//! A plan: the ordered operations that bring one subject's access to what the rules say.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::desired::Reason;
use crate::digest::Digest;
use crate::record::Rank;
use provisionr_sdk::{AccountQuery, Change, Expect, GrantKey, IdempotencyKey, SubjectId, SystemName, TargetName, WaitReason};

crate::record::texts! {
    /// The id of an operation within its plan: `{system}:{what}`, the same for the same wanted difference in every plan.
    OperationId;
}

/// What an operation does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Makes a change.
    Change(Change),
    /// Waits until another party has made the account.
    AwaitAccount(WaitReason),
}

/// A change inside a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// Where.
    pub system: SystemName,
    /// What.
    pub action: Action,
    /// What a target is called, for people; the change has its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetName>,
    /// What identifies the grant it gives or takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_key: Option<GrantKey>,
    /// What has to be done before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<OperationId>,
    /// Why; empty for what other operations need.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// What it expects to find.
    #[serde(default)]
    pub expect: Expect,
    /// Stable for this difference, over plans and runs.
    pub key: IdempotencyKey,
}

impl Operation {
    /// An operation without dependencies and reasons, which expects anything.
    pub fn new(subject: &SubjectId, system: impl Into<SystemName>, what: &str, action: Action) -> Self {
        let system = system.into();
        let id = OperationId::new(format!("{system}:{what}"));
        let key = Digest::of([subject.as_str().as_bytes(), id.as_str().as_bytes()]).to_string();
        Self { id, system, action, target: None, grant_key: None, after: Vec::new(), reasons: Vec::new(), expect: Expect::Anything, key: key.into() }
    }

    /// Sets what has to be done before it.
    #[must_use]
    pub fn after(mut self, operations: impl IntoIterator<Item = OperationId>) -> Self {
        self.after.extend(operations);
        self
    }

    /// Sets why.
    #[must_use]
    pub fn because(mut self, reasons: Vec<Reason>) -> Self {
        self.reasons = reasons;
        self
    }

    /// Sets what it expects to find.
    #[must_use]
    pub fn expecting(mut self, expect: Expect) -> Self {
        self.expect = expect;
        self
    }

    /// Sets what its target is called, and what identifies the grant.
    #[must_use]
    pub fn about(mut self, target: TargetName, grant: GrantKey) -> Self {
        self.target = Some(target);
        self.grant_key = Some(grant);
        self
    }

    /// What it does, in the words of policies: the target by its name.
    pub fn title(&self) -> String {
        match &self.action {
            Action::AwaitAccount(WaitReason::FirstLogin) => "account at first login".to_owned(),
            Action::AwaitAccount(_) => "account made elsewhere".to_owned(),
            Action::Change(change) => {
                let mut shown = change.clone();
                if let (Change::Grant(entitlement) | Change::Revoke(entitlement) | Change::Withdraw(entitlement), Some(name)) = (&mut shown, &self.target) {
                    entitlement.target = name.as_str().into();
                }
                shown.to_string()
            }
        }
    }
}

/// Something wanted that could not be planned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Blocked {
    /// Where.
    pub system: SystemName,
    /// What was wanted.
    pub what: String,
    /// Why it could not be planned.
    pub why: String,
}

impl Blocked {
    /// Something that could not be planned.
    pub fn new(system: SystemName, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { system, what: what.into(), why: why.into() }
    }
}

/// The ordered, content-addressed operations for one subject.
///
/// The same inputs give the same plan, byte for byte. It holds no time and no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// The version of this form.
    pub format: u16,
    /// Whom it is for.
    pub subject: SubjectId,
    /// The version of the subject it follows from.
    pub version: u64,
    /// How urgent it is.
    pub rank: Rank,
    /// The revision of the rules it follows from.
    pub rules: Digest,
    /// How the subject's account is found, by system.
    pub accounts: BTreeMap<SystemName, AccountQuery>,
    /// The operations; each stands after those it depends on.
    pub operations: Vec<Operation>,
    /// What was wanted and could not be planned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Blocked>,
}

impl Plan {
    /// The version of the stored form.
    pub const FORMAT: u16 = 1;

    /// Says how the subject's account in a system is found.
    #[must_use]
    pub fn with_account(mut self, system: SystemName, who: AccountQuery) -> Self {
        self.accounts.insert(system, who);
        self
    }

    /// Its stored form.
    ///
    /// # Errors
    /// When a value cannot be written as JSON, which no value of a plan does.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// The hash of its stored form.
    ///
    /// # Errors
    /// Those of [`Plan::to_bytes`].
    pub fn digest(&self) -> Result<Digest, serde_json::Error> {
        Ok(Digest::of([self.to_bytes()?.as_slice()]))
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// An operation by its id.
    pub fn operation(&self, id: &OperationId) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.id == *id)
    }
}

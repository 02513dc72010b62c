//! A plan: the ordered operations that bring one subject's access to what the rules say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::desired::Reason;
use crate::digest::Digest;
use crate::record::{Rank, RunId};
use crate::rules::AccountField;
use provisionr_sdk::{
    AccountQuery, AccountState, Change, Entitlement, Expect, GrantKey, IdempotencyKey, RoleName, Subject, SubjectId, SystemName, TargetName, Timestamp,
    WaitReason, Wanted,
};

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
    /// Waits until a person has made a change that no API makes; seen by a look where there is one, or told.
    ByHand(Change),
    /// Looks, once everything else is over, that nothing has surfaced late.
    Verify(Verification),
}

impl Action {
    /// The change it makes, or a person makes for it.
    pub fn change(&self) -> Option<&Change> {
        match self {
            Self::Change(change) | Self::ByHand(change) => Some(change),
            _ => None,
        }
    }
}

/// What should be so at the end of a leaver's run. What provisionr gave and has not taken back is looked at as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Verification {
    /// How long after everything else is looked: effects of what was sent may come so late.
    pub after: Duration,
    /// The account is in this state, or further gone; `Deleted` says that there should be none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountState>,
    /// What the account should hold neither directly nor by an open invitation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<Entitlement>,
}

impl Verification {
    /// A look after so long, at nothing yet.
    pub fn new(after: Duration) -> Self {
        Self { after, account: None, gone: Vec::new() }
    }

    /// Sets the state of the account.
    #[must_use]
    pub fn account(mut self, state: AccountState) -> Self {
        self.account = Some(state);
        self
    }

    /// Adds what should be gone.
    #[must_use]
    pub fn gone(mut self, entitlements: impl IntoIterator<Item = Entitlement>) -> Self {
        self.gone.extend(entitlements);
        self
    }
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
    /// What policies write where the change has further ids, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,
    /// What has to be done before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<OperationId>,
    /// What has to be over before it, whatever becomes of that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_any: Vec<OperationId>,
    /// It is not begun before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Why; empty for what other operations need.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// What the entitlements are that an account is made with, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carries: Vec<Carried>,
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
        Self {
            id,
            system,
            action,
            target: None,
            grant_key: None,
            written: None,
            after: Vec::new(),
            after_any: Vec::new(),
            not_before: None,
            reasons: Vec::new(),
            carries: Vec::new(),
            expect: Expect::Anything,
            key: key.into(),
        }
    }

    /// Sets what has to be done before it.
    #[must_use]
    pub fn after(mut self, operations: impl IntoIterator<Item = OperationId>) -> Self {
        self.after.extend(operations);
        self
    }

    /// Sets what has to be over before it, whatever becomes of that.
    #[must_use]
    pub fn after_any(mut self, operations: impl IntoIterator<Item = OperationId>) -> Self {
        self.after_any.extend(operations);
        self
    }

    /// Sets the time before which it is not begun.
    #[must_use]
    pub fn not_before(mut self, at: Option<Timestamp>) -> Self {
        self.not_before = at;
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

    /// Sets what policies write where the change has further ids.
    #[must_use]
    pub fn written_as(mut self, written: Option<Written>) -> Self {
        self.written = written;
        self
    }

    /// What it does, in the words of policies: the target by its name.
    pub fn title(&self) -> String {
        match &self.action {
            Action::AwaitAccount(WaitReason::FirstLogin) => "account at first login".to_owned(),
            Action::AwaitAccount(WaitReason::ManualStep) => "account made by hand".to_owned(),
            Action::AwaitAccount(WaitReason::InvitationSent) => "invitation accepted".to_owned(),
            Action::AwaitAccount(_) => "account made elsewhere".to_owned(),
            Action::Change(change) => self.shown(change),
            Action::ByHand(change) => format!("by hand: {}", self.shown(change)),
            Action::Verify(_) => "verify that nothing is left".to_owned(),
        }
    }

    fn shown(&self, change: &Change) -> String {
        let mut shown = change.clone();
        if let Change::EnsureAccount(spec) = change {
            let mut title = shown.to_string();
            for (entitlement, carried) in spec.entitlements.iter().zip(&self.carries) {
                let mut entitlement = entitlement.clone();
                entitlement.target = carried.target.as_str().into();
                title.push_str(&format!(" with {entitlement}"));
            }
            return title;
        }
        if let (Change::Grant(entitlement) | Change::Revoke(entitlement) | Change::Withdraw(entitlement), Some(name)) = (&mut shown, &self.target) {
            entitlement.target = name.as_str().into();
            if let Some(written) = &self.written {
                entitlement.role.clone_from(&written.role);
                entitlement.params.clone_from(&written.params);
            }
        }
        shown.to_string()
    }

    /// Whether it only looks at what others have made, or left.
    pub fn is_look(&self) -> bool {
        matches!(self.action, Action::AwaitAccount(_) | Action::Verify(_))
    }

    /// Whether a person makes the change.
    pub(crate) fn is_by_hand(&self) -> bool {
        matches!(self.action, Action::ByHand(_))
    }

    /// Everything that comes before it.
    pub fn before(&self) -> impl Iterator<Item = &OperationId> {
        self.after.iter().chain(&self.after_any)
    }
}

/// The role and the parameters of an entitlement as policies write them, where the vendor's ids are others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Written {
    /// The role by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// All parameters, by what people call their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Value>,
}

impl Written {
    /// What a policy wrote, where that is not what it is bound to.
    pub(crate) fn of(wanted: &Wanted, bound: &Entitlement) -> Option<Self> {
        let same = wanted.role == bound.role && wanted.params == bound.params;
        (!same).then(|| Self { role: wanted.role.clone(), params: wanted.params.clone() })
    }
}

/// An entitlement that the call which makes an account brings along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Carried {
    /// What identifies the grant.
    pub key: GrantKey,
    /// What the target is called.
    pub target: TargetName,
}

impl Carried {
    /// An entitlement of this key, to a target of this name.
    pub fn new(key: GrantKey, target: TargetName) -> Self {
        Self { key, target }
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
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// The version of its form.
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
    /// Keys it is found by once an account in another system is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_keys: Vec<OpenKey>,
    /// The operations; each stands after those it depends on.
    pub operations: Vec<Operation>,
    /// What was wanted and could not be planned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Blocked>,
    /// What it was made from; known only to the process that made it.
    #[serde(skip)]
    pub(crate) basis: Option<Basis>,
}

/// What a plan was made from, beside the rules and what was observed.
#[derive(Clone, Debug)]
pub(crate) struct Basis {
    pub(crate) subject: Subject,
    /// Runs of the subject that were not over, and what they have under way.
    pub(crate) over: BTreeSet<RunId>,
    /// What those runs were through with.
    pub(crate) spent: BTreeSet<OperationId>,
    /// Since when they have waited for what this plan waits for too.
    pub(crate) adopts: BTreeMap<OperationId, Timestamp>,
}

/// A key whose value comes from an account that was not there when the plan was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OpenKey {
    /// Where the account is found by it.
    pub system: SystemName,
    /// The key.
    pub key: String,
    /// Where the other account is.
    pub from: SystemName,
    /// What of it is the value.
    pub field: AccountField,
}

impl OpenKey {
    /// In `system`, the account is found by `key` with the value of `field` of the account in `from`.
    pub fn new(system: SystemName, key: impl Into<String>, from: SystemName, field: AccountField) -> Self {
        Self { system, key: key.into(), from, field }
    }
}

/// By what is stored; not by what only the process knows that made it.
impl PartialEq for Plan {
    fn eq(&self, other: &Self) -> bool {
        let whose = |plan: &Self| (plan.format, plan.subject.clone(), plan.version);
        whose(self) == whose(other) && self.does_the_same(other) && self.blocked == other.blocked
    }
}

impl Eq for Plan {}

impl Plan {
    /// The newest stored form that this version knows. A plan has the oldest form that can say what it says.
    pub const FORMAT: u16 = 2;

    /// The oldest form that can say what these operations and keys say.
    pub(crate) fn format_of(operations: &[Operation], open_keys: &[OpenKey]) -> u16 {
        let newer = |operation: &Operation| {
            matches!(operation.action, Action::ByHand(_) | Action::Verify(_) | Action::AwaitAccount(WaitReason::InvitationSent))
                || !operation.after_any.is_empty()
                || !operation.carries.is_empty()
                || operation.not_before.is_some()
        };
        if !open_keys.is_empty() || operations.iter().any(newer) { 2 } else { 1 }
    }

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

    /// Whether another plan does just the same, under the same rules; of whatever version of the subject.
    pub(crate) fn does_the_same(&self, other: &Self) -> bool {
        let what = |plan: &Self| (plan.rules, plan.rank);
        what(self) == what(other) && self.operations == other.operations && self.accounts == other.accounts && self.open_keys == other.open_keys
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

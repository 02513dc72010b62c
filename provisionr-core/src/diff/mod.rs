//! The difference between what one subject should have in one system and what they have.

mod account;
mod grants;
mod leave;
mod revokes;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::desired::{Reason, SystemAccess, TOPOLOGY};
use crate::event::Occasion;
use crate::plan::{Action, Blocked, OpenKey, Operation, OperationId, Verification, Written};
use crate::record::{ACCOUNT_STATE, LedgerRow};
use crate::rules::{AccountOrigin, Cannot, LifecycleRules, OnLeave, SystemTopology};
use provisionr_sdk::{
    Ability, Account, AccountQuery, AccountState, Bound, Change, Descriptor, Entitlement, Grant, GrantKey, Kind, KindName, Lifecycle, Observation, Resolution,
    Subject, SystemName, TargetName, Timestamp,
};

/// What is known of a subject's account.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AccountView {
    /// This one.
    Known(Account),
    /// There is none.
    Absent,
    /// It cannot be told; why.
    Unclear(String),
}

/// What runs that are not over may still bring about in a system, whatever is seen of it now.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pending {
    /// These may come.
    pub(crate) grants: Vec<Entitlement>,
    /// These may go.
    pub(crate) revokes: Vec<GrantKey>,
    /// An account may appear.
    pub(crate) account: bool,
    /// The account may be switched on, or off.
    pub(crate) on: bool,
    pub(crate) off: bool,
    /// Until when operations were put off: a new plan puts them off no further.
    pub(crate) put_off: BTreeMap<OperationId, Timestamp>,
}

/// All that was read about one subject in one system, and what is wanted there.
#[derive(Clone, Debug)]
pub(crate) struct SystemView<'a> {
    pub(crate) descriptor: &'a Descriptor,
    pub(crate) topology: SystemTopology,
    pub(crate) lifecycle: LifecycleRules,
    pub(crate) occasion: Occasion,
    pub(crate) who: AccountQuery,
    /// Keys whose value comes from an account that is not there yet.
    pub(crate) open_keys: Vec<OpenKey>,
    /// What a new account is made with.
    pub(crate) profile: BTreeMap<String, Value>,
    pub(crate) account: AccountView,
    pub(crate) wanted: Option<&'a SystemAccess>,
    pub(crate) targets: BTreeMap<(KindName, TargetName), Resolution>,
    /// What is wanted in the vendor's ids, by the keys of what is wanted.
    pub(crate) bound: BTreeMap<GrantKey, Bound>,
    pub(crate) observation: Option<Observation>,
    pub(crate) ledger: Vec<LedgerRow>,
    /// What people call grants that nothing wants any more, by the keys of the grants.
    pub(crate) titles: BTreeMap<String, Title>,
    pub(crate) pending: Pending,
    pub(crate) lacking: BTreeMap<Ability, String>,
}

/// What people call a grant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Title {
    pub(crate) target: TargetName,
    pub(crate) written: Option<Written>,
}

/// A system that could not be read.
#[derive(Clone, Debug)]
pub(crate) struct Unread<'a> {
    pub(crate) descriptor: &'a Descriptor,
    pub(crate) who: AccountQuery,
    pub(crate) open_keys: Vec<OpenKey>,
    pub(crate) why: String,
}

impl Unread<'_> {
    /// What has to be looked at later in a leaver's stead: any account that is found then calls for another plan.
    pub(crate) fn verification(&self, subject: &Subject) -> Operation {
        let late = self.descriptor.timeout + self.descriptor.late_effect;
        let verification = Action::Verify(Verification::new(late).account(AccountState::Deleted));
        let system = self.descriptor.system.clone();
        let reason = Reason::new(TOPOLOGY, format!("leaver of {system}"));
        Operation::new(&subject.id, system, "verify", verification).because(vec![reason])
    }
}

impl SystemView<'_> {
    /// How accounts come about, by the rules or by what the adapter can do.
    pub(crate) fn origin(&self) -> AccountOrigin {
        let able = if self.descriptor.has(&Ability::CreateAccount) { AccountOrigin::Create } else { AccountOrigin::Existing };
        self.topology.accounts.unwrap_or(able)
    }
}

/// What has to happen in one system.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SystemDiff {
    pub(crate) operations: Vec<Operation>,
    pub(crate) blocked: Vec<Blocked>,
    /// The operation after which there is an account, if there is none yet.
    pub(crate) account: Option<OperationId>,
    /// The account is needed, and will not come about.
    pub(crate) stuck: bool,
}

impl SystemDiff {
    fn ids(&self) -> Vec<OperationId> {
        self.operations.iter().map(|operation| operation.id.clone()).collect()
    }

    /// What waits for no person: a leaver is not let in until somebody finds the time.
    fn quick(&self) -> Vec<OperationId> {
        self.operations.iter().filter(|operation| !operation.is_by_hand()).map(|operation| operation.id.clone()).collect()
    }
}

/// Compares.
pub(crate) fn diff(subject: &Subject, view: &SystemView<'_>) -> SystemDiff {
    let builder = Builder { subject, view, system: view.descriptor.system.clone() };
    match subject.lifecycle {
        Lifecycle::Terminated => builder.leave(),
        Lifecycle::OnLeave if view.topology.on_leave == OnLeave::Suspend => builder.pause(),
        _ => builder.stay(),
    }
}

struct Builder<'a> {
    subject: &'a Subject,
    view: &'a SystemView<'a>,
    system: SystemName,
}

impl Builder<'_> {
    /// A joiner, or somebody who stays: account, profile, what is missing, and what nothing wants any more.
    fn stay(&self) -> SystemDiff {
        let mut diff = SystemDiff::default();
        let mut grants = self.grants(&mut diff);
        let profile = self.profile_changes(&mut diff);
        if !grants.is_empty() || self.view.wanted.is_some_and(|wanted| !wanted.entitlements.is_empty()) {
            self.account(&mut grants, &mut diff);
        }
        if diff.stuck {
            // What cannot be given is no reason to leave what has to go.
            grants.clear();
        }
        let first: Vec<_> = diff.account.iter().cloned().collect();
        let attributes: Vec<_> = profile.iter().map(|operation| operation.id.clone()).collect();
        diff.operations.extend(profile.into_iter().map(|operation| operation.after(first.clone())));
        let added = self.ordered(grants, &first, &attributes);
        self.revokes(&added, &mut diff);
        diff.operations.extend(added);
        // A revocation that something would follow may not have been planned.
        let planned: BTreeSet<OperationId> = diff.ids().into_iter().collect();
        for operation in &mut diff.operations {
            operation.after_any.retain(|id| planned.contains(id));
        }
        diff
    }

    fn operation(&self, what: &str, change: Change) -> Operation {
        Operation::new(&self.subject.id, self.system.clone(), what, Action::Change(change))
    }

    fn block(&self, diff: &mut SystemDiff, what: impl Into<String>, why: impl Into<String>) {
        diff.blocked.push(Blocked::new(self.system.clone(), what, why));
    }

    fn lacks(&self, ability: &Ability) -> Option<String> {
        if !self.view.descriptor.has(ability) {
            return Some(format!("the adapter cannot {ability}"));
        }
        self.view.lacking.get(ability).map(|why| format!("the credential cannot {ability}: {why}"))
    }

    /// The operation where the ability is there; where it is not, somebody makes the change by hand, or it is refused.
    fn able(&self, ability: &Ability, operation: Operation) -> Result<Operation, String> {
        match (self.lacks(ability), &operation.action) {
            (Some(_), Action::Change(change)) if self.view.topology.cannot == Cannot::ByHand => {
                Ok(Operation { action: Action::ByHand(change.clone()), ..operation })
            }
            (Some(why), _) => Err(why),
            (None, _) => Ok(operation),
        }
    }

    /// Counted from the occasion: never further off than an earlier plan has put it.
    fn no_later(&self, operation: &Operation, until: Timestamp) -> Timestamp {
        self.view.pending.put_off.get(&operation.id).map_or(until, |earlier| until.min(*earlier))
    }

    /// Puts an operation off to a time that has not come on the occasion of the plan.
    fn put_off(&self, operation: Operation, until: Option<Timestamp>) -> Operation {
        let ahead = until.filter(|until| self.view.occasion.at.is_none_or(|at| at < *until));
        operation.not_before(ahead)
    }

    /// The account's own state and attributes follow from the topology, not from a policy.
    fn by_topology(&self, what: &str) -> Vec<Reason> {
        vec![Reason::new(TOPOLOGY, format!("{what} of {}", self.system))]
    }

    fn held<'s>(&'s self, kind: &'s Kind, entitlement: &Entitlement) -> impl Iterator<Item = &'s Grant> {
        let key = kind.key_of(entitlement);
        let grants = self.view.observation.as_ref().map(|seen| seen.grants.as_slice()).unwrap_or_default();
        grants.iter().filter(move |grant| kind.key_of(&grant.entitlement) == key)
    }

    /// Grants that provisionr gave this account.
    fn given(&self, account: &Account) -> impl Iterator<Item = &LedgerRow> {
        self.view.ledger.iter().filter(|row| row.account == account.id && row.key != ACCOUNT_STATE)
    }

    /// Whether it was provisionr that switched the account off.
    fn switched_off(&self, account: &Account) -> bool {
        self.view.ledger.iter().any(|row| row.account == account.id && row.key == ACCOUNT_STATE)
    }
}

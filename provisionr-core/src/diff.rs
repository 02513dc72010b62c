//! The difference between what one subject should have in one system and what they have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::desired::{DesiredEntitlement, Reason, SystemAccess};
use crate::plan::{Action, Blocked, Operation, OperationId};
use crate::record::LedgerRow;
use crate::rules::AccountOrigin;
use provisionr_sdk::{
    Ability, Account, AccountQuery, AccountSpec, AccountState, Change, Descriptor, Entitlement, Expect, Grant, GrantState, Kind, KindName, Lifecycle,
    Observation, Resolution, Source, Subject, Suspension, SystemName, TargetName, WaitReason,
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

/// All that was read about one subject in one system, and what is wanted there.
#[derive(Clone, Debug)]
pub(crate) struct SystemView<'a> {
    pub(crate) descriptor: &'a Descriptor,
    pub(crate) origin: AccountOrigin,
    pub(crate) after: BTreeSet<SystemName>,
    pub(crate) who: AccountQuery,
    pub(crate) profile: BTreeMap<String, Value>,
    pub(crate) account: AccountView,
    pub(crate) wanted: Option<&'a SystemAccess>,
    pub(crate) targets: BTreeMap<(KindName, TargetName), Resolution>,
    pub(crate) observation: Option<Observation>,
    pub(crate) ledger: Vec<LedgerRow>,
    pub(crate) lacking: BTreeMap<Ability, String>,
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

/// Compares.
pub(crate) fn diff(subject: &Subject, view: &SystemView<'_>) -> SystemDiff {
    let mut diff = SystemDiff::default();
    let builder = Builder { subject, view, system: view.descriptor.system.clone() };
    if subject.lifecycle == Lifecycle::Terminated {
        builder.leave(&mut diff);
        return diff;
    }
    let mut grants = builder.grants(&mut diff);
    if !grants.is_empty() {
        builder.account(&grants, &mut diff);
    }
    if diff.stuck {
        // What cannot be given is no reason to leave what has to go.
        grants.clear();
    }
    let first: Vec<_> = diff.account.iter().cloned().collect();
    let added = builder.ordered(grants, &first);
    builder.revokes(&added, &mut diff);
    diff.operations.extend(added);
    diff
}

struct Builder<'a> {
    subject: &'a Subject,
    view: &'a SystemView<'a>,
    system: SystemName,
}

impl Builder<'_> {
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

    /// The grants that are missing; what cannot be planned is blocked.
    fn grants(&self, diff: &mut SystemDiff) -> Vec<Operation> {
        let Some(wanted) = self.view.wanted else { return Vec::new() };
        for contradiction in &wanted.contradictions {
            self.block(diff, contradiction.kind.as_str(), format!("policies contradict each other: {contradiction}"));
        }
        let mut operations = Vec::new();
        for desired in &wanted.entitlements {
            let what = desired.wanted.to_string();
            match self.grant(desired) {
                Ok(Some(operation)) => operations.push(operation),
                Ok(None) => {}
                Err(why) => self.block(diff, what, why),
            }
        }
        operations
    }

    fn grant(&self, desired: &DesiredEntitlement) -> Result<Option<Operation>, String> {
        let wanted = &desired.wanted;
        let kind = self.view.descriptor.kinds.get(&wanted.kind).ok_or_else(|| format!("unknown kind `{}`", wanted.kind))?;
        if let Some(why) = self.lacks(&Ability::Manage(wanted.kind.clone())) {
            return Err(why);
        }
        let noun = kind.target_noun;
        let target = match self.view.targets.get(&(wanted.kind.clone(), wanted.target.clone())) {
            Some(Resolution::One(target)) => target,
            Some(Resolution::None(near)) if near.is_empty() => return Err(format!("there is no {noun} `{}`", wanted.target)),
            Some(Resolution::None(near)) => {
                let near: Vec<_> = near.iter().map(|name| format!("`{name}`")).collect();
                return Err(format!("there is no {noun} `{}`; near are {}", wanted.target, near.join(", ")));
            }
            Some(Resolution::Several(targets)) => return Err(format!("{} {noun}s are called `{}`", targets.len(), wanted.target)),
            Some(Resolution::Hidden(why)) => return Err(format!("whether there is a {noun} `{}` cannot be seen: {why}", wanted.target)),
            _ => return Err(format!("the {noun} `{}` could not be looked up", wanted.target)),
        };
        let entitlement = wanted.bind(target);
        let key = kind.key_of(&entitlement);
        let held: Vec<_> = self.held(kind, &entitlement).collect();
        let ours = self.view.ledger.iter().any(|row| row.key == key.as_str());
        let direct = held.iter().find(|grant| grant.source == Source::Direct);
        let enough = held.iter().any(|grant| grant.state == GrantState::Held && kind.satisfies(&grant.entitlement, &entitlement));
        // A higher role that provisionr gave itself is lowered with the rules; one that people gave is left to them.
        let lowered = ours && direct.is_some_and(|grant| grant.entitlement != entitlement);
        if enough && !lowered {
            return Ok(None);
        }
        if let Some(owner) = &target.owner {
            return Err(format!("who is in the {noun} `{}` is decided by {owner}", wanted.target));
        }
        let covered = self.view.observation.as_ref().map(|seen| seen.coverage.covers(&entitlement.kind, &entitlement.target));
        let expect = match (direct, covered, &self.view.account) {
            (Some(grant), ..) => Expect::Grant((*grant).clone()),
            (None, Some(true), _) | (None, None, AccountView::Absent) => Expect::Absent,
            _ => Expect::Anything,
        };
        let operation =
            self.operation(key.as_str(), Change::Grant(entitlement)).because(desired.reasons.clone()).expecting(expect).about(wanted.target.clone(), key);
        Ok(Some(operation))
    }

    fn held<'s>(&'s self, kind: &'s Kind, entitlement: &Entitlement) -> impl Iterator<Item = &'s Grant> {
        let key = kind.key_of(entitlement);
        let grants = self.view.observation.as_ref().map(|seen| seen.grants.as_slice()).unwrap_or_default();
        grants.iter().filter(move |grant| kind.key_of(&grant.entitlement) == key)
    }

    /// What has to happen so that there is an account that can hold the grants.
    fn account(&self, grants: &[Operation], diff: &mut SystemDiff) {
        let mut reasons: Vec<Reason> = grants.iter().flat_map(|operation| operation.reasons.iter().cloned()).collect();
        reasons.sort();
        reasons.dedup();
        let operation = match &self.view.account {
            AccountView::Unclear(why) => Err(format!("whether there is an account cannot be told: {why}")),
            AccountView::Known(account) => self.usable(account),
            AccountView::Absent => match self.view.origin {
                AccountOrigin::Create | AccountOrigin::Invite => self.create().map(Some),
                AccountOrigin::FirstLogin => Ok(Some(self.awaited(WaitReason::FirstLogin))),
                AccountOrigin::Federated => Ok(Some(self.awaited(WaitReason::AccountAppears))),
                AccountOrigin::Existing => Err("there is no account, and accounts here are made by somebody else".to_owned()),
            },
        };
        match operation {
            Ok(Some(operation)) => {
                let operation = operation.because(reasons);
                diff.account = Some(operation.id.clone());
                diff.operations.push(operation);
            }
            Ok(None) => {}
            Err(why) => {
                diff.stuck = true;
                for grant in grants {
                    self.block(diff, grant.title(), why.as_str());
                }
            }
        }
    }

    fn awaited(&self, reason: WaitReason) -> Operation {
        Operation::new(&self.subject.id, self.system.clone(), "account", Action::AwaitAccount(reason))
    }

    fn create(&self) -> Result<Operation, String> {
        if let Some(why) = self.lacks(&Ability::CreateAccount) {
            return Err(format!("there is no account, and {why}"));
        }
        let login = self.view.who.key("login").or_else(|| self.view.who.key("email")).ok_or("there is no account, and nothing to name a new one by")?;
        for attribute in self.view.descriptor.accounts.attributes.iter().filter(|attribute| attribute.required) {
            if !self.view.profile.contains_key(attribute.name) {
                let from = attribute.from.map(|from| format!(", which comes from `{from}`")).unwrap_or_default();
                return Err(format!("a new account needs `{}`{from}", attribute.name));
            }
        }
        let mut spec = AccountSpec::new(login);
        spec.profile = self.view.profile.clone();
        Ok(self.operation("account", Change::EnsureAccount(spec)).expecting(Expect::Absent))
    }

    /// An account that is there, brought back to life where it is not.
    fn usable(&self, account: &Account) -> Result<Option<Operation>, String> {
        if matches!(account.state, AccountState::Active | AccountState::Invited) || account.settling == Some(AccountState::Active) {
            return Ok(None);
        }
        if self.view.descriptor.accounts.transition_between(account.state, AccountState::Active).is_none() {
            return Err(format!("the account is {}, and the adapter cannot make it active", account.state));
        }
        if let Some(why) = self.lacks(&Ability::SetState) {
            return Err(format!("the account is {}, and {why}", account.state));
        }
        Ok(Some(self.operation("account", Change::SetState(AccountState::Active)).expecting(Expect::State(account.state))))
    }

    /// Puts grants after the account, and after the grants of kinds they need first.
    fn ordered(&self, grants: Vec<Operation>, account: &[OperationId]) -> Vec<Operation> {
        let mut by_kind: BTreeMap<KindName, Vec<OperationId>> = BTreeMap::new();
        for operation in &grants {
            if let Action::Change(Change::Grant(entitlement)) = &operation.action {
                by_kind.entry(entitlement.kind.clone()).or_default().push(operation.id.clone());
            }
        }
        let ordered = grants.into_iter().map(|operation| {
            let needed: Vec<_> = match &operation.action {
                Action::Change(Change::Grant(entitlement)) => {
                    let first = self.view.descriptor.kinds.get(&entitlement.kind).map(|kind| kind.prerequisites.as_slice()).unwrap_or_default();
                    first.iter().filter_map(|kind| by_kind.get(kind)).flatten().cloned().collect()
                }
                _ => Vec::new(),
            };
            operation.after(account.iter().cloned()).after(needed)
        });
        ordered.collect()
    }

    /// Takes back what provisionr gave and nothing wants any more. What people gave is left to them.
    ///
    /// A removal waits for an addition only where it would take along what is added: it must not hang on anything else
    /// that may fail, or access would stay that has to go.
    fn revokes(&self, added: &[Operation], diff: &mut SystemDiff) {
        let AccountView::Known(account) = &self.view.account else { return };
        let wanted = self.view.wanted.map(|wanted| wanted.entitlements.as_slice()).unwrap_or_default();
        let undecided: BTreeSet<_> = self.view.wanted.iter().flat_map(|wanted| &wanted.contradictions).map(|contradiction| &contradiction.kind).collect();
        for row in self.view.ledger.iter().filter(|row| row.account == account.id) {
            let Some(kind) = self.view.descriptor.kinds.get(&row.entitlement.kind) else {
                self.block(diff, format!("revoke {}", row.entitlement), "the adapter no longer knows the kind");
                continue;
            };
            let still_wanted = wanted.iter().any(|desired| match self.view.targets.get(&(desired.wanted.kind.clone(), desired.wanted.target.clone())) {
                Some(Resolution::One(target)) => kind.key_of(&desired.wanted.bind(target)).as_str() == row.key,
                // A target that could not be resolved may be this one.
                _ => desired.wanted.kind == row.entitlement.kind,
            });
            if still_wanted || undecided.contains(&row.entitlement.kind) {
                continue;
            }
            let direct = self.held(kind, &row.entitlement).find(|grant| grant.source == Source::Direct);
            let covered = self.view.observation.as_ref().is_some_and(|seen| seen.coverage.covers(&row.entitlement.kind, &row.entitlement.target));
            if direct.is_none() && covered {
                continue;
            }
            if let Some(why) = self.lacks(&Ability::Manage(row.entitlement.kind.clone())) {
                self.block(diff, format!("revoke {}", row.entitlement), why);
                continue;
            }
            let (entitlement, expect) = match direct {
                Some(grant) => (grant.entitlement.clone(), Expect::Grant(grant.clone())),
                None => (row.entitlement.clone(), Expect::Anything),
            };
            let key = kind.key_of(&entitlement);
            let target = TargetName::new(entitlement.target.as_str());
            let cascades = |operation: &&Operation| match &operation.action {
                Action::Change(Change::Grant(granted)) => kind.cascades.iter().any(|cascade| cascade.kind == granted.kind),
                _ => false,
            };
            let first = added.iter().filter(cascades).map(|operation| operation.id.clone());
            let operation = self.operation(&format!("revoke/{key}"), Change::Revoke(entitlement)).expecting(expect).after(first).about(target, key);
            diff.operations.push(operation);
        }
    }

    /// Keeps a leaver out at once, and takes back what provisionr gave, whatever becomes of the suspension.
    fn leave(&self, diff: &mut SystemDiff) {
        let account = match &self.view.account {
            AccountView::Known(account) => account,
            AccountView::Absent => return,
            AccountView::Unclear(why) => {
                diff.stuck = true;
                self.block(diff, "account", format!("whether there is an account cannot be told: {why}"));
                return;
            }
        };
        let mut cut = Vec::new();
        let alive = !matches!(account.state, AccountState::Suspended | AccountState::Deactivated | AccountState::Deleted);
        if let (Suspension::State(state), true) = (&self.view.descriptor.accounts.suspension, alive) {
            match self.lacks(&Ability::SetState) {
                Some(why) => self.block(diff, format!("account {state}"), why),
                None => cut.push(self.operation("suspend", Change::SetState(*state)).expecting(Expect::State(account.state))),
            }
        }
        if self.lacks(&Ability::EndSessions).is_none() {
            let before: Vec<_> = cut.iter().map(|operation| operation.id.clone()).collect();
            cut.push(self.operation("sessions", Change::EndSessions).after(before));
        }
        diff.operations.extend(cut);
        self.revokes(&[], diff);
    }
}

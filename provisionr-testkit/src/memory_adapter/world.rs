//! The truth behind a memory adapter, and the hands that change it from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use provisionr_sdk::{
    Ability, Access, Account, AccountId, AccountState, AdapterError, Change, Entitlement, Grant, GrantState, IdempotencyKey, KindName, Owner, Request, Target,
    TargetId, Wait, WaitReason,
};

use super::fault::{MemoryFault, Script, about};

/// Something that really changed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MemoryEffect {
    /// The key of the request that did it.
    pub key: IdempotencyKey,
    /// Whose account.
    pub account: AccountId,
    /// What was changed.
    pub change: Change,
}

/// One call that reached the world.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryCall {
    /// The method of the adapter.
    pub method: &'static str,
    /// Whether it may change something.
    pub access: Access,
    /// The key of the request, where there is one.
    pub key: Option<IdempotencyKey>,
}

/// A change as it is made in the world.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Create(Account, Vec<Entitlement>),
    Replace(Account),
    Delete(AccountId),
    EndSessions(AccountId),
    Swap { remove: Vec<Grant>, add: Option<Grant> },
}

/// A change that was accepted and does not hold yet.
pub(super) struct Pending {
    pub(super) step: Step,
    pub(super) wait: Wait,
}

/// The state of an in-memory system. Clones share it.
///
/// Whatever is done here is done out of band: it is no call, leaves no effect behind and meets no fault.
#[derive(Clone, Default)]
pub struct World(Arc<Mutex<State>>);

#[derive(Default)]
pub(super) struct State {
    pub(super) accounts: BTreeMap<AccountId, Account>,
    pub(super) sessions: BTreeSet<AccountId>,
    pub(super) targets: BTreeMap<KindName, BTreeMap<TargetId, Target>>,
    pub(super) hidden: BTreeSet<(KindName, TargetId)>,
    pub(super) grants: Vec<Grant>,
    pub(super) pending: BTreeMap<IdempotencyKey, Pending>,
    pub(super) effects: Vec<MemoryEffect>,
    pub(super) calls: Vec<MemoryCall>,
    pub(super) mails: usize,
    pub(super) script: Script,
    pub(super) lacking: BTreeMap<Ability, String>,
    pub(super) own: Vec<AccountId>,
    pub(super) blind: bool,
    pub(super) lag: u32,
    pub(super) stale: Option<(u32, Vec<Grant>)>,
    pub(super) cursor_age: u32,
    next_account: u64,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.lock();
        f.debug_struct("World").field("accounts", &state.accounts.len()).field("grants", &state.grants.len()).finish_non_exhaustive()
    }
}

impl World {
    /// An empty world.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an account there.
    pub fn seed_account(&self, account: Account) {
        self.lock().accounts.insert(account.id.clone(), account);
    }

    /// Puts a target of a kind there. A kind none of whose targets was seeded takes any target.
    pub fn seed_target(&self, kind: impl Into<KindName>, target: Target) {
        self.lock().targets.entry(kind.into()).or_default().insert(target.id.clone(), target);
    }

    /// Puts a grant there, from whatever source.
    pub fn seed_grant(&self, grant: Grant) {
        self.lock().grants.push(grant);
    }

    /// Opens a session of an account.
    pub fn log_in(&self, account: impl Into<AccountId>) {
        self.lock().sessions.insert(account.into());
    }

    /// Takes away all grants of an account on a target, whatever their source.
    pub fn remove_grant(&self, account: &AccountId, entitlement: &Entitlement) {
        self.lock()
            .grants
            .retain(|grant| !(grant.account == *account && grant.entitlement.kind == entitlement.kind && grant.entitlement.target == entitlement.target));
    }

    /// Hides a target from the credential: it looks as if it were not there.
    pub fn hide_target(&self, kind: impl Into<KindName>, target: impl Into<TargetId>) {
        self.lock().hidden.insert((kind.into(), target.into()));
    }

    /// Gives a target to another owner.
    pub fn own_target(&self, kind: impl Into<KindName>, target: impl Into<TargetId>, owner: Owner) {
        let target = target.into();
        let mut state = self.lock();
        let targets = state.targets.entry(kind.into()).or_default();
        targets.entry(target.clone()).or_insert_with(|| Target::new(target.clone(), target.as_str())).owner = Some(owner);
    }

    /// From now on, searches for accounts do not see all of them.
    pub fn blind_searches(&self) {
        self.lock().blind = true;
    }

    /// The credential lacks an ability.
    pub fn lack(&self, ability: Ability, why: impl Into<String>) {
        self.lock().lacking.insert(ability, why.into());
    }

    /// The credential has an account of its own.
    pub fn own_account(&self, account: impl Into<AccountId>) {
        self.lock().own.push(account.into());
    }

    /// From now on, a write of a grant does not show in the next `looks` looks after it.
    pub fn lag(&self, looks: u32) {
        self.lock().lag = looks;
    }

    /// Makes all cursors handed out so far stale.
    pub fn age_cursors(&self) {
        self.lock().cursor_age += 1;
    }

    /// The next write goes wrong.
    pub fn fault(&self, fault: MemoryFault) {
        self.faults(1, fault);
    }

    /// The next `times` writes go wrong. Faults planned earlier come first.
    pub fn faults(&self, times: usize, fault: MemoryFault) {
        self.faults_where(times, |_| true, fault);
    }

    /// The next `times` writes of grants on this target go wrong.
    pub fn faults_on(&self, times: usize, kind: &str, target: &str, fault: MemoryFault) {
        let (kind, target) = (kind.to_owned(), target.to_owned());
        self.faults_where(times, move |request| about(&request.change, &kind, &target), fault);
    }

    /// The next `times` writes that `wants` picks go wrong.
    pub fn faults_where(&self, times: usize, wants: impl Fn(&Request) -> bool + Send + Sync + 'static, fault: MemoryFault) {
        self.lock().script.plan(times, wants, fault);
    }

    /// The next `times` reads fail.
    pub fn fail_reads(&self, times: usize, error: impl Fn() -> AdapterError + Send + Sync + 'static) {
        self.lock().script.plan_reads(times, error);
    }

    /// One read fails, after this many that go well.
    pub fn fail_read_after(&self, well: u32, error: impl Fn() -> AdapterError + Send + Sync + 'static) {
        self.lock().script.plan_read_after(well, error);
    }

    /// Everything the system was waiting for has happened: what was pending holds now.
    pub fn finish_waits(&self) {
        let mut state = self.lock();
        for (_, pending) in std::mem::take(&mut state.pending) {
            state.enact(pending.step);
        }
    }

    /// An account by id.
    pub fn account(&self, id: &AccountId) -> Option<Account> {
        self.lock().accounts.get(id).cloned()
    }

    /// An account by login.
    pub fn account_by_login(&self, login: &str) -> Option<Account> {
        self.lock().accounts.values().find(|account| account.login.as_deref() == Some(login)).cloned()
    }

    /// All accounts, by id.
    pub fn accounts(&self) -> Vec<Account> {
        self.lock().accounts.values().cloned().collect()
    }

    /// All targets of a kind that were put there.
    pub fn targets(&self, kind: &KindName) -> Vec<Target> {
        self.lock().targets.get(kind).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// All grants of an account, in the order in which they were made.
    pub fn grants_of(&self, account: &AccountId) -> Vec<Grant> {
        self.lock().grants.iter().filter(|grant| grant.account == *account).cloned().collect()
    }

    /// Whether an account holds exactly this, in force, from any source.
    pub fn holds(&self, account: &AccountId, entitlement: &Entitlement) -> bool {
        self.lock().grants.iter().any(|grant| grant.account == *account && grant.entitlement == *entitlement && grant.state == GrantState::Held)
    }

    /// Whether somebody is logged in with an account.
    pub fn has_session(&self, account: &AccountId) -> bool {
        self.lock().sessions.contains(account)
    }

    /// Everything that really changed, in order.
    pub fn effects(&self) -> Vec<MemoryEffect> {
        self.lock().effects.clone()
    }

    /// How often the request of this key really changed something.
    pub fn effects_of(&self, key: &IdempotencyKey) -> usize {
        self.lock().effects.iter().filter(|effect| effect.key == *key).count()
    }

    /// Counts a mail that went to somebody past the adapter.
    pub fn send_mail(&self) {
        self.lock().mails += 1;
    }

    /// How many mails went to people.
    pub fn mails(&self) -> usize {
        self.lock().mails
    }

    /// All calls that reached the world, in order.
    pub fn calls(&self) -> Vec<MemoryCall> {
        self.lock().calls.clone()
    }
}

impl State {
    /// A new account id.
    pub(super) fn new_id(&mut self) -> AccountId {
        self.next_account += 1;
        AccountId::from(format!("account-{}", self.next_account))
    }

    /// The grants a look sees.
    pub(super) fn seen_grants(&mut self) -> Vec<Grant> {
        let mut grants = match &mut self.stale {
            Some((looks, grants)) if *looks > 0 => {
                *looks -= 1;
                grants.clone()
            }
            _ => self.grants.clone(),
        };
        for pending in self.pending.values() {
            if let Step::Swap { add: Some(grant), .. } = &pending.step {
                let state = match pending.wait.reason {
                    WaitReason::InvitationSent => GrantState::Invited,
                    WaitReason::Approval => GrantState::NeedsApproval,
                    _ => GrantState::InProgress,
                };
                grants.push(grant.clone().in_state(state));
            }
        }
        grants
    }

    pub(super) fn record(&mut self, request: &Request, account: &AccountId) {
        self.effects.push(MemoryEffect { key: request.key.clone(), account: account.clone(), change: request.change.clone() });
    }

    /// Makes a change without asking whether it may be made.
    pub(super) fn enact(&mut self, step: Step) {
        match step {
            Step::Create(account, entitlements) => {
                let grants = entitlements.into_iter().map(|entitlement| Grant::direct(account.id.clone(), entitlement));
                self.grants.extend(grants);
                self.accounts.insert(account.id.clone(), account);
            }
            Step::Replace(account) => {
                if account.state != AccountState::Active {
                    self.sessions.remove(&account.id);
                }
                self.accounts.insert(account.id.clone(), account);
            }
            Step::Delete(account) => {
                self.accounts.remove(&account);
                self.sessions.remove(&account);
                self.grants.retain(|grant| grant.account != account);
            }
            Step::EndSessions(account) => {
                self.sessions.remove(&account);
            }
            Step::Swap { remove, add } => {
                if self.lag > 0 {
                    self.stale = Some((self.lag, self.grants.clone()));
                }
                self.grants.retain(|grant| !remove.contains(grant));
                self.grants.extend(add);
            }
        }
    }

    pub(super) fn login_taken(&self, login: &str) -> bool {
        self.accounts.values().any(|account| account.login.as_deref() == Some(login))
    }
}

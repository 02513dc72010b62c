//! Reads, for one subject, what a plan rests on: all systems side by side, and nothing written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;

use serde_json::Value;

use super::AccessError;
use super::checks::Checks;
use super::names::Names;
use super::titles::Titles;
use super::unfinished::Unfinished;
use crate::desired::{DesiredAccess, SystemAccess};
use crate::diff::{AccountView, Pending, SystemView, Unread};
use crate::event::Occasion;
use crate::executor::Executor;
use crate::plan::OpenKey;
use crate::record::ACCOUNT_STATE;
use crate::rules::{CheckedRules, Cut, KeySource, Ownership, SystemTopology};
use crate::store::LedgerRow;
use provisionr_sdk::{
    Account, AccountId, AccountQuery, Adapter, AdapterError, Bound, CallContext, Check, Entitlement, Found, GrantKey, IdentityKey, KindName, Lifecycle,
    Resolution, RetryHint, Scope, Subject, Suspension, SystemName, TargetName,
};

/// How often a read is tried before its system counts as unreadable for this plan.
const TRIES: u32 = 3;

/// The longest pause between two tries of a read.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What a plan is read for.
pub(super) struct Reading<'e, 'r> {
    pub(super) executor: &'e Executor,
    pub(super) checks: &'r Checks,
    pub(super) names: &'r Names,
    pub(super) rules: &'r CheckedRules,
    pub(super) subject: &'r Subject,
    pub(super) occasion: Occasion,
    pub(super) desired: &'e DesiredAccess,
}

impl<'e> Reading<'e, '_> {
    /// Reads all systems that matter for a subject, and what its runs that are not over may still bring about. A system
    /// that cannot be read is listed, and stops no other.
    pub(super) async fn read(&self, unfinished: &Unfinished) -> Result<(Vec<SystemView<'e>>, Vec<Unread<'e>>), AccessError> {
        let executor = self.executor;
        let links: BTreeMap<_, _> = executor.store.links(&self.subject.id).await?.into_iter().map(|link| (link.system, link.account)).collect();
        let mut left: BTreeSet<&SystemName> = self.desired.systems().map(|(system, _)| system).chain(links.keys()).chain(unfinished.systems.keys()).collect();
        if self.subject.lifecycle == Lifecycle::Terminated {
            // A leaver may have accounts that provisionr never touched.
            left.extend(executor.systems.keys());
        }
        let found_by: BTreeSet<&SystemName> = left.iter().flat_map(|system| sources(self.rules, system)).collect();
        left.extend(found_by);
        left.retain(|system| executor.systems.contains_key(*system));
        let (mut ledgers, mut titles) = (BTreeMap::new(), Titles::default());
        // What nothing wants any more is shown by the name it was given by.
        let unwanted = |system: &SystemName, row: &LedgerRow| {
            let wanted = self.desired.for_system(system).map(|wanted| wanted.entitlements.as_slice()).unwrap_or_default();
            row.key != ACCOUNT_STATE && !wanted.iter().any(|desired| desired.key.as_str() == row.key)
        };
        for (system, account) in &links {
            let rows = executor.store.ledger(system, account).await?;
            for row in rows.iter().filter(|row| unwanted(system, row)) {
                titles.learn(&*executor.store, row).await?;
            }
            ledgers.insert(system.clone(), rows);
        }
        let (mut views, mut unread, mut accounts) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut untold = BTreeSet::new();
        while !left.is_empty() {
            // Those first whose accounts others are found by.
            let free: BTreeSet<&SystemName> = left.iter().copied().filter(|system| !sources(self.rules, system).any(|source| left.contains(source))).collect();
            let now = if free.is_empty() { left.clone() } else { free };
            left.retain(|system| !now.contains(system));
            let reading = now.into_iter().filter_map(|system| Some((system, executor.systems.get(system)?))).map(|(system, adapter)| {
                let reader = Reader { reading: self, adapter: &**adapter, accounts: &accounts, untold: &untold };
                let (who, open_keys) = reader.who(links.get(system));
                let ledger = ledgers.remove(system).unwrap_or_default();
                let pending = unfinished.systems.get(system).cloned().unwrap_or_default();
                let wanted = self.desired.for_system(system);
                let titles = titles.of(system);
                async move {
                    let view = reader.view(&who, &open_keys, wanted, &ledger, &pending).await.map(|view| SystemView { titles, ..view });
                    (adapter.descriptor(), who, open_keys, view)
                }
            });
            for (descriptor, who, open_keys, result) in join_all(reading.collect::<Vec<_>>()).await {
                match result {
                    Ok(view) => views.push(view),
                    Err(error) => {
                        tracing::warn!(system = %descriptor.system, %error, "the system cannot be read");
                        untold.insert(descriptor.system.clone());
                        unread.push(Unread { descriptor, who, open_keys, why: format!("the system cannot be read: {error}") });
                    }
                }
            }
            for view in &views {
                match &view.account {
                    AccountView::Known(account) => drop(accounts.insert(view.descriptor.system.clone(), account.clone())),
                    AccountView::Unclear(_) => drop(untold.insert(view.descriptor.system.clone())),
                    AccountView::Absent => {}
                }
            }
        }
        Ok((views, unread))
    }
}

/// The systems by whose accounts those of a system are found.
fn sources<'r>(rules: &'r CheckedRules, system: &SystemName) -> impl Iterator<Item = &'r SystemName> {
    let keys = rules.topology().system(system).map(|topology| topology.keys.as_slice()).unwrap_or_default();
    keys.iter().filter_map(|mapping| match &mapping.source {
        KeySource::Account { system, .. } => Some(system),
        _ => None,
    })
}

struct Reader<'e, 'r, 'd> {
    reading: &'r Reading<'e, 'd>,
    adapter: &'e dyn Adapter,
    accounts: &'r BTreeMap<SystemName, Account>,
    /// Systems of which it cannot be told whether the subject has an account there.
    untold: &'r BTreeSet<SystemName>,
}

impl<'e> Reader<'e, '_, '_> {
    fn topology(&self) -> Option<&SystemTopology> {
        self.reading.rules.topology().system(&self.adapter.descriptor().system)
    }

    /// How the account is found: a remembered one first, then by the keys of the rules, or by those the adapter
    /// declares, filled with the subject's e-mail address and id. Keys that hang on an account which is not there yet
    /// are open.
    fn who(&self, known: Option<&AccountId>) -> (AccountQuery, Vec<OpenKey>) {
        let (descriptor, subject) = (self.adapter.descriptor(), self.reading.subject);
        let accounts = |system: &SystemName| self.accounts.get(system).cloned();
        let ruled = self.topology().map(|topology| topology.identity_keys(subject, &accounts)).unwrap_or_default();
        let open = self.topology().map(|topology| topology.open_keys(&accounts)).unwrap_or_default();
        let open: Vec<_> = open
            .into_iter()
            .filter_map(|mapping| match &mapping.source {
                KeySource::Account { system, field } => Some(OpenKey::new(descriptor.system.clone(), mapping.key.as_str(), system.clone(), field.clone())),
                _ => None,
            })
            .collect();
        let keys = if ruled.is_empty() && open.is_empty() {
            let declared = descriptor.accounts.keys.iter().filter_map(|key| {
                let value = match key.name {
                    "login" | "email" => subject.text("email")?.to_owned(),
                    "external_id" => subject.id.to_string(),
                    other => subject.text(other)?.to_owned(),
                };
                Some(IdentityKey::new(key.name, value))
            });
            declared.collect()
        } else {
            ruled
        };
        (AccountQuery { known: known.cloned(), keys }, open)
    }

    /// Reads the system, again after troubles that pass.
    async fn view(
        &self,
        who: &AccountQuery,
        open_keys: &[OpenKey],
        wanted: Option<&'e SystemAccess>,
        ledger: &[LedgerRow],
        pending: &Pending,
    ) -> Result<SystemView<'e>, AdapterError> {
        let mut tries = 1;
        loop {
            match self.read(who, open_keys, wanted, ledger, pending).await {
                Err(error) if tries < TRIES => {
                    let pause = match error.hint() {
                        RetryHint::Backoff => self.reading.executor.retry.pause(tries, &[self.reading.subject.id.as_str().as_bytes()]),
                        RetryHint::After(pause) => pause,
                        _ => return Err(error),
                    };
                    if pause > LONGEST_PAUSE {
                        return Err(error);
                    }
                    tokio::time::sleep(pause).await;
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    async fn read(
        &self,
        who: &AccountQuery,
        open_keys: &[OpenKey],
        wanted: Option<&'e SystemAccess>,
        ledger: &[LedgerRow],
        pending: &Pending,
    ) -> Result<SystemView<'e>, AdapterError> {
        let descriptor = self.adapter.descriptor();
        let topology = self.topology().cloned().unwrap_or_default();
        let looking = self.reading.executor.looking(descriptor);
        let cx = looking.context();
        // Where nothing else keeps a leaver out, all there is has to be seen.
        let all = self.reading.subject.lifecycle == Lifecycle::Terminated
            && (topology.leaver.cut == Cut::Keep || !matches!(descriptor.accounts.suspension, Suspension::State(_)));
        let work = async {
            let check = self.check(&cx).await?;
            let account = if who.known.is_none() && who.keys.is_empty() {
                match open_keys.first() {
                    // What is found by an account that is not there yet cannot be there yet.
                    Some(_) => AccountView::Absent,
                    None => AccountView::Unclear("the subject has nothing an account could be found by".to_owned()),
                }
            } else {
                match self.adapter.find_account(&cx, who).await? {
                    Found::One(account) => AccountView::Known(account),
                    Found::None => AccountView::Absent,
                    Found::Several(accounts) => AccountView::Unclear(format!("{} accounts answer to the query", accounts.len())),
                    Found::CannotTell(why) => AccountView::Unclear(why),
                    _ => AccountView::Unclear("an answer of a newer contract".to_owned()),
                }
            };
            // It may be there, and be found only by an account that cannot be read now.
            let account = match (account, open_keys.iter().find(|key| self.untold.contains(&key.from))) {
                (AccountView::Absent, Some(key)) => AccountView::Unclear(format!("it is found by the account in `{}`, of which nothing can be told", key.from)),
                (account, _) => account,
            };
            let account = self.claimed(account, &check).await?;
            let targets = self.resolve(&cx, wanted).await?;
            let bound = self.bind(&cx, wanted, &targets).await?;
            let observation = match &account {
                AccountView::Known(account) => {
                    let scope = scope(&bound, ledger, pending);
                    match (all, scope.is_empty()) {
                        (true, _) => Some(self.adapter.observe(&cx, account, &Scope::All).await?),
                        (_, true) => None,
                        (_, false) => Some(self.adapter.observe(&cx, account, &Scope::Only(scope)).await?),
                    }
                }
                _ => None,
            };
            Ok((check, account, targets, bound, observation))
        };
        let (check, account, targets, bound, observation) = tokio::select! {
            biased;
            result = work => result?,
            () = looking.expired() => return Err(AdapterError::timed_out("no answer in time")),
        };
        Ok(SystemView {
            descriptor,
            profile: self.profile(&topology),
            topology,
            lifecycle: self.reading.rules.rules().lifecycle().clone(),
            occasion: self.reading.occasion,
            who: match &account {
                // What is given to the account is remembered under its id.
                AccountView::Known(account) => AccountQuery { known: Some(account.id.clone()), keys: who.keys.clone() },
                _ => who.clone(),
            },
            open_keys: open_keys.to_vec(),
            account,
            wanted,
            targets,
            bound,
            observation,
            ledger: ledger.to_vec(),
            titles: BTreeMap::new(),
            pending: pending.clone(),
            lacking: check.lacking,
        })
    }

    /// What a new account is made with: what the adapter fills by itself, unless the rules say that it is not ours, and
    /// what the rules say.
    fn profile(&self, topology: &SystemTopology) -> BTreeMap<String, Value> {
        let attributes = self.adapter.descriptor().accounts.attributes.iter().filter(|attribute| topology.ownership(attribute.name) != Ownership::Never);
        let subject = self.reading.subject;
        let filled = attributes.filter_map(|attribute| Some((attribute.name.to_owned(), subject.attributes.get(attribute.from?)?.clone())));
        filled.chain(topology.profile_of(subject)).filter(|(_, value)| !value.is_null()).collect()
    }

    async fn check(&self, cx: &CallContext) -> Result<Check, AdapterError> {
        let (system, now) = (&self.adapter.descriptor().system, self.reading.executor.clock.now());
        if let Some(check) = self.reading.checks.get(system, now) {
            return Ok(check);
        }
        let check = self.adapter.check(cx).await?;
        self.reading.checks.put(system, now, check.clone());
        Ok(check)
    }

    /// An account that is another subject's, or the credential's own, is not this one's to change.
    async fn claimed(&self, account: AccountView, check: &Check) -> Result<AccountView, AdapterError> {
        let AccountView::Known(found) = &account else { return Ok(account) };
        if check.own_accounts.contains(&found.id) {
            return Ok(AccountView::Unclear(format!("account {} is the one provisionr itself works with", found.id)));
        }
        let system = &self.adapter.descriptor().system;
        let holder = self.reading.executor.store.holder(system, &found.id).await.map_err(|error| AdapterError::unavailable(error.to_string()))?;
        Ok(match holder.filter(|holder| *holder != self.reading.subject.id) {
            Some(holder) => AccountView::Unclear(format!("account {} belongs to subject {holder}", found.id)),
            None => account,
        })
    }

    /// Looks names up that have not been looked up for this plan or set of plans.
    async fn resolve(&self, cx: &CallContext, wanted: Option<&SystemAccess>) -> Result<BTreeMap<(KindName, TargetName), Resolution>, AdapterError> {
        let system = &self.adapter.descriptor().system;
        let mut targets = BTreeMap::new();
        let mut names: BTreeMap<&KindName, BTreeSet<&TargetName>> = BTreeMap::new();
        for desired in wanted.map(|wanted| wanted.entitlements.as_slice()).unwrap_or_default() {
            let (kind, name) = (&desired.wanted.kind, &desired.wanted.target);
            match self.reading.names.get(system, kind, name) {
                Some(resolution) => drop(targets.insert((kind.clone(), name.clone()), resolution)),
                None => drop(names.entry(kind).or_default().insert(name)),
            }
        }
        for (kind, names) in names {
            let names: Vec<TargetName> = names.into_iter().cloned().collect();
            for resolved in self.adapter.resolve(cx, kind, &names).await? {
                self.reading.names.put(system, kind, &resolved);
                targets.insert((kind.clone(), resolved.name), resolved.resolution);
            }
        }
        Ok(targets)
    }

    /// What is wanted in the vendor's ids, where its target is known. What was bound for this plan or set of plans is not bound again.
    async fn bind(
        &self,
        cx: &CallContext,
        wanted: Option<&SystemAccess>,
        targets: &BTreeMap<(KindName, TargetName), Resolution>,
    ) -> Result<BTreeMap<GrantKey, Bound>, AdapterError> {
        let system = &self.adapter.descriptor().system;
        let (mut bound, mut keys, mut open) = (BTreeMap::new(), Vec::new(), Vec::new());
        for desired in wanted.map(|wanted| wanted.entitlements.as_slice()).unwrap_or_default() {
            let Some(Resolution::One(target)) = targets.get(&(desired.wanted.kind.clone(), desired.wanted.target.clone())) else { continue };
            let entitlement = desired.wanted.bind(target);
            match self.reading.names.bound(system, &entitlement) {
                Some(known) => drop(bound.insert(desired.key.clone(), known)),
                None => {
                    keys.push(desired.key.clone());
                    open.push(entitlement);
                }
            }
        }
        if open.is_empty() {
            return Ok(bound);
        }
        for ((key, entitlement), to) in keys.into_iter().zip(open.iter()).zip(self.adapter.bind(cx, &open).await?) {
            self.reading.names.put_bound(system, entitlement.clone(), to.clone());
            bound.insert(key, to);
        }
        Ok(bound)
    }
}

/// What has to be looked at: what is wanted, what provisionr gave, and what it may be giving.
fn scope(bound: &BTreeMap<GrantKey, Bound>, ledger: &[LedgerRow], pending: &Pending) -> Vec<Entitlement> {
    let wanted = bound.values().filter_map(|bound| if let Bound::One(entitlement) = bound { Some(entitlement.clone()) } else { None });
    let given = ledger.iter().filter(|row| row.key != ACCOUNT_STATE).map(|row| row.entitlement.clone());
    let mut scope: Vec<Entitlement> = wanted.collect();
    for entitlement in given.chain(pending.grants.iter().cloned()) {
        if !scope.contains(&entitlement) {
            scope.push(entitlement);
        }
    }
    scope
}

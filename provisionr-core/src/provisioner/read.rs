//! Reads, for one subject, what a plan rests on: all systems side by side, and nothing written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;

use super::AccessError;
use super::checks::Checks;
use crate::desired::{DesiredAccess, SystemAccess};
use crate::diff::{AccountView, SystemView};
use crate::executor::Executor;
use crate::plan::Blocked;
use crate::rules::{AccountOrigin, CheckedRules};
use crate::store::LedgerRow;
use provisionr_sdk::{
    Ability, AccountQuery, Adapter, AdapterError, CallContext, Check, Entitlement, Found, IdentityKey, KindName, Lifecycle, Resolution, RetryHint, Scope,
    Subject, SystemName, TargetName,
};

/// How often a read is tried before its system counts as unreadable for this plan.
const TRIES: u32 = 3;

/// The longest pause between two tries of a read.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Reads all systems that matter for a subject. A system that cannot be read is listed, and stops no other.
pub(super) async fn read<'e>(
    executor: &'e Executor,
    checks: &Checks,
    rules: &CheckedRules,
    subject: &Subject,
    desired: &'e DesiredAccess,
) -> Result<(Vec<SystemView<'e>>, Vec<Blocked>), AccessError> {
    let links: BTreeMap<_, _> = executor.store.links(&subject.id).await?.into_iter().map(|link| (link.system, link.account)).collect();
    let mut systems: BTreeSet<&SystemName> = desired.systems().map(|(system, _)| system).chain(links.keys()).collect();
    if subject.lifecycle == Lifecycle::Terminated {
        // A leaver may have accounts that provisionr never touched.
        systems.extend(executor.systems.keys());
    }
    let mut ledgers = BTreeMap::new();
    for (system, account) in &links {
        ledgers.insert(system.clone(), executor.store.ledger(system, account).await?);
    }
    let reading = systems.into_iter().filter_map(|system| Some((system, executor.systems.get(system)?))).map(|(system, adapter)| {
        let reader = Reader { executor, adapter: &**adapter, checks, rules, subject };
        let who = reader.who(links.get(system));
        let ledger = ledgers.remove(system).unwrap_or_default();
        async move { (system.clone(), reader.view(who, desired.for_system(system), ledger).await) }
    });
    let (mut views, mut unread) = (Vec::new(), Vec::new());
    for (system, result) in join_all(reading.collect::<Vec<_>>()).await {
        match result {
            Ok(view) => views.push(view),
            Err(error) => {
                tracing::warn!(%system, %error, "the system cannot be read");
                unread.push(Blocked::new(system, "everything", format!("the system cannot be read: {error}")));
            }
        }
    }
    Ok((views, unread))
}

struct Reader<'e, 'r> {
    executor: &'e Executor,
    adapter: &'e dyn Adapter,
    checks: &'r Checks,
    rules: &'r CheckedRules,
    subject: &'r Subject,
}

impl<'e> Reader<'e, '_> {
    /// How the account is found: a remembered one first, then by the keys of the rules, or by those the adapter
    /// declares, filled with the subject's e-mail address and id.
    fn who(&self, known: Option<&provisionr_sdk::AccountId>) -> AccountQuery {
        let descriptor = self.adapter.descriptor();
        let ruled = self.rules.topology().system(&descriptor.system).map(|topology| topology.identity_keys(self.subject, &|_| None)).unwrap_or_default();
        let keys = if ruled.is_empty() {
            let declared = descriptor.accounts.keys.iter().filter_map(|key| {
                let value = match key.name {
                    "login" | "email" => self.subject.text("email")?.to_owned(),
                    "external_id" => self.subject.id.to_string(),
                    other => self.subject.text(other)?.to_owned(),
                };
                Some(IdentityKey::new(key.name, value))
            });
            declared.collect()
        } else {
            ruled
        };
        AccountQuery { known: known.cloned(), keys }
    }

    /// Reads the system, again after troubles that pass.
    async fn view(&self, who: AccountQuery, wanted: Option<&'e SystemAccess>, ledger: Vec<LedgerRow>) -> Result<SystemView<'e>, AdapterError> {
        let mut tries = 1;
        loop {
            match self.read(&who, wanted, &ledger).await {
                Err(error) if tries < TRIES => {
                    let pause = match error.hint() {
                        RetryHint::Backoff => self.executor.retry.pause(tries, &[self.subject.id.as_str().as_bytes()]),
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

    async fn read(&self, who: &AccountQuery, wanted: Option<&'e SystemAccess>, ledger: &[LedgerRow]) -> Result<SystemView<'e>, AdapterError> {
        let descriptor = self.adapter.descriptor();
        let topology = self.rules.topology().system(&descriptor.system);
        let looking = self.executor.looking(descriptor);
        let cx = looking.context();
        let work = async {
            let check = self.check(&cx).await?;
            let account = match self.adapter.find_account(&cx, who).await? {
                Found::One(account) => AccountView::Known(account),
                Found::None => AccountView::Absent,
                Found::Several(accounts) => AccountView::Unclear(format!("{} accounts answer to the query", accounts.len())),
                Found::CannotTell(why) => AccountView::Unclear(why),
                _ => AccountView::Unclear("an answer of a newer contract".to_owned()),
            };
            let account = self.claimed(account, &check).await?;
            let targets = self.resolve(&cx, wanted).await?;
            let observation = match &account {
                AccountView::Known(account) => {
                    let scope = scope(wanted, &targets, ledger);
                    if scope.is_empty() { None } else { Some(self.adapter.observe(&cx, account, &Scope::Only(scope)).await?) }
                }
                _ => None,
            };
            Ok((check, account, targets, observation))
        };
        let (check, account, targets, observation) = tokio::select! {
            biased;
            result = work => result?,
            () = looking.expired() => return Err(AdapterError::timed_out("no answer in time")),
        };
        let mut profile: BTreeMap<_, _> = descriptor
            .accounts
            .attributes
            .iter()
            .filter_map(|attribute| Some((attribute.name.to_owned(), self.subject.attributes.get(attribute.from?)?.clone())))
            .collect();
        profile.extend(topology.map(|topology| topology.profile_of(self.subject)).unwrap_or_default());
        let makes_accounts = descriptor.has(&Ability::CreateAccount);
        Ok(SystemView {
            descriptor,
            origin: topology.and_then(|topology| topology.accounts).unwrap_or(if makes_accounts { AccountOrigin::Create } else { AccountOrigin::Existing }),
            after: topology.map(|topology| topology.after.clone()).unwrap_or_default(),
            who: who.clone(),
            profile,
            account,
            wanted,
            targets,
            observation,
            ledger: ledger.to_vec(),
            lacking: check.lacking,
        })
    }

    async fn check(&self, cx: &CallContext) -> Result<Check, AdapterError> {
        let (system, now) = (&self.adapter.descriptor().system, self.executor.clock.now());
        if let Some(check) = self.checks.get(system, now) {
            return Ok(check);
        }
        let check = self.adapter.check(cx).await?;
        self.checks.put(system, now, check.clone());
        Ok(check)
    }

    /// An account that is another subject's, or the credential's own, is not this one's to change.
    async fn claimed(&self, account: AccountView, check: &Check) -> Result<AccountView, AdapterError> {
        let AccountView::Known(found) = &account else { return Ok(account) };
        if check.own_accounts.contains(&found.id) {
            return Ok(AccountView::Unclear(format!("account {} is the one provisionr itself works with", found.id)));
        }
        let system = &self.adapter.descriptor().system;
        let holder = self.executor.store.holder(system, &found.id).await.map_err(|error| AdapterError::unavailable(error.to_string()))?;
        Ok(match holder.filter(|holder| *holder != self.subject.id) {
            Some(holder) => AccountView::Unclear(format!("account {} belongs to subject {holder}", found.id)),
            None => account,
        })
    }

    async fn resolve(&self, cx: &CallContext, wanted: Option<&SystemAccess>) -> Result<BTreeMap<(KindName, TargetName), Resolution>, AdapterError> {
        let mut names: BTreeMap<&KindName, BTreeSet<&TargetName>> = BTreeMap::new();
        for desired in wanted.map(|wanted| wanted.entitlements.as_slice()).unwrap_or_default() {
            names.entry(&desired.wanted.kind).or_default().insert(&desired.wanted.target);
        }
        let mut targets = BTreeMap::new();
        for (kind, names) in names {
            let names: Vec<TargetName> = names.into_iter().cloned().collect();
            for resolved in self.adapter.resolve(cx, kind, &names).await? {
                targets.insert((kind.clone(), resolved.name), resolved.resolution);
            }
        }
        Ok(targets)
    }
}

/// What has to be looked at: what is wanted, and what provisionr gave.
fn scope(wanted: Option<&SystemAccess>, targets: &BTreeMap<(KindName, TargetName), Resolution>, ledger: &[LedgerRow]) -> Vec<Entitlement> {
    let wanted = wanted.map(|wanted| wanted.entitlements.as_slice()).unwrap_or_default().iter().filter_map(|desired| {
        match targets.get(&(desired.wanted.kind.clone(), desired.wanted.target.clone())) {
            Some(Resolution::One(target)) => Some(desired.wanted.bind(target)),
            _ => None,
        }
    });
    let mut scope: Vec<Entitlement> = wanted.collect();
    for row in ledger {
        if !scope.contains(&row.entitlement) {
            scope.push(row.entitlement.clone());
        }
    }
    scope
}

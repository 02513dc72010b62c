//! What follows from a journal for the store's other rows: links, the ledger, waits.

use std::collections::BTreeMap;

use crate::plan::{Action, Plan};
use crate::record::ACCOUNT_STATE;
use crate::run::{Ending, Ours, Phase, RunState, Transition};
use crate::store::{LedgerRow, LinkRow, RunId, WaitRow, Write};
use provisionr_sdk::{Account, AccountId, AccountState, Change, Entitlement, SystemName};

/// Projects the transitions of one run, in their order. Live and when rebuilding it is the same code.
#[derive(Clone, Debug)]
pub(crate) struct Projection {
    run: RunId,
    accounts: BTreeMap<SystemName, AccountId>,
    /// Accounts as the vendors last showed them in this run.
    shown: BTreeMap<SystemName, Account>,
}

impl Projection {
    /// Before the first transition.
    pub(crate) fn new(run: RunId, plan: &Plan) -> Self {
        let accounts = plan.accounts.iter().filter_map(|(system, query)| Some((system.clone(), query.known.clone()?))).collect();
        Self { run, accounts, shown: BTreeMap::new() }
    }

    /// The subject's account in a system, as far as plan and journal tell.
    pub(crate) fn account(&self, system: &SystemName) -> Option<&AccountId> {
        self.accounts.get(system)
    }

    /// The subject's account in a system as this run has seen it.
    pub(crate) fn shown(&self, system: &SystemName) -> Option<&Account> {
        self.shown.get(system)
    }

    /// The writes that follow from a transition; `state` has taken it already.
    pub(crate) fn take(&mut self, plan: &Plan, state: &RunState, transition: &Transition) -> Vec<Write> {
        if matches!(transition, Transition::Opened { .. }) {
            return links(plan);
        }
        let Some(place) = transition.operation().and_then(|id| state.place(id)) else {
            return Vec::new();
        };
        let (Some(operation), Some(now)) = (plan.operations.get(place), state.operation(place)) else {
            return Vec::new();
        };
        let mut writes = Vec::new();
        match &now.phase {
            Phase::Waiting { wait, since, look_at } => writes.push(Write::Wait(WaitRow {
                run: self.run.clone(),
                operation: operation.id.to_string(),
                since: *since,
                looks: 0,
                absences: 0,
                next_look: *look_at,
                event: wait.event.clone(),
            })),
            _ if matches!(
                transition,
                Transition::Resolved { .. } | Transition::WaitEnded { .. } | Transition::Dropped { .. } | Transition::Stuck { .. } | Transition::Decided { .. }
            ) =>
            {
                writes.push(Write::EndWait { run: self.run.clone(), operation: operation.id.to_string() });
            }
            _ => {}
        }
        // An account is known from the moment the vendor named it, even while it is only invited.
        let receipt = transition.receipt();
        if let Some(account) = receipt.and_then(|receipt| receipt.account.clone()) {
            self.shown.insert(operation.system.clone(), account);
        }
        if let Some(account) = receipt.and_then(|receipt| receipt.account.as_ref())
            && matches!(operation.action, Action::AwaitAccount(_) | Action::Change(Change::EnsureAccount(_)))
            && self.accounts.insert(operation.system.clone(), account.id.clone()).as_ref() != Some(&account.id)
        {
            writes.push(Write::Link(LinkRow { subject: plan.subject.clone(), system: operation.system.clone(), account: account.id.clone() }));
        }
        // What was accepted and not refused since is ours to take back, even before it is in force.
        let accepted = match (&now.phase, transition) {
            (Phase::Done { ours, at }, _) => Some((*ours, *at)),
            (Phase::Waiting { .. }, Transition::Ended { outcome: Ending::Waiting(_), at, .. }) => Some((Ours::Made, *at)),
            _ => None,
        };
        let (Some((ours, at)), Some(change)) = (accepted, operation.action.change()) else {
            return writes;
        };
        let (Some(account), system) = (self.accounts.get(&operation.system).cloned(), operation.system.clone()) else {
            return writes;
        };
        let give = |key: String, entitlement: Entitlement| {
            Write::Give(LedgerRow {
                system: system.clone(),
                account: account.clone(),
                key,
                subject: plan.subject.clone(),
                entitlement,
                run: self.run.clone(),
                operation: operation.id.to_string(),
                at,
            })
        };
        let dropped = |key: String| Write::Drop { system: system.clone(), account: account.clone(), key };
        let done = matches!(now.phase, Phase::Done { .. });
        match (change, &operation.grant_key) {
            (Change::SetState(AccountState::Deleted), _) if done => writes.push(Write::Unlink { subject: plan.subject.clone(), system }),
            (Change::SetState(AccountState::Active), _) if done => writes.push(dropped(ACCOUNT_STATE.to_owned())),
            (Change::SetState(state), _) if done && ours == Ours::Made => {
                writes.push(give(ACCOUNT_STATE.to_owned(), Entitlement::new("account", state.to_string())));
            }
            (Change::EnsureAccount(spec), _) if ours == Ours::Made => {
                writes
                    .extend(operation.carries.iter().zip(&spec.entitlements).map(|(carried, entitlement)| give(carried.key.to_string(), entitlement.clone())));
            }
            (Change::Grant(entitlement), Some(key)) if ours == Ours::Made => writes.push(give(key.to_string(), entitlement.clone())),
            (Change::Revoke(_), Some(key)) if done => writes.push(dropped(key.to_string())),
            // Where there was no invitation to withdraw any more, it may have been accepted.
            (Change::Withdraw(_), Some(key)) if done && ours == Ours::Made => writes.push(dropped(key.to_string())),
            _ => {}
        }
        writes
    }
}

/// The accounts that a plan has found and works on are the subject's from the moment the run is opened.
pub(crate) fn links(plan: &Plan) -> Vec<Write> {
    let known = plan.accounts.iter().filter_map(|(system, who)| Some((system, who.known.as_ref()?)));
    known.map(|(system, account)| Write::Link(LinkRow { subject: plan.subject.clone(), system: system.clone(), account: account.clone() })).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::executor::load;
    use crate::store::{MemoryStore, RunFilter, Store};
    use crate::{Actor, Event, EventKind, MemoryDirectory, Provisioner, Rules, TokioClock};
    use provisionr_sdk::{Subject, Target, Timestamp};
    use provisionr_testkit::{MemoryAdapter, MemoryFault};

    const RULES: &str = "policies:\n  - { name: Sales, triggers: [{ team: sales }], provisions: [{ system: wiki, action: join_group, target: a }, { system: wiki, action: join_project, target: p, role: reader }] }\n  - { name: Legal, triggers: [{ team: legal }], provisions: [{ system: wiki, action: join_group, target: b }, { system: wiki, action: join_project, target: p, role: admin }] }\n";

    /// What the store holds of links and grants, and what follows from its journals alone.
    async fn stored_and_rebuilt(store: &MemoryStore) -> (Vec<String>, Vec<String>) {
        let mut runs = store.runs(&RunFilter::all()).await.unwrap();
        runs.sort_by_key(|run| run.version);
        let (mut links, mut grants) = (BTreeMap::new(), BTreeMap::new());
        for run in &runs {
            let loaded = load(store, run).await.unwrap();
            let (mut state, mut projection) = (RunState::new(&loaded.plan), Projection::new(run.id.clone(), &loaded.plan));
            for transition in &loaded.transitions {
                state.apply(transition).unwrap();
                for write in projection.take(&loaded.plan, &state, transition) {
                    match write {
                        Write::Link(link) => drop(links.insert((link.subject.clone(), link.system.clone()), link)),
                        Write::Give(grant) => drop(grants.insert((grant.system.clone(), grant.account.clone(), grant.key.clone()), grant)),
                        Write::Drop { system, account, key } => drop(grants.remove(&(system, account, key))),
                        _ => {}
                    }
                }
            }
        }
        let mut stored = Vec::new();
        for link in store.links(&"p".into()).await.unwrap() {
            for grant in store.ledger(&link.system, &link.account).await.unwrap() {
                stored.push(format!("{grant:?}"));
            }
            stored.push(format!("{link:?}"));
        }
        let rebuilt = grants.values().map(|grant| format!("{grant:?}")).chain(links.values().map(|link| format!("{link:?}"))).collect();
        (stored, rebuilt)
    }

    fn company() -> (MemoryStore, provisionr_testkit::World, Provisioner) {
        let (store, wiki) = (MemoryStore::new(), MemoryAdapter::new("wiki"));
        for (kind, target) in [("join_group", "a"), ("join_group", "b"), ("join_project", "p")] {
            wiki.world().seed_target(kind, Target::new(target, target));
        }
        let world = wiki.world().clone();
        let access = Provisioner::builder(store.clone(), MemoryDirectory::default())
            .adapter(wiki)
            .clock(TokioClock::starting_at(Timestamp::EPOCH))
            .rules(Rules::parse("rules.yaml", RULES).unwrap())
            .build()
            .unwrap();
        (store, world, access)
    }

    #[tokio::test(start_paused = true)]
    async fn they_are_those_stored_also_where_runs_gave_way_to_each_other() {
        for pause in [0, 1, 3, 10, 40, 100] {
            let (store, world, access) = company();
            for fault in [MemoryFault::lose_answer(), MemoryFault::HangAfter, MemoryFault::lose_request(), MemoryFault::Hang] {
                world.faults_where(1, |request| matches!(request.change, Change::Grant(_) | Change::Revoke(_)), fault);
            }
            let kinds = [("sales", EventKind::Hired), ("legal", EventKind::Updated), ("sales", EventKind::Updated), ("sales", EventKind::Terminated)];
            for (version, (team, kind)) in (1_u64..).zip(kinds) {
                let subject = Subject::new("p").with("email", "p@x").with("team", team).with_version(version);
                let event = Event::new(format!("e{version}"), kind, Timestamp::EPOCH, subject);
                access.handle(&event, Actor::service("test")).await.unwrap();
                access.driver().run_until(tokio::time::sleep(std::time::Duration::from_secs(pause))).await.unwrap();
            }
            access.driver().run_until(tokio::time::sleep(std::time::Duration::from_secs(1_000))).await.unwrap();
            assert!(store.runs(&RunFilter::all().unsettled()).await.unwrap().is_empty(), "pause {pause}");
            let (stored, rebuilt) = stored_and_rebuilt(&store).await;
            assert_eq!(stored, rebuilt, "pause {pause}");
            assert!(world.accounts().iter().all(|account| world.grants_of(&account.id).is_empty()), "pause {pause}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn links_and_ledger_rebuilt_from_journals_are_those_stored() {
        let (store, world, access) = company();
        for (version, team) in ["sales", "legal", "none"].into_iter().enumerate() {
            world.faults_on(1, "join_group", "b", MemoryFault::lose_answer());
            world.faults_on(1, "join_group", "a", MemoryFault::lose_answer());
            let subject = Subject::new("p").with("email", "p@x").with("team", team).with_version(version as u64);
            let event = Event::new(format!("e{version}"), EventKind::Updated, Timestamp::EPOCH, subject);
            let plan = access.plan(&event).await.unwrap();
            let run = access.submit(plan, event.id(), Actor::service("test")).await.unwrap();
            while !access.report(&run).await.unwrap().is_settled() {
                access.driver().run_until_idle().await.unwrap();
                tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            }
            let (stored, rebuilt) = stored_and_rebuilt(&store).await;
            assert_eq!(stored, rebuilt, "after {team}");
            assert_eq!(stored.len(), if team == "none" { 1 } else { 3 }, "after {team}: {stored:?}");
        }
    }
}

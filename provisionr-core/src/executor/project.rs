//! What follows from a journal for the store's other rows: links, the ledger, waits.

use std::collections::BTreeMap;

use crate::plan::{Action, Plan};
use crate::run::{Ours, Phase, RunState, Transition};
use crate::store::{LedgerRow, LinkRow, RunId, WaitRow, Write};
use provisionr_sdk::{AccountId, AccountState, Change, SystemName};

/// Projects the transitions of one run, in their order. Live and when rebuilding it is the same code.
#[derive(Clone, Debug)]
pub(crate) struct Projection {
    run: RunId,
    accounts: BTreeMap<SystemName, AccountId>,
}

impl Projection {
    /// Before the first transition.
    pub(crate) fn new(run: RunId, plan: &Plan) -> Self {
        let accounts = plan.accounts.iter().filter_map(|(system, query)| Some((system.clone(), query.known.clone()?))).collect();
        Self { run, accounts }
    }

    /// The subject's account in a system, as far as plan and journal tell.
    pub(crate) fn account(&self, system: &SystemName) -> Option<&AccountId> {
        self.accounts.get(system)
    }

    /// The writes that follow from a transition; `state` has taken it already.
    pub(crate) fn take(&mut self, plan: &Plan, state: &RunState, transition: &Transition) -> Vec<Write> {
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
                next_look: *look_at,
                event: wait.event.clone(),
            })),
            _ if matches!(transition, Transition::WaitEnded { .. } | Transition::Dropped { .. } | Transition::Stuck { .. }) => {
                writes.push(Write::EndWait { run: self.run.clone(), operation: operation.id.to_string() });
            }
            _ => {}
        }
        // An account is known from the moment the vendor named it, even while it is only invited.
        let receipt = transition.receipt();
        if let Some(account) = receipt.and_then(|receipt| receipt.account.as_ref())
            && matches!(operation.action, Action::AwaitAccount(_) | Action::Change(Change::EnsureAccount(_)))
            && self.accounts.insert(operation.system.clone(), account.id.clone()).as_ref() != Some(&account.id)
        {
            writes.push(Write::Link(LinkRow { subject: plan.subject.clone(), system: operation.system.clone(), account: account.id.clone() }));
        }
        let Phase::Done { ours, at } = now.phase else {
            return writes;
        };
        let Action::Change(change) = &operation.action else {
            return writes;
        };
        let (Some(account), system) = (self.accounts.get(&operation.system).cloned(), operation.system.clone()) else {
            return writes;
        };
        match (change, &operation.grant_key) {
            (Change::SetState(AccountState::Deleted), _) => writes.push(Write::Unlink { subject: plan.subject.clone(), system }),
            (Change::Grant(entitlement), Some(key)) if ours == Ours::Made => writes.push(Write::Give(LedgerRow {
                system,
                account,
                key: key.to_string(),
                subject: plan.subject.clone(),
                entitlement: entitlement.clone(),
                run: self.run.clone(),
                operation: operation.id.to_string(),
                at,
            })),
            (Change::Revoke(_) | Change::Withdraw(_), Some(key)) => writes.push(Write::Drop { system, account, key: key.to_string() }),
            _ => {}
        }
        writes
    }
}

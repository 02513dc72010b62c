//! What the runs of a subject that are not over may still bring about.

use std::collections::{BTreeMap, BTreeSet};

use crate::diff::Pending;
use crate::executor::{LoadedRun, MoveError, load};
use crate::plan::{Action, Operation, OperationId};
use crate::run::{OperationState, Phase};
use crate::store::{RunFilter, RunId, RunRow, Store};
use provisionr_sdk::{Change, SubjectId, SystemName, Timestamp};

/// The runs of a subject that are not over.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    pub(super) runs: BTreeSet<RunId>,
    pub(super) systems: BTreeMap<SystemName, Pending>,
    /// Since when they have waited, operation by operation.
    pub(super) waits: BTreeMap<OperationId, Timestamp>,
}

impl Unfinished {
    pub(super) async fn read(store: &dyn Store, subject: &SubjectId) -> Result<Self, MoveError> {
        let mut unfinished = Self::default();
        for run in rows(store, subject).await? {
            let loaded = load(store, &run).await?;
            unfinished.runs.insert(run.id);
            unfinished.add(&loaded);
        }
        Ok(unfinished)
    }

    fn add(&mut self, run: &LoadedRun) {
        for (operation, state) in run.plan.operations.iter().zip(run.state.operations()).filter(|(_, state)| !state.phase.is_final()) {
            self.take(operation, state);
        }
    }

    /// Whatever is not over counts: it may be begun before its run hears that another one takes over.
    fn take(&mut self, operation: &Operation, state: &OperationState) {
        let pending = self.systems.entry(operation.system.clone()).or_default();
        if let Some(until) = operation.not_before {
            pending.put_off.entry(operation.id.clone()).and_modify(|earlier| *earlier = until.min(*earlier)).or_insert(until);
        }
        if let Phase::Waiting { since, .. } = &state.phase {
            self.waits.entry(operation.id.clone()).and_modify(|earlier| *earlier = (*since).min(*earlier)).or_insert(*since);
        }
        match (&operation.action, operation.action.change()) {
            (Action::AwaitAccount(_), _) => pending.account = true,
            (_, Some(Change::EnsureAccount(spec))) => {
                pending.account = true;
                pending.grants.extend(spec.entitlements.iter().cloned());
            }
            (_, Some(Change::Grant(entitlement))) => pending.grants.push(entitlement.clone()),
            (_, Some(Change::Revoke(_) | Change::Withdraw(_))) => pending.revokes.extend(operation.grant_key.clone()),
            _ => {}
        }
    }
}

/// The rows of all runs of a subject that are not over.
pub(super) async fn rows(store: &dyn Store, subject: &SubjectId) -> Result<Vec<RunRow>, MoveError> {
    let mut rows = Vec::new();
    loop {
        let mut filter = RunFilter::all().subject(subject.clone()).unsettled();
        if let Some(last) = rows.last().map(|row: &RunRow| row.id.clone()) {
            filter = filter.after(last);
        }
        let page = store.runs(&filter).await?;
        let last = page.len() < filter.most();
        rows.extend(page);
        if last {
            return Ok(rows);
        }
    }
}

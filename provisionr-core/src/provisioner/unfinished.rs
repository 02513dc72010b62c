//! What the runs of a subject that are not over may still bring about.

use std::collections::{BTreeMap, BTreeSet};

use crate::diff::Pending;
use crate::executor::{LoadedRun, MoveError, load};
use crate::plan::{Action, Operation, OperationId, Plan};
use crate::run::Phase;
use crate::store::{RunFilter, RunId, RunRow, Store};
use provisionr_sdk::{AccountState, Change, SubjectId, SystemName, Timestamp};

/// The runs of a subject that are not over.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    pub(super) runs: BTreeSet<RunId>,
    pub(super) systems: BTreeMap<SystemName, Pending>,
    /// What they are through with.
    pub(super) spent: BTreeSet<OperationId>,
    /// Since when they have waited, operation by operation.
    pub(super) waits: BTreeMap<OperationId, Timestamp>,
}

impl Unfinished {
    pub(super) async fn read(store: &dyn Store, subject: &SubjectId) -> Result<Self, MoveError> {
        let mut unfinished = Self::default();
        for run in rows(store, subject).await? {
            match load(store, &run).await {
                Ok(loaded) => unfinished.add(&loaded),
                Err(MoveError::Store(error)) => return Err(error.into()),
                // It is set aside, and holds up nobody who leaves: all that its plan speaks of may have happened.
                Err(error) => {
                    tracing::error!(run = %run.id, %error, "a run that cannot be read is planned around");
                    unfinished.guess(store, &run).await?;
                }
            }
            unfinished.runs.insert(run.id);
        }
        Ok(unfinished)
    }

    fn add(&mut self, run: &LoadedRun) {
        for (operation, state) in run.plan.operations.iter().zip(run.state.operations()) {
            if state.phase.is_final() {
                self.spent.insert(operation.id.clone());
            } else {
                self.take(operation, &state.phase);
            }
        }
    }

    /// What is known of a run whose journal cannot be read: its plan, if that can.
    async fn guess(&mut self, store: &dyn Store, run: &RunRow) -> Result<(), MoveError> {
        let plan = store.plan(&run.plan).await?.and_then(|row| serde_json::from_slice::<Plan>(&row.bytes).ok());
        for operation in plan.iter().flat_map(|plan| &plan.operations) {
            self.take(operation, &Phase::Open);
        }
        Ok(())
    }

    /// Whatever is not over counts: it may be begun before its run hears that another one takes over.
    fn take(&mut self, operation: &Operation, phase: &Phase) {
        let pending = self.systems.entry(operation.system.clone()).or_default();
        if let Some(until) = operation.not_before {
            pending.put_off.entry(operation.id.clone()).and_modify(|earlier| *earlier = until.min(*earlier)).or_insert(until);
        }
        if let Phase::Waiting { since, .. } = phase {
            self.waits.entry(operation.id.clone()).and_modify(|earlier| *earlier = (*since).min(*earlier)).or_insert(*since);
        }
        match (&operation.action, operation.action.change()) {
            (Action::AwaitAccount(_), _) => pending.account = true,
            // It was taken already, and may come back late.
            (Action::Verify(verification), _) => pending.grants.extend(verification.gone.iter().cloned()),
            (_, Some(Change::EnsureAccount(spec))) => {
                pending.account = true;
                pending.grants.extend(spec.entitlements.iter().cloned());
            }
            (Action::Change(Change::SetState(AccountState::Active)), _) => pending.on = true,
            (Action::Change(Change::SetState(_)), _) => pending.off = true,
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

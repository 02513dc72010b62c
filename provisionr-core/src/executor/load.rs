//! Reads a run back: its plan, its checked journal, the state that follows.

use std::sync::Arc;

use super::{MoveError, Projection};
use crate::digest::Digest;
use crate::plan::Plan;
use crate::run::{self, RunState, Transition};
use crate::store::{JournalRow, RunRow, Store};

/// Rows of a journal that are read at once.
const ROWS: usize = 10_000;

/// A run as the store has it.
#[derive(Debug)]
pub(crate) struct LoadedRun {
    pub(crate) plan: Arc<Plan>,
    pub(crate) rows: Vec<JournalRow>,
    pub(crate) transitions: Vec<Transition>,
    pub(crate) state: RunState,
    pub(crate) projection: Projection,
}

/// Reads a run and checks its chain.
pub(crate) async fn load(store: &dyn Store, run: &RunRow) -> Result<LoadedRun, MoveError> {
    let unreadable = |why: String| MoveError::Plan { run: run.id.clone(), why };
    let stored = store.plan(&run.plan).await?.ok_or_else(|| unreadable("it is not in the store".to_owned()))?;
    if Digest::of([stored.bytes.as_slice()]) != run.plan {
        return Err(unreadable("it is not what was stored under its hash".to_owned()));
    }
    let plan: Plan = serde_json::from_slice(&stored.bytes).map_err(|error| unreadable(error.to_string()))?;
    if plan.format > Plan::FORMAT {
        return Err(unreadable(format!("it has format {}, this version reads up to {}", plan.format, Plan::FORMAT)));
    }
    let mut rows = Vec::new();
    loop {
        let page = store.journal(&run.id, rows.len() as u64, ROWS).await?;
        let whole = page.len() < ROWS;
        rows.extend(page);
        if whole {
            break;
        }
    }
    // The owner may have added rows since the run's row was read; what that row speaks of must be there.
    rows.truncate(usize::try_from(run.rows).unwrap_or(usize::MAX));
    let transitions = run::verify(&run.id, &rows, run.rows, &run.head)?;
    // The run's own row is in no chain: what it says of the plan has to be what the journal says.
    if let Some(Transition::Opened { plan, .. }) = transitions.first()
        && *plan != run.plan
    {
        return Err(unreadable("the journal speaks of another one".to_owned()));
    }
    let mut state = RunState::new(&plan);
    let mut projection = Projection::new(run.id.clone(), &plan);
    for (seq, transition) in (0_u64..).zip(&transitions) {
        state.apply(transition).map_err(|source| run::JournalError::Illegal { run: run.id.clone(), seq, source })?;
        // What follows for the store's other rows was written when the transition was.
        drop(projection.take(&plan, &state, transition));
    }
    Ok(LoadedRun { plan: Arc::new(plan), rows, transitions, state, projection })
}

//! The stored form of transitions, and the hash chain over them.

use super::state::{IllegalTransition, RunState};
use super::transition::Transition;
use crate::digest::Digest;
use crate::plan::Plan;
use crate::record::{JournalRow, NewRow, RunId};

/// The newest stored form that this version knows. A row has the oldest form that can say what it says, so that an
/// earlier version reads all it can.
pub const JOURNAL_FORMAT: u16 = 2;

/// A journal that is not what was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The chain is broken: a row was changed, taken out, put in or moved.
    #[error("run {run}: the chain breaks at row {seq}")]
    Broken {
        /// The run.
        run: RunId,
        /// The first row that does not fit.
        seq: u64,
    },
    /// Rows are missing at the end, or the head is not the one stored.
    #[error("run {run}: the journal ends at row {found}, the run says {stored}")]
    Short {
        /// The run.
        run: RunId,
        /// How many rows there are.
        found: u64,
        /// How many there should be.
        stored: u64,
    },
    /// A row has a form this version does not know.
    #[error("run {run}: row {seq} has format {format}, this version reads up to {JOURNAL_FORMAT}")]
    Format {
        /// The run.
        run: RunId,
        /// The row.
        seq: u64,
        /// Its format.
        format: u16,
    },
    /// A row cannot be read.
    #[error("run {run}: row {seq} cannot be read: {why}")]
    Unreadable {
        /// The run.
        run: RunId,
        /// The row.
        seq: u64,
        /// Why.
        why: String,
    },
    /// A row does not follow from those before it.
    #[error("run {run}: row {seq} does not follow: {source}")]
    Illegal {
        /// The run.
        run: RunId,
        /// The row.
        seq: u64,
        /// The rule it breaks.
        source: IllegalTransition,
    },
}

impl JournalError {
    /// The first row that is not what was written; none when rows are missing at the end.
    pub fn row(&self) -> Option<u64> {
        match self {
            Self::Broken { seq, .. } | Self::Format { seq, .. } | Self::Unreadable { seq, .. } | Self::Illegal { seq, .. } => Some(*seq),
            Self::Short { .. } => None,
        }
    }
}

/// The link of a row: over the run, its place, the link before it and its bytes as stored.
pub fn link(run: &RunId, seq: u64, previous: &Digest, bytes: &[u8]) -> Digest {
    Digest::of([run.as_str().as_bytes(), &seq.to_be_bytes(), previous.as_bytes(), bytes])
}

/// The rows for these transitions after a chain that stands at `seq` and `head`, and the new head.
///
/// # Errors
/// When a value cannot be written as JSON, which no value of a transition does.
pub fn encode(run: &RunId, seq: u64, head: Digest, transitions: &[Transition]) -> Result<(Vec<NewRow>, Digest), serde_json::Error> {
    let mut head = head;
    let mut rows = Vec::with_capacity(transitions.len());
    for (seq, transition) in (seq..).zip(transitions) {
        let bytes = serde_json::to_vec(transition)?;
        head = link(run, seq, &head, &bytes);
        rows.push(NewRow { format: transition.format(), bytes, hash: head });
    }
    Ok((rows, head))
}

/// Reads a row.
///
/// # Errors
/// `Format` or `Unreadable`.
pub fn decode(run: &RunId, row: &JournalRow) -> Result<Transition, JournalError> {
    if row.format > JOURNAL_FORMAT {
        return Err(JournalError::Format { run: run.clone(), seq: row.seq, format: row.format });
    }
    serde_json::from_slice(&row.bytes).map_err(|error| JournalError::Unreadable { run: run.clone(), seq: row.seq, why: error.to_string() })
}

/// Checks the chain of a whole journal and reads it.
///
/// # Errors
/// `Broken` at the first row that was tampered with, `Short` when rows are missing at the end.
pub fn verify(run: &RunId, rows: &[JournalRow], stored: u64, head: &Digest) -> Result<Vec<Transition>, JournalError> {
    let mut previous = Digest::ZERO;
    let mut transitions = Vec::with_capacity(rows.len());
    for (seq, row) in (0_u64..).zip(rows) {
        if row.seq != seq || row.hash != link(run, seq, &previous, &row.bytes) {
            return Err(JournalError::Broken { run: run.clone(), seq });
        }
        previous = row.hash;
        transitions.push(decode(run, row)?);
    }
    if rows.len() as u64 != stored || previous != *head {
        return Err(JournalError::Short { run: run.clone(), found: rows.len() as u64, stored });
    }
    Ok(transitions)
}

/// The state of a run from its transitions.
///
/// # Errors
/// `Illegal` at the first transition the table forbids.
pub fn replay(run: &RunId, plan: &Plan, transitions: &[Transition]) -> Result<RunState, JournalError> {
    let mut state = RunState::new(plan);
    for (seq, transition) in (0_u64..).zip(transitions) {
        state.apply(transition).map_err(|source| JournalError::Illegal { run: run.clone(), seq, source })?;
    }
    Ok(state)
}

//! What a host can watch while runs move.

use crate::plan::OperationId;
use crate::record::{RunId, Verdict};
use crate::run::Phase;
use provisionr_sdk::{SubjectId, SystemName, Timestamp};

/// Something a run just did; it is durable by then.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Progress {
    /// An operation stands elsewhere now.
    Operation {
        /// The run.
        run: RunId,
        /// For whom.
        subject: SubjectId,
        /// Where.
        system: SystemName,
        /// The operation.
        operation: OperationId,
        /// What it does, for people.
        title: String,
        /// Where it stands.
        phase: Phase,
        /// How many attempts there were.
        attempts: u32,
        /// The last failure, in words.
        trouble: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// A run is over.
    Settled {
        /// The run.
        run: RunId,
        /// How.
        verdict: Verdict,
        /// When.
        at: Timestamp,
    },
}

/// Hears of progress. Called between two steps of a run: hand on what takes long.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn progress(&self, progress: &Progress);
}

impl<F: Fn(&Progress) + Send + Sync + 'static> Observer for F {
    fn progress(&self, progress: &Progress) {
        self(progress);
    }
}

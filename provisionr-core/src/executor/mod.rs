//! Moves runs: starts what is due, makes each intent durable before its write, records what came of it.

mod claims;
mod decide;
mod gate;
mod load;
mod mover;
mod project;
mod verify;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::observer::{Observer, Progress};
use crate::rate::Lanes;
use crate::retry::RetryPolicy;
use crate::run::{IllegalTransition, JournalError};
use crate::store::{RunId, Store, StoreError};
use provisionr_sdk::{Adapter, CallContext, CallGate, Descriptor, SystemName};

pub(crate) use claims::Claims;
use gate::Gate;
pub(crate) use load::{LoadedRun, load};
pub(crate) use mover::Moved;
pub(crate) use project::{Projection, links};

/// The systems of a host, by name.
pub(crate) type Systems = BTreeMap<SystemName, Arc<dyn Adapter>>;

/// How much is done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Runs that are moved at once. 256 unless set.
    pub runs: usize,
    /// Attempts and looks of one run that are under way at once, in one system. 32 unless set; the vendor's lanes
    /// hold them back further.
    pub per_system: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { runs: 256, per_system: 32 }
    }
}

impl Limits {
    /// Sets how many runs are moved at once.
    #[must_use]
    pub fn runs(mut self, runs: usize) -> Self {
        self.runs = runs.max(1);
        self
    }

    /// Sets how many attempts and looks of one run are under way at once, in one system.
    #[must_use]
    pub fn per_system(mut self, calls: usize) -> Self {
        self.per_system = calls.max(1);
        self
    }
}

/// A run that could not be moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// The store failed, or another owner has the run.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal is not what was written: nothing is done until a person has looked.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The plan is missing or cannot be read.
    #[error("run {run}: the plan cannot be read: {why}")]
    Plan {
        /// The run.
        run: RunId,
        /// Why.
        why: String,
    },
    /// A step that the table forbids: a mistake in provisionr.
    #[error("run {run}: {source}")]
    Illegal {
        /// The run.
        run: RunId,
        /// The rule it breaks.
        source: IllegalTransition,
    },
    /// A value that cannot be written: a mistake in provisionr.
    #[error("run {run}: a transition cannot be written: {why}")]
    Encode {
        /// The run.
        run: RunId,
        /// Why.
        why: String,
    },
}

/// What moving runs needs; shared by all of them.
pub(crate) struct Executor {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) systems: Arc<Systems>,
    pub(crate) lanes: Lanes,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) retry: RetryPolicy,
    pub(crate) limits: Limits,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    pub(crate) claims: Claims,
    /// Something may be in an inbox.
    pub(crate) mail: watch::Sender<u64>,
}

impl Executor {
    fn tell(&self, progress: &Progress) {
        for observer in &self.observers {
            observer.progress(progress);
        }
    }

    /// A context that looks at one system and never writes.
    pub(crate) fn looking(&self, descriptor: &Descriptor) -> Looking {
        Looking(Arc::new(Gate::new(descriptor.system.clone(), self.lanes.clone(), Arc::clone(&self.clock), descriptor.timeout)))
    }
}

/// Looks at one system.
pub(crate) struct Looking(Arc<Gate>);

impl Looking {
    pub(crate) fn context(&self) -> CallContext {
        CallContext::new(Arc::clone(&self.0) as Arc<dyn CallGate>)
    }

    /// Returns when the call under way takes too long.
    pub(crate) async fn expired(&self) {
        self.0.expired().await;
    }
}

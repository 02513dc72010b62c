//! The port to durable state: commit what belongs together, read, lease.
//!
//! A store holds runs and their journals, the plans they follow, links from subjects to accounts, the ledger of
//! grants provisionr gave, and what each parked run waits for. It knows nothing of what the bytes mean.

mod rows;

use std::any::Any;
use std::fmt;

use async_trait::async_trait;

use crate::digest::Digest;
use provisionr_sdk::{AccountId, EventId, SubjectId, SystemName, Timestamp};

pub use rows::{Actor, JournalRow, LedgerRow, LinkRow, NewRow, PlanRow, Rank, RunId, RunRow, Verdict, WaitRow, WorkerId};

/// What a store could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The run has moved on, or has another owner: what this writer believes is out of date.
    #[error("run {run} has been moved by another owner")]
    Conflict {
        /// The run.
        run: RunId,
    },
    /// The account belongs to another subject.
    #[error("account {account} in {system} belongs to subject {holder}")]
    Claimed {
        /// The system.
        system: SystemName,
        /// The account.
        account: AccountId,
        /// The subject that has it.
        holder: SubjectId,
    },
    /// The event has opened a run before.
    #[error("event {event} has opened run {run} already")]
    Duplicate {
        /// The event.
        event: EventId,
        /// The run it opened.
        run: RunId,
    },
    /// Another living process drives this store.
    #[error("another process drives this store")]
    Busy,
    /// Something stored is not what it should be.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// The store was written by a newer version.
    #[error("the store has format {found}, this version reads up to {known}")]
    Newer {
        /// What was found.
        found: u32,
        /// What this version knows.
        known: u32,
    },
    /// It is not known whether the commit took effect: read before going on.
    #[error("it is not known whether the commit took effect: {0}")]
    Indeterminate(String),
    /// The store cannot be used now.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
}

/// One write of a commit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Write {
    /// Opens a run with its plan, due at once. The first rows of its journal are `rows`.
    Open {
        /// The run; `rows` and `head` are those after the journal rows given here.
        run: RunRow,
        /// Its plan; stored once for each digest.
        plan: PlanRow,
        /// The beginning of its journal.
        rows: Vec<NewRow>,
    },
    /// Adds rows to a run's journal, if it stands at `at` rows in this epoch.
    Append {
        /// The run.
        run: RunId,
        /// The epoch of the writer.
        epoch: u64,
        /// How many rows the writer believes there are.
        at: u64,
        /// Drawn anew for each append: an append that is there already under the same id succeeds.
        append: u64,
        /// The rows.
        rows: Vec<NewRow>,
        /// Set when they settle the run.
        verdict: Option<Verdict>,
    },
    /// Ends the lease of a run in this epoch; it is due again at the time given, or never.
    Park {
        /// The run.
        run: RunId,
        /// The epoch of the writer.
        epoch: u64,
        /// When it should be moved again.
        due: Option<Timestamp>,
    },
    /// Makes a run due no later than this.
    Wake {
        /// The run.
        run: RunId,
        /// When.
        at: Timestamp,
    },
    /// Remembers a subject's account; takes the place of an earlier link of the same subject and system.
    Link(LinkRow),
    /// Forgets a link.
    Unlink {
        /// The subject.
        subject: SubjectId,
        /// The system.
        system: SystemName,
    },
    /// Records a grant that provisionr gave.
    Give(LedgerRow),
    /// Forgets a grant.
    Drop {
        /// The system.
        system: SystemName,
        /// The account.
        account: AccountId,
        /// What identifies the grant.
        key: String,
    },
    /// Records or changes a wait.
    Wait(WaitRow),
    /// Ends a wait.
    EndWait {
        /// The run.
        run: RunId,
        /// The operation.
        operation: String,
    },
}

/// Writes that take effect together or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Commit {
    /// The writes, in order.
    pub writes: Vec<Write>,
}

impl Commit {
    /// A commit of these writes.
    pub fn new(writes: impl IntoIterator<Item = Write>) -> Self {
        Self { writes: writes.into_iter().collect() }
    }
}

/// Which runs are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunFilter {
    /// Only those of this subject.
    pub subject: Option<SubjectId>,
    /// Only those that are settled, or only those that are not.
    pub settled: Option<bool>,
    /// Only those after this one, in the order of their ids.
    pub after: Option<RunId>,
    /// At most so many; 1,000 unless set.
    pub limit: Option<usize>,
}

impl RunFilter {
    /// All runs.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only those of this subject.
    #[must_use]
    pub fn subject(mut self, subject: SubjectId) -> Self {
        self.subject = Some(subject);
        self
    }

    /// Only those that are not settled.
    #[must_use]
    pub fn unsettled(mut self) -> Self {
        self.settled = Some(false);
        self
    }

    /// Only those after this one.
    #[must_use]
    pub fn after(mut self, run: RunId) -> Self {
        self.after = Some(run);
        self
    }

    /// At most so many.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }
}

/// A worker's right to lease runs. It ends when this is dropped, or at `until`.
pub struct Enlisted {
    /// Until when it holds without being renewed; none for as long as the process lives.
    pub until: Option<Timestamp>,
    _guard: Box<dyn Any + Send + Sync>,
}

impl Enlisted {
    /// A right that ends with `guard`.
    pub fn new(until: Option<Timestamp>, guard: impl Any + Send + Sync) -> Self {
        Self { until, _guard: Box::new(guard) }
    }
}

impl fmt::Debug for Enlisted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enlisted").field("until", &self.until).finish_non_exhaustive()
    }
}

/// Durable state.
///
/// - When `commit` returns `Ok`, its writes survive the end of the process and of the machine (a memory store: of
///   the future). When it returns an error other than `Indeterminate`, none of them took effect.
/// - Every future may be dropped at any await; a commit whose future was dropped may or may not take effect.
/// - A run is leased to one worker at a time. Each lease of a run raises its epoch by one; appends and parks of an
///   older epoch are refused with `Conflict`.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Makes the writes durable, all or none.
    async fn commit(&self, commit: Commit) -> Result<(), StoreError>;

    /// Registers a worker that will lease runs. Runs leased to workers that are no more are free again.
    /// - `Busy` when a living worker has the store to itself.
    async fn enlist(&self, worker: &WorkerId) -> Result<Enlisted, StoreError>;

    /// Leases runs that are due at `now` and free: highest rank first, then longest due; at most `limit`.
    async fn lease(&self, worker: &WorkerId, now: Timestamp, limit: usize) -> Result<Vec<RunRow>, StoreError>;

    /// When the next free run is due.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// A run.
    async fn run(&self, run: &RunId) -> Result<Option<RunRow>, StoreError>;

    /// The run an event opened.
    async fn run_of_event(&self, event: &EventId) -> Result<Option<RunId>, StoreError>;

    /// Runs in the order of their ids.
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError>;

    /// When a free run that is not settled is due.
    async fn due(&self, run: &RunId) -> Result<Option<Timestamp>, StoreError>;

    /// Rows of a run's journal from `from` on, at most `limit`.
    async fn journal(&self, run: &RunId, from: u64, limit: usize) -> Result<Vec<JournalRow>, StoreError>;

    /// A plan.
    async fn plan(&self, digest: &Digest) -> Result<Option<PlanRow>, StoreError>;

    /// The accounts of a subject.
    async fn links(&self, subject: &SubjectId) -> Result<Vec<LinkRow>, StoreError>;

    /// Whose account this is.
    async fn holder(&self, system: &SystemName, account: &AccountId) -> Result<Option<SubjectId>, StoreError>;

    /// The grants provisionr gave an account, in the order of their keys.
    async fn ledger(&self, system: &SystemName, account: &AccountId) -> Result<Vec<LedgerRow>, StoreError>;

    /// What a run waits for, in the order of operations.
    async fn waits(&self, run: &RunId) -> Result<Vec<WaitRow>, StoreError>;
}

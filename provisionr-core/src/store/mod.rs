//! The port to durable state: commit what belongs together, read, lease.
//!
//! A store holds runs and their journals, the plans they follow, subjects as they were last planned for, messages to
//! the owners of runs, links from subjects to accounts, the ledger of grants provisionr gave, and what each parked run
//! waits for. It knows nothing of what the bytes mean.

#[cfg(any(test, feature = "store-suite"))]
#[macro_use]
pub mod suite;
// After the suite, whose macro it uses.
mod memory;

use std::any::Any;
use std::fmt;

use async_trait::async_trait;

use crate::digest::Digest;
use provisionr_sdk::{AccountId, EventId, SubjectId, SystemName, Timestamp};

pub use crate::record::{
    ACCOUNT_STATE, Actor, InboxRow, JournalRow, LedgerRow, LinkRow, NewRow, PlanRow, Rank, RunId, RunRow, SubjectRow, Verdict, WaitRow, WorkerId,
};
pub use memory::MemoryStore;

/// How many of the last messages of a run a store recognises at least when they are sent again.
pub const RECOGNISED: u64 = 1_000;

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
    /// The event has led to a run before.
    #[error("event {event} has led to run {run} already")]
    Duplicate {
        /// The event.
        event: EventId,
        /// The run it led to.
        run: RunId,
    },
    /// A newer version of the subject has been planned for.
    #[error("subject {subject} has been planned for in version {version}, which is newer")]
    Overtaken {
        /// The subject.
        subject: SubjectId,
        /// The version that was planned for.
        version: u64,
    },
    /// An unsettled run of the same subject stands above the one to be opened: of a newer version, or of the same version and a higher rank.
    #[error("run {run} of the same subject stands above this one and is not settled")]
    Outranked {
        /// The run that stands above; the highest of them.
        run: RunId,
    },
    /// An unsettled run of the subject is not among those that were known.
    #[error("run {run} of the same subject was not known")]
    Unseen {
        /// The run.
        run: RunId,
    },
    /// What was asked for makes no sense: a mistake of the caller.
    #[error("the store refuses: {0}")]
    Invalid(String),
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

impl StoreError {
    /// What a store answers to a lease of a worker that did not enlist, or not any more.
    pub fn not_enlisted(worker: &WorkerId) -> Self {
        Self::Invalid(format!("worker {worker} is not enlisted"))
    }
}

impl RunRow {
    /// Whether this row fits the plan and the first journal rows it is opened with.
    ///
    /// # Errors
    /// `Invalid`, with what does not fit.
    pub fn check_opening(&self, plan: &PlanRow, rows: &[NewRow]) -> Result<(), StoreError> {
        let wrong = |why: &str| Err(StoreError::Invalid(format!("run {} is opened with {why}", self.id)));
        if self.plan != plan.digest {
            return wrong("another plan than its own");
        }
        if self.rows != rows.len() as u64 {
            return wrong("more or fewer journal rows than it says");
        }
        if rows.last().is_some_and(|last| last.hash != self.head) {
            return wrong("a head that is not the hash of its last journal row");
        }
        Ok(())
    }
}

/// One write of a commit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Write {
    /// Opens a run with its plan: free, and due at once (at `opened_at`). The first rows of its journal are `rows`.
    /// - `Duplicate` when its event has led to a run, `Conflict` when another event opened a run of this id.
    /// - `Outranked` when an unsettled run of the same subject stands above it by version and then by rank; an equal one
    ///   does not. An event that has led to a run is `Duplicate` also then.
    /// - `Invalid` when the row does not fit the plan or the journal rows.
    Open {
        /// The run; `rows` and `head` are those after the journal rows given here.
        run: RunRow,
        /// Its plan; stored once for each digest.
        plan: PlanRow,
        /// The beginning of its journal.
        rows: Vec<NewRow>,
    },
    /// Adds rows, one at least, to a run's journal, if it stands at `at` rows in this epoch; otherwise `Conflict`.
    /// - A verdict settles the run: it is free, never due and never leased again, and what is in its inbox is dropped.
    Append {
        /// The run.
        run: RunId,
        /// The epoch of the writer.
        epoch: u64,
        /// How many rows the writer believes there are.
        at: u64,
        /// Drawn anew for each append: one that is there already under the same id succeeds, in a later epoch too.
        append: u64,
        /// The rows.
        rows: Vec<NewRow>,
        /// Set when they settle the run.
        verdict: Option<Verdict>,
    },
    /// Ends the lease of a run in this epoch; it is due again at the time given, or never.
    /// - A wake during the lease is not lost: the run is due at the earlier of both. The same for a run that was free already.
    /// - `Conflict` in a later epoch.
    Park {
        /// The run.
        run: RunId,
        /// The epoch of the writer.
        epoch: u64,
        /// When it should be moved again.
        due: Option<Timestamp>,
    },
    /// Makes a run due no later than this; one that is leased, once its lease has ended. No effect on a settled run.
    /// - `Conflict` when there is no such run.
    Wake {
        /// The run.
        run: RunId,
        /// When.
        at: Timestamp,
    },
    /// Puts a message for a run's owner into the run's inbox, behind those that are there, and makes the run due as
    /// [`Wake`](Self::Wake) does.
    /// - It stays until it is taken or the run settles. A message to a settled run is dropped: `Ok`.
    /// - No effect when the run got a message of this id before and it is one of its last [`RECOGNISED`] or not taken yet.
    /// - `Conflict` when there is no such run.
    Send {
        /// The run.
        run: RunId,
        /// Chosen by the sender, one for each message of a run: it tells a commit made again from another message.
        id: u64,
        /// When it was sent, and the run should be moved.
        at: Timestamp,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Takes messages out of a run's inbox, from the first up to this one.
    /// - `Conflict` in another epoch. Beside an append a repeat is recognised in a later epoch too.
    Take {
        /// The run.
        run: RunId,
        /// The epoch of the writer.
        epoch: u64,
        /// The last that is taken, by its place.
        upto: u64,
    },
    /// Writes nothing, and holds the commit to what its writer knew.
    /// - `Unseen` when the subject has an unsettled run that is not among these.
    Beside {
        /// The subject.
        subject: SubjectId,
        /// Its unsettled runs, as far as they are known.
        runs: Vec<RunId>,
    },
    /// Remembers a subject as it was planned for, in the place of the same or an older version.
    /// - `Overtaken` when a newer version was planned for.
    Subject(SubjectRow),
    /// Remembers that an event led to a run that another event opened. No effect when it led to this run before.
    /// - `Duplicate` when it has led to another run.
    /// - `Conflict` when there is no such run.
    Event {
        /// The event.
        event: EventId,
        /// The run.
        run: RunId,
    },
    /// Remembers a subject's account; takes the place of an earlier link of the same subject and system.
    /// - `Claimed` when the account is another subject's.
    Link(LinkRow),
    /// Forgets a link, if there is one.
    Unlink {
        /// The subject.
        subject: SubjectId,
        /// The system.
        system: SystemName,
    },
    /// Records a grant that provisionr gave, in the place of an earlier one of the same key.
    Give(LedgerRow),
    /// Forgets a grant, if it is there.
    Drop {
        /// The system.
        system: SystemName,
        /// The account.
        account: AccountId,
        /// What identifies the grant.
        key: String,
    },
    /// Records or changes a wait of a run.
    /// - `Conflict` when there is no such run.
    Wait(WaitRow),
    /// Ends a wait, if there is one.
    EndWait {
        /// The run.
        run: RunId,
        /// The operation.
        operation: String,
    },
}

/// Writes that take effect together or not at all.
///
/// Each write sees those before it. A commit all of whose appends are there already took effect before, as a whole: it
/// succeeds and changes nothing. So a commit whose answer was lost can be made again as it was: with an append, or with
/// an opening, which is `Duplicate` then; without either it takes effect again, and only messages are recognised.
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

    /// How many at most, by default or as set.
    pub fn most(&self) -> usize {
        self.limit.unwrap_or(1_000)
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
/// - A run is leased to one worker at a time. Each lease of a run raises its epoch by one; appends, parks and takes of
///   an older epoch are refused with `Conflict`.
/// - A read that begins after a commit has returned sees its writes.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Makes the writes durable, all or none.
    async fn commit(&self, commit: Commit) -> Result<(), StoreError>;

    /// Registers a worker that will lease runs. Runs leased to workers that are no more are free again, and due when
    /// they were.
    /// - `Busy` when a living worker has the store to itself.
    async fn enlist(&self, worker: &WorkerId) -> Result<Enlisted, StoreError>;

    /// Leases runs that are due at `now` and free: highest rank first, then longest due, then in the order of their
    /// ids; at most `limit`. Settled runs are never leased.
    /// - `Invalid` when the worker is not enlisted.
    /// - A run leased to a future that was dropped is soon free again.
    async fn lease(&self, worker: &WorkerId, now: Timestamp, limit: usize) -> Result<Vec<RunRow>, StoreError>;

    /// When the next free run is due.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// A run.
    async fn run(&self, run: &RunId) -> Result<Option<RunRow>, StoreError>;

    /// The run an event led to: the one it opened, or one that another event had opened.
    async fn run_of_event(&self, event: &EventId) -> Result<Option<RunId>, StoreError>;

    /// Runs in the order of their ids.
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError>;

    /// When a free run that is not settled is due.
    async fn due(&self, run: &RunId) -> Result<Option<Timestamp>, StoreError>;

    /// Rows of a run's journal from `from` on, in order, at most `limit`.
    async fn journal(&self, run: &RunId, from: u64, limit: usize) -> Result<Vec<JournalRow>, StoreError>;

    /// A plan.
    async fn plan(&self, digest: &Digest) -> Result<Option<PlanRow>, StoreError>;

    /// What is in a run's inbox, in order.
    async fn inbox(&self, run: &RunId) -> Result<Vec<InboxRow>, StoreError>;

    /// A subject as it was last planned for.
    async fn subject(&self, subject: &SubjectId) -> Result<Option<SubjectRow>, StoreError>;

    /// The accounts of a subject, in the order of systems.
    async fn links(&self, subject: &SubjectId) -> Result<Vec<LinkRow>, StoreError>;

    /// Whose account this is.
    async fn holder(&self, system: &SystemName, account: &AccountId) -> Result<Option<SubjectId>, StoreError>;

    /// The grants provisionr gave an account, in the order of their keys.
    async fn ledger(&self, system: &SystemName, account: &AccountId) -> Result<Vec<LedgerRow>, StoreError>;

    /// What a run waits for, in the order of operations.
    async fn waits(&self, run: &RunId) -> Result<Vec<WaitRow>, StoreError>;
}

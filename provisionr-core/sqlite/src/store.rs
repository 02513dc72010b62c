//! The store port over the threads.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::Sender;
use std::time::Duration;

use async_trait::async_trait;
use provisionr_core::store::{
    Commit, Enlisted, InboxRow, JournalRow, LedgerRow, LinkRow, PlanRow, RunFilter, RunId, RunRow, Store, StoreError, SubjectRow, WaitRow, WorkerId,
};
use provisionr_core::{AccountId, Digest, EventId, SubjectId, SystemName, Timestamp};
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use crate::error::{failed, gone};
use crate::writer::Message;
use crate::{open, read};

type Result<T> = std::result::Result<T, StoreError>;

pub(crate) type Read = Box<dyn FnOnce(&Connection) + Send>;

/// How a store is opened.
///
/// ```
/// # use std::time::Duration;
/// # use provisionr_sqlite::SqliteOptions;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("access.db");
/// let store = SqliteOptions::new().busy_timeout(Duration::from_secs(30)).open(path).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    busy_timeout: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { busy_timeout: Duration::from_secs(5) }
    }
}

impl SqliteOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long a commit waits while another process writes, before it fails with `Unavailable`; 5 seconds by default.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Opens the store in this file, which is made if it is missing.
    ///
    /// # Errors
    /// - `Unavailable`: no such directory, no right to write, another program's database, or an unsuitable file system.
    /// - `Corrupt`: not an SQLite database, or a damaged one.
    /// - `Newer`: written by a newer version of this crate.
    pub async fn open(self, path: impl AsRef<Path>) -> Result<SqliteStore> {
        let path = path.as_ref().to_owned();
        let (reply, opened) = oneshot::channel();
        let begin = move || match open::start(&path, self.busy_timeout) {
            Ok((handle, work)) => {
                let _ = reply.send(Ok(handle));
                work();
            }
            Err(error) => drop(reply.send(Err(error))),
        };
        let thread = std::thread::Builder::new().name("provisionr-sqlite".to_owned()).spawn(begin);
        thread.map_err(|error| StoreError::Unavailable(format!("no thread could be started: {error}")))?;
        Ok(SqliteStore { handle: Arc::new(opened.await.map_err(|_| gone())??) })
    }
}

/// The ways to the threads; they end when it is dropped.
pub(crate) struct Handle {
    pub(crate) path: PathBuf,
    pub(crate) messages: Sender<Message>,
    pub(crate) reads: Sender<Read>,
    pub(crate) ended: watch::Receiver<()>,
    pub(crate) transactions: Arc<AtomicU64>,
}

/// A store in an SQLite file. Clones share its two threads, which end with the last of them.
#[derive(Clone)]
pub struct SqliteStore {
    pub(crate) handle: Arc<Handle>,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.handle.path).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the store in this file with the default [`SqliteOptions`].
    ///
    /// # Errors
    /// As of [`SqliteOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        SqliteOptions::new().open(path).await
    }

    /// Gives this handle back. If it was the last, returns once everything asked for is done, the write-ahead log is
    /// merged into the file and the file is closed. Dropping does the same, without waiting for it.
    pub async fn close(self) {
        if let Some(Handle { messages, reads, mut ended, .. }) = Arc::into_inner(self.handle) {
            drop((messages, reads));
            // An error is what tells that the thread, which has the other end, is gone.
            while ended.changed().await.is_ok() {}
        }
    }

    /// How many transactions were made durable since the store was opened. Commits that come together share one, so
    /// this is how often the disk was waited for.
    pub fn transactions(&self) -> u64 {
        self.handle.transactions.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Asks the writer; an answer that never comes is `lost`.
    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<Result<T>>) -> Message, lost: StoreError) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.handle.messages.send(message(reply)).map_err(|_| gone())?;
        answer.await.map_err(|_| lost)?
    }

    /// Reads on the reader's thread, which waits for no commit.
    async fn read<T: Send + 'static>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |connection| {
            if !reply.is_closed() {
                let _ = reply.send(read(connection).map_err(failed));
            }
        });
        self.handle.reads.send(read).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, commit: Commit) -> Result<()> {
        let lost = StoreError::Indeterminate("the thread that writes has ended".to_owned());
        self.ask(|reply| Message::Commit { commit, reply }, lost).await
    }

    async fn enlist(&self, worker: &WorkerId) -> Result<Enlisted> {
        self.ask(|reply| Message::Enlist { worker: worker.clone(), reply }, gone()).await
    }

    async fn lease(&self, worker: &WorkerId, now: Timestamp, limit: usize) -> Result<Vec<RunRow>> {
        let (worker, back) = (worker.clone(), self.handle.messages.clone());
        let leased = self.ask(|reply| Message::Lease { worker, now, limit, back, reply }, gone()).await?;
        Ok(leased.arrive())
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        self.read(read::next_due).await
    }

    async fn run(&self, run: &RunId) -> Result<Option<RunRow>> {
        let run = run.clone();
        self.read(move |connection| read::run(connection, &run)).await
    }

    async fn run_of_event(&self, event: &EventId) -> Result<Option<RunId>> {
        let event = event.clone();
        self.read(move |connection| read::run_of_event(connection, &event)).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>> {
        let filter = filter.clone();
        self.read(move |connection| read::runs(connection, &filter)).await
    }

    async fn due(&self, run: &RunId) -> Result<Option<Timestamp>> {
        let run = run.clone();
        self.read(move |connection| read::due(connection, &run)).await
    }

    async fn journal(&self, run: &RunId, from: u64, limit: usize) -> Result<Vec<JournalRow>> {
        let run = run.clone();
        self.read(move |connection| read::journal(connection, &run, from, limit)).await
    }

    async fn plan(&self, digest: &Digest) -> Result<Option<PlanRow>> {
        let digest = *digest;
        self.read(move |connection| read::plan(connection, &digest)).await
    }

    async fn inbox(&self, run: &RunId) -> Result<Vec<InboxRow>> {
        let run = run.clone();
        self.read(move |connection| read::inbox(connection, &run)).await
    }

    async fn subject(&self, subject: &SubjectId) -> Result<Option<SubjectRow>> {
        let subject = subject.clone();
        self.read(move |connection| read::subject(connection, &subject)).await
    }

    async fn links(&self, subject: &SubjectId) -> Result<Vec<LinkRow>> {
        let subject = subject.clone();
        self.read(move |connection| read::links(connection, &subject)).await
    }

    async fn holder(&self, system: &SystemName, account: &AccountId) -> Result<Option<SubjectId>> {
        let (system, account) = (system.clone(), account.clone());
        self.read(move |connection| read::holder(connection, &system, &account)).await
    }

    async fn ledger(&self, system: &SystemName, account: &AccountId) -> Result<Vec<LedgerRow>> {
        let (system, account) = (system.clone(), account.clone());
        self.read(move |connection| read::ledger(connection, &system, &account)).await
    }

    async fn waits(&self, run: &RunId) -> Result<Vec<WaitRow>> {
        let run = run.clone();
        self.read(move |connection| read::waits(connection, &run)).await
    }
}

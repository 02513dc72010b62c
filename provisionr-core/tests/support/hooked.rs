//! A store whose timing a test decides.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use provisionr_core::store::{Commit, Enlisted, InboxRow, JournalRow, LedgerRow, LinkRow, PlanRow, RunFilter, RunRow, SubjectRow, WaitRow, WorkerId};
use provisionr_core::*;

use super::start;

/// A store in memory that is slow, or in which others are quicker.
#[derive(Debug, Default)]
pub struct Hooked {
    /// The store beneath.
    pub inner: MemoryStore,
    /// How long a commit takes until it is durable.
    pub slow: Duration,
    /// The journal of this run is not what was written.
    pub broken: Mutex<Option<RunId>>,
    /// Another worker leases what is due just before the first answer to "when is it due".
    pub overtaken: bool,
    pub other: Mutex<Option<Enlisted>>,
}

impl Hooked {
    pub fn overtaken() -> Self {
        Self { overtaken: true, ..Self::default() }
    }

    pub fn slow(slow: Duration) -> Self {
        Self { slow, ..Self::default() }
    }
}

#[async_trait]
impl Store for Hooked {
    async fn due(&self, run: &RunId) -> Result<Option<Timestamp>, StoreError> {
        if self.overtaken && self.other.lock().unwrap().is_none() {
            let worker = WorkerId::new("other");
            let enlisted = self.inner.enlist(&worker).await?;
            assert_eq!(self.inner.lease(&worker, start(), 1).await?.len(), 1);
            *self.other.lock().unwrap() = Some(enlisted);
        }
        self.inner.due(run).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        tokio::time::sleep(self.slow).await;
        self.inner.commit(commit).await
    }

    async fn enlist(&self, worker: &WorkerId) -> Result<Enlisted, StoreError> {
        self.inner.enlist(worker).await
    }

    async fn lease(&self, worker: &WorkerId, now: Timestamp, limit: usize) -> Result<Vec<RunRow>, StoreError> {
        self.inner.lease(worker, now, limit).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.inner.next_due().await
    }

    async fn run(&self, run: &RunId) -> Result<Option<RunRow>, StoreError> {
        self.inner.run(run).await
    }

    async fn run_of_event(&self, event: &EventId) -> Result<Option<RunId>, StoreError> {
        self.inner.run_of_event(event).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
        self.inner.runs(filter).await
    }

    async fn journal(&self, run: &RunId, from: u64, limit: usize) -> Result<Vec<JournalRow>, StoreError> {
        let mut rows = self.inner.journal(run, from, limit).await?;
        if self.broken.lock().unwrap().as_ref() == Some(run) {
            rows.iter_mut().for_each(|row| row.bytes.push(b' '));
        }
        Ok(rows)
    }

    async fn plan(&self, digest: &Digest) -> Result<Option<PlanRow>, StoreError> {
        self.inner.plan(digest).await
    }

    async fn inbox(&self, run: &RunId) -> Result<Vec<InboxRow>, StoreError> {
        self.inner.inbox(run).await
    }

    async fn subject(&self, subject: &SubjectId) -> Result<Option<SubjectRow>, StoreError> {
        self.inner.subject(subject).await
    }

    async fn links(&self, subject: &SubjectId) -> Result<Vec<LinkRow>, StoreError> {
        self.inner.links(subject).await
    }

    async fn holder(&self, system: &SystemName, account: &AccountId) -> Result<Option<SubjectId>, StoreError> {
        self.inner.holder(system, account).await
    }

    async fn ledger(&self, system: &SystemName, account: &AccountId) -> Result<Vec<LedgerRow>, StoreError> {
        self.inner.ledger(system, account).await
    }

    async fn waits(&self, run: &RunId) -> Result<Vec<WaitRow>, StoreError> {
        self.inner.waits(run).await
    }
}

/// One store of several processes.
#[derive(Clone, Debug)]
pub struct Shared(pub std::sync::Arc<Hooked>);

#[async_trait]
impl Store for Shared {
    async fn due(&self, run: &RunId) -> Result<Option<Timestamp>, StoreError> {
        self.0.due(run).await
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.0.commit(commit).await
    }

    async fn enlist(&self, worker: &WorkerId) -> Result<Enlisted, StoreError> {
        self.0.enlist(worker).await
    }

    async fn lease(&self, worker: &WorkerId, now: Timestamp, limit: usize) -> Result<Vec<RunRow>, StoreError> {
        self.0.lease(worker, now, limit).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.0.next_due().await
    }

    async fn run(&self, run: &RunId) -> Result<Option<RunRow>, StoreError> {
        self.0.run(run).await
    }

    async fn run_of_event(&self, event: &EventId) -> Result<Option<RunId>, StoreError> {
        self.0.run_of_event(event).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
        self.0.runs(filter).await
    }

    async fn journal(&self, run: &RunId, from: u64, limit: usize) -> Result<Vec<JournalRow>, StoreError> {
        self.0.journal(run, from, limit).await
    }

    async fn plan(&self, digest: &Digest) -> Result<Option<PlanRow>, StoreError> {
        self.0.plan(digest).await
    }

    async fn inbox(&self, run: &RunId) -> Result<Vec<InboxRow>, StoreError> {
        self.0.inbox(run).await
    }

    async fn subject(&self, subject: &SubjectId) -> Result<Option<SubjectRow>, StoreError> {
        self.0.subject(subject).await
    }

    async fn links(&self, subject: &SubjectId) -> Result<Vec<LinkRow>, StoreError> {
        self.0.links(subject).await
    }

    async fn holder(&self, system: &SystemName, account: &AccountId) -> Result<Option<SubjectId>, StoreError> {
        self.0.holder(system, account).await
    }

    async fn ledger(&self, system: &SystemName, account: &AccountId) -> Result<Vec<LedgerRow>, StoreError> {
        self.0.ledger(system, account).await
    }

    async fn waits(&self, run: &RunId) -> Result<Vec<WaitRow>, StoreError> {
        self.0.waits(run).await
    }
}

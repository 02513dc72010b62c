//! A store that ends with its process: for tests, and for hosts that keep nothing.

mod inbox;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;

use self::state::State;
use super::{Commit, Enlisted, InboxRow, JournalRow, LedgerRow, LinkRow, PlanRow, RunFilter, RunId, RunRow, Store, StoreError, SubjectRow, WaitRow, WorkerId};
use crate::digest::Digest;
use provisionr_sdk::{AccountId, EventId, SubjectId, SystemName, Timestamp};

/// A store in memory. Clones share what it holds.
///
/// Tests can make commits fail: [`fail_commit`](Self::fail_commit) before one takes effect, and
/// [`lose_answer`](Self::lose_answer) after it did.
///
/// ```
/// use provisionr_core::store::{Commit, MemoryStore, Store, StoreError};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), StoreError> {
/// let store = MemoryStore::new();
/// store.lose_answer(1);
/// store.commit(Commit::default()).await?;
/// assert!(matches!(store.commit(Commit::default()).await, Err(StoreError::Indeterminate(_))));
/// assert_eq!(store.commits(), 2);
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    state: State,
    living: Option<WorkerId>,
    taken: u64,
    failing: Option<u64>,
    losing: Option<u64>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets `after` commits through and has the next one fail with `Unavailable`, without any effect.
    ///
    /// It fires once; setting it again takes the place of the earlier setting.
    pub fn fail_commit(&self, after: u64) {
        self.shared().failing = Some(after);
    }

    /// Lets `after` commits take effect and answers the next one that takes effect with `Indeterminate`.
    ///
    /// It fires once; setting it again takes the place of the earlier setting.
    pub fn lose_answer(&self, after: u64) {
        self.shared().losing = Some(after);
    }

    /// How many commits have taken effect.
    pub fn commits(&self) -> u64 {
        self.shared().taken
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

/// A panic elsewhere leaves no half-made change: changes are undone or complete before the lock is given back.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a fault set to come after some more commits is here.
fn fires(fault: &mut Option<u64>) -> bool {
    match fault {
        Some(0) => {
            *fault = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("commits", &self.commits()).finish_non_exhaustive()
    }
}

/// Frees the store for the next worker, and what the last one had leased.
struct Living(Weak<Mutex<Shared>>);

impl Drop for Living {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            let mut shared = lock(&shared);
            shared.living = None;
            shared.state.free_all();
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        let mut shared = self.shared();
        if fires(&mut shared.failing) {
            return Err(StoreError::Unavailable("a test made this commit fail".to_owned()));
        }
        shared.state.commit(commit)?;
        shared.taken += 1;
        if fires(&mut shared.losing) {
            return Err(StoreError::Indeterminate("a test lost the answer".to_owned()));
        }
        Ok(())
    }

    async fn enlist(&self, worker: &WorkerId) -> Result<Enlisted, StoreError> {
        let mut shared = self.shared();
        if shared.living.is_some() {
            return Err(StoreError::Busy);
        }
        shared.living = Some(worker.clone());
        Ok(Enlisted::new(None, Living(Arc::downgrade(&self.shared))))
    }

    async fn lease(&self, worker: &WorkerId, now: Timestamp, limit: usize) -> Result<Vec<RunRow>, StoreError> {
        let mut shared = self.shared();
        if shared.living.as_ref() != Some(worker) {
            return Err(StoreError::not_enlisted(worker));
        }
        Ok(shared.state.lease(worker, now, limit))
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.shared().state.next_due())
    }

    async fn run(&self, run: &RunId) -> Result<Option<RunRow>, StoreError> {
        Ok(self.shared().state.run(run))
    }

    async fn run_of_event(&self, event: &EventId) -> Result<Option<RunId>, StoreError> {
        Ok(self.shared().state.run_of_event(event))
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
        Ok(self.shared().state.runs(filter))
    }

    async fn due(&self, run: &RunId) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.shared().state.due(run))
    }

    async fn journal(&self, run: &RunId, from: u64, limit: usize) -> Result<Vec<JournalRow>, StoreError> {
        Ok(self.shared().state.journal(run, from, limit))
    }

    async fn plan(&self, digest: &Digest) -> Result<Option<PlanRow>, StoreError> {
        Ok(self.shared().state.plan(digest))
    }

    async fn inbox(&self, run: &RunId) -> Result<Vec<InboxRow>, StoreError> {
        Ok(self.shared().state.inbox(run))
    }

    async fn subject(&self, subject: &SubjectId) -> Result<Option<SubjectRow>, StoreError> {
        Ok(self.shared().state.subject(subject))
    }

    async fn links(&self, subject: &SubjectId) -> Result<Vec<LinkRow>, StoreError> {
        Ok(self.shared().state.links(subject))
    }

    async fn holder(&self, system: &SystemName, account: &AccountId) -> Result<Option<SubjectId>, StoreError> {
        Ok(self.shared().state.holder(system, account))
    }

    async fn ledger(&self, system: &SystemName, account: &AccountId) -> Result<Vec<LedgerRow>, StoreError> {
        Ok(self.shared().state.ledger(system, account))
    }

    async fn waits(&self, run: &RunId) -> Result<Vec<WaitRow>, StoreError> {
        Ok(self.shared().state.waits(run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite::Fixture;

    struct Memory;

    #[async_trait]
    impl Fixture for Memory {
        async fn open(&self) -> Arc<dyn Store> {
            Arc::new(MemoryStore::new())
        }

        fn skips(&self) -> &[(&str, &str)] {
            const REASON: &str = "memory ends with its process";
            &[("what_was_committed_survives_the_process", REASON), ("messages_survive_the_process", REASON), ("leases_end_with_the_process", REASON)]
        }
    }

    store_suite!(Memory);

    #[tokio::test]
    async fn a_commit_made_to_fail_has_no_effect_and_one_made_to_lose_its_answer_has() {
        let store = MemoryStore::new();
        let link = |account: &str| {
            let row = LinkRow { subject: "s".into(), system: account.into(), account: account.into() };
            Commit::new([super::super::Write::Link(row)])
        };
        store.fail_commit(1);
        store.lose_answer(1);
        assert!(store.commit(link("a")).await.is_ok());
        assert!(matches!(store.commit(link("b")).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.commit(link("c")).await, Err(StoreError::Indeterminate(_))));
        assert!(store.commit(link("d")).await.is_ok());
        let systems: Vec<_> = store.links(&"s".into()).await.unwrap().into_iter().map(|link| link.system).collect();
        assert_eq!(systems, ["a", "c", "d"]);
        assert_eq!(store.commits(), 3);
    }
}

//! The embedded loop that keeps runs moving.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinSet};
use tracing::Instrument as _;

use crate::executor::{self, Executor, MoveError, Moved};
use crate::plan::OperationId;
use crate::store::{Commit, RunFilter, RunId, RunRow, StoreError, WorkerId, Write};
use provisionr_sdk::Timestamp;

/// How often the store is asked for work that another process may have put there.
const POLL: Duration = Duration::from_secs(1);

/// How long a run rests after it could not be moved.
const REST: Duration = Duration::from_secs(5);

/// What a driver and the front door tell each other, within one process.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// A run was submitted or woken.
    pub(crate) work: Notify,
    /// A run has moved.
    pub(crate) moved: watch::Sender<u64>,
}

/// Keeps runs moving while its future is polled; the host decides where.
///
/// ```no_run
/// # async fn host(access: provisionr_core::Provisioner) -> Result<(), provisionr_core::StoreError> {
/// let shutdown = async { /* a signal of the host */ };
/// access.driver().run_until(shutdown).await
/// # }
/// ```
pub struct Driver {
    pub(crate) executor: Arc<Executor>,
    pub(crate) news: Arc<News>,
    pub(crate) follow: Arc<dyn FollowUp>,
}

/// Plans and submits what follows when something of a leaver has surfaced.
#[async_trait]
pub(crate) trait FollowUp: Send + Sync {
    async fn follow_up(&self, run: &RunId);
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Driver")
    }
}

impl Driver {
    /// Moves runs until `stop` completes, then lets what is under way come to an end.
    /// - One driver at a time for each store: a second one is `Busy`.
    /// - May be dropped at any await; what was under way is in doubt then, and looked at by the next driver.
    ///
    /// # Errors
    /// When the store cannot be had at the start. Later troubles of the store are waited out.
    pub async fn run_until(self, stop: impl Future<Output = ()> + Send) -> Result<(), StoreError> {
        self.drive(stop, Until::Stopped).await
    }

    /// Moves every unfinished run until each is over or waits for something that is not due yet.
    ///
    /// # Errors
    /// When the store cannot be had at the start.
    pub async fn run_until_idle(self) -> Result<(), StoreError> {
        self.drive(std::future::pending(), Until::Idle).await
    }

    /// Moves every unfinished run until each is over or waits: for something outside, for its date, or for a person. What is
    /// tried again by itself is waited for, unless that is further off than `patience`. Ends early when `stop` completes, once
    /// what is under way has come to an end.
    ///
    /// # Errors
    /// When the store cannot be had at the start.
    pub async fn run_until_quiet(self, patience: Duration, stop: impl Future<Output = ()> + Send) -> Result<(), StoreError> {
        self.drive(stop, Until::Quiet(patience)).await
    }

    async fn drive(self, stop: impl Future<Output = ()> + Send, until: Until) -> Result<(), StoreError> {
        let executor = &self.executor;
        let worker = worker_id();
        let _enlisted = executor.store.enlist(&worker).await?;
        let (stopping, stopped) = watch::channel(false);
        let mut moving = Moving::default();
        let mut stop = std::pin::pin!(stop);
        loop {
            let stopping_now = *stopped.borrow();
            let room = executor.limits.runs.saturating_sub(moving.tasks.len());
            if !stopping_now && room > 0 {
                match executor.store.lease(&worker, executor.clock.now(), room).await {
                    Ok(runs) => runs.into_iter().for_each(|run| moving.start(executor, &self.follow, run, stopped.clone())),
                    Err(error) => tracing::warn!(%error, "the store gives no work"),
                }
            }
            self.release(&mut moving).await;
            let idle = moving.tasks.is_empty() && moving.stranded.is_empty();
            if let (Until::Quiet(patience), true, false) = (until, idle, moving.surveyed) {
                self.survey(&mut moving, executor.clock.now() + patience).await;
            }
            if idle && (stopping_now || (until != Until::Stopped && !self.due_now().await && !moving.tries_again(until, executor.clock.now()))) {
                return Ok(());
            }
            let pause = self.pause(&moving, stopping_now).await;
            tokio::select! {
                biased;
                Some(joined) = moving.tasks.join_next_with_id(), if !moving.tasks.is_empty() => {
                    self.moved(&mut moving, joined);
                    while let Some(joined) = moving.tasks.try_join_next_with_id() {
                        self.moved(&mut moving, joined);
                    }
                }
                () = self.news.work.notified(), if !stopping_now => {}
                () = tokio::time::sleep(pause) => {}
                () = &mut stop, if !stopping_now => {
                    stopping.send_replace(true);
                }
            }
        }
    }

    /// Finds out what runs try again by themselves that nobody has moved since this driver began.
    async fn survey(&self, moving: &mut Moving, until: Timestamp) {
        let store = &self.executor.store;
        let mut filter = RunFilter::all().unsettled();
        loop {
            let Ok(page) = store.runs(&filter).await else { return };
            for run in &page {
                let soon = matches!(store.due(&run.id).await, Ok(Some(due)) if due <= until);
                if !soon || moving.retries.contains_key(&run.id) {
                    continue;
                }
                let Ok(mut loaded) = executor::load(&**store, run).await else { continue };
                for wait in store.waits(&run.id).await.unwrap_or_default() {
                    if let Some(place) = loaded.state.place(&OperationId::new(wait.operation.as_str())) {
                        loaded.state.look_again(place, wait.next_look);
                    }
                }
                moving.retries.extend(loaded.state.next_retry().map(|retry| (run.id.clone(), retry)));
            }
            match page.last() {
                Some(last) if page.len() == filter.most() => filter = filter.after(last.id.clone()),
                _ => break,
            }
        }
        moving.surveyed = true;
    }

    async fn due_now(&self) -> bool {
        let due = self.executor.store.next_due().await;
        matches!(due, Ok(Some(due)) if due <= self.executor.clock.now())
    }

    /// Until something may be due. Other processes put work into a store too, so that it is asked now and then.
    async fn pause(&self, moving: &Moving, stopping: bool) -> Duration {
        if stopping || moving.tasks.len() >= self.executor.limits.runs {
            return POLL;
        }
        match self.executor.store.next_due().await {
            Ok(Some(due)) => due.since(self.executor.clock.now()).clamp(Duration::from_millis(1), POLL),
            _ => POLL,
        }
    }

    fn moved(&self, moving: &mut Moving, joined: Result<(Id, Result<Option<Timestamp>, MoveError>), tokio::task::JoinError>) {
        let (id, result) = match joined {
            Ok((id, result)) => (id, Some(result)),
            Err(error) => (error.id(), None),
        };
        let Some((run, epoch)) = moving.runs.remove(&id) else { return };
        let now = self.executor.clock.now();
        match result {
            Some(Ok(None)) => {}
            Some(Ok(Some(retry))) => drop(moving.retries.insert(run, retry)),
            // Another owner has it.
            Some(Err(MoveError::Store(StoreError::Conflict { .. }))) => {}
            Some(Err(MoveError::Store(error))) => {
                tracing::warn!(%run, %error, "the run rests until the store can be used");
                moving.retries.insert(run.clone(), now + REST);
                moving.stranded.push(Stranded { run, epoch, due: Some(now + REST) });
            }
            Some(Err(error)) => {
                tracing::error!(%run, %error, "the run is set aside until a person has looked");
                moving.stranded.push(Stranded { run, epoch, due: None });
            }
            None => {
                tracing::error!(%run, "moving the run panicked; it is set aside until a person has looked");
                moving.stranded.push(Stranded { run, epoch, due: None });
            }
        }
        self.news.moved.send_modify(|count| *count += 1);
    }

    /// Gives back the leases of runs that could not be moved.
    async fn release(&self, moving: &mut Moving) {
        let mut still = Vec::new();
        for stranded in moving.stranded.drain(..) {
            let park = Write::Park { run: stranded.run.clone(), epoch: stranded.epoch, due: stranded.due };
            match self.executor.store.commit(Commit::new([park])).await {
                Ok(()) | Err(StoreError::Conflict { .. }) => {}
                Err(_) => still.push(stranded),
            }
        }
        moving.stranded = still;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    Stopped,
    Idle,
    Quiet(Duration),
}

struct Stranded {
    run: RunId,
    epoch: u64,
    due: Option<Timestamp>,
}

#[derive(Default)]
struct Moving {
    tasks: JoinSet<Result<Option<Timestamp>, MoveError>>,
    runs: HashMap<Id, (RunId, u64)>,
    stranded: Vec<Stranded>,
    /// When runs that are parked try something again.
    retries: HashMap<RunId, Timestamp>,
    /// Whether those are known of runs that were parked before this driver began.
    surveyed: bool,
}

impl Moving {
    fn start(&mut self, executor: &Arc<Executor>, follow: &Arc<dyn FollowUp>, run: RunRow, stop: watch::Receiver<bool>) {
        self.retries.remove(&run.id);
        let owned = (run.id.clone(), run.epoch);
        let (executor, follow) = (Arc::clone(executor), Arc::clone(follow));
        let span = tracing::info_span!("run", run = %run.id, subject = %run.subject);
        let moving = async move {
            let id = run.id.clone();
            match executor.move_run(run, stop).await? {
                Moved::Far(retry) => Ok(retry),
                Moved::Surfaced => {
                    follow.follow_up(&id).await;
                    Ok(None)
                }
            }
        };
        let handle = self.tasks.spawn(moving.instrument(span));
        self.runs.insert(handle.id(), owned);
    }
}

impl Moving {
    /// Whether a parked run tries something again soon enough to wait for it.
    fn tries_again(&self, until: Until, now: Timestamp) -> bool {
        let Until::Quiet(patience) = until else { return false };
        self.retries.values().any(|retry| *retry <= now + patience)
    }
}

/// A name no other worker has had: of the process, the time and a count.
fn worker_id() -> WorkerId {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    WorkerId::new(format!("{}-{}-{count}", std::process::id(), Timestamp::now().as_millis()))
}

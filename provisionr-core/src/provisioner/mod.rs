//! The front door.

mod builder;
mod checks;
mod names;
mod read;
mod sets;
mod submit;
mod unfinished;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::audit::{AuditLog, ChainCheck};
use crate::digest::Digest;
use crate::directory::{Directory, DirectoryError};
use crate::driver::{Driver, News};
use crate::event::{Event, Occasion};
use crate::executor::{Executor, LoadedRun, MoveError, load};
use crate::explain::Explanation;
use crate::plan::{self, Basis, OrderError, Plan};
use crate::planner;
use crate::report::Report;
use crate::rules::{CheckedRules, Rules, RulesError};
use crate::store::{RunFilter, RunId, RunRow, StoreError};
use names::Names;
use provisionr_sdk::{AdapterError, EventId, Subject, SubjectId};
use read::Reading;
use unfinished::Unfinished;

pub use builder::{BuildError, ProvisionerBuilder};
pub use checks::SystemCheck;
pub use sets::Submitted;

/// How often a run that another process may be moving is looked at.
const POLL: Duration = Duration::from_secs(1);

/// What the front door could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory failed.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The operations of a plan cannot be ordered.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// A stored run cannot be read.
    #[error(transparent)]
    Run(#[from] MoveError),
    /// There is no such run.
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    /// There is no such subject.
    #[error("the directory has no subject {0}")]
    NoSuchSubject(SubjectId),
    /// There is nothing a person could decide about.
    #[error("there is nothing to decide about `{operation}` of run {run}: it is not there, over, or nothing a person decides so about as it stands")]
    NothingToDecide {
        /// The run.
        run: RunId,
        /// The operation.
        operation: plan::OperationId,
    },
    /// The plan was made under other rules, or by another version.
    #[error("the plan cannot be submitted: {0}")]
    PlanRefused(String),
    /// The world has moved since the plan was made: make another one.
    #[error("run {0} of the same subject was opened after the plan was made; plan again")]
    PlanAgain(RunId),
    /// Rules or the world have moved since a set of plans was made: nothing of it was submitted. In what, one by one.
    #[error("the plan is out of date, and nothing of it was submitted: {}", .0.join("; "))]
    PlanSetMoved(Vec<String>),
    /// A subject in the store cannot be read.
    #[error("subject {0} cannot be read from the store: {1}")]
    UnreadableSubject(SubjectId, #[source] serde_json::Error),
    /// A plan that cannot be written: a mistake in provisionr.
    #[error("the plan cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
}

struct Inner {
    executor: Arc<Executor>,
    directory: Arc<dyn Directory>,
    rules: RwLock<Arc<CheckedRules>>,
    news: Arc<News>,
    checks: checks::Checks,
    turns: submit::Turns,
    descriptors: std::collections::BTreeMap<provisionr_sdk::SystemName, Digest>,
}

/// Access across all systems of a host: plans it, submits plans as runs, says how they stand.
///
/// Cheap to clone; clones are the same. Nothing moves unless a [`Driver`] is polled, in this or another process.
///
#[derive(Clone)]
pub struct Provisioner(Arc<Inner>);

impl fmt::Debug for Provisioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provisioner").field("systems", &self.0.descriptors.keys().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

impl Provisioner {
    /// Begins with where state is kept and who the subjects are.
    pub fn builder(store: impl crate::store::Store, directory: impl Directory) -> ProvisionerBuilder {
        ProvisionerBuilder::new(Arc::new(store), Arc::new(directory))
    }

    /// What keeps runs moving; the host polls it where it likes.
    pub fn driver(&self) -> Driver {
        Driver { executor: Arc::clone(&self.0.executor), news: Arc::clone(&self.0.news), follow: Arc::new(self.clone()) }
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<CheckedRules> {
        Arc::clone(&self.0.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other rules in force, for plans made from now on.
    ///
    /// # Errors
    /// Everything that is wrong with them; the old ones stay in force then.
    #[allow(clippy::needless_pass_by_value, reason = "rules are handed over")]
    pub fn replace_rules(&self, rules: Rules) -> Result<(), RulesError> {
        let checked = rules.check(self.0.executor.systems.values().map(|adapter| adapter.descriptor()))?;
        *self.0.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(checked);
        Ok(())
    }

    /// Plans what an event calls for. Only reads.
    /// - The subject is the newest known version of it: the event's, the directory's, or the one last planned for. So a
    ///   late event plans what is right today.
    /// - What cannot be read or resolved is listed in the plan as not planned, and stops nothing else.
    ///
    /// # Errors
    /// When the store or the directory fails, or operations wait for each other in a circle.
    pub async fn plan(&self, event: &Event) -> Result<Plan, AccessError> {
        let id = &event.subject().id;
        let stored = self.stored(id).await?;
        // What was planned for a newer version has seen them come back already.
        let late = stored.as_ref().is_some_and(|stored| stored.version > event.subject().version);
        let occasion = event.occasion();
        let occasion = Occasion { comes_back: occasion.comes_back && !late, ..occasion };
        let known = [self.0.directory.subject(id).await?, stored];
        let newest = known.into_iter().flatten().filter(|known| known.version > event.subject().version).max_by_key(|known| known.version);
        self.plan_subject(newest.as_ref().unwrap_or_else(|| event.subject()), occasion, &Names::default()).await
    }

    /// Plans what a subject of the directory should have. Only reads.
    ///
    /// # Errors
    /// Those of [`Provisioner::plan`], and when there is no such subject.
    pub async fn plan_for(&self, subject: &SubjectId) -> Result<Plan, AccessError> {
        let listed = self.0.directory.subject(subject).await?.ok_or_else(|| AccessError::NoSuchSubject(subject.clone()))?;
        self.plan_listed(listed, &Names::default()).await
    }

    /// Plans for a subject as the directory has it, unless a newer version was planned for. A record without a version is
    /// what is true now.
    async fn plan_listed(&self, listed: Subject, names: &Names) -> Result<Plan, AccessError> {
        let subject = match self.stored(&listed.id).await? {
            Some(stored) if listed.version == 0 => listed.with_version(stored.version),
            Some(stored) if stored.version > listed.version => stored,
            _ => listed,
        };
        self.plan_subject(&subject, Occasion::default(), names).await
    }

    /// The subject as it was last planned for.
    async fn stored(&self, subject: &SubjectId) -> Result<Option<Subject>, AccessError> {
        let row = self.0.executor.store.subject(subject).await?;
        row.map(|row| serde_json::from_slice(&row.bytes).map_err(|error| AccessError::UnreadableSubject(subject.clone(), error))).transpose()
    }

    async fn plan_subject(&self, subject: &Subject, occasion: Occasion, names: &Names) -> Result<Plan, AccessError> {
        let rules = self.rules();
        let desired = crate::desired::desired(&rules, subject);
        let unfinished = Unfinished::read(&*self.0.executor.store, &subject.id).await?;
        let reading = Reading { executor: &self.0.executor, checks: &self.0.checks, names, rules: &rules, subject, occasion, desired: &desired };
        let (views, unread) = reading.read(&unfinished).await?;
        let mut plan = planner::build(subject, rules.revision(), &views, &unread)?;
        plan.basis = Some(Basis { subject: subject.clone(), over: unfinished.runs, spent: unfinished.spent, adopts: unfinished.waits });
        Ok(plan)
    }

    /// Waits until a run is over, or parked: nothing of it is due now. Somebody has to drive it meanwhile.
    ///
    /// # Errors
    /// When there is no such run, or the store fails.
    pub async fn settled(&self, run: &RunId) -> Result<Report, AccessError> {
        let mut moved = self.0.news.moved.subscribe();
        loop {
            moved.borrow_and_update();
            let row = self.row(run).await?;
            if row.verdict.is_some() || self.is_parked(&row).await? {
                return self.report(run).await;
            }
            // Another process may be moving it, of which nobody tells here.
            let _ = tokio::time::timeout(POLL, moved.changed()).await;
        }
    }

    /// Whether nobody moves a run, and nothing of it is due now.
    async fn is_parked(&self, row: &RunRow) -> Result<bool, AccessError> {
        let due = self.0.executor.store.due(&row.id).await?;
        if row.owner.is_some() || due.is_some_and(|due| due <= self.0.executor.clock.now()) {
            return Ok(false);
        }
        // A leased run is not due either: it may have been leased between the two reads.
        let again = self.row(&row.id).await?;
        Ok(again.owner.is_none() && again.epoch == row.epoch)
    }

    /// The run an event has opened, if it has.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn run_of(&self, event: &EventId) -> Result<Option<RunId>, AccessError> {
        Ok(self.0.executor.store.run_of_event(event).await?)
    }

    async fn row(&self, run: &RunId) -> Result<RunRow, AccessError> {
        self.0.executor.store.run(run).await?.ok_or_else(|| AccessError::NoSuchRun(run.clone()))
    }

    /// Runs in the order of their ids.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, AccessError> {
        Ok(self.0.executor.store.runs(filter).await?)
    }

    /// How a run stands.
    ///
    /// # Errors
    /// When there is no such run, its journal is not what was written, or the store fails.
    pub async fn report(&self, run: &RunId) -> Result<Report, AccessError> {
        let (row, loaded) = self.loaded(run).await?;
        Ok(Report::new(&row, &loaded.plan, &loaded.state))
    }

    /// What each operation of a run is there for, what it waits for, what happened and what follows.
    ///
    /// # Errors
    /// Those of [`Provisioner::report`].
    pub async fn explain(&self, run: &RunId) -> Result<Explanation, AccessError> {
        let (row, loaded) = self.loaded(run).await?;
        let report = Report::new(&row, &loaded.plan, &loaded.state);
        let log = AuditLog::new(&row, &loaded.plan, &loaded.rows, &loaded.transitions);
        Ok(Explanation::new(&row, &loaded.plan, report, log))
    }

    /// A run as it stands, with what the last looks at what it waits for have put off.
    async fn loaded(&self, run: &RunId) -> Result<(RunRow, LoadedRun), AccessError> {
        let row = self.row(run).await?;
        let mut loaded = load(&*self.0.executor.store, &row).await?;
        for wait in self.0.executor.store.waits(run).await? {
            if let Some(place) = loaded.state.place(&crate::plan::OperationId::new(wait.operation.as_str())) {
                loaded.state.look_again(place, wait.next_look);
            }
        }
        Ok((row, loaded))
    }

    /// The audit log of a run. There is one only when the chain of its journal is unbroken.
    ///
    /// # Errors
    /// When there is no such run, its journal is not what was written, or the store fails.
    pub async fn audit(&self, run: &RunId) -> Result<AuditLog, AccessError> {
        let row = self.row(run).await?;
        let loaded = load(&*self.0.executor.store, &row).await?;
        Ok(AuditLog::new(&row, &loaded.plan, &loaded.rows, &loaded.transitions))
    }

    /// Whether the chain of a run's journal is unbroken, and where it breaks.
    ///
    /// # Errors
    /// When there is no such run, or the store fails.
    pub async fn verify(&self, run: &RunId) -> Result<ChainCheck, AccessError> {
        let row = self.row(run).await?;
        match load(&*self.0.executor.store, &row).await {
            Ok(loaded) => Ok(ChainCheck::unbroken(&AuditLog::new(&row, &loaded.plan, &loaded.rows, &loaded.transitions))),
            Err(MoveError::Store(error)) => Err(error.into()),
            Err(MoveError::Journal(error)) => Ok(ChainCheck::broken(&row, error.row(), error.to_string())),
            Err(error) => Ok(ChainCheck::broken(&row, None, error.to_string())),
        }
    }

    /// Asks every system what the credential can do there, in the order of their names. Only reads.
    pub async fn check_systems(&self) -> Vec<SystemCheck> {
        let executor = &self.0.executor;
        let asking = executor.systems.iter().map(|(system, adapter)| async move {
            let looking = executor.looking(adapter.descriptor());
            let cx = looking.context();
            let check = tokio::select! {
                biased;
                check = adapter.check(&cx) => check,
                () = looking.expired() => Err(AdapterError::timed_out("no answer in time")),
            };
            SystemCheck { system: system.clone(), check }
        });
        futures_util::future::join_all(asking).await
    }
}

//! Turns plans into runs, in the order that the versions of their subject have.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::unfinished::rows;
use super::{AccessError, Names, Provisioner};
use crate::digest::Digest;
use crate::driver::FollowUp;
use crate::event::{Event, Occasion};
use crate::executor::{MoveError, load};
use crate::plan::{self, OperationId, Plan};
use crate::run::{self, Decision, Message, OperationState, Phase, Transition};
use crate::store::{Actor, Commit, PlanRow, RunId, RunRow, StoreError, SubjectRow, Write};
use provisionr_sdk::{EventId, Lifecycle, SubjectId, Timestamp};

/// How often a plan is made again because another run was opened meanwhile.
const TRIES: u32 = 5;

/// How many plans follow up what surfaces of one leaver, before a person has to look.
const FOLLOW_UPS: u32 = 3;

/// Subjects whose plans are submitted at once, at most.
const TURNS: usize = 64;

/// Within one process, the plans of one subject are submitted one after the other.
#[derive(Debug)]
pub(super) struct Turns(Vec<tokio::sync::Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self(std::iter::repeat_with(tokio::sync::Mutex::default).take(TURNS).collect())
    }
}

impl Turns {
    async fn of(&self, subject: &SubjectId) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let drawn = Digest::of([subject.as_str().as_bytes()]).number() % TURNS as u64;
        Some(self.0.get(usize::try_from(drawn).ok()?)?.lock().await)
    }
}

impl Provisioner {
    /// Plans an event and submits the plan, again where another run of the subject is opened in between.
    ///
    /// # Errors
    /// Those of [`Provisioner::plan`] and [`Provisioner::submit`].
    pub async fn handle(&self, event: &Event, actor: Actor) -> Result<RunId, AccessError> {
        if let Some(run) = self.run_of(event.id()).await? {
            return Ok(run);
        }
        let mut tries = 1;
        loop {
            let plan = self.plan(event).await?;
            match self.submit(plan, event.id(), actor.clone()).await {
                // An account it works on has become another subject's: the next plan sees that.
                Err(AccessError::PlanAgain(_) | AccessError::Store(StoreError::Claimed { .. })) if tries < TRIES => tries += 1,
                result => return result,
            }
        }
    }

    /// Submits a plan as a run.
    /// - The same event submits once: again, it is the run it opened.
    /// - A run of the same subject that is not over gives way: it begins nothing more, and ends once nothing of it is
    ///   under way. What it waits for goes on in the new run where that waits for it too.
    /// - A plan that says the same as such a run is that run.
    ///
    /// # Errors
    /// When nothing of the plan could be planned, it names a system the host does not have, a newer version or a stronger
    /// plan of the subject has been submitted, a run was opened after the plan was made, or the store fails. The plan is
    /// not submitted then, unless the error is [`StoreError::Indeterminate`]: submit it again in that case.
    #[allow(clippy::needless_pass_by_value, reason = "a plan is handed over")]
    pub async fn submit(&self, plan: Plan, event: &EventId, actor: Actor) -> Result<RunId, AccessError> {
        self.check(&plan)?;
        // Two plans of one subject must see each other, or neither would make the other give way.
        let _turn = self.0.turns.of(&plan.subject).await;
        let store = &self.0.executor.store;
        if let Some(run) = store.run_of_event(event).await? {
            return Ok(run);
        }
        let earlier = rows(&**store, &plan.subject).await?;
        if let Some(basis) = &plan.basis
            && let Some(unknown) = earlier.iter().find(|run| !basis.over.contains(&run.id))
        {
            return Err(AccessError::PlanAgain(unknown.id.clone()));
        }
        let at = self.0.executor.clock.now();
        let mut writes = Vec::new();
        let same = self.same(&plan, &earlier).await?;
        let id = match same {
            Some(run) => {
                writes.push(Write::Event { event: event.clone(), run: run.clone() });
                run
            }
            None => {
                let (open, id) = self.open(&plan, event, actor, at)?;
                writes.push(open);
                // Another process may have opened a run since: each has to know of the other, or neither would give way.
                writes.push(Write::Beside { subject: plan.subject.clone(), runs: earlier.iter().map(|run| &run.id).chain([&id]).cloned().collect() });
                writes.extend(crate::executor::links(&plan));
                for run in &earlier {
                    let message = Message::Close { by: id.clone() };
                    let (bytes, number) = (message.to_bytes()?, Digest::of([id.as_str().as_bytes()]).number());
                    writes.push(Write::Send { run: run.id.clone(), id: number, at, bytes });
                }
                id
            }
        };
        // After the opening: an event that has led to a run is told as that, also when its subject has moved on.
        if let Some(basis) = &plan.basis {
            let bytes = serde_json::to_vec(&basis.subject)?;
            writes.push(Write::Subject(SubjectRow { id: plan.subject.clone(), version: basis.subject.version, bytes }));
        }
        match store.commit(Commit::new(writes)).await {
            Ok(()) => {
                tracing::info!(run = %id, subject = %plan.subject, operations = plan.operations.len(), "run submitted");
                self.wake();
                Ok(id)
            }
            Err(StoreError::Duplicate { run, .. }) => Ok(run),
            Err(StoreError::Unseen { run }) => Err(AccessError::PlanAgain(run)),
            Err(error) => Err(error.into()),
        }
    }

    /// Tells what a person has decided about an operation that is stuck, or that is done by hand. It takes effect when the
    /// run is moved next.
    ///
    /// # Errors
    /// When there is no such run or operation, the run is over, or the store fails.
    pub async fn decide(&self, run: &RunId, operation: &OperationId, decision: Decision, actor: Actor, why: &str) -> Result<(), AccessError> {
        let row = self.row(run).await?;
        let loaded = load(&*self.0.executor.store, &row).await?;
        let phase = loaded.state.place(operation).and_then(|place| loaded.state.operation(place)).map(|state| &state.phase);
        if row.verdict.is_some() || !phase.is_some_and(|phase| phase.awaits(decision)) {
            return Err(AccessError::NothingToDecide { run: run.clone(), operation: operation.clone() });
        }
        let at = self.0.executor.clock.now();
        let message = Message::Decide { op: operation.clone(), actor, why: why.to_owned(), decision };
        let bytes = message.to_bytes()?;
        let id = Digest::of([at.as_millis().to_be_bytes().as_slice(), &bytes]).number();
        self.0.executor.store.commit(Commit::new([Write::Send { run: run.clone(), id, at, bytes }])).await?;
        self.wake();
        Ok(())
    }

    fn wake(&self) {
        self.0.executor.mail.send_modify(|count| *count += 1);
        self.0.news.work.notify_one();
    }

    fn check(&self, plan: &Plan) -> Result<(), AccessError> {
        if plan.format > Plan::FORMAT {
            return Err(AccessError::PlanRefused(format!("it has format {}, this version reads up to {}", plan.format, Plan::FORMAT)));
        }
        // A run would be over at once, and the event spent, while nothing has been done.
        if plan.is_empty() && !plan.blocked.is_empty() {
            let why: BTreeSet<_> = plan.blocked.iter().map(|blocked| format!("{}: {}", blocked.system, blocked.why)).collect();
            let why = why.into_iter().collect::<Vec<_>>().join("; ");
            return Err(AccessError::PlanRefused(format!("nothing of it could be planned; {why}")));
        }
        if let Some(operation) = plan.operations.iter().find(|operation| !self.0.executor.systems.contains_key(&operation.system)) {
            return Err(AccessError::PlanRefused(format!("the host has no system `{}`", operation.system)));
        }
        Ok(plan::check_order(&plan.operations)?)
    }

    /// The run that does what the plan says already.
    async fn same(&self, plan: &Plan, earlier: &[RunRow]) -> Result<Option<RunId>, AccessError> {
        for run in earlier.iter().filter(|run| run.rank == plan.rank) {
            let loaded = match load(&*self.0.executor.store, run).await {
                Err(MoveError::Store(error)) => return Err(error.into()),
                // Nobody moves it any more.
                Err(_) => continue,
                Ok(loaded) => loaded,
            };
            let lost = |state: &OperationState| match &state.phase {
                Phase::Failed(_) | Phase::Dropped(_) | Phase::Skipped => true,
                Phase::Stuck(_) => state.open.is_none(),
                _ => false,
            };
            // What it has tried in vain, or was through with when the plan was made, it does not do again.
            let spent = plan.basis.as_ref().is_some_and(|basis| plan.operations.iter().any(|operation| basis.spent.contains(&operation.id)));
            if !spent && !loaded.state.is_closing() && !loaded.state.operations().iter().any(lost) && loaded.plan.does_the_same(plan) {
                return Ok(Some(run.id.clone()));
            }
        }
        Ok(None)
    }

    fn open(&self, plan: &Plan, event: &EventId, actor: Actor, at: Timestamp) -> Result<(Write, RunId), AccessError> {
        let id = RunId::of(&plan.subject, event);
        let bytes = plan.to_bytes()?;
        let digest = Digest::of([bytes.as_slice()]);
        let waits = plan.basis.as_ref().map(|basis| &basis.adopts).into_iter().flatten();
        let adopts: BTreeMap<_, _> = waits.filter(|(operation, _)| plan.operation(operation).is_some()).map(|(id, since)| (id.clone(), *since)).collect();
        let opened = Transition::Opened {
            at,
            subject: plan.subject.clone(),
            version: plan.version,
            rank: plan.rank,
            event: event.clone(),
            actor: actor.clone(),
            plan: digest,
            rules: plan.rules,
            descriptors: self.0.descriptors.clone(),
            adopts,
        };
        let (rows, head) = run::encode(&id, 0, Digest::ZERO, &[opened])?;
        let row = RunRow {
            id: id.clone(),
            subject: plan.subject.clone(),
            version: plan.version,
            rank: plan.rank,
            event: event.clone(),
            actor,
            plan: digest,
            opened_at: at,
            rows: rows.len() as u64,
            head,
            epoch: 0,
            owner: None,
            verdict: None,
        };
        Ok((Write::Open { run: row, plan: PlanRow { digest, bytes }, rows }, id))
    }

    /// Plans and submits what is left of a leaver.
    async fn follow(&self, run: &RunId) -> Result<Option<RunId>, AccessError> {
        let row = self.row(run).await?;
        let listed = self.0.directory.subject(&row.subject).await?;
        let newest = [listed, self.stored(&row.subject).await?].into_iter().flatten().max_by_key(|known| known.version);
        let Some(subject) = newest.filter(|subject| subject.lifecycle == Lifecycle::Terminated) else { return Ok(None) };
        let (event, number) =
            row.event.as_str().rsplit_once("/follow-up-").and_then(|(event, number)| Some((event, number.parse().ok()?))).unwrap_or((row.event.as_str(), 0));
        if number >= FOLLOW_UPS {
            return Ok(None);
        }
        let plan = self.plan_subject(&subject, Occasion { at: Some(row.opened_at), comes_back: false }, &Names::default()).await?;
        let event = EventId::new(format!("{event}/follow-up-{}", number + 1));
        self.submit(plan, &event, Actor::service("provisionr")).await.map(Some)
    }
}

#[async_trait]
impl FollowUp for Provisioner {
    async fn follow_up(&self, run: &RunId) {
        match self.follow(run).await {
            Ok(Some(next)) => tracing::warn!(%run, %next, "something of a leaver has surfaced: another run follows"),
            Ok(None) => tracing::error!(%run, "something of a leaver has surfaced, and a person has to look"),
            Err(error) => tracing::error!(%run, %error, "what has surfaced of a leaver could not be followed up yet"),
        }
    }
}

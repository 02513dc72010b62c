//! Moves one run as far as it goes.

mod commit;
mod finish;
mod others;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, Id, JoinSet};

use tracing::Instrument as _;

use super::gate::{BeginRequest, Gate};
use super::verify::{self, Leaver};
use super::work::{self, AccountCell, Finished};
use super::{Executor, MoveError, Projection, load};
use crate::plan::{Action, Operation, Plan};
use crate::run::{Phase, RunState, Step, Transition};
use crate::store::{Rank, RunRow, Write};
use others::{MAIL, Others};
use provisionr_sdk::{Before, Change, Expect, IdentityKey, Request, SystemName, Timestamp, Wait, WaitReason};

/// A write is sent within this time after its intent is durable, or not at all.
const SEND_WITHIN: Duration = Duration::from_secs(10);

/// What the reason of a verification begins with that found something.
const SURFACED: &str = "surfaced: ";

/// How often a run asks for a plan that follows up what has surfaced.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// What became of moving a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// It went as far as it goes now. When something is tried again by itself, if anything is.
    Far(Option<Timestamp>),
    /// Something of a leaver has surfaced: another plan has to follow.
    Surfaced,
}

/// Counts of looks that settled nothing. They are in the wait's row, never in the journal.
#[derive(Clone, Copy, Default)]
struct Looks {
    since: Option<Timestamp>,
    looks: u32,
    absences: u32,
}

struct Running {
    step: Step,
    gate: Arc<Gate>,
    handle: AbortHandle,
}

struct Mover<'e> {
    executor: &'e Executor,
    run: RunRow,
    plan: Arc<Plan>,
    state: RunState,
    projection: Projection,
    transitions: Vec<Transition>,
    writes: Vec<Write>,
    touched: BTreeSet<usize>,
    replies: Vec<(oneshot::Sender<Timestamp>, Timestamp)>,
    accounts: HashMap<SystemName, AccountCell>,
    looks: HashMap<usize, Looks>,
    queues: BTreeMap<SystemName, VecDeque<Step>>,
    in_flight: HashMap<SystemName, usize>,
    tasks: JoinSet<Finished>,
    running: HashMap<Id, Running>,
    begin: mpsc::UnboundedSender<BeginRequest>,
    /// Something was taken up and not finished, because the driver stops or another run takes over.
    left_over: bool,
    others: Others,
}

impl Executor {
    /// Moves a leased run until it is settled, or nothing is due.
    ///
    /// - May be dropped at any await: what was begun is in doubt then, and looked at by the next owner.
    /// - Once `stop` is true nothing new is started; what is under way is waited for.
    pub(crate) async fn move_run(&self, run: RunRow, mut stop: watch::Receiver<bool>) -> Result<Moved, MoveError> {
        let loaded = load(&*self.store, &run).await?;
        let (begin, mut begins) = mpsc::unbounded_channel();
        let mut mover = Mover {
            executor: self,
            run,
            plan: loaded.plan,
            state: loaded.state,
            projection: loaded.projection,
            transitions: Vec::new(),
            writes: Vec::new(),
            touched: BTreeSet::new(),
            replies: Vec::new(),
            accounts: HashMap::new(),
            looks: HashMap::new(),
            queues: BTreeMap::new(),
            in_flight: HashMap::new(),
            tasks: JoinSet::new(),
            running: HashMap::new(),
            begin,
            left_over: false,
            others: Others::default(),
        };
        mover.state.take_over(mover.run.epoch, self.clock.now());
        mover.read_waits().await?;
        let mut mail = self.mail.subscribe();
        loop {
            let stopping = *stop.borrow();
            if !stopping {
                let new = mail.has_changed().unwrap_or(false);
                // Before the inbox is read: what comes meanwhile is news again.
                mail.mark_unchanged();
                mover.take_mail(new).await?;
                mover.look_around().await?;
            }
            if stopping {
                mover.abort_unsent(|_| true);
            }
            if mover.state.is_closing() {
                // What is in doubt is looked at to its end.
                mover.abort_unsent(|step| !matches!(step, Step::Settle(_)));
                mover.give_up()?;
            }
            if !stopping {
                mover.start_due()?;
            }
            if let Some(verdict) = mover.state.verdict_due() {
                let at = mover.now();
                mover.record(Transition::Settled { at, verdict })?;
            }
            if mover.flush(None).await? {
                continue;
            }
            if mover.tasks.is_empty() {
                let verdict = mover.state.verdict();
                let due = mover.state.next_due();
                if verdict.is_none() && !stopping && due.is_some_and(|due| due <= mover.now()) {
                    continue;
                }
                let due = match verdict {
                    Some(_) => None,
                    // What was due and is not done goes first when the run is moved again.
                    None if mover.left_over || mover.queues.values().any(|queue| !queue.is_empty()) => Some(mover.now()),
                    // Until a plan that follows up has taken over, this run asks for one.
                    None if mover.surfaced() => Some(due.map_or(mover.now() + ASK_AGAIN, |due| due.min(mover.now() + ASK_AGAIN))),
                    None => due,
                };
                mover.flush(Some(due)).await?;
                let retry = mover.state.next_retry().filter(|_| verdict.is_none());
                return Ok(if mover.surfaced() { Moved::Surfaced } else { Moved::Far(retry) });
            }
            let wake = mover.state.next_due().filter(|_| !stopping);
            let pause = wake.map_or(MAIL, |wake| wake.since(self.clock.now()).clamp(Duration::from_millis(1), MAIL));
            tokio::select! {
                biased;
                Some(request) = begins.recv() => mover.begin(request)?,
                Some(finished) = mover.tasks.join_next_with_id() => mover.finish(finished).await?,
                () = tokio::time::sleep(pause), if !stopping => {}
                _ = mail.changed(), if !stopping => {}
                _ = stop.changed(), if !stopping => {}
            }
            while let Ok(request) = begins.try_recv() {
                mover.begin(request)?;
            }
            while let Some(finished) = mover.tasks.try_join_next_with_id() {
                mover.finish(finished).await?;
            }
        }
    }
}

impl Mover<'_> {
    /// Now; never before what the journal says already.
    fn now(&self) -> Timestamp {
        self.executor.clock.now().max(self.state.latest())
    }

    fn operation(&self, place: usize) -> Result<&Operation, MoveError> {
        self.plan.operations.get(place).ok_or_else(|| MoveError::Plan { run: self.run.id.clone(), why: format!("it has no operation {place}") })
    }

    /// Whether the end of a leaver's run found something, and no other run has taken over yet.
    fn surfaced(&self) -> bool {
        let surfaced = |phase: &Phase| matches!(phase, Phase::Stuck(why) if why.starts_with(SURFACED));
        !self.state.is_closing() && self.run.rank == Rank::Leaver && self.state.operations().iter().any(|operation| surfaced(&operation.phase))
    }

    async fn read_waits(&mut self) -> Result<(), MoveError> {
        for wait in self.executor.store.waits(&self.run.id).await? {
            if let Some(place) = self.state.place(&crate::plan::OperationId::new(wait.operation.as_str())) {
                self.looks.insert(place, Looks { since: Some(wait.since), looks: wait.looks, absences: wait.absences });
                if matches!(self.state.operation(place).map(|operation| &operation.phase), Some(Phase::Waiting { .. } | Phase::Doubt(_))) {
                    self.state.look_again(place, wait.next_look);
                }
            }
        }
        Ok(())
    }

    /// Starts what is due, as far as the limits allow; a full system holds up no other.
    fn start_due(&mut self) -> Result<(), MoveError> {
        // A clock that was set back holds nothing up that is due by the journal.
        for step in self.state.take_due(self.now(), usize::MAX) {
            let system = self.operation(step.index())?.system.clone();
            self.queues.entry(system).or_default().push_back(step);
        }
        let limit = self.executor.limits.per_system;
        let mut startable = Vec::new();
        for (system, queue) in &mut self.queues {
            let in_flight = self.in_flight.entry(system.clone()).or_default();
            let room = limit.saturating_sub(*in_flight).min(queue.len());
            *in_flight += room;
            startable.extend(queue.drain(..room));
        }
        startable.into_iter().try_for_each(|step| self.start(step))
    }

    fn start(&mut self, step: Step) -> Result<(), MoveError> {
        let place = step.index();
        let plan = Arc::clone(&self.plan);
        let Some(operation) = plan.operations.get(place) else { return Ok(()) };
        let due = match (step, self.state.operation(place).map(|state| &state.phase)) {
            (Step::Attempt(_), Some(Phase::Ready(_))) | (Step::Settle(_), Some(Phase::Doubt(_))) | (Step::Look(_), Some(Phase::Waiting { .. })) => true,
            // It was given up, or decided about, while it stood in the queue.
            _ => false,
        };
        if !due {
            self.leave(&operation.system);
            return Ok(());
        }
        let executor = self.executor;
        let Some(adapter) = executor.systems.get(&operation.system).cloned() else {
            self.leave(&operation.system);
            let at = self.now();
            return self.record(Transition::Stuck { op: operation.id.clone(), at, why: format!("the host has no system `{}`", operation.system) });
        };
        if matches!(step, Step::Attempt(_)) {
            if let Action::Verify(verification) = &operation.action {
                self.leave(&operation.system);
                let (at, wait) = (self.now(), Wait::new(WaitReason::Until, verification.after));
                return self.record(Transition::WaitOpened { op: operation.id.clone(), at, look_at: at + wait.look_after, wait });
            }
            if let (Action::Change(_), Some(rest)) = (&operation.action, self.others.contest(operation)) {
                self.leave(&operation.system);
                self.state.look_again(place, self.now() + rest);
                return Ok(());
            }
        }
        let attempts = self.state.operation(place).map_or(0, |state| state.attempts);
        let span = tracing::info_span!("operation", system = %operation.system, operation = %operation.id);
        let gate = Gate::new(operation.system.clone(), executor.lanes.clone(), Arc::clone(&executor.clock), adapter.descriptor().timeout);
        let task = match (&operation.action, step) {
            (Action::AwaitAccount(reason), _) => {
                let gate = Arc::new(gate);
                (Arc::clone(&gate), self.tasks.spawn(work::find(adapter, gate, self.who(operation), *reason).instrument(span)))
            }
            (Action::Change(change), Step::Attempt(_)) => {
                let gate = Arc::new(gate.writing(place, self.begin.clone()));
                let request = self.request(operation, change);
                let account = self.account_cell(operation, change);
                (
                    Arc::clone(&gate),
                    self.tasks.spawn(
                        work::attempt(adapter, gate, executor.claims.clone(), request, account)
                            .instrument(tracing::info_span!(parent: &span, "attempt", attempt = attempts + 1))
                            .instrument(span),
                    ),
                )
            }
            (Action::Verify(verification), _) => {
                let gate = Arc::new(gate);
                let leaver = Leaver { run: self.run.id.clone(), subject: self.plan.subject.clone(), who: self.who(operation) };
                let store = Arc::clone(&executor.store);
                (Arc::clone(&gate), self.tasks.spawn(verify::verify(store, adapter, gate, leaver, verification.clone()).instrument(span)))
            }
            (Action::Change(change) | Action::ByHand(change), _) => {
                let gate = Arc::new(gate);
                let mut request = self.request(operation, change).unsettled();
                if let Some(Phase::Waiting { wait, .. }) = self.state.operation(place).map(|state| &state.phase) {
                    request.ticket.clone_from(&wait.ticket);
                }
                let account = self.account_cell(operation, change);
                (
                    Arc::clone(&gate),
                    self.tasks.spawn(
                        work::probe(adapter, gate, request, account)
                            .instrument(tracing::info_span!(parent: &span, "look", attempt = attempts))
                            .instrument(span),
                    ),
                )
            }
        };
        let (gate, handle) = task;
        self.running.insert(handle.id(), Running { step, gate, handle });
        Ok(())
    }

    fn leave(&mut self, system: &SystemName) {
        if let Some(count) = self.in_flight.get_mut(system) {
            *count = count.saturating_sub(1);
        }
    }

    fn who(&self, operation: &Operation) -> provisionr_sdk::AccountQuery {
        let mut who = self.plan.accounts.get(&operation.system).cloned().unwrap_or_default();
        if let Some(account) = self.projection.account(&operation.system) {
            who.known = Some(account.clone());
        }
        // The account in another system, by which this one is found, may have come about only in this run.
        for open in self.plan.open_keys.iter().filter(|open| open.system == operation.system) {
            if let Some(value) = self.projection.shown(&open.from).and_then(|account| open.field.value(account)) {
                who.keys.insert(0, IdentityKey::new(open.key.clone(), value));
            }
        }
        who
    }

    fn request(&self, operation: &Operation, change: &Change) -> Request {
        Request::new(self.plan.subject.clone(), self.who(operation), change.clone(), operation.key.clone()).expecting(operation.expect.clone())
    }

    fn account_cell(&mut self, operation: &Operation, change: &Change) -> Option<AccountCell> {
        (!matches!(change, Change::EnsureAccount(_))).then(|| Arc::clone(self.accounts.entry(operation.system.clone()).or_default()))
    }

    /// An attempt is about to write: its intent goes into the next commit, and the answer follows that.
    fn begin(&mut self, request: BeginRequest) -> Result<(), MoveError> {
        let transition = self.began(request.place)?;
        // An answer that is dropped says that nothing may be sent.
        if self.state.is_closing() {
            return Ok(());
        }
        let Transition::Began { send_by, .. } = &transition else { return Ok(()) };
        self.replies.push((request.reply, *send_by));
        self.record(transition)
    }

    fn began(&self, place: usize) -> Result<Transition, MoveError> {
        let operation = self.operation(place)?;
        let at = self.now();
        let send_by = at + SEND_WITHIN;
        let late = self.executor.systems.get(&operation.system).map_or(Duration::ZERO, |adapter| {
            let descriptor = adapter.descriptor();
            descriptor.timeout + descriptor.late_effect
        });
        let before = match (&operation.expect, operation.action.change()) {
            (Expect::Absent, _) => Before::Absent,
            (Expect::Grant(grant), _) => Before::Grant(grant.clone()),
            (_, Some(Change::SetState(state))) => {
                let found = self.accounts.get(&operation.system).and_then(|account| account.get());
                found.filter(|account| account.state != *state).map_or(Before::NotSeen, |account| Before::Account(account.clone()))
            }
            _ => Before::NotSeen,
        };
        let attempt = self.state.operation(place).map_or(1, |state| state.attempts + 1);
        Ok(Transition::Began { op: operation.id.clone(), attempt, epoch: self.run.epoch, at, send_by, clear_at: send_by + late, before })
    }

    /// The driver stops, or another run takes over: what has not sent anything need not wait for its turn.
    fn abort_unsent(&self, which: impl Fn(Step) -> bool) {
        for running in self.running.values().filter(|running| which(running.step) && !running.gate.wrote()) {
            running.handle.abort();
        }
    }
}

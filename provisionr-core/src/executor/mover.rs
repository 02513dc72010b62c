//! Moves one run as far as it goes.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::Instant;

use tracing::Instrument as _;

use super::decide::{self, Decide, Look};
use super::gate::{BeginRequest, Gate};
use super::verify::{self, Leaver, Verified};
use super::work::{self, AccountCell, Finished};
use super::{Executor, MoveError, Projection, load};
use crate::digest::Digest;
use crate::observer::Progress;
use crate::plan::{Action, Operation, Plan};
use crate::run::{self, Ending, Failure, Message, OperationState, Phase, RunState, Seen, Step, Then, Transition};
use crate::store::{Commit, Rank, RunFilter, RunRow, StoreError, WaitRow, Write};
use provisionr_sdk::{AdapterError, Before, Change, ErrorKind, Expect, IdentityKey, Receipt, Request, RetryHint, SystemName, Timestamp, Wait, WaitReason};

/// A write is sent within this time after its intent is durable, or not at all.
const SEND_WITHIN: Duration = Duration::from_secs(10);

/// How often an inbox is looked into while a run is moved; another process may have put something there.
const MAIL: Duration = Duration::from_secs(1);

/// How long an operation rests while an older run has a write under way about the same thing.
const CONTESTED: Duration = Duration::from_secs(2);

/// How long it rests until that run has heard that it gives way.
const UNHEARD: Duration = Duration::from_millis(200);

/// How long it rests while a person has to say what became of that write.
const CONTESTED_LONG: Duration = Duration::from_secs(60);

/// How often is looked whether something has been done by hand.
const BY_HAND: Duration = Duration::from_secs(60 * 60);

/// What the reason of a verification begins with that found something.
const SURFACED: &str = "surfaced: ";

/// How often a run asks for a plan that follows up what has surfaced.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// What became of moving a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// It went as far as it goes now.
    Far,
    /// Something of a leaver has surfaced: another plan has to follow.
    Surfaced,
}

/// How often a commit is sent again when its answer is lost.
const COMMIT_TRIES: u32 = 4;

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
                return Ok(if mover.surfaced() { Moved::Surfaced } else { Moved::Far });
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

    async fn finish(&mut self, joined: Result<(Id, Finished), JoinError>) -> Result<(), MoveError> {
        let (id, finished, cancelled) = match joined {
            Ok((id, finished)) => (id, Some(finished), false),
            Err(error) => (error.id(), None, error.is_cancelled()),
        };
        let Some(Running { step, gate, .. }) = self.running.remove(&id) else { return Ok(()) };
        let plan = Arc::clone(&self.plan);
        let Some(operation) = plan.operations.get(step.index()) else { return Ok(()) };
        self.leave(&operation.system);
        if cancelled {
            self.left_over = true;
            return Ok(());
        }
        let finished = finished.unwrap_or_else(|| {
            tracing::error!(run = %self.run.id, system = %operation.system, operation = %operation.id, "the adapter panicked");
            let failure = Failure::internal("the adapter panicked");
            match (step, &operation.action) {
                (Step::Attempt(_), Action::Change(_)) => Finished::Attempt(Err(failure), gate.wrote()),
                (_, Action::Verify(_)) => Finished::Verified(Err(failure)),
                _ => Finished::Look(Err(failure)),
            }
        });
        match finished {
            Finished::Attempt(result, wrote) => self.attempt_ended(step.index(), operation, result, wrote).await,
            Finished::Look(result) => self.looked(step, operation, result).await,
            Finished::Verified(result) => self.verified(step.index(), operation, result),
        }
    }

    /// Why an account cannot be this subject's, if it is another's.
    async fn claimed(&self, operation: &Operation, receipt: Option<&Receipt>) -> Result<Option<String>, MoveError> {
        let makes_account = matches!(operation.action, Action::AwaitAccount(_) | Action::Change(Change::EnsureAccount(_)));
        let Some(account) = receipt.and_then(|receipt| receipt.account.as_ref()).filter(|_| makes_account) else { return Ok(None) };
        let holder = self.executor.store.holder(&operation.system, &account.id).await?;
        Ok(holder.filter(|holder| *holder != self.plan.subject).map(|holder| format!("account {} belongs to subject {holder}", account.id)))
    }

    async fn attempt_ended(
        &mut self,
        place: usize,
        operation: &Operation,
        result: Result<provisionr_sdk::Outcome, Failure>,
        wrote: bool,
    ) -> Result<(), MoveError> {
        let (mut outcome, wait) = match result {
            Ok(outcome) => Ending::from_outcome(outcome),
            Err(failure) => (Ending::Failed(failure), None),
        };
        let claimed = match &outcome {
            Ending::Applied(receipt) | Ending::Unchanged(receipt) | Ending::Waiting(receipt) => self.claimed(operation, Some(receipt)).await?,
            Ending::Failed(_) => None,
        };
        if let Some(why) = &claimed {
            outcome = Ending::Failed(Failure::from(&AdapterError::conflict(why.as_str()).with_hint(RetryHint::Never)));
        }
        let open = self.state.operation(place).is_some_and(|state| state.open.is_some());
        let effect_without_intent = !open && matches!(outcome, Ending::Applied(_));
        if effect_without_intent {
            tracing::error!(run = %self.run.id, system = %operation.system, operation = %operation.id, "the adapter wrote without asking for a permit");
            let late = self.began(place)?;
            self.record(late)?;
        }
        let Some(state) = self.state.operation(place) else { return Ok(()) };
        let open = state.open.is_some();
        let attempt = if open { state.attempts } else { state.attempts + 1 };
        let now = self.now();
        let decide = Decide { run: &self.run.id, retry: &self.executor.retry };
        let mut then = decide.ended(operation.id.as_str(), state, &outcome, wait, open && (wrote || effect_without_intent), now);
        if open && matches!(&outcome, Ending::Failed(failure) if failure.effect == provisionr_sdk::Effect::Unknown) && !matches!(then, Then::LookAt(_)) {
            then = Then::LookAt(now);
        }
        if let Some(why) = claimed {
            then = Then::Stuck(why);
        }
        if let Some(retry) = retry_time(&then) {
            tracing::warn!(run = %self.run.id, system = %operation.system, operation = %operation.id, attempt, at = %retry, "tried again later");
        }
        if matches!(&outcome, Ending::Failed(failure) if matches!(failure.kind, ErrorKind::NotFound(_)) || failure.hint == RetryHint::Replan) {
            self.accounts.remove(&operation.system);
        }
        if self.looks.remove(&place).is_some() {
            self.writes.push(Write::EndWait { run: self.run.id.clone(), operation: operation.id.to_string() });
        }
        self.record(Transition::Ended { op: operation.id.clone(), attempt, at: now, outcome, then })
    }

    async fn looked(&mut self, step: Step, operation: &Operation, result: Result<(Seen, Option<Wait>), Failure>) -> Result<(), MoveError> {
        let place = step.index();
        let now = self.now();
        let due = match (step, self.state.operation(place).map(|state| &state.phase)) {
            (Step::Attempt(_), Some(Phase::Ready(_))) | (Step::Settle(_), Some(Phase::Doubt(_))) | (Step::Look(_), Some(Phase::Waiting { .. })) => true,
            // A person has decided meanwhile.
            _ => false,
        };
        if !due {
            return Ok(());
        }
        let counts = self.looks.entry(place).or_default();
        counts.looks += 1;
        let counts = *counts;
        let decide = Decide { run: &self.run.id, retry: &self.executor.retry };
        let (seen, wait) = match result {
            Ok(seen) => seen,
            Err(failure) => {
                tracing::warn!(run = %self.run.id, system = %operation.system, operation = %operation.id, error = %failure.message, "a look failed");
                let at = decide.look_failed(operation.id.as_str(), &failure, counts.looks, now);
                // Whoever does it by hand can say so, whether or not it can be seen.
                if matches!((step, &operation.action), (Step::Attempt(_), Action::ByHand(_))) {
                    let (op, wait) = (operation.id.clone(), Wait::new(WaitReason::ManualStep, BY_HAND));
                    return self.record(Transition::WaitOpened { op, at: now, wait, look_at: at });
                }
                self.again(place, operation, at);
                return Ok(());
            }
        };
        if let Seen::Holds(receipt) = &seen
            && let Some(why) = self.claimed(operation, Some(receipt)).await?
        {
            self.looks.remove(&place);
            return self.record(Transition::Stuck { op: operation.id.clone(), at: now, why });
        }
        let absences = if seen == Seen::Absent { counts.absences + 1 } else { 0 };
        self.looks.insert(place, Looks { absences, ..counts });
        let Some(state) = self.state.operation(place) else { return Ok(()) };
        let look = Look { operation: state, seen: &seen, wait, absences, looks: counts.looks, closing: self.state.is_closing(), now };
        let op = operation.id.clone();
        match (step, &state.phase) {
            (Step::Settle(_), _) => {
                let facts = match (&operation.action, self.executor.systems.get(&operation.system)) {
                    (Action::Change(change), Some(adapter)) => change.facts(adapter.descriptor()),
                    _ => provisionr_sdk::ChangeFacts::default(),
                };
                let attempt = state.attempts;
                match decide.settled(op.as_str(), &facts, look) {
                    decide::Verdict::Record(then) => {
                        self.looks.remove(&place);
                        self.record(Transition::Resolved { op, attempt, at: now, seen, then })?;
                    }
                    decide::Verdict::Again(at) => self.again(place, operation, at),
                }
            }
            (Step::Look(_), Phase::Waiting { wait, since, .. }) => {
                let account = matches!(operation.action, Action::AwaitAccount(_));
                match decide.waited(op.as_str(), wait, *since, account, &look) {
                    decide::Verdict::Record(then) => {
                        self.looks.remove(&place);
                        self.record(Transition::WaitEnded { op, at: now, seen, then })?;
                    }
                    decide::Verdict::Again(at) => self.again(place, operation, at),
                }
            }
            // The first look for what another party makes.
            (Step::Attempt(_), _) => {
                let wait = match (&operation.action, &seen) {
                    (Action::AwaitAccount(WaitReason::ManualStep), _) => Wait::new(WaitReason::ManualStep, BY_HAND),
                    (Action::AwaitAccount(reason), _) => Wait::new(*reason, Duration::from_secs(30)),
                    // It holds before anybody has done anything.
                    (Action::ByHand(_), Seen::Holds(receipt)) => {
                        let attempt = state.attempts + 1;
                        self.looks.remove(&place);
                        return self.record(Transition::Ended { op, attempt, at: now, outcome: Ending::Unchanged(receipt.clone()), then: Then::Done });
                    }
                    (Action::ByHand(_), _) => Wait::new(WaitReason::ManualStep, BY_HAND),
                    _ => return Ok(()),
                };
                let look_at = now + wait.look_after;
                self.record(Transition::WaitOpened { op: op.clone(), at: now, wait, look_at })?;
                if matches!(seen, Seen::Holds(_)) {
                    self.record(Transition::WaitEnded { op, at: now, seen, then: Then::Done })?;
                }
            }
            (Step::Look(_), _) => {}
        }
        Ok(())
    }

    fn verified(&mut self, place: usize, operation: &Operation, result: Result<Verified, Failure>) -> Result<(), MoveError> {
        let (now, op) = (self.now(), operation.id.clone());
        if !matches!(self.state.operation(place).map(|state| &state.phase), Some(Phase::Waiting { .. })) {
            return Ok(());
        }
        let counts = self.looks.entry(place).or_default();
        counts.looks += 1;
        let looks = counts.looks;
        let decide = Decide { run: &self.run.id, retry: &self.executor.retry };
        match result {
            Ok(Verified::Clean) => {
                self.looks.remove(&place);
                self.record(Transition::WaitEnded { op, at: now, seen: Seen::Holds(Receipt::new()), then: Then::Done })
            }
            Ok(Verified::Surfaced(what)) => {
                tracing::error!(run = %self.run.id, subject = %self.run.subject, system = %operation.system, %what, "something of a leaver has surfaced");
                self.looks.remove(&place);
                self.record(Transition::Stuck { op, at: now, why: format!("{SURFACED}{what}") })
            }
            Ok(Verified::Unclear(why)) if looks >= decide::UNCLEAR_LOOKS => {
                self.looks.remove(&place);
                self.record(Transition::Stuck { op, at: now, why: format!("it cannot be seen whether the person is out: {why}") })
            }
            Ok(Verified::NotYet(why) | Verified::Unclear(why)) => {
                tracing::warn!(run = %self.run.id, system = %operation.system, %why, "a leaver cannot be verified yet");
                let failure = Failure::from(&AdapterError::not_ready(why));
                let at = decide.look_failed(op.as_str(), &failure, looks, now);
                self.again(place, operation, at);
                Ok(())
            }
            Err(failure) => {
                let at = decide.look_failed(op.as_str(), &failure, looks, now);
                self.again(place, operation, at);
                Ok(())
            }
        }
    }

    /// Takes in what others have said: when there may be something new, and now and then, for other processes.
    async fn take_mail(&mut self, new: bool) -> Result<(), MoveError> {
        if !new && !self.others.mail_due() {
            return Ok(());
        }
        self.others.mail_read = Some(Instant::now());
        let messages = self.executor.store.inbox(&self.run.id).await?;
        let Some(upto) = messages.last().map(|row| row.seq) else { return Ok(()) };
        for row in &messages {
            let at = self.now();
            match Message::from_bytes(&row.bytes) {
                Ok(Message::Close { by }) if !self.state.is_closing() => self.record(Transition::Closing { at, by: by.to_string() })?,
                Ok(Message::Close { .. }) => {}
                Ok(Message::Decide { op, actor, why, decision }) => {
                    let decided = Transition::Decided { op, at, actor, why, decision };
                    if let Err(refused) = self.record(decided) {
                        tracing::warn!(run = %self.run.id, %refused, "a decision came too late");
                    }
                }
                Err(error) => tracing::error!(run = %self.run.id, %error, "a message cannot be read"),
            }
        }
        self.writes.push(Write::Take { run: self.run.id.clone(), epoch: self.run.epoch, upto });
        Ok(())
    }

    /// Another run has taken over: gives up what nothing of is under way.
    fn give_up(&mut self) -> Result<(), MoveError> {
        let plan = Arc::clone(&self.plan);
        let running: BTreeSet<usize> = self.running.values().map(|running| running.step.index()).collect();
        for place in self.state.droppable().into_iter().filter(|place| !running.contains(place)) {
            let Some(operation) = plan.operations.get(place) else { continue };
            if self.state.operation(place).is_none_or(|state| state.phase.is_final()) {
                // It fell with what it depends on.
                continue;
            }
            let at = self.now();
            self.looks.remove(&place);
            self.record(Transition::Dropped { op: operation.id.clone(), at, why: "another run has taken over".to_owned() })?;
        }
        Ok(())
    }

    /// Sees what older runs of the subject have not settled: nothing is sent on top of it. A leaver's run does not wait,
    /// but verifies at its end.
    async fn look_around(&mut self) -> Result<(), MoveError> {
        if self.run.rank == Rank::Leaver || !self.others.look_due() {
            return Ok(());
        }
        let store = &*self.executor.store;
        let runs = store.runs(&RunFilter::all().subject(self.run.subject.clone()).unsettled()).await?;
        let mut unsettled = BTreeMap::new();
        let older: Vec<_> = runs.iter().filter(|run| run.id != self.run.id && run.opened_at <= self.run.opened_at).collect();
        for run in &older {
            let loaded = match load(store, run).await {
                Err(MoveError::Store(error)) => return Err(error.into()),
                // It is set aside, and begins nothing.
                Err(error) => {
                    tracing::error!(run = %self.run.id, older = %run.id, %error, "what an older run has under way cannot be read");
                    continue;
                }
                Ok(loaded) => loaded,
            };
            // Until it has heard that it gives way, it may begin whatever it has not done.
            let may_begin = |state: &OperationState| !loaded.state.is_closing() && !state.phase.is_final();
            for (operation, state) in loaded.plan.operations.iter().zip(loaded.state.operations()) {
                let rest = match &state.phase {
                    // Nothing moves it but a person.
                    Phase::Stuck(_) if state.open.is_some() => CONTESTED_LONG,
                    _ if state.open.is_some() => CONTESTED,
                    _ if may_begin(state) => UNHEARD,
                    _ => continue,
                };
                unsettled.insert(difference(operation), rest);
            }
        }
        self.others.looked = Some(Instant::now());
        self.others.rest = unsettled.values().copied().min().unwrap_or(CONTESTED);
        self.others.alone = older.is_empty();
        self.others.unsettled = unsettled;
        Ok(())
    }

    /// Nothing is settled: look again. The wait's row remembers it, the journal does not.
    fn again(&mut self, place: usize, operation: &Operation, at: Timestamp) {
        self.state.look_again(place, at);
        let now = self.now();
        let counts = self.looks.entry(place).or_default();
        let (since, event) = match self.state.operation(place).map(|state| &state.phase) {
            Some(Phase::Waiting { wait, since, .. }) => (*since, wait.event.clone()),
            Some(Phase::Doubt(_)) => (*counts.since.get_or_insert(now), None),
            _ => return,
        };
        let row = WaitRow {
            run: self.run.id.clone(),
            operation: operation.id.to_string(),
            since,
            looks: counts.looks,
            absences: counts.absences,
            next_look: at,
            event,
        };
        self.writes.push(Write::Wait(row));
    }

    /// Takes a transition; it is durable after the next flush.
    fn record(&mut self, transition: Transition) -> Result<(), MoveError> {
        self.state.apply(&transition).map_err(|source| MoveError::Illegal { run: self.run.id.clone(), source })?;
        self.writes.extend(self.projection.take(&self.plan, &self.state, &transition));
        if let Some(place) = transition.operation().and_then(|id| self.state.place(id)) {
            self.touched.insert(place);
        }
        if let Some(account) = transition.receipt().and_then(|receipt| receipt.account.clone())
            && let Some(operation) = transition.operation().and_then(|id| self.state.place(id)).and_then(|place| self.plan.operations.get(place))
        {
            self.accounts.insert(operation.system.clone(), Arc::new(tokio::sync::OnceCell::new_with(Some(account))));
        }
        self.transitions.push(transition);
        Ok(())
    }

    /// Makes what was recorded durable, then answers those who wait for it. `park` ends the lease with it.
    /// Says whether there was anything.
    async fn flush(&mut self, park: Option<Option<Timestamp>>) -> Result<bool, MoveError> {
        if self.transitions.is_empty() && self.writes.is_empty() && park.is_none() {
            return Ok(false);
        }
        let (rows, head) = run::encode(&self.run.id, self.run.rows, self.run.head, &self.transitions)
            .map_err(|error| MoveError::Encode { run: self.run.id.clone(), why: error.to_string() })?;
        let added = rows.len() as u64;
        let mut writes = Vec::with_capacity(self.writes.len() + 2);
        if added > 0 {
            let append = Digest::of([self.run.id.as_str().as_bytes(), &self.run.epoch.to_be_bytes(), head.as_bytes()]).number();
            writes.push(Write::Append { run: self.run.id.clone(), epoch: self.run.epoch, at: self.run.rows, append, rows, verdict: self.state.verdict() });
        }
        writes.append(&mut self.writes);
        if let Some(due) = park {
            writes.push(Write::Park { run: self.run.id.clone(), epoch: self.run.epoch, due });
        }
        self.commit(Commit { writes }).await?;
        self.run.rows += added;
        self.run.head = head;
        for (reply, send_by) in self.replies.drain(..) {
            // An attempt that is gone asks no more.
            let _ = reply.send(send_by);
        }
        let settled = self.transitions.drain(..).find_map(|transition| match transition {
            Transition::Settled { at, verdict } => Some((at, verdict)),
            _ => None,
        });
        for place in std::mem::take(&mut self.touched) {
            if !self.executor.observers.is_empty() {
                self.tell(place);
            }
        }
        if let Some((at, verdict)) = settled {
            tracing::info!(run = %self.run.id, subject = %self.run.subject, %verdict, "run settled");
            self.executor.tell(&Progress::Settled { run: self.run.id.clone(), verdict, at });
        }
        Ok(true)
    }

    async fn commit(&self, commit: Commit) -> Result<(), MoveError> {
        let mut tries = 1;
        loop {
            match self.executor.store.commit(commit.clone()).await {
                // The append id makes the same commit safe to send again.
                Err(StoreError::Indeterminate(_)) if tries < COMMIT_TRIES => {
                    tokio::time::sleep(Duration::from_millis(20) * tries).await;
                    tries += 1;
                }
                result => return Ok(result?),
            }
        }
    }

    fn tell(&self, place: usize) {
        let (Some(operation), Some(state)) = (self.plan.operations.get(place), self.state.operation(place)) else { return };
        self.executor.tell(&Progress::Operation {
            run: self.run.id.clone(),
            subject: self.run.subject.clone(),
            system: operation.system.clone(),
            operation: operation.id.clone(),
            title: operation.title(),
            phase: state.phase.clone(),
            attempts: state.attempts,
            trouble: state.trouble.clone(),
            at: self.state.latest(),
        });
    }
}

/// What is known of those beside this run.
#[derive(Debug, Default)]
struct Others {
    mail_read: Option<Instant>,
    looked: Option<Instant>,
    /// How long what was seen is believed.
    rest: Duration,
    /// No older run has anything under way, nor will it have.
    alone: bool,
    unsettled: BTreeMap<(SystemName, String), Duration>,
}

impl Others {
    fn mail_due(&self) -> bool {
        self.mail_read.is_none_or(|read| read.elapsed() >= MAIL)
    }

    fn look_due(&self) -> bool {
        !self.alone && self.looked.is_none_or(|looked| looked.elapsed() >= self.rest)
    }

    /// How long an operation rests, if an older run has a write under way about the same thing.
    fn contest(&self, operation: &Operation) -> Option<Duration> {
        if self.unsettled.is_empty() { None } else { self.unsettled.get(&difference(operation)).copied() }
    }
}

/// What an operation is about: the same for a grant and its revocation.
fn difference(operation: &Operation) -> (SystemName, String) {
    let what = match (&operation.grant_key, operation.action.change()) {
        (Some(key), _) => key.to_string(),
        // Whatever makes an account, or switches it on or off, is about the account.
        (None, Some(Change::EnsureAccount(_) | Change::SetState(_))) => crate::record::ACCOUNT_STATE.to_owned(),
        _ => operation.id.to_string(),
    };
    (operation.system.clone(), what)
}

fn retry_time(then: &Then) -> Option<Timestamp> {
    match then {
        Then::RetryAt(at) | Then::LookAt(at) => Some(*at),
        _ => None,
    }
}

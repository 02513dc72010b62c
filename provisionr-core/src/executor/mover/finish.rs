//! What follows from an attempt or look that has come to its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError};

use super::{Looks, Mover, Running, SURFACED};
use crate::executor::MoveError;
use crate::executor::decide::{self, Decide, Look};
use crate::executor::verify::Verified;
use crate::executor::work::Finished;
use crate::plan::{Action, Operation};
use crate::run::{Ending, Failure, Phase, Seen, Step, Then, Transition};
use crate::store::{WaitRow, Write};
use provisionr_sdk::{AdapterError, Change, ErrorKind, Receipt, RetryHint, Timestamp, Wait, WaitReason};

/// How often is looked whether something has been done by hand.
const BY_HAND: Duration = Duration::from_secs(60 * 60);

impl Mover<'_> {
    pub(super) async fn finish(&mut self, joined: Result<(Id, Finished), JoinError>) -> Result<(), MoveError> {
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

    async fn looked(&mut self, step: Step, operation: &Operation, result: Result<(Seen, Option<Wait>, Option<String>), Failure>) -> Result<(), MoveError> {
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
        let (seen, wait, failed) = match result {
            Ok(seen) => seen,
            Err(failure) => {
                tracing::warn!(run = %self.run.id, system = %operation.system, operation = %operation.id, error = %failure.message, "a look failed");
                let at = decide.look_failed(operation.id.as_str(), &failure, counts.looks, now);
                // Whoever does it by hand can say so, whether or not it can be seen.
                if matches!((step, &operation.action), (Step::Attempt(_), Action::ByHand(_))) {
                    let (op, wait) = (operation.id.clone(), Wait::new(WaitReason::ManualStep, BY_HAND));
                    return self.record(Transition::WaitOpened { op, at: now, wait, look_at: at });
                }
                if let Some(Phase::Waiting { wait, since, .. }) = self.state.operation(place).map(|state| &state.phase)
                    && let Some(then) = decide::cannot_look(wait, *since, &failure, now)
                {
                    self.looks.remove(&place);
                    let (op, seen) = (operation.id.clone(), Seen::Unclear(failure.message.clone()));
                    return self.record(Transition::WaitEnded { op, at: now, seen, failed: None, then });
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
        let look =
            Look { operation: state, seen: &seen, wait, failed: failed.as_deref(), absences, looks: counts.looks, closing: self.state.is_closing(), now };
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
                        self.record(Transition::WaitEnded { op, at: now, seen, failed, then })?;
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
                    self.record(Transition::WaitEnded { op, at: now, seen, failed: None, then: Then::Done })?;
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
                self.record(Transition::WaitEnded { op, at: now, seen: Seen::Holds(Receipt::new()), failed: None, then: Then::Done })
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
}

fn retry_time(then: &Then) -> Option<Timestamp> {
    match then {
        Then::RetryAt(at) | Then::LookAt(at) => Some(*at),
        _ => None,
    }
}

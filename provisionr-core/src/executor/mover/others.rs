//! Those beside a run: whoever writes into its inbox, and older runs of the same subject.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Mover;
use crate::executor::{MoveError, load};
use crate::plan::Operation;
use crate::run::{Message, OperationState, Phase, Transition};
use crate::store::{Rank, RunFilter, Write};
use provisionr_sdk::{Change, SystemName};

/// How often an inbox is looked into while a run is moved; another process may have put something there.
pub(super) const MAIL: Duration = Duration::from_secs(1);

/// How long an operation rests while an older run has a write under way about the same thing.
const CONTESTED: Duration = Duration::from_secs(2);

/// How long it rests until that run has heard that it gives way.
const UNHEARD: Duration = Duration::from_millis(200);

/// How long it rests while a person has to say what became of that write.
const CONTESTED_LONG: Duration = Duration::from_secs(60);

/// What is known of those beside this run.
#[derive(Debug, Default)]
pub(super) struct Others {
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
    pub(super) fn contest(&self, operation: &Operation) -> Option<Duration> {
        if self.unsettled.is_empty() { None } else { self.unsettled.get(&difference(operation)).copied() }
    }
}

impl Mover<'_> {
    /// Takes in what others have said: when there may be something new, and now and then, for other processes.
    pub(super) async fn take_mail(&mut self, new: bool) -> Result<(), MoveError> {
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
    pub(super) fn give_up(&mut self) -> Result<(), MoveError> {
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
    pub(super) async fn look_around(&mut self) -> Result<(), MoveError> {
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

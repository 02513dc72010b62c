//! What a run has recorded becomes durable, and is told.

use std::sync::Arc;
use std::time::Duration;

use super::Mover;
use crate::digest::Digest;
use crate::executor::MoveError;
use crate::observer::Progress;
use crate::run::{self, Transition};
use crate::store::{Commit, StoreError, Write};
use provisionr_sdk::Timestamp;

/// How often a commit is sent again when its answer is lost.
const COMMIT_TRIES: u32 = 4;

impl Mover<'_> {
    /// Takes a transition; it is durable after the next flush.
    pub(super) fn record(&mut self, transition: Transition) -> Result<(), MoveError> {
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
    pub(super) async fn flush(&mut self, park: Option<Option<Timestamp>>) -> Result<bool, MoveError> {
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

    pub(super) fn tell(&self, place: usize) {
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

//! The thread that writes: it makes what is queued durable together.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};

use provisionr_core::Timestamp;
use provisionr_core::store::{Commit, Enlisted, RunRow, StoreError, WorkerId};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use crate::driver::{DriverLock, Living};
use crate::error::failed;
use crate::{apply, lease};

/// Keeps the first of a group from waiting for ever.
const GROUP: usize = 1_000;

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer is asked to do.
pub(crate) enum Message {
    Commit {
        commit: Commit,
        reply: Reply<()>,
    },
    Lease {
        worker: WorkerId,
        now: Timestamp,
        limit: usize,
        back: Sender<Message>,
        reply: Reply<Leased>,
    },
    Release(Vec<RunRow>),
    Enlist {
        worker: WorkerId,
        reply: Reply<Enlisted>,
    },
    #[cfg(test)]
    Run(Box<dyn FnOnce(&Connection) + Send>),
}

/// Leased runs on their way to the worker. Where they do not arrive, they are freed.
pub(crate) struct Leased {
    rows: Vec<RunRow>,
    back: Sender<Message>,
}

impl Leased {
    pub(crate) fn arrive(mut self) -> Vec<RunRow> {
        std::mem::take(&mut self.rows)
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if !self.rows.is_empty() {
            // Without a writer, the next worker to enlist frees them.
            let _ = self.back.send(Message::Release(std::mem::take(&mut self.rows)));
        }
    }
}

/// An answer that is given once it is known whether the transaction took effect.
enum Answer {
    Commit(Reply<()>, Result<(), StoreError>),
    /// With the lock, so that no other worker enlists before this lease is durable.
    Lease(Reply<Leased>, Result<(Leased, Arc<DriverLock>), StoreError>),
}

impl Answer {
    /// A refusal stands; what had been made meets the fate of the transaction.
    fn give(self, fate: &Result<(), Fate>) {
        match self {
            Self::Commit(reply, made) => drop(reply.send(made.and_then(|()| met(fate)))),
            Self::Lease(reply, made) => drop(reply.send(made.and_then(|(leased, _lock)| met(fate).map(|()| leased)))),
        }
    }
}

/// How a transaction failed as a whole.
enum Fate {
    /// It never reached its end.
    Undone(String),
    /// It reached its end, and SQLite could not say that it is durable.
    Unknown(String),
}

fn met(fate: &Result<(), Fate>) -> Result<(), StoreError> {
    match fate {
        Ok(()) => Ok(()),
        Err(Fate::Undone(why)) => Err(StoreError::Unavailable(why.clone())),
        Err(Fate::Unknown(why)) => Err(StoreError::Indeterminate(why.clone())),
    }
}

pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) driver_file: PathBuf,
    pub(crate) living: Living,
    /// How many transactions have been made durable.
    pub(crate) transactions: Arc<AtomicU64>,
    pub(crate) releases: Vec<RunRow>,
}

impl Writer {
    /// Works until the last handle is gone and the queue is empty; then gives the connection back.
    pub(crate) fn run(mut self, queue: &Receiver<Message>) -> Self {
        while let Ok(mut message) = queue.recv() {
            loop {
                let next = match message {
                    Message::Enlist { worker, reply } => {
                        let _ = reply.send(self.enlist(worker));
                        None
                    }
                    first => self.group(first, queue),
                };
                match next {
                    Some(next) => message = next,
                    None => break,
                }
            }
        }
        self
    }

    /// Makes this and what else is queued durable in one transaction; gives back a message that cannot be part of it.
    fn group(&mut self, first: Message, queue: &Receiver<Message>) -> Option<Message> {
        let begun = self.connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| failed(error).to_string());
        let (mut answers, mut size, mut next, mut after) = (Vec::new(), 0, Some(first), None);
        while let Some(message) = next.take() {
            match message {
                Message::Enlist { .. } => {
                    after = Some(message);
                    break;
                }
                message => match &begun {
                    Ok(()) => answers.extend(self.take(message)),
                    Err(why) => answers.extend(self.refuse(message, why)),
                },
            }
            size += 1;
            // Some errors (no room on the disk) make SQLite roll back the whole transaction.
            if begun.is_ok() && self.connection.is_autocommit() {
                break;
            }
            if size < GROUP {
                next = queue.try_recv().ok();
            }
        }
        let fate = match begun {
            Err(why) => Err(Fate::Undone(why)),
            Ok(()) => self.end(),
        };
        for answer in answers {
            answer.give(&fate);
        }
        after
    }

    /// Makes what was asked for, each on its own: what is refused leaves nothing behind and spoils nothing.
    fn take(&mut self, message: Message) -> Option<Answer> {
        match message {
            Message::Commit { commit, reply } => {
                let made = self.alone(|connection| apply::commit(connection, &commit));
                Some(Answer::Commit(reply, made))
            }
            Message::Lease { worker, now, limit, back, reply } => {
                let made = self.living.lock_of(&worker).and_then(|lock| {
                    let rows = self.alone(|connection| lease::lease(connection, &worker, now, limit))?;
                    Ok((Leased { rows, back }, lock))
                });
                Some(Answer::Lease(reply, made))
            }
            Message::Release(runs) => {
                self.releases.extend(runs);
                None
            }
            Message::Enlist { .. } => None,
            #[cfg(test)]
            Message::Run(work) => {
                work(&self.connection);
                None
            }
        }
    }

    fn refuse(&mut self, message: Message, why: &str) -> Option<Answer> {
        let refused = || StoreError::Unavailable(why.to_owned());
        match message {
            Message::Commit { reply, .. } => Some(Answer::Commit(reply, Err(refused()))),
            Message::Lease { reply, .. } => Some(Answer::Lease(reply, Err(refused()))),
            other => self.take(other),
        }
    }

    fn alone<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let batch = |sql: &str| self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map_err(failed);
        batch("SAVEPOINT submission")?;
        let made = work(&self.connection);
        if made.is_err() && !self.connection.is_autocommit() {
            batch("ROLLBACK TO submission")?;
        }
        if !self.connection.is_autocommit() {
            batch("RELEASE submission")?;
        }
        made
    }

    /// Ends the transaction: from here on it is durable, undone or unknown.
    fn end(&mut self) -> Result<(), Fate> {
        if self.connection.is_autocommit() {
            return Err(Fate::Undone("another commit of the same transaction could not be written".to_owned()));
        }
        let freed = self.alone(|connection| self.releases.iter().try_for_each(|run| lease::free(connection, run)));
        match self.connection.execute_batch("COMMIT") {
            Ok(()) => {
                match freed {
                    Ok(()) => self.releases.clear(),
                    Err(error) => tracing::warn!(%error, "runs leased to nobody could not be freed; the next commit tries again"),
                }
                self.transactions.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                if !self.connection.is_autocommit() {
                    let _ = self.connection.execute_batch("ROLLBACK");
                }
                Err(Fate::Unknown(error.to_string()))
            }
        }
    }

    fn enlist(&mut self, worker: WorkerId) -> Result<Enlisted, StoreError> {
        let lock = DriverLock::take(&self.driver_file)?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        lease::free_all(&transaction)?;
        transaction.commit().map_err(failed)?;
        Ok(Enlisted::new(None, self.living.begin(worker, lock)))
    }
}

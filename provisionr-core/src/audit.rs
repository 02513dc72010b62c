//! The audit log: a rendering of journal rows, never a second truth.

use std::fmt;

use serde::Serialize;

use crate::desired::Reason;
use crate::digest::Digest;
use crate::plan::{Operation, OperationId, Plan};
use crate::record::{Actor, JournalRow, RunId, RunRow};
use crate::report::waiting_for;
use crate::run::{Ending, Seen, Then, Transition};
use provisionr_sdk::{EventId, SubjectId, SystemName, Timestamp, VendorRequestId};

/// One entry of the audit log: one row of a journal, in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AuditEntry {
    /// Its place in the journal of the run.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who asked for the run, or has decided.
    pub actor: Actor,
    /// Which system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<SystemName>,
    /// Which operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationId>,
    /// What was to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What happened.
    pub what: String,
    /// Which attempt it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Why it was to be done: policy and trigger.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<Reason>,
    /// The vendor's id for the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<VendorRequestId>,
    /// The row's link of the chain.
    pub hash: Digest,
}

/// The audit log of one run. It exists only of a journal whose chain is unbroken.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AuditLog {
    /// The run.
    pub run: RunId,
    /// For whom.
    pub subject: SubjectId,
    /// By which event.
    pub event: EventId,
    /// The entries, in their order.
    pub entries: Vec<AuditEntry>,
    /// The last link of the chain.
    pub head: Digest,
}

/// Whether the chain of a run's journal is what was written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ChainCheck {
    /// The run.
    pub run: RunId,
    /// For whom.
    pub subject: SubjectId,
    /// What was found.
    #[serde(flatten)]
    pub chain: Chain,
}

/// What became of the check of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "chain", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Chain {
    /// Every row is there and follows from the one before.
    Unbroken {
        /// How many there are.
        entries: u64,
        /// The last link: who has kept it elsewhere sees by it that nothing before was written anew.
        head: Digest,
    },
    /// It is not what was written.
    Broken {
        /// The first row that does not fit, where it is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        row: Option<u64>,
        /// What is wrong.
        why: String,
    },
}

impl ChainCheck {
    pub(crate) fn unbroken(log: &AuditLog) -> Self {
        Self { run: log.run.clone(), subject: log.subject.clone(), chain: Chain::Unbroken { entries: log.entries.len() as u64, head: log.head } }
    }

    pub(crate) fn broken(run: &RunRow, row: Option<u64>, why: String) -> Self {
        Self { run: run.id.clone(), subject: run.subject.clone(), chain: Chain::Broken { row, why } }
    }

    /// Whether the chain is unbroken.
    pub fn is_unbroken(&self) -> bool {
        matches!(self.chain, Chain::Unbroken { .. })
    }
}

impl fmt::Display for ChainCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.chain {
            Chain::Unbroken { entries, head } => {
                write!(f, "{} for {}: the chain of {entries} entries is unbroken; its head is {head}", self.run, self.subject)
            }
            Chain::Broken { why, .. } => write!(f, "{} for {}: BROKEN: {why}", self.run, self.subject),
        }
    }
}

impl AuditLog {
    pub(crate) fn new(run: &RunRow, plan: &Plan, rows: &[JournalRow], transitions: &[Transition]) -> Self {
        let entries = rows.iter().zip(transitions).map(|(row, transition)| entry(run, plan, row, transition)).collect();
        Self { run: run.id.clone(), subject: run.subject.clone(), event: run.event.clone(), entries, head: run.head }
    }
}

fn entry(run: &RunRow, plan: &Plan, row: &JournalRow, transition: &Transition) -> AuditEntry {
    let operation = transition.operation().and_then(|id| plan.operation(id));
    let attempt = match transition {
        Transition::Began { attempt, .. } | Transition::Ended { attempt, .. } | Transition::Resolved { attempt, .. } => Some(*attempt),
        _ => None,
    };
    let failed = match transition {
        Transition::Ended { outcome: Ending::Failed(failure), .. } => failure.request_id.clone(),
        _ => None,
    };
    AuditEntry {
        seq: row.seq,
        at: transition.at(),
        actor: match transition {
            Transition::Decided { actor, .. } => actor.clone(),
            _ => run.actor.clone(),
        },
        system: operation.map(|operation| operation.system.clone()),
        operation: transition.operation().cloned(),
        title: operation.map(Operation::title).unwrap_or_default(),
        what: what(transition),
        attempt,
        why: operation.map(|operation| operation.reasons.clone()).unwrap_or_default(),
        request_id: transition.receipt().and_then(|receipt| receipt.request_id.clone()).or(failed),
        hash: row.hash,
    }
}

fn then(then: &Then) -> String {
    match then {
        Then::Done => String::new(),
        Then::RetryAt(at) => format!("; tried again at {at}"),
        Then::LookAt(at) => format!("; looked at, before anything is repeated, at {at}"),
        Then::Wait { wait, .. } => format!("; waits for {}", waiting_for(wait.reason)),
        Then::Fail => "; given up".to_owned(),
        Then::Stuck(why) => format!("; a person has to decide: {why}"),
    }
}

fn what(transition: &Transition) -> String {
    match transition {
        Transition::Opened { event, plan, rules, .. } => format!("opened by event {event} with plan {} under rules {}", plan.short(), rules.short()),
        Transition::Began { .. } => "begun".to_owned(),
        Transition::Ended { outcome, then: next, .. } => match outcome {
            Ending::Applied(_) => format!("applied{}", then(next)),
            Ending::Unchanged(_) => format!("was so already{}", then(next)),
            Ending::Waiting(_) => format!("accepted{}", then(next)),
            Ending::Failed(failure) => {
                let code = failure.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
                format!("failed: {}{code}{}", failure.message, then(next))
            }
        },
        Transition::Resolved { seen, then: next, .. } => format!("{} after a lost answer{}", seen_words(seen), then(next)),
        Transition::WaitOpened { wait, .. } => format!("waits for {}", waiting_for(wait.reason)),
        Transition::WaitEnded { seen, failed: None, then: next, .. } => format!("{} after a wait{}", seen_words(seen), then(next)),
        Transition::WaitEnded { failed: Some(why), then: next, .. } => format!("failed after a wait: {why}{}", then(next)),
        Transition::Dropped { why, .. } => format!("given up: {why}"),
        Transition::Stuck { why, .. } => format!("a person has to decide: {why}"),
        Transition::Decided { why, decision, .. } => format!("decided: {decision}: {why}"),
        Transition::Closing { by, .. } => format!("nothing new is begun: {by}"),
        Transition::Settled { verdict, .. } => format!("run {verdict}"),
    }
}

fn seen_words(seen: &Seen) -> String {
    match seen {
        Seen::Holds(_) => "found in force".to_owned(),
        Seen::Absent => "found absent".to_owned(),
        Seen::Pending => "found under way".to_owned(),
        Seen::Unclear(why) => format!("not to be told ({why})"),
    }
}

impl fmt::Display for AuditEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at, self.actor)?;
        if let Some(system) = &self.system {
            write!(f, " {system}")?;
        }
        if !self.title.is_empty() {
            write!(f, ": {}", self.title)?;
        }
        write!(f, ": {}", self.what)?;
        if let Some(attempt) = self.attempt {
            write!(f, " [attempt {attempt}]")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " [request {id}]")?;
        }
        if !self.why.is_empty() {
            let why: Vec<_> = self.why.iter().map(ToString::to_string).collect();
            write!(f, " because of {}", why.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            writeln!(f, "{:>4}  {entry}", entry.seq)?;
        }
        writeln!(f, "the chain of {} entries is unbroken; its head is {}", self.entries.len(), self.head)
    }
}

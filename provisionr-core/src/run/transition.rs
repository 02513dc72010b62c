//! The transitions of a run, in the form in which its journal keeps them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::plan::OperationId;
use crate::record::{Actor, Rank, Verdict};
use provisionr_sdk::{
    AdapterError, Before, Effect, ErrorKind, EventId, Outcome, Probe, Receipt, RetryHint, SubjectId, SystemName, Timestamp, VendorRequestId, Wait,
};

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ending {
    /// It holds now, and the attempt made it so.
    Applied(Receipt),
    /// It held already.
    Unchanged(Receipt),
    /// It was accepted, and something outside has to happen.
    Waiting(Receipt),
    /// It failed.
    Failed(Failure),
}

impl Ending {
    /// From an adapter's answer, and the wait it asks for.
    pub(crate) fn from_outcome(outcome: Outcome) -> (Self, Option<Wait>) {
        match outcome {
            Outcome::Applied(receipt) => (Self::Applied(receipt), None),
            Outcome::Unchanged(receipt) => (Self::Unchanged(receipt), None),
            Outcome::Waiting(wait, receipt) => (Self::Waiting(receipt), Some(wait)),
            other => (Self::Failed(Failure::internal(format!("unknown outcome {other:?}"))), None),
        }
    }
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Failure {
    /// What went wrong.
    pub kind: ErrorKind,
    /// When another try makes sense.
    pub hint: RetryHint,
    /// Whether the vendor's state may have changed.
    pub effect: Effect,
    /// In words; no secret.
    pub message: String,
    /// The vendor's own code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The vendor's id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<VendorRequestId>,
}

impl Failure {
    /// A failure of provisionr or an adapter itself, after which nothing is known of the vendor's state.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Other, hint: RetryHint::Backoff, effect: Effect::Unknown, message: message.into(), code: None, request_id: None }
    }
}

impl From<&AdapterError> for Failure {
    fn from(error: &AdapterError) -> Self {
        Self {
            kind: error.kind().clone(),
            hint: error.hint(),
            effect: error.effect(),
            message: error.message().to_owned(),
            code: error.code().map(str::to_owned),
            request_id: error.request_id().cloned(),
        }
    }
}

/// What a look showed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Seen {
    /// It holds.
    Holds(Receipt),
    /// It does not, and the look could have seen it.
    Absent,
    /// The vendor or a person is still at it.
    Pending,
    /// The look could not tell.
    Unclear(String),
}

impl Seen {
    /// From an adapter's answer, with the wait it asks for, and why it does not hold where the vendor says it.
    pub(crate) fn from_probe(probe: Probe) -> (Self, Option<Wait>, Option<String>) {
        match probe {
            Probe::Holds(receipt) => (Self::Holds(receipt), None, None),
            Probe::Absent => (Self::Absent, None, None),
            Probe::Failed(why) => (Self::Absent, None, Some(why)),
            Probe::Pending(wait) => (Self::Pending, Some(wait), None),
            Probe::Unclear(why) => (Self::Unclear(why), None, None),
            other => (Self::Unclear(format!("unknown answer {other:?}")), None, None),
        }
    }
}

/// What follows: decided once, with the configuration of that moment, and recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Then {
    /// The operation is done.
    Done,
    /// It is tried again at this time.
    RetryAt(Timestamp),
    /// Whether it took effect is looked at, at this time.
    LookAt(Timestamp),
    /// It waits for something outside; looked at first at this time.
    Wait {
        /// What for.
        wait: Wait,
        /// When is looked first.
        look_at: Timestamp,
    },
    /// It has failed, and with it what depends on it.
    Fail,
    /// A person has to decide.
    Stuck(String),
}

/// What a person decides about an operation that is stuck, or that is done by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decision {
    /// It holds: they have done it, or seen it.
    Done,
    /// It is tried again.
    Retry,
    /// It is given up.
    Skip,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done by hand",
            Self::Retry => "to be tried again",
            Self::Skip => "given up",
        })
    }
}

/// One row of a run's journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Transition {
    /// The run was opened.
    Opened {
        /// When.
        at: Timestamp,
        /// For whom.
        subject: SubjectId,
        /// The version of the subject.
        version: u64,
        /// How urgent.
        rank: Rank,
        /// By which event.
        event: EventId,
        /// Who submitted it.
        actor: Actor,
        /// The plan it follows.
        plan: Digest,
        /// The revision of the rules the plan follows from.
        rules: Digest,
        /// The descriptors of the systems, by content.
        descriptors: BTreeMap<SystemName, Digest>,
        /// What runs it takes over from have waited for, and since when: those waits go on, and do not start again.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        adopts: BTreeMap<OperationId, Timestamp>,
    },
    /// A write is about to be sent.
    Began {
        /// The operation.
        op: OperationId,
        /// Which attempt of it, from 1 on.
        attempt: u32,
        /// The epoch of the run's owner.
        epoch: u64,
        /// When.
        at: Timestamp,
        /// Nothing is sent after this time.
        send_by: Timestamp,
        /// No effect of it can come after this time.
        clear_at: Timestamp,
        /// What was known to be there before.
        #[serde(default)]
        before: Before,
    },
    /// An attempt ended. Without a `Began` of its own nothing was written.
    Ended {
        /// The operation.
        op: OperationId,
        /// Which attempt.
        attempt: u32,
        /// When.
        at: Timestamp,
        /// What came of it.
        outcome: Ending,
        /// What follows.
        then: Then,
    },
    /// A look settled whether an attempt in doubt took effect.
    Resolved {
        /// The operation.
        op: OperationId,
        /// Which attempt.
        attempt: u32,
        /// When.
        at: Timestamp,
        /// What the look showed.
        seen: Seen,
        /// What follows.
        then: Then,
    },
    /// An operation began to wait without an attempt of its own.
    WaitOpened {
        /// The operation.
        op: OperationId,
        /// When.
        at: Timestamp,
        /// What for.
        wait: Wait,
        /// When is looked first.
        look_at: Timestamp,
    },
    /// A wait is over.
    WaitEnded {
        /// The operation.
        op: OperationId,
        /// When.
        at: Timestamp,
        /// What the look showed.
        seen: Seen,
        /// Why what was waited for has failed, in the vendor's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed: Option<String>,
        /// What follows.
        then: Then,
    },
    /// An operation is given up because the world is not what it expects, or another run took over.
    Dropped {
        /// The operation.
        op: OperationId,
        /// When.
        at: Timestamp,
        /// Why.
        why: String,
    },
    /// An operation cannot go on without a person.
    Stuck {
        /// The operation.
        op: OperationId,
        /// When.
        at: Timestamp,
        /// Why.
        why: String,
    },
    /// A person decided what becomes of an operation that cannot go on without one.
    Decided {
        /// The operation.
        op: OperationId,
        /// When.
        at: Timestamp,
        /// Who.
        actor: Actor,
        /// Why.
        why: String,
        /// What.
        decision: Decision,
    },
    /// Nothing new is begun: another run has taken over.
    Closing {
        /// When.
        at: Timestamp,
        /// By what.
        by: String,
    },
    /// The run is over.
    Settled {
        /// When.
        at: Timestamp,
        /// How.
        verdict: Verdict,
    },
}

impl Transition {
    /// When it happened.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Opened { at, .. }
            | Self::Began { at, .. }
            | Self::Ended { at, .. }
            | Self::Resolved { at, .. }
            | Self::WaitOpened { at, .. }
            | Self::WaitEnded { at, .. }
            | Self::Dropped { at, .. }
            | Self::Stuck { at, .. }
            | Self::Decided { at, .. }
            | Self::Closing { at, .. }
            | Self::Settled { at, .. } => *at,
        }
    }

    /// The operation it is about, if it is about one.
    pub fn operation(&self) -> Option<&OperationId> {
        match self {
            Self::Began { op, .. }
            | Self::Ended { op, .. }
            | Self::Resolved { op, .. }
            | Self::WaitOpened { op, .. }
            | Self::WaitEnded { op, .. }
            | Self::Dropped { op, .. }
            | Self::Stuck { op, .. }
            | Self::Decided { op, .. } => Some(op),
            Self::Opened { .. } | Self::Closing { .. } | Self::Settled { .. } => None,
        }
    }

    /// What it says the vendor showed.
    pub fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::Ended { outcome: Ending::Applied(receipt) | Ending::Unchanged(receipt) | Ending::Waiting(receipt), .. }
            | Self::Resolved { seen: Seen::Holds(receipt), .. }
            | Self::WaitEnded { seen: Seen::Holds(receipt), .. } => Some(receipt),
            _ => None,
        }
    }

    /// The oldest stored form that knows it.
    pub fn format(&self) -> u16 {
        match self {
            Self::Decided { .. } => 2,
            Self::Opened { adopts, .. } if !adopts.is_empty() => 2,
            _ => 1,
        }
    }

    /// Its word in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::Began { .. } => "began",
            Self::Ended { .. } => "ended",
            Self::Resolved { .. } => "resolved",
            Self::WaitOpened { .. } => "wait_opened",
            Self::WaitEnded { .. } => "wait_ended",
            Self::Dropped { .. } => "dropped",
            Self::Stuck { .. } => "stuck",
            Self::Decided { .. } => "decided",
            Self::Closing { .. } => "closing",
            Self::Settled { .. } => "settled",
        }
    }
}

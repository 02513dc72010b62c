//! What is kept, row by row, and the ids and words in the rows: plain values, which the pure floor reads and stores hold.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use provisionr_sdk::{AccountId, Entitlement, EventId, SubjectId, SystemName, Timestamp};

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Wraps the text as it is.
            pub fn new(text: impl Into<std::sync::Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )+};
}

pub(crate) use texts;

/// The key of the ledger's row that says that provisionr keeps an account switched off: only then it is switched on
/// again without being told to.
pub const ACCOUNT_STATE: &str = "account/state";

texts! {
    /// The id of a run: of its subject and event, so that submitting twice gives the same.
    RunId;
    /// A process, or a driver in it, that moves runs.
    WorkerId;
}

impl RunId {
    /// The run that an event opens for a subject.
    pub fn of(subject: &SubjectId, event: &EventId) -> Self {
        let digest = Digest::of([subject.as_str().as_bytes(), event.as_str().as_bytes()]).to_string();
        Self::new(format!("run_{}", digest.get(..20).unwrap_or(&digest)))
    }
}

/// Who asked for something: for the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Actor {
    /// A program of the host: the HRIS, a pipeline.
    Service(String),
    /// A person, by an id of the host.
    Person(String),
}

impl Actor {
    /// A program of the host.
    pub fn service(name: impl Into<String>) -> Self {
        Self::Service(name.into())
    }

    /// A person.
    pub fn person(id: impl Into<String>) -> Self {
        Self::Person(id.into())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => write!(f, "service {name}"),
            Self::Person(id) => write!(f, "person {id}"),
        }
    }
}

/// How urgent and how strong a run is; the highest goes first, and a lower one cannot supersede a higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rank {
    /// Puts right what drifted.
    Remedy,
    /// Undoes an earlier run.
    Compensation,
    /// Somebody joins or moves.
    Change,
    /// Somebody leaves.
    Leaver,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Every operation is done.
    Completed,
    /// Something failed, and with it what depends on it.
    Failed,
    /// Another run took its place.
    Superseded,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        })
    }
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Its id.
    pub id: RunId,
    /// Whom it is for.
    pub subject: SubjectId,
    /// The version of the subject it was planned for.
    pub version: u64,
    /// How urgent it is.
    pub rank: Rank,
    /// The event that opened it.
    pub event: EventId,
    /// Who submitted it.
    pub actor: Actor,
    /// The plan it follows.
    pub plan: Digest,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// How many rows its journal has.
    pub rows: u64,
    /// The hash of the last of them.
    pub head: Digest,
    /// How often it was leased.
    pub epoch: u64,
    /// Who has it.
    pub owner: Option<WorkerId>,
    /// How it ended, once it has.
    pub verdict: Option<Verdict>,
}

/// A plan, by the hash of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRow {
    /// The hash.
    pub digest: Digest,
    /// Its stored form.
    pub bytes: Vec<u8>,
}

/// A row to be added to a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRow {
    /// The version of the form of `bytes`.
    pub format: u16,
    /// The transition, in its stored form.
    pub bytes: Vec<u8>,
    /// Its link of the chain.
    pub hash: Digest,
}

/// A row of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRow {
    /// Its place, from 0 on.
    pub seq: u64,
    /// The version of the form of `bytes`.
    pub format: u16,
    /// The transition, in its stored form.
    pub bytes: Vec<u8>,
    /// Its link of the chain.
    pub hash: Digest,
}

/// A message to the owner of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRow {
    /// The run.
    pub run: RunId,
    /// Its place among the messages of the run: each has a higher one than those before, also when they are taken.
    pub seq: u64,
    /// When it was sent.
    pub at: Timestamp,
    /// The message, in its stored form.
    pub bytes: Vec<u8>,
}

/// A subject as it was last planned for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRow {
    /// The subject.
    pub id: SubjectId,
    /// Its version.
    pub version: u64,
    /// The subject, in its stored form.
    pub bytes: Vec<u8>,
}

/// Which account is a subject's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRow {
    /// The subject.
    pub subject: SubjectId,
    /// The system.
    pub system: SystemName,
    /// The account; it belongs to one subject only.
    pub account: AccountId,
}

/// A grant that provisionr gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// The system.
    pub system: SystemName,
    /// The account that holds it.
    pub account: AccountId,
    /// What identifies it.
    pub key: String,
    /// Whom it was for.
    pub subject: SubjectId,
    /// What was given, as it was last.
    pub entitlement: Entitlement,
    /// The run that gave it.
    pub run: RunId,
    /// The operation of that run.
    pub operation: String,
    /// When.
    pub at: Timestamp,
}

/// What is looked for again and again: something waited for, or the effect of a write in doubt. It changes with each
/// look; the journal does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitRow {
    /// The run.
    pub run: RunId,
    /// The operation.
    pub operation: String,
    /// Since when.
    pub since: Timestamp,
    /// How often was looked.
    pub looks: u32,
    /// How many of the last looks in a row showed it absent.
    pub absences: u32,
    /// When is looked again.
    pub next_look: Timestamp,
    /// The outside event that makes a look worthwhile at once.
    pub event: Option<provisionr_sdk::EventKey>,
}

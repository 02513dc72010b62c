//! What others say to the owner of a run: only the owner writes the journal.

use serde::{Deserialize, Serialize};

use super::transition::Decision;
use crate::plan::OperationId;
use crate::record::{Actor, RunId};

/// A message in a run's inbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Message {
    /// Another run takes over.
    Close {
        /// Which.
        by: RunId,
    },
    /// Something outside may have happened: what is waited for is looked at now. It says nothing of what is so.
    Look,
    /// A person has decided about an operation.
    Decide {
        /// The operation.
        op: OperationId,
        /// Who.
        actor: Actor,
        /// Why.
        why: String,
        /// What.
        decision: Decision,
    },
}

impl Message {
    /// Its stored form.
    ///
    /// # Errors
    /// When a value cannot be written as JSON, which no value of a message does.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// When it is none, or one of a newer version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

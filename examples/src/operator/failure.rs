//! Why a command could not be carried out.

use std::error::Error;
use std::fmt;

use provisionr_core::{AccessError, StoreError};

/// What is told on stderr, and ends the program with 1. It holds no secret, for no error of the library does.
#[derive(Debug)]
pub(super) struct Failure(String);

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// An error with everything beneath it that it does not say itself.
    pub(super) fn of(error: impl Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(beneath) = source {
            let words = beneath.to_string();
            if !message.contains(&words) {
                message.push_str(": ");
                message.push_str(&words);
            }
            source = beneath.source();
        }
        Self(message)
    }

    /// Both.
    pub(super) fn and(self, other: &Self) -> Self {
        Self(format!("{}\n{}", self.0, other.0))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::PlanSetMoved(differences) => {
                let list: String = differences.iter().map(|difference| format!("\n  {difference}")).collect();
                Self(format!("the plan is out of date, and nothing of it was submitted:{list}\nplan again, look at it, and apply that"))
            }
            error => Self::of(error),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::of(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::of(error)
    }
}

//! Faults of descriptions that are known.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::wildcard;

/// Violations that are no fault of ours.
#[derive(Debug)]
pub(super) struct Known {
    operation: String,
    what: String,
    why: &'static str,
    /// How often it was met.
    pub(super) met: AtomicUsize,
}

impl Known {
    pub(super) fn new(operation: &str, what: &str, why: &'static str) -> Self {
        Self { operation: operation.to_owned(), what: what.to_owned(), why, met: AtomicUsize::new(0) }
    }

    pub(super) fn meets(&self, operation: &str, what: &str) -> bool {
        let meets = wildcard::matches(&self.operation, operation) && wildcard::matches(&self.what, what);
        if meets {
            self.met.fetch_add(1, Ordering::Relaxed);
        }
        meets
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.operation, self.what, self.why)
    }
}

/// A part of a document that was put right.
#[derive(Debug)]
pub(super) struct Correction {
    pub(super) place: String,
    pub(super) why: &'static str,
    /// Whether there was something to put right.
    pub(super) changed: bool,
}

impl fmt::Display for Correction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "corrected {} ({})", self.place, self.why)
    }
}

//! What became of a case, and of a whole run.

use std::fmt;

use provisionr_sdk::AdapterError;

/// Why a case did not come to its good end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The adapter broke its promise.
    Fails(String),
    /// There is nothing here to try it on.
    DoesNotApply(String),
}

pub(super) type Case = Result<(), Stop>;

impl From<AdapterError> for Stop {
    fn from(error: AdapterError) -> Self {
        Self::Fails(format!("unexpected error: {error} ({:?}, effect {:?})", error.kind(), error.effect()))
    }
}

pub(super) fn fails(why: impl Into<String>) -> Stop {
    Stop::Fails(why.into())
}

pub(super) fn does_not_apply(why: impl Into<String>) -> Stop {
    Stop::DoesNotApply(why.into())
}

/// Ends the case as failed unless something holds.
macro_rules! demand {
    ($holds:expr, $($why:tt)+) => {
        if !$holds {
            return Err($crate::conformance::verdict::fails(format!($($why)+)));
        }
    };
}
pub(super) use demand;

/// What became of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The promise is kept.
    Passed,
    /// The promise is broken; how.
    Failed(String),
    /// It does not apply, as declared, for the declared reason.
    Skipped(String),
    /// It does not apply, and nobody has said so: counts as failed. Why it does not apply.
    Undeclared(String),
    /// It was declared as skipped and does apply: counts as failed.
    Stale,
}

impl Verdict {
    /// Whether it counts as failed.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Undeclared(_) | Self::Stale)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Failed(why) => write!(f, "FAILED: {why}"),
            Self::Skipped(why) => write!(f, "skipped: {why}"),
            Self::Undeclared(why) => write!(f, "FAILED: does not apply ({why}); declare the skip with a reason, or teach the harness"),
            Self::Stale => f.write_str("FAILED: declared as skipped, but it applies; remove the skip"),
        }
    }
}

/// What became of all cases, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Each case with its verdict.
    pub cases: Vec<(&'static str, Verdict)>,
    /// Declared skips that name no case: each counts as a failure.
    pub unknown_skips: Vec<String>,
}

impl Report {
    /// The verdict of a case.
    pub fn verdict(&self, case: &str) -> Option<&Verdict> {
        self.cases.iter().find(|(name, _)| *name == case).map(|(_, verdict)| verdict)
    }

    /// The cases that count as failed.
    pub fn failures(&self) -> Vec<&'static str> {
        self.cases.iter().filter(|(_, verdict)| verdict.is_failure()).map(|(name, _)| *name).collect()
    }

    /// Whether every promise is kept and every skip is right.
    pub fn is_conformant(&self) -> bool {
        self.unknown_skips.is_empty() && self.failures().is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, verdict) in &self.cases {
            writeln!(f, "{name}: {verdict}")?;
        }
        for name in &self.unknown_skips {
            writeln!(f, "FAILED: `{name}` is skipped, and there is no such case")?;
        }
        Ok(())
    }
}

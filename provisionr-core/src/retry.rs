//! When a failed attempt is tried again.

use std::time::Duration;

use crate::digest::Digest;
use crate::run::{Failure, Then};
use provisionr_sdk::{ErrorKind, RetryHint, Timestamp};

/// How long is waited between attempts, and how many failures are borne.
///
/// The pause doubles from `first` to `longest`, and is drawn between half of it and the whole, by a hash of run,
/// operation and attempt: the same each time it is computed, and spread over many operations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The pause after the first failure. 2 seconds unless set.
    pub first: Duration,
    /// The longest pause. 15 minutes unless set.
    pub longest: Duration,
    /// After so many failures an operation has failed. Rate limits do not count. 10 unless set.
    pub failures: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { first: Duration::from_secs(2), longest: Duration::from_secs(15 * 60), failures: 10 }
    }
}

impl RetryPolicy {
    /// Sets the pause after the first failure.
    #[must_use]
    pub fn first(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    /// Sets the longest pause.
    #[must_use]
    pub fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Sets how many failures are borne.
    #[must_use]
    pub fn failures(mut self, failures: u32) -> Self {
        self.failures = failures;
        self
    }

    /// The pause after failure number `failures`, counted from 1.
    pub fn pause(&self, failures: u32, seed: &[&[u8]]) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        let whole = self.first.saturating_mul(1 << doublings).min(self.longest).max(Duration::from_millis(1));
        let half = whole / 2;
        let spread = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).max(1);
        let drawn = Digest::of(seed.iter().copied()).number() % spread;
        half + Duration::from_millis(drawn)
    }

    /// What follows a failure that changed nothing; `failures` counts it.
    pub(crate) fn after(&self, failure: &Failure, failures: u32, now: Timestamp, seed: &[&[u8]]) -> Then {
        let limited = matches!(failure.kind, ErrorKind::RateLimited(_));
        match failure.hint {
            RetryHint::Never | RetryHint::Replan => Then::Fail,
            _ if failures >= self.failures && !limited => Then::Fail,
            RetryHint::Alone => Then::RetryAt(now),
            // What was asked for at least; the spread keeps those who were refused together from coming back together.
            RetryHint::After(asked) => Then::RetryAt(now + asked + self.pause(1, seed) / 8),
            _ => Then::RetryAt(now + self.pause(failures, seed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_repeat_exactly() {
        let policy = RetryPolicy::default();
        for failures in 1..40 {
            let whole = Duration::from_secs(2).saturating_mul(1 << (failures - 1).min(20)).min(policy.longest);
            let pause = policy.pause(failures, &[b"run", b"op"]);
            assert!(pause >= whole / 2 && pause < whole, "{failures}: {pause:?}");
            assert_eq!(pause, policy.pause(failures, &[b"run", b"op"]));
        }
        assert_ne!(policy.pause(5, &[b"a"]), policy.pause(5, &[b"b"]));
    }
}

//! What follows from an answer: decided once, live, and recorded.

use std::time::Duration;

use crate::retry::RetryPolicy;
use crate::run::{Ending, Failure, OperationState, Seen, Then};
use crate::store::RunId;
use provisionr_sdk::{ChangeFacts, Effect, ErrorKind, Repeat, RetryHint, Timestamp, Visibility, Wait, WaitReason};

/// The longest pause between two looks at something that takes long.
const LONGEST_LOOK: Duration = Duration::from_secs(60 * 60);

/// After so many looks that could not tell, a person is asked.
pub(super) const UNCLEAR_LOOKS: u32 = 12;

/// Decides what follows; one for each run.
#[derive(Debug)]
pub(super) struct Decide<'a> {
    pub(super) run: &'a RunId,
    pub(super) retry: &'a RetryPolicy,
}

/// One look at something, and how often was looked before.
pub(super) struct Look<'a> {
    pub(super) operation: &'a OperationState,
    pub(super) seen: &'a Seen,
    pub(super) wait: Option<Wait>,
    /// Why what is waited for has failed, if the vendor says that it has.
    pub(super) failed: Option<&'a str>,
    /// How many looks in a row showed it absent, this one included.
    pub(super) absences: u32,
    /// How many looks there were, this one included.
    pub(super) looks: u32,
    /// Another run has taken over: nothing is repeated, and it matters when nothing more can come.
    pub(super) closing: bool,
    pub(super) now: Timestamp,
}

/// What follows from a look.
pub(super) enum Verdict {
    /// Something is settled, and recorded.
    Record(Then),
    /// Nothing is settled: look again at this time.
    Again(Timestamp),
}

impl Decide<'_> {
    fn seed<'s>(&'s self, id: &'s str, attempt: &'s [u8; 4]) -> [&'s [u8]; 3] {
        [self.run.as_str().as_bytes(), id.as_bytes(), attempt]
    }

    /// After an attempt. `wrote` says whether a write may have been sent.
    pub(super) fn ended(&self, id: &str, operation: &OperationState, ending: &Ending, wait: Option<Wait>, wrote: bool, now: Timestamp) -> Then {
        let attempt = operation.attempts.to_be_bytes();
        match ending {
            Ending::Applied(_) | Ending::Unchanged(_) => Then::Done,
            Ending::Waiting(_) => open_wait(wait.unwrap_or_else(|| Wait::new(WaitReason::VendorJob, Duration::from_secs(60))), now),
            // The first look comes soon: most answers are lost after the effect, and a look costs a read.
            Ending::Failed(failure) if wrote && failure.effect == Effect::Unknown => Then::LookAt(now + self.retry.pause(1, &self.seed(id, &attempt))),
            Ending::Failed(failure) => self.retry.after(failure, operation.failures + 1, now, &self.seed(id, &attempt)),
        }
    }

    /// After a look at an attempt in doubt.
    pub(super) fn settled(&self, id: &str, facts: &ChangeFacts, look: Look<'_>) -> Verdict {
        let attempt = look.looks.to_be_bytes();
        let pause = self.retry.pause(look.looks, &self.seed(id, &attempt));
        let clear_at = look.operation.open.as_ref().map_or(look.now, |open| open.clear_at);
        match look.seen {
            Seen::Holds(_) => Verdict::Record(Then::Done),
            Seen::Pending => Verdict::Record(open_wait(look.wait.unwrap_or_else(|| Wait::new(WaitReason::VendorJob, Duration::from_secs(60))), look.now)),
            Seen::Unclear(why) if look.looks >= UNCLEAR_LOOKS => Verdict::Record(Then::Stuck(format!("it cannot be seen whether it took effect: {why}"))),
            Seen::Unclear(_) => Verdict::Again(look.now + pause),
            Seen::Absent => {
                // The same change that sets a state may follow at once: even a late first one changes nothing.
                let at_once = facts.repeat == Repeat::Set && !look.closing;
                let (lag, agree) = match facts.visibility {
                    _ if at_once => (Duration::ZERO, 1),
                    Visibility::Lag { max, agree } => (max, agree.max(1)),
                    _ => (Duration::ZERO, 1),
                };
                let believed_at = if at_once { look.now } else { clear_at + lag };
                if look.now < believed_at {
                    return Verdict::Again((look.now + pause).min(believed_at));
                }
                if look.absences < agree {
                    return Verdict::Again(look.now + pause);
                }
                if facts.repeat == Repeat::Unsafe && !look.closing {
                    return Verdict::Record(Then::Stuck("it did not take effect as far as can be seen, and must not be repeated without a person".to_owned()));
                }
                Verdict::Record(if look.operation.failures >= self.retry.failures { Then::Fail } else { Then::RetryAt(look.now) })
            }
        }
    }

    /// After a look at something waited for.
    pub(super) fn waited(&self, id: &str, waiting: &Wait, since: Timestamp, account: bool, look: &Look<'_>) -> Verdict {
        let again = Verdict::Again(self.next_look(id, look.wait.as_ref().unwrap_or(waiting), look.looks, look.now));
        match look.seen {
            Seen::Holds(_) => Verdict::Record(Then::Done),
            _ if waiting.patience.is_some_and(|patience| look.now >= since + patience) => {
                let unclear = if let Seen::Unclear(why) = look.seen { Some(why.as_str()) } else { None };
                let why = look.failed.or(unclear).map(|why| format!(": {why}")).unwrap_or_default();
                Verdict::Record(Then::Stuck(format!("it has been waited for since {since}, longer than it should take{why}")))
            }
            Seen::Pending | Seen::Unclear(_) => again,
            // An account that is not there yet is what is waited for.
            Seen::Absent if account || waiting.reason == WaitReason::Propagating => again,
            Seen::Absent if look.absences < 2 => again,
            Seen::Absent if look.operation.failures >= self.retry.failures || look.operation.attempts >= self.retry.failures => Verdict::Record(Then::Fail),
            // What the vendor gave up at once it may need time for.
            Seen::Absent if look.failed.is_some() => {
                let attempts = look.operation.attempts;
                Verdict::Record(Then::RetryAt(look.now + self.retry.pause(attempts, &self.seed(id, &attempts.to_be_bytes()))))
            }
            Seen::Absent => Verdict::Record(Then::RetryAt(look.now)),
        }
    }

    /// After a look that failed.
    pub(super) fn look_failed(&self, id: &str, failure: &Failure, looks: u32, now: Timestamp) -> Timestamp {
        let attempt = looks.to_be_bytes();
        let pause = self.retry.pause(looks, &self.seed(id, &attempt));
        match (failure.hint, &failure.kind) {
            (RetryHint::After(asked), _) => now + asked + pause / 8,
            // Nobody can settle it by looking more often: look seldom until the cause is mended.
            (RetryHint::Never, _) | (_, ErrorKind::Unauthenticated) => now + pause.max(self.retry.longest),
            _ => now + pause,
        }
    }

    /// The pause between looks grows by half each time, from what the vendor suggests to an hour.
    fn next_look(&self, id: &str, wait: &Wait, looks: u32, now: Timestamp) -> Timestamp {
        let first = wait.look_after.max(Duration::from_millis(100));
        let grown = first.mul_f64(1.5_f64.powi(i32::try_from(looks.saturating_sub(1).min(40)).unwrap_or(40)));
        let pause = grown.min(LONGEST_LOOK.max(first));
        let drawn = RetryPolicy::default().first(pause / 8).longest(pause / 8).pause(1, &self.seed(id, &looks.to_be_bytes()));
        now + pause + drawn
    }
}

/// After a look at something waited for that will not be allowed, however often it is tried: once patience ends, a person is asked.
pub(super) fn cannot_look(waiting: &Wait, since: Timestamp, failure: &Failure, now: Timestamp) -> Option<Then> {
    let over = waiting.patience.is_some_and(|patience| now >= since + patience);
    (over && failure.hint == RetryHint::Never)
        .then(|| Then::Stuck(format!("it has been waited for since {since}, and cannot be looked at: {}", failure.message)))
}

/// A wait that begins now.
pub(super) fn open_wait(wait: Wait, now: Timestamp) -> Then {
    let look_at = now + wait.look_after;
    Then::Wait { wait, look_at }
}

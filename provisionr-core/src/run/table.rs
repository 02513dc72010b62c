//! The transition table of one operation: the same live and on replay.

use super::transition::{Decision, Ending, Seen, Then, Transition};
use provisionr_sdk::{Before, Effect, Timestamp, Wait, WaitReason};

/// Where an operation stands.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Phase {
    /// Something it depends on is not done.
    Blocked,
    /// It may be tried, from this time on; none for at once.
    Ready(Option<Timestamp>),
    /// A write may be under way.
    Open,
    /// A write may have taken effect; looked at from this time on.
    Doubt(Timestamp),
    /// It waits for something outside.
    Waiting {
        /// What for.
        wait: Wait,
        /// Since when.
        since: Timestamp,
        /// When is looked next.
        look_at: Timestamp,
    },
    /// A person has to decide; why.
    Stuck(String),
    /// It holds.
    Done {
        /// Whether this run made it so.
        ours: Ours,
        /// Since when.
        at: Timestamp,
    },
    /// It failed; why.
    Failed(String),
    /// It was given up; why.
    Dropped(String),
    /// Something it depends on failed or was given up.
    Skipped,
}

/// Whether a run made something hold that did not hold before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ours {
    /// It did.
    Made,
    /// It held already, or another party made it.
    Found,
}

impl Phase {
    /// Whether nothing more happens to it.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed(_) | Self::Dropped(_) | Self::Skipped)
    }

    /// Whether a person may decide so: about what is stuck, or done by hand.
    pub fn awaits(&self, decision: Decision) -> bool {
        match self {
            Self::Stuck(_) => true,
            Self::Waiting { wait, .. } => wait.reason == WaitReason::ManualStep && decision != Decision::Retry,
            _ => false,
        }
    }

    /// Its word in errors and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Ready(_) => "ready",
            Self::Open => "open",
            Self::Doubt(_) => "in doubt",
            Self::Waiting { .. } => "waiting",
            Self::Stuck(_) => "stuck",
            Self::Done { .. } => "done",
            Self::Failed(_) => "failed",
            Self::Dropped(_) => "dropped",
            Self::Skipped => "skipped",
        }
    }
}

/// A write without a settled end.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenAttempt {
    /// The epoch it was begun in.
    pub epoch: u64,
    /// No effect of it can come after this time.
    pub clear_at: Timestamp,
    /// What was known to be there before.
    pub before: Before,
}

/// What is known of one operation.
#[derive(Clone, Debug, PartialEq)]
pub struct OperationState {
    /// Where it stands.
    pub phase: Phase,
    /// How many attempts there were.
    pub attempts: u32,
    /// How many of them failed for a reason other than a rate limit.
    pub failures: u32,
    /// The attempt whose effect is not settled.
    pub open: Option<Box<OpenAttempt>>,
    /// The last failure, in words.
    pub trouble: Option<String>,
}

impl OperationState {
    pub(crate) fn new(phase: Phase) -> Self {
        Self { phase, attempts: 0, failures: 0, open: None, trouble: None }
    }

    /// Takes one transition about this operation; `Err` names what the table forbids.
    pub(crate) fn step(&mut self, transition: &Transition) -> Result<(), &'static str> {
        match transition {
            Transition::Began { attempt, epoch, clear_at, before, .. } => {
                if !matches!(self.phase, Phase::Ready(_)) {
                    return Err("a write begins only where an operation is ready");
                }
                self.next_attempt(*attempt)?;
                self.open = Some(Box::new(OpenAttempt { epoch: *epoch, clear_at: *clear_at, before: before.clone() }));
                self.phase = Phase::Open;
                Ok(())
            }
            Transition::Ended { attempt, at, outcome, then, .. } => self.ended(*attempt, *at, outcome, then),
            Transition::Resolved { attempt, at, seen, then, .. } => {
                let Some(open) = self.open.as_ref().filter(|_| *attempt == self.attempts) else {
                    return Err("only an attempt in doubt is resolved");
                };
                let ours = match (&open.before, seen) {
                    (Before::Absent | Before::Grant(_) | Before::Account(_), Seen::Holds(_)) => Ours::Made,
                    _ => Ours::Found,
                };
                if matches!(then, Then::LookAt(_)) {
                    return Err("a look that settles nothing is not recorded");
                }
                if matches!((seen, then), (Seen::Unclear(_), Then::RetryAt(_))) {
                    return Err("an unclear look is no leave to repeat");
                }
                self.follow(*at, then, ours)
            }
            Transition::WaitOpened { at, wait, look_at, .. } => {
                if !matches!(self.phase, Phase::Ready(_)) {
                    return Err("a wait opens only where an operation is ready");
                }
                self.phase = Phase::Waiting { wait: wait.clone(), since: *at, look_at: *look_at };
                Ok(())
            }
            Transition::WaitEnded { at, seen, failed, then, .. } => {
                if !matches!(self.phase, Phase::Waiting { .. }) {
                    return Err("only a wait ends");
                }
                if failed.is_some() {
                    self.trouble.clone_from(failed);
                }
                // A wait that followed a write of this run ends in what the write began.
                let ours = if self.attempts > 0 && matches!(seen, Seen::Holds(_)) { Ours::Made } else { Ours::Found };
                self.follow(*at, then, ours)
            }
            Transition::Dropped { why, .. } => {
                if self.open.is_some() {
                    return Err("what is not settled is not dropped");
                }
                if self.phase.is_final() {
                    return Err("what is over is not dropped");
                }
                self.phase = Phase::Dropped(why.clone());
                Ok(())
            }
            Transition::Stuck { why, .. } => {
                if self.phase.is_final() || self.phase == Phase::Blocked {
                    return Err("only what is under way gets stuck");
                }
                self.phase = Phase::Stuck(why.clone());
                Ok(())
            }
            Transition::Decided { at, why, decision, .. } => {
                if !self.phase.awaits(*decision) {
                    return Err("a person decides about what is stuck or done by hand");
                }
                self.phase = match decision {
                    // They did it for this run: what it gives is taken back like all that provisionr gave.
                    Decision::Done => Phase::Done { ours: Ours::Made, at: *at },
                    Decision::Retry => Phase::Ready(None),
                    Decision::Skip => Phase::Dropped(why.clone()),
                };
                self.open = None;
                Ok(())
            }
            Transition::Opened { .. } | Transition::Closing { .. } | Transition::Settled { .. } => Err("not about an operation"),
        }
    }

    fn next_attempt(&mut self, attempt: u32) -> Result<(), &'static str> {
        if self.open.is_some() {
            return Err("one attempt at a time");
        }
        if attempt != self.attempts + 1 {
            return Err("attempts are counted one by one");
        }
        self.attempts = attempt;
        Ok(())
    }

    fn ended(&mut self, attempt: u32, at: Timestamp, outcome: &Ending, then: &Then) -> Result<(), &'static str> {
        let written = self.open.is_some();
        if written && attempt != self.attempts {
            return Err("only the open attempt ends");
        }
        if !written {
            if !matches!(self.phase, Phase::Ready(_)) {
                return Err("only an open attempt, or one that wrote nothing, ends");
            }
            if matches!(outcome, Ending::Applied(_)) {
                return Err("nothing is applied without a write that began");
            }
            self.next_attempt(attempt)?;
        }
        if let Ending::Failed(failure) = outcome {
            if failure.effect == Effect::Unknown && written && !matches!(then, Then::LookAt(_) | Then::Stuck(_)) {
                return Err("a write in doubt is looked at before anything else");
            }
            if !matches!(failure.kind, provisionr_sdk::ErrorKind::RateLimited(_)) {
                self.failures += 1;
            }
            self.trouble = Some(failure.message.clone());
        } else if matches!(then, Then::RetryAt(_) | Then::LookAt(_)) {
            return Err("what succeeded is not tried again");
        }
        if matches!(then, Then::LookAt(_)) && !written {
            return Err("only a write is looked at");
        }
        let ours = if matches!(outcome, Ending::Applied(_)) { Ours::Made } else { Ours::Found };
        self.follow(at, then, ours)?;
        let known = !matches!(outcome, Ending::Failed(failure) if failure.effect == Effect::Unknown);
        if known && matches!(then, Then::Stuck(_)) {
            // What came of it is not in doubt, whatever a person decides.
            self.open = None;
        }
        Ok(())
    }

    fn follow(&mut self, at: Timestamp, then: &Then, ours: Ours) -> Result<(), &'static str> {
        self.phase = match then {
            Then::Done => Phase::Done { ours, at },
            Then::RetryAt(due) => Phase::Ready(Some(*due)),
            Then::LookAt(look_at) => {
                self.phase = Phase::Doubt(*look_at);
                return Ok(());
            }
            Then::Wait { wait, look_at } => Phase::Waiting { wait: wait.clone(), since: at, look_at: *look_at },
            Then::Fail => Phase::Failed(self.trouble.clone().unwrap_or_default()),
            Then::Stuck(why) => {
                self.phase = Phase::Stuck(why.clone());
                return Ok(());
            }
        };
        self.open = None;
        Ok(())
    }
}

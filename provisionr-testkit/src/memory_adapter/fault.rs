//! What goes wrong on purpose.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use provisionr_sdk::{AdapterError, Change, Request, Wait};

type MakeError = Arc<dyn Fn() -> AdapterError + Send + Sync>;
type Wants = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

/// What becomes of one write instead of its ordinary course.
#[derive(Clone)]
#[non_exhaustive]
pub enum MemoryFault {
    /// Nothing happens, and this error is the answer.
    Refuse(MakeError),
    /// The effect happens, and this error is the answer.
    Lose(MakeError),
    /// It is accepted and shows as pending until [`World::finish_waits`](super::World::finish_waits).
    Wait(Wait),
    /// It happens after this long.
    DelayEffect(Duration),
    /// It happens, and the answer comes after this long.
    DelayAnswer(Duration),
    /// Nothing happens, and no answer ever comes.
    Hang,
    /// It happens, and no answer ever comes.
    HangAfter,
}

impl MemoryFault {
    /// Refused before anything changed.
    pub fn refuse(error: impl Fn() -> AdapterError + Send + Sync + 'static) -> Self {
        Self::Refuse(Arc::new(error))
    }

    /// The request is lost on its way: no effect, but nobody can know.
    pub fn lose_request() -> Self {
        Self::refuse(|| AdapterError::timed_out("no answer in time").effect_unknown())
    }

    /// The answer is lost on its way back: the effect is there, but nobody can know.
    pub fn lose_answer() -> Self {
        Self::Lose(Arc::new(|| AdapterError::timed_out("no answer in time").effect_unknown()))
    }
}

impl fmt::Debug for MemoryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse(error) => write!(f, "Refuse({})", error()),
            Self::Lose(error) => write!(f, "Lose({})", error()),
            Self::Wait(wait) => write!(f, "Wait({:?})", wait.reason),
            Self::DelayEffect(long) => write!(f, "DelayEffect({long:?})"),
            Self::DelayAnswer(long) => write!(f, "DelayAnswer({long:?})"),
            Self::Hang => f.write_str("Hang"),
            Self::HangAfter => f.write_str("HangAfter"),
        }
    }
}

/// Reads that fail.
struct Failing {
    after: u32,
    times: usize,
    error: MakeError,
}

/// Faults that are still to come, in the order in which they were planned.
#[derive(Default)]
pub(super) struct Script {
    writes: Vec<(usize, Wants, MemoryFault)>,
    reads: Vec<Failing>,
}

impl Script {
    pub(super) fn plan(&mut self, times: usize, wants: impl Fn(&Request) -> bool + Send + Sync + 'static, fault: MemoryFault) {
        self.writes.push((times, Arc::new(wants), fault));
    }

    pub(super) fn plan_reads(&mut self, times: usize, error: impl Fn() -> AdapterError + Send + Sync + 'static) {
        self.reads.push(Failing { after: 0, times, error: Arc::new(error) });
    }

    pub(super) fn plan_read_after(&mut self, after: u32, error: impl Fn() -> AdapterError + Send + Sync + 'static) {
        self.reads.push(Failing { after, times: 1, error: Arc::new(error) });
    }

    pub(super) fn next_write(&mut self, request: &Request) -> Option<MemoryFault> {
        let (times, _, fault) = self.writes.iter_mut().find(|(times, wants, _)| *times > 0 && wants(request))?;
        *times -= 1;
        Some(fault.clone())
    }

    pub(super) fn next_read(&mut self) -> Result<(), AdapterError> {
        let Some(failing) = self.reads.iter_mut().find(|failing| failing.times > 0) else { return Ok(()) };
        if failing.after > 0 {
            failing.after -= 1;
            return Ok(());
        }
        failing.times -= 1;
        Err((failing.error)())
    }
}

/// Whether a change is about this target of a kind.
pub(super) fn about(change: &Change, kind: &str, target: &str) -> bool {
    change.entitlement().is_some_and(|entitlement| entitlement.kind == *kind && entitlement.target == *target)
}

//! The suite's own side of `CallContext`: notes every permit, and refuses on demand.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use provisionr_sdk::{AdapterError, Call, CallGate, ErrorKind, LaneId, LaneReading, Permit, Result, RetryHint, Timestamp};

/// The message of a refused permit, by which it is known again.
pub(super) const NO_PERMIT: &str = "no permit in this case";

#[derive(Default)]
pub(super) struct Gate(Mutex<Notes>);

#[derive(Default)]
struct Notes {
    permits: Vec<Call>,
    heard: Vec<(LaneId, LaneReading)>,
    left: Option<usize>,
}

impl Gate {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn permits(&self) -> Vec<Call> {
        self.notes().permits.clone()
    }

    pub(super) fn heard(&self) -> Vec<(LaneId, LaneReading)> {
        self.notes().heard.clone()
    }

    /// Gives so many more permits, then refuses.
    pub(super) fn limit(&self, left: Option<usize>) {
        self.notes().left = left;
    }
}

#[async_trait]
impl CallGate for Gate {
    async fn permit(&self, call: &Call) -> Result<Permit> {
        // A place to drop the future before each request.
        tokio::task::yield_now().await;
        let mut notes = self.notes();
        match &mut notes.left {
            Some(0) => return Err(AdapterError::new(ErrorKind::Other, RetryHint::Never, NO_PERMIT)),
            Some(left) => *left -= 1,
            None => {}
        }
        notes.permits.push(call.clone());
        Ok(Permit::free())
    }

    fn heard(&self, lane: &LaneId, reading: LaneReading) {
        self.notes().heard.push((lane.clone(), reading));
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

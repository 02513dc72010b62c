//! What stands between an adapter and the vendor while an attempt or a look is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::rate::Lanes;
use provisionr_sdk::{Access, AdapterError, Call, CallGate, LaneId, LaneReading, Permit, Result, SystemName, Timestamp};

/// Asks the owner of a run to make the intent of a write durable.
#[derive(Debug)]
pub(super) struct BeginRequest {
    /// The operation's place in the plan.
    pub(super) place: usize,
    /// Answered with the time until which it may be sent, once it is durable.
    pub(super) reply: oneshot::Sender<Timestamp>,
}

/// The gate of one attempt or look.
pub(super) struct Gate {
    system: SystemName,
    lanes: Lanes,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    /// Where to ask for a durable intent; a look has none, and never writes.
    begin: Option<(usize, mpsc::UnboundedSender<BeginRequest>)>,
    begun: tokio::sync::Mutex<Option<Instant>>,
    written: AtomicBool,
    /// Until when the call under way may take.
    deadline: watch::Sender<Option<Instant>>,
}

impl Gate {
    pub(super) fn new(system: SystemName, lanes: Lanes, clock: Arc<dyn Clock>, timeout: Duration) -> Self {
        Self {
            system,
            lanes,
            clock,
            timeout,
            begin: None,
            begun: tokio::sync::Mutex::new(None),
            written: AtomicBool::new(false),
            deadline: watch::Sender::new(Some(Instant::now() + timeout)),
        }
    }

    /// Lets writes through, once their intent is durable.
    pub(super) fn writing(mut self, place: usize, begin: mpsc::UnboundedSender<BeginRequest>) -> Self {
        self.begin = Some((place, begin));
        self
    }

    /// The time for the first call begins anew: waiting for a turn counts on nobody's limit.
    pub(super) fn restart(&self) {
        self.deadline.send_replace(Some(Instant::now() + self.timeout));
    }

    /// Makes the intent durable, if it is not yet. The first write must be sent right after.
    pub(super) async fn begin(&self) -> Result<()> {
        let Some((place, begin)) = &self.begin else {
            return Err(AdapterError::unsupported("writing while looking"));
        };
        let mut begun = self.begun.lock().await;
        if let Some(end) = *begun {
            return if Instant::now() < end { Ok(()) } else { Err(AdapterError::timed_out("the attempt takes too long").effect_unknown()) };
        }
        // The pause before the intent is durable counts on nobody's time limit: nothing has been sent.
        self.deadline.send_replace(None);
        let (reply, durable) = oneshot::channel();
        let stopped = || AdapterError::unavailable("the run is being stopped");
        begin.send(BeginRequest { place: *place, reply }).map_err(|_| stopped())?;
        let asked = Instant::now();
        let send_by = durable.await.map_err(|_| stopped())?;
        let end = Instant::now() + self.timeout;
        *begun = Some(end);
        // Wall clock and monotonic clock: one may have been set, the other does not run while a machine sleeps.
        if self.clock.now() >= send_by || asked.elapsed() >= self.timeout {
            return Err(AdapterError::timed_out("too late to send"));
        }
        self.written.store(true, Ordering::SeqCst);
        self.deadline.send_replace(Some(end));
        Ok(())
    }

    /// Whether a write may have been sent.
    pub(super) fn wrote(&self) -> bool {
        self.written.load(Ordering::SeqCst)
    }

    /// Returns when the call under way takes too long.
    pub(super) async fn expired(&self) {
        let mut changes = self.deadline.subscribe();
        loop {
            let deadline = *changes.borrow_and_update();
            match deadline {
                Some(end) => {
                    tokio::select! {
                        biased;
                        () = tokio::time::sleep_until(end) => return,
                        _ = changes.changed() => {}
                    }
                }
                None => {
                    if changes.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

#[async_trait]
impl CallGate for Gate {
    async fn permit(&self, call: &Call) -> Result<Permit> {
        if !self.wrote() {
            self.deadline.send_replace(None);
        }
        let permit = self.lanes.permit(&self.system, call).await;
        if call.access == Access::Write {
            self.begin().await?;
        } else if !self.wrote() {
            self.deadline.send_replace(Some(Instant::now() + self.timeout));
        }
        Ok(permit)
    }

    fn heard(&self, lane: &LaneId, reading: LaneReading) {
        self.lanes.heard(&self.system, lane, reading);
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

//! What an adapter is handed for one call: permits for requests, and the time.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::id::LaneId;
use crate::lane::LaneReading;
use crate::time::Timestamp;

/// Whether one request to a vendor only looks or may change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// It only looks.
    Read,
    /// It may change something.
    Write,
}

/// One request that is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The lane it counts on; none for requests no limit of the vendor counts.
    pub lane: Option<LaneId>,
    /// Whether it may change something.
    pub access: Access,
    /// How many units it costs.
    pub cost: u32,
}

impl Call {
    /// A request of one unit on a lane.
    pub fn new(lane: impl Into<LaneId>, access: Access) -> Self {
        Self { lane: Some(lane.into()), access, cost: 1 }
    }
}

/// The right to send one request. Hold it until the answer is there.
#[must_use = "the permit ends when it is dropped"]
pub struct Permit(#[expect(dead_code, reason = "held for its drop")] Option<Box<dyn Any + Send>>);

impl Permit {
    /// A permit that keeps `guard` alive.
    pub fn holding(guard: impl Any + Send) -> Self {
        Self(Some(Box::new(guard)))
    }

    /// A permit that holds nothing.
    pub fn free() -> Self {
        Self(None)
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

/// The side of whoever moves runs: gives permits, hears what answers say.
#[async_trait]
pub trait CallGate: Send + Sync {
    /// Waits until the request may be sent.
    /// - Returns only when the lane has room, and for the first write of an attempt only when its intent is durable.
    /// - An error means: do not send, and return the error as it is.
    async fn permit(&self, call: &Call) -> Result<Permit>;

    /// An answer said something about a lane.
    fn heard(&self, lane: &LaneId, reading: LaneReading);

    /// Now.
    fn now(&self) -> Timestamp;
}

/// Handed to every method of an adapter.
#[derive(Clone)]
pub struct CallContext(Arc<dyn CallGate>);

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallContext")
    }
}

impl CallContext {
    /// A context over a gate.
    pub fn new(gate: Arc<dyn CallGate>) -> Self {
        Self(gate)
    }

    /// A context that permits everything at once: for tests of one adapter alone.
    pub fn unlimited() -> Self {
        Self(Arc::new(Unlimited))
    }

    /// Waits until a request may be sent. The HTTP kit calls it; an adapter with a transport of its own
    /// calls it before each request, and holds the permit until the answer is there.
    ///
    /// # Errors
    /// Whatever forbids sending, to be returned as it is.
    pub async fn permit(&self, call: &Call) -> Result<Permit> {
        self.0.permit(call).await
    }

    /// Passes on what an answer said about a lane.
    pub fn heard(&self, lane: &LaneId, reading: LaneReading) {
        self.0.heard(lane, reading);
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }
}

struct Unlimited;

#[async_trait]
impl CallGate for Unlimited {
    async fn permit(&self, _call: &Call) -> Result<Permit> {
        Ok(Permit::free())
    }

    fn heard(&self, _lane: &LaneId, _reading: LaneReading) {}

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

//! Rate limits as data, and what answers say about them.

use std::time::Duration;

use serde::Serialize;

use crate::id::LaneId;

/// So many units in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// How many units fit.
    pub units: u32,
    /// Into how long.
    pub per: Duration,
}

/// One rate limit of a vendor. Calls name it; whoever moves runs enforces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Lane {
    /// Its id, unique within the system.
    pub id: LaneId,
    /// How much fits into how long, if the vendor says so.
    pub window: Option<Window>,
    /// How many calls may be under way at once.
    pub concurrency: Option<u32>,
    /// Lanes of the same pool share one limit, also across systems.
    pub pool: Option<String>,
}

impl Lane {
    /// A lane without limits: only what answers say slows it.
    pub fn new(id: impl Into<LaneId>) -> Self {
        Self { id: id.into(), window: None, concurrency: None, pool: None }
    }

    /// So many units a minute.
    pub fn per_minute(id: impl Into<LaneId>, units: u32) -> Self {
        Self::new(id).window(units, Duration::from_secs(60))
    }

    /// Sets how much fits into how long.
    #[must_use]
    pub fn window(mut self, units: u32, per: Duration) -> Self {
        self.window = Some(Window { units, per });
        self
    }

    /// Sets how many calls may be under way at once.
    #[must_use]
    pub fn concurrency(mut self, calls: u32) -> Self {
        self.concurrency = Some(calls);
        self
    }

    /// Puts it into a pool.
    #[must_use]
    pub fn pool(mut self, pool: impl Into<String>) -> Self {
        self.pool = Some(pool.into());
        self
    }
}

/// What one answer said about a lane. Whatever it did not say is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneReading {
    /// Units in a window.
    pub limit: Option<u32>,
    /// Units left in this window.
    pub remaining: Option<u32>,
    /// Until the window is new.
    pub reset_in: Option<Duration>,
    /// The vendor refused and asks for silence this long.
    pub pause: Option<Duration>,
}

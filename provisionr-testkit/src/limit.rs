//! Rate limits that a fake enforces.

use std::time::Duration;

use provisionr_sdk::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fault::RequestMatch;
use crate::link::millis;
use crate::message::FakeRequest;

/// One limit: so many requests of a family of endpoints in so long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Which requests count.
    #[serde(default)]
    pub on: RequestMatch,
    /// How many fit into a window.
    pub units: u32,
    /// How long a window is, in milliseconds as JSON. It opens with its first request, not with the clock's minute.
    #[serde(rename = "per_ms", with = "millis")]
    pub per: Duration,
}

impl Limit {
    /// A limit on all requests.
    pub fn new(units: u32, per: Duration) -> Self {
        Self { on: RequestMatch::default(), units, per }
    }

    /// Counts only requests of a method (or `*`) and a path pattern, as [`RequestMatch`] reads them.
    #[must_use]
    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.on = RequestMatch::new(method, path);
        self
    }
}

/// What a limit says about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitReading {
    /// How many fit into a window.
    pub units: u32,
    /// How many are left after this request.
    pub remaining: u32,
    /// When the window is new.
    pub reset: Timestamp,
    /// Whether this request was refused.
    pub exceeded: bool,
}

/// The limits of a fake; a request counts on the first that matches it.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    limits: Vec<(Limit, Option<(Timestamp, u32)>)>,
}

impl Limits {
    /// No limits.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a limit. Those added first are looked at first.
    pub fn add(&mut self, limit: Limit) {
        self.limits.push((limit, None));
    }

    /// What is left for such a request, which is not counted; none when no limit matches.
    pub fn look(&self, request: &FakeRequest, now: Timestamp) -> Option<LimitReading> {
        let mut untouched = self.clone();
        let reading = untouched.count(request, now)?;
        Some(LimitReading { remaining: if reading.exceeded { 0 } else { reading.remaining + 1 }, exceeded: false, ..reading })
    }

    /// Counts a request; none when no limit matches. A refused request does not count.
    pub fn count(&mut self, request: &FakeRequest, now: Timestamp) -> Option<LimitReading> {
        let (limit, window) = self.limits.iter_mut().find(|(limit, _)| limit.on.matches(request))?;
        let (opened, used) = match *window {
            Some((opened, used)) if now.since(opened) < limit.per => (opened, used),
            _ => (now, 0),
        };
        let exceeded = used >= limit.units;
        let used = if exceeded { used } else { used + 1 };
        *window = Some((opened, used));
        Some(LimitReading { units: limit.units, remaining: limit.units - used, reset: opened + limit.per, exceeded })
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[test]
    fn a_window_opens_with_its_first_request() {
        let mut limits = Limits::none();
        limits.add(Limit::new(2, Duration::from_secs(60)).on("GET", "/users/**"));
        let request = FakeRequest::new(Method::GET, "/users/1");
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let readings: Vec<_> = [30, 31, 32, 89, 90].map(|second| limits.count(&request, at(second)).unwrap()).into();
        assert_eq!(readings.iter().map(|reading| reading.exceeded).collect::<Vec<_>>(), [false, false, true, true, false]);
        assert_eq!(readings[2].reset, at(90));
        assert_eq!(readings[4].remaining, 1);
        let looks = [limits.look(&request, at(91)), limits.look(&request, at(91))].map(|reading| reading.unwrap().remaining);
        assert_eq!((looks, limits.look(&request, at(150)).unwrap().remaining), ([1, 1], 2));
        assert_eq!(limits.count(&FakeRequest::new(Method::GET, "/groups"), at(0)), None);
    }
}

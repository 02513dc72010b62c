//! Lanes: the vendors' rate limits, shared by all runs of a process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use provisionr_sdk::{Call, Lane, LaneId, LaneReading, Permit, SystemName, Window};

/// Whether a call begins something or goes on with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It begins, and takes its turn.
    Begins,
    /// It goes on with an attempt that has written already.
    GoesOn,
}

/// The lanes of all systems of a host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lanes(Arc<HashMap<(SystemName, LaneId), Arc<LaneState>>>);

#[derive(Debug)]
struct LaneState {
    window: Option<Window>,
    slots: Option<Arc<Semaphore>>,
    flow: Mutex<Flow>,
}

/// A window as a bucket that refills evenly, and a pause that answers asked for.
#[derive(Debug)]
struct Flow {
    units: f64,
    counted: Instant,
    closed_until: Option<Instant>,
}

impl Lanes {
    /// The lanes these systems declare; those of one pool are one.
    pub(crate) fn new<'a>(systems: impl IntoIterator<Item = (&'a SystemName, &'a [Lane])>) -> Self {
        let mut pools: HashMap<String, Arc<LaneState>> = HashMap::new();
        let mut lanes = HashMap::new();
        for (system, declared) in systems {
            for lane in declared {
                let state = match &lane.pool {
                    Some(pool) => Arc::clone(pools.entry(pool.clone()).or_insert_with(|| Arc::new(LaneState::new(lane)))),
                    None => Arc::new(LaneState::new(lane)),
                };
                lanes.insert((system.clone(), lane.id.clone()), state);
            }
        }
        Self(Arc::new(lanes))
    }

    fn lane(&self, system: &SystemName, lane: &LaneId) -> Option<&Arc<LaneState>> {
        self.0.get(&(system.clone(), lane.clone()))
    }

    /// Waits until a call may be sent. A call on a lane nobody declared is not held back.
    ///
    /// A call that goes on with what has been begun does not queue for the window again: its attempt would run out of
    /// time between two of its writes. What it takes too much, those after it wait for.
    pub(crate) async fn permit(&self, system: &SystemName, call: &Call, turn: Turn) -> Permit {
        let Some(lane) = call.lane.as_ref().and_then(|lane| self.lane(system, lane)) else {
            return Permit::free();
        };
        while let Err(until) = lane.take(call.cost, turn) {
            sleep_until(until).await;
        }
        let Some(slots) = &lane.slots else { return Permit::free() };
        // Only who is about to send holds a slot: what waits for the window must not keep out what goes on.
        loop {
            // A semaphore that is never closed always gives a permit.
            let slot = Arc::clone(slots).acquire_owned().await.ok();
            match lane.closed() {
                Some(until) => {
                    drop(slot);
                    sleep_until(until).await;
                }
                None => return slot.map_or_else(Permit::free, Permit::holding),
            }
        }
    }

    /// Follows what an answer said.
    pub(crate) fn heard(&self, system: &SystemName, lane: &LaneId, reading: LaneReading) {
        if let Some(lane) = self.lane(system, lane) {
            lane.heard(reading);
        }
    }
}

impl LaneState {
    fn new(lane: &Lane) -> Self {
        let units = lane.window.map_or(0.0, |window| f64::from(window.units));
        Self {
            window: lane.window,
            slots: lane.concurrency.map(|calls| Arc::new(Semaphore::new(calls.max(1) as usize))),
            flow: Mutex::new(Flow { units, counted: Instant::now(), closed_until: None }),
        }
    }

    /// Until when the vendor wants silence.
    fn closed(&self) -> Option<Instant> {
        let flow = self.flow.lock().unwrap_or_else(PoisonError::into_inner);
        flow.closed_until.filter(|until| Instant::now() < *until)
    }

    /// Takes units, or says when to ask again.
    fn take(&self, cost: u32, turn: Turn) -> Result<(), Instant> {
        let now = Instant::now();
        let mut flow = self.flow.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = flow.closed_until {
            if now < until {
                return Err(until);
            }
            flow.closed_until = None;
        }
        let Some(window) = self.window.filter(|window| window.units > 0 && !window.per.is_zero()) else {
            return Ok(());
        };
        let rate = f64::from(window.units) / window.per.as_secs_f64();
        let cost = f64::from(cost.min(window.units));
        flow.units = (flow.units + now.duration_since(flow.counted).as_secs_f64() * rate).min(f64::from(window.units));
        flow.counted = now;
        if flow.units >= cost || turn == Turn::GoesOn {
            flow.units -= cost;
            return Ok(());
        }
        let missing = Duration::from_secs_f64((cost - flow.units) / rate).max(Duration::from_millis(1));
        Err(now + missing)
    }

    fn heard(&self, reading: LaneReading) {
        let now = Instant::now();
        let mut flow = self.flow.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(remaining) = reading.remaining {
            flow.units = flow.units.min(f64::from(remaining));
            flow.counted = now;
        }
        let used_up = reading.reset_in.filter(|_| reading.remaining == Some(0));
        if let Some(pause) = reading.pause.into_iter().chain(used_up).max() {
            let until = now + pause;
            flow.closed_until = Some(flow.closed_until.map_or(until, |closed| closed.max(until)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use provisionr_sdk::Access;

    fn lanes(lane: Lane) -> Lanes {
        Lanes::new([(&SystemName::new("s"), [lane].as_slice())])
    }

    async fn calls(lanes: &Lanes, count: u32) -> Duration {
        let start = Instant::now();
        for _ in 0..count {
            let _permit = lanes.permit(&"s".into(), &Call::new("l", Access::Read), Turn::Begins).await;
        }
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_holds_calls_back_once_it_is_used_up() {
        let lanes = lanes(Lane::per_minute("l", 60));
        assert_eq!(calls(&lanes, 60).await, Duration::ZERO);
        let next = calls(&lanes, 60).await;
        assert!(next >= Duration::from_secs(59) && next <= Duration::from_secs(61), "{next:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_window_keeps_nobody_out() {
        let lanes = lanes(Lane::per_minute("l", 1).concurrency(1));
        calls(&lanes, 1).await;
        let waiting = lanes.clone();
        let queued = async { drop(waiting.permit(&"s".into(), &Call::new("l", Access::Read), Turn::Begins).await) };
        let goes_on = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let start = Instant::now();
            let _permit = lanes.permit(&"s".into(), &Call::new("l", Access::Write), Turn::GoesOn).await;
            assert_eq!(start.elapsed(), Duration::ZERO);
        };
        futures_util::future::join(queued, goes_on).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_on_does_not_queue_and_those_after_it_wait_the_longer() {
        let lanes = lanes(Lane::per_minute("l", 60));
        calls(&lanes, 60).await;
        let start = Instant::now();
        for _ in 0..5 {
            let _permit = lanes.permit(&"s".into(), &Call::new("l", Access::Write), Turn::GoesOn).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        let next = calls(&lanes, 1).await;
        assert!(next >= Duration::from_secs(6) && next < Duration::from_secs(7), "{next:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_asks_for_silence_is_obeyed() {
        let lanes = lanes(Lane::new("l"));
        lanes.heard(&"s".into(), &"l".into(), LaneReading { pause: Some(Duration::from_secs(7)), ..LaneReading::default() });
        assert_eq!(calls(&lanes, 1).await, Duration::from_secs(7));
        lanes.heard(&"s".into(), &"l".into(), LaneReading { remaining: Some(0), reset_in: Some(Duration::from_secs(9)), ..LaneReading::default() });
        assert_eq!(calls(&lanes, 1).await, Duration::from_secs(9));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_calls_than_allowed_are_under_way_at_once() {
        let lanes = lanes(Lane::new("l").concurrency(1));
        let first = lanes.permit(&"s".into(), &Call::new("l", Access::Write), Turn::Begins).await;
        let second = tokio::time::timeout(Duration::from_secs(5), lanes.permit(&"s".into(), &Call::new("l", Access::Write), Turn::Begins)).await;
        assert!(second.is_err());
        drop(first);
        assert_eq!(calls(&lanes, 1).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_of_one_pool_are_one() {
        let (a, b) = (SystemName::new("a"), SystemName::new("b"));
        let lane = [Lane::per_minute("l", 1).pool("org")];
        let lanes = Lanes::new([(&a, lane.as_slice()), (&b, lane.as_slice())]);
        let start = Instant::now();
        let _first = lanes.permit(&a, &Call::new("l", Access::Read), Turn::Begins).await;
        let _second = lanes.permit(&b, &Call::new("l", Access::Read), Turn::Begins).await;
        assert!(start.elapsed() >= Duration::from_secs(59));
    }
}

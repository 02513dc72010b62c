//! The time fakes go by, and what is to happen at a later point of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use provisionr_sdk::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

type Job = Box<dyn FnOnce(Timestamp) + Send>;

/// The time one or more fakes go by. Clones share it; fakes that are linked should share one.
///
/// What a fake puts off (a late write, an account that appears at another fake) is a job of the clock. Jobs run in
/// order of their time, each seeing that time as now, as soon as anybody next talks to a fake of this clock: no task
/// and no thread is needed, and nothing depends on how fast the machine is.
#[derive(Clone)]
pub struct FakeClock(Arc<Inner>);

struct Inner {
    source: Source,
    jobs: Mutex<Jobs>,
    /// Held while jobs run, so that two callers never run them out of order.
    order: Mutex<()>,
}

enum Source {
    Tokio {
        start: Timestamp,
        base: Instant,
    },
    /// Like tokio's, and further by what it was moved.
    Running {
        start: Timestamp,
        base: Instant,
        moved: watch::Sender<Duration>,
    },
    Manual(watch::Sender<Timestamp>),
}

#[derive(Default)]
struct Jobs {
    next: u64,
    by_time: BTreeMap<(Timestamp, u64), Job>,
}

pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeClock {
    /// Begins at the machine's present time and follows tokio's: virtual time where the runtime is paused, real time
    /// elsewhere.
    pub fn new() -> Self {
        Self::starting_at(Timestamp::now())
    }

    /// Like [`new`](Self::new), beginning at a time of choice.
    pub fn starting_at(start: Timestamp) -> Self {
        Self::over(Source::Tokio { start, base: Instant::now() })
    }

    /// Stands still until [`advance`](Self::advance) is called.
    pub fn manual(start: Timestamp) -> Self {
        Self::over(Source::Manual(watch::Sender::new(start)))
    }

    /// Begins at the machine's present time, runs with it, and can be moved further by [`advance`](Self::advance).
    pub fn running() -> Self {
        Self::over(Source::Running { start: Timestamp::now(), base: Instant::now(), moved: watch::Sender::new(Duration::ZERO) })
    }

    fn over(source: Source) -> Self {
        Self(Arc::new(Inner { source, jobs: Mutex::default(), order: Mutex::new(()) }))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        match &self.0.source {
            Source::Tokio { start, base } => *start + base.elapsed(),
            Source::Running { start, base, moved } => *start + base.elapsed().saturating_add(*moved.borrow()),
            Source::Manual(now) => *now.borrow(),
        }
    }

    /// Moves a manual or running clock on and runs what has become due. A clock that follows tokio's time is moved by
    /// `tokio::time::advance`; here only its due jobs run.
    pub fn advance(&self, by: Duration) {
        match &self.0.source {
            Source::Tokio { .. } => {}
            Source::Running { moved, .. } => moved.send_modify(|moved| *moved = moved.saturating_add(by)),
            Source::Manual(now) => now.send_modify(|now| *now = *now + by),
        }
        self.run_due();
    }

    /// Waits until the clock shows `at`.
    pub(crate) async fn sleep_until(&self, at: Timestamp) {
        match &self.0.source {
            Source::Tokio { start, base } => tokio::time::sleep_until(*base + at.since(*start)).await,
            Source::Running { moved, .. } => {
                let mut moved = moved.subscribe();
                loop {
                    moved.mark_unchanged();
                    let left = at.since(self.now());
                    if left.is_zero() {
                        return;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(left) => {}
                        _ = moved.changed() => {}
                    }
                }
            }
            Source::Manual(now) => {
                // The sender lives as long as `self`: the wait cannot fail.
                let _ = now.subscribe().wait_for(|now| *now >= at).await;
            }
        }
    }

    /// Puts a job off. It must not talk to a fake through its handle: it runs under the clock's order.
    pub(crate) fn schedule(&self, at: Timestamp, job: impl FnOnce(Timestamp) + Send + 'static) {
        let mut jobs = lock(&self.0.jobs);
        let number = jobs.next;
        jobs.next += 1;
        jobs.by_time.insert((at, number), Box::new(job));
    }

    /// Runs all jobs that are due, also those they put off to a time that is due.
    pub(crate) fn run_due(&self) {
        let _order = lock(&self.0.order);
        loop {
            let now = self.now();
            let due = {
                let mut jobs = lock(&self.0.jobs);
                match jobs.by_time.first_key_value() {
                    Some(((at, _), _)) if *at <= now => jobs.by_time.pop_first(),
                    _ => None,
                }
            };
            let Some(((at, _), job)) = due else { return };
            job(at);
        }
    }
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FakeClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FakeClock").field(&self.now()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_run_in_order_of_time_and_see_their_own() {
        let clock = FakeClock::manual(Timestamp::EPOCH);
        let seen = Arc::new(Mutex::new(Vec::new()));
        for millis in [300, 100, 200] {
            let seen = seen.clone();
            clock.schedule(Timestamp::from_millis(millis), move |at| lock(&seen).push(at.as_millis()));
        }
        clock.advance(Duration::from_millis(250));
        assert_eq!(*lock(&seen), [100, 200]);
        clock.advance(Duration::from_millis(50));
        assert_eq!(*lock(&seen), [100, 200, 300]);
    }

    #[tokio::test(start_paused = true)]
    async fn follows_virtual_time() {
        let clock = FakeClock::starting_at(Timestamp::EPOCH);
        clock.sleep_until(Timestamp::from_millis(86_400_000)).await;
        assert_eq!(clock.now().to_string(), "1970-01-02T00:00:00Z");
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_clock_runs_and_can_be_moved() {
        let clock = FakeClock::running();
        let begin = clock.now();
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(clock.now().since(begin), Duration::from_secs(2));
        let late = begin + Duration::from_secs(3600);
        let ((), ()) = tokio::join!(clock.sleep_until(late), async { clock.advance(Duration::from_secs(3598)) });
        assert_eq!(clock.now(), late);
        clock.sleep_until(late + Duration::from_secs(5)).await;
        assert_eq!(clock.now().since(late), Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_manual_clock_wakes_who_waits_for_it() {
        let clock = FakeClock::manual(Timestamp::EPOCH);
        let (slept, ()) = tokio::join!(clock.sleep_until(Timestamp::from_millis(5)), async { clock.advance(Duration::from_millis(5)) });
        assert_eq!(slept, ());
    }
}

//! A running fake: the handle that tests hold and front ends talk to.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use provisionr_sdk::{Access, Timestamp};
use serde_json::Value;
use tokio::sync::watch;

use crate::book::{Book, Link};
use crate::clock::{FakeClock, lock};
use crate::fake::{Fake, FakeContext};
use crate::fault::{Fault, Strike};
use crate::in_flight::Delivery;
use crate::link::{Act, ActError, FakeEvent};
use crate::log::{Ending, LogEntry};
use crate::message::{Exchange, FakeRequest, FakeResponse};

/// A fake with its clock, request log, fault script and links. Clones are handles of the same fake.
///
/// Reach it through [`MemoryTransport`](crate::MemoryTransport) (virtual time, simulation) or
/// [`FakeServer`](crate::FakeServer) (real HTTP).
///
/// A request no route answers, a panic of the fake and a link or delayed act that cannot be carried out are problems:
/// the last handle panics when it is dropped with problems nobody [took](Self::take_problems), so that the test fails.
pub struct FakeSystem<F: ?Sized = dyn Fake> {
    pub(crate) shared: Arc<Shared<F>>,
}

pub(crate) struct Shared<F: ?Sized> {
    pub(crate) system_type: &'static str,
    pub(crate) clock: FakeClock,
    /// Until when nobody can connect.
    pub(crate) outage: watch::Sender<Option<Timestamp>>,
    pub(crate) book: Mutex<Book>,
    // Locked before the book; last, so that the whole may be unsized.
    pub(crate) fake: Mutex<F>,
}

impl<F: ?Sized> Clone for FakeSystem<F> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<F: ?Sized> fmt::Debug for FakeSystem<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FakeSystem({})", self.shared.system_type)
    }
}

impl<F: Fake> FakeSystem<F> {
    /// Runs a fake by a clock of its own.
    pub fn new(fake: F) -> Self {
        Self::with_clock(fake, FakeClock::new())
    }

    /// Runs a fake by a clock that is shared with others.
    pub fn with_clock(fake: F, clock: FakeClock) -> Self {
        let shared = Shared { system_type: fake.system_type(), clock, outage: watch::Sender::new(None), book: Mutex::default(), fake: Mutex::new(fake) };
        Self { shared: Arc::new(shared) }
    }

    /// The same fake, its type forgotten: for lists of fakes of many types.
    pub fn erased(&self) -> FakeSystem {
        FakeSystem { shared: self.shared.clone() }
    }
}

impl<F: Fake> From<&FakeSystem<F>> for FakeSystem {
    fn from(system: &FakeSystem<F>) -> Self {
        system.erased()
    }
}

impl From<&FakeSystem> for FakeSystem {
    fn from(system: &FakeSystem) -> Self {
        system.clone()
    }
}

impl<F: Fake + ?Sized> FakeSystem<F> {
    /// The type of system it stands for.
    pub fn system_type(&self) -> &'static str {
        self.shared.system_type
    }

    /// The clock it goes by.
    pub fn clock(&self) -> &FakeClock {
        &self.shared.clock
    }

    /// Looks at the fake itself, past its API, after all that is due has happened. `look` must not talk to a running
    /// fake, for this one is locked meanwhile; nor must the closure of [`change`](Self::change).
    pub fn with<R>(&self, look: impl FnOnce(&F) -> R) -> R {
        self.shared.clock.run_due();
        look(&lock(&self.shared.fake))
    }

    /// Changes the fake itself, past its API; what it emits goes on to links.
    pub fn change<R>(&self, change: impl FnOnce(&mut F, &mut FakeContext) -> R) -> R {
        self.shared.clock.run_due();
        let done = self.shared.change(self.shared.clock.now(), change);
        self.shared.clock.run_due();
        done
    }

    /// Adds to the state, past the API; reads that lag show it at once.
    ///
    /// # Errors
    /// When the seed is not of the fake's form.
    pub fn seed(&self, seed: &Value) -> Result<(), ActError> {
        self.change(|fake, cx| fake.seed(seed, cx))?;
        lock(&self.shared.book).history.clear();
        Ok(())
    }

    /// The whole state: the truth, past the API.
    pub fn state(&self) -> Value {
        self.with(Fake::state)
    }

    /// Carries out what a person or another system does, past the API. One that is put off answers null, and is a
    /// problem when it fails later.
    ///
    /// # Errors
    /// When the act is unknown or cannot be done in this state.
    pub fn act(&self, act: Act) -> Result<Value, ActError> {
        if act.after.is_zero() {
            return self.change(|fake, cx| fake.act(&act, cx));
        }
        self.shared.clock.run_due();
        schedule(&self.shared, self.shared.clock.now(), act);
        Ok(Value::Null)
    }

    /// Makes events of a kind move another fake: `map` says which act follows, if any, and how much later.
    /// Both should go by one clock. `map` must not talk to a fake.
    pub fn link(&self, kind: &str, target: impl Into<FakeSystem>, map: impl Fn(&FakeEvent) -> Option<Act> + Send + Sync + 'static) {
        let target = Arc::downgrade(&target.into().shared);
        lock(&self.shared.book).links.push(Link { kind: kind.to_owned(), target, map: Arc::new(map) });
    }

    /// Adds a fault. Of those that are due at a request the one added first strikes; a lag comes on top.
    pub fn fault(&self, fault: Fault) {
        lock(&self.shared.book).faults.add(fault);
    }

    /// Removes all faults and ends an outage.
    pub fn clear_faults(&self) {
        lock(&self.shared.book).faults.clear();
        self.end_outage();
    }

    /// The faults that have not struck once: a test that plays faults wants none left.
    pub fn unused_faults(&self) -> Vec<Fault> {
        lock(&self.shared.book).faults.unused()
    }

    /// Nobody can connect from now on, and open connections are cut.
    pub fn start_outage(&self) {
        self.shared.outage.send_replace(Some(Timestamp::from_millis(i64::MAX)));
    }

    /// Lets connections be made again.
    pub fn end_outage(&self) {
        self.shared.outage.send_replace(None);
    }

    /// All requests so far.
    pub fn log(&self) -> Vec<LogEntry> {
        self.shared.clock.run_due();
        lock(&self.shared.book).log.iter().cloned().collect()
    }

    /// The requests of a method (or `*`) and a path pattern, as [`RequestMatch`](crate::RequestMatch) reads them.
    pub fn requests(&self, method: &str, path: &str) -> Vec<LogEntry> {
        self.log().into_iter().filter(|entry| entry.is(method, path)).collect()
    }

    /// Keeps whole exchanges from now on, for [`exchanges`](Self::exchanges): the log has no answers and no secrets.
    pub fn record_exchanges(&self) {
        lock(&self.shared.book).exchanges.get_or_insert_default();
    }

    /// All that was exchanged since it is kept, in the order of the requests.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.clock.run_due();
        lock(&self.shared.book).exchanges.iter().flatten().map(|(_, exchange)| exchange.clone()).collect()
    }

    /// Keeps only the last so many requests, events and problems, so that a fake may run for long; all are kept unless set.
    pub fn keep_last(&self, entries: usize) {
        let mut book = lock(&self.shared.book);
        book.keep = Some(entries);
        book.trim();
    }

    /// Forgets the requests, exchanges and events so far.
    pub fn clear_log(&self) {
        lock(&self.shared.book).clear_log();
    }

    /// All effective changes so far, those by acts included; seeds make none.
    pub fn events(&self) -> Vec<FakeEvent> {
        self.shared.clock.run_due();
        lock(&self.shared.book).events.iter().cloned().collect()
    }

    /// How many effective changes of a kind requests made: what a repeated or lost write did not double.
    pub fn effects(&self, kind: &str) -> usize {
        self.events().iter().filter(|event| event.kind == kind && event.request.is_some()).count()
    }

    /// Requests that no route answered, as `METHOD path`.
    pub fn unknown_routes(&self) -> Vec<String> {
        lock(&self.shared.book).unknown_routes.clone()
    }

    /// All problems so far, in words.
    pub fn problems(&self) -> Vec<String> {
        self.shared.clock.run_due();
        lock(&self.shared.book).problems()
    }

    /// Takes the problems over, so that they no longer fail the test.
    pub fn take_problems(&self) -> Vec<String> {
        let problems = self.problems();
        let mut book = lock(&self.shared.book);
        book.unknown_routes.clear();
        book.failures.clear();
        problems
    }

    /// Fails the test if there are problems.
    ///
    /// # Panics
    /// With the problems in words.
    #[track_caller]
    pub fn verify(&self) {
        let problems = self.take_problems();
        #[expect(clippy::panic, reason = "how a test fails")]
        if !problems.is_empty() {
            panic!("the {} fake has problems:\n- {}", self.shared.system_type, problems.join("\n- "));
        }
    }
}

impl<F: Fake + ?Sized> Shared<F> {
    /// Runs something on the fake at a time and passes on what it tells.
    pub(crate) fn change<R>(self: &Arc<Self>, at: Timestamp, change: impl FnOnce(&mut F, &mut FakeContext) -> R) -> R {
        let mut fake = lock(&self.fake);
        self.remember(&fake, at);
        let mut cx = FakeContext::new(at, format!("https://{}.test", self.system_type), None);
        let done = change(&mut fake, &mut cx);
        drop(fake);
        self.pass_on(at, cx);
        done
    }

    /// Keeps the state as it is before a change, if any read may ask for it.
    fn remember(&self, fake: &F, at: Timestamp) {
        let mut book = lock(&self.book);
        let longest = book.faults.longest_lag().max(fake.longest_lag());
        if longest.is_zero() {
            return;
        }
        book.history.retain(|(until, _)| *until + longest >= at);
        book.history.push((at, fake.snapshot()));
    }

    /// Does what a request asks for, at a time.
    pub(crate) fn perform(self: &Arc<Self>, request: &FakeRequest, number: u64, lag: Duration, at: Timestamp) -> FakeResponse {
        let mut cx = FakeContext::new(at, request.base_url(), Some(number));
        cx.at_once += lock(&self.book).under_way(at);
        let mut fake = lock(&self.fake);
        let answer = catch_unwind(AssertUnwindSafe(|| match fake.admit(request, &mut cx) {
            Err(refused) => refused,
            Ok(()) if fake.access(request) == Some(Access::Read) => {
                let lag = lag.max(fake.lag(request));
                let mut book = lock(&self.book);
                // The first state kept after that moment is the state at that moment.
                match book.history.iter_mut().find(|(until, _)| !lag.is_zero() && *until + lag > at) {
                    Some((_, then)) => then.handle(request, &mut cx),
                    None => {
                        drop(book);
                        fake.handle(request, &mut cx)
                    }
                }
            }
            Ok(()) => {
                self.remember(&fake, at);
                fake.handle(request, &mut cx)
            }
        }));
        let mut response = answer.unwrap_or_else(|panic| {
            let what = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            let what = format!("{} {}: the fake panicked: {}", request.method, request.path, what.unwrap_or("without words"));
            lock(&self.book).failures.push(what);
            fake.error_response(500, &cx)
        });
        fake.finish(request, &mut response, &cx);
        drop(fake);
        let mut book = lock(&self.book);
        if let Some(entry) = book.entry(number) {
            entry.status = Some(response.status);
            entry.route = cx.route();
            entry.changes = cx.events.iter().map(|event| event.kind.clone()).collect();
        }
        if let Some(exchange) = book.exchanges.as_mut().and_then(|exchanges| exchanges.get_mut(&number)) {
            exchange.answer = Some(response.clone());
        }
        drop(book);
        self.pass_on(at, cx);
        response
    }

    /// An answer by a fault, which touches nothing.
    pub(crate) fn refuse(&self, request: &FakeRequest, number: u64, at: Timestamp, answer: impl FnOnce(&F, &FakeContext) -> FakeResponse) -> FakeResponse {
        let cx = FakeContext::new(at, request.base_url(), Some(number));
        let fake = lock(&self.fake);
        let mut response = answer(&fake, &cx);
        fake.finish(request, &mut response, &cx);
        if let Some(entry) = lock(&self.book).entry(number) {
            entry.status = Some(response.status);
        }
        response
    }

    fn pass_on(self: &Arc<Self>, at: Timestamp, cx: FakeContext) {
        for act in cx.later {
            schedule(self, at, act);
        }
        let mut book = lock(&self.book);
        book.unknown_routes.extend(cx.unknown_route);
        let mut follow = Vec::new();
        for event in &cx.events {
            for link in book.links.iter().filter(|link| link.kind == event.kind) {
                if let (Some(act), Some(target)) = ((link.map)(event), link.target.upgrade()) {
                    follow.push((target, act));
                }
            }
        }
        book.events.extend(cx.events);
        book.trim();
        drop(book);
        for (target, act) in follow {
            schedule(&target, at, act);
        }
    }

    /// Notes a request's arrival: its number, and what strikes it.
    pub(crate) fn arrive(&self, request: &FakeRequest, at: Timestamp) -> (u64, Strike) {
        let access = lock(&self.fake).access(request);
        let mut book = lock(&self.book);
        book.requests += 1;
        let number = book.requests;
        let strike = book.faults.strike(request, access);
        let mut entry = LogEntry::new(number, at, request, access);
        entry.fault = strike.kind.as_ref().map(crate::fault::FaultKind::name).map(str::to_owned);
        book.log.push_back(entry);
        if let Some(exchanges) = &mut book.exchanges {
            exchanges.insert(number, Exchange::new(request.clone(), None));
        }
        book.trim();
        (number, strike)
    }

    pub(crate) fn end(&self, number: u64, ending: Ending) {
        if let Some(entry) = lock(&self.book).entry(number) {
            entry.ending = ending;
        }
    }

    pub(crate) fn is_down(&self, now: Timestamp) -> bool {
        self.outage.borrow().is_some_and(|until| now < until)
    }

    pub(crate) fn put_off(
        self: &Arc<Self>,
        at: Timestamp,
        job: impl FnOnce(&Arc<Self>, Timestamp) -> Delivery + Send + 'static,
    ) -> Arc<Mutex<Option<Delivery>>> {
        let slot = Arc::new(Mutex::new(None));
        let (answer, weak) = (slot.clone(), Arc::downgrade(self));
        self.clock.schedule(at, move |at| {
            if let Some(shared) = weak.upgrade() {
                *lock(&answer) = Some(job(&shared, at));
            }
        });
        slot
    }
}

/// Puts an act off by its own delay, counted from `at`.
fn schedule<F: Fake + ?Sized>(shared: &Arc<Shared<F>>, at: Timestamp, act: Act) {
    let weak: Weak<Shared<F>> = Arc::downgrade(shared);
    shared.clock.schedule(at + act.after, move |at| {
        let Some(shared) = weak.upgrade() else { return };
        if let Err(error) = shared.change(at, |fake, cx| fake.act(&act, cx)) {
            lock(&shared.book).failures.push(format!("act `{}`: {error}", act.act));
        }
    });
}

impl<F: ?Sized> Drop for Shared<F> {
    fn drop(&mut self) {
        let problems = lock(&self.book).problems();
        #[expect(clippy::panic, reason = "how a test fails")]
        if !problems.is_empty() && !std::thread::panicking() {
            panic!("the {} fake has problems:\n- {}", self.system_type, problems.join("\n- "));
        }
    }
}

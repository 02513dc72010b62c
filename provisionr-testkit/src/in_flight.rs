//! One request's way through a running fake, faults included; front ends only carry its ending out.

use std::sync::{Arc, Mutex};

use provisionr_sdk::Timestamp;
use serde_json::{Value, json};

use crate::clock::lock;
use crate::fake::Fake;
use crate::fault::{EffectAt, FaultKind, Strike};
use crate::log::Ending;
use crate::message::{FakeRequest, FakeResponse};
use crate::system::{FakeSystem, Shared};

/// What the caller gets to see.
#[derive(Clone, Debug)]
pub(crate) enum Delivery {
    /// The whole answer.
    Answer(FakeResponse),
    /// So many bytes of the answer's body, then a cut.
    Partial(FakeResponse, usize),
    /// A cut before a byte of the answer.
    Cut,
    /// No connection at all.
    Refused,
}

/// A request under way: when its ending is due, and where it will be found.
#[derive(Debug)]
pub(crate) struct InFlight {
    number: u64,
    due: Option<Timestamp>,
    slot: Arc<Mutex<Option<Delivery>>>,
}

impl InFlight {
    fn now(number: u64, delivery: Delivery) -> Self {
        Self { number, due: None, slot: Arc::new(Mutex::new(Some(delivery))) }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The answer, if it is whole and due at once.
    pub(crate) fn immediate(&self) -> Option<FakeResponse> {
        match &*lock(&self.slot) {
            Some(Delivery::Answer(response)) if self.due.is_none() => Some(response.clone()),
            _ => None,
        }
    }
}

impl<F: Fake + ?Sized> FakeSystem<F> {
    /// Takes a request in.
    pub(crate) fn exchange(&self, request: FakeRequest) -> InFlight {
        let shared = &self.shared;
        shared.clock.run_due();
        let now = shared.clock.now();
        if shared.is_down(now) {
            let (number, _) = shared.arrive(&request, now);
            shared.end(number, Ending::Refused);
            return InFlight::now(number, Delivery::Refused);
        }
        let (number, strike) = shared.arrive(&request, now);
        let exchange = shared.begin(request, number, strike, now);
        // What the request set off without delay happens now.
        shared.clock.run_due();
        if exchange.due.is_none() {
            shared.conclude(number, lock(&exchange.slot).as_ref());
        }
        exchange
    }

    /// Waits until the ending is due, by the fake's clock.
    pub(crate) async fn ending(&self, exchange: InFlight) -> Delivery {
        let clock = &self.shared.clock;
        if let Some(due) = exchange.due {
            clock.sleep_until(due).await;
            clock.run_due();
            self.shared.conclude(exchange.number, lock(&exchange.slot).as_ref());
        }
        lock(&exchange.slot).take().unwrap_or(Delivery::Cut)
    }
}

impl<F: Fake + ?Sized> Shared<F> {
    fn begin(self: &Arc<Self>, request: FakeRequest, number: u64, strike: Strike, now: Timestamp) -> InFlight {
        let lag = strike.lag;
        let perform = |request: &FakeRequest| self.perform(request, number, lag, now);
        let delivery = match strike.kind {
            None | Some(FaultKind::Lag { .. }) => Delivery::Answer(perform(&request)),
            Some(FaultKind::Status { status, body, headers }) => Delivery::Answer(self.refuse(&request, number, now, |fake, cx| {
                let answer = match body {
                    None => fake.error_response(status, cx),
                    Some(Value::String(text)) => FakeResponse::bytes(status, "text/html", text),
                    Some(body) => FakeResponse::json(status, &body),
                };
                headers.iter().fold(answer, |answer, (name, value)| answer.with_header(name, value))
            })),
            Some(FaultKind::Throttle { pause }) => Delivery::Answer(self.refuse(&request, number, now, |fake, cx| fake.throttle_response(&request, pause, cx))),
            Some(FaultKind::ResetBefore) => Delivery::Cut,
            Some(FaultKind::ResetAfter) => {
                perform(&request);
                Delivery::Cut
            }
            Some(FaultKind::PartialBody { bytes }) => Delivery::Partial(perform(&request), bytes),
            Some(FaultKind::TruncatePage { keep }) => {
                let whole = perform(&request);
                Delivery::Answer(lock(&self.fake).truncate_page(whole, keep))
            }
            Some(FaultKind::UnknownFields) => {
                let mut answer = perform(&request);
                let mut body = answer.to_json();
                if !body.is_null() {
                    add_fields(&mut body);
                    answer.body = body.to_string().into();
                }
                Delivery::Answer(answer)
            }
            Some(FaultKind::Outage { lasting }) => {
                self.outage.send_replace(Some(now + lasting));
                Delivery::Refused
            }
            Some(FaultKind::Delay { by, effect: EffectAt::Arrival }) => {
                let slot = Arc::new(Mutex::new(Some(Delivery::Answer(perform(&request)))));
                lock(&self.book).late.push(now + by);
                return InFlight { number, due: Some(now + by), slot };
            }
            Some(FaultKind::Delay { by, effect: EffectAt::Answer }) => {
                lock(&self.book).late.push(now + by);
                let job = move |shared: &Arc<Self>, at| Delivery::Answer(shared.perform(&request, number, lag, at));
                return InFlight { number, due: Some(now + by), slot: self.put_off(now + by, job) };
            }
        };
        InFlight::now(number, delivery)
    }

    fn conclude(&self, number: u64, delivery: Option<&Delivery>) {
        let ending = match delivery {
            Some(Delivery::Answer(_)) => Ending::Answered,
            Some(Delivery::Partial(..)) => Ending::Partial,
            Some(Delivery::Refused) => Ending::Refused,
            Some(Delivery::Cut) | None => Ending::Cut,
        };
        self.end(number, ending);
    }
}

fn add_fields(body: &mut Value) {
    match body {
        Value::Object(fields) => {
            fields.values_mut().for_each(add_fields);
            fields.insert("aFieldNobodyHasDescribed".to_owned(), json!({ "new": [1, null] }));
        }
        Value::Array(items) => items.iter_mut().for_each(add_fields),
        _ => {}
    }
}

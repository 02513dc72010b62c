//! What a fake is: a state model behind a router, free of I/O.

use std::time::Duration;

use provisionr_sdk::{Access, Timestamp};
use serde_json::{Value, json};

use crate::limit::LimitReading;
use crate::link::{Act, ActError, FakeEvent};
use crate::message::{FakeRequest, FakeResponse};

/// A stateful fake of one vendor's API.
///
/// A fake is a plain value: it answers requests one at a time, does no I/O and reads no clock but the context's.
/// [`FakeSystem`](crate::FakeSystem) puts it behind a transport or a server and plays faults on it.
pub trait Fake: Send + 'static {
    /// The type of system it stands for: `okta`.
    fn system_type(&self) -> &'static str;

    /// Decides who is asking and whether limits allow it, before anything is looked at.
    /// - Always sees the present state, also for reads that lag.
    /// - By default everybody may.
    ///
    /// # Errors
    /// The refusing answer.
    fn admit(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> Result<(), FakeResponse> {
        let _ = (request, cx);
        Ok(())
    }

    /// Answers a request that was admitted.
    /// - Every effective change is told by [`FakeContext::emit`]; a write without effect tells nothing.
    fn handle(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> FakeResponse;

    /// Whether a request can change something; none for requests about the credential, such as those for a token.
    /// By default GET and HEAD look, and all others may change something.
    fn access(&self, request: &FakeRequest) -> Option<Access> {
        Some(if request.is_read() { Access::Read } else { Access::Write })
    }

    /// Adds what the vendor puts on every answer, faults included: request id, rate headers.
    fn finish(&self, request: &FakeRequest, response: &mut FakeResponse, cx: &FakeContext) {
        let _ = (request, response, cx);
    }

    /// Adds to the state, past the API. The JSON form is documented by each fake; by default there is none.
    ///
    /// # Errors
    /// When the seed is not of that form.
    fn seed(&mut self, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
        let _ = (seed, cx);
        Err(ActError::new("this fake takes no seeds"))
    }

    /// The whole state: the truth, past the API.
    fn state(&self) -> Value;

    /// Carries out what a person or another system does, past the API. By default no act is known.
    ///
    /// # Errors
    /// When the act is unknown or cannot be done in this state.
    fn act(&mut self, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
        let _ = cx;
        Err(act.unknown())
    }

    /// A copy, from which reads that lag are answered.
    fn snapshot(&self) -> Box<dyn Fake>;

    /// How far behind the answer to this read is by the fake's own settings (a search index). By default it is not.
    fn lag(&self, request: &FakeRequest) -> Duration {
        let _ = request;
        Duration::ZERO
    }

    /// The longest that [`lag`](Self::lag) ever answers: how long past states are kept. By default none is.
    fn longest_lag(&self) -> Duration {
        Duration::ZERO
    }

    /// The answer in the vendor's form when a limit is hit, to be lifted after `pause`. By default 429 with `Retry-After`.
    fn throttle_response(&self, request: &FakeRequest, pause: Duration, cx: &FakeContext) -> FakeResponse {
        let _ = request;
        self.error_response(429, cx).with_header("retry-after", pause.as_secs().to_string())
    }

    /// An answer with this status in the vendor's form, for faults that name no body. By default
    /// `{"message": "status 503"}`.
    fn error_response(&self, status: u16, cx: &FakeContext) -> FakeResponse {
        let _ = cx;
        FakeResponse::json(status, &json!({ "message": format!("status {status}") }))
    }

    /// Drops all but the first `keep` items of a page and leaves everything else, cursor included, as it is.
    /// By default the body, or the first list in it, is cut.
    fn truncate_page(&self, mut response: FakeResponse, keep: usize) -> FakeResponse {
        let mut body = response.to_json();
        let list = match &mut body {
            Value::Array(items) => Some(items),
            Value::Object(fields) => fields.values_mut().find_map(Value::as_array_mut),
            _ => None,
        };
        if let Some(items) = list {
            items.truncate(keep);
            response.body = body.to_string().into();
        }
        response
    }
}

/// A fake with a seed added before it is started, dated long ago.
///
/// # Panics
/// When the seed is not of the fake's form: an error of the test.
#[track_caller]
pub(crate) fn seeded<F: Fake>(mut fake: F, seed: &Value) -> F {
    const LONG_AGO: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    let mut cx = FakeContext::new(LONG_AGO, format!("https://{}.test", fake.system_type()), None);
    #[expect(clippy::panic, reason = "how a test fails")]
    if let Err(error) = fake.seed(seed, &mut cx) {
        panic!("a seed of the {} fake: {error}", fake.system_type());
    }
    fake
}

/// A moment as HTTP's headers write it.
pub(crate) fn http_date(at: Timestamp) -> String {
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0)))
}

/// What a fake is handed with each request or act, and what it tells in return.
#[derive(Debug)]
pub struct FakeContext {
    now: Timestamp,
    base_url: String,
    request: Option<u64>,
    route: Option<&'static str>,
    caller: Option<String>,
    limit: Option<LimitReading>,
    pub(crate) at_once: usize,
    pub(crate) unknown_route: Option<String>,
    pub(crate) events: Vec<FakeEvent>,
    pub(crate) later: Vec<Act>,
}

impl FakeContext {
    pub(crate) fn new(now: Timestamp, base_url: String, request: Option<u64>) -> Self {
        Self { now, base_url, request, route: None, caller: None, limit: None, at_once: 1, unknown_route: None, events: Vec::new(), later: Vec::new() }
    }

    #[cfg(test)]
    pub(crate) fn for_test() -> Self {
        Self::new(Timestamp::EPOCH, "http://fake.test".to_owned(), Some(1))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// `scheme://host` as the caller addressed the fake, for links in answers.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The request's number in the log; 0 for an act.
    pub fn request_number(&self) -> u64 {
        self.request.unwrap_or(0)
    }

    /// Who is asking, as [`Fake::admit`] found out.
    pub fn caller(&self) -> Option<&str> {
        self.caller.as_deref()
    }

    /// Notes who is asking.
    pub fn set_caller(&mut self, caller: impl Into<String>) {
        self.caller = Some(caller.into());
    }

    /// How many requests are under way, this one included: others are while a fault delays their answers.
    pub fn at_once(&self) -> usize {
        self.at_once
    }

    /// What the limit of this request says, as [`Fake::admit`] found out.
    pub fn limit(&self) -> Option<&LimitReading> {
        self.limit.as_ref()
    }

    /// Notes what the limit of this request says.
    pub fn set_limit(&mut self, limit: LimitReading) {
        self.limit = Some(limit);
    }

    /// Tells of an effective change.
    pub fn emit(&mut self, kind: impl Into<String>, data: Value) {
        self.events.push(FakeEvent { at: self.now, kind: kind.into(), data, request: self.request });
    }

    /// Puts off an act of the fake itself: a transition that takes time.
    pub fn later(&mut self, after: Duration, act: impl Into<String>, args: Value) {
        self.later.push(Act::new(act, args).after(after));
    }

    /// Reports a request that no route of the fake answers. The test fails when the handle is dropped or verified.
    pub fn unknown_route(&mut self, request: &FakeRequest) -> FakeResponse {
        self.unsupported(request, "no route")
    }

    /// Reports a request that asks for something the fake does not play, such as a parameter it would ignore.
    /// The test fails when the handle is dropped or verified.
    pub fn unsupported(&mut self, request: &FakeRequest, what: &str) -> FakeResponse {
        let route = format!("{} {} ({what})", request.method, request.path);
        let answer = FakeResponse::json(501, &json!({ "fake": "this fake does not play what was asked for", "request": &route }));
        self.unknown_route = Some(route);
        answer
    }

    /// Whether the request was reported as unknown.
    pub fn is_unknown_route(&self) -> bool {
        self.unknown_route.is_some()
    }

    /// The pattern of the route that answers.
    pub fn route(&self) -> Option<&'static str> {
        self.route
    }

    pub(crate) fn set_route(&mut self, pattern: &'static str) {
        self.route = Some(pattern);
    }
}

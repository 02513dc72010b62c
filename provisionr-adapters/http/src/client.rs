//! The client of one vendor API: where it is, how it is entered, how its answers are read.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use provisionr_sdk::{Access, AdapterError, Call, CallContext, Effect, ErrorKind, LaneReading, Result, RetryHint, Secret, VendorRequestId};
use url::Url;

use crate::answer::Answer;
use crate::auth::{Auth, Authorize};
use crate::classify::{Classify, by_status};
use crate::path::Path;
use crate::rate::{RateHeaders, ReadRate};
use crate::request::RequestBuilder;
use crate::route::Routes;
use crate::transport::{Sent, Transport, TransportError, TransportFailure};

/// Secrets are looked for in answers up to this size, so that a vendor who quotes one does not put it into an error.
const ECHO_LIMIT: usize = 16 * 1024;

/// The client of one vendor API. Cheap to clone.
///
/// For each request: the lane is looked up, a permit awaited and held until the answer is there, the credential added (renewed
/// when it is about to expire, and once more when the vendor refuses it), the answer's word on the limit passed on, and the
/// answer classified. No request is repeated, save one the vendor refused for its credential.
#[derive(Clone)]
pub struct HttpClient {
    pub(crate) base: Url,
    transport: Arc<dyn Transport>,
    auth: Arc<dyn Authorize>,
    pub(crate) routes: Arc<Routes>,
    classifier: Arc<dyn Classify>,
    rates: Arc<dyn ReadRate>,
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
    request_ids: Vec<HeaderName>,
}

impl HttpClient {
    /// A client for the API below this address: no credential, no lanes, answers read [by status](by_status), 30 seconds a call.
    ///
    /// # Errors
    /// `InvalidConfig` when the address is not `https://…` or `http://…`, or holds a user, a query or a fragment.
    pub fn new(base_url: impl AsRef<str>, transport: &(impl Transport + Clone)) -> Result<Self> {
        let wrong = |why: &str| AdapterError::invalid_config(format!("the base address {why}"));
        let base = Url::parse(base_url.as_ref()).map_err(|error| wrong(&format!("is no web address: {error}")))?;
        if !matches!(base.scheme(), "https" | "http") {
            return Err(wrong("is neither https nor http"));
        }
        if !base.username().is_empty() || base.password().is_some() || base.query().is_some() || base.fragment().is_some() {
            return Err(wrong("holds more than host and path"));
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("provisionr/", env!("CARGO_PKG_VERSION"))));
        Ok(Self {
            base,
            transport: Arc::new(transport.clone()),
            auth: Arc::new(Auth::none()),
            routes: Arc::new(Routes::new()),
            classifier: Arc::new(by_status),
            rates: Arc::new(RateHeaders::default()),
            headers,
            timeout: Duration::from_secs(30),
            request_ids: vec![HeaderName::from_static("x-request-id")],
        })
    }

    /// Sets how requests show that they may be made; not at all unless set.
    #[must_use]
    pub fn auth(mut self, auth: impl Authorize) -> Self {
        self.auth = Arc::new(auth);
        self
    }

    /// Sets which request counts on which lane; none on any unless set.
    #[must_use]
    pub fn routes(mut self, routes: Routes) -> Self {
        self.routes = Arc::new(routes);
        self
    }

    /// Sets how answers become errors; [by status](by_status) unless set.
    #[must_use]
    pub fn classifier(mut self, classifier: impl Classify) -> Self {
        self.classifier = Arc::new(classifier);
        self
    }

    /// Sets how limits are read from answers; `X-RateLimit-*` and `RateLimit-*` unless set.
    #[must_use]
    pub fn rates(mut self, rates: impl ReadRate) -> Self {
        self.rates = Arc::new(rates);
        self
    }

    /// Sets a header of every request; the name in lower case. Secrets belong into [`auth`](Self::auth).
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    /// Sets how long one request may take, its answer included; 30 seconds unless set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Names the header in which the vendor gives the id of a request, in lower case; the one named last is looked at first,
    /// `x-request-id` at the end.
    #[must_use]
    pub fn request_id_header(mut self, name: &'static str) -> Self {
        self.request_ids.insert(0, HeaderName::from_static(name));
        self
    }

    /// The address below which all requests go.
    pub fn base_url(&self) -> &str {
        self.base.as_str()
    }

    /// A request that looks.
    pub fn get(&self, path: Path) -> RequestBuilder<'_> {
        self.request(Method::GET, path)
    }

    /// A request that makes something, unless it is marked as [`read`](RequestBuilder::read).
    pub fn post(&self, path: Path) -> RequestBuilder<'_> {
        self.request(Method::POST, path)
    }

    /// A request that sets something.
    pub fn put(&self, path: Path) -> RequestBuilder<'_> {
        self.request(Method::PUT, path)
    }

    /// A request that changes something.
    pub fn patch(&self, path: Path) -> RequestBuilder<'_> {
        self.request(Method::PATCH, path)
    }

    /// A request that takes something away.
    pub fn delete(&self, path: Path) -> RequestBuilder<'_> {
        self.request(Method::DELETE, path)
    }

    /// A request of any method.
    pub fn request(&self, method: Method, path: Path) -> RequestBuilder<'_> {
        RequestBuilder::new(self, method, path)
    }

    pub(crate) async fn exchange(&self, cx: &CallContext, call: &Call, timeout: Duration, mut request: http::Request<Bytes>) -> Result<Answer> {
        // Renewed before the permit, so that a lane is not held for it, and an intent not made durable for nothing.
        self.auth.authorize(cx, &mut request, None).await?;
        let (used, outcome) = self.once(cx, call, timeout, &mut request).await?;
        match (used, outcome) {
            (Some(used), Err(refusal)) if *refusal.kind() == ErrorKind::Unauthenticated && refusal.effect() == Effect::None => {
                match self.auth.authorize(cx, &mut request, Some(&used)).await? {
                    Some(_) => self.once(cx, call, timeout, &mut request).await?.1,
                    None => Err(refusal),
                }
            }
            (_, outcome) => outcome,
        }
    }

    /// One request: the secret it was made with, and what came of it. An error of its own says that nothing was sent.
    async fn once(&self, cx: &CallContext, call: &Call, timeout: Duration, request: &mut http::Request<Bytes>) -> Result<(Option<Secret>, Result<Answer>)> {
        let permit = cx.permit(call).await?;
        let used = self.auth.authorize(cx, request, None).await?;
        let sent = tokio::time::timeout(timeout, self.transport.send(request.clone())).await;
        drop(permit);
        let response = match sent.unwrap_or_else(|_| Err(TransportError::new(TransportFailure::TimedOut, Sent::Maybe))) {
            Ok(response) => response,
            Err(error) => {
                tracing::debug!(method = %request.method(), lane = ?call.lane, %error, "no answer");
                return Ok((used, Err(unanswered(error, call.access, request.uri()))));
            }
        };
        tracing::debug!(method = %request.method(), lane = ?call.lane, status = response.status().as_u16(), "answered");
        let answer = self.read(cx, call, response, used.as_ref());
        let mut reading = answer.reading;
        let mut lane = self.rates.lane().or_else(|| call.lane.clone());
        let error = self.classifier.classify(&answer).map(|error| answer.about(error));
        if let Some(error) = &error
            && let ErrorKind::RateLimited(limited) = error.kind()
        {
            if lane.as_ref() != Some(limited) {
                // The limit that was hit is not the one the request's own headers speak of.
                reading = LaneReading::default();
                lane = Some(limited.clone());
            }
            if let RetryHint::After(pause) = error.hint() {
                reading.pause = Some(pause);
            }
        }
        if let Some(lane) = &lane
            && reading != LaneReading::default()
        {
            cx.heard(lane, reading);
        }
        Ok((used, error.map_or(Ok(answer), Err)))
    }

    fn read(&self, cx: &CallContext, call: &Call, response: http::Response<Bytes>, used: Option<&Secret>) -> Answer {
        let (parts, body) = response.into_parts();
        let request_id = self.request_ids.iter().find_map(|name| parts.headers.get(name)?.to_str().ok().map(VendorRequestId::new));
        let mut answer = Answer {
            status: parts.status,
            headers: parts.headers,
            body: redacted(body, used),
            access: call.access,
            lane: call.lane.clone(),
            request_id,
            reading: LaneReading::default(),
        };
        let now = answer.date().unwrap_or_else(|| cx.now());
        answer.reading = self.rates.read(answer.status, &answer.headers, now);
        answer
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("base", &self.base.as_str()).field("auth", &self.auth).finish_non_exhaustive()
    }
}

fn unanswered(error: TransportError, access: Access, uri: &http::Uri) -> AdapterError {
    let told = match error.failure() {
        // Where nobody answers is what has to be looked into; the rest of the address may say more than it should.
        TransportFailure::Connect => AdapterError::unavailable(format!("{error}{}", to(uri))),
        TransportFailure::TimedOut => AdapterError::timed_out(error.to_string()),
        _ => AdapterError::unavailable(error.to_string()),
    };
    let told = match (error.sent(), access) {
        (Sent::Maybe, Access::Write) => told.effect_unknown(),
        _ => told,
    };
    told.with_source(error)
}

/// Whom a request was for: without user, path and query.
fn to(uri: &http::Uri) -> String {
    match (uri.scheme_str(), uri.host(), uri.port_u16()) {
        (Some(scheme), Some(host), Some(port)) => format!(" to {scheme}://{host}:{port}"),
        (Some(scheme), Some(host), None) => format!(" to {scheme}://{host}"),
        _ => String::new(),
    }
}

fn redacted(body: Bytes, secret: Option<&Secret>) -> Bytes {
    let Some(secret) = secret.map(Secret::expose).filter(|secret| secret.len() >= 4) else { return body };
    if body.len() > ECHO_LIMIT || !body.windows(secret.len()).any(|part| part == secret.as_bytes()) {
        return body;
    }
    String::from_utf8_lossy(&body).replace(secret, "[redacted]").into()
}

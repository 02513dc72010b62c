//! One request, from path to answer.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use provisionr_sdk::{Access, AdapterError, Call, CallContext, ErrorKind, LaneId, Result};
use serde::Serialize;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::answer::Answer;
use crate::client::HttpClient;
use crate::path::Path;

/// A request that is being put together. Nothing is sent before [`send`](Self::send). `Debug` shows method and path only.
#[derive(Clone)]
#[must_use = "nothing is sent before `send`"]
pub struct RequestBuilder<'a> {
    client: &'a HttpClient,
    method: Method,
    path: Path,
    query: Vec<(String, String)>,
    /// A whole query the vendor has made; in the place of `query`.
    pub(crate) vendor_query: Option<String>,
    headers: HeaderMap,
    body: Bytes,
    access: Access,
    lane: Option<LaneId>,
    timeout: Duration,
    problem: Option<String>,
}

impl fmt::Debug for RequestBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}

impl<'a> RequestBuilder<'a> {
    pub(crate) fn new(client: &'a HttpClient, method: Method, path: Path) -> Self {
        let access = if matches!(method, Method::GET | Method::HEAD) { Access::Read } else { Access::Write };
        Self {
            client,
            method,
            path,
            query: Vec::new(),
            vendor_query: None,
            headers: client.headers.clone(),
            body: Bytes::new(),
            access,
            lane: None,
            timeout: client.timeout,
            problem: None,
        }
    }

    /// Adds a pair to the query, encoded.
    #[expect(clippy::needless_pass_by_value, reason = "texts and numbers are written alike at the call")]
    pub fn query(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.query.push((name.into(), value.to_string()));
        self
    }

    /// Sets a pair of the query in the place of those of the same name.
    pub(crate) fn set_query(mut self, name: &str, value: impl ToString) -> Self {
        self.query.retain(|(known, _)| known != name);
        self.query(name, value)
    }

    /// Sets a header; the name in lower case.
    pub fn header(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        match HeaderValue::from_str(value.as_ref()) {
            Ok(value) => {
                self.headers.insert(HeaderName::from_static(name), value);
            }
            Err(_) => self.problem = Some(format!("the value of header `{name}` holds characters that cannot be sent")),
        }
        self
    }

    /// Sets the body, as JSON.
    pub fn json(mut self, body: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.body = bytes.into(),
            Err(_) => self.problem = Some("the body cannot be written as JSON".to_owned()),
        }
        self.content("application/json")
    }

    /// Sets the body, as a form.
    pub fn form<N: AsRef<str>, V: AsRef<str>>(mut self, pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        self.body = Serializer::new(String::new()).extend_pairs(pairs).finish().into();
        self.content("application/x-www-form-urlencoded")
    }

    fn content(mut self, content_type: &'static str) -> Self {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self
    }

    /// The request only looks, whatever its method.
    pub fn read(mut self) -> Self {
        self.access = Access::Read;
        self
    }

    /// The request counts on this lane, whatever the client's routes say of its path: for APIs that have one address for all.
    pub fn lane(mut self, lane: impl Into<LaneId>) -> Self {
        self.lane = Some(lane.into());
        self
    }

    /// Sets how long it may take, its answer included, in the place of the client's own time.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub(crate) fn json_body(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }

    pub(crate) fn set_path(mut self, path: Path) -> Self {
        self.path = path;
        self
    }

    pub(crate) fn base(&self) -> &Url {
        &self.client.base
    }

    /// The whole address.
    pub(crate) fn url(&self) -> Result<Url> {
        let segments = self.path.checked()?;
        let mut url = self.client.base.clone();
        if !segments.is_empty() {
            match url.path_segments_mut() {
                Ok(mut path) => {
                    path.pop_if_empty().extend(segments);
                }
                Err(()) => return Err(AdapterError::invalid_config("nothing can be below the base address")),
            }
        }
        if let Some(query) = &self.vendor_query {
            url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
        } else if !self.query.is_empty() {
            // A blank as `+` is read as a plus by some servers; `%20` by none.
            url.set_query(Some(&Serializer::new(String::new()).extend_pairs(&self.query).finish().replace('+', "%20")));
        }
        Ok(url)
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    /// What the client's classifier makes of the answer; `InvalidRequest` with effect none when it cannot be sent as it is;
    /// `Unavailable` or `TimedOut` without an answer, with effect unknown for a write that may have arrived; the errors of the
    /// credential's provider; whatever the permit's side says.
    pub async fn send(self, cx: &CallContext) -> Result<Answer> {
        if let Some(problem) = self.problem {
            return Err(AdapterError::invalid_request(problem));
        }
        let url = self.url()?;
        let mut request = http::Request::new(self.body);
        *request.uri_mut() = url.as_str().parse().map_err(|_| AdapterError::invalid_request("the request's address cannot be sent"))?;
        *request.headers_mut() = self.headers;
        if request.body().is_empty() && matches!(self.method, Method::POST | Method::PUT) {
            // Some servers answer 411 to a body that is absent instead of empty.
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let routed = self.client.routes.find(&self.method, self.path.segments());
        *request.method_mut() = self.method;
        let (lane, cost) = match (self.lane, routed) {
            (Some(lane), _) => (Some(lane), 1),
            (None, Some(routed)) => (Some(routed.lane), routed.cost),
            (None, None) => (None, 1),
        };
        self.client.exchange(cx, &Call { lane, access: self.access, cost }, self.timeout, request).await
    }

    /// Sends it; what the vendor does not find is `None`. That it is the vendor who says so, and no gateway on the way, is up to the
    /// classifier: only its `NotFound` counts.
    ///
    /// # Errors
    /// Those of [`send`](Self::send), save `NotFound`.
    pub async fn send_if_found(self, cx: &CallContext) -> Result<Option<Answer>> {
        match self.send(cx).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

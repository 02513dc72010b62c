//! Requests and answers as fakes see them, free of any HTTP library's own types.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One request as a fake sees it.
#[derive(Clone, Debug)]
pub struct FakeRequest {
    /// The method.
    pub method: Method,
    /// `http` or `https`.
    pub scheme: String,
    /// The path as it was sent, still percent-encoded.
    pub path: String,
    /// The query as it was sent, without the question mark; empty when there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl FakeRequest {
    /// A request without headers or body; `target` is a path, with a query if it has one.
    pub fn new(method: Method, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { method, scheme: "http".to_owned(), path: path.to_owned(), query: query.to_owned(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// The request that an `http::Request` is.
    pub fn from_http(request: http::Request<Bytes>) -> Self {
        let (parts, body) = request.into_parts();
        let mut headers = parts.headers;
        if let Some(authority) = parts.uri.authority()
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            headers.entry(http::header::HOST).or_insert(host);
        }
        // What every HTTP client adds when it sends.
        headers.entry(http::header::CONTENT_LENGTH).or_insert(HeaderValue::from(body.len()));
        Self {
            method: parts.method,
            scheme: parts.uri.scheme_str().unwrap_or("http").to_owned(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or("").to_owned(),
            headers,
            body,
        }
    }

    /// The first value of a query parameter, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The first value of a field of a form body, decoded.
    pub fn form(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(&self.body).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The first value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body read as JSON.
    ///
    /// # Errors
    /// When it is not JSON of that shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// `scheme://host` as the caller addressed it, for links in answers.
    pub fn base_url(&self) -> String {
        format!("{}://{}", self.scheme, self.header("host").unwrap_or("fake.test"))
    }

    /// The path's segments, decoded. A segment with an encoded `/` stays one segment.
    pub fn segments(&self) -> Vec<String> {
        self.path.trim_start_matches('/').split('/').map(decode).collect()
    }

    /// Whether it only looks.
    pub fn is_read(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }
}

fn decode(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// One answer of a fake.
#[derive(Clone, Debug)]
pub struct FakeResponse {
    /// The status code.
    pub status: u16,
    /// The headers, in order; a name may occur several times.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

impl FakeResponse {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// An answer with a JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::from(body.to_string()) }.with_header("content-type", "application/json")
    }

    /// An answer with a body of any type.
    pub fn bytes(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }.with_header("content-type", content_type)
    }

    /// Adds a header; one of the same name stays. A name or value that HTTP forbids is left out.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.add_header(name, value);
        self
    }

    /// Adds a header; one of the same name stays. A name or value that HTTP forbids is left out.
    pub fn add_header(&mut self, name: &str, value: impl AsRef<str>) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value.as_ref())) {
            self.headers.push((name, value));
        }
    }

    /// The first value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.as_str().eq_ignore_ascii_case(name)).and_then(|(_, value)| value.to_str().ok())
    }

    /// The body as JSON; null when it is not.
    pub fn to_json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn into_http(self) -> http::Response<Bytes> {
        let mut response = http::Response::new(self.body);
        *response.status_mut() = http::StatusCode::from_u16(self.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

/// One request and what a fake answered, secrets included.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exchange {
    /// The request.
    pub request: FakeRequest,
    /// The answer as the fake gave it, whatever befell it on its way back. None when it gave none, or a fault answered in its place.
    pub answer: Option<FakeResponse>,
}

impl Exchange {
    /// A request and its answer.
    pub fn new(request: FakeRequest, answer: Option<FakeResponse>) -> Self {
        Self { request, answer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_decoded_once() {
        let request = FakeRequest::new(Method::GET, "/users/a%2Fb%20c?filter=x%20eq%20%22y%2Bz%22");
        assert_eq!(request.segments(), ["users", "a/b c"]);
        assert_eq!(request.query("filter").as_deref(), Some(r#"x eq "y+z""#));
    }

    #[test]
    fn a_header_may_occur_several_times() {
        let response = FakeResponse::empty(200).with_header("link", "<a>").with_header("link", "<b>").into_http();
        assert_eq!(response.headers().get_all("link").iter().count(), 2);
    }
}

//! What a fake was asked and what it answered, without secrets.

use http::HeaderMap;
use provisionr_sdk::{Access, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::fault::RequestMatch;
use crate::message::FakeRequest;

/// How a request ended for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ending {
    /// The answer was given whole.
    Answered,
    /// The answer is still to come.
    Pending,
    /// The connection was cut; with a status: after the effect.
    Cut,
    /// The connection was cut within the body.
    Partial,
    /// There was no connection.
    Refused,
}

/// One request of the log. Secrets in headers and bodies are replaced by `[redacted]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LogEntry {
    /// Its number, from 1.
    pub number: u64,
    /// When it arrived.
    pub at: Timestamp,
    /// The method.
    pub method: String,
    /// Whether it can change something, as the fake's [`access`](crate::Fake::access) says.
    pub access: Option<Access>,
    /// The path as it was sent.
    pub path: String,
    /// The query as it was sent.
    pub query: String,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body: JSON where it is JSON, text otherwise, null when empty.
    pub body: Value,
    /// The pattern of the route that answered.
    pub route: Option<&'static str>,
    /// The status of the answer, whether or not it arrived.
    pub status: Option<u16>,
    /// How it ended for the caller.
    pub ending: Ending,
    /// The kind of the fault that struck.
    pub fault: Option<String>,
    /// The kinds of the effective changes it made; empty for a read, a refusal and a repeated write.
    pub changes: Vec<String>,
}

impl LogEntry {
    pub(crate) fn new(number: u64, at: Timestamp, request: &FakeRequest, access: Option<Access>) -> Self {
        Self {
            number,
            at,
            method: request.method.to_string(),
            access,
            path: request.path.clone(),
            query: request.query.clone(),
            headers: redacted_headers(&request.headers),
            body: redacted_body(request),
            route: None,
            status: None,
            ending: Ending::Pending,
            fault: None,
            changes: Vec::new(),
        }
    }

    /// Whether it is of a method (or `*`) and a path pattern, as [`RequestMatch`] reads them.
    pub fn is(&self, method: &str, path: &str) -> bool {
        let method_of = http::Method::from_bytes(self.method.as_bytes()).unwrap_or_default();
        RequestMatch::new(method, path).matches(&FakeRequest::new(method_of, &self.path))
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

const REDACTED: &str = "[redacted]";

fn redacted_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let shown = |name: &str, value: &str| match name {
        // The scheme stays: tests ask which kind of credential was used.
        "authorization" | "proxy-authorization" => format!("{} {REDACTED}", value.split(' ').next().unwrap_or("")),
        "cookie" | "private-token" | "x-api-key" | "x-amz-security-token" | "dpop" => REDACTED.to_owned(),
        _ => value.to_owned(),
    };
    headers.iter().map(|(name, value)| (name.to_string(), shown(name.as_str(), &String::from_utf8_lossy(value.as_bytes())))).collect()
}

fn is_secret(field: &str) -> bool {
    const SECRET: [&str; 9] = ["assertion", "client_assertion", "client_secret", "password", "passwd", "refresh_token", "access_token", "token", "answer"];
    SECRET.contains(&field.to_ascii_lowercase().as_str())
}

fn redacted_body(request: &FakeRequest) -> Value {
    if request.body.is_empty() {
        return Value::Null;
    }
    if let Ok(mut body) = request.json::<Value>() {
        redact(&mut body);
        return body;
    }
    if request.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
        let fields = url::form_urlencoded::parse(&request.body)
            .map(|(name, value)| (name.clone().into_owned(), Value::from(if is_secret(&name) { REDACTED } else { &value })))
            .collect();
        return Value::Object(fields);
    }
    Value::from(String::from_utf8_lossy(&request.body).into_owned())
}

fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| if is_secret(name) { *value = REDACTED.into() } else { redact(value) }),
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Method};
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_do_not_reach_the_log() {
        let mut request = FakeRequest::new(Method::POST, "/users?activate=true");
        request.headers.insert("authorization", HeaderValue::from_static("SSWS 00verysecret"));
        request.body = json!({ "profile": { "login": "sarah" }, "credentials": { "password": { "value": "hunter2" } } }).to_string().into();
        let entry = LogEntry::new(1, Timestamp::EPOCH, &request, None);
        assert_eq!(entry.header("authorization"), Some("SSWS [redacted]"));
        assert_eq!(entry.body["profile"]["login"], "sarah");
        request.headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
        request.body = "grant_type=client_credentials&client_assertion=ey.verysecret".into();
        let form = LogEntry::new(2, Timestamp::EPOCH, &request, None);
        assert_eq!(form.body["grant_type"], "client_credentials");
        let shown = format!("{entry:?}{form:?}");
        assert!(!shown.contains("verysecret") && !shown.contains("hunter2"), "{shown}");
    }
}

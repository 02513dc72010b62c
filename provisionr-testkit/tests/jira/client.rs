//! A plain client over a transport: what the fake answers, seen without any kit in between.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method};
use provisionr_http::Transport;
use provisionr_testkit::{FakeSystem, JiraFake, MemoryTransport};
use serde_json::Value;

/// What a client sees of one answer.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The first text of an error.
    pub(crate) fn said(&self) -> &str {
        self.body["errorMessages"][0].as_str().unwrap_or("")
    }
}

pub(crate) struct Client {
    http: MemoryTransport,
    authorization: String,
    base: String,
}

impl Client {
    pub(crate) fn basic(http: MemoryTransport, email: &str, token: &str) -> Self {
        let authorization = format!("Basic {}", STANDARD.encode(format!("{email}:{token}")));
        Self { http, authorization, base: "https://company.atlassian.net".to_owned() }
    }

    /// At the gateway, with a bearer token.
    pub(crate) fn bearer(http: MemoryTransport, token: &str) -> Self {
        Self { http, authorization: format!("Bearer {token}"), base: format!("https://api.atlassian.com/ex/jira/{}", JiraFake::CLOUD_ID) }
    }

    pub(crate) fn at(mut self, base: &str) -> Self {
        base.clone_into(&mut self.base);
        self
    }

    pub(crate) async fn send(&self, method: &str, target: &str, body: Option<Value>) -> Seen {
        let mut request = http::Request::new(body.map_or_else(Bytes::new, |body| body.to_string().into()));
        if !request.body().is_empty() {
            request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        }
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        *request.uri_mut() = format!("{}/rest/api/3/{target}", self.base).replace(' ', "%20").parse().unwrap();
        request.headers_mut().insert("authorization", self.authorization.parse().unwrap());
        let (parts, body) = self.http.send(request).await.unwrap().into_parts();
        Seen { status: parts.status.as_u16(), headers: parts.headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }

    pub(crate) async fn get(&self, target: &str) -> Seen {
        self.send("GET", target, None).await
    }

    pub(crate) async fn post(&self, target: &str, body: Value) -> Seen {
        self.send("POST", target, Some(body)).await
    }
}

/// A running site and the administrator's client of it.
pub(crate) fn start(jira: JiraFake) -> (FakeSystem<JiraFake>, Client) {
    let jira = jira.start();
    let client = Client::basic(jira.transport(), JiraFake::ADMIN, JiraFake::TOKEN);
    (jira, client)
}

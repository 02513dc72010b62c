//! A plain client over a transport: what the fake answers, seen without any kit in between.

use bytes::Bytes;
use http::{HeaderMap, Method};
use provisionr_http::Transport;
use provisionr_testkit::{FakeSystem, MemoryTransport, SlackFake};
use serde_json::Value;

/// What a client sees of one answer.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Seen {
    /// The code of a refusal; empty for a success.
    pub(crate) fn code(&self) -> &str {
        self.body["error"].as_str().unwrap_or("")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn next(&self) -> &str {
        self.body["response_metadata"]["next_cursor"].as_str().unwrap()
    }
}

pub(crate) struct Client(MemoryTransport, &'static str);

impl Client {
    pub(crate) fn with(&self, token: &'static str) -> Self {
        Self(self.0.clone(), token)
    }

    pub(crate) async fn send(&self, method: &str, uri: &str, content_type: &str, body: String) -> Seen {
        let mut request = http::Request::new(Bytes::from(body));
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        *request.uri_mut() = uri.replace(' ', "%20").replace('"', "%22").parse().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {}", self.1).parse().unwrap());
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        let (parts, body) = self.0.send(request).await.unwrap().into_parts();
        Seen { status: parts.status.as_u16(), headers: parts.headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }

    /// A method with the arguments of a query.
    pub(crate) async fn get(&self, method: &str, query: &str) -> Seen {
        self.send("GET", &format!("https://slack.test/api/{method}?{query}"), "text/plain", String::new()).await
    }

    /// A method with the arguments of a form.
    pub(crate) async fn form(&self, method: &str, form: &str) -> Seen {
        self.send("POST", &format!("https://slack.test/api/{method}"), "application/x-www-form-urlencoded", form.to_owned()).await
    }

    /// A method with the arguments of a JSON body.
    pub(crate) async fn json(&self, method: &str, body: &Value) -> Seen {
        self.send("POST", &format!("https://slack.test/api/{method}"), "application/json; charset=utf-8", body.to_string()).await
    }

    pub(crate) async fn scim(&self, method: &str, target: &str, body: Option<Value>) -> Seen {
        let body = body.map_or_else(String::new, |body| body.to_string());
        self.send(method, &format!("https://api.slack.test/scim/v2{target}"), "application/json", body).await
    }
}

/// A running workspace and a client of it, with the bot's token.
pub(crate) fn start(slack: SlackFake) -> (FakeSystem<SlackFake>, Client) {
    let slack = slack.start();
    let client = Client(slack.transport(), SlackFake::BOT_TOKEN);
    (slack, client)
}

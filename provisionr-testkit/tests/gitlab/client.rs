//! A plain client over a transport: what the fake answers, seen without any kit in between.

use bytes::Bytes;
use http::{HeaderMap, Method};
use provisionr_http::Transport;
use provisionr_testkit::{FakeSystem, GitlabFake, MemoryTransport};
use serde_json::Value;

/// What a client sees of one answer.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The address of the next page.
    pub(crate) fn next(&self) -> Option<String> {
        let next = self.header("link").split(", ").find(|link| link.ends_with(r#"rel="next""#))?;
        Some(next[1..next.find('>').unwrap()].to_owned())
    }
}

pub(crate) struct Client(MemoryTransport);

impl Client {
    pub(crate) async fn send(&self, method: &str, target: &str, body: Option<Value>) -> Seen {
        self.send_as(("private-token", GitlabFake::TOKEN), method, target, body).await
    }

    pub(crate) async fn send_as(&self, (header, token): (&'static str, &str), method: &str, target: &str, body: Option<Value>) -> Seen {
        let uri = if target.starts_with("https://") { target.to_owned() } else { format!("https://gitlab.acme.test{target}") };
        let mut request = http::Request::new(body.map_or_else(Bytes::new, |body| body.to_string().into()));
        if !request.body().is_empty() {
            request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        }
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        *request.uri_mut() = uri.parse().unwrap();
        request.headers_mut().insert(header, token.parse().unwrap());
        let (parts, body) = self.0.send(request).await.unwrap().into_parts();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Seen { status: parts.status.as_u16(), headers: parts.headers, body: serde_json::from_str(&text).unwrap_or(Value::Null), text }
    }

    pub(crate) async fn get(&self, target: &str) -> Seen {
        self.send("GET", target, None).await
    }

    pub(crate) async fn post(&self, target: &str, body: Value) -> Seen {
        self.send("POST", target, Some(body)).await
    }
}

/// A running instance and a client of it.
pub(crate) fn start(fake: GitlabFake) -> (FakeSystem<GitlabFake>, Client) {
    let fake = fake.start();
    let client = Client(fake.transport());
    (fake, client)
}

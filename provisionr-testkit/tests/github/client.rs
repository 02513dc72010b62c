//! A plain client over a transport: what the fake answers, seen without any kit in between.

use bytes::Bytes;
use http::{HeaderMap, Method};
use provisionr_http::Transport;
use provisionr_testkit::{FakeSystem, GithubFake, MemoryTransport};
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

    /// The address of the next page.
    pub(crate) fn next(&self) -> Option<String> {
        let next = self.header("link").split(", ").find(|link| link.ends_with(r#"rel="next""#))?;
        Some(next[1..next.find('>').unwrap()].to_owned())
    }
}

pub(crate) struct Client(MemoryTransport);

impl Client {
    pub(crate) async fn send(&self, method: &str, target: &str, body: Option<Value>) -> Seen {
        self.send_as(GithubFake::TOKEN, method, target, body).await
    }

    pub(crate) async fn send_as(&self, token: &str, method: &str, target: &str, body: Option<Value>) -> Seen {
        let uri = if target.starts_with("https://") { target.to_owned() } else { format!("https://api.github.test{target}") };
        let mut request = http::Request::new(body.map_or_else(Bytes::new, |body| body.to_string().into()));
        if !request.body().is_empty() {
            request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        }
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        *request.uri_mut() = uri.parse().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request.headers_mut().insert("user-agent", "test".parse().unwrap());
        let (parts, body) = self.0.send(request).await.unwrap().into_parts();
        Seen { status: parts.status.as_u16(), headers: parts.headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }

    pub(crate) async fn get(&self, target: &str) -> Seen {
        self.send("GET", target, None).await
    }
}

/// A running organization and a client of it.
pub(crate) fn start(fake: GithubFake) -> (FakeSystem<GithubFake>, Client) {
    let fake = fake.start();
    let client = Client(fake.transport());
    (fake, client)
}

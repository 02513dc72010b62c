//! A plain client over a transport: what the fake answers, seen without any kit in between.

use bytes::Bytes;
use http::Method;
use provisionr_http::Transport;
use provisionr_testkit::{FakeSystem, GoogleFake, MemoryTransport};
use serde_json::Value;

/// What a client sees of one answer.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Seen {
    /// Status and reason of a refusal.
    pub(crate) fn refusal(&self) -> (u16, &str, &str) {
        let text = |pointer| self.body.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        (self.status, text("/error/errors/0/reason"), text("/error/message"))
    }

    /// One text field of every item of a list.
    pub(crate) fn each(&self, list: &str, field: &str) -> Vec<&str> {
        self.body[list].as_array().map(|items| items.iter().map(|item| item[field].as_str().unwrap_or("")).collect()).unwrap_or_default()
    }
}

pub(crate) struct Client(pub(crate) MemoryTransport);

impl Client {
    pub(crate) async fn send_as(&self, authorization: Option<&str>, method: &str, target: &str, body: Option<Value>) -> Seen {
        let mut request = http::Request::new(body.map_or_else(Bytes::new, |body| body.to_string().into()));
        if !request.body().is_empty() {
            request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        }
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        *request.uri_mut() = format!("https://admin.googleapis.com/admin/directory/v1/{target}").replace(' ', "%20").replace('\'', "%27").parse().unwrap();
        if let Some(authorization) = authorization {
            request.headers_mut().insert("authorization", authorization.parse().unwrap());
        }
        let (parts, body) = self.0.send(request).await.unwrap().into_parts();
        Seen { status: parts.status.as_u16(), body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }

    pub(crate) async fn send(&self, method: &str, target: &str, body: Option<Value>) -> Seen {
        self.send_as(Some(&format!("Bearer {}", GoogleFake::TOKEN)), method, target, body).await
    }

    pub(crate) async fn get(&self, target: &str) -> Seen {
        self.send("GET", target, None).await
    }
}

/// A running customer and a client of it.
pub(crate) fn start(google: GoogleFake) -> (FakeSystem<GoogleFake>, Client) {
    let google = google.start();
    let client = Client(google.transport());
    (google, client)
}

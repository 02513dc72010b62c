//! A plain client over a transport: what the fake answers, seen without any kit in between.

use bytes::Bytes;
use http::{HeaderMap, Method};
use provisionr_http::Transport;
use provisionr_testkit::{FakeSystem, MemoryTransport, ScimFake};
use serde_json::{Value, json};

/// What a client sees of one answer.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Seen {
    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn version(&self) -> &str {
        self.headers["etag"].to_str().unwrap()
    }
}

pub(crate) struct Client {
    http: MemoryTransport,
    token: String,
    version: Option<String>,
}

impl Client {
    pub(crate) fn with(&self, token: &str) -> Self {
        Self { http: self.http.clone(), token: token.to_owned(), version: None }
    }

    /// Writes under this version.
    pub(crate) fn under(&self, version: &str) -> Self {
        Self { http: self.http.clone(), token: self.token.clone(), version: Some(version.to_owned()) }
    }

    pub(crate) async fn send(&self, method: &str, target: &str, body: Option<Value>) -> Seen {
        let mut request = http::Request::new(body.map_or_else(Bytes::new, |body| body.to_string().into()));
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        *request.uri_mut() = format!("https://wiki.example/scim/v2/{target}").replace(' ', "%20").replace('"', "%22").parse().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {}", self.token).parse().unwrap());
        if let Some(version) = &self.version {
            request.headers_mut().insert("if-match", version.parse().unwrap());
        }
        let (parts, body) = self.http.send(request).await.unwrap().into_parts();
        Seen { status: parts.status.as_u16(), headers: parts.headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }

    pub(crate) async fn get(&self, target: &str) -> Seen {
        self.send("GET", target, None).await
    }

    pub(crate) async fn patch(&self, target: &str, operations: Value) -> Seen {
        self.send("PATCH", target, Some(json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations }))).await
    }
}

/// A running service and a client that may do everything.
pub(crate) fn start(scim: ScimFake) -> (FakeSystem<ScimFake>, Client) {
    let scim = scim.start();
    let client = Client { http: scim.transport(), token: ScimFake::TOKEN.to_owned(), version: None };
    (scim, client)
}

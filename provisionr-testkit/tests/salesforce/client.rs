//! A plain client over a transport: what the fake answers, seen without any kit in between.

use bytes::Bytes;
use http::{HeaderMap, Method};
use provisionr_http::Transport;
use provisionr_testkit::{FakeSystem, MemoryTransport, SalesforceFake};
use serde_json::Value;

/// What a client sees of one answer.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Seen {
    /// The code of an error body.
    pub(crate) fn code(&self) -> &str {
        self.body[0]["errorCode"].as_str().unwrap_or("")
    }

    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap().to_owned()
    }
}

pub(crate) struct Client(pub(crate) MemoryTransport);

impl Client {
    pub(crate) async fn send_as(&self, token: &str, method: &str, target: &str, body: Option<Value>) -> Seen {
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        self.send_raw(token, method, target, body, "application/json").await
    }

    pub(crate) async fn send_raw(&self, token: &str, method: &str, target: &str, body: Bytes, content_type: &str) -> Seen {
        let mut request = http::Request::new(body);
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        *request.uri_mut() = format!("https://acme.my.salesforce.com{}", target.replace(' ', "%20").replace('\'', "%27")).parse().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        let (parts, body) = self.0.send(request).await.unwrap().into_parts();
        Seen { status: parts.status.as_u16(), headers: parts.headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }

    /// Below the API's root.
    pub(crate) async fn send(&self, method: &str, target: &str, body: Option<Value>) -> Seen {
        self.send_as(SalesforceFake::TOKEN, method, &format!("/services/data/v62.0{target}"), body).await
    }

    pub(crate) async fn query(&self, soql: &str) -> Seen {
        self.send("GET", &format!("/query?q={soql}"), None).await
    }

    pub(crate) async fn create(&self, object: &str, fields: Value) -> Seen {
        self.send("POST", &format!("/sobjects/{object}"), Some(fields)).await
    }
}

/// A running org and a client of it.
pub(crate) fn start(fake: SalesforceFake) -> (FakeSystem<SalesforceFake>, Client) {
    let fake = fake.start();
    let client = Client(fake.transport());
    (fake, client)
}

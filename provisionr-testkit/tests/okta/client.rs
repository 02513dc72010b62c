//! A plain client over a transport: what the fakes answer, seen without any kit in between.

use bytes::Bytes;
use http::{HeaderMap, Method};
use provisionr_http::{Transport, TransportError};
use provisionr_testkit::{FakeSystem, MemoryTransport, OktaFake};
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
        self.body["errorCode"].as_str().unwrap_or("")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The address of the next page.
    pub(crate) fn next(&self) -> Option<String> {
        let links = self.headers.get_all("link").iter().map(|link| link.to_str().unwrap());
        links.filter(|link| link.ends_with(r#"rel="next""#)).map(|link| link[1..link.find('>').unwrap()].to_owned()).next()
    }

    /// One text field of every item.
    pub(crate) fn each(&self, pointer: &str) -> Vec<&str> {
        self.body.as_array().unwrap().iter().map(|item| item.pointer(pointer).and_then(Value::as_str).unwrap_or("")).collect()
    }
}

pub(crate) struct Client(pub(crate) MemoryTransport);

impl Client {
    pub(crate) async fn try_send(&self, method: &str, target: &str, body: Option<Value>) -> Result<Seen, TransportError> {
        self.send_as(&format!("SSWS {}", OktaFake::TOKEN), method, target, body).await
    }

    pub(crate) async fn send_as(&self, authorization: &str, method: &str, target: &str, body: Option<Value>) -> Result<Seen, TransportError> {
        let uri = if target.starts_with("https://") { target.to_owned() } else { format!("https://acme.okta.com{target}") };
        let mut request = http::Request::new(body.map_or_else(Bytes::new, |body| body.to_string().into()));
        if !request.body().is_empty() {
            request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        }
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        *request.uri_mut() = uri.replace(' ', "%20").replace('"', "%22").parse().unwrap();
        request.headers_mut().insert("authorization", authorization.parse().unwrap());
        let (parts, body) = self.0.send(request).await?.into_parts();
        Ok(Seen { status: parts.status.as_u16(), headers: parts.headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
    }

    pub(crate) async fn send(&self, method: &str, target: &str, body: Option<Value>) -> Seen {
        self.try_send(method, target, body).await.unwrap()
    }

    pub(crate) async fn get(&self, target: &str) -> Seen {
        self.send("GET", target, None).await
    }

    pub(crate) async fn post(&self, target: &str, body: Value) -> Seen {
        self.send("POST", target, Some(body)).await
    }
}

/// A running org and a client of it.
pub(crate) fn start(okta: OktaFake) -> (FakeSystem<OktaFake>, Client) {
    let okta = okta.start();
    let client = Client(okta.transport());
    (okta, client)
}

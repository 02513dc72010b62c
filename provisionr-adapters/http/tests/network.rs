//! The transport over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use provisionr_http::{HttpClient, ReqwestTransport, path};
use provisionr_sdk::{CallContext, Effect, ErrorKind};
use wiremock::matchers::{body_string, header, method, path as at};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn client(address: &str) -> HttpClient {
    HttpClient::new(address, &ReqwestTransport::without_tls().unwrap()).unwrap()
}

/// A server of one connection that does with it what it likes.
fn server(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let _ = connection.read(&mut [0; 4096]);
        connection.write_all(answer).unwrap();
    });
    address
}

#[tokio::test]
async fn requests_and_answers_go_through_whole() {
    let server = MockServer::builder().start().await;
    Mock::given(method("PUT"))
        .and(at("/groups/a%2Fb"))
        .and(header("content-type", "application/json"))
        .and(body_string(r#"{"a":1}"#))
        .respond_with(ResponseTemplate::new(200).insert_header("x-request-id", "r-7").set_body_string(r#"{"ok": true}"#))
        .mount(&server)
        .await;
    Mock::given(method("POST")).and(header("content-length", "0")).respond_with(ResponseTemplate::new(204)).mount(&server).await;
    let client = client(&server.uri());
    let cx = CallContext::unlimited();
    let answer = client.put(path!["groups", "a/b"]).json(&serde_json::json!({"a": 1})).send(&cx).await.unwrap();
    assert_eq!((answer.request_id(), answer.value()["ok"].as_bool()), (Some("r-7".into()), Some(true)));
    client.post(path!["users", "1", "lifecycle", "suspend"]).send(&cx).await.unwrap();
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = MockServer::builder().start().await;
    Mock::given(at("/a")).respond_with(ResponseTemplate::new(307).insert_header("location", "/b")).mount(&server).await;
    Mock::given(at("/b")).respond_with(ResponseTemplate::new(200)).expect(0).mount(&server).await;
    let error = client(&server.uri()).post(path!["a"]).send(&CallContext::unlimited()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Protocol);
}

#[tokio::test]
async fn nobody_there_changes_nothing() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = client(&format!("http://{free}")).put(path!["x"]).query("token", "hush").send(&CallContext::unlimited()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::Unavailable, Effect::None));
    assert!(!format!("{error} {error:?}").contains("hush"));
}

#[tokio::test]
async fn a_cut_answer_leaves_a_write_in_doubt() {
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"half\":", b"garbage\r\n\r\n"] {
        let error = client(&server(answer)).put(path!["x"]).query("token", "hush").send(&CallContext::unlimited()).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (&ErrorKind::Unavailable, Effect::Unknown));
        assert!(!format!("{error} {error:?}").contains("hush"));
    }
}

#[tokio::test]
async fn an_answer_that_is_late_leaves_a_write_in_doubt() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap())).timeout(Duration::from_millis(50));
    let error = client.put(path!["x"]).send(&CallContext::unlimited()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::TimedOut, Effect::Unknown));
}

#[tokio::test]
async fn without_certificates_https_is_refused_before_anything_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let _ = listener.accept().unwrap().0.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let error = client(&address).put(path!["x"]).send(&CallContext::unlimited()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::Unavailable, Effect::None));
    assert_eq!(ReqwestTransport::with_roots(b"nothing").unwrap_err().kind(), &ErrorKind::InvalidConfig);
}

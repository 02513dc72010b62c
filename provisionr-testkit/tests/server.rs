//! The front end over real HTTP: what clients of real sockets see.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use provisionr_sdk::Timestamp;
use provisionr_testkit::{Ending, FakeClock, FakeServer, FakeSystem, Fault, OktaFake};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

fn client() -> Client {
    // No certificates are needed for plain HTTP, and a machine may have none.
    Client::builder().tls_certs_only([]).retry(reqwest::retry::never()).build().unwrap()
}

fn org() -> OktaFake {
    OktaFake::new().with_group("crew").with_user("a@x.com")
}

fn authorized(request: RequestBuilder) -> RequestBuilder {
    request.header("authorization", format!("SSWS {}", OktaFake::TOKEN))
}

fn add(server: &FakeServer, okta: &FakeSystem<OktaFake>) -> RequestBuilder {
    let member = format!("{}/api/v1/groups/{}/users/{}", server.url(), okta.group_id("crew").unwrap(), okta.user_id("a@x.com").unwrap());
    authorized(client().put(member)).header("content-length", "0")
}

fn me(server: &FakeServer) -> RequestBuilder {
    authorized(client().get(format!("{}/api/v1/users/me", server.url())))
}

/// Waits until so many requests have arrived.
async fn arrived(okta: &FakeSystem<OktaFake>, requests: usize) {
    while okta.log().len() < requests {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn answers_carry_the_address_that_was_called() {
    let okta = org().start();
    let server = FakeServer::start(&okta);
    let response = authorized(client().get(format!("{}/api/v1/users?limit=1", server.url()))).send().await.unwrap();
    let links: Vec<String> = response.headers().get_all("link").iter().map(|link| link.to_str().unwrap().to_owned()).collect();
    assert_eq!(links.len(), 2);
    assert!(links[1].starts_with(&format!("<{}/api/v1/users?after=", server.url())), "{links:?}");
    assert_eq!(response.headers().get_all("content-type").iter().count(), 1);
    let body: Value = response.json().await.unwrap();
    assert!(body[0]["_links"]["self"]["href"].as_str().unwrap().starts_with(&server.url()));
    assert_eq!(okta.log()[0].header("authorization"), Some("SSWS [redacted]"));
}

#[test]
fn many_servers_end_at_once_and_close_their_ports() {
    let okta = org().start();
    let servers: Vec<FakeServer> = (0..60).map(|_| FakeServer::start(&okta)).collect();
    for server in servers {
        let address = server.address();
        drop(server);
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}

#[tokio::test]
async fn servers_dropped_in_one_poll_do_not_hang() {
    let okta = org().start();
    let servers: Vec<FakeServer> = (0..60).map(|_| FakeServer::start(&okta)).collect();
    for server in &servers {
        assert_eq!(me(server).send().await.unwrap().status(), 200);
    }
    drop(servers);
}

#[tokio::test]
async fn a_reset_comes_before_or_after_the_effect() {
    let okta = org().start();
    let server = FakeServer::start(&okta);
    okta.fault(Fault::reset_before().on("PUT", "/api/v1/groups/*/users/*"));
    okta.fault(Fault::reset_after().on("PUT", "/api/v1/groups/*/users/*"));
    let error = add(&server, &okta).send().await.unwrap_err();
    assert!(!error.is_connect() && !error.is_timeout(), "{error:?}");
    assert_eq!(okta.members("crew"), [""; 0]);
    add(&server, &okta).send().await.unwrap_err();
    assert_eq!(okta.members("crew"), ["a@x.com"]);
    assert_eq!(add(&server, &okta).send().await.unwrap().status(), 204);
    assert_eq!(okta.effects("group.member_added"), 1);
    let seen: Vec<_> = okta.log().into_iter().map(|entry| (entry.ending, entry.status)).collect();
    assert_eq!(seen, [(Ending::Cut, None), (Ending::Cut, Some(204)), (Ending::Answered, Some(204))]);
}

#[test]
fn a_reset_is_a_reset_and_no_orderly_end() {
    let okta = org().start();
    let server = FakeServer::start(&okta);
    okta.fault(Fault::reset_before());
    let mut socket = TcpStream::connect(server.address()).unwrap();
    write!(socket, "GET /api/v1/users/me HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert_eq!(socket.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_body_may_end_too_early() {
    let okta = org().start();
    let server = FakeServer::start(&okta);
    okta.fault(Fault::partial_body(20));
    let response = me(&server).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.content_length().unwrap() > 20);
    response.bytes().await.unwrap_err();
    assert_eq!(me(&server).send().await.unwrap().json::<Value>().await.unwrap()["profile"]["login"], OktaFake::ADMIN);
}

#[tokio::test]
async fn a_late_answer_waits_for_the_clock() {
    let clock = FakeClock::manual(Timestamp::from_millis(0));
    let okta = FakeSystem::with_clock(org(), clock.clone());
    let server = FakeServer::start(&okta);
    okta.fault(Fault::late_answer(Duration::from_secs(90)));
    let (answer, ()) = tokio::join!(add(&server, &okta).send(), async {
        arrived(&okta, 1).await;
        // It is in the log before it has its effect.
        while okta.members("crew").is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(okta.log()[0].ending, Ending::Pending);
        assert_eq!(okta.members("crew"), ["a@x.com"]);
        clock.advance(Duration::from_secs(90));
    });
    assert_eq!(answer.unwrap().status(), 204);
    assert_eq!(okta.log()[0].ending, Ending::Answered);
}

#[tokio::test]
async fn a_write_lands_after_its_client_has_given_up() {
    let clock = FakeClock::manual(Timestamp::from_millis(0));
    let okta = FakeSystem::with_clock(org(), clock.clone());
    let server = FakeServer::start(&okta);
    okta.fault(Fault::late_effect(Duration::from_secs(90)));
    tokio::select! {
        _ = add(&server, &okta).send() => panic!("there is no answer yet"),
        () = arrived(&okta, 1) => {}
    }
    clock.advance(Duration::from_secs(89));
    assert_eq!(okta.members("crew"), [""; 0]);
    clock.advance(Duration::from_secs(1));
    assert_eq!(okta.members("crew"), ["a@x.com"]);
}

#[tokio::test]
async fn an_outage_refuses_connections_and_ends() {
    let clock = FakeClock::manual(Timestamp::from_millis(0));
    let okta = FakeSystem::with_clock(org(), clock.clone());
    let server = FakeServer::start(&okta);
    okta.fault(Fault::outage(Duration::from_secs(60)).skip(1));
    assert_eq!(me(&server).send().await.unwrap().status(), 200);
    me(&server).send().await.unwrap_err();
    while TcpStream::connect(server.address()).is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(me(&server).send().await.unwrap_err().is_connect());
    clock.advance(Duration::from_secs(60));
    while TcpStream::connect(server.address()).is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(me(&server).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_post_without_length_is_refused() {
    let okta = org().start();
    let server = FakeServer::start(&okta);
    let mut socket = TcpStream::connect(server.address()).unwrap();
    let user = okta.user_id("a@x.com").unwrap();
    write!(socket, "POST /api/v1/users/{user}/lifecycle/suspend HTTP/1.1\r\nhost: x\r\nauthorization: SSWS {}\r\nconnection: close\r\n\r\n", OktaFake::TOKEN)
        .unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 411");
}

#[tokio::test]
async fn an_unknown_route_fails_the_test() {
    let okta = org().start();
    let server = FakeServer::start(&okta);
    let response = authorized(client().post(format!("{}/api/v1/policies", server.url()))).json(&json!({})).send().await.unwrap();
    assert_eq!(response.status(), 501);
    drop(server);
    assert_eq!(okta.unknown_routes(), ["POST /api/v1/policies (no route)"]);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(okta))).is_err());
}

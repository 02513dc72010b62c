//! What the client does before, around and after a request.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use provisionr_http::{
    Answer, Auth, HttpClient, MemoryTransport, RateHeaders, ReadRate, Routes, Sent, TransportError, TransportFailure, by_status, by_status_saying, path,
    throttled,
};
use provisionr_sdk::{
    Access, AdapterError, Call, CallContext, CallGate, Effect, ErrorKind, LaneId, LaneReading, Missing, Permit, Result, RetryHint, Secret, Timestamp,
};

#[derive(Default)]
struct Gate {
    log: Arc<Mutex<Vec<String>>>,
    refuse: bool,
}

struct Held(Arc<Mutex<Vec<String>>>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.lock().unwrap().push("returned".to_owned());
    }
}

#[async_trait]
impl CallGate for Gate {
    async fn permit(&self, call: &Call) -> Result<Permit> {
        if self.refuse {
            return Err(AdapterError::not_ready("the lane is closed"));
        }
        let lane = call.lane.as_ref().map_or("-", LaneId::as_str);
        self.log.lock().unwrap().push(format!("permit {lane} {:?} {}", call.access, call.cost));
        Ok(Permit::holding(Held(self.log.clone())))
    }

    fn heard(&self, lane: &LaneId, reading: LaneReading) {
        self.log.lock().unwrap().push(format!("heard {lane} {:?} {:?}", reading.remaining, reading.pause));
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }
}

fn answering(status: u16, body: &'static str) -> MemoryTransport {
    MemoryTransport::new(move |_| Response::builder().status(status).body(body.into()).unwrap())
}

fn client(http: &MemoryTransport) -> HttpClient {
    HttpClient::new("https://api.example/base/", http).unwrap()
}

async fn error(client: &HttpClient, method: Method) -> AdapterError {
    client.request(method, path!["things"]).send(&CallContext::unlimited()).await.unwrap_err()
}

#[tokio::test]
async fn what_is_sent() {
    let seen: Arc<Mutex<Vec<Request<Bytes>>>> = Arc::default();
    let log = seen.clone();
    let http = MemoryTransport::new(move |request| {
        log.lock().unwrap().push(request);
        Response::default()
    });
    let client = client(&http).header("x-api-version", "7");
    let cx = CallContext::unlimited();
    client.get(path!["users", "a/b?c%2e.#é"]).query("filter", r#"login eq "a+b&c""#).send(&cx).await.unwrap();
    client.post(path!["users", "7", "lifecycle"]).send(&cx).await.unwrap();
    client.put(path!["x"]).json(&serde_json::json!({"a": 1})).header("if-match", "e1").send(&cx).await.unwrap();
    client.delete(path![]).send(&cx).await.unwrap();
    client.post(path!["token"]).form([("grant", "a b&c")]).send(&cx).await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].uri().to_string(), "https://api.example/base/users/a%2Fb%3Fc%252e.%23%C3%A9?filter=login%20eq%20%22a%2Bb%26c%22");
    assert_eq!((seen[0].headers()["accept"].as_bytes(), seen[0].headers()["x-api-version"].as_bytes()), (&b"application/json"[..], &b"7"[..]));
    assert!(seen[0].headers()["user-agent"].to_str().unwrap().starts_with("provisionr/"));
    assert!(!seen[0].headers().contains_key("content-length"));
    assert_eq!(seen[1].headers()["content-length"], "0");
    assert_eq!((seen[2].body().as_ref(), &seen[2].headers()["if-match"]), (&br#"{"a":1}"#[..], &"e1".parse().unwrap()));
    assert_eq!(seen[2].headers()["content-type"], "application/json");
    assert_eq!(seen[3].uri().path(), "/base/");
    assert_eq!(seen[4].body().as_ref(), b"grant=a+b%26c");
}

#[tokio::test]
async fn a_hostile_id_sends_nothing() {
    let http = MemoryTransport::new(|_| panic!("sent"));
    for id in ["..", ".", "", "a\r\nHost: evil"] {
        let error = client(&http).delete(path!["groups", id, "users"]).send(&CallContext::unlimited()).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (&ErrorKind::InvalidRequest, Effect::None));
    }
    let error = client(&http).put(path!["x"]).header("x-note", "a\nb").send(&CallContext::unlimited()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
}

#[test]
fn an_address_that_is_more_than_host_and_path_is_refused() {
    let http = answering(200, "");
    for address in ["https://user:pw@api.example", "https://api.example/?key=1", "https://api.example/#x", "ftp://api.example", "api.example"] {
        let error = HttpClient::new(address, &http).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidConfig, "{address}");
        assert!(!error.to_string().contains("pw"));
    }
}

#[tokio::test]
async fn the_permit_is_asked_by_route_and_held_until_the_answer_is_there() {
    let gate = Gate::default();
    let log = gate.log.clone();
    let sent = log.clone();
    let http = MemoryTransport::new(move |_| {
        sent.lock().unwrap().push("sent".to_owned());
        Response::builder().header("x-ratelimit-remaining", "3").body(Bytes::new()).unwrap()
    });
    let routes = Routes::new().any("/**", "all").on(Method::POST, "/users", "create").costing(5);
    let client = client(&http).routes(routes);
    let cx = CallContext::new(Arc::new(gate));
    client.post(path!["users"]).send(&cx).await.unwrap();
    client.post(path!["search"]).read().send(&cx).await.unwrap();
    client.get(path!["users", "1"]).send(&cx).await.unwrap();
    let expected =
        ["permit create Write 5", "sent", "returned", "heard create Some(3) None", "permit all Read 1", "sent", "returned", "heard all Some(3) None"];
    assert_eq!(log.lock().unwrap()[..8], expected);
    assert_eq!(log.lock().unwrap()[8], "permit all Read 1");
}

#[tokio::test]
async fn a_refused_permit_sends_nothing_and_is_returned_as_it_is() {
    let http = MemoryTransport::new(|_| panic!("sent"));
    let cx = CallContext::new(Arc::new(Gate { refuse: true, ..Gate::default() }));
    let error = client(&http).put(path!["x"]).send(&cx).await.unwrap_err();
    assert_eq!((error.kind(), error.effect(), error.message()), (&ErrorKind::NotReady, Effect::None, "the lane is closed"));
}

#[tokio::test]
async fn by_status_tells_kind_and_effect() {
    use Effect::{None as Nothing, Unknown};
    let table = [
        (400, ErrorKind::InvalidRequest, Nothing),
        (401, ErrorKind::Unauthenticated, Nothing),
        (403, ErrorKind::PermissionDenied, Nothing),
        (404, ErrorKind::NotFound(Missing::Unclear), Nothing),
        (408, ErrorKind::TimedOut, Unknown),
        (409, ErrorKind::Conflict, Nothing),
        (422, ErrorKind::InvalidRequest, Nothing),
        (429, ErrorKind::RateLimited("default".into()), Nothing),
        (302, ErrorKind::Protocol, Unknown),
        (500, ErrorKind::Unavailable, Unknown),
        (502, ErrorKind::Unavailable, Unknown),
        (503, ErrorKind::Unavailable, Unknown),
        (504, ErrorKind::Unavailable, Unknown),
    ];
    for (status, kind, effect) in table {
        let client = client(&answering(status, r#"{"message": "no", "code": "E7"}"#));
        let write = error(&client, Method::PUT).await;
        assert_eq!((write.kind(), write.effect(), write.code()), (&kind, effect, Some("E7")), "{status}");
        let read = error(&client, Method::GET).await;
        assert_eq!((read.kind(), read.effect()), (&kind, Nothing), "{status}");
    }
}

#[tokio::test]
async fn no_answer_is_unknown_only_for_a_write_that_may_have_arrived() {
    for (failure, sent, kind, effect) in [
        (TransportFailure::Connect, Sent::No, ErrorKind::Unavailable, Effect::None),
        (TransportFailure::Cut, Sent::Maybe, ErrorKind::Unavailable, Effect::Unknown),
        (TransportFailure::TimedOut, Sent::Maybe, ErrorKind::TimedOut, Effect::Unknown),
    ] {
        let http = MemoryTransport::with(move |_| async move { Err(TransportError::new(failure, sent)) });
        let write = error(&client(&http), Method::DELETE).await;
        assert_eq!((write.kind(), write.effect()), (&kind, effect));
        let read = error(&client(&http), Method::GET).await;
        assert_eq!((read.kind(), read.effect()), (&kind, Effect::None));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_times_out() {
    let http = MemoryTransport::with(|_| std::future::pending());
    let error = client(&http).timeout(Duration::from_secs(7)).post(path!["x"]).send(&CallContext::unlimited()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::TimedOut, Effect::Unknown));
}

#[tokio::test]
async fn broken_json_after_a_write_leaves_the_effect_unknown() {
    let client = client(&answering(200, r#"{"id": "secret-value", "#));
    let cx = CallContext::unlimited();
    let read = client.get(path!["x"]).send(&cx).await.unwrap().json::<serde_json::Value>().unwrap_err();
    assert_eq!((read.kind(), read.effect()), (&ErrorKind::Protocol, Effect::None));
    let write = client.post(path!["x"]).send(&cx).await.unwrap().json::<serde_json::Value>().unwrap_err();
    assert_eq!((write.kind(), write.effect()), (&ErrorKind::Protocol, Effect::Unknown));
    assert!(!write.to_string().contains("secret-value"));
    assert!(client.post(path!["x"]).send(&cx).await.unwrap().json_if_any::<serde_json::Value>().is_err());
    assert!(client.post(path!["x"]).send(&cx).await.unwrap().empty().is_err());
    let nothing = HttpClient::new("https://api.example", &answering(204, "")).unwrap().post(path!["x"]).send(&cx).await.unwrap();
    assert_eq!(nothing.json_if_any::<serde_json::Value>().unwrap(), None);
    nothing.empty().unwrap();
}

#[tokio::test]
async fn a_limit_is_recognised_by_the_vendors_own_signs() {
    let http = MemoryTransport::new(|_| {
        Response::builder().status(400).header("retry-after", "9").header("x-request-id", "r-1").body(r#"{"__type": "ThrottlingException"}"#.into()).unwrap()
    });
    let vendor = |answer: &Answer| match answer.value()["__type"].as_str() {
        Some("ThrottlingException") => Some(throttled(answer)),
        _ => by_status(answer),
    };
    let gate = Gate::default();
    let log = gate.log.clone();
    let client = client(&http).classifier(vendor).routes(Routes::new().any("/**", "idc"));
    let error = client.post(path!["x"]).send(&CallContext::new(Arc::new(gate))).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::RateLimited("idc".into()), RetryHint::After(Duration::from_secs(9))));
    assert_eq!(error.effect(), Effect::None);
    assert_eq!(error.request_id().unwrap(), "r-1");
    assert_eq!(log.lock().unwrap().last().unwrap(), "heard idc None Some(9s)");
}

/// Headers that speak of one limit on all requests.
struct OnAll;

impl ReadRate for OnAll {
    fn read(&self, status: StatusCode, headers: &HeaderMap, now: Timestamp) -> LaneReading {
        RateHeaders::default().read(status, headers, now)
    }

    fn lane(&self) -> Option<LaneId> {
        Some("all".into())
    }
}

#[tokio::test]
async fn headers_may_speak_of_another_lane_than_the_requests_own() {
    for (status, body, heard) in [(200, "{}", "heard all Some(7) None"), (429, "", "heard users None Some(9s)")] {
        let http = MemoryTransport::new(move |_| {
            let answer = Response::builder().status(status).header("x-ratelimit-remaining", "7").header("retry-after", "9");
            answer.body(body.into()).unwrap()
        });
        let gate = Gate::default();
        let log = gate.log.clone();
        let client = client(&http).rates(OnAll).routes(Routes::new().any("/**", "users"));
        let _ = client.get(path!["x"]).send(&CallContext::new(Arc::new(gate))).await;
        assert_eq!(log.lock().unwrap().last().unwrap(), heard);
    }
}

#[tokio::test]
async fn a_budget_of_all_requests_that_is_used_up_pauses_all_lanes() {
    let http = answering(429, "");
    let hour = Duration::from_secs(3600);
    let vendor = move |_: &Answer| Some(AdapterError::quota_exhausted("the hour's points are used up").with_hint(RetryHint::After(hour)));
    let gate = Gate::default();
    let log = gate.log.clone();
    let routes = Routes::new().any("/users/**", "users").any("/groups/**", "groups").on(Method::GET, "/groups/*", "groups");
    let error = client(&http).classifier(vendor).routes(routes).get(path!["users"]).send(&CallContext::new(Arc::new(gate))).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::QuotaExhausted, RetryHint::After(hour)));
    let log = log.lock().unwrap();
    assert_eq!(log[log.len() - 2..], ["heard groups None Some(3600s)", "heard users None Some(3600s)"]);
    assert_eq!(log.iter().filter(|line| line.starts_with("heard")).count(), 2);
}

#[tokio::test]
async fn a_reset_is_seen_from_the_servers_clock() {
    let http = MemoryTransport::new(|_| {
        Response::builder()
            .status(429)
            .header("date", "Tue, 14 Nov 2023 22:13:20 GMT")
            .header("x-rate-limit-limit", "25")
            .header("x-rate-limit-remaining", "0")
            .header("x-rate-limit-reset", "1700000010")
            .body(Bytes::new())
            .unwrap()
    });
    let rates = RateHeaders::named("x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset").slack(Duration::from_secs(1));
    // The caller's clock is years off and has no say.
    let error = client(&http).rates(rates).routes(Routes::new().any("/**", "users")).get(path!["x"]).send(&CallContext::unlimited()).await.unwrap_err();
    assert_eq!(error.hint(), RetryHint::After(Duration::from_secs(11)));
}

#[tokio::test]
async fn a_success_that_is_an_error_is_one() {
    let vendor = |answer: &Answer| (answer.value()["ok"] == false).then(|| AdapterError::refused("cannot").with_code("cant_kick_from_general"));
    let error = client(&answering(200, r#"{"ok": false}"#)).classifier(vendor).post(path!["x"]).send(&CallContext::unlimited()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Refused);
}

#[tokio::test]
async fn what_is_not_found_can_be_none() {
    let cx = CallContext::unlimited();
    assert!(client(&answering(404, "{}")).get(path!["x"]).send_if_found(&cx).await.unwrap().is_none());
    assert!(client(&answering(200, "")).get(path!["x"]).send_if_found(&cx).await.unwrap().is_some());
    assert!(client(&answering(500, "")).get(path!["x"]).send_if_found(&cx).await.is_err());
}

#[tokio::test]
async fn what_a_gateway_does_not_find_is_an_error() {
    let cx = CallContext::unlimited();
    for (status, body) in [(404, "<html><body>404 Not Found</body></html>"), (404, "default backend - 404"), (404, ""), (410, "gone"), (404, "\"no\"")] {
        let client = client(&answering(status, body));
        let read = client.get(path!["x"]).send_if_found(&cx).await.unwrap_err();
        assert_eq!((read.kind(), read.effect()), (&ErrorKind::Unavailable, Effect::None), "{body}");
        let write = client.delete(path!["x"]).send_if_found(&cx).await.unwrap_err();
        assert_eq!((write.kind(), write.effect()), (&ErrorKind::Unavailable, Effect::Unknown), "{body}");
    }
    // A classifier that knows its vendor's form, and does not find it, does not believe JSON either.
    let strict = |answer: &Answer| by_status_saying(answer, answer.value()["vendor"].as_str().map(str::to_owned));
    let of = async |body| client(&answering(404, body)).classifier(strict).get(path!["x"]).send_if_found(&cx).await;
    assert!(of(r#"{"message": "no route matched"}"#).await.is_err());
    assert!(of(r#"{"vendor": "nobody has this id"}"#).await.unwrap().is_none());
}

#[tokio::test]
async fn no_secret_shows_anywhere() {
    let secret = "00SuperSecretToken";
    let http = MemoryTransport::new(move |request| {
        assert!(request.headers()["authorization"].is_sensitive());
        assert!(!format!("{:?}", request.headers()["authorization"]).contains("Secret"));
        let body = format!(r#"{{"message": "token {secret} is bad, see https://api.example/help?token={secret}&a=1"}}"#);
        Response::builder().status(403).body(body.into()).unwrap()
    });
    for auth in [Auth::bearer(Secret::new(secret)), Auth::ssws(Secret::new(secret)), Auth::basic("me", Secret::new(secret))] {
        let client = client(&http).auth(auth.clone());
        let request = client.get(path!["x"]).query("token", secret).header("x-key", secret);
        for shown in [format!("{auth:?}"), format!("{client:?}"), format!("{request:?}")] {
            assert!(!shown.contains("SuperSecret"), "{shown}");
        }
        let error = request.send(&CallContext::unlimited()).await.unwrap_err();
        assert_eq!(error.to_string(), "the system answered 403: token [redacted] is bad, see https://api.example/help?…");
        assert!(!format!("{error:?}").contains("SuperSecret"));
    }
}

#[tokio::test]
async fn an_answer_keeps_its_content_to_itself() {
    let answer = client(&answering(200, r#"{"access_token": "t0ken"}"#)).get(path!["x"]).send(&CallContext::unlimited()).await.unwrap();
    assert_eq!(answer.access(), Access::Read);
    assert_eq!(format!("{answer:?}"), "Answer { status: 200, bytes: 25, request_id: None, .. }");
}

#[tokio::test]
async fn a_request_may_name_its_lane_over_the_routes() {
    let gate = Gate::default();
    let log = gate.log.clone();
    let cx = CallContext::new(Arc::new(gate));
    let client = client(&answering(200, "{}")).routes(Routes::new().any("/**", "all").costing(3));
    client.post(path![]).lane("jobs").send(&cx).await.unwrap();
    client.post(path![]).send(&cx).await.unwrap();
    let permits: Vec<_> = log.lock().unwrap().iter().filter(|line| line.starts_with("permit")).cloned().collect();
    assert_eq!(permits, ["permit jobs Write 1", "permit all Write 3"]);
}

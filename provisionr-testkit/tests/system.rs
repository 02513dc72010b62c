//! What every fake has from the framework, shown on the smallest one, over the in-memory front end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use provisionr_http::{Sent, Transport, TransportError, TransportFailure};
use provisionr_testkit::{Act, ActError, Fake, FakeClock, FakeContext, FakeRequest, FakeResponse, FakeSystem, Fault, MemoryTransport, OktaFake, Router};
use serde_json::{Value, json};

/// Badges by name.
#[derive(Clone, Default)]
struct Badges(BTreeMap<String, Value>);

impl Badges {
    fn put(&mut self, name: &str, badge: &Value, cx: &mut FakeContext) {
        if self.0.get(name) != Some(badge) {
            self.0.insert(name.to_owned(), badge.clone());
            cx.emit("badge.put", json!({ "name": name, "badge": badge }));
        }
    }
}

fn routes() -> Router<Badges> {
    Router::<Badges>::new()
        .get("/badges", |badges, _, _| Ok(FakeResponse::json(200, &json!({ "items": badges.0.keys().collect::<Vec<_>>(), "next": "p2" }))))
        .put("/badges/{name}", |badges, call, cx| {
            let badge: Value = call.request.json().map_err(|_| FakeResponse::empty(400))?;
            badges.put(call.param("name"), &badge, cx);
            Ok(FakeResponse::empty(204))
        })
        .get("/panic", |_, _, _| panic!("out of badges"))
}

impl Fake for Badges {
    fn system_type(&self) -> &'static str {
        "badges"
    }

    fn handle(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> FakeResponse {
        routes().dispatch(self, request, cx)
    }

    fn seed(&mut self, seed: &Value, _cx: &mut FakeContext) -> Result<(), ActError> {
        self.0 = serde_json::from_value(seed.clone())?;
        Ok(())
    }

    fn state(&self) -> Value {
        json!(self.0)
    }

    fn act(&mut self, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
        match act.act.as_str() {
            "put" => self.put(act.text("name")?, &act.args["badge"], cx),
            _ => return Err(act.unknown()),
        }
        Ok(Value::Null)
    }

    fn snapshot(&self) -> Box<dyn Fake> {
        Box::new(self.clone())
    }

    fn throttle_response(&self, _request: &FakeRequest, pause: Duration, _cx: &FakeContext) -> FakeResponse {
        FakeResponse::empty(429).with_header("retry-after", pause.as_secs().to_string())
    }

    fn error_response(&self, status: u16, _cx: &FakeContext) -> FakeResponse {
        FakeResponse::json(status, &json!({ "error": status }))
    }
}

async fn ask(badges: &FakeSystem<Badges>, method: &str, target: &str) -> Result<(u16, Value), TransportError> {
    let body = if method == "PUT" { Bytes::from("1") } else { Bytes::new() };
    let request = http::Request::builder().method(method).uri(format!("https://badges.test{target}")).body(body).unwrap();
    let response = badges.transport().send(request).await?;
    Ok((response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or(Value::Null)))
}

async fn names(badges: &FakeSystem<Badges>) -> Value {
    ask(badges, "GET", "/badges").await.unwrap().1["items"].clone()
}

#[tokio::test(start_paused = true)]
async fn errors_and_throttles_touch_nothing() {
    let badges = FakeSystem::new(Badges::default());
    badges.fault(Fault::status(503).on("PUT", "/badges/*"));
    badges.fault(Fault::throttle(Duration::from_secs(7)).on("PUT", "/badges/*"));
    assert_eq!(ask(&badges, "PUT", "/badges/a").await.unwrap(), (503, json!({ "error": 503 })));
    assert_eq!(badges.unused_faults().len(), 1);
    assert_eq!(ask(&badges, "PUT", "/badges/a").await.unwrap().0, 429);
    assert_eq!(badges.state(), json!({}));
    assert_eq!(ask(&badges, "PUT", "/badges/a").await.unwrap().0, 204);
    assert_eq!((badges.state(), badges.unused_faults()), (json!({ "a": 1 }), vec![]));
    let faults: Vec<_> = badges.log().into_iter().map(|entry| entry.fault).collect();
    assert_eq!(faults, [Some("status".to_owned()), Some("throttle".to_owned()), None]);
}

#[tokio::test(start_paused = true)]
async fn cuts_say_whether_the_request_may_have_arrived() {
    let badges = FakeSystem::new(Badges::default());
    badges.fault(Fault::reset_before());
    badges.fault(Fault::reset_after());
    badges.fault(Fault::partial_body(1));
    badges.fault(Fault::outage(Duration::from_secs(30)));
    for (effects, failure, sent) in [
        (0, TransportFailure::Cut, Sent::Maybe),
        (1, TransportFailure::Cut, Sent::Maybe),
        (1, TransportFailure::Cut, Sent::Maybe),
        (1, TransportFailure::Connect, Sent::No),
        (1, TransportFailure::Connect, Sent::No),
    ] {
        let error = ask(&badges, "PUT", "/badges/a").await.unwrap_err();
        assert_eq!((badges.effects("badge.put"), error.failure(), error.sent()), (effects, failure, sent));
    }
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(ask(&badges, "PUT", "/badges/a").await.unwrap().0, 204);
}

#[tokio::test(start_paused = true)]
async fn a_late_effect_lands_after_its_timeout_and_after_the_next_write() {
    let badges = FakeSystem::new(Badges::default());
    badges.fault(Fault::late_effect(Duration::from_secs(60)));
    tokio::time::timeout(Duration::from_secs(30), ask(&badges, "PUT", "/badges/late")).await.unwrap_err();
    assert_eq!(names(&badges).await, json!([]));
    ask(&badges, "PUT", "/badges/next").await.unwrap();
    assert_eq!(names(&badges).await, json!(["next"]));
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(names(&badges).await, json!(["late", "next"]));
    let times: Vec<_> = badges.events().iter().map(|event| event.text("name").to_owned()).collect();
    assert_eq!(times, ["next", "late"]);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_takes_effect_at_once() {
    let badges = FakeSystem::new(Badges::default());
    badges.fault(Fault::late_answer(Duration::from_secs(60)));
    tokio::time::timeout(Duration::from_secs(30), ask(&badges, "PUT", "/badges/a")).await.unwrap_err();
    assert_eq!(names(&badges).await, json!(["a"]));
    let start = badges.clock().now();
    badges.fault(Fault::late_answer(Duration::from_secs(60)));
    assert_eq!(ask(&badges, "PUT", "/badges/b").await.unwrap().0, 204);
    assert_eq!(badges.clock().now().since(start), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn reads_that_lag_show_the_state_of_then() {
    let badges = FakeSystem::new(Badges::default());
    badges.fault(Fault::lag(Duration::from_secs(10)).on("GET", "/badges"));
    badges.seed(&json!({ "seeded": 1 })).unwrap();
    assert_eq!(names(&badges).await, json!(["seeded"]));
    ask(&badges, "PUT", "/badges/x").await.unwrap();
    tokio::time::advance(Duration::from_secs(6)).await;
    badges.act(Act::new("put", json!({ "name": "y" }))).unwrap();
    assert_eq!(names(&badges).await, json!(["seeded"]));
    tokio::time::advance(Duration::from_secs(4)).await;
    assert_eq!(names(&badges).await, json!(["seeded", "x"]));
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(names(&badges).await, json!(["seeded", "x", "y"]));
    assert_eq!(badges.state(), json!({ "seeded": 1, "x": 1, "y": null }));
}

#[tokio::test(start_paused = true)]
async fn a_truncated_page_keeps_its_cursor() {
    let badges = FakeSystem::new(Badges::default());
    badges.seed(&json!({ "a": 1, "b": 2, "c": 3 })).unwrap();
    badges.fault(Fault::truncate_page(1));
    assert_eq!(ask(&badges, "GET", "/badges").await.unwrap().1, json!({ "items": ["a"], "next": "p2" }));
    assert_eq!(names(&badges).await, json!(["a", "b", "c"]));
}

#[tokio::test(start_paused = true)]
async fn exchanges_are_kept_on_demand_with_the_answers_of_the_fake_itself() {
    let badges = FakeSystem::new(Badges::default());
    ask(&badges, "GET", "/badges").await.unwrap();
    assert!(badges.exchanges().is_empty());
    badges.record_exchanges();
    badges.fault(Fault::status(503));
    badges.fault(Fault::reset_after());
    badges.fault(Fault::partial_body(1));
    for _ in 0..4 {
        let _ = ask(&badges, "GET", "/badges").await;
    }
    let exchanges = badges.exchanges();
    let answers: Vec<_> = exchanges.iter().map(|exchange| exchange.answer.as_ref().map(|answer| (answer.status, answer.to_json()))).collect();
    let whole = Some((200, json!({ "items": [], "next": "p2" })));
    assert_eq!(answers, [None, whole.clone(), whole.clone(), whole]);
    assert!(exchanges.iter().all(|exchange| exchange.request.path == "/badges"));
    badges.clear_log();
    assert!(badges.exchanges().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_fake_moves_another_after_a_while() {
    let clock = FakeClock::new();
    let okta = FakeSystem::with_clock(OktaFake::new().with_user("a@x.com").with_provisioning_app("badges", "Badges"), clock.clone());
    let badges = FakeSystem::with_clock(Badges::default(), clock);
    okta.link("app.user_provisioned", &badges, |event| {
        let act = Act::new("put", json!({ "name": event.text("login"), "badge": event.text("email") }));
        (event.text("appName") == "badges").then(|| act.after(Duration::from_secs(5)))
    });
    okta.act(Act::new("assign_app", json!({ "user": "a@x.com", "app": "badges" })).after(Duration::from_secs(1))).unwrap();
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(names(&badges).await, json!([]));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(names(&badges).await, json!(["a@x.com"]));
    assert_eq!(badges.effects("badge.put"), 0, "an act is no request's effect");
    assert_eq!(badges.events().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn several_fakes_share_a_transport_by_host() {
    let (badges, okta) = (FakeSystem::new(Badges::default()), OktaFake::new().start());
    let transport = MemoryTransport::new().host("badges.test", &badges).host("okta.test", &okta);
    let send = async |uri: &str| transport.send(http::Request::get(uri).body(Bytes::new()).unwrap()).await.map(|response| response.status().as_u16());
    assert_eq!(send("https://badges.test/badges").await.unwrap(), 200);
    assert_eq!(send("https://okta.test/api/v1/users").await.unwrap(), 401);
    assert_eq!(send("https://elsewhere.test/badges").await.unwrap_err().failure(), TransportFailure::Connect);
}

#[tokio::test(start_paused = true)]
async fn problems_fail_the_test_once() {
    let badges = FakeSystem::new(Badges::default());
    assert_eq!(ask(&badges, "GET", "/nothing").await.unwrap().0, 501);
    assert_eq!(ask(&badges, "GET", "/panic").await.unwrap(), (500, json!({ "error": 500 })));
    badges.act(Act::new("dance", json!({})).after(Duration::from_secs(1))).unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(
        badges.problems(),
        ["the fake does not answer to GET /nothing (no route)", "GET /panic: the fake panicked: out of badges", "act `dance`: no act is called `dance`"]
    );
    assert_eq!(names(&badges).await, json!([]), "the fake goes on after a panic");
    assert!(catch_unwind(AssertUnwindSafe(|| badges.verify())).is_err());
    badges.verify();
    ask(&badges, "GET", "/nothing").await.unwrap();
    assert_eq!(badges.take_problems().len(), 1);
    drop(badges);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_answer_ends() {
    let badges = FakeSystem::new(Badges::default());
    badges.fault(Fault::late_answer(Duration::from_secs(3600)));
    assert_eq!(ask(&badges, "GET", "/badges").await.unwrap_err().failure(), TransportFailure::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_fake_that_runs_for_long_keeps_the_last_requests_and_events() {
    let badges = FakeSystem::new(Badges::default());
    for name in ["a", "b", "c"] {
        ask(&badges, "PUT", &format!("/badges/{name}")).await.unwrap();
    }
    badges.keep_last(2);
    let numbers = || badges.log().iter().map(|entry| entry.number).collect::<Vec<_>>();
    let put = || badges.events().iter().map(|event| event.text("name").to_owned()).collect::<Vec<_>>();
    assert_eq!((numbers(), put()), (vec![2, 3], vec!["b".to_owned(), "c".to_owned()]));
    for unknown in ["/x", "/y", "/z"] {
        assert_eq!(ask(&badges, "GET", unknown).await.unwrap().0, 501);
    }
    assert_eq!((numbers(), put().len()), (vec![5, 6], 2));
    assert_eq!(badges.take_problems().len(), 2);
    // What is kept is still found by its number: the answer is noted in the log.
    assert_eq!(badges.log()[1].status, Some(501));
}

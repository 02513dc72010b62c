//! What the fake refuses: requests that are not signed as they should be, operations and members it does not play.

use std::time::Duration;

use bytes::Bytes;
use provisionr_adapters::aws::{AccessKeys, IdentityCenterConfig};
use provisionr_http::{MemoryTransport, Transport};
use provisionr_sdk::{AccountQuery, Adapter, CallContext, Secret};
use provisionr_testkit::aws::AwsFake;
use provisionr_testkit::{FakeSystem, Limit};
use serde_json::{Value, json};

/// Signs as the adapter does, then changes the request; the type of the error.
async fn refused(aws: &FakeSystem<AwsFake>, change: impl Fn(&mut http::Request<Bytes>) + Send + Sync + Clone + 'static) -> String {
    let inner = aws.transport();
    let told = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let answer = told.clone();
    let transport = MemoryTransport::with(move |mut request: http::Request<Bytes>| {
        let (inner, change, told) = (inner.clone(), change.clone(), told.clone());
        async move {
            change(&mut request);
            let answer = inner.send(request).await?;
            let body: Value = serde_json::from_slice(answer.body()).unwrap();
            *told.lock().unwrap() = body["__type"].as_str().unwrap_or("").to_owned();
            Ok(answer)
        }
    });
    let keys = AccessKeys::new(AwsFake::ACCESS_KEY_ID, Secret::new(AwsFake::SECRET_ACCESS_KEY));
    let config = IdentityCenterConfig::new(AwsFake::REGION, AwsFake::INSTANCE, AwsFake::IDENTITY_STORE).access_keys(keys);
    let adapter = config.connect("aws", &transport).unwrap();
    let _ = adapter.find_account(&CallContext::unlimited(), &AccountQuery::by("user_name", "a@x.com")).await;
    answer.lock().unwrap().clone()
}

/// What a caller gets wrong.
type Spoil = fn(&mut http::Request<Bytes>);

fn header(request: &mut http::Request<Bytes>, name: &'static str, change: impl Fn(&str) -> String) {
    let value = change(request.headers()[name].to_str().unwrap());
    request.headers_mut().insert(name, value.parse().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_request_is_held_to_its_signature() {
    let aws = AwsFake::new().with_user("a@x.com").start();
    assert_eq!(refused(&aws, |_| {}).await, "", "a request that is signed as it should be is let in");
    let cases: [(&str, Spoil); 9] = [
        ("MissingAuthenticationTokenException", |request| drop(request.headers_mut().remove("authorization"))),
        ("IncompleteSignatureException", |request| header(request, "authorization", |value| value.replace("Signature=", "Sig="))),
        ("UnrecognizedClientException", |request| header(request, "authorization", |value| value.replace(AwsFake::ACCESS_KEY_ID, "AKIAOTHER"))),
        ("UnrecognizedClientException", |request| drop(request.headers_mut().insert("x-amz-security-token", "t".parse().unwrap()))),
        ("InvalidSignatureException", |request| *request.body_mut() = Bytes::from_static(b"{}")),
        ("InvalidSignatureException", |request| header(request, "x-amz-target", |_| "AWSIdentityStore.ListUsers".to_owned())),
        ("InvalidSignatureException", |request| header(request, "authorization", |value| value.replace(AwsFake::REGION, "us-east-1"))),
        ("InvalidSignatureException", |request| header(request, "authorization", |value| value.replace("/identitystore/", "/sso/"))),
        ("InvalidSignatureException", |request| drop(request.headers_mut().insert("x-amz-more", "unsigned".parse().unwrap()))),
    ];
    for (at, (code, change)) in cases.into_iter().enumerate() {
        assert_eq!(refused(&aws, change).await, code, "case {at}");
    }
    // A clock that is off by more than five minutes; the fake's goes ahead, the caller's stays.
    tokio::time::advance(Duration::from_secs(299)).await;
    assert_eq!(refused(&aws, |_| {}).await, "");
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(refused(&aws, |_| {}).await, "InvalidSignatureException");
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_refused_with_status_400() {
    let aws = AwsFake::new().with_user("a@x.com").with_limit(Limit::new(1, Duration::from_secs(7))).start();
    assert_eq!(refused(&aws, |_| {}).await, "ThrottlingException");
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "AWSIdentityStore.CreateGroup")]
async fn what_it_does_not_play_fails_the_test() {
    let aws = AwsFake::new().start();
    let request = http::Request::post("https://identitystore.test/").header("x-amz-target", "AWSIdentityStore.CreateGroup").body(Bytes::from("{}"));
    let _ = aws.transport().send(request.unwrap()).await;
    aws.verify();
}

#[test]
#[should_panic(expected = "unknown field `grups`")]
fn a_seed_of_another_form_is_refused() {
    let _ = AwsFake::new().seeded(&json!({ "grups": [] }));
}

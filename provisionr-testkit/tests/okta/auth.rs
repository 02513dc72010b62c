//! Credentials, scopes and rate limits.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use provisionr_http::Transport;
use provisionr_testkit::{Act, FakeSystem, Limit, OktaFake};
use serde_json::{Value, json};

use crate::client::{Client, start};

#[tokio::test(start_paused = true)]
async fn unknown_and_revoked_tokens_are_refused() {
    let (okta, client) = start(OktaFake::new());
    assert_eq!(client.get("/api/v1/users/me").await.body["profile"]["login"], OktaFake::ADMIN);
    let without_space = client.send_as(&format!("SSWS{}", OktaFake::TOKEN), "GET", "/api/v1/users/me", None).await.unwrap();
    assert_eq!(without_space.status, 200, "as Okta's SDK for Python sends it");
    for authorization in ["SSWS wrong", "Bearer wrong", "nonsense", OktaFake::TOKEN] {
        let seen = client.send_as(authorization, "GET", "/api/v1/users/me", None).await.unwrap();
        assert_eq!((seen.status, seen.code()), (401, "E0000011"), "{authorization}");
    }
    okta.act(Act::new("revoke_token", json!({ "token": OktaFake::TOKEN }))).unwrap();
    assert_eq!(client.get("/api/v1/users/me").await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_missing_scope_switches_off_that_ability_only() {
    let token = json!({ "token": "reader", "owner": OktaFake::ADMIN, "scopes": ["okta.users.read", "okta.groups.manage"] });
    let (_okta, client) = start(OktaFake::new().seeded(&json!({ "tokens": [token] })));
    let ask = async |method: &str, target: &str, body: Option<Value>| client.send_as("SSWS reader", method, target, body).await.unwrap().status;
    assert_eq!(ask("GET", "/api/v1/users", None).await, 200);
    assert_eq!(ask("POST", "/api/v1/users", Some(json!({}))).await, 403);
    assert_eq!(ask("GET", "/api/v1/groups", None).await, 200);
    assert_eq!(ask("GET", "/api/v1/apps", None).await, 403);
}

async fn token(okta: &FakeSystem<OktaFake>, claims: Value, scope: &str) -> (u16, Value) {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let assertion = format!("{}.{}.c2ln", part(&json!({ "alg": "RS256", "kid": "k1" })), part(&claims));
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", scope),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", &assertion),
    ];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = http::Request::post("https://acme.okta.com/oauth2/v1/token").body(Bytes::from(body)).unwrap();
    let response = okta.transport().send(request).await.unwrap();
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_service_app_gets_a_token_for_an_hour() {
    let (okta, client) = start(OktaFake::new());
    let now = okta.clock().now().as_millis() / 1000;
    let claims = json!({ "iss": OktaFake::CLIENT_ID, "sub": OktaFake::CLIENT_ID, "aud": "https://acme.okta.com/oauth2/v1/token", "exp": now + 300 });
    let (status, body) = token(&okta, claims.clone(), "okta.users.read okta.groups.read").await;
    assert_eq!((status, &body["expires_in"], &body["token_type"]), (200, &json!(3600), &json!("Bearer")));
    let bearer = format!("Bearer {}", body["access_token"].as_str().unwrap());
    let ask = async |client: &Client, target: &str| client.send_as(&bearer, "GET", target, None).await.unwrap().status;
    assert_eq!(ask(&client, "/api/v1/users").await, 200);
    assert_eq!(ask(&client, "/api/v1/apps").await, 403);
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(ask(&client, "/api/v1/users").await, 401);

    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let late = okta.clock().now().as_millis() / 1000;
    assert_eq!(token(&okta, claims.clone(), "okta.users.read").await.0, 401, "an expired assertion");
    assert_eq!(token(&okta, with("exp", json!(late + 7200)), "okta.users.read").await.0, 401, "a long-lived assertion");
    let fresh = with("exp", json!(late + 60));
    assert_eq!(token(&okta, fresh.clone(), "okta.logs.read").await.0, 400, "a scope that was not granted");
    assert_eq!(token(&okta, fresh, "okta.users.read").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_full_bucket_answers_in_oktas_words_until_it_is_new() {
    let (okta, client) = start(OktaFake::new().with_limit(Limit::new(2, Duration::from_secs(60)).on("GET", "/api/v1/users/**")));
    assert_eq!(client.get("/api/v1/users/me").await.header("x-rate-limit-remaining"), "1");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(client.get("/api/v1/users/me").await.header("x-rate-limit-remaining"), "0");
    let full = client.get("/api/v1/users/me").await;
    assert_eq!((full.status, full.code(), full.header("x-rate-limit-remaining")), (429, "E0000047", "0"));
    let now = okta.clock().now().as_millis();
    let reset: i64 = full.header("x-rate-limit-reset").parse::<i64>().unwrap() * 1000;
    assert!((now + 50_000..now + 51_000).contains(&reset), "rounded up to whole seconds");
    let date = httpdate::parse_http_date(full.header("date")).unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(date.as_secs() as i64, now / 1000);
    assert_eq!(client.get("/api/v1/groups").await.status, 200, "another family has a bucket of its own");
    tokio::time::advance(Duration::from_secs(50)).await;
    assert_eq!(client.get("/api/v1/users/me").await.status, 200);
}

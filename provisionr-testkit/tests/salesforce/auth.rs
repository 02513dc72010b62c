//! Sessions, rights and limits.

use std::time::Duration;

use base64::Engine;
use provisionr_http::Transport;
use provisionr_testkit::{Act, SalesforceFake};
use serde_json::json;

use crate::client::start;

#[tokio::test(start_paused = true)]
async fn a_session_is_needed_and_ends() {
    let (fake, client) = start(SalesforceFake::new());
    let users = "/services/data/v62.0/query?q=SELECT Id FROM User";
    assert_eq!(client.send_as("wrong", "GET", users, None).await.code(), "INVALID_SESSION_ID");
    assert_eq!(client.send_as(SalesforceFake::TOKEN, "GET", users, None).await.status, 200);
    assert_eq!(client.send_as(SalesforceFake::TOKEN, "GET", "/services/data/v99.0/limits", None).await.code(), "NOT_FOUND");
    fake.act(Act::new("expire_sessions", json!({}))).unwrap();
    let seen = client.send_as(SalesforceFake::TOKEN, "GET", users, None).await;
    assert_eq!((seen.status, seen.code()), (401, "INVALID_SESSION_ID"));
}

#[tokio::test(start_paused = true)]
async fn an_assertion_has_to_be_as_the_flow_wants_it() {
    let (_, client) = start(SalesforceFake::new());
    let encode = |value: serde_json::Value| base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let now = provisionr_sdk::Timestamp::now().as_millis() / 1000;
    let claims = |audience: &str, user: &str, lives: i64| json!({ "iss": SalesforceFake::CONSUMER_KEY, "sub": user, "aud": audience, "exp": now + lives });
    let login = "https://login.salesforce.com";
    for (claims, status) in [
        (claims(login, SalesforceFake::ADMIN, 120), 200),
        (json!({ "iss": SalesforceFake::CONSUMER_KEY, "sub": SalesforceFake::ADMIN, "aud": login, "exp": (now + 120).to_string() }), 200),
        (claims("https://acme.my.salesforce.com/services/oauth2/token", SalesforceFake::ADMIN, 120), 400),
        (claims(login, "nobody@example.com", 120), 400),
        (claims(login, SalesforceFake::ADMIN, 3600), 400),
        (claims(login, SalesforceFake::ADMIN, -60), 400),
    ] {
        let assertion = format!("{}.{}.c2ln", encode(json!({ "alg": "RS256" })), encode(claims.clone()));
        let form = format!("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion={assertion}");
        let seen = client.send_raw("none", "POST", "/services/oauth2/token", form.into(), "application/x-www-form-urlencoded").await;
        assert_eq!(seen.status, status, "{claims} {}", seen.body);
        if status == 200 {
            assert_eq!((&seen.body["instance_url"], seen.body.get("expires_in")), (&json!("https://acme.my.salesforce.com"), None));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_app_may_send_its_secret_in_the_body_or_in_a_header() {
    let (fake, _) = start(SalesforceFake::new());
    let ask = async |authorization: Option<String>, form: String| {
        let request = http::Request::post("https://acme.my.salesforce.com/services/oauth2/token").header("content-type", "application/x-www-form-urlencoded");
        let request = authorization.into_iter().fold(request, |request, value| request.header("authorization", value));
        fake.transport().send(request.body(form.into()).unwrap()).await.unwrap().status()
    };
    let (key, grant) = (SalesforceFake::CONSUMER_KEY, "grant_type=client_credentials");
    let basic = |secret: &str| Some(format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(format!("{key}:{secret}"))));
    assert_eq!(ask(None, format!("{grant}&client_id={key}&client_secret={}", SalesforceFake::SECRET)).await, 200);
    assert_eq!(ask(basic(SalesforceFake::SECRET), grant.to_owned()).await, 200);
    assert_eq!(ask(basic("wrong"), grant.to_owned()).await, 401);
    assert_eq!(ask(None, format!("{grant}&client_id={key}")).await, 401);
}

#[tokio::test(start_paused = true)]
async fn the_quota_is_of_the_last_day_and_every_answer_tells_it() {
    let (_, client) = start(SalesforceFake::new().with_settings(|settings| settings.daily_calls = 2));
    for used in ["api-usage=1/2", "api-usage=2/2"] {
        assert_eq!(client.query("SELECT Id FROM User").await.headers["sforce-limit-info"], used);
    }
    let seen = client.query("SELECT Id FROM User").await;
    assert_eq!((seen.status, seen.code(), seen.headers.contains_key("retry-after")), (403, "REQUEST_LIMIT_EXCEEDED", false));
    tokio::time::advance(Duration::from_secs(24 * 3600)).await;
    assert_eq!(client.query("SELECT Id FROM User").await.headers["sforce-limit-info"], "api-usage=1/2");
}

#[tokio::test(start_paused = true)]
async fn rights_hide_objects_and_forbid_writes() {
    let reader = json!({ "tokens": [{ "token": "reader", "username": SalesforceFake::ADMIN, "permissions": ["ViewSetup"] }] });
    let (fake, client) = start(SalesforceFake::new().with_group("Team").with_user("a@x.com").seeded(&reader));
    let ask = async |soql: &str| client.send_as("reader", "GET", &format!("/services/data/v62.0/query?q={soql}"), None).await;
    assert_eq!(ask("SELECT Id FROM UserLogin").await.code(), "INVALID_TYPE");
    assert_eq!(ask("SELECT Id FROM PermissionSetAssignment").await.status, 200);
    let body = json!({ "GroupId": fake.id("Group", "Team"), "UserOrGroupId": fake.id("User", "a@x.com") });
    let seen = client.send_as("reader", "POST", "/services/data/v62.0/sobjects/GroupMember", Some(body)).await;
    assert_eq!((seen.status, seen.code(), fake.events().len()), (403, "INSUFFICIENT_ACCESS_OR_READONLY", 0));
}

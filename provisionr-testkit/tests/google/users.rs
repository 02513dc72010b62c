//! Users, credentials and limits.

use std::time::Duration;

use provisionr_testkit::google::RetryAfter;
use provisionr_testkit::{Act, GoogleFake, Limit};
use serde_json::{Value, json};

use crate::client::start;

fn sarah() -> Value {
    json!({ "primaryEmail": "sarah@example.com", "password": "long enough", "name": { "givenName": "Sarah", "familyName": "Chen" } })
}

#[tokio::test(start_paused = true)]
async fn a_user_needs_name_password_and_a_domain_of_the_customer() {
    let (google, client) = start(GoogleFake::new().with_group("team@example.com", &[]));
    for (name, value, reason) in [
        ("password", json!("short"), "invalid"),
        ("password", Value::Null, "invalid"),
        ("name", json!({ "givenName": "Sarah" }), "invalid"),
        ("primaryEmail", json!("sarah@elsewhere.org"), "notFound"),
        ("primaryEmail", json!("team@example.com"), "duplicate"),
        ("orgUnitPath", json!("/nowhere"), "invalid"),
    ] {
        let mut body = sarah();
        body[name] = value;
        assert_eq!(client.send("POST", "users", Some(body)).await.refusal().1, reason, "{name}");
    }
    let made = client.send("POST", "users", Some(sarah())).await;
    let id = made.body["id"].as_str().unwrap();
    assert!(id.len() == 21 && id.bytes().all(|digit| digit.is_ascii_digit()), "{id}");
    assert_eq!(client.send("POST", "users", Some(sarah())).await.refusal(), (409, "duplicate", "Entity already exists."));
    assert!(!google.state().to_string().contains("long enough"), "passwords are not kept");
    assert_eq!(google.effects("user.created"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_named_changes_null_clears_and_a_rename_leaves_an_alias() {
    let (google, client) = start(GoogleFake::new().with_user("a@example.com"));
    let put = async |body: Value| client.send("PUT", "users/a@example.com", Some(body)).await;
    put(json!({ "phones": [{ "type": "work", "value": "1" }], "recoveryEmail": "x@y.org", "name": { "familyName": "New" } })).await;
    assert_eq!(client.send("PATCH", "users/a@example.com", Some(json!({ "phones": [] }))).await.body["phones"][0]["value"], "1");
    let seen = put(json!({ "phones": [], "recoveryEmail": null, "primaryEmail": "b@example.com" })).await.body;
    assert_eq!((seen.get("phones"), seen.get("recoveryEmail"), &seen["name"]["fullName"]), (None, None, &json!("a New")));
    assert_eq!((&seen["aliases"], google.user_id("a@example.com")), (&json!(["a@example.com"]), google.user_id("b@example.com")));
    let before = google.events().len();
    put(json!({ "name": { "familyName": "New" } })).await;
    assert_eq!(google.events().len(), before, "a repeat has no effect");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_user_leaves_its_groups_and_can_be_restored_for_a_while() {
    let (google, client) = start(GoogleFake::new().with_user("a@example.com").with_group("crew@example.com", &["a@example.com"]));
    let id = google.user_id("a@example.com").unwrap();
    assert_eq!(client.send("DELETE", "users/a@example.com", None).await.status, 204);
    assert_eq!(client.get("users/a@example.com").await.refusal(), (404, "notFound", "Resource Not Found: userKey"));
    assert_eq!(client.get("users?customer=my_customer&showDeleted=true").await.each("users", "id"), [&id]);
    let undelete = async || client.send("POST", &format!("users/{id}/undelete"), Some(json!({ "orgUnitPath": "/" }))).await;
    assert_eq!(undelete().await.status, 204);
    assert_eq!((google.user_id("a@example.com"), google.groups_of("a@example.com").len()), (Some(id.clone()), 0));
    client.send("DELETE", "users/a@example.com", None).await;
    tokio::time::advance(Duration::from_secs(21 * 24 * 3600)).await;
    assert_eq!(undelete().await.refusal().1, "conditionNotMet");
}

#[tokio::test(start_paused = true)]
async fn a_new_user_is_not_complete_at_once() {
    let (_google, client) = start(GoogleFake::new().with_settings(|settings| settings.creation_completes = Duration::from_secs(30)));
    client.send("POST", "users", Some(sarah())).await;
    let suspend = async || client.send("PUT", "users/sarah@example.com", Some(json!({ "suspended": true }))).await;
    assert_eq!(suspend().await.refusal(), (412, "conditionNotMet", "User creation is not complete."));
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(suspend().await.body["suspensionReason"], "ADMIN");
}

#[tokio::test(start_paused = true)]
async fn what_another_system_makes_and_what_google_suspends() {
    let (google, client) = start(GoogleFake::new().with_org_unit("/corp/sales"));
    let act = |act: &str, args: Value| google.act(Act::new(act, args)).unwrap();
    act("provision_user", json!({ "email": "a@example.com", "org_unit": "/corp/sales", "fields": { "recoveryEmail": "x@y.org" } }));
    act("provision_user", json!({ "email": "a@example.com", "fields": { "suspended": false, "recoveryEmail": "z@y.org" } }));
    act("suspend_user", json!({ "user": "a@example.com", "reason": "ABUSIVE" }));
    let seen = client.get("users/a@example.com").await.body;
    assert_eq!((&seen["suspensionReason"], &seen["recoveryEmail"], &seen["orgUnitPath"]), (&json!("ABUSIVE"), &json!("z@y.org"), &json!("/corp/sales")));
    let kinds: Vec<String> = google.events().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["user.created", "user.updated", "user.suspended"]);
    let found = async |query: &str| client.get(&format!("users?customer=my_customer&query={query}")).await.each("users", "primaryEmail").len();
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!([found("orgUnitPath=/corp").await, found("orgUnitPath='/corp/sales' isSuspended=true").await, found("orgUnitPath=/co").await], [1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_scope_switches_off_that_ability_only() {
    let token = json!({ "token": "reader", "admin": GoogleFake::ADMIN, "scopes": ["admin.directory.user.readonly", "admin.directory.group.member"] });
    let (_google, client) = start(GoogleFake::new().with_group("crew@example.com", &[]).seeded(&json!({ "tokens": [token] })));
    let ask = async |method: &str, target: &str| client.send_as(Some("Bearer reader"), method, target, Some(json!({}))).await.status;
    assert_eq!(ask("GET", "users?customer=my_customer").await, 200);
    assert_eq!(ask("GET", "groups/crew@example.com/members").await, 200);
    for (method, target) in [("POST", "users"), ("GET", "groups/crew@example.com"), ("GET", "customer/my_customer/orgunits"), ("POST", "users/x/signOut")] {
        assert_eq!(ask(method, target).await, 403, "{method} {target}");
    }
    assert_eq!(client.send_as(None, "GET", "users", None).await.refusal(), (401, "required", "Login Required"));
    assert_eq!(client.send_as(Some("Bearer x"), "GET", "users", None).await.refusal(), (401, "authError", "Invalid Credentials"));
}

#[tokio::test(start_paused = true)]
async fn a_used_up_minute_is_a_403_of_its_own() {
    for (setting, told) in [(RetryAfter::Left, false), (RetryAfter::Sent, true)] {
        let customer = GoogleFake::new().with_limit(Limit::new(1, Duration::from_secs(60))).with_settings(|settings| settings.retry_after = setting);
        let (google, client) = start(customer);
        assert_eq!(client.get("users?customer=my_customer").await.status, 200);
        assert_eq!(client.get("users?customer=my_customer").await.refusal(), (403, "userRateLimitExceeded", "User Rate Limit Exceeded"));
        let request = http::Request::get("https://admin.googleapis.com/admin/directory/v1/users").body(bytes::Bytes::new()).unwrap();
        let answer = provisionr_http::Transport::send(&google.transport(), request).await.unwrap();
        assert_eq!(answer.headers().contains_key("retry-after"), told);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(client.get("users?customer=my_customer").await.status, 200);
    }
}

//! Users of an enterprise over SCIM: as the vendor describes them, and what the description leaves to words.

#[cfg(feature = "descriptions")]
use provisionr_testkit::description::Description;
use provisionr_testkit::{FakeSystem, GithubFake};
use serde_json::{Value, json};

use crate::client::{Client, Seen, start};

const USERS: &str = "/scim/v2/enterprises/acme/Users";
#[cfg(feature = "descriptions")]
const USERS_PATTERN: &str = "/scim/v2/enterprises/{enterprise}/Users";

fn user(name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "externalId": format!("E-{name}"), "active": true, "userName": name,
        "name": { "formatted": "Ms. Mona Lisa Octocat", "familyName": "Octocat", "givenName": "Mona", "middleName": "Lisa" }, "displayName": "Mona Lisa",
        "emails": [{ "value": format!("{name}@example.com"), "type": "work", "primary": true }], "roles": [{ "value": "user", "primary": false }],
    })
}

fn patch(operations: &Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations })
}

fn with(mut of: Value, name: &str, value: Value) -> Value {
    of[name] = value;
    of
}

async fn send(client: &Client, method: &str, target: &str, body: Option<Value>) -> Seen {
    client.send_as(GithubFake::SETUP_USER_TOKEN, method, target, body).await
}

async fn provisioned(client: &Client, name: &str) -> String {
    let seen = send(client, "POST", USERS, Some(user(name))).await;
    assert_eq!(seen.status, 201, "{}", seen.body);
    format!("{USERS}/{}", seen.body["id"].as_str().unwrap())
}

fn login(fake: &FakeSystem<GithubFake>, key: &str) -> String {
    fake.with(|fake| fake.user(key).unwrap().login.clone())
}

#[cfg(feature = "descriptions")]
#[tokio::test(start_paused = true)]
async fn every_operation_on_users_answers_as_described() {
    let Some(description) = Description::of("github") else {
        eprintln!("passed over: PROVISIONR_SPECS_DIR does not say where the vendor's description is");
        return;
    };
    let (fake, client) = start(GithubFake::new().with_enterprise().with_managed_user("sarah").with_managed_user("adam"));
    fake.record_exchanges();
    let mona = provisioned(&client, "mona").await;
    let nobody = format!("{USERS}/nobody");
    for (method, target, body, status) in [
        ("GET", USERS, None, 200),
        ("GET", "/scim/v2/enterprises/acme/Users?startIndex=2&count=1", None, 200),
        ("GET", "/scim/v2/enterprises/acme/Users?filter=emails.value%20eq%20%22x%22", None, 400),
        ("POST", USERS, Some(user("lisa")), 201),
        ("POST", USERS, Some(user("lisa")), 409),
        ("POST", USERS, Some(with(user("new"), "emails", json!([]))), 400),
        ("GET", &mona, None, 200),
        ("PUT", &mona, Some(with(user("mona"), "displayName", "Mona".into())), 200),
        ("PUT", &mona, Some(with(user("mona"), "userName", "Lisa".into())), 409),
        ("PATCH", &mona, Some(patch(&json!([{ "op": "replace", "path": "active", "value": false }]))), 200),
        ("PATCH", &mona, Some(patch(&json!([{ "op": "move" }]))), 400),
        ("GET", &nobody, None, 404),
        ("PATCH", &nobody, Some(patch(&json!([]))), 404),
        ("DELETE", &mona, None, 204),
        ("DELETE", &mona, None, 404),
    ] {
        let seen = send(&client, method, target, body).await;
        assert_eq!(seen.status, status, "{method} {target}: {}", seen.body);
    }
    let held = description.hold(&fake.exchanges());
    let violations: Vec<String> = held.violations.iter().map(ToString::to_string).collect();
    // What was sent wrong on purpose.
    let op = "request: body: /Operations/0/op: value is not one of \"add\", \"replace\" or \"remove\"";
    assert_eq!(violations, [format!("PATCH {USERS_PATTERN}/{{scim_user_id}}: {op}")]);
    let described = description.operations().filter(|operation| operation.contains(USERS_PATTERN));
    assert_eq!(held.called, described.map(str::to_owned).collect());
    assert!(description.unmet().iter().all(|known| !known.contains("/scim/")), "{:?}", description.unmet());
}

#[tokio::test(start_paused = true)]
async fn scim_takes_the_setup_users_token_alone() {
    let (fake, client) = start(GithubFake::new().with_enterprise());
    for token in [GithubFake::TOKEN, "ghp_none"] {
        assert!(matches!(client.send_as(token, "GET", USERS, None).await.status, 401 | 404), "{token}");
    }
    assert_eq!(send(&client, "GET", "/scim/v2/enterprises/other/Users", None).await.status, 404);
    assert!(!format!("{:?}", fake.with(Clone::clone)).contains(GithubFake::SETUP_USER_TOKEN));
}

#[tokio::test(start_paused = true)]
async fn logins_are_made_of_user_names() {
    let (fake, client) = start(GithubFake::new().with_enterprise());
    // Of the table at <https://docs.github.com/enterprise-cloud@latest/admin/managing-iam/iam-configuration-reference/username-considerations-for-external-authentication>
    let long = "mona.lisa.the.octocat.from.github.united.states@example.com";
    for (name, status) in [("The.Octocat", 201), ("!The.Octocat", 400), ("The!!Octocat", 400), ("The!Octocat", 409), ("The.Octocat@example.com", 409)] {
        let body = with(user(name), "emails", json!([{ "value": "a@example.com", "type": "work", "primary": true }]));
        assert_eq!(send(&client, "POST", USERS, Some(body)).await.status, status, "{name}");
    }
    for (name, status) in [("internal\\The.Octocat", 409), (long, 400)] {
        assert_eq!(send(&client, "POST", USERS, Some(user(name))).await.status, status, "{name}");
    }
    assert_eq!(login(&fake, "The.Octocat"), "The-Octocat_acme");
}

#[tokio::test(start_paused = true)]
async fn a_suspension_takes_the_login_and_a_return_gives_it_back() {
    let (fake, client) = start(GithubFake::new().with_enterprise());
    let mona = provisioned(&client, "mona").await;
    let active = |active: bool| patch(&json!([{ "op": "replace", "value": { "active": active } }]));
    let off = send(&client, "PATCH", &mona, Some(active(false))).await;
    assert_eq!((&off.body["active"], &off.body["userName"]), (&json!(false), &json!("mona")), "what SCIM keeps stays");
    let hash = login(&fake, "mona");
    assert!(hash != "mona_acme" && hash.ends_with("_acme"), "{hash}");
    assert_eq!(send(&client, "GET", USERS, None).await.body["totalResults"], 1);
    assert_eq!(send(&client, "POST", USERS, Some(user("Mona"))).await.status, 409, "the name is kept");
    for _ in 0..2 {
        send(&client, "PATCH", &mona, Some(active(true))).await;
    }
    assert_eq!(login(&fake, "mona"), "mona_acme");
    send(&client, "DELETE", &mona, None).await;
    assert_eq!(send(&client, "GET", USERS, None).await.body["totalResults"], 0);
    assert_eq!(send(&client, "POST", USERS, Some(user("mona"))).await.status, 201, "the name is free");
    let told: Vec<_> = fake.events().iter().map(|event| event.kind.clone()).collect();
    assert_eq!(told, ["user.created", "user.suspended", "user.unsuspended", "user.deprovisioned", "user.created"]);
}

#[tokio::test(start_paused = true)]
async fn a_path_with_a_filter_does_nothing() {
    let (fake, client) = start(GithubFake::new().with_enterprise());
    let mona = provisioned(&client, "mona").await;
    let operations = json!([
        { "op": "replace", "path": "emails[type eq \"work\"].value", "value": "other@example.com" },
        { "op": "replace", "path": "name.familyName", "value": "Cat" },
        { "op": "replace", "value": { "displayName": "Mona", "name": { "givenName": "Lisa" } } },
    ]);
    let seen = send(&client, "PATCH", &mona, Some(patch(&operations))).await.body;
    assert_eq!((&seen["emails"][0]["value"], &seen["displayName"]), (&json!("mona@example.com"), &json!("Mona")));
    assert_eq!((&seen["name"]["familyName"], &seen["name"]["givenName"], &seen["name"]["middleName"]), (&json!("Cat"), &json!("Lisa"), &json!("Lisa")));
    assert!(fake.take_problems().is_empty());
}

#[tokio::test(start_paused = true)]
async fn filters_take_either_quote() {
    let (_fake, client) = start(GithubFake::new().with_enterprise());
    provisioned(&client, "mona").await;
    provisioned(&client, "lisa").await;
    for filter in ["userName%20eq%20'MONA'", "externalId%20eq%20%22E-mona%22"] {
        let seen = send(&client, "GET", &format!("{USERS}?filter={filter}"), None).await.body;
        assert_eq!((&seen["totalResults"], &seen["Resources"][0]["userName"]), (&json!(1), &json!("mona")), "{filter}");
    }
}

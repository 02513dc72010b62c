//! The fake is asked and answers as the vendor describes: every operation is called.

use provisionr_testkit::OktaFake;
use provisionr_testkit::description::{Description, FOLDER};
use serde_json::{Value, json};

use crate::client::{Client, Seen, start};

/// Calls an operation of the description.
async fn call(client: &Client, operation: &str, params: &[(&str, &str)], query: &str, body: Option<Value>) -> Seen {
    let (method, pattern) = operation.split_once(' ').unwrap();
    let path = params.iter().fold(pattern.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
    client.send(method, &format!("{path}{query}"), body).await
}

#[tokio::test(start_paused = true)]
async fn every_operation_answers_as_described() {
    let Some(description) = Description::of("okta") else {
        eprintln!("passed over: {FOLDER} does not say where the vendor's description is");
        return;
    };
    let org = OktaFake::new()
        .with_group("crew")
        .with_user("a@x.com")
        .with_rule("sales", r#"user.department=="Sales""#, "crew")
        .with_provisioning_app("google", "Google Workspace")
        .seeded(&json!({ "users": [{ "login": "locked@x.com", "status": "LOCKED_OUT" }] }));
    let (okta, client) = start(org);
    okta.record_exchanges();
    let (group, app) = (okta.group_id("crew").unwrap(), okta.app_id("google").unwrap());
    let rule = okta.with(|okta| okta.rule("sales").unwrap().id.clone());
    let locked = okta.user_id("locked@x.com").unwrap();

    let profile = json!({ "login": "s@x.com", "email": "s@x.com", "firstName": "S", "lastName": "C" });
    let made = call(&client, "POST /api/v1/users", &[], "?activate=false", Some(json!({ "profile": profile, "groupIds": [group] }))).await;
    let id = made.body["id"].as_str().unwrap().to_owned();
    let me: &[(&str, &str)] = &[("id", &id), ("userId", &id), ("groupId", &group), ("appId", &app)];
    call(&client, "POST /api/v1/users", &[], "", Some(json!({ "profile": profile }))).await;
    for query in ["", "?limit=2", "?filter=status eq \"STAGED\"", "?search=profile.email sw \"s\"", "?q=s"] {
        call(&client, "GET /api/v1/users", &[], query, None).await;
    }
    call(&client, "GET /api/v1/users/{id}", me, "", None).await;
    call(&client, "GET /api/v1/users/{id}", &[("id", "nobody")], "", None).await;
    call(&client, "POST /api/v1/users/{id}", me, "", Some(json!({ "profile": { "department": "Sales" } }))).await;
    call(&client, "PUT /api/v1/users/{id}", me, "", Some(json!({ "profile": profile }))).await;
    call(&client, "POST /api/v1/users/{id}/lifecycle/activate", me, "?sendEmail=false", None).await;
    call(&client, "POST /api/v1/users/{id}/lifecycle/reactivate", me, "", None).await;
    okta.log_in("s@x.com").unwrap();
    call(&client, "POST /api/v1/users/{id}/lifecycle/suspend", me, "", None).await;
    call(&client, "POST /api/v1/users/{id}/lifecycle/suspend", me, "", None).await;
    call(&client, "POST /api/v1/users/{id}/lifecycle/unsuspend", me, "", None).await;
    call(&client, "POST /api/v1/users/{id}/lifecycle/unlock", &[("id", &locked)], "", None).await;
    call(&client, "DELETE /api/v1/users/{userId}/sessions", me, "?oauthTokens=true", None).await;

    let made = call(&client, "POST /api/v1/groups", &[], "", Some(json!({ "profile": { "name": "new", "description": "d" } }))).await;
    let new: &[(&str, &str)] = &[("groupId", made.body["id"].as_str().unwrap())];
    call(&client, "PUT /api/v1/groups/{groupId}", new, "", Some(json!({ "profile": { "name": "newer" } }))).await;
    call(&client, "PUT /api/v1/groups/{groupId}", new, "", Some(json!({ "profile": {} }))).await;
    call(&client, "DELETE /api/v1/groups/{groupId}", new, "", None).await;
    for query in ["", "?expand=stats", "?filter=type eq \"OKTA_GROUP\"", "?search=profile.name eq \"crew\"", "?q=cr"] {
        call(&client, "GET /api/v1/groups", &[], query, None).await;
    }
    call(&client, "GET /api/v1/groups/{groupId}", me, "", None).await;
    call(&client, "PUT /api/v1/groups/{groupId}/users/{userId}", me, "", None).await;
    call(&client, "GET /api/v1/groups/{groupId}/users", me, "", None).await;
    call(&client, "GET /api/v1/groups/rules", &[], "?limit=50", None).await;
    call(&client, "GET /api/v1/groups/rules/{groupRuleId}", &[("groupRuleId", &rule)], "", None).await;

    call(&client, "GET /api/v1/apps", &[], "", None).await;
    call(&client, "GET /api/v1/apps/{appId}", me, "", None).await;
    call(&client, "POST /api/v1/apps/{appId}/users", me, "", Some(json!({ "id": id, "scope": "USER" }))).await;
    call(&client, "POST /api/v1/apps/{appId}/users/{userId}", me, "", Some(json!({ "profile": { "title": "SE" } }))).await;
    call(&client, "GET /api/v1/apps/{appId}/users/{userId}", me, "?expand=user", None).await;
    call(&client, "GET /api/v1/apps/{appId}/users", me, "", None).await;
    call(&client, "PUT /api/v1/apps/{appId}/groups/{groupId}", me, "", Some(json!({ "priority": 1 }))).await;
    call(&client, "GET /api/v1/apps/{appId}/groups/{groupId}", me, "", None).await;
    call(&client, "GET /api/v1/apps/{appId}/groups", me, "", None).await;
    call(&client, "GET /api/v1/groups/{groupId}/apps", me, "", None).await;
    call(&client, "GET /api/v1/users/{id}/groups", me, "", None).await;
    call(&client, "GET /api/v1/users/{id}/appLinks", me, "", None).await;
    call(&client, "DELETE /api/v1/apps/{appId}/users/{userId}", me, "", None).await;
    call(&client, "DELETE /api/v1/apps/{appId}/groups/{groupId}", me, "", None).await;
    call(&client, "DELETE /api/v1/groups/{groupId}/users/{userId}", me, "", None).await;
    call(&client, "POST /api/v1/users/{id}/lifecycle/deactivate", me, "", None).await;
    call(&client, "DELETE /api/v1/users/{id}", me, "", None).await;

    call(&client, "POST /oauth2/v1/token", &[], "", None).await;

    let held = description.hold(&okta.exchanges());
    assert_eq!(held.violations, [].into());
    assert_eq!(held.left, [].into());
    assert_eq!(held.called.len(), 37);
    assert_eq!(description.unmet(), [""; 0]);
}

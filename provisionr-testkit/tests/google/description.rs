//! The fake is asked and answers as the vendor describes: every method of the discovery document is called.

use provisionr_http::Transport;
use provisionr_testkit::GoogleFake;
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
async fn every_method_answers_as_described() {
    let Some(description) = Description::of("google") else {
        eprintln!("passed over: {FOLDER} does not say where the vendor's description is");
        return;
    };
    let customer = GoogleFake::new()
        .with_user("a@example.com")
        .with_group("inner@example.com", &["a@example.com"])
        .with_group("outer@example.com", &["inner@example.com", "guest@elsewhere.org"])
        .with_settings(|settings| settings.unmanaged.extend(["old@example.com".to_owned()]));
    let (google, client) = start(customer);
    google.record_exchanges();
    let (inner, outer) = (google.group_id("inner@example.com").unwrap(), google.group_id("outer@example.com").unwrap());

    let user = |email: &str| {
        json!({
            "primaryEmail": email, "password": "twelve chars", "name": { "givenName": "S", "familyName": "C" }, "orgUnitPath": "/",
            "organizations": [{ "title": "SE", "primary": true }], "customSchemas": { "Work": { "badge": "1" } }, "recoveryPhone": "+15550100",
        })
    };
    let made = call(&client, "POST users", &[], "", Some(user("s@example.com"))).await;
    let id = made.body["id"].as_str().unwrap().to_owned();
    let me: &[(&str, &str)] = &[("userKey", &id), ("groupKey", &outer), ("memberKey", &id), ("customerId", "my_customer")];
    call(&client, "POST users", &[], "", Some(user("s@example.com"))).await;
    assert_eq!(call(&client, "POST users", &[], "?resolveConflictAccount=true", Some(user("old@example.com"))).await.status, 202);
    for query in ["", "?projection=full", "?projection=custom&customFieldMask=Work"] {
        call(&client, "GET users/{userKey}", me, query, None).await;
    }
    call(&client, "GET users/{userKey}", &[("userKey", "nobody")], "", None).await;
    for query in ["?customer=my_customer", "?domain=example.com&maxResults=1", "?customer=my_customer&query=email:s*"] {
        call(&client, "GET users", &[], query, None).await;
    }
    call(&client, "PUT users/{userKey}", me, "", Some(json!({ "suspended": true, "primaryEmail": "t@example.com" }))).await;
    call(&client, "PATCH users/{userKey}", me, "", Some(json!({ "suspended": false }))).await;
    call(&client, "GET users/{userKey}/aliases", me, "", None).await;
    call(&client, "POST users/{userKey}/makeAdmin", me, "", Some(json!({ "status": true }))).await;
    call(&client, "POST users/{userKey}/signOut", me, "", None).await;

    let new = call(&client, "POST groups", &[], "", Some(json!({ "email": "new@example.com", "name": "New" }))).await;
    let new: &[(&str, &str)] = &[("groupKey", new.body["id"].as_str().unwrap())];
    call(&client, "PATCH groups/{groupKey}", new, "", Some(json!({ "description": "d" }))).await;
    call(&client, "DELETE groups/{groupKey}", new, "", None).await;
    call(&client, "GET groups/{groupKey}", me, "", None).await;
    for query in ["?customer=my_customer", "?userKey=a@example.com", "?domain=example.com&query=email:in*"] {
        call(&client, "GET groups", &[], query, None).await;
    }
    call(&client, "POST groups/{groupKey}/members", me, "", Some(json!({ "email": "t@example.com", "role": "MEMBER" }))).await;
    call(&client, "POST groups/{groupKey}/members", me, "", Some(json!({ "email": "t@example.com", "role": "OWNER" }))).await;
    call(&client, "GET groups/{groupKey}/members/{memberKey}", me, "", None).await;
    call(&client, "PATCH groups/{groupKey}/members/{memberKey}", me, "", Some(json!({ "role": "MANAGER" }))).await;
    call(&client, "PUT groups/{groupKey}/members/{memberKey}", me, "", Some(json!({ "role": "OWNER" }))).await;
    for query in ["", "?roles=OWNER", "?includeDerivedMembership=true"] {
        call(&client, "GET groups/{groupKey}/members", me, query, None).await;
    }
    call(&client, "GET groups/{groupKey}/hasMember/{memberKey}", me, "", None).await;
    call(&client, "GET groups/{groupKey}/hasMember/{memberKey}", &[("groupKey", &outer), ("memberKey", &inner)], "", None).await;
    call(&client, "DELETE groups/{groupKey}/members/{memberKey}", me, "", None).await;

    call(&client, "POST customer/{customerId}/orgunits", me, "", Some(json!({ "name": "corp", "parentOrgUnitPath": "/" }))).await;
    call(&client, "POST customer/{customerId}/orgunits", me, "", Some(json!({ "name": "sales", "parentOrgUnitPath": "/corp" }))).await;
    let unit = |path: &'static str| [("customerId", "my_customer"), ("orgUnitPath", path)];
    for query in ["", "?type=all", "?type=allIncludingParent&orgUnitPath=corp"] {
        call(&client, "GET customer/{customerId}/orgunits", me, query, None).await;
    }
    call(&client, "GET customer/{customerId}/orgunits/{orgUnitPath}", &unit("corp/sales"), "", None).await;
    call(&client, "PUT customer/{customerId}/orgunits/{orgUnitPath}", &unit("corp/sales"), "", Some(json!({ "description": "d" }))).await;
    call(&client, "PATCH customer/{customerId}/orgunits/{orgUnitPath}", &unit("corp/sales"), "", Some(json!({ "name": "emea" }))).await;
    call(&client, "DELETE customer/{customerId}/orgunits/{orgUnitPath}", &unit("corp/emea"), "", None).await;

    call(&client, "DELETE users/{userKey}", me, "", None).await;
    call(&client, "GET users", &[], "?customer=my_customer&showDeleted=true", None).await;
    call(&client, "POST users/{userKey}/undelete", me, "", Some(json!({ "orgUnitPath": "/" }))).await;

    let token = http::Request::post("https://oauth2.googleapis.com/token").body(bytes::Bytes::new()).unwrap();
    google.transport().send(token).await.unwrap();

    let held = description.hold(&google.exchanges());
    assert_eq!(held.violations, [].into());
    assert_eq!(held.left, [].into());
    assert_eq!(held.called.len(), 28);
    assert_eq!(description.unmet(), [""; 0]);
}

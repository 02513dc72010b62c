//! The fake is asked and answers as the vendor describes: each operation it plays is called.

use provisionr_testkit::JiraFake;
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
    let Some(description) = Description::of("jira") else {
        eprintln!("passed over: {FOLDER} does not say where the vendor's description is");
        return;
    };
    let site = JiraFake::new().with_product("jira-software", 10, "jira-software-users").with_group("crew").with_user("a@x.com").seeded(&json!({
        "users": [{ "id": "557058:bot", "type": "app", "name": "Bot", "groups": ["crew"] }, { "id": "qm:1", "type": "customer", "email": "c@x.com", "email_visible": false }],
        "projects": [{ "key": "ENG", "actors": { "Developers": { "groups": ["crew"] } } }, { "key": "TEAM", "own_roles": ["Member"] }],
    }));
    let (jira, client) = start(site);
    jira.record_exchanges();
    let (user, group) = (jira.user_id("a@x.com").unwrap(), jira.group_id("crew").unwrap());

    call(&client, "GET serverInfo", &[], "", None).await;
    for query in ["", "?expand=groups,applicationRoles"] {
        call(&client, "GET myself", &[], query, None).await;
    }
    call(&client, "GET mypermissions", &[], "?permissions=ADMINISTER,USER_PICKER,ADMINISTER_PROJECTS", None).await;
    call(&client, "GET mypermissions", &[], "", None).await;
    call(&client, "GET applicationrole", &[], "", None).await;
    for id in [user.as_str(), "557058:bot", "qm:1", "nobody"] {
        call(&client, "GET user", &[], &format!("?accountId={id}&expand=groups,applicationRoles"), None).await;
        call(&client, "GET user/groups", &[], &format!("?accountId={id}"), None).await;
    }
    let mia = json!({ "emailAddress": "mia@x.com", "products": ["jira-software"] });
    let made = call(&client, "POST user", &[], "", Some(mia.clone())).await;
    assert_eq!(call(&client, "POST user", &[], "", Some(mia)).await.body["accountId"], made.body["accountId"]);
    call(&client, "POST user", &[], "", Some(json!({ "emailAddress": "mia@x.com" }))).await;
    call(&client, "GET user/search", &[], "?query=mia@x.com&startAt=0&maxResults=50", None).await;
    call(&client, "GET user/search", &[], "", None).await;
    call(&client, "GET users/search", &[], "?startAt=0&maxResults=1000", None).await;

    for query in ["".to_owned(), format!("?groupId={group}&startAt=0&maxResults=1"), "?groupName=crew".to_owned(), "?accessType=site-admin".to_owned()] {
        call(&client, "GET group/bulk", &[], &query, None).await;
    }
    call(&client, "GET groups/picker", &[], "?query=cr&caseInsensitive=true&maxResults=50", None).await;
    let member = format!("?groupId={group}");
    call(&client, "POST group/user", &[], &member, Some(json!({ "accountId": user }))).await;
    call(&client, "POST group/user", &[], &member, Some(json!({ "accountId": user }))).await;
    call(&client, "POST group/user", &[], "?groupId=none", Some(json!({ "accountId": user }))).await;
    call(&client, "GET group/member", &[], &format!("{member}&includeInactiveUsers=true&startAt=0&maxResults=1"), None).await;
    call(&client, "DELETE group/user", &[], &format!("{member}&accountId={user}"), None).await;
    call(&client, "DELETE group/user", &[], &format!("{member}&accountId={user}"), None).await;

    for query in ["", "?keys=ENG&keys=TEAM", "?query=en&maxResults=100&startAt=0", "?keys=NONE"] {
        call(&client, "GET project/search", &[], query, None).await;
    }
    let (roles, one) = ("project/{projectIdOrKey}/role", "project/{projectIdOrKey}/role/{id}");
    for (project, name) in [("ENG", "Developers"), ("TEAM", "Member")] {
        let named = call(&client, &format!("GET {roles}"), &[("projectIdOrKey", project)], "", None).await;
        let id = named.body[name].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let role: &[(&str, &str)] = &[("projectIdOrKey", project), ("id", &id)];
        call(&client, &format!("GET {one}"), role, "", None).await;
        call(&client, &format!("POST {one}"), role, "", Some(json!({ "user": [user] }))).await;
        call(&client, &format!("POST {one}"), role, "", Some(json!({ "user": [user] }))).await;
        call(&client, &format!("DELETE {one}"), role, &format!("?user={user}"), None).await;
        call(&client, &format!("DELETE {one}"), role, &format!("?user={user}"), None).await;
        let actors = json!({ "categorisedActors": { "atlassian-user-role-actor": [user], "atlassian-group-role-actor-id": [group] } });
        call(&client, &format!("PUT {one}"), role, "", Some(actors)).await;
    }
    call(&client, &format!("GET {roles}"), &[("projectIdOrKey", "NONE")], "", None).await;
    for _ in 0..2 {
        call(&client, "DELETE user", &[], &format!("?accountId={user}"), None).await;
    }
    let held = description.hold(&jira.exchanges());
    let violations: Vec<String> = held.violations.iter().map(ToString::to_string).collect();
    assert_eq!(violations, ["POST /rest/api/3/user: request: body: \"products\" is a required property"]);
    assert_eq!(held.called.len(), 21);
    assert_eq!(description.unmet(), [""; 0]);
}

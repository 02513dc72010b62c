//! The fake answers as the vendor describes: every operation it plays is called, and each answer held against its schema. The
//! description is not part of this project; its place is told by `PROVISIONR_SPECS_DIR`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use provisionr_testkit::JiraFake;
use serde_json::{Value, json};

use crate::client::{Client, Seen, start};

struct Description {
    document: Value,
    called: BTreeSet<String>,
}

impl Description {
    fn load() -> Option<Self> {
        let path = PathBuf::from(std::env::var_os("PROVISIONR_SPECS_DIR")?).join("jira/jira-cloud-v3.openapi3.json");
        let document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        Some(Self { document, called: BTreeSet::new() })
    }

    /// Calls an operation and holds the answer against its schema.
    async fn call(&mut self, client: &Client, operation: &str, params: &[(&str, &str)], query: &str, body: Option<Value>) -> Seen {
        let (method, pattern) = operation.split_once(' ').unwrap();
        let path = params.iter().fold(pattern.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
        let seen = client.send(method, &format!("{path}{query}"), body).await;
        self.called.insert(operation.to_owned());
        let described = &self.document["paths"][format!("/rest/api/3/{pattern}")][method.to_lowercase()];
        for pair in query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()) {
            let name = pair.split('=').next().unwrap();
            assert!(described["parameters"].as_array().unwrap().iter().any(|known| known["name"] == name), "{operation} has no parameter {name}");
        }
        let answer = &described["responses"][seen.status.to_string()];
        assert!(answer.is_object(), "{operation} answered {}, which is not described: {}", seen.status, seen.body);
        let mut schema = answer["content"]["application/json"]["schema"].clone();
        if seen.status >= 400 {
            schema = json!({ "$ref": "#/components/schemas/ErrorCollection" });
        } else if schema.is_null() {
            assert!(seen.body.is_null(), "{operation} has no body: {}", seen.body);
            return seen;
        }
        let whole = json!({ "allOf": [schema], "components": self.document["components"] });
        let validator = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
        let errors: Vec<String> = validator.iter_errors(&seen.body).map(|error| format!("{} at {}", error, error.instance_path())).collect();
        assert!(errors.is_empty(), "{operation}: {errors:#?}\n{:#}", seen.body);
        seen
    }
}

#[tokio::test(start_paused = true)]
async fn every_operation_answers_as_described() {
    let Some(mut api) = Description::load() else {
        eprintln!("passed over: PROVISIONR_SPECS_DIR does not say where the vendor's description is");
        return;
    };
    let site = JiraFake::new().with_product("jira-software", 10, "jira-software-users").with_group("crew").with_user("a@x.com").seeded(&json!({
        "users": [{ "id": "557058:bot", "type": "app", "name": "Bot", "groups": ["crew"] }, { "id": "qm:1", "type": "customer", "email": "c@x.com", "email_visible": false }],
        "projects": [{ "key": "ENG", "actors": { "Developers": { "groups": ["crew"] } } }, { "key": "TEAM", "own_roles": ["Member"] }],
    }));
    let (jira, client) = start(site);
    let (user, group) = (jira.user_id("a@x.com").unwrap(), jira.group_id("crew").unwrap());

    api.call(&client, "GET serverInfo", &[], "", None).await;
    for query in ["", "?expand=groups,applicationRoles"] {
        api.call(&client, "GET myself", &[], query, None).await;
    }
    api.call(&client, "GET mypermissions", &[], "?permissions=ADMINISTER,USER_PICKER,ADMINISTER_PROJECTS", None).await;
    api.call(&client, "GET mypermissions", &[], "", None).await;
    api.call(&client, "GET applicationrole", &[], "", None).await;
    for id in [user.as_str(), "557058:bot", "qm:1", "nobody"] {
        api.call(&client, "GET user", &[], &format!("?accountId={id}&expand=groups,applicationRoles"), None).await;
        api.call(&client, "GET user/groups", &[], &format!("?accountId={id}"), None).await;
    }
    let mia = json!({ "emailAddress": "mia@x.com", "products": ["jira-software"] });
    let made = api.call(&client, "POST user", &[], "", Some(mia.clone())).await;
    assert_eq!(api.call(&client, "POST user", &[], "", Some(mia)).await.body["accountId"], made.body["accountId"]);
    api.call(&client, "POST user", &[], "", Some(json!({ "emailAddress": "mia@x.com" }))).await;
    api.call(&client, "GET user/search", &[], "?query=mia@x.com&startAt=0&maxResults=50", None).await;
    api.call(&client, "GET user/search", &[], "", None).await;
    api.call(&client, "GET users/search", &[], "?startAt=0&maxResults=1000", None).await;

    for query in ["".to_owned(), format!("?groupId={group}&startAt=0&maxResults=1"), "?groupName=crew".to_owned(), "?accessType=site-admin".to_owned()] {
        api.call(&client, "GET group/bulk", &[], &query, None).await;
    }
    api.call(&client, "GET groups/picker", &[], "?query=cr&caseInsensitive=true&maxResults=50", None).await;
    let member = format!("?groupId={group}");
    api.call(&client, "POST group/user", &[], &member, Some(json!({ "accountId": user }))).await;
    api.call(&client, "POST group/user", &[], &member, Some(json!({ "accountId": user }))).await;
    api.call(&client, "POST group/user", &[], "?groupId=none", Some(json!({ "accountId": user }))).await;
    api.call(&client, "GET group/member", &[], &format!("{member}&includeInactiveUsers=true&startAt=0&maxResults=1"), None).await;
    api.call(&client, "DELETE group/user", &[], &format!("{member}&accountId={user}"), None).await;
    api.call(&client, "DELETE group/user", &[], &format!("{member}&accountId={user}"), None).await;

    for query in ["", "?keys=ENG&keys=TEAM", "?query=en&maxResults=100&startAt=0", "?keys=NONE"] {
        api.call(&client, "GET project/search", &[], query, None).await;
    }
    let (roles, one) = ("project/{projectIdOrKey}/role", "project/{projectIdOrKey}/role/{id}");
    for (project, name) in [("ENG", "Developers"), ("TEAM", "Member")] {
        let named = api.call(&client, &format!("GET {roles}"), &[("projectIdOrKey", project)], "", None).await;
        let id = named.body[name].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let role: &[(&str, &str)] = &[("projectIdOrKey", project), ("id", &id)];
        api.call(&client, &format!("GET {one}"), role, "", None).await;
        api.call(&client, &format!("POST {one}"), role, "", Some(json!({ "user": [user] }))).await;
        api.call(&client, &format!("POST {one}"), role, "", Some(json!({ "user": [user] }))).await;
        api.call(&client, &format!("DELETE {one}"), role, &format!("?user={user}"), None).await;
        api.call(&client, &format!("DELETE {one}"), role, &format!("?user={user}"), None).await;
        let actors = json!({ "categorisedActors": { "atlassian-user-role-actor": [user], "atlassian-group-role-actor-id": [group] } });
        api.call(&client, &format!("PUT {one}"), role, "", Some(actors)).await;
    }
    api.call(&client, &format!("GET {roles}"), &[("projectIdOrKey", "NONE")], "", None).await;
    for _ in 0..2 {
        api.call(&client, "DELETE user", &[], &format!("?accountId={user}"), None).await;
    }
    assert_eq!(api.called.len(), 21);
}

//! The fake answers as the vendor describes: every operation of the description is called, and each answer held
//! against its schema. The description is not part of this project; its place is told by `PROVISIONR_SPECS_DIR`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use provisionr_testkit::OktaFake;
use serde_json::{Value, json};

use crate::client::{Client, Seen, start};

struct Description {
    document: Value,
    called: BTreeSet<String>,
}

impl Description {
    fn load() -> Option<Self> {
        let path = PathBuf::from(std::env::var_os("PROVISIONR_SPECS_DIR")?).join("okta/okta-management-cut.json");
        let mut document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        as_json_schema(&mut document);
        Some(Self { document, called: BTreeSet::new() })
    }

    /// Calls an operation and holds the answer against its schema.
    async fn call(&mut self, client: &Client, operation: &str, params: &[(&str, &str)], query: &str, body: Option<Value>) -> Seen {
        let (method, pattern) = operation.split_once(' ').unwrap();
        let path = params.iter().fold(pattern.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
        let seen = client.send(method, &format!("{path}{query}"), body).await;
        self.called.insert(operation.to_owned());
        let answer = &self.document["paths"][pattern][method.to_lowercase()]["responses"][seen.status.to_string()];
        let answer = answer["$ref"].as_str().map_or(answer, |place| self.document.pointer(place.trim_start_matches('#')).unwrap());
        assert!(answer.is_object(), "{operation} answered {}, which is not described: {}", seen.status, seen.body);
        let schema = &answer["content"]["application/json"]["schema"];
        if schema.is_null() {
            assert!(seen.body.is_null(), "{operation} has no body: {}", seen.body);
            return seen;
        }
        let whole = json!({ "allOf": [schema], "components": self.document["components"] });
        let validator = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
        let errors: Vec<String> = validator.iter_errors(&seen.body).map(|error| format!("{} at {}", error, error.instance_path())).collect();
        assert!(errors.is_empty(), "{operation}: {errors:#?}\n{:#}", seen.body);
        seen
    }

    fn operations(&self) -> BTreeSet<String> {
        let paths = self.document["paths"].as_object().unwrap();
        let methods = ["get", "post", "put", "delete"];
        paths
            .iter()
            .flat_map(|(path, item)| methods.iter().filter(|method| item.get(method).is_some()).map(move |method| format!("{} {path}", method.to_uppercase())))
            .collect()
    }
}

/// What OpenAPI 3.0 says otherwise than JSON Schema: null as a type.
fn as_json_schema(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.get("nullable") == Some(&json!(true)) {
                if let Some(Value::String(name)) = fields.get("type").cloned() {
                    fields.insert("type".to_owned(), json!([name, "null"]));
                }
                if let Some(Value::Array(values)) = fields.get_mut("enum") {
                    values.push(Value::Null);
                }
            }
            fields.values_mut().for_each(as_json_schema);
        }
        Value::Array(items) => items.iter_mut().for_each(as_json_schema),
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
async fn every_operation_answers_as_described() {
    let Some(mut api) = Description::load() else {
        eprintln!("passed over: PROVISIONR_SPECS_DIR does not say where the vendor's description is");
        return;
    };
    let org = OktaFake::new()
        .with_group("crew")
        .with_user("a@x.com")
        .with_rule("sales", r#"user.department=="Sales""#, "crew")
        .with_provisioning_app("google", "Google Workspace")
        .seeded(&json!({ "users": [{ "login": "locked@x.com", "status": "LOCKED_OUT" }] }));
    let (okta, client) = start(org);
    let (group, app) = (okta.group_id("crew").unwrap(), okta.app_id("google").unwrap());
    let rule = okta.with(|okta| okta.rule("sales").unwrap().id.clone());
    let locked = okta.user_id("locked@x.com").unwrap();

    let profile = json!({ "login": "s@x.com", "email": "s@x.com", "firstName": "S", "lastName": "C" });
    let made = api.call(&client, "POST /api/v1/users", &[], "?activate=false", Some(json!({ "profile": profile, "groupIds": [group] }))).await;
    let id = made.body["id"].as_str().unwrap().to_owned();
    let me: &[(&str, &str)] = &[("id", &id), ("userId", &id), ("groupId", &group), ("appId", &app)];
    api.call(&client, "POST /api/v1/users", &[], "", Some(json!({ "profile": profile }))).await;
    for query in ["", "?limit=2", "?filter=status eq \"STAGED\"", "?search=profile.email sw \"s\"", "?q=s"] {
        api.call(&client, "GET /api/v1/users", &[], query, None).await;
    }
    api.call(&client, "GET /api/v1/users/{id}", me, "", None).await;
    api.call(&client, "GET /api/v1/users/{id}", &[("id", "nobody")], "", None).await;
    api.call(&client, "POST /api/v1/users/{id}", me, "", Some(json!({ "profile": { "department": "Sales" } }))).await;
    api.call(&client, "PUT /api/v1/users/{id}", me, "", Some(json!({ "profile": profile }))).await;
    api.call(&client, "POST /api/v1/users/{id}/lifecycle/activate", me, "?sendEmail=false", None).await;
    api.call(&client, "POST /api/v1/users/{id}/lifecycle/reactivate", me, "", None).await;
    okta.log_in("s@x.com").unwrap();
    api.call(&client, "POST /api/v1/users/{id}/lifecycle/suspend", me, "", None).await;
    api.call(&client, "POST /api/v1/users/{id}/lifecycle/suspend", me, "", None).await;
    api.call(&client, "POST /api/v1/users/{id}/lifecycle/unsuspend", me, "", None).await;
    api.call(&client, "POST /api/v1/users/{id}/lifecycle/unlock", &[("id", &locked)], "", None).await;
    api.call(&client, "DELETE /api/v1/users/{userId}/sessions", me, "?oauthTokens=true", None).await;

    let made = api.call(&client, "POST /api/v1/groups", &[], "", Some(json!({ "profile": { "name": "new", "description": "d" } }))).await;
    let new: &[(&str, &str)] = &[("groupId", made.body["id"].as_str().unwrap())];
    api.call(&client, "PUT /api/v1/groups/{groupId}", new, "", Some(json!({ "profile": { "name": "newer" } }))).await;
    api.call(&client, "PUT /api/v1/groups/{groupId}", new, "", Some(json!({ "profile": {} }))).await;
    api.call(&client, "DELETE /api/v1/groups/{groupId}", new, "", None).await;
    for query in ["", "?expand=stats", "?filter=type eq \"OKTA_GROUP\"", "?search=profile.name eq \"crew\"", "?q=cr"] {
        api.call(&client, "GET /api/v1/groups", &[], query, None).await;
    }
    api.call(&client, "GET /api/v1/groups/{groupId}", me, "", None).await;
    api.call(&client, "PUT /api/v1/groups/{groupId}/users/{userId}", me, "", None).await;
    api.call(&client, "GET /api/v1/groups/{groupId}/users", me, "", None).await;
    api.call(&client, "GET /api/v1/groups/rules", &[], "?limit=50", None).await;
    api.call(&client, "GET /api/v1/groups/rules/{groupRuleId}", &[("groupRuleId", &rule)], "", None).await;

    api.call(&client, "GET /api/v1/apps", &[], "", None).await;
    api.call(&client, "GET /api/v1/apps/{appId}", me, "", None).await;
    api.call(&client, "POST /api/v1/apps/{appId}/users", me, "", Some(json!({ "id": id, "scope": "USER" }))).await;
    api.call(&client, "POST /api/v1/apps/{appId}/users/{userId}", me, "", Some(json!({ "profile": { "title": "SE" } }))).await;
    api.call(&client, "GET /api/v1/apps/{appId}/users/{userId}", me, "?expand=user", None).await;
    api.call(&client, "GET /api/v1/apps/{appId}/users", me, "", None).await;
    api.call(&client, "PUT /api/v1/apps/{appId}/groups/{groupId}", me, "", Some(json!({ "priority": 1 }))).await;
    api.call(&client, "GET /api/v1/apps/{appId}/groups/{groupId}", me, "", None).await;
    api.call(&client, "GET /api/v1/apps/{appId}/groups", me, "", None).await;
    api.call(&client, "GET /api/v1/groups/{groupId}/apps", me, "", None).await;
    api.call(&client, "GET /api/v1/users/{id}/groups", me, "", None).await;
    api.call(&client, "GET /api/v1/users/{id}/appLinks", me, "", None).await;
    api.call(&client, "DELETE /api/v1/apps/{appId}/users/{userId}", me, "", None).await;
    api.call(&client, "DELETE /api/v1/apps/{appId}/groups/{groupId}", me, "", None).await;
    api.call(&client, "DELETE /api/v1/groups/{groupId}/users/{userId}", me, "", None).await;
    api.call(&client, "POST /api/v1/users/{id}/lifecycle/deactivate", me, "", None).await;
    api.call(&client, "DELETE /api/v1/users/{id}", me, "", None).await;

    assert_eq!(api.operations().difference(&api.called).collect::<Vec<_>>(), [""; 0]);
    assert_eq!(api.called.len(), 37);
}

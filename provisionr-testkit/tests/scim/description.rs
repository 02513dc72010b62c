//! The fake answers as the RFCs describe: each answer is held against its schema. The schemas are not part of this project;
//! their place is told by `PROVISIONR_SPECS_DIR`.

use std::path::PathBuf;

use provisionr_testkit::ScimFake;
use serde_json::{Value, json};

use crate::client::{Seen, start};

struct Description(PathBuf);

impl Description {
    fn load() -> Option<Self> {
        Some(Self(PathBuf::from(std::env::var_os("PROVISIONR_SPECS_DIR")?).join("scim")))
    }

    fn hold(&self, seen: &Seen, status: u16, schema: &str) {
        assert_eq!(seen.status, status, "{}", seen.body);
        let text = std::fs::read_to_string(self.0.join(format!("jsonschema-{schema}.json"))).unwrap();
        let mut schema_json: Value = serde_json::from_str(&text).unwrap();
        if schema == "Error" {
            // The schema has a number; RFC 7644, section 3.12, has a text.
            assert!(seen.body["status"].is_string(), "{}", seen.body);
            schema_json["properties"]["status"] = json!({ "const": status.to_string() });
        }
        // Endpoints are relative addresses (RFC 7643, section 6), and the schema has whole ones.
        let validator = jsonschema::options().should_validate_formats(schema != "ResourceType").build(&schema_json).unwrap();
        let errors: Vec<String> = validator.iter_errors(&seen.body).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{schema}: {errors:#?}\n{:#}", seen.body);
    }
}

#[tokio::test(start_paused = true)]
async fn every_operation_answers_as_described() {
    let Some(api) = Description::load() else {
        eprintln!("passed over: PROVISIONR_SPECS_DIR does not say where the schemas are");
        return;
    };
    let (_scim, client) = start(ScimFake::new().with_user("a@x.com").with_group("inner", &[]).with_group("crew", &["a@x.com"]));
    api.hold(&client.get("ServiceProviderConfig").await, 200, "ServiceProviderConfig");
    for (list, one, schema) in [("ResourceTypes", "User", "ResourceType"), ("Schemas", "urn:ietf:params:scim:schemas:core:2.0:Group", "Schema")] {
        let all = client.get(list).await;
        assert_eq!(all.status, 200);
        for item in all.body["Resources"].as_array().unwrap() {
            api.hold(&Seen { status: 200, headers: all.headers.clone(), body: item.clone() }, 200, schema);
        }
        api.hold(&client.get(&format!("{list}/{one}")).await, 200, schema);
        api.hold(&client.send("POST", list, Some(json!({}))).await, 405, "Error");
    }

    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", enterprise], "userName": "b", "externalId": "E2", "title": "SE",
        "name": { "givenName": "B", "familyName": "J" }, "emails": [{ "value": "b@x.com", "type": "work", "primary": true }],
        enterprise: { "department": "Sales", "employeeNumber": "E2" },
    });
    let made = client.send("POST", "Users", Some(body.clone())).await;
    api.hold(&made, 201, "UserWithEnterprise");
    let user = made.id();
    api.hold(&client.send("POST", "Users", Some(body.clone())).await, 409, "Error");
    api.hold(&client.send("POST", "Users", Some(json!({ "title": "SE" }))).await, 400, "Error");
    api.hold(&client.get(&format!("Users/{user}")).await, 200, "UserWithEnterprise");
    api.hold(&client.get("Users/nobody").await, 404, "Error");
    api.hold(&client.get("Users?filter=userName eq \"a@x.com\"&count=1&startIndex=1").await, 200, "ListResponse_User");
    api.hold(&client.get("Users?filter=userName like \"a\"").await, 400, "Error");
    api.hold(&client.patch(&format!("Users/{user}"), json!([{ "op": "replace", "path": "active", "value": false }])).await, 200, "UserWithEnterprise");
    api.hold(&client.patch(&format!("Users/{user}"), json!([{ "op": "replace", "path": "emails[type eq \"home\"].value", "value": "x" }])).await, 400, "Error");
    api.hold(&client.send("PUT", &format!("Users/{user}"), Some(body.clone())).await, 200, "UserWithEnterprise");
    api.hold(&client.under("W/\"1\"").send("PUT", &format!("Users/{user}"), Some(body)).await, 412, "Error");

    let groups = client.get("Groups").await;
    api.hold(&groups, 200, "ListResponse_Group");
    let (inner, crew) = (groups.body["Resources"][0]["id"].as_str().unwrap(), groups.body["Resources"][1]["id"].as_str().unwrap());
    api.hold(&client.patch(&format!("Groups/{inner}"), json!([{ "op": "add", "path": "members", "value": [{ "value": user }] }])).await, 200, "Group");
    api.hold(&client.patch(&format!("Groups/{crew}"), json!([{ "op": "add", "path": "members", "value": [{ "value": inner }] }])).await, 200, "Group");
    api.hold(&client.get(&format!("Users/{user}")).await, 200, "UserWithEnterprise");
    api.hold(&client.send("POST", "Groups", Some(json!({ "displayName": "new" }))).await, 201, "Group");
    api.hold(&client.with("none").get("Users").await, 401, "Error");
    assert_eq!(client.send("DELETE", &format!("Users/{user}"), None).await.status, 204);
    api.hold(&client.get(&format!("Users/{user}")).await, 404, "Error");
}

//! The fake answers as the vendor describes: each operation it plays is called, and each answer held against its schema, which may
//! have no fields beside those described. The description is not part of this project; its place is told by `PROVISIONR_SPECS_DIR`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use provisionr_testkit::GitlabFake;
use serde_json::{Value, json};

use crate::client::{Client, Seen, start};

/// What of the description the fake does not play: nothing of provisionr asks for it.
const NOT_PLAYED: [&str; 6] = [
    "DELETE /api/v4/users/{id}/identities/{provider}",
    "GET /api/v4/groups/{id}/users",
    "GET /api/v4/projects/{id}/users",
    "DELETE /api/v4/groups/{id}/billable_members/{user_id}",
    "POST /api/v4/groups/{id}/saml_group_links",
    "GET /api/v4/groups/{id}/billable_members",
];

struct Description {
    document: Value,
    called: BTreeSet<String>,
}

impl Description {
    fn load() -> Option<Self> {
        let path = PathBuf::from(std::env::var_os("PROVISIONR_SPECS_DIR")?).join("gitlab/gitlab-cut.json");
        let mut document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let entities = document["components"]["schemas"].as_object_mut().unwrap();
        // Lists of links and identities are described as one each.
        for (entity, field) in [
            ("API_Entities_UserPublic", "identities"),
            ("API_Entities_UserPublic", "scim_identities"),
            ("API_Entities_UserWithAdmin", "identities"),
            ("API_Entities_UserWithAdmin", "scim_identities"),
            ("API_Entities_Group", "ldap_group_links"),
            ("API_Entities_Group", "saml_group_links"),
            ("API_Entities_GroupDetail", "ldap_group_links"),
            ("API_Entities_GroupDetail", "saml_group_links"),
        ] {
            let one = entities[entity]["properties"][field].take();
            entities[entity]["properties"][field] = json!({ "type": "array", "items": one });
        }
        // And the groups that are invited as a text.
        entities["API_Entities_GroupDetail"]["properties"]["shared_with_groups"] = json!({ "type": "array" });
        entities.values_mut().for_each(as_json_schema);
        Some(Self { document, called: BTreeSet::new() })
    }

    /// Calls an operation and holds the answer against its schema.
    async fn call(&mut self, client: &Client, operation: &str, params: &[(&str, &str)], query: &str, body: Option<Value>) -> Seen {
        let (method, pattern) = operation.split_once(' ').unwrap();
        let path = params.iter().fold(pattern.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), &value.replace('/', "%2F")));
        let seen = client.send(method, &format!("{path}{query}"), body).await;
        self.called.insert(operation.to_owned());
        let answers = &self.document["paths"][pattern][method.to_lowercase()]["responses"];
        // The pages of the API say 204 where the generated description has 200.
        let status = if operation == "DELETE /api/v4/users/{id}" && seen.status == 204 { return seen } else { seen.status.to_string() };
        assert!(answers[&status].is_object(), "{operation} answered {}, which is not described: {}", seen.status, seen.text);
        let schema = &answers[&status]["content"]["application/json"]["schema"];
        if schema.is_null() {
            return seen;
        }
        // Administrators see more of users than the generated description says; the pages of the API show it.
        let users = matches!(operation, "GET /api/v4/users" | "GET /api/v4/users/{id}" | "GET /api/v4/user");
        let schema = if users { &json!({ "$ref": "#/components/schemas/API_Entities_UserWithAdmin" }) } else { schema };
        // Lists are described as one of their items here and there.
        let schema = if seen.body.is_array() && schema["type"] != "array" { json!({ "type": "array", "items": schema }) } else { schema.clone() };
        let whole = json!({ "allOf": [schema], "components": self.document["components"] });
        let validator = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
        let errors: Vec<String> = validator.iter_errors(&seen.body).map(|error| format!("{} at {}", error, error.instance_path())).collect();
        assert!(errors.is_empty(), "{operation}: {errors:#?}\n{:#}", seen.body);
        seen
    }

    fn operations(&self) -> BTreeSet<String> {
        let paths = self.document["paths"].as_object().unwrap();
        let methods = ["get", "post", "put", "patch", "delete"];
        paths
            .iter()
            .flat_map(|(path, item)| methods.iter().filter(|method| item.get(method).is_some()).map(move |method| format!("{} {path}", method.to_uppercase())))
            .collect()
    }
}

/// The generator writes "string" where the code names no type, and never says what may be null. Fields nobody described are errors.
fn as_json_schema(entity: &mut Value) {
    let Some(fields) = entity["properties"].as_object_mut() else { return };
    for field in fields.values_mut() {
        let loose = field["type"] == "string" && field.get("format").is_none();
        if loose {
            field["type"] = json!(["string", "number", "boolean", "null"]);
        } else if let Some(Value::String(name)) = field.get("type").cloned() {
            field["type"] = json!([name, "null"]);
        } else if field.get("allOf").is_some() {
            let one = field.take();
            *field = json!({ "anyOf": [{ "allOf": one["allOf"] }, { "type": "null" }] });
        } else if field.get("$ref").is_some() {
            let one = field.take();
            *field = json!({ "anyOf": [one, { "type": "null" }] });
        }
    }
    entity["additionalProperties"] = false.into();
}

#[tokio::test(start_paused = true)]
async fn every_operation_answers_as_described() {
    let Some(mut api) = Description::load() else {
        eprintln!("passed over: PROVISIONR_SPECS_DIR does not say where the vendor's description is");
        return;
    };
    let links = json!({ "groups": [{ "path": "linked", "ldap_links": { "eng": 30 }, "saml_links": { "eng": 30 }, "shared_with": { "crew": 30 } }] });
    let instance = GitlabFake::new().with_group("crew/sub").with_project("crew/sub/api").with_group("spare").seeded(&links).with_settings(|settings| {
        settings.plan = provisionr_testkit::gitlab::Plan::Ultimate;
        settings.page_size = 20;
    });
    let (fake, client) = start(instance);
    let (api, client) = (&mut api, &client);
    api.call(client, "GET /api/v4/user", &[], "", None).await;
    let body = json!({ "email": "s@x.com", "name": "S", "username": "s", "force_random_password": true, "provider": "saml", "extern_uid": "e" });
    let made = api.call(client, "POST /api/v4/users", &[], "", Some(body)).await;
    let id = made.body["id"].to_string();
    let user: &[(&str, &str)] = &[("id", &id), ("user_id", &id)];
    for query in ["", "?username=S", "?search=s@x.com", "?extern_uid=e&provider=saml", "?pagination=keyset&order_by=id&sort=asc"] {
        api.call(client, "GET /api/v4/users", &[], query, None).await;
    }
    api.call(client, "GET /api/v4/users/{id}", user, "", None).await;
    api.call(client, "PUT /api/v4/users/{id}", user, "", Some(json!({ "location": "Paris" }))).await;
    for verb in ["deactivate", "activate", "block", "unblock", "ban", "unban"] {
        api.call(client, &format!("POST /api/v4/users/{{id}}/{verb}"), user, "", None).await;
    }
    for query in ["", "?search=cre", "?all_available=true&order_by=id&sort=asc"] {
        api.call(client, "GET /api/v4/groups", &[], query, None).await;
    }
    api.call(client, "POST /api/v4/groups", &[], "", Some(json!({ "name": "New", "path": "new" }))).await;
    for group in ["crew", "crew/sub", "linked"] {
        api.call(client, "GET /api/v4/groups/{id}", &[("id", group)], "", None).await;
    }
    let crew: &[(&str, &str)] = &[("id", "crew")];
    for list in ["subgroups", "descendant_groups", "projects"] {
        api.call(client, &format!("GET /api/v4/groups/{{id}}/{list}"), crew, "", None).await;
    }
    api.call(client, "GET /api/v4/groups/{id}/saml_group_links", &[("id", "linked")], "", None).await;
    api.call(client, "GET /api/v4/projects/{id}", &[("id", "crew/sub/api")], "", None).await;

    for (sort, path) in [("projects", "crew/sub/api"), ("groups", "crew/sub")] {
        let all = format!("/api/v4/{sort}/{{id}}");
        let here: &[(&str, &str)] = &[("id", path), ("user_id", &id), ("email", "n@x.com")];
        api.call(client, &format!("POST {all}/members"), here, "", Some(json!({ "user_id": made.body["id"], "access_level": 30 }))).await;
        let edit = json!({ "access_level": 40, "expires_at": "2031-01-31", "member_role_id": 7 });
        api.call(client, &format!("PUT {all}/members/{{user_id}}"), here, "", Some(edit)).await;
        for query in ["", "?query=s", "?per_page=1"] {
            api.call(client, &format!("GET {all}/members"), here, query, None).await;
            api.call(client, &format!("GET {all}/members/all"), here, query, None).await;
        }
        api.call(client, &format!("GET {all}/members/{{user_id}}"), here, "", None).await;
        api.call(client, &format!("GET {all}/members/all/{{user_id}}"), here, "", None).await;
        let invitation =
            client.post(&format!("/api/v4/{sort}/{}/invitations", path.replace('/', "%2F")), json!({ "email": "n@x.com", "access_level": 30 })).await;
        // Described as an invitation; the pages of the API have a status.
        assert_eq!((invitation.status, invitation.body), (201, json!({ "status": "success" })));
        api.called.insert(format!("POST {all}/invitations"));
        for query in ["", "?query=n@x.com"] {
            api.call(client, &format!("GET {all}/invitations"), here, query, None).await;
        }
        api.call(client, &format!("PUT {all}/invitations/{{email}}"), here, "", Some(json!({ "access_level": 20 }))).await;
        api.call(client, &format!("DELETE {all}/invitations/{{email}}"), here, "", None).await;
        api.call(client, &format!("DELETE {all}/invitations/{{email}}"), here, "", None).await;
    }
    api.call(client, "GET /api/v4/users/{user_id}/memberships", user, "", None).await;
    api.call(client, "PUT /api/v4/groups/{id}/members/{user_id}/state", &[("id", "crew/sub"), ("user_id", &id)], "?state=active", None).await;
    for (sort, path) in [("projects", "crew/sub/api"), ("groups", "crew/sub")] {
        let here: &[(&str, &str)] = &[("id", path), ("user_id", &id)];
        api.call(client, &format!("DELETE /api/v4/{sort}/{{id}}/members/{{user_id}}"), here, "?skip_subresources=true", None).await;
    }
    for provider in ["saml", "scim"] {
        let kind = if provider == "saml" { "group_saml" } else { "scim" };
        let args = json!({ "group": "crew", "extern_uid": "u-1", "email": format!("{provider}@x.com"), "provider": kind });
        fake.act(provisionr_testkit::Act::new("saml_login", args)).unwrap();
        let here: &[(&str, &str)] = &[("id", "crew"), ("uid", "u-1")];
        let (list, one) = (format!("/api/v4/groups/{{id}}/{provider}/identities"), format!("/api/v4/groups/{{id}}/{provider}/{{uid}}"));
        api.call(client, &format!("GET {list}"), here, "", None).await;
        api.call(client, &format!("GET {one}"), here, "", None).await;
        api.call(client, &format!("PATCH {one}"), here, "", Some(json!({ "extern_uid": "u-2" }))).await;
        api.call(client, &format!("GET {one}"), here, "", None).await;
        api.call(client, &format!("DELETE {one}"), &[("id", "crew"), ("uid", "u-2")], "", None).await;
    }
    api.call(client, "GET /api/v4/groups/{id}/provisioned_users", crew, "", None).await;
    api.call(client, "DELETE /api/v4/users/{id}", user, "", None).await;

    api.called.extend(NOT_PLAYED.map(str::to_owned));
    assert_eq!(api.operations().difference(&api.called).collect::<Vec<_>>(), [""; 0]);
    let tried = api.called.len() - NOT_PLAYED.len();
    assert_eq!(tried, 53);
}

//! The fake answers as the vendor describes: every method of the discovery document is called, and each answer held against its
//! schema, in which no field may be that is not described. The document is not part of this project; its place is told by
//! `PROVISIONR_SPECS_DIR`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use provisionr_testkit::GoogleFake;
use serde_json::{Value, json};

use crate::client::{Client, Seen, start};

struct Description {
    document: Value,
    called: BTreeSet<String>,
}

impl Description {
    fn load() -> Option<Self> {
        let path = PathBuf::from(std::env::var_os("PROVISIONR_SPECS_DIR")?).join("google/admin.directory_v1-cut.json");
        let mut document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        as_json_schema(&mut document["schemas"]);
        Some(Self { document, called: BTreeSet::new() })
    }

    /// A method by its name, `users.aliases.list`.
    fn method(&self, name: &str) -> &Value {
        let (resources, method) = name.rsplit_once('.').unwrap();
        let resource = resources.split('.').fold(&self.document, |at, part| &at["resources"][part]);
        &resource["methods"][method]
    }

    /// Calls a method and holds the answer against its schema.
    async fn call(&mut self, client: &Client, name: &str, params: &[(&str, &str)], query: &str, body: Option<Value>) -> Seen {
        let method = self.method(name);
        let path = method["path"].as_str().unwrap().strip_prefix("admin/directory/v1/").unwrap().replace("{+", "{");
        let path = params.iter().fold(path, |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
        let seen = client.send(method["httpMethod"].as_str().unwrap(), &format!("{path}{query}"), body).await;
        let response = method["response"]["$ref"].as_str().map(str::to_owned);
        self.called.insert(name.to_owned());
        let Some(schema) = response.filter(|_| seen.status < 300) else {
            // The document has no form of errors, and no answer to what is deleted.
            assert!(seen.body.is_null() || seen.body["error"]["errors"][0]["reason"].is_string(), "{name}: {}", seen.body);
            return seen;
        };
        let whole = json!({ "$ref": format!("#/schemas/{schema}"), "schemas": self.document["schemas"] });
        let validator = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
        let errors: Vec<String> = validator.iter_errors(&seen.body).map(|error| format!("{} at {}", error, error.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}\n{:#}", seen.body);
        seen
    }

    fn methods(&self) -> BTreeSet<String> {
        fn of(at: &Value, prefix: &str, all: &mut BTreeSet<String>) {
            for (name, resource) in at["resources"].as_object().into_iter().flatten() {
                all.extend(resource["methods"].as_object().into_iter().flatten().map(|(method, _)| format!("{prefix}{name}.{method}")));
                of(resource, &format!("{prefix}{name}."), all);
            }
        }
        let mut all = BTreeSet::new();
        of(&self.document, "", &mut all);
        all
    }
}

/// What a discovery document says otherwise than JSON Schema: names of schemas, and any type as a type. Fields it does not name are
/// none of the vendor's.
fn as_json_schema(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(name)) = fields.get("$ref").cloned() {
                fields.insert("$ref".to_owned(), format!("#/schemas/{name}").into());
            }
            if fields.get("type") == Some(&json!("any")) {
                fields.remove("type");
            }
            if fields.get("properties").is_some_and(Value::is_object) && fields.get("type") == Some(&json!("object")) {
                fields.insert("additionalProperties".to_owned(), false.into());
            }
            fields.values_mut().for_each(as_json_schema);
        }
        Value::Array(items) => items.iter_mut().for_each(as_json_schema),
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
async fn every_method_answers_as_described() {
    let Some(mut api) = Description::load() else {
        eprintln!("passed over: PROVISIONR_SPECS_DIR does not say where the vendor's description is");
        return;
    };
    let customer = GoogleFake::new()
        .with_user("a@example.com")
        .with_group("inner@example.com", &["a@example.com"])
        .with_group("outer@example.com", &["inner@example.com", "guest@elsewhere.org"])
        .with_settings(|settings| settings.unmanaged.extend(["old@example.com".to_owned()]));
    let (google, client) = start(customer);
    let (inner, outer) = (google.group_id("inner@example.com").unwrap(), google.group_id("outer@example.com").unwrap());

    let user = |email: &str| {
        json!({
            "primaryEmail": email, "password": "twelve chars", "name": { "givenName": "S", "familyName": "C" }, "orgUnitPath": "/",
            "organizations": [{ "title": "SE", "primary": true }], "customSchemas": { "Work": { "badge": "1" } }, "recoveryPhone": "+15550100",
        })
    };
    let made = api.call(&client, "users.insert", &[], "", Some(user("s@example.com"))).await;
    let id = made.body["id"].as_str().unwrap().to_owned();
    let me: &[(&str, &str)] = &[("userKey", &id), ("groupKey", &outer), ("memberKey", &id), ("customerId", "my_customer")];
    api.call(&client, "users.insert", &[], "", Some(user("s@example.com"))).await;
    assert_eq!(api.call(&client, "users.insert", &[], "?resolveConflictAccount=true", Some(user("old@example.com"))).await.status, 202);
    for query in ["", "?projection=full", "?projection=custom&customFieldMask=Work"] {
        api.call(&client, "users.get", me, query, None).await;
    }
    api.call(&client, "users.get", &[("userKey", "nobody")], "", None).await;
    for query in ["?customer=my_customer", "?domain=example.com&maxResults=1", "?customer=my_customer&query=email:s*"] {
        api.call(&client, "users.list", &[], query, None).await;
    }
    api.call(&client, "users.update", me, "", Some(json!({ "suspended": true, "primaryEmail": "t@example.com" }))).await;
    api.call(&client, "users.patch", me, "", Some(json!({ "suspended": false }))).await;
    api.call(&client, "users.aliases.list", me, "", None).await;
    api.call(&client, "users.makeAdmin", me, "", Some(json!({ "status": true }))).await;
    api.call(&client, "users.signOut", me, "", None).await;

    let new = api.call(&client, "groups.insert", &[], "", Some(json!({ "email": "new@example.com", "name": "New" }))).await;
    let new: &[(&str, &str)] = &[("groupKey", new.body["id"].as_str().unwrap())];
    api.call(&client, "groups.patch", new, "", Some(json!({ "description": "d" }))).await;
    api.call(&client, "groups.delete", new, "", None).await;
    api.call(&client, "groups.get", me, "", None).await;
    for query in ["?customer=my_customer", "?userKey=a@example.com", "?domain=example.com&query=email:in*"] {
        api.call(&client, "groups.list", &[], query, None).await;
    }
    api.call(&client, "members.insert", me, "", Some(json!({ "email": "t@example.com", "role": "MEMBER" }))).await;
    api.call(&client, "members.insert", me, "", Some(json!({ "email": "t@example.com", "role": "OWNER" }))).await;
    api.call(&client, "members.get", me, "", None).await;
    api.call(&client, "members.patch", me, "", Some(json!({ "role": "MANAGER" }))).await;
    api.call(&client, "members.update", me, "", Some(json!({ "role": "OWNER" }))).await;
    for query in ["", "?roles=OWNER", "?includeDerivedMembership=true"] {
        api.call(&client, "members.list", me, query, None).await;
    }
    api.call(&client, "members.hasMember", me, "", None).await;
    api.call(&client, "members.hasMember", &[("groupKey", &outer), ("memberKey", &inner)], "", None).await;
    api.call(&client, "members.delete", me, "", None).await;

    api.call(&client, "orgunits.insert", me, "", Some(json!({ "name": "corp", "parentOrgUnitPath": "/" }))).await;
    api.call(&client, "orgunits.insert", me, "", Some(json!({ "name": "sales", "parentOrgUnitPath": "/corp" }))).await;
    let unit = |path: &'static str| [("customerId", "my_customer"), ("orgUnitPath", path)];
    for query in ["", "?type=all", "?type=allIncludingParent&orgUnitPath=corp"] {
        api.call(&client, "orgunits.list", me, query, None).await;
    }
    api.call(&client, "orgunits.get", &unit("corp/sales"), "", None).await;
    api.call(&client, "orgunits.update", &unit("corp/sales"), "", Some(json!({ "description": "d" }))).await;
    api.call(&client, "orgunits.patch", &unit("corp/sales"), "", Some(json!({ "name": "emea" }))).await;
    api.call(&client, "orgunits.delete", &unit("corp/emea"), "", None).await;

    api.call(&client, "users.delete", me, "", None).await;
    api.call(&client, "users.list", &[], "?customer=my_customer&showDeleted=true", None).await;
    api.call(&client, "users.undelete", me, "", Some(json!({ "orgUnitPath": "/" }))).await;

    assert_eq!(api.methods().difference(&api.called).collect::<Vec<_>>(), [""; 0]);
    assert_eq!(api.called.len(), 28);
}

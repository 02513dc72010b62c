//! SCIM 2.0, which no vendor describes: the RFCs' resources as JSON Schemas, and the operations of RFC 7644, section 3.2.

use serde_json::{Map, Value, json};

use super::Folder;
use crate::description::Description;

const RESOURCES: [(&str, &str, &str); 2] = [("/Users", "UserWithEnterprise", "ListResponse_User"), ("/Groups", "Group", "ListResponse_Group")];

pub(super) fn description(folder: &Folder) -> Description {
    let schemas = ["UserWithEnterprise", "Group", "ListResponse_User", "ListResponse_Group", "PatchOp", "ServiceProviderConfig", "Error"];
    let schemas: Map<String, Value> =
        schemas.map(|name| (name.to_owned(), placed(folder.read(&format!("scim/jsonschema-{name}.json")), name))).into_iter().collect();
    let mut paths = Map::new();
    for (path, one, list) in RESOURCES {
        let all = json!({ "get": operation(&LIST, None, 200, Some(list)), "post": operation(&SHOWN, Some(one), 201, Some(one)) });
        let each = json!({
            "get": operation(&SHOWN, None, 200, Some(one)),
            "put": operation(&SHOWN, Some(one), 200, Some(one)),
            "patch": operation(&SHOWN, Some("PatchOp"), 200, Some(one)),
            "delete": operation(&[], None, 204, None),
        });
        paths.insert(path.to_owned(), all);
        paths.insert(format!("{path}/{{id}}"), each);
    }
    paths.insert("/ServiceProviderConfig".to_owned(), json!({ "get": operation(&[], None, 200, Some("ServiceProviderConfig")) }));
    let document = json!({ "servers": [{ "url": "https://scim.test/scim/v2" }], "paths": paths, "components": { "schemas": schemas } });
    Description::openapi(document)
        .known("PUT *", "request: body: *('aFieldNobodyHasDescribed' was unexpected)", "what a service shows goes back with the rest, described or not")
        .corrected("/components/schemas/Error/properties/status", json!({ "type": "string" }), "RFC 7644, section 3.12, has a text")
}

/// RFC 7644, section 3.4.2.
const LIST: [(&str, &str); 7] = [
    ("filter", "string"),
    ("startIndex", "integer"),
    ("count", "integer"),
    ("sortBy", "string"),
    ("sortOrder", "string"),
    ("attributes", "string"),
    ("excludedAttributes", "string"),
];

/// RFC 7644, section 3.9.
const SHOWN: [(&str, &str); 2] = [("attributes", "string"), ("excludedAttributes", "string")];

fn operation(query: &[(&str, &str)], body: Option<&str>, status: u16, answer: Option<&str>) -> Value {
    let content = |schema: &str| json!({ "application/scim+json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } });
    let parameters: Vec<Value> = query.iter().map(|(name, of)| json!({ "name": name, "in": "query", "schema": { "type": of } })).collect();
    let refusal = json!({ "content": content("Error") });
    let mut responses = json!({ "4XX": refusal, "5XX": refusal });
    let mut operation = json!({ "parameters": parameters });
    if let (Some(responses), Some(fields)) = (responses.as_object_mut(), operation.as_object_mut()) {
        responses.insert(status.to_string(), answer.map_or_else(|| json!({}), |schema| json!({ "content": content(schema) })));
        // A change may be answered without the resource: RFC 7644, section 3.5.2.
        responses.entry("204").or_insert_with(|| json!({}));
        fields.insert("responses".to_owned(), responses.clone().into());
        fields.extend(body.map(|schema| ("requestBody".to_owned(), json!({ "required": true, "content": content(schema) }))));
    }
    operation
}

/// A schema with its references as they are where it stands in the whole.
fn placed(mut schema: Value, name: &str) -> Value {
    match &mut schema {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                *value = match value.take() {
                    Value::String(reference) if key == "$ref" => reference.replacen("#/", &format!("#/components/schemas/{name}/"), 1).into(),
                    other => placed(other, name),
                };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = placed(item.take(), name)),
        _ => {}
    }
    schema
}

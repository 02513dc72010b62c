//! Salesforce's core REST API. The document describes records and the routes to them apart; here each object has routes of its own.

use serde_json::{Map, Value, json};

use super::Folder;
use crate::description::Description;

const RECORDS: &str = "/services/data/{version}/sobjects/{sobject}";
const RECORD: &str = "/services/data/{version}/sobjects/{sobject}/{id}";

pub(super) fn description(folder: &Folder) -> Description {
    let mut document = folder.read("salesforce/salesforce-core-rest.openapi3.json");
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object).cloned().unwrap_or_default();
    let objects: Map<_, _> = schemas.into_iter().filter(|(_, schema)| schema.get("x-supported-calls").is_some()).collect();
    for (name, schema) in &objects {
        let fields = fields(schema);
        put(&mut document, &format!("/components/schemas/{name}"), fields.clone());
        // Of a collection it is the type in the record that says what the rest is.
        let kind = json!({ "type": "object", "required": ["type"], "properties": { "type": { "enum": [name] }, "url": { "type": "string" } } });
        let typed = json!({ "type": "object", "required": ["attributes"], "properties": { "attributes": kind, "id": { "type": "string" } } });
        put(&mut document, &format!("/components/schemas/Typed{name}"), json!({ "allOf": [fields, typed] }));
        for (path, method, schema) in [(RECORDS, "post", made(name, schema)), (RECORD, "patch", reference(name))] {
            let Some(mut operation) = document.pointer(&format!("/paths/{}/{method}", path.replace('/', "~1"))).cloned() else { continue };
            put(&mut operation, "/requestBody/content/application~1json/schema", schema);
            let place = format!("/paths/{}", path.replace("{sobject}", name).replace('/', "~1"));
            put(&mut document, &place, json!({ method: operation }));
            put(&mut document, &format!("{place}/parameters"), json!([path_parameter("version"), path_parameter("id")]));
        }
    }
    let typed: Vec<Value> = objects.keys().map(|name| reference(&format!("Typed{name}"))).collect();
    for list in ["QueryResult", "CollectionRequest"] {
        put(&mut document, &format!("/components/schemas/{list}/properties/records/items"), json!({ "anyOf": typed }));
    }
    let form = "/paths/~1services~1oauth2~1token/post/requestBody/content/application~1x-www-form-urlencoded/schema/properties";
    let (text, why) = (json!({ "type": "string" }), "the document has the grant of client credentials, and not the credentials (RFC 6749, 2.3.1)");
    Description::openapi(document).corrected(&format!("{form}/client_id"), text.clone(), why).corrected(&format!("{form}/client_secret"), text, why).known(
        "GET /services/data/{version}/sobjects/{sobject}/*",
        "answer: 200: no body is described",
        "of a record and of a description the document has the status alone",
    )
}

fn put(document: &mut Value, place: &str, value: Value) {
    let Some((parent, last)) = place.rsplit_once('/') else { return };
    if let Some(Value::Object(fields)) = document.pointer_mut(parent) {
        fields.insert(last.replace("~1", "/"), value);
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn path_parameter(name: &str) -> Value {
    json!({ "name": name, "in": "path", "schema": { "type": "string" } })
}

/// The fields of an object, all but the id without a value at times, which the document does not say; those of the org itself,
/// whose names end in `__c`; and beside a reference, `ProfileId`, the record it refers to, `Profile`.
fn fields(schema: &Value) -> Value {
    let mut properties = Map::new();
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let mut field = field.clone();
        if name != "Id" {
            put(&mut field, "/nullable", true.into());
        }
        if let Some(record) = name.strip_suffix("Id").filter(|record| !record.is_empty()) {
            properties.insert(record.to_owned(), json!({ "type": "object", "nullable": true }));
        }
        properties.insert(name.clone(), field);
    }
    json!({ "type": "object", "properties": properties, "patternProperties": { "__c$": {} } })
}

/// A record to be made: with the fields that it needs then.
fn made(name: &str, schema: &Value) -> Value {
    let needed = schema.get("x-required-on-create").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let needed = needed.map(|one| json!({ "anyOf": one.split('|').map(|name| json!({ "required": [name] })).collect::<Vec<_>>() }));
    let parts: Vec<Value> = [reference(name)].into_iter().chain(needed).collect();
    json!({ "allOf": parts })
}

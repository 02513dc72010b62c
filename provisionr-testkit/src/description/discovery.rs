//! A Google discovery document as an OpenAPI document.

use serde_json::{Map, Value, json};

pub(super) fn openapi(document: &Value) -> Value {
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
    let common = document.get("parameters").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut paths = Map::new();
    collect(document, &common, &mut paths);
    let schemas = document.get("schemas").and_then(Value::as_object).into_iter().flatten();
    let schemas: Map<_, _> = schemas.map(|(name, node)| (name.clone(), schema(node))).collect();
    json!({ "servers": [{ "url": format!("{}{}", text("rootUrl"), text("servicePath")) }], "paths": paths, "components": { "schemas": schemas } })
}

/// The methods of all resources beneath.
fn collect(resource: &Value, common: &Map<String, Value>, paths: &mut Map<String, Value>) {
    for method in resource.get("methods").and_then(Value::as_object).into_iter().flat_map(Map::values) {
        let text = |name: &str| method.get(name).and_then(Value::as_str).unwrap_or_default();
        let own = method.get("parameters").and_then(Value::as_object).into_iter().flatten();
        let parameters: Vec<Value> = own.chain(common).map(|(name, node)| parameter(name, node)).collect();
        let mut operation = json!({ "operationId": text("id"), "parameters": parameters, "responses": {} });
        let content = |way: &str| {
            let name = method.get(way)?.get("$ref")?.as_str()?;
            Some(json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{name}") } } }))
        };
        let answer = content("response").map_or_else(|| json!({}), |content| json!({ "content": content }));
        // The document says nothing of statuses, nor of errors.
        let error = json!({ "content": { "application/json": {} } });
        let responses = json!({ "2XX": answer, "4XX": error, "5XX": error });
        if let Value::Object(fields) = &mut operation {
            fields.insert("responses".to_owned(), responses);
            fields.extend(content("request").map(|content| ("requestBody".to_owned(), json!({ "content": content }))));
        }
        let item = paths.entry(format!("/{}", text("path"))).or_insert_with(|| json!({}));
        if let Value::Object(item) = item {
            item.insert(text("httpMethod").to_lowercase(), operation);
        }
    }
    for resource in resource.get("resources").and_then(Value::as_object).into_iter().flat_map(Map::values) {
        collect(resource, common, paths);
    }
}

fn parameter(name: &str, node: &Value) -> Value {
    let one = schema(node);
    let repeated = node.get("repeated") == Some(&Value::Bool(true));
    json!({
        "name": name,
        "in": node.get("location").unwrap_or(&json!("query")),
        "required": node.get("required") == Some(&Value::Bool(true)),
        "schema": if repeated { json!({ "type": "array", "items": one }) } else { one },
    })
}

/// What a discovery document says otherwise: names of schemas, any type as a type, bounds as texts, and which fields only answers have.
fn schema(node: &Value) -> Value {
    match node {
        Value::Object(fields) => {
            let mut read: Map<_, _> = fields.iter().map(|(name, value)| (name.clone(), schema(value))).collect();
            if let Some(Value::String(name)) = fields.get("$ref") {
                read.insert("$ref".to_owned(), format!("#/components/schemas/{name}").into());
            }
            if fields.get("type") == Some(&json!("any")) {
                read.remove("type");
            }
            for bound in ["minimum", "maximum"] {
                if let Some(Value::String(text)) = fields.get(bound) {
                    read.remove(bound);
                    read.extend(text.parse::<i64>().ok().map(|number| (bound.to_owned(), number.into())));
                }
            }
            // In the place of a schema it is a flag of parameters.
            if fields.get("required").is_some_and(Value::is_boolean) {
                read.remove("required");
            }
            read.into()
        }
        Value::Array(items) => items.iter().map(schema).collect(),
        other => other.clone(),
    }
}

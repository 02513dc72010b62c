//! A service model of AWS as an OpenAPI document: one path, and a header that says which operation is meant.

use serde_json::{Map, Value, json};

/// What every operation may be refused with: common errors are not in the models.
/// <https://docs.aws.amazon.com/awssupport/latest/APIReference/CommonErrors.html>
const COMMON: [&str; 3] = ["UnrecognizedClientException", "InvalidSignatureException", "MissingAuthenticationTokenException"];

pub(super) fn openapi(model: &Value) -> Value {
    let metadata = |name: &str| model.pointer("/metadata").and_then(|metadata| metadata.get(name)?.as_str()).unwrap_or_default();
    let content_type = format!("application/x-amz-json-{}", metadata("jsonVersion"));
    let operations = model.get("operations").and_then(Value::as_object).into_iter().flatten();
    let paths: Map<_, _> = operations
        .map(|(name, operation)| {
            let shape = |way: &str| operation.pointer(&format!("/{way}/shape")).and_then(Value::as_str);
            let content = |schema: Value| json!({ "content": { content_type.as_str(): { "schema": schema } } });
            let answer = content(shape("output").map_or_else(|| json!({}), reference));
            let errors = operation.get("errors").and_then(Value::as_array).into_iter().flatten().filter_map(|error| error.get("shape")?.as_str());
            let errors: Vec<Value> = errors.map(own_error).chain(COMMON.map(common_error)).collect();
            let mut body = content(shape("input").map_or_else(|| json!({}), reference));
            if let Value::Object(fields) = &mut body {
                fields.insert("required".to_owned(), true.into());
            }
            let refused = content(json!({ "anyOf": errors }));
            let post = json!({ "requestBody": body, "responses": { "200": answer, "4XX": refused, "5XX": refused } });
            (format!("#{}.{name}", metadata("targetPrefix")), json!({ "post": post }))
        })
        .collect();
    let shapes = model.get("shapes").and_then(Value::as_object).into_iter().flatten();
    let schemas: Map<_, _> = shapes.map(|(name, shape)| (name.clone(), schema(shape))).collect();
    json!({ "paths": paths, "components": { "schemas": schemas } })
}

fn reference(shape: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{shape}") })
}

fn named(name: &str) -> Value {
    json!({ "type": "object", "properties": { "__type": { "type": "string", "enum": [name] } }, "required": ["__type"] })
}

fn own_error(shape: &str) -> Value {
    json!({ "allOf": [named(shape), reference(shape)] })
}

fn common_error(name: &str) -> Value {
    json!({ "allOf": [named(name), { "type": "object", "properties": { "message": { "type": "string" }, "Message": { "type": "string" } } }] })
}

fn schema(shape: &Value) -> Value {
    let kind = shape.get("type").and_then(Value::as_str).unwrap_or_default();
    let member = |member: &Value| member.get("shape").and_then(Value::as_str).map_or_else(|| json!({}), reference);
    let mut fields = Map::new();
    let bounds = match kind {
        "structure" if shape.get("document") == Some(&Value::Bool(true)) => return json!({}),
        "structure" => {
            let members = shape.get("members").and_then(Value::as_object).into_iter().flatten();
            let members: Map<_, _> = members.map(|(name, one)| (name.clone(), member(one))).collect();
            fields.insert("type".to_owned(), "object".into());
            // One without members may have none.
            let empty = members.is_empty() && shape.get("exception").is_none();
            fields.extend(empty.then(|| ("maxProperties".to_owned(), 0.into())));
            fields.insert("properties".to_owned(), members.into());
            if shape.get("union") == Some(&Value::Bool(true)) {
                fields.extend([("minProperties".to_owned(), 1.into()), ("maxProperties".to_owned(), 1.into())]);
            }
            ["", ""]
        }
        "list" => {
            fields.insert("type".to_owned(), "array".into());
            fields.extend(shape.get("member").map(|one| ("items".to_owned(), member(one))));
            ["minItems", "maxItems"]
        }
        "map" => {
            fields.insert("type".to_owned(), "object".into());
            fields.extend(shape.get("value").map(|one| ("additionalProperties".to_owned(), member(one))));
            ["", ""]
        }
        // Seconds since 1970, with fractions.
        "timestamp" => {
            fields.insert("type".to_owned(), "number".into());
            ["", ""]
        }
        "string" => {
            fields.insert("type".to_owned(), "string".into());
            ["minLength", "maxLength"]
        }
        other => {
            fields.insert("type".to_owned(), other.into());
            ["minimum", "maximum"]
        }
    };
    for (from, to) in ["min", "max"].into_iter().zip(bounds).filter(|(_, to)| !to.is_empty()) {
        fields.extend(shape.get(from).map(|bound| (to.to_owned(), bound.clone())));
    }
    for keyword in ["enum", "required"] {
        fields.extend(shape.get(keyword).map(|value| (keyword.to_owned(), value.clone())));
    }
    fields.extend(shape.get("pattern").and_then(Value::as_str).map(|pattern| ("pattern".to_owned(), format!("^(?:{pattern})$").into())));
    fields.into()
}

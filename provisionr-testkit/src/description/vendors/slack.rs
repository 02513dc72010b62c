//! Slack: the web API, and SCIM.

use serde_json::{Map, Value, json};

use super::Folder;
use crate::description::Description;

pub(super) fn description(folder: &Folder) -> Description {
    let mut methods = folder.read("slack/slack-web-api-current.openapi3.json");
    // The current description names objects without describing them; the older one describes them.
    let mut objects = folder.read("slack/slack-web-api.swagger2.json").get_mut("definitions").map(Value::take).unwrap_or_default();
    read(&mut objects);
    read(&mut methods);
    let common = methods.pointer("/components/schemas/CommonError/enum").and_then(Value::as_array).cloned().unwrap_or_default();
    for item in methods.get_mut("paths").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            tell_apart(operation, &common);
            in_the_query_as_well(operation);
        }
    }
    if let Value::Object(fields) = &mut methods {
        fields.insert("definitions".to_owned(), objects);
    }
    let teams = "/paths/~1admin.teams.list/post/responses/200/content/application~1json/schema/anyOf/0/allOf/0";
    let web = Description::openapi(methods).open_answers();
    let web =
        web.corrected(&format!("{teams}/required"), json!(["teams"]), "the list is called `teams` in the same schema and its example, and required as `team`");
    let web = web.corrected(
        &format!("{teams}/properties/teams/items/required"),
        json!(["id", "name", "discoverability", "primary_owner", "team_url"]),
        "workspaces have an `id` in the same schema and its example, and are required to have a `team_id`",
    );
    web.and(Description::openapi(folder.read("slack/slack-scim-v2.openapi3.json")).open_answers()).known(
        "DELETE /Users/{id}",
        "answer: 200: no body is described",
        "the pages do not say which of 200 and 204 it is, nor with which body",
    )
}

/// An answer says `ok` or one of the errors of its method.
fn tell_apart(operation: &mut Value, common: &[Value]) {
    let own = operation.get("x-slack-errors").and_then(Value::as_array).cloned().unwrap_or_default();
    let errors: Vec<Value> = own.iter().chain(common).cloned().collect();
    let answers = operation.pointer_mut("/responses/200/content/application~1json/schema/anyOf").and_then(Value::as_array_mut);
    for (answer, ok) in answers.into_iter().flatten().zip([true, false]) {
        let mut fields = json!({ "ok": { "enum": [ok] } });
        if let (Value::Object(fields), false) = (&mut fields, ok) {
            fields.insert("error".to_owned(), json!({ "enum": errors }));
        }
        *answer = json!({ "allOf": [answer.take(), { "type": "object", "properties": fields, "required": ["ok"] }] });
    }
}

/// Arguments of POST may be in the body, the query, or both: <https://docs.slack.dev/apis/web-api>.
fn in_the_query_as_well(operation: &mut Value) {
    let fields = operation.pointer("/requestBody/content/application~1x-www-form-urlencoded/schema/properties").and_then(Value::as_object);
    let parameters: Vec<_> = fields.into_iter().flatten().map(|(name, schema)| json!({ "name": name, "in": "query", "schema": schema })).collect();
    if let (Value::Object(operation), false) = (operation, parameters.is_empty()) {
        operation.insert("parameters".to_owned(), parameters.into());
    }
}

/// What the descriptions say otherwise than OpenAPI 3.0: objects by name, alternatives, null; and fields may be added to any object.
fn read(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let named = fields.get("x-slack-schema").and_then(Value::as_str).and_then(|name| match name {
                "user" => Some("objs_user"),
                "conversation" => Some("objs_conversation"),
                "subteam" => Some("objs_subteam"),
                "user_id" => Some("defs_user_id"),
                _ => None,
            });
            if let Some(named) = named {
                *value = json!({ "$ref": format!("#/definitions/{named}") });
                return;
            }
            if fields.get("additionalProperties") == Some(&json!(false)) {
                fields.remove("additionalProperties");
            }
            if let Some(nullable) = fields.remove("x-nullable") {
                fields.insert("nullable".to_owned(), nullable);
            }
            let plain = !fields.contains_key("type") && !fields.contains_key("$ref");
            if let Some(choices) = fields.remove("x-alternatives").filter(|_| plain) {
                fields.insert("anyOf".to_owned(), choices);
            }
            fields.values_mut().for_each(read);
        }
        Value::Array(items) => items.iter_mut().for_each(read),
        _ => {}
    }
}

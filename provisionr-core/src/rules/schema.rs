//! The JSON Schema of rules files, for editors.

use provisionr_sdk::Descriptor;
use serde_json::{Value, json};

use super::topology::AccountOrigin;

/// One schema for one YAML document of a rules file.
pub(crate) fn json_schema<'d>(descriptors: impl IntoIterator<Item = &'d Descriptor>) -> Value {
    let mut descriptors: Vec<&Descriptor> = descriptors.into_iter().collect();
    descriptors.sort_by(|one, two| one.system.cmp(&two.system));
    let systems: Vec<_> = descriptors.iter().map(|descriptor| &descriptor.system).collect();
    let provisions: Vec<Value> = descriptors.iter().flat_map(|descriptor| provisions(descriptor)).collect();
    let topologies: serde_json::Map<String, Value> =
        descriptors.iter().map(|descriptor| (descriptor.system.to_string(), topology(descriptor, &systems))).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Access rules",
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "policy": { "$ref": "#/$defs/policy" },
            "policies": { "type": "array", "items": { "$ref": "#/$defs/policy" } },
            "systems": { "type": "object", "additionalProperties": false, "properties": topologies },
        },
        "$defs": {
            "text": { "type": "string", "minLength": 1 },
            "scalar": { "type": ["string", "number", "boolean"] },
            "scalars": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/scalar" } },
            "policy": {
                "type": "object",
                "additionalProperties": false,
                "required": ["name", "triggers", "provisions"],
                "properties": {
                    "name": { "$ref": "#/$defs/text", "description": "unique among all policies" },
                    "description": { "$ref": "#/$defs/text" },
                    "triggers": { "oneOf": [
                        { "const": "everyone" },
                        { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/trigger" } },
                    ] },
                    "provisions": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/provision" } },
                },
            },
            "trigger": {
                "description": "attributes of the subject; all must match",
                "type": "object",
                "minProperties": 1,
                "additionalProperties": { "anyOf": [
                    { "$ref": "#/$defs/scalar" },
                    { "$ref": "#/$defs/scalars" },
                    { "$ref": "#/$defs/operators" },
                ] },
            },
            "operators": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": false,
                "properties": {
                    "eq": { "$ref": "#/$defs/scalar" },
                    "in": { "anyOf": [{ "$ref": "#/$defs/scalar" }, { "$ref": "#/$defs/scalars" }] },
                    "not": { "anyOf": [{ "$ref": "#/$defs/scalar" }, { "$ref": "#/$defs/scalars" }] },
                    "glob": { "anyOf": [{ "$ref": "#/$defs/text" }, { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/text" } }] },
                    "min": { "type": "number" },
                    "max": { "type": "number" },
                    "before": { "type": "string", "format": "date" },
                    "after": { "type": "string", "format": "date" },
                    "exists": { "type": "boolean" },
                },
            },
            "provision": { "oneOf": provisions },
        },
    })
}

/// The variants of a policy line of one system.
fn provisions(descriptor: &Descriptor) -> Vec<Value> {
    let mut schema = descriptor.kinds.json_schema();
    let Some(Value::Array(mut variants)) = schema.get_mut("oneOf").map(Value::take) else { return Vec::new() };
    for variant in &mut variants {
        if let Some(Value::Object(properties)) = variant.get_mut("properties") {
            properties.insert("system".to_owned(), json!({ "const": descriptor.system }));
        }
        if let Some(Value::Array(required)) = variant.get_mut("required") {
            required.insert(0, "system".into());
        }
    }
    variants
}

fn topology(descriptor: &Descriptor, systems: &[&provisionr_sdk::SystemName]) -> Value {
    let keys: Vec<_> = descriptor.accounts.keys.iter().map(|key| key.name).collect();
    let attributes: Vec<_> = descriptor.accounts.attributes.iter().filter(|attribute| attribute.writable).map(|attribute| attribute.name).collect();
    let origins = AccountOrigin::ALL.map(|(name, _)| name);
    let others: Vec<_> = systems.iter().filter(|system| ***system != descriptor.system).collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "accounts": { "enum": origins },
            "after": { "anyOf": [{ "enum": others }, { "type": "array", "items": { "enum": others } }] },
            "key": { "enum": keys },
            "keys": { "type": "object", "propertyNames": { "enum": keys }, "additionalProperties": { "$ref": "#/$defs/text" } },
            "profile": { "type": "object", "propertyNames": { "enum": attributes }, "additionalProperties": { "$ref": "#/$defs/text" } },
        },
    })
}

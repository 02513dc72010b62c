//! The JSON Schema of rules files, for editors.

use provisionr_sdk::Descriptor;
use serde_json::{Value, json};

use super::lifecycle::{Cannot, Cut, OnLeave, UNITS};
use super::read::ACCESS;
use super::topology::{AccountOrigin, Ownership};

/// One schema for one YAML document of a rules file.
pub(crate) fn json_schema<'d>(descriptors: impl IntoIterator<Item = &'d Descriptor>) -> Value {
    let mut descriptors: Vec<&Descriptor> = descriptors.into_iter().collect();
    descriptors.sort_by(|one, two| one.system.cmp(&two.system));
    let systems: Vec<_> = descriptors.iter().map(|descriptor| &descriptor.system).collect();
    let provisions: Vec<Value> = descriptors.iter().flat_map(|descriptor| lines(descriptor, "system")).collect();
    let federations: Vec<Value> = descriptors.iter().flat_map(|descriptor| lines(descriptor, "by")).collect();
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
            "lifecycle": lifecycle(),
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
            "provision": one_of(&provisions),
            "federation": one_of(&federations),
            "duration": { "type": "string", "pattern": duration(), "description": "a number of minutes, hours, days or weeks, such as `30 days`" },
            "login": { "type": "string", "pattern": r"\{[^{}]+\}", "description": "attributes of the subject in braces; `{n}` runs from 2 to 9" },
            "owned": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": false,
                "properties": {
                    "from": { "$ref": "#/$defs/text", "description": "the subject's attribute" },
                    "own": { "enum": Ownership::ALL.map(|(name, _)| name) },
                },
            },
        },
    })
}

/// One of these; nothing where there are none.
fn one_of(variants: &[Value]) -> Value {
    if variants.is_empty() { false.into() } else { json!({ "oneOf": variants }) }
}

fn duration() -> String {
    format!("^[0-9]+ +({})$", UNITS.map(|(name, _)| format!("{name}?")).join("|"))
}

fn lifecycle() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "first_day": { "$ref": "#/$defs/text", "description": "the subject's attribute with the first day; `start_date` unless given" },
            "accounts_before": { "$ref": "#/$defs/duration" },
            "access_before": { "$ref": "#/$defs/duration" },
            "last_day": { "$ref": "#/$defs/text", "description": "the subject's attribute with the last day; `end_date` unless given" },
            "grace": { "$ref": "#/$defs/duration" },
        },
    })
}

/// The variants of a policy line of one system, which stands under a key.
fn lines(descriptor: &Descriptor, system_key: &str) -> Vec<Value> {
    let mut schema = descriptor.kinds.json_schema();
    let Some(Value::Array(mut variants)) = schema.get_mut("oneOf").map(Value::take) else { return Vec::new() };
    for variant in &mut variants {
        if let Some(Value::Object(properties)) = variant.get_mut("properties") {
            properties.insert(system_key.to_owned(), json!({ "const": descriptor.system }));
        }
        if let Some(Value::Array(required)) = variant.get_mut("required") {
            required.insert(0, system_key.into());
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
            "accounts": { "anyOf": [
                { "enum": origins },
                {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["federated"],
                    "properties": { "federated": { "$ref": "#/$defs/federation" } },
                },
            ] },
            "after": { "anyOf": [{ "enum": others }, { "type": "array", "items": { "enum": others } }] },
            "logins": { "anyOf": [{ "$ref": "#/$defs/login" }, { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/login" } }] },
            "access": { "enum": ACCESS.map(|(name, _)| name) },
            "key": { "enum": keys },
            "keys": {
                "type": "object",
                "propertyNames": { "enum": keys },
                "additionalProperties": { "anyOf": [{ "$ref": "#/$defs/text" }, other_account(&others)] },
            },
            "profile": {
                "type": "object",
                "propertyNames": { "enum": attributes },
                "additionalProperties": { "anyOf": [{ "$ref": "#/$defs/text" }, { "$ref": "#/$defs/owned" }] },
            },
            "on_leave": { "enum": OnLeave::ALL.map(|(name, _)| name) },
            "leaver": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "cut": { "enum": Cut::ALL.map(|(name, _)| name) },
                    "deactivate_after": { "$ref": "#/$defs/duration" },
                    "delete_after": { "$ref": "#/$defs/duration" },
                },
            },
            "grace": { "$ref": "#/$defs/duration" },
            "cannot": { "enum": Cannot::ALL.map(|(name, _)| name) },
        },
    })
}

/// A key that comes from the person's account in another system.
fn other_account(others: &[&&provisionr_sdk::SystemName]) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["from", "field"],
        "properties": { "from": { "enum": others }, "field": { "type": "string", "pattern": r"^(id|login|email|profile\..+)$" } },
    })
}

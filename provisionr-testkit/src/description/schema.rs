//! What OpenAPI 3.0 says of values, as JSON Schema; compiled with nothing but what it refers to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value, json};

/// Which way a value goes: some fields go one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Request,
    Answer,
}

impl Side {
    /// Whether a property goes the other way only.
    fn is_not_for(self, property: &Value) -> bool {
        let flag = match self {
            Self::Request => "readOnly",
            Self::Answer => "writeOnly",
        };
        property.get(flag) == Some(&Value::Bool(true))
    }
}

/// A schema to hold values against, or why there is none.
pub(super) struct Validator(Result<jsonschema::Validator, String>);

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validator").finish_non_exhaustive()
    }
}

impl Validator {
    /// What is wrong with a value, in words that show none of it: it may be a secret.
    pub(super) fn errors(&self, value: &Value) -> Vec<String> {
        let validator = match &self.0 {
            Ok(validator) => validator,
            Err(why) => return vec![format!("the description's schema cannot be read: {why}")],
        };
        validator.iter_errors(value).map(|error| told(&error)).collect()
    }
}

/// An error without the value; of alternatives the one that comes nearest is told.
fn told(error: &jsonschema::ValidationError<'_>) -> String {
    use jsonschema::error::ValidationErrorKind::{AnyOf, OneOfNotValid};
    let (place, mut what) = (error.instance_path().as_str(), error.masked().to_string());
    if let AnyOf { context } | OneOfNotValid { context } = error.kind()
        && let Some(nearest) = context.iter().min_by_key(|errors| errors.len())
    {
        let nearest: Vec<_> = nearest.iter().map(told).collect();
        what = format!("fits no alternative; the nearest says: {}", nearest.join("; "));
    }
    if place.is_empty() { what } else { format!("{place}: {what}") }
}

/// Compiles the schema at a place of a document. A closed one lets objects have no fields beside those it has.
pub(super) fn compile(document: &Value, place: &str, side: Side, closed: bool) -> Validator {
    let mut reader = Reader { document, side, closed, names: BTreeMap::new(), left: Vec::new() };
    let Some(node) = document.pointer(place) else { return Validator(Err(format!("there is nothing at {place}"))) };
    let mut whole = reader.read(node, Position::Value);
    let mut definitions = Map::new();
    while let Some((name, place)) = reader.left.pop() {
        let read = document.pointer(&place).map_or(Value::Bool(true), |node| reader.read(node, Position::Part));
        definitions.insert(name, read);
    }
    if let Value::Object(fields) = &mut whole {
        fields.insert("$defs".to_owned(), definitions.into());
    }
    let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012).should_validate_formats(true);
    Validator(options.build(&whole).map_err(|error| error.masked().to_string()))
}

/// What a schema stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    /// A whole value: only here is known which fields it may have.
    Value,
    /// One of several schemas of a value.
    Part,
}

struct Reader<'a> {
    document: &'a Value,
    side: Side,
    closed: bool,
    /// The names that places of the document have got.
    names: BTreeMap<String, String>,
    /// Those that are still to be read.
    left: Vec<(String, String)>,
}

/// What both say alike.
const ALIKE: [&str; 16] = [
    "patternProperties",
    "type",
    "enum",
    "const",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

impl Reader<'_> {
    fn read(&mut self, node: &Value, position: Position) -> Value {
        let Some(fields) = node.as_object() else { return node.clone() };
        let mut schema = self.plain(fields);
        if fields.get("nullable") == Some(&Value::Bool(true)) {
            schema = nullable(schema);
        }
        if position == Position::Value {
            self.discriminate(node, &mut schema);
        }
        if self.closed && position == Position::Value && self.declares(node, &mut BTreeSet::new()) {
            schema.insert("unevaluatedProperties".to_owned(), false.into());
        }
        schema.into()
    }

    fn plain(&mut self, fields: &Map<String, Value>) -> Map<String, Value> {
        let mut schema = Map::new();
        if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
            schema.insert("$ref".to_owned(), self.name(reference).into());
            return schema;
        }
        for keyword in ALIKE {
            schema.extend(fields.get(keyword).map(|value| (keyword.to_owned(), value.clone())));
        }
        // A flag beside the bound in OpenAPI 3.0, the bound itself in JSON Schema.
        for (bound, flag) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
            if fields.get(flag) == Some(&Value::Bool(true)) {
                schema.remove(bound).map(|value| schema.insert(flag.to_owned(), value));
            }
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            if let Some(parts) = fields.get(keyword).and_then(Value::as_array) {
                let parts: Vec<_> = parts.iter().map(|part| self.read(part, Position::Part)).collect();
                schema.insert(keyword.to_owned(), parts.into());
            }
        }
        for (keyword, position) in [("items", Position::Value), ("additionalProperties", Position::Value), ("not", Position::Part)] {
            if let Some(value) = fields.get(keyword) {
                let read = self.read(value, position);
                schema.insert(keyword.to_owned(), read);
            }
        }
        let properties = fields.get("properties").and_then(Value::as_object);
        if let Some(properties) = properties {
            let side = self.side;
            let there = properties.iter().filter(|(_, property)| !side.is_not_for(property));
            let read: Map<_, _> = there.map(|(name, property)| (name.clone(), self.read(property, Position::Value))).collect();
            schema.insert("properties".to_owned(), read.into());
        }
        if let Some(required) = fields.get("required").and_then(Value::as_array) {
            let property = |name: &Value| properties?.get(name.as_str()?);
            let here: Vec<_> = required.iter().filter(|name| !property(name).is_some_and(|property| self.side.is_not_for(property))).cloned().collect();
            schema.insert("required".to_owned(), here.into());
        }
        schema
    }

    /// Adds what a value is by one of its fields: a schema that others build on says which of them is meant. Only of a whole value,
    /// for the others refer back to it.
    fn discriminate(&mut self, node: &Value, schema: &mut Map<String, Value>) {
        let named = node.get("$ref").and_then(Value::as_str).and_then(|reference| self.document.pointer(reference.trim_start_matches('#')));
        let base = named.unwrap_or(node);
        let one_of_several = base.get("oneOf").or_else(|| base.get("anyOf")).is_some();
        let (field, mapping) = (base.pointer("/discriminator/propertyName").and_then(Value::as_str), base.pointer("/discriminator/mapping"));
        let (Some(field), Some(mapping), false) = (field, mapping.and_then(Value::as_object), one_of_several) else { return };
        let cases = mapping.iter().filter_map(|(value, reference)| {
            let meant = json!({ "properties": { field: { "const": value } }, "required": [field] });
            Some(json!({ "if": meant, "then": { "$ref": self.name(reference.as_str()?) } }))
        });
        let cases: Vec<Value> = cases.collect();
        match schema.entry("allOf").or_insert_with(|| json!([])) {
            Value::Array(parts) => parts.extend(cases),
            other => *other = cases.into(),
        }
    }

    /// The name of what a reference refers to, which is read later.
    fn name(&mut self, reference: &str) -> String {
        let place = reference.trim_start_matches('#').to_owned();
        let next = self.names.len();
        let name = self.names.entry(place.clone()).or_insert_with(|| {
            let name = format!("{next}");
            self.left.push((name.clone(), place));
            name
        });
        format!("#/$defs/{name}")
    }

    /// Whether a schema says which fields an object may have.
    fn declares(&self, node: &Value, seen: &mut BTreeSet<String>) -> bool {
        if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
            let place = reference.trim_start_matches('#');
            return seen.insert(place.to_owned()) && self.document.pointer(place).is_some_and(|node| self.declares(node, seen));
        }
        let parts = |keyword: &str| node.get(keyword).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let no_object = |part: &Value| part.get("type").is_some_and(|name| name != "object");
        node.get("properties").and_then(Value::as_object).is_some_and(|properties| !properties.is_empty())
            || parts("allOf").iter().any(|part| self.declares(part, seen))
            || ["anyOf", "oneOf"].into_iter().any(|keyword| {
                let parts = parts(keyword);
                parts.iter().any(|part| self.declares(part, &mut seen.clone()))
                    && parts.iter().all(|part| no_object(part) || self.declares(part, &mut seen.clone()))
            })
    }
}

fn nullable(mut schema: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Array(values)) = schema.get_mut("enum")
        && !values.contains(&Value::Null)
    {
        values.push(Value::Null);
    }
    match schema.get("type") {
        Some(Value::String(name)) if !schema.contains_key("allOf") && !schema.contains_key("oneOf") && !schema.contains_key("anyOf") => {
            let types = json!([name, "null"]);
            schema.insert("type".to_owned(), types);
            schema
        }
        _ => Map::from_iter([("anyOf".to_owned(), json!([schema, { "type": "null" }]))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(schema: &Value, side: Side, value: &Value) -> Vec<String> {
        let document = json!({ "schema": schema, "parts": {
            "named": { "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] },
            "pet": { "type": "object", "properties": { "kind": { "type": "string" } }, "discriminator": { "propertyName": "kind", "mapping": {
                "cat": "#/parts/cat",
            } } },
            "cat": { "allOf": [{ "$ref": "#/parts/pet" }, { "type": "object", "properties": { "lives": { "type": "integer" } } }] },
            "tree": { "type": "object", "properties": { "children": { "type": "array", "items": { "$ref": "#/parts/tree" } } } },
        } });
        compile(&document, "/schema", side, true).errors(value)
    }

    #[test]
    fn fields_of_all_parts_are_known_and_no_others() {
        let schema = json!({ "allOf": [{ "$ref": "#/parts/named" }, { "type": "object", "properties": { "age": { "type": "integer" } } }] });
        assert_eq!(errors(&schema, Side::Request, &json!({ "name": "a", "age": 1 })), [""; 0]);
        let found = errors(&schema, Side::Request, &json!({ "name": "a", "agee": 1 }));
        assert!(found.len() == 1 && found[0].contains("'agee'"), "{found:?}");
    }

    #[test]
    fn schemas_that_refer_to_themselves_are_closed_too() {
        let tree = json!({ "$ref": "#/parts/tree" });
        assert_eq!(errors(&tree, Side::Answer, &json!({ "children": [{ "children": [] }] })), [""; 0]);
        assert_eq!(errors(&tree, Side::Answer, &json!({ "children": [{ "child": [] }] })).len(), 1);
    }

    #[test]
    fn a_field_may_say_what_a_value_is() {
        let pet = json!({ "$ref": "#/parts/pet" });
        assert_eq!(errors(&pet, Side::Answer, &json!({ "kind": "cat", "lives": 9 })), [""; 0]);
        assert!(!errors(&pet, Side::Answer, &json!({ "kind": "cat", "lives": "9" })).is_empty());
        assert_eq!(errors(&pet, Side::Answer, &json!({ "kind": "dog", "lives": 9 })).len(), 1);
    }

    #[test]
    fn objects_of_which_nothing_is_said_are_open() {
        for schema in [json!({ "type": "object" }), json!({ "type": "object", "properties": { "a": {} }, "additionalProperties": true })] {
            assert_eq!(errors(&schema, Side::Request, &json!({ "b": 1 })), [""; 0]);
        }
    }

    #[test]
    fn what_may_be_null_may_be_null() {
        for schema in [json!({ "type": "string", "enum": ["a"], "nullable": true }), json!({ "allOf": [{ "$ref": "#/parts/named" }], "nullable": true })] {
            assert_eq!(errors(&schema, Side::Answer, &Value::Null), [""; 0]);
            assert!(!errors(&schema, Side::Answer, &json!(1)).is_empty());
        }
    }

    #[test]
    fn fields_go_the_way_they_are_meant_to() {
        let schema = json!({ "type": "object", "required": ["id", "password"], "properties": {
            "id": { "type": "string", "readOnly": true }, "password": { "type": "string", "writeOnly": true },
        } });
        assert_eq!(errors(&schema, Side::Request, &json!({ "password": "x" })), [""; 0]);
        assert_eq!(errors(&schema, Side::Answer, &json!({ "id": "x" })), [""; 0]);
        assert_eq!(errors(&schema, Side::Request, &json!({ "password": "x", "id": "x" })).len(), 1);
    }

    #[test]
    fn values_are_not_shown() {
        let schema = json!({ "type": "object", "properties": { "password": { "type": "string", "maxLength": 3 }, "mode": { "enum": ["a"] } } });
        let found = errors(&schema, Side::Request, &json!({ "password": "hunter2", "mode": "hunter2" }));
        assert!(found.len() == 2 && !found.iter().any(|error| error.contains("hunter2")), "{found:?}");
    }
}

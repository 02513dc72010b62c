//! What the service says of itself: RFC 7643, sections 5 to 7.

use serde_json::{Map, Value, json};

use super::ScimFake;
use super::protocol::{self, Cut, ENTERPRISE, GROUP, Refusal, USER};
use super::state::{Discovery, Family, Filters, Patches};
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

/// An attribute: its name, its type, and the parts of a complex one. Several values where the name ends with `*`.
type Attribute = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const VALUE: &[(&str, &str)] = &[("value", "string"), ("display", "string"), ("type", "string"), ("primary", "boolean")];
const MEMBER: &[(&str, &str)] = &[("value", "string"), ("$ref", "reference"), ("type", "string"), ("display", "string")];

const USER_ATTRIBUTES: &[Attribute] = &[
    ("userName", "string", &[]),
    (
        "name",
        "complex",
        &[
            ("formatted", "string"),
            ("familyName", "string"),
            ("givenName", "string"),
            ("middleName", "string"),
            ("honorificPrefix", "string"),
            ("honorificSuffix", "string"),
        ],
    ),
    ("displayName", "string", &[]),
    ("nickName", "string", &[]),
    ("title", "string", &[]),
    ("userType", "string", &[]),
    ("preferredLanguage", "string", &[]),
    ("locale", "string", &[]),
    ("timezone", "string", &[]),
    ("active", "boolean", &[]),
    ("emails*", "complex", VALUE),
    ("phoneNumbers*", "complex", VALUE),
    ("groups*", "complex", MEMBER),
];

const GROUP_ATTRIBUTES: &[Attribute] = &[("displayName", "string", &[]), ("members*", "complex", MEMBER)];

const ENTERPRISE_ATTRIBUTES: &[Attribute] = &[
    ("employeeNumber", "string", &[]),
    ("costCenter", "string", &[]),
    ("organization", "string", &[]),
    ("division", "string", &[]),
    ("department", "string", &[]),
    ("manager", "complex", &[("value", "string"), ("$ref", "reference"), ("displayName", "string")]),
];

const SCHEMAS: [(&str, &str, &[Attribute]); 3] =
    [(USER, "User", USER_ATTRIBUTES), (GROUP, "Group", GROUP_ATTRIBUTES), (ENTERPRISE, "EnterpriseUser", ENTERPRISE_ATTRIBUTES)];

/// What of a resource is known and may be written, under its proper name; all else is passed over.
pub(super) fn known(family: Family, fields: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    let own = if family == Family::Users { USER_ATTRIBUTES } else { GROUP_ATTRIBUTES };
    let mut kept = typed(own, fields)?;
    for (name, value) in fields {
        if name.eq_ignore_ascii_case("externalId") {
            kept.insert("externalId".to_owned(), value.clone());
        } else if name.eq_ignore_ascii_case(ENTERPRISE) && family == Family::Users {
            let extension = typed(ENTERPRISE_ATTRIBUTES, value.as_object().unwrap_or(&Map::new()))?;
            if !extension.is_empty() {
                kept.insert(ENTERPRISE.to_owned(), extension.into());
            }
        }
    }
    Ok(kept)
}

fn typed(attributes: &[Attribute], fields: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    let mut kept = Map::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let proper = |known: &&Attribute| known.0.trim_end_matches('*').eq_ignore_ascii_case(name);
        let Some((proper, kind, _)) = attributes.iter().find(proper).filter(|known| known.0 != "groups*") else { continue };
        let value = match (value, *kind) {
            // Some clients write booleans as texts, and most services take them.
            (Value::String(text), "boolean") if text.eq_ignore_ascii_case("true") => true.into(),
            (Value::String(text), "boolean") if text.eq_ignore_ascii_case("false") => false.into(),
            _ => value.clone(),
        };
        let right = match *kind {
            _ if proper.ends_with('*') => value.as_array().is_some_and(|items| items.iter().all(Value::is_object)),
            "boolean" => value.is_boolean(),
            "complex" => value.is_object(),
            _ => value.is_string(),
        };
        if !right {
            return Err(Refusal::invalid("invalidValue", format!("{name} is of another type")));
        }
        kept.insert(proper.trim_end_matches('*').to_owned(), value);
    }
    Ok(kept)
}

pub(super) fn service_provider_config(scim: &mut ScimFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let settings = &scim.directory.settings;
    if settings.discovery == Discovery::Missing {
        return Err(Refusal::not_found("ServiceProviderConfig").into());
    }
    let scheme = |kind: &str, name: &str, primary: bool| json!({ "type": kind, "name": name, "description": name, "primary": primary });
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": { "supported": settings.patch != Patches::Missing },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": matches!(settings.filter, Filters::Rfc | Filters::NamesAlone), "maxResults": settings.page_size },
        "changePassword": { "supported": false },
        "sort": { "supported": false },
        "etag": { "supported": settings.versions },
        "authenticationSchemes": [scheme("oauthbearertoken", "Bearer", true), scheme("httpbasic", "Basic", false)],
        "meta": meta("ServiceProviderConfig", "ServiceProviderConfig", cx),
    });
    Ok(FakeResponse::bytes(200, "application/scim+json", Value::from(protocol::projected(call.request, object(body))).to_string()))
}

fn meta(kind: &str, path: &str, cx: &FakeContext) -> Value {
    json!({ "resourceType": kind, "location": format!("{}/scim/v2/{path}", cx.base_url()) })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn types(scim: &ScimFake, cx: &FakeContext) -> Vec<Map<String, Value>> {
    let families = if scim.directory.settings.groups { [Family::Users, Family::Groups].as_slice() } else { &[Family::Users] };
    let shown = families.iter().map(|family| {
        let mut shown = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": family.one(),
            "name": family.one(),
            "description": family.one(),
            "endpoint": format!("/{}", family.endpoint()),
            "schema": if *family == Family::Users { USER } else { GROUP },
            "meta": meta("ResourceType", &format!("ResourceTypes/{}", family.one()), cx),
        });
        if let (Family::Users, Some(shown)) = (family, shown.as_object_mut()) {
            shown.insert("schemaExtensions".to_owned(), json!([{ "schema": ENTERPRISE, "required": false }]));
        }
        object(shown)
    });
    shown.collect()
}

fn described(schema: &(&str, &str, &[Attribute]), cx: &FakeContext) -> Map<String, Value> {
    let (id, name, attributes) = schema;
    let attribute = |name: &str, kind: &str| {
        let (plain, bare) = (name.trim_end_matches('*'), *id != ENTERPRISE);
        let unique = bare && *id == USER && plain == "userName";
        let set_by_service = ["groups", "$ref", "display"].contains(&plain) || (kind == "string" && plain == "displayName" && !bare);
        let mut shown = json!({
            "name": plain,
            "type": kind,
            "multiValued": name.ends_with('*'),
            "description": plain,
            "required": unique || (*id == GROUP && plain == "displayName"),
            "caseExact": plain == "$ref",
            "mutability": if set_by_service { "readOnly" } else { "readWrite" },
            "returned": "default",
            "uniqueness": if unique { "server" } else { "none" },
        });
        if let ("reference", Some(shown)) = (kind, shown.as_object_mut()) {
            shown.insert("referenceTypes".to_owned(), json!(["User", "Group"]));
        }
        shown
    };
    let attributes: Vec<Value> = attributes
        .iter()
        .map(|(name, kind, parts)| {
            let mut shown = attribute(name, kind);
            if let (false, Some(shown)) = (parts.is_empty(), shown.as_object_mut()) {
                shown.insert("subAttributes".to_owned(), parts.iter().map(|(name, kind)| attribute(name, kind)).collect());
            }
            shown
        })
        .collect();
    object(json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": id,
        "name": name,
        "description": name,
        "attributes": attributes,
        "meta": meta("Schema", &format!("Schemas/{id}"), cx),
    }))
}

/// Lists of these are not filtered: RFC 7644, section 4.
fn listed(call: &Call<'_>, all: Vec<Map<String, Value>>) -> Reply {
    if call.request.query("filter").is_some() {
        return Err(Refusal::new(403, "this list has no filters").into());
    }
    Ok(protocol::list(call.request, Cut { default: 100, most: 100 }, None, all)?)
}

fn one(call: &Call<'_>, all: Vec<Map<String, Value>>) -> Reply {
    let id = call.param("id");
    let found = all.into_iter().find(|fields| fields.get("id").and_then(Value::as_str) == Some(id)).ok_or_else(|| Refusal::not_found(id))?;
    Ok(FakeResponse::bytes(200, "application/scim+json", Value::from(found).to_string()))
}

pub(super) fn resource_types(scim: &mut ScimFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    listed(call, types(scim, cx))
}

pub(super) fn resource_type(scim: &mut ScimFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    one(call, types(scim, cx))
}

pub(super) fn schemas(_: &mut ScimFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    listed(call, SCHEMAS.iter().map(|schema| described(schema, cx)).collect())
}

pub(super) fn schema(_: &mut ScimFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    one(call, SCHEMAS.iter().map(|schema| described(schema, cx)).collect())
}

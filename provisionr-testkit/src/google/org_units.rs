//! Organizational units.

use serde_json::{Map, Value, json};

use super::GoogleFake;
use super::answer::{self, CUSTOMER, ROOT_ID, duplicate, error, invalid, known_parameters};
use super::state::{Customer, GoogleOrgUnit};
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

fn of_customer(call: &Call<'_>) -> Result<(), FakeResponse> {
    match call.param("customerId") {
        "my_customer" | CUSTOMER => Ok(()),
        _ => Err(error(400, "badRequest", "Bad Request")),
    }
}

fn missing() -> FakeResponse {
    error(404, "notFound", "Org unit not found")
}

fn by_key<'a>(customer: &'a Customer, key: &str) -> Option<&'a GoogleOrgUnit> {
    customer.units.get(key).or_else(|| customer.units.get(&format!("/{key}"))).or_else(|| customer.units.values().find(|unit| unit.id == key))
}

/// The unit of the path: its own path without the slash at the beginning, or its id.
fn find(google: &GoogleFake, call: &Call<'_>) -> Result<GoogleOrgUnit, FakeResponse> {
    of_customer(call)?;
    let parts = ["p1", "p2", "p3", "p4"].map(|part| call.param(part));
    let key = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    by_key(&google.customer, &key).cloned().ok_or_else(missing)
}

pub(super) fn list(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["type", "orgUnitPath"])?;
    of_customer(call)?;
    let customer = &google.customer;
    let beneath = match call.request.query("orgUnitPath").filter(|path| !path.is_empty() && path != "/") {
        None => "/".to_owned(),
        Some(key) => by_key(customer, &key).ok_or_else(missing)?.path.clone(),
    };
    let kind = call.request.query("type");
    let below = |unit: &&GoogleOrgUnit| beneath == "/" || unit.path.strip_prefix(&beneath).is_some_and(|rest| rest.starts_with('/'));
    let mut units: Vec<Value> = match kind.as_deref() {
        None | Some("children") => customer.units.values().filter(|unit| unit.parent() == beneath).map(|unit| answer::unit(customer, unit)).collect(),
        Some("all" | "allIncludingParent") => customer.units.values().filter(below).map(|unit| answer::unit(customer, unit)).collect(),
        Some(_) => return Err(invalid("type")),
    };
    if kind.as_deref() == Some("allIncludingParent") {
        units.push(match customer.units.get(&beneath) {
            Some(unit) => answer::unit(customer, unit),
            None => json!({ "kind": "admin#directory#orgUnit", "name": "/", "orgUnitPath": "/", "orgUnitId": ROOT_ID }),
        });
    }
    let mut body = json!({ "kind": "admin#directory#orgUnits", "etag": format!("\"fake/{}\"", cx.request_number()) });
    if !units.is_empty() {
        answer::set(&mut body, "organizationUnits", Value::Array(units));
    }
    Ok(FakeResponse::json(200, &body))
}

pub(super) fn get(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    Ok(FakeResponse::json(200, &answer::unit(&google.customer, &find(google, call)?)))
}

fn text(body: &Map<String, Value>, name: &str) -> Option<String> {
    body.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// The path that a name and a parent make.
fn placed(customer: &Customer, body: &Map<String, Value>, name: &str, parent: &str) -> Result<String, FakeResponse> {
    let wanted = text(body, "parentOrgUnitPath").or_else(|| {
        let id = text(body, "parentOrgUnitId")?;
        if id == ROOT_ID { Some("/".to_owned()) } else { Some(customer.units.values().find(|unit| unit.id == id)?.path.clone()) }
    });
    let parent = wanted.unwrap_or_else(|| parent.to_owned());
    if name.is_empty() || name.contains('/') || !customer.has_unit(&parent) {
        return Err(error(400, "invalid", "Invalid Parent Orgunit Id"));
    }
    Ok(format!("{}/{name}", parent.trim_end_matches('/')))
}

pub(super) fn insert(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    of_customer(call)?;
    let body = answer::object(call.request)?;
    let path = placed(&google.customer, &body, &text(&body, "name").unwrap_or_default(), "")?;
    if google.customer.units.contains_key(&path) {
        return Err(duplicate("Entity already exists."));
    }
    let id = google.customer.unit_id();
    let unit = GoogleOrgUnit { id, path: path.clone(), description: text(&body, "description").unwrap_or_default() };
    cx.emit("org_unit.created", json!({ "unit": unit.id, "path": path }));
    google.customer.units.insert(path, unit.clone());
    Ok(FakeResponse::json(200, &answer::unit(&google.customer, &unit)))
}

/// Renames, moves or describes; the users and units within go along.
pub(super) fn update(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let found = find(google, call)?;
    let body = answer::object(call.request)?;
    let path = placed(&google.customer, &body, &text(&body, "name").unwrap_or_else(|| found.name().to_owned()), found.parent())?;
    if path != found.path && google.customer.units.contains_key(&path) {
        return Err(duplicate("Entity already exists."));
    }
    let moved = |held: &str| match held.strip_prefix(&found.path) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{path}{rest}"),
        _ => held.to_owned(),
    };
    let units = std::mem::take(&mut google.customer.units);
    for (held, unit) in units {
        let path = moved(&held);
        let description = if unit.id == found.id { text(&body, "description").unwrap_or(unit.description) } else { unit.description };
        google.customer.units.insert(path.clone(), GoogleOrgUnit { path, description, ..unit });
    }
    for user in google.customer.users.values_mut() {
        user.org_unit_path = moved(&user.org_unit_path);
    }
    cx.emit("org_unit.updated", json!({ "unit": found.id, "path": path }));
    let unit = google.customer.units.get(&path).ok_or_else(missing)?;
    Ok(FakeResponse::json(200, &answer::unit(&google.customer, unit)))
}

pub(super) fn delete(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let found = find(google, call)?;
    let inside = |path: &str| path == found.path || path.strip_prefix(&found.path).is_some_and(|rest| rest.starts_with('/'));
    let held = google.customer.users.values().any(|user| user.deleted.is_none() && inside(&user.org_unit_path));
    if held || google.customer.units.keys().any(|path| *path != found.path && inside(path)) {
        return Err(error(412, "conditionNotMet", "Organizational unit is not empty"));
    }
    google.customer.units.remove(&found.path);
    cx.emit("org_unit.deleted", json!({ "unit": found.id, "path": found.path }));
    Ok(FakeResponse::empty(204))
}

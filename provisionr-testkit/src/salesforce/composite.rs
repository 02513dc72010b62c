//! Several in one call: collections of records, and calls within a call.

use http::Method;
use serde_json::{Value, json};

use super::answer::{Problem, saved};
use super::records::allowed;
use super::schema::{OBJECTS, Object};
use super::state::Record;
use super::{SalesforceFake, routes};
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};
use crate::router::{Call, Reply};

pub(super) const COLLECTIONS: &str = "/services/data/{version}/composite/sobjects";
pub(super) const COMPOSITE: &str = "/services/data/{version}/composite";
const MOST_RECORDS: usize = 200;
const MOST_PARTS: usize = 25;
const MOST_QUERIES: usize = 5;

fn too_many(what: &str) -> Problem {
    Problem::new("LIMIT_EXCEEDED", what)
}

/// One record's result. All that this fake plays are objects of the setup, which may not be mixed.
fn result(done: Result<String, Problem>) -> Value {
    match done {
        Ok(id) => saved(&id),
        Err(problem) => problem.result(),
    }
}

fn one_type<'n>(types: impl IntoIterator<Item = &'n str>) -> Result<(), Problem> {
    let mut types: Vec<&str> = types.into_iter().collect();
    types.dedup();
    if types.len() > 1 {
        return Err(Problem::new("MIXED_DML_OPERATION", format!("DML operation on setup object is not permitted with another object: {}", types.join(", "))));
    }
    Ok(())
}

/// The records of a body, each with its object.
fn records(call: &Call<'_>, cx: &mut FakeContext) -> Result<Vec<(&'static Object, Record)>, FakeResponse> {
    let body = call.json()?;
    if body.get("allOrNone") == Some(&Value::Bool(true)) {
        return Err(cx.unsupported(call.request, "allOrNone"));
    }
    let records = body.get("records").and_then(Value::as_array).cloned().unwrap_or_default();
    if records.is_empty() || records.len() > MOST_RECORDS {
        return Err(too_many(&format!("a collection has from 1 to {MOST_RECORDS} records")).into());
    }
    let mut read = Vec::with_capacity(records.len());
    for record in records {
        let name = record.pointer("/attributes/type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let object = Object::named(&name).ok_or_else(|| Problem::new("INVALID_TYPE", format!("sObject type '{name}' is not supported.")))?;
        let Value::Object(record) = record else { return Err(Problem::new("INVALID_INPUT", "a record is an object").into()) };
        read.push((object, record));
    }
    Ok(read)
}

fn each(
    fake: &mut SalesforceFake,
    call: &Call<'_>,
    cx: &mut FakeContext,
    mut one: impl FnMut(&mut SalesforceFake, &'static Object, Record, &mut FakeContext) -> Result<String, Problem>,
) -> Reply {
    let records = records(call, cx)?;
    let mixed = one_type(records.iter().map(|(object, _)| object.name));
    let mut results = Vec::with_capacity(records.len());
    for (object, record) in records {
        let may = mixed.clone().and_then(|()| allowed(fake, call.request, object));
        results.push(result(may.and_then(|()| one(fake, object, record, cx))));
    }
    Ok(FakeResponse::json(200, &results.into()))
}

pub(super) fn create(fake: &mut SalesforceFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    each(fake, call, cx, |fake, object, record, cx| fake.org.create(object, record, cx))
}

pub(super) fn update(fake: &mut SalesforceFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    each(fake, call, cx, |fake, object, mut record, cx| {
        let id = record.remove("id").and_then(|id| id.as_str().map(str::to_owned)).unwrap_or_default();
        fake.org.update(object, &id, record, cx).map(|()| id)
    })
}

pub(super) fn delete(fake: &mut SalesforceFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    if call.request.query("allOrNone").as_deref() == Some("true") {
        return Err(cx.unsupported(call.request, "allOrNone"));
    }
    let ids = call.request.query("ids").unwrap_or_default();
    let ids: Vec<&str> = ids.split(',').filter(|id| !id.is_empty()).collect();
    if ids.is_empty() || ids.len() > MOST_RECORDS {
        return Err(too_many(&format!("a collection has from 1 to {MOST_RECORDS} ids")).into());
    }
    let object = |id: &str| OBJECTS.iter().find(|object| id.starts_with(object.prefix));
    let mixed = one_type(ids.iter().filter_map(|id| object(id)).map(|object| object.name));
    let mut results = Vec::with_capacity(ids.len());
    for id in ids {
        let may = mixed.clone().and_then(|()| object(id).ok_or_else(|| Problem::new("MALFORMED_ID", format!("malformed id {id}"))));
        let may = may.and_then(|object| allowed(fake, call.request, object).map(|()| object));
        results.push(result(may.and_then(|object| fake.org.delete(object, id, cx)).map(|()| id.to_owned())));
    }
    Ok(FakeResponse::json(200, &results.into()))
}

fn parts(request: &FakeRequest) -> Vec<Value> {
    let body: Value = request.json().unwrap_or_default();
    body.get("compositeRequest").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Whether a composite call has nothing but parts that look.
pub(super) fn only_looks(request: &FakeRequest) -> bool {
    request.method == Method::POST && parts(request).iter().all(|part| part.get("method").and_then(Value::as_str) == Some("GET"))
}

pub(super) fn composite(fake: &mut SalesforceFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let parts = parts(call.request);
    if call.json()?.get("allOrNone") == Some(&Value::Bool(true)) {
        return Err(cx.unsupported(call.request, "allOrNone"));
    }
    let text = |part: &Value, name: &str| part.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let queries = parts.iter().filter(|part| text(part, "url").contains("/query") || text(part, "url").ends_with("/composite/sobjects")).count();
    if parts.is_empty() || parts.len() > MOST_PARTS || queries > MOST_QUERIES {
        return Err(too_many(&format!("a composite call has from 1 to {MOST_PARTS} parts, {MOST_QUERIES} of them queries or collections")).into());
    }
    let mut told = Vec::with_capacity(parts.len());
    for part in parts {
        let (url, name) = (text(&part, "url"), text(&part, "referenceId"));
        if url.contains("@{") || name.is_empty() {
            return Err(cx.unsupported(call.request, "references between parts"));
        }
        let mut request = FakeRequest::new(Method::from_bytes(text(&part, "method").as_bytes()).unwrap_or_default(), &url);
        request.headers.clone_from(&call.request.headers);
        request.body = part.get("body").map(ToString::to_string).unwrap_or_default().into();
        let answer = routes().dispatch(fake, &request, cx);
        told.push(json!({ "body": answer.to_json(), "httpHeaders": {}, "httpStatusCode": answer.status, "referenceId": name }));
    }
    cx.set_route(COMPOSITE);
    Ok(FakeResponse::json(200, &json!({ "compositeResponse": told })))
}

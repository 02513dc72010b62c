//! Queries, and records one by one.

use serde_json::{Value, json};

use super::answer::{Problem, not_found, saved};
use super::auth::session;
use super::schema::Object;
use super::soql::Query;
use super::state::Record;
use super::write::object;
use super::{SalesforceFake, writes};
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};
use crate::router::{Call, Reply};

/// Whether the caller may: <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/> names the
/// permissions under "Special Access Rules".
pub(super) fn allowed(fake: &SalesforceFake, request: &FakeRequest, object: &Object) -> Result<(), Problem> {
    let Some(session) = session(fake, request) else { return Ok(()) };
    let has = |permission: &str| session.permissions.contains(permission);
    let hidden = match object.name {
        "UserLogin" | "AuthSession" => !has("ManageUsers"),
        "UserPermissionAccess" => !fake.org.settings.permission_access,
        name if name.starts_with("PermissionSet") => !has("ManageUsers") && !has("AssignPermissionSets") && !has("ViewSetup"),
        _ => false,
    };
    if hidden {
        return Err(Problem::new("INVALID_TYPE", format!("sObject type '{}' is not supported.", object.name)));
    }
    let right = if object.name == "PermissionSetAssignment" { "AssignPermissionSets" } else { "ManageUsers" };
    if writes(&request.method) && !has(right) {
        return Err(Problem::new("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id"));
    }
    Ok(())
}

fn page(fake: &mut SalesforceFake, call: &Call<'_>, mut records: Vec<Value>, whole: usize) -> FakeResponse {
    let asked = call.request.header("sforce-query-options").and_then(|options| options.split("batchSize=").nth(1)?.trim().parse::<usize>().ok());
    let size = asked.unwrap_or(2000).clamp(200, 2000).min(fake.org.settings.page_size.max(1));
    if records.len() <= size {
        return FakeResponse::json(200, &json!({ "totalSize": whole, "done": true, "records": records }));
    }
    let rest = records.split_off(size);
    let locator = format!("01gDn{:0>10}AAA-{}", fake.org.number(), whole - rest.len());
    let next = format!("/services/data/{}/query/{locator}", call.param("version"));
    fake.org.cursors.insert(locator, rest);
    FakeResponse::json(200, &json!({ "totalSize": whole, "done": false, "nextRecordsUrl": next, "records": records }))
}

pub(super) fn query(fake: &mut SalesforceFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let soql = call.request.query("q").unwrap_or_default();
    let query = Query::parse(&soql)?;
    allowed(fake, call.request, query.object)?;
    let records = match (query.object.name, session(fake, call.request)) {
        // Of the caller, and of nobody else.
        ("UserPermissionAccess", Some(session)) => {
            let fields = query.object.fields.iter().map(|field| {
                let held = field.strip_prefix("Permissions").is_some_and(|permission| session.permissions.contains(permission));
                ((*field).to_owned(), Value::Bool(held))
            });
            vec![Value::Object(fields.collect())]
        }
        _ => query.run(&fake.org, call.param("version"), cx.now()),
    };
    let whole = records.len();
    Ok(page(fake, call, records, whole))
}

pub(super) fn query_more(fake: &mut SalesforceFake, call: &Call<'_>, _: &mut FakeContext) -> Reply {
    let locator = call.param("locator");
    let Some(rest) = fake.org.cursors.get(locator).cloned() else {
        return Err(Problem::new("INVALID_QUERY_LOCATOR", "invalid query locator").into());
    };
    let before = locator.rsplit('-').next().and_then(|before| before.parse::<usize>().ok()).unwrap_or(0);
    let whole = before + rest.len();
    Ok(page(fake, call, rest, whole))
}

pub(super) fn describe(_: &mut SalesforceFake, call: &Call<'_>, _: &mut FakeContext) -> Reply {
    let object = object(call.param("sobject"))?;
    let fields: Vec<Value> = object.all_fields().map(|name| json!({ "name": name })).collect();
    Ok(FakeResponse::json(200, &json!({ "name": object.name, "keyPrefix": object.prefix, "createable": object.created_with.is_some(), "fields": fields })))
}

pub(super) fn get(fake: &mut SalesforceFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let object = object(call.param("sobject"))?;
    allowed(fake, call.request, object)?;
    let (id, record) = fake.org.get(object.name, call.param("id")).ok_or_else(not_found)?;
    let mut shown = fake.org.shown(object.name, record, cx.now());
    if let Some(fields) = call.request.query("fields") {
        shown.retain(|name, _| name == "Id" || fields.split(',').any(|field| field == name));
    }
    let url = format!("/services/data/{}/sobjects/{}/{id}", call.param("version"), object.name);
    shown.insert("attributes".to_owned(), json!({ "type": object.name, "url": url }));
    Ok(FakeResponse::json(200, &Value::Object(shown)))
}

fn body(request: &FakeRequest) -> Result<Record, Problem> {
    request.json().map_err(|_| Problem::new("INVALID_INPUT", "The HTTP entity body is required, and is no JSON object"))
}

pub(super) fn create(fake: &mut SalesforceFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let object = object(call.param("sobject"))?;
    allowed(fake, call.request, object)?;
    let id = fake.org.create(object, body(call.request)?, cx)?;
    Ok(FakeResponse::json(201, &saved(&id)))
}

pub(super) fn update(fake: &mut SalesforceFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let object = object(call.param("sobject"))?;
    allowed(fake, call.request, object)?;
    fake.org.update(object, call.param("id"), body(call.request)?, cx)?;
    Ok(FakeResponse::empty(204))
}

pub(super) fn delete(fake: &mut SalesforceFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let object = object(call.param("sobject"))?;
    allowed(fake, call.request, object)?;
    fake.org.delete(object, call.param("id"), cx)?;
    Ok(FakeResponse::empty(204))
}

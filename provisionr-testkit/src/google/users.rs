//! Users: create, look up, list, update, delete and restore, sign out.

use provisionr_sdk::Timestamp;
use serde_json::{Map, Value, json};

use super::GoogleFake;
use super::answer::{self, clauses, duplicate, error, invalid, known_parameters, not_found, of_customer, page};
use super::state::{Customer, GoogleUser};
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};
use crate::router::{Call, Reply};

/// The user of the path, by id, address or alias; a new one is not there yet while creation lags.
fn find(google: &GoogleFake, call: &Call<'_>, cx: &FakeContext) -> Result<GoogleUser, FakeResponse> {
    let found = google.customer.user(call.param("userKey")).filter(|user| is_visible(&google.customer, user.created, cx));
    found.cloned().ok_or_else(|| not_found("userKey"))
}

pub(super) fn is_visible(customer: &Customer, created: Timestamp, cx: &FakeContext) -> bool {
    cx.now() >= created + customer.settings.creation_lag
}

/// Refuses to change a user who is still being made.
fn complete(google: &GoogleFake, user: &GoogleUser, cx: &FakeContext) -> Result<(), FakeResponse> {
    if cx.now() >= user.created + google.customer.settings.creation_completes {
        return Ok(());
    }
    Err(error(412, "conditionNotMet", "User creation is not complete."))
}

fn projection(request: &FakeRequest) -> Result<Option<String>, FakeResponse> {
    let projection = request.query("projection");
    match projection.as_deref() {
        None | Some("basic" | "full") => Ok(projection),
        Some("custom") if request.query("customFieldMask").is_some() => Ok(projection),
        _ => Err(invalid("projection")),
    }
}

fn shown(google: &GoogleFake, id: &str, projection: Option<&str>) -> Reply {
    google.customer.users.get(id).map(|user| FakeResponse::json(200, &answer::user(user, projection))).ok_or_else(|| not_found("userKey"))
}

pub(super) fn get(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["projection", "customFieldMask"])?;
    let user = find(google, call, cx)?;
    shown(google, &user.id, projection(call.request)?.as_deref())
}

fn fits(user: &GoogleUser, (field, operator, value): &(String, char, String)) -> bool {
    let name = |part: &str| user.fields.get("name").and_then(|names| names.get(part)).and_then(Value::as_str).unwrap_or("").to_lowercase();
    let compare = |held: &str| match value.strip_suffix('*') {
        Some(beginning) if *operator == ':' => held.to_lowercase().starts_with(&beginning.to_lowercase()),
        _ => held.eq_ignore_ascii_case(value),
    };
    match field.as_str() {
        "email" => std::iter::once(&user.primary_email).chain(&user.aliases).any(|address| compare(address)),
        "givenName" | "familyName" => compare(&name(field)),
        "externalId" => {
            let ids = user.fields.get("externalIds").and_then(Value::as_array).into_iter().flatten();
            ids.filter_map(|id| id.get("value")?.as_str()).any(compare)
        }
        "isSuspended" => user.suspended.to_string() == *value,
        "isArchived" => user.archived.to_string() == *value,
        // The unit and all below it.
        _ => value == "/" || user.org_unit_path == *value || user.org_unit_path.strip_prefix(value.as_str()).is_some_and(|rest| rest.starts_with('/')),
    }
}

pub(super) fn list(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["customer", "domain", "maxResults", "pageToken", "query", "showDeleted", "projection", "customFieldMask"])?;
    let request = call.request;
    let domain = of_customer(request, &google.customer)?;
    let query = clauses(request, cx, &["email", "givenName", "familyName", "externalId", "isSuspended", "isArchived", "orgUnitPath"])?;
    let deleted = request.query("showDeleted").as_deref() == Some("true");
    let projection = projection(request)?;
    let restorable = google.customer.settings.undelete;
    let users = google.customer.users.values();
    let users = users
        .filter(|user| user.deleted.is_some() == deleted && user.deleted.is_none_or(|at| cx.now() <= at + restorable))
        .filter(|user| is_visible(&google.customer, user.created, cx))
        .filter(|user| domain.as_ref().is_none_or(|domain| user.primary_email.to_lowercase().ends_with(&format!("@{domain}"))))
        .filter(|user| query.iter().all(|clause| fits(user, clause)))
        .map(|user| (user.id.clone(), answer::user(user, projection.as_deref())));
    page(request, cx, ("admin#directory#users", "users"), (100, 500, google.customer.settings.page_size), users)
}

/// What a write may name beside the fields that are kept as they are.
fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}

fn check(google: &GoogleFake, body: &Map<String, Value>) -> Result<(), FakeResponse> {
    if text(body, "password").is_some_and(|password| !(8..=100).contains(&password.len()) || !password.is_ascii()) {
        return Err(invalid("Password"));
    }
    if text(body, "orgUnitPath").is_some_and(|path| !google.customer.has_unit(path)) {
        return Err(invalid("INVALID_OU_ID"));
    }
    if text(body, "recoveryPhone").is_some_and(|phone| !phone.starts_with('+')) {
        return Err(invalid("recoveryPhone"));
    }
    for name in ["givenName", "familyName"] {
        if body.get("name").and_then(|names| names.get(name)).and_then(Value::as_str).is_some_and(|name| name.is_empty() || name.chars().count() > 60) {
            return Err(invalid(name));
        }
    }
    Ok(())
}

pub(super) fn insert(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["resolveConflictAccount"])?;
    let body = answer::object(call.request)?;
    let Some(email) = text(&body, "primaryEmail").filter(|email| email.contains('@')).map(str::to_owned) else { return Err(invalid("primary_user_email")) };
    if !google.customer.is_own(&email) {
        return Err(error(404, "notFound", "Domain not found."));
    }
    if text(&body, "password").is_none() {
        return Err(invalid("Password"));
    }
    let names = |name: &str| body.get("name").and_then(|names| names.get(name)).and_then(Value::as_str).is_some();
    if let Some(missing) = ["givenName", "familyName"].into_iter().find(|name| !names(name)) {
        return Err(invalid(missing));
    }
    check(google, &body)?;
    if google.customer.is_taken(&email) {
        return Err(duplicate("Entity already exists."));
    }
    if google.customer.settings.unmanaged.contains(&email) {
        if call.request.query("resolveConflictAccount").as_deref() != Some("true") {
            return Err(duplicate("Entity already exists."));
        }
        cx.emit("user.mail", json!({ "email": email, "mail": "invitation to be managed" }));
        return Ok(FakeResponse::json(202, &json!({ "kind": "admin#directory#user", "primaryEmail": email })));
    }
    let id = google.customer.user_id();
    google.customer.users.insert(id.clone(), blank(id.clone(), email.clone(), cx));
    write(google, &id, body);
    cx.emit("user.created", json!({ "user": id, "email": email }));
    shown(google, &id, None)
}

/// An active user in the top-level unit.
pub(super) fn blank(id: String, primary_email: String, cx: &FakeContext) -> GoogleUser {
    GoogleUser {
        id,
        primary_email,
        aliases: [].into(),
        fields: Map::new(),
        org_unit_path: "/".to_owned(),
        suspended: false,
        suspension_reason: None,
        archived: false,
        is_admin: false,
        change_password: false,
        sessions: 0,
        created: cx.now(),
        deleted: None,
        last_login: None,
        revision: 1,
    }
}

/// Both methods have patch semantics: what is not named stays, null clears, lists are replaced. `PATCH` cannot clear lists.
pub(super) fn update(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let user = find(google, call, cx)?;
    complete(google, &user, cx)?;
    let mut body = answer::object(call.request)?;
    check(google, &body)?;
    if call.request.method == http::Method::PATCH {
        body.retain(|_, value| value.as_array().is_none_or(|list| !list.is_empty()));
    }
    if let Some(email) = text(&body, "primaryEmail").filter(|email| !email.eq_ignore_ascii_case(&user.primary_email)) {
        if !google.customer.is_own(email) {
            return Err(error(404, "notFound", "Domain not found."));
        }
        if google.customer.is_taken(email) && !user.aliases.contains(email) {
            return Err(duplicate("Entity already exists."));
        }
    }
    write(google, &user.id, body);
    let after = google.customer.users.get(&user.id).cloned().ok_or_else(|| not_found("userKey"))?;
    tell(&user, &after, cx);
    shown(google, &user.id, None)
}

/// Tells of what a write changed.
pub(super) fn tell(before: &GoogleUser, after: &GoogleUser, cx: &mut FakeContext) {
    let about = json!({ "user": after.id, "email": after.primary_email });
    if before.suspended != after.suspended {
        cx.emit(if after.suspended { "user.suspended" } else { "user.restored" }, about.clone());
    }
    if before.org_unit_path != after.org_unit_path {
        cx.emit("user.moved", json!({ "user": after.id, "email": after.primary_email, "from": before.org_unit_path, "to": after.org_unit_path }));
    }
    if before.fields != after.fields || before.primary_email != after.primary_email || before.archived != after.archived {
        cx.emit("user.updated", about);
    }
}

/// Writes what a body names. The password is never kept.
pub(super) fn write(google: &mut GoogleFake, id: &str, body: Map<String, Value>) {
    let Some(user) = google.customer.user_mut(id) else { return };
    for (name, value) in body {
        match (name.as_str(), &value) {
            ("primaryEmail", Value::String(email)) => {
                // The address before stays as an alias: https://support.google.com/a/answer/182084
                let before = std::mem::replace(&mut user.primary_email, email.clone());
                user.aliases.remove(email);
                if before != *email {
                    user.aliases.insert(before);
                }
            }
            ("orgUnitPath", Value::String(path)) => user.org_unit_path.clone_from(path),
            ("suspended", Value::Bool(suspended)) => {
                user.suspended = *suspended;
                user.suspension_reason = suspended.then(|| "ADMIN".to_owned());
                if *suspended {
                    user.sessions = 0;
                }
            }
            ("archived", Value::Bool(archived)) => user.archived = *archived,
            ("changePasswordAtNextLogin", Value::Bool(change)) => user.change_password = *change,
            ("name" | "customSchemas", Value::Object(parts)) => {
                let held = user.fields.entry(name).or_insert_with(|| json!({}));
                merge(held, parts);
            }
            // Read only, or a secret: passed over as Google does.
            ("password" | "hashFunction" | "id" | "kind" | "etag" | "aliases" | "emails" | "isAdmin" | "suspensionReason" | "creationTime", _) => {}
            (_, Value::Null) => {
                user.fields.remove(&name);
            }
            (_, Value::Array(list)) if list.is_empty() => {
                user.fields.remove(&name);
            }
            _ => {
                user.fields.insert(name, value);
            }
        }
    }
}

fn merge(held: &mut Value, parts: &Map<String, Value>) {
    let Value::Object(held) = held else { return };
    for (name, value) in parts {
        match value {
            Value::Null => {
                held.remove(name);
            }
            Value::Object(deeper) => merge(held.entry(name.clone()).or_insert_with(|| json!({})), deeper),
            other => {
                held.insert(name.clone(), other.clone());
            }
        }
    }
}

pub(super) fn delete(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let user = find(google, call, cx)?;
    complete(google, &user, cx)?;
    remove(google, &user.id, cx);
    Ok(FakeResponse::empty(204))
}

/// Deletes a user, who leaves all groups and can be restored for a while.
pub(super) fn remove(google: &mut GoogleFake, id: &str, cx: &mut FakeContext) {
    for group in google.customer.groups.values_mut() {
        group.members.remove(id);
    }
    if let Some(user) = google.customer.user_mut(id) {
        user.deleted = Some(cx.now());
        user.sessions = 0;
        cx.emit("user.deleted", json!({ "user": id, "email": user.primary_email }));
    }
}

pub(super) fn undelete(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let body = answer::object(call.request)?;
    let path = text(&body, "orgUnitPath").unwrap_or("/").to_owned();
    if !google.customer.has_unit(&path) {
        return Err(invalid("INVALID_OU_ID"));
    }
    let Some(user) = google.customer.users.get(call.param("userKey")) else { return Err(not_found("userKey")) };
    let restorable = user.deleted.is_some_and(|at| cx.now() <= at + google.customer.settings.undelete);
    if !restorable || google.customer.is_taken(&user.primary_email) {
        return Err(error(412, "conditionNotMet", "Condition not met."));
    }
    let id = user.id.clone();
    if let Some(user) = google.customer.user_mut(&id) {
        user.deleted = None;
        user.org_unit_path = path;
        cx.emit("user.undeleted", json!({ "user": id, "email": user.primary_email }));
    }
    Ok(FakeResponse::empty(204))
}

pub(super) fn make_admin(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let user = find(google, call, cx)?;
    let admin = answer::object(call.request)?.get("status").and_then(Value::as_bool).ok_or_else(|| invalid("status"))?;
    if let Some(user) = google.customer.user_mut(&user.id).filter(|user| user.is_admin != admin) {
        user.is_admin = admin;
        cx.emit("user.updated", json!({ "user": user.id, "email": user.primary_email }));
    }
    Ok(FakeResponse::empty(204))
}

pub(super) fn sign_out(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let user = find(google, call, cx)?;
    if let Some(user) = google.customer.user_mut(&user.id).filter(|user| user.sessions > 0) {
        cx.emit("user.signed_out", json!({ "user": user.id, "email": user.primary_email, "sessions": user.sessions }));
        user.sessions = 0;
    }
    Ok(FakeResponse::empty(204))
}

pub(super) fn aliases(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let user = find(google, call, cx)?;
    let alias = |alias: &String| json!({ "kind": "admin#directory#alias", "id": user.id, "primaryEmail": user.primary_email, "alias": alias });
    let mut body = json!({ "kind": "admin#directory#aliases", "etag": format!("\"fake/{}\"", cx.request_number()) });
    if !user.aliases.is_empty() {
        answer::set(&mut body, "aliases", user.aliases.iter().map(alias).collect());
    }
    Ok(FakeResponse::json(200, &body))
}

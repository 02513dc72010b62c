//! Apps and who is assigned to them.

use serde_json::{Value, json};

use super::OktaFake;
use super::answer::{self, Paging, error, invalid, known_parameters, not_found, page, set};
use super::expression::{Case, Operator};
use super::state::{AppGroup, AppScope, OktaApp, OktaUser, RepeatedAssignment, UserStatus};
use super::users::expression;
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

fn app(okta: &OktaFake, call: &Call<'_>, cx: &FakeContext) -> Result<OktaApp, FakeResponse> {
    let id = call.param("appId");
    okta.org.apps.get(id).cloned().ok_or_else(|| not_found(cx, "AppInstance", id))
}

/// The app's user of the path, who must be named by id.
fn assigned(okta: &OktaFake, call: &Call<'_>, cx: &FakeContext) -> Result<(OktaApp, OktaUser), FakeResponse> {
    let app = app(okta, call, cx)?;
    let id = call.param("userId");
    let user = okta.org.users.get(id).filter(|user| app.users.contains_key(&user.id)).cloned();
    user.map(|user| (app, user)).ok_or_else(|| not_found(cx, "AppUser", id))
}

fn show(okta: &OktaFake, app: &str, user: &str, call: &Call<'_>, cx: &FakeContext) -> Reply {
    let found = okta.org.apps.get(app).zip(okta.org.users.get(user));
    let found = found.and_then(|(app, user)| Some((app, user, app.users.get(&user.id)?)));
    let (app, user, assigned) = found.ok_or_else(|| not_found(cx, "AppUser", user))?;
    let mut shown = answer::app_user(&okta.org, app, user, assigned, cx);
    if call.request.query("expand").as_deref() == Some("user") {
        set(&mut shown, "_embedded", json!({ "user": answer::user(user, cx) }));
    }
    Ok(FakeResponse::json(200, &shown))
}

pub(super) fn list(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["q", "after", "limit", "filter", "expand", "includeNonDeleted"])?;
    let filter = expression(call.request, "filter", cx, |path, operator| matches!(path, "id" | "status" | "name" | "user.id") && operator == Operator::Equal)?;
    let q = call.request.query("q").map(|q| q.to_lowercase());
    let user = filter.as_ref().and_then(|filter| filter.as_str().strip_prefix("user.id eq ")).map(|user| user.trim_matches('"').to_owned());
    // One user's assignments can come along, and only those the filter is about.
    let embedded = call.request.query("expand");
    if embedded.is_some() && embedded != user.as_ref().map(|user| format!("user/{user}")) {
        return Err(error(cx, 400, "E0000001", "Api validation failed: expand", &["expand: only user/{id} of the user in the filter"]));
    }
    let embed = |app: &OktaApp, mut shown: Value| {
        let assigned = user.as_ref().filter(|_| embedded.is_some()).and_then(|id| Some((okta.org.users.get(id)?, app.users.get(id)?)));
        if let Some((user, assigned)) = assigned {
            set(&mut shown, "_embedded", json!({ "user": answer::app_user(&okta.org, app, user, assigned, cx) }));
        }
        shown
    };
    let shown: Vec<(String, Value)> = okta
        .org
        .apps
        .values()
        .filter(|app| q.as_ref().is_none_or(|q| app.label.to_lowercase().starts_with(q) || app.name.to_lowercase().starts_with(q)))
        .filter(|app| user.as_ref().is_none_or(|user| app.users.contains_key(user)))
        .map(|app| (app.id.clone(), embed(app, answer::app(app, cx))))
        .filter(|(_, app)| user.is_some() || filter.as_ref().is_none_or(|filter| filter.fits(app, Case::Sensitive)))
        .collect();
    page(call.request, cx, Paging { default: 200, most: 200, cap: okta.org.settings.page_size }, shown)
}

pub(super) fn get(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    Ok(FakeResponse::json(200, &answer::app(&app(okta, call, cx)?, cx)))
}

pub(super) fn users(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["after", "limit", "q", "expand"])?;
    let app = app(okta, call, cx)?;
    let q = call.request.query("q").map(|q| q.to_lowercase());
    let embed = call.request.query("expand").as_deref() == Some("user");
    let users = app.users.iter().filter_map(|(id, assigned)| Some((okta.org.users.get(id)?, assigned)));
    let shown: Vec<(String, Value)> = users
        .filter(|(user, assigned)| {
            let starts = |text: &str| q.as_ref().is_none_or(|q| text.to_lowercase().starts_with(q));
            starts(&assigned.user_name) || ["firstName", "lastName", "email"].iter().any(|name| starts(user.attribute(name)))
        })
        .map(|(user, assigned)| {
            let mut shown = answer::app_user(&okta.org, &app, user, assigned, cx);
            if embed {
                set(&mut shown, "_embedded", json!({ "user": answer::user(user, cx) }));
            }
            (user.id.clone(), shown)
        })
        .collect();
    page(call.request, cx, Paging { default: 50, most: 500, cap: okta.org.settings.page_size }, shown)
}

pub(super) fn user(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["expand"])?;
    let (app, user) = assigned(okta, call, cx)?;
    show(okta, &app.id, &user.id, call, cx)
}

pub(super) fn assign_user(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let app = app(okta, call, cx)?;
    let body = answer::object(call.request, cx)?;
    let id = body.get("id").and_then(Value::as_str).ok_or_else(|| invalid(cx, "id", "The field cannot be left blank"))?;
    let user = okta.org.users.get(id).cloned().ok_or_else(|| not_found(cx, "User", id))?;
    match body.get("scope").and_then(Value::as_str) {
        None | Some("USER") => {}
        Some(_) => return Err(invalid(cx, "scope", "must be USER")),
    }
    if user.status == UserStatus::Deprovisioned {
        return Err(answer::wrong_status(cx));
    }
    let repeated = app.users.get(&user.id).is_some_and(|assigned| assigned.scope == AppScope::User);
    if repeated && okta.org.settings.repeated_assignment == RepeatedAssignment::Conflict {
        return Err(error(cx, 409, "E0000062", "The specified user is already assigned to the application.", &[]));
    }
    if !repeated {
        okta.org.assign_directly(&app.id, &user.id, cx);
    }
    write(okta, &app.id, &user.id, &body, cx);
    show(okta, &app.id, &user.id, call, cx)
}

pub(super) fn update_user(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let (app, user) = assigned(okta, call, cx)?;
    let body = answer::object(call.request, cx)?;
    if write(okta, &app.id, &user.id, &body, cx) {
        cx.emit("app.user_updated", json!({ "app": app.id, "appName": app.name, "appLabel": app.label, "user": user.id, "login": user.login() }));
    }
    show(okta, &app.id, &user.id, call, cx)
}

/// Takes user name and profile over; whether anything changed.
fn write(okta: &mut OktaFake, app: &str, user: &str, body: &serde_json::Map<String, Value>, cx: &FakeContext) -> bool {
    let Some(assigned) = okta.org.apps.get_mut(app).and_then(|app| app.users.get_mut(user)) else { return false };
    let before = assigned.clone();
    if let Some(name) = body.get("credentials").and_then(|credentials| credentials.get("userName")).and_then(Value::as_str) {
        name.clone_into(&mut assigned.user_name);
    }
    for (name, value) in body.get("profile").and_then(Value::as_object).into_iter().flatten() {
        assigned.profile.insert(name.clone(), value.clone());
    }
    let changed = *assigned != before;
    if changed {
        assigned.last_updated = cx.now();
    }
    changed
}

pub(super) fn unassign_user(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["sendEmail"])?;
    let (app, user) = assigned(okta, call, cx)?;
    if okta.org.gives(&app.id, &user.id) {
        let summary = "The application cannot be unassigned from the user while their group memberships grant them access to the application.";
        return Err(error(cx, 403, "E0000046", summary, &[]));
    }
    okta.org.unassign(&app.id, &user.id, cx);
    Ok(FakeResponse::empty(204))
}

pub(super) fn groups(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["q", "after", "limit"])?;
    let app = app(okta, call, cx)?;
    let q = call.request.query("q");
    let named = |id: &str| okta.org.groups.get(id).is_some_and(|group| q.as_ref().is_none_or(|q| group.name().starts_with(q.as_str())));
    let shown: Vec<(String, Value)> =
        app.groups.iter().filter(|(id, _)| named(id)).map(|(id, assigned)| (id.clone(), answer::app_group(&app, id, assigned, cx))).collect();
    page(call.request, cx, Paging { default: 20, most: 200, cap: okta.org.settings.page_size }, shown)
}

pub(super) fn group(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let app = app(okta, call, cx)?;
    let id = call.param("groupId");
    let assigned = app.groups.get(id).ok_or_else(|| not_found(cx, "GroupAssignment", id))?;
    Ok(FakeResponse::json(200, &answer::app_group(&app, id, assigned, cx)))
}

pub(super) fn assign_group(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let app = app(okta, call, cx)?;
    let id = call.param("groupId");
    if !okta.org.groups.contains_key(id) {
        return Err(not_found(cx, "UserGroup", id));
    }
    let body = if call.request.body.is_empty() { serde_json::Map::new() } else { answer::object(call.request, cx)? };
    let assigned = AppGroup {
        priority: body.get("priority").and_then(Value::as_i64).unwrap_or(0),
        profile: body.get("profile").and_then(Value::as_object).cloned().unwrap_or_default(),
        last_updated: cx.now(),
    };
    okta.org.assign_group(&app.id, id, assigned, cx);
    group(okta, call, cx)
}

pub(super) fn unassign_group(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let app = app(okta, call, cx)?;
    let id = call.param("groupId");
    if okta.org.unassign_group(&app.id, id, cx) { Ok(FakeResponse::empty(204)) } else { Err(not_found(cx, "GroupAssignment", id)) }
}

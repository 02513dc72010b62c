//! Users: create, look up, list, update, delete, and what is under a user.

use serde_json::{Map, Value, json};

use super::answer::{self, Paging, error, invalid, known_parameters, not_found, page};
use super::expression::{Case, Expression, Operator};
use super::lifecycle::{Transition, activate, deactivate};
use super::state::{OktaUser, UserStatus};
use super::{OktaFake, lifecycle};
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};
use crate::router::{Call, Reply};

/// The user of the path, by id, login or short name; `me` is the owner of the token.
pub(super) fn find(okta: &OktaFake, call: &Call<'_>, name: &str, cx: &FakeContext) -> Result<OktaUser, FakeResponse> {
    let key = match call.param(name) {
        "me" => cx.caller().unwrap_or(""),
        // Such a login can only be found by id: https://developer.okta.com/docs/api/ (users, get).
        key if key.contains('/') => "",
        key => key,
    };
    okta.org.user(key).cloned().ok_or_else(|| not_found(cx, "User", call.param(name)))
}

pub(super) fn get(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let user = find(okta, call, "id", cx)?;
    Ok(FakeResponse::json(200, &answer::user(&user, cx)))
}

pub(super) fn list(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["search", "filter", "q", "after", "limit"])?;
    let request = call.request;
    let search = expression(request, "search", cx, |_, _| true)?;
    let filter = expression(request, "filter", cx, |path, operator| match path {
        "lastUpdated" => true,
        "status" | "id" | "profile.login" | "profile.email" | "profile.firstName" | "profile.lastName" => operator == Operator::Equal,
        _ => false,
    })?;
    let q = request.query("q").map(|q| q.to_lowercase());
    let default = if q.is_some() { 10 } else { 200 };
    let everyone = search.is_some() || filter.is_some();
    let shown: Vec<(String, Value)> = okta
        .org
        .users
        .values()
        .filter(|user| everyone || user.status != UserStatus::Deprovisioned)
        .filter(|user| q.as_ref().is_none_or(|q| ["firstName", "lastName", "email"].iter().any(|name| user.attribute(name).to_lowercase().starts_with(q))))
        .map(|user| (user.id.clone(), answer::user(user, cx)))
        .filter(|(_, user)| search.as_ref().is_none_or(|search| search.fits(user, Case::Ignored)))
        .filter(|(_, user)| filter.as_ref().is_none_or(|filter| filter.fits(user, Case::Sensitive)))
        .collect();
    page(request, cx, Paging { default, most: 200, cap: okta.org.settings.page_size }, shown)
}

/// A condition of a list: one that cannot be read, or names what may not be filtered by, is refused.
pub(super) fn expression(request: &FakeRequest, name: &str, cx: &FakeContext, allowed: fn(&str, Operator) -> bool) -> Result<Option<Expression>, FakeResponse> {
    let Some(text) = request.query(name) else { return Ok(None) };
    let refused = || error(cx, 400, "E0000031", &format!("Invalid search criteria: {text}"), &[]);
    let expression: Expression = text.parse().map_err(|_| refused())?;
    if expression.attributes().iter().all(|(path, operator)| allowed(path, *operator)) { Ok(Some(expression)) } else { Err(refused()) }
}

pub(super) fn create(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["activate", "provider", "nextLogin"])?;
    let body = answer::object(call.request, cx)?;
    let profile = body.get("profile").and_then(Value::as_object).cloned().ok_or_else(|| invalid(cx, "profile", "The field cannot be left blank"))?;
    let groups: Vec<String> = body.get("groupIds").and_then(|ids| serde_json::from_value(ids.clone()).ok()).unwrap_or_default();
    if groups.len() > 20 {
        return Err(error(cx, 400, "E0000093", "Target count limit exceeded", &["The number of group targets is too large"]));
    }
    check_profile(okta, &profile, None, cx)?;
    for id in &groups {
        let group = okta.org.groups.get(id).ok_or_else(|| not_found(cx, "UserGroup", id))?;
        if group.kind != super::state::GroupType::OktaGroup {
            return Err(answer::forbidden(cx));
        }
    }
    let credentials = body.get("credentials").cloned().unwrap_or_default();
    let has_password = credentials.get("password").is_some_and(|password| !password.is_null());
    let activated = call.request.query("activate").as_deref() != Some("false");
    if call.request.query("nextLogin").as_deref() == Some("changePassword") {
        let problem = "Could not create user. To create a user and expire their password immediately, ";
        if !activated {
            return Err(error(cx, 400, "E0000125", &format!("{problem}`activate` must be true."), &[]));
        }
        if !has_password {
            return Err(error(cx, 400, "E0000124", &format!("{problem}a password must be specified."), &[]));
        }
    }
    let provider = credentials.pointer("/provider/type").and_then(Value::as_str).unwrap_or("OKTA").to_owned();
    let id = okta.org.id("00u");
    okta.org.users.insert(id.clone(), blank(id.clone(), profile, has_password, provider, cx));
    let login = okta.org.users.get(&id).map_or_else(String::new, |user| user.login().to_owned());
    cx.emit("user.created", json!({ "user": id, "login": login }));
    okta.org.join_everyone(&id);
    for group in &groups {
        okta.org.join(group, &id, cx);
    }
    okta.org.apply_rules(&id, cx);
    if activated {
        let expired = call.request.query("nextLogin").is_some();
        activate(okta, &id, Transition { mail: !has_password, expired }, cx);
    }
    okta.org.users.get(&id).map(|user| FakeResponse::json(200, &answer::user(user, cx))).ok_or_else(|| not_found(cx, "User", &id))
}

/// A staged user.
pub(super) fn blank(id: String, mut profile: Map<String, Value>, has_password: bool, provider: String, cx: &FakeContext) -> OktaUser {
    profile.retain(|_, value| !value.is_null());
    OktaUser {
        id,
        status: UserStatus::Staged,
        transitioning_to: None,
        profile,
        has_password,
        provider,
        sessions: 0,
        created: cx.now(),
        activated: None,
        status_changed: None,
        last_login: None,
        last_updated: cx.now(),
    }
}

fn check_profile(okta: &OktaFake, profile: &Map<String, Value>, own: Option<&str>, cx: &FakeContext) -> Result<(), FakeResponse> {
    let text = |name: &str| profile.get(name).and_then(Value::as_str).unwrap_or("");
    for name in ["login", "email"] {
        if text(name).is_empty() {
            return Err(invalid(cx, name, "The field cannot be left blank"));
        }
        if !text(name).contains('@') {
            return Err(invalid(cx, name, "must be in the form of an email address"));
        }
    }
    for name in ["firstName", "lastName"] {
        if text(name).chars().count() > 50 {
            return Err(invalid(cx, name, "The field is too long"));
        }
    }
    if okta.org.users.values().any(|user| Some(user.id.as_str()) != own && user.login().eq_ignore_ascii_case(text("login"))) {
        return Err(invalid(cx, "login", "An object with this field already exists in the current organization"));
    }
    Ok(())
}

/// `POST`: what is named changes, null clears, the rest stays.
pub(super) fn update(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let user = find(okta, call, "id", cx)?;
    let body = answer::object(call.request, cx)?;
    let mut profile = user.profile.clone();
    for (name, value) in body.get("profile").and_then(Value::as_object).into_iter().flatten() {
        profile.insert(name.clone(), value.clone());
    }
    store(okta, call, &user, profile, &body, cx)
}

/// `PUT`: what is not named is gone.
pub(super) fn replace(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let user = find(okta, call, "id", cx)?;
    let body = answer::object(call.request, cx)?;
    let profile = body.get("profile").and_then(Value::as_object).cloned().ok_or_else(|| invalid(cx, "profile", "The field cannot be left blank"))?;
    store(okta, call, &user, profile, &body, cx)
}

fn store(okta: &mut OktaFake, call: &Call<'_>, user: &OktaUser, mut profile: Map<String, Value>, body: &Map<String, Value>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["strict"])?;
    if call.request.header("if-match").is_some() {
        return Err(cx.unsupported(call.request, "header `If-Match`"));
    }
    // Deactivated users are not updated unless the org switches that on; which code says so is not documented.
    if user.status == UserStatus::Deprovisioned {
        return Err(answer::wrong_status(cx));
    }
    profile.retain(|_, value| !value.is_null());
    check_profile(okta, &profile, Some(&user.id), cx)?;
    set_profile(okta, &user.id, profile, cx);
    if body.get("credentials").is_some_and(|credentials| credentials.get("password").is_some_and(|password| !password.is_null()))
        && let Some(user) = okta.org.users.get_mut(&user.id)
    {
        user.has_password = true;
        cx.emit("user.password_set", json!({ "user": user.id, "login": user.login() }));
    }
    let user = find(okta, call, "id", cx).or_else(|_| okta.org.users.get(&user.id).cloned().ok_or_else(|| not_found(cx, "User", &user.id)))?;
    Ok(FakeResponse::json(200, &answer::user(&user, cx)))
}

/// Sets a profile and lets rules look at it.
pub(super) fn set_profile(okta: &mut OktaFake, id: &str, profile: Map<String, Value>, cx: &mut FakeContext) {
    let Some(user) = okta.org.users.get_mut(id) else { return };
    if user.profile == profile {
        return;
    }
    user.profile = profile;
    user.last_updated = cx.now();
    cx.emit("user.updated", json!({ "user": id, "login": user.login() }));
    okta.org.apply_rules(id, cx);
}

/// The first deletes nothing but deactivates; the second deletes. Both answer 204.
pub(super) fn delete(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["sendEmail"])?;
    let user = find(okta, call, "id", cx)?;
    lifecycle::settled(&user, cx)?;
    if user.status == UserStatus::Deprovisioned {
        remove(okta, &user.id, cx);
    } else {
        deactivate(okta, &user.id, call.request, cx);
    }
    Ok(FakeResponse::empty(204))
}

/// Takes a user out of the org for good.
pub(super) fn remove(okta: &mut OktaFake, id: &str, cx: &mut FakeContext) {
    okta.org.unassign_all(id, cx);
    if let Some(user) = okta.org.users.remove(id) {
        for group in okta.org.groups.values_mut() {
            group.members.remove(id);
        }
        cx.emit("user.deleted", json!({ "user": id, "login": user.login() }));
    }
}

pub(super) fn end_sessions(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["oauthTokens", "forgetDevices"])?;
    let user = find(okta, call, "userId", cx)?;
    if let Some(user) = okta.org.users.get_mut(&user.id)
        && user.sessions > 0
    {
        cx.emit("user.sessions_ended", json!({ "user": user.id, "login": user.login(), "sessions": user.sessions }));
        user.sessions = 0;
    }
    Ok(FakeResponse::empty(204))
}

/// Paged, although the description has no parameters for it: <https://github.com/okta/okta-sdk-java/issues/1286>
pub(super) fn groups(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["after", "limit"])?;
    let user = find(okta, call, "id", cx)?;
    let groups = okta.org.groups.values().filter(|group| group.members.contains_key(&user.id));
    let shown: Vec<_> = groups.map(|group| (group.id.clone(), answer::group(group, cx))).collect();
    page(call.request, cx, Paging { default: 200, most: 200, cap: okta.org.settings.page_size }, shown)
}

pub(super) fn app_links(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let user = find(okta, call, "id", cx)?;
    let base = cx.base_url();
    let apps = okta.org.apps.values().filter_map(|app| Some((app, app.users.get(&user.id)?)));
    let links = apps.enumerate().map(|(order, (app, assigned))| {
        json!({
            "id": user.id,
            "label": app.label,
            "linkUrl": format!("{base}/home/{}/{}/50", app.name, app.id),
            "logoUrl": format!("{base}/img/logos/{}.png", app.name),
            "appName": app.name,
            "appInstanceId": app.id,
            "appAssignmentId": assigned.assignment,
            "credentialsSetup": false,
            "hidden": false,
            "sortOrder": order,
        })
    });
    Ok(FakeResponse::json(200, &links.collect()))
}

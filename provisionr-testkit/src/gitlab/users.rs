//! Users, and the calls of administrators about them.

use serde_json::{Map, Value, json};

use super::GitlabFake;
use super::answer::{self, fields, forbidden, invalid, known_parameters, message, not_found, page};
use super::state::{GitlabIdentity, GitlabUser, Offering, Sort};
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

/// What follows the caller's id where the token does not act as an administrator.
pub(super) const AS_USER: &str = " as user";

impl GitlabFake {
    /// The user of the token.
    pub(super) fn caller(&self, cx: &FakeContext) -> Option<&GitlabUser> {
        self.instance.user(cx.caller()?.split(' ').next()?)
    }

    pub(super) fn is_admin(&self, cx: &FakeContext) -> bool {
        let as_user = cx.caller().is_some_and(|caller| caller.ends_with(AS_USER));
        self.instance.settings.offering == Offering::SelfManaged && !as_user && self.caller(cx).is_some_and(|user| user.admin)
    }

    fn admin(&self, cx: &FakeContext) -> Result<(), FakeResponse> {
        if self.is_admin(cx) { Ok(()) } else { Err(forbidden()) }
    }

    pub(super) fn found(&self, call: &Call<'_>, name: &str) -> Result<GitlabUser, FakeResponse> {
        let id = call.param(name).parse::<u64>().map_err(|_| invalid(&format!("{name} is invalid")))?;
        self.instance.users.get(&id).cloned().ok_or_else(|| not_found("User "))
    }
}

pub(super) fn me(fake: &mut GitlabFake, _call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let user = fake.caller(cx).ok_or_else(|| message(401, "401 Unauthorized"))?;
    let mut shown = answer::own(user, cx);
    if user.admin && fake.instance.settings.offering == Offering::SelfManaged {
        shown = answer::with_admin(user, cx);
    }
    Ok(FakeResponse::json(200, &shown))
}

/// What a personal access token says of itself.
pub(super) fn token(fake: &mut GitlabFake, call: &Call<'_>, _cx: &mut FakeContext) -> Reply {
    let grantee = call.request.header("private-token").and_then(|token| fake.tokens.get(token)).ok_or_else(|| not_found(""))?;
    let shown = json!({ "id": 1, "name": "provisionr", "active": true, "revoked": false, "user_id": grantee.owner, "scopes": grantee.scopes });
    Ok(FakeResponse::json(200, &shown))
}

pub(super) fn list(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["username", "search", "extern_uid", "provider", "pagination", "order_by", "sort", "cursor"])?;
    let query = |name: &str| call.request.query(name);
    let admin = fake.is_admin(cx);
    if query("extern_uid").is_some() != query("provider").is_some() {
        return Err(invalid("extern_uid, provider are missing, at least one parameter must be provided"));
    }
    if query("extern_uid").is_some() && !admin {
        return Err(forbidden());
    }
    let found = fake.instance.users.values().filter(|user| {
        let username = query("username").is_none_or(|wanted| user.username.eq_ignore_ascii_case(&wanted));
        let search = query("search").is_none_or(|wanted| {
            let address = if wanted.contains('@') { admin && user.email.eq_ignore_ascii_case(&wanted) } else { false };
            let shown = user.profile.get("public_email").and_then(Value::as_str).is_some_and(|shown| shown.eq_ignore_ascii_case(&wanted));
            let wanted = wanted.to_lowercase();
            address || shown || user.name.to_lowercase().contains(&wanted) || user.username.to_lowercase().contains(&wanted)
        });
        let identity = query("extern_uid").is_none_or(|uid| {
            let provider = query("provider").unwrap_or_default();
            user.identities.iter().any(|identity| identity.provider == provider && identity.extern_uid == uid)
        });
        username && search && identity
    });
    let mut found: Vec<&GitlabUser> = found.collect();
    if query("sort").as_deref() != Some("asc") {
        found.reverse();
    }
    let shown = found.into_iter().map(|user| if admin { answer::with_admin(user, cx) } else { answer::basic(user, cx) });
    Ok(page(&fake.instance, call.request, cx, shown.collect::<Vec<_>>()))
}

pub(super) fn get(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let user = fake.found(call, "id")?;
    Ok(FakeResponse::json(200, &if fake.is_admin(cx) { answer::with_admin(&user, cx) } else { answer::public(&user, cx) }))
}

/// What of a body goes into the profile as it is.
const PROFILE: [&str; 9] = ["bio", "location", "organization", "linkedin", "website_url", "pronouns", "public_email", "external", "note"];

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}

/// Refuses values another user has, in GitLab's words.
fn unique(fake: &GitlabFake, body: &Map<String, Value>, own: Option<u64>) -> Result<(), FakeResponse> {
    let others = || fake.instance.users.values().filter(|user| Some(user.id) != own);
    if let Some(email) = text(body, "email")
        && others().any(|user| user.email.eq_ignore_ascii_case(email))
    {
        return Err(message(409, "Email has already been taken"));
    }
    let Some(username) = text(body, "username") else { return Ok(()) };
    let clean = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if username.is_empty() || !username.chars().all(clean) || username.starts_with('-') || username.ends_with('.') {
        return Err(message(400, json!({ "username": ["can contain only letters, digits, '_', '-' and '.'"] })));
    }
    if others().any(|user| user.username.eq_ignore_ascii_case(username)) {
        return Err(message(409, "Username has already been taken"));
    }
    Ok(())
}

pub(super) fn create(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    fake.admin(cx)?;
    let body = fields(call.request)?;
    let missing: Vec<_> = ["email", "name", "username"].into_iter().filter(|name| text(&body, name).is_none_or(str::is_empty)).collect();
    if !missing.is_empty() {
        return Err(invalid(&missing.iter().map(|name| format!("{name} is missing")).collect::<Vec<_>>().join(", ")));
    }
    let flag = |name: &str| body.get(name) == Some(&json!(true));
    if !flag("reset_password") && !flag("force_random_password") && text(&body, "password").is_none() {
        return Err(invalid("password, reset_password, force_random_password are missing, at least one parameter must be provided"));
    }
    unique(fake, &body, None)?;
    let id = fake.instance.id();
    let mut user = blank(id, text(&body, "username").unwrap_or_default(), text(&body, "email").unwrap_or_default(), cx);
    user.name = text(&body, "name").unwrap_or_default().to_owned();
    set(&mut user, &body);
    // Who has an identity gets no mail about the account.
    if user.identities.is_empty() {
        cx.emit("user.mail", json!({ "email": user.email, "what": "account created" }));
    }
    if flag("reset_password") {
        cx.emit("user.mail", json!({ "email": user.email, "what": "reset password" }));
    }
    if !flag("skip_confirmation") {
        cx.emit("user.mail", json!({ "email": user.email, "what": "confirm address" }));
    }
    cx.emit("user.created", json!({ "user": id, "username": user.username }));
    let shown = answer::with_admin(&user, cx);
    fake.instance.users.insert(id, user);
    Ok(FakeResponse::json(201, &shown))
}

/// A user of whom nothing else is known.
pub(super) fn blank(id: u64, username: &str, email: &str, cx: &FakeContext) -> GitlabUser {
    GitlabUser {
        id,
        username: username.to_owned(),
        name: username.to_owned(),
        email: email.to_owned(),
        state: "active".to_owned(),
        admin: false,
        bot: false,
        dormant: false,
        enterprise_group: None,
        provisioned_by: None,
        identities: Vec::new(),
        profile: Map::new(),
        created: cx.now(),
    }
}

fn set(user: &mut GitlabUser, body: &Map<String, Value>) {
    for name in PROFILE {
        if let Some(value) = body.get(name) {
            user.profile.insert(name.to_owned(), value.clone());
        }
    }
    if let (Some(provider), Some(uid)) = (text(body, "provider"), text(body, "extern_uid")) {
        user.identities.retain(|identity| identity.provider != provider);
        user.identities.push(GitlabIdentity { provider: provider.to_owned(), extern_uid: uid.to_owned(), group: None });
    }
}

pub(super) fn update(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    fake.admin(cx)?;
    let body = fields(call.request)?;
    let before = fake.found(call, "id")?;
    unique(fake, &body, Some(before.id))?;
    let mut user = before.clone();
    set(&mut user, &body);
    user.name = text(&body, "name").unwrap_or(&user.name).to_owned();
    user.username = text(&body, "username").unwrap_or(&user.username).to_owned();
    if let Some(email) = text(&body, "email") {
        // Unless that is passed over, the old address counts until the person has confirmed the new one.
        if body.get("skip_reconfirmation") == Some(&json!(true)) {
            user.email = email.to_owned();
        }
        cx.emit("user.mail", json!({ "email": email, "what": "address changed" }));
    }
    if user != before {
        cx.emit("user.updated", json!({ "user": user.id }));
    }
    let shown = answer::with_admin(&user, cx);
    fake.instance.users.insert(user.id, user);
    Ok(FakeResponse::json(200, &shown))
}

pub(super) fn delete(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["hard_delete"])?;
    fake.admin(cx)?;
    let user = fake.found(call, "id")?;
    let owns_alone = fake.instance.groups.values().any(|group| {
        group.members.get(&user.id).is_some_and(|member| member.level == 50) && group.members.values().filter(|member| member.level == 50).count() == 1
    });
    if owns_alone && call.request.query("hard_delete").as_deref() != Some("true") {
        return Err(message(409, "User cannot be removed while is the sole-owner of a group"));
    }
    remove(fake, user.id, cx);
    Ok(FakeResponse::empty(204))
}

pub(super) fn remove(fake: &mut GitlabFake, id: u64, cx: &mut FakeContext) {
    fake.instance.users.remove(&id);
    for source in fake.instance.groups.values_mut().chain(fake.instance.projects.values_mut()) {
        source.members.remove(&id);
    }
    cx.emit("user.deleted", json!({ "user": id }));
}

/// `block`, `unblock`, `activate`, `deactivate`, `ban`, `unban`.
pub(super) fn moderate(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    fake.admin(cx)?;
    let user = fake.found(call, "id")?;
    let refuse = |why: &str| Err(message(403, format!("403 Forbidden - {why}")));
    let to = match (call.param("verb"), user.state.as_str()) {
        ("block" | "unblock", "ldap_blocked") => return refuse("LDAP blocked users cannot be modified by the API"),
        ("block", "blocked") | ("unblock", "active") => &user.state,
        ("block", _) => "blocked",
        ("unblock", "deactivated") => return refuse("Deactivated users cannot be unblocked by the API"),
        ("unblock" | "activate", _) if call.param("verb") == "unblock" || user.state == "deactivated" => "active",
        ("activate", "active") => "active",
        ("activate", _) => return refuse("A blocked user must be unblocked to be activated"),
        ("deactivate", "deactivated") => "deactivated",
        ("deactivate", "blocked" | "ldap_blocked") => return refuse("A blocked user cannot be deactivated by the API"),
        ("deactivate", _) if fake.instance.settings.only_dormant_deactivated && !user.dormant => {
            return refuse("The user you are trying to deactivate has been active in the past 90 days and cannot be deactivated");
        }
        ("deactivate", _) => "deactivated",
        ("ban", "active") => "banned",
        ("unban", "banned") => "active",
        ("ban" | "unban", state) => return refuse(&format!("You cannot {} {state} users", call.param("verb"))),
        _ => return Err(cx.unknown_route(call.request)),
    };
    let to = to.to_owned();
    if to != user.state {
        cx.emit("user.state_changed", json!({ "user": user.id, "state": to }));
    }
    if let Some(user) = fake.instance.users.get_mut(&user.id) {
        user.state = to;
    }
    Ok(FakeResponse::json(201, &true.into()))
}

/// Direct memberships, without the days they end on.
pub(super) fn memberships(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["type"])?;
    fake.admin(cx)?;
    let user = fake.found(call, "user_id")?;
    let rows = [(Sort::Group, "Namespace"), (Sort::Project, "Project")].into_iter().flat_map(|(sort, kind)| {
        let sources = fake.instance.sources(sort).values();
        sources.filter_map(move |source| {
            let member = source.members.get(&user.id)?;
            Some(json!({ "source_id": source.id, "source_name": source.name, "source_type": kind, "access_level": member.level }))
        })
    });
    let wanted = call.request.query("type");
    let rows: Vec<Value> = rows.filter(|row| wanted.is_none() || row.get("source_type").and_then(Value::as_str) == wanted.as_deref()).collect();
    Ok(page(&fake.instance, call.request, cx, rows))
}

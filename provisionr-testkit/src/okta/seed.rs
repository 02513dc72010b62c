//! How an org comes to be as a test wants it, and what people do in it.

use std::collections::BTreeSet;

use provisionr_sdk::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::OktaFake;
use super::auth::{Grantee, SCOPES};
use super::expression::Expression;
use super::groups::blank as blank_group;
use super::lifecycle::enter;
use super::memberships::about;
use super::state::{AppGroup, GroupType, OktaApp, OktaRule, OktaSettings, UserStatus};
use super::users::{blank, remove, set_profile};
use crate::fake::FakeContext;
use crate::limit::Limit;
use crate::link::{Act, ActError};

/// The JSON form of a seed; every part may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Seed {
    settings: Option<OktaSettings>,
    groups: Vec<SeedGroup>,
    apps: Vec<SeedApp>,
    rules: Vec<SeedRule>,
    users: Vec<SeedUser>,
    tokens: Vec<SeedToken>,
    clients: Vec<SeedClient>,
    limits: Vec<Limit>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedGroup {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default, rename = "type")]
    kind: GroupType,
    #[serde(default)]
    source: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedApp {
    name: String,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    features: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedRule {
    name: String,
    expression: String,
    groups: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedUser {
    login: String,
    #[serde(default)]
    profile: Map<String, Value>,
    #[serde(default)]
    status: Option<UserStatus>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    apps: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedToken {
    token: String,
    owner: String,
    #[serde(default)]
    scopes: Option<BTreeSet<String>>,
    #[serde(default)]
    expires: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedClient {
    client_id: String,
    #[serde(default)]
    scopes: Option<BTreeSet<String>>,
}

fn all_scopes() -> BTreeSet<String> {
    SCOPES.map(str::to_owned).into()
}

/// Adds a seed to the org. Names refer to what is in the org or the same seed.
pub(super) fn seed(okta: &mut OktaFake, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
    let seed = Seed::deserialize(seed)?;
    if let Some(settings) = seed.settings {
        okta.org.settings = settings;
    }
    for limit in seed.limits {
        okta.limits.add(limit);
    }
    for group in seed.groups {
        let id = okta.org.id("00g");
        let mut profile = Map::new();
        profile.insert("name".to_owned(), group.name.into());
        profile.extend(group.description.map(|description| ("description".to_owned(), description.into())));
        let source = group.source.map(|source| named_app(okta, &source)).transpose()?;
        let mut made = blank_group(id.clone(), group.kind, profile, cx);
        made.source = source;
        okta.org.groups.insert(id, made);
    }
    for app in seed.apps {
        let id = okta.org.id("0oa");
        let label = app.label.unwrap_or_else(|| app.name.clone());
        let (status, now) = ("ACTIVE".to_owned(), cx.now());
        let made = OktaApp {
            id: id.clone(),
            name: app.name,
            label,
            status,
            features: app.features,
            users: [].into(),
            groups: [].into(),
            created: now,
            last_updated: now,
        };
        okta.org.apps.insert(id.clone(), made);
        for group in app.groups {
            let group = named_group(okta, &group)?;
            okta.org.assign_group(&id, &group, AppGroup { priority: 0, profile: Map::new(), last_updated: now }, cx);
        }
    }
    for rule in seed.rules {
        let expression: Expression = rule.expression.parse().map_err(|error| ActError::new(format!("rule `{}`: {error}", rule.name)))?;
        let groups = rule.groups.iter().map(|group| named_group(okta, group)).collect::<Result<_, _>>()?;
        let id = okta.org.id("0pr");
        let (status, now) = ("ACTIVE".to_owned(), cx.now());
        okta.org
            .rules
            .insert(id.clone(), OktaRule { id, name: rule.name, status, expression, groups, excluded: BTreeSet::new(), created: now, last_updated: now });
    }
    for user in seed.users {
        add_user(okta, user, cx)?;
    }
    let users: Vec<String> = okta.org.users.keys().cloned().collect();
    for user in users {
        okta.org.apply_rules(&user, cx);
    }
    for token in seed.tokens {
        let owner = named_user(okta, &token.owner)?;
        okta.auth.api_tokens.insert(token.token, Grantee { owner, scopes: token.scopes.unwrap_or_else(all_scopes), expires: token.expires });
    }
    for client in seed.clients {
        okta.auth.clients.insert(client.client_id, client.scopes.unwrap_or_else(all_scopes));
    }
    // A seed is how the world is, not something that happens in it.
    cx.events.clear();
    Ok(())
}

fn add_user(okta: &mut OktaFake, seed: SeedUser, cx: &mut FakeContext) -> Result<(), ActError> {
    let mut profile = seed.profile;
    profile.entry("email").or_insert_with(|| seed.login.clone().into());
    let name = seed.login.split('@').next().unwrap_or("").to_owned();
    profile.entry("firstName").or_insert_with(|| name.into());
    profile.entry("lastName").or_insert_with(|| "Seeded".into());
    profile.insert("login".to_owned(), seed.login.into());
    let status = seed.status.unwrap_or(UserStatus::Active);
    let has_password = !matches!(status, UserStatus::Staged | UserStatus::Provisioned);
    let id = okta.org.id("00u");
    okta.org.users.insert(id.clone(), blank(id.clone(), profile, has_password, "OKTA".to_owned(), cx));
    okta.org.join_everyone(&id);
    for group in &seed.groups {
        let group = named_group(okta, group)?;
        okta.org.join(&group, &id, cx);
    }
    for app in &seed.apps {
        let app = named_app(okta, app)?;
        okta.org.assign_directly(&app, &id, cx);
    }
    enter(okta, &id, status, cx);
    Ok(())
}

pub(super) fn named_user(okta: &OktaFake, key: &str) -> Result<String, ActError> {
    okta.org.user(key).map(|user| user.id.clone()).ok_or_else(|| ActError::new(format!("no user is called `{key}`")))
}

pub(super) fn named_group(okta: &OktaFake, key: &str) -> Result<String, ActError> {
    okta.org.group(key).map(|group| group.id.clone()).ok_or_else(|| ActError::new(format!("no group is called `{key}`")))
}

pub(super) fn named_app(okta: &OktaFake, key: &str) -> Result<String, ActError> {
    okta.org.app(key).map(|app| app.id.clone()).ok_or_else(|| ActError::new(format!("no app is called `{key}`")))
}

/// Carries out an act; each names the user by id or login, the group by id or name, the app by id, label or name.
pub(super) fn act(okta: &mut OktaFake, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
    if act.act == "revoke_token" {
        let token = act.text("token")?;
        okta.auth.api_tokens.remove(token);
        okta.auth.access_tokens.remove(token);
        return Ok(Value::Null);
    }
    if act.act == "expire_access_tokens" {
        okta.auth.access_tokens.clear();
        return Ok(Value::Null);
    }
    if act.act == "delete_group" {
        let group = named_group(okta, act.text("group")?)?;
        okta.org.delete_group(&group, cx);
        return Ok(Value::Null);
    }
    if act.act == "set_group_type" {
        let group = named_group(okta, act.text("group")?)?;
        let kind: GroupType = serde_json::from_value(act.args.get("type").cloned().unwrap_or_default())?;
        let source = act.args.get("source").and_then(Value::as_str).map(|app| named_app(okta, app)).transpose()?;
        if let Some(group) = okta.org.groups.get_mut(&group) {
            group.kind = kind;
            group.source = source;
        }
        return Ok(Value::Null);
    }
    if act.act == "integrate_app" {
        let app = named_app(okta, act.text("app")?)?;
        let features: Vec<String> = serde_json::from_value(act.args.get("features").cloned().unwrap_or_else(|| json!([])))?;
        if let Some(known) = okta.org.apps.get_mut(&app) {
            let missing: Vec<String> = features.into_iter().filter(|feature| !known.has(feature)).collect();
            known.features.extend(missing);
        }
        return Ok(json!({ "app": app }));
    }
    if act.act == "assign_app_to_group" {
        let (app, group) = (named_app(okta, act.text("app")?)?, named_group(okta, act.text("group")?)?);
        let assigned = AppGroup { priority: 0, profile: Map::new(), last_updated: cx.now() };
        okta.org.assign_group(&app, &group, assigned, cx);
        return Ok(Value::Null);
    }
    if act.act == "finish_transition" {
        // The user may be gone, or the transition overtaken: both are no error.
        let to: UserStatus = serde_json::from_value(act.args.get("to").cloned().unwrap_or_default())?;
        let user = act.text("user")?.to_owned();
        if okta.org.users.get(&user).is_some_and(|user| user.transitioning_to == Some(to)) {
            enter(okta, &user, to, cx);
        }
        return Ok(Value::Null);
    }
    let user = named_user(okta, act.text("user")?)?;
    let group = || named_group(okta, act.text("group")?);
    let app = || named_app(okta, act.text("app")?);
    match act.act.as_str() {
        "log_in" => log_in(okta, &user, cx)?,
        "add_to_group" => {
            let group = group()?;
            okta.org.join(&group, &user, cx);
        }
        "remove_from_group" => {
            let group = group()?;
            okta.org.leave(&group, &user, cx);
        }
        "assign_app" => {
            let app = app()?;
            okta.org.assign_directly(&app, &user, cx);
        }
        "unassign_app" => {
            let app = app()?;
            okta.org.unassign(&app, &user, cx);
        }
        "open_app" => {
            let app = app()?;
            open_app(okta, &app, &user, cx)?;
        }
        "set_status" => {
            let to: UserStatus = serde_json::from_value(act.args.get("status").cloned().unwrap_or_default())?;
            enter(okta, &user, to, cx);
        }
        "set_profile" => {
            let mut profile = okta.org.users.get(&user).map(|user| user.profile.clone()).unwrap_or_default();
            for (name, value) in act.args.get("profile").and_then(Value::as_object).into_iter().flatten() {
                profile.insert(name.clone(), value.clone());
            }
            profile.retain(|_, value| !value.is_null());
            set_profile(okta, &user, profile, cx);
        }
        "set_provider" => {
            let provider = act.text("provider")?.to_owned();
            if let Some(user) = okta.org.users.get_mut(&user) {
                user.provider = provider;
            }
        }
        "delete_user" => remove(okta, &user, cx),
        _ => return Err(act.unknown()),
    }
    Ok(json!({ "user": user }))
}

/// The person goes by Okta into an app, logging in to Okta first where there is no session.
fn open_app(okta: &mut OktaFake, app: &str, id: &str, cx: &mut FakeContext) -> Result<(), ActError> {
    if !okta.org.apps.get(app).is_some_and(|app| app.users.contains_key(id)) {
        return Err(ActError::new("an app that is not assigned to a user cannot be opened by them"));
    }
    if okta.org.users.get(id).is_none_or(|user| user.sessions == 0) {
        log_in(okta, id, cx)?;
    }
    if let (Some(app), Some(user)) = (okta.org.apps.get(app), okta.org.users.get(id)) {
        cx.emit("app.user_signed_in", about(app, user));
    }
    Ok(())
}

fn log_in(okta: &mut OktaFake, id: &str, cx: &mut FakeContext) -> Result<(), ActError> {
    let status = okta.org.users.get(id).map(|user| user.status);
    match status {
        Some(UserStatus::Active) => {}
        Some(UserStatus::Provisioned | UserStatus::PasswordExpired | UserStatus::Recovery) => enter(okta, id, UserStatus::Active, cx),
        other => return Err(ActError::new(format!("a user in status {other:?} cannot log in"))),
    }
    if let Some(user) = okta.org.users.get_mut(id) {
        user.has_password = true;
        user.sessions += 1;
        user.last_login = Some(cx.now());
        cx.emit("user.logged_in", json!({ "user": id, "login": user.login(), "email": user.attribute("email") }));
    }
    Ok(())
}

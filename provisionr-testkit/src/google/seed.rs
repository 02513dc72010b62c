//! How a customer comes to be as a test wants it, and what people and other systems do in it.

use std::collections::BTreeSet;

use provisionr_sdk::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::GoogleFake;
use super::auth::{Grantee, PREFIX, SCOPES};
use super::groups::{blank as blank_group, join, leave, member_of_key, remove as remove_group};
use super::state::{GoogleMember, GoogleOrgUnit, GoogleSettings, MemberRole};
use super::users::{blank, remove, tell, write};
use crate::fake::FakeContext;
use crate::limit::Limit;
use crate::link::{Act, ActError};

/// The JSON form of a seed; every part may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Seed {
    settings: Option<GoogleSettings>,
    org_units: Vec<String>,
    users: Vec<SeedUser>,
    groups: Vec<SeedGroup>,
    tokens: Vec<SeedToken>,
    service_accounts: Vec<SeedServiceAccount>,
    limits: Vec<Limit>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedUser {
    email: String,
    #[serde(default)]
    aliases: BTreeSet<String>,
    #[serde(default)]
    fields: Map<String, Value>,
    #[serde(default)]
    org_unit: Option<String>,
    #[serde(default)]
    suspended: bool,
    #[serde(default)]
    suspension_reason: Option<String>,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    admin: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedGroup {
    email: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    aliases: BTreeSet<String>,
    #[serde(default)]
    members: Vec<SeedMember>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum SeedMember {
    Key(String),
    Role { member: String, role: MemberRole },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedToken {
    token: String,
    admin: String,
    #[serde(default)]
    scopes: Option<BTreeSet<String>>,
    #[serde(default)]
    expires: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedServiceAccount {
    email: String,
    #[serde(default)]
    scopes: Option<BTreeSet<String>>,
}

/// Whole scopes; short ones are completed.
fn scopes(given: Option<BTreeSet<String>>) -> BTreeSet<String> {
    let given = given.unwrap_or_else(|| SCOPES.map(str::to_owned).into());
    given.into_iter().map(|scope| if scope.starts_with(PREFIX) { scope } else { format!("{PREFIX}{scope}") }).collect()
}

/// Adds a seed. Names refer to what is there or in the same seed.
pub(super) fn seed(google: &mut GoogleFake, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
    let seed = Seed::deserialize(seed)?;
    if let Some(settings) = seed.settings {
        google.customer.settings = settings;
    }
    for limit in seed.limits {
        google.limits.add(limit);
    }
    for path in seed.org_units {
        add_unit(google, &path)?;
    }
    for user in seed.users {
        add_user(google, user, cx)?;
    }
    let mut members = Vec::new();
    for group in seed.groups {
        let id = google.customer.group_id();
        let name = group.name.unwrap_or_else(|| group.email.split('@').next().unwrap_or("").to_owned());
        let mut made = blank_group(id.clone(), group.email, name, String::new(), cx);
        made.aliases = group.aliases;
        google.customer.groups.insert(id.clone(), made);
        members.push((id, group.members));
    }
    for (group, members) in members {
        for member in members {
            let (key, role) = match member {
                SeedMember::Key(key) => (key, MemberRole::Member),
                SeedMember::Role { member, role } => (member, role),
            };
            add_member(google, &group, &key, role, cx)?;
        }
    }
    for token in seed.tokens {
        let admin = named_user(google, &token.admin)?;
        google.auth.tokens.insert(token.token, Grantee { admin, scopes: scopes(token.scopes), expires: token.expires });
    }
    for account in seed.service_accounts {
        google.auth.delegated.insert(account.email, scopes(account.scopes));
    }
    // A seed is how the world is, not something that happens in it.
    cx.events.clear();
    Ok(())
}

/// Adds a unit and those above it.
fn add_unit(google: &mut GoogleFake, path: &str) -> Result<(), ActError> {
    let names: Vec<&str> = path.strip_prefix('/').map(|path| path.split('/').collect()).unwrap_or_default();
    if names.is_empty() || names.contains(&"") {
        return Err(ActError::new(format!("`{path}` is no path of an organizational unit")));
    }
    let mut path = String::new();
    for name in names {
        path = format!("{path}/{name}");
        if !google.customer.units.contains_key(&path) {
            let id = google.customer.unit_id();
            google.customer.units.insert(path.clone(), GoogleOrgUnit { id, path: path.clone(), description: String::new() });
        }
    }
    Ok(())
}

fn add_user(google: &mut GoogleFake, seed: SeedUser, cx: &mut FakeContext) -> Result<String, ActError> {
    if google.customer.is_taken(&seed.email) {
        return Err(ActError::new(format!("the address `{}` is taken", seed.email)));
    }
    if let Some(path) = seed.org_unit.as_ref().filter(|path| !google.customer.has_unit(path)) {
        return Err(ActError::new(format!("there is no organizational unit `{path}`")));
    }
    let id = google.customer.user_id();
    let mut user = blank(id.clone(), seed.email.clone(), cx);
    let local = seed.email.split('@').next().unwrap_or("").to_owned();
    user.fields.insert("name".to_owned(), json!({ "givenName": local, "familyName": "Seeded" }));
    user.aliases = seed.aliases;
    user.org_unit_path = seed.org_unit.unwrap_or_else(|| "/".to_owned());
    user.suspended = seed.suspended;
    user.suspension_reason = seed.suspended.then(|| seed.suspension_reason.unwrap_or_else(|| "ADMIN".to_owned()));
    user.archived = seed.archived;
    user.is_admin = seed.admin;
    google.customer.users.insert(id.clone(), user);
    write(google, &id, seed.fields);
    Ok(id)
}

fn add_member(google: &mut GoogleFake, group: &str, key: &str, role: MemberRole, cx: &mut FakeContext) -> Result<(), ActError> {
    let (id, kind, email) = member_of_key(&mut google.customer, key).ok_or_else(|| ActError::new(format!("nobody is called `{key}`")))?;
    join(google, group, &id, GoogleMember { role, kind, email }, cx);
    Ok(())
}

fn named_user(google: &GoogleFake, key: &str) -> Result<String, ActError> {
    google.customer.user(key).map(|user| user.id.clone()).ok_or_else(|| ActError::new(format!("no user is called `{key}`")))
}

fn named_group(google: &GoogleFake, key: &str) -> Result<String, ActError> {
    google.customer.group(key).map(|group| group.id.clone()).ok_or_else(|| ActError::new(format!("no group is called `{key}`")))
}

/// Carries out an act; each names users and groups by id or address.
pub(super) fn act(google: &mut GoogleFake, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
    match act.act.as_str() {
        "expire_access_tokens" => google.auth.tokens.clear(),
        "revoke_token" => drop(google.auth.tokens.remove(act.text("token")?)),
        "add_org_unit" => add_unit(google, act.text("path")?)?,
        "delete_group" => {
            let group = named_group(google, act.text("group")?)?;
            remove_group(google, &group, cx);
        }
        "add_to_group" => {
            let group = named_group(google, act.text("group")?)?;
            let role: MemberRole = act.args.get("role").map(|role| serde_json::from_value(role.clone())).transpose()?.unwrap_or_default();
            add_member(google, &group, act.text("member")?, role, cx)?;
        }
        "remove_from_group" => {
            let group = named_group(google, act.text("group")?)?;
            let key = act.text("member")?;
            let member = member_of_key(&mut google.customer, key).ok_or_else(|| ActError::new(format!("nobody is called `{key}`")))?;
            leave(google, &group, &member.0, cx);
        }
        // Another system makes the account, or brings what it has up to date.
        "provision_user" => {
            let email = act.text("email")?.to_owned();
            let mut fields: Map<String, Value> = [("suspended".to_owned(), false.into())].into_iter().collect();
            if let (Ok(first), Ok(last)) = (act.text("first_name"), act.text("last_name")) {
                fields.insert("name".to_owned(), json!({ "givenName": first, "familyName": last }));
            }
            fields.extend(act.args.get("fields").and_then(Value::as_object).cloned().unwrap_or_default());
            if let Some(user) = google.customer.user(&email).cloned() {
                return changed(google, &user.id, fields, cx);
            }
            let seed = json!({ "email": email, "fields": fields, "org_unit": act.args.get("org_unit") });
            let id = add_user(google, SeedUser::deserialize(&seed)?, cx)?;
            cx.emit("user.created", json!({ "user": id, "email": email }));
            return Ok(json!({ "user": id }));
        }
        // <https://support.google.com/a/answer/33312>: what a suspended user has stays.
        "deprovision_user" => {
            let Some(user) = google.customer.user(act.text("email")?).cloned() else { return Ok(Value::Null) };
            return suspended(google, &user.id, "ADMIN", cx);
        }
        "log_in" | "set_user" | "suspend_user" | "delete_user" => return act_on_user(google, act, cx),
        _ => return Err(act.unknown()),
    }
    Ok(Value::Null)
}

fn act_on_user(google: &mut GoogleFake, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
    let id = named_user(google, act.text("user")?)?;
    match act.act.as_str() {
        "set_user" => return changed(google, &id, act.args.get("fields").and_then(Value::as_object).cloned().unwrap_or_default(), cx),
        "suspend_user" => {
            let reason = act.args.get("reason").and_then(Value::as_str).unwrap_or("ADMIN").to_owned();
            suspended(google, &id, &reason, cx)?;
        }
        "delete_user" => remove(google, &id, cx),
        _ => {
            let Some(user) = google.customer.user_mut(&id).filter(|user| !user.suspended && !user.archived) else {
                return Err(ActError::new("a user who is suspended or archived cannot log in"));
            };
            user.sessions += 1;
            user.last_login = Some(cx.now());
            cx.emit("user.logged_in", json!({ "user": id, "email": user.primary_email }));
        }
    }
    Ok(json!({ "user": id }))
}

fn suspended(google: &mut GoogleFake, id: &str, reason: &str, cx: &mut FakeContext) -> Result<Value, ActError> {
    changed(google, id, [("suspended".to_owned(), true.into())].into_iter().collect(), cx)?;
    if let Some(user) = google.customer.user_mut(id) {
        user.suspension_reason = Some(reason.to_owned());
    }
    Ok(json!({ "user": id }))
}

fn changed(google: &mut GoogleFake, id: &str, fields: Map<String, Value>, cx: &mut FakeContext) -> Result<Value, ActError> {
    let before = google.customer.users.get(id).cloned();
    write(google, id, fields);
    if let (Some(before), Some(after)) = (before, google.customer.users.get(id)) {
        tell(&before, after, cx);
    }
    Ok(json!({ "user": id }))
}

//! How a service comes to be as a test wants it, and what people do in it.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::ScimFake;
use super::auth::{RIGHTS, Right};
use super::discovery;
use super::state::{Family, ScimSettings};
use crate::fake::FakeContext;
use crate::limit::Limit;
use crate::link::{Act, ActError};

/// The JSON form of a seed; every part may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Seed {
    settings: Option<ScimSettings>,
    users: Vec<Map<String, Value>>,
    groups: Vec<SeedGroup>,
    tokens: Vec<SeedToken>,
    limits: Vec<Limit>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SeedGroup {
    #[serde(default)]
    id: Option<String>,
    display_name: String,
    #[serde(default)]
    users: Vec<String>,
    /// Groups in it.
    #[serde(default)]
    groups: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedToken {
    token: String,
    #[serde(default)]
    rights: Option<BTreeSet<Right>>,
}

/// Adds a seed to the service. Groups refer to users and groups that are there or come before them in the same seed.
pub(super) fn seed(scim: &mut ScimFake, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
    let seed = Seed::deserialize(seed)?;
    if let Some(settings) = seed.settings {
        scim.directory.settings = settings;
    }
    for limit in seed.limits {
        scim.limits.add(limit);
    }
    for SeedToken { token, rights } in seed.tokens {
        scim.auth.tokens.insert(token, rights.unwrap_or_else(|| RIGHTS.into()));
    }
    let mut later = Vec::new();
    for mut user in seed.users {
        let groups: Vec<String> = user.remove("groups").map(serde_json::from_value).transpose()?.unwrap_or_default();
        let id = add_user(scim, user, cx)?;
        later.extend(groups.into_iter().map(|group| (group, id.clone())));
    }
    for group in seed.groups {
        let attributes = Map::from_iter([("displayName".to_owned(), group.display_name.into())]);
        let id = scim.directory.make(Family::Groups, group.id, attributes, cx);
        for user in group.users {
            let user = named_user(scim, &user)?;
            scim.directory.set_member(&id, &user, true, cx);
        }
        for inner in group.groups {
            let inner = named_group(scim, &inner)?;
            scim.directory.set_member(&id, &inner, true, cx);
        }
    }
    for (group, user) in later {
        let group = named_group(scim, &group)?;
        scim.directory.set_member(&group, &user, true, cx);
    }
    // A seed is how the world is, not something that happens in it.
    cx.events.clear();
    Ok(())
}

fn add_user(scim: &mut ScimFake, mut user: Map<String, Value>, cx: &mut FakeContext) -> Result<String, ActError> {
    let id = match user.remove("id") {
        Some(Value::String(id)) => Some(id),
        _ => None,
    };
    let email = user.remove("email").filter(|email| !email.is_null());
    let name = user.get("userName").cloned().or_else(|| email.clone()).unwrap_or_default();
    let email = email.or_else(|| Some(name.clone()).filter(|name| name.as_str().is_some_and(|name| name.contains('@'))));
    if let (Some(email), false) = (email, user.contains_key("emails")) {
        user.insert("emails".to_owned(), json!([{ "value": email, "type": "work", "primary": true }]));
    }
    user.insert("userName".to_owned(), name.clone());
    user.entry("active").or_insert(true.into());
    let attributes = discovery::known(Family::Users, &user).map_err(|refusal| ActError::new(refusal.detail))?;
    match name.as_str() {
        Some(name) if !name.is_empty() && !scim.directory.users.values().any(|user| user.text("userName").eq_ignore_ascii_case(name)) => {}
        _ => return Err(ActError::new(format!("a user needs a userName nobody has, and {name} is none"))),
    }
    Ok(scim.directory.make(Family::Users, id, attributes, cx))
}

fn named_user(scim: &ScimFake, key: &str) -> Result<String, ActError> {
    scim.user(key).map(|user| user.id.clone()).ok_or_else(|| ActError::new(format!("no user is called `{key}`")))
}

fn named_group(scim: &ScimFake, key: &str) -> Result<String, ActError> {
    scim.group(key).map(|group| group.id.clone()).ok_or_else(|| ActError::new(format!("no group is called `{key}`")))
}

fn switch(scim: &mut ScimFake, id: &str, active: bool, cx: &mut FakeContext) -> Result<Value, ActError> {
    if let Some(user) = scim.user(id).filter(|user| user.is_active() != active) {
        let mut attributes = user.attributes.clone();
        attributes.insert("active".to_owned(), active.into());
        scim.directory.set(Family::Users, id, attributes, cx);
    }
    Ok(json!({ "user": id }))
}

/// Carries out an act.
pub(super) fn act(scim: &mut ScimFake, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
    let user = |scim: &ScimFake| named_user(scim, act.text("user")?);
    let group = |scim: &ScimFake| named_group(scim, act.text("group")?);
    let change = |scim: &mut ScimFake, name: &str, value: Value, cx: &mut FakeContext| {
        let id = user(scim)?;
        let mut attributes = scim.user(&id).map(|user| user.attributes.clone()).unwrap_or_default();
        if value.is_null() {
            attributes.remove(name);
        } else {
            attributes.insert(name.to_owned(), value);
        }
        scim.directory.set(Family::Users, &id, attributes, cx);
        Ok::<_, ActError>(json!({ "user": id }))
    };
    let argument = |name: &str| act.args.get(name).cloned().unwrap_or_default();
    match act.act.as_str() {
        "create_user" => {
            let fields = act.args.as_object().cloned().unwrap_or_default();
            return Ok(json!({ "user": add_user(scim, fields, cx)? }));
        }
        // An identity provider makes the user, or lets one in again who is there.
        "provision_user" => {
            let login = act.text("login")?;
            if let Ok(id) = named_user(scim, login) {
                return switch(scim, &id, true, cx);
            }
            let text = |name: &str| act.text(name).ok();
            let mut fields = Map::from_iter([("userName".to_owned(), login.into()), ("email".to_owned(), text("email").unwrap_or(login).into())]);
            fields.extend(text("external_id").map(|id| ("externalId".to_owned(), id.into())));
            fields
                .insert("name".to_owned(), json!({ "givenName": text("first_name").unwrap_or_default(), "familyName": text("last_name").unwrap_or_default() }));
            return Ok(json!({ "user": add_user(scim, fields, cx)? }));
        }
        "deprovision_user" => {
            let Ok(id) = named_user(scim, act.text("login")?) else { return Ok(Value::Null) };
            return switch(scim, &id, false, cx);
        }
        "set_active" => return change(scim, "active", argument("active"), cx),
        "set_attribute" => return change(scim, act.text("name")?, argument("value"), cx),
        "delete_user" => {
            let user = user(scim)?;
            scim.directory.remove(Family::Users, &user, cx);
        }
        "add_to_group" => {
            let member = if act.args.get("member_group").is_some() { named_group(scim, act.text("member_group")?)? } else { user(scim)? };
            let group = group(scim)?;
            scim.directory.set_member(&group, &member, true, cx);
        }
        "remove_from_group" => {
            let (user, group) = (user(scim)?, group(scim)?);
            scim.directory.set_member(&group, &user, false, cx);
        }
        "create_group" => {
            let attributes = Map::from_iter([("displayName".to_owned(), act.text("name")?.into())]);
            return Ok(json!({ "group": scim.directory.make(Family::Groups, None, attributes, cx) }));
        }
        "delete_group" => {
            let group = group(scim)?;
            scim.directory.remove(Family::Groups, &group, cx);
        }
        "hide_group" => {
            let group = group(scim)?;
            scim.directory.hidden.insert(group);
        }
        "revoke_token" => {
            scim.auth.tokens.remove(act.text("token")?);
        }
        "set_rights" => {
            let rights = serde_json::from_value(argument("rights"))?;
            scim.auth.tokens.insert(act.text("token")?.to_owned(), rights);
        }
        _ => return Err(act.unknown()),
    }
    Ok(Value::Null)
}

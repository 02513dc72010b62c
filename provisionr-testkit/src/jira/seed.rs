//! How a site comes to be as a test wants it, and what people do in it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::JiraFake;
use super::auth::{Grantee, PERMISSIONS, Permission};
use super::state::{AccountType, Actor, JiraGroup, JiraProduct, JiraProject, JiraRole, JiraSettings, JiraUser, ManagedBy};
use crate::fake::FakeContext;
use crate::limit::Limit;
use crate::link::{Act, ActError};

/// The JSON form of a seed; every part may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Seed {
    settings: Option<JiraSettings>,
    groups: Vec<SeedGroup>,
    products: Vec<SeedProduct>,
    roles: Vec<String>,
    users: Vec<SeedUser>,
    projects: Vec<SeedProject>,
    tokens: Vec<SeedToken>,
    limits: Vec<Limit>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedGroup {
    name: String,
    #[serde(default)]
    managed_by: Option<ManagedBy>,
    #[serde(default)]
    access: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedProduct {
    key: String,
    #[serde(default)]
    seats: Option<usize>,
    groups: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedUser {
    #[serde(default)]
    id: Option<String>,
    #[serde(default, rename = "type")]
    kind: AccountType,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default = "yes")]
    email_visible: bool,
    #[serde(default = "yes")]
    active: bool,
    #[serde(default = "yes")]
    on_site: bool,
    #[serde(default)]
    org_admin: bool,
    #[serde(default)]
    groups: Vec<String>,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedProject {
    key: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    private: bool,
    /// Of a team-managed project: its own roles.
    #[serde(default)]
    own_roles: Option<Vec<String>>,
    #[serde(default)]
    actors: BTreeMap<String, SeedActors>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SeedActors {
    users: Vec<String>,
    groups: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedToken {
    token: String,
    owner: String,
    #[serde(default)]
    scopes: Option<BTreeSet<String>>,
    #[serde(default)]
    app: bool,
    #[serde(default)]
    permissions: Option<BTreeSet<Permission>>,
}

/// Adds a seed to the site. Names refer to what is on the site or in the same seed.
pub(super) fn seed(jira: &mut JiraFake, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
    let seed = Seed::deserialize(seed)?;
    if let Some(settings) = seed.settings {
        jira.site.settings = settings;
    }
    for limit in seed.limits {
        jira.limits.add(limit);
    }
    for SeedGroup { name, managed_by, access } in seed.groups {
        let id = jira.site.uuid();
        let managed_by = managed_by.unwrap_or(ManagedBy::Admins);
        jira.site.groups.insert(id.clone(), JiraGroup { id, name, managed_by, access, members: BTreeSet::new() });
    }
    for product in seed.products {
        let groups = product.groups.iter().map(|group| named_group(jira, group)).collect::<Result<_, _>>()?;
        jira.site.products.push(JiraProduct { name: product.key.clone(), key: product.key, seats: product.seats, groups });
    }
    for name in seed.roles {
        let id = jira.site.number();
        jira.site.roles.insert(id, JiraRole { id, name, project: None });
    }
    for user in seed.users {
        let groups = user.groups.clone();
        let account_id = add_user(jira, user);
        for group in groups {
            let group = named_group(jira, &group)?;
            jira.site.join(&group, &account_id, cx);
        }
    }
    for project in seed.projects {
        let id = jira.site.number().to_string();
        let name = project.name.unwrap_or_else(|| project.key.clone());
        let team_managed = project.own_roles.is_some();
        for name in project.own_roles.into_iter().flatten() {
            let role = jira.site.number();
            jira.site.roles.insert(role, JiraRole { id: role, name, project: Some(id.clone()) });
        }
        jira.site
            .projects
            .insert(id.clone(), JiraProject { id: id.clone(), key: project.key, name, team_managed, private: project.private, actors: BTreeMap::new() });
        for (role, actors) in project.actors {
            let role = named_role(jira, &id, &role)?;
            for user in actors.users {
                let user = named_user(jira, &user)?;
                jira.site.add_actor(&id, role, Actor::User(user), cx);
            }
            for group in actors.groups {
                let group = named_group(jira, &group)?;
                jira.site.add_actor(&id, role, Actor::Group(group), cx);
            }
        }
    }
    for token in seed.tokens {
        let owner = named_user(jira, &token.owner)?;
        let permissions = token.permissions.unwrap_or_else(|| PERMISSIONS.into());
        jira.auth.0.insert(token.token, Grantee { owner, scopes: token.scopes, app: token.app, permissions });
    }
    // A seed is how the world is, not something that happens in it.
    cx.events.clear();
    Ok(())
}

fn add_user(jira: &mut JiraFake, user: SeedUser) -> String {
    let account_id = user.id.unwrap_or_else(|| format!("5b10ac8d82e05b22{:08x}", jira.site.count()));
    let short = user.email.as_deref().and_then(|email| email.split('@').next()).unwrap_or("seeded").to_owned();
    let made = JiraUser {
        account_id: account_id.clone(),
        account_type: user.kind,
        display_name: user.name.unwrap_or(short),
        email: user.email,
        email_visible: user.email_visible,
        active: user.active,
        on_site: user.on_site,
        invited: false,
        org_admin: user.org_admin,
    };
    jira.site.users.insert(account_id.clone(), made);
    account_id
}

fn named_user(jira: &JiraFake, key: &str) -> Result<String, ActError> {
    jira.site.user(key).map(|user| user.account_id.clone()).ok_or_else(|| ActError::new(format!("no user is called `{key}`")))
}

fn named_group(jira: &JiraFake, key: &str) -> Result<String, ActError> {
    jira.site.group(key).map(|group| group.id.clone()).ok_or_else(|| ActError::new(format!("no group is called `{key}`")))
}

fn named_project(jira: &JiraFake, key: &str) -> Result<String, ActError> {
    jira.site.project(key).map(|project| project.id.clone()).ok_or_else(|| ActError::new(format!("no project is called `{key}`")))
}

fn named_role(jira: &JiraFake, project: &str, name: &str) -> Result<u64, ActError> {
    let found = jira.site.project(project).and_then(|project| jira.site.roles_of(project).find(|role| role.name == name || role.id.to_string() == name));
    found.map(|role| role.id).ok_or_else(|| ActError::new(format!("the project has no role `{name}`")))
}

/// Carries out an act; users are named by account id, address or name, groups and roles by id or name, projects by id or key.
pub(super) fn act(jira: &mut JiraFake, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
    let user = |jira: &JiraFake| named_user(jira, act.text("user")?);
    let group = |jira: &JiraFake| named_group(jira, act.text("group")?);
    let flag = |name: &str| act.args.get(name).and_then(Value::as_bool).ok_or_else(|| ActError::new(format!("act `{}` needs the flag `{name}`", act.act)));
    match act.act.as_str() {
        "accept_invitation" => {
            let id = user(jira)?;
            match jira.site.users.get_mut(&id).filter(|user| user.invited) {
                Some(user) => user.invited = false,
                None => return Err(ActError::new("no invitation waits for this user")),
            }
            cx.emit("user.invitation_accepted", json!({ "user": id }));
        }
        // The organization's own provisioning: accounts that it manages, whose addresses it sees.
        "provision_user" => {
            let email = act.text("email")?;
            let (first, last) = (act.text("first_name").unwrap_or_default(), act.text("last_name").unwrap_or_default());
            let id = if let Ok(id) = named_user(jira, email) {
                id
            } else {
                let name = Some(format!("{first} {last}").trim().to_owned()).filter(|name| !name.is_empty());
                let id = add_user(jira, SeedUser::deserialize(json!({ "email": email, "name": name }))?);
                cx.emit("user.created", json!({ "user": id, "email": email }));
                id
            };
            if let Some(user) = jira.site.users.get_mut(&id) {
                (user.active, user.on_site) = (true, true);
            }
            let groups: Vec<String> = serde_json::from_value(act.args.get("groups").cloned().unwrap_or_else(|| json!([])))?;
            for group in groups {
                let group = named_group(jira, &group)?;
                jira.site.join(&group, &id, cx);
            }
            return Ok(json!({ "user": id }));
        }
        "deprovision_user" => {
            let Ok(id) = named_user(jira, act.text("email")?) else { return Ok(Value::Null) };
            if let Some(user) = jira.site.users.get_mut(&id).filter(|user| user.active) {
                user.active = false;
                cx.emit("user.deactivated", json!({ "user": user.account_id }));
            }
        }
        "add_to_group" => {
            let (group, user) = (group(jira)?, user(jira)?);
            jira.site.join(&group, &user, cx);
        }
        "remove_from_group" => {
            let (group, user) = (group(jira)?, user(jira)?);
            jira.site.leave(&group, &user, cx);
        }
        "delete_group" => {
            let id = group(jira)?;
            jira.site.groups.remove(&id);
            for actors in jira.site.projects.values_mut().flat_map(|project| project.actors.values_mut()) {
                actors.retain(|actor| *actor != Actor::Group(id.clone()));
            }
            cx.emit("group.deleted", json!({ "group": id }));
        }
        "set_group_manager" => {
            let id = group(jira)?;
            let managed_by = serde_json::from_value(act.args.get("managed_by").cloned().unwrap_or_default())?;
            if let Some(group) = jira.site.groups.get_mut(&id) {
                group.managed_by = managed_by;
            }
        }
        "add_actor" | "remove_actor" => {
            let project = named_project(jira, act.text("project")?)?;
            let role = named_role(jira, &project, act.text("role")?)?;
            let actor = if act.args.get("group").is_some() { Actor::Group(group(jira)?) } else { Actor::User(user(jira)?) };
            match act.act.as_str() {
                "add_actor" => jira.site.add_actor(&project, role, actor, cx),
                _ => jira.site.remove_actor(&project, role, &actor, cx),
            };
        }
        "rename_role" => {
            let project = named_project(jira, act.text("project")?)?;
            let role = named_role(jira, &project, act.text("role")?)?;
            let name = act.text("name")?.to_owned();
            jira.site.roles.entry(role).and_modify(|role| role.name = name);
        }
        "set_private" => {
            let (id, private) = (named_project(jira, act.text("project")?)?, flag("private")?);
            if let Some(project) = jira.site.projects.get_mut(&id) {
                project.private = private;
            }
        }
        "set_active" => {
            let (id, active) = (user(jira)?, flag("active")?);
            if let Some(user) = jira.site.users.get_mut(&id) {
                user.active = active;
            }
        }
        "set_email_visible" => {
            let (id, visible) = (user(jira)?, flag("visible")?);
            if let Some(user) = jira.site.users.get_mut(&id) {
                user.email_visible = visible;
            }
        }
        "set_org_admin" => {
            let (id, org_admin) = (user(jira)?, flag("org_admin")?);
            if let Some(user) = jira.site.users.get_mut(&id) {
                user.org_admin = org_admin;
            }
        }
        "remove_user" => {
            let id = user(jira)?;
            jira.site.take_off(&id, cx);
        }
        "revoke_token" => {
            jira.auth.0.remove(act.text("token")?);
        }
        "set_permissions" => {
            let permissions: BTreeSet<Permission> = serde_json::from_value(act.args.get("permissions").cloned().unwrap_or_default())?;
            let Some(grantee) = jira.auth.0.get_mut(act.text("token")?) else { return Err(ActError::new("no such token")) };
            grantee.permissions = permissions;
        }
        "exhaust_quota" => {
            let millis = act.args.get("for_ms").and_then(Value::as_u64).ok_or_else(|| ActError::new("act `exhaust_quota` needs the number `for_ms`"))?;
            let reason = act.args.get("reason").and_then(Value::as_str).unwrap_or("jira-quota-tenant-based").to_owned();
            jira.quota = Some((cx.now() + Duration::from_millis(millis), reason));
        }
        _ => return Err(act.unknown()),
    }
    Ok(Value::Null)
}

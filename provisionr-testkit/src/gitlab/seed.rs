//! How an instance comes to be as a test wants it, and what people do in it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::GitlabFake;
use super::groups::blank as blank_source;
use super::state::{GitlabIdentity, GitlabInvitation, GitlabMember, GitlabSettings, Grantee, Sort};
use super::users::{blank, remove};
use crate::fake::FakeContext;
use crate::limit::Limit;
use crate::link::{Act, ActError};

/// The JSON form of a seed; every part may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Seed {
    settings: Option<GitlabSettings>,
    groups: Vec<SeedSource>,
    projects: Vec<SeedSource>,
    users: Vec<SeedUser>,
    members: Vec<SeedMember>,
    invitations: Vec<SeedInvitation>,
    tokens: Vec<SeedToken>,
    limits: Vec<Limit>,
    application_limits: Vec<Limit>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedSource {
    path: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    ldap_links: BTreeMap<String, u64>,
    #[serde(default)]
    saml_links: BTreeMap<String, u64>,
    #[serde(default)]
    shared_with: BTreeMap<String, u64>,
    #[serde(default)]
    membership_lock: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedUser {
    username: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    admin: bool,
    #[serde(default)]
    bot: bool,
    #[serde(default)]
    dormant: bool,
    #[serde(default)]
    enterprise_group: Option<String>,
    #[serde(default)]
    provisioned_by: Option<String>,
    #[serde(default)]
    identities: Vec<SeedIdentity>,
    #[serde(default)]
    profile: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedIdentity {
    provider: String,
    extern_uid: String,
    #[serde(default)]
    group: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedMember {
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    project: Option<String>,
    user: String,
    access_level: u64,
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    member_role_id: Option<u64>,
    #[serde(default)]
    awaiting: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedInvitation {
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    project: Option<String>,
    email: String,
    access_level: u64,
    #[serde(default)]
    expires_at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedToken {
    token: String,
    owner: String,
    #[serde(default)]
    scopes: Option<BTreeSet<String>>,
}

pub(super) fn seed(fake: &mut GitlabFake, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
    let seed = Seed::deserialize(seed)?;
    if let Some(settings) = seed.settings {
        fake.instance.settings = settings;
    }
    seed.limits.into_iter().for_each(|limit| fake.limits.add(limit));
    seed.application_limits.into_iter().for_each(|limit| fake.application_limits.add(limit));
    for (sort, sources) in [(Sort::Group, seed.groups), (Sort::Project, seed.projects)] {
        for source in sources {
            add_source(fake, sort, source, cx)?;
        }
    }
    for user in seed.users {
        let id = fake.instance.id();
        let email = user.email.unwrap_or_else(|| format!("{}@example.com", user.username));
        let group = |path: Option<String>| path.map(|path| named(fake, Sort::Group, &path)).transpose();
        let identities = user
            .identities
            .into_iter()
            .map(|identity| Ok(GitlabIdentity { provider: identity.provider, extern_uid: identity.extern_uid, group: group(identity.group)? }));
        let identities = identities.collect::<Result<_, ActError>>()?;
        let (enterprise_group, provisioned_by) = (group(user.enterprise_group)?, group(user.provisioned_by)?);
        let mut made = blank(id, &user.username, &email, cx);
        made.name = user.name.unwrap_or(user.username);
        made.state = user.state.unwrap_or(made.state);
        (made.admin, made.bot, made.dormant) = (user.admin, user.bot, user.dormant);
        (made.enterprise_group, made.provisioned_by, made.identities, made.profile) = (enterprise_group, provisioned_by, identities, user.profile);
        fake.instance.users.insert(id, made);
    }
    for member in seed.members {
        let (sort, source) = place(fake, member.group.as_deref(), member.project.as_deref())?;
        let user = named_user(fake, &member.user)?;
        let (role, awaiting) = (member.member_role_id, member.awaiting);
        let made = GitlabMember { level: member.access_level, expires: member.expires_at, role, awaiting, by: None, created: cx.now() };
        fake.instance.source_mut(sort, source).map(|source| source.members.insert(user, made));
    }
    for open in seed.invitations {
        let (sort, source) = place(fake, open.group.as_deref(), open.project.as_deref())?;
        let made = GitlabInvitation { level: open.access_level, expires: open.expires_at, by: None, created: cx.now() };
        fake.instance.source_mut(sort, source).map(|source| source.invitations.insert(open.email, made));
    }
    for token in seed.tokens {
        let owner = named_user(fake, &token.owner)?;
        let scopes = token.scopes.unwrap_or_else(|| ["api".to_owned()].into());
        fake.tokens.insert(token.token, Grantee { owner, scopes });
    }
    // A seed is how the world is, not something that happens in it.
    cx.events.clear();
    Ok(())
}

/// Adds a group or project, with the groups above that are not there yet.
fn add_source(fake: &mut GitlabFake, sort: Sort, seed: SeedSource, cx: &FakeContext) -> Result<(), ActError> {
    let mut parent = None;
    let mut above = String::new();
    let names: Vec<&str> = seed.path.split('/').collect();
    let (last, groups) = names.split_last().ok_or_else(|| ActError::new("a group needs a path"))?;
    for name in groups {
        above = if above.is_empty() { (*name).to_owned() } else { format!("{above}/{name}") };
        let known = fake.instance.source(Sort::Group, &above).map(|group| group.id);
        parent = Some(known.unwrap_or_else(|| {
            let id = fake.instance.id();
            fake.instance.groups.insert(id, blank_source(id, &above, name, parent, cx));
            id
        }));
    }
    let shared = seed.shared_with.iter().map(|(path, level)| Ok((named(fake, Sort::Group, path)?, *level))).collect::<Result<_, ActError>>()?;
    let id = fake.instance.id();
    let mut made = blank_source(id, &seed.path, seed.name.as_deref().unwrap_or(last), parent, cx);
    (made.ldap_links, made.saml_links, made.shared_with, made.membership_lock) = (seed.ldap_links, seed.saml_links, shared, seed.membership_lock);
    match sort {
        Sort::Group => fake.instance.groups.insert(id, made),
        Sort::Project => fake.instance.projects.insert(id, made),
    };
    Ok(())
}

fn named(fake: &GitlabFake, sort: Sort, key: &str) -> Result<u64, ActError> {
    fake.instance.source(sort, key).map(|source| source.id).ok_or_else(|| ActError::new(format!("no {} is called `{key}`", sort.name())))
}

fn named_user(fake: &GitlabFake, key: &str) -> Result<u64, ActError> {
    fake.instance.user(key).map(|user| user.id).ok_or_else(|| ActError::new(format!("no user is called `{key}`")))
}

fn place(fake: &GitlabFake, group: Option<&str>, project: Option<&str>) -> Result<(Sort, u64), ActError> {
    match (group, project) {
        (Some(group), None) => Ok((Sort::Group, named(fake, Sort::Group, group)?)),
        (None, Some(project)) => Ok((Sort::Project, named(fake, Sort::Project, project)?)),
        _ => Err(ActError::new("either a group or a project has to be named")),
    }
}

/// Carries out an act; each names the user by id, username or address, the group or project by id or full path.
pub(super) fn act(fake: &mut GitlabFake, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
    let text = |name: &str| act.args.get(name).and_then(Value::as_str);
    let whole = |name: &str| act.args.get(name).and_then(Value::as_u64);
    match act.act.as_str() {
        "saml_login" => return saml_login(fake, act, cx),
        "provision_user" => return provision(fake, act, cx),
        "deprovision_user" => return deprovision(fake, act, cx),
        "accept_invitation" => return accept(fake, act, cx),
        "revoke_token" => {
            fake.tokens.remove(act.text("token")?);
            return Ok(Value::Null);
        }
        "log_in" | "set_user" | "delete_user" => {}
        _ => {
            let (sort, id) = place(fake, text("group"), text("project"))?;
            let user = text("user").map(|user| named_user(fake, user)).transpose()?;
            let source = fake.instance.source_mut(sort, id).ok_or_else(|| ActError::new("no such place"))?;
            match (act.act.as_str(), user) {
                ("set_member", Some(user)) => {
                    let level = whole("access_level").unwrap_or(30);
                    let expires = text("expires_at").map(str::to_owned);
                    let member = GitlabMember { level, expires, role: whole("member_role_id"), awaiting: false, by: None, created: cx.now() };
                    source.members.insert(user, member);
                    cx.emit("member.changed", json!({ sort.name(): id, "user": user, "level": level }));
                }
                ("remove_member", Some(user)) => {
                    source.members.remove(&user);
                    cx.emit("member.removed", json!({ sort.name(): id, "user": user }));
                }
                ("link_ldap", None) => {
                    source.ldap_links.insert(act.text("cn")?.to_owned(), whole("access_level").unwrap_or(30));
                }
                ("link_saml", None) => {
                    source.saml_links.insert(act.text("name")?.to_owned(), whole("access_level").unwrap_or(30));
                }
                ("hide", None) => source.hidden = true,
                ("move", None) => {
                    let last = source.path.rsplit('/').next().unwrap_or_default().to_owned();
                    let to = named(fake, Sort::Group, act.text("to")?)?;
                    let above = fake.instance.groups.get(&to).map(|group| group.path.clone()).unwrap_or_default();
                    if let Some(source) = fake.instance.source_mut(sort, id) {
                        source.parent = Some(to);
                        source.path = format!("{above}/{last}");
                    }
                }
                _ => return Err(act.unknown()),
            }
            return Ok(Value::Null);
        }
    }
    let id = named_user(fake, act.text("user")?)?;
    if act.act == "delete_user" {
        remove(fake, id, cx);
        return Ok(Value::Null);
    }
    let user = fake.instance.users.get_mut(&id).ok_or_else(|| act.unknown())?;
    match (act.act.as_str(), user.state.as_str()) {
        // Who was deactivated is active again by coming in: <https://docs.gitlab.com/administration/moderate_users/>
        ("log_in", "active" | "deactivated") => "active".clone_into(&mut user.state),
        ("log_in", state) => return Err(ActError::new(format!("a user who is {state} cannot log in"))),
        _ => {
            user.state = text("state").map_or_else(|| user.state.clone(), str::to_owned);
            user.email = text("email").map_or_else(|| user.email.clone(), str::to_owned);
            let identity = |provider: &str| GitlabIdentity { provider: provider.to_owned(), extern_uid: format!("uid={}", user.username), group: None };
            user.identities.extend(text("provider").map(identity));
        }
    }
    Ok(json!({ "user": id }))
}

/// SCIM makes the user, or lets a blocked one in again.
fn provision(fake: &mut GitlabFake, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
    let text = |name: &str| act.args.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut args = act.args.as_object().cloned().unwrap_or_default();
    args.insert("extern_uid".to_owned(), act.text("external_id")?.into());
    args.entry("name").or_insert_with(|| format!("{} {}", text("first_name"), text("last_name")).trim().into());
    let made = saml_login(fake, &Act::new("saml_login", Value::Object(args)), cx)?;
    if let Some(id) = made.get("user").and_then(Value::as_u64) {
        enter(fake, id, "active", cx);
    }
    Ok(made)
}

/// SCIM takes the user away: blocked on an instance of one's own
/// (<https://docs.gitlab.com/administration/settings/scim_setup/>), out of the group and all below it on gitlab.com
/// (<https://docs.gitlab.com/user/group/saml_sso/scim_setup/>).
fn deprovision(fake: &mut GitlabFake, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
    let Ok(id) = named_user(fake, act.text("email")?) else { return Ok(Value::Null) };
    let Some(group) = act.args.get("group").and_then(Value::as_str) else {
        enter(fake, id, "blocked", cx);
        return Ok(json!({ "user": id }));
    };
    named(fake, Sort::Group, group)?;
    let below = format!("{group}/");
    for (sort, sources) in [(Sort::Group, &mut fake.instance.groups), (Sort::Project, &mut fake.instance.projects)] {
        for source in sources.values_mut().filter(|source| source.path == group || source.path.starts_with(&below)) {
            if source.members.remove(&id).is_some() {
                cx.emit("member.removed", json!({ sort.name(): source.id, "user": id }));
            }
        }
    }
    Ok(json!({ "user": id }))
}

fn enter(fake: &mut GitlabFake, id: u64, state: &str, cx: &mut FakeContext) {
    if let Some(user) = fake.instance.users.get_mut(&id).filter(|user| user.state != state) {
        state.clone_into(&mut user.state);
        cx.emit("user.state_changed", json!({ "user": id, "state": state }));
    }
}

/// The first login through a group's SAML provider, or its SCIM push: makes the user with an identity, as a member of the group.
fn saml_login(fake: &mut GitlabFake, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
    let text = |name: &str| act.args.get(name).and_then(Value::as_str);
    let (uid, email) = (act.text("extern_uid")?, act.text("email")?);
    let group = text("group").map(|group| named(fake, Sort::Group, group)).transpose()?;
    let provider = text("provider").unwrap_or(if group.is_some() { "group_saml" } else { "saml" });
    let identity = GitlabIdentity { provider: provider.to_owned(), extern_uid: uid.to_owned(), group };
    let known = fake.instance.users.values().find(|user| user.identities.contains(&identity) || user.email.eq_ignore_ascii_case(email)).map(|user| user.id);
    let id = if let Some(id) = known {
        id
    } else {
        let id = fake.instance.id();
        let mut user = blank(id, text("username").unwrap_or_else(|| email.split('@').next().unwrap_or_default()), email, cx);
        user.name = text("name").unwrap_or(email).to_owned();
        (user.provisioned_by, user.enterprise_group) = (group, group);
        cx.emit("user.created", json!({ "user": id, "username": user.username }));
        fake.instance.users.insert(id, user);
        id
    };
    if let Some(user) = fake.instance.users.get_mut(&id)
        && !user.identities.contains(&identity)
    {
        user.identities.push(identity);
    }
    if let Some(group) = group.and_then(|group| fake.instance.groups.get_mut(&group)) {
        let level = act.args.get("access_level").and_then(Value::as_u64).unwrap_or(10);
        group.members.entry(id).or_insert(GitlabMember { level, expires: None, role: None, awaiting: false, by: None, created: cx.now() });
    }
    Ok(json!({ "user": id }))
}

/// The invited person signs up with the invited address, or with another: all invitations to it become memberships.
fn accept(fake: &mut GitlabFake, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
    let text = |name: &str| act.args.get(name).and_then(Value::as_str);
    let invited = act.text("email")?.to_owned();
    let email = text("as").unwrap_or(&invited).to_owned();
    let id = match fake.instance.users.values().find(|user| user.email.eq_ignore_ascii_case(&email)) {
        Some(user) => user.id,
        None => {
            let id = fake.instance.id();
            let mut user = blank(id, text("username").unwrap_or_else(|| email.split('@').next().unwrap_or_default()), &email, cx);
            user.enterprise_group = text("enterprise_group").map(|group| named(fake, Sort::Group, group)).transpose()?;
            fake.instance.users.insert(id, user);
            id
        }
    };
    let mut accepted = 0;
    for source in fake.instance.groups.values_mut().chain(fake.instance.projects.values_mut()) {
        let Some(open) = source.invitations.keys().find(|known| known.eq_ignore_ascii_case(&invited)).cloned() else { continue };
        let Some(GitlabInvitation { level, expires, by, .. }) = source.invitations.remove(&open) else { continue };
        source.members.insert(id, GitlabMember { level, expires, role: None, awaiting: false, by, created: cx.now() });
        accepted += 1;
    }
    if accepted == 0 {
        return Err(ActError::new(format!("nobody invited `{invited}`")));
    }
    cx.emit("invitation.accepted", json!({ "user": id, "email": invited }));
    Ok(json!({ "user": id }))
}

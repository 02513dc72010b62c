//! Groups, projects, and what a top-level group knows of people.

use serde_json::{Value, json};

use super::GitlabFake;
use super::answer::{self, fields, forbidden, invalid, known_parameters, message, not_found, number, page};
use super::members::sort_of;
use super::state::{GitlabIdentity, GitlabSource, Plan, Sort};
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

/// Groups or projects that the caller sees and that fit `search`, as lists show them.
fn listed(fake: &GitlabFake, call: &Call<'_>, cx: &FakeContext, sort: Sort, within: impl Fn(&GitlabSource) -> bool) -> FakeResponse {
    let search = call.request.query("search").map(|search| search.to_lowercase());
    // A search looks at the name and the last part of the path.
    let fits = |source: &GitlabSource| {
        search.as_ref().is_none_or(|search| {
            let last = source.path.rsplit('/').next().unwrap_or_default().to_lowercase();
            source.name.to_lowercase().contains(search) || last.contains(search)
        })
    };
    let sources = fake.instance.sources(sort).values().filter(|source| fake.sees(source, cx) && fits(source) && within(source));
    let shown: Vec<Value> = sources.map(|source| answer::source(&fake.instance, sort, source, false, cx)).collect();
    page(&fake.instance, call.request, cx, shown)
}

const LIST: [&str; 11] =
    ["search", "all_available", "order_by", "sort", "simple", "include_subgroups", "membership", "archived", "pagination", "cursor", "with_shared"];

pub(super) fn list(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &LIST)?;
    let sort = if call.request.path.ends_with("/projects") { Sort::Project } else { Sort::Group };
    Ok(listed(fake, call, cx, sort, |_| true))
}

pub(super) fn get(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["with_projects"])?;
    let sort = sort_of(call);
    let source = fake.source(sort, call.param("id"), cx)?;
    Ok(FakeResponse::json(200, &answer::source(&fake.instance, sort, &source, true, cx)))
}

/// `subgroups`, `descendant_groups`, `projects`.
pub(super) fn below(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &LIST)?;
    let group = fake.source(Sort::Group, call.param("id"), cx)?;
    let last = call.request.segments().pop().unwrap_or_default();
    let deep = last == "descendant_groups" || call.request.query("include_subgroups").as_deref() == Some("true");
    let all = fake.instance.below(group.id);
    let sort = if last == "projects" { Sort::Project } else { Sort::Group };
    let within = |source: &GitlabSource| {
        let here = source.id != group.id || sort == Sort::Project;
        here && if deep { all.contains(&(sort, source.id)) } else { source.parent == Some(group.id) }
    };
    Ok(listed(fake, call, cx, sort, within))
}

pub(super) fn create(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let body = fields(call.request)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| invalid(&format!("{name} is missing")));
    let (name, path) = (text("name")?, text("path")?);
    let parent = match number(body.get("parent_id")) {
        Some(parent) => Some(fake.source(Sort::Group, &parent.to_string(), cx)?),
        None if fake.is_admin(cx) => None,
        // On gitlab.com the first group is made by hand.
        None => return Err(forbidden()),
    };
    let full = parent.as_ref().map_or_else(|| path.clone(), |parent| format!("{}/{path}", parent.path));
    if fake.instance.source(Sort::Group, &full).is_some() {
        return Err(message(400, "Failed to save group {:path=>[\"has already been taken\"]}"));
    }
    let id = fake.instance.id();
    let group = blank(id, &full, &name, parent.map(|parent| parent.id), cx);
    let shown = answer::source(&fake.instance, Sort::Group, &group, false, cx);
    fake.instance.groups.insert(id, group);
    cx.emit("group.created", json!({ "group": id, "path": full }));
    Ok(FakeResponse::json(201, &shown))
}

/// A group or project without members.
pub(super) fn blank(id: u64, path: &str, name: &str, parent: Option<u64>, cx: &FakeContext) -> GitlabSource {
    GitlabSource {
        id,
        path: path.to_owned(),
        name: name.to_owned(),
        parent,
        members: [].into(),
        invitations: [].into(),
        shared_with: [].into(),
        ldap_links: [].into(),
        saml_links: [].into(),
        membership_lock: false,
        hidden: false,
        created: cx.now(),
    }
}

/// The group of a call that only owners on a paid plan can make.
fn owned(fake: &GitlabFake, call: &Call<'_>, cx: &FakeContext) -> Result<GitlabSource, FakeResponse> {
    let group = fake.source(Sort::Group, call.param("id"), cx)?;
    fake.may_manage(Sort::Group, &group, cx)?;
    if fake.instance.settings.plan == Plan::Free { Err(forbidden()) } else { Ok(group) }
}

fn top(fake: &GitlabFake, call: &Call<'_>, cx: &FakeContext) -> Result<GitlabSource, FakeResponse> {
    let group = owned(fake, call, cx)?;
    if group.parent.is_some() { Err(message(400, "400 Bad request")) } else { Ok(group) }
}

fn provider(call: &Call<'_>) -> &'static str {
    if call.request.segments().get(4).is_some_and(|segment| segment == "scim") { "scim" } else { "group_saml" }
}

fn shown(user: u64, identity: &GitlabIdentity) -> Value {
    let mut shown = json!({ "extern_uid": identity.extern_uid, "user_id": user });
    if let (true, Some(fields)) = (identity.provider == "scim", shown.as_object_mut()) {
        fields.insert("active".to_owned(), true.into());
    }
    shown
}

/// All identities of a group's provider: <https://docs.gitlab.com/api/saml/>, <https://docs.gitlab.com/api/scim/>
pub(super) fn identities(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let (group, provider) = (owned(fake, call, cx)?, provider(call));
    let own = |identity: &&GitlabIdentity| identity.provider == provider && identity.group == Some(group.id);
    let users = fake.instance.users.values();
    let all: Vec<Value> = users.flat_map(|user| user.identities.iter().filter(own).map(|identity| shown(user.id, identity))).collect();
    Ok(FakeResponse::json(200, &all.into()))
}

fn identity(fake: &GitlabFake, call: &Call<'_>, cx: &FakeContext) -> Result<(u64, usize, GitlabIdentity), FakeResponse> {
    let (group, provider, uid) = (owned(fake, call, cx)?, provider(call), call.param("uid"));
    let own = |identity: &GitlabIdentity| identity.provider == provider && identity.group == Some(group.id) && identity.extern_uid == uid;
    let mut users = fake.instance.users.values();
    let found = users.find_map(|user| user.identities.iter().position(own).and_then(|at| Some((user.id, at, user.identities.get(at)?.clone()))));
    found.ok_or_else(|| not_found("Identity "))
}

pub(super) fn get_identity(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let (user, _, identity) = identity(fake, call, cx)?;
    Ok(FakeResponse::json(200, &shown(user, &identity)))
}

pub(super) fn change_identity(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let (user, at, identity) = identity(fake, call, cx)?;
    let body = fields(call.request)?;
    let uid = body.get("extern_uid").and_then(Value::as_str).ok_or_else(|| invalid("extern_uid is missing"))?;
    let changed = GitlabIdentity { extern_uid: uid.to_owned(), ..identity };
    if let Some(known) = fake.instance.users.get_mut(&user).and_then(|user| user.identities.get_mut(at)) {
        *known = changed;
    }
    cx.emit("identity.changed", json!({ "user": user }));
    Ok(FakeResponse::empty(200))
}

pub(super) fn delete_identity(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let (user, at, _) = identity(fake, call, cx)?;
    if let Some(user) = fake.instance.users.get_mut(&user) {
        user.identities.remove(at);
    }
    cx.emit("identity.deleted", json!({ "user": user }));
    Ok(FakeResponse::empty(204))
}

pub(super) fn saml_links(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let group = owned(fake, call, cx)?;
    let links: Vec<Value> = group.saml_links.iter().map(|(name, level)| answer::saml_link(name, *level)).collect();
    Ok(FakeResponse::json(200, &links.into()))
}

pub(super) fn provisioned(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["username", "search", "active", "blocked"])?;
    let group = owned(fake, call, cx)?;
    let (username, search) = (call.request.query("username"), call.request.query("search"));
    let users = fake.instance.users.values().filter(|user| {
        let named = username.as_ref().is_none_or(|wanted| user.username.eq_ignore_ascii_case(wanted));
        user.provisioned_by == Some(group.id) && named && search.as_ref().is_none_or(|wanted| user.email.eq_ignore_ascii_case(wanted))
    });
    let shown: Vec<Value> = users.map(|user| answer::own(user, cx)).collect();
    Ok(page(&fake.instance, call.request, cx, shown))
}

/// Who waits for a seat, and who is invited, in the whole hierarchy.
pub(super) fn pending(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let group = top(fake, call, cx)?;
    let mut shown = Vec::new();
    for (sort, id) in fake.instance.below(group.id) {
        let Some(source) = fake.instance.sources(sort).get(&id) else { continue };
        let awaiting = source.members.iter().filter(|(_, member)| member.awaiting).filter_map(|(id, _)| fake.instance.users.get(id));
        shown.extend(awaiting.map(|user| {
            json!({
                "id": id * 1000 + user.id, "name": user.name, "username": user.username, "email": user.email, "avatar_url": null,
                "web_url": format!("{}/{}", cx.base_url(), user.username), "approved": false, "invited": false,
            })
        }));
        let invited = source.invitations.keys().enumerate();
        shown.extend(invited.map(|(at, email)| json!({ "id": id * 1000 + at as u64, "email": email, "avatar_url": null, "approved": true, "invited": true })));
    }
    Ok(page(&fake.instance, call.request, cx, shown))
}

impl GitlabFake {
    /// The direct memberships of a user in a hierarchy.
    fn rows(&self, group: u64, user: u64) -> Vec<(Sort, u64)> {
        let held = |(sort, id): &(Sort, u64)| self.instance.sources(*sort).get(id).is_some_and(|source| source.members.contains_key(&user));
        self.instance.below(group).into_iter().filter(held).collect()
    }

    /// Minimal Access counts for no seat, nor does Guest on Ultimate.
    fn is_billed(&self, rows: &[(Sort, u64)], user: u64) -> bool {
        let free = if self.instance.settings.plan == Plan::Ultimate { 10 } else { 5 };
        rows.iter().filter_map(|(sort, id)| self.instance.sources(*sort).get(id)?.members.get(&user)).any(|member| member.level > free)
    }
}

pub(super) fn billable_memberships(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let group = top(fake, call, cx)?;
    let user = fake.found(call, "user_id")?;
    let rows = fake.rows(group.id, user.id);
    if !fake.instance.settings.unbilled_memberships && !fake.is_billed(&rows, user.id) {
        return Err(not_found("User "));
    }
    let shown: Vec<Value> = rows
        .into_iter()
        .filter_map(|(sort, id)| {
            let source = fake.instance.sources(sort).get(&id)?;
            Some(answer::billable(&fake.instance, sort, source, source.members.get(&user.id)?, cx))
        })
        .collect();
    Ok(page(&fake.instance, call.request, cx, shown))
}

pub(super) fn billable(fake: &mut GitlabFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["search", "sort"])?;
    let group = top(fake, call, cx)?;
    let users = fake.instance.users.values().filter(|user| fake.is_billed(&fake.rows(group.id, user.id), user.id));
    let shown = users.map(|user| {
        let mut shown = answer::basic(user, cx);
        if let Some(fields) = shown.as_object_mut() {
            fields.extend([("membership_type".to_owned(), "group_member".into()), ("removable".to_owned(), true.into())]);
        }
        shown
    });
    let shown: Vec<Value> = shown.collect();
    Ok(page(&fake.instance, call.request, cx, shown))
}

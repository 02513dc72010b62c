//! GitLab's form of answers: errors, objects, pages.

use provisionr_sdk::Timestamp;
use serde_json::{Map, Value, json};

use super::state::{GitlabInvitation, GitlabMember, GitlabSource, GitlabUser, Instance, Plan, Sort};
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};

/// Both shapes of errors occur: <https://docs.gitlab.com/api/rest/troubleshooting/>
pub(super) fn message(status: u16, text: impl Into<Value>) -> FakeResponse {
    FakeResponse::json(status, &json!({ "message": text.into() }))
}

pub(super) fn invalid(error: &str) -> FakeResponse {
    FakeResponse::json(400, &json!({ "error": error }))
}

pub(super) fn forbidden() -> FakeResponse {
    message(403, "403 Forbidden")
}

pub(super) fn not_found(what: &str) -> FakeResponse {
    message(404, format!("404 {what}Not Found"))
}

/// The body as a JSON object, or as the form GitLab reads as well.
pub(super) fn fields(request: &FakeRequest) -> Result<Map<String, Value>, FakeResponse> {
    if request.body.is_empty() {
        return Ok(Map::new());
    }
    request.json().map_err(|_| invalid("The request body was not well-formed."))
}

/// A whole number in a body: as one, or as a text.
pub(super) fn number(value: Option<&Value>) -> Option<u64> {
    value.and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()))
}

/// Times as GitLab writes them: always with milliseconds.
fn time(at: Timestamp) -> String {
    let text = at.to_string();
    let (seconds, fraction) = text.trim_end_matches('Z').split_once('.').unwrap_or((text.trim_end_matches('Z'), ""));
    format!("{seconds}.{fraction:0<3}Z")
}

fn put(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value.into());
    }
}

pub(super) fn basic(user: &GitlabUser, cx: &FakeContext) -> Value {
    json!({
        "id": user.id,
        "username": user.username,
        "name": user.name,
        "state": user.state,
        "locked": false,
        "avatar_url": null,
        "web_url": format!("{}/{}", cx.base_url(), user.username),
    })
}

/// A user as everybody sees it.
pub(super) fn public(user: &GitlabUser, cx: &FakeContext) -> Value {
    let mut shown = basic(user, cx);
    put(&mut shown, "created_at", time(user.created));
    put(&mut shown, "bot", user.bot);
    for name in PROFILE {
        put(&mut shown, name, user.profile.get(*name).cloned().unwrap_or_default());
    }
    shown
}

/// What of a profile everybody sees.
const PROFILE: &[&str] = &["bio", "location", "public_email", "linkedin", "website_url", "organization", "job_title", "pronouns"];

/// A user as it sees itself, and as the owners of the group see it that provisioned it.
pub(super) fn own(user: &GitlabUser, cx: &FakeContext) -> Value {
    let mut shown = public(user, cx);
    let (scim, other): (Vec<_>, Vec<_>) = user.identities.iter().partition(|identity| identity.provider == "scim");
    let identities: Vec<Value> =
        other.iter().map(|identity| json!({ "provider": identity.provider, "extern_uid": identity.extern_uid, "saml_provider_id": identity.group })).collect();
    let scim: Vec<Value> = scim.iter().map(|identity| json!({ "extern_uid": identity.extern_uid, "group_id": identity.group, "active": true })).collect();
    put(&mut shown, "email", user.email.as_str());
    put(&mut shown, "confirmed_at", time(user.created));
    put(&mut shown, "external", user.profile.get("external").cloned().unwrap_or(false.into()));
    put(&mut shown, "private_profile", false);
    put(&mut shown, "can_create_group", true);
    put(&mut shown, "can_create_project", true);
    put(&mut shown, "two_factor_enabled", false);
    put(&mut shown, "identities", identities);
    put(&mut shown, "scim_identities", scim);
    shown
}

/// A user as administrators see it.
pub(super) fn with_admin(user: &GitlabUser, cx: &FakeContext) -> Value {
    let mut shown = own(user, cx);
    put(&mut shown, "is_admin", user.admin);
    put(&mut shown, "note", user.profile.get("note").cloned().unwrap_or_default());
    put(&mut shown, "provisioned_by_group_id", user.provisioned_by);
    put(&mut shown, "enterprise_group_id", user.enterprise_group);
    shown
}

/// What of a member the caller sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    /// The top-level group, where the caller owns it: its identities and the addresses of its enterprise users show.
    pub(super) owned: Option<u64>,
}

pub(super) fn member(instance: &Instance, user: &GitlabUser, member: &GitlabMember, sight: Sight, cx: &FakeContext) -> Value {
    let mut shown = basic(user, cx);
    put(&mut shown, "access_level", member.level);
    put(&mut shown, "created_at", time(member.created));
    if let Some(by) = member.by.and_then(|id| instance.users.get(&id)) {
        put(&mut shown, "created_by", basic(by, cx));
    }
    put(&mut shown, "expires_at", member.expires.clone());
    put(&mut shown, "membership_state", if member.awaiting { "awaiting" } else { "active" });
    if let Some(group) = sight.owned {
        let identity = user.identities.iter().find(|identity| identity.provider == "group_saml" && identity.group == Some(group));
        let identity = identity.map(|identity| json!({ "provider": identity.provider, "extern_uid": identity.extern_uid, "saml_provider_id": group }));
        put(&mut shown, "group_saml_identity", identity);
        if user.enterprise_group == Some(group) {
            put(&mut shown, "email", user.email.as_str());
        }
    }
    if let Some(role) = member.role {
        let role = json!({ "id": role, "name": format!("Custom role {role}"), "base_access_level": member.level, "read_code": true });
        put(&mut shown, "member_role", role);
    }
    shown
}

pub(super) fn invitation(instance: &Instance, email: &str, invitation: &GitlabInvitation) -> Value {
    json!({
        "access_level": invitation.level,
        "created_at": time(invitation.created),
        "expires_at": invitation.expires,
        "invite_email": email,
        "created_by_name": invitation.by.and_then(|id| instance.users.get(&id)).map(|user| user.name.as_str()),
    })
}

fn full_name(instance: &Instance, source: &GitlabSource) -> String {
    let mut names: Vec<&str> = instance.ancestors(source).iter().map(|group| group.name.as_str()).collect();
    names.reverse();
    names.push(&source.name);
    names.join(" / ")
}

/// A group or project in lists; one alone shows more.
pub(super) fn source(instance: &Instance, sort: Sort, source: &GitlabSource, detail: bool, cx: &FakeContext) -> Value {
    let last = source.path.rsplit('/').next().unwrap_or_default();
    let mut shown = json!({
        "id": source.id, "name": source.name, "path": last, "description": "", "visibility": "private", "created_at": time(source.created), "avatar_url": null,
    });
    if sort == Sort::Project {
        let parent = source.parent.and_then(|id| instance.groups.get(&id));
        let space = parent.map(|group| {
            let path = group.path.rsplit('/').next();
            let url = format!("{}/groups/{}", cx.base_url(), group.path);
            json!({ "id": group.id, "name": group.name, "path": path, "kind": "group", "full_path": group.path, "parent_id": group.parent, "web_url": url })
        });
        put(&mut shown, "name_with_namespace", full_name(instance, source));
        put(&mut shown, "path_with_namespace", source.path.as_str());
        put(&mut shown, "web_url", format!("{}/{}", cx.base_url(), source.path));
        put(&mut shown, "namespace", space);
        put(&mut shown, "archived", false);
        return shown;
    }
    put(&mut shown, "web_url", format!("{}/groups/{}", cx.base_url(), source.path));
    put(&mut shown, "full_name", full_name(instance, source));
    put(&mut shown, "full_path", source.path.as_str());
    put(&mut shown, "parent_id", source.parent);
    put(&mut shown, "request_access_enabled", true);
    if instance.settings.plan > Plan::Free && !source.ldap_links.is_empty() {
        let links = source.ldap_links.iter().map(|(cn, level)| json!({ "cn": cn, "group_access": level, "provider": "ldapmain", "filter": null }));
        put(&mut shown, "ldap_group_links", links.collect::<Vec<_>>());
    }
    if instance.settings.plan > Plan::Free && !source.saml_links.is_empty() {
        put(&mut shown, "saml_group_links", source.saml_links.iter().map(|(name, level)| saml_link(name, *level)).collect::<Vec<_>>());
    }
    if detail {
        let shared = source.shared_with.iter().filter_map(|(id, level)| {
            let group = instance.groups.get(id)?;
            Some(json!({
                "group_id": id, "group_name": group.name, "group_full_path": group.path, "group_access_level": level, "expires_at": null, "member_role_id": null,
            }))
        });
        put(&mut shown, "shared_with_groups", shared.collect::<Vec<_>>());
        put(&mut shown, "membership_lock", source.membership_lock);
    }
    shown
}

pub(super) fn saml_link(name: &str, level: u64) -> Value {
    json!({ "name": name, "access_level": level, "member_role_id": null })
}

pub(super) fn level_name(level: u64) -> &'static str {
    match level {
        5 => "Minimal Access",
        10 => "Guest",
        15 => "Planner",
        20 => "Reporter",
        30 => "Developer",
        40 => "Maintainer",
        _ => "Owner",
    }
}

/// A row of a billable member's memberships.
pub(super) fn billable(instance: &Instance, sort: Sort, source: &GitlabSource, member: &GitlabMember, cx: &FakeContext) -> Value {
    let (space, page) = if sort == Sort::Group { ("groups/", "group_members") } else { ("", "project_members") };
    json!({
        "id": source.id * 1000,
        "source_id": source.id,
        "source_full_name": full_name(instance, source),
        "source_members_url": format!("{}/{space}{}/-/{page}", cx.base_url(), source.path),
        "created_at": time(member.created),
        "expires_at": member.expires,
        "access_level": { "string_value": level_name(member.level), "integer_value": member.level },
    })
}

/// One page of items: by page, or by keyset where it is asked for. <https://docs.gitlab.com/api/rest/#pagination>
pub(super) fn page(instance: &Instance, request: &FakeRequest, cx: &FakeContext, items: impl IntoIterator<Item = Value>) -> FakeResponse {
    let whole = |name: &str| request.query(name).and_then(|text| text.parse::<usize>().ok());
    let size = whole("per_page").unwrap_or(20).clamp(1, 100).min(instance.settings.page_size);
    let items: Vec<Value> = items.into_iter().collect();
    let keyset = request.query("pagination").as_deref() == Some("keyset");
    let number = whole("page").unwrap_or(1).max(1);
    let after: usize = if keyset { whole("cursor").unwrap_or(0) } else { (number - 1) * size };
    let shown: Vec<&Value> = items.iter().skip(after).take(size).collect();
    let link = |name: &str, value: usize, rel: &str| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(url::form_urlencoded::parse(request.query.as_bytes()).filter(|(known, _)| known != name));
        format!("<{}{}?{}>; rel=\"{rel}\"", cx.base_url(), request.path, query.append_pair(name, &value.to_string()).finish())
    };
    let more = after + shown.len() < items.len();
    let answer = FakeResponse::json(200, &json!(shown));
    if keyset {
        return if more { answer.with_header("link", link("cursor", after + size, "next")) } else { answer };
    }
    let last = items.len().div_ceil(size).max(1);
    let mut links = Vec::new();
    if number > 1 {
        links.push(link("page", number - 1, "prev"));
    }
    if more {
        links.push(link("page", number + 1, "next"));
    }
    links.extend([link("page", 1, "first"), link("page", last, "last")]);
    let next = if more { (number + 1).to_string() } else { String::new() };
    let answer = answer.with_header("link", links.join(", ")).with_header("x-page", number.to_string()).with_header("x-next-page", next);
    answer.with_header("x-per-page", size.to_string()).with_header("x-total", items.len().to_string()).with_header("x-total-pages", last.to_string())
}

/// Reports parameters the fake would ignore: a test must not pass because of them.
pub(super) fn known_parameters(request: &FakeRequest, cx: &mut FakeContext, known: &[&str]) -> Result<(), FakeResponse> {
    let paging = ["page", "per_page"];
    let unknown = url::form_urlencoded::parse(request.query.as_bytes()).map(|(name, _)| name.into_owned());
    match unknown.into_iter().find(|name| !known.contains(&name.as_str()) && !paging.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(cx.unsupported(request, &format!("query parameter `{name}`"))),
    }
}

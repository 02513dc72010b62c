//! Jira's form of answers: errors, objects, pages.

use serde_json::{Value, json};

use super::JiraFake;
use super::state::{AccountType, Actor, JiraGroup, JiraProduct, JiraProject, JiraRole, JiraUser, ManagedBy};
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};
use crate::router::{Call, Reply};

/// An error collection. There are no codes; texts are for people and may change.
pub(super) fn error(status: u16, text: &str) -> FakeResponse {
    FakeResponse::json(status, &json!({ "errorMessages": [text], "errors": {} }))
}

pub(super) fn no_user() -> FakeResponse {
    error(404, "Specified user does not exist or you do not have required permissions")
}

/// Parameters that are not played are refused aloud.
pub(super) fn known_parameters(request: &FakeRequest, cx: &mut FakeContext, known: &[&str]) -> Result<(), FakeResponse> {
    let unknown = url::form_urlencoded::parse(request.query.as_bytes()).map(|(name, _)| name.into_owned()).find(|name| !known.contains(&name.as_str()));
    unknown.map_or(Ok(()), |name| Err(cx.unsupported(request, &format!("parameter `{name}`"))))
}

/// All values of a parameter.
pub(super) fn queries(request: &FakeRequest, name: &str) -> Vec<String> {
    url::form_urlencoded::parse(request.query.as_bytes()).filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
}

/// How a list is cut: how many it gives unless asked, how many at most.
pub(super) struct Cut {
    pub(super) default: usize,
    pub(super) most: usize,
}

struct Slice {
    start: usize,
    size: usize,
}

fn slice(request: &FakeRequest, cut: &Cut, cap: usize) -> Result<Slice, FakeResponse> {
    let number = |name: &str, default: usize| match request.query(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| error(400, &format!("{name} is no number"))),
    };
    Ok(Slice { start: number("startAt", 0)?, size: number("maxResults", cut.default)?.min(cut.most).min(cap).max(1) })
}

/// A page that says where it stands. The server may give fewer than were asked for.
pub(super) fn page(request: &FakeRequest, cx: &FakeContext, cut: &Cut, cap: usize, items: impl IntoIterator<Item = Value>) -> Reply {
    let Slice { start, size } = slice(request, cut, cap)?;
    let items: Vec<Value> = items.into_iter().collect();
    let total = items.len();
    let values: Vec<Value> = items.into_iter().skip(start).take(size).collect();
    let at = |start: usize| format!("{}{}?startAt={start}&maxResults={size}", cx.base_url(), request.path);
    let last = start + values.len() >= total;
    let mut body = json!({ "self": at(start), "maxResults": size, "startAt": start, "total": total, "isLast": last, "values": values });
    if !last {
        set(&mut body, "nextPage", at(start + size).into());
    }
    Ok(FakeResponse::json(200, &body))
}

/// A bare array, which says nothing of where it stands.
pub(super) fn array(request: &FakeRequest, cut: &Cut, cap: usize, items: impl IntoIterator<Item = Value>) -> Reply {
    let Slice { start, size } = slice(request, cut, cap)?;
    Ok(FakeResponse::json(200, &items.into_iter().skip(start).take(size).collect()))
}

/// Sets a field of an object.
pub(super) fn set(value: &mut Value, name: &str, to: Value) {
    if let Value::Object(fields) = value {
        fields.insert(name.to_owned(), to);
    }
}

fn api(cx: &FakeContext, rest: &str) -> String {
    format!("{}/rest/api/3/{rest}", cx.base_url())
}

/// A user as the API shows it. What privacy hides is left out.
pub(super) fn user(user: &JiraUser, cx: &FakeContext) -> Value {
    let mut shown = json!({
        "self": api(cx, &format!("user?accountId={}", user.account_id)),
        "accountId": user.account_id,
        "accountType": user.account_type,
        "displayName": user.display_name,
        "active": user.active && user.on_site,
        "avatarUrls": {},
        "timeZone": "Etc/UTC",
    });
    if user.account_type == AccountType::App {
        set(&mut shown, "appType", "service".into());
    }
    if let Some(email) = user.email.as_ref().filter(|_| user.email_visible) {
        set(&mut shown, "emailAddress", email.as_str().into());
    }
    shown
}

/// A user as a member of a group: these say less.
pub(super) fn member(of: &JiraUser, cx: &FakeContext) -> Value {
    let mut shown = user(of, cx);
    if let Value::Object(fields) = &mut shown {
        fields.remove("appType");
    }
    shown
}

/// A user with what was asked to be expanded.
pub(super) fn user_expanded(jira: &JiraFake, of: &JiraUser, expand: &str, cx: &FakeContext) -> Value {
    let mut shown = user(of, cx);
    let groups: Vec<Value> = jira.site.groups_of(&of.account_id).map(|group| group_name(group, cx)).collect();
    let roles: Vec<Value> = jira.site.products_of(&of.account_id).map(|role| product(jira, role, cx)).collect();
    for (name, items) in [("groups", groups), ("applicationRoles", roles)] {
        let asked = expand.split(',').any(|part| part == name);
        let size = items.len();
        set(&mut shown, name, json!({ "size": size, "items": if asked { items } else { Vec::new() } }));
    }
    set(&mut shown, "expand", "groups,applicationRoles".into());
    shown
}

pub(super) fn group_name(group: &JiraGroup, cx: &FakeContext) -> Value {
    json!({ "name": group.name, "groupId": group.id, "self": api(cx, &format!("group?groupId={}", group.id)) })
}

/// A group as a picker shows it.
pub(super) fn found_group(group: &JiraGroup, query: &str) -> Value {
    json!({
        "name": group.name,
        "groupId": group.id,
        "html": group.name.replace(query, &format!("<b>{query}</b>")),
        "labels": [],
        "managedBy": group.managed_by,
        "usageType": if group.managed_by == ManagedBy::External { "TEAM_COLLABORATION" } else { "USERBASE_GROUP" },
    })
}

pub(super) fn project(project: &JiraProject, cx: &FakeContext) -> Value {
    json!({
        "self": api(cx, &format!("project/{}", project.id)),
        "id": project.id,
        "key": project.key,
        "name": project.name,
        "projectTypeKey": "software",
        "simplified": project.team_managed,
        "style": if project.team_managed { "next-gen" } else { "classic" },
        "isPrivate": false,
        "avatarUrls": {},
    })
}

pub(super) fn role_url(project: &JiraProject, role: &JiraRole, cx: &FakeContext) -> String {
    api(cx, &format!("project/{}/role/{}", project.id, role.id))
}

/// A role with its actors in a project.
pub(super) fn role(jira: &JiraFake, project: &JiraProject, role: &JiraRole, cx: &FakeContext) -> Value {
    let actors = project.actors.get(&role.id).into_iter().flatten().enumerate();
    let actors: Vec<Value> = actors
        .filter_map(|(at, actor)| {
            let id = 10_200 + at;
            Some(match actor {
                Actor::User(user) => {
                    let user = jira.site.users.get(user)?;
                    json!({ "id": id, "type": "atlassian-user-role-actor", "displayName": user.display_name, "actorUser": { "accountId": user.account_id } })
                }
                Actor::Group(group) => {
                    let group = jira.site.groups.get(group)?;
                    let named = json!({ "name": group.name, "displayName": group.name, "groupId": group.id });
                    json!({ "id": id, "type": "atlassian-group-role-actor", "displayName": group.name, "name": group.name, "actorGroup": named })
                }
            })
        })
        .collect();
    let mut shown = json!({ "self": role_url(project, role, cx), "id": role.id, "name": role.name, "description": "A project role", "actors": actors });
    if role.project.is_some() {
        let scope = json!({ "type": "PROJECT", "project": { "id": project.id, "key": project.key, "name": project.name } });
        set(&mut shown, "scope", scope);
    }
    shown
}

/// A product with its seats.
pub(super) fn product(jira: &JiraFake, product: &JiraProduct, cx: &FakeContext) -> Value {
    let groups: Vec<&JiraGroup> = product.groups.iter().filter_map(|group| jira.site.groups.get(group)).collect();
    let taken = jira.site.taken(product);
    let named: Vec<Value> = groups.iter().map(|group| group_name(group, cx)).collect();
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    json!({
        "key": product.key,
        "name": product.name,
        "groups": names,
        "groupDetails": named,
        "defaultGroups": names.get(..1).unwrap_or_default(),
        "defaultGroupsDetails": named.get(..1).unwrap_or_default(),
        "selectedByDefault": false,
        "defined": false,
        "hasUnlimitedSeats": product.seats.is_none(),
        "numberOfSeats": product.seats.map_or(-1, |seats| i64::try_from(seats).unwrap_or(i64::MAX)),
        "remainingSeats": product.seats.map_or(-1, |seats| i64::try_from(seats.saturating_sub(taken)).unwrap_or(i64::MAX)),
        "userCount": taken,
        "userCountDescription": format!("{taken} users"),
        "platform": product.key == "jira-core",
    })
}

/// Which Jira this is, by which clients tell Cloud from the rest.
pub(super) fn server_info(_: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let body = json!({
        "baseUrl": cx.base_url(), "version": "1001.0.0-SNAPSHOT", "versionNumbers": [1001, 0, 0], "deploymentType": "Cloud", "buildNumber": 100_000,
        "serverTitle": "Jira",
    });
    Ok(FakeResponse::json(200, &body))
}

//! Groups and their members.

use serde_json::{Value, json};

use super::JiraFake;
use super::answer::{self, Cut, error, known_parameters, no_user, page, queries};
use super::auth::Permission;
use super::state::{Actor, JiraGroup, ManagedBy, NothingToDo, Site};
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

impl Site {
    /// Puts a user into a group; whether anything changed.
    pub(super) fn join(&mut self, group: &str, user: &str, cx: &mut FakeContext) -> bool {
        let Some(group) = self.groups.get_mut(group) else { return false };
        let joined = group.members.insert(user.to_owned());
        if joined {
            cx.emit("group.member_added", json!({ "group": group.id, "name": group.name, "user": user }));
        }
        joined
    }

    /// Takes a user out of a group; whether anything changed.
    pub(super) fn leave(&mut self, group: &str, user: &str, cx: &mut FakeContext) -> bool {
        let Some(group) = self.groups.get_mut(group) else { return false };
        let left = group.members.remove(user);
        if left {
            cx.emit("group.member_removed", json!({ "group": group.id, "name": group.name, "user": user }));
        }
        left
    }

    /// Takes a user off the site, with groups and roles; what becomes of these is not described.
    pub(super) fn take_off(&mut self, id: &str, cx: &mut FakeContext) {
        let Some(user) = self.users.get_mut(id) else { return };
        user.on_site = false;
        cx.emit("user.removed", json!({ "user": id, "email": user.email }));
        let groups: Vec<String> = self.groups.keys().cloned().collect();
        for group in groups {
            self.leave(&group, id, cx);
        }
        for actors in self.projects.values_mut().flat_map(|project| project.actors.values_mut()) {
            actors.retain(|actor| *actor != Actor::User(id.to_owned()));
        }
    }
}

fn of(jira: &JiraFake, call: &Call<'_>) -> Result<JiraGroup, FakeResponse> {
    match call.request.query("groupId") {
        None => Err(error(400, "A group has to be given")),
        Some(id) => jira.site.groups.get(&id).cloned().ok_or_else(|| error(404, "The group does not exist")),
    }
}

pub(super) fn bulk(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["startAt", "maxResults", "groupId", "groupName", "accessType"])?;
    jira.demand(Permission::UserPicker, cx)?;
    let (ids, names, access) = (queries(call.request, "groupId"), queries(call.request, "groupName"), call.request.query("accessType"));
    let fits = |group: &&JiraGroup| {
        (ids.is_empty() && names.is_empty() || ids.contains(&group.id) || names.contains(&group.name))
            && access.as_ref().is_none_or(|access| group.access.as_ref() == Some(access))
    };
    let groups = jira.site.groups.values().filter(fits).map(|group| json!({ "name": group.name, "groupId": group.id }));
    page(call.request, cx, &Cut { default: 50, most: 50 }, jira.site.settings.page_size, groups)
}

pub(super) fn picker(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["query", "maxResults", "caseInsensitive"])?;
    let query = call.request.query("query").unwrap_or_default();
    let folded = call.request.query("caseInsensitive").as_deref() == Some("true");
    let contains = |name: &str| if folded { name.to_lowercase().contains(&query.to_lowercase()) } else { name.contains(&query) };
    let all = jira.may(Permission::UserPicker, cx);
    let found: Vec<&JiraGroup> = jira.site.groups.values().filter(|group| if all { contains(&group.name) } else { group.name == query }).collect();
    let most = call.request.query("maxResults").and_then(|most| most.parse().ok()).unwrap_or(20).min(jira.site.settings.page_size);
    let shown: Vec<Value> = found.iter().take(most).map(|group| answer::found_group(group, &query)).collect();
    let header = format!("Showing {} of {} matching groups", shown.len(), found.len());
    Ok(FakeResponse::json(200, &json!({ "header": header, "total": found.len(), "groups": shown })))
}

pub(super) fn members(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["groupId", "includeInactiveUsers", "startAt", "maxResults"])?;
    jira.demand(Permission::UserPicker, cx)?;
    let group = of(jira, call)?;
    let all = call.request.query("includeInactiveUsers").as_deref() == Some("true");
    let members = group.members.iter().filter_map(|id| jira.site.users.get(id)).filter(|user| all || user.active).map(|user| answer::member(user, cx));
    page(call.request, cx, &Cut { default: 50, most: 50 }, jira.site.settings.page_size, members)
}

fn writable(group: &JiraGroup) -> Result<(), FakeResponse> {
    match group.managed_by {
        // The status is not described.
        ManagedBy::External => Err(error(400, "The group is synchronized from an external directory")),
        ManagedBy::Admins => Ok(()),
    }
}

pub(super) fn add_member(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["groupId"])?;
    jira.demand_site_admin(cx)?;
    let group = of(jira, call)?;
    let body: Value = call.request.json().map_err(|_| error(400, "There was an error parsing JSON"))?;
    let Some(id) = body.get("accountId").and_then(Value::as_str) else { return Err(error(400, "An accountId has to be given")) };
    if !jira.site.users.get(id).is_some_and(|user| user.on_site) {
        return Err(no_user());
    }
    writable(&group)?;
    if !jira.site.join(&group.id, id, cx) && jira.site.settings.member_again != NothingToDo::Accepted {
        return Err(error(400, &format!("Cannot add user '{id}', user is already a member of '{}'", group.name)));
    }
    let group = of(jira, call)?;
    let users = json!({ "size": group.members.len(), "items": [], "max-results": 50, "start-index": 0, "end-index": 0 });
    let mut shown = answer::group_name(&group, cx);
    answer::set(&mut shown, "users", users);
    answer::set(&mut shown, "expand", "users".into());
    Ok(FakeResponse::json(201, &shown))
}

pub(super) fn remove_member(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["groupId", "accountId"])?;
    jira.demand_site_admin(cx)?;
    let group = of(jira, call)?;
    let id = call.request.query("accountId").ok_or_else(|| error(400, "An accountId has to be given"))?;
    if !jira.site.users.get(&id).is_some_and(|user| user.on_site) {
        return Err(no_user());
    }
    writable(&group)?;
    match (jira.site.leave(&group.id, &id, cx), jira.site.settings.no_member) {
        (false, NothingToDo::Refused) => Err(error(400, &format!("Cannot remove user '{id}' from group '{}', user is not a member", group.name))),
        (false, NothingToDo::NotFound) => Err(error(404, "The user is not a member of the group")),
        _ => Ok(FakeResponse::empty(200)),
    }
}

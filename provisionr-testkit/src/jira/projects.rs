//! Projects, their roles and who acts in them.

use serde_json::{Map, Value, json};

use super::JiraFake;
use super::answer::{self, Cut, error, known_parameters, page, queries};
use super::auth::Permission;
use super::state::{Actor, JiraProject, JiraRole, NothingToDo, Site};
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

impl Site {
    /// Makes somebody an actor; whether anything changed.
    pub(super) fn add_actor(&mut self, project: &str, role: u64, actor: Actor, cx: &mut FakeContext) -> bool {
        let Some(found) = self.projects.get_mut(project) else { return false };
        let actors = found.actors.entry(role).or_default();
        if actors.contains(&actor) {
            return false;
        }
        cx.emit("role.actor_added", json!({ "project": found.id, "key": found.key, "role": role, "actor": actor }));
        actors.push(actor);
        true
    }

    /// Takes an actor out of a role; whether anything changed.
    pub(super) fn remove_actor(&mut self, project: &str, role: u64, actor: &Actor, cx: &mut FakeContext) -> bool {
        let Some(found) = self.projects.get_mut(project) else { return false };
        let actors = found.actors.entry(role).or_default();
        let before = actors.len();
        actors.retain(|known| known != actor);
        let removed = actors.len() < before;
        if removed {
            cx.emit("role.actor_removed", json!({ "project": found.id, "key": found.key, "role": role, "actor": actor }));
        }
        removed
    }
}

pub(super) fn search(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["startAt", "maxResults", "keys", "id", "query"])?;
    let (keys, ids) = (queries(call.request, "keys"), queries(call.request, "id"));
    if keys.len() > 50 || ids.len() > 50 {
        return Err(error(400, "At most 50 keys or ids can be given"));
    }
    let query = call.request.query("query").map(|query| query.to_lowercase());
    let all = jira.may(Permission::Administer, cx);
    let fits = |project: &&JiraProject| {
        (all || !project.private)
            && (keys.is_empty() || keys.contains(&project.key))
            && (ids.is_empty() || ids.contains(&project.id))
            && query.as_ref().is_none_or(|query| project.key.to_lowercase().contains(query) || project.name.to_lowercase().contains(query))
    };
    let found: Vec<Value> = jira.site.projects.values().filter(fits).map(|project| answer::project(project, cx)).collect();
    if found.is_empty() && !(keys.is_empty() && ids.is_empty() && query.is_none()) {
        return Err(error(404, "No projects were found that match the criteria"));
    }
    page(call.request, cx, &Cut { default: 50, most: 100 }, jira.site.settings.page_size, found)
}

/// A project whose roles the caller administers: others are not found.
fn administered(jira: &JiraFake, call: &Call<'_>, cx: &FakeContext) -> Result<JiraProject, FakeResponse> {
    let key = call.param("projectIdOrKey");
    let (all, some) = (jira.may(Permission::Administer, cx), jira.may(Permission::AdministerProjects, cx));
    jira.site
        .project(key)
        .filter(|project| all || some && !project.private)
        .cloned()
        .ok_or_else(|| error(404, &format!("No project could be found with key '{key}'.")))
}

fn role(jira: &JiraFake, call: &Call<'_>, project: &JiraProject) -> Result<JiraRole, FakeResponse> {
    let id = call.param("id").parse::<u64>().map_err(|_| error(400, "The role id is no number"))?;
    let found = jira.site.roles_of(project).find(|role| role.id == id).cloned();
    found.ok_or_else(|| error(404, &format!("Can not retrieve a role actor for a role id of '{id}'")))
}

pub(super) fn roles(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let project = administered(jira, call, cx)?;
    let roles: Map<String, Value> = jira.site.roles_of(&project).map(|role| (role.name.clone(), answer::role_url(&project, role, cx).into())).collect();
    Ok(FakeResponse::json(200, &Value::Object(roles)))
}

fn shown(jira: &JiraFake, call: &Call<'_>, cx: &FakeContext) -> Reply {
    let project = administered(jira, call, cx)?;
    let role = role(jira, call, &project)?;
    Ok(FakeResponse::json(200, &answer::role(jira, &project, &role, cx)))
}

pub(super) fn get_role(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["excludeInactiveUsers"])?;
    shown(jira, call, cx)
}

fn texts(body: &Value, name: &str) -> Vec<String> {
    body.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn user(jira: &JiraFake, id: &str) -> Result<Actor, FakeResponse> {
    let there = jira.site.users.get(id).is_some_and(|user| user.on_site && user.active);
    if there { Ok(Actor::User(id.to_owned())) } else { Err(error(404, &format!("We can't find '{id}' in any accessible user directory."))) }
}

fn group(jira: &JiraFake, key: &str) -> Result<Actor, FakeResponse> {
    jira.site
        .group(key)
        .map(|group| Actor::Group(group.id.clone()))
        .ok_or_else(|| error(404, &format!("We can't find '{key}' in any accessible user directory.")))
}

/// All of them or none: one who is in the role already fails the call.
pub(super) fn add_actors(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let project = administered(jira, call, cx)?;
    let role = role(jira, call, &project)?;
    let body: Value = call.request.json().map_err(|_| error(400, "There was an error parsing JSON"))?;
    let users = texts(&body, "user").into_iter().map(|id| user(jira, &id));
    let groups = texts(&body, "groupId").into_iter().chain(texts(&body, "group")).map(|key| group(jira, &key));
    let actors = users.chain(groups).collect::<Result<Vec<_>, _>>()?;
    if actors.is_empty() {
        return Err(error(400, "No actors were given"));
    }
    let held = project.actors.get(&role.id).cloned().unwrap_or_default();
    if let Some(Actor::User(again) | Actor::Group(again)) = actors.iter().find(|actor| held.contains(actor)) {
        return Err(error(400, &format!("'{again}' is already a member of the project role.")));
    }
    for actor in actors {
        jira.site.add_actor(&project.id, role.id, actor, cx);
    }
    shown(jira, call, cx)
}

/// Replaces all actors, those nobody named included.
pub(super) fn set_actors(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let project = administered(jira, call, cx)?;
    let role = role(jira, call, &project)?;
    let body: Value = call.request.json().map_err(|_| error(400, "There was an error parsing JSON"))?;
    let named = body.get("categorisedActors").cloned().unwrap_or_default();
    let users = texts(&named, "atlassian-user-role-actor").into_iter().map(|id| user(jira, &id));
    let groups = texts(&named, "atlassian-group-role-actor-id").into_iter().map(|id| group(jira, &id));
    let actors = users.chain(groups).collect::<Result<Vec<_>, _>>()?;
    cx.emit("role.actors_replaced", json!({ "project": project.id, "key": project.key, "role": role.id, "actors": actors }));
    if let Some(project) = jira.site.projects.get_mut(&project.id) {
        project.actors.insert(role.id, actors);
    }
    shown(jira, call, cx)
}

pub(super) fn remove_actor(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["user", "groupId"])?;
    let project = administered(jira, call, cx)?;
    let role = role(jira, call, &project)?;
    let actor = match (call.request.query("user"), call.request.query("groupId")) {
        (Some(user), None) => Actor::User(user),
        (None, Some(group)) => Actor::Group(group),
        _ => return Err(error(400, "One user or one group has to be given")),
    };
    match (jira.site.remove_actor(&project.id, role.id, &actor, cx), jira.site.settings.no_actor) {
        (false, NothingToDo::NotFound | NothingToDo::Refused) => Err(error(404, "The actor is not in the role")),
        _ => Ok(FakeResponse::empty(204)),
    }
}

//! SCIM 2.0 at `api.slack.com/scim/v2`: users, and the two forms its errors have.

use serde_json::{Map, Value, json};

use super::SlackFake;
use super::answer;
use super::state::{Plan, SlackUser};
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GUEST: &str = "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User";
const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// A refusal. One for the token's sake comes in the form of SCIM 1.
pub(super) fn refuse(status: u16, detail: &str) -> FakeResponse {
    match status {
        401 => FakeResponse::json(401, &json!({ "Errors": { "code": 401, "description": detail } })),
        _ => FakeResponse::json(status, &json!({ "schemas": [ERROR], "detail": detail, "status": status })),
    }
}

fn object(call: &Call<'_>) -> Result<Map<String, Value>, FakeResponse> {
    call.request.json().map_err(|_| refuse(400, "the body is no JSON object"))
}

fn user<'a>(slack: &'a SlackFake, call: &Call<'_>) -> Result<&'a SlackUser, FakeResponse> {
    if slack.workspace.settings.plan == Plan::Free {
        return Err(refuse(403, "feature_not_enabled"));
    }
    slack.workspace.users.get(call.param("id")).filter(|user| !user.bot).ok_or_else(|| refuse(404, "user_not_found"))
}

fn shown(user: &SlackUser) -> Value {
    let mut shown = json!({
        "schemas": [USER],
        "id": user.id,
        "userName": user.name,
        "nickName": user.display_name,
        "displayName": user.display_name,
        "title": user.title,
        "active": !user.deleted,
        "name": { "givenName": user.first_name, "familyName": user.last_name },
        "emails": [{ "value": user.email, "primary": true }],
        "groups": [],
    });
    if user.restricted || user.ultra_restricted {
        answer::set(&mut shown, "schemas", json!([USER, GUEST]));
        answer::set(&mut shown, GUEST, json!({ "type": if user.ultra_restricted { "single" } else { "multi" } }));
    }
    shown
}

pub(super) fn service_provider_config(_: &mut SlackFake, _: &Call<'_>, _: &mut FakeContext) -> Reply {
    Ok(FakeResponse::json(200, &json!({ "patch": { "supported": true }, "bulk": { "supported": false }, "filter": { "supported": true, "maxResults": 1000 } })))
}

pub(super) fn list(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let number = |name: &str, default: usize| call.request.query(name).map_or(Some(default), |text| text.parse().ok());
    let (Some(count), Some(start)) = (number("count", 10), number("startIndex", 1)) else { return Err(refuse(400, "invalid_count")) };
    let filter = match call.request.query("filter") {
        None => None,
        Some(text) => match text.split_once(" eq ").map(|(name, value)| (name.trim().to_owned(), value.trim().trim_matches('"').to_owned())) {
            Some((name, value)) if matches!(name.as_str(), "userName" | "email") => Some((name, value)),
            _ => return Err(cx.unsupported(call.request, "this filter")),
        },
    };
    let fits = |user: &&SlackUser| match &filter {
        None => true,
        Some((name, value)) => (if name == "userName" { &user.name } else { &user.email }).eq_ignore_ascii_case(value),
    };
    let all: Vec<&SlackUser> = slack.workspace.users.values().filter(|user| !user.bot && !user.invited).filter(fits).collect();
    let page: Vec<Value> = all.iter().skip(start.max(1) - 1).take(count.min(1000)).map(|user| shown(user)).collect();
    let body = json!({ "schemas": [LIST], "totalResults": all.len(), "itemsPerPage": page.len(), "startIndex": start, "Resources": page });
    Ok(FakeResponse::json(200, &body))
}

pub(super) fn get(slack: &mut SlackFake, call: &Call<'_>, _: &mut FakeContext) -> Reply {
    Ok(FakeResponse::json(200, &shown(user(slack, call)?)))
}

fn taken(slack: &SlackFake, wanted: &SlackUser) -> bool {
    let same = |user: &&SlackUser| user.id != wanted.id && (user.name.eq_ignore_ascii_case(&wanted.name) || user.email.eq_ignore_ascii_case(&wanted.email));
    slack.workspace.users.values().any(|user| same(&user))
}

/// Sets what a SCIM user object names, and leaves the rest.
fn set(user: &mut SlackUser, fields: &Map<String, Value>) {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    for (name, value) in fields {
        match name.as_str() {
            "userName" => user.name = text(value),
            "displayName" | "nickName" => user.display_name = text(value),
            "title" => user.title = text(value),
            "emails" => user.email = value.pointer("/0/value").map(text).unwrap_or_default(),
            "name" => {
                user.first_name = value.get("givenName").map_or_else(|| user.first_name.clone(), text);
                user.last_name = value.get("familyName").map_or_else(|| user.last_name.clone(), text);
            }
            _ => {}
        }
    }
}

pub(super) fn create(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    if slack.workspace.settings.plan == Plan::Free {
        return Err(refuse(403, "feature_not_enabled"));
    }
    let body = object(call)?;
    let mut user = SlackUser::default();
    set(&mut user, &body);
    if user.name.is_empty() || !user.email.contains('@') {
        return Err(refuse(400, "invalid_email"));
    }
    if taken(slack, &user) {
        return Err(refuse(slack.workspace.settings.scim_duplicate, "username_taken"));
    }
    user.id = slack.workspace.id('U');
    // In an organisation a new user belongs to no workspace yet.
    user.team = if slack.workspace.settings.plan == Plan::Enterprise { "E0000000001".to_owned() } else { slack.workspace.team.clone() };
    cx.emit("user.created", json!({ "user": user.id, "email": user.email }));
    let answer = shown(&user);
    slack.workspace.users.insert(user.id.clone(), user);
    Ok(FakeResponse::json(201, &answer))
}

fn written(slack: &SlackFake, call: &Call<'_>) -> Reply {
    match slack.workspace.settings.scim_written {
        204 => Ok(FakeResponse::empty(204)),
        status => Ok(FakeResponse::json(status, &shown(user(slack, call)?))),
    }
}

pub(super) fn patch(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let before = user(slack, call)?.clone();
    let body = object(call)?;
    if body.get("schemas").and_then(|schemas| schemas.get(0)).and_then(Value::as_str) != Some(PATCH) {
        return Err(refuse(400, "invalid_schemas"));
    }
    let mut after = before.clone();
    let mut active = None;
    for operation in body.get("Operations").and_then(Value::as_array).into_iter().flatten() {
        let remove = operation.get("op").is_some_and(|op| op == "remove");
        let value = if remove { Value::Null } else { operation.get("value").cloned().unwrap_or_default() };
        let fields = match operation.get("path").and_then(Value::as_str) {
            Some(path) if path.contains(['[', '.']) => return Err(cx.unsupported(call.request, "a path into an attribute")),
            Some(path) => [(path.to_owned(), value)].into_iter().collect(),
            None => value.as_object().cloned().unwrap_or_default(),
        };
        active = fields.get("active").and_then(Value::as_bool).or(active);
        set(&mut after, &fields);
    }
    if taken(slack, &after) {
        return Err(refuse(slack.workspace.settings.scim_duplicate, "username_taken"));
    }
    if after != before {
        cx.emit("user.updated", json!({ "user": after.id }));
        slack.workspace.users.insert(after.id.clone(), after);
    }
    match active {
        Some(true) => slack.activate(&before.id, cx),
        Some(false) => slack.deactivate(&before.id, cx),
        None => {}
    }
    written(slack, call)
}

/// Deactivates; the user stays.
pub(super) fn delete(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let id = user(slack, call)?.id.clone();
    if slack.is_primary_owner(&id) {
        return Err(refuse(403, "cannot_modify_primary_owner"));
    }
    slack.deactivate(&id, cx);
    written(slack, call)
}

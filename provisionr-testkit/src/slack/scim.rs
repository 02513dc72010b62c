//! SCIM 2.0 at `api.slack.com/scim/v2`: users, and the two forms its errors have.

use serde_json::{Map, Value, json};

use super::SlackFake;
use super::answer;
use super::state::{Plan, SlackUser};
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};
use crate::scim::protocol::{self, Cut, Dialect, Filter, Refusal, USER};

const GUEST: &str = "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// A refusal. One for the token's sake comes in the form of SCIM 1.
pub(super) fn refuse(status: u16, detail: &str) -> FakeResponse {
    match status {
        401 => FakeResponse::json(401, &json!({ "Errors": { "code": 401, "description": detail } })),
        _ => FakeResponse::json(status, &json!({ "schemas": [ERROR], "detail": detail, "status": status })),
    }
}

/// A refusal of the protocol's, in Slack's form.
fn slack_form(refusal: &Refusal) -> FakeResponse {
    refuse(refusal.status, &refusal.detail)
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
    let filter = call.request.query("filter").map(|text| Filter::parse(&text)).transpose().map_err(|refusal| slack_form(&refusal))?;
    if filter.as_ref().is_some_and(|filter| filter.attributes().iter().any(|name| !matches!(name.as_str(), "userName" | "email"))) {
        return Err(cx.unsupported(call.request, "this filter"));
    }
    let users = slack.workspace.users.values().filter(|user| !user.bot && !user.invited);
    let fits = |user: &&SlackUser| {
        let known = Map::from_iter([("userName".to_owned(), user.name.as_str().into()), ("email".to_owned(), user.email.as_str().into())]);
        filter.as_ref().is_none_or(|filter| filter.matches(&known))
    };
    let shown = users.filter(fits).filter_map(|user| shown(user).as_object().cloned());
    let listed = protocol::list(call.request, Cut { default: 10, most: 1000 }, None, shown).map_err(|refusal| slack_form(&refusal))?;
    Ok(FakeResponse::json(listed.status, &listed.to_json()))
}

pub(super) fn get(slack: &mut SlackFake, call: &Call<'_>, _: &mut FakeContext) -> Reply {
    Ok(FakeResponse::json(200, &shown(user(slack, call)?)))
}

fn taken(slack: &SlackFake, wanted: &SlackUser) -> bool {
    let same = |user: &&SlackUser| user.id != wanted.id && (user.name.eq_ignore_ascii_case(&wanted.name) || user.email.eq_ignore_ascii_case(&wanted.email));
    slack.workspace.users.values().any(|user| same(&user))
}

/// Sets what a SCIM user object says; what it leaves out is empty.
fn set(user: &mut SlackUser, fields: &Map<String, Value>) {
    let object = Value::from(fields.clone());
    let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or("").to_owned();
    user.name = text("/userName");
    user.title = text("/title");
    user.email = text("/emails/0/value");
    (user.first_name, user.last_name) = (text("/name/givenName"), text("/name/familyName"));
    // Two names for one thing: the one that was changed counts.
    let names = [text("/displayName"), text("/nickName")];
    user.display_name = names.into_iter().find(|name| *name != user.display_name).unwrap_or_else(|| user.display_name.clone());
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
    let Value::Object(mut fields) = shown(&before) else { return Err(refuse(500, "internal_error")) };
    protocol::patch(&mut fields, &body.into(), Dialect::Plain).map_err(|refusal| slack_form(&refusal))?;
    let mut after = before.clone();
    set(&mut after, &fields);
    if taken(slack, &after) {
        return Err(refuse(slack.workspace.settings.scim_duplicate, "username_taken"));
    }
    if after != before {
        cx.emit("user.updated", json!({ "user": after.id }));
        slack.workspace.users.insert(after.id.clone(), after);
    }
    match fields.get("active") {
        Some(Value::Bool(false)) => slack.deactivate(&before.id, cx),
        _ => slack.activate(&before.id, cx),
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

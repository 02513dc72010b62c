//! Okta's form of answers: errors, objects with their links, pages.

use provisionr_sdk::Timestamp;
use serde_json::{Map, Value, json};

use super::state::{AppGroup, AppScope, AppUser, GroupType, OktaApp, OktaGroup, OktaRule, OktaUser, Org, UserStatus};
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};

/// Error codes and summaries: https://developer.okta.com/docs/reference/error-codes/
pub(super) fn error(cx: &FakeContext, status: u16, code: &str, summary: &str, causes: &[&str]) -> FakeResponse {
    let causes: Vec<Value> = causes.iter().map(|cause| json!({ "errorSummary": cause })).collect();
    let body = json!({
        "errorCode": code,
        "errorSummary": summary,
        "errorLink": code,
        "errorId": format!("oae{:0>22}", cx.request_number()),
        "errorCauses": causes,
    });
    FakeResponse::json(status, &body)
}

pub(super) fn not_found(cx: &FakeContext, what: &str, id: &str) -> FakeResponse {
    error(cx, 404, "E0000007", &format!("Not found: Resource not found: {id} ({what})"), &[])
}

pub(super) fn invalid(cx: &FakeContext, field: &str, cause: &str) -> FakeResponse {
    error(cx, 400, "E0000001", &format!("Api validation failed: {field}"), &[&format!("{field}: {cause}")])
}

pub(super) fn forbidden(cx: &FakeContext) -> FakeResponse {
    error(cx, 403, "E0000006", "You do not have permission to perform the requested action", &[])
}

pub(super) fn wrong_status(cx: &FakeContext) -> FakeResponse {
    error(cx, 403, "E0000038", "This operation is not allowed in the user's current status.", &[])
}

/// The body as a JSON object.
pub(super) fn object(request: &FakeRequest, cx: &FakeContext) -> Result<Map<String, Value>, FakeResponse> {
    request.json().map_err(|_| error(cx, 400, "E0000003", "The request body was not well-formed.", &[]))
}

/// Times as Okta writes them: always with milliseconds.
pub(super) fn time(at: Timestamp) -> Value {
    let text = at.to_string();
    Value::from(match text.strip_suffix('Z') {
        Some(text) if text.contains('.') => {
            let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
            format!("{seconds}.{fraction:0<3}Z")
        }
        Some(text) => format!("{text}.000Z"),
        None => text,
    })
}

fn maybe(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, time)
}

pub(super) fn status(status: UserStatus) -> Value {
    serde_json::to_value(status).unwrap_or_default()
}

/// A user as the API shows it.
pub(super) fn user(user: &OktaUser, cx: &FakeContext) -> Value {
    let me = format!("{}/api/v1/users/{}", cx.base_url(), user.id);
    let mut links = json!({ "self": { "href": me } });
    let verbs: &[&str] = match user.status {
        UserStatus::Staged => &["activate"],
        UserStatus::Provisioned | UserStatus::Recovery => &["reactivate", "deactivate"],
        UserStatus::Active => &["suspend", "deactivate"],
        UserStatus::Suspended => &["unsuspend", "deactivate"],
        UserStatus::LockedOut => &["unlock", "deactivate"],
        UserStatus::PasswordExpired => &["deactivate"],
        UserStatus::Deprovisioned => &["activate"],
    };
    for verb in verbs {
        set(&mut links, verb, json!({ "href": format!("{me}/lifecycle/{verb}"), "method": "POST" }));
    }
    let mut credentials = json!({ "provider": { "type": user.provider, "name": user.provider } });
    if user.has_password {
        set(&mut credentials, "password", json!({}));
    }
    json!({
        "id": user.id,
        "status": status(user.status),
        "transitioningToStatus": user.transitioning_to.map_or(Value::Null, |to| match to {
            UserStatus::Deprovisioned | UserStatus::Provisioned => status(to),
            _ => status(UserStatus::Active),
        }),
        "created": time(user.created),
        "activated": maybe(user.activated),
        "statusChanged": maybe(user.status_changed),
        "lastLogin": maybe(user.last_login),
        "lastUpdated": time(user.last_updated),
        "passwordChanged": if user.has_password { time(user.created) } else { Value::Null },
        "type": { "id": "oty000000000000010g4" },
        "profile": user.profile,
        "credentials": credentials,
        "_links": links,
    })
}

/// Sets a field of an object.
pub(super) fn set(value: &mut Value, name: &str, to: Value) {
    if let Value::Object(fields) = value {
        fields.insert(name.to_owned(), to);
    }
}

/// A group as the API shows it.
pub(super) fn group(group: &OktaGroup, cx: &FakeContext) -> Value {
    let base = cx.base_url();
    let me = format!("{base}/api/v1/groups/{}", group.id);
    let logo = |size: &str| json!({ "name": size, "href": format!("{base}/img/logos/groups/okta-{size}.png"), "type": "image/png" });
    let mut links = json!({
        "logo": [logo("medium"), logo("large")],
        "users": { "href": format!("{me}/users") },
        "apps": { "href": format!("{me}/apps") },
    });
    if let Some(source) = &group.source {
        set(&mut links, "source", json!({ "href": format!("{base}/api/v1/apps/{source}") }));
    }
    let class = if group.kind == GroupType::AppGroup { "okta:windows_security_principal" } else { "okta:user_group" };
    json!({
        "id": group.id,
        "type": group.kind,
        "objectClass": [class],
        "profile": group.profile,
        "created": time(group.created),
        "lastUpdated": time(group.last_updated),
        "lastMembershipUpdated": time(group.last_membership_updated),
        "_links": links,
    })
}

/// A group rule as the API shows it.
pub(super) fn rule(rule: &OktaRule, org: &Org, expand: Option<&str>) -> Value {
    let mut shown = json!({
        "type": "group_rule",
        "id": rule.id,
        "status": rule.status,
        "name": rule.name,
        "created": time(rule.created),
        "lastUpdated": time(rule.last_updated),
        "conditions": {
            "people": { "users": { "exclude": rule.excluded }, "groups": { "exclude": [] } },
            "expression": { "value": rule.expression.as_str(), "type": "urn:okta:expression:1.0" },
        },
        "actions": { "assignUserToGroups": { "groupIds": rule.groups } },
    });
    if expand == Some("groupIdToGroupNameMap") {
        let names: Map<String, Value> = rule.groups.iter().filter_map(|id| org.groups.get(id)).map(|group| (group.id.clone(), group.name().into())).collect();
        set(&mut shown, "_embedded", json!({ "groupIdToGroupNameMap": names }));
    }
    shown
}

/// An app as the API shows it.
pub(super) fn app(app: &OktaApp, cx: &FakeContext) -> Value {
    let me = format!("{}/api/v1/apps/{}", cx.base_url(), app.id);
    json!({
        "id": app.id,
        "name": app.name,
        "label": app.label,
        "status": app.status,
        "created": time(app.created),
        "lastUpdated": time(app.last_updated),
        "features": app.features,
        "signOnMode": "SAML_2_0",
        "accessibility": { "selfService": false },
        "visibility": { "autoSubmitToolbar": false, "hide": { "iOS": false, "web": false } },
        "credentials": { "userNameTemplate": { "template": "${source.login}", "type": "BUILT_IN" }, "signing": {} },
        "settings": { "app": {} },
        "_links": { "users": { "href": format!("{me}/users") }, "groups": { "href": format!("{me}/groups") } },
    })
}

/// An app's user as the API shows it.
pub(super) fn app_user(org: &Org, app: &OktaApp, user: &OktaUser, assigned: &AppUser, cx: &FakeContext) -> Value {
    let base = cx.base_url();
    let pushes = app.has("PUSH_NEW_USERS");
    let mut shown = json!({
        "id": user.id,
        "scope": assigned.scope,
        "status": if pushes && assigned.provisioned { "PROVISIONED" } else if pushes { "STAGED" } else { "ACTIVE" },
        "syncState": if pushes { "SYNCHRONIZED" } else { "DISABLED" },
        "created": time(assigned.created),
        "lastUpdated": time(assigned.last_updated),
        "statusChanged": time(assigned.created),
        "passwordChanged": null,
        "credentials": { "userName": assigned.user_name },
        "profile": assigned.profile,
        "_links": {
            "app": { "href": format!("{base}/api/v1/apps/{}", app.id) },
            "user": { "href": format!("{base}/api/v1/users/{}", user.id) },
        },
    });
    if assigned.scope == AppScope::Group
        && let Some(group) = org.giver(&app.id, &user.id)
        && let Some(links) = shown.get_mut("_links")
    {
        let name = org.groups.get(group).map_or("", OktaGroup::name);
        set(links, "group", json!({ "name": name, "href": format!("{base}/api/v1/groups/{group}") }));
    }
    if assigned.provisioned {
        set(&mut shown, "externalId", assigned.user_name.clone().into());
    }
    shown
}

/// An app's group as the API shows it.
pub(super) fn app_group(app: &OktaApp, id: &str, assigned: &AppGroup, cx: &FakeContext) -> Value {
    let base = cx.base_url();
    json!({
        "id": id,
        "priority": assigned.priority,
        "lastUpdated": time(assigned.last_updated),
        "profile": assigned.profile,
        "_links": {
            "app": { "href": format!("{base}/api/v1/apps/{}", app.id) },
            "self": { "href": format!("{base}/api/v1/apps/{}/groups/{id}", app.id) },
            "group": { "href": format!("{base}/api/v1/groups/{id}") },
        },
    })
}

/// Which slice of a list is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paging {
    /// The page size when `limit` is not given.
    pub(super) default: usize,
    /// The most `limit` may ask for; more is an error.
    pub(super) most: usize,
    /// The org's own cap.
    pub(super) cap: usize,
}

/// One page of items, each with its id and in the order of ids, and the `Link` headers.
///
/// The cursor names the last item seen, so that items which come and go meanwhile shift no page.
pub(super) fn page(
    request: &FakeRequest,
    cx: &FakeContext,
    paging: Paging,
    items: impl IntoIterator<Item = (String, Value)>,
) -> Result<FakeResponse, FakeResponse> {
    let asked = match request.query("limit") {
        None => paging.default,
        Some(limit) => match limit.parse::<usize>() {
            Ok(limit) if (1..=paging.most).contains(&limit) => limit,
            _ => return Err(invalid(cx, "limit", &format!("must be between 1 and {}", paging.most))),
        },
    };
    let size = asked.min(paging.cap);
    let after = request.query("after").map(|cursor| cursor.strip_prefix("c-").map(str::to_owned).ok_or(cursor)).transpose();
    let after = after.map_err(|cursor| invalid(cx, "after", &format!("'{cursor}' is not a cursor")))?;
    let mut rest = items.into_iter().filter(|(id, _)| after.as_ref().is_none_or(|after| id > after)).peekable();
    let shown: Vec<(String, Value)> = rest.by_ref().take(size).collect();
    let here = format!("{}{}", cx.base_url(), request.path);
    let others: Vec<(String, String)> = url::form_urlencoded::parse(request.query.as_bytes())
        .filter(|(name, _)| name != "after")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let link = |after: Option<&str>| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(after) = after {
            query.append_pair("after", &format!("c-{after}"));
        }
        let query = query.extend_pairs(&others).finish();
        if query.is_empty() { here.clone() } else { format!("{here}?{query}") }
    };
    let mut links = vec![format!("<{}>; rel=\"self\"", link(after.as_deref()))];
    if let (Some(_), Some((last, _))) = (rest.peek(), shown.last()) {
        links.push(format!("<{}>; rel=\"next\"", link(Some(last))));
    }
    let body = Value::Array(shown.into_iter().map(|(_, value)| value).collect());
    Ok(links.into_iter().fold(FakeResponse::json(200, &body), |answer, link| answer.with_header("link", link)))
}

/// Reports parameters the fake would ignore: a test must not pass because of them.
pub(super) fn known_parameters(request: &FakeRequest, cx: &mut FakeContext, known: &[&str]) -> Result<(), FakeResponse> {
    let unknown = url::form_urlencoded::parse(request.query.as_bytes()).map(|(name, _)| name.into_owned()).find(|name| !known.contains(&name.as_str()));
    match unknown {
        None => Ok(()),
        Some(name) => Err(cx.unsupported(request, &format!("query parameter `{name}`"))),
    }
}

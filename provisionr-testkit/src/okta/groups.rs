//! Groups, their members, and group rules.

use serde_json::{Map, Value, json};

use super::OktaFake;
use super::answer::{self, Paging, error, forbidden, invalid, known_parameters, not_found, page, set};
use super::expression::Case;
use super::state::{GroupType, OktaGroup};
use super::users::{expression, find};
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

fn group(okta: &OktaFake, call: &Call<'_>, cx: &FakeContext) -> Result<OktaGroup, FakeResponse> {
    let id = call.param("groupId");
    okta.org.groups.get(id).cloned().ok_or_else(|| not_found(cx, "UserGroup", id))
}

/// Refuses for groups that another party manages. Okta's code for it is not documented; this is the least telling.
fn writable(group: &OktaGroup, cx: &FakeContext) -> Result<(), FakeResponse> {
    if group.kind == GroupType::OktaGroup { Ok(()) } else { Err(forbidden(cx)) }
}

pub(super) fn list(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["search", "filter", "q", "after", "limit", "expand"])?;
    let request = call.request;
    let search = expression(request, "search", cx, |_, _| true)?;
    let filter = expression(request, "filter", cx, |path, _| matches!(path, "id" | "type" | "lastUpdated" | "lastMembershipUpdated"))?;
    let q = request.query("q").map(|q| q.to_lowercase());
    let stats = request.query("expand").is_some_and(|expand| expand.split(',').any(|what| what == "stats"));
    let shown: Vec<(String, Value)> = okta
        .org
        .groups
        .values()
        .filter(|group| q.as_ref().is_none_or(|q| group.name().to_lowercase().starts_with(q)))
        .map(|group| {
            let mut shown = answer::group(group, cx);
            if stats {
                let apps = okta.org.apps.values().filter(|app| app.groups.contains_key(&group.id)).count();
                let counts = json!({ "usersCount": group.members.len(), "appsCount": apps, "groupPushMappingsCount": 0, "hasAdminPrivilege": false });
                set(&mut shown, "_embedded", json!({ "stats": counts }));
            }
            (group.id.clone(), shown)
        })
        .filter(|(_, group)| search.as_ref().is_none_or(|search| search.fits(group, Case::Ignored)))
        .filter(|(_, group)| filter.as_ref().is_none_or(|filter| filter.fits(group, Case::Sensitive)))
        .collect();
    if q.is_some() {
        // A query cannot be paged: it answers up to 300, and says nothing of more.
        let limit = request.query("limit").and_then(|limit| limit.parse().ok()).unwrap_or(300).min(300);
        return Ok(FakeResponse::json(200, &shown.into_iter().map(|(_, group)| group).take(limit).collect()));
    }
    page(request, cx, Paging { default: 200, most: 10_000, cap: okta.org.settings.page_size }, shown)
}

pub(super) fn get(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    Ok(FakeResponse::json(200, &answer::group(&group(okta, call, cx)?, cx)))
}

fn profile(okta: &OktaFake, call: &Call<'_>, own: Option<&str>, cx: &FakeContext) -> Result<Map<String, Value>, FakeResponse> {
    let body = answer::object(call.request, cx)?;
    let profile = body.get("profile").and_then(Value::as_object).cloned().unwrap_or_default();
    let name = profile.get("name").and_then(Value::as_str).unwrap_or("");
    if name.is_empty() || name.chars().count() > 255 {
        return Err(invalid(cx, "name", "The field cannot be left blank, and has at most 255 characters"));
    }
    if okta.org.groups.values().any(|group| group.name() == name && Some(group.id.as_str()) != own) {
        return Err(invalid(cx, "name", "An object with this field already exists in the current organization"));
    }
    Ok(profile)
}

pub(super) fn create(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let profile = profile(okta, call, None, cx)?;
    let id = okta.org.id("00g");
    let group = blank(id.clone(), GroupType::OktaGroup, profile, cx);
    let shown = answer::group(&group, cx);
    cx.emit("group.created", json!({ "group": id, "name": group.name() }));
    okta.org.groups.insert(id, group);
    Ok(FakeResponse::json(200, &shown))
}

/// A group without members.
pub(super) fn blank(id: String, kind: GroupType, profile: Map<String, Value>, cx: &FakeContext) -> OktaGroup {
    let now = cx.now();
    OktaGroup { id, kind, profile, source: None, members: [].into(), created: now, last_updated: now, last_membership_updated: now }
}

pub(super) fn replace(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let found = group(okta, call, cx)?;
    writable(&found, cx)?;
    let profile = profile(okta, call, Some(&found.id), cx)?;
    if profile != found.profile
        && let Some(group) = okta.org.groups.get_mut(&found.id)
    {
        group.profile = profile;
        group.last_updated = cx.now();
        cx.emit("group.updated", json!({ "group": group.id, "name": group.name() }));
    }
    get(okta, call, cx)
}

pub(super) fn delete(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let found = group(okta, call, cx)?;
    if found.kind == GroupType::BuiltIn {
        return Err(forbidden(cx));
    }
    okta.org.delete_group(&found.id, cx);
    Ok(FakeResponse::empty(204))
}

pub(super) fn members(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["after", "limit"])?;
    let found = group(okta, call, cx)?;
    let users = found.members.keys().filter_map(|id| okta.org.users.get(id)).map(|user| (user.id.clone(), answer::user(user, cx)));
    page(call.request, cx, Paging { default: 1000, most: 1000, cap: okta.org.settings.page_size }, users)
}

/// Repeating it answers 204 as well: the description has no other answer, and terraform relies on it.
pub(super) fn add_member(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let found = group(okta, call, cx)?;
    let user = find(okta, call, "userId", cx)?;
    writable(&found, cx)?;
    okta.org.join(&found.id, &user.id, cx);
    Ok(FakeResponse::empty(204))
}

pub(super) fn remove_member(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let found = group(okta, call, cx)?;
    let user = find(okta, call, "userId", cx)?;
    writable(&found, cx)?;
    okta.org.leave(&found.id, &user.id, cx);
    Ok(FakeResponse::empty(204))
}

pub(super) fn apps(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["after", "limit"])?;
    let found = group(okta, call, cx)?;
    let apps = okta.org.apps.values().filter(|app| app.groups.contains_key(&found.id)).map(|app| (app.id.clone(), answer::app(app, cx)));
    page(call.request, cx, Paging { default: 20, most: 200, cap: okta.org.settings.page_size }, apps)
}

pub(super) fn rules(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["limit", "after", "search", "expand"])?;
    let (search, expand) = (call.request.query("search"), call.request.query("expand"));
    let rules = okta.org.rules.values().filter(|rule| search.as_ref().is_none_or(|search| rule.name.contains(search.as_str())));
    let shown = rules.map(|rule| (rule.id.clone(), answer::rule(rule, &okta.org, expand.as_deref())));
    page(call.request, cx, Paging { default: 50, most: 200, cap: okta.org.settings.page_size }, shown)
}

pub(super) fn rule(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["expand"])?;
    let id = call.param("groupRuleId");
    let rule = okta.org.rules.get(id).ok_or_else(|| error(cx, 404, "E0000007", &format!("Not found: Resource not found: {id} (GroupRule)"), &[]))?;
    Ok(FakeResponse::json(200, &answer::rule(rule, &okta.org, call.request.query("expand").as_deref())))
}

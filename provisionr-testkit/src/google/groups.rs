//! Groups and their members.

use serde_json::{Map, Value, json};

use super::GoogleFake;
use super::answer::{self, clauses, duplicate, error, invalid, known_parameters, not_found, of_customer, page};
use super::state::{Customer, GoogleGroup, GoogleMember, GroupsOfUser, MemberRole, MemberType};
use super::users::is_visible;
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};
use crate::router::{Call, Reply};

/// The group of the path, by id, address or alias; a new one is not there yet while creation lags.
fn find(google: &GoogleFake, call: &Call<'_>, cx: &FakeContext) -> Result<GoogleGroup, FakeResponse> {
    let found = google.customer.group(call.param("groupKey")).filter(|group| is_visible(&google.customer, group.created, cx));
    found.cloned().ok_or_else(|| not_found("groupKey"))
}

pub(super) fn get(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    Ok(FakeResponse::json(200, &answer::group(&find(google, call, cx)?)))
}

fn fits(group: &GoogleGroup, (field, operator, value): &(String, char, String)) -> bool {
    let held = if field == "email" { &group.email } else { &group.name };
    match value.strip_suffix('*') {
        Some(beginning) if *operator == ':' => held.to_lowercase().starts_with(&beginning.to_lowercase()),
        _ => held.eq_ignore_ascii_case(value),
    }
}

/// The groups a user or a group is in.
fn groups_of(customer: &Customer, key: &str) -> Option<Vec<GoogleGroup>> {
    let id = customer.user(key).map(|user| &user.id).or_else(|| customer.group(key).map(|group| &group.id))?;
    let nested = customer.settings.groups_of_user == GroupsOfUser::Nested;
    let is_in = |group: &&GoogleGroup| group.members.contains_key(id) || (nested && customer.is_in(&group.id, id));
    Some(customer.groups.values().filter(is_in).cloned().collect())
}

pub(super) fn list(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["customer", "domain", "userKey", "maxResults", "pageToken", "query"])?;
    let request = call.request;
    let customer = &google.customer;
    let groups: Vec<GoogleGroup> = match (request.query("userKey"), request.query("customer")) {
        (Some(_), Some(_)) => return Err(error(400, "badRequest", "Bad Request")),
        (Some(key), None) => groups_of(customer, &key).ok_or_else(|| not_found("userKey"))?,
        (None, _) => {
            let domain = of_customer(request, customer)?;
            let query = clauses(request, cx, &["email", "name"])?;
            let of_domain = |group: &&GoogleGroup| domain.as_ref().is_none_or(|domain| group.email.to_lowercase().ends_with(&format!("@{domain}")));
            customer.groups.values().filter(of_domain).filter(|group| query.iter().all(|clause| fits(group, clause))).cloned().collect()
        }
    };
    let visible = groups.into_iter().filter(|group| is_visible(customer, group.created, cx)).map(|group| (group.id.clone(), answer::group(&group)));
    page(request, cx, ("admin#directory#groups", "groups"), (200, 200, customer.settings.page_size), visible)
}

fn text(body: &Map<String, Value>, name: &str) -> Option<String> {
    body.get(name).and_then(Value::as_str).map(str::to_owned)
}

pub(super) fn insert(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let body = answer::object(call.request)?;
    let email = text(&body, "email").filter(|email| email.contains('@')).ok_or_else(|| invalid("email"))?;
    if !google.customer.is_own(&email) {
        return Err(error(404, "notFound", "Domain not found."));
    }
    if google.customer.is_taken(&email) {
        return Err(duplicate("Entity already exists."));
    }
    let id = google.customer.group_id();
    let name = text(&body, "name").unwrap_or_else(|| email.split('@').next().unwrap_or("").to_owned());
    let group = blank(id.clone(), email, name, text(&body, "description").unwrap_or_default(), cx);
    let shown = answer::group(&group);
    cx.emit("group.created", json!({ "group": id, "email": group.email }));
    google.customer.groups.insert(id, group);
    Ok(FakeResponse::json(200, &shown))
}

/// A group without members.
pub(super) fn blank(id: String, email: String, name: String, description: String, cx: &FakeContext) -> GoogleGroup {
    GoogleGroup { id, email, aliases: [].into(), name, description, members: [].into(), created: cx.now(), revision: 1 }
}

pub(super) fn patch(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let found = find(google, call, cx)?;
    let body = answer::object(call.request)?;
    let email = text(&body, "email").unwrap_or_else(|| found.email.clone());
    if email != found.email && google.customer.is_taken(&email) {
        return Err(duplicate("Entity already exists."));
    }
    if let Some(group) = google.customer.groups.get_mut(&found.id) {
        group.email = email;
        group.name = text(&body, "name").unwrap_or_else(|| found.name.clone());
        group.description = text(&body, "description").unwrap_or_else(|| found.description.clone());
        if *group != found {
            group.revision += 1;
            cx.emit("group.updated", json!({ "group": group.id, "email": group.email }));
        }
    }
    get(google, call, cx)
}

pub(super) fn delete(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let found = find(google, call, cx)?;
    remove(google, &found.id, cx);
    Ok(FakeResponse::empty(204))
}

/// Deletes a group, which leaves the groups it is in.
pub(super) fn remove(google: &mut GoogleFake, id: &str, cx: &mut FakeContext) {
    for group in google.customer.groups.values_mut() {
        group.members.remove(id);
    }
    if let Some(group) = google.customer.groups.remove(id) {
        cx.emit("group.deleted", json!({ "group": id, "email": group.email }));
    }
}

/// What a member key stands for: a user, a group, the whole domain, or a person of another domain.
pub(super) fn member_of_key(customer: &mut Customer, key: &str) -> Option<(String, MemberType, Option<String>)> {
    if let Some(user) = customer.user(key) {
        return Some((user.id.clone(), MemberType::User, None));
    }
    if let Some(group) = customer.group(key) {
        return Some((group.id.clone(), MemberType::Group, None));
    }
    if key == answer::CUSTOMER {
        return Some((key.to_owned(), MemberType::Customer, None));
    }
    if let Some((email, id)) = customer.external.iter().find(|(email, id)| *email == key || *id == key) {
        return Some((id.clone(), MemberType::User, Some(email.clone())));
    }
    if !key.contains('@') || customer.is_own(key) {
        return None;
    }
    let id = customer.user_id();
    customer.external.insert(key.to_owned(), id.clone());
    Some((id, MemberType::User, Some(key.to_owned())))
}

fn role(body: &Map<String, Value>) -> Result<Option<MemberRole>, FakeResponse> {
    body.get("role").map(|role| serde_json::from_value(role.clone()).map_err(|_| invalid("role"))).transpose()
}

/// Repeating it is 409, and changes no role: https://github.com/lithnet/googleapps-managementagent/issues/9
pub(super) fn add(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let group = find(google, call, cx)?;
    let body = answer::object(call.request)?;
    let Some(key) = text(&body, "email").or_else(|| text(&body, "id")) else { return Err(error(400, "required", "Missing required field: memberKey")) };
    let role = role(&body)?.unwrap_or_default();
    let new = google.customer.user(&key).is_some_and(|user| !is_visible(&google.customer, user.created, cx));
    let found = member_of_key(&mut google.customer, &key).filter(|_| !new);
    let Some((id, kind, email)) = found else { return Err(not_found("memberKey")) };
    if group.members.contains_key(&id) {
        return Err(duplicate("Member already exists."));
    }
    // A group can be no more than a member: https://github.com/googleapis/google-api-dotnet-client/issues/565
    if kind == MemberType::Group && role != MemberRole::Member {
        return Err(invalid("memberKey"));
    }
    if kind == MemberType::Group && (id == group.id || google.customer.derived(&id).contains_key(&group.id)) {
        return Err(error(412, "conditionNotMet", "Cyclic memberships not allowed"));
    }
    join(google, &group.id, &id, GoogleMember { role, kind, email }, cx);
    shown(google, &group.id, &id)
}

fn shown(google: &GoogleFake, group: &str, id: &str) -> Reply {
    let member = google.customer.groups.get(group).and_then(|group| group.members.get(id)).ok_or_else(|| not_found("memberKey"))?;
    Ok(FakeResponse::json(200, &answer::member(&google.customer, id, member)))
}

/// Makes somebody a member, or changes a member's role.
pub(super) fn join(google: &mut GoogleFake, group: &str, id: &str, member: GoogleMember, cx: &mut FakeContext) {
    let Some(group) = google.customer.groups.get_mut(group) else { return };
    let about = json!({ "group": group.id, "email": group.email, "member": id, "role": member.role });
    match group.members.get(id) {
        None => cx.emit("group.member_added", about),
        Some(before) if *before != member => cx.emit("group.member_updated", about),
        Some(_) => {}
    }
    group.members.insert(id.to_owned(), member);
}

pub(super) fn leave(google: &mut GoogleFake, group: &str, id: &str, cx: &mut FakeContext) {
    let Some(group) = google.customer.groups.get_mut(group) else { return };
    if group.members.remove(id).is_some() {
        cx.emit("group.member_removed", json!({ "group": group.id, "email": group.email, "member": id }));
    }
}

/// The direct membership of the path.
fn membership(google: &GoogleFake, call: &Call<'_>, cx: &FakeContext) -> Result<(GoogleGroup, String), FakeResponse> {
    let group = find(google, call, cx)?;
    let key = call.param("memberKey");
    let customer = &google.customer;
    let known = customer.user(key).map(|user| &user.id).or_else(|| customer.group(key).map(|group| &group.id)).or_else(|| customer.external.get(key));
    let id = known.cloned().unwrap_or_else(|| key.to_owned());
    if group.members.contains_key(&id) { Ok((group, id)) } else { Err(not_found("memberKey")) }
}

pub(super) fn member(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let (group, id) = membership(google, call, cx)?;
    shown(google, &group.id, &id)
}

pub(super) fn update_member(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let (group, id) = membership(google, call, cx)?;
    let role = role(&answer::object(call.request)?)?;
    if let (Some(member), Some(role)) = (group.members.get(&id), role) {
        if member.kind != MemberType::User && role != MemberRole::Member {
            return Err(invalid("memberKey"));
        }
        join(google, &group.id, &id, GoogleMember { role, ..member.clone() }, cx);
    }
    shown(google, &group.id, &id)
}

pub(super) fn remove_member(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let (group, id) = membership(google, call, cx)?;
    leave(google, &group.id, &id, cx);
    Ok(FakeResponse::empty(204))
}

pub(super) fn members(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["roles", "includeDerivedMembership", "maxResults", "pageToken"])?;
    let group = find(google, call, cx)?;
    let roles: Option<Vec<MemberRole>> = match call.request.query("roles") {
        None => None,
        Some(roles) => {
            let read = |role: &str| serde_json::from_value(role.trim().into()).map_err(|_| invalid("roles"));
            Some(roles.split(',').map(read).collect::<Result<_, _>>()?)
        }
    };
    let derived = call.request.query("includeDerivedMembership").as_deref() == Some("true");
    let members = if derived { google.customer.derived(&group.id) } else { group.members };
    let shown = members.iter().filter(|(_, member)| roles.as_ref().is_none_or(|roles| roles.contains(&member.role)));
    let shown: Vec<_> = shown.map(|(id, member)| (id.clone(), answer::member(&google.customer, id, member))).collect();
    page(call.request, cx, ("admin#directory#members", "members"), (200, 200, google.customer.settings.page_size), shown)
}

/// Only for users of the customer: https://github.com/googleapis/google-api-java-client/issues/1082
pub(super) fn has_member(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let group = find(google, call, cx)?;
    let key = call.param("memberKey");
    let customer = &google.customer;
    if customer.group(key).is_some() || customer.external.iter().any(|(email, id)| email == key || id == key) || (key.contains('@') && !customer.is_own(key)) {
        return Err(invalid("memberKey"));
    }
    let user = customer.user(key).filter(|user| is_visible(customer, user.created, cx)).ok_or_else(|| not_found("memberKey"))?;
    // "If nested, the memberKey and groupKey must be entities in the same domain": the description of the call.
    let domain = |email: &str| email.rsplit_once('@').map(|(_, domain)| domain.to_lowercase());
    if !group.members.contains_key(&user.id) && domain(&user.primary_email) != domain(&group.email) {
        return Err(invalid("memberKey"));
    }
    Ok(FakeResponse::json(200, &json!({ "isMember": customer.is_in(&group.id, &user.id) })))
}

/// Whether a read is of nested memberships.
pub(super) fn is_nested_read(request: &FakeRequest) -> bool {
    request.path.contains("/hasMember/") || request.query("includeDerivedMembership").as_deref() == Some("true")
}

//! The identity store: users, groups, memberships.

use serde_json::{Map, Value, json};

use super::AwsFake;
use super::answer::{Reply, conflict, group, id, ids, invalid, missing, page, text, user};
use super::state::{AwsGroup, AwsUser};
use crate::fake::FakeContext;
use crate::message::FakeResponse;

fn any(text: &str) -> bool {
    !text.is_empty() && text.len() <= 1024
}

fn known_user<'a>(aws: &'a AwsFake, cx: &FakeContext, key: &str) -> Result<&'a AwsUser, FakeResponse> {
    aws.instance.users.get(key).ok_or_else(|| missing(aws, cx, "USER", key))
}

fn known_group<'a>(aws: &'a AwsFake, cx: &FakeContext, key: &str) -> Result<&'a AwsGroup, FakeResponse> {
    aws.instance.groups.get(key).ok_or_else(|| missing(aws, cx, "GROUP", key))
}

/// Whether another user has a user name or address.
fn taken(aws: &AwsFake, fields: &Map<String, Value>, but: &str) -> Option<&'static str> {
    let others = || aws.instance.users.values().filter(|user| user.id != but);
    let same = |one: Option<&str>, other: Option<&str>| matches!((one, other), (Some(one), Some(other)) if aws.instance.settings.letter_case.same(one, other));
    let email = |fields: &Map<String, Value>| fields.get("Emails")?.pointer("/0/Value")?.as_str().map(str::to_owned);
    let (name, address) = (fields.get("UserName").and_then(Value::as_str), email(fields));
    if others().any(|other| same(other.fields.get("UserName").and_then(Value::as_str), name)) {
        return Some("Duplicate UserName");
    }
    others().any(|other| same(email(&other.fields).as_deref(), address.as_deref())).then_some("Duplicate Emails")
}

pub(super) fn create_user(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    // Identity Center asks for more than the description does.
    for pointer in ["/UserName", "/DisplayName", "/Name/GivenName", "/Name/FamilyName"] {
        if !body.pointer(pointer).and_then(Value::as_str).is_some_and(any) {
            return Err(invalid(aws, cx, &format!("{pointer} is a required attribute")));
        }
    }
    let mut fields: Map<String, Value> = body.as_object().cloned().unwrap_or_default();
    fields.remove("IdentityStoreId");
    if let Some(what) = taken(aws, &fields, "") {
        return Err(conflict(aws, cx, what));
    }
    let id = aws.instance.id();
    cx.emit("user.created", json!({ "user": id, "user_name": fields.get("UserName") }));
    let mut answer = ids("User", &id);
    answer.insert("Revision".to_owned(), "1".into());
    aws.instance.users.insert(id.clone(), AwsUser { id, enabled: true, revision: 1, fields, ..AwsUser::default() });
    Ok(answer.into())
}

pub(super) fn describe_user(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    let key = text(aws, cx, body, "UserId", id)?;
    Ok(user(known_user(aws, cx, &key)?))
}

/// What an alternate identifier says: the path of an attribute or `external`, and its value.
fn identifier(aws: &AwsFake, cx: &FakeContext, body: &Value) -> Result<(String, String, String), FakeResponse> {
    let at = |pointer: &str| body.pointer(&format!("/AlternateIdentifier{pointer}")).and_then(Value::as_str).map(str::to_owned);
    match (at("/UniqueAttribute/AttributePath"), at("/UniqueAttribute/AttributeValue"), at("/ExternalId/Issuer"), at("/ExternalId/Id")) {
        (Some(path), Some(value), None, None) => Ok((path, value, String::new())),
        (None, None, Some(issuer), Some(id)) => Ok(("external".to_owned(), id, issuer)),
        _ => Err(invalid(aws, cx, "AlternateIdentifier must be one of UniqueAttribute and ExternalId")),
    }
}

pub(super) fn get_user_id(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    let (path, value, issuer) = identifier(aws, cx, body)?;
    let case = aws.instance.settings.letter_case;
    let mut users = aws.instance.users.values();
    let found = match path.as_str() {
        "userName" => users.find(|user| case.same(user.text("UserName"), &value)),
        "emails.value" => users.find(|user| user.at("/Emails/0/Value").is_some_and(|email| case.same(email, &value))),
        "external" => users.find(|user| user.external_ids.iter().any(|id| id.issuer == issuer && id.id == value)),
        _ => return Err(invalid(aws, cx, "AttributePath is not unique")),
    };
    found.map(|user| ids("User", &user.id).into()).ok_or_else(|| missing(aws, cx, "USER", &value))
}

pub(super) fn list_users(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    page(aws, cx, body, "Users", aws.instance.users.values().map(|one| (one.id.clone(), user(one))).collect())
}

/// Sets what an operation names in a user's fields. Lists are set whole, and their members are in lower camel case.
fn set(fields: &mut Map<String, Value>, path: &str, value: Option<&Value>) -> Option<()> {
    let upper = |name: &str| name.get(..1).map(|first| first.to_uppercase() + name.get(1..).unwrap_or_default());
    let value = match (path, value.filter(|value| !value.is_null())) {
        ("emails" | "phoneNumbers", Some(Value::Array(items))) => {
            let item = items.first().filter(|_| items.len() == 1)?.as_object()?;
            item.get("value")?.as_str()?;
            let item: Option<Map<String, Value>> = item.iter().map(|(name, value)| Some((upper(name)?, value.clone()))).collect();
            Some(Value::Array(vec![item?.into()]))
        }
        ("emails" | "phoneNumbers", Some(_)) => return None,
        (_, Some(Value::String(text))) if any(text) => Some(Value::from(text.as_str())),
        (_, None) => None,
        _ => return None,
    };
    let (fields, name) = match path.split_once('.') {
        Some(("name", part @ ("givenName" | "familyName" | "middleName" | "formatted"))) => {
            (fields.entry("Name").or_insert_with(|| json!({})).as_object_mut()?, part)
        }
        None if !matches!(path, "userStatus" | "externalIds" | "userId") => (fields, path),
        _ => return None,
    };
    match value {
        Some(value) => fields.insert(upper(name)?, value),
        None => fields.remove(&upper(name)?),
    };
    Some(())
}

pub(super) fn update_user(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    let key = text(aws, cx, body, "UserId", id)?;
    let before = known_user(aws, cx, &key)?.fields.clone();
    let operations = body.get("Operations").and_then(Value::as_array).filter(|operations| (1..=100).contains(&operations.len()));
    let Some(operations) = operations else { return Err(invalid(aws, cx, "Operations must have between 1 and 100 members")) };
    let mut fields = before.clone();
    for operation in operations {
        let path = text(aws, cx, operation, "AttributePath", any)?;
        if set(&mut fields, &path, operation.get("AttributeValue")).is_none() {
            return Err(invalid(aws, cx, &format!("{path} cannot be set to that")));
        }
    }
    if let Some(what) = taken(aws, &fields, &key) {
        return Err(conflict(aws, cx, what));
    }
    let mut answer = ids("User", &key);
    if let Some(user) = aws.instance.users.get_mut(&key) {
        if fields != before {
            user.revision += 1;
            user.fields = fields;
            cx.emit("user.updated", json!({ "user": key }));
        }
        answer.insert("Revision".to_owned(), user.revision.to_string().into());
    }
    Ok(answer.into())
}

/// One that is not there is deleted: the description calls the operation idempotent.
pub(super) fn delete_user(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    let key = text(aws, cx, body, "UserId", id)?;
    aws.remove_user(&key, cx);
    Ok(json!({}))
}

pub(super) fn describe_group(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    let key = text(aws, cx, body, "GroupId", id)?;
    Ok(group(known_group(aws, cx, &key)?))
}

pub(super) fn get_group_id(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    let (path, value, issuer) = identifier(aws, cx, body)?;
    let mut groups = aws.instance.groups.values();
    let found = match path.as_str() {
        "displayName" => groups.find(|group| group.name == value),
        "external" => groups.find(|group| group.external_ids.iter().any(|id| id.issuer == issuer && id.id == value)),
        _ => return Err(invalid(aws, cx, "AttributePath is not unique")),
    };
    found.map(|group| ids("Group", &group.id).into()).ok_or_else(|| missing(aws, cx, "GROUP", &value))
}

pub(super) fn list_groups(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    page(aws, cx, body, "Groups", aws.instance.groups.values().map(|one| (one.id.clone(), group(one))).collect())
}

/// Group and user of a request, as they are written there.
fn pair(aws: &AwsFake, cx: &FakeContext, body: &Value) -> Result<(String, String), FakeResponse> {
    let member = body.get("MemberId").cloned().unwrap_or_default();
    Ok((text(aws, cx, body, "GroupId", id)?, text(aws, cx, &member, "UserId", id)?))
}

fn membership(group: &str, user: &str, membership: &str) -> Value {
    let mut shown = ids("Membership", membership);
    shown.extend([("GroupId".to_owned(), group.into()), ("MemberId".to_owned(), json!({ "UserId": user }))]);
    shown.into()
}

pub(super) fn create_membership(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    let (group, user) = pair(aws, cx, body)?;
    known_user(aws, cx, &user)?;
    if known_group(aws, cx, &group)?.members.contains_key(&user) {
        return Err(conflict(aws, cx, "Member and Group relationship already exists"));
    }
    aws.join(&group, &user, cx);
    let made = known_group(aws, cx, &group)?.members.get(&user).cloned().unwrap_or_default();
    Ok(ids("Membership", &made).into())
}

pub(super) fn get_membership_id(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    let (group, user) = pair(aws, cx, body)?;
    known_user(aws, cx, &user)?;
    let found = known_group(aws, cx, &group)?.members.get(&user);
    found.map(|found| ids("Membership", found).into()).ok_or_else(|| missing(aws, cx, "GROUP_MEMBERSHIP", &user))
}

/// One that is not there is deleted, as a user is.
pub(super) fn delete_membership(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    let key = text(aws, cx, body, "MembershipId", id)?;
    let of = |group: &AwsGroup| group.members.iter().find(|(_, id)| **id == key).map(|(user, _)| (group.id.clone(), user.clone()));
    if let Some((group, user)) = aws.instance.groups.values().find_map(of) {
        aws.leave(&group, &user, cx);
    }
    Ok(json!({}))
}

pub(super) fn list_memberships(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    let key = text(aws, cx, body, "GroupId", id)?;
    let members = &known_group(aws, cx, &key)?.members;
    page(aws, cx, body, "GroupMemberships", members.iter().map(|(user, id)| (user.clone(), membership(&key, user, id))).collect())
}

pub(super) fn list_memberships_of(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    let member = body.get("MemberId").cloned().unwrap_or_default();
    let user = text(aws, cx, &member, "UserId", id)?;
    known_user(aws, cx, &user)?;
    let rows = aws.instance.groups.values().filter_map(|group| Some((group.id.clone(), membership(&group.id, &user, group.members.get(&user)?))));
    page(aws, cx, body, "GroupMemberships", rows.collect())
}

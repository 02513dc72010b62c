//! Google's form of answers: errors, resources, pages.

use provisionr_sdk::Timestamp;
use serde_json::{Map, Value, json};

use super::state::{Customer, GoogleGroup, GoogleMember, GoogleOrgUnit, GoogleUser};
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};

/// The id of the customer, for which `my_customer` stands too.
pub(super) const CUSTOMER: &str = "C01fake23";

pub(super) fn error(status: u16, reason: &str, message: &str) -> FakeResponse {
    let domain = if matches!(reason, "userRateLimitExceeded" | "quotaExceeded" | "rateLimitExceeded") { "usageLimits" } else { "global" };
    let body = json!({ "error": { "code": status, "message": message, "errors": [{ "message": message, "domain": domain, "reason": reason }] } });
    FakeResponse::json(status, &body)
}

/// 404 for what a key of the path or body stands for: `userKey`, `groupKey`, `memberKey`.
pub(super) fn not_found(key: &str) -> FakeResponse {
    error(404, "notFound", &format!("Resource Not Found: {key}"))
}

pub(super) fn invalid(what: &str) -> FakeResponse {
    error(400, "invalid", &format!("Invalid Input: {what}"))
}

pub(super) fn duplicate(message: &str) -> FakeResponse {
    error(409, "duplicate", message)
}

/// The body as a JSON object.
pub(super) fn object(request: &FakeRequest) -> Result<Map<String, Value>, FakeResponse> {
    request.json().map_err(|_| error(400, "parseError", "Parse Error"))
}

/// Times as Google writes them: always with milliseconds.
fn time(at: Timestamp) -> Value {
    let text = at.to_string();
    let text = text.strip_suffix('Z').unwrap_or(&text);
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{seconds}.{fraction:0<3}Z").into()
}

fn etag(id: &str, revision: u64) -> String {
    format!("\"fake/{id}-{revision}\"")
}

/// A user as the API shows it; custom fields only where they are asked for.
pub(super) fn user(user: &GoogleUser, projection: Option<&str>) -> Value {
    let mut shown = user.fields.clone();
    if !matches!(projection, Some("full" | "custom")) {
        shown.remove("customSchemas");
    }
    let text = |name: &str| user.fields.get("name").and_then(|names| names.get(name)).and_then(Value::as_str).unwrap_or("");
    let full = format!("{} {}", text("givenName"), text("familyName"));
    if let Some(Value::Object(names)) = shown.get_mut("name") {
        names.insert("fullName".to_owned(), full.into());
    }
    let mut set = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    set("kind", "admin#directory#user".into());
    set("id", user.id.as_str().into());
    set("etag", etag(&user.id, user.revision).into());
    set("primaryEmail", user.primary_email.as_str().into());
    set("isAdmin", user.is_admin.into());
    set("isDelegatedAdmin", false.into());
    set("suspended", user.suspended.into());
    set("archived", user.archived.into());
    set("changePasswordAtNextLogin", user.change_password.into());
    set("agreedToTerms", user.last_login.is_some().into());
    set("lastLoginTime", time(user.last_login.unwrap_or(Timestamp::EPOCH)));
    set("creationTime", time(user.created));
    set("customerId", CUSTOMER.into());
    set("orgUnitPath", user.org_unit_path.as_str().into());
    set("isMailboxSetup", true.into());
    set("includeInGlobalAddressList", true.into());
    let emails = std::iter::once((user.primary_email.as_str(), true)).chain(user.aliases.iter().map(|alias| (alias.as_str(), false)));
    set(
        "emails",
        emails.map(|(address, primary)| if primary { json!({ "address": address, "primary": true }) } else { json!({ "address": address }) }).collect(),
    );
    if !user.aliases.is_empty() {
        set("aliases", json!(user.aliases));
    }
    if let Some(reason) = user.suspension_reason.as_deref().filter(|_| user.suspended) {
        set("suspensionReason", reason.into());
    }
    if let Some(deleted) = user.deleted {
        set("deletionTime", time(deleted));
    }
    Value::Object(shown)
}

/// A group as the API shows it.
pub(super) fn group(group: &GoogleGroup) -> Value {
    let users = group.members.values().filter(|member| member.kind == super::state::MemberType::User).count();
    let mut shown = json!({
        "kind": "admin#directory#group",
        "id": group.id,
        "etag": etag(&group.id, group.revision),
        "email": group.email,
        "name": group.name,
        "description": group.description,
        "directMembersCount": users.to_string(),
        "adminCreated": true,
    });
    if !group.aliases.is_empty() {
        set(&mut shown, "aliases", json!(group.aliases));
    }
    shown
}

/// A member as the API shows it; a whole domain has no address.
pub(super) fn member(customer: &Customer, id: &str, member: &GoogleMember) -> Value {
    let mut shown = json!({
        "kind": "admin#directory#member",
        "id": id,
        "etag": etag(id, 1),
        "role": member.role,
        "type": member.kind,
        "status": "ACTIVE",
    });
    let user = customer.users.get(id).map(|user| user.primary_email.as_str());
    let email = user.or_else(|| customer.groups.get(id).map(|group| group.email.as_str())).or(member.email.as_deref());
    if let Some(email) = email {
        set(&mut shown, "email", email.into());
    }
    shown
}

/// An organizational unit as the API shows it.
pub(super) fn unit(customer: &Customer, unit: &GoogleOrgUnit) -> Value {
    let parent = customer.units.get(unit.parent()).map_or(ROOT_ID, |parent| parent.id.as_str());
    json!({
        "kind": "admin#directory#orgUnit",
        "etag": etag(&unit.id, 1),
        "name": unit.name(),
        "description": unit.description,
        "orgUnitId": unit.id,
        "orgUnitPath": unit.path,
        "parentOrgUnitId": parent,
        "parentOrgUnitPath": unit.parent(),
    })
}

/// The id of the top-level unit.
pub(super) const ROOT_ID: &str = "id:03ph8a2z0000000";

/// Sets a field of an object.
pub(super) fn set(value: &mut Value, name: &str, to: Value) {
    if let Value::Object(fields) = value {
        fields.insert(name.to_owned(), to);
    }
}

/// How long a page token lives: <https://developers.google.com/workspace/admin/directory/reference/rest/v1/users/list>.
const TOKEN_LIFETIME: i64 = 3 * 24 * 3600 * 1000;

/// One page of items, each with its id and in the order of ids. The token names the last item seen, so that items which come
/// and go meanwhile shift no page. What a token too old is answered with Google does not say; here it is `invalid`.
pub(super) fn page(
    request: &FakeRequest,
    cx: &FakeContext,
    (kind, list): (&str, &str),
    (default, most, cap): (usize, usize, usize),
    items: impl IntoIterator<Item = (String, Value)>,
) -> Result<FakeResponse, FakeResponse> {
    let asked = match request.query("maxResults") {
        None => default,
        Some(size) => size.parse::<usize>().ok().filter(|size| (1..=most).contains(size)).ok_or_else(|| invalid("maxResults"))?,
    };
    let after = match request.query("pageToken") {
        None => None,
        Some(token) => {
            let parts = token.strip_prefix("fake-").and_then(|token| token.split_once('-'));
            let (issued, after) = parts.and_then(|(issued, after)| Some((issued.parse::<i64>().ok()?, after))).ok_or_else(|| invalid("pageToken"))?;
            if cx.now().as_millis() - issued > TOKEN_LIFETIME {
                return Err(invalid("pageToken"));
            }
            Some(after.to_owned())
        }
    };
    let mut rest = items.into_iter().filter(|(id, _)| after.as_ref().is_none_or(|after| id > after)).peekable();
    let shown: Vec<(String, Value)> = rest.by_ref().take(asked.min(cap)).collect();
    let next = shown.last().filter(|_| rest.peek().is_some()).map(|(last, _)| format!("fake-{}-{last}", cx.now().as_millis()));
    let mut body = json!({ "kind": kind, "etag": format!("\"fake/{}\"", cx.request_number()) });
    // An empty list is left out, as Google does.
    if !shown.is_empty() {
        set(&mut body, list, shown.into_iter().map(|(_, value)| value).collect());
    }
    if let Some(next) = next {
        set(&mut body, "nextPageToken", next.into());
    }
    Ok(FakeResponse::json(200, &body))
}

/// Reports parameters the fake would ignore: a test must not pass because of them.
pub(super) fn known_parameters(request: &FakeRequest, cx: &mut FakeContext, known: &[&str]) -> Result<(), FakeResponse> {
    // Google's clients send the first with every request; none of them changes what an answer says.
    let everywhere = |name: &str, value: &str| matches!((name, value), ("alt", "json") | ("prettyPrint" | "quotaUser", _));
    let mut given = url::form_urlencoded::parse(request.query.as_bytes());
    let unknown = given.find(|(name, value)| !known.contains(&name.as_ref()) && !everywhere(name, value)).map(|(name, _)| name);
    match unknown {
        None => Ok(()),
        Some(name) => Err(cx.unsupported(request, &format!("query parameter `{name}`"))),
    }
}

/// Demands that a list is of this customer, or of one of its domains. The domain, if it is one's.
pub(super) fn of_customer(request: &FakeRequest, customer: &Customer) -> Result<Option<String>, FakeResponse> {
    match (request.query("customer"), request.query("domain")) {
        (Some(id), None) if id == "my_customer" || id == CUSTOMER => Ok(None),
        (None, Some(domain)) if customer.settings.domains.contains(&domain) => Ok(Some(domain)),
        (None, Some(_)) => Err(error(404, "notFound", "Domain not found.")),
        _ => Err(error(400, "badRequest", "Bad Request")),
    }
}

/// Clauses of a `query`, `field=value` or `field:value`, as (field, operator, value); a value with blanks stands in single quotes.
/// <https://developers.google.com/workspace/admin/directory/v1/guides/search-users>
pub(super) fn clauses(request: &FakeRequest, cx: &mut FakeContext, fields: &[&str]) -> Result<Vec<(String, char, String)>, FakeResponse> {
    let Some(query) = request.query("query") else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut rest = query.as_str().trim();
    while !rest.is_empty() {
        let Some(at) = rest.find(['=', ':']) else { return Err(invalid("query")) };
        let (field, after) = rest.split_at(at);
        let (operator, after) = (after.chars().next().unwrap_or('='), after.get(1..).unwrap_or(""));
        if !fields.contains(&field) {
            return Err(cx.unsupported(request, &format!("query `{field}{operator}`")));
        }
        let (value, left) = match after.strip_prefix('\'') {
            Some(quoted) => {
                let end = quoted.char_indices().find(|(at, c)| *c == '\'' && !quoted.get(..*at).unwrap_or("").ends_with('\\')).map(|(at, _)| at);
                let end = end.ok_or_else(|| invalid("query"))?;
                (quoted.get(..end).unwrap_or("").replace("\\'", "'").replace("\\\\", "\\"), quoted.get(end + 1..).unwrap_or(""))
            }
            None => {
                let (value, left) = after.split_once(' ').unwrap_or((after, ""));
                (value.to_owned(), left)
            }
        };
        found.push((field.to_owned(), operator, value));
        rest = left.trim_start();
    }
    Ok(found)
}

//! Users of the enterprise over SCIM: <https://docs.github.com/enterprise-cloud@latest/rest/enterprise-admin/scim>

use serde_json::{Map, Value, json};

use super::GithubFake;
use super::answer::{not_found, time};
use super::managed::GithubIdentity;
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};
use crate::scim::protocol::{self, Cut, Dialect, Filter, Refusal, USER};

/// What of a user can be written.
const ATTRIBUTES: [&str; 7] = ["userName", "externalId", "displayName", "name", "emails", "roles", "active"];

/// No user is made without.
const REQUIRED: [&str; 5] = ["userName", "externalId", "displayName", "emails", "active"];

/// GitHub's status is a number.
fn refuse(refusal: Refusal) -> FakeResponse {
    let Refusal { status, scim_type, detail } = refusal;
    let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": status, "scimType": scim_type, "detail": detail });
    FakeResponse::bytes(status, "application/scim+json", body.to_string())
}

impl GithubFake {
    fn managed_here(&self, call: &Call<'_>) -> Result<(), FakeResponse> {
        let here = self.org.enterprise.as_ref().is_some_and(|enterprise| enterprise.slug == call.param("enterprise"));
        if here { Ok(()) } else { Err(not_found()) }
    }

    /// The user of GitHub behind a SCIM id.
    fn provisioned(&self, call: &Call<'_>) -> Result<(u64, GithubIdentity), FakeResponse> {
        self.managed_here(call)?;
        let id = call.param("scim_user_id");
        let found = self.org.users.values().find_map(|user| Some((user.id, user.scim.as_ref().filter(|scim| scim.id == id)?)));
        found.map(|(user, scim)| (user, scim.clone())).ok_or_else(not_found)
    }
}

fn shown(identity: &GithubIdentity, call: &Call<'_>, cx: &FakeContext) -> Map<String, Value> {
    let location = format!("{}/scim/v2/enterprises/{}/Users/{}", cx.base_url(), call.param("enterprise"), identity.id);
    let meta = json!({ "resourceType": "User", "created": time(identity.created), "lastModified": time(identity.modified), "location": location });
    let set = [("schemas", json!([USER])), ("id", identity.id.as_str().into()), ("meta", meta)];
    identity.attributes.clone().into_iter().chain(set.map(|(name, value)| (name.to_owned(), value))).collect()
}

/// Suspended users are listed, deleted ones are not.
pub(super) fn list(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    fake.managed_here(call)?;
    // Texts of filters are in single or double quotes.
    let text = call.request.query("filter").map(|text| if text.contains('"') { text } else { text.replace('\'', "\"") });
    let filter = text.map(|text| Filter::parse(&text)).transpose().map_err(refuse)?;
    let known = |name: &String| ["userName", "externalId", "id", "displayName"].contains(&name.as_str());
    match &filter {
        Some(Filter::Compare(..)) | None if filter.iter().all(|filter| filter.attributes().iter().all(known)) => {}
        _ => return Err(refuse(Refusal::invalid("invalidFilter", "Possible filters are userName, externalId, id and displayName."))),
    }
    let all = fake.org.users.values().filter_map(|user| Some(shown(user.scim.as_ref()?, call, cx)));
    protocol::list(call.request, Cut { default: 30, most: fake.org.settings.page_size }, filter.as_ref(), all).map_err(refuse)
}

fn answered(status: u16, fields: Map<String, Value>) -> FakeResponse {
    FakeResponse::bytes(status, "application/scim+json", Value::from(fields).to_string())
}

pub(super) fn get(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let (_, identity) = fake.provisioned(call)?;
    Ok(answered(200, shown(&identity, call, cx)))
}

/// The body, as far as it can be written. "Requests that don't match the API's expectations will return a 400."
fn complete(body: &Value) -> Result<Map<String, Value>, Refusal> {
    let invalid = |what: &str| Refusal::invalid("invalidValue", what);
    if body.pointer("/schemas/0").and_then(Value::as_str) != Some(USER) {
        return Err(Refusal::invalid("invalidSyntax", "schemas"));
    }
    let mut given = body.as_object().cloned().unwrap_or_default();
    given.retain(|name, _| ATTRIBUTES.contains(&name.as_str()));
    if let Some(missing) = REQUIRED.iter().find(|name| given.get(**name).is_none_or(|value| value.is_null() || value == "" || *value == json!([]))) {
        return Err(invalid(&format!("{missing} is required")));
    }
    let whole = |entry: &Value, parts: &[&str]| parts.iter().all(|part| entry.get(part).is_some());
    if given.get("name").is_some_and(|name| !whole(name, &["givenName", "familyName"])) {
        return Err(invalid("name has familyName and givenName"));
    }
    let emails = given.get("emails").and_then(Value::as_array).is_some_and(|emails| emails.iter().all(|email| whole(email, &["value", "type", "primary"])));
    if emails { Ok(given) } else { Err(invalid("emails have value, type and primary")) }
}

pub(super) fn create(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    fake.managed_here(call)?;
    let user = complete(&call.json()?).and_then(|attributes| fake.org.provision(attributes, cx.now())).map_err(refuse)?;
    cx.emit("user.created", json!({ "user": user }));
    let identity = fake.org.users.get(&user).and_then(|user| user.scim.as_ref()).ok_or_else(not_found)?;
    Ok(answered(201, shown(identity, call, cx)))
}

fn rewrite(fake: &mut GithubFake, call: &Call<'_>, attributes: Map<String, Value>, cx: &mut FakeContext) -> Reply {
    let (user, before) = fake.provisioned(call)?;
    if attributes != before.attributes {
        fake.org.rewrite(user, attributes, cx.now()).map_err(refuse)?;
        let (_, after) = fake.provisioned(call)?;
        let what = match (before.is_active(), after.is_active()) {
            (true, false) => "user.suspended",
            (false, true) => "user.unsuspended",
            _ => "user.updated",
        };
        cx.emit(what, json!({ "user": user }));
    }
    get(fake, call, cx)
}

pub(super) fn replace(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let attributes = complete(&call.json()?).map_err(refuse)?;
    rewrite(fake, call, attributes, cx)
}

/// A path "that includes filters" is "ineffective": the operation does nothing, and is no error.
pub(super) fn patch(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let mut attributes = fake.provisioned(call)?.1.attributes;
    let mut body = call.json()?;
    if let Some(Value::Array(operations)) = body.get_mut("Operations") {
        operations.retain(|operation| !operation.get("path").and_then(Value::as_str).is_some_and(|path| path.contains('[')));
    }
    protocol::patch(&mut attributes, &body, Dialect::Plain).map_err(refuse)?;
    attributes.retain(|name, _| ATTRIBUTES.contains(&name.as_str()));
    rewrite(fake, call, attributes, cx)
}

/// For good: the identity is gone, and the account stays suspended.
pub(super) fn delete(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let (user, _) = fake.provisioned(call)?;
    fake.org.deprovision(user);
    cx.emit("user.deprovisioned", json!({ "user": user }));
    Ok(FakeResponse::empty(204))
}

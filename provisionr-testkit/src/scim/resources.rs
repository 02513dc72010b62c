//! Users and groups: listed, read, made, changed, deleted.

use serde_json::{Map, Value, json};

use super::ScimFake;
use super::discovery;
use super::protocol::{self, Cut, Filter, Refusal};
use super::state::{Deletes, Family, Filters, ScimResource, version};
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

fn there(scim: &ScimFake, family: Family) -> Result<(), Refusal> {
    if family == Family::Groups && !scim.directory.settings.groups { Err(Refusal::new(501, "there are no groups")) } else { Ok(()) }
}

fn found<'a>(scim: &'a ScimFake, family: Family, call: &Call<'_>) -> Result<&'a ScimResource, Refusal> {
    there(scim, family)?;
    let id = call.param("id");
    scim.directory.of(family).get(id).filter(|_| !scim.directory.hidden.contains(id)).ok_or_else(|| Refusal::not_found(id))
}

fn shown(scim: &ScimFake, family: Family, resource: &ScimResource, status: u16, call: &Call<'_>, cx: &FakeContext) -> FakeResponse {
    let body = protocol::projected(call.request, scim.directory.shown(family, resource, cx.base_url()));
    let answer = FakeResponse::bytes(status, "application/scim+json", Value::from(body).to_string());
    if scim.directory.settings.versions { answer.with_header("etag", version(resource)) } else { answer }
}

pub(super) fn list(scim: &mut ScimFake, family: Family, call: &Call<'_>) -> Reply {
    there(scim, family)?;
    let settings = &scim.directory.settings;
    let filter = match (call.request.query("filter"), settings.filter) {
        (None, _) | (_, Filters::Ignored) => None,
        (Some(_), Filters::Refused) => return Err(Refusal::invalid("invalidFilter", "filters are not supported").into()),
        (Some(_), Filters::Missing) => return Err(Refusal::new(501, "filters are not implemented").into()),
        (Some(text), support) => {
            let filter = Filter::parse(&text)?;
            if support == Filters::NamesAlone && filter.attributes() != [family.name()] {
                return Err(Refusal::invalid("invalidFilter", "filters by this attribute are not supported").into());
            }
            Some(filter)
        }
    };
    let visible = scim.directory.of(family).values().filter(|resource| !scim.directory.hidden.contains(&resource.id));
    let base = call.request.base_url();
    let shown = visible.map(|resource| {
        let mut shown = scim.directory.shown(family, resource, &base);
        if family == Family::Groups && !settings.listed_members {
            shown.remove("members");
        }
        shown
    });
    Ok(protocol::list(call.request, Cut { default: settings.page_size, most: settings.page_size }, filter.as_ref(), shown)?)
}

pub(super) fn get(scim: &mut ScimFake, family: Family, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    Ok(shown(scim, family, found(scim, family, call)?, 200, call, cx))
}

fn body(call: &Call<'_>) -> Result<Value, Refusal> {
    call.request.json().map_err(|_| Refusal::invalid("invalidSyntax", "the body is no JSON"))
}

/// What of a body is kept, or why it is refused.
fn accepted(scim: &ScimFake, family: Family, id: Option<&str>, body: &Value) -> Result<Map<String, Value>, Refusal> {
    let Some(fields) = body.as_object() else { return Err(Refusal::invalid("invalidSyntax", "a resource is an object")) };
    let mut kept = discovery::known(family, fields)?;
    let name = kept.get(family.name()).and_then(Value::as_str).unwrap_or("").to_owned();
    if name.is_empty() {
        return Err(Refusal::invalid("invalidValue", format!("{} is required", family.name())));
    }
    let directory = &scim.directory;
    let same = |user: &ScimResource| Some(user.id.as_str()) != id && user.text("userName").eq_ignore_ascii_case(&name);
    if family == Family::Users && directory.users.values().any(same) {
        return Err(Refusal::taken(format!("userName {name} is taken")));
    }
    if let Some(members) = kept.get("members").and_then(Value::as_array) {
        let mut values: Vec<&str> = Vec::new();
        for member in members {
            let value = member.get("value").and_then(Value::as_str).unwrap_or("");
            if !directory.users.contains_key(value) && !directory.groups.contains_key(value) {
                return Err(Refusal::invalid("invalidValue", format!("there is no member {value}")));
            }
            if !values.contains(&value) {
                values.push(value);
            }
        }
        let values: Vec<Value> = values.into_iter().map(|value| json!({ "value": value })).collect();
        kept.insert("members".to_owned(), values.into());
    }
    kept.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty()));
    Ok(kept)
}

pub(super) fn create(scim: &mut ScimFake, family: Family, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    there(scim, family)?;
    let mut attributes = accepted(scim, family, None, &body(call)?)?;
    if family == Family::Users {
        attributes.entry("active").or_insert(true.into());
    }
    let id = scim.directory.make(family, None, attributes, cx);
    let made = scim.directory.of(family).get(&id).ok_or_else(|| Refusal::not_found(&id))?;
    let location = format!("{}/scim/v2/{}/{id}", cx.base_url(), family.endpoint());
    Ok(shown(scim, family, made, 201, call, cx).with_header("location", location))
}

/// The resource, under the version the request names.
fn to_be_changed(scim: &ScimFake, family: Family, call: &Call<'_>) -> Result<ScimResource, Refusal> {
    let resource = found(scim, family, call)?;
    match call.request.header("if-match") {
        Some(wanted) if scim.directory.settings.versions && wanted != version(resource) => Err(Refusal::new(412, "the resource has changed")),
        _ => Ok(resource.clone()),
    }
}

fn written(scim: &ScimFake, family: Family, status: u16, call: &Call<'_>, cx: &FakeContext) -> Reply {
    match status {
        204 => Ok(FakeResponse::empty(204)),
        status => Ok(shown(scim, family, found(scim, family, call)?, status, call, cx)),
    }
}

pub(super) fn replace(scim: &mut ScimFake, family: Family, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let resource = to_be_changed(scim, family, call)?;
    let mut attributes = accepted(scim, family, Some(&resource.id), &body(call)?)?;
    if let (false, Some(active)) = (attributes.contains_key("active"), resource.attributes.get("active")) {
        attributes.insert("active".to_owned(), active.clone());
    }
    scim.directory.set(family, &resource.id, attributes, cx);
    written(scim, family, 200, call, cx)
}

pub(super) fn patch(scim: &mut ScimFake, family: Family, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let Some(dialect) = scim.directory.settings.patch.dialect() else { return Err(Refusal::new(501, "PATCH is not implemented").into()) };
    let resource = to_be_changed(scim, family, call)?;
    let mut attributes = resource.attributes.clone();
    protocol::patch(&mut attributes, &body(call)?, dialect)?;
    let attributes = accepted(scim, family, Some(&resource.id), &attributes.into())?;
    scim.directory.set(family, &resource.id, attributes, cx);
    written(scim, family, scim.directory.settings.patched, call, cx)
}

pub(super) fn delete(scim: &mut ScimFake, family: Family, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let resource = to_be_changed(scim, family, call)?;
    if family == Family::Users && scim.directory.settings.deletes == Deletes::Deactivates {
        let mut attributes = resource.attributes;
        attributes.insert("active".to_owned(), false.into());
        scim.directory.set(family, &resource.id, attributes, cx);
    } else {
        scim.directory.remove(family, &resource.id, cx);
    }
    Ok(FakeResponse::empty(204))
}

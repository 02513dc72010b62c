//! `PATCH`: RFC 7644, section 3.5.2.

use serde_json::{Map, Value, json};

use super::attribute::{AttributePath, get, remove, slot};
use super::error::Refusal;
use super::filter::{Comparison, Filter};

/// Which paths a service takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// The RFC's; the value of a removal is passed over.
    #[default]
    Rfc,
    /// Without filters; a removal takes away the values it names, where it names any.
    Plain,
}

/// Attributes that have several values, whatever they hold at present.
const SEVERAL: [&str; 9] = ["emails", "phoneNumbers", "ims", "photos", "addresses", "entitlements", "roles", "x509Certificates", "members"];

/// What only the service sets.
const READ_ONLY: [&str; 3] = ["id", "meta", "groups"];

struct Place {
    path: AttributePath,
    filter: Option<Filter>,
}

impl Place {
    fn parse(text: &str, dialect: Dialect) -> Result<Self, Refusal> {
        let wrong = || Refusal::invalid("invalidPath", format!("this is no path: {text}"));
        let Some((attribute, rest)) = text.split_once('[') else {
            return Ok(Self { path: AttributePath::parse(text).ok_or_else(wrong)?, filter: None });
        };
        if dialect == Dialect::Plain {
            return Err(Refusal::invalid("invalidPath", "this service takes no filters in paths"));
        }
        let (filter, sub) = rest.rsplit_once(']').ok_or_else(wrong)?;
        let mut path = AttributePath::parse(attribute).ok_or_else(wrong)?;
        if let Some(sub) = sub.strip_prefix('.') {
            path.sub = Some(sub.to_owned());
        } else if !sub.is_empty() {
            return Err(wrong());
        }
        Ok(Self { path, filter: Some(Filter::parse(filter)?) })
    }
}

/// Changes a resource as the body of a `PATCH` says: all of it or, with a refusal, nothing that may be kept.
///
/// # Errors
/// The RFC's: `invalidSyntax`, `invalidPath`, `invalidFilter`, `noTarget`, `mutability`, `invalidValue`.
pub(crate) fn patch(resource: &mut Map<String, Value>, body: &Value, dialect: Dialect) -> Result<(), Refusal> {
    let syntax = |what: &str| Refusal::invalid("invalidSyntax", what);
    let schemas = body.get("schemas").and_then(Value::as_array).ok_or_else(|| syntax("schemas are required"))?;
    if !schemas.iter().any(|schema| schema == "urn:ietf:params:scim:api:messages:2.0:PatchOp") {
        return Err(syntax("the schema of a patch is PatchOp"));
    }
    for operation in body.get("Operations").and_then(Value::as_array).ok_or_else(|| syntax("Operations are required"))? {
        let op = operation.get("op").and_then(Value::as_str).unwrap_or("").to_lowercase();
        let place = match operation.get("path") {
            None | Some(Value::Null) => None,
            Some(Value::String(path)) => Some(Place::parse(path, dialect)?),
            Some(_) => return Err(Refusal::invalid("invalidPath", "a path is a text")),
        };
        let value = operation.get("value");
        match (op.as_str(), place, value) {
            ("add" | "replace", Some(place), Some(value)) => put(resource, &place, value, op == "add")?,
            ("add" | "replace", None, Some(Value::Object(values))) => {
                for (name, value) in values {
                    let path = AttributePath::parse(name).ok_or_else(|| Refusal::invalid("invalidPath", format!("this is no attribute: {name}")))?;
                    put(resource, &Place { path, filter: None }, value, op == "add")?;
                }
            }
            ("add" | "replace", ..) => return Err(Refusal::invalid("invalidValue", "the operation needs a value; without a path, an object")),
            ("remove", Some(place), value) => take(resource, &place, value.filter(|_| dialect == Dialect::Plain))?,
            ("remove", None, _) => return Err(Refusal::invalid("noTarget", "a removal needs a path")),
            _ => return Err(syntax("op is add, remove or replace")),
        }
    }
    Ok(())
}

fn writable(path: &AttributePath) -> Result<(), Refusal> {
    let name = path.name.as_deref().unwrap_or("");
    match READ_ONLY.iter().find(|fixed| fixed.eq_ignore_ascii_case(name)) {
        Some(fixed) => Err(Refusal::invalid("mutability", format!("{fixed} is read-only"))),
        None => Ok(()),
    }
}

fn put(resource: &mut Map<String, Value>, place: &Place, value: &Value, add: bool) -> Result<(), Refusal> {
    writable(&place.path)?;
    let no_object = || Refusal::invalid("invalidValue", "an attribute in between is no object");
    let holder = place.path.holder_mut(resource).ok_or_else(no_object)?;
    let Some(name) = &place.path.name else {
        holder.extend(value.as_object().ok_or_else(no_object)?.clone());
        return Ok(());
    };
    let several = SEVERAL.iter().any(|known| known.eq_ignore_ascii_case(name)) || get(holder, name).is_some_and(Value::is_array);
    let current = slot(holder, name).or_insert(if several { json!([]) } else { Value::Null });
    match (&place.filter, &place.path.sub, current) {
        (Some(filter), sub, Value::Array(items)) => {
            let fits = |item: &Value| item.as_object().is_some_and(|item| filter.matches(item));
            if !items.iter().any(fits) {
                // Some services make the value that is not there; the RFC has it for additions alone.
                if !add {
                    return Err(Refusal::invalid("noTarget", "no value fits the filter of the path"));
                }
                let mut made = Map::new();
                filter.demanded(&mut made);
                items.push(made.into());
            }
            for item in items.iter_mut().filter(|item| fits(item)).filter_map(Value::as_object_mut) {
                match sub {
                    Some(sub) => {
                        slot(item, sub).and_modify(|old| *old = value.clone()).or_insert_with(|| value.clone());
                    }
                    None => item.extend(value.as_object().ok_or_else(no_object)?.clone()),
                }
            }
        }
        (Some(_), ..) => return Err(Refusal::invalid("noTarget", "the attribute has one value")),
        (None, Some(sub), Value::Array(items)) => items.iter_mut().filter_map(Value::as_object_mut).for_each(|item| {
            item.insert(sub.clone(), value.clone());
        }),
        (None, Some(sub), current) => {
            if current.is_null() {
                *current = json!({});
            }
            let fields = current.as_object_mut().ok_or_else(no_object)?;
            slot(fields, sub).and_modify(|old| *old = value.clone()).or_insert_with(|| value.clone());
        }
        (None, None, Value::Array(items)) if add => {
            for new in value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]) {
                join(items, new);
            }
        }
        (None, None, Value::Array(items)) => *items = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]),
        // Parts of a complex attribute that are not named stay as they are.
        (None, None, Value::Object(fields)) if value.is_object() => fields.extend(value.as_object().cloned().unwrap_or_default()),
        (None, None, current) => *current = value.clone(),
    }
    Ok(())
}

/// Adds to values: one that is there stays alone, and of two that are primary the new one is.
fn join(items: &mut Vec<Value>, new: Value) {
    let same = |item: &Value| *item == new || new.get("value").is_some_and(|value| item.get("value") == Some(value) && item.get("type") == new.get("type"));
    if new.get("primary") == Some(&Value::Bool(true)) {
        items.iter_mut().filter_map(Value::as_object_mut).for_each(|item| {
            item.remove("primary");
        });
    }
    match items.iter_mut().find(|item| same(item)) {
        Some(item) => *item = new,
        None => items.push(new),
    }
}

fn take(resource: &mut Map<String, Value>, place: &Place, named: Option<&Value>) -> Result<(), Refusal> {
    writable(&place.path)?;
    let Some(name) = &place.path.name else {
        place.path.remove_whole(resource);
        return Ok(());
    };
    let Some(holder) = place.path.holder_mut(resource) else { return Ok(()) };
    if ["userName", "schemas"].iter().any(|required| required.eq_ignore_ascii_case(name)) {
        return Err(Refusal::invalid("mutability", format!("{name} is required")));
    }
    let current = get(holder, name).cloned().unwrap_or_default();
    let left = match (&place.filter, &place.path.sub, current) {
        (Some(filter), sub, Value::Array(mut items)) => {
            let fits = |item: &Value| item.as_object().is_some_and(|item| filter.matches(item));
            match sub {
                Some(sub) => items.iter_mut().filter(|item| fits(item)).filter_map(Value::as_object_mut).for_each(|item| remove(item, sub)),
                None => items.retain(|item| !fits(item)),
            }
            Value::Array(items)
        }
        (None, Some(sub), Value::Object(mut fields)) => {
            remove(&mut fields, sub);
            Value::Object(fields)
        }
        (None, None, Value::Array(mut items)) if named.is_some() => {
            let named: Vec<&Value> = named.map_or(vec![], |named| named.as_array().map_or_else(|| vec![named], |named| named.iter().collect()));
            items.retain(|item| !named.iter().any(|named| named.get("value").unwrap_or(named) == item.get("value").unwrap_or(item)));
            Value::Array(items)
        }
        _ => Value::Null,
    };
    remove(holder, name);
    let empty = left.is_null() || left.as_array().is_some_and(Vec::is_empty) || left.as_object().is_some_and(Map::is_empty);
    if !empty {
        holder.insert(name.clone(), left);
    }
    if holder.is_empty() {
        place.path.remove_whole(resource);
    }
    Ok(())
}

impl Filter {
    /// Sets what a value must have to fit: of comparisons by `eq`, joined by `and`.
    fn demanded(&self, value: &mut Map<String, Value>) {
        match self {
            Self::And(one, other) => {
                one.demanded(value);
                other.demanded(value);
            }
            Self::Compare(path, Comparison::Equal, wanted) => {
                value.extend(path.name.clone().map(|name| (name, wanted.clone())));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(operations: &Value, dialect: Dialect) -> Result<Value, Option<&'static str>> {
        let Value::Object(mut user) = json!({
            "id": "1", "userName": "b", "title": "SE", "name": { "givenName": "B", "familyName": "J" },
            "emails": [{ "value": "b@x.com", "type": "work", "primary": true }, { "value": "b@home.org", "type": "home" }],
            "members": [{ "value": "1" }, { "value": "2" }],
        }) else {
            unreachable!()
        };
        let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations });
        patch(&mut user, &body, dialect).map_err(|refusal| refusal.scim_type)?;
        Ok(user.into())
    }

    #[test]
    fn operations_change_what_their_paths_name() {
        let enterprise = super::super::ENTERPRISE;
        for (operation, at, value) in [
            (json!({ "op": "Replace", "value": { "title": "CTO" } }), "/title", json!("CTO")),
            (json!({ "op": "replace", "value": { "name": { "givenName": "C" } } }), "/name", json!({ "givenName": "C", "familyName": "J" })),
            (json!({ "op": "replace", "path": "name.givenName", "value": "C" }), "/name", json!({ "givenName": "C", "familyName": "J" })),
            (json!({ "op": "add", "path": "members", "value": [{ "value": "2" }, { "value": "3" }] }), "/members/2", json!({ "value": "3" })),
            (json!({ "op": "replace", "path": "members", "value": [{ "value": "3" }] }), "/members", json!([{ "value": "3" }])),
            (json!({ "op": "remove", "path": "members[value eq \"1\"]" }), "/members", json!([{ "value": "2" }])),
            (json!({ "op": "remove", "path": "members", "value": [{ "value": "1" }] }), "/members", Value::Null),
            (json!({ "op": "remove", "path": "members[value eq \"9\"]" }), "/members/1", json!({ "value": "2" })),
            (json!({ "op": "replace", "path": "emails[type eq \"work\"].value", "value": "c@x.com" }), "/emails/0/value", json!("c@x.com")),
            (
                json!({ "op": "add", "path": "emails[type eq \"other\"].value", "value": "c@x.com" }),
                "/emails/2",
                json!({ "type": "other", "value": "c@x.com" }),
            ),
            (json!({ "op": "add", "path": "emails", "value": { "value": "c@x.com", "primary": true } }), "/emails/0/primary", Value::Null),
            (json!({ "op": "add", "path": format!("{enterprise}:department"), "value": "Sales" }), &*format!("/{enterprise}/department"), json!("Sales")),
            (json!({ "op": "replace", "value": { enterprise: { "division": "D" } } }), &*format!("/{enterprise}/division"), json!("D")),
            (json!({ "op": "remove", "path": "title" }), "/title", Value::Null),
            (json!({ "op": "remove", "path": "nickName" }), "/nickName", Value::Null),
        ] {
            let after = patched(&json!([operation]), Dialect::Rfc).unwrap();
            assert_eq!(after.pointer(at).cloned().unwrap_or_default(), value, "{operation}");
        }
        let plain = patched(&json!([{ "op": "remove", "path": "members", "value": [{ "value": "1" }] }]), Dialect::Plain).unwrap();
        assert_eq!(plain["members"], json!([{ "value": "2" }]));
    }

    #[test]
    fn refusals_have_the_types_of_the_rfc() {
        for (operation, dialect, scim_type) in [
            (json!({ "op": "move" }), Dialect::Rfc, "invalidSyntax"),
            (json!({ "op": "remove" }), Dialect::Rfc, "noTarget"),
            (json!({ "op": "replace", "path": "emails[type eq \"other\"].value", "value": "x" }), Dialect::Rfc, "noTarget"),
            (json!({ "op": "replace", "path": "id", "value": "2" }), Dialect::Rfc, "mutability"),
            (json!({ "op": "remove", "path": "userName" }), Dialect::Rfc, "mutability"),
            (json!({ "op": "replace", "path": "a b", "value": "2" }), Dialect::Rfc, "invalidPath"),
            (json!({ "op": "remove", "path": "members[value eq \"1\"]" }), Dialect::Plain, "invalidPath"),
            (json!({ "op": "remove", "path": "members[value like \"1\"]" }), Dialect::Rfc, "invalidFilter"),
            (json!({ "op": "add", "value": "x" }), Dialect::Rfc, "invalidValue"),
        ] {
            assert_eq!(patched(&json!([operation]), dialect), Err(Some(scim_type)), "{operation}");
        }
    }
}

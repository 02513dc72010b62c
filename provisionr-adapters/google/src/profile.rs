//! Where the attributes of a profile are in Google's user resource.

use provisionr_sdk::Attribute;
use serde_json::{Map, Value, json};

/// The attributes every customer has. Those of custom schemas, `schema.field`, are added by the host.
pub(crate) const ATTRIBUTES: [Attribute; 15] = [
    Attribute::new("primaryEmail").from("email").required().unique(),
    Attribute::new("givenName").from("first_name").required(),
    Attribute::new("familyName").from("last_name").required(),
    Attribute::new("displayName").from("display_name"),
    Attribute::new("recoveryEmail"),
    Attribute::new("recoveryPhone"),
    Attribute::new("employeeId").from("employee_id"),
    Attribute::new("managerEmail").from("manager_email"),
    Attribute::new("title").from("job_title"),
    Attribute::new("department").from("department"),
    Attribute::new("costCenter").from("cost_center"),
    Attribute::new("location").from("location"),
    Attribute::new("suspensionReason").read_only(),
    Attribute::new("workPhone"),
    Attribute::new("mobilePhone"),
];

/// Where an attribute is.
enum Place<'a> {
    /// A field of the resource itself.
    Field(&'a str),
    /// A field of an object within it.
    Within(Vec<&'a str>),
    /// A field of the entry of this type in a list, which is written as a whole.
    Entry { list: &'static str, kind: &'static str, field: &'a str },
}

fn place(attribute: &str) -> Place<'_> {
    match attribute {
        "givenName" | "familyName" | "displayName" => Place::Within(vec!["name", attribute]),
        // <https://developers.google.com/workspace/admin/directory/reference/rest/v1/users#User>
        "employeeId" => Place::Entry { list: "externalIds", kind: "organization", field: "value" },
        "managerEmail" => Place::Entry { list: "relations", kind: "manager", field: "value" },
        "workPhone" => Place::Entry { list: "phones", kind: "work", field: "value" },
        "mobilePhone" => Place::Entry { list: "phones", kind: "mobile", field: "value" },
        "title" | "department" | "costCenter" | "location" => Place::Entry { list: "organizations", kind: "work", field: attribute },
        _ => match attribute.split_once('.') {
            Some((schema, field)) => Place::Within(vec!["customSchemas", schema, field]),
            None => Place::Field(attribute),
        },
    }
}

/// The entry of a list that an attribute is in: of organizations the primary one, else that of the type.
fn entry(list: &[Value], name: &str, kind: &str) -> Option<usize> {
    let primary = |entry: &Value| entry.get("primary").and_then(Value::as_bool) == Some(true);
    let of_kind = |entry: &Value| entry.get("type").and_then(Value::as_str) == Some(kind);
    let by_rank = || if name == "organizations" { list.iter().position(primary) } else { None };
    by_rank().or_else(|| list.iter().position(of_kind))
}

/// An attribute's value in a user resource.
pub(crate) fn read<'a>(user: &'a Map<String, Value>, attribute: &str) -> Option<&'a Value> {
    let found = match place(attribute) {
        Place::Field(field) => user.get(field),
        Place::Within(path) => {
            let (first, rest) = path.split_first()?;
            rest.iter().try_fold(user.get(*first)?, |value, part| value.get(part))
        }
        Place::Entry { list, kind, field } => {
            let entries = user.get(list)?.as_array()?;
            entries.get(entry(entries, list, kind)?)?.get(field)
        }
    };
    found.filter(|value| !value.is_null())
}

/// Writes an attribute into the body of a request; none clears it. A list is taken over from the user as it is, for Google replaces
/// lists as a whole.
pub(crate) fn write(body: &mut Map<String, Value>, user: &Map<String, Value>, attribute: &str, value: Option<&Value>) {
    let wanted = value.cloned().unwrap_or_default();
    match place(attribute) {
        Place::Field(field) => {
            body.insert(field.to_owned(), wanted);
        }
        Place::Within(path) => {
            let mut at = body;
            for part in path.iter().take(path.len().saturating_sub(1)) {
                let inner = at.entry((*part).to_owned()).or_insert_with(|| json!({}));
                let Value::Object(object) = inner else { return };
                at = object;
            }
            if let Some(last) = path.last() {
                at.insert((*last).to_owned(), wanted);
            }
        }
        Place::Entry { list, kind, field } => {
            let held = body.get(list).or_else(|| user.get(list)).and_then(Value::as_array).cloned();
            let mut entries = held.unwrap_or_default();
            match (entry(&entries, list, kind), value) {
                (Some(at), _) if field != "value" || value.is_some() => {
                    if let Some(Value::Object(entry)) = entries.get_mut(at) {
                        match value {
                            Some(value) => entry.insert(field.to_owned(), value.clone()),
                            None => entry.remove(field),
                        };
                    }
                }
                (Some(at), _) => {
                    entries.remove(at);
                }
                (None, Some(value)) => {
                    let mut new = json!({ "type": kind, field: value });
                    if let (Value::Object(new), "organizations") = (&mut new, list) {
                        new.insert("primary".to_owned(), true.into());
                    }
                    entries.push(new);
                }
                (None, None) => {}
            }
            body.insert(list.to_owned(), Value::Array(entries));
        }
    }
}

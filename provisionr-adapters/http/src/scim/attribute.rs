//! Where attributes lie in a user: profiles know plain names, SCIM nests them.

use serde_json::{Map, Value, json};

/// RFC 7643, section 4.3.
pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

const ENTERPRISE_ATTRIBUTES: [&str; 5] = ["employeeNumber", "costCenter", "organization", "division", "department"];

enum Place {
    Core,
    Name,
    Email,
    Enterprise,
}

fn place(name: &str) -> Place {
    match name {
        "email" => Place::Email,
        "givenName" | "familyName" => Place::Name,
        name if ENTERPRISE_ATTRIBUTES.contains(&name) => Place::Enterprise,
        _ => Place::Core,
    }
}

/// The path by which an attribute is taken away; none for a part of the name, which is emptied instead, since paths into
/// attributes are not taken everywhere.
pub(super) fn removal(name: &str) -> Option<String> {
    match place(name) {
        Place::Name => None,
        Place::Email => Some("emails".to_owned()),
        Place::Enterprise => Some(format!("{ENTERPRISE}:{name}")),
        Place::Core => Some(name.to_owned()),
    }
}

/// What a user has under a plain name; nothing where it is null or empty.
pub(super) fn read(user: &Map<String, Value>, name: &str) -> Option<Value> {
    let value = match place(name) {
        Place::Core => user.get(name)?,
        Place::Name => user.get("name")?.get(name)?,
        Place::Enterprise => user.get(ENTERPRISE)?.get(name)?,
        Place::Email => {
            let emails = user.get("emails")?.as_array()?;
            emails.iter().find(|email| email.get("primary") == Some(&true.into())).or_else(|| emails.first())?.get("value")?
        }
    };
    (!value.is_null() && value != "").then(|| value.clone())
}

/// Puts a value into a user, beside what is there.
pub(super) fn write(user: &mut Map<String, Value>, name: &str, value: &Value) {
    let nested = |user: &mut Map<String, Value>, part: &str| {
        let inner = user.entry(part).or_insert_with(|| json!({}));
        if !inner.is_object() {
            *inner = json!({});
        }
        if let Some(inner) = inner.as_object_mut() {
            inner.insert(name.to_owned(), if value.is_null() { "".into() } else { value.clone() });
        }
    };
    match place(name) {
        Place::Core => {
            user.insert(name.to_owned(), value.clone());
        }
        Place::Name => nested(user, "name"),
        Place::Enterprise => nested(user, ENTERPRISE),
        Place::Email => {
            user.insert("emails".to_owned(), if value.is_null() { json!([]) } else { json!([{ "value": value, "type": "work", "primary": true }]) });
        }
    }
}

/// The schemas of a user who has these attributes.
pub(super) fn schemas(user: &Map<String, Value>) -> Value {
    let core = "urn:ietf:params:scim:schemas:core:2.0:User";
    if user.contains_key(ENTERPRISE) { json!([core, ENTERPRISE]) } else { json!([core]) }
}

//! Attribute paths: `userName`, `name.familyName`, `urn:…:User:department`. Names do not mind capitals.

use serde_json::{Map, Value};

use super::{ENTERPRISE, GROUP, USER};

/// Where an attribute lies in a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AttributePath {
    /// The extension it is in; none for the resource's own attributes.
    extension: Option<String>,
    /// None for an extension as a whole.
    pub(super) name: Option<String>,
    pub(super) sub: Option<String>,
}

impl AttributePath {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (schema, rest) = if text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:")) {
            let below = |schema: &&str| text.get(..schema.len()).is_some_and(|start| start.eq_ignore_ascii_case(schema));
            match [USER, GROUP, ENTERPRISE].into_iter().find(below) {
                Some(schema) => match text.get(schema.len()..).unwrap_or("") {
                    "" => (Some(schema), ""),
                    rest => (Some(schema), rest.strip_prefix(':')?),
                },
                None => text.rsplit_once(':').map(|(schema, rest)| (Some(schema), rest))?,
            }
        } else {
            (None, text)
        };
        let extension = schema.filter(|schema| ![USER, GROUP].contains(schema)).map(str::to_owned);
        let well_formed = |name: &str| {
            let mut letters = name.chars();
            letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '$') && letters.all(|c| c.is_ascii_alphanumeric() || "-_$".contains(c))
        };
        let (name, sub) = match rest.split_once('.') {
            Some((name, sub)) => (Some(name), Some(sub)),
            None => (Some(rest).filter(|rest| !rest.is_empty()), None),
        };
        let whole = name.is_none() && extension.is_some();
        (whole || name.is_some_and(well_formed) && sub.is_none_or(well_formed)).then(|| Self {
            extension,
            name: name.map(str::to_owned),
            sub: sub.map(str::to_owned),
        })
    }

    /// The object the attribute is in.
    fn holder<'a>(&self, resource: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
        match &self.extension {
            Some(extension) => get(resource, extension)?.as_object(),
            None => Some(resource),
        }
    }

    /// The same, made where it is missing.
    pub(super) fn holder_mut<'a>(&self, resource: &'a mut Map<String, Value>) -> Option<&'a mut Map<String, Value>> {
        match &self.extension {
            Some(extension) => slot(resource, extension).or_insert_with(|| Map::new().into()).as_object_mut(),
            None => Some(resource),
        }
    }

    /// Takes the extension away, or nothing.
    pub(super) fn remove_whole(&self, resource: &mut Map<String, Value>) {
        if let Some(extension) = &self.extension {
            remove(resource, extension);
        }
    }

    /// What stands there, one by one where there are several. Of a complex value without a part named, its `value`.
    pub(super) fn values<'a>(&self, resource: &'a Map<String, Value>) -> Vec<&'a Value> {
        let Some(attribute) = self.name.as_ref().and_then(|name| get(self.holder(resource)?, name)) else { return Vec::new() };
        let each: Vec<&Value> = match attribute {
            Value::Array(items) => items.iter().collect(),
            Value::Null => Vec::new(),
            one => vec![one],
        };
        let part = |value: &'a Value| match (&self.sub, value) {
            (Some(sub), Value::Object(fields)) => get(fields, sub),
            (None, Value::Object(fields)) => get(fields, "value").or(Some(value)),
            (Some(_), _) => None,
            (None, plain) => Some(plain),
        };
        each.into_iter().filter_map(part).collect()
    }

    /// Copies what stands there to the same place of another resource.
    pub(super) fn copy(&self, from: &Map<String, Value>, to: &mut Map<String, Value>) {
        let Some(holder) = self.holder(from) else { return };
        let Some(name) = &self.name else {
            to.extend(self.extension.clone().map(|extension| (extension, holder.clone().into())));
            return;
        };
        let Some(value) = get(holder, name) else { return };
        let part = |fields: &Map<String, Value>, sub: &str| Map::from_iter(get(fields, sub).map(|value| (key(fields, sub), value.clone())));
        let shown = match (&self.sub, value) {
            (Some(sub), Value::Object(fields)) => part(fields, sub).into(),
            (Some(sub), Value::Array(items)) => items.iter().filter_map(Value::as_object).map(|fields| Value::from(part(fields, sub))).collect(),
            _ => value.clone(),
        };
        let Some(target) = self.holder_mut(to) else { return };
        match (target.get_mut(&key(holder, name)), shown) {
            (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
            (_, shown) => {
                target.insert(key(holder, name), shown);
            }
        }
    }

    pub(super) fn take_away(&self, resource: &mut Map<String, Value>) {
        let Some(name) = &self.name else { return self.remove_whole(resource) };
        let Some(holder) = self.holder_mut(resource) else { return };
        match (&self.sub, holder.get_mut(&key(holder, name))) {
            (Some(sub), Some(Value::Object(fields))) => remove(fields, sub),
            (Some(sub), Some(Value::Array(items))) => items.iter_mut().filter_map(Value::as_object_mut).for_each(|fields| remove(fields, sub)),
            (Some(_), _) => {}
            (None, _) => remove(holder, name),
        }
    }

    /// Whether capitals count in its values: RFC 7643, section 3.1 and the schemas of section 8.7.
    pub(super) fn is_exact(&self) -> bool {
        let name = self.name.as_deref().unwrap_or("");
        ["id", "externalId", "meta"].iter().any(|exact| name.eq_ignore_ascii_case(exact))
    }
}

pub(super) fn get<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The key as the resource writes it.
pub(super) fn key(fields: &Map<String, Value>, name: &str) -> String {
    fields.keys().find(|key| key.eq_ignore_ascii_case(name)).map_or_else(|| name.to_owned(), Clone::clone)
}

pub(super) fn slot<'a>(fields: &'a mut Map<String, Value>, name: &str) -> serde_json::map::Entry<'a> {
    let key = key(fields, name);
    fields.entry(key)
}

pub(super) fn remove(fields: &mut Map<String, Value>, name: &str) {
    let key = key(fields, name);
    fields.remove(&key);
}

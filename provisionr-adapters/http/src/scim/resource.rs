//! Users, groups and the service itself, as far as they are read; what else they hold is kept.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::attribute;
use crate::answer::Answer;

/// A resource with an id; anything else is none.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
struct Resource {
    id: String,
    fields: Map<String, Value>,
}

impl TryFrom<Map<String, Value>> for Resource {
    type Error = &'static str;

    fn try_from(fields: Map<String, Value>) -> Result<Self, Self::Error> {
        match fields.get("id").and_then(Value::as_str) {
            Some(id) if !id.is_empty() => Ok(Self { id: id.to_owned(), fields }),
            _ => Err("a resource without an id"),
        }
    }
}

impl Resource {
    fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// The version to put it back under: RFC 7644, section 3.14.
    fn version(&self) -> Option<&str> {
        self.fields.get("meta")?.get("version")?.as_str()
    }
}

/// A user.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct User(Resource);

impl User {
    /// The user as the answer to a write shows it; none where it shows nothing, as services may.
    pub fn told_by(answer: &Answer) -> Option<Self> {
        answer.json().ok()
    }

    /// The service's id of it.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// What it logs in with.
    pub fn user_name(&self) -> Option<&str> {
        self.0.text("userName")
    }

    /// The id that was given to it from outside.
    pub fn external_id(&self) -> Option<&str> {
        self.0.text("externalId")
    }

    /// Its primary address, or the first.
    pub fn email(&self) -> Option<String> {
        match self.attribute("email") {
            Some(Value::String(email)) => Some(email),
            _ => None,
        }
    }

    /// Whether any of its addresses is this one.
    pub fn has_email(&self, wanted: &str) -> bool {
        let mut emails = self.0.fields.get("emails").and_then(Value::as_array).into_iter().flatten();
        emails.any(|email| email.get("value").and_then(Value::as_str).is_some_and(|email| email.eq_ignore_ascii_case(wanted)))
    }

    /// Whether it can log in. A service that does not say has nobody switched off. Texts are taken too: some services send them.
    pub fn is_active(&self) -> bool {
        match self.0.fields.get("active") {
            Some(Value::Bool(active)) => *active,
            Some(Value::String(text)) => !text.eq_ignore_ascii_case("false"),
            _ => true,
        }
    }

    /// What it has under a plain name: `email`, `givenName`, `department`, or an attribute of the user itself. Nothing where
    /// it is null or empty.
    pub fn attribute(&self, name: &str) -> Option<Value> {
        attribute::read(&self.0.fields, name)
    }

    /// The groups it says it is in: their ids, and whether it is in them itself or through another.
    pub fn groups(&self) -> impl Iterator<Item = Member> {
        members(self.0.fields.get("groups"))
    }

    pub(super) fn version(&self) -> Option<&str> {
        self.0.version()
    }

    /// All of it, without what only the service sets.
    pub(super) fn writable(&self) -> Map<String, Value> {
        writable(&self.0.fields, &["id", "meta", "groups"])
    }
}

/// A group.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Group(Resource);

impl Group {
    /// The group as the answer to a write shows it; none where it shows nothing, as services may.
    pub fn told_by(answer: &Answer) -> Option<Self> {
        answer.json().ok()
    }

    /// Whether it was shown with its members. Where it was not, it may have none, or the list leaves them out.
    pub fn shows_members(&self) -> bool {
        self.0.fields.get("members").is_some_and(Value::is_array)
    }

    /// The service's id of it.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Its name; its id where it has none.
    pub fn name(&self) -> &str {
        self.0.text("displayName").unwrap_or(&self.0.id)
    }

    /// Who is in it, where the group was read with its members. A list that is left out is empty: RFC 7643, section 2.5.
    pub fn members(&self) -> impl Iterator<Item = Member> {
        members(self.0.fields.get("members"))
    }

    /// Whether a user is in it.
    pub fn holds(&self, user: &str) -> bool {
        self.members().any(|member| member.is_user() && member.id == user)
    }

    pub(super) fn version(&self) -> Option<&str> {
        self.0.version()
    }

    pub(super) fn writable(&self) -> Map<String, Value> {
        writable(&self.0.fields, &["id", "meta"])
    }
}

fn writable(fields: &Map<String, Value>, read_only: &[&str]) -> Map<String, Value> {
    fields.iter().filter(|(name, _)| !read_only.contains(&name.as_str())).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// One who is in a group; or, from the user's side, a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The id of the user or group.
    pub id: String,
    kind: Option<String>,
}

impl Member {
    /// Whether it is a user, and no group in a group. A service that does not say has users alone.
    pub fn is_user(&self) -> bool {
        !self.kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("Group"))
    }

    /// Whether the membership comes through another group.
    pub fn is_indirect(&self) -> bool {
        self.kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("indirect"))
    }
}

fn members(list: Option<&Value>) -> impl Iterator<Item = Member> {
    let text = |member: &Value, name: &str| member.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = move |member: &Value| {
        // Some services name the type in the address alone.
        let by_address = || text(member, "$ref").filter(|address| address.contains("/Groups/")).map(|_| "Group".to_owned());
        text(member, "type").or_else(by_address)
    };
    list.and_then(Value::as_array).into_iter().flatten().filter_map(move |member| Some(Member { id: text(member, "value")?, kind: kind(member) }))
}

/// What a service says it can do: RFC 7643, section 5. What it does not say it can, it cannot.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Service {
    patch: Support,
    filter: Support,
    etag: Support,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Support {
    supported: bool,
}

impl Service {
    /// Whether resources can be changed in part.
    pub fn has_patch(&self) -> bool {
        self.patch.supported
    }

    /// Whether lists can be narrowed.
    pub fn has_filter(&self) -> bool {
        self.filter.supported
    }

    /// Whether resources have versions.
    pub fn has_versions(&self) -> bool {
        self.etag.supported
    }
}

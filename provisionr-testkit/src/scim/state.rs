//! What a service holds.

use std::collections::{BTreeMap, BTreeSet};

use provisionr_sdk::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::ScimFake;
use super::protocol::{Dialect, ENTERPRISE, GROUP, USER};
use crate::fake::FakeContext;

/// How far `PATCH` is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Patches {
    /// As the RFC has it.
    #[default]
    Rfc,
    /// Without filters in paths; a removal takes the values it names.
    Plain,
    /// Not at all: 501.
    Missing,
}

impl Patches {
    pub(super) fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Rfc => Some(Dialect::Rfc),
            Self::Plain => Some(Dialect::Plain),
            Self::Missing => None,
        }
    }
}

/// How far filters are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Filters {
    /// As the RFC has it.
    #[default]
    Rfc,
    /// By the user name alone, `userName eq "…"`, and groups by their name; any other is refused as `invalidFilter`.
    NamesAlone,
    /// They are passed over, and everybody is listed.
    Ignored,
    /// They are refused as `invalidFilter`.
    Refused,
    /// They are answered 501.
    Missing,
}

/// What `DELETE` does to a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Deletes {
    /// The user is gone.
    #[default]
    ForGood,
    /// The user is there, and not active.
    Deactivates,
}

/// How errors give their status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StatusForm {
    /// As a text: the RFC.
    #[default]
    Text,
    /// As a number.
    Number,
}

/// How `active` is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ActiveForm {
    /// As a boolean: the RFC.
    #[default]
    Boolean,
    /// As `"True"` and `"False"`.
    Text,
}

/// Whether `ServiceProviderConfig` is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Discovery {
    /// It tells the truth.
    #[default]
    Told,
    /// It is not there: 404.
    Missing,
}

/// What is not the same for each service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ScimSettings {
    /// The most a page holds, whatever `count` asks for; 3, so that lists of tests have several pages.
    pub page_size: usize,
    /// `PATCH`.
    pub patch: Patches,
    /// Filters.
    pub filter: Filters,
    /// `DELETE` of users.
    pub deletes: Deletes,
    /// What a `PATCH` is answered: 200 with the resource, or 204 without; 200. The RFC has both.
    pub patched: u16,
    /// The status in errors.
    pub status: StatusForm,
    /// `active`.
    pub active: ActiveForm,
    /// Whether resources have versions, and writes under an older one are refused with 412; they do.
    pub versions: bool,
    /// Whether users show their groups; they do.
    pub user_groups: bool,
    /// Whether lists show the members of groups; they do.
    pub listed_members: bool,
    /// Whether an empty list of members is shown as one; it is left out. The RFC takes both for the same.
    pub empty_members: bool,
    /// Whether there are groups at all; there are. Without them they are answered 501.
    pub groups: bool,
    /// `ServiceProviderConfig`.
    pub discovery: Discovery,
}

impl Default for ScimSettings {
    fn default() -> Self {
        Self {
            page_size: 3,
            patch: Patches::Rfc,
            filter: Filters::Rfc,
            deletes: Deletes::ForGood,
            patched: 200,
            status: StatusForm::Text,
            active: ActiveForm::Boolean,
            versions: true,
            user_groups: true,
            listed_members: true,
            empty_members: false,
            groups: true,
            discovery: Discovery::Told,
        }
    }
}

/// Users or groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Users,
    Groups,
}

impl Family {
    pub(super) fn endpoint(self) -> &'static str {
        match self {
            Self::Users => "Users",
            Self::Groups => "Groups",
        }
    }

    /// The type of one of them.
    pub(super) fn one(self) -> &'static str {
        match self {
            Self::Users => "User",
            Self::Groups => "Group",
        }
    }

    /// What each of them must have; a user's is unique, whatever its capitals.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Users => "userName",
            Self::Groups => "displayName",
        }
    }
}

/// A user or a group: the truth, past the API.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ScimResource {
    /// The id.
    pub id: String,
    /// Counts its changes.
    pub version: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub modified: Timestamp,
    /// Its attributes as they were set, in the RFC's form.
    pub attributes: Map<String, Value>,
}

impl ScimResource {
    /// An attribute that is a text; empty when it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.attributes.get(name).and_then(Value::as_str).unwrap_or("")
    }

    /// Whether a user can log in.
    pub fn is_active(&self) -> bool {
        self.attributes.get("active") != Some(&Value::Bool(false))
    }

    /// The primary address, or the first.
    pub fn email(&self) -> Option<&str> {
        let emails = self.attributes.get("emails")?.as_array()?;
        emails.iter().find(|email| email.get("primary") == Some(&Value::Bool(true))).or_else(|| emails.first())?.get("value")?.as_str()
    }

    /// The ids of a group's members, users and groups.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        let members = self.attributes.get("members").and_then(Value::as_array);
        members.into_iter().flatten().filter_map(|member| member.get("value")?.as_str())
    }
}

/// All users and groups.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    pub(super) settings: ScimSettings,
    pub(super) users: BTreeMap<String, ScimResource>,
    pub(super) groups: BTreeMap<String, ScimResource>,
    /// Groups the API does not show.
    pub(super) hidden: BTreeSet<String>,
    made: u64,
}

impl Directory {
    pub(super) fn of(&self, family: Family) -> &BTreeMap<String, ScimResource> {
        match family {
            Family::Users => &self.users,
            Family::Groups => &self.groups,
        }
    }

    fn of_mut(&mut self, family: Family) -> &mut BTreeMap<String, ScimResource> {
        match family {
            Family::Users => &mut self.users,
            Family::Groups => &mut self.groups,
        }
    }

    /// By id, user name or address.
    pub(super) fn user(&self, key: &str) -> Option<&ScimResource> {
        let named = |user: &&ScimResource| user.text("userName").eq_ignore_ascii_case(key) || user.email().is_some_and(|email| email.eq_ignore_ascii_case(key));
        self.users.get(key).or_else(|| self.users.values().find(named))
    }

    /// By id or name.
    pub(super) fn group(&self, key: &str) -> Option<&ScimResource> {
        self.groups.get(key).or_else(|| self.groups.values().find(|group| group.text("displayName") == key))
    }

    /// Makes a resource; its id is a new one unless it is given.
    pub(super) fn make(&mut self, family: Family, id: Option<String>, attributes: Map<String, Value>, cx: &mut FakeContext) -> String {
        self.made += 1;
        let id = id.unwrap_or_else(|| format!("2819c223-7f76-453a-919d-{:012x}", self.made));
        let now = cx.now();
        let made = ScimResource { id: id.clone(), version: 1, created: now, modified: now, attributes };
        match family {
            Family::Users => cx.emit("user.created", json!({ "user": id, "userName": made.text("userName"), "email": made.email() })),
            Family::Groups => cx.emit("group.created", json!({ "group": id, "name": made.text("displayName") })),
        }
        let members: Vec<String> = made.members().map(str::to_owned).collect();
        self.of_mut(family).insert(id.clone(), made);
        for member in members {
            cx.emit("group.member_added", json!({ "group": id, "member": member }));
        }
        id
    }

    /// Sets the attributes of a resource, and tells what has changed.
    pub(super) fn set(&mut self, family: Family, id: &str, attributes: Map<String, Value>, cx: &mut FakeContext) {
        let Some(resource) = self.of_mut(family).get_mut(id) else { return };
        if resource.attributes == attributes {
            return;
        }
        let before = std::mem::replace(&mut resource.attributes, attributes);
        let before = ScimResource { attributes: before, ..resource.clone() };
        resource.version += 1;
        resource.modified = cx.now();
        match family {
            Family::Users => match (before.is_active(), resource.is_active()) {
                (true, false) => cx.emit("user.deactivated", json!({ "user": id })),
                (false, true) => cx.emit("user.activated", json!({ "user": id })),
                _ => cx.emit("user.updated", json!({ "user": id })),
            },
            Family::Groups => {
                let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (before.members().collect(), resource.members().collect());
                for member in new.difference(&old) {
                    cx.emit("group.member_added", json!({ "group": id, "member": member }));
                }
                for member in old.difference(&new) {
                    cx.emit("group.member_removed", json!({ "group": id, "member": member }));
                }
                if old == new {
                    cx.emit("group.updated", json!({ "group": id }));
                }
            }
        }
    }

    /// Takes a resource away, and out of all groups.
    pub(super) fn remove(&mut self, family: Family, id: &str, cx: &mut FakeContext) {
        if self.of_mut(family).remove(id).is_none() {
            return;
        }
        match family {
            Family::Users => cx.emit("user.deleted", json!({ "user": id })),
            Family::Groups => cx.emit("group.deleted", json!({ "group": id })),
        }
        let groups: Vec<String> = self.groups.keys().cloned().collect();
        for group in groups {
            self.set_member(&group, id, false, cx);
        }
    }

    /// Puts somebody into a group, or takes them out.
    pub(super) fn set_member(&mut self, group: &str, member: &str, is_in: bool, cx: &mut FakeContext) {
        let Some(found) = self.groups.get(group) else { return };
        if found.members().any(|known| known == member) == is_in {
            return;
        }
        let mut attributes = found.attributes.clone();
        let mut members: Vec<Value> = found.members().filter(|known| *known != member).map(|known| json!({ "value": known })).collect();
        if is_in {
            members.push(json!({ "value": member }));
        }
        if members.is_empty() {
            attributes.remove("members");
        } else {
            attributes.insert("members".to_owned(), members.into());
        }
        self.set(Family::Groups, group, attributes, cx);
    }

    /// The groups somebody is in, and whether directly.
    pub(super) fn groups_of(&self, member: &str) -> BTreeMap<&str, Directness> {
        let mut all = BTreeMap::new();
        let mut left = vec![(member, Directness::Direct)];
        while let Some((member, directness)) = left.pop() {
            for group in self.groups.values().filter(|group| group.members().any(|known| known == member)) {
                if directness == Directness::Direct {
                    all.insert(group.id.as_str(), Directness::Direct);
                } else if all.contains_key(group.id.as_str()) {
                    continue;
                } else {
                    all.insert(group.id.as_str(), Directness::Indirect);
                }
                left.push((&group.id, Directness::Indirect));
            }
        }
        all
    }

    /// A resource as the API shows it.
    pub(super) fn shown(&self, family: Family, resource: &ScimResource, base: &str) -> Map<String, Value> {
        let settings = &self.settings;
        let mut shown = resource.attributes.clone();
        let mut schemas = vec![if family == Family::Users { USER } else { GROUP }];
        if shown.contains_key(ENTERPRISE) {
            schemas.push(ENTERPRISE);
        }
        let mut put = |name: &str, value: Value| shown.insert(name.to_owned(), value);
        put("schemas", json!(schemas));
        put("id", resource.id.as_str().into());
        let address = |family: Family, id: &str| format!("{base}/scim/v2/{}/{id}", family.endpoint());
        let mut meta = json!({
            "resourceType": family.one(),
            "created": resource.created.to_string(),
            "lastModified": resource.modified.to_string(),
            "location": address(family, &resource.id),
        });
        if let (true, Some(meta)) = (settings.versions, meta.as_object_mut()) {
            meta.insert("version".to_owned(), version(resource).into());
        }
        put("meta", meta);
        match family {
            Family::Users => {
                if settings.active == ActiveForm::Text {
                    put("active", if resource.is_active() { "True" } else { "False" }.into());
                }
                let groups = self.groups_of(&resource.id).into_iter().filter(|(id, _)| !self.hidden.contains(*id));
                let groups: Vec<Value> = groups
                    .filter_map(|(id, directness)| {
                        let name = self.groups.get(id)?.text("displayName");
                        Some(json!({ "value": id, "display": name, "type": directness.word(), "$ref": address(Family::Groups, id) }))
                    })
                    .collect();
                if settings.user_groups && !groups.is_empty() {
                    put("groups", groups.into());
                }
            }
            Family::Groups => {
                let members: Vec<Value> = resource
                    .members()
                    .map(|id| {
                        let family = if self.groups.contains_key(id) { Family::Groups } else { Family::Users };
                        let name = self.of(family).get(id).map_or("", |member| member.text("displayName"));
                        json!({ "value": id, "display": name, "type": family.one(), "$ref": address(family, id) })
                    })
                    .collect();
                if !members.is_empty() || settings.empty_members {
                    put("members", members.into());
                }
            }
        }
        shown
    }
}

/// Whether a membership is somebody's own, or comes through another group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directness {
    Direct,
    Indirect,
}

impl Directness {
    fn word(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Indirect => "indirect",
        }
    }
}

/// A weak tag, as resources are shown in more than one form: RFC 7644, section 3.14.
pub(super) fn version(resource: &ScimResource) -> String {
    format!("W/\"{}\"", resource.version)
}

impl ScimFake {
    /// A user by id, user name or address.
    pub fn user(&self, key: &str) -> Option<&ScimResource> {
        self.directory.user(key)
    }

    /// All users, by id.
    pub fn users(&self) -> impl Iterator<Item = &ScimResource> {
        self.directory.users.values()
    }

    /// A group by id or name.
    pub fn group(&self, key: &str) -> Option<&ScimResource> {
        self.directory.group(key)
    }

    /// All groups, by id.
    pub fn groups(&self) -> impl Iterator<Item = &ScimResource> {
        self.directory.groups.values()
    }
}

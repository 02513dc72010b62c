//! What tests ask past the API, in Rust.

use serde_json::{Map, Value};

use super::SalesforceFake;
use super::state::text;
use crate::system::FakeSystem;

impl SalesforceFake {
    /// All records of an object, by id, as the API shows them.
    pub fn records(&self, object: &str) -> impl Iterator<Item = (&str, &Map<String, Value>)> {
        self.org.all(object)
    }

    /// The id of a record by one of its names.
    pub fn id(&self, object: &str, name: &str) -> Option<String> {
        let found = if object == "User" { self.org.user(name) } else { self.org.named(object, name) };
        found.map(|(id, _)| id.to_owned())
    }

    /// Whether a user, by id or username, is kept from logging in by being frozen.
    pub fn is_frozen(&self, user: &str) -> bool {
        let user = self.org.user(user).map_or("", |(id, _)| id);
        self.org.login_of(user).is_some_and(|(_, login)| login.get("IsFrozen") == Some(&Value::Bool(true)))
    }

    /// How many sessions a user has, by id or username.
    pub fn sessions(&self, user: &str) -> usize {
        let user = self.org.user(user).map_or("", |(id, _)| id);
        self.org.all("AuthSession").filter(|(_, session)| text(session, "UsersId") == user).count()
    }

    /// How many seats of a licence are taken, by its name.
    pub fn seats_taken(&self, license: &str) -> usize {
        let id = self.org.named("UserLicense", license).or_else(|| self.org.named("PermissionSetLicense", license)).map_or("", |(id, _)| id);
        self.org.seats_taken(id)
    }

    fn names(&self, object: &str, ids: impl Iterator<Item = String>) -> Vec<String> {
        let name = |id: String| self.org.get(object, &id).map(|(_, record)| record.clone());
        let label = |record: Map<String, Value>| {
            ["Label", "MasterLabel", "Name"].iter().map(|field| text(&record, field)).find(|name| !name.is_empty()).unwrap_or("").to_owned()
        };
        let mut names: Vec<String> = ids.filter_map(name).map(label).collect();
        names.sort();
        names
    }
}

impl FakeSystem<SalesforceFake> {
    /// The id of a record by one of its names; of a user by user name.
    pub fn id(&self, object: &str, name: &str) -> Option<String> {
        self.with(|fake| fake.id(object, name))
    }

    /// A user's field; null when there is no such user.
    pub fn user_field(&self, user: &str, field: &str) -> Value {
        self.with(|fake| fake.org.user(user).and_then(|(_, user)| user.get(field).cloned()).unwrap_or_default())
    }

    /// The name of a user's profile.
    pub fn profile_of(&self, user: &str) -> Option<String> {
        let profile = self.user_field(user, "ProfileId");
        self.with(|fake| fake.org.get("Profile", profile.as_str()?).map(|(_, profile)| text(profile, "Name").to_owned()))
    }

    /// The labels of the permission sets assigned to a user, sorted; those of profiles and groups left out.
    pub fn permission_sets_of(&self, user: &str) -> Vec<String> {
        self.with(|fake| {
            let user = fake.org.user(user).map_or("", |(id, _)| id);
            let rows =
                fake.org.all("PermissionSetAssignment").filter(|(_, row)| text(row, "AssigneeId") == user && text(row, "PermissionSetGroupId").is_empty());
            let sets = rows.map(|(_, row)| text(row, "PermissionSetId").to_owned());
            fake.names("PermissionSet", sets.filter(|set| fake.org.get("PermissionSet", set).is_some_and(|(_, set)| text(set, "Type") == "Regular")))
        })
    }

    /// The labels of the permission set groups assigned to a user, sorted.
    pub fn permission_set_groups_of(&self, user: &str) -> Vec<String> {
        self.with(|fake| {
            let user = fake.org.user(user).map_or("", |(id, _)| id);
            let rows = fake.org.all("PermissionSetAssignment").filter(|(_, row)| text(row, "AssigneeId") == user);
            fake.names("PermissionSetGroup", rows.map(|(_, row)| text(row, "PermissionSetGroupId").to_owned()))
        })
    }

    /// The names of the groups a user is a member of directly, sorted.
    pub fn groups_of(&self, user: &str) -> Vec<String> {
        self.with(|fake| {
            let user = fake.org.user(user).map_or("", |(id, _)| id);
            let rows = fake.org.all("GroupMember").filter(|(_, row)| text(row, "UserOrGroupId") == user);
            fake.names("Group", rows.map(|(_, row)| text(row, "GroupId").to_owned()))
        })
    }
}

//! What tests ask and do past the API, in Rust.

use serde_json::json;

use super::ScimFake;
use super::state::ScimResource;
use crate::link::{Act, ActError};
use crate::system::FakeSystem;

impl FakeSystem<ScimFake> {
    /// A user by id, user name or address.
    pub fn user(&self, key: &str) -> Option<ScimResource> {
        self.with(|scim| scim.user(key).cloned())
    }

    /// A user's id.
    pub fn user_id(&self, key: &str) -> Option<String> {
        self.user(key).map(|user| user.id)
    }

    /// A group's id.
    pub fn group_id(&self, name: &str) -> Option<String> {
        self.with(|scim| scim.group(name).map(|group| group.id.clone()))
    }

    /// The user names of a group's own members, and the names of groups in it, sorted; empty when there is no such group.
    pub fn members(&self, group: &str) -> Vec<String> {
        self.with(|scim| {
            let members = scim.group(group).into_iter().flat_map(ScimResource::members);
            let name =
                |id: &str| scim.users().find(|user| user.id == id).map(|user| user.text("userName")).or(scim.group(id).map(|group| group.text("displayName")));
            let mut names: Vec<String> = members.filter_map(name).map(str::to_owned).collect();
            names.sort();
            names
        })
    }

    /// An administrator puts a user into a group.
    ///
    /// # Errors
    /// When there is no such user or group.
    pub fn admin_adds_to_group(&self, user: &str, group: &str) -> Result<(), ActError> {
        self.act(Act::new("add_to_group", json!({ "user": user, "group": group }))).map(drop)
    }
}

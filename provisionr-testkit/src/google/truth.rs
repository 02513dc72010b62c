//! What tests ask and do past the API, in Rust.

use serde_json::{Value, json};

use super::GoogleFake;
use super::state::{GoogleGroup, GoogleUser, MemberRole};
use crate::link::{Act, ActError};
use crate::system::FakeSystem;

impl GoogleFake {
    /// A user who is not deleted, by id, address or alias.
    pub fn user(&self, key: &str) -> Option<&GoogleUser> {
        self.customer.user(key)
    }

    /// All users who are not deleted, by id.
    pub fn users(&self) -> impl Iterator<Item = &GoogleUser> {
        self.customer.users.values().filter(|user| user.deleted.is_none())
    }

    /// A group by id, address or alias.
    pub fn group(&self, key: &str) -> Option<&GoogleGroup> {
        self.customer.group(key)
    }

    /// All groups, by id.
    pub fn groups(&self) -> impl Iterator<Item = &GoogleGroup> {
        self.customer.groups.values()
    }
}

impl FakeSystem<GoogleFake> {
    /// A user who is not deleted, by id, address or alias.
    pub fn user(&self, key: &str) -> Option<GoogleUser> {
        self.with(|google| google.user(key).cloned())
    }

    /// A user's id.
    pub fn user_id(&self, key: &str) -> Option<String> {
        self.user(key).map(|user| user.id)
    }

    /// A group's id.
    pub fn group_id(&self, key: &str) -> Option<String> {
        self.with(|google| google.group(key).map(|group| group.id.clone()))
    }

    /// A member's role in a group; none for who is no direct member.
    pub fn role(&self, user: &str, group: &str) -> Option<MemberRole> {
        self.with(|google| google.group(group)?.members.get(&google.user(user)?.id).map(|member| member.role))
    }

    /// The addresses of the groups a user is in directly, sorted.
    pub fn groups_of(&self, user: &str) -> Vec<String> {
        self.with(|google| {
            let Some(user) = google.user(user) else { return Vec::new() };
            let mut groups: Vec<String> = google.groups().filter(|group| group.members.contains_key(&user.id)).map(|group| group.email.clone()).collect();
            groups.sort();
            groups
        })
    }

    /// The person logs in.
    ///
    /// # Errors
    /// When there is no such user, or it cannot log in.
    pub fn log_in(&self, user: &str) -> Result<(), ActError> {
        self.done("log_in", json!({ "user": user }))
    }

    /// An administrator adds a user, a group, the customer or a person of another domain to a group, or changes the role there.
    ///
    /// # Errors
    /// When there is no such member or group.
    pub fn admin_adds_to_group(&self, member: &str, group: &str, role: MemberRole) -> Result<(), ActError> {
        self.done("add_to_group", json!({ "member": member, "group": group, "role": role }))
    }

    /// An administrator removes a member from a group.
    ///
    /// # Errors
    /// When there is no such member or group.
    pub fn admin_removes_from_group(&self, member: &str, group: &str) -> Result<(), ActError> {
        self.done("remove_from_group", json!({ "member": member, "group": group }))
    }

    /// An administrator changes what a user resource holds.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn admin_sets(&self, user: &str, fields: &Value) -> Result<(), ActError> {
        self.done("set_user", json!({ "user": user, "fields": fields }))
    }

    fn done(&self, act: &str, args: Value) -> Result<(), ActError> {
        self.act(Act::new(act, args)).map(|_| ())
    }
}

//! What tests ask past the API, in Rust.

use super::AwsFake;
use super::state::{AwsAssignment, AwsGroup, AwsPermissionSet, AwsUser};
use crate::system::FakeSystem;

impl AwsFake {
    /// A user by id, user name or e-mail address.
    pub fn user(&self, key: &str) -> Option<&AwsUser> {
        self.instance.user(key)
    }

    /// All users, by id.
    pub fn users(&self) -> impl Iterator<Item = &AwsUser> {
        self.instance.users.values()
    }

    /// A group by id or name.
    pub fn group(&self, key: &str) -> Option<&AwsGroup> {
        self.instance.group(key)
    }

    /// All groups, by id.
    pub fn groups(&self) -> impl Iterator<Item = &AwsGroup> {
        self.instance.groups.values()
    }

    /// A permission set by ARN or name.
    pub fn permission_set(&self, key: &str) -> Option<&AwsPermissionSet> {
        self.instance.set(key)
    }

    /// All assignments.
    pub fn assignments(&self) -> impl Iterator<Item = &AwsAssignment> {
        self.instance.assignments.iter()
    }

    /// The name of an AWS account.
    pub fn account_name(&self, id: &str) -> Option<&str> {
        self.instance.accounts.get(id).map(|account| account.name.as_str())
    }

    /// How many jobs are under way.
    pub fn jobs_under_way(&self) -> usize {
        self.instance.jobs.values().filter(|job| job.status == "IN_PROGRESS").count()
    }
}

impl FakeSystem<AwsFake> {
    /// A user's id, by user name or e-mail address.
    pub fn user_id(&self, key: &str) -> Option<String> {
        self.with(|aws| aws.user(key).map(|user| user.id.clone()))
    }

    /// A group's id, by its name.
    pub fn group_id(&self, name: &str) -> Option<String> {
        self.with(|aws| aws.group(name).map(|group| group.id.clone()))
    }

    /// A permission set's ARN, by its name.
    pub fn permission_set_arn(&self, name: &str) -> Option<String> {
        self.with(|aws| aws.permission_set(name).map(|set| set.arn.clone()))
    }

    /// The user names of a group's members, sorted; empty when there is no such group.
    pub fn members(&self, group: &str) -> Vec<String> {
        self.with(|aws| {
            let ids = aws.group(group).into_iter().flat_map(|group| group.members.keys());
            let mut names: Vec<String> = ids.filter_map(|id| aws.user(id)).map(|user| user.text("UserName").to_owned()).collect();
            names.sort();
            names
        })
    }

    /// What a user has in their own name, as `account/permission set`, sorted.
    pub fn assignments_of(&self, user: &str) -> Vec<String> {
        self.with(|aws| {
            let Some(user) = aws.user(user) else { return Vec::new() };
            let named = |one: &AwsAssignment| {
                let set = aws.permission_set(&one.permission_set).map_or("?", |set| set.name.as_str());
                format!("{}/{set}", aws.account_name(&one.account).unwrap_or("?"))
            };
            let mut names: Vec<String> = aws.assignments().filter(|one| one.principal == user.id).map(named).collect();
            names.sort();
            names
        })
    }
}

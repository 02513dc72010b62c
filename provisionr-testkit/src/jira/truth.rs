//! What tests ask and do past the API, in Rust.

use serde_json::{Value, json};

use super::JiraFake;
use super::state::{Actor, JiraUser};
use crate::link::{Act, ActError};
use crate::system::FakeSystem;

impl FakeSystem<JiraFake> {
    /// A user by account id, address or name.
    pub fn user(&self, key: &str) -> Option<JiraUser> {
        self.with(|jira| jira.user(key).cloned())
    }

    /// A user's account id.
    pub fn user_id(&self, key: &str) -> Option<String> {
        self.user(key).map(|user| user.account_id)
    }

    /// A group's id.
    pub fn group_id(&self, name: &str) -> Option<String> {
        self.with(|jira| jira.group(name).map(|group| group.id.clone()))
    }

    /// A project's id.
    pub fn project_id(&self, key: &str) -> Option<String> {
        self.with(|jira| jira.project(key).map(|project| project.id.clone()))
    }

    /// What the members of a group are called, sorted; empty when there is no such group.
    pub fn members(&self, group: &str) -> Vec<String> {
        self.with(|jira| {
            let members = jira.group(group).into_iter().flat_map(|group| &group.members);
            let mut names: Vec<String> = members.filter_map(|id| jira.user(id)).map(|user| user.display_name.clone()).collect();
            names.sort();
            names
        })
    }

    /// The id of a role a project has, by its name.
    pub fn role_id(&self, project: &str, role: &str) -> Option<String> {
        self.with(|jira| {
            let project = jira.project(project)?;
            jira.site.roles_of(project).find(|known| known.name == role).map(|role| role.id.to_string())
        })
    }

    /// What the actors of a role in a project are called, users and groups, sorted; empty when there is no such role.
    pub fn actors(&self, project: &str, role: &str) -> Vec<String> {
        self.with(|jira| {
            let Some(project) = jira.project(project) else { return Vec::new() };
            let role = jira.site.roles_of(project).find(|known| known.name == role);
            let actors = role.and_then(|role| project.actors.get(&role.id)).into_iter().flatten();
            let mut names: Vec<String> = actors
                .filter_map(|actor| match actor {
                    Actor::User(id) => jira.user(id).map(|user| user.display_name.clone()),
                    Actor::Group(id) => jira.group(id).map(|group| group.name.clone()),
                })
                .collect();
            names.sort();
            names
        })
    }

    /// How many mails went to an address.
    pub fn mails_to(&self, email: &str) -> usize {
        self.events().iter().filter(|event| event.kind == "user.mail" && event.text("email") == email).count()
    }

    /// A person accepts the invitation that waits for them.
    ///
    /// # Errors
    /// When there is no such user, or none waits.
    pub fn accepts_invitation(&self, user: &str) -> Result<(), ActError> {
        self.do_to("accept_invitation", json!({ "user": user }))
    }

    /// An administrator adds a user to a group.
    ///
    /// # Errors
    /// When there is no such user or group.
    pub fn admin_adds_to_group(&self, user: &str, group: &str) -> Result<(), ActError> {
        self.do_to("add_to_group", json!({ "user": user, "group": group }))
    }

    /// An administrator makes a user an actor of a role.
    ///
    /// # Errors
    /// When there is no such user, project or role.
    pub fn admin_adds_actor(&self, user: &str, project: &str, role: &str) -> Result<(), ActError> {
        self.do_to("add_actor", json!({ "user": user, "project": project, "role": role }))
    }

    /// An administrator calls a role otherwise.
    ///
    /// # Errors
    /// When there is no such project or role.
    pub fn admin_renames_role(&self, project: &str, role: &str, name: &str) -> Result<(), ActError> {
        self.do_to("rename_role", json!({ "project": project, "role": role, "name": name }))
    }

    /// An administrator makes a group an actor of a role.
    ///
    /// # Errors
    /// When there is no such group, project or role.
    pub fn admin_adds_group_actor(&self, group: &str, project: &str, role: &str) -> Result<(), ActError> {
        self.do_to("add_actor", json!({ "group": group, "project": project, "role": role }))
    }

    /// A person hides their address.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn hides_email(&self, user: &str) -> Result<(), ActError> {
        self.do_to("set_email_visible", json!({ "user": user, "visible": false }))
    }

    fn do_to(&self, act: &str, args: Value) -> Result<(), ActError> {
        self.act(Act::new(act, args)).map(|_| ())
    }
}

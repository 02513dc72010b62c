//! What tests ask and do past the API, in Rust.

use serde_json::{Value, json};

use super::OktaFake;
use super::state::{AppScope, OktaApp, OktaGroup, OktaRule, OktaUser, UserStatus};
use crate::link::{Act, ActError};
use crate::system::FakeSystem;

impl OktaFake {
    /// A user by id, login or short name.
    pub fn user(&self, key: &str) -> Option<&OktaUser> {
        self.org.user(key)
    }

    /// All users, by id.
    pub fn users(&self) -> impl Iterator<Item = &OktaUser> {
        self.org.users.values()
    }

    /// A group by id or name.
    pub fn group(&self, key: &str) -> Option<&OktaGroup> {
        self.org.group(key)
    }

    /// An app by id, label or name.
    pub fn app(&self, key: &str) -> Option<&OktaApp> {
        self.org.app(key)
    }

    /// A rule by name.
    pub fn rule(&self, name: &str) -> Option<&OktaRule> {
        self.org.rules.values().find(|rule| rule.name == name)
    }
}

impl FakeSystem<OktaFake> {
    /// A user by id, login or short name.
    pub fn user(&self, key: &str) -> Option<OktaUser> {
        self.with(|okta| okta.user(key).cloned())
    }

    /// A user's id.
    pub fn user_id(&self, key: &str) -> Option<String> {
        self.user(key).map(|user| user.id)
    }

    /// A user's status.
    pub fn status(&self, key: &str) -> Option<UserStatus> {
        self.user(key).map(|user| user.status)
    }

    /// A group's id.
    pub fn group_id(&self, name: &str) -> Option<String> {
        self.with(|okta| okta.group(name).map(|group| group.id.clone()))
    }

    /// An app's id.
    pub fn app_id(&self, key: &str) -> Option<String> {
        self.with(|okta| okta.app(key).map(|app| app.id.clone()))
    }

    /// The logins of a group's members, sorted; empty when there is no such group.
    pub fn members(&self, group: &str) -> Vec<String> {
        self.with(|okta| {
            let members = okta.group(group).into_iter().flat_map(|group| group.members.keys());
            let mut logins: Vec<String> = members.filter_map(|id| okta.user(id)).map(|user| user.login().to_owned()).collect();
            logins.sort();
            logins
        })
    }

    /// The names of a user's groups, sorted, without `Everyone`.
    pub fn groups_of(&self, user: &str) -> Vec<String> {
        self.with(|okta| {
            let Some(user) = okta.user(user) else { return Vec::new() };
            let groups = okta.org.groups.values().filter(|group| group.members.contains_key(&user.id) && group.name() != "Everyone");
            let mut names: Vec<String> = groups.map(|group| group.name().to_owned()).collect();
            names.sort();
            names
        })
    }

    /// The logins of an app's users with the scope of each, sorted; empty when there is no such app.
    pub fn app_users(&self, app: &str) -> Vec<(String, AppScope)> {
        self.with(|okta| {
            let users = okta.app(app).into_iter().flat_map(|app| &app.users);
            let mut users: Vec<_> = users.filter_map(|(id, assigned)| Some((okta.user(id)?.login().to_owned(), assigned.scope))).collect();
            users.sort_by(|a, b| a.0.cmp(&b.0));
            users
        })
    }

    /// How many mails went to a user.
    pub fn mails_to(&self, login: &str) -> usize {
        self.events().iter().filter(|event| event.kind == "user.mail" && event.text("login") == login).count()
    }

    /// The person logs in, which finishes an activation that waits for it.
    ///
    /// # Errors
    /// When there is no such user, or the status does not let it log in.
    pub fn log_in(&self, user: &str) -> Result<(), ActError> {
        self.do_to("log_in", json!({ "user": user }))
    }

    /// An administrator adds a user to a group.
    ///
    /// # Errors
    /// When there is no such user or group.
    pub fn admin_adds_to_group(&self, user: &str, group: &str) -> Result<(), ActError> {
        self.do_to("add_to_group", json!({ "user": user, "group": group }))
    }

    /// An administrator removes a user from a group.
    ///
    /// # Errors
    /// When there is no such user or group.
    pub fn admin_removes_from_group(&self, user: &str, group: &str) -> Result<(), ActError> {
        self.do_to("remove_from_group", json!({ "user": user, "group": group }))
    }

    /// An administrator assigns an app to a user.
    ///
    /// # Errors
    /// When there is no such user or app.
    pub fn assigns_app(&self, user: &str, app: &str) -> Result<(), ActError> {
        self.do_to("assign_app", json!({ "user": user, "app": app }))
    }

    /// An administrator takes an app away from a user.
    ///
    /// # Errors
    /// When there is no such user or app.
    pub fn unassigns_app(&self, user: &str, app: &str) -> Result<(), ActError> {
        self.do_to("unassign_app", json!({ "user": user, "app": app }))
    }

    /// The person opens an app by Okta, and logs in to Okta where they have not.
    ///
    /// # Errors
    /// When there is no such user or app, it is not assigned, or the status does not let the person log in.
    pub fn opens_app(&self, user: &str, app: &str) -> Result<(), ActError> {
        self.do_to("open_app", json!({ "user": user, "app": app }))
    }

    /// An administrator, or time, brings a user into a status.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn admin_sets_status(&self, user: &str, status: UserStatus) -> Result<(), ActError> {
        self.do_to("set_status", json!({ "user": user, "status": status }))
    }

    /// An administrator suspends a user.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn admin_suspends(&self, user: &str) -> Result<(), ActError> {
        self.admin_sets_status(user, UserStatus::Suspended)
    }

    /// An administrator changes a profile: null clears, what is not named stays.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn admin_sets_profile(&self, user: &str, profile: &Value) -> Result<(), ActError> {
        self.do_to("set_profile", json!({ "user": user, "profile": profile }))
    }

    fn do_to(&self, act: &str, args: Value) -> Result<(), ActError> {
        self.act(Act::new(act, args)).map(|_| ())
    }
}

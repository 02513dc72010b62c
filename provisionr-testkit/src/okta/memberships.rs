//! What follows from what: attributes feed rules, rules feed groups, groups give apps, apps provision accounts.

use serde_json::{Value, json};

use super::expression::Case;
use super::state::{AppGroup, AppScope, AppUser, GroupType, OktaApp, OktaUser, Org, UserStatus};
use crate::fake::FakeContext;

impl Org {
    /// Adds a user to a group by hand; whether anything changed.
    pub(super) fn join(&mut self, group: &str, user: &str, cx: &mut FakeContext) -> bool {
        let Some(login) = self.users.get(user).map(|user| user.login().to_owned()) else { return false };
        let Some(group) = self.groups.get_mut(group) else { return false };
        let joined = !group.members.contains_key(user);
        let membership = group.members.entry(user.to_owned()).or_default();
        let changed = !membership.direct;
        membership.direct = true;
        if joined {
            group.last_membership_updated = cx.now();
            cx.emit("group.member_added", json!({ "group": group.id, "name": group.name(), "user": user, "login": login }));
            self.assign_by_groups(user, cx);
        }
        changed
    }

    /// Takes a user out of a group. Rules that fed the membership pass the user over from now on:
    /// https://support.okta.com/help/s/article/User-getting-added-in-group-exclusion-list
    pub(super) fn leave(&mut self, group: &str, user: &str, cx: &mut FakeContext) -> bool {
        let Some(group) = self.groups.get_mut(group) else { return false };
        let Some(membership) = group.members.remove(user) else { return false };
        group.last_membership_updated = cx.now();
        let login = self.users.get(user).map_or("", OktaUser::login);
        cx.emit("group.member_removed", json!({ "group": group.id, "name": group.name(), "user": user, "login": login }));
        for rule in &membership.rules {
            if let Some(rule) = self.rules.get_mut(rule) {
                rule.excluded.insert(user.to_owned());
                rule.last_updated = cx.now();
                cx.emit("rule.user_excluded", json!({ "rule": rule.id, "name": rule.name, "user": user }));
            }
        }
        self.assign_by_groups(user, cx);
        true
    }

    /// Lets all rules look at a user. Deactivated users stay where they are:
    /// https://support.okta.com/help/s/article/Deactivated-Users-not-Removed
    pub(super) fn apply_rules(&mut self, user: &str, cx: &mut FakeContext) {
        let Some(subject) = self.users.get(user) else { return };
        if subject.status == UserStatus::Deprovisioned {
            return;
        }
        let object = json!({ "user": subject.profile });
        let login = subject.login().to_owned();
        for rule in self.rules.values().filter(|rule| rule.status == "ACTIVE") {
            let fits = !rule.excluded.contains(user) && rule.expression.fits(&object, Case::Sensitive);
            for group in &rule.groups {
                let Some(group) = self.groups.get_mut(group) else { continue };
                let about = json!({ "group": group.id, "name": group.name(), "user": user, "login": login, "rule": rule.id });
                if fits {
                    let joined = !group.members.contains_key(user);
                    group.members.entry(user.to_owned()).or_default().rules.insert(rule.id.clone());
                    if joined {
                        group.last_membership_updated = cx.now();
                        cx.emit("group.member_added", about);
                    }
                } else if let Some(membership) = group.members.get_mut(user)
                    && membership.rules.remove(&rule.id)
                    && membership.rules.is_empty()
                    && !membership.direct
                {
                    group.members.remove(user);
                    group.last_membership_updated = cx.now();
                    cx.emit("group.member_removed", about);
                }
            }
        }
        self.assign_by_groups(user, cx);
    }

    /// Puts every user into `Everyone`, silently: it is no effect of a request.
    pub(super) fn join_everyone(&mut self, user: &str) {
        for group in self.groups.values_mut().filter(|group| group.kind == GroupType::BuiltIn && group.name() == "Everyone") {
            group.members.entry(user.to_owned()).or_default().direct = true;
        }
    }

    /// Brings a user's app assignments of scope GROUP, and what apps have been told, in line with groups and status.
    pub(super) fn assign_by_groups(&mut self, user: &str, cx: &mut FakeContext) {
        let Some(subject) = self.users.get(user).cloned() else { return };
        let ids: Vec<String> = self.apps.keys().cloned().collect();
        for id in ids {
            let given = subject.is_live() && self.gives(&id, user);
            let assignment = self.id("0ua");
            let Some(app) = self.apps.get_mut(&id) else { continue };
            match app.users.get(user).map(|assigned| assigned.scope) {
                None if given => assign(app, &subject, AppScope::Group, assignment, cx),
                Some(AppScope::Group) if !given => unassign(app, &subject, cx),
                _ => {}
            }
            provision(app, &subject, cx);
        }
    }

    /// Whether a group gives the app to the user.
    pub(super) fn gives(&self, app: &str, user: &str) -> bool {
        self.giver(app, user).is_some()
    }

    /// The group that gives an app to a user; of several the one of the first priority.
    pub(super) fn giver(&self, app: &str, user: &str) -> Option<&str> {
        let mut groups: Vec<_> = self.apps.get(app)?.groups.iter().collect();
        groups.sort_by_key(|(_, assigned)| assigned.priority);
        groups.into_iter().map(|(group, _)| group.as_str()).find(|group| self.groups.get(*group).is_some_and(|group| group.members.contains_key(user)))
    }

    /// Assigns an app to a user directly.
    pub(super) fn assign_directly(&mut self, app: &str, user: &str, cx: &mut FakeContext) {
        let assignment = self.id("0ua");
        let (Some(app), Some(user)) = (self.apps.get_mut(app), self.users.get(user)) else { return };
        match app.users.get_mut(&user.id) {
            Some(assigned) => {
                assigned.scope = AppScope::User;
                assigned.last_updated = cx.now();
                cx.emit("app.user_updated", about(app, user));
            }
            None => assign(app, user, AppScope::User, assignment, cx),
        }
        provision(app, user, cx);
    }

    /// Ends a user's assignment to an app.
    pub(super) fn unassign(&mut self, app: &str, user: &str, cx: &mut FakeContext) {
        if let (Some(app), Some(user)) = (self.apps.get_mut(app), self.users.get(user)) {
            unassign(app, user, cx);
        }
    }

    /// Ends all of a user's assignments.
    pub(super) fn unassign_all(&mut self, user: &str, cx: &mut FakeContext) {
        if let Some(user) = self.users.get(user) {
            self.apps.values_mut().for_each(|app| unassign(app, user, cx));
        }
    }

    /// Assigns an app to a group; whether it was new.
    pub(super) fn assign_group(&mut self, app: &str, group: &str, assigned: AppGroup, cx: &mut FakeContext) {
        let Some(app) = self.apps.get_mut(app) else { return };
        let data = json!({ "app": app.id, "appName": app.name, "appLabel": app.label, "group": group });
        if app.groups.insert(group.to_owned(), assigned).is_none() {
            cx.emit("app.group_assigned", data);
        }
        self.reconcile_members(group, cx);
    }

    /// Ends a group's assignment to an app; whether there was one.
    pub(super) fn unassign_group(&mut self, app: &str, group: &str, cx: &mut FakeContext) -> bool {
        let Some(app) = self.apps.get_mut(app) else { return false };
        let data = json!({ "app": app.id, "appName": app.name, "appLabel": app.label, "group": group });
        if app.groups.remove(group).is_none() {
            return false;
        }
        cx.emit("app.group_unassigned", data);
        self.reconcile_members(group, cx);
        true
    }

    fn reconcile_members(&mut self, group: &str, cx: &mut FakeContext) {
        let members: Vec<String> = self.groups.get(group).map(|group| group.members.keys().cloned().collect()).unwrap_or_default();
        for user in members {
            self.assign_by_groups(&user, cx);
        }
    }

    /// Deletes a group; rules that fed it become invalid.
    pub(super) fn delete_group(&mut self, id: &str, cx: &mut FakeContext) {
        let Some(group) = self.groups.remove(id) else { return };
        for rule in self.rules.values_mut().filter(|rule| rule.groups.contains(id)) {
            "INVALID".clone_into(&mut rule.status);
        }
        for app in self.apps.values_mut() {
            app.groups.remove(id);
        }
        cx.emit("group.deleted", json!({ "group": id, "name": group.name() }));
        for user in group.members.keys() {
            self.assign_by_groups(user, cx);
        }
    }
}

/// What an event says about a user and an app; links make accounts of it.
pub(super) fn about(app: &OktaApp, user: &OktaUser) -> Value {
    json!({ "app": app.id, "appName": app.name, "appLabel": app.label, "user": user.id, "login": user.login(), "email": user.attribute("email"), "profile": user.profile })
}

fn assign(app: &mut OktaApp, user: &OktaUser, scope: AppScope, assignment: String, cx: &mut FakeContext) {
    let profile = user.profile.iter().filter(|(name, _)| matches!(name.as_str(), "email" | "firstName" | "lastName"));
    let assigned = AppUser {
        assignment,
        scope,
        user_name: user.login().to_owned(),
        profile: profile.map(|(name, value)| (name.clone(), value.clone())).collect(),
        provisioned: false,
        created: cx.now(),
        last_updated: cx.now(),
    };
    app.users.insert(user.id.clone(), assigned);
    cx.emit("app.user_assigned", about(app, user));
}

fn unassign(app: &mut OktaApp, user: &OktaUser, cx: &mut FakeContext) {
    let Some(assigned) = app.users.remove(&user.id) else { return };
    cx.emit("app.user_unassigned", about(app, user));
    if assigned.provisioned && app.has("PUSH_USER_DEACTIVATION") {
        cx.emit("app.user_deprovisioned", about(app, user));
    }
}

/// Tells an app with provisioning of a user it has not been told of. A staged user waits for activation.
fn provision(app: &mut OktaApp, user: &OktaUser, cx: &mut FakeContext) {
    if !app.has("PUSH_NEW_USERS") || !user.is_live() {
        return;
    }
    if let Some(assigned) = app.users.get_mut(&user.id)
        && !assigned.provisioned
    {
        assigned.provisioned = true;
        cx.emit("app.user_provisioned", about(app, user));
    }
}

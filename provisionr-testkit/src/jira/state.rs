//! What a site is made of.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::JiraFake;

/// Whose account it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountType {
    /// A person.
    #[default]
    Atlassian,
    /// A program.
    App,
    /// Somebody who sees a service portal only.
    Customer,
}

/// An Atlassian account, on the site or not.
#[derive(Clone, Debug, Serialize)]
pub struct JiraUser {
    /// Its id.
    pub account_id: String,
    /// Whose it is.
    pub account_type: AccountType,
    /// What they are called.
    pub display_name: String,
    /// Their address; apps have none.
    pub email: Option<String>,
    /// Whether their privacy settings let the address be seen.
    pub email_visible: bool,
    /// Whether the account is active; organizations deactivate accounts they manage.
    pub active: bool,
    /// Whether it is among the site's users.
    pub on_site: bool,
    /// Whether an invitation waits for them. The API does not say.
    pub invited: bool,
    /// Whether they administer the whole organization, whatever their groups.
    pub org_admin: bool,
}

/// Who decides about a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ManagedBy {
    /// A directory it is synchronized from: members cannot be changed here.
    External,
    /// Administrators.
    Admins,
}

/// A group.
#[derive(Clone, Debug, Serialize)]
pub struct JiraGroup {
    /// Its id, a UUID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Who decides about it.
    pub managed_by: ManagedBy,
    /// `site-admin`, `admin` or `user`, where it gives that access.
    pub access: Option<String>,
    /// The account ids of its members.
    pub members: BTreeSet<String>,
}

/// Who acts in a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A user, by account id.
    User(String),
    /// The members of a group, by its id.
    Group(String),
}

/// A project, with the actors of its roles.
#[derive(Clone, Debug, Serialize)]
pub struct JiraProject {
    /// Its id, a number.
    pub id: String,
    /// Its key.
    pub key: String,
    /// Its name.
    pub name: String,
    /// Whether it is team-managed: then its roles are its own.
    pub team_managed: bool,
    /// Whether it is hidden from who may not administer Jira.
    pub private: bool,
    /// By the role's id.
    pub actors: BTreeMap<u64, Vec<Actor>>,
}

/// A project role.
#[derive(Clone, Debug, Serialize)]
pub struct JiraRole {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The one project that has it; none for roles that all company-managed projects share.
    pub project: Option<String>,
}

/// A product and its licence.
#[derive(Clone, Debug, Serialize)]
pub struct JiraProduct {
    /// Its key: `jira-software`.
    pub key: String,
    /// Its name.
    pub name: String,
    /// Seats; none for without limit.
    pub seats: Option<usize>,
    /// The groups whose members have access, by id; new users come into the first.
    pub groups: Vec<String>,
}

/// What the API answers where nothing had to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NothingToDo {
    /// 400.
    #[default]
    Refused,
    /// 404.
    NotFound,
    /// As if it had been done.
    Accepted,
}

/// What is not the same for each site, or not known.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JiraSettings {
    /// The most a page holds, whatever `maxResults` asks for; 3, so that lists of tests have several pages.
    pub page_size: usize,
    /// Adding a member again. Nobody describes it for Cloud; Server refuses.
    pub member_again: NothingToDo,
    /// Removing who is no member; not described.
    pub no_member: NothingToDo,
    /// Removing an actor who is none: 204 or 404; not described.
    pub no_actor: NothingToDo,
    /// Whether a user who was removed can still be read, as an inactive one; not described.
    pub removed_users_show: bool,
    /// Whether creating a user whose Atlassian account exists without being on the site is refused. The description says 400 for
    /// who "exists but does not have access to Jira", and may mean that.
    pub known_accounts_refused: bool,
    /// Whether addresses of new users can be seen.
    pub new_emails_visible: bool,
    /// Whether a search finds people by addresses it does not show; not described.
    pub hidden_emails_searched: bool,
}

impl Default for JiraSettings {
    fn default() -> Self {
        Self {
            page_size: 3,
            member_again: NothingToDo::Refused,
            no_member: NothingToDo::NotFound,
            no_actor: NothingToDo::NotFound,
            removed_users_show: false,
            known_accounts_refused: false,
            new_emails_visible: true,
            hidden_emails_searched: false,
        }
    }
}

/// A whole site.
#[derive(Clone, Debug, Default)]
pub(super) struct Site {
    pub(super) settings: JiraSettings,
    pub(super) users: BTreeMap<String, JiraUser>,
    pub(super) groups: BTreeMap<String, JiraGroup>,
    pub(super) projects: BTreeMap<String, JiraProject>,
    pub(super) roles: BTreeMap<u64, JiraRole>,
    pub(super) products: Vec<JiraProduct>,
    counted: u64,
}

impl Site {
    pub(super) fn count(&mut self) -> u64 {
        self.counted += 1;
        self.counted
    }

    /// A number of the site's own, as projects and roles have.
    pub(super) fn number(&mut self) -> u64 {
        10_000 + self.count()
    }

    pub(super) fn uuid(&mut self) -> String {
        format!("276f955c-63d7-42c8-9520-{:012x}", self.count())
    }

    /// By account id, address or name.
    pub(super) fn user(&self, key: &str) -> Option<&JiraUser> {
        let named = || self.users.values().find(|user| user.email.as_deref().is_some_and(|email| email.eq_ignore_ascii_case(key)) || user.display_name == key);
        self.users.get(key).or_else(named)
    }

    /// By id or name.
    pub(super) fn group(&self, key: &str) -> Option<&JiraGroup> {
        self.groups.get(key).or_else(|| self.groups.values().find(|group| group.name == key))
    }

    /// By id or key; keys are case sensitive.
    pub(super) fn project(&self, key: &str) -> Option<&JiraProject> {
        self.projects.get(key).or_else(|| self.projects.values().find(|project| project.key == key))
    }

    /// The roles a project has.
    pub(super) fn roles_of<'a>(&'a self, project: &'a JiraProject) -> impl Iterator<Item = &'a JiraRole> {
        self.roles.values().filter(|role| if project.team_managed { role.project.as_ref() == Some(&project.id) } else { role.project.is_none() })
    }

    pub(super) fn groups_of(&self, user: &str) -> impl Iterator<Item = &JiraGroup> {
        self.groups.values().filter(move |group| group.members.contains(user))
    }

    pub(super) fn products_of(&self, user: &str) -> impl Iterator<Item = &JiraProduct> {
        self.products.iter().filter(move |product| product.groups.iter().any(|group| self.groups.get(group).is_some_and(|group| group.members.contains(user))))
    }

    /// How many have a seat.
    pub(super) fn taken(&self, product: &JiraProduct) -> usize {
        let members: BTreeSet<&String> = product.groups.iter().filter_map(|group| self.groups.get(group)).flat_map(|group| &group.members).collect();
        members.into_iter().filter(|id| self.users.get(*id).is_some_and(|user| user.active && user.account_type == AccountType::Atlassian)).count()
    }

    pub(super) fn is_site_admin(&self, user: &str) -> bool {
        self.users.get(user).is_some_and(|user| user.org_admin) || self.groups_of(user).any(|group| group.access.as_deref() == Some("site-admin"))
    }
}

impl JiraFake {
    /// A user by account id, address or name.
    pub fn user(&self, key: &str) -> Option<&JiraUser> {
        self.site.user(key)
    }

    /// All Atlassian accounts, by id, those not on the site too.
    pub fn users(&self) -> impl Iterator<Item = &JiraUser> {
        self.site.users.values()
    }

    /// A group by id or name.
    pub fn group(&self, key: &str) -> Option<&JiraGroup> {
        self.site.group(key)
    }

    /// All groups, by id.
    pub fn groups(&self) -> impl Iterator<Item = &JiraGroup> {
        self.site.groups.values()
    }

    /// A project by id or key.
    pub fn project(&self, key: &str) -> Option<&JiraProject> {
        self.site.project(key)
    }

    /// All projects, by id.
    pub fn projects(&self) -> impl Iterator<Item = &JiraProject> {
        self.site.projects.values()
    }

    /// All roles, by id.
    pub fn roles(&self) -> impl Iterator<Item = &JiraRole> {
        self.site.roles.values()
    }

    /// A role by its id.
    pub fn role(&self, id: u64) -> Option<&JiraRole> {
        self.site.roles.get(&id)
    }
}

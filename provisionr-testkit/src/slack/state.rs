//! The state of a Slack workspace, and of the organisation around it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What the workspace is paid for, and with it which methods there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Plan {
    /// No user groups, no SCIM.
    Free,
    /// Pro or Business+: user groups and SCIM.
    #[default]
    Paid,
    /// Enterprise: `admin.*` as well.
    Enterprise,
}

/// Whether people who were invited and have not come yet show as users; nothing public says for certain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Invited {
    /// As users with `is_invited_user`.
    #[default]
    Shown,
    /// Not before they have come.
    Hidden,
}

/// What becomes of a user of an organisation who is removed from the workspace; nothing public says for certain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Removed {
    /// Shows as deleted.
    #[default]
    Deleted,
    /// Stays a user of the organisation, and shows without the workspace.
    Elsewhere,
}

/// What is not the same for each workspace, and what nothing public says for certain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SlackSettings {
    /// The plan.
    pub plan: Plan,
    /// The most items of any page, whatever `limit` asks for; 3, so that a client that does not page is found out.
    pub page_size: usize,
    /// How many empty pages come before the first item of each list; none. A page may hold nothing and not be the last.
    pub empty_pages: usize,
    /// Whether people who have not come yet show as users; they do.
    pub invited: Invited,
    /// What becomes of who is removed from the workspace of an organisation; they show as deleted.
    pub removed: Removed,
    /// What SCIM answers to PATCH and DELETE: 200 with the user, or 204; 200.
    pub scim_written: u16,
    /// The status of a second SCIM user of one name; 409, as RFC 7644 has it.
    pub scim_duplicate: u16,
}

impl Default for SlackSettings {
    fn default() -> Self {
        Self { plan: Plan::Paid, page_size: 3, empty_pages: 0, invited: Invited::Shown, removed: Removed::Deleted, scim_written: 200, scim_duplicate: 409 }
    }
}

/// A user: the truth, past the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SlackUser {
    /// The id, `U…`.
    pub id: String,
    /// The workspace the user is at home in.
    pub team: String,
    /// The user name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// The first name.
    pub first_name: String,
    /// The last name.
    pub last_name: String,
    /// The name people see.
    pub display_name: String,
    /// The title.
    pub title: String,
    /// Deactivated, or removed from the workspace.
    pub deleted: bool,
    /// Asked to come, and has not come.
    pub invited: bool,
    /// A bot.
    pub bot: bool,
    /// A guest of several channels.
    pub restricted: bool,
    /// A guest of one channel.
    pub ultra_restricted: bool,
    /// Of another company, and in no shared channel.
    pub stranger: bool,
    /// Taken out of the workspace, and still of the organisation.
    pub elsewhere: bool,
    /// Open sessions.
    pub sessions: u32,
    /// The channels an invitation leads to.
    pub invited_to: BTreeSet<String>,
}

impl SlackUser {
    pub(super) fn real_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }

    /// Whether the user can be put into channels and groups.
    pub(super) fn is_live(&self) -> bool {
        !self.deleted && !self.invited && !self.elsewhere
    }
}

/// A channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SlackChannel {
    /// The id, `C…`.
    pub id: String,
    /// The name, without `#`.
    pub name: String,
    /// Seen by its members only.
    pub private: bool,
    /// Archived.
    pub archived: bool,
    /// The channel everybody is in.
    pub general: bool,
    /// The workspace of another company that hosts it.
    pub host: Option<String>,
    /// Shared with another company.
    pub ext_shared: bool,
    /// The groups of the identity provider that alone may enter.
    pub idp_groups: BTreeSet<String>,
    /// The members, by user id.
    pub members: BTreeSet<String>,
}

/// A user group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SlackUsergroup {
    /// The id, `S…`.
    pub id: String,
    /// The handle, without `@`.
    pub handle: String,
    /// Switched off.
    pub disabled: bool,
    /// `admin` or `owner` for the groups Slack keeps itself.
    pub auto_type: Option<String>,
    /// Fed by the identity provider.
    pub auto_provision: bool,
    /// The users, by id.
    pub users: BTreeSet<String>,
}

/// A workspace of the organisation. The fake keeps the members of the first one only: in every other one each user of the
/// organisation counts as a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SlackTeam {
    /// The id, `T…`.
    pub id: String,
    /// The name.
    pub name: String,
    /// Workspace admins, by user id.
    pub admins: BTreeSet<String>,
    /// Workspace owners, by user id; the first is the primary owner.
    pub owners: BTreeSet<String>,
}

/// What a token allows.
#[derive(Clone)]
pub(super) struct Token {
    /// Whose it is.
    pub(super) user: String,
    pub(super) scopes: BTreeSet<String>,
    /// The code every call with it is refused with, once it is no longer good.
    pub(super) refused: Option<String>,
}

/// A workspace with all that is in it. `Debug` must not show the tokens.
#[derive(Clone)]
pub(super) struct Workspace {
    pub(super) settings: SlackSettings,
    pub(super) team: String,
    pub(super) users: BTreeMap<String, SlackUser>,
    pub(super) channels: BTreeMap<String, SlackChannel>,
    pub(super) usergroups: BTreeMap<String, SlackUsergroup>,
    pub(super) teams: BTreeMap<String, SlackTeam>,
    pub(super) tokens: BTreeMap<String, Token>,
    ids: u64,
}

impl std::fmt::Debug for Workspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workspace").field("team", &self.team).field("users", &self.users.len()).finish_non_exhaustive()
    }
}

impl Workspace {
    pub(super) fn new(team: &str) -> Self {
        let home = SlackTeam { id: team.to_owned(), name: "Company".to_owned(), ..SlackTeam::default() };
        Self {
            settings: SlackSettings::default(),
            team: team.to_owned(),
            users: BTreeMap::new(),
            channels: BTreeMap::new(),
            usergroups: BTreeMap::new(),
            teams: [(team.to_owned(), home)].into(),
            tokens: BTreeMap::new(),
            ids: 0,
        }
    }

    /// A new id of Slack's form: a letter that says of what, and ten more letters and digits, ascending.
    pub(super) fn id(&mut self, letter: char) -> String {
        self.ids += 1;
        format!("{letter}0{:0>9}", self.ids)
    }

    /// By id, user name or e-mail address.
    pub(super) fn user(&self, key: &str) -> Option<&SlackUser> {
        self.users.get(key).or_else(|| self.users.values().find(|user| user.name == key || user.email.eq_ignore_ascii_case(key)))
    }

    /// By id, or name with or without `#`.
    pub(super) fn channel(&self, key: &str) -> Option<&SlackChannel> {
        let name = key.trim_start_matches('#');
        self.channels.get(key).or_else(|| self.channels.values().find(|channel| channel.name == name))
    }

    /// By id, or handle with or without `@`.
    pub(super) fn usergroup(&self, key: &str) -> Option<&SlackUsergroup> {
        let handle = key.trim_start_matches('@');
        self.usergroups.get(key).or_else(|| self.usergroups.values().find(|group| group.handle == handle))
    }
}

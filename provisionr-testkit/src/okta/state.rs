//! The state of an Okta org.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use provisionr_sdk::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::expression::Expression;

/// What is not the same for each org, and what nothing public says for certain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OktaSettings {
    /// The most items of any page, whatever `limit` asks for; 3, so that a client that does not page is found out.
    pub page_size: usize,
    /// How many requests are taken at once; 75, and 35 in free orgs (<https://developer.okta.com/docs/reference/rl2-concurrency/>). More are
    /// under way at once only while a fault delays answers.
    pub concurrency: usize,
    /// How far `search` (users, groups) is behind; 2 seconds. Okta calls it eventually consistent and gives no figure.
    /// While anything may lag, each write copies the whole org: set it to zero for load.
    #[serde(rename = "search_lag_ms", with = "crate::link::millis")]
    pub search_lag: Duration,
    /// How far lists of members are behind; none. Terraform's provider waits up to 10 seconds for them.
    #[serde(rename = "member_lag_ms", with = "crate::link::millis")]
    pub member_lag: Duration,
    /// How long activation and deactivation take, `transitioningToStatus` being set meanwhile; none.
    #[serde(rename = "transition_ms", with = "crate::link::millis")]
    pub transition: Duration,
    /// How long after a change of a person the rules are evaluated; at once. Okta does not say.
    #[serde(rename = "rule_lag_ms", with = "crate::link::millis")]
    pub rule_lag: Duration,
    /// What assigning an app to a user who has it directly answers; 409 E0000062. Okta lists the code and does not say
    /// when it comes.
    pub repeated_assignment: RepeatedAssignment,
    /// Whether users keep their groups when they are deactivated; they do, as Okta says of groups fed by rules.
    pub deactivation: DeactivatedGroups,
    /// Whether a password survives deactivation; it does not, so that an activation afterwards waits for the person.
    pub deactivated_password: DeactivatedPassword,
}

/// What becomes of a user's password at deactivation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeactivatedPassword {
    /// It is gone.
    #[default]
    Cleared,
    /// It stays.
    Kept,
}

/// What assigning an app to a user who has it directly answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RepeatedAssignment {
    /// 409 E0000062.
    #[default]
    Conflict,
    /// 200 with the assignment there is.
    Accepted,
}

/// What becomes of a user's groups at deactivation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeactivatedGroups {
    /// They stay.
    #[default]
    Kept,
    /// They go; only `Everyone` stays.
    Left,
}

impl Default for OktaSettings {
    fn default() -> Self {
        Self {
            page_size: 3,
            concurrency: 75,
            search_lag: Duration::from_secs(2),
            member_lag: Duration::ZERO,
            transition: Duration::ZERO,
            rule_lag: Duration::ZERO,
            repeated_assignment: RepeatedAssignment::default(),
            deactivation: DeactivatedGroups::default(),
            deactivated_password: DeactivatedPassword::default(),
        }
    }
}

/// Okta's user statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the vendor's own words")]
#[non_exhaustive]
pub enum UserStatus {
    Staged,
    Provisioned,
    Active,
    Recovery,
    PasswordExpired,
    LockedOut,
    Suspended,
    Deprovisioned,
}

/// A user of the org: the truth, past the API.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OktaUser {
    /// The id, `00u…`.
    pub id: String,
    /// The status.
    pub status: UserStatus,
    /// The status an unfinished transition leads to.
    pub transitioning_to: Option<UserStatus>,
    /// The profile, `login` and `email` included.
    pub profile: Map<String, Value>,
    /// Whether a password is set.
    pub has_password: bool,
    /// `OKTA`, `FEDERATION`, `ACTIVE_DIRECTORY`.
    pub provider: String,
    /// Open sessions.
    pub sessions: u32,
    /// When it was created.
    pub created: Timestamp,
    /// When it was activated.
    pub activated: Option<Timestamp>,
    /// When the status last changed.
    pub status_changed: Option<Timestamp>,
    /// When the person last logged in.
    pub last_login: Option<Timestamp>,
    /// When anything last changed.
    pub last_updated: Timestamp,
}

impl OktaUser {
    /// The login.
    pub fn login(&self) -> &str {
        self.attribute("login")
    }

    /// A text of the profile; empty when it has none of that name.
    pub fn attribute(&self, name: &str) -> &str {
        self.profile.get(name).and_then(Value::as_str).unwrap_or("")
    }

    /// Whether the user is past staging and not deactivated: apps are assigned by groups, and provisioned.
    pub(super) fn is_live(&self) -> bool {
        !matches!(self.status, UserStatus::Staged | UserStatus::Deprovisioned)
    }
}

/// Who manages a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the vendor's own words")]
#[non_exhaustive]
pub enum GroupType {
    #[default]
    OktaGroup,
    AppGroup,
    BuiltIn,
}

/// How a user comes to be in a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Membership {
    /// Added by hand or by API.
    pub direct: bool,
    /// The rules that feed it.
    pub rules: BTreeSet<String>,
}

/// A group of the org.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OktaGroup {
    /// The id, `00g…`.
    pub id: String,
    /// Who manages it.
    #[serde(rename = "type")]
    pub kind: GroupType,
    /// The profile, `name` included.
    pub profile: Map<String, Value>,
    /// The app that imports an `APP_GROUP`.
    pub source: Option<String>,
    /// The members, by user id.
    pub members: BTreeMap<String, Membership>,
    /// When it was created.
    pub created: Timestamp,
    /// When the profile last changed.
    pub last_updated: Timestamp,
    /// When a membership last changed.
    pub last_membership_updated: Timestamp,
}

impl OktaGroup {
    /// The name.
    pub fn name(&self) -> &str {
        self.profile.get("name").and_then(Value::as_str).unwrap_or("")
    }
}

/// A group rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OktaRule {
    /// The id, `0pr…`.
    pub id: String,
    /// The name.
    pub name: String,
    /// `ACTIVE`, `INACTIVE` or `INVALID`.
    pub status: String,
    /// The condition.
    pub expression: Expression,
    /// The groups it feeds, by id.
    pub groups: BTreeSet<String>,
    /// Users it passes over, by id.
    pub excluded: BTreeSet<String>,
    /// When it was created.
    pub created: Timestamp,
    /// When it last changed.
    pub last_updated: Timestamp,
}

/// Whether an app assignment is a user's own or comes from a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the vendor's own words")]
#[non_exhaustive]
pub enum AppScope {
    User,
    Group,
}

/// One user's assignment to an app.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AppUser {
    /// The id of the assignment, `0ua…`.
    pub assignment: String,
    /// Where it comes from.
    pub scope: AppScope,
    /// The user name in the app.
    pub user_name: String,
    /// The profile in the app.
    pub profile: Map<String, Value>,
    /// Whether the app has been told to create the account.
    pub provisioned: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub last_updated: Timestamp,
}

/// One group's assignment to an app.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AppGroup {
    /// The priority.
    pub priority: i64,
    /// The profile it gives.
    pub profile: Map<String, Value>,
    /// When it last changed.
    pub last_updated: Timestamp,
}

/// An app of the org.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OktaApp {
    /// The id, `0oa…`.
    pub id: String,
    /// The key name, `google`.
    pub name: String,
    /// The label people see.
    pub label: String,
    /// `ACTIVE` or `INACTIVE`.
    pub status: String,
    /// Okta's features, such as `PUSH_NEW_USERS`.
    pub features: Vec<String>,
    /// Assigned users, by user id.
    pub users: BTreeMap<String, AppUser>,
    /// Assigned groups, by group id.
    pub groups: BTreeMap<String, AppGroup>,
    /// When it was created.
    pub created: Timestamp,
    /// When it last changed.
    pub last_updated: Timestamp,
}

impl OktaApp {
    pub(super) fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|known| known == feature)
    }
}

/// All of an org but its credentials.
#[derive(Clone, Debug, Default)]
pub(super) struct Org {
    pub(super) settings: OktaSettings,
    pub(super) users: BTreeMap<String, OktaUser>,
    pub(super) groups: BTreeMap<String, OktaGroup>,
    pub(super) rules: BTreeMap<String, OktaRule>,
    pub(super) apps: BTreeMap<String, OktaApp>,
    ids: u64,
}

impl Org {
    /// A new id: a prefix that says of what, twenty characters in all, ascending.
    pub(super) fn id(&mut self, prefix: &str) -> String {
        self.ids += 1;
        format!("{prefix}{:0>14}0g4", self.ids)
    }

    /// By id, login, or the login's part before `@` where only one user has it.
    pub(super) fn user(&self, key: &str) -> Option<&OktaUser> {
        if let Some(user) = self.users.get(key) {
            return Some(user);
        }
        if let Some(user) = self.users.values().find(|user| user.login().eq_ignore_ascii_case(key)) {
            return Some(user);
        }
        let mut short = self.users.values().filter(|user| user.login().split('@').next().is_some_and(|short| short.eq_ignore_ascii_case(key)));
        match (short.next(), short.next()) {
            (Some(user), None) => Some(user),
            _ => None,
        }
    }

    /// By id or name.
    pub(super) fn group(&self, key: &str) -> Option<&OktaGroup> {
        self.groups.get(key).or_else(|| self.groups.values().find(|group| group.name() == key))
    }

    /// By id, label or name.
    pub(super) fn app(&self, key: &str) -> Option<&OktaApp> {
        self.apps.get(key).or_else(|| self.apps.values().find(|app| app.label == key || app.name == key))
    }
}

//! The state of a Google Workspace account.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use provisionr_sdk::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::link::millis;

/// What is not the same for each customer, and what nothing public says for certain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GoogleSettings {
    /// The most items of any page, whatever `maxResults` asks for; 3, so that a client that does not page is found out.
    pub page_size: usize,
    /// The domains of the customer: `example.com` and `company.com`. Members of other domains are external.
    pub domains: BTreeSet<String>,
    /// How far `query` of users and groups is behind; 2 seconds. Google says up to 36 hours
    /// (<https://developers.google.com/workspace/admin/directory/v1/guides/search-users>). While anything may lag, each write
    /// copies the whole state: set it to zero for load.
    #[serde(rename = "search_lag_ms", with = "millis")]
    pub search_lag: Duration,
    /// How far nested memberships are behind (`hasMember`, `includeDerivedMembership`); none. Google says up to 10 minutes.
    #[serde(rename = "nested_lag_ms", with = "millis")]
    pub nested_lag: Duration,
    /// How long new users and groups answer 404; none. Seconds have been seen
    /// (<https://github.com/googleapis/google-api-nodejs-client/issues/166>).
    #[serde(rename = "creation_lag_ms", with = "millis")]
    pub creation_lag: Duration,
    /// How long changes of new users answer "User creation is not complete"; none. Google gives no time, and neither status nor reason: here
    /// 412 `conditionNotMet`.
    #[serde(rename = "creation_completes_ms", with = "millis")]
    pub creation_completes: Duration,
    /// Whether lists of a user's groups show nested ones; they do not. Google does not say.
    pub groups_of_user: GroupsOfUser,
    /// Whether a throttled answer says how long to wait (`Retry-After`); it does not, for Google documents no such header.
    pub retry_after: RetryAfter,
    /// How many requests are taken at once; any number, for Google names none. More are under way at once only while a fault delays answers.
    pub concurrency: Option<usize>,
    /// What one request too many at once answers; 403 `quotaExceeded`. Google has both
    /// (<https://developers.google.com/workspace/admin/directory/v1/limits>).
    pub too_many_at_once: TooManyAtOnce,
    /// The reason a 409 gives; `duplicate`. That one has been met, and Google documents none.
    pub duplicate_reason: String,
    /// What answers where there is nothing to show; nothing, with status 204. Google does not say.
    pub nothing_to_show: NothingToShow,
    /// How long a deleted user can be restored; 20 days (<https://support.google.com/a/answer/1397578>).
    #[serde(rename = "undelete_ms", with = "millis")]
    pub undelete: Duration,
    /// Addresses of unmanaged personal accounts: a create with `resolveConflictAccount` invites them and answers 202, one without 409.
    pub unmanaged: BTreeSet<String>,
}

/// What one request too many at once answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TooManyAtOnce {
    /// 403 `quotaExceeded`: of one kind.
    #[default]
    QuotaExceeded,
    /// 429 `rateLimitExceeded`: of the whole account.
    RateLimitExceeded,
}

/// What an answer is that has nothing to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NothingToShow {
    /// Nothing, with status 204.
    #[default]
    Nothing,
    /// An empty object, with status 200.
    EmptyObject,
}

/// Which groups `groups.list` with a `userKey` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GroupsOfUser {
    /// Those the user is in directly.
    #[default]
    Direct,
    /// Those of other groups too.
    Nested,
}

/// Whether a throttled answer has a `Retry-After`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetryAfter {
    /// It has none.
    #[default]
    Left,
    /// It has one.
    Sent,
}

impl Default for GoogleSettings {
    fn default() -> Self {
        Self {
            page_size: 3,
            domains: ["example.com", "company.com"].map(str::to_owned).into(),
            search_lag: Duration::from_secs(2),
            nested_lag: Duration::ZERO,
            creation_lag: Duration::ZERO,
            creation_completes: Duration::ZERO,
            groups_of_user: GroupsOfUser::default(),
            retry_after: RetryAfter::default(),
            concurrency: None,
            too_many_at_once: TooManyAtOnce::default(),
            duplicate_reason: "duplicate".to_owned(),
            nothing_to_show: NothingToShow::default(),
            undelete: Duration::from_secs(20 * 24 * 3600),
            unmanaged: BTreeSet::new(),
        }
    }
}

/// A user: the truth, past the API.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GoogleUser {
    /// The id, 21 digits.
    pub id: String,
    /// The primary address.
    pub primary_email: String,
    /// Other addresses of the user.
    pub aliases: BTreeSet<String>,
    /// What else the user resource holds, by its own names: `name`, `organizations`, `externalIds`, `customSchemas`.
    pub fields: Map<String, Value>,
    /// The organizational unit, by path.
    pub org_unit_path: String,
    /// Whether the user is suspended.
    pub suspended: bool,
    /// Why, in Google's words.
    pub suspension_reason: Option<String>,
    /// Whether the user is archived.
    pub archived: bool,
    /// Whether the user is a super administrator.
    pub is_admin: bool,
    /// Whether the password has to be changed at the next login.
    pub change_password: bool,
    /// Open sessions.
    pub sessions: u32,
    /// When it was created.
    pub created: Timestamp,
    /// When it was deleted; it can be restored for a while.
    pub deleted: Option<Timestamp>,
    /// When the person last logged in.
    pub last_login: Option<Timestamp>,
    pub(super) revision: u64,
}

impl GoogleUser {
    pub(super) fn answers_to(&self, key: &str) -> bool {
        self.id == key || self.primary_email.eq_ignore_ascii_case(key) || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(key))
    }
}

/// What a member may do in a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the vendor's own words")]
#[non_exhaustive]
pub enum MemberRole {
    #[default]
    Member,
    Manager,
    Owner,
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the vendor's own words")]
#[non_exhaustive]
pub enum MemberType {
    User,
    Group,
    Customer,
}

/// A membership, which belongs to the group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GoogleMember {
    /// The role.
    pub role: MemberRole,
    /// What the member is.
    #[serde(rename = "type")]
    pub kind: MemberType,
    /// The address, for members of other domains; those of the customer's own are looked up.
    pub email: Option<String>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GoogleGroup {
    /// The id, 15 characters.
    pub id: String,
    /// The address.
    pub email: String,
    /// Other addresses of the group.
    pub aliases: BTreeSet<String>,
    /// The name people see.
    pub name: String,
    /// The description.
    pub description: String,
    /// The members, by id.
    pub members: BTreeMap<String, GoogleMember>,
    /// When it was created.
    pub created: Timestamp,
    pub(super) revision: u64,
}

impl GoogleGroup {
    pub(super) fn answers_to(&self, key: &str) -> bool {
        self.id == key || self.email.eq_ignore_ascii_case(key) || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(key))
    }
}

/// An organizational unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GoogleOrgUnit {
    /// The id, `id:…`.
    pub id: String,
    /// The path, `/corp/sales`.
    pub path: String,
    /// The description.
    pub description: String,
}

impl GoogleOrgUnit {
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or("")
    }

    pub(super) fn parent(&self) -> &str {
        match self.path.rsplit_once('/') {
            Some(("", _)) | None => "/",
            Some((parent, _)) => parent,
        }
    }
}

/// All of a customer but the credentials.
#[derive(Clone, Debug, Default)]
pub(super) struct Customer {
    pub(super) settings: GoogleSettings,
    pub(super) users: BTreeMap<String, GoogleUser>,
    pub(super) groups: BTreeMap<String, GoogleGroup>,
    /// By path. The root is not among them.
    pub(super) units: BTreeMap<String, GoogleOrgUnit>,
    /// People of other domains, by address.
    pub(super) external: BTreeMap<String, String>,
    ids: u64,
}

impl Customer {
    /// The number of a new thing, ascending.
    pub(super) fn number(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(super) fn user_id(&mut self) -> String {
        format!("1{:0>20}", self.number() * 7919)
    }

    pub(super) fn group_id(&mut self) -> String {
        format!("01ksv4uv{:0>7}", self.number())
    }

    pub(super) fn unit_id(&mut self) -> String {
        format!("id:03ph8a2z{:0>7}", self.number())
    }

    /// A user who is not deleted, by id, address or alias.
    pub(super) fn user(&self, key: &str) -> Option<&GoogleUser> {
        self.users.values().find(|user| user.deleted.is_none() && user.answers_to(key))
    }

    pub(super) fn user_mut(&mut self, id: &str) -> Option<&mut GoogleUser> {
        let user = self.users.get_mut(id)?;
        user.revision += 1;
        Some(user)
    }

    /// A group by id, address or alias.
    pub(super) fn group(&self, key: &str) -> Option<&GoogleGroup> {
        self.groups.values().find(|group| group.answers_to(key))
    }

    pub(super) fn is_own(&self, email: &str) -> bool {
        email.rsplit_once('@').is_some_and(|(_, domain)| self.settings.domains.contains(&domain.to_lowercase()))
    }

    /// Whether a user or group has the address.
    pub(super) fn is_taken(&self, email: &str) -> bool {
        self.user(email).is_some() || self.group(email).is_some()
    }

    pub(super) fn has_unit(&self, path: &str) -> bool {
        path == "/" || self.units.contains_key(path)
    }

    /// The members of a group and of the groups within it, each once; groups count as members too.
    pub(super) fn derived(&self, group: &str) -> BTreeMap<String, GoogleMember> {
        let mut all = BTreeMap::new();
        let mut left = vec![group.to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(group) = left.pop().filter(|group| seen.insert(group.clone())) {
            for (id, member) in self.groups.get(&group).into_iter().flat_map(|group| &group.members) {
                if member.kind == MemberType::Group {
                    left.push(id.clone());
                }
                all.entry(id.clone()).or_insert_with(|| member.clone());
            }
        }
        all
    }

    /// Whether a user is in a group, directly or not.
    pub(super) fn is_in(&self, group: &str, user: &str) -> bool {
        let derived = self.derived(group);
        derived.contains_key(user) || derived.values().any(|member| member.kind == MemberType::Customer)
    }
}

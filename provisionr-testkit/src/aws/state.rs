//! What an instance knows: users, groups, permission sets, AWS accounts, assignments and the jobs that make them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What AWS does not say of itself, or not the same everywhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AwsSettings {
    /// The most items on a page, whatever was asked for: pages may be short. 100 unless set.
    pub page_size: usize,
    /// How long a job takes, in milliseconds; 0 for at once, none for until it is finished by an act. 2 seconds unless set.
    pub job_ms: Option<u64>,
    /// A job is done once it was looked at more often than this, whatever its time; none unless set.
    pub job_looks: Option<u32>,
    /// How many jobs may be under way at once. 10 unless set.
    pub outstanding: usize,
    /// The error for one more. `ThrottlingException` unless set; some were answered `ConflictException`.
    pub outstanding_error: String,
    /// Whether a conflict of the identity store gives its reason. The description says that it may be missing.
    pub conflict_reason: Option<String>,
    /// What comes of taking an assignment that is not there.
    pub missing: Missing,
    /// Whether what a person has through groups is among what they have. The shape of the list says so, and no text does.
    pub inherited_rows: bool,
    /// Whether letters in another case are other letters: when users are looked up, and when a name or address must be unique.
    /// Nobody says; they are the same unless set.
    pub letter_case: LetterCase,
    /// How the key service is that the instance encrypts with, where a customer manages the key.
    pub key_service: KeyService,
    /// What stands before the type of an error, if anything does.
    pub namespace: String,
    /// How far the clock of a request may be off, in seconds. 300 unless set.
    pub skew: u64,
}

/// What comes of taking an assignment that is not there: both have been seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// A job that fails.
    #[default]
    Fails,
    /// `ResourceNotFoundException`.
    Refused,
}

/// Whether letters in another case are other letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterCase {
    /// They are the same.
    #[default]
    Same,
    /// They are others.
    Other,
}

impl LetterCase {
    pub(super) fn same(self, one: &str, other: &str) -> bool {
        match self {
            Self::Same => one.to_lowercase() == other.to_lowercase(),
            Self::Other => one == other,
        }
    }
}

/// How the key service is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyService {
    /// It works, or there is none.
    #[default]
    Works,
    /// The key is not to be found.
    NotFound,
    /// The key is disabled.
    Disabled,
    /// The key may not be used.
    Denied,
    /// It is asked too much.
    Throttled,
}

impl Default for AwsSettings {
    fn default() -> Self {
        Self {
            page_size: 100,
            job_ms: Some(2000),
            job_looks: None,
            outstanding: 10,
            outstanding_error: "ThrottlingException".to_owned(),
            conflict_reason: Some("UNIQUENESS_CONSTRAINT_VIOLATION".to_owned()),
            missing: Missing::default(),
            inherited_rows: true,
            letter_case: LetterCase::default(),
            key_service: KeyService::default(),
            namespace: String::new(),
            skew: 300,
        }
    }
}

/// What another system calls a user or group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsExternalId {
    /// Whose id it is.
    pub issuer: String,
    /// The id.
    pub id: String,
}

/// A user of the identity store.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct AwsUser {
    /// Their id.
    pub id: String,
    /// Whether they may log in.
    pub enabled: bool,
    /// Set for users that came over SCIM.
    pub external_ids: Vec<AwsExternalId>,
    /// Counts changes.
    pub revision: u64,
    /// Everything else, as the API has it.
    pub fields: Map<String, Value>,
}

impl AwsUser {
    /// A text of theirs, as the API names it: `UserName`, `DisplayName`.
    pub fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or("")
    }

    /// A text within an object or list: `/Name/GivenName`, `/Emails/0/Value`.
    pub fn at(&self, pointer: &str) -> Option<&str> {
        let (field, rest) = pointer.trim_start_matches('/').split_once('/')?;
        self.fields.get(field)?.pointer(&format!("/{rest}"))?.as_str()
    }
}

/// A group of the identity store.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct AwsGroup {
    /// Its id.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// Set for groups that came over SCIM.
    pub external_ids: Vec<AwsExternalId>,
    /// Its members, each with the id of the membership.
    pub members: BTreeMap<String, String>,
}

/// A permission set.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct AwsPermissionSet {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// The AWS accounts that have a role for it.
    pub provisioned: BTreeSet<String>,
}

/// An AWS account of the organisation.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct AwsAccount {
    /// Its 12 digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it was suspended.
    pub suspended: bool,
}

/// A permission set assigned to a user or group in an AWS account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct AwsAssignment {
    /// The AWS account.
    pub account: String,
    /// The ARN of the permission set.
    pub permission_set: String,
    /// `USER` or `GROUP`.
    pub principal_type: String,
    /// Their id.
    pub principal: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Way {
    Create,
    Delete,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) way: Way,
    pub(super) status: &'static str,
    pub(super) reason: Option<String>,
    /// Why it is going to fail.
    pub(super) fails: Option<String>,
    pub(super) assignment: AwsAssignment,
    pub(super) created: i64,
    pub(super) looks: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) secret: String,
    pub(super) token: Option<String>,
    /// IAM actions it may not use.
    pub(super) denied: BTreeSet<String>,
    /// The error it is refused with.
    pub(super) refused: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Instance {
    pub(super) settings: AwsSettings,
    pub(super) users: BTreeMap<String, AwsUser>,
    pub(super) groups: BTreeMap<String, AwsGroup>,
    pub(super) sets: BTreeMap<String, AwsPermissionSet>,
    pub(super) accounts: BTreeMap<String, AwsAccount>,
    pub(super) assignments: BTreeSet<AwsAssignment>,
    pub(super) jobs: BTreeMap<String, Job>,
    pub(super) keys: BTreeMap<String, Key>,
    pub(super) next_fails: Option<String>,
    made: u64,
}

impl Instance {
    fn count(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// An id of the form all of them have.
    pub(super) fn id(&mut self) -> String {
        let number = self.count();
        format!("{number:08x}-7dec-41d0-a765-{number:012x}")
    }

    pub(super) fn set_arn(&mut self) -> String {
        format!("arn:aws:sso:::permissionSet/{}/ps-{:016x}", super::AwsFake::INSTANCE_ID, self.count())
    }

    /// By id, user name or e-mail address.
    pub(super) fn user(&self, key: &str) -> Option<&AwsUser> {
        let same = |user: &&AwsUser| user.text("UserName") == key || user.at("/Emails/0/Value") == Some(key);
        self.users.get(key).or_else(|| self.users.values().find(same))
    }

    /// By id or name.
    pub(super) fn group(&self, key: &str) -> Option<&AwsGroup> {
        self.groups.get(key).or_else(|| self.groups.values().find(|group| group.name == key))
    }

    /// By ARN or name.
    pub(super) fn set(&self, key: &str) -> Option<&AwsPermissionSet> {
        self.sets.get(key).or_else(|| self.sets.values().find(|set| set.name == key))
    }

    /// By id or name.
    pub(super) fn account(&self, key: &str) -> Option<&AwsAccount> {
        self.accounts.get(key).or_else(|| self.accounts.values().find(|account| account.name == key))
    }
}

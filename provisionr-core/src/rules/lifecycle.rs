//! When access begins, how long it lasts, and what becomes of the accounts of leavers.

use std::time::Duration;

use provisionr_sdk::{Date, Subject};
use serde::{Serialize, Serializer};

use super::scalar::Scalar;
use super::topology::single;
use super::trigger::day;

/// When access begins and ends, for all systems.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LifecycleRules {
    /// The attribute of the subject that holds the first day.
    pub first_day: String,
    /// Accounts are made so long before the first day; none: at once.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "maybe_in_words")]
    pub accounts_before: Option<Duration>,
    /// Access is granted so long before the first day; none: as soon as there is an account.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "maybe_in_words")]
    pub access_before: Option<Duration>,
    /// The attribute of the subject that holds the last day.
    pub last_day: String,
    /// So long a person keeps what the rules no longer give, unless the system says otherwise.
    #[serde(serialize_with = "in_words_of")]
    pub grace: Duration,
}

impl Default for LifecycleRules {
    fn default() -> Self {
        Self { first_day: "start_date".to_owned(), accounts_before: None, access_before: None, last_day: "end_date".to_owned(), grace: Duration::ZERO }
    }
}

impl LifecycleRules {
    /// The first day of a subject, if it has one: a day, or the UTC day of a point in time.
    pub fn first_day_of(&self, subject: &Subject) -> Option<Date> {
        day(&Scalar::of(single(subject, &self.first_day)?)?)
    }

    /// The last day of a subject, if it has one: a day, or the UTC day of a point in time.
    pub fn last_day_of(&self, subject: &Subject) -> Option<Date> {
        day(&Scalar::of(single(subject, &self.last_day)?)?)
    }
}

/// What happens to the account of a person on leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnLeave {
    /// Nothing.
    #[default]
    Keep,
    /// It is suspended until they are back.
    Suspend,
}

impl OnLeave {
    pub(crate) const ALL: [(&'static str, Self); 2] = [("keep", Self::Keep), ("suspend", Self::Suspend)];

    /// The word in rules files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Suspend => "suspend",
        }
    }

    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What happens to the account of a person who leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct LeaverRules {
    /// How they are kept out at once.
    pub cut: Cut,
    /// So long after the last day the account is deactivated; none: never by us.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "maybe_in_words")]
    pub deactivate_after: Option<Duration>,
    /// So long after the last day the account is deleted; none: never by us.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "maybe_in_words")]
    pub delete_after: Option<Duration>,
}

impl LeaverRules {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How a leaver is kept out at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cut {
    /// By the suspension the adapter declares.
    #[default]
    Suspend,
    /// By deactivating the account.
    Deactivate,
    /// Not by the account: what it holds is taken, and it stays.
    Keep,
}

impl Cut {
    pub(crate) const ALL: [(&'static str, Self); 3] = [("suspend", Self::Suspend), ("deactivate", Self::Deactivate), ("keep", Self::Keep)];

    /// The word in rules files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Deactivate => "deactivate",
            Self::Keep => "keep",
        }
    }
}

/// What becomes of a change that no API of a system can make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cannot {
    /// It is refused.
    #[default]
    Refuse,
    /// Somebody makes it by hand, and says so.
    ByHand,
}

impl Cannot {
    pub(crate) const ALL: [(&'static str, Self); 2] = [("refuse", Self::Refuse), ("by_hand", Self::ByHand)];

    /// The word in rules files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::ByHand => "by_hand",
        }
    }

    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Seconds of the units durations are written in, largest first.
pub(crate) const UNITS: [(&str, u64); 4] = [("weeks", 604_800), ("days", 86_400), ("hours", 3600), ("minutes", 60)];

/// A duration in whole days, hours or minutes, as rules files write it.
pub(crate) fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (name, unit) = UNITS.into_iter().skip(1).find(|(_, unit)| seconds.is_multiple_of(*unit)).unwrap_or(("minutes", 60));
    match seconds / unit {
        1 => format!("1 {}", name.trim_end_matches('s')),
        count => format!("{count} {name}"),
    }
}

fn in_words_of<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&in_words(*duration))
}

pub(crate) fn maybe_in_words<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(in_words).serialize(serializer)
}

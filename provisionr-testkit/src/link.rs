//! What happens in a fake, what people do to it, and how one fake moves another.

use std::time::Duration;

use provisionr_sdk::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Something a person or another system does to a fake, past its API: `log_in`, `accept_invitation`, `create_user`.
/// Each fake documents its acts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Which act.
    pub act: String,
    /// Its arguments: an object.
    #[serde(default)]
    pub args: Value,
    /// How long it is put off.
    #[serde(default, rename = "after_ms", with = "millis", skip_serializing_if = "Duration::is_zero")]
    pub after: Duration,
}

impl Act {
    /// An act at once.
    pub fn new(act: impl Into<String>, args: Value) -> Self {
        Self { act: act.into(), args, after: Duration::ZERO }
    }

    /// Puts it off.
    #[must_use]
    pub fn after(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }

    /// A text argument.
    ///
    /// # Errors
    /// When it is missing or no text.
    pub fn text(&self, name: &str) -> Result<&str, ActError> {
        self.args.get(name).and_then(Value::as_str).ok_or_else(|| ActError::new(format!("act `{}` needs the text `{name}`", self.act)))
    }

    /// The error for an act the fake does not know.
    pub fn unknown(&self) -> ActError {
        ActError::new(format!("no act is called `{}`", self.act))
    }
}

/// An act or a seed that a fake cannot carry out: an error of the test.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ActError(String);

impl ActError {
    /// Says why.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl From<serde_json::Error> for ActError {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

/// One change that took place in a fake: an effective write, or the effect of an act.
/// A write that found everything as wanted makes no event, so that events count real effects.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FakeEvent {
    /// When.
    pub at: Timestamp,
    /// What: `group.member_added`, `app.user_assigned`. Each fake documents its kinds.
    pub kind: String,
    /// To what: ids and names.
    pub data: Value,
    /// The request of the log that caused it; none for acts and what the fake does by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
}

impl FakeEvent {
    /// A text of the event's data; empty when there is none of that name.
    pub fn text(&self, name: &str) -> &str {
        self.data.get(name).and_then(Value::as_str).unwrap_or("")
    }
}

/// Durations as whole milliseconds.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

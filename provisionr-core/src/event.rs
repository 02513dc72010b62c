//! What the HRIS tells: somebody was hired, changed, left.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use provisionr_sdk::{EventId, Lifecycle, Subject, SubjectId, Timestamp};

/// What happened to a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// They were hired.
    Hired,
    /// Their record changed.
    Updated,
    /// They went on leave.
    LeaveStarted,
    /// They came back from leave.
    Returned,
    /// They left.
    Terminated,
    /// They came back after they had left.
    Rehired,
}

const KINDS: [(&str, EventKind); 6] = [
    ("employee.hired", EventKind::Hired),
    ("employee.updated", EventKind::Updated),
    ("employee.leave_started", EventKind::LeaveStarted),
    ("employee.returned", EventKind::Returned),
    ("employee.terminated", EventKind::Terminated),
    ("employee.rehired", EventKind::Rehired),
];

/// What a plan is made on the occasion of; by default of none, and only the directory speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Occasion {
    /// When it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Whether the person begins or is back: only then an account is switched on that others switched off.
    #[serde(default)]
    pub comes_back: bool,
}

/// One event of the HRIS, with the subject as it is after the event.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    id: EventId,
    kind: EventKind,
    at: Timestamp,
    subject: Subject,
}

/// An event that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// It is not JSON, or lacks a field.
    #[error("the event cannot be read: {0}")]
    Unreadable(String),
    /// Its type is not known.
    #[error("unknown event type `{found}`{}", help.as_ref().map(|help| format!("; did you mean `{help}`?")).unwrap_or_default())]
    UnknownType {
        /// The type it has.
        found: String,
        /// The known type that is most like it.
        help: Option<&'static str>,
    },
}

#[derive(Deserialize)]
struct Stored {
    event_type: String,
    event_id: EventId,
    timestamp: Timestamp,
    #[serde(default)]
    version: Option<u64>,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    employee_id: SubjectId,
    #[serde(flatten)]
    attributes: BTreeMap<String, Value>,
}

impl Event {
    /// An event about a subject as it is now.
    pub fn new(id: impl Into<EventId>, kind: EventKind, at: Timestamp, subject: Subject) -> Self {
        let lifecycle = match kind {
            EventKind::Terminated => Lifecycle::Terminated,
            EventKind::LeaveStarted => Lifecycle::OnLeave,
            _ => Lifecycle::Active,
        };
        Self { id: id.into(), kind, at, subject: subject.with_lifecycle(lifecycle) }
    }

    /// Reads an event: `event_type`, `event_id`, `timestamp`, and under `data` the record with its `employee_id`.
    /// The version of the subject is `version`, or the event's time in milliseconds where there is none.
    ///
    /// ```
    /// let event = provisionr_core::Event::from_json(br#"{
    ///     "event_type": "employee.hired", "event_id": "evt_1", "timestamp": "2024-11-24T09:00:00Z",
    ///     "data": { "employee_id": "emp_1", "email": "sarah@company.com", "job_title": "Sales Engineer" }
    /// }"#)?;
    /// assert_eq!(event.subject().text("job_title"), Some("Sales Engineer"));
    /// # Ok::<_, provisionr_core::EventError>(())
    /// ```
    ///
    /// # Errors
    /// When it is not such an event; the message says what is missing and where.
    pub fn from_json(json: &[u8]) -> Result<Self, EventError> {
        let stored: Stored = serde_json::from_slice(json).map_err(|error| EventError::Unreadable(error.to_string()))?;
        if stored.event_id.as_str().trim().is_empty() || stored.data.employee_id.as_str().trim().is_empty() {
            return Err(EventError::Unreadable("`event_id` and `data.employee_id` must not be empty".to_owned()));
        }
        let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == stored.event_type) else {
            let help = provisionr_sdk::suggestion(&stored.event_type, KINDS.iter().map(|(name, _)| *name));
            return Err(EventError::UnknownType {
                help: help.and_then(|help| KINDS.iter().map(|(name, _)| *name).find(|name| *name == help)),
                found: stored.event_type,
            });
        };
        let version = stored.version.unwrap_or_else(|| u64::try_from(stored.timestamp.as_millis()).unwrap_or(0));
        let mut subject = Subject::new(stored.data.employee_id).with_version(version);
        subject.attributes = stored.data.attributes;
        Ok(Self::new(stored.event_id, *kind, stored.timestamp, subject))
    }

    /// Its id.
    pub fn id(&self) -> &EventId {
        &self.id
    }

    /// What happened.
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    pub(crate) fn occasion(&self) -> Occasion {
        Occasion { at: Some(self.at), comes_back: matches!(self.kind, EventKind::Hired | EventKind::Returned | EventKind::Rehired) }
    }

    /// When.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The subject, as it is after the event.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_event_is_said() {
        let error = Event::from_json(b"{\"event_type\": \"employee.hired\"").unwrap_err();
        assert!(error.to_string().contains("line 1"), "{error}");
        let error = Event::from_json(br#"{"event_type":"employee.hired","event_id":"e","timestamp":"2024-11-24T09:00:00Z","data":{}}"#).unwrap_err();
        assert!(error.to_string().contains("employee_id"), "{error}");
        let error =
            Event::from_json(br#"{"event_type":"employe.hired","event_id":"e","timestamp":"2024-11-24T09:00:00Z","data":{"employee_id":"p"}}"#).unwrap_err();
        assert_eq!(error.to_string(), "unknown event type `employe.hired`; did you mean `employee.hired`?");
        let error =
            Event::from_json(br#"{"event_type":"employee.hired","event_id":" ","timestamp":"2024-11-24T09:00:00Z","data":{"employee_id":"p"}}"#).unwrap_err();
        assert!(error.to_string().contains("must not be empty"), "{error}");
    }

    #[test]
    fn a_leaver_is_terminated_and_a_later_event_is_a_newer_version() {
        let json = |kind: &str, day: u8| {
            format!(r#"{{"event_type":"employee.{kind}","event_id":"e{day}","timestamp":"2024-11-{day}T09:00:00Z","data":{{"employee_id":"p"}}}}"#)
        };
        let hired = Event::from_json(json("hired", 24).as_bytes()).unwrap();
        let left = Event::from_json(json("terminated", 25).as_bytes()).unwrap();
        assert_eq!(left.subject().lifecycle, Lifecycle::Terminated);
        assert!(left.subject().version > hired.subject().version);
    }
}

//! Who access is for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::SubjectId;

/// Where a subject stands in its life with the company.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Lifecycle {
    /// Hired, first day not reached.
    Prehire,
    /// At work.
    Active,
    /// On leave: still employed, not at work.
    OnLeave,
    /// Gone.
    Terminated,
}

/// A person (or service identity) as the HRIS describes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The HRIS id; never reused.
    pub id: SubjectId,
    /// Counts up with each change the HRIS makes; an older version never wins over a newer one.
    #[serde(default)]
    pub version: u64,
    /// Where they stand.
    #[serde(default = "active")]
    pub lifecycle: Lifecycle,
    /// Everything else the HRIS says (`email`, `first_name`, `job_title` …), by the host's names.
    #[serde(default)]
    pub attributes: BTreeMap<String, Value>,
}

fn active() -> Lifecycle {
    Lifecycle::Active
}

impl Subject {
    /// An active subject of version 0 without attributes.
    pub fn new(id: impl Into<SubjectId>) -> Self {
        Self { id: id.into(), version: 0, lifecycle: Lifecycle::Active, attributes: BTreeMap::new() }
    }

    /// Sets one attribute.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// Sets the version.
    #[must_use]
    pub fn with_version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// Sets the lifecycle.
    #[must_use]
    pub fn with_lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.lifecycle = lifecycle;
        self
    }

    /// An attribute that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).and_then(Value::as_str)
    }
}

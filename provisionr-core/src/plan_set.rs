//! The plans of many people, looked at and submitted together.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::event::Occasion;
use crate::forecast::{Forecast, duration};
use crate::plan::{OperationId, Plan};
use provisionr_sdk::{EventId, Subject};

/// The plans of many people. Saved as JSON, it is applied exactly as it was looked at, or refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlanSet {
    /// The version of this form.
    pub format: u16,
    /// The revision of the rules the plans follow from.
    pub rules: Digest,
    /// The plans, in the order of subjects. Who needs nothing is not among them.
    pub plans: Vec<Planned>,
    /// How many people need nothing.
    pub unchanged: u64,
    /// What the plans will take together.
    pub forecast: Forecast,
}

/// One plan of a set, and what it was made for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Planned {
    /// The event that opens its run.
    pub event: EventId,
    /// The subject it was made for.
    pub subject: Subject,
    /// On what occasion.
    #[serde(default)]
    pub occasion: Occasion,
    /// The plan.
    pub plan: Plan,
}

impl PlanSet {
    /// The version of the stored form.
    pub const FORMAT: u16 = 1;

    pub(crate) fn new(rules: Digest, mut plans: Vec<Planned>, unchanged: u64, forecast: Forecast) -> Self {
        plans.sort_by(|one, two| one.subject.id.cmp(&two.subject.id));
        Self { format: Self::FORMAT, rules, plans, unchanged, forecast }
    }

    /// The identity of what the plans do: of their digests and events.
    ///
    /// # Errors
    /// Those of [`Plan::digest`].
    pub fn digest(&self) -> Result<Digest, serde_json::Error> {
        let mut parts = vec![self.rules.as_bytes().to_vec()];
        for planned in &self.plans {
            parts.push(planned.event.as_str().as_bytes().to_vec());
            parts.push(planned.plan.digest()?.as_bytes().to_vec());
        }
        Ok(Digest::of(parts.iter().map(Vec::as_slice)))
    }

    /// The set as indented JSON.
    ///
    /// # Errors
    /// When a value cannot be written as JSON, which no value of a plan does.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// Reads a saved set.
    ///
    /// # Errors
    /// When it is no plan set, or one of a newer version; the message says where.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        let set: Self = serde_json::from_slice(json)?;
        if set.format > Self::FORMAT {
            let why = format!("the plan set has format {}, this version reads up to {}", set.format, Self::FORMAT);
            return Err(serde::de::Error::custom(why));
        }
        Ok(set)
    }

    /// Whether nobody needs anything.
    pub fn is_empty(&self) -> bool {
        self.plans.is_empty()
    }

    /// How many operations there are.
    pub fn operations(&self) -> usize {
        self.plans.iter().map(|planned| planned.plan.operations.len()).sum()
    }
}

impl fmt::Display for PlanSet {
    /// The plans one after the other, then what they take together.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for planned in &self.plans {
            write!(f, "{}", planned.plan)?;
        }
        if self.plans.len() != 1 || self.unchanged > 0 {
            let people = |count: u64| if count == 1 { "1 person".to_owned() } else { format!("{count} people") };
            writeln!(f, "{} for {}; {} as they should be", operations(self.operations()), people(self.plans.len() as u64), people(self.unchanged))?;
        }
        if !self.forecast.systems.is_empty() {
            writeln!(f, "forecast: {} calls, at least {}", self.forecast.calls(), duration(self.forecast.at_least().as_secs()))?;
            write!(f, "{}", self.forecast)?;
        }
        Ok(())
    }
}

fn operations(count: usize) -> String {
    if count == 1 { "1 operation".to_owned() } else { format!("{count} operations") }
}

/// In what a plan made anew differs from the one that was looked at, in words; nothing when it is the same.
pub(crate) fn differences(saved: &Plan, fresh: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    if saved.version != fresh.version {
        found.push(format!("{} is at version {} now, not {}", fresh.subject, fresh.version, saved.version));
    }
    let by_id = |plan: &'_ Plan| -> BTreeMap<OperationId, crate::plan::Operation> {
        plan.operations.iter().map(|operation| (operation.id.clone(), operation.clone())).collect()
    };
    let (before, now) = (by_id(saved), by_id(fresh));
    for (id, operation) in &before {
        match now.get(id) {
            None => found.push(format!("{}: {} is not needed any more", operation.system, operation.title())),
            Some(other) if other != operation => found.push(format!("{}: {} would be done in another way", operation.system, operation.title())),
            Some(_) => {}
        }
    }
    found.extend(
        now.iter().filter(|(id, _)| !before.contains_key(*id)).map(|(_, operation)| format!("{}: {} is needed now", operation.system, operation.title())),
    );
    for blocked in fresh.blocked.iter().filter(|blocked| !saved.blocked.contains(blocked)) {
        found.push(format!("{}: {} cannot be planned now: {}", blocked.system, blocked.what, blocked.why));
    }
    for blocked in saved.blocked.iter().filter(|blocked| !fresh.blocked.contains(blocked)) {
        found.push(format!("{}: {} can be planned now", blocked.system, blocked.what));
    }
    if found.is_empty() && saved != fresh {
        found.push("accounts are found in another way".to_owned());
    }
    found
}

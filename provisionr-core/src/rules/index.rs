//! Finds the triggers that match a subject without trying all of them.

use std::collections::HashMap;

use provisionr_sdk::Subject;

use super::policy::Policy;
use super::scalar::Scalar;
use super::trigger::{Audience, Trigger, attribute};

/// A trigger: index of its policy, and of the trigger within it.
type Id = (u32, u32);

/// Triggers by one value that a subject must have for them to match.
///
/// A subject costs one look-up per attribute that triggers use, plus the triggers found; not all triggers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    by_value: HashMap<Box<str>, HashMap<Scalar, Vec<Id>>>,
    /// Triggers without a test for equality: each is tried on every subject.
    tried: Vec<Id>,
    everyone: Vec<u32>,
}

/// A policy that is for a subject, and by which of its triggers; none when it is for everyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Match {
    pub(crate) policy: usize,
    pub(crate) trigger: Option<usize>,
}

fn triggers(policies: &[Policy]) -> impl Iterator<Item = (Id, &Trigger)> {
    policies.iter().zip(0_u32..).flat_map(|(policy, number)| {
        let triggers = match &policy.audience {
            Audience::AnyOf(triggers) => triggers.as_slice(),
            Audience::Everyone => &[],
        };
        triggers.iter().zip(0_u32..).map(move |(trigger, at)| ((number, at), trigger))
    })
}

impl Index {
    pub(crate) fn new(policies: &[Policy]) -> Self {
        let mut users: HashMap<(&str, &Scalar), usize> = HashMap::new();
        for (_, trigger) in triggers(policies) {
            for condition in &trigger.conditions {
                for value in condition.matcher.any_of.iter().flatten() {
                    *users.entry((&condition.attribute, value)).or_default() += 1;
                }
            }
        }
        let mut index = Self::default();
        for (id, trigger) in triggers(policies) {
            // The value that fewest triggers share tells most.
            let best = trigger
                .conditions
                .iter()
                .filter_map(|condition| {
                    let values = condition.matcher.any_of.as_ref()?;
                    let shared: usize = values.iter().filter_map(|value| users.get(&(&*condition.attribute, value))).sum();
                    Some((shared, &condition.attribute, values))
                })
                .min_by_key(|(shared, ..)| *shared);
            let Some((_, attribute, values)) = best else {
                index.tried.push(id);
                continue;
            };
            let by_value = index.by_value.entry(attribute.clone()).or_default();
            for value in values {
                by_value.entry(value.clone()).or_default().push(id);
            }
        }
        index.everyone = policies.iter().zip(0_u32..).filter(|(policy, _)| matches!(policy.audience, Audience::Everyone)).map(|(_, number)| number).collect();
        index
    }

    /// The matches of a subject, by policy and trigger, each once.
    pub(crate) fn matches(&self, policies: &[Policy], subject: &Subject) -> Vec<Match> {
        let mut candidates: Vec<Id> = self.tried.clone();
        for (name, by_value) in &self.by_value {
            attribute(subject, name, &mut |value| {
                let found = Scalar::of(value).and_then(|value| by_value.get(&value));
                candidates.extend(found.into_iter().flatten());
            });
        }
        candidates.sort_unstable();
        candidates.dedup();
        let matching = candidates.into_iter().filter_map(|(policy, trigger)| {
            let (policy, trigger) = (policy as usize, trigger as usize);
            let Audience::AnyOf(triggers) = &policies.get(policy)?.audience else { return None };
            triggers.get(trigger)?.matches(subject).then_some(Match { policy, trigger: Some(trigger) })
        });
        let everyone = self.everyone.iter().map(|policy| Match { policy: *policy as usize, trigger: None });
        let mut matches: Vec<Match> = everyone.chain(matching).collect();
        matches.sort_unstable();
        matches
    }
}

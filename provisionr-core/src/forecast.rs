//! What plans will take: calls, the time the vendors' limits make of them, and what no call brings back.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::{Action, Operation, Plan};
use provisionr_sdk::{Calls, Change, Descriptor, Expect, LaneId, Mail, SubjectId, SystemName, Undo};

/// What a set of plans will take, from what the adapters declare: no system is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Forecast {
    /// By system.
    pub systems: BTreeMap<SystemName, SystemForecast>,
    /// What cannot be undone, in the order of plans and operations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub irreversible: Vec<Irreversible>,
}

/// What a set of plans will take in one system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SystemForecast {
    /// How many operations there are.
    pub operations: u64,
    /// How many calls they take when nothing goes wrong; looks at what is waited for come on top.
    pub calls: u64,
    /// The calls that count on a lane, by lane.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lanes: BTreeMap<LaneId, u64>,
    /// How long the vendor's limits make them take at least, in seconds; the time of the answers comes on top.
    pub seconds: u64,
    /// How many mails the vendor sends to people.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mails: u64,
    /// How many operations people do by hand.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub by_hand: u64,
}

/// Something that no call brings back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Irreversible {
    /// Whose.
    pub subject: SubjectId,
    /// Where.
    pub system: SystemName,
    /// What is done.
    pub operation: String,
    /// What is lost, where the adapter says it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub destroys: Vec<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over like this")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Forecast {
    /// What these plans will take together. A system without a descriptor is left out.
    pub fn of<'a>(plans: impl IntoIterator<Item = &'a Plan>, descriptors: impl IntoIterator<Item = &'a Descriptor>) -> Self {
        let descriptors: BTreeMap<&SystemName, &Descriptor> = descriptors.into_iter().map(|descriptor| (&descriptor.system, descriptor)).collect();
        let mut forecast = Self::default();
        for plan in plans {
            forecast.add(plan, &descriptors);
        }
        forecast.time(&descriptors);
        forecast
    }

    /// How long the limits make it take at least: the systems move side by side.
    pub fn at_least(&self) -> Duration {
        Duration::from_secs(self.systems.values().map(|system| system.seconds).max().unwrap_or(0))
    }

    /// How many calls there are in all systems.
    pub fn calls(&self) -> u64 {
        self.systems.values().map(|system| system.calls).sum()
    }

    fn add(&mut self, plan: &Plan, descriptors: &BTreeMap<&SystemName, &Descriptor>) {
        let mut found: BTreeMap<&SystemName, ()> = BTreeMap::new();
        for operation in &plan.operations {
            let Some(descriptor) = descriptors.get(&operation.system).copied() else { continue };
            let system = self.systems.entry(operation.system.clone()).or_default();
            system.operations += 1;
            // A run finds the account once in each system, unless it makes it.
            let makes = matches!(operation.action, Action::Change(Change::EnsureAccount(_)));
            if found.insert(&operation.system, ()).is_none() && !makes {
                system.count(&descriptor.accounts.find);
            }
            match &operation.action {
                Action::Change(change) => {
                    let facts = change.facts(descriptor);
                    system.count(&facts.calls);
                    let mails = facts.mail == Mail::Sent || mails(descriptor, change);
                    system.mails += u64::from(mails);
                    if let Some(lost) = irreversible(descriptor, operation, change, facts.undo) {
                        let (subject, title) = (plan.subject.clone(), operation.title());
                        self.irreversible.push(Irreversible { subject, system: operation.system.clone(), operation: title, destroys: lost });
                    }
                }
                Action::AwaitAccount(_) | Action::Verify(_) => system.count(&descriptor.accounts.find),
                Action::ByHand(_) => system.by_hand += 1,
            }
        }
    }

    /// A lane begins with a whole window and then gives what the window gives; lanes of one pool share it.
    fn time(&mut self, descriptors: &BTreeMap<&SystemName, &Descriptor>) {
        let mut pooled: BTreeMap<&str, u64> = BTreeMap::new();
        let lanes = |system: &SystemName| descriptors.get(system).map(|descriptor| descriptor.lanes.as_slice()).unwrap_or_default();
        for (name, system) in &self.systems {
            for lane in lanes(name) {
                if let Some(pool) = &lane.pool {
                    *pooled.entry(pool).or_default() += system.lanes.get(&lane.id).copied().unwrap_or(0);
                }
            }
        }
        for (name, system) in &mut self.systems {
            let seconds = lanes(name).iter().filter_map(|lane| {
                let window = lane.window.filter(|window| window.units > 0)?;
                let units = lane.pool.as_deref().and_then(|pool| pooled.get(pool).copied()).or_else(|| system.lanes.get(&lane.id).copied())?;
                let beyond = units.saturating_sub(u64::from(window.units));
                let millis = u128::from(beyond) * window.per.as_millis() / u128::from(window.units);
                u64::try_from(millis.div_ceil(1_000)).ok()
            });
            system.seconds = seconds.max().unwrap_or(0);
        }
    }
}

impl SystemForecast {
    fn count(&mut self, calls: &[Calls]) {
        if calls.is_empty() {
            self.calls += 1;
        }
        for calls in calls {
            self.calls += u64::from(calls.count);
            *self.lanes.entry(calls.lane.clone()).or_default() += u64::from(calls.count);
        }
    }
}

fn mails(descriptor: &Descriptor, change: &Change) -> bool {
    match change {
        Change::UpdateAccount(delta) => descriptor.accounts.attributes.iter().any(|attribute| attribute.mails && delta.0.contains_key(attribute.name)),
        _ => false,
    }
}

/// What is lost by a change that no call takes back.
fn irreversible(descriptor: &Descriptor, operation: &Operation, change: &Change, undo: Undo) -> Option<Vec<String>> {
    if let (Change::SetState(to), Expect::State(from)) = (change, &operation.expect)
        && let Some(transition) = descriptor.accounts.transition_between(*from, *to)
    {
        let lost = transition.destroys.iter().map(ToString::to_string).collect();
        return (transition.undo == Undo::Never).then_some(lost);
    }
    if let Change::SetState(to) = change {
        let mut transitions = descriptor.accounts.transitions.iter().filter(|transition| transition.to == *to && transition.undo == Undo::Never);
        return transitions.next().map(|transition| transition.destroys.iter().map(ToString::to_string).collect());
    }
    (undo == Undo::Never).then(Vec::new)
}

/// A duration as people read it.
pub(crate) fn duration(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

impl fmt::Display for Forecast {
    /// One line a system, then what cannot be undone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.systems.keys().map(|system| system.as_str().chars().count()).max().unwrap_or(0);
        for (name, system) in &self.systems {
            write!(f, "      {name:width$}  {} calls for {} operations", system.calls, system.operations)?;
            if system.seconds > 0 {
                write!(f, ", at least {} by its limits", duration(system.seconds))?;
            }
            if system.mails > 0 {
                write!(f, ", {} mails to people", system.mails)?;
            }
            if system.by_hand > 0 {
                write!(f, ", {} by hand", system.by_hand)?;
            }
            writeln!(f)?;
        }
        if !self.irreversible.is_empty() {
            writeln!(f, "cannot be undone:")?;
            for lost in &self.irreversible {
                write!(f, "      {:width$}  {}: {}", lost.system, lost.subject, lost.operation)?;
                if !lost.destroys.is_empty() {
                    write!(f, " (destroys {})", lost.destroys.join(", "))?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::record::Rank;
    use provisionr_sdk::{AccountFacts, AccountState, ChangeFacts, Entitlement, Kind, Lane, Transition};

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Join {
        target: String,
    }

    fn descriptor() -> Descriptor {
        let accounts = AccountFacts::new()
            .found_with("users", 1)
            .moved(ChangeFacts::set().calls("users", 1))
            .transition(Transition::new([AccountState::Suspended], AccountState::Deleted).destroys("the mailbox").irreversible());
        let kind = Kind::per_target::<Join>("join").granting(ChangeFacts::set().calls("users", 1).calls("groups", 2).mails());
        Descriptor::new("s", "s").accounts(accounts).kind(kind).lane(Lane::per_minute("groups", 60)).lane(Lane::new("users"))
    }

    fn plan(subject: &str) -> Plan {
        let grant = |target: &str| Operation::new(&subject.into(), "s", target, Action::Change(Change::Grant(Entitlement::new("join", target))));
        let delete = Operation::new(&subject.into(), "s", "delete", Action::Change(Change::SetState(AccountState::Deleted)));
        let operations = vec![grant("a"), grant("b"), delete.expecting(Expect::State(AccountState::Suspended))];
        Plan::new(subject.into(), 1, Rank::Change, Digest::ZERO, operations).unwrap()
    }

    #[test]
    fn calls_are_counted_by_lane_and_the_slowest_lane_sets_the_time() {
        let plans: Vec<_> = (0..40).map(|number| plan(&format!("p{number:02}"))).collect();
        let forecast = Forecast::of(&plans, [&descriptor()]);
        let system = &forecast.systems["s"];
        // Each person: the account is found, two groups of three calls, one deletion.
        assert_eq!((system.operations, system.calls, system.mails), (120, 40 * 8, 80));
        assert_eq!((system.lanes["users"], system.lanes["groups"]), (40 * 4, 40 * 4));
        assert_eq!(forecast.at_least(), Duration::from_secs(100), "160 calls, of which 60 at once and then one a second");
    }

    #[test]
    fn what_no_call_brings_back_is_named_with_what_is_lost() {
        let forecast = Forecast::of([&plan("p")], [&descriptor()]);
        insta::assert_snapshot!(forecast, @r"
              s  8 calls for 3 operations, 2 mails to people
        cannot be undone:
              s  p: account deleted (destroys the mailbox)
        ");
    }

    #[test]
    fn nothing_takes_nothing() {
        assert_eq!(Forecast::of([], [&descriptor()]), Forecast::default());
    }
}

//! Builds the plan for one subject from what is wanted and what was read.

use std::collections::{BTreeMap, BTreeSet};

use crate::diff::{SystemDiff, SystemView, diff};
use crate::digest::Digest;
use crate::plan::{Blocked, OrderError, Plan, order};
use crate::record::Rank;
use provisionr_sdk::{Lifecycle, Subject, SystemName};

/// Builds a plan: pure, and the same for the same inputs in whatever order they come.
pub(crate) fn build(subject: &Subject, rules: Digest, views: &[SystemView<'_>], unread: Vec<Blocked>) -> Result<Plan, OrderError> {
    let mut diffs = BTreeMap::new();
    let mut accounts = BTreeMap::new();
    for view in views {
        diffs.insert(view.descriptor.system.clone(), (diff(subject, view), view));
        accounts.insert(view.descriptor.system.clone(), view.who.clone());
    }
    let mut blocked = unread;
    // Who leaves is cut off everywhere at once: no system waits for another.
    let leaving = subject.lifecycle == Lifecycle::Terminated;
    let mut lost: BTreeSet<SystemName> = blocked.iter().map(|blocked| blocked.system.clone()).collect();
    lost.extend(diffs.iter().filter(|(_, (diff, _))| diff.stuck).map(|(system, _)| system.clone()));
    let waits_in_vain = |lost: &BTreeSet<SystemName>, diff: &SystemDiff, view: &SystemView<'_>| {
        diff.account.as_ref().filter(|_| !leaving).and_then(|_| view.after.iter().find(|earlier| lost.contains(*earlier)).cloned())
    };
    // What waits for a lost system is lost, and with it what waits for that.
    while let Some(system) =
        diffs.iter().find(|(system, (diff, view))| !lost.contains(*system) && waits_in_vain(&lost, diff, view).is_some()).map(|(system, _)| system.clone())
    {
        lost.insert(system);
    }
    let mut operations = Vec::new();
    for (system, (diff, view)) in &diffs {
        blocked.extend(diff.blocked.iter().cloned());
        if let Some(earlier) = waits_in_vain(&lost, diff, view) {
            let why = format!("it waits for `{earlier}`, which could not be planned");
            blocked.extend(diff.operations.iter().map(|operation| Blocked::new(system.clone(), operation.title(), why.as_str())));
            continue;
        }
        for operation in &diff.operations {
            let mut operation = operation.clone();
            if Some(&operation.id) == diff.account.as_ref() && !leaving {
                operation.after.extend(view.after.iter().filter_map(|earlier| diffs.get(earlier)?.0.account.clone()));
            }
            operation.after.sort();
            operation.after.dedup();
            operations.push(operation);
        }
    }
    blocked.sort();
    blocked.dedup();
    let used: BTreeSet<&SystemName> = operations.iter().map(|operation| &operation.system).collect();
    accounts.retain(|system, _| used.contains(system));
    drop(used);
    let rank = if leaving { Rank::Leaver } else { Rank::Change };
    Ok(Plan { format: Plan::FORMAT, subject: subject.id.clone(), version: subject.version, rank, rules, accounts, operations: order(operations)?, blocked })
}

//! Builds the plan for one subject from what is wanted and what was read.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::Reason;
use crate::diff::{SystemDiff, SystemView, Unread, diff};
use crate::digest::Digest;
use crate::plan::{Blocked, Operation, OrderError, Plan};
use crate::record::Rank;
use provisionr_sdk::{Change, Lifecycle, Subject, SystemName};

/// Builds a plan: pure, and the same for the same inputs in whatever order they come.
pub(crate) fn build(subject: &Subject, rules: Digest, views: &[SystemView<'_>], unread: &[Unread<'_>]) -> Result<Plan, OrderError> {
    let diffs: Diffs<'_, '_> = views.iter().map(|view| (view.descriptor.system.clone(), (diff(subject, view), view))).collect();
    // Who leaves is cut off everywhere at once: no system waits for another.
    let leaving = subject.lifecycle == Lifecycle::Terminated;
    let mut blocked: Vec<Blocked> = unread.iter().map(|unread| Blocked::new(unread.descriptor.system.clone(), "everything", unread.why.as_str())).collect();
    let lost = if leaving { BTreeMap::new() } else { lost(&diffs, &blocked) };
    // A leaver's run is not over while it is not known whether they are out.
    let unread = if leaving { unread } else { &[] };
    let mut operations: Vec<Operation> = unread.iter().map(|unread| unread.verification(subject)).collect();
    for (system, (diff, view)) in &diffs {
        blocked.extend(diff.blocked.iter().cloned());
        if let Some(why) = diff.account.as_ref().and_then(|_| lost.get(system)) {
            blocked.extend(diff.operations.iter().map(|operation| Blocked::new(system.clone(), operation.title(), why.as_str())));
            continue;
        }
        for operation in &diff.operations {
            let mut operation = operation.clone();
            if Some(&operation.id) == diff.account.as_ref() {
                operation.after.extend(view.topology.after.iter().filter_map(|earlier| diffs.get(earlier)?.0.account.clone()));
                operation.after.extend(federating(system, view, &diffs).map(|operation| operation.id.clone()));
            }
            if leaving && takes(&operation) {
                operation.after_any.extend(
                    later(system, &diffs)
                        .flat_map(|diff| &diff.operations)
                        .filter(|operation| takes(operation) && !operation.is_by_hand())
                        .map(|operation| operation.id.clone()),
                );
            }
            for before in [&mut operation.after, &mut operation.after_any] {
                before.sort();
                before.dedup();
            }
            operations.push(operation);
        }
    }
    blocked.sort();
    blocked.dedup();
    let used: BTreeSet<&SystemName> = operations.iter().map(|operation| &operation.system).collect();
    let found = views.iter().map(|view| (&view.descriptor.system, &view.who, &view.open_keys));
    let found = found.chain(unread.iter().map(|unread| (&unread.descriptor.system, &unread.who, &unread.open_keys)));
    let found: Vec<_> = found.filter(|(system, ..)| used.contains(system)).collect();
    let accounts = found.iter().map(|(system, who, _)| ((*system).clone(), (*who).clone())).collect();
    let open_keys = found.iter().flat_map(|(_, _, open_keys)| open_keys.iter().cloned()).collect();
    drop(used);
    let rank = if leaving { Rank::Leaver } else { Rank::Change };
    let mut plan = Plan::new(subject.id.clone(), subject.version, rank, rules, operations)?;
    (plan.accounts, plan.open_keys, plan.blocked) = (accounts, open_keys, blocked);
    plan.open_keys.sort();
    plan.format = Plan::format_of(&plan.operations, &plan.open_keys);
    Ok(plan)
}

type Diffs<'v, 'a> = BTreeMap<SystemName, (SystemDiff, &'v SystemView<'a>)>;

/// Systems in which no account will come about, each with the reason: what waits for a lost system is lost, and with it
/// what waits for that.
fn lost(diffs: &Diffs<'_, '_>, unread: &[Blocked]) -> BTreeMap<SystemName, String> {
    let mut lost: BTreeMap<SystemName, String> = unread.iter().map(|blocked| (blocked.system.clone(), blocked.why.clone())).collect();
    for (system, (diff, view)) in diffs {
        if diff.stuck {
            lost.insert(system.clone(), "its account could not be planned".to_owned());
        } else if diff.account.is_some()
            && let Some(why) = unfederated(system, view, diffs)
        {
            lost.insert(system.clone(), why);
        }
    }
    loop {
        let next = diffs.iter().filter(|(system, (diff, _))| !lost.contains_key(*system) && diff.account.is_some()).find_map(|(system, (_, view))| {
            let earlier = view.topology.after.iter().find(|earlier| lost.contains_key(*earlier))?;
            Some((system.clone(), format!("it waits for `{earlier}`, which could not be planned")))
        });
        match next {
            Some((system, why)) => lost.insert(system, why),
            None => return lost,
        };
    }
}

/// The operations by which another system makes the account here.
fn federating<'d>(system: &SystemName, view: &SystemView<'_>, diffs: &'d Diffs<'_, '_>) -> impl Iterator<Item = &'d Operation> {
    let reason = Reason::accounts_of(system);
    let by = view.topology.federation.as_ref().and_then(|federation| diffs.get(&federation.by));
    by.into_iter().flat_map(|(diff, _)| &diff.operations).filter(move |operation| operation.grant_key.is_some() && operation.reasons.contains(&reason))
}

/// Why another system will not make the account here, if it will not.
fn unfederated(system: &SystemName, view: &SystemView<'_>, diffs: &Diffs<'_, '_>) -> Option<String> {
    let by = &view.topology.federation.as_ref()?.by;
    let (diff, by_view) = diffs.get(by)?;
    let reason = Reason::accounts_of(system);
    let wanted = by_view.wanted?.entitlements.iter().find(|desired| desired.reasons.contains(&reason))?.wanted.to_string();
    let blocked = diff.blocked.iter().find(|blocked| blocked.what == wanted)?;
    Some(format!("`{by}` makes its accounts, and {wanted} could not be planned there: {}", blocked.why))
}

/// The systems whose accounts wait for this one's.
fn later<'d>(system: &SystemName, diffs: &'d Diffs<'_, '_>) -> impl Iterator<Item = &'d SystemDiff> {
    diffs.values().filter(move |(_, view)| view.topology.after.contains(system)).map(|(diff, _)| diff)
}

/// Whether an operation takes access away.
fn takes(operation: &Operation) -> bool {
    matches!(operation.action.change(), Some(Change::Revoke(_) | Change::Withdraw(_)))
}

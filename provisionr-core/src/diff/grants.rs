//! What is missing.

use std::collections::BTreeMap;

use super::{AccountView, Builder, SystemDiff};
use crate::desired::DesiredEntitlement;
use crate::plan::{Action, Operation, OperationId, Written};
use provisionr_sdk::{Ability, AccountState, Bound, Change, Expect, Grant, GrantState, KindName, Resolution, Source};

impl Builder<'_> {
    /// The grants that are missing; what cannot be planned is blocked.
    pub(super) fn grants(&self, diff: &mut SystemDiff) -> Vec<Operation> {
        let Some(wanted) = self.view.wanted else { return Vec::new() };
        for contradiction in &wanted.contradictions {
            self.block(diff, contradiction.kind.as_str(), format!("policies contradict each other: {contradiction}"));
        }
        let mut operations = Vec::new();
        for desired in &wanted.entitlements {
            let what = desired.wanted.to_string();
            match self.grant(desired) {
                Ok(Some(operation)) => match operations.iter_mut().find(|known: &&mut Operation| known.id == operation.id) {
                    None => operations.push(operation),
                    // Two policies call it by two names.
                    Some(known) if known.action == operation.action => known.reasons.extend(operation.reasons),
                    Some(known) => {
                        let other = known.title();
                        self.block(diff, what, format!("it is the same as what is wanted as `{other}`, and differs from it"));
                    }
                },
                Ok(None) => {}
                Err(why) => self.block(diff, what, why),
            }
        }
        operations
    }

    fn grant(&self, desired: &DesiredEntitlement) -> Result<Option<Operation>, String> {
        let wanted = &desired.wanted;
        let kind = self.view.descriptor.kinds.get(&wanted.kind).ok_or_else(|| format!("unknown kind `{}`", wanted.kind))?;
        let noun = kind.target_noun;
        let target = match self.view.targets.get(&(wanted.kind.clone(), wanted.target.clone())) {
            Some(Resolution::One(target)) => target,
            Some(Resolution::None(near)) if near.is_empty() => return Err(format!("there is no {noun} `{}`", wanted.target)),
            Some(Resolution::None(near)) => {
                let near: Vec<_> = near.iter().map(|name| format!("`{name}`")).collect();
                return Err(format!("there is no {noun} `{}`; near are {}", wanted.target, near.join(", ")));
            }
            Some(Resolution::Several(targets)) => return Err(format!("{} {noun}s are called `{}`", targets.len(), wanted.target)),
            Some(Resolution::Hidden(why)) => return Err(format!("whether there is a {noun} `{}` cannot be seen: {why}", wanted.target)),
            _ => return Err(format!("the {noun} `{}` could not be looked up", wanted.target)),
        };
        let entitlement = match self.view.bound.get(&desired.key) {
            Some(Bound::One(entitlement)) => entitlement.clone(),
            Some(Bound::None(why)) => return Err(why.clone()),
            _ => return Err(format!("what is meant by `{wanted}` could not be looked up")),
        };
        let key = kind.key_of(&entitlement);
        let held: Vec<_> = self.held(kind, &entitlement).collect();
        let ours = self.view.ledger.iter().any(|row| row.key == key.as_str());
        let direct = held.iter().find(|grant| grant.source == Source::Direct);
        let satisfying = |grant: &&&Grant| grant.state == GrantState::Held && kind.satisfies(&grant.entitlement, &entitlement);
        // What is inherited from something that is taken back goes with it, and is given in its place.
        let (goes, stays): (Vec<_>, Vec<_>) = held.iter().filter(satisfying).map(|grant| self.goes_with(grant)).partition(Option::is_some);
        let enough = !stays.is_empty();
        // A higher role that provisionr gave itself is lowered with the rules; one that people gave is left to them.
        let lowered = ours && direct.is_some_and(|grant| grant.entitlement != entitlement);
        let may_go = self.view.pending.revokes.contains(&key);
        if enough && !lowered && !may_go {
            return Ok(None);
        }
        if let Some(owner) = &target.owner {
            return Err(format!("who is in the {noun} `{}` is decided by {owner}", wanted.target));
        }
        let covered = self.view.observation.as_ref().map(|seen| seen.coverage.covers(&entitlement.kind, &entitlement.target));
        let expect = match (direct, covered, &self.view.account) {
            _ if may_go || !goes.is_empty() => Expect::Anything,
            (Some(grant), ..) => Expect::Grant((*grant).clone()),
            (None, Some(true), _) | (None, None, AccountView::Absent) => Expect::Absent,
            _ => Expect::Anything,
        };
        let written = Written::of(wanted, &entitlement);
        let operation = self.operation(key.as_str(), Change::Grant(entitlement)).because(desired.reasons.clone()).expecting(expect);
        let operation = operation.about(wanted.target.clone(), key).written_as(written);
        let operation = operation.after_any(goes.into_iter().flatten()).after_any(self.displacing(kind));
        let begins = self.before_first_day(self.view.lifecycle.access_before);
        self.able(&Ability::Manage(wanted.kind.clone()), self.put_off(operation, begins)).map(Some)
    }

    /// Puts grants after the account, after its attributes whatever becomes of those, and after the grants of kinds they
    /// need first.
    pub(super) fn ordered(&self, grants: Vec<Operation>, account: &[OperationId], attributes: &[OperationId]) -> Vec<Operation> {
        let mut by_kind: BTreeMap<KindName, Vec<OperationId>> = BTreeMap::new();
        for operation in &grants {
            if let Some(Change::Grant(entitlement)) = operation.action.change() {
                by_kind.entry(entitlement.kind.clone()).or_default().push(operation.id.clone());
            }
        }
        let ordered = grants.into_iter().map(|operation| {
            let needed: Vec<_> = match operation.action.change() {
                Some(Change::Grant(entitlement)) => {
                    let first = self.view.descriptor.kinds.get(&entitlement.kind).map(|kind| kind.prerequisites.as_slice()).unwrap_or_default();
                    first.iter().filter_map(|kind| by_kind.get(kind)).flatten().cloned().collect()
                }
                _ => Vec::new(),
            };
            // An invited account can hold some things before the invitation is accepted.
            let invited = matches!(&self.view.account, AccountView::Known(account) if account.state == AccountState::Invited);
            let account = if invited && !self.needs_active(&operation) { &[] } else { account };
            // What somebody does by hand waits for an account as well, but not for attributes.
            let attributes = if matches!(operation.action, Action::ByHand(_)) { &[] } else { attributes };
            operation.after(account.iter().cloned()).after(needed).after_any(attributes.iter().cloned())
        });
        ordered.collect()
    }
}

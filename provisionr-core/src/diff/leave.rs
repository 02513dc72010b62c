//! Somebody leaves, or goes on leave: cut off at once, cleaned, verified, and retired when its time comes.

use std::time::Duration;

use super::{AccountView, Builder, SystemDiff};
use crate::plan::{Action, Operation, OperationId, Verification};
use crate::rules::{Cannot, Cut};
use provisionr_sdk::{Ability, Account, AccountState, Change, ChangeFacts, Entitlement, Expect, KindName, Lifecycle, Source, Suspension, Visibility};

impl Builder<'_> {
    /// Keeps a leaver out at once, and takes back what provisionr gave, whatever becomes of that. At the end is looked
    /// that nothing surfaced late; what the rules say of the account's further life comes in its time.
    pub(super) fn leave(&self) -> SystemDiff {
        let mut diff = SystemDiff::default();
        let account = match &self.view.account {
            AccountView::Known(account) => account,
            AccountView::Absent if self.view.pending.account => {
                diff.operations.push(self.verification(Verification::new(self.late()).account(AccountState::Deleted), Vec::new()));
                return diff;
            }
            AccountView::Absent => return diff,
            AccountView::Unclear(why) => {
                diff.stuck = true;
                self.block(&mut diff, "account", format!("whether there is an account cannot be told: {why}"));
                return diff;
            }
        };
        let kept_out = self.cut(account, self.view.topology.leaver.cut, &mut diff);
        let cut = diff.quick();
        self.clean(account, &cut, &mut diff);
        let gone = diff.operations.iter().filter_map(|operation| operation.action.change()?.entitlement().cloned());
        let mut wanted = Verification::new(self.late()).gone(gone);
        if let Some(state) = kept_out {
            wanted = wanted.account(state);
        }
        let before = diff.ids();
        let verification = self.verification(wanted, before);
        let verified = verification.id.clone();
        diff.operations.push(verification);
        self.retire(account, &verified, &mut diff);
        diff
    }

    /// Somebody on leave is kept out until they are back; what they hold stays.
    pub(super) fn pause(&self) -> SystemDiff {
        let mut diff = SystemDiff::default();
        match &self.view.account {
            AccountView::Known(account) => drop(self.cut(account, Cut::Suspend, &mut diff)),
            AccountView::Absent => {}
            AccountView::Unclear(why) => {
                diff.stuck = true;
                self.block(&mut diff, "account", format!("whether there is an account cannot be told: {why}"));
            }
        }
        diff
    }

    /// Switches the account off and ends its sessions. Says the state the account should be in then, if a state keeps it out.
    fn cut(&self, account: &Account, how: Cut, diff: &mut SystemDiff) -> Option<AccountState> {
        let state = self.cut_state(account, how);
        match state {
            // A run that gives way may still switch it on.
            Some(state) if account.state < state || (self.view.pending.on && account.state == state) => {
                let expect = if self.view.pending.on { Expect::Anything } else { Expect::State(account.state) };
                let operation = self.operation("suspend", Change::SetState(state)).expecting(expect);
                match self.able(&Ability::SetState, operation.because(self.by_topology("leaver"))) {
                    Ok(operation) => diff.operations.push(operation),
                    Err(why) => self.block(diff, format!("account {state}"), why),
                }
            }
            None if how != Cut::Keep && self.view.descriptor.accounts.suspension == Suspension::None => self.nothing_keeps_out(account, diff),
            _ => {}
        }
        if self.lacks(&Ability::EndSessions).is_none() && account.state < AccountState::Deactivated {
            // A session outlives a refused suspension, and is ended all the same.
            let before = diff.quick();
            diff.operations.push(self.operation("sessions", Change::EndSessions).because(self.by_topology("leaver")).after_any(before));
        }
        state
    }

    /// The gentlest state that keeps the person out and can be reached from where the account is.
    fn cut_state(&self, account: &Account, how: Cut) -> Option<AccountState> {
        let suspended = match (how, &self.view.descriptor.accounts.suspension) {
            (Cut::Keep, _) => return None,
            (Cut::Deactivate, _) => AccountState::Deactivated,
            (_, Suspension::State(state)) => *state,
            _ => return None,
        };
        if account.state >= suspended {
            return Some(suspended);
        }
        let reachable =
            |state: &AccountState| !account.barred.contains(state) && self.view.descriptor.accounts.transition_between(account.state, *state).is_some();
        let harder = [AccountState::Suspended, AccountState::Deactivated]
            .into_iter()
            .filter(|state| *state > suspended && self.subject.lifecycle == Lifecycle::Terminated);
        Some(std::iter::once(suspended).chain(harder).find(reachable).unwrap_or(suspended))
    }

    fn nothing_keeps_out(&self, account: &Account, diff: &mut SystemDiff) {
        if account.state >= AccountState::Suspended {
            return;
        }
        match self.view.topology.cannot {
            Cannot::ByHand => {
                let by_hand = Action::ByHand(Change::SetState(AccountState::Suspended));
                diff.operations.push(Operation::new(&self.subject.id, self.system.clone(), "suspend", by_hand).because(self.by_topology("leaver")));
            }
            _ => self.block(diff, "account suspended", "the adapter has no way to keep the person out of this account: it stays as it is"),
        }
    }

    /// Takes back what provisionr gave; all there is where nothing else keeps the person out. What depends on something
    /// goes before it.
    fn clean(&self, account: &Account, cut: &[OperationId], diff: &mut SystemDiff) {
        let begin = diff.operations.len();
        self.revokes(&[], diff);
        if self.view.descriptor.accounts.suspension == Suspension::RevokeAll && self.view.topology.leaver.cut != Cut::Keep {
            let direct: Vec<Entitlement> = self.direct(account);
            for entitlement in direct {
                let Some(kind) = self.view.descriptor.kinds.get(&entitlement.kind) else { continue };
                let key = kind.key_of(&entitlement);
                if !diff.operations.iter().any(|operation| operation.grant_key.as_ref() == Some(&key)) {
                    self.revoke(kind, &entitlement, &[], diff);
                }
            }
        }
        let cleaned = diff.operations.split_off(begin);
        let by_kind: Vec<(KindName, OperationId)> = cleaned
            .iter()
            .filter(|operation| !operation.is_by_hand())
            .filter_map(|operation| Some((operation.action.change()?.entitlement()?.kind.clone(), operation.id.clone())))
            .collect();
        diff.operations.extend(cleaned.into_iter().map(|operation| {
            let kind = operation.action.change().and_then(Change::entitlement).map(|entitlement| entitlement.kind.clone());
            let needs_it = |other: &KindName| {
                self.view.descriptor.kinds.get(other).is_some_and(|other| kind.as_ref().is_some_and(|kind| other.prerequisites.contains(kind)))
            };
            let dependents: Vec<_> = by_kind.iter().filter(|(other, _)| needs_it(other)).map(|(_, id)| id.clone()).collect();
            operation.after_any(cut.iter().cloned()).after_any(dependents)
        }));
    }

    fn direct(&self, account: &Account) -> Vec<Entitlement> {
        let seen = self.view.observation.iter().flat_map(|seen| &seen.grants);
        seen.filter(|grant| grant.account == account.id && grant.source == Source::Direct).map(|grant| grant.entitlement.clone()).collect()
    }

    /// How late what was sent before may still have its effect, and show it: a write that was repeated may come true twice.
    fn late(&self) -> Duration {
        let (descriptor, facts) = (self.view.descriptor, &self.view.descriptor.accounts);
        descriptor.timeout + descriptor.late_effect + self.lag([&facts.set_state].into_iter().chain(&facts.create))
    }

    fn lag<'f>(&'f self, of_accounts: impl Iterator<Item = &'f ChangeFacts>) -> Duration {
        let kinds = self.view.descriptor.kinds.iter().flat_map(|kind| [&kind.grant, &kind.revoke]);
        let lags = kinds.chain(of_accounts).map(|facts| match facts.visibility {
            Visibility::Lag { max, .. } => max,
            _ => Duration::ZERO,
        });
        lags.max().unwrap_or_default()
    }

    fn verification(&self, wanted: Verification, before: Vec<OperationId>) -> Operation {
        Operation::new(&self.subject.id, self.system.clone(), "verify", Action::Verify(wanted)).because(self.by_topology("leaver")).after_any(before)
    }

    /// What becomes of the account later, by the rules.
    fn retire(&self, account: &Account, verified: &OperationId, diff: &mut SystemDiff) {
        let rules = self.view.topology.leaver;
        let told = self.view.lifecycle.last_day_of(self.subject).map(provisionr_sdk::Date::start);
        let steps = [(rules.deactivate_after, AccountState::Deactivated, "deactivate"), (rules.delete_after, AccountState::Deleted, "delete")];
        let mut before = verified.clone();
        for (after, state, what) in steps {
            let Some(after) = after.filter(|_| account.state < state) else { continue };
            let Some(last) = told.or(self.view.occasion.at) else {
                self.block(diff, format!("account {state}"), format!("when is not known: the subject has no `{}`", self.view.lifecycle.last_day));
                continue;
            };
            let operation = self.operation(what, Change::SetState(state)).because(self.by_topology("leaver")).after_any([before.clone()]);
            // What cannot be taken back is put off to its time even when that has passed on the occasion: a record that came
            // late must not look like one that says "at once". A last day that is corrected moves it either way.
            let at = if told.is_some() { last + after } else { self.no_later(&operation, last + after) };
            match self.able(&Ability::SetState, operation.not_before(Some(at))) {
                Ok(operation) => {
                    before = operation.id.clone();
                    diff.operations.push(operation);
                }
                Err(why) => self.block(diff, format!("account {state}"), why),
            }
        }
    }
}

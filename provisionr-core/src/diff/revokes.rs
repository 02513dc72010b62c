//! What nothing wants any more.

use std::collections::{BTreeMap, BTreeSet};

use super::{AccountView, Builder, SystemDiff};
use crate::plan::{Operation, OperationId};
use provisionr_sdk::{Ability, Account, Bound, Cardinality, Change, Entitlement, Expect, Grant, GrantState, Kind, Lifecycle, Source, TargetName};

impl Builder<'_> {
    /// Takes back what provisionr gave, and what a run of its that is not over may still give, where nothing wants it any
    /// more. What people gave is left to them.
    ///
    /// A removal waits for an addition only where it would take along what is added, or where that takes the place of what is
    /// removed, and whatever becomes of that: it must not hang on anything that may fail, or access would stay that has to go.
    pub(super) fn revokes(&self, added: &[Operation], diff: &mut SystemDiff) {
        let AccountView::Known(account) = &self.view.account else { return };
        for entitlement in self.unwanted(account) {
            match self.view.descriptor.kinds.get(&entitlement.kind) {
                Some(kind) => self.revoke(kind, &entitlement, added, diff),
                None => self.block(diff, format!("revoke {entitlement}"), "the adapter no longer knows the kind"),
            }
        }
    }

    /// What is ours, and nothing wants any more.
    fn unwanted(&self, account: &Account) -> Vec<Entitlement> {
        let undecided: BTreeSet<_> = self.view.wanted.iter().flat_map(|wanted| &wanted.contradictions).map(|contradiction| &contradiction.kind).collect();
        let wanted = |entitlement: &Entitlement| {
            let kind = self.view.descriptor.kinds.get(&entitlement.kind);
            undecided.contains(&entitlement.kind) || kind.is_some_and(|kind| self.is_wanted(kind, entitlement))
        };
        self.ours(account).into_iter().filter(|entitlement| !wanted(entitlement)).collect()
    }

    /// The revocation by which an inherited grant goes, if what it comes from is taken back.
    pub(super) fn goes_with(&self, grant: &Grant) -> Option<OperationId> {
        let (AccountView::Known(account), Source::Inherited(from)) = (&self.view.account, &grant.source) else { return None };
        let source = self.unwanted(account).into_iter().find(|entitlement| entitlement.target == *from)?;
        let kind = self.view.descriptor.kinds.get(&source.kind)?;
        Some(self.revocation_id(kind, &source))
    }

    /// The revocations of what a run that is not over may still give in the place of what is granted: of a kind that an
    /// account holds one of the last one counts.
    pub(super) fn displacing(&self, kind: &Kind) -> Vec<OperationId> {
        let AccountView::Known(account) = &self.view.account else { return Vec::new() };
        if kind.cardinality == Cardinality::Many {
            return Vec::new();
        }
        let pending = |entitlement: &Entitlement| self.view.pending.grants.iter().any(|pending| kind.key_of(pending) == kind.key_of(entitlement));
        let of_kind = self.unwanted(account).into_iter().filter(|entitlement| entitlement.kind == kind.name);
        of_kind.filter(pending).map(|entitlement| self.revocation_id(kind, &entitlement)).collect()
    }

    fn revocation_id(&self, kind: &Kind, entitlement: &Entitlement) -> OperationId {
        OperationId::new(format!("{}:revoke/{}", self.system, kind.key_of(entitlement)))
    }

    /// Entitlements that provisionr gave or may be giving, each once.
    fn ours(&self, account: &Account) -> Vec<Entitlement> {
        let mut ours: BTreeMap<String, Entitlement> = BTreeMap::new();
        for entitlement in &self.view.pending.grants {
            if let Some(kind) = self.view.descriptor.kinds.get(&entitlement.kind) {
                ours.insert(kind.key_of(entitlement).to_string(), entitlement.clone());
            }
        }
        ours.extend(self.given(account).map(|row| (row.key.clone(), row.entitlement.clone())));
        ours.into_values().collect()
    }

    fn is_wanted(&self, kind: &Kind, entitlement: &Entitlement) -> bool {
        let key = kind.key_of(entitlement);
        let wanted = self.view.wanted.map(|wanted| wanted.entitlements.as_slice()).unwrap_or_default();
        wanted.iter().any(|desired| match self.view.bound.get(&desired.key) {
            Some(Bound::One(wanted)) => kind.key_of(wanted) == key,
            // What could not be resolved may be this.
            _ => desired.wanted.kind == entitlement.kind,
        })
    }

    /// Plans one removal, unless it is seen that there is nothing to remove.
    pub(super) fn revoke(&self, kind: &Kind, entitlement: &Entitlement, added: &[Operation], diff: &mut SystemDiff) {
        let direct = self.held(kind, entitlement).find(|grant| grant.source == Source::Direct);
        let covered = self.view.observation.as_ref().is_some_and(|seen| seen.coverage.covers(&entitlement.kind, &entitlement.target));
        let may_come = self.view.pending.grants.iter().any(|pending| kind.key_of(pending) == kind.key_of(entitlement));
        if direct.is_none() && covered && !may_come {
            return;
        }
        let (entitlement, expect) = match direct {
            Some(grant) => (grant.entitlement.clone(), Expect::Grant(grant.clone())),
            None => (entitlement.clone(), Expect::Anything),
        };
        let title = format!("revoke {entitlement}");
        let (change, ability) = self.removal(direct, entitlement.clone());
        let key = kind.key_of(&entitlement);
        let (target, written) = match self.view.titles.get(key.as_str()).cloned() {
            Some(title) => (title.target, title.written),
            None => (TargetName::new(entitlement.target.as_str()), None),
        };
        // Of a kind that an account holds one of, the next one takes the place of this one; taken back beside it, the
        // fallback might come last. Once it has been replaced there is nothing left to take back.
        let one = kind.cardinality != Cardinality::Many;
        let overtaken = |operation: &&Operation| match operation.action.change() {
            Some(Change::Grant(granted)) => kind.cascades.iter().any(|cascade| cascade.kind == granted.kind) || (one && granted.kind == kind.name),
            _ => false,
        };
        // What is given in the place of what is inherited can be given only after that has gone.
        let revocation = self.revocation_id(kind, &entitlement);
        let first = added.iter().filter(overtaken).filter(|operation| !operation.after_any.contains(&revocation)).map(|operation| operation.id.clone());
        let operation = self.operation(&format!("revoke/{key}"), change).expecting(expect).after_any(first).about(target, key).written_as(written);
        let until = self.grace().map(|until| self.no_later(&operation, until));
        match self.able(&ability, self.put_off(operation, until)) {
            Ok(operation) => diff.operations.push(operation),
            Err(why) => self.block(diff, title, why),
        }
    }

    /// What is only offered is withdrawn, where the vendor tells that apart.
    fn removal(&self, direct: Option<&Grant>, entitlement: Entitlement) -> (Change, Ability) {
        let manage = Ability::Manage(entitlement.kind.clone());
        match direct {
            Some(grant) if grant.state == GrantState::Invited && self.view.descriptor.has(&Ability::Withdraw) => {
                (Change::Withdraw(entitlement), Ability::Withdraw)
            }
            _ => (Change::Revoke(entitlement), manage),
        }
    }

    /// Until when somebody who moves keeps what the rules no longer give. A leaver keeps nothing.
    fn grace(&self) -> Option<provisionr_sdk::Timestamp> {
        if self.subject.lifecycle == Lifecycle::Terminated {
            return None;
        }
        let grace = self.view.topology.grace.unwrap_or(self.view.lifecycle.grace);
        self.view.occasion.at.filter(|_| !grace.is_zero()).map(|at| at + grace)
    }
}

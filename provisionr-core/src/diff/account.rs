//! The account that grants need, and its attributes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::{AccountView, Builder, SystemDiff};
use crate::desired::Reason;
use crate::plan::{Action, Carried, Operation};
use crate::rules::{AccountOrigin, Cannot, Ownership};
use provisionr_sdk::{Ability, Account, AccountNeed, AccountSpec, AccountState, Attribute, Change, Expect, OnCreate, ProfileDelta, Timestamp, WaitReason};

impl Builder<'_> {
    /// The time so long before the first day, if the rules set one and the subject has such a day.
    pub(super) fn before_first_day(&self, before: Option<Duration>) -> Option<Timestamp> {
        let first = self.view.lifecycle.first_day_of(self.subject)?;
        before.map(|before| first.start() - before)
    }

    /// What has to happen so that there is an account that can hold the grants. A new account takes those along that it
    /// cannot be made without.
    pub(super) fn account(&self, grants: &mut Vec<Operation>, diff: &mut SystemDiff) {
        let mut reasons: Vec<Reason> = grants.iter().flat_map(|operation| operation.reasons.iter().cloned()).collect();
        reasons.sort();
        reasons.dedup();
        let operation = match &self.view.account {
            AccountView::Unclear(why) => Err(format!("whether there is an account cannot be told: {why}")),
            AccountView::Known(account) if account.state == AccountState::Invited && grants.iter().any(|grant| self.needs_active(grant)) => {
                Ok(Some(self.awaited(WaitReason::InvitationSent)))
            }
            AccountView::Known(account) => self.usable(account),
            AccountView::Absent => match self.view.origin() {
                AccountOrigin::Create => self.create(AccountState::Active, grants).map(Some),
                AccountOrigin::Invite => self.create(AccountState::Invited, grants).map(Some),
                AccountOrigin::FirstLogin => Ok(Some(self.awaited(WaitReason::FirstLogin))),
                AccountOrigin::Federated => Ok(Some(self.awaited(WaitReason::AccountAppears))),
                AccountOrigin::Existing if self.view.topology.cannot == Cannot::ByHand => Ok(Some(self.awaited(WaitReason::ManualStep))),
                AccountOrigin::Existing => Err("there is no account, and accounts here are made by somebody else".to_owned()),
            },
        };
        match operation {
            Ok(Some(operation)) => {
                let begins = self.before_first_day(self.view.lifecycle.accounts_before);
                let operation = self.put_off(operation.because(reasons), begins);
                diff.account = Some(operation.id.clone());
                diff.operations.push(operation);
            }
            Ok(None) => {}
            Err(why) => {
                diff.stuck = true;
                if grants.is_empty() {
                    self.block(diff, "account", why.as_str());
                }
                for grant in grants {
                    self.block(diff, grant.title(), why.as_str());
                }
            }
        }
    }

    /// Whether what is granted can be held only by an active account.
    pub(super) fn needs_active(&self, grant: &Operation) -> bool {
        let kind = grant.action.change().and_then(Change::entitlement).and_then(|wanted| self.view.descriptor.kinds.get(&wanted.kind));
        kind.is_some_and(|kind| kind.needs == AccountNeed::Active)
    }

    fn awaited(&self, reason: WaitReason) -> Operation {
        Operation::new(&self.subject.id, self.system.clone(), "account", Action::AwaitAccount(reason))
    }

    fn create(&self, state: AccountState, grants: &mut Vec<Operation>) -> Result<Operation, String> {
        if let Some(why) = self.lacks(&Ability::CreateAccount) {
            return match self.view.topology.cannot {
                Cannot::ByHand => Ok(self.awaited(WaitReason::ManualStep)),
                _ => Err(format!("there is no account, and {why}")),
            };
        }
        let mut logins = self.view.topology.candidates(self.subject);
        if logins.is_empty() {
            let named = self.view.who.key("login").or_else(|| self.view.who.key("email"));
            logins.push(named.ok_or("there is no account, and nothing to name a new one by")?.to_owned());
        }
        for attribute in self.view.descriptor.accounts.attributes.iter().filter(|attribute| attribute.required) {
            // The login is named by its candidates.
            if !self.view.profile.contains_key(attribute.name) && attribute.name != "login" {
                let from = self.source_of(attribute).map(|from| format!(", which comes from `{from}`")).unwrap_or_default();
                return Err(format!("a new account needs `{}`{from}", attribute.name));
            }
        }
        let mut spec = AccountSpec::new("");
        spec.logins = logins;
        spec.profile = self.view.profile.clone();
        spec.access = self.view.topology.access.unwrap_or_default();
        spec.state = state;
        let carried = self.carried(&mut spec, grants)?;
        Ok(Operation { carries: carried, ..self.operation("account", Change::EnsureAccount(spec)).expecting(Expect::Absent) })
    }

    /// Moves the grants into the account that no account can be made without.
    fn carried(&self, spec: &mut AccountSpec, grants: &mut Vec<Operation>) -> Result<Vec<Carried>, String> {
        let mut carried = Vec::new();
        for kind in self.view.descriptor.kinds.iter().filter(|kind| kind.on_create == OnCreate::Must) {
            let of_kind = |operation: &Operation| operation.action.change().and_then(Change::entitlement).is_some_and(|wanted| wanted.kind == kind.name);
            let (with, rest): (Vec<_>, Vec<_>) = std::mem::take(grants).into_iter().partition(of_kind);
            *grants = rest;
            for operation in with {
                if let (Some(Change::Grant(wanted)), Some(key), Some(target)) =
                    (operation.action.change(), operation.grant_key.clone(), operation.target.clone())
                {
                    spec.entitlements.push(wanted.clone());
                    carried.push(Carried::new(key, target));
                }
            }
        }
        let must = || self.view.descriptor.kinds.iter().filter(|kind| kind.on_create == OnCreate::Must);
        if carried.is_empty() && must().next().is_some() {
            let kinds: Vec<_> = must().map(|kind| format!("`{}`", kind.name)).collect();
            return Err(format!("a new account cannot be made without {}, and nothing of it is wanted", kinds.join(" or ")));
        }
        Ok(carried)
    }

    fn source_of<'s>(&'s self, attribute: &'s Attribute) -> Option<&'s str> {
        let ruled = self.view.topology.profile.get(attribute.name).and_then(|mapping| mapping.from.as_deref());
        ruled.or(attribute.from)
    }

    /// An account that is there, brought back to life where it is not: by whoever switched it off, or for somebody who
    /// comes back. What people switched off for reasons of their own stays off.
    fn usable(&self, account: &Account) -> Result<Option<Operation>, String> {
        if matches!(account.state, AccountState::Active | AccountState::Invited) || account.settling == Some(AccountState::Active) {
            // A run that gives way may still switch it off.
            let back = self.view.descriptor.accounts.transitions.iter().any(|transition| transition.to == AccountState::Active);
            let again = self.view.pending.off && account.state != AccountState::Invited && back && self.lacks(&Ability::SetState).is_none();
            return Ok(again.then(|| self.operation("account", Change::SetState(AccountState::Active))));
        }
        let transition = self.view.descriptor.accounts.transition_between(account.state, AccountState::Active);
        // The vendor locks people out for a while, and lets them in again by itself.
        if account.state == AccountState::Frozen && transition.is_none() {
            return Ok(None);
        }
        if transition.is_none() {
            return Err(format!("the account is {}, and the adapter cannot make it active", account.state));
        }
        if account.state > AccountState::Active && !self.view.occasion.comes_back && !self.switched_off(account) && !self.view.pending.off {
            return Err(format!(
                "the account is {}, and somebody else made it so: who did may lift it, or an event may tell that the person is back",
                account.state
            ));
        }
        let operation = self.operation("account", Change::SetState(AccountState::Active)).expecting(Expect::State(account.state));
        self.able(&Ability::SetState, operation).map(Some).map_err(|why| format!("the account is {}, and {why}", account.state))
    }

    /// Attributes that follow the subject and differ, one change each.
    pub(super) fn profile_changes(&self, diff: &mut SystemDiff) -> Vec<Operation> {
        let AccountView::Known(account) = &self.view.account else { return Vec::new() };
        let mut operations = Vec::new();
        for (name, mapping) in &self.view.topology.profile {
            let declared = self.view.descriptor.accounts.attributes.iter().find(|attribute| attribute.name == name);
            let from = mapping.from.as_deref().or_else(|| declared.and_then(|attribute| attribute.from));
            let Some(from) = from.filter(|_| mapping.own == Ownership::Always) else { continue };
            let wanted = match self.subject.attributes.get(from) {
                // The HRIS says that there is none; a record that does not speak of it says nothing.
                Some(Value::Null) => None,
                _ => match self.view.profile.get(name) {
                    Some(value) => Some(value.clone()),
                    None => continue,
                },
            };
            if same(account.profile.get(name), wanted.as_ref()) {
                continue;
            }
            let what = format!("profile/{name}");
            if let Some(owner) = &account.managed_by {
                self.block(diff, format!("update account {name}"), format!("the account's attributes are decided by {owner}"));
                continue;
            }
            let delta = ProfileDelta(BTreeMap::from([(name.clone(), wanted)]));
            let operation = self.operation(&what, Change::UpdateAccount(delta)).because(self.by_topology("profile"));
            match self.able(&Ability::UpdateAccount, operation) {
                Ok(operation) => operations.push(operation),
                Err(why) => self.block(diff, format!("update account {name}"), why),
            }
        }
        operations
    }
}

/// Whether an attribute shows the value; vendors show numbers as texts, and nothing as an empty text.
fn same(shown: Option<&Value>, wanted: Option<&Value>) -> bool {
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => Value::from(""),
        Some(Value::Number(number)) => Value::from(number.to_string()),
        Some(other) => other.clone(),
    };
    text(shown) == text(wanted)
}

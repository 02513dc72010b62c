//! What reads see of the world.

use std::collections::BTreeMap;

use provisionr_sdk::{
    Account, AccountQuery, AdapterError, Coverage, Cursor, Descriptor, Found, Grant, KindName, ListScope, Observation, Page, PageRequest, Resolution, Resolved,
    Result, Scope, Search, Target, TargetName,
};

use super::world::State;

pub(super) fn find(state: &State, descriptor: &Descriptor, who: &AccountQuery) -> Found {
    if let Some(account) = who.known.as_ref().and_then(|id| state.accounts.get(id)) {
        return Found::One(account.clone());
    }
    let mut blind = state.blind.then(|| "the credential does not see every account".to_owned());
    for key in &who.keys {
        let Some(facts) = descriptor.accounts.keys.iter().find(|facts| facts.name == key.name) else {
            blind = Some(format!("accounts cannot be found by `{}`", key.name));
            continue;
        };
        let mut answers: Vec<_> = state.accounts.values().filter(|account| value_of(account, &key.name) == Some(&key.value)).cloned().collect();
        match (answers.pop(), answers.is_empty()) {
            (Some(account), true) => return Found::One(account),
            (Some(account), false) => {
                answers.push(account);
                return Found::Several(answers);
            }
            (None, _) if facts.search == Search::Exact => {}
            (None, _) => blind = Some(format!("a search by `{}` does not see every account", key.name)),
        }
    }
    blind.map_or(Found::None, Found::CannotTell)
}

fn value_of<'a>(account: &'a Account, key: &str) -> Option<&'a str> {
    match key {
        "login" => account.login.as_deref(),
        "email" => account.email.as_deref(),
        other => account.profile.get(other).and_then(serde_json::Value::as_str),
    }
}

pub(super) fn observe(state: &mut State, descriptor: &Descriptor, account: &Account, scope: &Scope) -> Result<Observation> {
    let now = state.accounts.get(&account.id).cloned().ok_or_else(|| AdapterError::account_not_found(format!("there is no account `{}`", account.id)))?;
    let mut coverage = Coverage::none();
    for kind in descriptor.kinds.iter().filter(|kind| scope.wants_kind(kind.name.as_str())) {
        match scope.targets(kind.name.as_str()) {
            None => coverage = coverage.kind(kind.name.clone()),
            Some(targets) => {
                for target in targets {
                    coverage = coverage.target(kind.name.clone(), target);
                }
            }
        }
    }
    for (kind, target) in &state.hidden {
        if scope.wants_kind(kind.as_str()) && scope.targets(kind.as_str()).is_none_or(|targets| targets.contains(target)) {
            coverage = coverage.unseen(kind.clone(), Some(target.clone()), "the credential cannot see it");
        }
    }
    let hidden = state.hidden.clone();
    let grants = state
        .seen_grants()
        .into_iter()
        .filter(|grant| grant.account == account.id && scope.wants(&grant.entitlement))
        .filter(|grant| !hidden.contains(&(grant.entitlement.kind.clone(), grant.entitlement.target.clone())))
        .collect();
    Ok(Observation::new(now, grants, coverage))
}

pub(super) fn resolve(state: &State, kind: &KindName, names: &[TargetName]) -> Vec<Resolved> {
    if !state.targets.contains_key(kind) {
        let any = |name: &TargetName| Resolved { name: name.clone(), resolution: Resolution::One(Target::new(name.as_str(), name.clone())) };
        return names.iter().map(any).collect();
    }
    Resolved::among(names, &targets(state, kind))
}

/// One page of a list that does not change while it is read. A cursor is `age-offset`.
pub(super) fn page<T>(state: &State, all: Vec<T>, page: &PageRequest) -> Result<Page<T>> {
    let offset = match &page.cursor {
        None => 0,
        Some(cursor) => {
            let parts = cursor.as_str().split_once('-').and_then(|(age, offset)| Some((age.parse::<u32>().ok()?, offset.parse::<usize>().ok()?)));
            match parts {
                Some((age, offset)) if age == state.cursor_age => offset,
                _ => return Err(AdapterError::stale_cursor("the cursor is too old")),
            }
        }
    };
    let size = page.size.map_or(100, |size| usize::try_from(size.max(1)).unwrap_or(usize::MAX));
    let more = all.len() > offset.saturating_add(size);
    let items = all.into_iter().skip(offset).take(size).collect();
    Ok(Page::new(items, more.then(|| Cursor::from(format!("{}-{}", state.cursor_age, offset.saturating_add(size))))))
}

/// The targets of a kind that the credential sees.
pub(super) fn targets(state: &State, kind: &KindName) -> Vec<Target> {
    let seen = |target: &&Target| !state.hidden.contains(&(kind.clone(), target.id.clone()));
    state.targets.get(kind).into_iter().flat_map(BTreeMap::values).filter(seen).cloned().collect()
}

pub(super) fn grants(state: &State, scope: &ListScope) -> Vec<Grant> {
    let hidden = |grant: &Grant| state.hidden.contains(&(grant.entitlement.kind.clone(), grant.entitlement.target.clone()));
    state
        .grants
        .iter()
        .filter(|grant| grant.entitlement.kind == *scope.kind() && !hidden(grant))
        .filter(|grant| match scope {
            ListScope::Target(_, target) => grant.entitlement.target == *target,
            ListScope::Account(_, account) => grant.account == *account,
            _ => true,
        })
        .cloned()
        .collect()
}

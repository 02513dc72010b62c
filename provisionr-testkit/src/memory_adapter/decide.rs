//! What a change comes to, given the state of the world: nothing, an error, or a step.

use std::collections::BTreeMap;

use provisionr_sdk::{
    Ability, Account, AccountAccess, AccountNeed, AccountSpec, AccountState, AdapterError, Cardinality, Change, Descriptor, Entitlement, ErrorKind, Found,
    Grant, GrantState, Kind, ProfileDelta, Receipt, Request, Result, Source,
};

use super::look::find;
use super::world::{State, Step};

/// What is to be done, and what is told of it.
pub(super) enum Decision {
    /// It is so already.
    Unchanged(Receipt),
    /// This step, and how many mails go out with it.
    Do(Step, Receipt, usize),
}

/// Whether the descriptor knows such a change.
pub(super) fn supported(descriptor: &Descriptor, change: &Change) -> Result<()> {
    let manages = |wanted: &Entitlement| descriptor.has(&Ability::Manage(wanted.kind.clone()));
    let known = match change {
        Change::EnsureAccount(_) => descriptor.has(&Ability::CreateAccount),
        Change::UpdateAccount(_) => descriptor.has(&Ability::UpdateAccount),
        Change::SetState(wanted) => descriptor.has(&Ability::SetState) && descriptor.accounts.transitions.iter().any(|transition| transition.to == *wanted),
        Change::EndSessions => descriptor.has(&Ability::EndSessions),
        Change::Grant(wanted) | Change::Revoke(wanted) => manages(wanted),
        Change::Withdraw(wanted) => descriptor.has(&Ability::Withdraw) && manages(wanted),
        _ => false,
    };
    if known { Ok(()) } else { Err(AdapterError::unsupported(change)) }
}

pub(super) fn decide(state: &mut State, descriptor: &Descriptor, request: &Request) -> Result<Decision> {
    match &request.change {
        Change::EnsureAccount(spec) => ensure(state, descriptor, request, spec),
        Change::UpdateAccount(delta) => update(state, descriptor, request, delta),
        Change::SetState(wanted) => set_state(state, descriptor, request, *wanted),
        Change::EndSessions => end_sessions(state, request),
        Change::Grant(wanted) => grant(state, descriptor, request, wanted),
        Change::Revoke(wanted) => revoke(state, descriptor, request, wanted),
        Change::Withdraw(wanted) => withdraw(state, descriptor, request, wanted),
        other => Err(AdapterError::unsupported(other)),
    }
}

fn ensure(state: &mut State, descriptor: &Descriptor, request: &Request, spec: &AccountSpec) -> Result<Decision> {
    match find(state, descriptor, &request.who) {
        Found::One(account) => return Ok(Decision::Unchanged(Receipt::new().before_account(account.clone()).with_account(account))),
        Found::None | Found::CannotTell(_) => {}
        _ => return Err(AdapterError::ambiguous("several accounts answer to the query")),
    }
    let Some(login) = spec.logins.iter().find(|login| !state.login_taken(login)) else {
        return Err(AdapterError::conflict("all logins are taken"));
    };
    for attribute in descriptor.accounts.attributes.iter().filter(|attribute| attribute.required) {
        if !spec.profile.contains_key(attribute.name) {
            return Err(AdapterError::invalid_request(format!("`{}` is required", attribute.name)));
        }
    }
    known_attributes(descriptor, spec.profile.keys())?;
    let mut account = Account::new(state.new_id(), spec.state).with_login(login);
    account.profile = spec.profile.clone();
    account.email = email_of(&spec.profile).or_else(|| login.contains('@').then(|| login.clone()));
    let mails = usize::from(spec.access == AccountAccess::VendorMail || spec.state == AccountState::Invited);
    let receipt = Receipt::new().before_absent().with_account(account.clone());
    Ok(Decision::Do(Step::Create(account, spec.entitlements.clone()), receipt, mails))
}

fn update(state: &State, descriptor: &Descriptor, request: &Request, delta: &ProfileDelta) -> Result<Decision> {
    let before = own_account(state, request)?;
    known_attributes(descriptor, delta.0.keys())?;
    let mut after = before.clone();
    for (name, value) in &delta.0 {
        match value {
            Some(value) => after.profile.insert(name.clone(), value.clone()),
            None => after.profile.remove(name),
        };
    }
    if delta.0.contains_key("email") {
        after.email = email_of(&after.profile);
    }
    Ok(replace(&before, after))
}

fn set_state(state: &State, descriptor: &Descriptor, request: &Request, wanted: AccountState) -> Result<Decision> {
    let before = match own_account(state, request) {
        // What is gone is deleted; the ids of this world are never used again.
        Err(error) if wanted == AccountState::Deleted && matches!(error.kind(), ErrorKind::NotFound(_)) => {
            return Ok(Decision::Unchanged(Receipt::new().before_absent()));
        }
        found => found?,
    };
    if before.state != wanted && descriptor.accounts.transition_between(before.state, wanted).is_none() {
        return Err(AdapterError::conflict(format!("an account that is {} cannot become {wanted}", before.state)));
    }
    if wanted == AccountState::Deleted {
        return Ok(Decision::Do(Step::Delete(before.id.clone()), Receipt::new().before_account(before), 0));
    }
    let after = Account { state: wanted, ..before.clone() };
    Ok(replace(&before, after))
}

fn replace(before: &Account, after: Account) -> Decision {
    let receipt = Receipt::new().before_account(before.clone()).with_account(after.clone());
    if *before == after { Decision::Unchanged(receipt) } else { Decision::Do(Step::Replace(after), receipt, 0) }
}

fn end_sessions(state: &State, request: &Request) -> Result<Decision> {
    let account = present(state, request)?;
    let receipt = Receipt::new().with_account(account.clone());
    Ok(if state.sessions.contains(&account.id) { Decision::Do(Step::EndSessions(account.id), receipt, 0) } else { Decision::Unchanged(receipt) })
}

fn grant(state: &State, descriptor: &Descriptor, request: &Request, wanted: &Entitlement) -> Result<Decision> {
    let account = present(state, request)?;
    let kind = kind_of(descriptor, wanted)?;
    reach(state, wanted)?;
    let allowed = match kind.needs {
        AccountNeed::Known => true,
        AccountNeed::Invited => matches!(account.state, AccountState::Invited | AccountState::Active),
        AccountNeed::Active => account.state == AccountState::Active,
    };
    if !allowed {
        return Err(AdapterError::conflict(format!("the account is {}", account.state)));
    }
    let (direct, other) = held(state, kind, &account, wanted);
    if let Some(same) = direct.iter().find(|grant| grant.entitlement == *wanted && grant.state == GrantState::Held) {
        return Ok(Decision::Unchanged(Receipt::new().before_grant(same.clone()).with_grant(same.clone())));
    }
    if direct.is_empty()
        && let Some(high) = other.iter().find(|grant| grant.state == GrantState::Held && kind.satisfies(&grant.entitlement, wanted))
    {
        return Ok(Decision::Unchanged(Receipt::new().before_grant(high.clone()).with_grant(high.clone())));
    }
    let add = Grant::direct(account.id.clone(), wanted.clone());
    let mut receipt = Receipt::new().with_grant(add.clone());
    receipt = match direct.first() {
        Some(before) => receipt.before_grant(before.clone()),
        None => receipt.before_absent(),
    };
    let mut remove = direct;
    if kind.cardinality != Cardinality::Many {
        for grant in state.grants.iter().filter(|grant| grant.account == account.id && grant.entitlement.kind == kind.name && grant.source == Source::Direct) {
            if !remove.contains(grant) {
                receipt = receipt.and_changed(format!("{} is no longer held", grant.entitlement));
                remove.push(grant.clone());
            }
        }
    }
    Ok(Decision::Do(Step::Swap { remove, add: Some(add) }, receipt, 0))
}

fn revoke(state: &State, descriptor: &Descriptor, request: &Request, wanted: &Entitlement) -> Result<Decision> {
    let account = present(state, request)?;
    let kind = kind_of(descriptor, wanted)?;
    // A target that is gone looks like one that is hidden: nothing follows from either.
    reach(state, wanted).map_err(|error| match error.kind() {
        ErrorKind::NotFound(_) => AdapterError::not_found_unclear(format!("`{}` cannot be seen", wanted.target)),
        _ => error,
    })?;
    let (direct, other) = held(state, kind, &account, wanted);
    let receipt = other.into_iter().fold(Receipt::new(), Receipt::still);
    let Some(before) = direct.first().cloned() else {
        return Ok(Decision::Unchanged(receipt.before_absent()));
    };
    request.check_expected(Some(&before))?;
    Ok(Decision::Do(Step::Swap { remove: direct, add: None }, receipt.before_grant(before), 0))
}

fn withdraw(state: &State, descriptor: &Descriptor, request: &Request, wanted: &Entitlement) -> Result<Decision> {
    let account = present(state, request)?;
    let kind = kind_of(descriptor, wanted)?;
    let (direct, _) = held(state, kind, &account, wanted);
    let open: Vec<_> = direct.into_iter().filter(|grant| grant.state != GrantState::Held).collect();
    Ok(match open.first().cloned() {
        Some(before) => Decision::Do(Step::Swap { remove: open, add: None }, Receipt::new().before_grant(before), 0),
        None => Decision::Unchanged(Receipt::new().before_absent()),
    })
}

fn kind_of<'a>(descriptor: &'a Descriptor, wanted: &Entitlement) -> Result<&'a Kind> {
    descriptor.kinds.get(&wanted.kind).ok_or_else(|| AdapterError::unsupported(wanted))
}

/// The account of a request, as it is in the world.
fn present(state: &State, request: &Request) -> Result<Account> {
    let id = &request.account()?.id;
    state.accounts.get(id).cloned().ok_or_else(|| AdapterError::account_not_found(format!("there is no account `{id}`")))
}

/// The account of a request, if nobody else manages it.
fn own_account(state: &State, request: &Request) -> Result<Account> {
    let account = present(state, request)?;
    match &account.managed_by {
        Some(owner) => Err(AdapterError::owned_elsewhere(format!("the account is managed by {owner}"))),
        None => Ok(account),
    }
}

/// Whether a target can be reached and is nobody else's.
fn reach(state: &State, wanted: &Entitlement) -> Result<()> {
    let missing = || AdapterError::target_not_found(format!("there is no {} `{}`", wanted.kind, wanted.target));
    if wanted.target.as_str().is_empty() || state.hidden.contains(&(wanted.kind.clone(), wanted.target.clone())) {
        return Err(missing());
    }
    let Some(targets) = state.targets.get(&wanted.kind) else { return Ok(()) };
    match &targets.get(&wanted.target).ok_or_else(missing)?.owner {
        Some(owner) => Err(AdapterError::owned_elsewhere(format!("`{}` is owned by {owner}", wanted.target))),
        None => Ok(()),
    }
}

/// The grants of an account that are the same but for values: those made here, and the others.
fn held(state: &State, kind: &Kind, account: &Account, wanted: &Entitlement) -> (Vec<Grant>, Vec<Grant>) {
    let key = kind.key_of(wanted);
    state
        .grants
        .iter()
        .filter(|grant| grant.account == account.id && kind.key_of(&grant.entitlement) == key)
        .cloned()
        .partition(|grant| grant.source == Source::Direct)
}

fn known_attributes<'a>(descriptor: &Descriptor, names: impl Iterator<Item = &'a String>) -> Result<()> {
    for name in names {
        if !descriptor.accounts.attributes.iter().any(|attribute| attribute.writable && attribute.name == name) {
            return Err(AdapterError::invalid_request(format!("there is no attribute `{name}` to write")));
        }
    }
    Ok(())
}

fn email_of(profile: &BTreeMap<String, serde_json::Value>) -> Option<String> {
    profile.get("email").and_then(serde_json::Value::as_str).map(str::to_owned)
}

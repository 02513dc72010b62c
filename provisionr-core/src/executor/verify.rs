//! The look at the end of a leaver's run: has anything surfaced late?

use std::sync::Arc;

use super::gate::Gate;
use super::work::{Finished, timed_out};
use crate::plan::Verification;
use crate::record::{ACCOUNT_STATE, RunId};
use crate::run::Failure;
use crate::store::{RunFilter, Store, StoreError};
use provisionr_sdk::{
    Account, AccountQuery, AccountState, Adapter, AdapterError, CallContext, Descriptor, Entitlement, Found, GrantState, Scope, Source, SubjectId,
};

/// What such a look showed.
pub(super) enum Verified {
    /// Nothing is left.
    Clean,
    /// This is there, and should not be.
    Surfaced(String),
    /// It cannot be told yet; why.
    NotYet(String),
    /// It cannot be seen; why.
    Unclear(String),
}

/// Who is looked at, and for whose run.
pub(super) struct Leaver {
    pub(super) run: RunId,
    pub(super) subject: SubjectId,
    pub(super) who: AccountQuery,
}

/// Looks whether a leaver is out of a system.
pub(super) async fn verify(store: Arc<dyn Store>, adapter: Arc<dyn Adapter>, gate: Arc<Gate>, leaver: Leaver, wanted: Verification) -> Finished {
    let cx = CallContext::new(gate.clone());
    let result = tokio::select! {
        biased;
        result = look(&*store, &*adapter, &cx, &leaver, &wanted) => result.map_err(|error| Failure::from(&error)),
        () = gate.expired() => Err(timed_out(&gate)),
    };
    Finished::Verified(result)
}

fn unread(error: &StoreError) -> AdapterError {
    AdapterError::unavailable(error.to_string())
}

async fn look(store: &dyn Store, adapter: &dyn Adapter, cx: &CallContext, leaver: &Leaver, wanted: &Verification) -> provisionr_sdk::Result<Verified> {
    // Whatever an older run has under way may still give something.
    let runs = store.runs(&RunFilter::all().subject(leaver.subject.clone()).unsettled()).await.map_err(|error| unread(&error))?;
    if let Some(other) = runs.iter().find(|run| run.id != leaver.run) {
        return Ok(Verified::NotYet(format!("run {} of the same subject is not over", other.id)));
    }
    if leaver.who.known.is_none() && leaver.who.keys.is_empty() {
        return Ok(Verified::Unclear("there is nothing an account could be found by".to_owned()));
    }
    let account = match adapter.find_account(cx, &leaver.who).await? {
        Found::None => return Ok(Verified::Clean),
        Found::One(account) => account,
        Found::CannotTell(why) => return Ok(Verified::Unclear(why)),
        Found::Several(accounts) => return Ok(Verified::Unclear(format!("{} accounts answer to the query", accounts.len()))),
        _ => return Err(AdapterError::protocol("an answer of a newer contract")),
    };
    let descriptor = adapter.descriptor();
    if let Some(state) = wanted.account
        && !gone(&account, state)
    {
        return Ok(Verified::Surfaced(format!("the account is {}", account.state)));
    }
    let given = store.ledger(&descriptor.system, &account.id).await.map_err(|error| unread(&error))?;
    let mut looked_at: Vec<Entitlement> = given.into_iter().filter(|row| row.key != ACCOUNT_STATE).map(|row| row.entitlement).collect();
    looked_at.extend(wanted.gone.iter().filter(|entitlement| !looked_at.contains(entitlement)).cloned().collect::<Vec<_>>());
    if looked_at.is_empty() || account.state == AccountState::Deleted {
        return Ok(Verified::Clean);
    }
    let seen = adapter.observe(cx, &account, &Scope::Only(looked_at.clone())).await?;
    for entitlement in &looked_at {
        if let Some(left) = seen.grants.iter().find(|grant| same(descriptor, &grant.entitlement, entitlement) && lasts(&grant.source, grant.state)) {
            return Ok(Verified::Surfaced(format!("`{}` is held", left.entitlement)));
        }
        if !seen.coverage.covers(&entitlement.kind, &entitlement.target) {
            return Ok(Verified::Unclear(format!("whether `{entitlement}` is held cannot be seen")));
        }
    }
    Ok(Verified::Clean)
}

fn gone(account: &Account, state: AccountState) -> bool {
    account.state >= state || account.settling.is_some_and(|settling| settling >= state)
}

fn same(descriptor: &Descriptor, one: &Entitlement, other: &Entitlement) -> bool {
    one.kind == other.kind && descriptor.kinds.get(&one.kind).map_or(one.target == other.target, |kind| kind.key_of(one) == kind.key_of(other))
}

/// What is inherited or given by a rule goes with its source.
fn lasts(source: &Source, state: GrantState) -> bool {
    *source == Source::Direct || state != GrantState::Held
}

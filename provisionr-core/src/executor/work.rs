//! Attempts and looks: the only places where an adapter is called to move a run.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::claims::Claims;
use super::gate::Gate;
use super::verify::Verified;
use crate::run::{Failure, Seen};
use provisionr_sdk::{
    Account, AccountQuery, AccountState, Adapter, AdapterError, CallContext, Change, Effect, Found, Outcome, Receipt, Request, Result, Wait, WaitReason,
};

/// A subject's account in one system, found once for each time a run is moved.
pub(super) type AccountCell = Arc<OnceCell<Account>>;

/// What came of an attempt or look.
pub(super) enum Finished {
    /// An attempt, and whether a write may have been sent.
    Attempt(std::result::Result<Outcome, Failure>, bool),
    /// A look.
    Look(std::result::Result<(Seen, Option<Wait>, Option<String>), Failure>),
    /// A look at the end that nothing has surfaced.
    Verified(std::result::Result<Verified, Failure>),
}

async fn account(adapter: &dyn Adapter, cx: &CallContext, who: &AccountQuery) -> Result<Account> {
    match adapter.find_account(cx, who).await? {
        Found::One(account) => Ok(account),
        Found::None => Err(AdapterError::account_not_found("the account is not there")),
        Found::Several(accounts) => Err(AdapterError::ambiguous(format!("{} accounts answer to the query", accounts.len()))),
        Found::CannotTell(why) => Err(AdapterError::not_found_unclear(format!("whether the account is there cannot be seen: {why}"))),
        _ => Err(AdapterError::protocol("an answer of a newer contract")),
    }
}

async fn bound(adapter: &dyn Adapter, cx: &CallContext, mut request: Request, known: Option<&AccountCell>) -> Result<Request> {
    if let Some(cell) = known {
        request.account = Some(cell.get_or_try_init(|| account(adapter, cx, &request.who)).await?.clone());
    }
    Ok(request)
}

/// Tries a change, once nobody else writes to the same list.
pub(super) async fn attempt(adapter: Arc<dyn Adapter>, gate: Arc<Gate>, claims: Claims, request: Request, known: Option<AccountCell>) -> Finished {
    let mut claim = claims.hold(adapter.descriptor(), &request.change, &gate).await;
    gate.restart();
    let cx = CallContext::new(gate.clone());
    let creates = matches!(request.change, Change::EnsureAccount(_));
    let work = async {
        let request = bound(&*adapter, &cx, request, known.as_ref()).await?;
        if adapter.descriptor().lanes.is_empty() {
            gate.begin().await?;
        }
        let outcome = adapter.apply(&cx, &request).await?;
        if let (true, Outcome::Applied(receipt) | Outcome::Unchanged(receipt)) = (creates, &outcome)
            && receipt.account.is_none()
        {
            return Err(AdapterError::protocol("the adapter made an account and did not say which").effect_unknown());
        }
        Ok(outcome)
    };
    let result = tokio::select! {
        biased;
        result = work => result.map_err(|error| Failure::from(&error)),
        () = gate.expired() => Err(timed_out(&gate)),
    };
    let in_doubt = result.as_ref().is_err_and(|failure| failure.effect == Effect::Unknown);
    if let Some(claim) = claim.as_mut().filter(|_| !in_doubt) {
        claim.settled();
    }
    Finished::Attempt(result, gate.wrote())
}

pub(super) fn timed_out(gate: &Gate) -> Failure {
    let error = AdapterError::timed_out("no answer in time");
    Failure::from(&if gate.wrote() { error.effect_unknown() } else { error })
}

/// Looks whether a change holds.
pub(super) async fn probe(adapter: Arc<dyn Adapter>, gate: Arc<Gate>, request: Request, known: Option<AccountCell>) -> Finished {
    let cx = CallContext::new(gate.clone());
    let work = async {
        let request = bound(&*adapter, &cx, request, known.as_ref()).await?;
        adapter.probe(&cx, &request).await
    };
    let result = tokio::select! {
        biased;
        result = work => result.map(Seen::from_probe).map_err(|error| Failure::from(&error)),
        () = gate.expired() => Err(timed_out(&gate)),
    };
    Finished::Look(result)
}

/// Looks whether an account has been made elsewhere.
pub(super) async fn find(adapter: Arc<dyn Adapter>, gate: Arc<Gate>, who: AccountQuery, reason: WaitReason) -> Finished {
    let cx = CallContext::new(gate.clone());
    let result = tokio::select! {
        biased;
        result = adapter.find_account(&cx, &who) => result.map_err(|error| Failure::from(&error)),
        () = gate.expired() => Err(timed_out(&gate)),
    };
    Finished::Look(result.map(|found| {
        let seen = match found {
            Found::One(account) if reason == WaitReason::InvitationSent && account.state == AccountState::Invited => Seen::Pending,
            Found::One(account) => Seen::Holds(Receipt::new().with_account(account)),
            Found::None => Seen::Absent,
            Found::Several(accounts) => Seen::Unclear(format!("{} accounts answer to the query", accounts.len())),
            Found::CannotTell(why) => Seen::Unclear(why),
            _ => Seen::Unclear("an answer of a newer contract".to_owned()),
        };
        (seen, None, None)
    }))
}

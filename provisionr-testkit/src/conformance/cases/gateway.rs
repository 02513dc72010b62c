//! What stands between adapter and system may answer in the system's place. That a gateway finds nothing says nothing: whoever
//! believes it leaves a leaver in, and calls that done.

use provisionr_sdk::{Access, AccountQuery, AccountState, AdapterError, Change, Entitlement, ErrorKind, Found, Outcome, Probe, Scope};

use super::look::holder;
use super::revoke::held;
use crate::conformance::bench::{Bench, for_each};
use crate::conformance::harness::Sent;
use crate::conformance::trouble::Trouble;
use crate::conformance::verdict::{Case, Stop, demand, does_not_apply};

/// One trouble for each request that was sent: the first read, the second, and so on; then the writes.
fn at_each(sent: &[Sent]) -> impl Iterator<Item = Trouble> + use<> {
    let count = |access| sent.iter().filter(|request| request.access == access).count();
    let of = |access, count| (1..=u32::try_from(count).unwrap_or(u32::MAX)).map(move |number| Trouble::GatewayNotFound(access, number));
    of(Access::Read, count(Access::Read)).chain(of(Access::Write, count(Access::Write)))
}

fn not_missing(error: &AdapterError, trouble: Trouble) -> Case {
    demand!(!matches!(error.kind(), ErrorKind::NotFound(_)), "nobody said that anything is missing, and after {trouble:?} the error is {:?}", error.kind());
    Ok(())
}

async fn sent_by<T>(bench: &Bench<'_>, act: impl AsyncFnOnce() -> Result<T, Stop>) -> Result<Vec<Sent>, Stop> {
    let before = bench.requests()?.len();
    act().await?;
    bench.requests_since(before)
}

pub(in crate::conformance) async fn a_gateways_404_is_no_absence(bench: &Bench<'_>) -> Case {
    let (person, account) = bench.account_in(AccountState::Active).await?;
    let who = bench.who(&person);
    let mut queries = vec![AccountQuery::known(account.id.clone())];
    queries.extend(who.keys.iter().map(|key| AccountQuery::by(&key.name, &key.value)));
    queries.push(who);
    for who in queries {
        let sent = sent_by(bench, async || Ok(bench.find(&who).await?)).await?;
        for trouble in at_each(&sent) {
            bench.trouble(trouble).await?;
            match bench.find(&who).await {
                Ok(found) => demand!(!matches!(found, Found::None), "after {trouble:?} nobody was found by {who:?}, and there is an account"),
                Err(error) => not_missing(&error, trouble)?,
            }
        }
    }
    let (account, grants) = match holder(bench).await {
        Err(Stop::DoesNotApply(_)) => return Ok(()),
        holder => holder?,
    };
    let sent = sent_by(bench, async || Ok(bench.observe(&account, &Scope::All).await?)).await?;
    for trouble in at_each(&sent) {
        bench.trouble(trouble).await?;
        let Ok(seen) = bench.observe(&account, &Scope::All).await else { continue };
        let shown = |wanted: &Entitlement| seen.grants.iter().any(|grant| grant.entitlement == *wanted);
        let missed = grants.iter().map(|grant| &grant.entitlement).find(|held| seen.coverage.covers(&held.kind, &held.target) && !shown(held));
        demand!(missed.is_none(), "after {trouble:?} `{}` counts as covered and absent", missed.map_or_else(String::new, ToString::to_string));
    }
    Ok(())
}

pub(in crate::conformance) async fn a_gateways_404_is_no_revocation(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let (account, grant) = held(bench, kind).await?;
        let request = bench.request(&account, Change::Revoke(grant.entitlement));
        let sent = sent_by(bench, async || bench.bring_about(&request).await).await?;
        for trouble in at_each(&sent) {
            let (account, grant) = held(bench, kind).await?;
            let request = bench.request(&account, Change::Revoke(grant.entitlement.clone()));
            bench.trouble(trouble).await?;
            match bench.apply(&request).await {
                Ok(Outcome::Waiting(..)) => {}
                Ok(_) => bench.holds_nothing(&account.id, &grant.entitlement, &format!("after {trouble:?} and an outcome without an error")).await?,
                Err(error) => not_missing(&error, trouble)?,
            }
        }
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn a_gateways_404_is_no_deletion(bench: &Bench<'_>) -> Case {
    let deletes = bench.descriptor().accounts.transition_between(AccountState::Active, AccountState::Deleted).is_some();
    if !deletes {
        return Err(does_not_apply("active accounts are not deleted"));
    }
    let deletion = Change::SetState(AccountState::Deleted);
    let request = bench.request(&bench.active().await?, deletion.clone());
    let sent = sent_by(bench, async || bench.bring_about(&request).await).await?;
    for trouble in at_each(&sent) {
        let account = bench.active().await?;
        bench.trouble(trouble).await?;
        match bench.apply(&bench.request(&account, deletion.clone())).await {
            Ok(Outcome::Waiting(..)) => {}
            Ok(outcome) => {
                let there = bench.account(&account.id).await.is_some_and(|account| account.state != AccountState::Deleted);
                demand!(!there, "after {trouble:?} the account is there, and the outcome of its deletion is {outcome:?}");
            }
            Err(error) => not_missing(&error, trouble)?,
        }
    }
    let request = bench.request(&bench.active().await?, deletion);
    let sent = sent_by(bench, async || Ok(bench.probe(&request).await?)).await?;
    for trouble in at_each(&sent) {
        bench.trouble(trouble).await?;
        let probe = bench.probe(&request).await;
        demand!(!matches!(probe, Ok(Probe::Holds(_))), "after {trouble:?} the account is there, and the probe says {probe:?}");
    }
    Ok(())
}

//! What changes cost: a forecast rests on it.

use std::collections::BTreeMap;

use provisionr_sdk::{Ability, AccountQuery, AccountState, Calls, Change, ChangeFacts, Grant, LaneId, Result as AdapterResult, Suspension};

use crate::conformance::bench::{Bench, expecting, for_each};
use crate::conformance::verdict::{Case, Stop, demand, does_not_apply};

/// Holds the calls that were permitted while something was done against those that are declared for it: no more on any
/// lane, and not much fewer in all. How many there are hangs on what is found on the way.
async fn held_to<T>(bench: &Bench<'_>, what: &str, declared: &[Calls], work: impl AsyncFnOnce() -> AdapterResult<T>) -> Case {
    if declared.is_empty() {
        return Err(does_not_apply(format!("{what} declares no calls")));
    }
    let before = bench.gate.permits().len();
    work().await?;
    let mut made: BTreeMap<LaneId, u32> = BTreeMap::new();
    for call in bench.gate.permits().split_off(before) {
        if let Some(lane) = call.lane {
            *made.entry(lane).or_default() += call.cost;
        }
    }
    let mut said: BTreeMap<LaneId, u32> = BTreeMap::new();
    for calls in declared {
        *said.entry(calls.lane.clone()).or_default() += calls.count;
    }
    let more = made.iter().any(|(lane, count)| said.get(lane).is_none_or(|said| said < count));
    let (all_made, all_said) = (made.values().sum::<u32>(), said.values().sum::<u32>());
    demand!(!more && all_said <= all_made.saturating_mul(2), "{what} declares the calls {said:?} and made {made:?}");
    Ok(())
}

/// At least one of several parts applies, and none fails.
fn any(parts: impl IntoIterator<Item = Case>) -> Case {
    let mut reasons = Vec::new();
    let mut applied = false;
    for part in parts {
        match part {
            Ok(()) => applied = true,
            Err(Stop::DoesNotApply(why)) => reasons.push(why),
            Err(failed) => return Err(failed),
        }
    }
    if applied { Ok(()) } else { Err(does_not_apply(reasons.join("; "))) }
}

pub(in crate::conformance) async fn account_changes_take_the_calls_they_declare(bench: &Bench<'_>) -> Case {
    // A credential that is drawn at the first call is no part of any change.
    bench.adapter.check(&bench.cx).await?;
    let facts = bench.descriptor().accounts.clone();
    let found = async {
        let account = bench.active().await?;
        let work = async || bench.find(&AccountQuery::known(account.id.clone())).await;
        held_to(bench, "finding a known account", &facts.find, work).await
    };
    let made = async {
        bench.has(&Ability::CreateAccount)?;
        let request = bench.ensure(&bench.person());
        let facts = facts.create.clone().unwrap_or_default();
        held_to(bench, "making an account", &facts.calls, async || bench.apply(&request).await).await
    };
    let moved = async {
        bench.has(&Ability::SetState)?;
        let Suspension::State(state) = facts.suspension else { return Err(does_not_apply("no state suspends")) };
        let account = bench.account_in(AccountState::Active).await?.1;
        let request = bench.request(&account, Change::SetState(state));
        held_to(bench, "suspending", &facts.set_state.calls, async || bench.apply(&request).await).await
    };
    let ended = async {
        bench.has(&Ability::EndSessions)?;
        let request = bench.request(&bench.active().await?, Change::EndSessions);
        held_to(bench, "ending sessions", &facts.end_sessions.calls, async || bench.apply(&request).await).await
    };
    any([found.await, made.await, moved.await, ended.await])
}

pub(in crate::conformance) async fn grants_take_the_calls_they_declare(bench: &Bench<'_>) -> Case {
    bench.adapter.check(&bench.cx).await?;
    for_each(bench.managed()?, async |kind| {
        let account = bench.ready_for(kind).await?;
        let wanted = bench.wanted(kind).await?;
        let request = bench.request(&account, Change::Grant(wanted.clone()));
        let ChangeFacts { calls, .. } = &kind.grant;
        let granted = held_to(bench, "a grant", calls, async || bench.apply(&request).await).await;
        let (other, held) = (bench.ready_for(kind).await?, bench.wanted(kind).await?);
        let grant = Grant::direct(other.id.clone(), held.clone());
        let revoked = match bench.seed(grant.clone()).await {
            Ok(grant) => {
                let request = expecting(bench.request(&other, Change::Revoke(held)), &grant);
                held_to(bench, "a revocation", &kind.revoke.calls, async || bench.apply(&request).await).await
            }
            Err(stop) => Err(stop),
        };
        any([granted, revoked])
    })
    .await
}

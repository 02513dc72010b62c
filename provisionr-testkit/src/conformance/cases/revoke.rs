//! Revoking, and withdrawing invitations.

use provisionr_sdk::{Ability, Account, Before, Cardinality, Change, Effect, ErrorKind, Grant, GrantState, Kind, Missing, Outcome, Probe, RetryHint, Source};

use crate::conformance::bench::{Bench, error_of, expecting, for_each, receipt};
use crate::conformance::trouble::Trouble;
use crate::conformance::verdict::{Case, Stop, demand, does_not_apply, fails};

/// An account that holds a kind directly.
pub(super) async fn held(bench: &Bench<'_>, kind: &Kind) -> Result<(Account, Grant), Stop> {
    if matches!(kind.cardinality, Cardinality::ExactlyOne { .. }) {
        return Err(does_not_apply("an account always holds one"));
    }
    let account = bench.ready_for(kind).await?;
    let grant = Grant::direct(account.id.clone(), bench.wanted(kind).await?);
    Ok((account, bench.seed(grant).await?))
}

pub(in crate::conformance) async fn revoke_takes_and_says_what(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let (account, grant) = held(bench, kind).await?;
        let request = expecting(bench.request(&account, Change::Revoke(grant.entitlement.clone())), &grant);
        let outcome = bench.bring_about(&request).await?;
        demand!(!matches!(outcome, Outcome::Unchanged(_)), "`{}` was held, and the outcome is {outcome:?}", grant.entitlement);
        bench.holds_nothing(&account.id, &grant.entitlement, "after a revoke").await?;
        match receipt(&outcome).map(|receipt| &receipt.before) {
            Some(Before::Grant(told)) => demand!(told.entitlement == grant.entitlement, "`{}` was taken, and the receipt says {told:?}", grant.entitlement),
            Some(Before::NotSeen) => {}
            told => return Err(fails(format!("`{}` was taken, and the receipt says {told:?}", grant.entitlement))),
        }
        let probe = bench.probe(&request).await?;
        demand!(matches!(probe, Probe::Holds(_)), "`{}` is revoked, and the probe says {probe:?}", grant.entitlement);
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn revoke_repeated_has_no_second_effect(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let (account, grant) = held(bench, kind).await?;
        let request = bench.request(&account, Change::Revoke(grant.entitlement.clone()));
        bench.bring_about(&request).await?;
        let truth = bench.truth().await;
        for repeat in [request.clone(), expecting(request.unsettled(), &grant)] {
            let outcome = bench.apply(&repeat).await.map_err(|error| fails(format!("`{}` is an error the second time: {error}", repeat.change)))?;
            let told = matches!(&outcome, Outcome::Unchanged(_)) || matches!(&outcome, Outcome::Applied(receipt) if receipt.before == Before::NotSeen);
            demand!(told, "`{}` was gone already, and the outcome is {outcome:?}", grant.entitlement);
        }
        demand!(bench.truth().await == truth, "`{}` was revoked twice, and something changed", grant.entitlement);
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn revoke_leaves_other_targets_and_people_alone(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        if kind.cardinality != Cardinality::Many {
            return Err(does_not_apply("an account holds one at most"));
        }
        let (account, grant) = held(bench, kind).await?;
        let (other, _) = held(bench, kind).await?;
        bench.seed(Grant::direct(other.id.clone(), grant.entitlement.clone())).await?;
        let elsewhere = bench.seed(Grant::direct(account.id.clone(), bench.wanted(kind).await?)).await?;
        let before = bench.rows(&other.id).await;
        bench.bring_about(&bench.request(&account, Change::Revoke(grant.entitlement))).await?;
        demand!(bench.rows(&other.id).await == before, "another person lost or gained something");
        bench.holds_once(&account.id, &elsewhere.entitlement, "after a revoke of another target").await
    })
    .await
}

pub(in crate::conformance) async fn revoke_of_another_role_than_expected_is_a_conflict(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let mut roles = bench.harness.roles(kind).into_iter();
        let (Some(low), Some(high)) = (roles.next(), roles.next_back()) else {
            return Err(does_not_apply("it has no two roles"));
        };
        let account = bench.ready_for(kind).await?;
        let target = bench.target(kind).await?;
        let there = bench.seed(Grant::direct(account.id.clone(), bench.with_role(kind, &target, Some(high)))).await?;
        let meant = Grant::direct(account.id.clone(), bench.with_role(kind, &target, Some(low)));
        let request = expecting(bench.request(&account, Change::Revoke(meant.entitlement.clone())), &meant);
        let outcome = bench.apply(&request).await;
        bench.holds_once(&account.id, &there.entitlement, &format!("since `{}` was meant,", meant.entitlement)).await?;
        if kind.key_of(&there.entitlement) != kind.key_of(&meant.entitlement) {
            return Ok(());
        }
        let error = error_of(outcome, &format!("since `{}` was meant,", meant.entitlement))?;
        demand!(
            *error.kind() == ErrorKind::Conflict && error.effect() == Effect::None,
            "another role is a conflict without effect, and the error is {:?}: {error}",
            error.kind()
        );
        demand!(error.hint() == RetryHint::Replan, "another role needs a new plan, and the hint is {:?}", error.hint());
        Ok(())
    })
    .await
}

/// An account that inherits a kind from another target.
async fn inherited(bench: &Bench<'_>, kind: &Kind) -> Result<(Account, Grant), Stop> {
    let account = bench.ready_for(kind).await?;
    let parent = bench.target(kind).await?;
    let grant = Grant::direct(account.id.clone(), bench.wanted(kind).await?).from_source(Source::Inherited(parent));
    Ok((account, bench.seed(grant).await?))
}

pub(in crate::conformance) async fn revoke_never_touches_what_is_inherited(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let (account, grant) = inherited(bench, kind).await?;
        let before = bench.rows(&account.id).await;
        let outcome = bench.apply(&bench.request(&account, Change::Revoke(grant.entitlement.clone()))).await?;
        let now = bench.rows(&account.id).await;
        demand!(now == before, "`{}` is inherited, and a revoke made {now:?} of {before:?}", grant.entitlement);
        demand!(matches!(outcome, Outcome::Unchanged(_)), "`{}` is inherited, and the outcome of a revoke is {outcome:?}", grant.entitlement);
        still(&outcome, &grant)
    })
    .await
}

pub(in crate::conformance) async fn revoke_shows_what_stays_in_force(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let (account, grant) = inherited(bench, kind).await?;
        bench.seed(Grant::direct(account.id.clone(), grant.entitlement.clone())).await?;
        let outcome = bench.bring_about(&bench.request(&account, Change::Revoke(grant.entitlement.clone()))).await?;
        bench.holds_nothing(&account.id, &grant.entitlement, "after a revoke, directly").await?;
        still(&outcome, &grant)
    })
    .await
}

fn still(outcome: &Outcome, grant: &Grant) -> Case {
    let told = receipt(outcome).map(|receipt| receipt.still_effective.as_slice()).unwrap_or_default();
    let shown = told.iter().any(|still| still.entitlement == grant.entitlement && matches!(still.source, Source::Inherited(_)));
    demand!(shown, "`{}` stays in force, and the receipt shows {told:?}", grant.entitlement);
    Ok(())
}

pub(in crate::conformance) async fn revoke_on_a_hidden_target_is_unclear(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let (account, grant) = held(bench, kind).await?;
        if !bench.harness.hide_target(&kind.name, &grant.entitlement.target).await {
            return Err(does_not_apply("its targets cannot be hidden"));
        }
        let error = error_of(bench.apply(&bench.request(&account, Change::Revoke(grant.entitlement.clone()))).await, "since the target is hidden,")?;
        demand!(*error.kind() == ErrorKind::NotFound(Missing::Unclear), "a hidden target is {:?}: {error}", error.kind());
        bench.holds_once(&account.id, &grant.entitlement, "since the target is hidden,").await
    })
    .await
}

pub(in crate::conformance) async fn revoke_with_a_lost_answer_is_found_by_a_probe(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let (account, grant) = held(bench, kind).await?;
        let request = bench.request(&account, Change::Revoke(grant.entitlement.clone()));
        bench.trouble(Trouble::LoseAnswer).await?;
        let error = error_of(bench.apply(&request).await, "after a lost answer")?;
        demand!(error.effect() == Effect::Unknown, "the answer was lost, and the error ({error}) says nothing was changed");
        let request = request.unsettled();
        let probe = bench.probe(&request).await?;
        demand!(matches!(probe, Probe::Holds(_)), "`{}` is revoked, and the probe says {probe:?}", grant.entitlement);
        bench.apply(&request).await?;
        bench.holds_nothing(&account.id, &grant.entitlement, "after a lost answer and a repeat").await
    })
    .await
}

pub(in crate::conformance) async fn revoke_refused_has_no_effect(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let (account, grant) = held(bench, kind).await?;
        let request = bench.request(&account, Change::Revoke(grant.entitlement.clone()));
        bench.trouble(Trouble::Refuse).await?;
        let error = error_of(bench.apply(&request).await, "after a refusal")?;
        demand!(error.effect() == Effect::None, "the vendor refused in so many words, and the error ({error}) leaves the effect open");
        bench.holds_once(&account.id, &grant.entitlement, "after a refusal").await?;
        let probe = bench.probe(&request).await?;
        demand!(probe == Probe::Absent, "the revoke was refused, and the probe says {probe:?}");
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn withdraw_takes_back_an_invitation_and_nothing_else(bench: &Bench<'_>) -> Case {
    bench.has(&Ability::Withdraw)?;
    for_each(bench.managed()?, async |kind| {
        let account = bench.ready_for(kind).await?;
        let grant = bench.seed(Grant::direct(account.id.clone(), bench.wanted(kind).await?).in_state(GrantState::Invited)).await?;
        let request = bench.request(&account, Change::Withdraw(grant.entitlement.clone()));
        bench.bring_about(&request).await?;
        bench.holds_nothing(&account.id, &grant.entitlement, "after its invitation was withdrawn").await?;
        let outcome = bench.apply(&request).await?;
        demand!(matches!(outcome, Outcome::Unchanged(_)), "no invitation is open, and the outcome is {outcome:?}");
        let held = bench.seed(Grant::direct(account.id.clone(), bench.wanted(kind).await?)).await?;
        let outcome = bench.apply(&bench.request(&account, Change::Withdraw(held.entitlement.clone()))).await;
        bench.holds_once(&account.id, &held.entitlement, "since no invitation was open,").await?;
        demand!(!matches!(outcome, Ok(Outcome::Applied(_))), "no invitation was open, and one was withdrawn");
        Ok(())
    })
    .await
}

//! Granting.

use provisionr_sdk::{AccountNeed, AccountState, Before, Cardinality, Change, Effect, ErrorKind, Grant, Kind, Outcome, Owner, ParamType, Part, Probe, Source};

use crate::conformance::bench::{Bench, error_of, for_each, receipt};
use crate::conformance::trouble::Trouble;
use crate::conformance::verdict::{Case, Stop, demand, does_not_apply, fails};

pub(in crate::conformance) async fn grant_gives_and_says_so(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let account = bench.ready_for(kind).await?;
        let wanted = bench.wanted(kind).await?;
        let request = bench.request(&account, Change::Grant(wanted.clone()));
        let outcome = bench.bring_about(&request).await?;
        demand!(!matches!(outcome, Outcome::Unchanged(_)), "nothing was there, and the outcome is {outcome:?}");
        bench.holds_once(&account.id, &wanted, "after a grant").await?;
        let receipt = receipt(&outcome).ok_or_else(|| fails("there is no receipt"))?;
        // Of a kind one has one of, another target may have been there, and is replaced.
        let replaced = matches!(&receipt.before, Before::Grant(other) if kind.cardinality != Cardinality::Many && other.entitlement.target != wanted.target);
        let nothing = matches!(receipt.before, Before::Absent | Before::NotSeen);
        demand!(nothing || replaced, "nothing was there before, and the receipt says {:?}", receipt.before);
        if let Some(grant) = &receipt.grant {
            demand!(grant.account == account.id && grant.entitlement == wanted, "`{wanted}` was given, and the receipt says {grant:?}");
        }
        let probe = bench.probe(&request).await?;
        demand!(matches!(probe, Probe::Holds(_)), "`{wanted}` holds, and the probe says {probe:?}");
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn grant_repeated_has_no_second_effect(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let account = bench.ready_for(kind).await?;
        let wanted = bench.wanted(kind).await?;
        let request = bench.request(&account, Change::Grant(wanted.clone()));
        bench.bring_about(&request).await?;
        let truth = bench.truth().await;
        for repeat in [request.clone(), request.unsettled(), bench.request(&account, Change::Grant(wanted.clone()))] {
            let outcome = bench.apply(&repeat).await.map_err(|error| fails(format!("`{wanted}` is an error the second time: {error}")))?;
            let told = matches!(&outcome, Outcome::Unchanged(_)) || matches!(&outcome, Outcome::Applied(receipt) if receipt.before == Before::NotSeen);
            demand!(told, "`{wanted}` held already, and the outcome is {outcome:?}");
        }
        let now = bench.truth().await;
        demand!(now == truth, "`{wanted}` had a second effect: {now:?} after {truth:?}");
        Ok(())
    })
    .await
}

/// Loses the answer of a write, and demands that a probe and a repeat set it right.
async fn lost(bench: &Bench<'_>, kind: &Kind, trouble: Trouble) -> Case {
    let account = bench.ready_for(kind).await?;
    let wanted = bench.wanted(kind).await?;
    let request = bench.request(&account, Change::Grant(wanted.clone()));
    bench.trouble(trouble).await?;
    let error = error_of(bench.apply(&request).await, &format!("after {trouble:?}"))?;
    demand!(error.effect() == Effect::Unknown, "after {trouble:?} nobody can know, and the error ({error}) says nothing was changed");
    bench.holds_once(&account.id, &wanted, "although the answer was lost").await?;
    let request = request.unsettled();
    let mut probe = bench.probe(&request).await?;
    // What arrived may be an invitation: it is found as one, and holds when it is accepted.
    if let Probe::Pending(wait) = &probe
        && bench.harness.finish(&account.id, wait).await
    {
        bench.harness.settle().await;
        probe = bench.probe(&request).await?;
    }
    demand!(matches!(probe, Probe::Holds(_)), "`{wanted}` holds, and the probe says {probe:?}");
    bench.apply(&request).await?;
    bench.holds_once(&account.id, &wanted, "after a lost answer and a repeat").await
}

pub(in crate::conformance) async fn grant_with_a_lost_answer_is_found_by_a_probe(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| lost(bench, kind, Trouble::LoseAnswer).await).await
}

pub(in crate::conformance) async fn grant_with_a_late_answer_is_timed_out_and_found_by_a_probe(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| lost(bench, kind, Trouble::AnswerTooLate).await).await
}

pub(in crate::conformance) async fn grant_refused_has_no_effect(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let account = bench.ready_for(kind).await?;
        let wanted = bench.wanted(kind).await?;
        let request = bench.request(&account, Change::Grant(wanted.clone()));
        bench.trouble(Trouble::Refuse).await?;
        let error = error_of(bench.apply(&request).await, "after a refusal")?;
        demand!(error.effect() == Effect::None, "the vendor refused in so many words, and the error ({error}) leaves the effect open");
        bench.holds_nothing(&account.id, &wanted, "after a refusal").await?;
        let probe = bench.probe(&request).await?;
        demand!(probe == Probe::Absent, "`{wanted}` was refused, and the probe says {probe:?}");
        Ok(())
    })
    .await
}

/// Two roles of a kind, the lower first.
fn two_roles(bench: &Bench<'_>, kind: &Kind) -> Result<(provisionr_sdk::RoleName, provisionr_sdk::RoleName), Stop> {
    let mut roles = bench.harness.roles(kind).into_iter();
    match (roles.next(), roles.next_back()) {
        (Some(low), Some(high)) => Ok((low, high)),
        _ => Err(does_not_apply("it has no two roles")),
    }
}

pub(in crate::conformance) async fn grant_of_another_role_changes_the_role(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let (low, high) = two_roles(bench, kind)?;
        if kind.role_part == Part::Key {
            return Err(does_not_apply("another role is another grant"));
        }
        let account = bench.ready_for(kind).await?;
        let target = bench.target(kind).await?;
        for (before, after) in [(&low, &high), (&high, &low)] {
            let (before, after) = (bench.with_role(kind, &target, Some(before.clone())), bench.with_role(kind, &target, Some(after.clone())));
            bench.bring_about(&bench.request(&account, Change::Grant(before.clone()))).await?;
            let outcome = bench.bring_about(&bench.request(&account, Change::Grant(after.clone()))).await?;
            demand!(!matches!(outcome, Outcome::Unchanged(_)), "from `{before}` to `{after}` something changes, and the outcome is {outcome:?}");
            bench.holds_once(&account.id, &after, "after a grant of another role").await?;
            if let Some(Before::Grant(told)) = receipt(&outcome).map(|receipt| &receipt.before) {
                demand!(told.entitlement == before, "`{before}` was there before, and the receipt says {told:?}");
            } else {
                demand!(
                    receipt(&outcome).is_some_and(|receipt| receipt.before == Before::NotSeen),
                    "a role was changed, and the receipt says nothing was there"
                );
            }
        }
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn grant_of_another_value_changes_the_value(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let Some(param) = kind.params.iter().find(|param| param.part == Part::Value).copied() else {
            return Err(does_not_apply("it has no values"));
        };
        let (one, other): (serde_json::Value, serde_json::Value) = match param.takes {
            ParamType::Date => ("2031-01-31".into(), "2032-02-29".into()),
            ParamType::Integer => (1.into(), 2.into()),
            ParamType::Flag => (true.into(), false.into()),
            _ => ("one".into(), "other".into()),
        };
        let account = bench.ready_for(kind).await?;
        let wanted = bench.wanted(kind).await?;
        for value in [one, other] {
            let wanted = wanted.clone().with_param(param.name, value);
            bench.bring_about(&bench.request(&account, Change::Grant(wanted.clone()))).await?;
            bench.holds_once(&account.id, &wanted, &format!("after a grant with another `{}`", param.name)).await?;
        }
        Ok(())
    })
    .await
}

/// A grant that an account inherits from another target, in a role.
async fn inherited(bench: &Bench<'_>, kind: &Kind, role: Option<provisionr_sdk::RoleName>) -> Result<(provisionr_sdk::Account, Grant), Stop> {
    let account = bench.ready_for(kind).await?;
    let (parent, target) = (bench.target(kind).await?, bench.target(kind).await?);
    let grant = Grant::direct(account.id.clone(), bench.with_role(kind, &target, role)).from_source(Source::Inherited(parent));
    Ok((account, bench.seed(grant).await?))
}

pub(in crate::conformance) async fn grant_that_is_inherited_is_unchanged(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let (low, high) = two_roles(bench, kind).map_or((None, None), |(low, high)| (Some(low), Some(high)));
        // A role that is high enough is enough only where levels are known.
        let comparable = high.as_ref().is_some_and(|role| kind.level(role.as_str()).is_some());
        let (account, grant) = inherited(bench, kind, if comparable { high } else { low.clone() }).await?;
        let wanted = bench.with_role(kind, &grant.entitlement.target, low);
        let request = bench.request(&account, Change::Grant(wanted.clone()));
        let outcome = bench.apply(&request).await?;
        demand!(matches!(outcome, Outcome::Unchanged(_)), "`{}` is inherited, and the outcome of granting `{wanted}` is {outcome:?}", grant.entitlement);
        bench.holds_nothing(&account.id, &wanted, "since it is inherited, directly").await?;
        let probe = bench.probe(&request).await?;
        demand!(matches!(probe, Probe::Holds(_)), "`{wanted}` is inherited, and the probe says {probe:?}");
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn grant_above_what_is_inherited_is_made(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let (low, high) = two_roles(bench, kind)?;
        let (account, grant) = inherited(bench, kind, Some(low)).await?;
        let wanted = bench.with_role(kind, &grant.entitlement.target, Some(high));
        let outcome = bench.bring_about(&bench.request(&account, Change::Grant(wanted.clone()))).await?;
        demand!(!matches!(outcome, Outcome::Unchanged(_)), "only `{}` is inherited, and the outcome of granting `{wanted}` is {outcome:?}", grant.entitlement);
        bench.holds_once(&account.id, &wanted, "above what is inherited").await
    })
    .await
}

pub(in crate::conformance) async fn grant_on_a_target_owned_elsewhere_names_the_owner(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let account = bench.ready_for(kind).await?;
        let wanted = bench.wanted(kind).await?;
        if !bench.harness.own_target(&kind.name, &wanted.target, &Owner::new("Acme Directory")).await {
            return Err(does_not_apply("its targets have no other owner"));
        }
        bench.harness.settle().await;
        for change in [Change::Grant(wanted.clone()), Change::Revoke(wanted.clone())] {
            let error = error_of(bench.apply(&bench.request(&account, change.clone())).await, &format!("after `{change}` on a target owned elsewhere"))?;
            demand!(*error.kind() == ErrorKind::OwnedElsewhere, "`{change}` on a target owned elsewhere is {:?}: {error}", error.kind());
            demand!(error.to_string().contains("Acme Directory"), "the error does not name the owner: {error}");
        }
        bench.holds_nothing(&account.id, &wanted, "since the target is owned elsewhere").await
    })
    .await
}

pub(in crate::conformance) async fn grant_on_a_target_that_is_gone_is_not_found(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        bench.target(kind).await?;
        let account = bench.ready_for(kind).await?;
        let wanted = bench.on(kind, &"no-such-target".into());
        let error = error_of(bench.apply(&bench.request(&account, Change::Grant(wanted.clone()))).await, "after a grant on a target that is gone")?;
        demand!(matches!(error.kind(), ErrorKind::NotFound(_)), "a target that is gone is {:?}: {error}", error.kind());
        demand!(error.effect() == Effect::None, "a target that is gone leaves the effect open");
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn grant_needs_the_account_it_says_it_needs(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let states = [AccountState::Suspended, AccountState::Deactivated, AccountState::Invited];
        let mut tried = false;
        for state in states {
            let Ok((_, account)) = bench.account_in(state).await else { continue };
            let enough = match kind.needs {
                AccountNeed::Known => true,
                AccountNeed::Invited => state == AccountState::Invited,
                AccountNeed::Active => false,
            };
            if !kind.prerequisites.is_empty() {
                return Err(does_not_apply("it needs other grants first"));
            }
            let wanted = bench.wanted(kind).await?;
            let outcome = bench.apply(&bench.request(&account, Change::Grant(wanted.clone()))).await;
            tried = true;
            if enough {
                demand!(outcome.is_ok(), "an account that is {state} is declared to be enough, and there is {outcome:?}");
            } else {
                demand!(!matches!(outcome, Ok(Outcome::Applied(_))), "an account that is {state} is declared not to be enough, and `{wanted}` was granted");
                bench.holds_nothing(&account.id, &wanted, &format!("since it is {state}")).await?;
            }
        }
        if tried { Ok(()) } else { Err(does_not_apply("accounts are active or not there")) }
    })
    .await
}

pub(in crate::conformance) async fn grant_of_the_one_allowed_replaces_the_other(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        if kind.cardinality == Cardinality::Many {
            return Err(does_not_apply("an account holds any number"));
        }
        let account = bench.ready_for(kind).await?;
        let (one, other) = (bench.wanted(kind).await?, bench.wanted(kind).await?);
        bench.bring_about(&bench.request(&account, Change::Grant(one.clone()))).await?;
        bench.bring_about(&bench.request(&account, Change::Grant(other.clone()))).await?;
        bench.holds_once(&account.id, &other, "after it replaced the one before").await?;
        bench.holds_nothing(&account.id, &one, "since it was replaced").await
    })
    .await
}

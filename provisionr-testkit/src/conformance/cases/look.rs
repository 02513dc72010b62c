//! Observing and probing.

use provisionr_sdk::{Ability, Access, Account, AccountState, Change, Entitlement, Grant, GrantState, Probe, Request, Scope, Source};

use crate::conformance::bench::{Bench, error_of, for_each, writes};
use crate::conformance::trouble::Trouble;
use crate::conformance::verdict::{Case, Stop, demand, does_not_apply};

/// An account that holds one target of each kind it can.
pub(super) async fn holder(bench: &Bench<'_>) -> Result<(Account, Vec<Grant>), Stop> {
    let account = bench.active().await?;
    let mut grants = Vec::new();
    for kind in bench.managed()? {
        let wanted = bench.wanted(&kind).await?;
        grants.push(bench.seed(Grant::direct(account.id.clone(), wanted)).await?);
    }
    Ok((account, grants))
}

fn sorted(mut grants: Vec<Grant>) -> Vec<Grant> {
    grants.sort_by_cached_key(|grant| format!("{} {:?} {:?}", grant.entitlement, grant.source, grant.state));
    grants
}

pub(in crate::conformance) async fn observe_shows_the_truth(bench: &Bench<'_>) -> Case {
    let (account, _) = holder(bench).await?;
    let seen = bench.observe(&account, &Scope::All).await?;
    demand!(seen.account.id == account.id && seen.account.state == account.state, "`{}` was looked at, and the answer shows {:?}", account.id, seen.account);
    let (seen_grants, truth) = (sorted(seen.grants.clone()), bench.rows(&account.id).await);
    for kind in bench.managed()? {
        // Where a vendor hides targets from everybody who is not in them, what is held is covered and the rest is told as a gap.
        let told = seen.coverage.gaps().any(|(gap, target, _)| *gap == kind.name && target.is_none());
        let held = seen_grants.iter().filter(|grant| grant.entitlement.kind == kind.name);
        let covered = seen.coverage.covers_kind(&kind.name) || (told && held.clone().all(|grant| seen.coverage.covers(&kind.name, &grant.entitlement.target)));
        demand!(covered, "all of `{}` can be seen, and the coverage leaves it out", kind.name);
        let of_kind = |grants: &[Grant]| grants.iter().filter(|grant| grant.entitlement.kind == kind.name).cloned().collect::<Vec<_>>();
        demand!(of_kind(&seen_grants) == of_kind(&truth), "of `{}` the truth is {:?}, and {:?} was seen", kind.name, of_kind(&truth), of_kind(&seen_grants));
    }
    Ok(())
}

pub(in crate::conformance) async fn observe_shows_an_empty_account_as_covered(bench: &Bench<'_>) -> Case {
    let account = bench.active().await?;
    for_each(bench.managed()?, async |kind| {
        let target = bench.target(kind).await?;
        let wanted = bench.on(kind, &target);
        let seen = bench.observe(&account, &Scope::Only(vec![wanted.clone()])).await?;
        demand!(seen.grants.iter().all(|grant| grant.entitlement.target != target), "nothing is held, and {:?} was seen", seen.grants);
        demand!(seen.coverage.covers(&kind.name, &target), "that `{wanted}` is not held can be seen, and the coverage leaves it out");
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn observe_shows_all_sources(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let account = bench.ready_for(kind).await?;
        let (parent, wanted) = (bench.target(kind).await?, bench.wanted(kind).await?);
        bench.seed(Grant::direct(account.id.clone(), wanted.clone()).from_source(Source::Inherited(parent))).await?;
        bench.seed(Grant::direct(account.id.clone(), wanted.clone())).await?;
        let truth = bench.rows_on(&account.id, &wanted).await;
        for scope in [Scope::All, Scope::Only(vec![wanted.clone()])] {
            let seen = bench.observe(&account, &scope).await?;
            let seen =
                sorted(seen.grants.into_iter().filter(|grant| grant.entitlement.target == wanted.target && grant.entitlement.kind == kind.name).collect());
            demand!(seen == truth, "the truth is {truth:?}, and {seen:?} was seen");
        }
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn observe_shows_open_invitations_as_such(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let account = bench.ready_for(kind).await?;
        let grant = bench.seed(Grant::direct(account.id.clone(), bench.wanted(kind).await?).in_state(GrantState::Invited)).await?;
        let seen = bench.observe(&account, &Scope::Only(vec![grant.entitlement.clone()])).await?;
        demand!(
            seen.grants.iter().any(|seen| seen.entitlement == grant.entitlement && seen.state == GrantState::Invited),
            "an invitation is open, and {:?} was seen",
            seen.grants
        );
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn observe_scopes_agree(bench: &Bench<'_>) -> Case {
    let (account, grants) = holder(bench).await?;
    let all = bench.observe(&account, &Scope::All).await?;
    for kind in bench.managed()? {
        let of_kind = |grants: &[Grant]| sorted(grants.iter().filter(|grant| grant.entitlement.kind == kind.name).cloned().collect());
        let by_kind = bench.observe(&account, &Scope::Kinds(vec![kind.name.clone()])).await?;
        demand!(of_kind(&by_kind.grants) == of_kind(&all.grants), "`{}` alone shows {:?}, and all shows {:?}", kind.name, by_kind.grants, all.grants);
        let strange = by_kind.grants.iter().find(|grant| grant.entitlement.kind != kind.name);
        demand!(strange.is_none(), "`{}` was asked for, and {strange:?} was seen", kind.name);
        for grant in grants.iter().filter(|grant| grant.entitlement.kind == kind.name) {
            let wanted: &Entitlement = &grant.entitlement;
            let only = bench.observe(&account, &Scope::Only(vec![wanted.clone()])).await?;
            demand!(only.grants.iter().any(|seen| seen.entitlement == *wanted), "`{wanted}` alone is not seen, and is among all");
            demand!(only.coverage.covers(&kind.name, &wanted.target), "`{wanted}` was asked for, and the coverage leaves it out");
            let strange = only.grants.iter().find(|seen| seen.entitlement.target != wanted.target);
            demand!(strange.is_none(), "`{wanted}` was asked for, and {strange:?} was seen");
        }
    }
    Ok(())
}

pub(in crate::conformance) async fn observe_never_takes_unseen_for_absent(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let account = bench.ready_for(kind).await?;
        let grant = bench.seed(Grant::direct(account.id.clone(), bench.wanted(kind).await?)).await?;
        let target = grant.entitlement.target.clone();
        if !bench.harness.hide_target(&kind.name, &target).await {
            return Err(does_not_apply("its targets cannot be hidden"));
        }
        for scope in [Scope::Only(vec![grant.entitlement.clone()]), Scope::Kinds(vec![kind.name.clone()]), Scope::All] {
            // An error is an honest answer too.
            let Ok(seen) = bench.observe(&account, &scope).await else { continue };
            let shown = seen.grants.iter().any(|seen| seen.entitlement == grant.entitlement);
            demand!(shown || !seen.coverage.covers(&kind.name, &target), "a hidden target was not seen, and counts as covered ({scope:?})");
        }
        let probe = bench.probe(&bench.request(&account, Change::Revoke(grant.entitlement.clone()))).await;
        demand!(!matches!(probe, Ok(Probe::Holds(_))), "a grant on a hidden target counts as revoked");
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn observe_never_takes_an_error_for_empty(bench: &Bench<'_>) -> Case {
    let (account, grants) = holder(bench).await?;
    let only: Vec<_> = grants.into_iter().map(|grant| grant.entitlement).collect();
    for scope in [Scope::All, Scope::Only(only.clone())] {
        for trouble in [Trouble::ServerError(Access::Read), Trouble::LoseRequest(Access::Read), Trouble::Forbidden(Access::Read)] {
            bench.trouble(trouble).await?;
            // What could be seen in part may be told in part.
            if let Ok(seen) = bench.observe(&account, &scope).await {
                let missed =
                    only.iter().find(|one| seen.coverage.covers(&one.kind, &one.target) && !seen.grants.iter().any(|grant| grant.entitlement == **one));
                demand!(missed.is_none(), "after {trouble:?} `{}` counts as covered and absent", missed.map_or_else(String::new, ToString::to_string));
                demand!(seen.coverage.gaps().next().is_some(), "after {trouble:?} there is no error and no gap ({scope:?})");
            }
        }
    }
    Ok(())
}

pub(in crate::conformance) async fn observe_of_an_account_that_is_gone_is_an_error(bench: &Bench<'_>) -> Case {
    bench.managed()?;
    let gone = Account::new("no-such-account", AccountState::Active);
    error_of(bench.observe(&gone, &Scope::All).await, "since the account is gone,")?;
    Ok(())
}

pub(in crate::conformance) async fn probe_tells_absent_from_held(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let account = bench.ready_for(kind).await?;
        let grant = Grant::direct(account.id.clone(), bench.wanted(kind).await?);
        let give = bench.request(&account, Change::Grant(grant.entitlement.clone()));
        let take = bench.request(&account, Change::Revoke(grant.entitlement.clone()));
        let before = (bench.probe(&give).await?, bench.probe(&take).await?);
        demand!(matches!(before, (Probe::Absent, Probe::Holds(_))), "nothing is held; the probes of a grant and a revoke say {before:?}");
        bench.seed(grant).await?;
        let after = (bench.probe(&give).await?, bench.probe(&take).await?);
        demand!(matches!(after, (Probe::Holds(_), Probe::Absent)), "it is held; the probes of a grant and a revoke say {after:?}");
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn probe_of_an_account_tells_absent_from_there(bench: &Bench<'_>) -> Case {
    bench.has(&Ability::CreateAccount)?;
    let (person, _) = bench.account_in(AccountState::Active).await?;
    let there = bench.probe(&bench.ensure(&person)).await?;
    demand!(matches!(there, Probe::Holds(_)), "the account is there, and the probe says {there:?}");
    let nobody = bench.probe(&bench.ensure(&bench.person())).await?;
    demand!(matches!(nobody, Probe::Absent | Probe::Unclear(_)), "nobody is there, and the probe says {nobody:?}");
    Ok(())
}

pub(in crate::conformance) async fn probe_never_writes(bench: &Bench<'_>) -> Case {
    let (account, grants) = holder(bench).await?;
    let mut requests: Vec<Request> = Vec::new();
    for grant in grants {
        requests.push(bench.request(&account, Change::Revoke(grant.entitlement)));
    }
    for kind in bench.managed()? {
        requests.push(bench.request(&account, Change::Grant(bench.wanted(&kind).await?)));
    }
    if bench.descriptor().has(&Ability::CreateAccount) {
        requests.push(bench.ensure(&bench.person()));
    }
    if let Some(state) = bench.descriptor().accounts.transitions.first().map(|transition| transition.to) {
        requests.push(bench.request(&account, Change::SetState(state)));
    }
    if bench.descriptor().has(&Ability::EndSessions) {
        requests.push(bench.request(&account, Change::EndSessions));
    }
    let truth = bench.truth().await;
    let (permits, sent) = (bench.gate.permits().len(), bench.harness.requests().map(|log| log.len()));
    for request in requests {
        bench.probe(&request.unsettled()).await?;
    }
    demand!(bench.truth().await == truth, "a probe changed something");
    let asked = bench.gate.permits().split_off(permits);
    demand!(asked.iter().all(|call| call.access == Access::Read), "a probe asked for a permit to write");
    if let Some(sent) = sent {
        let written = writes(&bench.requests_since(sent)?);
        demand!(written == 0, "a probe sent {written} requests that may change something");
    }
    Ok(())
}

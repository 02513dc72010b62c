//! What is sent, what is asked before, what leaks, and what a dropped future leaves behind.

use std::future::Future;
use std::pin::pin;

use provisionr_sdk::{Ability, Access, Account, AccountQuery, AccountState, Change, Found, Grant, ListScope, PageRequest, Request, Scope};

use crate::conformance::bench::{Bench, error_of, for_each};
use crate::conformance::gate::NO_PERMIT;
use crate::conformance::trouble::Trouble;
use crate::conformance::verdict::{Case, Stop, demand, does_not_apply, fails};
use crate::conformance::witness::Witness;

fn lanes(bench: &Bench<'_>) -> Case {
    if bench.descriptor().lanes.is_empty() {
        Err(does_not_apply("no lanes are declared: the intent of a change is durable before it is applied"))
    } else {
        Ok(())
    }
}

/// One of each sort of change that can be tried, on new accounts and targets.
async fn changes(bench: &Bench<'_>) -> Result<Vec<Request>, Stop> {
    let mut requests = Vec::new();
    if bench.descriptor().has(&Ability::CreateAccount) {
        requests.push(bench.ensure(&bench.person()));
    }
    for kind in bench.managed()? {
        let account = bench.ready_for(&kind).await?;
        requests.push(bench.request(&account, Change::Grant(bench.wanted(&kind).await?)));
        let held = bench.seed(Grant::direct(account.id.clone(), bench.wanted(&kind).await?)).await?;
        requests.push(bench.request(&account, Change::Revoke(held.entitlement)));
    }
    for transition in bench.descriptor().accounts.transitions.clone() {
        if transition.from.contains(&AccountState::Active) {
            let account = bench.active().await?;
            requests.push(bench.request(&account, Change::SetState(transition.to)));
        }
    }
    Ok(requests)
}

pub(in crate::conformance) async fn each_request_has_a_permit_of_its_kind(bench: &Bench<'_>) -> Case {
    lanes(bench)?;
    let mut before = bench.requests()?.len();
    let mut check = |what: String, asked: Vec<provisionr_sdk::Call>| {
        let sent = bench.requests_since(before)?;
        before += sent.len();
        let permits: Vec<_> = asked.iter().map(|call| call.access).collect();
        let requests: Vec<_> = sent.iter().map(|request| request.access).collect();
        demand!(permits == requests, "`{what}` asked for permits to {permits:?} and sent {sent:?}");
        let strange = asked.iter().filter_map(|call| call.lane.as_ref()).find(|lane| !bench.descriptor().lanes.iter().any(|known| known.id == **lane));
        demand!(strange.is_none(), "`{what}` asked for a permit on the lane {strange:?}, which is not declared");
        Ok::<_, Stop>(())
    };
    for request in changes(bench).await? {
        let permits = bench.gate.permits().len();
        bench.apply(&request).await?;
        check(request.change.to_string(), bench.gate.permits().split_off(permits))?;
    }
    let (person, account) = bench.account_in(AccountState::Active).await?;
    let permits = bench.gate.permits().len();
    bench.find(&bench.who(&person)).await?;
    bench.observe(&account, &Scope::All).await?;
    check("looking".to_owned(), bench.gate.permits().split_off(permits))
}

pub(in crate::conformance) async fn a_refused_permit_sends_nothing(bench: &Bench<'_>) -> Case {
    lanes(bench)?;
    bench.requests()?;
    for request in changes(bench).await? {
        for left in 0.. {
            let before = bench.requests()?.len();
            bench.gate.limit(Some(left));
            let outcome = bench.apply(&request).await;
            bench.gate.limit(None);
            let sent = bench.requests_since(before)?.len();
            demand!(sent <= left, "`{}` had {left} permits and sent {sent} requests", request.change);
            match outcome {
                Ok(_) => break,
                Err(error) => demand!(error.message() == NO_PERMIT, "the error of a refused permit is to be returned as it is, and is {error}"),
            }
        }
    }
    Ok(())
}

/// Polls a future so many times, then drops it. Whether it was done before.
async fn poll_times(future: impl Future, times: usize) -> bool {
    let mut future = pin!(future);
    for _ in 0..times {
        if futures_util::poll!(future.as_mut()).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// More awaits than any one change has.
const MANY: usize = 200;

pub(in crate::conformance) async fn a_dropped_grant_is_finished_by_the_next(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        for times in 0..MANY {
            let account = bench.ready_for(kind).await?;
            let wanted = bench.wanted(kind).await?;
            let request = bench.request(&account, Change::Grant(wanted.clone()));
            let done = poll_times(bench.adapter.apply(&bench.cx, &request), times).await;
            bench.harness.settle().await;
            bench.bring_about(&request.clone().unsettled()).await?;
            bench.holds_once(&account.id, &wanted, &format!("after an attempt dropped at its await {times} and another one")).await?;
            let revoke = bench.request(&account, Change::Revoke(wanted.clone()));
            poll_times(bench.adapter.apply(&bench.cx, &revoke), times).await;
            bench.harness.settle().await;
            if !matches!(kind.cardinality, provisionr_sdk::Cardinality::ExactlyOne { .. }) {
                bench.bring_about(&revoke.unsettled()).await?;
                bench.holds_nothing(&account.id, &wanted, &format!("after a revoke dropped at its await {times} and another one")).await?;
            }
            if done {
                return Ok(());
            }
        }
        Err(fails(format!("a grant was not done after {MANY} awaits")))
    })
    .await
}

pub(in crate::conformance) async fn a_dropped_account_is_finished_by_the_next(bench: &Bench<'_>) -> Case {
    bench.has(&Ability::CreateAccount)?;
    for times in 0..MANY {
        let before = bench.harness.accounts().await.len();
        let request = bench.ensure(&bench.person());
        let done = poll_times(bench.adapter.apply(&bench.cx, &request), times).await;
        bench.harness.settle().await;
        bench.bring_about(&request.clone().unsettled()).await?;
        let more = bench.harness.accounts().await.len().saturating_sub(before);
        demand!(more == 1, "after an attempt dropped at its await {times} and another one there are {more} accounts");
        if done {
            return Ok(());
        }
    }
    Err(fails(format!("an account was not made after {MANY} awaits")))
}

/// Ids that reach another route when they are put into a path carelessly.
const HOSTILE: [&str; 12] = ["", ".", "..", "../x", "a/b", "a/../b", "%2e%2e", "%2F", "a?b=c", "a#b", "a\nb", "a b"];

pub(in crate::conformance) async fn hostile_ids_reach_no_other_route(bench: &Bench<'_>) -> Case {
    let bystander = bench.active().await?;
    let kinds = bench.managed()?;
    for kind in &kinds {
        let wanted = bench.wanted(kind).await?;
        bench.seed(Grant::direct(bystander.id.clone(), wanted)).await?;
    }
    let truth = bench.truth().await;
    let harmless = routes_with(bench, &bystander, "no-such-thing").await?;
    for id in HOSTILE {
        let reached = routes_with(bench, &bystander, id).await?;
        let strange = reached.iter().find(|route| !harmless.contains(route));
        demand!(strange.is_none(), "the id {id:?} reached {strange:?}; an ordinary one reaches {harmless:?}");
        let unknown = bench.harness.unknown_requests();
        demand!(unknown.is_empty(), "the id {id:?} reached what is no route: {unknown:?}");
        demand!(bench.truth().await == truth, "the id {id:?} changed something");
    }
    Ok(())
}

/// What is reached when an id is put wherever one can be put.
async fn routes_with(bench: &Bench<'_>, bystander: &Account, id: &str) -> Result<Vec<String>, Stop> {
    let before = bench.harness.requests().map_or(0, |log| log.len());
    let stranger = Account::new(id, AccountState::Active);
    let found = bench.find(&AccountQuery::known(id)).await;
    demand!(!matches!(found, Ok(Found::One(_) | Found::Several(_))), "the id {id:?} was found: {found:?}");
    let _ = bench.observe(&stranger, &Scope::All).await;
    for kind in bench.managed()? {
        let wanted = bench.on(&kind, &id.into());
        let theirs = bench.wanted(&kind).await?;
        for request in [
            bench.request(bystander, Change::Grant(wanted.clone())),
            bench.request(bystander, Change::Revoke(wanted.clone())),
            bench.request(&stranger, Change::Grant(theirs.clone())),
            bench.request(&stranger, Change::Revoke(theirs)),
        ] {
            let outcome = bench.apply(&request).await;
            demand!(!matches!(outcome, Ok(provisionr_sdk::Outcome::Applied(_))), "`{}` with the id {id:?} was applied", request.change);
        }
        if bench.descriptor().has(&Ability::ListGrants(kind.name.clone())) {
            let page = PageRequest::first();
            for scope in [ListScope::Target(kind.name.clone(), id.into()), ListScope::Account(kind.name.clone(), id.into())] {
                let _ = bench.adapter.list_grants(&bench.cx, &scope, &page).await;
            }
        }
    }
    for state in [AccountState::Suspended, AccountState::Deleted] {
        let _ = bench.apply(&bench.request(&stranger, Change::SetState(state))).await;
    }
    let log = bench.harness.requests().unwrap_or_default();
    Ok(log.into_iter().skip(before).map(|sent| sent.route).collect())
}

pub(in crate::conformance) async fn secrets_appear_nowhere(bench: &Bench<'_>) -> Case {
    let secrets = bench.harness.secrets();
    if secrets.is_empty() {
        return Err(does_not_apply("the adapter was handed no secret"));
    }
    let witness = Witness::begin();
    let mut shown = vec![("Debug of the adapter".to_owned(), format!("{:?} {:#?}", bench.adapter, bench.adapter))];
    shown.push(("the descriptor".to_owned(), serde_json::to_string(bench.descriptor()).unwrap_or_default()));
    let (person, account) = bench.account_in(AccountState::Active).await?;
    shown.push(("an answer".to_owned(), format!("{:?}", bench.find(&bench.who(&person)).await)));
    shown.push(("an answer".to_owned(), format!("{:?}", bench.observe(&account, &Scope::All).await)));
    shown.push(("an answer".to_owned(), format!("{:?}", bench.adapter.check(&bench.cx).await)));
    for request in changes(bench).await? {
        shown.push(("an outcome".to_owned(), format!("{:?}", bench.apply(&request).await)));
    }
    let second = std::time::Duration::from_secs(1);
    for access in [Access::Read, Access::Write] {
        for trouble in [
            Trouble::Unauthenticated(access),
            Trouble::Forbidden(access),
            Trouble::ServerError(access),
            Trouble::Throttle(access, second),
            Trouble::LoseRequest(access),
            Trouble::Unreachable(access),
            Trouble::Html(access),
        ] {
            if !bench.harness.trouble(trouble).await {
                continue;
            }
            let answer = match access {
                Access::Read => bench.find(&AccountQuery::known(account.id.clone())).await.map(drop),
                Access::Write => match changes(bench).await?.into_iter().next() {
                    Some(request) => bench.apply(&request).await.map(drop),
                    None => Ok(()),
                },
            };
            if let Err(error) = answer {
                shown.push((format!("the error after {trouble:?}"), format!("{error} {error:?} {error:#?}")));
                let mut source = std::error::Error::source(&error);
                while let Some(beneath) = source {
                    shown.push((format!("what lies beneath the error after {trouble:?}"), format!("{beneath} {beneath:?}")));
                    source = beneath.source();
                }
            }
        }
    }
    shown.push(("the log".to_owned(), witness.end()));
    for secret in &secrets {
        if let Some((place, _)) = shown.iter().find(|(_, text)| text.contains(secret.as_str())) {
            return Err(fails(format!("a secret shows in {place}")));
        }
    }
    Ok(())
}

pub(in crate::conformance) async fn a_batch_answers_each_of_its_requests(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let Some(rule) = kind.batch else { return Err(does_not_apply("it has no batches")) };
        let target = bench.target(kind).await?;
        let mut requests = Vec::new();
        for _ in 0..rule.max.min(3) {
            let account = bench.ready_for(kind).await?;
            requests.push(bench.request(&account, Change::Grant(bench.on(kind, &target))));
        }
        for _ in 0..2 {
            let outcomes = bench.adapter.apply_batch(&bench.cx, &requests).await?;
            bench.harness.settle().await;
            let strange = outcomes.keys().find(|key| !requests.iter().any(|request| request.key == **key));
            demand!(strange.is_none(), "nobody asked for {strange:?}");
            for request in &requests {
                let outcome = outcomes.get(&request.key).ok_or_else(|| fails("a request has no answer, although nothing went wrong"))?;
                demand!(outcome.is_ok(), "{outcome:?}");
                let (Some(account), Some(wanted)) = (&request.account, request.change.entitlement()) else { continue };
                bench.holds_once(&account.id, wanted, "after a batch").await?;
            }
        }
        let too_many: Vec<_> = requests.iter().cycle().take(rule.max + 1).cloned().collect();
        error_of(bench.adapter.apply_batch(&bench.cx, &too_many).await, "since there are more than the rule allows,")?;
        Ok(())
    })
    .await
}

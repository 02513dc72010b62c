//! Making and changing accounts.

use std::collections::BTreeMap;

use provisionr_sdk::{
    Ability, Account, AccountState, Before, Change, Effect, ErrorKind, Found, Outcome, Owner, Probe, ProfileDelta, Request, Suspension, Transition, WaitReason,
};
use serde_json::Value;

use crate::conformance::bench::{Bench, error_of, receipt};
use crate::conformance::trouble::Trouble;
use crate::conformance::verdict::{Case, Stop, demand, does_not_apply, fails};

/// The one account that is found for a request, as it really is.
async fn made(bench: &Bench<'_>, request: &Request, before: usize) -> Result<Account, Stop> {
    let accounts = bench.harness.accounts().await;
    demand!(accounts.len() == before + 1, "there should be one more account, and there are {} more", accounts.len().saturating_sub(before));
    match bench.find(&request.who).await? {
        Found::One(account) => Ok(account),
        other => Err(fails(format!("an account was made, and its own keys find {other:?}"))),
    }
}

pub(in crate::conformance) async fn ensure_makes_an_account_once(bench: &Bench<'_>) -> Case {
    bench.has(&Ability::CreateAccount)?;
    let before = bench.harness.accounts().await.len();
    let request = bench.ensure(&bench.person());
    let outcome = bench.bring_about(&request).await?;
    demand!(!matches!(outcome, Outcome::Unchanged(_)), "an account was made, and the outcome is {outcome:?}");
    let account = made(bench, &request, before).await?;
    let Some(told) = receipt(&outcome).and_then(|receipt| receipt.account.as_ref()) else {
        return Err(fails("the receipt of a new account does not name it"));
    };
    demand!(told.id == account.id, "the receipt names the account `{}`, and `{}` was made", told.id, account.id);
    demand!(receipt(&outcome).is_some_and(|receipt| !matches!(receipt.before, Before::Account(_))), "a new account was there before");
    Ok(())
}

pub(in crate::conformance) async fn ensure_repeated_has_no_second_effect(bench: &Bench<'_>) -> Case {
    bench.has(&Ability::CreateAccount)?;
    let request = bench.ensure(&bench.person());
    bench.bring_about(&request).await?;
    let truth = bench.truth().await;
    for repeat in [request.clone(), request.unsettled()] {
        let outcome = bench.apply(&repeat).await?;
        // An invitation that is still open holds no more the second time than the first.
        let open = matches!(&outcome, Outcome::Waiting(wait, _) if wait.reason == WaitReason::InvitationSent);
        demand!(open || matches!(outcome, Outcome::Unchanged(_)), "the account was there, and the outcome is {outcome:?}");
        demand!(receipt(&outcome).is_some_and(|receipt| receipt.account.is_some()), "the receipt does not name the account that was there");
    }
    let now = bench.truth().await;
    demand!(now == truth, "repeating it changed something: {:?} after {:?}", now, truth);
    Ok(())
}

pub(in crate::conformance) async fn ensure_takes_the_account_that_is_there(bench: &Bench<'_>) -> Case {
    bench.has(&Ability::CreateAccount)?;
    let (person, account) = bench.account_in(AccountState::Active).await?;
    let truth = bench.truth().await;
    let outcome = bench.apply(&bench.ensure(&person)).await?;
    let told = receipt(&outcome).and_then(|receipt| receipt.account.as_ref()).map(|account| &account.id);
    demand!(matches!(outcome, Outcome::Unchanged(_)) && told == Some(&account.id), "`{}` was there, and the outcome is {outcome:?}", account.id);
    demand!(bench.truth().await == truth, "taking an account that is there changed something");
    Ok(())
}

pub(in crate::conformance) async fn ensure_fills_the_profile(bench: &Bench<'_>) -> Case {
    bench.has(&Ability::CreateAccount)?;
    let person = bench.person();
    let spec = bench.harness.spec(&person, bench.descriptor());
    if spec.profile.is_empty() {
        return Err(does_not_apply("accounts have no attributes"));
    }
    let before = bench.harness.accounts().await.len();
    let request = bench.ensure(&person);
    bench.bring_about(&request).await?;
    let seen = made(bench, &request, before).await?;
    let real = bench.account(&seen.id).await.ok_or_else(|| fails("the account that was found is not there"))?;
    for (whose, account) in [("it really has", &real), ("the adapter sees", &seen)] {
        for (name, wanted) in &spec.profile {
            demand!(account.profile.get(name) == Some(wanted), "`{name}` should be {wanted}, and {whose} {:?}", account.profile.get(name));
        }
    }
    Ok(())
}

pub(in crate::conformance) async fn ensure_passes_over_a_login_another_person_has(bench: &Bench<'_>) -> Case {
    bench.has(&Ability::CreateAccount)?;
    let (other, _) = bench.account_in(AccountState::Active).await?;
    let person = bench.person();
    let mut request = bench.ensure(&person);
    // Who is found by the login alone cannot be told from the person who has it.
    request.who.keys.retain(|key| bench.harness.key(&person, &key.name).as_ref() != Some(&person.login) || key.name == "email");
    if request.who.keys.is_empty() {
        return Err(does_not_apply("accounts are found by their login alone"));
    }
    let Change::EnsureAccount(spec) = &mut request.change else { return Err(fails("not an account")) };
    spec.logins.insert(0, other.login);
    let before = bench.harness.accounts().await;
    let logins = before.iter().filter(|account| account.login.is_some()).count();
    if logins == 0 {
        return Err(does_not_apply("accounts have no login"));
    }
    bench.bring_about(&request).await?;
    let after = bench.harness.accounts().await;
    let new: Vec<_> = after.iter().filter(|account| !before.iter().any(|old| old.id == account.id)).collect();
    demand!(new.len() == 1, "there should be one more account, and there are {}", new.len());
    demand!(new.iter().all(|account| account.login.as_ref() == Some(&person.login)), "the next login should have been taken: {new:?}");
    Ok(())
}

pub(in crate::conformance) async fn ensure_with_a_lost_answer_is_found_by_a_probe(bench: &Bench<'_>) -> Case {
    bench.has(&Ability::CreateAccount)?;
    for trouble in [Trouble::LoseAnswer, Trouble::AnswerTooLate] {
        let before = bench.harness.accounts().await.len();
        let request = bench.ensure(&bench.person());
        bench.trouble(trouble).await?;
        let error = error_of(bench.apply(&request).await, &format!("after {trouble:?}"))?;
        demand!(error.effect() == Effect::Unknown, "after {trouble:?} nobody can know, and the error ({error}) says nothing was changed");
        made(bench, &request, before).await?;
        let request = request.unsettled();
        let probe = bench.probe(&request).await?;
        // Where a create takes several calls, the account may be there and not be as it should: then it is not yet brought about.
        let half = matches!(bench.find(&request.who).await?, Found::One(account) if account.state == AccountState::Staged);
        demand!(half || matches!(probe, Probe::Holds(_) | Probe::Pending(_)), "the account was made, and the probe says {probe:?}");
        bench.apply(&request).await?;
        let state = made(bench, &request, before).await?.state;
        demand!(state != AccountState::Staged, "a half-made account was not finished by the repeat");
    }
    Ok(())
}

fn one_attribute(bench: &Bench<'_>) -> Result<(String, Value), Stop> {
    bench.has(&Ability::UpdateAccount)?;
    bench.harness.update(bench.descriptor()).ok_or_else(|| does_not_apply("no attribute can be changed without a mail"))
}

pub(in crate::conformance) async fn update_leaves_other_attributes_alone(bench: &Bench<'_>) -> Case {
    let (name, value) = one_attribute(bench)?;
    let before = bench.active().await?;
    let request = bench.request(&before, Change::UpdateAccount(ProfileDelta([(name.clone(), Some(value.clone()))].into())));
    let outcome = bench.bring_about(&request).await?;
    demand!(!matches!(outcome, Outcome::Unchanged(_)), "`{name}` was changed, and the outcome is {outcome:?}");
    let after = bench.account(&before.id).await.ok_or_else(|| fails("the account is gone"))?;
    let mut wanted = before.profile.clone();
    wanted.insert(name.clone(), value);
    demand!(after.profile == wanted, "only `{name}` should have changed, and {:?} became {:?}", before.profile, after.profile);
    demand!(after.state == before.state, "an update changed the state to {}", after.state);
    let probe = bench.probe(&request).await?;
    demand!(matches!(probe, Probe::Holds(_)), "the update holds, and the probe says {probe:?}");
    Ok(())
}

pub(in crate::conformance) async fn update_repeated_has_no_second_effect(bench: &Bench<'_>) -> Case {
    let (name, value) = one_attribute(bench)?;
    let account = bench.active().await?;
    let request = bench.request(&account, Change::UpdateAccount(ProfileDelta(BTreeMap::from([(name, Some(value))]))));
    bench.bring_about(&request).await?;
    let truth = bench.truth().await;
    let outcome = bench.apply(&request).await?;
    let told = matches!(&outcome, Outcome::Unchanged(_)) || matches!(&outcome, Outcome::Applied(receipt) if receipt.before == Before::NotSeen);
    demand!(told, "it was so already, and the outcome is {outcome:?}");
    demand!(bench.truth().await == truth, "repeating it changed something");
    Ok(())
}

/// The declared transitions that can be tried: those from a state in which an account can be seeded.
async fn each_transition(bench: &Bench<'_>, mut case: impl AsyncFnMut(Account, &Transition) -> Case) -> Case {
    bench.has(&Ability::SetState)?;
    let mut tried = 0;
    for transition in bench.descriptor().accounts.transitions.clone() {
        for from in &transition.from {
            match bench.account_in(*from).await {
                Ok((_, account)) => case(account, &transition).await?,
                Err(Stop::DoesNotApply(_)) => continue,
                Err(stop) => return Err(stop),
            }
            tried += 1;
        }
    }
    if tried == 0 { Err(does_not_apply("no account can be seeded in a state that another can follow")) } else { Ok(()) }
}

pub(in crate::conformance) async fn each_declared_transition_happens(bench: &Bench<'_>) -> Case {
    each_transition(bench, async |account, transition| {
        let (from, to) = (account.state, transition.to);
        let request = bench.request(&account, Change::SetState(to));
        let outcome = bench.bring_about(&request).await?;
        demand!(!matches!(outcome, Outcome::Unchanged(_)), "from {from} to {to} something changes, and the outcome is {outcome:?}");
        let state = bench.account(&account.id).await.map_or(AccountState::Deleted, |account| account.state);
        demand!(state == to, "from {from} it should become {to}, and is {state}");
        let probe = bench.probe(&request).await?;
        demand!(matches!(probe, Probe::Holds(_)), "it is {to}, and the probe says {probe:?}");
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn set_state_repeated_has_no_second_effect(bench: &Bench<'_>) -> Case {
    each_transition(bench, async |account, transition| {
        let request = bench.request(&account, Change::SetState(transition.to));
        bench.bring_about(&request).await?;
        let truth = bench.truth().await;
        for repeat in [request.clone(), request.clone().unsettled()] {
            let outcome = bench.apply(&repeat).await.map_err(|error| fails(format!("`{}` is an error the second time: {error}", request.change)))?;
            let told = matches!(&outcome, Outcome::Unchanged(_)) || matches!(&outcome, Outcome::Applied(receipt) if receipt.before == Before::NotSeen);
            demand!(told, "it was {} already, and the outcome is {outcome:?}", transition.to);
        }
        demand!(bench.truth().await == truth, "`{}` changed something the second time", request.change);
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn set_state_with_a_lost_answer_is_found_by_a_probe(bench: &Bench<'_>) -> Case {
    each_transition(bench, async |account, transition| {
        let request = bench.request(&account, Change::SetState(transition.to));
        bench.trouble(Trouble::LoseAnswer).await?;
        let error = error_of(bench.apply(&request).await, "after a lost answer")?;
        demand!(error.effect() == Effect::Unknown, "the answer of `{}` was lost, and the error ({error}) says nothing was changed", request.change);
        bench.apply(&request.clone().unsettled()).await?;
        bench.harness.settle().await;
        let probe = bench.probe(&request).await?;
        demand!(matches!(probe, Probe::Holds(_) | Probe::Pending(_)), "it is {}, and the probe says {probe:?}", transition.to);
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn suspension_keeps_what_is_held(bench: &Bench<'_>) -> Case {
    bench.has(&Ability::SetState)?;
    let Suspension::State(suspended) = bench.descriptor().accounts.suspension else {
        return Err(does_not_apply("there is no state for suspension"));
    };
    let transition = bench.descriptor().accounts.transition_between(AccountState::Active, suspended).cloned();
    if transition.is_some_and(|transition| !transition.destroys.is_empty()) {
        return Err(does_not_apply("suspension is declared to destroy something"));
    }
    let account = bench.active().await?;
    for kind in bench.managed()? {
        let wanted = bench.wanted(&kind).await?;
        bench.seed(provisionr_sdk::Grant::direct(account.id.clone(), wanted)).await?;
    }
    let before = bench.rows(&account.id).await;
    bench.bring_about(&bench.request(&account, Change::SetState(suspended))).await?;
    let after = bench.rows(&account.id).await;
    demand!(before == after, "suspension is declared to destroy nothing, and {before:?} became {after:?}");
    Ok(())
}

pub(in crate::conformance) async fn end_sessions_ends_all_and_can_be_repeated(bench: &Bench<'_>) -> Case {
    bench.has(&Ability::EndSessions)?;
    let account = bench.active().await?;
    if !bench.harness.log_in(&account.id).await {
        return Err(does_not_apply("the harness cannot log in"));
    }
    demand!(bench.harness.sessions(&account.id).await > 0, "the harness logged in, and shows no session");
    let request = bench.request(&account, Change::EndSessions);
    for time in ["first", "second"] {
        bench.bring_about(&request).await?;
        let left = bench.harness.sessions(&account.id).await;
        demand!(left == 0, "{left} sessions are left after the {time} time");
    }
    let state = bench.account(&account.id).await.map(|account| account.state);
    demand!(state == Some(account.state), "ending sessions changed the state to {state:?}");
    Ok(())
}

pub(in crate::conformance) async fn an_account_owned_elsewhere_names_its_owner(bench: &Bench<'_>) -> Case {
    let account = bench.active().await?;
    if !bench.harness.own_account(&account.id, &Owner::new("Acme Directory")).await {
        return Err(does_not_apply("accounts have no other owner"));
    }
    let found = bench.find(&provisionr_sdk::AccountQuery::known(account.id.clone())).await?;
    let told = matches!(&found, Found::One(account) if account.managed_by.as_ref().is_some_and(|owner| owner.as_str().contains("Acme Directory")));
    demand!(told, "the account is owned elsewhere, and {found:?} was found");
    let (name, value) = one_attribute(bench)?;
    let request = bench.request(&account, Change::UpdateAccount(ProfileDelta([(name, Some(value))].into())));
    let error = error_of(bench.apply(&request).await, "after an update of an account owned elsewhere")?;
    demand!(*error.kind() == ErrorKind::OwnedElsewhere && error.to_string().contains("Acme Directory"), "the error does not name the owner: {error}");
    Ok(())
}

pub(in crate::conformance) async fn a_change_of_an_account_that_is_gone_is_not_found(bench: &Bench<'_>) -> Case {
    let gone = Account::new("no-such-account", AccountState::Active);
    let mut changes = Vec::new();
    if let Ok((name, value)) = one_attribute(bench) {
        changes.push(Change::UpdateAccount(ProfileDelta([(name, Some(value))].into())));
    }
    if let Some(kind) = bench.managed().ok().and_then(|kinds| kinds.into_iter().next()) {
        changes.push(Change::Grant(bench.wanted(&kind).await?));
    }
    if changes.is_empty() {
        return Err(does_not_apply("it changes neither accounts nor grants"));
    }
    for change in changes {
        let error = error_of(bench.apply(&bench.request(&gone, change.clone())).await, &format!("after `{change}` of an account that is gone"))?;
        demand!(matches!(error.kind(), ErrorKind::NotFound(_)), "`{change}` of an account that is gone is {:?}: {error}", error.kind());
    }
    Ok(())
}

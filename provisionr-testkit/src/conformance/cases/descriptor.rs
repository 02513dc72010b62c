//! The descriptor: constant, consistent in itself, and true.

use std::collections::{BTreeMap, BTreeSet};

use provisionr_sdk::{
    Ability, AccountState, Change, Descriptor, Entitlement, ErrorKind, Kind, ListScope, PageRequest, ParamType, ProfileDelta, Request, Roles, Scope, Suspension,
};
use serde_json::Value;

use crate::conformance::bench::{Bench, error_of};
use crate::conformance::verdict::{Case, demand, fails};

fn written(descriptor: &Descriptor) -> Result<String, crate::conformance::verdict::Stop> {
    serde_json::to_string(descriptor).map_err(|error| fails(format!("the descriptor cannot be written as JSON: {error}")))
}

pub(in crate::conformance) async fn descriptor_is_constant(bench: &Bench<'_>) -> Case {
    let before = written(bench.descriptor())?;
    let (person, account) = bench.account_in(AccountState::Active).await?;
    bench.find(&bench.who(&person)).await?;
    bench.observe(&account, &Scope::All).await?;
    bench.adapter.check(&bench.cx).await?;
    demand!(written(bench.descriptor())? == before, "the descriptor changed while it was used");
    demand!(written(bench.harness.adapter().descriptor())? == before, "two adapters of one configuration describe themselves differently");
    Ok(())
}

pub(in crate::conformance) async fn descriptor_agrees_with_itself(bench: &Bench<'_>) -> Case {
    let descriptor = bench.descriptor();
    demand!(!descriptor.system.as_str().is_empty() && !descriptor.system_type.as_str().is_empty(), "system and type need names");
    demand!(!descriptor.timeout.is_zero(), "an attempt with no time at all cannot succeed");
    let lanes: BTreeSet<_> = descriptor.lanes.iter().map(|lane| &lane.id).collect();
    demand!(lanes.len() == descriptor.lanes.len(), "two lanes have one id");
    let kind_there = |name| descriptor.kinds.get(name).is_some();
    for ability in &descriptor.abilities {
        let (Ability::Manage(about) | Ability::Observe(about) | Ability::ListTargets(about) | Ability::ListGrants(about)) = ability else { continue };
        demand!(kind_there(about), "it can {ability}, and has no such kind");
    }
    demand!(descriptor.has(&Ability::CreateAccount) == descriptor.accounts.create.is_some(), "the ability to create accounts and the facts about it disagree");
    let writable = descriptor.accounts.attributes.iter().any(|attribute| attribute.writable);
    demand!(!descriptor.has(&Ability::UpdateAccount) || writable, "it can update accounts, and no attribute is writable");
    demand!(
        descriptor.has(&Ability::SetState) != descriptor.accounts.transitions.is_empty(),
        "the ability to change states and the table of transitions disagree"
    );
    let keys: BTreeSet<_> = descriptor.accounts.keys.iter().map(|key| key.name).collect();
    demand!(keys.len() == descriptor.accounts.keys.len(), "two keys have one name");
    if let Suspension::State(state) = &descriptor.accounts.suspension {
        let from_active = descriptor.accounts.transition_between(AccountState::Active, *state);
        demand!(from_active.is_some(), "suspension is the state {state}, and no transition leads there from active");
    }
    for transition in &descriptor.accounts.transitions {
        demand!(!transition.from.is_empty(), "a transition to {} comes from nowhere", transition.to);
        demand!(!transition.from.contains(&transition.to), "a transition leads from {} to itself", transition.to);
    }
    for kind in descriptor.kinds.iter() {
        for name in kind.prerequisites.iter().chain(kind.cascades.iter().map(|cascade| &cascade.kind)) {
            demand!(kind_there(name), "`{}` refers to the kind `{name}`, which is not there", kind.name);
            demand!(*name != kind.name, "`{}` refers to itself", kind.name);
        }
        demand!(!kind.doc.is_empty(), "`{}` says nothing to people who write policies", kind.name);
        let names: BTreeSet<_> = kind.params.iter().map(|param| param.name).chain(["system", "action", "target", "role"]).collect();
        demand!(names.len() == kind.params.len() + 4, "`{}` has a parameter twice, or one with a reserved name", kind.name);
    }
    Ok(())
}

pub(in crate::conformance) async fn kinds_read_their_own_policy_lines(bench: &Bench<'_>) -> Case {
    for kind in bench.managed()? {
        let kinds = &bench.descriptor().kinds;
        let mut fields = BTreeMap::from([("target".to_owned(), Value::from("sample"))]);
        for param in &kind.params {
            let sample = match param.takes {
                ParamType::Date => "2031-01-31".into(),
                ParamType::Integer => 1.into(),
                ParamType::Flag => true.into(),
                _ => "sample".into(),
            };
            fields.insert(param.name.to_owned(), sample);
        }
        let mut lines = Vec::new();
        for role in bench.harness.roles(&kind) {
            let mut line = fields.clone();
            line.insert("role".to_owned(), role.as_str().into());
            lines.push(line);
        }
        if matches!(kind.roles, Roles::None) || kind.default_role.is_some() {
            lines.push(fields.clone());
        }
        demand!(!lines.is_empty(), "`{}` has roles, and the harness names none", kind.name);
        for line in lines {
            let wanted = kinds.parse(kind.name.as_str(), &line).map_err(|problems| fails(format!("{line:?} cannot be read: {problems:?}")))?;
            let target = provisionr_sdk::Target::new("t-1", wanted.target.clone());
            demand!(kind.key_of(&wanted.bind(&target)).as_str().contains("t-1"), "`{}` forgets the target", kind.name);
        }
        if let Roles::Closed(_) = kind.roles {
            fields.insert("role".to_owned(), "no-such-role".into());
            demand!(kinds.parse(kind.name.as_str(), &fields).is_err(), "`{}` takes a role it does not have", kind.name);
        }
    }
    Ok(())
}

/// Changes that the descriptor says the adapter cannot make.
fn impossible(bench: &Bench<'_>, request: impl Fn(Change) -> Request, kind: Option<&Kind>) -> Vec<Request> {
    let descriptor = bench.descriptor();
    let mut changes = Vec::new();
    let unknown = Entitlement::new("no_such_kind", "t-1");
    changes.extend([Change::Grant(unknown.clone()), Change::Revoke(unknown.clone()), Change::Withdraw(unknown)]);
    if !descriptor.has(&Ability::UpdateAccount) {
        changes.push(Change::UpdateAccount(ProfileDelta([("first_name".to_owned(), Some("Changed".into()))].into())));
    }
    let states = [AccountState::Active, AccountState::Frozen, AccountState::Suspended, AccountState::Deactivated, AccountState::Deleted];
    for state in states {
        if !descriptor.has(&Ability::SetState) || !descriptor.accounts.transitions.iter().any(|transition| transition.to == state) {
            changes.push(Change::SetState(state));
        }
    }
    if !descriptor.has(&Ability::EndSessions) {
        changes.push(Change::EndSessions);
    }
    if let Some(kind) = kind.filter(|_| !descriptor.has(&Ability::Withdraw)) {
        changes.push(Change::Withdraw(bench.on(kind, &"t-1".into())));
    }
    changes.into_iter().map(request).collect()
}

pub(in crate::conformance) async fn what_is_not_declared_is_unsupported(bench: &Bench<'_>) -> Case {
    let account = bench.active().await?;
    let kinds: Vec<_> = bench.descriptor().kinds.iter().cloned().collect();
    let mut requests = impossible(bench, |change| bench.request(&account, change), kinds.first());
    if !bench.descriptor().has(&Ability::CreateAccount) {
        requests.push(bench.ensure(&bench.person()));
    }
    let sent = bench.harness.requests().map(|log| log.len());
    let truth = bench.truth().await;
    // A vendor that has an account in the state already may say so.
    requests.retain(|request| request.change != Change::SetState(account.state));
    for request in requests {
        let error = error_of(bench.apply(&request).await, &format!("after the undeclared change `{}`", request.change))?;
        demand!(*error.kind() == ErrorKind::Unsupported, "the undeclared change `{}` should be unsupported, and is {:?}", request.change, error.kind());
    }
    let page = PageRequest::first();
    let mut lists = Vec::new();
    if !bench.descriptor().has(&Ability::ListAccounts) {
        lists.push(("accounts".to_owned(), bench.adapter.list_accounts(&bench.cx, &page).await.err()));
    }
    for kind in &kinds {
        let name = &kind.name;
        if !bench.descriptor().has(&Ability::ListTargets(name.clone())) {
            lists.push((format!("targets of `{name}`"), bench.adapter.list_targets(&bench.cx, name, &page).await.err()));
        }
        if !bench.descriptor().has(&Ability::ListGrants(name.clone())) {
            let scope = ListScope::Kind(name.clone());
            lists.push((format!("grants of `{name}`"), bench.adapter.list_grants(&bench.cx, &scope, &page).await.err()));
        }
        if kind.batch.is_none() {
            let one = bench.request(&account, Change::Grant(bench.on(kind, &"t-1".into())));
            lists.push((format!("batches of `{name}`"), bench.adapter.apply_batch(&bench.cx, &[one]).await.err()));
        }
    }
    for (what, error) in lists {
        let kind = error.map(|error| error.kind().clone());
        demand!(kind == Some(ErrorKind::Unsupported), "{what} should be unsupported, since the descriptor does not have them, and came to {kind:?}");
    }
    if let Some(sent) = sent {
        demand!(bench.requests()?.len() == sent, "something unsupported was sent all the same: {:?}", bench.requests_since(sent)?);
    }
    demand!(bench.truth().await == truth, "something unsupported changed something");
    Ok(())
}

pub(in crate::conformance) async fn check_stays_within_the_descriptor(bench: &Bench<'_>) -> Case {
    let truth = bench.truth().await;
    let check = bench.adapter.check(&bench.cx).await?;
    for ability in check.lacking.keys() {
        demand!(bench.descriptor().has(ability), "the credential lacks what the descriptor does not promise: {ability}");
    }
    demand!(bench.truth().await == truth, "a check changed something");
    Ok(())
}

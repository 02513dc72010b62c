//! Resolving names, and listing.

use std::collections::BTreeSet;

use provisionr_sdk::{
    Ability, Account, AccountId, AccountState, AdapterError, Bound, Cardinality, Completeness, ErrorKind, Grant, Kind, KindName, ListScope, Owner, Page,
    PageRequest, Resolution, Scope, TargetName,
};

use crate::conformance::bench::{Bench, error_of, for_each, target_of, whole_list};
use crate::conformance::trouble::Trouble;
use crate::conformance::verdict::{Case, Stop, demand, does_not_apply, fails};

pub(in crate::conformance) async fn resolve_answers_each_name_in_order(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let names: Vec<TargetName> = ["zeta", "alpha", "mid"].map(TargetName::from).into();
        let mut targets = Vec::new();
        for name in &names {
            targets.push(bench.target_named(kind, name.as_str()).await?);
        }
        let resolved = bench.adapter.resolve(&bench.cx, &kind.name, &names).await?;
        let told: Vec<_> = resolved.iter().map(|one| one.name.clone()).collect();
        demand!(told == names, "{names:?} were asked for, and {told:?} are answered");
        for (one, target) in resolved.iter().zip(&targets) {
            let id = target_of(&one.resolution).map(|target| &target.id);
            demand!(id == Some(target), "`{}` is `{target}`, and resolves to {:?}", one.name, one.resolution);
        }
        let none = bench.adapter.resolve(&bench.cx, &kind.name, &[]).await?;
        demand!(none.is_empty(), "no name was asked for, and {none:?} are answered");
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn resolve_names_what_is_near(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        bench.target_named(kind, "engineering").await?;
        match bench.resolve(kind, "enginering").await? {
            Resolution::None(near) => demand!(near.iter().any(|name| *name == "engineering"), "`engineering` is near `enginering`, and {near:?} is told"),
            other => return Err(fails(format!("there is no `enginering`, and it resolves to {other:?}"))),
        }
        match bench.resolve(kind, "quite-another-thing").await? {
            // A vendor that hides targets cannot be asked whether there is one.
            Resolution::None(_) | Resolution::Hidden(_) => Ok(()),
            other => Err(fails(format!("there is no `quite-another-thing`, and it resolves to {other:?}"))),
        }
    })
    .await
}

pub(in crate::conformance) async fn resolve_tells_several_apart_from_one(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let one = bench.target_named(kind, "twins").await?;
        let other = bench.target_named(kind, "twins").await?;
        if one == other {
            return Err(does_not_apply("no two targets share a name"));
        }
        match bench.resolve(kind, "twins").await? {
            Resolution::Several(targets) => {
                let ids: BTreeSet<_> = targets.into_iter().map(|target| target.id).collect();
                demand!(ids == BTreeSet::from([one, other]), "two are called `twins`, and {ids:?} are told");
                Ok(())
            }
            told => Err(fails(format!("two are called `twins`, and it resolves to {told:?}"))),
        }
    })
    .await
}

pub(in crate::conformance) async fn resolve_never_takes_hidden_for_found(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let target = bench.target_named(kind, "secret-plans").await?;
        if !bench.harness.hide_target(&kind.name, &target).await {
            return Err(does_not_apply("its targets cannot be hidden"));
        }
        let resolution = bench.resolve(kind, "secret-plans").await?;
        demand!(matches!(resolution, Resolution::Hidden(_) | Resolution::None(_)), "a hidden target resolves to {resolution:?}");
        Ok(())
    })
    .await
}

pub(in crate::conformance) async fn resolve_names_the_owner_of_a_target(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let target = bench.target_named(kind, "owned").await?;
        if !bench.harness.own_target(&kind.name, &target, &Owner::new("Acme Directory")).await {
            return Err(does_not_apply("its targets have no other owner"));
        }
        bench.harness.settle().await;
        let resolution = bench.resolve(kind, "owned").await?;
        let owner = target_of(&resolution).and_then(|target| target.owner.as_ref()).map(Owner::as_str);
        demand!(owner.is_some_and(|owner| owner.contains("Acme Directory")), "the owner of the target is not told: {resolution:?}");
        Ok(())
    })
    .await
}

/// The kinds for which there is an ability.
fn kinds_with(bench: &Bench<'_>, ability: impl Fn(&Kind) -> Ability) -> Result<Vec<Kind>, Stop> {
    let kinds: Vec<_> = bench.descriptor().kinds.iter().filter(|kind| bench.descriptor().has(&ability(kind))).cloned().collect();
    if kinds.is_empty() { Err(does_not_apply("no list of it is declared")) } else { Ok(kinds) }
}

fn sizes() -> [Option<u32>; 4] {
    [Some(1), Some(2), Some(5), None]
}

pub(in crate::conformance) async fn list_accounts_shows_all_once(bench: &Bench<'_>) -> Case {
    bench.has(&Ability::ListAccounts)?;
    for state in [AccountState::Active, AccountState::Active, AccountState::Deactivated, AccountState::Suspended, AccountState::Active] {
        match bench.account_in(state).await {
            Err(stop) if state == AccountState::Active => return Err(stop),
            _ => {}
        }
    }
    let mut truth: Vec<_> = bench.harness.accounts().await.into_iter().map(|account| (account.id, account.state)).collect();
    truth.sort();
    for size in sizes() {
        let listed = whole_list(size, async |page| bench.adapter.list_accounts(&bench.cx, &page).await).await?;
        let mut listed: Vec<_> = listed.into_iter().map(|account| (account.id, account.state)).collect();
        listed.sort();
        demand!(listed == truth, "in pages of {size:?} the list shows {listed:?}, and there are {truth:?}");
    }
    Ok(())
}

pub(in crate::conformance) async fn list_targets_shows_all_once(bench: &Bench<'_>) -> Case {
    for_each(kinds_with(bench, |kind| Ability::ListTargets(kind.name.clone()))?, async |kind| {
        let mut truth = BTreeSet::new();
        for _ in 0..5 {
            truth.insert(bench.target(kind).await?);
        }
        for size in sizes() {
            let listed = whole_list(size, async |page| bench.adapter.list_targets(&bench.cx, &kind.name, &page).await).await?;
            let ids: BTreeSet<_> = listed.iter().map(|target| target.id.clone()).collect();
            demand!(ids.len() == listed.len(), "in pages of {size:?} a target is listed twice");
            demand!(truth.is_subset(&ids), "in pages of {size:?} the list shows {ids:?}, and there are {truth:?}");
        }
        Ok(())
    })
    .await
}

/// Grants of a kind: three people on one target, and one of them on another.
async fn some_grants(bench: &Bench<'_>, kind: &Kind) -> Result<Vec<Grant>, Stop> {
    let mut grants = Vec::new();
    let wanted = bench.wanted(kind).await?;
    for _ in 0..3 {
        let account = bench.ready_for(kind).await?;
        grants.push(bench.seed(Grant::direct(account.id, wanted.clone())).await?);
    }
    if kind.cardinality == Cardinality::Many
        && let Some(last) = grants.last()
    {
        let more = Grant::direct(last.account.clone(), bench.wanted(kind).await?);
        grants.push(bench.seed(more).await?);
    }
    Ok(grants)
}

pub(in crate::conformance) async fn bind_keeps_what_is_bound(bench: &Bench<'_>) -> Case {
    for_each(bench.managed()?, async |kind| {
        let held: Vec<_> = some_grants(bench, kind).await?.into_iter().map(|grant| grant.entitlement).collect();
        let bound = bench.adapter.bind(&bench.cx, &held).await?;
        let same: Vec<_> = held.iter().cloned().map(Bound::One).collect();
        demand!(bound == same, "{held:?} are in the system's own ids, and are bound to {bound:?}");
        Ok(())
    })
    .await
}

fn lines(grants: &[Grant]) -> Vec<String> {
    let mut lines: Vec<_> = grants.iter().map(|grant| format!("{} {} {:?} {:?}", grant.account, grant.entitlement, grant.source, grant.state)).collect();
    lines.sort();
    lines
}

pub(in crate::conformance) async fn list_grants_shows_all_once(bench: &Bench<'_>) -> Case {
    for_each(kinds_with(bench, |kind| Ability::ListGrants(kind.name.clone()))?, async |kind| {
        let every = ListScope::Kind(kind.name.clone());
        // Some systems have grants from their first day: somebody owns what there is.
        let mut all = match bench.adapter.list_grants(&bench.cx, &every, &PageRequest::first()).await {
            Err(error) if *error.kind() == ErrorKind::Unsupported => Vec::new(),
            _ => whole_list(None, async |page| bench.adapter.list_grants(&bench.cx, &every, &page).await).await?,
        };
        let grants = some_grants(bench, kind).await?;
        let Some(first) = grants.first() else { return Err(fails("no grants")) };
        all.extend(grants.iter().cloned());
        let (target, account) = (&first.entitlement.target, &first.account);
        let scopes = [
            (every, all),
            (ListScope::Target(kind.name.clone(), target.clone()), grants.iter().filter(|grant| grant.entitlement.target == *target).cloned().collect()),
            (ListScope::Account(kind.name.clone(), account.clone()), grants.iter().filter(|grant| grant.account == *account).cloned().collect()),
        ];
        let mut listed_some = false;
        for (scope, truth) in scopes {
            for size in sizes() {
                match bench.adapter.list_grants(&bench.cx, &scope, &PageRequest { size, ..PageRequest::first() }).await {
                    Err(error) if *error.kind() == ErrorKind::Unsupported => break,
                    _ => listed_some = true,
                }
                // What an account holds may have a gap where the account is looked at as well, and nowhere else.
                let gap = match &scope {
                    ListScope::Account(kind, account) => has_gap(bench, kind, account).await?,
                    _ => false,
                };
                let listed = whole_list(size, async |page| {
                    let listed = bench.adapter.list_grants(&bench.cx, &scope, &page).await?;
                    Ok(if gap { Page::new(listed.items, listed.next) } else { listed })
                })
                .await?;
                demand!(lines(&listed) == lines(&truth), "in pages of {size:?} {scope:?} shows {:?}, and there are {:?}", lines(&listed), lines(&truth));
            }
        }
        demand!(listed_some, "it is declared that grants can be listed, and no scope is supported");
        Ok(())
    })
    .await
}

/// Whether a look at an account leaves something of a kind open.
async fn has_gap(bench: &Bench<'_>, kind: &KindName, account: &AccountId) -> Result<bool, Stop> {
    let account = Account::new(account.clone(), AccountState::Active);
    Ok(!bench.adapter.observe(&bench.cx, &account, &Scope::Kinds(vec![kind.clone()])).await?.coverage.covers_kind(kind))
}

/// Something listed for tests of lists themselves, with at least three items.
enum Listed {
    Accounts,
    Targets(Kind),
    Grants(Kind),
}

async fn something_listed(bench: &Bench<'_>) -> Result<Listed, Stop> {
    if bench.has(&Ability::ListAccounts).is_ok() {
        for _ in 0..4 {
            bench.active().await?;
        }
        return Ok(Listed::Accounts);
    }
    if let Some(kind) = kinds_with(bench, |kind| Ability::ListTargets(kind.name.clone())).ok().and_then(|kinds| kinds.into_iter().next()) {
        for _ in 0..4 {
            bench.target(&kind).await?;
        }
        return Ok(Listed::Targets(kind));
    }
    let kind = kinds_with(bench, |kind| Ability::ListGrants(kind.name.clone()))?.into_iter().next().ok_or_else(|| does_not_apply("nothing is listed"))?;
    some_grants(bench, &kind).await?;
    Ok(Listed::Grants(kind))
}

impl Listed {
    async fn page(&self, bench: &Bench<'_>, page: PageRequest) -> Result<Page<String>, AdapterError> {
        let (cx, adapter) = (&bench.cx, &bench.adapter);
        Ok(match self {
            Self::Accounts => adapter.list_accounts(cx, &page).await?.map(|account| account.id.to_string()),
            Self::Targets(kind) => adapter.list_targets(cx, &kind.name, &page).await?.map(|target| target.id.to_string()),
            Self::Grants(kind) => adapter.list_grants(cx, &ListScope::Kind(kind.name.clone()), &page).await?.map(|grant| format!("{grant:?}")),
        })
    }
}

pub(in crate::conformance) async fn list_fails_with_its_later_pages(bench: &Bench<'_>) -> Case {
    let listed = something_listed(bench).await?;
    for number in [1, 2, 3] {
        bench.trouble(Trouble::FailPage(number)).await?;
        let whole = whole_list(Some(1), async |page| listed.page(bench, page).await).await;
        demand!(whole.is_err(), "page {number} failed, and the list counts as whole: {whole:?}");
    }
    Ok(())
}

pub(in crate::conformance) async fn list_never_takes_a_cut_page_for_a_whole_one(bench: &Bench<'_>) -> Case {
    let listed = something_listed(bench).await?;
    bench.trouble(Trouble::TruncatePage).await?;
    match listed.page(bench, PageRequest::first()).await {
        Err(_) => Ok(()),
        Ok(page) => {
            demand!(page.completeness != Completeness::Complete, "the page was cut in its middle, and counts as complete: {page:?}");
            Ok(())
        }
    }
}

pub(in crate::conformance) async fn list_tells_a_stale_cursor(bench: &Bench<'_>) -> Case {
    let listed = something_listed(bench).await?;
    let first = listed.page(bench, PageRequest::first().sized(1)).await?;
    demand!(first.next.is_some(), "there is more than one item, and a page of one has no next");
    let Some(cursor) = bench.harness.age_cursor(first.next).await else {
        return Err(does_not_apply("cursors do not age"));
    };
    let error = error_of(listed.page(bench, PageRequest::first().sized(1).after(cursor)).await, "after a cursor too old")?;
    demand!(*error.kind() == ErrorKind::StaleCursor, "a cursor too old is {:?}: {error}", error.kind());
    Ok(())
}

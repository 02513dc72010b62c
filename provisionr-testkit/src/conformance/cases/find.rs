//! Finding accounts.

use provisionr_sdk::{Access, Account, AccountQuery, AccountState, Found, Search};

use crate::conformance::bench::{Bench, error_of};
use crate::conformance::trouble::Trouble;
use crate::conformance::verdict::{Case, demand, does_not_apply};

pub(in crate::conformance) async fn find_takes_the_known_id_first(bench: &Bench<'_>) -> Case {
    let (_, known) = bench.account_in(AccountState::Active).await?;
    let (other, _) = bench.account_in(AccountState::Active).await?;
    let mut who = bench.who(&other);
    who.known = Some(known.id.clone());
    let found = bench.find(&who).await?;
    demand!(matches!(&found, Found::One(account) if account.id == known.id), "the known account `{}` was asked for, and {found:?} was found", known.id);
    Ok(())
}

pub(in crate::conformance) async fn find_goes_by_each_key(bench: &Bench<'_>) -> Case {
    let (person, account) = bench.account_in(AccountState::Active).await?;
    let who = bench.who(&person);
    if who.keys.is_empty() {
        return Err(does_not_apply("accounts are found by no key"));
    }
    demand!(who.keys.len() == bench.descriptor().accounts.keys.len(), "the harness has no value for one of the declared keys");
    for key in who.keys {
        let found = bench.find(&AccountQuery::by(&key.name, &key.value)).await?;
        demand!(matches!(&found, Found::One(found) if found.id == account.id), "by `{}` there should be `{}`, and there is {found:?}", key.name, account.id);
    }
    Ok(())
}

pub(in crate::conformance) async fn find_tries_the_next_key(bench: &Bench<'_>) -> Case {
    let (person, account) = bench.account_in(AccountState::Active).await?;
    let nobody = bench.who(&bench.person());
    let who = bench.who(&person);
    let Some(last) = who.keys.last() else { return Err(does_not_apply("accounts are found by no key")) };
    let first = nobody.keys.into_iter().next().map(|key| (key.name, key.value));
    let mut query = first.map_or_else(AccountQuery::default, |(name, value)| AccountQuery::by(name, value));
    query = query.or(&last.name, &last.value);
    let found = bench.find(&query).await?;
    demand!(matches!(&found, Found::One(found) if found.id == account.id), "the second key was not tried: {found:?}");
    Ok(())
}

pub(in crate::conformance) async fn find_tries_keys_after_a_known_id_that_is_gone(bench: &Bench<'_>) -> Case {
    let (person, account) = bench.account_in(AccountState::Active).await?;
    let mut who = bench.who(&person);
    if who.keys.is_empty() {
        return Err(does_not_apply("accounts are found by no key"));
    }
    who.known = Some("no-such-account".into());
    let found = bench.find(&who).await?;
    // Where keys go to others once an account is gone, the one that is found may be a stranger's.
    let right = matches!(&found, Found::CannotTell(_)) || matches!(&found, Found::One(found) if found.id == account.id);
    demand!(right, "the keys were not tried after an id that is gone: {found:?}");
    Ok(())
}

pub(in crate::conformance) async fn find_nobody_is_none(bench: &Bench<'_>) -> Case {
    let mut nobody = bench.who(&bench.person());
    let sees_all = bench.descriptor().accounts.keys.iter().all(|key| key.search != Search::Partial);
    nobody.known = Some("no-such-account".into());
    let found = bench.find(&nobody).await?;
    let right = if sees_all { matches!(found, Found::None) } else { matches!(found, Found::CannotTell(_)) };
    demand!(right, "nobody is there, {} and {found:?} was found", if sees_all { "every key sees all accounts," } else { "a key does not see all accounts," });
    Ok(())
}

pub(in crate::conformance) async fn find_by_a_key_it_does_not_know_cannot_tell(bench: &Bench<'_>) -> Case {
    let found = bench.find(&AccountQuery::by("no_such_key", "anything")).await;
    demand!(!matches!(found, Ok(Found::None | Found::One(_) | Found::Several(_))), "nothing follows from a key that is not looked at, and {found:?} was found");
    Ok(())
}

async fn find_in(bench: &Bench<'_>, state: AccountState) -> Case {
    let (person, account) = bench.account_in(state).await?;
    let mut queries = vec![AccountQuery::known(account.id.clone())];
    queries.extend(bench.who(&person).keys.into_iter().map(|key| AccountQuery::by(key.name, key.value)));
    for who in queries {
        let found = bench.find(&who).await?;
        let right = matches!(&found, Found::One(found) if found.id == account.id && found.state == state);
        demand!(right, "by {who:?} there should be an account that is {state}, and there is {found:?}");
    }
    Ok(())
}

pub(in crate::conformance) async fn find_sees_suspended_accounts(bench: &Bench<'_>) -> Case {
    find_in(bench, AccountState::Suspended).await
}

pub(in crate::conformance) async fn find_sees_deactivated_accounts(bench: &Bench<'_>) -> Case {
    find_in(bench, AccountState::Deactivated).await
}

pub(in crate::conformance) async fn find_sees_invited_accounts(bench: &Bench<'_>) -> Case {
    find_in(bench, AccountState::Invited).await
}

pub(in crate::conformance) async fn find_tells_several_apart_from_one(bench: &Bench<'_>) -> Case {
    let (person, _) = bench.account_in(AccountState::Active).await?;
    if bench.harness.seed_account(&person, AccountState::Active).await.is_none() {
        return Err(does_not_apply("no two accounts share a key"));
    }
    bench.harness.settle().await;
    let mut shared = 0;
    for key in bench.who(&person).keys {
        let value = |account: &Account| if key.name == "email" { account.email.clone() } else { account.login.clone() };
        let same = bench.harness.accounts().await.iter().filter(|account| value(account).as_ref() == Some(&key.value)).count();
        if same < 2 {
            continue;
        }
        shared += 1;
        let found = bench.find(&AccountQuery::by(&key.name, &key.value)).await?;
        demand!(matches!(&found, Found::Several(accounts) if accounts.len() == 2), "two accounts share `{}`, and {found:?} was found", key.name);
    }
    if shared == 0 { Err(does_not_apply("no two accounts share a key")) } else { Ok(()) }
}

pub(in crate::conformance) async fn find_that_cannot_see_everything_cannot_tell(bench: &Bench<'_>) -> Case {
    if !bench.harness.blind_searches().await {
        return Err(does_not_apply("searches see every account"));
    }
    let found = bench.find(&bench.who(&bench.person())).await?;
    demand!(matches!(found, Found::CannotTell(_)), "the search does not see everything, and {found:?} was found");
    Ok(())
}

pub(in crate::conformance) async fn find_never_takes_an_error_for_none(bench: &Bench<'_>) -> Case {
    let (person, account) = bench.account_in(AccountState::Active).await?;
    let mut who = bench.who(&person);
    who.known = Some(account.id);
    for trouble in [Trouble::ServerError(Access::Read), Trouble::Forbidden(Access::Read)] {
        bench.trouble(trouble).await?;
        error_of(bench.find(&who).await, &format!("after {trouble:?}"))?;
    }
    Ok(())
}

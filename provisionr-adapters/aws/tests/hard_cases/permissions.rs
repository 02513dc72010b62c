//! The permissions that the descriptor declares are those that are asked for.

use std::collections::BTreeSet;

use super::*;

/// What the fake is asked for is what the descriptor says: no less, and no more.
#[tokio::test(start_paused = true)]
async fn accounts_need_what_the_descriptor_says() {
    let aws = fake().start();
    let adapter = connect(&aws);
    let names = [("givenName", "K"), ("familyName", "L"), ("displayName", "K L"), ("email", "kim@company.com")];
    let spec = names.into_iter().fold(AccountSpec::new("kim@company.com"), |spec, (name, value)| spec.with(name, value));
    let ensure = Request::new("kim", AccountQuery::by("email", "kim@company.com"), Change::EnsureAccount(spec), "k-1");
    let Outcome::Applied(receipt) = adapter.apply(&cx(), &ensure).await.unwrap() else { panic!("not made") };
    let kim = receipt.account.unwrap();
    let title = ProfileDelta([("title".to_owned(), Some(json!("CTO")))].into());
    for change in [Change::UpdateAccount(title), Change::SetState(AccountState::Deleted)] {
        assert!(matches!(adapter.apply(&cx(), &request(&kim, change)).await.unwrap(), Outcome::Applied(_)));
    }
    adapter.find_account(&cx(), &AccountQuery::by("email", "sarah@company.com")).await.unwrap();
    adapter.list_accounts(&cx(), &PageRequest::first()).await.unwrap();
    let asked: BTreeSet<String> = called(&aws).into_iter().map(|name| format!("identitystore:{name}")).collect();
    let declared: BTreeSet<String> = adapter.descriptor().accounts.scopes.iter().map(|scope| (*scope).to_owned()).collect();
    assert_eq!(asked, declared);
}

/// The actions of all that was asked, as policies of AWS name them.
fn actions(aws: &FakeSystem<AwsFake>) -> BTreeSet<String> {
    let named = |target: &str| {
        let (service, operation) = target.split_once('.').unwrap();
        format!("{}:{operation}", if service == "AWSIdentityStore" { "identitystore" } else { "sso" })
    };
    aws.log().iter().filter_map(|entry| entry.route).map(named).collect()
}

#[tokio::test(start_paused = true)]
async fn kinds_need_what_the_descriptor_says() {
    for kind in ["add_to_group", "assign_permission_set"] {
        let aws = fake().start();
        let adapter = connect(&aws);
        let account = sarah(&aws);
        let wanted = match kind {
            "add_to_group" => Entitlement::new(kind, aws.group_id("engineering").unwrap()),
            _ => read_only(&aws, PRODUCTION),
        };
        let name: provisionr_sdk::KindName = kind.into();
        adapter.resolve(&cx(), &name, &[if kind == "add_to_group" { "engineering" } else { "ReadOnly" }.into(), "none".into()]).await.unwrap();
        adapter.list_targets(&cx(), &name, &PageRequest::first()).await.unwrap();
        for change in [Change::Grant(wanted.clone()), Change::Revoke(wanted.clone())] {
            let request = request(&account, change);
            let outcome = adapter.apply(&cx(), &request).await.unwrap();
            if let Outcome::Waiting(wait, _) = outcome {
                adapter.probe(&cx(), &request.clone().with_ticket(wait.ticket.unwrap())).await.unwrap();
                // The id of a job may be lost.
                adapter.probe(&cx(), &request.clone().unsettled()).await.unwrap();
                act(&aws, "finish_jobs", json!({}));
            }
            for scope in [Scope::Only(vec![wanted.clone()]), Scope::Kinds(vec![name.clone()])] {
                adapter.observe(&cx(), &account, &scope).await.unwrap();
            }
            let mut page = PageRequest::first();
            while let Some(next) = adapter.list_grants(&cx(), &ListScope::Kind(name.clone()), &page).await.unwrap().next {
                page = PageRequest::first().after(next);
            }
            adapter.probe(&cx(), &request).await.unwrap();
        }
        let declared = adapter.descriptor().kinds.get(&name).unwrap().scopes.iter().map(|scope| (*scope).to_owned());
        assert_eq!(actions(&aws), declared.collect(), "{kind}");
    }
}

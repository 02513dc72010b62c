//! The adapter asks and the fake answers as the vendor describes: every operation that the fake plays is called.

use std::collections::BTreeSet;

use provisionr_adapters::aws::{AccessKeys, IdentityCenter, IdentityCenterConfig};
use provisionr_sdk::{
    Account, AccountQuery, AccountSpec, AccountState, Adapter, CallContext, Change, Entitlement, Found, ListScope, PageRequest, ProfileDelta, Request, Scope,
    Secret,
};
use provisionr_testkit::aws::{AwsFake, Missing};
use provisionr_testkit::description::{Description, FOLDER};
use provisionr_testkit::{Act, MemoryTransport};
use serde_json::{Value, json};

fn connect(transport: &MemoryTransport) -> IdentityCenter {
    let config = IdentityCenterConfig::new(AwsFake::REGION, AwsFake::INSTANCE, AwsFake::IDENTITY_STORE).account("production", "111111111111");
    let keys = AccessKeys::new(AwsFake::ACCESS_KEY_ID, Secret::new(AwsFake::SECRET_ACCESS_KEY));
    config.issuer("https://idp.example").access_keys(keys).connect("aws", transport).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_operation_is_asked_and_answered_as_described() {
    let Some(description) = Description::of("aws") else {
        eprintln!("passed over: {FOLDER} does not say where the vendor's descriptions are");
        return;
    };
    let aws = AwsFake::new()
        .with_account("production", "111111111111")
        .with_permission_set("ReadOnly")
        .with_permission_set("Admin")
        .with_user("a@x.com")
        .with_group("crew", &["a@x.com"])
        .with_settings(|settings| settings.page_size = 1)
        .seeded(&json!({
            "users": [{ "user_name": "scim@x.com", "external_ids": [{ "issuer": "https://idp.example", "id": "00u1" }] }],
            "groups": [{ "name": "scim", "external_ids": [{ "issuer": "https://idp.example", "id": "00g1" }] }],
        }))
        .start();
    aws.record_exchanges();
    let (adapter, cx) = (connect(&aws.transport()), CallContext::unlimited());
    let act = |act: &str, args: Value| aws.act(Act::new(act, args)).unwrap();
    adapter.check(&cx).await.unwrap();

    // People.
    let profile =
        json!({ "email": "b@x.com", "givenName": "B", "familyName": "C", "displayName": "B C", "title": "CTO", "phoneNumber": "+49 1", "locale": "de" });
    let mut spec = AccountSpec::new("b@x.com");
    spec.profile = serde_json::from_value(profile).unwrap();
    let request = |change: Change, account: Option<&Account>| {
        let request = Request::new("b", AccountQuery::by("user_name", "b@x.com"), change, "k");
        account.iter().fold(request, |request, account| request.with_account((*account).clone()))
    };
    adapter.apply(&cx, &request(Change::EnsureAccount(spec.clone()), None)).await.unwrap();
    spec.logins = vec!["a@x.com".to_owned()];
    let nobody = Request::new("n", AccountQuery::by("user_name", "n"), Change::EnsureAccount(spec), "k");
    assert!(adapter.apply(&cx, &nobody).await.is_err());
    let Found::One(account) = adapter.find_account(&cx, &AccountQuery::by("email", "b@x.com")).await.unwrap() else { panic!("nobody") };
    assert!(matches!(adapter.find_account(&cx, &AccountQuery::by("external_id", "00u1")).await.unwrap(), Found::One(_)));
    let delta = [("givenName", json!("D")), ("email", json!("d@x.com")), ("phoneNumber", Value::Null), ("locale", Value::Null)];
    let delta = delta.into_iter().map(|(name, value)| (name.to_owned(), Some(value).filter(|value| !value.is_null()))).collect();
    adapter.apply(&cx, &request(Change::UpdateAccount(ProfileDelta(delta)), Some(&account))).await.unwrap();

    // What they hold.
    let held = [
        Entitlement::new("add_to_group", aws.group_id("crew").unwrap()),
        Entitlement::new("assign_permission_set", aws.permission_set_arn("ReadOnly").unwrap()).with_param("account", "111111111111"),
    ];
    for _ in 0..2 {
        for held in &held {
            for change in [Change::Grant(held.clone()), Change::Revoke(held.clone())] {
                let request = request(change, Some(&account));
                adapter.apply(&cx, &request).await.unwrap();
                adapter.probe(&cx, &request).await.unwrap();
                let jobs = aws.state()["jobs"].as_object().unwrap().values().find(|job| job["status"] == "IN_PROGRESS").map(|job| job["id"].clone());
                if let Some(job) = jobs {
                    adapter.probe(&cx, &request.clone().with_ticket(job.as_str().unwrap().into())).await.unwrap();
                }
                act("finish_jobs", Value::Null);
                adapter.apply(&cx, &request).await.unwrap();
            }
        }
        aws.change(|aws, _| *aws = aws.clone().with_settings(|settings| (settings.job_ms, settings.missing) = (Some(0), Missing::Refused)));
    }
    act("fail_next_job", json!({ "reason": "no" }));
    assert!(adapter.apply(&cx, &request(Change::Grant(held[1].clone()), Some(&account))).await.is_err());
    adapter.apply(&cx, &request(Change::Grant(held[1].clone()), Some(&account))).await.unwrap();
    act("suspend_account", json!({ "account": "production" }));
    assert!(adapter.apply(&cx, &request(Change::Revoke(held[1].clone()), Some(&account))).await.is_err());
    act("assign", json!({ "account": "production", "permission_set": "Admin", "group": "crew" }));
    adapter.observe(&cx, &account, &Scope::All).await.unwrap();

    // Lists.
    let mut page = PageRequest::first();
    while let Some(next) = adapter.list_accounts(&cx, &page).await.unwrap().next {
        page.cursor = Some(next);
    }
    for (kind, name) in [("add_to_group", "crew"), ("assign_permission_set", "ReadOnly")] {
        adapter.resolve(&cx, &kind.into(), &[name.into(), "nothing".into()]).await.unwrap();
        adapter.list_targets(&cx, &kind.into(), &PageRequest::first()).await.unwrap();
        let mut page = PageRequest::first();
        while let Some(next) = adapter.list_grants(&cx, &ListScope::Kind(kind.into()), &page).await.unwrap().next {
            page.cursor = Some(next);
        }
    }

    // Refusals, and the end.
    let gone = Account::new("00000000-0000-0000-0000-000000000000", AccountState::Active);
    for held in &held {
        assert!(adapter.apply(&cx, &request(Change::Grant(held.clone()), Some(&gone))).await.is_err());
    }
    assert!(adapter.list_accounts(&cx, &PageRequest::first().after("nonsense".into())).await.is_err());
    adapter.apply(&cx, &request(Change::SetState(AccountState::Deleted), Some(&account))).await.unwrap();
    act("deny", json!({ "action": "sso:ListPermissionSets" }));
    adapter.check(&cx).await.unwrap();
    act("refuse_key", json!({ "code": "UnrecognizedClientException" }));
    assert!(adapter.check(&cx).await.is_err());

    let exchanges = aws.exchanges();
    let held = description.hold(&exchanges);
    assert_eq!(held.violations, [].into());
    // The adapter is told which instance, and what accounts are called; others ask.
    let asked = |target: &&str| *target != "SWBExternalService.ListInstances" && !target.starts_with("AWSOrganizations");
    let played = AwsFake::operations().filter(asked);
    assert_eq!(held.called, played.map(|target| format!("POST #{target}")).collect());
    assert_eq!(description.unmet(), [""; 0]);
    let refused: BTreeSet<String> = exchanges
        .iter()
        .filter_map(|exchange| {
            let (_, name) = exchange.request.header("x-amz-target")?.split_once('.')?;
            Some(format!("{name} {}", exchange.answer.as_ref()?.to_json()["__type"].as_str()?))
        })
        .collect();
    for error in
        ["CreateUser ConflictException", "DescribeUser ResourceNotFoundException", "ListUsers ValidationException", "ListPermissionSets AccessDeniedException"]
    {
        assert!(refused.contains(error), "{error} did not come: {refused:?}");
    }
}

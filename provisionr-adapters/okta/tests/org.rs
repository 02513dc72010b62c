//! The adapter over a whole org that answers: what people, rules, lag and time do to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::time::Duration;

use provisionr_http::{ReqwestTransport, Signer};
use provisionr_okta::{Okta, OktaConfig, SignIn};
use provisionr_sdk::{
    Ability, Account, AccountQuery, AccountSpec, AccountState, Adapter, CallContext, Change, Completeness, Entitlement, ErrorKind, Found, ListScope, Outcome,
    PageRequest, Probe, ProfileDelta, Request, Result, RetryHint, Scope, Secret, Source,
};
use provisionr_testkit::okta::{OktaFake, UserStatus};
use provisionr_testkit::{Act, FakeServer, FakeSystem, Fault, FaultKind};
use serde_json::json;

const SARAH: &str = "sarah@company.com";

struct Key;

#[async_trait::async_trait]
impl Signer for Key {
    fn key_id(&self) -> Option<&str> {
        Some("k-1")
    }

    async fn sign(&self, _message: &[u8]) -> Result<Vec<u8>> {
        Ok(b"signed".to_vec())
    }
}

fn cx() -> CallContext {
    CallContext::unlimited()
}

fn with_token(fake: &FakeSystem<OktaFake>) -> Okta {
    OktaConfig::new("https://company.okta.test").api_token(Secret::new(OktaFake::TOKEN)).connect("okta", &fake.transport()).unwrap()
}

fn service_app(fake: &FakeSystem<OktaFake>, scopes: &[&str]) -> Okta {
    let config = OktaConfig::new("https://company.okta.test").private_key(OktaFake::CLIENT_ID, Key, scopes.iter().copied());
    config.connect("okta", &fake.transport()).unwrap()
}

fn on(fake: &FakeSystem<OktaFake>, change: Change) -> Request {
    let id = fake.user_id(SARAH).unwrap();
    Request::new("s-1", AccountQuery::by("login", SARAH), change, "k-1").with_account(Account::new(id, AccountState::Active))
}

fn ensure(spec: AccountSpec) -> Request {
    Request::new("s-1", AccountQuery::by("login", SARAH), Change::EnsureAccount(spec), "k-1")
}

fn spec() -> AccountSpec {
    AccountSpec::new(SARAH).with("firstName", "Sarah").with("lastName", "Chen").with("department", "Sales")
}

fn membership(fake: &FakeSystem<OktaFake>, group: &str) -> Entitlement {
    Entitlement::new("add_to_group", fake.group_id(group).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_joiner_gets_account_and_groups_in_few_calls_and_no_mail() {
    let fake = OktaFake::new().with_group("engineering-team").start();
    let okta = with_token(&fake);
    let mut wanted = spec();
    wanted.entitlements.push(membership(&fake, "engineering-team"));
    assert!(matches!(okta.apply(&cx(), &ensure(wanted.clone())).await.unwrap(), Outcome::Applied(_)));
    assert_eq!((fake.status(SARAH), fake.groups_of(SARAH)), (Some(UserStatus::Provisioned), vec!["engineering-team".to_owned()]));
    assert_eq!((fake.mails_to(SARAH), fake.effects("user.created")), (0, 1));
    // The repeat after somebody has taken a group away gives it back, and makes nothing twice.
    fake.admin_removes_from_group(SARAH, "engineering-team").unwrap();
    assert_eq!(okta.probe(&cx(), &ensure(wanted.clone())).await.unwrap(), Probe::Absent);
    assert!(matches!(okta.apply(&cx(), &ensure(wanted)).await.unwrap(), Outcome::Applied(_)));
    assert_eq!((fake.groups_of(SARAH), fake.effects("user.created")), (vec!["engineering-team".to_owned()], 1));
    fake.verify();
}

#[tokio::test(start_paused = true)]
async fn more_groups_than_a_create_takes_are_added_after_it() {
    let groups: Vec<String> = (0..23).map(|number| format!("group-{number:02}")).collect();
    let fake = groups.iter().fold(OktaFake::new(), |fake, group| fake.with_group(group)).start();
    let mut wanted = spec();
    wanted.entitlements.extend(groups.iter().map(|group| membership(&fake, group)));
    with_token(&fake).apply(&cx(), &ensure(wanted)).await.unwrap();
    assert_eq!(fake.groups_of(SARAH), groups);
}

#[tokio::test(start_paused = true)]
async fn a_create_cut_off_between_its_calls_is_finished_by_the_repeat() {
    let fake = OktaFake::new().start();
    let okta = with_token(&fake);
    fake.fault(Fault::reset_before().on("POST", "/api/v1/users/*/lifecycle/activate"));
    let error = okta.apply(&cx(), &ensure(spec())).await.unwrap_err();
    assert_eq!((error.effect(), fake.status(SARAH)), (provisionr_sdk::Effect::Unknown, Some(UserStatus::Staged)));
    assert_eq!(okta.probe(&cx(), &ensure(spec()).unsettled()).await.unwrap(), Probe::Absent);
    okta.apply(&cx(), &ensure(spec()).unsettled()).await.unwrap();
    assert_eq!((fake.status(SARAH), fake.effects("user.created")), (Some(UserStatus::Provisioned), 1));
}

#[tokio::test(start_paused = true)]
async fn behind_an_identity_provider_the_account_is_active_at_once() {
    let fake = OktaFake::new().start();
    let config = OktaConfig::new("https://company.okta.test").api_token(Secret::new(OktaFake::TOKEN)).sign_in(SignIn::IdentityProvider);
    config.connect("okta", &fake.transport()).unwrap().apply(&cx(), &ensure(spec())).await.unwrap();
    assert_eq!((fake.status(SARAH), fake.mails_to(SARAH)), (Some(UserStatus::Active), 0));
}

#[tokio::test(start_paused = true)]
async fn slow_transitions_are_waited_for_and_arrive() {
    let fake = OktaFake::new().with_user(SARAH).with_settings(|settings| settings.transition = Duration::from_secs(30)).start();
    let okta = with_token(&fake);
    for (state, status) in [(AccountState::Deactivated, Some(UserStatus::Deprovisioned)), (AccountState::Active, Some(UserStatus::Provisioned))] {
        let request = on(&fake, Change::SetState(state));
        assert!(matches!(okta.apply(&cx(), &request).await.unwrap(), Outcome::Waiting(..)));
        assert!(matches!(okta.probe(&cx(), &request).await.unwrap(), Probe::Pending(_)));
        let other = on(&fake, Change::SetState(AccountState::Suspended));
        assert_eq!(okta.apply(&cx(), &other).await.unwrap_err().kind(), &ErrorKind::NotReady);
        tokio::time::advance(Duration::from_secs(31)).await;
        assert!(matches!(okta.probe(&cx(), &request).await.unwrap(), Probe::Holds(_)));
        assert_eq!(fake.status(SARAH), status);
    }
    let delete = on(&fake, Change::SetState(AccountState::Deleted));
    assert!(matches!(okta.apply(&cx(), &delete).await.unwrap(), Outcome::Waiting(..)));
    assert!(matches!(okta.probe(&cx(), &delete).await.unwrap(), Probe::Pending(_)));
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(okta.probe(&cx(), &delete).await.unwrap(), Probe::Absent);
    assert!(matches!(okta.apply(&cx(), &delete).await.unwrap(), Outcome::Applied(_)));
    assert_eq!(fake.user(SARAH), None);
}

#[tokio::test(start_paused = true)]
async fn a_rule_is_never_turned_against_a_person() {
    let fake = OktaFake::new().with_group("sales").with_user(SARAH).with_rule("Sales people", r#"user.department=="Sales""#, "sales").start();
    fake.admin_sets_profile(SARAH, &json!({ "department": "Sales" })).unwrap();
    let okta = with_token(&fake);
    let request = on(&fake, Change::Revoke(membership(&fake, "sales")));
    let error = okta.apply(&cx(), &request).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::OwnedElsewhere && error.to_string().contains("group rule Sales people"), "{error}");
    assert_eq!((fake.members("sales"), fake.effects("rule.user_excluded")), (vec![SARAH.to_owned()], 0));
    let seen = okta.list_grants(&cx(), &ListScope::Target("add_to_group".into(), fake.group_id("sales").unwrap().into()), &PageRequest::first()).await.unwrap();
    assert!(matches!(&seen.items[0].source, Source::Rule(owner) if owner.as_str() == "group rule Sales people"));
    // She moves, an admin keeps her in the group by hand: now she can be taken out.
    fake.admin_sets_profile(SARAH, &json!({ "department": "Legal" })).unwrap();
    fake.admin_adds_to_group(SARAH, "sales").unwrap();
    tokio::time::advance(Duration::from_secs(301)).await;
    assert!(matches!(okta.apply(&cx(), &request).await.unwrap(), Outcome::Applied(_)));
    assert_eq!((fake.members("sales").len(), fake.effects("rule.user_excluded")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_is_still_to_be_evaluated_is_waited_for() {
    let fake = OktaFake::new().with_group("sales").with_user(SARAH).with_rule("Sales people", r#"user.department=="Sales""#, "sales").start();
    fake.admin_sets_profile(SARAH, &json!({ "department": "Sales" })).unwrap();
    fake.change(|okta, _| okta.set(|settings| settings.rule_lag = Duration::from_secs(60)));
    let okta = with_token(&fake);
    // She moves. The rule fits no more, and yet it is the rule that has her in the group.
    let delta = ProfileDelta([("department".to_owned(), Some("Legal".into()))].into());
    okta.apply(&cx(), &on(&fake, Change::UpdateAccount(delta))).await.unwrap();
    let request = on(&fake, Change::Revoke(membership(&fake, "sales")));
    let error = okta.apply(&cx(), &request).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::NotReady, RetryHint::After(Duration::from_secs(300))));
    // Nor is she said to be in it where she is to be from now on by hand: what the rule takes away would be missing.
    let kept = on(&fake, Change::Grant(membership(&fake, "sales")));
    assert_eq!(okta.apply(&cx(), &kept).await.unwrap_err().kind(), &ErrorKind::NotReady);
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(matches!(okta.apply(&cx(), &request).await.unwrap(), Outcome::Unchanged(_)));
    assert_eq!((fake.members("sales").len(), fake.effects("rule.user_excluded")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_sweep_takes_the_calls_the_readme_says_and_a_group_that_goes_meanwhile_shifts_no_other() {
    let groups: Vec<_> = (0..250).map(|number| json!({ "name": format!("g-{number:03}") })).collect();
    let names: Vec<String> = (0..250).map(|number| format!("g-{number:03}")).collect();
    let fake = OktaFake::new()
        .with_settings(|settings| (settings.page_size, settings.search_lag) = (1000, Duration::ZERO))
        .seeded(&json!({ "groups": groups, "users": [{ "login": SARAH, "groups": names }] }))
        .start();
    fake.act(Act::new("delete_group", json!({ "group": "Everyone" }))).unwrap();
    let okta = with_token(&fake);
    let scope = ListScope::Kind("add_to_group".into());
    let (mut at, mut found, mut pages) = (Some(PageRequest::first()), 0, 0);
    while let Some(request) = at.take() {
        let page = okta.list_grants(&cx(), &scope, &request).await.unwrap();
        found += page.items.len();
        pages += 1;
        at = page.next.map(|next| PageRequest::first().after(next));
    }
    // 200 and 50 groups, 20 a page.
    assert_eq!((found, pages), (250, 13));
    let calls = |path: &str| fake.requests("GET", path).len();
    assert_eq!([calls("/api/v1/groups"), calls("/api/v1/groups/rules"), calls("/api/v1/groups/*/users")], [2, 13, 250]);
    // A group that goes between two pages is told, and its cursor is not used on the next.
    let first = okta.list_grants(&cx(), &scope, &PageRequest::first().sized(1)).await.unwrap();
    fake.act(Act::new("delete_group", json!({ "group": "g-001" }))).unwrap();
    let (mut at, mut found, mut complete) = (first.next.clone(), first.items.len(), true);
    while let Some(next) = at.take() {
        let page = okta.list_grants(&cx(), &scope, &PageRequest::first().after(next)).await.unwrap();
        found += page.items.len();
        complete &= page.completeness == Completeness::Complete;
        at = page.next;
    }
    assert_eq!((found, complete), (249, false));
}

#[tokio::test(start_paused = true)]
async fn a_number_finds_a_person_whose_login_has_changed() {
    let fake = OktaFake::new().with_user("old@company.com").start();
    fake.admin_sets_profile("old@company.com", &json!({ "employeeNumber": "emp_0789" })).unwrap();
    tokio::time::advance(Duration::from_secs(3)).await;
    let who = AccountQuery::by("login", SARAH).or("employee_number", "emp_0789");
    assert!(matches!(with_token(&fake).find_account(&cx(), &who).await.unwrap(), Found::One(account) if account.login.as_deref() == Some("old@company.com")));
    assert_eq!(with_token(&fake).find_account(&cx(), &AccountQuery::by("login", "OLD@company.com")).await.unwrap().one().unwrap().state, AccountState::Active);
    let nobody = AccountQuery::by("login", "x@company.com").or("employee_number", "7");
    assert_eq!(with_token(&fake).find_account(&cx(), &nobody).await.unwrap(), Found::None);
}

#[tokio::test(start_paused = true)]
async fn a_person_in_more_groups_than_a_page_shows_is_taken_out_of_the_last() {
    let groups: Vec<String> = (0..8).map(|number| format!("group-{number}")).collect();
    let fake = groups.iter().fold(OktaFake::new(), |fake, group| fake.with_group(group)).with_user(SARAH).start();
    for group in &groups {
        fake.admin_adds_to_group(SARAH, group).unwrap();
    }
    let okta = with_token(&fake);
    let account = Account::new(fake.user_id(SARAH).unwrap(), AccountState::Active);
    let seen = okta.observe(&cx(), &account, &Scope::Kinds(vec!["add_to_group".into()])).await.unwrap();
    // And `Everyone`.
    assert_eq!((seen.grants.len(), seen.coverage.covers_kind(&"add_to_group".into())), (9, true));
    for group in &groups {
        let outcome = okta.apply(&cx(), &on(&fake, Change::Revoke(membership(&fake, group)))).await.unwrap();
        assert!(matches!(outcome, Outcome::Applied(_)), "{group}: {outcome:?}");
    }
    assert_eq!(fake.groups_of(SARAH), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_leaver_is_found_whatever_case_their_login_and_address_are_stored_in() {
    for status in [UserStatus::Active, UserStatus::Suspended, UserStatus::Deprovisioned] {
        let fake = OktaFake::new().seeded(&json!({ "users": [{ "login": "Sarah.Chen@Company.com", "status": status }] })).start();
        tokio::time::advance(Duration::from_secs(3)).await;
        let id = fake.user_id("Sarah.Chen@Company.com").unwrap();
        for key in ["login", "email"] {
            for value in ["sarah.chen@company.com", "Sarah.Chen@Company.com", "SARAH.CHEN@company.com"] {
                let found = with_token(&fake).find_account(&cx(), &AccountQuery::by(key, value)).await.unwrap();
                assert!(matches!(&found, Found::One(account) if *account.id.as_str() == *id), "{key} {value} {status:?}: {found:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_app_gets_one_token_and_another_when_it_is_refused() {
    let fake = OktaFake::new().with_user(SARAH).start();
    let okta = service_app(&fake, &["okta.users.manage", "okta.groups.manage", "okta.apps.manage"]);
    let update = |title: &str| on(&fake, Change::UpdateAccount(ProfileDelta([("title".to_owned(), Some(title.into()))].into())));
    okta.apply(&cx(), &update("Engineer")).await.unwrap();
    okta.apply(&cx(), &update("Architect")).await.unwrap();
    assert_eq!(fake.requests("POST", "/oauth2/v1/token").len(), 1);
    fake.act(Act::new("expire_access_tokens", json!({}))).unwrap();
    okta.apply(&cx(), &update("Director")).await.unwrap();
    assert_eq!(fake.requests("POST", "/oauth2/v1/token").len(), 2);
    assert_eq!(fake.user(SARAH).unwrap().attribute("title"), "Director");
}

#[tokio::test(start_paused = true)]
async fn check_says_what_the_credential_lacks() {
    let fake = OktaFake::new().start();
    let check = with_token(&fake).check(&cx()).await.unwrap();
    assert_eq!((check.own_accounts, check.lacking.len()), (vec![fake.user_id(OktaFake::ADMIN).unwrap().into()], 0));
    let check = service_app(&fake, &["okta.users.read", "okta.groups.manage"]).check(&cx()).await.unwrap();
    assert!(check.own_accounts.is_empty());
    let lacks = |ability: Ability| check.lacking.contains_key(&ability);
    assert!(lacks(Ability::CreateAccount) && lacks(Ability::SetState) && !lacks(Ability::ListAccounts));
    assert!(!lacks(Ability::Manage("add_to_group".into())) && !lacks(Ability::Observe("add_to_group".into())));
    assert!(lacks(Ability::Manage("assign_app".into())) && lacks(Ability::Observe("assign_app".into())));
    // What a person holds is asked below the user.
    let check = service_app(&fake, &["okta.groups.manage", "okta.apps.manage"]).check(&cx()).await.unwrap();
    for kind in ["add_to_group", "assign_app"] {
        assert!(check.lacking.contains_key(&Ability::Observe(kind.into())) && !check.lacking.contains_key(&Ability::ListGrants(kind.into())), "{kind}");
    }
    // That a proxy refuses, or that there is no token, says nothing of rights.
    fake.fault(Fault::new(FaultKind::Status { status: 403, body: Some("<html>".into()), headers: [].into() }).on("GET", "/api/v1/groups"));
    assert!(with_token(&fake).check(&cx()).await.is_err());
    assert!(service_app(&fake, &["okta.nothing.read"]).check(&cx()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_is_not_granted_switches_off_its_own_ability_alone() {
    let granted = ["okta.users.manage", "okta.groups.manage"];
    let fake = OktaFake::new().with_user(SARAH).seeded(&json!({ "clients": [{ "client_id": OktaFake::CLIENT_ID, "scopes": granted }] })).start();
    let okta = service_app(&fake, &["okta.users.manage", "okta.groups.manage", "okta.apps.manage"]);
    okta.apply(&cx(), &on(&fake, Change::SetState(AccountState::Suspended))).await.unwrap();
    assert_eq!(fake.status(SARAH), Some(UserStatus::Suspended));
    let check = okta.check(&cx()).await.unwrap();
    assert!(check.lacking.contains_key(&Ability::Manage("assign_app".into())));
    assert!(!check.lacking.contains_key(&Ability::SetState) && !check.lacking.contains_key(&Ability::Manage("add_to_group".into())));
}

#[tokio::test(start_paused = true)]
async fn the_scopes_that_are_declared_are_enough_and_all_are_needed() {
    let fake = OktaFake::new().with_group("engineering-team").with_user(SARAH).start();
    let declared = with_token(&fake).descriptor().clone();
    let of = |kind: &str| declared.kinds.get(&kind.into()).unwrap().scopes.clone();
    let accounts = service_app(&fake, &declared.accounts.scopes);
    accounts.apply(&cx(), &on(&fake, Change::SetState(AccountState::Suspended))).await.unwrap();
    accounts.apply(&cx(), &on(&fake, Change::EndSessions)).await.unwrap();
    let groups = of("add_to_group");
    let join = on(&fake, Change::Grant(membership(&fake, "engineering-team")));
    service_app(&fake, &groups).apply(&cx(), &join).await.unwrap();
    service_app(&fake, &groups).apply(&cx(), &on(&fake, Change::Revoke(membership(&fake, "engineering-team")))).await.unwrap();
    for missing in &groups {
        let rest: Vec<&str> = groups.iter().copied().filter(|scope| scope != missing).collect();
        assert_eq!(service_app(&fake, &rest).apply(&cx(), &join).await.unwrap_err().kind(), &ErrorKind::PermissionDenied, "without {missing}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_another_has_is_a_conflict_in_an_update() {
    let fake = OktaFake::new().with_user(SARAH).with_user("other@company.com").start();
    let delta = ProfileDelta([("login".to_owned(), Some("other@company.com".into()))].into());
    let error = with_token(&fake).apply(&cx(), &on(&fake, Change::UpdateAccount(delta))).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (&ErrorKind::Conflict, Some("E0000001")));
}

#[tokio::test(start_paused = true)]
async fn more_at_once_than_an_org_takes_is_a_limit_that_is_soon_over() {
    let fake = OktaFake::new().with_user(SARAH).start();
    let id = fake.user_id(SARAH).unwrap();
    fake.fault(Fault::late_answer(Duration::from_secs(5)).on("GET", "/api/v1/users/*").always());
    let mut finds = tokio::task::JoinSet::new();
    for _ in 0..76 {
        let (okta, who) = (with_token(&fake), AccountQuery::known(id.clone()));
        finds.spawn(async move { okta.find_account(&cx(), &who).await });
    }
    let refused: Vec<_> = finds.join_all().await.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!((refused[0].kind(), refused[0].hint()), (&ErrorKind::RateLimited("users.id".into()), RetryHint::After(Duration::from_secs(10))));
}

#[tokio::test]
async fn over_real_http_it_is_the_same() {
    let fake = OktaFake::new().with_group("engineering-team").start();
    let server = FakeServer::start(&fake);
    let http = ReqwestTransport::without_tls().unwrap();
    let okta = OktaConfig::new(server.url()).api_token(Secret::new(OktaFake::TOKEN)).connect("okta", &http).unwrap();
    okta.apply(&cx(), &ensure(spec())).await.unwrap();
    okta.apply(&cx(), &on(&fake, Change::Grant(membership(&fake, "engineering-team")))).await.unwrap();
    okta.apply(&cx(), &on(&fake, Change::EndSessions)).await.unwrap();
    let listed = okta.list_grants(&cx(), &ListScope::Kind("add_to_group".into()), &PageRequest::first().sized(1)).await.unwrap();
    assert!(listed.next.is_some());
    okta.apply(&cx(), &on(&fake, Change::Revoke(membership(&fake, "engineering-team")))).await.unwrap();
    okta.apply(&cx(), &on(&fake, Change::SetState(AccountState::Deleted))).await.unwrap();
    assert_eq!(fake.user(SARAH), None);
    fake.verify();
}

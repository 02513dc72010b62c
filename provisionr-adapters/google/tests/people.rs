//! The adapter over a whole customer that answers: what people, nested groups, lag and time do to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use provisionr_google::{Google, GoogleConfig, Settings};
use provisionr_http::{ReqwestTransport, Signer, SystemSettings, Transport};
use provisionr_sdk::{
    Ability, Account, AccountQuery, AccountSpec, AccountState, Adapter, Call, CallContext, CallGate, Change, Completeness, Entitlement, ErrorKind, Found,
    Grant, LaneId, LaneReading, ListScope, Outcome, Page, PageRequest, Permit, Probe, ProfileDelta, Request, Resolution, Result, RetryHint, Scope, Secret,
    Source, Timestamp,
};
use provisionr_testkit::google::{GoogleFake, GroupsOfUser, MemberRole, NothingToShow, TooManyAtOnce};
use provisionr_testkit::{Act, FakeClock, FakeServer, FakeSystem, Fault, Limit};
use serde_json::json;

const SARAH: &str = "sarah@example.com";

struct Key;

#[async_trait::async_trait]
impl Signer for Key {
    async fn sign(&self, _message: &[u8]) -> Result<Vec<u8>> {
        Ok(b"signed".to_vec())
    }
}

fn cx() -> CallContext {
    CallContext::unlimited()
}

fn at(config: GoogleConfig) -> GoogleConfig {
    config.at("https://google.test", "https://google.test/token")
}

fn with_token(fake: &FakeSystem<GoogleFake>) -> Google {
    at(GoogleConfig::new(GoogleFake::ADMIN).access_token(Secret::new(GoogleFake::TOKEN))).connect("google", &fake.transport()).unwrap()
}

fn service_account(fake: &FakeSystem<GoogleFake>) -> GoogleConfig {
    let _ = fake;
    at(GoogleConfig::new(GoogleFake::ADMIN).service_account(GoogleFake::SERVICE_ACCOUNT, Key))
}

fn on(fake: &FakeSystem<GoogleFake>, change: Change) -> Request {
    let id = fake.user_id(SARAH).unwrap();
    Request::new("s-1", AccountQuery::by("email", SARAH), change, "k-1").with_account(Account::new(id, AccountState::Active))
}

fn ensure() -> Request {
    let spec = AccountSpec::new(SARAH).with("givenName", "Sarah").with("familyName", "Chen");
    Request::new("s-1", AccountQuery::by("email", SARAH), Change::EnsureAccount(spec), "k-1")
}

fn membership(fake: &FakeSystem<GoogleFake>, group: &str, role: &str) -> Entitlement {
    Entitlement::new("add_to_group", fake.group_id(group).unwrap()).with_role(role)
}

async fn whole(google: &Google, scope: &ListScope) -> Page<Grant> {
    let mut whole = google.list_grants(&cx(), scope, &PageRequest::first()).await.unwrap();
    while let Some(next) = whole.next.take() {
        let page = google.list_grants(&cx(), scope, &PageRequest::first().after(next)).await.unwrap();
        whole.items.extend(page.items);
        whole.next = page.next;
        if page.completeness != Completeness::Complete {
            whole.completeness = page.completeness;
        }
    }
    whole
}

#[tokio::test(start_paused = true)]
async fn a_service_account_acts_as_the_administrator_with_one_token_and_another_when_it_is_refused() {
    let fake = GoogleFake::new().with_user(SARAH).start();
    let google = service_account(&fake).connect("google", &fake.transport()).unwrap();
    let update = |title: &str| on(&fake, Change::UpdateAccount(ProfileDelta([("title".to_owned(), Some(title.into()))].into())));
    google.apply(&cx(), &update("Engineer")).await.unwrap();
    google.apply(&cx(), &update("Architect")).await.unwrap();
    assert_eq!(fake.requests("POST", "/token").len(), 1);
    fake.act(Act::new("expire_access_tokens", json!({}))).unwrap();
    google.apply(&cx(), &update("Director")).await.unwrap();
    assert_eq!(fake.requests("POST", "/token").len(), 2);
    assert_eq!(fake.user(SARAH).unwrap().fields["organizations"][0]["title"], "Director");
}

#[tokio::test(start_paused = true)]
async fn check_says_what_the_credential_lacks() {
    let fake = GoogleFake::new().start();
    let check = with_token(&fake).check(&cx()).await.unwrap();
    assert_eq!((check.own_accounts, check.lacking.len()), (vec![fake.user_id(GoogleFake::ADMIN).unwrap().into()], 0));
    let lacking = async |scopes: &[&str]| {
        let google = service_account(&fake).scopes(scopes).connect("google", &fake.transport()).unwrap();
        google.check(&cx()).await.unwrap().lacking.into_keys().collect::<Vec<_>>()
    };
    let (groups, units) = ("add_to_group", "move_to_org_unit");
    let all = [
        "admin.directory.user",
        "admin.directory.user.security",
        "admin.directory.group.member",
        "admin.directory.group.readonly",
        "admin.directory.orgunit.readonly",
    ];
    assert_eq!(lacking(&all).await, []);
    let without = |scope: &str| all.into_iter().filter(|known| *known != scope).collect::<Vec<_>>();
    assert_eq!(lacking(&without("admin.directory.user.security")).await, [Ability::EndSessions]);
    assert_eq!(lacking(&without("admin.directory.group.member")).await, [Ability::Manage(groups.into())]);
    assert_eq!(lacking(&without("admin.directory.orgunit.readonly")).await, [Ability::Manage(units.into()), Ability::ListTargets(units.into())]);
    let expected = [Ability::ListAccounts, Ability::Observe(groups.into()), Ability::Observe(units.into()), Ability::ListGrants(units.into())];
    let lacks = lacking(&without("admin.directory.user")).await;
    assert!(expected.iter().all(|ability| lacks.contains(ability)) && !lacks.contains(&Ability::ListGrants(groups.into())), "{lacks:?}");
    let readers = ["https://www.googleapis.com/auth/admin.directory.user.readonly", "admin.directory.group", "admin.directory.orgunit"];
    let expected = [Ability::CreateAccount, Ability::UpdateAccount, Ability::SetState, Ability::EndSessions, Ability::Manage(units.into())];
    assert_eq!(lacking(&readers).await, expected);
    // Nothing is delegated: there is no token at all.
    let fake = GoogleFake::new().seeded(&json!({ "service_accounts": [{ "email": GoogleFake::SERVICE_ACCOUNT, "scopes": [] }] })).start();
    let error = service_account(&fake).connect("google", &fake.transport()).unwrap().check(&cx()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (&ErrorKind::PermissionDenied, Some("unauthorized_client")));
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_is_not_delegated_switches_off_its_own_ability_alone() {
    let delegated = ["admin.directory.user", "admin.directory.group.readonly", "admin.directory.group.member", "admin.directory.orgunit.readonly"];
    let fake =
        GoogleFake::new().with_user(SARAH).seeded(&json!({ "service_accounts": [{ "email": GoogleFake::SERVICE_ACCOUNT, "scopes": delegated }] })).start();
    // All five are asked for, as by default.
    let google = service_account(&fake).connect("google", &fake.transport()).unwrap();
    google.apply(&cx(), &on(&fake, Change::SetState(AccountState::Suspended))).await.unwrap();
    assert!(fake.user(SARAH).unwrap().suspended);
    assert_eq!(google.check(&cx()).await.unwrap().lacking.into_keys().collect::<Vec<_>>(), [Ability::EndSessions]);
    let error = google.apply(&cx(), &on(&fake, Change::EndSessions)).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::PermissionDenied);
    // One refusal, one request for each scope, one token; and no more until it is renewed.
    assert_eq!(fake.requests("POST", "/token").len(), 1 + 5 + 1);
    fake.seed(&json!({ "service_accounts": [{ "email": GoogleFake::SERVICE_ACCOUNT }] })).unwrap();
    fake.act(Act::new("expire_access_tokens", json!({}))).unwrap();
    google.apply(&cx(), &on(&fake, Change::EndSessions)).await.unwrap();
    assert!(google.check(&cx()).await.unwrap().lacking.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_scopes_that_are_declared_are_enough() {
    let fake = GoogleFake::new().with_user(SARAH).with_group("team@example.com", &[]).with_org_unit("/sales").start();
    let declared = with_token(&fake).descriptor().clone();
    let with = |scopes: &[&str]| service_account(&fake).scopes(scopes).connect("google", &fake.transport()).unwrap();
    let of = |kind: &str| declared.kinds.get(&kind.into()).unwrap().scopes.clone();
    let account = Account::new(fake.user_id(SARAH).unwrap(), AccountState::Active);
    for (kind, wanted) in
        [("add_to_group", membership(&fake, "team@example.com", "OWNER")), ("move_to_org_unit", Entitlement::new("move_to_org_unit", "/sales"))]
    {
        let google = with(&of(kind));
        google.apply(&cx(), &on(&fake, Change::Grant(wanted.clone()))).await.unwrap();
        let seen = google.observe(&cx(), &account, &Scope::Kinds(vec![kind.into()])).await.unwrap();
        assert!(seen.grants.iter().any(|grant| grant.entitlement == wanted), "{kind}");
        google.apply(&cx(), &on(&fake, Change::Revoke(wanted))).await.unwrap();
    }
    let google = with(&declared.accounts.scopes);
    google.apply(&cx(), &on(&fake, Change::SetState(AccountState::Suspended))).await.unwrap();
    google.apply(&cx(), &on(&fake, Change::EndSessions)).await.unwrap();
    google.apply(&cx(), &on(&fake, Change::SetState(AccountState::Deleted))).await.unwrap();
    // And each is needed by something.
    for missing in of("add_to_group") {
        let rest: Vec<&str> = of("add_to_group").into_iter().filter(|scope| *scope != missing).collect();
        let error = with(&rest).list_grants(&cx(), &ListScope::Kind("add_to_group".into()), &PageRequest::first()).await;
        let observed = with(&rest).observe(&cx(), &Account::new(fake.user_id(GoogleFake::ADMIN).unwrap(), AccountState::Active), &Scope::All).await;
        let granted = with(&rest)
            .apply(
                &cx(),
                &Request::new("s-1", AccountQuery::default(), Change::Grant(membership(&fake, "team@example.com", "OWNER")), "k-1")
                    .with_account(Account::new(fake.user_id(GoogleFake::ADMIN).unwrap(), AccountState::Active)),
            )
            .await;
        assert!(error.is_err() || observed.is_err() || granted.is_err(), "all goes well without {missing}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_account_is_found_and_changed_when_it_is_complete() {
    let lag = |settings: &mut provisionr_testkit::google::GoogleSettings| {
        settings.creation_lag = Duration::from_secs(5);
        settings.creation_completes = Duration::from_secs(60);
    };
    let fake = GoogleFake::new().with_org_unit("/sales").with_group("team@example.com", &[]).with_settings(lag).start();
    let google = with_token(&fake);
    google.apply(&cx(), &ensure()).await.unwrap();
    // Not seen yet: no second account comes of it, and a membership is tried again.
    let error = google.apply(&cx(), &ensure()).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::Conflict, RetryHint::Backoff));
    let join = on(&fake, Change::Grant(membership(&fake, "team@example.com", "MEMBER")));
    let error = google.apply(&cx(), &join).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotFound(_)) && error.hint() == RetryHint::Backoff);
    tokio::time::advance(Duration::from_secs(6)).await;
    assert!(matches!(google.apply(&cx(), &ensure()).await.unwrap(), Outcome::Unchanged(_)));
    google.apply(&cx(), &join).await.unwrap();
    let moved = on(&fake, Change::Grant(Entitlement::new("move_to_org_unit", "/sales")));
    let error = google.apply(&cx(), &moved).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::NotReady, RetryHint::Backoff));
    tokio::time::advance(Duration::from_secs(60)).await;
    google.apply(&cx(), &moved).await.unwrap();
    assert_eq!((fake.user(SARAH).unwrap().org_unit_path, fake.effects("user.created")), ("/sales".to_owned(), 1));
}

#[tokio::test(start_paused = true)]
async fn nested_groups_give_memberships_that_are_told_and_never_taken() {
    for setting in [GroupsOfUser::Direct, GroupsOfUser::Nested] {
        let fake = GoogleFake::new()
            .with_user(SARAH)
            .with_group("sales@example.com", &[SARAH])
            .with_group("emea@example.com", &["sales@example.com"])
            .with_group("all@example.com", &["emea@example.com"])
            .with_settings(|settings| settings.groups_of_user = setting)
            .start();
        let google = with_token(&fake);
        let all = membership(&fake, "all@example.com", "MEMBER");
        let granted = google.apply(&cx(), &on(&fake, Change::Grant(all.clone()))).await.unwrap();
        assert!(matches!(granted, Outcome::Unchanged(receipt) if matches!(receipt.grant.as_ref().unwrap().source, Source::Inherited(_))));
        let Outcome::Unchanged(receipt) = google.apply(&cx(), &on(&fake, Change::Revoke(all.clone()))).await.unwrap() else { panic!() };
        assert!(receipt.still_effective.iter().any(|grant| grant.source == Source::Inherited(fake.group_id("emea@example.com").unwrap().into())));
        // A role above it is made directly; when it is taken, the plain membership stays.
        let owner = membership(&fake, "all@example.com", "OWNER");
        google.apply(&cx(), &on(&fake, Change::Grant(owner.clone()))).await.unwrap();
        assert_eq!(fake.role(SARAH, "all@example.com"), Some(MemberRole::Owner));
        let Outcome::Applied(receipt) = google.apply(&cx(), &on(&fake, Change::Revoke(owner))).await.unwrap() else { panic!() };
        assert!(!receipt.still_effective.is_empty());
        assert_eq!((fake.role(SARAH, "all@example.com"), fake.role(SARAH, "sales@example.com")), (None, Some(MemberRole::Member)));
    }
}

#[tokio::test(start_paused = true)]
async fn lists_of_members_show_nested_people_and_outsiders_and_say_when_everybody_is_in() {
    let fake = GoogleFake::new()
        .with_user(SARAH)
        .with_group("inner@example.com", &[SARAH])
        .with_group("middle@example.com", &["inner@example.com"])
        .with_group("outer@example.com", &["middle@example.com", "guest@elsewhere.org", GoogleFake::ADMIN])
        .start();
    let google = with_token(&fake);
    let target = ListScope::Target("add_to_group".into(), fake.group_id("outer@example.com").unwrap().into());
    let page = whole(&google, &target).await;
    let mut sources: Vec<_> =
        page.items.iter().map(|grant| (fake.with(|google| google.user(grant.account.as_str()).is_some()), grant.source.clone())).collect();
    sources.sort_by_key(|(known, source)| (*known, format!("{source:?}")));
    let middle = Source::Inherited(fake.group_id("middle@example.com").unwrap().into());
    assert_eq!((sources, page.completeness), (vec![(false, Source::Direct), (true, Source::Direct), (true, middle)], Completeness::Complete));
    for everybody_in in ["inner@example.com", "outer@example.com"] {
        fake.admin_adds_to_group("C01fake23", everybody_in, MemberRole::Member).unwrap();
        assert!(matches!(whole(&google, &target).await.completeness, Completeness::Incomplete(_)), "everybody is in {everybody_in}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sweep_takes_the_calls_the_readme_says() {
    let users: Vec<String> = (0..1200).map(|number| format!("u{number}@example.com")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let groups: Vec<_> =
        (0..250).map(|number| json!({ "email": format!("g{number}@example.com"), "members": users[..if number == 0 { 450 } else { 3 }] })).collect();
    let fake = GoogleFake::new()
        .with_settings(|settings| settings.page_size = 500)
        .seeded(&json!({ "users": users.iter().map(|email| json!({ "email": email })).collect::<Vec<_>>(), "groups": groups }))
        .start();
    let google = with_token(&fake);
    let mut at = Some(PageRequest::first());
    let mut accounts = 0;
    while let Some(request) = at.take() {
        let page = google.list_accounts(&cx(), &request).await.unwrap();
        accounts += page.items.len();
        at = page.next.map(|next| PageRequest::first().after(next));
    }
    assert_eq!((accounts, fake.log().len()), (1201, 3));
    // Two pages of groups; of members three for the large group and one for each other.
    fake.clear_log();
    assert_eq!(whole(&google, &ListScope::Kind("add_to_group".into())).await.items.len(), 450 + 249 * 3);
    assert_eq!((fake.requests("GET", "/admin/directory/v1/groups").len(), fake.log().len()), (2, 2 + 3 + 249));
    fake.clear_log();
    assert_eq!(whole(&google, &ListScope::Kind("move_to_org_unit".into())).await.items.len(), 1201);
    assert_eq!(fake.log().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn groups_go_by_address_alias_and_short_name_and_units_by_path() {
    let fake = GoogleFake::new()
        .seeded(&json!({ "org_units": ["/corp/sales"], "groups": [{ "email": "crew@example.com", "aliases": ["staff@example.com"] }, { "email": "crew@company.com" }] }))
        .start();
    let google = with_token(&fake);
    let resolve = async |kind: &str, name: &str| google.resolve(&cx(), &kind.into(), &[name.into()]).await.unwrap().pop().unwrap().resolution;
    for (name, email) in [("crew", "crew@example.com"), ("staff@example.com", "crew@example.com"), ("crew@company.com", "crew@company.com")] {
        assert!(matches!(resolve("add_to_group", name).await, Resolution::One(target) if *target.id.as_str() == *fake.group_id(email).unwrap()), "{name}");
    }
    assert_eq!(resolve("add_to_group", "crww").await, Resolution::None(vec![]));
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(resolve("add_to_group", "crewe@company.com").await, Resolution::None(vec!["crew@company.com".into(), "crew@example.com".into()]));
    for name in ["/corp/sales", "corp/sales"] {
        assert!(matches!(resolve("move_to_org_unit", name).await, Resolution::One(target) if target.id == "/corp/sales"));
    }
    assert!(matches!(resolve("move_to_org_unit", "/").await, Resolution::One(target) if target.id == "/"));
}

#[tokio::test(start_paused = true)]
async fn a_unit_lists_its_own_people_and_a_look_at_one_group_shows_that_one() {
    let fake = GoogleFake::new()
        .seeded(&json!({ "org_units": ["/corp/sales"], "users": [{ "email": SARAH, "org_unit": "/corp" }, { "email": "b@example.com", "org_unit": "/corp/sales" }] }))
        .with_group("inner@example.com", &[SARAH])
        .with_group("outer@example.com", &["inner@example.com"])
        .start();
    let google = with_token(&fake);
    let page = whole(&google, &ListScope::Target("move_to_org_unit".into(), "/corp".into())).await;
    assert_eq!(page.items, [Grant::direct(fake.user_id(SARAH).unwrap(), Entitlement::new("move_to_org_unit", "/corp"))]);
    // Of a group that is not held, silence says so; of those within and above nothing else follows.
    let revoke = on(&fake, Change::Revoke(membership(&fake, "outer@example.com", "MEMBER")));
    let Outcome::Unchanged(receipt) = google.apply(&cx(), &revoke).await.unwrap() else { panic!() };
    assert_eq!(receipt.still_effective.len(), 1);
    fake.admin_adds_to_group("outer@example.com", "crew@example.com", MemberRole::Member).unwrap_err();
    fake.seed(&json!({ "groups": [{ "email": "top@example.com", "members": ["outer@example.com"] }] })).unwrap();
    let Outcome::Unchanged(receipt) = google.apply(&cx(), &revoke).await.unwrap() else { panic!() };
    assert_eq!(receipt.still_effective.len(), 1, "only what was asked for stays in force there");
}

#[tokio::test(start_paused = true)]
async fn a_leaver_whose_number_differs_is_not_passed_over() {
    let number = |number: &str| json!({ "externalIds": [{ "type": "organization", "value": number }] });
    let fake = GoogleFake::new().seeded(&json!({ "users": [{ "email": SARAH, "fields": number("0042") }] })).start();
    tokio::time::advance(Duration::from_secs(3)).await;
    let google = with_token(&fake);
    let who = AccountQuery::by("email", SARAH).or("employee_number", "42");
    let Found::CannotTell(why) = google.find_account(&cx(), &who).await.unwrap() else { panic!() };
    assert!(why.contains("`0042`") && why.contains("`42`"), "{why}");
    // No second account comes of it, and her own one under another address is found by its number.
    let spec = AccountSpec::new(SARAH).with("givenName", "Sarah").with("familyName", "Chen");
    google.apply(&cx(), &Request::new("s-1", who.clone(), Change::EnsureAccount(spec), "k-1")).await.unwrap_err();
    fake.seed(&json!({ "users": [{ "email": "s.chen@example.com", "fields": number("42") }] })).unwrap();
    tokio::time::advance(Duration::from_secs(3)).await;
    let found = google.find_account(&cx(), &who).await.unwrap().one().unwrap();
    assert_eq!(found.login.as_deref(), Some("s.chen@example.com"));
}

/// Goes by the clock of a fake.
struct By(FakeClock);

#[async_trait::async_trait]
impl CallGate for By {
    async fn permit(&self, _call: &Call) -> Result<Permit> {
        Ok(Permit::free())
    }

    fn heard(&self, _lane: &LaneId, _reading: LaneReading) {}

    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_not_seen_yet_is_not_taken_for_deleted() {
    let delete = |fake: &FakeSystem<GoogleFake>| on(fake, Change::SetState(AccountState::Deleted));
    // Made a moment ago, and to be deleted already: it is looked for again, and deleted when it shows.
    let fake = GoogleFake::new().with_settings(|settings| settings.creation_lag = Duration::from_secs(30)).start();
    let (google, cx) = (with_token(&fake), CallContext::new(Arc::new(By(fake.clock().clone()))));
    google.apply(&cx, &ensure()).await.unwrap();
    let Outcome::Waiting(wait, _) = google.apply(&cx, &delete(&fake)).await.unwrap() else { panic!() };
    let request = delete(&fake).with_ticket(wait.ticket.clone().unwrap());
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(google.probe(&cx, &request).await.unwrap(), Probe::Pending(wait));
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(google.probe(&cx, &request).await.unwrap(), Probe::Absent);
    assert!(matches!(google.apply(&cx, &request).await.unwrap(), Outcome::Applied(_)));
    assert_eq!(fake.user(SARAH), None);
    // Deleted lately is told by a list, at once; so long ago that it is in no list, by time.
    assert!(matches!(google.apply(&cx, &request).await.unwrap(), Outcome::Unchanged(_)));
    tokio::time::advance(Duration::from_secs(21 * 24 * 3600)).await;
    let Outcome::Waiting(wait, _) = google.apply(&cx, &request).await.unwrap() else { panic!() };
    let request = request.with_ticket(wait.ticket.unwrap());
    assert!(matches!(google.probe(&cx, &request).await.unwrap(), Probe::Pending(_)));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(matches!(google.probe(&cx, &request).await.unwrap(), Probe::Holds(_)));
}

#[tokio::test(start_paused = true)]
async fn nested_memberships_of_another_domain_are_found_by_walking() {
    let fake = GoogleFake::new()
        .with_user(SARAH)
        .with_group("inner@example.com", &[SARAH])
        .with_group("outer@company.com", &["inner@example.com"])
        .with_group("empty@company.com", &[])
        .start();
    let google = with_token(&fake);
    let outer = membership(&fake, "outer@company.com", "MEMBER");
    let granted = google.apply(&cx(), &on(&fake, Change::Grant(outer.clone()))).await.unwrap();
    assert!(matches!(&granted, Outcome::Unchanged(_)), "{granted:?}");
    assert_eq!(fake.role(SARAH, "outer@company.com"), None, "a second, direct membership was made");
    let Outcome::Unchanged(receipt) = google.apply(&cx(), &on(&fake, Change::Revoke(outer.clone()))).await.unwrap() else { panic!() };
    assert_eq!(receipt.still_effective.len(), 1);
    fake.admin_adds_to_group(SARAH, "outer@company.com", MemberRole::Member).unwrap();
    let Outcome::Applied(receipt) = google.apply(&cx(), &on(&fake, Change::Revoke(outer))).await.unwrap() else { panic!() };
    assert_eq!(receipt.still_effective.len(), 1);
    let empty = on(&fake, Change::Revoke(membership(&fake, "empty@company.com", "MEMBER")));
    assert!(matches!(google.apply(&cx(), &empty).await.unwrap(), Outcome::Unchanged(receipt) if receipt.still_effective.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn what_google_does_not_document_is_understood_either_way() {
    let odd = |settings: &mut provisionr_testkit::google::GoogleSettings| {
        settings.duplicate_reason = "alreadyExists".to_owned();
        settings.nothing_to_show = NothingToShow::EmptyObject;
    };
    let fake = GoogleFake::new().with_user(SARAH).with_user("s.chen@example.com").with_group("team@example.com", &[]).with_settings(odd).start();
    let google = with_token(&fake);
    // The address of another is passed over, however Google words it.
    let mut spec = AccountSpec::new("s.chen@example.com").with("givenName", "Sam").with("familyName", "Chen");
    spec.logins.push("sam.chen@example.com".to_owned());
    let request = Request::new("s-2", AccountQuery::by("email", "sam.chen@example.com"), Change::EnsureAccount(spec), "k-2");
    assert!(matches!(google.apply(&cx(), &request).await.unwrap(), Outcome::Applied(_)));
    google.apply(&cx(), &on(&fake, Change::EndSessions)).await.unwrap();
    let team = membership(&fake, "team@example.com", "MEMBER");
    google.apply(&cx(), &on(&fake, Change::Grant(team.clone()))).await.unwrap();
    assert!(matches!(google.apply(&cx(), &on(&fake, Change::Revoke(team))).await.unwrap(), Outcome::Applied(_)));
    assert!(matches!(google.apply(&cx(), &on(&fake, Change::SetState(AccountState::Deleted))).await.unwrap(), Outcome::Applied(_)));
}

#[tokio::test(start_paused = true)]
async fn who_is_renamed_is_still_found() {
    let fake = GoogleFake::new().with_user(SARAH).start();
    fake.admin_sets(SARAH, &json!({ "primaryEmail": "s.chen@example.com" })).unwrap();
    let google = with_token(&fake);
    for who in [AccountQuery::known(fake.user_id(SARAH).unwrap()), AccountQuery::by("email", SARAH)] {
        let found = google.find_account(&cx(), &who).await.unwrap().one().unwrap();
        assert_eq!(found.login.as_deref(), Some("s.chen@example.com"));
    }
}

#[tokio::test(start_paused = true)]
async fn too_many_queries_are_told_apart_from_a_right_that_is_lacking() {
    let fake = GoogleFake::new().with_user(SARAH).with_limit(Limit::new(1, Duration::from_secs(60)).on("GET", "/admin/directory/v1/users/**")).start();
    let google = with_token(&fake);
    let find = async || google.find_account(&cx(), &AccountQuery::by("email", SARAH)).await;
    find().await.unwrap();
    let error = find().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (&ErrorKind::RateLimited("directory".into()), Some("userRateLimitExceeded")));
    tokio::time::advance(Duration::from_secs(60)).await;
    find().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn too_many_at_once_is_a_limit_too_in_both_of_its_forms() {
    for (form, code) in [(TooManyAtOnce::QuotaExceeded, "quotaExceeded"), (TooManyAtOnce::RateLimitExceeded, "rateLimitExceeded")] {
        let fake = GoogleFake::new().with_user(SARAH).with_settings(|settings| (settings.concurrency, settings.too_many_at_once) = (Some(2), form)).start();
        fake.fault(Fault::late_answer(Duration::from_secs(5)).always());
        let google = with_token(&fake);
        let find = async || google.find_account(&cx(), &AccountQuery::by("email", SARAH)).await;
        let (first, second, third) = tokio::join!(find(), find(), find());
        assert!(first.is_ok() && second.is_ok());
        let error = third.unwrap_err();
        assert_eq!((error.kind(), error.code()), (&ErrorKind::RateLimited("directory".into()), Some(code)));
    }
}

#[tokio::test]
async fn a_systems_file_makes_the_adapter_and_shows_no_secret() {
    let fake = GoogleFake::new().with_user(SARAH).start();
    let server = FakeServer::start(&fake);
    let http: Arc<dyn Transport> = Arc::new(ReqwestTransport::without_tls().unwrap());
    let token = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("google-token");
    std::fs::write(&token, GoogleFake::TOKEN).unwrap();
    let read = |more: serde_json::Value| {
        let mut settings = json!({ "url": server.url() });
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value::<Settings>(settings)
    };
    let settings = read(json!({ "credentials": { "access_token": { "file": token } } })).unwrap();
    assert!(!format!("{settings:?}").contains(GoogleFake::TOKEN));
    let google = settings.connect("google".into(), &http).unwrap();
    assert!(google.find_account(&cx(), &AccountQuery::by("email", SARAH)).await.unwrap().one().is_some());
    // Without an administrator names are whole, and no account is known as the credential's own.
    assert!(google.check(&cx()).await.unwrap().own_accounts.is_empty());
    assert!(
        read(json!({ "credentials": { "access_token": "ya29.hush" } })).is_err() && read(json!({ "credentials": { "token": { "file": token } } })).is_err()
    );
    let broken = read(json!({ "admin": GoogleFake::ADMIN, "credentials": { "key_file": { "file": token } } })).unwrap();
    assert_eq!(broken.connect("google".into(), &http).unwrap_err().kind(), &ErrorKind::InvalidConfig);
}

#[tokio::test]
async fn over_real_http_it_is_the_same() {
    let fake = GoogleFake::new().with_group("team@example.com", &[]).with_org_unit("/sales").start();
    let server = FakeServer::start(&fake);
    let http = ReqwestTransport::without_tls().unwrap();
    let config = GoogleConfig::new(GoogleFake::ADMIN).service_account(GoogleFake::SERVICE_ACCOUNT, Key);
    let google = config.at(server.url(), format!("{}/token", server.url())).connect("google", &http).unwrap();
    google.apply(&cx(), &ensure()).await.unwrap();
    google.apply(&cx(), &on(&fake, Change::Grant(membership(&fake, "team@example.com", "MANAGER")))).await.unwrap();
    google.apply(&cx(), &on(&fake, Change::Grant(Entitlement::new("move_to_org_unit", "/sales")))).await.unwrap();
    fake.log_in(SARAH).unwrap();
    google.apply(&cx(), &on(&fake, Change::EndSessions)).await.unwrap();
    let user = fake.user(SARAH).unwrap();
    assert_eq!((fake.role(SARAH, "team@example.com"), user.org_unit_path.as_str(), user.sessions), (Some(MemberRole::Manager), "/sales", 0));
    google.apply(&cx(), &on(&fake, Change::Revoke(membership(&fake, "team@example.com", "MANAGER")))).await.unwrap();
    google.apply(&cx(), &on(&fake, Change::SetState(AccountState::Deleted))).await.unwrap();
    assert_eq!(fake.user(SARAH), None);
    fake.verify();
}

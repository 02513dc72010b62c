//! The adapter over a whole org that answers: what people, licences, limits and time do to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use provisionr_http::{ReqwestTransport, Signer, SystemSettings, Transport};
use provisionr_salesforce::{Regional, Salesforce, SalesforceConfig, Settings};
use provisionr_sdk::{
    Ability, Account, AccountQuery, AccountSpec, AccountState, Adapter, AdapterError, Attribute, CallContext, Change, Effect, Entitlement, ErrorKind, Found,
    ListScope, Outcome, Page, PageRequest, Probe, ProfileDelta, Request, Resolution, Result, RetryHint, Scope, Secret, TargetName,
};
use provisionr_testkit::salesforce::SalesforceFake;
use provisionr_testkit::{Act, FakeServer, FakeSystem, Fault};
use serde_json::{Value, json};

const SARAH: &str = "sarah@company.com";
const FALLBACK: &str = "Minimum Access - Salesforce";
const COMPOSITE: &str = "/services/data/{version}/composite";

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

fn config() -> SalesforceConfig {
    SalesforceConfig::new("https://company.my.salesforce.test")
}

fn adapter(fake: &FakeSystem<SalesforceFake>) -> Salesforce {
    let config = config().client_credentials(SalesforceFake::CONSUMER_KEY, Secret::new(SalesforceFake::SECRET), SalesforceFake::ADMIN);
    config.fallback_profile(FALLBACK).connect("salesforce", &fake.transport()).unwrap()
}

fn on(fake: &FakeSystem<SalesforceFake>, user: &str, change: Change) -> Request {
    let id = fake.id("User", user).unwrap();
    Request::new("s-1", AccountQuery::by("username", user), change, format!("k-{user}")).with_account(Account::new(id, AccountState::Active))
}

fn spec(fake: &FakeSystem<SalesforceFake>, logins: &[&str]) -> AccountSpec {
    let mut spec = AccountSpec::new("").with("LastName", "Chen").with("FirstName", "Sarah");
    spec.logins = logins.iter().map(|login| (*login).to_owned()).collect();
    spec.entitlements.push(Entitlement::new("assign_profile", fake.id("Profile", "Standard User").unwrap()));
    spec
}

fn ensure(spec: AccountSpec) -> Request {
    Request::new("s-1", AccountQuery::by("email", SARAH), Change::EnsureAccount(spec), "k-1")
}

fn set(fake: &FakeSystem<SalesforceFake>, label: &str) -> Entitlement {
    Entitlement::new("assign_permission_set", fake.id("PermissionSet", label).unwrap())
}

fn act(fake: &FakeSystem<SalesforceFake>, act: &str, args: Value) {
    fake.act(Act::new(act, args)).unwrap();
}

/// Calls that count on the quota.
fn calls(fake: &FakeSystem<SalesforceFake>) -> usize {
    fake.requests("*", "/services/data/**").len()
}

#[tokio::test(start_paused = true)]
async fn a_joiner_is_one_look_and_one_write_with_what_every_user_needs() {
    let fake = SalesforceFake::new().start();
    let config = config().access_token(Secret::new(SalesforceFake::TOKEN));
    let regional = Regional { time_zone: "Europe/Berlin".to_owned(), locale: "de_DE".to_owned(), language: "de".to_owned() };
    let salesforce = config.regional(regional).connect("salesforce", &fake.transport()).unwrap();
    assert!(matches!(salesforce.apply(&cx(), &ensure(spec(&fake, &[SARAH]))).await.unwrap(), Outcome::Applied(_)));
    assert_eq!((calls(&fake), fake.effects("user.created"), fake.effects("user.mail")), (2, 1, 0));
    for (field, value) in
        [("Alias", "sarah"), ("Email", SARAH), ("TimeZoneSidKey", "Europe/Berlin"), ("LanguageLocaleKey", "de"), ("EmailEncodingKey", "UTF-8")]
    {
        assert_eq!(fake.user_field(SARAH, field), value);
    }
    assert_eq!(fake.profile_of(SARAH).unwrap(), "Standard User");
}

#[tokio::test(start_paused = true)]
async fn a_user_name_that_is_taken_in_any_org_is_passed_over_unless_it_is_the_persons_own() {
    let fake = SalesforceFake::new().with_user("s.chen@company.com").start();
    act(&fake, "take_username", json!({ "username": "sarah.chen@company.com" }));
    let wanted = spec(&fake, &["S.Chen@company.com", "sarah.chen@company.com", "sarah.chen1@company.com"]);
    let Outcome::Applied(receipt) = adapter(&fake).apply(&cx(), &ensure(wanted.clone())).await.unwrap() else { panic!() };
    assert_eq!(receipt.account.unwrap().login.as_deref(), Some("sarah.chen1@company.com"));
    // Somebody else has made it meanwhile, under a name that the search did not go by.
    let mut own = ensure(spec(&fake, &["sarah.chen1@company.com"]));
    own.who = AccountQuery::by("federation_id", "emp-7").or("email", "nobody@company.com");
    act(&fake, "set_fields", json!({ "user": "sarah.chen1@company.com", "fields": { "FederationIdentifier": "EMP-8" } }));
    let error = adapter(&fake).apply(&cx(), &own).await.unwrap_err();
    assert_eq!((error.kind(), error.hint(), error.effect()), (&ErrorKind::Conflict, RetryHint::Never, Effect::None));
}

#[tokio::test(start_paused = true)]
async fn an_account_that_another_system_has_made_is_taken() {
    let fake = SalesforceFake::new().start();
    act(&fake, "provision_user", json!({ "login": "jit.sarah@company.com", "fields": { "FederationIdentifier": "emp-7" } }));
    let mut request = ensure(spec(&fake, &[SARAH]));
    request.who = AccountQuery::by("federation_id", "emp-7");
    assert!(matches!(adapter(&fake).apply(&cx(), &request).await.unwrap(), Outcome::Unchanged(receipt) if receipt.account.is_some()));
    assert_eq!(fake.effects("user.created"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_user_is_not_made_without_its_profile_or_with_a_mail() {
    let fake = SalesforceFake::new().with_permission_set("CPQ").start();
    let mut without = spec(&fake, &[SARAH]);
    without.entitlements.clear();
    let mut with_more = spec(&fake, &[SARAH]);
    with_more.entitlements.push(set(&fake, "CPQ"));
    for wanted in [without, with_more] {
        assert_eq!(adapter(&fake).apply(&cx(), &ensure(wanted)).await.unwrap_err().kind(), &ErrorKind::InvalidRequest);
    }
    let mailed = AccountSpec { access: provisionr_sdk::AccountAccess::VendorMail, ..spec(&fake, &[SARAH]) };
    assert_eq!(adapter(&fake).apply(&cx(), &ensure(mailed)).await.unwrap_err().kind(), &ErrorKind::Unsupported);
    assert_eq!(calls(&fake), 0);
}

#[tokio::test(start_paused = true)]
async fn freezing_keeps_the_seat_and_deactivating_frees_it() {
    let fake = SalesforceFake::new().with_user(SARAH).start();
    let salesforce = adapter(&fake);
    let go = async |state| salesforce.apply(&cx(), &on(&fake, SARAH, Change::SetState(state))).await;
    let seats = || fake.with(|fake| fake.seats_taken("Salesforce"));
    go(AccountState::Frozen).await.unwrap();
    let found = salesforce.find_account(&cx(), &AccountQuery::by("username", SARAH)).await.unwrap().one().unwrap();
    assert_eq!((found.state, seats()), (AccountState::Frozen, 2));
    go(AccountState::Deactivated).await.unwrap();
    assert_eq!(seats(), 1);
    // Who was frozen before is let in again, not only switched on.
    go(AccountState::Active).await.unwrap();
    let found = salesforce.find_account(&cx(), &AccountQuery::by("username", SARAH)).await.unwrap().one().unwrap();
    assert_eq!((found.state, seats(), fake.effects("user.unfrozen")), (AccountState::Active, 2, 1));
    go(AccountState::Deactivated).await.unwrap();
    act(&fake, "set_seats", json!({ "license": "Salesforce", "total": 1 }));
    let error = go(AccountState::Active).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::NoSeat("Salesforce".to_owned()), Effect::None));
    let error = go(AccountState::Frozen).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::Conflict, RetryHint::Replan));
}

#[tokio::test(start_paused = true)]
async fn all_sessions_of_a_person_end_and_nobody_elses() {
    let fake = SalesforceFake::new().with_user(SARAH).with_user("other@company.com").start();
    for user in (0..205).map(|_| SARAH).chain(["other@company.com"]) {
        act(&fake, "log_in", json!({ "user": user }));
    }
    let salesforce = adapter(&fake);
    let request = on(&fake, SARAH, Change::EndSessions);
    let look = request.clone().unsettled();
    assert_eq!(salesforce.probe(&cx(), &look).await.unwrap(), Probe::Absent);
    assert!(matches!(salesforce.apply(&cx(), &request).await.unwrap(), Outcome::Applied(_)));
    assert_eq!(fake.with(|fake| (fake.sessions(SARAH), fake.sessions("other@company.com"))), (0, 1));
    // What came of a lost answer can be seen.
    assert!(matches!(salesforce.probe(&cx(), &look).await.unwrap(), Probe::Holds(_)));
    assert!(matches!(salesforce.apply(&cx(), &request).await.unwrap(), Outcome::Unchanged(_)));
    assert_eq!(fake.effects("session.ended"), 205);
}

#[tokio::test(start_paused = true)]
async fn a_reactivation_cut_off_before_the_thaw_is_in_doubt_and_finished_by_the_repeat() {
    let fake = SalesforceFake::new().with_user(SARAH).start();
    for state in ["frozen", "inactive"] {
        act(&fake, "set_state", json!({ "user": SARAH, "state": state }));
    }
    let salesforce = adapter(&fake);
    let request = on(&fake, SARAH, Change::SetState(AccountState::Active));
    fake.fault(Fault::status(400).on("PATCH", "/services/data/v62.0/sobjects/UserLogin/*"));
    assert_eq!(salesforce.apply(&cx(), &request).await.unwrap_err().effect(), Effect::Unknown);
    assert_eq!(salesforce.probe(&cx(), &request).await.unwrap(), Probe::Absent);
    assert!(matches!(salesforce.apply(&cx(), &request.unsettled()).await.unwrap(), Outcome::Applied(_)));
    assert!(!fake.with(|fake| fake.is_frozen(SARAH)));
}

#[tokio::test(start_paused = true)]
async fn the_last_administrator_stays() {
    let fake = SalesforceFake::new().start();
    let error = adapter(&fake).apply(&cx(), &on(&fake, SalesforceFake::ADMIN, Change::SetState(AccountState::Deactivated))).await.unwrap_err();
    assert_eq!((error.kind(), error.code(), error.hint()), (&ErrorKind::Refused, Some("CANNOT_DISABLE_LAST_ADMIN"), RetryHint::Never));
}

#[tokio::test(start_paused = true)]
async fn licences_are_counted_and_told() {
    let fake = SalesforceFake::new().with_user(SARAH).with_user("other@company.com").seeded(&json!({
        "permission_set_licenses": [{ "name": "Sales Cloud User", "total": 1 }],
        "licenses": [{ "name": "Salesforce Platform", "total": 5 }],
        "permission_sets": [{ "label": "Sales", "license": "Sales Cloud User" }, { "label": "Platform", "license": "Salesforce Platform" }],
    }));
    let fake = fake.start();
    let salesforce = adapter(&fake);
    let give = async |user: &str, label: &str| salesforce.apply(&cx(), &on(&fake, user, Change::Grant(set(&fake, label)))).await;
    give(SARAH, "Sales").await.unwrap();
    let error = give("other@company.com", "Sales").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NoSeat(_)) && error.effect() == Effect::None, "{error}");
    let error = give(SARAH, "Platform").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (&ErrorKind::Refused, Some("FIELD_INTEGRITY_EXCEPTION")));
    act(&fake, "set_seats", json!({ "license": "Salesforce", "total": 3 }));
    let mut request = ensure(spec(&fake, &["new@company.com"]));
    request.who = AccountQuery::by("email", "new@company.com");
    let error = salesforce.apply(&cx(), &request).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (&ErrorKind::NoSeat("Salesforce".to_owned()), Some("LICENSE_LIMIT_EXCEEDED")));
    let check = salesforce.check(&cx()).await.unwrap();
    let seats: Vec<_> = check.seats.iter().map(|seats| (seats.pool.as_str(), seats.total, seats.taken)).collect();
    assert_eq!(seats, [("Salesforce", Some(3), 3), ("Salesforce Platform", Some(5), 0), ("Sales Cloud User", Some(1), 1)]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_assignment_is_set_changed_and_cleared_in_its_row() {
    for (updates, rows_made) in [(true, 1), (false, 3)] {
        let fake = SalesforceFake::new().with_user(SARAH).with_permission_set_group("Sales").with_settings(|settings| settings.expiration_updates = updates);
        let fake = fake.start();
        let salesforce = adapter(&fake);
        let wanted = Entitlement::new("assign_permission_set_group", fake.id("PermissionSetGroup", "Sales").unwrap());
        let ends = |day: &str| wanted.clone().with_param("until", day);
        for wanted in [ends("2031-01-31"), ends("2032-02-29"), wanted.clone()] {
            let request = on(&fake, SARAH, Change::Grant(wanted.clone()));
            assert!(matches!(salesforce.apply(&cx(), &request).await.unwrap(), Outcome::Applied(_)), "{wanted}");
            assert!(matches!(salesforce.apply(&cx(), &request).await.unwrap(), Outcome::Unchanged(_)), "{wanted}");
            let seen = salesforce.observe(&cx(), request.account().unwrap(), &Scope::Only(vec![wanted.clone()])).await.unwrap();
            assert_eq!(seen.grants.iter().map(|grant| &grant.entitlement).collect::<Vec<_>>(), [&wanted]);
        }
        assert_eq!((fake.effects("assignment.created"), fake.permission_set_groups_of(SARAH)), (rows_made, vec!["Sales".to_owned()]));
    }
}

#[tokio::test(start_paused = true)]
async fn an_assignment_that_has_expired_is_none_and_is_replaced() {
    let fake = SalesforceFake::new().with_user(SARAH).with_permission_set("CPQ").start();
    act(&fake, "assign", json!({ "user": SARAH, "permission_set": "CPQ", "expires": "2001-01-01T00:00:00.000+0000" }));
    let salesforce = adapter(&fake);
    let (give, take) = (on(&fake, SARAH, Change::Grant(set(&fake, "CPQ"))), on(&fake, SARAH, Change::Revoke(set(&fake, "CPQ"))));
    assert!(matches!(salesforce.probe(&cx(), &take).await.unwrap(), Probe::Holds(_)));
    assert!(matches!(salesforce.apply(&cx(), &take).await.unwrap(), Outcome::Unchanged(_)));
    assert!(matches!(salesforce.apply(&cx(), &give).await.unwrap(), Outcome::Applied(_)));
    assert!(matches!(salesforce.probe(&cx(), &give).await.unwrap(), Probe::Holds(_)));
}

#[tokio::test(start_paused = true)]
async fn the_inside_of_profiles_and_groups_is_no_permission_set_of_its_own() {
    let fake = SalesforceFake::new().with_permission_set("CPQ").with_permission_set_group("Sales").with_user(SARAH).start();
    act(&fake, "assign", json!({ "user": SARAH, "permission_set_group": "Sales" }));
    let salesforce = adapter(&fake);
    let account = Account::new(fake.id("User", SARAH).unwrap(), AccountState::Active);
    let seen = salesforce.observe(&cx(), &account, &Scope::All).await.unwrap();
    let kinds: Vec<_> = seen.grants.iter().map(|grant| grant.entitlement.kind.as_str()).collect();
    assert_eq!(kinds, ["assign_profile", "assign_permission_set_group"]);
    let kind = "assign_permission_set".into();
    let listed = salesforce.list_targets(&cx(), &kind, &PageRequest::first()).await.unwrap();
    assert_eq!(listed.items.iter().map(|target| target.name.as_str()).collect::<Vec<_>>(), ["CPQ"]);
    assert!(salesforce.list_grants(&cx(), &ListScope::Kind(kind), &PageRequest::first()).await.unwrap().items.is_empty());
    // Nor are queues public groups, and roles of portals roles to give.
    fake.seed(&json!({ "groups": [{ "name": "Cases", "type": "Queue" }], "roles": [{ "name": "Acme Customer User", "type": "CustomerPortal" }] })).unwrap();
    for kind in ["add_to_public_group", "assign_role"] {
        assert!(salesforce.list_targets(&cx(), &kind.into(), &PageRequest::first()).await.unwrap().items.is_empty(), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn targets_go_by_label_and_by_api_name_and_no_name_is_a_query() {
    let fake =
        SalesforceFake::new().seeded(&json!({ "permission_sets": [{ "label": "CPQ User", "name": "SBQQ_CPQ" }, { "label": "O'Neil \\ Team" }] })).start();
    let names: Vec<TargetName> = ["CPQ User", "SBQQ_CPQ", "O'Neil \\ Team", "CPQ Usr", "x' OR Label != '"].map(TargetName::from).into();
    let resolved = adapter(&fake).resolve(&cx(), &"assign_permission_set".into(), &names).await.unwrap();
    let ids: Vec<_> = resolved
        .iter()
        .map(|one| match &one.resolution {
            Resolution::One(target) => target.name.as_str(),
            Resolution::None(near) => near.first().map_or("", |name| name.as_str()),
            _ => panic!("{one:?}"),
        })
        .collect();
    assert_eq!(ids, ["CPQ User", "SBQQ_CPQ", "O'Neil \\ Team", "CPQ User", ""]);
    // A label that is the API name of another names neither.
    let two = json!({ "permission_sets": [{ "label": "Sales", "name": "Sales_A" }, { "label": "Sales Two", "name": "Sales" }] });
    let fake = SalesforceFake::new().seeded(&two).start();
    let resolved = adapter(&fake).resolve(&cx(), &"assign_permission_set".into(), &["Sales".into(), "Sales Two".into()]).await.unwrap();
    assert!(matches!(&resolved[0].resolution, Resolution::Several(two) if two.len() == 2));
    assert!(matches!(&resolved[1].resolution, Resolution::One(_)));
}

#[tokio::test(start_paused = true)]
async fn a_federation_id_that_is_anothers_is_not_asked_for_again() {
    let other = json!({ "users": [{ "username": "other@company.com", "fields": { "FederationIdentifier": "emp-7" } }] });
    let fake = SalesforceFake::new().with_user(SARAH).seeded(&other).start();
    let delta = [("FederationIdentifier".to_owned(), Some("emp-7".into()))].into();
    let update = on(&fake, SARAH, Change::UpdateAccount(ProfileDelta(delta)));
    let mut create = ensure(spec(&fake, &["new@company.com"]).with("FederationIdentifier", "emp-7"));
    create.who = AccountQuery::by("email", "new@company.com");
    for request in [update, create] {
        let error = adapter(&fake).apply(&cx(), &request).await.unwrap_err();
        assert_eq!((error.kind(), error.code(), error.hint()), (&ErrorKind::Conflict, Some("DUPLICATE_VALUE"), RetryHint::Never));
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_frozen_before_being_switched_off_costs_no_sweep_anything() {
    let fake = SalesforceFake::without_users().with_settings(|settings| settings.page_size = 200).start();
    let users = |state: &str| -> Vec<Value> { (0..300).map(|number| json!({ "username": format!("{state}{number}@company.com"), "state": state })).collect() };
    fake.seed(&json!({ "users": users("frozen") })).unwrap();
    for number in 0..300 {
        act(&fake, "set_state", json!({ "user": format!("frozen{number}@company.com"), "state": "inactive" }));
    }
    fake.seed(&json!({ "users": users("active") })).unwrap();
    let salesforce = config().access_token(Secret::new(SalesforceFake::TOKEN)).connect("salesforce", &fake.transport()).unwrap();
    let cx = cx();
    assert_eq!(sweep(async |page| salesforce.list_accounts(&cx, &page).await).await.unwrap(), 600);
    // Three pages, in two of which somebody is active.
    assert_eq!(calls(&fake), 5);
}

#[tokio::test(start_paused = true)]
async fn a_hostile_value_finds_nobody_else_and_a_blank_one_is_not_asked_for() {
    let fake = SalesforceFake::new().with_user(SARAH).start();
    let salesforce = adapter(&fake);
    for hostile in ["' OR Username != '", "\\' OR IsActive = true OR Username = '", "@{query0.records[0].Username}", "a\n' OR Email != null"] {
        for key in ["username", "email", "federation_id"] {
            assert_eq!(salesforce.find_account(&cx(), &AccountQuery::by(key, hostile)).await.unwrap(), Found::None, "{hostile}");
        }
    }
    // In SOQL an empty text is "none", which all have who were given no federation id.
    let before = calls(&fake);
    for blank in ["", " "] {
        assert_eq!(salesforce.find_account(&cx(), &AccountQuery::by("federation_id", blank)).await.unwrap_err().kind(), &ErrorKind::InvalidRequest);
    }
    assert_eq!(calls(&fake), before);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_profile_falls_back_to_the_configured_one() {
    let fake = SalesforceFake::new().with_user(SARAH).start();
    let profile = |name: &str| Entitlement::new("assign_profile", fake.id("Profile", name).unwrap());
    let request = on(&fake, SARAH, Change::Revoke(profile("Standard User")));
    assert!(matches!(adapter(&fake).apply(&cx(), &request).await.unwrap(), Outcome::Applied(_)));
    assert_eq!(fake.profile_of(SARAH).unwrap(), FALLBACK);
    assert!(matches!(adapter(&fake).apply(&cx(), &request).await.unwrap(), Outcome::Unchanged(_)));
    let last = on(&fake, SARAH, Change::Revoke(profile(FALLBACK)));
    assert_eq!(adapter(&fake).apply(&cx(), &last).await.unwrap_err().kind(), &ErrorKind::Refused);
    let token = || config().access_token(Secret::new(SalesforceFake::TOKEN));
    let without = token().connect("salesforce", &fake.transport()).unwrap();
    assert_eq!(without.apply(&cx(), &last).await.unwrap_err().kind(), &ErrorKind::Refused);
    let gone = on(&fake, SARAH, Change::Revoke(profile("Standard User")));
    assert!(matches!(without.apply(&cx(), &gone).await.unwrap(), Outcome::Unchanged(_)));
    let wrong = token().fallback_profile("No Such Profile").connect("salesforce", &fake.transport()).unwrap();
    assert_eq!(wrong.apply(&cx(), &last).await.unwrap_err().kind(), &ErrorKind::InvalidConfig);
    assert_eq!(fake.profile_of(SARAH).unwrap(), FALLBACK);
}

#[tokio::test(start_paused = true)]
async fn a_new_address_waits_for_the_person_and_is_asked_for_once() {
    let fake = SalesforceFake::new().with_user(SARAH).start();
    let salesforce = adapter(&fake);
    let request = on(&fake, SARAH, Change::UpdateAccount(ProfileDelta([("Email".to_owned(), Some("new@company.com".into()))].into())));
    let Outcome::Waiting(wait, _) = salesforce.apply(&cx(), &request).await.unwrap() else { panic!() };
    assert_eq!(wait.patience, Some(Duration::from_secs(72 * 3600)));
    assert!(matches!(salesforce.probe(&cx(), &request.clone().unsettled()).await.unwrap(), Probe::Pending(_)));
    assert_eq!(fake.effects("user.mail"), 1);
    act(&fake, "confirm_email", json!({ "user": SARAH }));
    assert!(matches!(salesforce.probe(&cx(), &request).await.unwrap(), Probe::Holds(_)));
    let fake = SalesforceFake::new().with_user(SARAH).with_settings(|settings| settings.email_confirmation = false).start();
    let request = on(&fake, SARAH, request.change);
    assert!(matches!(adapter(&fake).apply(&cx(), &request).await.unwrap(), Outcome::Applied(_)));
}

#[tokio::test(start_paused = true)]
async fn a_new_address_beside_other_news_is_asked_for_once_too() {
    let fake = SalesforceFake::new().with_user(SARAH).start();
    let salesforce = adapter(&fake);
    let delta = [("Email", "new@company.com"), ("Title", "Architect")].map(|(name, value)| (name.to_owned(), Some(value.into())));
    let request = on(&fake, SARAH, Change::UpdateAccount(ProfileDelta(delta.into())));
    // A request that never arrived has told nobody anything.
    fake.fault(Fault::reset_before().on("PATCH", "/services/data/**"));
    salesforce.apply(&cx(), &request).await.unwrap_err();
    assert_eq!(salesforce.probe(&cx(), &request.clone().unsettled()).await.unwrap(), Probe::Absent);
    // One whose answer was lost has: what came with the address is there.
    fake.fault(Fault::reset_after().on("PATCH", "/services/data/**"));
    salesforce.apply(&cx(), &request).await.unwrap_err();
    let Probe::Pending(wait) = salesforce.probe(&cx(), &request.clone().unsettled()).await.unwrap() else { panic!() };
    assert_eq!((fake.effects("user.mail"), fake.user_field(SARAH, "Title")), (1, json!("Architect")));
    // While the person is waited for, somebody else's change is no reason to ask again.
    act(&fake, "set_fields", json!({ "user": SARAH, "fields": { "Title": "Director" } }));
    let look = request.clone().unsettled().with_ticket(wait.ticket.unwrap());
    assert!(matches!(salesforce.probe(&cx(), &look).await.unwrap(), Probe::Pending(_)));
    act(&fake, "confirm_email", json!({ "user": SARAH }));
    assert_eq!(salesforce.probe(&cx(), &look).await.unwrap(), Probe::Absent);
    assert!(matches!(salesforce.apply(&cx(), &request).await.unwrap(), Outcome::Applied(_)));
    assert_eq!((fake.effects("user.mail"), fake.user_field(SARAH, "Title")), (1, json!("Architect")));
}

#[tokio::test(start_paused = true)]
async fn the_quota_of_a_day_and_too_much_at_once_are_two_errors() {
    let fake = SalesforceFake::new().with_user(SARAH).with_settings(|settings| settings.daily_calls = 2).start();
    let salesforce = adapter(&fake);
    let find = async || salesforce.find_account(&cx(), &AccountQuery::known(fake.id("User", SARAH).unwrap())).await;
    for _ in 0..2 {
        find().await.unwrap();
    }
    let before = calls(&fake);
    let error = find().await.unwrap_err();
    assert_eq!((error.kind(), error.hint(), error.effect()), (&ErrorKind::QuotaExhausted, RetryHint::After(Duration::from_secs(300)), Effect::None));
    assert_eq!(calls(&fake), before + 1);
    tokio::time::advance(Duration::from_secs(24 * 3600)).await;
    act(&fake, "long_calls", json!({ "running": 25 }));
    let error = find().await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::RateLimited("api".into()), RetryHint::Backoff));
    assert_eq!(calls(&fake), before + 2);
    act(&fake, "long_calls", json!({ "running": 24 }));
    find().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn apps_get_one_session_and_another_when_it_has_expired() {
    let fake = SalesforceFake::new().with_user(SARAH).start();
    let jwt = config().jwt_bearer(SalesforceFake::CONSUMER_KEY, SalesforceFake::ADMIN, Key).login_host("https://test.salesforce.com/");
    for salesforce in [adapter(&fake), jwt.connect("salesforce", &fake.transport()).unwrap()] {
        fake.clear_log();
        let update = |title: &str| on(&fake, SARAH, Change::UpdateAccount(ProfileDelta([("Title".to_owned(), Some(title.into()))].into())));
        salesforce.apply(&cx(), &update("Engineer")).await.unwrap();
        salesforce.apply(&cx(), &update("Architect")).await.unwrap();
        assert_eq!(fake.requests("POST", "/services/oauth2/token").len(), 1);
        act(&fake, "expire_sessions", json!({}));
        salesforce.apply(&cx(), &update("Director")).await.unwrap();
        assert_eq!(fake.requests("POST", "/services/oauth2/token").len(), 2);
        assert_eq!(fake.user_field(SARAH, "Title"), "Director");
        act(&fake, "set_fields", json!({ "user": SARAH, "fields": { "Title": null } }));
    }
    let stranger = config().jwt_bearer(SalesforceFake::CONSUMER_KEY, SARAH, Key).connect("salesforce", &fake.transport()).unwrap();
    let error = stranger.check(&cx()).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::Unauthenticated && error.to_string().contains("hasn't approved"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn check_is_one_call_and_tells_whose_the_credential_is() {
    let fake = SalesforceFake::new().start();
    let admin = vec![fake.id("User", SalesforceFake::ADMIN).unwrap().into()];
    let check = adapter(&fake).check(&cx()).await.unwrap();
    assert_eq!((check.own_accounts, check.lacking.len(), calls(&fake)), (admin.clone(), 0, 1));
    // Of a token alone nobody has said whose it is.
    let token = || config().access_token(Secret::new(SalesforceFake::TOKEN));
    let of_token = token().attribute(Attribute::new("Region__c")).attribute(Attribute::new("Title")).connect("salesforce", &fake.transport()).unwrap();
    assert_eq!(of_token.check(&cx()).await.unwrap().own_accounts, admin);
    let silent = SalesforceFake::new().with_settings(|settings| settings.userinfo = false).start();
    let error = token().connect("salesforce", &silent.transport()).unwrap().check(&cx()).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::InvalidConfig && error.to_string().contains("`username`"), "{error}");
    let settings: Settings = serde_json::from_value(json!({
        "url": "https://company.my.salesforce.test", "username": SalesforceFake::ADMIN, "credentials": { "token": { "env": "PATH" } },
    }))
    .unwrap();
    let http: Arc<dyn Transport> = Arc::new(silent.transport());
    assert!(format!("{:?}", settings.connect("salesforce".into(), &http).unwrap()).contains("Salesforce"));
    let named = token().username(SalesforceFake::ADMIN).connect("salesforce", &silent.transport()).unwrap();
    assert_eq!(named.check(&cx()).await.unwrap().own_accounts.len(), 1);
    // A custom field that is not there shows at once, and not at the first change.
    let custom = token().attribute(Attribute::new("Regoin__c"));
    let error = custom.connect("salesforce", &fake.transport()).unwrap().check(&cx()).await.unwrap_err();
    assert!(error.to_string().contains("Regoin__c") && error.code() == Some("INVALID_FIELD"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_check_does_not_say_is_lacking_works() {
    let all = ["ManageUsers", "AssignPermissionSets", "ViewSetup"];
    for rights in (0..8).map(|some: usize| all.iter().enumerate().filter(|(at, _)| some & (1 << at) != 0).map(|(_, right)| *right).collect::<Vec<_>>()) {
        for told in [true, false] {
            let seed = json!({ "tokens": [{ "token": "limited", "username": SalesforceFake::ADMIN, "permissions": rights }], "roles": [{ "name": "Sales" }] });
            let fake = SalesforceFake::new().with_user(SARAH).with_permission_set("CPQ").with_permission_set_group("Sales").with_group("Team").seeded(&seed);
            let fake = fake.with_settings(|settings| settings.permission_access = told).start();
            let config = config().access_token(Secret::new("limited")).fallback_profile(FALLBACK);
            let salesforce = config.connect("salesforce", &fake.transport()).unwrap();
            let check = salesforce.check(&cx()).await.unwrap();
            let may = |ability: Ability| !check.lacking.contains_key(&ability);
            let because = format!("{rights:?}, told: {told}");
            if rights.len() == all.len() {
                assert!(check.lacking.is_empty(), "{because}");
            }
            let account = Account::new(fake.id("User", SARAH).unwrap(), AccountState::Active);
            for (kind, object, name) in [
                ("assign_profile", "Profile", "System Administrator"),
                ("assign_role", "UserRole", "Sales"),
                ("assign_permission_set", "PermissionSet", "CPQ"),
                ("assign_permission_set_group", "PermissionSetGroup", "Sales"),
                ("add_to_public_group", "Group", "Team"),
            ] {
                let wanted = Entitlement::new(kind, fake.id(object, name).unwrap());
                if may(Ability::Observe(kind.into())) {
                    salesforce.observe(&cx(), &account, &Scope::Kinds(vec![kind.into()])).await.expect(&because);
                }
                if may(Ability::ListGrants(kind.into())) {
                    salesforce.list_grants(&cx(), &ListScope::Kind(kind.into()), &PageRequest::first()).await.expect(&because);
                }
                // Where rights cannot be asked for, writing is the only way to know.
                if told && may(Ability::Manage(kind.into())) {
                    salesforce.apply(&cx(), &on(&fake, SARAH, Change::Grant(wanted.clone()))).await.expect(&because);
                    salesforce.apply(&cx(), &on(&fake, SARAH, Change::Revoke(wanted))).await.expect(&because);
                }
            }
            if may(Ability::ListAccounts) {
                salesforce.list_accounts(&cx(), &PageRequest::first()).await.expect(&because);
            }
            if may(Ability::EndSessions) {
                salesforce.apply(&cx(), &on(&fake, SARAH, Change::EndSessions)).await.expect(&because);
            }
            if may(Ability::SetState) {
                salesforce.apply(&cx(), &on(&fake, SARAH, Change::SetState(AccountState::Frozen))).await.expect(&because);
            }
        }
    }
}

fn batch(fake: &FakeSystem<SalesforceFake>, users: &[String], change: impl Fn() -> Change) -> Vec<Request> {
    users.iter().map(|user| on(fake, user, change())).collect()
}

#[tokio::test(start_paused = true)]
async fn two_hundred_people_are_one_look_and_one_write_and_no_row_sinks_another() {
    let users: Vec<String> = (0..200).map(|number| format!("user{number}@company.com")).collect();
    let seeds: Vec<Value> = users.iter().map(|user| json!({ "username": user })).collect();
    let fake = SalesforceFake::new().seeded(&json!({ "users": seeds, "groups": [{ "name": "Sales" }, { "name": "Other" }] }));
    let fake = fake.with_settings(|settings| settings.page_size = 2000).start();
    let salesforce = adapter(&fake);
    let sales = Entitlement::new("add_to_public_group", fake.id("Group", "Sales").unwrap());
    act(&fake, "add_to_group", json!({ "user": users[0], "group": "Sales" }));
    act(&fake, "set_state", json!({ "user": users[1], "state": "inactive" }));
    act(&fake, "set_state", json!({ "user": users[3], "state": "frozen" }));
    let mut requests = batch(&fake, &users, || Change::Grant(sales.clone()));
    requests[2].change = Change::Grant(Entitlement::new("add_to_public_group", "00GDn0000099999IAA"));
    let outcomes = salesforce.apply_batch(&cx(), &requests).await.unwrap();
    let outcome = |at: usize| &outcomes[&requests[at].key];
    assert_eq!((outcomes.len(), calls(&fake), fake.effects("member.added")), (200, 2, 196));
    assert!(matches!(outcome(0), Ok(Outcome::Unchanged(_))));
    assert!(matches!(outcome(1), Err(error) if error.hint() == RetryHint::Replan));
    assert!(matches!(outcome(2), Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) && error.effect() == Effect::None));
    // One alone would be refused them as well.
    assert!(matches!(outcome(3), Err(error) if error.hint() == RetryHint::Replan));
    assert!((4..200).all(|at| matches!(outcome(at), Ok(Outcome::Applied(_)))));
    let requests = batch(&fake, &users, || Change::Revoke(sales.clone()));
    let outcomes = salesforce.apply_batch(&cx(), &requests).await.unwrap();
    let applied = outcomes.values().filter(|outcome| matches!(outcome, Ok(Outcome::Applied(_)))).count();
    assert_eq!((applied, outcomes.len(), calls(&fake), fake.effects("member.removed")), (197, 200, 4, 197));
    let refused = async |requests: &[Request]| salesforce.apply_batch(&cx(), requests).await.unwrap_err().kind().clone();
    let mut mixed = batch(&fake, &users[..2], || Change::Grant(sales.clone()));
    mixed[1].change = Change::Revoke(sales.clone());
    assert_eq!(refused(&mixed).await, ErrorKind::InvalidRequest);
    let profile = Entitlement::new("assign_profile", fake.id("Profile", "Standard User").unwrap());
    assert_eq!(refused(&batch(&fake, &users[..1], || Change::Grant(profile.clone()))).await, ErrorKind::Unsupported);
    assert_eq!(calls(&fake), 4);
    assert!(salesforce.apply_batch(&cx(), &[]).await.unwrap().is_empty());
}

/// Reads a list to its end.
async fn sweep<T>(mut page: impl AsyncFnMut(PageRequest) -> Result<Page<T>>) -> Result<usize, AdapterError> {
    let (mut request, mut count) = (PageRequest::first(), 0);
    loop {
        let read = page(request).await?;
        count += read.items.len();
        match read.next {
            Some(next) => request = PageRequest::first().after(next),
            None => return Ok(count),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_sweep_takes_the_calls_that_the_readme_tells() {
    let users: Vec<Value> = (0..450)
        .map(|number| json!({ "username": format!("user{number}@company.com"), "role": "Sales", "permission_sets": ["CPQ"], "groups": ["Team"] }))
        .collect();
    let org = SalesforceFake::without_users().with_settings(|settings| settings.page_size = 200);
    let fake = org.seeded(&json!({ "roles": [{ "name": "Sales" }], "permission_sets": [{ "label": "CPQ" }], "groups": [{ "name": "Team" }] })).start();
    fake.seed(&json!({ "users": users })).unwrap();
    let salesforce = config().access_token(Secret::new(SalesforceFake::TOKEN)).connect("salesforce", &fake.transport()).unwrap();
    let mut before = 0;
    let mut since = || {
        let all = calls(&fake);
        let made = all - before;
        before = all;
        made
    };
    let cx = cx();
    assert_eq!((sweep(async |page| salesforce.list_accounts(&cx, &page).await).await.unwrap(), since()), (450, 6));
    for kind in ["assign_profile", "assign_role", "assign_permission_set", "add_to_public_group"] {
        let listed = sweep(async |page| salesforce.list_grants(&cx, &ListScope::Kind(kind.into()), &page).await).await.unwrap();
        assert_eq!((kind, listed, since()), (kind, 450, 3));
    }
    let account = Account::new(fake.id("User", "user7@company.com").unwrap(), AccountState::Active);
    assert_eq!((salesforce.observe(&cx, &account, &Scope::All).await.unwrap().grants.len(), since()), (4, 1));
    salesforce.resolve(&cx, &"assign_role".into(), &["Sales".into(), "Other".into()]).await.unwrap();
    assert_eq!(since(), 1);
}

#[tokio::test]
async fn over_real_http_it_is_the_same() {
    let fake = SalesforceFake::new().with_permission_set("CPQ").with_group("Sales").start();
    let server = FakeServer::start(&fake);
    let http = ReqwestTransport::without_tls().unwrap();
    let config =
        SalesforceConfig::new(server.url()).client_credentials(SalesforceFake::CONSUMER_KEY, Secret::new(SalesforceFake::SECRET), SalesforceFake::ADMIN);
    let salesforce = config.connect("salesforce", &http).unwrap();
    salesforce.apply(&cx(), &ensure(spec(&fake, &[SARAH]))).await.unwrap();
    let group = Entitlement::new("add_to_public_group", fake.id("Group", "Sales").unwrap());
    for wanted in [set(&fake, "CPQ").with_param("until", "2031-01-31"), group] {
        salesforce.apply(&cx(), &on(&fake, SARAH, Change::Grant(wanted.clone()))).await.unwrap();
        salesforce.apply(&cx(), &on(&fake, SARAH, Change::Revoke(wanted))).await.unwrap();
    }
    salesforce.apply(&cx(), &on(&fake, SARAH, Change::SetState(AccountState::Deactivated))).await.unwrap();
    assert_eq!((fake.user_field(SARAH, "IsActive"), fake.permission_sets_of(SARAH), fake.groups_of(SARAH)), (json!(false), vec![], vec![]));
    assert!(fake.log().iter().any(|entry| entry.route == Some(COMPOSITE)));
    fake.verify();
}

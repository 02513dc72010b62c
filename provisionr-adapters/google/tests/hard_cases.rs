//! The cases in which Google's answers mislead, each with the answers written out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Response;
use provisionr_google::{ConflictingAccounts, FirstPasswords, Google, GoogleConfig};
use provisionr_http::{MemoryTransport, Sent, TransportError, TransportFailure};
use provisionr_sdk::{
    Account, AccountAccess, AccountQuery, AccountSpec, AccountState, Adapter, Attribute, Before, CallContext, Change, Effect, Entitlement, ErrorKind, Found,
    Missing, Outcome, Probe, ProfileDelta, Request, Resolution, Result, RetryHint, Scope, Secret, Source, WaitReason,
};
use serde_json::{Value, json};

type Step = (&'static str, u16, Value);

/// Answers in order: what must be asked below `/admin/directory/v1/`, the status, the body. Status 0 loses the answer.
struct Script {
    google: Google,
    left: Arc<Mutex<Vec<Step>>>,
    bodies: Arc<Mutex<Vec<Value>>>,
}

fn config() -> GoogleConfig {
    GoogleConfig::new("admin@acme.com").access_token(Secret::new("ya29.hush"))
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Step>) -> Self {
        Self::over(config(), answers)
    }

    fn over(config: GoogleConfig, answers: impl IntoIterator<Item = Step>) -> Self {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        let left = Arc::new(Mutex::new(answers));
        let bodies: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (script, log) = (left.clone(), bodies.clone());
        let http = MemoryTransport::with(move |request| {
            let asked = format!("{} {}", request.method(), request.uri().path_and_query().unwrap().as_str().replace("/admin/directory/v1/", ""));
            let asked = asked
                .replace("%40", "@")
                .replace("%27", "'")
                .replace("%3D", "=")
                .replace("%3A", ":")
                .replace("%5C", "\\")
                .replace("%2F", "/")
                .replace("%20", " ");
            let (wanted, status, body) = script.lock().unwrap().pop().unwrap_or_else(|| panic!("{asked} comes after the end of the script"));
            assert_eq!(asked.replace("customer=my_customer&projection=basic&", "").replace("?projection=basic", ""), wanted);
            log.lock().unwrap().push(serde_json::from_slice(request.body()).unwrap_or_default());
            async move {
                match status {
                    0 => Err(TransportError::new(TransportFailure::Cut, Sent::Maybe)),
                    204 => Ok(Response::builder().status(204).body("".into()).unwrap()),
                    _ => Ok(Response::builder().status(status).body(body.to_string().into()).unwrap()),
                }
            }
        });
        Self { google: config.connect("google", &http).unwrap(), left, bodies }
    }

    fn played(&self) {
        assert!(self.left.lock().unwrap().is_empty(), "the script was not played to its end: {:?}", self.left.lock().unwrap());
    }

    async fn apply(&self, change: Change) -> Result<Outcome> {
        self.apply_for(who(), change).await
    }

    async fn apply_for(&self, who: AccountQuery, change: Change) -> Result<Outcome> {
        let request = Request::new("s-1", who, change, "k-1").with_account(Account::new("u1", AccountState::Active));
        let outcome = self.google.apply(&CallContext::unlimited(), &request).await;
        self.played();
        outcome
    }

    async fn find(&self, who: &AccountQuery) -> Found {
        let found = self.google.find_account(&CallContext::unlimited(), who).await.unwrap();
        self.played();
        found
    }
}

fn who() -> AccountQuery {
    AccountQuery::by("email", "sarah@acme.com")
}

fn user(more: &Value) -> Value {
    let mut user = json!({ "kind": "admin#directory#user", "id": "u1", "primaryEmail": "sarah@acme.com", "orgUnitPath": "/", "suspended": false });
    user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    user
}

fn other(email: &str) -> Value {
    user(&json!({ "id": "u2", "primaryEmail": email }))
}

fn failure(code: u16, reason: &str, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message, "errors": [{ "domain": "global", "reason": reason, "message": message }] } })
}

fn missing(key: &str) -> Value {
    failure(404, "notFound", &format!("Resource Not Found: {key}"))
}

fn taken() -> Value {
    failure(409, "duplicate", "Entity already exists.")
}

fn spec() -> AccountSpec {
    AccountSpec::new("sarah@acme.com").with("givenName", "Sarah").with("familyName", "Chen").with("department", "Sales")
}

fn membership(role: &str) -> Entitlement {
    Entitlement::new("add_to_group", "g1").with_role(role)
}

fn listed(kind: &str, items: &[&str]) -> Value {
    let groups: Vec<Value> = items.iter().map(|id| json!({ "id": id, "email": format!("{id}@acme.com") })).collect();
    json!({ "kind": format!("admin#directory#{kind}"), kind: groups })
}

const USER: &str = "GET users/u1";
const BY_EMAIL: &str = "GET users/sarah@acme.com";
const MEMBER: &str = "GET groups/g1/members/u1";
const IS_IN: &str = "GET groups/g1/hasMember/u1";

#[tokio::test]
async fn a_new_account_has_a_password_nobody_knows_and_its_unit_at_once() {
    let mut passwords = Vec::new();
    for _ in 0..2 {
        let script = Script::new([(BY_EMAIL, 404, missing("userKey")), ("POST users", 200, user(&json!({ "orgUnitPath": "/sales" })))]);
        let mut wanted = spec();
        wanted.entitlements.push(Entitlement::new("move_to_org_unit", "/sales"));
        let outcome = script.apply(Change::EnsureAccount(wanted)).await.unwrap();
        let mut body = script.bodies.lock().unwrap()[1].clone();
        passwords.push(body.as_object_mut().unwrap().remove("password").unwrap().as_str().unwrap().to_owned());
        assert!(!format!("{outcome:?}").contains(passwords.last().unwrap()));
        assert_eq!(
            body,
            json!({
                "primaryEmail": "sarah@acme.com", "name": { "givenName": "Sarah", "familyName": "Chen" }, "orgUnitPath": "/sales",
                "organizations": [{ "type": "work", "primary": true, "department": "Sales" }],
            })
        );
        assert!(matches!(outcome, Outcome::Applied(receipt) if receipt.before == Before::Absent && receipt.account.as_ref().unwrap().id == "u1"));
    }
    assert!(passwords[0] != passwords[1] && passwords[0].len() == 43);
}

#[tokio::test]
async fn an_account_that_is_there_is_moved_where_it_would_have_been_made() {
    let mut wanted = spec();
    wanted.entitlements.push(Entitlement::new("move_to_org_unit", "/sales"));
    let there = user(&json!({ "orgUnitPath": "/sales" }));
    let found = [(BY_EMAIL, 200, user(&json!({}))), (USER, 200, user(&json!({})))];
    let script = Script::new(found.clone().into_iter().chain([("PUT users/u1", 200, there.clone())]));
    assert!(matches!(script.apply(Change::EnsureAccount(wanted.clone())).await.unwrap(), Outcome::Applied(_)));
    let script = Script::new([(BY_EMAIL, 200, there.clone()), (USER, 200, there)]);
    assert!(matches!(script.apply(Change::EnsureAccount(wanted.clone())).await.unwrap(), Outcome::Unchanged(_)));
    let script = Script::new(found);
    let request = Request::new("s-1", who(), Change::EnsureAccount(wanted), "k-1");
    assert_eq!(script.google.probe(&CallContext::unlimited(), &request).await.unwrap(), Probe::Absent);
}

#[tokio::test]
async fn nobody_is_moved_by_a_path_that_is_none_nor_out_of_the_top_unit() {
    for target in ["", "sales"] {
        let error = Script::new([]).apply(Change::Grant(Entitlement::new("move_to_org_unit", target))).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::NotFound(Missing::Target));
    }
    let script = Script::new([(USER, 200, user(&json!({})))]);
    assert!(matches!(script.apply(Change::Revoke(Entitlement::new("move_to_org_unit", "/"))).await.unwrap(), Outcome::Unchanged(_)));
    let script = Script::new([(USER, 200, user(&json!({ "orgUnitPath": "/sales" }))), ("PUT users/u1", 200, user(&json!({})))]);
    assert!(matches!(script.apply(Change::Revoke(Entitlement::new("move_to_org_unit", "/sales"))).await.unwrap(), Outcome::Applied(_)));
    // A customer without units of its own has the top one all the same.
    let none = json!({ "kind": "admin#directory#orgUnits" });
    let script = Script::new([("GET customer/my_customer/orgunits?type=allIncludingParent", 200, none)]);
    let resolved = script.google.resolve(&CallContext::unlimited(), &"move_to_org_unit".into(), &["/".into()]).await.unwrap();
    assert!(matches!(&resolved[0].resolution, Resolution::One(target) if target.id == "/"));
}

struct Vault;

#[async_trait::async_trait]
impl FirstPasswords for Vault {
    async fn first_password(&self, _cx: &CallContext, email: &str) -> Result<Secret> {
        Ok(Secret::new(format!("first password of {email}")))
    }
}

#[tokio::test]
async fn an_account_is_handed_over_only_where_the_host_has_passwords() {
    for access in [AccountAccess::HandOver, AccountAccess::VendorMail] {
        let script = Script::new([]);
        let error = script.apply(Change::EnsureAccount(AccountSpec { access, ..spec() })).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (&ErrorKind::Unsupported, Effect::None));
    }
    let script = Script::over(config().first_passwords(Vault), [(BY_EMAIL, 404, missing("userKey")), ("POST users", 200, user(&json!({})))]);
    script.apply(Change::EnsureAccount(AccountSpec { access: AccountAccess::HandOver, ..spec() })).await.unwrap();
    let body = &script.bodies.lock().unwrap()[1];
    assert_eq!((&body["password"], &body["changePasswordAtNextLogin"]), (&json!("first password of sarah@acme.com"), &json!(true)));
}

#[tokio::test]
async fn an_unmanaged_account_is_asked_and_waited_for() {
    let resolving = || config().conflicting_accounts(ConflictingAccounts::Resolve);
    let asked = ("POST users?resolveConflictAccount=true", 202, json!({ "primaryEmail": "sarah@acme.com" }));
    let script = Script::over(resolving(), [(BY_EMAIL, 404, missing("userKey")), asked]);
    let Outcome::Waiting(wait, _) = script.apply(Change::EnsureAccount(spec())).await.unwrap() else { panic!() };
    assert_eq!(wait.reason, WaitReason::InvitationSent);
    let wait_is_bounded = wait.patience.is_some();
    // It is not asked again while the person takes their time, and not waited for where nobody was asked.
    let script = Script::over(resolving(), [(BY_EMAIL, 404, missing("userKey")), (BY_EMAIL, 404, missing("userKey"))]);
    let request = Request::new("s-1", who(), Change::EnsureAccount(spec()), "k-1");
    let probe = async |request: &Request| script.google.probe(&CallContext::unlimited(), request).await.unwrap();
    assert_eq!(probe(&request).await, Probe::Absent);
    assert_eq!(probe(&request.with_ticket(wait.ticket.clone().unwrap())).await, Probe::Pending(wait));
    // Nor for ever; and where an answer was lost a person decides, for a second attempt writes a second mail.
    assert!(wait_is_bounded);
    let create = script.google.descriptor().accounts.create.as_ref().unwrap();
    assert_eq!((create.mail, create.repeat.clone()), (provisionr_sdk::Mail::Sent, provisionr_sdk::Repeat::Unsafe));
}

#[tokio::test]
async fn who_has_a_taken_address_decides_what_follows() {
    let refused = [(BY_EMAIL, 404, missing("userKey")), ("POST users", 409, taken())];
    // The same person, seen late.
    let script = Script::new(refused.clone().into_iter().chain([(BY_EMAIL, 200, user(&json!({})))]));
    assert!(matches!(script.apply(Change::EnsureAccount(spec())).await.unwrap(), Outcome::Unchanged(_)));
    // Another person, a group: the next address.
    let mut wanted = spec();
    wanted.logins = vec!["s.chen@acme.com".to_owned(), "team@acme.com".to_owned(), "sarah@acme.com".to_owned()];
    let script = Script::new([
        (BY_EMAIL, 404, missing("userKey")),
        ("POST users", 409, taken()),
        ("GET users/s.chen@acme.com", 200, other("s.chen@acme.com")),
        ("POST users", 409, taken()),
        ("GET users/team@acme.com", 404, missing("userKey")),
        ("GET groups/team@acme.com", 200, json!({ "id": "g9", "email": "team@acme.com" })),
        ("POST users", 200, user(&json!({}))),
    ]);
    assert!(matches!(script.apply(Change::EnsureAccount(wanted)).await.unwrap(), Outcome::Applied(_)));
    // A user deleted lately is told; one nobody shows is looked for again, for it may be one's own.
    const DELETED: &str = "GET users?showDeleted=true&maxResults=500";
    let nobody = [(BY_EMAIL, 404, missing("userKey")), ("GET groups/sarah@acme.com", 404, missing("groupKey"))];
    let gone = (
        DELETED,
        200,
        json!({ "kind": "admin#directory#users", "users": [user(&json!({ "id": "u7", "primaryEmail": "s.old@acme.com", "aliases": ["sarah@acme.com"] }))] }),
    );
    let script = Script::new(refused.clone().into_iter().chain(nobody.clone()).chain([gone]));
    let error = script.apply(Change::EnsureAccount(spec())).await.unwrap_err();
    assert!(error.to_string().contains("u7") && error.hint() == RetryHint::Never, "{error}");
    let script = Script::new(refused.into_iter().chain(nobody).chain([(DELETED, 200, json!({ "kind": "admin#directory#users" }))]));
    let error = script.apply(Change::EnsureAccount(spec())).await.unwrap_err();
    assert_eq!((error.kind(), error.hint(), error.effect()), (&ErrorKind::Conflict, RetryHint::Backoff, Effect::None));
}

#[tokio::test]
async fn an_alias_with_another_number_is_another_person() {
    let held = user(
        &json!({ "id": "u2", "primaryEmail": "sarah.old@acme.com", "aliases": ["sarah@acme.com"], "externalIds": [{ "type": "organization", "value": "7" }] }),
    );
    let search = "GET users?query=externalId='8'&maxResults=500";
    let empty = json!({ "kind": "admin#directory#users" });
    let script = Script::new([(BY_EMAIL, 200, held.clone()), (search, 200, empty.clone())]);
    assert_eq!(script.find(&who().or("employee_number", "8")).await, Found::None);
    let script = Script::new([(BY_EMAIL, 200, held.clone())]);
    assert!(matches!(script.find(&who().or("employee_number", "7")).await, Found::One(account) if account.login.as_deref() == Some("sarah.old@acme.com")));
    // The same in a create: the address is theirs, and the next one is tried.
    let mut wanted = spec();
    wanted.logins.push("s.chen@acme.com".to_owned());
    let script = Script::new([
        (BY_EMAIL, 200, held.clone()),
        (search, 200, empty),
        ("POST users", 409, taken()),
        (BY_EMAIL, 200, held),
        ("POST users", 200, user(&json!({ "primaryEmail": "s.chen@acme.com" }))),
    ]);
    assert!(matches!(script.apply_for(who().or("employee_number", "8"), Change::EnsureAccount(wanted)).await.unwrap(), Outcome::Applied(_)));
}

#[tokio::test]
async fn a_search_that_lags_is_no_proof_of_absence() {
    let search = "GET users?query=externalId='7'&maxResults=500";
    let script = Script::new([(search, 200, json!({ "kind": "admin#directory#users" }))]);
    assert!(matches!(script.find(&AccountQuery::by("employee_number", "7")).await, Found::CannotTell(_)));
    // What it finds is believed only as far as the user itself says so.
    let hit = json!({ "kind": "admin#directory#users", "users": [user(&json!({}))] });
    let script = Script::new([(search, 200, hit), (USER, 200, user(&json!({ "externalIds": [{ "type": "organization", "value": "8" }] })))]);
    assert!(matches!(script.find(&AccountQuery::by("employee_number", "7")).await, Found::CannotTell(_)));
    let script = Script::new([("GET users?query=externalId='\\' isAdmin=true \\\\'&maxResults=500", 200, json!({ "kind": "admin#directory#users" }))]);
    let _ = script.google.find_account(&CallContext::unlimited(), &AccountQuery::by("employee_number", "' isAdmin=true \\")).await;
}

#[tokio::test]
async fn a_known_id_is_an_id() {
    // The same address takes addresses and aliases: what answers to another id is somebody else.
    let script = Script::new([(BY_EMAIL, 200, user(&json!({})))]);
    assert_eq!(script.find(&AccountQuery::known("sarah@acme.com")).await, Found::None);
}

#[tokio::test]
async fn errors_are_read_by_their_reason_and_never_by_their_status() {
    let table = [
        (403, "userRateLimitExceeded", "", ErrorKind::RateLimited("directory".into())),
        (403, "quotaExceeded", "", ErrorKind::RateLimited("directory".into())),
        (429, "rateLimitExceeded", "", ErrorKind::RateLimited("directory".into())),
        (403, "dailyLimitExceeded", "", ErrorKind::QuotaExhausted),
        (403, "forbidden", "Not Authorized to access this resource/api", ErrorKind::PermissionDenied),
        (403, "insufficientPermissions", "", ErrorKind::PermissionDenied),
        (401, "authError", "Invalid Credentials", ErrorKind::Unauthenticated),
        (404, "notFound", "Resource Not Found: userKey", ErrorKind::NotFound(Missing::Account)),
        (412, "conditionNotMet", "User creation is not complete.", ErrorKind::NotReady),
        (412, "conditionNotMet", "Cyclic memberships not allowed", ErrorKind::Refused),
        (412, "conditionNotMet", "Condition not met", ErrorKind::Conflict),
        (400, "invalid", "Invalid Input: INVALID_OU_ID", ErrorKind::NotFound(Missing::Target)),
        (404, "notFound", "Org unit not found", ErrorKind::NotFound(Missing::Target)),
        (400, "invalid", "Invalid Input", ErrorKind::InvalidRequest),
        (503, "backendError", "", ErrorKind::Unavailable),
        (503, "serviceNotAvailable", "", ErrorKind::Unavailable),
    ];
    for (status, reason, message, kind) in table {
        let script = Script::new([("POST users/u1/signOut", status, failure(status, reason, message))]);
        let error = script.apply(Change::EndSessions).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (&kind, Some(reason)), "{reason} {message}");
        assert_eq!(error.effect(), if status >= 500 { Effect::Unknown } else { Effect::None }, "{reason}");
    }
    let details = json!({ "error": { "code": 403, "status": "PERMISSION_DENIED", "message": "m", "details": [{ "reason": "RATE_LIMIT_EXCEEDED" }] } });
    let script = Script::new([("POST users/u1/signOut", 403, details)]);
    assert_eq!(script.apply(Change::EndSessions).await.unwrap_err().kind(), &ErrorKind::RateLimited("directory".into()));
}

#[tokio::test]
async fn a_limit_without_a_time_is_backed_off_from_and_one_with_a_time_is_waited_for() {
    for (header, hint) in [("x-nothing", RetryHint::Backoff), ("retry-after", RetryHint::After(Duration::from_secs(9)))] {
        let http = MemoryTransport::new(move |_| {
            let body = failure(403, "userRateLimitExceeded", "User Rate Limit Exceeded").to_string();
            Response::builder().status(403).header(header, "9").body(body.into()).unwrap()
        });
        let google = config().connect("google", &http).unwrap();
        assert_eq!(google.find_account(&CallContext::unlimited(), &AccountQuery::known("u1")).await.unwrap_err().hint(), hint);
    }
}

#[tokio::test]
async fn a_member_who_is_there_already_gets_the_role_by_a_second_call() {
    // Nobody saw the member; the add is refused, and leaves the role alone.
    let script = Script::new([
        (MEMBER, 404, missing("memberKey")),
        ("POST groups/g1/members", 409, failure(409, "duplicate", "Member already exists.")),
        (MEMBER, 200, json!({ "id": "u1", "role": "MEMBER", "type": "USER" })),
        ("PATCH groups/g1/members/u1", 200, json!({ "id": "u1", "role": "OWNER", "type": "USER" })),
    ]);
    let Outcome::Applied(receipt) = script.apply(Change::Grant(membership("OWNER"))).await.unwrap() else { panic!() };
    assert!(matches!(&receipt.before, Before::Grant(grant) if grant.entitlement == membership("MEMBER")));
    assert_eq!(script.bodies.lock().unwrap()[3], json!({ "role": "OWNER" }));
    let script =
        Script::new([(IS_IN, 200, json!({ "isMember": false })), ("POST groups/g1/members", 200, json!({ "id": "u1", "role": "MEMBER", "type": "USER" }))]);
    script.apply(Change::Grant(membership("MEMBER"))).await.unwrap();
    assert_eq!(script.bodies.lock().unwrap()[1], json!({ "id": "u1", "role": "MEMBER" }));
}

#[tokio::test]
async fn what_is_not_found_after_a_create_is_tried_again() {
    for (key, kind) in [("memberKey", ErrorKind::NotFound(Missing::Account)), ("groupKey", ErrorKind::NotFound(Missing::Target))] {
        let script = Script::new([(MEMBER, 404, missing("memberKey")), ("POST groups/g1/members", 404, missing(key))]);
        let error = script.apply(Change::Grant(membership("OWNER"))).await.unwrap_err();
        assert_eq!((error.kind(), error.hint(), error.effect()), (&kind, RetryHint::Backoff, Effect::None));
    }
    for change in [Change::SetState(AccountState::Suspended), Change::Grant(Entitlement::new("move_to_org_unit", "/sales"))] {
        let script = Script::new([(USER, 404, missing("userKey"))]);
        assert_eq!(script.apply(change).await.unwrap_err().hint(), RetryHint::Backoff);
    }
    // Answered at times about a member who is there.
    let script = Script::new([(MEMBER, 400, failure(400, "invalid", "Invalid Input: memberKey"))]);
    assert_eq!(script.apply(Change::Grant(membership("OWNER"))).await.unwrap_err().kind(), &ErrorKind::NotReady);
}

#[tokio::test]
async fn already_gone_counts_only_where_the_group_can_be_seen() {
    let held = (MEMBER, 200, json!({ "id": "u1", "role": "MEMBER", "type": "USER" }));
    let script = Script::new([held.clone(), ("DELETE groups/g1/members/u1", 404, missing("memberKey"))]);
    assert!(matches!(script.apply(Change::Revoke(membership("MEMBER"))).await.unwrap(), Outcome::Unchanged(_)));
    let script = Script::new([(MEMBER, 404, missing("memberKey")), (IS_IN, 200, json!({ "isMember": false }))]);
    assert!(matches!(script.apply(Change::Revoke(membership("MEMBER"))).await.unwrap(), Outcome::Unchanged(receipt) if receipt.before == Before::Absent));
    for step in [(MEMBER, 404, missing("groupKey")), (MEMBER, 404, failure(404, "notFound", "Not Found"))] {
        let script = Script::new([step]);
        assert_eq!(script.apply(Change::Revoke(membership("MEMBER"))).await.unwrap_err().kind(), &ErrorKind::NotFound(Missing::Unclear));
    }
    // Of groups of other domains Google does not say whether somebody is in them through another.
    let walked = ("GET groups?userKey=u1&maxResults=200", 200, json!({ "kind": "admin#directory#groups" }));
    let outside = [(MEMBER, 404, missing("memberKey")), (IS_IN, 400, failure(400, "invalid", "Invalid Input: memberKey")), walked];
    let script = Script::new(outside.clone().into_iter().chain([("GET groups/g1", 200, json!({ "id": "g1", "email": "g1@acme.com" }))]));
    assert!(matches!(script.apply(Change::Revoke(membership("MEMBER"))).await.unwrap(), Outcome::Unchanged(_)));
    let script = Script::new(outside.into_iter().chain([("GET groups/g1", 404, missing("groupKey"))]));
    assert_eq!(script.apply(Change::Revoke(membership("MEMBER"))).await.unwrap_err().kind(), &ErrorKind::NotFound(Missing::Unclear));
}

#[tokio::test]
async fn a_lost_answer_to_a_revoke_is_told_as_such() {
    let script = Script::new([(MEMBER, 200, json!({ "id": "u1", "role": "MEMBER" })), ("DELETE groups/g1/members/u1", 0, json!(null))]);
    assert_eq!(script.apply(Change::Revoke(membership("MEMBER"))).await.unwrap_err().effect(), Effect::Unknown);
}

#[tokio::test]
async fn what_a_nested_group_gives_is_told_with_its_name() {
    const MINE: &str = "GET groups?userKey=u1&maxResults=200";
    let nested = [(MINE, 200, listed("groups", &["g2"])), ("GET groups?userKey=g2@acme.com&maxResults=200", 200, listed("groups", &["g1"]))];
    let top = ("GET groups?userKey=g1@acme.com&maxResults=200", 200, json!({ "kind": "admin#directory#groups" }));
    let not_direct = (MEMBER, 404, missing("memberKey"));
    let inside = (IS_IN, 200, json!({ "isMember": true }));
    let script = Script::new([inside.clone(), not_direct.clone()].into_iter().chain(nested.clone()).chain([top.clone()]));
    let Outcome::Unchanged(receipt) = script.apply(Change::Grant(membership("MEMBER"))).await.unwrap() else { panic!() };
    assert_eq!(receipt.grant.unwrap().source, Source::Inherited("g2".into()));
    let script = Script::new([not_direct.clone(), inside.clone()].into_iter().chain(nested.clone()).chain([top.clone()]));
    let Outcome::Unchanged(receipt) = script.apply(Change::Revoke(membership("MEMBER"))).await.unwrap() else { panic!() };
    assert_eq!(receipt.still_effective[0].source, Source::Inherited("g2".into()));
    // More than a member is nobody through another group.
    let script = Script::new([not_direct.clone(), ("POST groups/g1/members", 200, json!({ "id": "u1", "role": "MANAGER" }))]);
    assert!(matches!(script.apply(Change::Grant(membership("MANAGER"))).await.unwrap(), Outcome::Applied(_)));
    // Nested memberships lag: one that no group gives any more is not had.
    let none = (MINE, 200, json!({ "kind": "admin#directory#groups" }));
    let script = Script::new([inside, not_direct, none, ("POST groups/g1/members", 200, json!({ "id": "u1", "role": "MEMBER" }))]);
    assert!(matches!(script.apply(Change::Grant(membership("MEMBER"))).await.unwrap(), Outcome::Applied(_)));
}

#[tokio::test]
async fn a_list_of_groups_may_show_nested_ones_or_not() {
    // Both groups are in the list, and only one is had directly.
    let script = Script::new([
        (USER, 200, user(&json!({ "orgUnitPath": "/sales" }))),
        ("GET groups?userKey=u1&maxResults=200", 200, listed("groups", &["g2", "g1"])),
        ("GET groups/g2/members/u1", 200, json!({ "id": "u1", "role": "OWNER" })),
        (MEMBER, 404, missing("memberKey")),
        ("GET groups?userKey=g1@acme.com&maxResults=200", 200, json!({ "kind": "admin#directory#groups" })),
        ("GET groups?userKey=g2@acme.com&maxResults=200", 200, listed("groups", &["g1"])),
    ]);
    let seen = script.google.observe(&CallContext::unlimited(), &Account::new("u1", AccountState::Active), &Scope::All).await.unwrap();
    script.played();
    let grants: Vec<_> = seen.grants.iter().map(|grant| (grant.entitlement.to_string(), grant.source.clone())).collect();
    assert_eq!(
        grants,
        [
            ("add_to_group g2 as OWNER".to_owned(), Source::Direct),
            ("add_to_group g1 as MEMBER".to_owned(), Source::Inherited("g2".into())),
            ("move_to_org_unit /sales".to_owned(), Source::Direct),
        ]
    );
}

#[tokio::test]
async fn a_group_that_is_not_to_be_seen_is_no_group_that_is_not_held() {
    for (answer, covered) in [((404, missing("groupKey")), false), ((200, json!({ "id": "g1", "email": "g1@acme.com" })), true)] {
        let steps = [(USER, 200, user(&json!({}))), ("GET groups?userKey=u1&maxResults=200", 200, json!({ "kind": "admin#directory#groups" }))];
        let script = Script::new(steps.into_iter().chain([("GET groups/g1", answer.0, answer.1)]));
        let account = Account::new("u1", AccountState::Active);
        let seen = script.google.observe(&CallContext::unlimited(), &account, &Scope::Only(vec![membership("MEMBER")])).await.unwrap();
        script.played();
        assert_eq!((seen.grants.len(), seen.coverage.covers(&"add_to_group".into(), &"g1".into())), (0, covered));
    }
}

#[tokio::test]
async fn what_google_keeps_suspended_and_what_is_archived_is_told() {
    let abused = user(&json!({ "suspended": true, "suspensionReason": "ABUSIVE" }));
    let script = Script::new([(USER, 200, abused.clone()), ("PUT users/u1", 200, abused)]);
    let error = script.apply(Change::SetState(AccountState::Active)).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::Refused && error.to_string().contains("ABUSIVE"), "{error}");
    let script = Script::new([(USER, 200, user(&json!({ "archived": true, "suspended": false })))]);
    assert_eq!(script.apply(Change::SetState(AccountState::Active)).await.unwrap_err().kind(), &ErrorKind::Refused);
    // Nobody is woken by the way.
    for state in ["suspended", "archived"] {
        let script = Script::new([(BY_EMAIL, 200, user(&json!({ state: true }))), (USER, 200, user(&json!({ state: true })))]);
        let error = script.apply(Change::EnsureAccount(spec())).await.unwrap_err();
        assert_eq!((error.kind(), error.hint()), (&ErrorKind::Conflict, RetryHint::Replan));
    }
}

#[tokio::test]
async fn deletion_repeated_is_done_already() {
    let gone = (USER, 404, missing("userKey"));
    let deleted = ("GET users?showDeleted=true&maxResults=500", 200, json!({ "kind": "admin#directory#users", "users": [user(&json!({}))] }));
    let script = Script::new([gone.clone(), deleted.clone()]);
    assert!(matches!(script.apply(Change::SetState(AccountState::Deleted)).await.unwrap(), Outcome::Unchanged(_)));
    // Somebody was faster.
    let script = Script::new([(USER, 200, user(&json!({}))), ("DELETE users/u1", 404, missing("userKey")), deleted]);
    assert!(matches!(script.apply(Change::SetState(AccountState::Deleted)).await.unwrap(), Outcome::Unchanged(_)));
    for status in [200, 204] {
        let http = MemoryTransport::new(move |request| match request.method().as_str() {
            "GET" => Response::new(user(&json!({})).to_string().into()),
            _ => Response::builder().status(status).body("".into()).unwrap(),
        });
        let request = Request::new("s-1", who(), Change::SetState(AccountState::Deleted), "k-1").with_account(Account::new("u1", AccountState::Active));
        let outcome = config().connect("google", &http).unwrap().apply(&CallContext::unlimited(), &request).await.unwrap();
        assert!(matches!(outcome, Outcome::Applied(_)));
    }
}

#[tokio::test]
async fn an_update_keeps_what_else_is_in_a_list_and_tells_of_the_alias() {
    let delta = |pairs: &[(&str, Option<&str>)]| ProfileDelta(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.map(Value::from))).collect());
    let held = json!({
        "organizations": [{ "name": "Acme", "type": "school" }, { "name": "Acme", "primary": true, "title": "Engineer" }],
        "phones": [{ "type": "home", "value": "+1" }],
        "externalIds": [{ "type": "organization", "value": "7" }, { "type": "custom", "value": "x" }],
        "name": { "givenName": "Sarah", "familyName": "Chen" },
    });
    let script = Script::new([(USER, 200, user(&held)), ("PUT users/u1", 200, user(&held))]);
    let changes = [
        ("title", None),
        ("department", Some("Sales")),
        ("mobilePhone", Some("+2")),
        ("employeeId", None),
        ("givenName", Some("Sarah")),
        ("primaryEmail", Some("s@acme.com")),
    ];
    let Outcome::Applied(receipt) = script.apply(Change::UpdateAccount(delta(&changes))).await.unwrap() else { panic!() };
    assert!(receipt.also_changed[0].contains("sarah@acme.com"));
    assert_eq!(
        script.bodies.lock().unwrap()[1],
        json!({
            "organizations": [{ "name": "Acme", "type": "school" }, { "name": "Acme", "primary": true, "department": "Sales" }],
            "phones": [{ "type": "home", "value": "+1" }, { "type": "mobile", "value": "+2" }],
            "externalIds": [{ "type": "custom", "value": "x" }],
            "primaryEmail": "s@acme.com",
        })
    );
    let script = Script::new([]);
    assert_eq!(script.apply(Change::UpdateAccount(delta(&[("suspensionReason", Some("x"))]))).await.unwrap_err().kind(), &ErrorKind::InvalidRequest);
    // Fields of custom schemas, where the host names them: then whole users are asked for.
    let full = user(&json!({ "customSchemas": { "Work": { "badge": "1", "floor": "2" } } }));
    let asked = "GET users/u1?projection=full";
    let script = Script::over(config().attribute(Attribute::new("Work.badge")), [(asked, 200, full.clone()), ("PUT users/u1", 200, full)]);
    script.apply(Change::UpdateAccount(delta(&[("Work.badge", None)]))).await.unwrap();
    assert_eq!(script.bodies.lock().unwrap()[1], json!({ "customSchemas": { "Work": { "badge": null } } }));
}

#[test]
fn a_configuration_that_cannot_work_is_refused_and_shows_no_secret() {
    let http = MemoryTransport::new(|_| Response::default());
    let token = || Secret::new("ya29.hush");
    for config in [GoogleConfig::new("admin@acme.com"), GoogleConfig::new("admin").access_token(token())] {
        assert!(!format!("{config:?}").contains("hush"));
        assert_eq!(config.connect("google", &http).unwrap_err().kind(), &ErrorKind::InvalidConfig);
    }
    assert!(!format!("{:?}", config().connect("google", &http).unwrap()).contains("hush"));
    for file in ["hush", r#"{"client_email": "a@b", "private_key": "hush"}"#, r#"{"private_key": "hush"}"#] {
        let error = GoogleConfig::new("admin@acme.com").key_file(&Secret::new(file)).unwrap_err();
        assert!(*error.kind() == ErrorKind::InvalidConfig && !format!("{error} {error:?}").contains("hush"));
    }
}

#[tokio::test]
async fn only_what_google_says_of_the_user_means_that_there_is_none() {
    let google = |reason: &str, message: &str| json!({ "error": { "code": 404, "message": message, "errors": [{ "reason": reason, "message": message }] } });
    let elsewhere = [json!({ "message": "no Route matched with those values" }), google("notFound", "Domain not found."), google("notFound", "Not Found")];
    for answer in elsewhere {
        let script = Script::new([("GET users/sarah@acme.com", 404, answer.clone())]);
        assert!(script.google.find_account(&CallContext::unlimited(), &who()).await.is_err(), "{answer}");
        let script = Script::new([("GET users/u1", 404, answer)]);
        assert!(script.apply(Change::SetState(AccountState::Deleted)).await.is_err());
    }
    let script = Script::new([("GET users/sarah@acme.com", 404, google("notFound", "Resource Not Found: userKey"))]);
    assert_eq!(script.find(&who()).await, Found::None);
}

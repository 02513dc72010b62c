//! The cases in which Salesforce's answers mislead, each with the answers written out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::{Arc, Mutex};

use http::Response;
use provisionr_http::{MemoryTransport, Sent, TransportError, TransportFailure};
use provisionr_salesforce::{Salesforce, SalesforceConfig, Settings};
use provisionr_sdk::{
    Account, AccountKind, AccountQuery, AccountState, Adapter, Before, Call, CallContext, CallGate, Cardinality, Change, Effect, Entitlement, ErrorKind,
    Expect, Found, Grant, LaneId, LaneReading, Missing, OnCreate, Outcome, PageRequest, Permit, Request, Result, RetryHint, Scope, Secret, Suspension,
    Timestamp,
};
use serde_json::{Value, json};

type Step = (&'static str, u16, Value);

/// Answers in order: what must be asked, the status, the body. Status 0 loses the answer.
struct Script {
    salesforce: Salesforce,
    left: Arc<Mutex<Vec<Step>>>,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Step>) -> Self {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        let left = Arc::new(Mutex::new(answers));
        let bodies: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (script, log) = (left.clone(), bodies.clone());
        let http = MemoryTransport::with(move |request| {
            let asked = format!("{} {}", request.method(), request.uri().path_and_query().unwrap());
            let (wanted, status, body) = script.lock().unwrap().pop().unwrap_or_else(|| panic!("{asked} comes after the end of the script"));
            let asked = asked
                .replace("/services/data/v62.0", "")
                .replace("%20", " ")
                .replace("%27", "'")
                .replace("%3D", "=")
                .replace("%2C", ",")
                .replace("%21", "!")
                .replace("%28", "(")
                .replace("%29", ")");
            assert_eq!(asked, wanted);
            log.lock().unwrap().push(serde_json::from_slice(request.body()).unwrap_or_default());
            async move {
                match status {
                    0 => Err(TransportError::new(TransportFailure::Cut, Sent::Maybe)),
                    204 => Ok(Response::builder().status(204).body("".into()).unwrap()),
                    _ => Ok(Response::builder().status(status).header("sforce-limit-info", "api-usage=25/5000").body(body.to_string().into()).unwrap()),
                }
            }
        });
        let config = SalesforceConfig::new("https://acme.my.salesforce.com").access_token(Secret::new("00Dtoken"));
        Self { salesforce: config.connect("salesforce", &http).unwrap(), left, bodies }
    }

    async fn apply(&self, change: Change) -> Result<Outcome> {
        let outcome = self.salesforce.apply(&CallContext::unlimited(), &request(change)).await;
        assert!(self.left.lock().unwrap().is_empty(), "the script was not played to its end: {:?}", self.left.lock().unwrap());
        outcome
    }
}

const USER: &str = "005Dn0000000001AAA";
const SET: &str = "0PSDn0000000002AAA";
const GROUP: &str = "00GDn0000000003AAA";
const LOOK: &str = "POST /composite";

fn request(change: Change) -> Request {
    Request::new("s-1", AccountQuery::known(USER), change, "k-1").with_account(Account::new(USER, AccountState::Active))
}

fn part(records: &Value) -> Value {
    json!({ "body": { "totalSize": 1, "done": true, "records": records }, "httpHeaders": {}, "httpStatusCode": 200, "referenceId": "x" })
}

fn parts(parts: &[Value]) -> Value {
    json!({ "compositeResponse": parts.iter().map(part).collect::<Vec<_>>() })
}

fn user(active: bool) -> Value {
    json!([{ "Id": USER, "IsActive": active, "Username": "sarah@acme.com", "Email": "sarah@acme.com", "ProfileId": "00eDn0000000001AAA", "UserRoleId": null }])
}

fn login(frozen: bool) -> Value {
    json!([{ "Id": "0YwDn0000000001AAA", "UserId": USER, "IsFrozen": frozen }])
}

fn row() -> Value {
    json!({ "Id": "0PaDn0000000001AAA", "AssigneeId": USER, "PermissionSetId": SET, "PermissionSetGroupId": null, "ExpirationDate": null, "IsActive": true,
            "PermissionSet": { "IsOwnedByProfile": false } })
}

fn member() -> Value {
    json!({ "Id": "011Dn0000000001AAA", "UserOrGroupId": USER, "GroupId": GROUP })
}

fn looked(rows: &Value) -> Step {
    (LOOK, 200, parts(&[user(true), login(false), rows.clone()]))
}

fn found(records: &Value) -> Value {
    json!({ "totalSize": 1, "done": true, "records": records })
}

fn failure(code: &str, message: &str) -> Value {
    json!([{ "errorCode": code, "message": message }])
}

fn set() -> Entitlement {
    Entitlement::new("assign_permission_set", SET)
}

fn group() -> Entitlement {
    Entitlement::new("add_to_public_group", GROUP)
}

#[tokio::test]
async fn a_set_somebody_assigned_a_moment_ago_is_unchanged() {
    let duplicate = failure("DUPLICATE_VALUE", "Duplicate PermissionSetAssignment. Assignee: 005; Permission Set: 0PS");
    let insert = ("POST /sobjects/PermissionSetAssignment", 400, duplicate);
    let script = Script::new([looked(&json!([])), insert.clone(), looked(&json!([row()]))]);
    assert!(matches!(script.apply(Change::Grant(set())).await.unwrap(), Outcome::Unchanged(_)));
    assert_eq!(script.bodies.lock().unwrap()[1], json!({ "AssigneeId": USER, "PermissionSetId": SET }));
    // What is there is not what is wanted: the next attempt sees it.
    let script = Script::new([looked(&json!([])), insert, looked(&json!([row()]))]);
    let error = script.apply(Change::Grant(set().with_param("until", "2031-01-31"))).await.unwrap_err();
    assert_eq!((error.kind(), error.effect(), error.hint()), (&ErrorKind::Conflict, Effect::None, RetryHint::Backoff));
}

#[tokio::test]
async fn a_lost_answer_is_looked_at_and_not_doubled() {
    for (wanted, insert, row) in [(set(), "POST /sobjects/PermissionSetAssignment", row()), (group(), "POST /sobjects/GroupMember", member())] {
        let script = Script::new([looked(&json!([])), (insert, 0, json!(null))]);
        assert_eq!(script.apply(Change::Grant(wanted.clone())).await.unwrap_err().effect(), Effect::Unknown);
        let script = Script::new([looked(&json!([row]))]);
        assert!(matches!(script.apply(Change::Grant(wanted)).await.unwrap(), Outcome::Unchanged(_)));
    }
}

#[tokio::test]
async fn a_row_that_is_gone_is_gone_whatever_the_code() {
    let again = "GET /query?q=SELECT Id FROM PermissionSetAssignment WHERE Id = '0PaDn0000000001AAA'";
    let delete = "DELETE /sobjects/PermissionSetAssignment/0PaDn0000000001AAA";
    for (status, code) in [(404, "NOT_FOUND"), (404, "ENTITY_IS_DELETED"), (400, "INVALID_CROSS_REFERENCE_KEY")] {
        let answers = |left: Value| [looked(&json!([row()])), (delete, status, failure(code, "gone")), (again, 200, found(&left))];
        assert!(matches!(Script::new(answers(json!([]))).apply(Change::Revoke(set())).await.unwrap(), Outcome::Unchanged(_)), "{code}");
        // It is there all the same: the credential may not take it.
        let error = Script::new(answers(json!([{ "Id": "0PaDn0000000001AAA" }]))).apply(Change::Revoke(set())).await.unwrap_err();
        assert_eq!((error.kind(), error.effect(), error.code()), (&ErrorKind::PermissionDenied, Effect::None, Some(code)));
    }
    // Neither a page of a proxy nor a malformed id says that anything is gone.
    let script = Script::new([looked(&json!([row()])), (delete, 404, json!("<html>"))]);
    let error = script.apply(Change::Revoke(set())).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::Unavailable, Effect::Unknown));
    let script = Script::new([looked(&json!([row()])), (delete, 400, failure("MALFORMED_ID", "malformed id"))]);
    assert_eq!(script.apply(Change::Revoke(set())).await.unwrap_err().kind(), &ErrorKind::InvalidRequest);
    let script = Script::new([looked(&json!([row()])), ("DELETE /sobjects/PermissionSetAssignment/0PaDn0000000001AAA", 204, json!(null))]);
    assert!(matches!(script.apply(Change::Revoke(set())).await.unwrap(), Outcome::Applied(receipt) if matches!(receipt.before, Before::Grant(_))));
    let script = Script::new([looked(&json!([]))]);
    assert!(matches!(script.apply(Change::Revoke(set())).await.unwrap(), Outcome::Unchanged(receipt) if receipt.before == Before::Absent));
}

#[tokio::test]
async fn a_replacement_that_fails_in_its_middle_is_in_doubt() {
    let mut expired = row();
    expired["IsActive"] = false.into();
    let script = Script::new([
        looked(&json!([expired])),
        ("DELETE /sobjects/PermissionSetAssignment/0PaDn0000000001AAA", 204, json!(null)),
        ("POST /sobjects/PermissionSetAssignment", 400, failure("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")),
    ]);
    let error = script.apply(Change::Grant(set())).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::Conflict, Effect::Unknown));
}

#[tokio::test]
async fn a_revoke_takes_what_was_meant() {
    let until = |day: &str| Grant::direct(USER, set().with_param("until", day));
    let mut ends = row();
    ends["ExpirationDate"] = "2031-02-01T00:00:00.000+0000".into();
    let script = Script::new([looked(&json!([ends]))]);
    let meant = request(Change::Revoke(set())).expecting(Expect::Grant(until("2030-12-31")));
    let error = script.salesforce.apply(&CallContext::unlimited(), &meant).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::Conflict, RetryHint::Replan));
    assert!(error.to_string().contains("until=2031-01-31"), "{error}");
}

#[tokio::test]
async fn rows_of_profiles_and_groups_are_not_taken_for_sets() {
    let (mut mirror, mut of_group) = (row(), row());
    mirror["PermissionSet"]["IsOwnedByProfile"] = true.into();
    of_group["PermissionSetGroupId"] = "0PGDn0000000001AAA".into();
    let script = Script::new([
        looked(&json!([mirror, of_group])),
        ("POST /sobjects/PermissionSetAssignment", 201, json!({ "id": "0Pa", "success": true, "errors": [] })),
    ]);
    assert!(matches!(script.apply(Change::Grant(set())).await.unwrap(), Outcome::Applied(_)));
    // An id of 15 is the same id.
    let script = Script::new([looked(&json!([row()]))]);
    assert!(matches!(script.apply(Change::Grant(Entitlement::new("assign_permission_set", &SET[..15]))).await.unwrap(), Outcome::Unchanged(_)));
}

#[tokio::test]
async fn what_is_no_id_is_never_put_into_a_query_or_path() {
    let script = Script::new([]);
    let bad = |kind: &str| Entitlement::new(kind, "x' OR Id != '");
    for kind in ["assign_profile", "assign_role", "assign_permission_set", "add_to_public_group"] {
        for change in [Change::Grant(bad(kind)), Change::Revoke(bad(kind))] {
            assert_eq!(script.apply(change).await.unwrap_err().kind(), &ErrorKind::NotFound(Missing::Target));
        }
    }
    assert_eq!(script.salesforce.find_account(&CallContext::unlimited(), &AccountQuery::known("../User")).await.unwrap(), Found::None);
}

#[tokio::test]
async fn one_call_asks_everything_and_nothing_in_it_is_a_reference() {
    let script = Script::new([(LOOK, 200, parts(&[json!([])]))]);
    let hostile = "@{query0.records[0].Id}' OR Name = 'x";
    script.salesforce.find_account(&CallContext::unlimited(), &AccountQuery::by("email", hostile)).await.unwrap();
    let body = script.bodies.lock().unwrap()[0].clone();
    let url = body["compositeRequest"][0]["url"].as_str().unwrap();
    assert!(url.starts_with("/services/data/v62.0/query?q=SELECT%20Id") && !url.contains(['@', '{', '}', '\'', ' ', '[']), "{url}");
    assert!(url.contains("%27%40%7Bquery0%2Erecords%5B0%5D%2EId%7D%5C%27%20OR%20Name%20%3D%20%5C%27x%27"), "{url}");
}

#[tokio::test]
async fn a_part_that_fails_or_goes_on_is_neither_empty_nor_whole() {
    let mut told = parts(&[user(true), login(false), json!([]), json!([])]);
    told["compositeResponse"][2] =
        json!({ "body": failure("INVALID_TYPE", "sObject type 'PermissionSetAssignment' is not supported."), "httpStatusCode": 400 });
    let account = Account::new(USER, AccountState::Active);
    let error = Script::new([(LOOK, 200, told)]).salesforce.observe(&CallContext::unlimited(), &account, &Scope::All).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::PermissionDenied);
    let mut told = parts(&[user(true), login(false), json!([row()]), json!([])]);
    told["compositeResponse"][2]["body"]["done"] = false.into();
    told["compositeResponse"][2]["body"]["nextRecordsUrl"] = "/services/data/v62.0/query/01gDn-2000".into();
    let mut second = row();
    second["PermissionSetId"] = "0PSDn0000000009AAA".into();
    let script = Script::new([(LOOK, 200, told), ("GET /query/01gDn-2000", 200, json!({ "totalSize": 2, "done": true, "records": [second] }))]);
    let seen = script.salesforce.observe(&CallContext::unlimited(), &account, &Scope::All).await.unwrap();
    assert_eq!(seen.grants.len(), 3);
    let short = Script::new([(LOOK, 200, parts(&[user(true)]))]).salesforce.observe(&CallContext::unlimited(), &account, &Scope::All).await.unwrap_err();
    assert_eq!(short.kind(), &ErrorKind::Protocol);
}

#[tokio::test]
async fn who_has_no_login_settings_is_not_frozen_and_cannot_be() {
    let script = Script::new([(LOOK, 200, parts(&[user(true), json!([])]))]);
    let error = script.apply(Change::SetState(AccountState::Frozen)).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::NotReady && error.to_string().contains("deactivate"), "{error}");
    let script = Script::new([(LOOK, 200, parts(&[user(true), login(false)])), ("PATCH /sobjects/UserLogin/0YwDn0000000001AAA", 204, json!(null))]);
    assert!(matches!(script.apply(Change::SetState(AccountState::Frozen)).await.unwrap(), Outcome::Applied(_)));
    assert_eq!(script.bodies.lock().unwrap()[1], json!({ "IsFrozen": true }));
    let script = Script::new([(LOOK, 200, parts(&[user(true), login(true)])), ("PATCH /sobjects/User/005Dn0000000001AAA", 204, json!(null))]);
    assert!(matches!(script.apply(Change::SetState(AccountState::Deactivated)).await.unwrap(), Outcome::Applied(_)));
    assert_eq!(script.bodies.lock().unwrap()[1], json!({ "IsActive": false }));
}

#[tokio::test]
async fn a_page_of_html_is_no_success() {
    let script = Script::new([looked(&json!([])), ("POST /sobjects/GroupMember", 200, json!("<html>"))]);
    let error = script.apply(Change::Grant(group())).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::Protocol, Effect::Unknown));
    let script = Script::new([(LOOK, 200, parts(&[user(true), login(false)])), ("PATCH /sobjects/User/005Dn0000000001AAA", 200, json!("<html>"))]);
    let error = script.apply(Change::SetState(AccountState::Deactivated)).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::Protocol, Effect::Unknown));
}

#[tokio::test]
async fn a_collection_is_read_row_by_row() {
    let second = "005Dn0000000005AAA";
    let users = json!([{ "Id": USER }, { "Id": second }]);
    let results = json!([
        { "success": false, "errors": [{ "statusCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access to this record", "fields": [] }] },
        { "success": false, "errors": [{ "statusCode": "DUPLICATE_VALUE", "message": "Duplicate PermissionSetAssignment", "fields": [] }] },
    ]);
    let other = Request::new("s-2", AccountQuery::known(second), Change::Grant(set()), "k-2").with_account(Account::new(second, AccountState::Active));
    let requests = [request(Change::Grant(set())), other];
    let write = "POST /composite/sobjects";
    let script = Script::new([(LOOK, 200, parts(&[users.clone(), json!([]), json!([])])), (write, 200, results)]);
    let outcomes = script.salesforce.apply_batch(&CallContext::unlimited(), &requests).await.unwrap();
    let errors: Vec<_> = outcomes.values().map(|outcome| outcome.as_ref().unwrap_err()).map(|error| (error.kind(), error.hint(), error.effect())).collect();
    assert_eq!(errors, [(&ErrorKind::Conflict, RetryHint::Backoff, Effect::None), (&ErrorKind::Conflict, RetryHint::Alone, Effect::None)]);
    let sent = script.bodies.lock().unwrap()[1].clone();
    assert_eq!((&sent["allOrNone"], &sent["records"][1]["attributes"]["type"]), (&json!(false), &json!("PermissionSetAssignment")));
    // Fewer results than records: nothing can be told of any.
    let script = Script::new([(LOOK, 200, parts(&[users, json!([]), json!([])])), (write, 200, json!([{ "id": "0Pa", "success": true, "errors": [] }]))]);
    let error = script.salesforce.apply_batch(&CallContext::unlimited(), &requests).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::Protocol, Effect::Unknown));
}

#[tokio::test]
async fn a_session_that_is_gone_is_looked_for_and_one_that_stays_is_told() {
    let (first, second) = ("0AkDn0000000001AAA", "0AkDn0000000002AAA");
    let gone = json!({ "success": false, "errors": [{ "statusCode": "ENTITY_IS_DELETED", "message": "entity is deleted", "fields": [] }] });
    let answers = |left: &[&str]| {
        let left: Vec<Value> = left.iter().map(|id| json!({ "Id": id })).collect();
        [
            (LOOK, 200, parts(&[user(true), login(true), json!([{ "Id": first }, { "Id": second }])])),
            ("DELETE /composite/sobjects?ids=0AkDn0000000001AAA,0AkDn0000000002AAA&allOrNone=false", 200, json!([{ "success": true, "errors": [] }, gone])),
            ("GET /query?q=SELECT Id FROM AuthSession WHERE UsersId = '005Dn0000000001AAA'", 200, found(&json!(left))),
        ]
    };
    assert!(matches!(Script::new(answers(&[])).apply(Change::EndSessions).await.unwrap(), Outcome::Applied(_)));
    let error = Script::new(answers(&[second])).apply(Change::EndSessions).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::PermissionDenied, Effect::Unknown));
}

#[tokio::test]
async fn rows_of_a_collection_that_may_be_gone_are_looked_at_in_one_call() {
    let second = "005Dn0000000005AAA";
    let mut other_row = row();
    other_row["Id"] = "0PaDn0000000002AAA".into();
    other_row["AssigneeId"] = second.into();
    let other = Request::new("s-2", AccountQuery::known(second), Change::Revoke(set()), "k-2").with_account(Account::new(second, AccountState::Active));
    let requests = [request(Change::Revoke(set())), other];
    let gone = json!({ "success": false, "errors": [{ "statusCode": "INVALID_CROSS_REFERENCE_KEY", "message": "invalid cross reference id", "fields": [] }] });
    let both = "IN ('0PaDn0000000001AAA', '0PaDn0000000002AAA')";
    let again: &'static str = format!("GET /query?q=SELECT Id FROM PermissionSetAssignment WHERE Id {both}").leak();
    let script = Script::new([
        (LOOK, 200, parts(&[json!([{ "Id": USER }, { "Id": second }]), json!([]), json!([row(), other_row])])),
        ("DELETE /composite/sobjects?ids=0PaDn0000000001AAA,0PaDn0000000002AAA&allOrNone=false", 200, json!([gone, gone])),
        (again, 200, found(&json!([{ "Id": "0PaDn0000000002AAA" }]))),
    ]);
    let outcomes = script.salesforce.apply_batch(&CallContext::unlimited(), &requests).await.unwrap();
    assert!(matches!(outcomes[&requests[0].key], Ok(Outcome::Unchanged(_))));
    assert_eq!(outcomes[&requests[1].key].as_ref().unwrap_err().kind(), &ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn errors_are_read_by_their_code() {
    let seat = ErrorKind::NoSeat("Salesforce Platform".to_owned());
    let table: [(u16, &str, &str, ErrorKind); 22] = [
        (400, "LICENSE_LIMIT_EXCEEDED", "License Limit Exceeded - Salesforce Platform", seat),
        (403, "INSUFFICIENT_ACCESS_OR_READONLY", "No more available licenses", ErrorKind::NoSeat("licenses".to_owned())),
        (403, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights", ErrorKind::PermissionDenied),
        (400, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "no", ErrorKind::PermissionDenied),
        (400, "FIELD_INTEGRITY_EXCEPTION", "The user license doesn't allow the permission: X", ErrorKind::Refused),
        (400, "FIELD_INTEGRITY_EXCEPTION", "bad value", ErrorKind::InvalidRequest),
        (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no", ErrorKind::Refused),
        (400, "CANNOT_DISABLE_LAST_ADMIN", "no", ErrorKind::Refused),
        (400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Alias]", ErrorKind::InvalidRequest),
        (400, "UNABLE_TO_LOCK_ROW", "no", ErrorKind::Conflict),
        (400, "MIXED_DML_OPERATION", "no", ErrorKind::InvalidRequest),
        (400, "ALL_OR_NONE_OPERATION_ROLLED_BACK", "no", ErrorKind::Conflict),
        (400, "DUPLICATE_USERNAME", "no", ErrorKind::Conflict),
        (400, "INACTIVE_OWNER_OR_USER", "no", ErrorKind::Conflict),
        (404, "NOT_FOUND", "no", ErrorKind::NotFound(Missing::Unclear)),
        (401, "INVALID_SESSION_ID", "Session expired or invalid", ErrorKind::Unauthenticated),
        (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", ErrorKind::QuotaExhausted),
        (403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.", ErrorKind::RateLimited("api".into())),
        (403, "API_DISABLED_FOR_ORG", "no", ErrorKind::PermissionDenied),
        (400, "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "no", ErrorKind::Unavailable),
        (503, "SERVER_UNAVAILABLE", "no", ErrorKind::Unavailable),
        (500, "UNKNOWN_EXCEPTION", "no", ErrorKind::Unavailable),
    ];
    for (status, code, message, kind) in table {
        let script =
            Script::new([(LOOK, 200, parts(&[user(true), login(false)])), ("PATCH /sobjects/User/005Dn0000000001AAA", status, failure(code, message))]);
        let error = script.apply(Change::SetState(AccountState::Deactivated)).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (&kind, Some(code)), "{code}");
        assert_eq!(error.effect(), if status >= 500 { Effect::Unknown } else { Effect::None }, "{code}");
    }
    let script = Script::new([("GET /query/01g-2000", 400, failure("INVALID_QUERY_LOCATOR", "invalid query locator"))]);
    let old = PageRequest::first().after("query/01g-2000".into());
    let error = script.salesforce.list_targets(&CallContext::unlimited(), &"assign_role".into(), &old).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::StaleCursor);
}

/// Notes what is heard of lanes.
#[derive(Default)]
struct Ear(Mutex<Vec<(LaneId, LaneReading)>>);

#[async_trait::async_trait]
impl CallGate for Ear {
    async fn permit(&self, _call: &Call) -> Result<Permit> {
        Ok(Permit::free())
    }

    fn heard(&self, lane: &LaneId, reading: LaneReading) {
        self.0.lock().unwrap().push((lane.clone(), reading));
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

#[tokio::test]
async fn every_answer_tells_what_is_left_of_the_quota() {
    let ear = Arc::new(Ear::default());
    let script = Script::new([(LOOK, 200, parts(&[json!([])])), (LOOK, 403, failure("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."))]);
    let cx = CallContext::new(ear.clone());
    let who = AccountQuery::by("email", "sarah@acme.com");
    script.salesforce.find_account(&cx, &who).await.unwrap();
    script.salesforce.find_account(&cx, &who).await.unwrap_err();
    let reading = LaneReading { limit: Some(5000), remaining: Some(4975), ..LaneReading::default() };
    // What is used up pauses the whole lane.
    let pause = LaneReading { pause: Some(std::time::Duration::from_secs(300)), ..LaneReading::default() };
    assert_eq!(*ear.0.lock().unwrap(), [("api".into(), reading), ("api".into(), reading), ("api".into(), pause)]);
}

#[tokio::test]
async fn a_row_that_is_malformed_is_an_error_and_not_left_out() {
    let asked = "GET /query?q=SELECT Id, UserRoleId FROM User WHERE UserRoleId != null";
    let script = Script::new([(asked, 200, found(&json!([{ "Id": USER, "UserRoleId": 7 }])))]);
    let scope = provisionr_sdk::ListScope::Kind("assign_role".into());
    let error = script.salesforce.list_grants(&CallContext::unlimited(), &scope, &PageRequest::first()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Protocol);
}

#[tokio::test]
async fn programs_are_told_apart_from_people() {
    for (kind, wanted) in [("AutomatedProcess", AccountKind::Service), ("CloudIntegrationUser", AccountKind::Service), ("Standard", AccountKind::Unknown)] {
        let mut user = user(true);
        user[0]["UserType"] = kind.into();
        let script = Script::new([(LOOK, 200, parts(&[user, json!([])]))]);
        let found = script.salesforce.find_account(&CallContext::unlimited(), &AccountQuery::known(USER)).await.unwrap().one().unwrap();
        assert_eq!(found.kind, wanted, "{kind}");
    }
}

#[tokio::test]
async fn groups_that_are_members_of_groups_are_no_accounts() {
    let mut nested = member();
    nested["UserOrGroupId"] = "00GDn0000000009AAA".into();
    let asked = "GET /query?q=SELECT Id, UserOrGroupId, GroupId FROM GroupMember WHERE Group.Type = 'Regular' AND GroupId != null";
    let script = Script::new([(asked, 200, json!({ "totalSize": 2, "done": true, "records": [member(), nested] }))]);
    let scope = provisionr_sdk::ListScope::Kind("add_to_public_group".into());
    let listed = script.salesforce.list_grants(&CallContext::unlimited(), &scope, &PageRequest::first()).await.unwrap();
    assert_eq!(listed.items, [Grant::direct(USER, group())]);
}

#[test]
fn a_configuration_that_cannot_work_is_refused_and_shows_no_secret() {
    let http = MemoryTransport::new(|_| Response::default());
    let token = |url: &str| SalesforceConfig::new(url).access_token(Secret::new("hush"));
    for config in [
        SalesforceConfig::new("https://acme.my.salesforce.com"),
        token("https://login.salesforce.com"),
        token("https://acme.lightning.force.com"),
        token("acme"),
        token("https://acme.my.salesforce.com").api_version(51),
    ] {
        assert!(!format!("{config:?}").contains("hush"));
        assert_eq!(config.connect("salesforce", &http).unwrap_err().kind(), &ErrorKind::InvalidConfig);
    }
    let wrong = |text: &str| serde_json::from_str::<Settings>(text).unwrap_err().to_string();
    let inline = r#"{"url": "https://acme.my.salesforce.com", "credentials": {"client": {"consumer_key": "k", "username": "u", "secret": "hush"}}}"#;
    assert!(!wrong(inline).contains("hush"));
    assert!(wrong(r#"{"url": "https://acme.my.salesforce.com", "credentials": {"token": {"env": "T"}}, "fallbak": "x"}"#).contains("fallbak"));
}

#[test]
fn the_descriptor_says_what_is_true_of_salesforce() {
    let http = MemoryTransport::new(|_| Response::default());
    let config = SalesforceConfig::new("https://acme.my.salesforce.com").access_token(Secret::new("t")).daily_calls(1000).concurrency(5);
    let salesforce = config.fallback_profile("Minimum Access - Salesforce").connect("salesforce", &http).unwrap();
    let descriptor = salesforce.descriptor();
    let kind = |name: &str| descriptor.kinds.get(&name.into()).unwrap();
    assert_eq!(kind("assign_profile").cardinality, Cardinality::ExactlyOne { fallback: Some("Minimum Access - Salesforce".into()) });
    assert_eq!((kind("assign_profile").on_create, kind("assign_role").cardinality.clone()), (OnCreate::Must, Cardinality::AtMostOne));
    assert_eq!(descriptor.accounts.suspension, Suspension::State(AccountState::Frozen));
    let lane = &descriptor.lanes[0];
    assert_eq!((lane.window.map(|window| (window.units, window.per.as_secs())), lane.concurrency), (Some((1000, 86400)), Some(5)));
    let batches: Vec<_> = descriptor.kinds.iter().filter(|kind| kind.batch.is_some()).map(|kind| kind.name.as_str()).collect();
    assert_eq!(batches, ["add_to_public_group", "assign_permission_set", "assign_permission_set_group"]);
    assert!(descriptor.kinds.iter().all(|kind| !kind.scopes.is_empty()));
}

//! The cases in which Okta's answers mislead, each with the answers written out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Response;
use provisionr_http::{MemoryTransport, Sent, TransportError, TransportFailure};
use provisionr_okta::{Okta, OktaConfig, SignIn};
use provisionr_sdk::{
    Account, AccountAccess, AccountQuery, AccountSpec, AccountState, Adapter, AdapterError, Before, CallContext, Change, Effect, Entitlement, ErrorKind, Found,
    Missing, Outcome, Probe, ProfileDelta, Request, Resolution, Result, RetryHint, Scope, Secret, Source, WaitReason,
};
use serde_json::{Value, json};

type Step = (&'static str, u16, Value);

/// Answers in order: what must be asked, the status, the body. Status 0 loses the answer.
struct Script {
    okta: Okta,
    left: Arc<Mutex<Vec<Step>>>,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Step>) -> Self {
        Self::over(OktaConfig::new("https://acme.okta.com").api_token(Secret::new("00abc")), answers)
    }

    fn over(config: OktaConfig, answers: impl IntoIterator<Item = Step>) -> Self {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        let left = Arc::new(Mutex::new(answers));
        let bodies: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (script, log) = (left.clone(), bodies.clone());
        let http = MemoryTransport::with(move |request| {
            let asked = format!("{} {}", request.method(), request.uri().path_and_query().unwrap());
            let (wanted, status, body) = script.lock().unwrap().pop().unwrap_or_else(|| panic!("{asked} comes after the end of the script"));
            assert_eq!(asked.replace("%20", " ").replace("%22", "'").replace("%5C", "\\").replace("%40", "@"), wanted);
            log.lock().unwrap().push(serde_json::from_slice(request.body()).unwrap_or_default());
            async move {
                match status {
                    0 => Err(TransportError::new(TransportFailure::Cut, Sent::Maybe)),
                    204 => Ok(Response::builder().status(204).body("".into()).unwrap()),
                    _ => Ok(Response::builder().status(status).header("x-okta-request-id", "req-1").body(body.to_string().into()).unwrap()),
                }
            }
        });
        Self { okta: config.connect("okta", &http).unwrap(), left, bodies }
    }

    async fn apply(&self, change: Change) -> Result<Outcome> {
        let request = Request::new("s-1", who(), change, "k-1").with_account(Account::new("00u1", AccountState::Active));
        let outcome = self.okta.apply(&CallContext::unlimited(), &request).await;
        assert!(self.left.lock().unwrap().is_empty(), "the script was not played to its end: {:?}", self.left.lock().unwrap());
        outcome
    }

    async fn probe(&self, change: Change) -> Probe {
        let request = Request::new("s-1", who(), change, "k-1").with_account(Account::new("00u1", AccountState::Active));
        self.okta.probe(&CallContext::unlimited(), &request).await.unwrap()
    }
}

fn who() -> AccountQuery {
    AccountQuery::by("email", "sarah@acme.com")
}

const SEARCHED: &str = "GET /api/v1/users?search=profile.email eq 'sarah@acme.com'&limit=200";
const BY_EMAIL: &str = "GET /api/v1/users?filter=profile.email eq 'sarah@acme.com'&limit=200";

fn user(status: &str) -> Value {
    user_with(status, "sarah@acme.com", &json!({}))
}

fn user_with(status: &str, login: &str, more: &Value) -> Value {
    let mut profile = json!({ "login": login, "email": login, "department": "Sales" });
    profile.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "id": "00u1", "status": status, "profile": profile, "credentials": { "provider": { "type": "OKTA", "name": "OKTA" } } })
}

fn failure(code: &str) -> Value {
    json!({ "errorCode": code, "errorSummary": "no", "errorCauses": [] })
}

fn taken() -> Value {
    let cause = "login: An object with this field already exists in the current organization";
    json!({ "errorCode": "E0000001", "errorSummary": "Api validation failed: login", "errorCauses": [{ "errorSummary": "email: odd" }, { "errorSummary": cause }] })
}

fn group(id: &str, kind: &str) -> Value {
    json!({ "id": id, "type": kind, "profile": { "name": format!("name of {id}") } })
}

fn rule(condition: &str) -> Value {
    json!([{
        "name": "Sales people", "status": "ACTIVE",
        "conditions": { "expression": { "type": "urn:okta:expression:1.0", "value": condition } },
        "actions": { "assignUserToGroups": { "groupIds": ["00g1"] } }
    }])
}

fn spec() -> AccountSpec {
    AccountSpec::new("sarah@acme.com").with("firstName", "Sarah")
}

const RULES: &str = "GET /api/v1/groups/rules?limit=200";
const GROUPS: &str = "GET /api/v1/users/00u1/groups";
const USER: &str = "GET /api/v1/users/00u1";

fn membership() -> Entitlement {
    Entitlement::new("add_to_group", "00g1")
}

fn app() -> Entitlement {
    Entitlement::new("assign_app", "0oa1")
}

#[tokio::test]
async fn a_new_account_is_made_without_a_mail() {
    let script = Script::new([
        (BY_EMAIL, 200, json!([])),
        (SEARCHED, 200, json!([])),
        ("POST /api/v1/users?activate=false", 200, user("STAGED")),
        ("POST /api/v1/users/00u1/lifecycle/activate?sendEmail=false", 200, json!({ "activationToken": "t" })),
        (USER, 200, user("PROVISIONED")),
    ]);
    let mut wanted = spec();
    wanted.entitlements.push(membership());
    let Outcome::Applied(receipt) = script.apply(Change::EnsureAccount(wanted)).await.unwrap() else { panic!() };
    assert_eq!((receipt.before, receipt.account.unwrap().state), (Before::Absent, AccountState::Active));
    let body = &script.bodies.lock().unwrap()[2];
    assert_eq!(*body, json!({ "profile": { "login": "sarah@acme.com", "email": "sarah@acme.com", "firstName": "Sarah" }, "groupIds": ["00g1"] }));
}

#[tokio::test]
async fn with_an_identity_provider_or_a_mail_one_call_makes_it() {
    let federated = OktaConfig::new("https://acme.okta.com").api_token(Secret::new("00abc")).sign_in(SignIn::IdentityProvider);
    let script = Script::over(
        federated,
        [(BY_EMAIL, 200, json!([])), (SEARCHED, 200, json!([])), ("POST /api/v1/users?provider=true&activate=true", 200, user("ACTIVE"))],
    );
    assert!(matches!(script.apply(Change::EnsureAccount(spec())).await.unwrap(), Outcome::Applied(_)));
    assert_eq!(script.bodies.lock().unwrap()[2]["credentials"]["provider"]["type"], "FEDERATION");
    let script = Script::new([(BY_EMAIL, 200, json!([])), (SEARCHED, 200, json!([])), ("POST /api/v1/users?activate=true", 200, user("PROVISIONED"))]);
    let mailed = AccountSpec { access: AccountAccess::VendorMail, ..spec() };
    assert!(matches!(script.apply(Change::EnsureAccount(mailed)).await.unwrap(), Outcome::Applied(_)));
}

#[tokio::test]
async fn an_interrupted_create_is_finished() {
    let script = Script::new([(BY_EMAIL, 200, json!([user("STAGED")]))]);
    assert_eq!(script.probe(Change::EnsureAccount(spec())).await, Probe::Absent);
    let script = Script::new([
        (BY_EMAIL, 200, json!([user("STAGED")])),
        (USER, 200, user("STAGED")),
        ("POST /api/v1/users/00u1/lifecycle/activate?sendEmail=false", 200, json!({})),
        (USER, 200, user("ACTIVE")),
    ]);
    assert!(matches!(script.apply(Change::EnsureAccount(spec())).await.unwrap(), Outcome::Applied(receipt) if receipt.account.as_ref().unwrap().id == "00u1"));
}

#[tokio::test]
async fn an_activation_that_fails_after_the_create_leaves_the_effect_unknown() {
    let script = Script::new([
        (BY_EMAIL, 200, json!([])),
        (SEARCHED, 200, json!([])),
        ("POST /api/v1/users?activate=false", 200, user("STAGED")),
        ("POST /api/v1/users/00u1/lifecycle/activate?sendEmail=false", 429, failure("E0000047")),
    ]);
    let error = script.apply(Change::EnsureAccount(spec())).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::RateLimited("users.id".into()), Effect::Unknown));
}

#[tokio::test]
async fn an_activation_that_goes_on_is_waited_for() {
    let mut moving = user("STAGED");
    moving["transitioningToStatus"] = "ACTIVE".into();
    let script = Script::new([
        (BY_EMAIL, 200, json!([])),
        (SEARCHED, 200, json!([])),
        ("POST /api/v1/users?activate=false", 200, user("STAGED")),
        ("POST /api/v1/users/00u1/lifecycle/activate?sendEmail=false", 200, json!({})),
        (USER, 200, moving.clone()),
    ]);
    assert!(matches!(script.apply(Change::EnsureAccount(spec())).await.unwrap(), Outcome::Waiting(wait, _) if wait.reason == WaitReason::VendorJob));
    let script = Script::new([(BY_EMAIL, 200, json!([moving]))]);
    assert!(matches!(script.probe(Change::EnsureAccount(spec())).await, Probe::Pending(_)));
}

#[tokio::test]
async fn a_login_that_is_taken_by_the_same_person_is_theirs() {
    // The index of the filter was behind; the create knew better.
    let script = Script::new([
        (BY_EMAIL, 200, json!([])),
        (SEARCHED, 200, json!([])),
        ("POST /api/v1/users?activate=false", 400, taken()),
        ("GET /api/v1/users/sarah@acme.com", 200, user("ACTIVE")),
    ]);
    assert!(matches!(script.apply(Change::EnsureAccount(spec())).await.unwrap(), Outcome::Unchanged(receipt) if receipt.account.is_some()));
}

#[tokio::test]
async fn a_login_that_is_taken_by_another_person_is_passed_over() {
    let mut wanted = spec();
    wanted.logins = vec!["s.chen@acme.com".to_owned(), "sarah@acme.com".to_owned()];
    let script = Script::new([
        (BY_EMAIL, 200, json!([])),
        (SEARCHED, 200, json!([])),
        ("POST /api/v1/users?activate=false", 400, taken()),
        ("GET /api/v1/users/s.chen@acme.com", 200, user_with("ACTIVE", "s.chen@acme.com", &json!({}))),
        ("POST /api/v1/users?activate=false", 200, user("STAGED")),
        ("POST /api/v1/users/00u1/lifecycle/activate?sendEmail=false", 200, json!({})),
        (USER, 200, user("ACTIVE")),
    ]);
    assert!(matches!(script.apply(Change::EnsureAccount(wanted)).await.unwrap(), Outcome::Applied(_)));
    let script = Script::new([
        (BY_EMAIL, 200, json!([])),
        (SEARCHED, 200, json!([])),
        ("POST /api/v1/users?activate=false", 400, taken()),
        ("GET /api/v1/users/sarah@acme.com", 404, failure("E0000007")),
        ("GET /api/v1/users?filter=profile.login eq 'sarah@acme.com'&limit=200", 200, json!([])),
        ("GET /api/v1/users?search=profile.login eq 'sarah@acme.com'&limit=200", 200, json!([])),
    ]);
    let error = script.apply(Change::EnsureAccount(spec())).await.unwrap_err();
    assert_eq!((error.hint(), error.effect(), error.code()), (RetryHint::Backoff, Effect::None, Some("E0000001")));
}

#[tokio::test]
async fn a_deactivated_account_is_never_woken_by_the_way() {
    let script = Script::new([(BY_EMAIL, 200, json!([user("DEPROVISIONED")])), (USER, 200, user("DEPROVISIONED"))]);
    let error = script.apply(Change::EnsureAccount(spec())).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::Conflict, RetryHint::Replan));
}

#[tokio::test]
async fn a_lost_answer_to_a_group_add_is_looked_at_and_not_doubled() {
    let script = Script::new([(GROUPS, 200, json!([])), ("PUT /api/v1/groups/00g1/users/00u1", 0, json!(null))]);
    let error = script.apply(Change::Grant(membership())).await.unwrap_err();
    assert_eq!(error.effect(), Effect::Unknown);
    let script =
        Script::new([(USER, 200, user("ACTIVE")), (USER, 200, user("ACTIVE")), (GROUPS, 200, json!([group("00g1", "OKTA_GROUP")])), (RULES, 200, json!([]))]);
    assert!(matches!(script.probe(Change::Grant(membership())).await, Probe::Holds(_)));
    let script = Script::new([(GROUPS, 200, json!([group("00g1", "OKTA_GROUP")])), (USER, 200, user("ACTIVE")), (RULES, 200, json!([]))]);
    assert!(matches!(script.apply(Change::Grant(membership())).await.unwrap(), Outcome::Unchanged(_)));
}

#[tokio::test]
async fn a_page_of_html_is_no_success() {
    let script = Script::new([(GROUPS, 200, json!([])), ("PUT /api/v1/groups/00g1/users/00u1", 200, json!("<html>"))]);
    let error = script.apply(Change::Grant(membership())).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::Protocol, Effect::Unknown));
}

#[tokio::test]
async fn what_a_rule_gives_is_refused_by_its_name_and_what_it_cannot_have_given_is_taken() {
    let held = (GROUPS, 200, json!([group("00g1", "OKTA_GROUP")]));
    for condition in [r#"user.department=="Sales""#, r#"isMemberOfGroupName("x")"#] {
        let script = Script::new([held.clone(), (USER, 200, user("ACTIVE")), (RULES, 200, rule(condition))]);
        let error = script.apply(Change::Revoke(membership())).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (&ErrorKind::OwnedElsewhere, Effect::None));
        assert!(error.to_string().contains("Sales people"), "{error}");
    }
    let script = Script::new([
        held,
        (USER, 200, user("ACTIVE")),
        (RULES, 200, rule(r#"user.department=="Legal""#)),
        ("DELETE /api/v1/groups/00g1/users/00u1", 204, json!(null)),
    ]);
    assert!(matches!(script.apply(Change::Revoke(membership())).await.unwrap(), Outcome::Applied(receipt) if matches!(receipt.before, Before::Grant(_))));
}

#[tokio::test]
async fn groups_of_others_are_theirs() {
    for (kind, owner) in [("APP_GROUP", "imported"), ("BUILT_IN", "Okta")] {
        let script = Script::new([
            (GROUPS, 200, json!([group("00g1", kind)])),
            (USER, 200, user("ACTIVE")),
            (RULES, 200, json!([])),
            ("GET /api/v1/groups/00g1", 200, group("00g1", kind)),
        ]);
        let error = script.apply(Change::Revoke(membership())).await.unwrap_err();
        assert!(*error.kind() == ErrorKind::OwnedElsewhere && error.to_string().contains(owner), "{error}");
        let script = Script::new([
            (GROUPS, 200, json!([])),
            ("PUT /api/v1/groups/00g1/users/00u1", 403, failure("E0000006")),
            ("GET /api/v1/groups/00g1", 200, group("00g1", kind)),
        ]);
        let error = script.apply(Change::Grant(membership())).await.unwrap_err();
        assert!(*error.kind() == ErrorKind::OwnedElsewhere && error.to_string().contains(owner), "{error}");
    }
}

#[tokio::test]
async fn not_found_means_gone_only_where_the_target_can_be_seen() {
    let script = Script::new([(GROUPS, 200, json!([])), ("GET /api/v1/groups/00g1", 200, group("00g1", "OKTA_GROUP"))]);
    assert!(matches!(script.apply(Change::Revoke(membership())).await.unwrap(), Outcome::Unchanged(_)));
    let script = Script::new([(GROUPS, 200, json!([])), ("GET /api/v1/groups/00g1", 404, failure("E0000007"))]);
    assert_eq!(script.apply(Change::Revoke(membership())).await.unwrap_err().kind(), &ErrorKind::NotFound(Missing::Unclear));
    let script = Script::new([("GET /api/v1/apps/0oa1/users/00u1", 404, failure("E0000007")), ("GET /api/v1/apps/0oa1", 404, failure("E0000007"))]);
    assert_eq!(script.apply(Change::Revoke(app())).await.unwrap_err().kind(), &ErrorKind::NotFound(Missing::Unclear));
    let script = Script::new([(GROUPS, 404, failure("E0000007"))]);
    assert_eq!(script.apply(Change::Revoke(membership())).await.unwrap_err().kind(), &ErrorKind::NotFound(Missing::Account));
}

#[tokio::test]
async fn an_app_that_a_group_gives_stays_and_is_told() {
    let by_group = json!({ "id": "00u1", "scope": "GROUP", "_links": { "group": { "href": "https://acme.okta.com/api/v1/groups/00g7" } } });
    let script = Script::new([("GET /api/v1/apps/0oa1/users/00u1", 200, by_group.clone())]);
    let Outcome::Unchanged(receipt) = script.apply(Change::Revoke(app())).await.unwrap() else { panic!() };
    assert_eq!(receipt.still_effective[0].source, Source::Inherited("00g7".into()));
    // It was direct a moment ago.
    let script = Script::new([
        ("GET /api/v1/apps/0oa1/users/00u1", 200, json!({ "id": "00u1", "scope": "USER" })),
        ("DELETE /api/v1/apps/0oa1/users/00u1?sendEmail=false", 403, failure("E0000046")),
    ]);
    let error = script.apply(Change::Revoke(app())).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::OwnedElsewhere, Effect::None));
    let script = Script::new([
        ("GET /api/v1/apps/0oa1/users/00u1", 200, json!({ "id": "00u1", "scope": "USER" })),
        ("DELETE /api/v1/apps/0oa1/users/00u1?sendEmail=false", 204, json!(null)),
        ("GET /api/v1/apps/0oa1/users/00u1", 200, by_group),
    ]);
    let Outcome::Applied(receipt) = script.apply(Change::Revoke(app())).await.unwrap() else { panic!() };
    assert_eq!(receipt.still_effective.len(), 1);
}

#[tokio::test]
async fn an_app_somebody_assigned_a_moment_ago_is_unchanged() {
    let script = Script::new([
        ("GET /api/v1/apps/0oa1/users/00u1", 404, failure("E0000007")),
        (USER, 200, user("ACTIVE")),
        ("POST /api/v1/apps/0oa1/users", 409, failure("E0000062")),
        ("GET /api/v1/apps/0oa1/users/00u1", 200, json!({ "id": "00u1", "scope": "USER" })),
    ]);
    assert!(matches!(script.apply(Change::Grant(app())).await.unwrap(), Outcome::Unchanged(_)));
}

#[tokio::test]
async fn deletion_is_believed_when_it_is_seen() {
    let delete = ("DELETE /api/v1/users/00u1?sendEmail=false", 204, json!(null));
    let gone = (USER, 404, failure("E0000007"));
    let script = Script::new([(USER, 200, user("ACTIVE")), delete.clone(), (USER, 200, user("DEPROVISIONED")), delete.clone(), gone.clone()]);
    assert!(matches!(script.apply(Change::SetState(AccountState::Deleted)).await.unwrap(), Outcome::Applied(_)));
    let script = Script::new([(USER, 200, user("DEPROVISIONED")), delete.clone(), gone.clone()]);
    assert!(matches!(script.apply(Change::SetState(AccountState::Deleted)).await.unwrap(), Outcome::Applied(_)));
    let script = Script::new([gone.clone()]);
    assert!(matches!(script.apply(Change::SetState(AccountState::Deleted)).await.unwrap(), Outcome::Unchanged(_)));
    let mut moving = user("ACTIVE");
    moving["transitioningToStatus"] = "DEPROVISIONED".into();
    let script = Script::new([(USER, 200, user("ACTIVE")), delete.clone(), (USER, 200, moving.clone())]);
    assert!(matches!(script.apply(Change::SetState(AccountState::Deleted)).await.unwrap(), Outcome::Waiting(..)));
    let script = Script::new([(USER, 200, moving)]);
    assert!(matches!(script.probe(Change::SetState(AccountState::Deleted)).await, Probe::Pending(_)));
    let script = Script::new([(USER, 200, user("ACTIVE")), delete.clone(), (USER, 200, user("DEPROVISIONED")), (delete.0, 0, json!(null))]);
    assert_eq!(script.apply(Change::SetState(AccountState::Deleted)).await.unwrap_err().effect(), Effect::Unknown);
}

#[tokio::test]
async fn only_who_is_active_can_be_suspended_and_the_account_says_so() {
    for (status, barred) in [("ACTIVE", false), ("LOCKED_OUT", true), ("PASSWORD_EXPIRED", true), ("RECOVERY", true), ("PROVISIONED", true), ("STAGED", false)]
    {
        let script = Script::new([(USER, 200, user(status))]);
        let found = script.okta.find_account(&CallContext::unlimited(), &AccountQuery::known("00u1")).await.unwrap();
        assert_eq!(found.one().unwrap().barred.contains(&AccountState::Suspended), barred, "{status}");
    }
}

#[tokio::test]
async fn races_between_states_are_settled_by_looking() {
    let script =
        Script::new([(USER, 200, user("ACTIVE")), ("POST /api/v1/users/00u1/lifecycle/suspend", 400, failure("E0000001")), (USER, 200, user("SUSPENDED"))]);
    assert!(matches!(script.apply(Change::SetState(AccountState::Suspended)).await.unwrap(), Outcome::Unchanged(_)));
    let script = Script::new([
        (USER, 200, user("DEPROVISIONED")),
        ("POST /api/v1/users/00u1/lifecycle/activate?sendEmail=false", 403, failure("E0000016")),
        (USER, 200, user("ACTIVE")),
    ]);
    assert!(matches!(script.apply(Change::SetState(AccountState::Active)).await.unwrap(), Outcome::Unchanged(_)));
    let mut moving = user("ACTIVE");
    moving["transitioningToStatus"] = "DEPROVISIONED".into();
    let script = Script::new([
        (USER, 200, user("ACTIVE")),
        ("POST /api/v1/users/00u1/lifecycle/deactivate?sendEmail=false", 200, json!({})),
        (USER, 200, moving.clone()),
    ]);
    assert!(matches!(script.apply(Change::SetState(AccountState::Deactivated)).await.unwrap(), Outcome::Waiting(..)));
    let script = Script::new([(USER, 200, moving.clone())]);
    assert!(matches!(script.apply(Change::SetState(AccountState::Deactivated)).await.unwrap(), Outcome::Waiting(..)));
    let script = Script::new([(USER, 200, moving)]);
    assert_eq!(script.apply(Change::SetState(AccountState::Suspended)).await.unwrap_err().kind(), &ErrorKind::NotReady);
    let script = Script::new([(USER, 200, user("LOCKED_OUT"))]);
    let error = script.apply(Change::SetState(AccountState::Suspended)).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::Refused && error.to_string().contains("LOCKED_OUT"));
}

#[tokio::test]
async fn an_update_names_only_what_changes() {
    let delta =
        ProfileDelta([("department".to_owned(), Some("Sales".into())), ("title".to_owned(), Some("Engineer".into())), ("city".to_owned(), None)].into());
    let script = Script::new([
        (USER, 200, user_with("ACTIVE", "sarah@acme.com", &json!({ "city": "Rome" }))),
        ("POST /api/v1/users/00u1", 200, user_with("ACTIVE", "sarah@acme.com", &json!({ "title": "Engineer" }))),
    ]);
    assert!(matches!(script.apply(Change::UpdateAccount(delta)).await.unwrap(), Outcome::Applied(_)));
    assert_eq!(script.bodies.lock().unwrap()[1], json!({ "profile": { "title": "Engineer", "city": null } }));
    let mut owned = user("ACTIVE");
    owned["credentials"]["provider"] = json!({ "type": "ACTIVE_DIRECTORY", "name": "corp.acme.com" });
    let script = Script::new([(USER, 200, owned)]);
    let error = script.apply(Change::UpdateAccount(ProfileDelta([("title".to_owned(), Some("x".into()))].into()))).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::OwnedElsewhere && error.to_string().contains("corp.acme.com"));
}

#[tokio::test]
async fn a_search_that_lags_is_no_proof_of_absence() {
    let search = "GET /api/v1/users?search=profile.employeeNumber eq '7'&limit=200";
    let script = Script::new([(search, 200, json!([]))]);
    let found = script.okta.find_account(&CallContext::unlimited(), &AccountQuery::by("employee_number", "7")).await.unwrap();
    assert!(matches!(found, Found::CannotTell(_)));
    // What it finds is believed only as far as the user itself says so.
    let script = Script::new([(search, 200, json!([user("ACTIVE")])), (USER, 200, user_with("ACTIVE", "a@acme.com", &json!({ "employeeNumber": "8" })))]);
    let found = script.okta.find_account(&CallContext::unlimited(), &AccountQuery::by("employee_number", "7")).await.unwrap();
    assert!(matches!(found, Found::CannotTell(_)));
}

#[tokio::test]
async fn only_okta_itself_says_that_somebody_is_not_there() {
    // A gateway that speaks JSON, and the address of another API.
    for answer in [json!({ "message": "no Route matched with those values" }), failure("E0000008")] {
        let script = Script::new([(USER, 404, answer.clone())]);
        let error = script.okta.find_account(&CallContext::unlimited(), &AccountQuery::known("00u1")).await.unwrap_err();
        assert!(!matches!(error.kind(), ErrorKind::NotFound(_)), "{error}");
        let script = Script::new([(USER, 404, answer)]);
        assert!(script.apply(Change::SetState(AccountState::Deleted)).await.is_err());
    }
}

#[tokio::test]
async fn a_known_id_is_an_id_and_a_value_is_a_value() {
    // The same address takes logins: what answers to another id is somebody else.
    let script = Script::new([("GET /api/v1/users/me", 200, user("ACTIVE"))]);
    assert_eq!(script.okta.find_account(&CallContext::unlimited(), &AccountQuery::known("me")).await.unwrap(), Found::None);
    let script = Script::new([
        ("GET /api/v1/users?filter=profile.email eq 'a\\' or status eq \\'active'&limit=200", 200, json!([])),
        ("GET /api/v1/users?search=profile.email eq 'a\\' or status eq \\'active'&limit=200", 200, json!([])),
    ]);
    let _ = script.okta.find_account(&CallContext::unlimited(), &AccountQuery::by("email", "a\" or status eq \"active")).await;
}

#[tokio::test]
async fn names_are_resolved_exactly_and_near_ones_are_named() {
    let named = |names: &[&str]| {
        Value::Array(names.iter().map(|name| json!({ "id": format!("id of {name}"), "type": "OKTA_GROUP", "profile": { "name": name } })).collect())
    };
    let resolve = async |script: Script, name: &str| {
        script.okta.resolve(&CallContext::unlimited(), &"add_to_group".into(), &[name.into()]).await.unwrap().pop().unwrap().resolution
    };
    let script = Script::new([("GET /api/v1/groups?q=eng", 200, named(&["eng", "eng-all"]))]);
    assert!(matches!(resolve(script, "eng").await, Resolution::One(target) if target.id == "id of eng"));
    let script = Script::new([("GET /api/v1/groups?q=engineers", 200, named(&[])), ("GET /api/v1/groups?q=eng", 200, named(&["engraving", "engineer"]))]);
    assert_eq!(resolve(script, "engineers").await, Resolution::None(vec!["engineer".into(), "engraving".into()]));
    let many: Vec<String> = (0..300).map(|number| format!("eng-{number}")).collect();
    let script = Script::new([("GET /api/v1/groups?q=eng", 200, named(&many.iter().map(String::as_str).collect::<Vec<_>>()))]);
    assert!(matches!(resolve(script, "eng").await, Resolution::Hidden(_)));
}

#[tokio::test]
async fn observation_tells_sources_and_gaps() {
    let script = Script::new([
        (USER, 200, user("ACTIVE")),
        (GROUPS, 200, json!([group("00g1", "OKTA_GROUP"), group("00g2", "OKTA_GROUP"), group("00g3", "BUILT_IN")])),
        (RULES, 200, rule(r#"user.department=="Sales""#)),
        ("GET /api/v1/groups/00g8", 404, failure("E0000007")),
        ("GET /api/v1/groups/00g9", 200, group("00g9", "OKTA_GROUP")),
        ("GET /api/v1/apps/0oa1/users/00u1", 404, failure("E0000007")),
        ("GET /api/v1/apps/0oa1", 404, failure("E0000007")),
    ]);
    let account = Account::new("00u1", AccountState::Active);
    let elsewhere = |group: &str| Entitlement::new("add_to_group", group);
    let wanted = Scope::Only(vec![membership(), elsewhere("00g2"), elsewhere("00g8"), elsewhere("00g9"), app()]);
    let seen = script.okta.observe(&CallContext::unlimited(), &account, &wanted).await.unwrap();
    let sources: Vec<_> = seen.grants.iter().map(|grant| &grant.source).collect();
    assert!(matches!(sources[..], [Source::Rule(_), Source::Direct]), "{sources:?}");
    let covered = |group: &str| seen.coverage.covers(&"add_to_group".into(), &group.into());
    assert_eq!(["00g1", "00g2", "00g8", "00g9", "00g3"].map(covered), [true, true, false, true, false]);
    assert!(!seen.coverage.covers(&"assign_app".into(), &"0oa1".into()));
}

#[tokio::test]
async fn errors_are_read_by_their_code() {
    let table: [(u16, &str, ErrorKind); 13] = [
        (401, "E0000011", ErrorKind::Unauthenticated),
        (403, "E0000006", ErrorKind::PermissionDenied),
        (403, "E0000038", ErrorKind::Conflict),
        (404, "E0000007", ErrorKind::NotFound(Missing::Account)),
        (404, "E0000008", ErrorKind::Protocol),
        (405, "E0000022", ErrorKind::InvalidRequest),
        (409, "E0000112", ErrorKind::NotReady),
        (423, "E0000155", ErrorKind::Conflict),
        (429, "E0000047", ErrorKind::RateLimited("users.id".into())),
        (400, "E0000003", ErrorKind::InvalidRequest),
        (500, "E0000009", ErrorKind::Unavailable),
        (503, "E0000010", ErrorKind::Unavailable),
        (403, "E0000075", ErrorKind::Refused),
    ];
    for (status, code, kind) in table {
        let script = Script::new([("DELETE /api/v1/users/00u1/sessions?oauthTokens=true", status, failure(code))]);
        let error: AdapterError = script.apply(Change::EndSessions).await.unwrap_err();
        assert_eq!(error.kind(), &kind, "{code}");
        assert_eq!(error.effect(), if status >= 500 { Effect::Unknown } else { Effect::None }, "{code}");
    }
    // One documented answer has an object where the others have a list.
    let odd = json!({ "errorCode": "E0000001", "errorSummary": "no", "errorCauses": { "errorSummary": "title: too long" } });
    let script = Script::new([(USER, 200, user("ACTIVE")), ("POST /api/v1/users/00u1", 400, odd)]);
    let error = script.apply(Change::UpdateAccount(ProfileDelta([("title".to_owned(), Some("x".into()))].into()))).await.unwrap_err();
    assert_eq!(error.to_string(), "the system answered 400: no: title: too long (E0000001)");
    assert_eq!(error.request_id().unwrap(), "req-1");
}

#[tokio::test]
async fn too_much_at_once_is_told_apart_from_too_much_in_a_minute() {
    let answer = |limit: &'static str, reset: &'static str| {
        MemoryTransport::new(move |_| {
            Response::builder()
                .status(429)
                .header("date", "Tue, 14 Nov 2023 22:13:20 GMT")
                .header("x-rate-limit-limit", limit)
                .header("x-rate-limit-remaining", "0")
                .header("x-rate-limit-reset", reset)
                .body(failure("E0000047").to_string().into())
                .unwrap()
        })
    };
    for (limit, reset, pause) in [("600", "1700000040", 41), ("0", "1700000040", 10)] {
        let okta = OktaConfig::new("https://acme.okta.com").api_token(Secret::new("00abc")).connect("okta", &answer(limit, reset)).unwrap();
        let error = okta.find_account(&CallContext::unlimited(), &AccountQuery::known("00u1")).await.unwrap_err();
        assert_eq!(error.hint(), RetryHint::After(Duration::from_secs(pause)));
    }
}

#[test]
fn a_configuration_that_cannot_work_is_refused_and_shows_no_secret() {
    let http = MemoryTransport::new(|_| Response::default());
    for config in [
        OktaConfig::new("https://acme.okta.com"),
        OktaConfig::new("https://acme-admin.okta.com").api_token(Secret::new("hush")),
        OktaConfig::new("acme").api_token(Secret::new("hush")),
    ] {
        assert!(!format!("{config:?}").contains("hush"));
        assert_eq!(config.connect("okta", &http).unwrap_err().kind(), &ErrorKind::InvalidConfig);
    }
    let okta = OktaConfig::new("https://acme.okta.com/").api_token(Secret::new("hush")).connect("okta", &http).unwrap();
    assert!(!format!("{okta:?}").contains("hush"));
    let at_once: u32 = okta.descriptor().lanes.iter().filter_map(|lane| lane.concurrency).sum();
    assert_eq!(at_once, 75);
}

#[test]
fn a_limit_of_a_lane_that_is_not_there_is_refused_with_the_near_one() {
    let config = OktaConfig::new("https://acme.okta.com").api_token(Secret::new("00abc"));
    let http = MemoryTransport::new(|_| Response::default());
    let error = config.clone().limit("user.id", 600).connect("okta", &http).unwrap_err();
    assert_eq!(error.to_string(), "there is no lane `user.id` to set a limit of; did you mean `users.id`?");
    let okta = config.limit("users.id", 600).connect("okta", &http).unwrap();
    let lane = okta.descriptor().lanes.iter().find(|lane| lane.id == "users.id").unwrap();
    // A token may use half of it, unless the admin console says otherwise.
    assert_eq!(lane.window.unwrap().units, 300);
}

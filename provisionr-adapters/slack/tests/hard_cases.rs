//! The cases in which Slack's answers mislead, each with the answers written out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Response;
use provisionr_http::{MemoryTransport, Sent, TransportError, TransportFailure};
use provisionr_sdk::{
    Account, AccountKind, AccountQuery, AccountState, Adapter, Before, CallContext, Change, Effect, Entitlement, ErrorKind, Found, Missing, Outcome, Probe,
    Request, Result, RetryHint, Secret, Source, Suspension,
};
use provisionr_slack::{Slack, SlackConfig};
use serde_json::{Value, json};

type Step = (&'static str, Value);

/// Answers in order: the method that must be asked with its arguments, and the body. `null` loses the answer.
struct Script {
    slack: Slack,
    left: Arc<Mutex<Vec<Step>>>,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Step>) -> Self {
        Self::over(config(), answers)
    }

    fn over(config: SlackConfig, answers: impl IntoIterator<Item = Step>) -> Self {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        let left = Arc::new(Mutex::new(answers));
        let script = left.clone();
        let http = MemoryTransport::with(move |request| {
            let body = String::from_utf8_lossy(request.body()).replace("%2C", ",");
            let query = request.uri().query().unwrap_or("").replace("%2C", ",");
            let method = request.uri().path().rsplit('/').next().unwrap().to_owned();
            let asked = format!("{method} {}{body}", query.split('&').next().unwrap());
            let (wanted, answer) = script.lock().unwrap().pop().unwrap_or_else(|| panic!("{asked} comes after the end of the script"));
            assert_eq!(asked.trim(), wanted);
            async move {
                match answer {
                    Value::Null => Err(TransportError::new(TransportFailure::Cut, Sent::Maybe)),
                    answer => Ok(Response::builder().status(200).header("x-slack-req-id", "req-1").body(answer.to_string().into()).unwrap()),
                }
            }
        });
        Self { slack: config.connect("slack", &http).unwrap(), left }
    }

    async fn apply(&self, change: Change) -> Result<Outcome> {
        let outcome = self.slack.apply(&CallContext::unlimited(), &request("U1", change)).await;
        assert!(self.left.lock().unwrap().is_empty(), "the script was not played to its end: {:?}", self.left.lock().unwrap());
        outcome
    }
}

fn config() -> SlackConfig {
    SlackConfig::new().token(Secret::new("xoxb-1"))
}

fn grid() -> SlackConfig {
    config().workspace("T1").enterprise(Secret::new("xoxp-1"))
}

fn request(user: &str, change: Change) -> Request {
    Request::new("s-1", AccountQuery::known(user), change, format!("k-{user}")).with_account(Account::new(user, AccountState::Active))
}

fn channel() -> Entitlement {
    Entitlement::new("invite_to_channel", "C1")
}

fn group() -> Entitlement {
    Entitlement::new("add_to_usergroup", "S1")
}

fn refused(code: &str) -> Value {
    json!({ "ok": false, "error": code })
}

fn info(more: &Value) -> Step {
    let mut channel = json!({ "id": "C1", "name": "sales", "is_private": false, "is_member": true, "context_team_id": "T1" });
    channel.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ("conversations.info channel=C1", json!({ "ok": true, "channel": channel }))
}

fn groups(users: &[&str], more: &Value) -> Step {
    let mut group = json!({ "id": "S1", "handle": "sales", "date_delete": 0, "auto_type": null, "users": users });
    group.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ("usergroups.list include_users=true", json!({ "ok": true, "usergroups": [group] }))
}

const INVITE: &str = "conversations.invite channel=C1&users=U1";
const KICK: &str = "conversations.kick channel=C1&user=U1";

fn ok() -> Value {
    json!({ "ok": true })
}

#[tokio::test]
async fn already_in_is_unchanged_in_both_forms_it_comes_in() {
    let listed = json!({ "ok": false, "error": "already_in_channel", "errors": [{ "user": "U1", "ok": false, "error": "already_in_channel" }] });
    for answer in [refused("already_in_channel"), listed] {
        let outcome = Script::new([info(&json!({})), (INVITE, answer)]).apply(Change::Grant(channel())).await.unwrap();
        assert!(matches!(outcome, Outcome::Unchanged(receipt) if matches!(receipt.before, Before::Grant(_))));
    }
}

#[tokio::test]
async fn a_public_channel_is_joined_first_and_the_receipt_says_so() {
    let steps = [info(&json!({ "is_member": false })), ("conversations.join channel=C1", ok()), (INVITE, ok())];
    let Outcome::Applied(receipt) = Script::new(steps).apply(Change::Grant(channel())).await.unwrap() else { panic!("not applied") };
    assert_eq!((receipt.also_changed, receipt.request_id.unwrap().as_str()), (vec!["the app joined the channel".to_owned()], "req-1"));
    // What was written before a refusal leaves its promise open.
    let steps = [info(&json!({ "is_member": false })), ("conversations.join channel=C1", ok()), (INVITE, refused("is_archived"))];
    let error = Script::new(steps).apply(Change::Grant(channel())).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::Refused, Effect::Unknown));
}

#[tokio::test]
async fn not_in_channel_means_the_app_on_an_invitation_and_the_user_on_a_removal() {
    let private = json!({ "is_private": true, "is_member": false });
    let error = Script::new([info(&private), (INVITE, refused("not_in_channel"))]).apply(Change::Grant(channel())).await.unwrap_err();
    assert_eq!((error.kind(), error.code(), error.effect()), (&ErrorKind::Conflict, Some("not_in_channel"), Effect::None));
    let outcome = Script::new([info(&json!({})), (KICK, refused("not_in_channel"))]).apply(Change::Revoke(channel())).await.unwrap();
    assert!(matches!(outcome, Outcome::Unchanged(receipt) if receipt.before == Before::Absent));
    // In a private channel without the app, it may be the app that is meant.
    let error = Script::new([info(&private), (KICK, refused("not_in_channel"))]).apply(Change::Revoke(channel())).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Conflict);
    let error = Script::new([("conversations.info channel=C1", refused("channel_not_found"))]).apply(Change::Revoke(channel())).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NotFound(Missing::Unclear));
}

#[tokio::test]
async fn the_general_channel_lets_nobody_go() {
    let error =
        Script::new([info(&json!({ "is_general": true })), (KICK, refused("cant_kick_from_general"))]).apply(Change::Revoke(channel())).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::Refused, Effect::None));
}

#[tokio::test]
async fn a_channel_another_company_hosts_is_theirs_and_one_of_ours_is_told_to_be_shared() {
    let theirs = json!({ "is_ext_shared": true, "conversation_host_id": "TACME" });
    for change in [Change::Grant(channel()), Change::Revoke(channel())] {
        let error = Script::new([info(&theirs)]).apply(change).await.unwrap_err();
        assert!(*error.kind() == ErrorKind::OwnedElsewhere && error.to_string().contains("TACME"), "{error}");
    }
    let ours = json!({ "is_ext_shared": true, "conversation_host_id": "T1" });
    let Outcome::Applied(receipt) = Script::new([info(&ours), (INVITE, ok())]).apply(Change::Grant(channel())).await.unwrap() else { panic!("not applied") };
    assert_eq!(receipt.also_changed, ["the channel is shared with another company"]);
}

#[tokio::test]
async fn a_private_channel_tied_to_groups_of_the_identity_provider_is_theirs() {
    let steps =
        [info(&json!({ "is_private": true })), ("admin.conversations.restrictAccess.listGroups channel_id=C1", json!({ "ok": true, "group_ids": ["S99"] }))];
    let error = Script::over(grid(), steps).apply(Change::Grant(channel())).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::OwnedElsewhere && error.to_string().contains("S99"), "{error}");
}

#[tokio::test]
async fn what_a_code_leaves_open_is_open_for_writes_alone() {
    let of = async |code: &str| Script::new([info(&json!({})), (INVITE, refused(code))]).apply(Change::Grant(channel())).await.unwrap_err();
    for (code, kind, hint, effect) in [
        ("fatal_error", ErrorKind::Unavailable, RetryHint::Backoff, Effect::Unknown),
        ("internal_error", ErrorKind::Unavailable, RetryHint::Backoff, Effect::Unknown),
        ("service_unavailable", ErrorKind::Unavailable, RetryHint::Backoff, Effect::Unknown),
        ("something_new", ErrorKind::Other, RetryHint::Backoff, Effect::Unknown),
        ("request_timeout", ErrorKind::TimedOut, RetryHint::Backoff, Effect::None),
        ("ratelimited", ErrorKind::RateLimited("conversations.invite".into()), RetryHint::Backoff, Effect::None),
        ("token_revoked", ErrorKind::Unauthenticated, RetryHint::Backoff, Effect::None),
        ("account_inactive", ErrorKind::Unauthenticated, RetryHint::Backoff, Effect::None),
        ("not_allowed_token_type", ErrorKind::PermissionDenied, RetryHint::Never, Effect::None),
        ("plan_upgrade_required", ErrorKind::PermissionDenied, RetryHint::Never, Effect::None),
        ("team_added_to_org", ErrorKind::NotReady, RetryHint::Backoff, Effect::None),
        ("org_user_not_in_team", ErrorKind::Conflict, RetryHint::Replan, Effect::None),
        ("ura_max_channels", ErrorKind::Refused, RetryHint::Never, Effect::None),
        ("user_is_restricted", ErrorKind::Refused, RetryHint::Never, Effect::None),
        ("is_archived", ErrorKind::Refused, RetryHint::Never, Effect::None),
        ("user_not_found", ErrorKind::NotFound(Missing::Account), RetryHint::Replan, Effect::None),
        ("channel_not_found", ErrorKind::NotFound(Missing::Unclear), RetryHint::Backoff, Effect::None),
        ("invalid_arguments", ErrorKind::InvalidRequest, RetryHint::Never, Effect::None),
    ] {
        let error = of(code).await;
        assert_eq!((error.kind(), error.hint(), error.effect(), error.code()), (&kind, hint, effect, Some(code)), "{code}");
    }
    let looked = Script::new([("conversations.info channel=C1", refused("fatal_error"))]).apply(Change::Grant(channel())).await.unwrap_err();
    assert_eq!(looked.effect(), Effect::None);
}

#[tokio::test]
async fn a_missing_scope_is_named() {
    let body = json!({ "ok": false, "error": "missing_scope", "needed": "channels:manage", "provided": "users:read" });
    let error = Script::new([info(&json!({})), (INVITE, body)]).apply(Change::Grant(channel())).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("channels:manage") && error.to_string().contains("users:read"), "{error}");
}

#[tokio::test]
async fn in_a_batch_a_culprit_is_told_and_the_others_are_left_open() {
    let requests: Vec<_> = ["U1", "U2", "U3"].map(|user| request(user, Change::Grant(channel()))).into();
    let culprit = |user: &str, code: &str| json!({ "user": user, "ok": false, "error": code });
    let together = async |steps: Vec<Step>| {
        let script = Script::new(steps);
        let outcomes = script.slack.apply_batch(&CallContext::unlimited(), &requests).await.unwrap();
        assert!(script.left.lock().unwrap().is_empty());
        outcomes
    };
    const ALL: &str = "conversations.invite channel=C1&users=U1,U2,U3";
    let refusal = json!({ "ok": false, "error": "ura_max_channels", "errors": [culprit("U2", "ura_max_channels")] });
    let outcomes = together(vec![info(&json!({})), (ALL, refusal)]).await;
    assert_eq!(outcomes.keys().map(provisionr_sdk::IdempotencyKey::as_str).collect::<Vec<_>>(), ["k-U2"]);
    assert_eq!(outcomes.values().next().unwrap().as_ref().unwrap_err().kind(), &ErrorKind::Refused);
    // One who is in already is no reason to keep the others out.
    let refusal = json!({ "ok": false, "error": "already_in_channel", "errors": [culprit("U2", "already_in_channel")] });
    let outcomes = together(vec![info(&json!({})), (ALL, refusal), ("conversations.invite channel=C1&users=U1,U3", ok())]).await;
    let told: Vec<_> = outcomes.values().map(|outcome| matches!(outcome, Ok(Outcome::Applied(_)))).collect();
    assert_eq!((outcomes.len(), told), (3, vec![true, false, true]));
}

#[tokio::test]
async fn an_id_that_would_be_two_is_never_sent() {
    let script = Script::new([]);
    for user in ["U1,U2", "U1 U2", "", "U1&users=U2"] {
        let error = script.slack.apply(&CallContext::unlimited(), &request(user, Change::Grant(channel()))).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::NotFound(Missing::Account), "{user}");
    }
}

const UPDATE: &str = "usergroups.users.update usergroup=S1&users=U2,U1";
const LISTED: &str = "usergroups.users.list usergroup=S1";

#[tokio::test]
async fn a_list_another_writer_has_replaced_meanwhile_is_a_conflict() {
    let written = |users: &[&str]| json!({ "ok": true, "users": users });
    let steps = [groups(&["U2"], &json!({})), (UPDATE, ok()), (LISTED, written(&["U2", "U1"]))];
    assert!(matches!(Script::new(steps).apply(Change::Grant(group())).await.unwrap(), Outcome::Applied(_)));
    let steps = [groups(&["U2"], &json!({})), (UPDATE, ok()), (LISTED, written(&["U2", "U3"]))];
    let error = Script::new(steps).apply(Change::Grant(group())).await.unwrap_err();
    assert_eq!((error.kind(), error.effect(), error.hint()), (&ErrorKind::Conflict, Effect::Unknown, RetryHint::Backoff));
}

#[tokio::test]
async fn a_user_group_is_switched_off_rather_than_emptied_and_on_again_for_the_next() {
    let steps = [groups(&["U1"], &json!({})), ("usergroups.disable usergroup=S1", ok())];
    let Outcome::Applied(receipt) = Script::new(steps).apply(Change::Revoke(group())).await.unwrap() else { panic!("not applied") };
    assert!(receipt.also_changed[0].contains("disabled"));
    let off = json!({ "date_delete": 1_700_000_000 });
    let steps = [
        groups(&["U9"], &off),
        ("usergroups.users.update usergroup=S1&users=U1", ok()),
        ("usergroups.enable usergroup=S1", ok()),
        (LISTED, json!({ "ok": true, "users": ["U1"] })),
    ];
    assert!(matches!(Script::new(steps).apply(Change::Grant(group())).await.unwrap(), Outcome::Applied(_)));
    // A group that a person has switched off is theirs to switch on.
    let error = Script::new([groups(&["U8", "U9"], &off)]).apply(Change::Grant(group())).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Refused);
    let outcome = Script::new([groups(&["U1", "U9"], &off)]).apply(Change::Revoke(group())).await.unwrap();
    assert!(matches!(outcome, Outcome::Unchanged(_)), "nobody holds a group that is off");
}

#[tokio::test]
async fn user_groups_that_slack_or_an_identity_provider_keeps_are_theirs() {
    for more in [json!({ "auto_type": "admin" }), json!({ "auto_provision": true })] {
        for change in [Change::Grant(group()), Change::Revoke(group())] {
            let error = Script::new([groups(&["U1"], &more)]).apply(change).await.unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::OwnedElsewhere, "{more}");
        }
    }
}

#[tokio::test]
async fn people_bots_guests_and_strangers_are_told_apart() {
    let find = async |user: Value| {
        let script = Script::over(config().workspace("T1"), [("users.info user=U1", json!({ "ok": true, "user": user }))]);
        script.slack.find_account(&CallContext::unlimited(), &AccountQuery::known("U1")).await.unwrap().one().unwrap()
    };
    for (more, kind, state) in [
        (json!({}), AccountKind::Human, AccountState::Active),
        (json!({ "deleted": true }), AccountKind::Human, AccountState::Deactivated),
        (json!({ "is_invited_user": true }), AccountKind::Human, AccountState::Invited),
        (json!({ "is_bot": true }), AccountKind::Bot, AccountState::Active),
        (json!({ "is_restricted": true }), AccountKind::Guest, AccountState::Active),
        (json!({ "is_restricted": true, "is_ultra_restricted": true }), AccountKind::Guest, AccountState::Active),
        (json!({ "is_stranger": true }), AccountKind::External, AccountState::Active),
        (json!({ "team_id": "T2" }), AccountKind::External, AccountState::Active),
        (json!({ "team_id": "T2", "enterprise_user": { "teams": ["T1", "T2"] } }), AccountKind::Human, AccountState::Active),
    ] {
        let mut user = json!({ "id": "U1", "team_id": "T1", "name": "sarah", "deleted": null, "profile": { "email": "sarah@acme.com", "title": null } });
        user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let account = find(user).await;
        assert_eq!((account.kind, account.state, account.managed_by.is_some()), (kind, state, kind == AccountKind::External), "{more}");
    }
    // Who does not know which workspace is ours cannot call anybody one of us.
    let user = json!({ "id": "U1", "team_id": "T2", "name": "sarah", "profile": {} });
    let script = Script::over(config(), [("users.info user=U1", json!({ "ok": true, "user": user }))]);
    let account = script.slack.find_account(&CallContext::unlimited(), &AccountQuery::known("U1")).await.unwrap().one().unwrap();
    assert_eq!(account.kind, AccountKind::Unknown);
}

#[tokio::test]
async fn a_user_who_may_not_be_seen_is_not_gone() {
    let script = Script::new([("users.info user=U1", refused("user_not_visible"))]);
    let found = script.slack.find_account(&CallContext::unlimited(), &AccountQuery::known("U1")).await.unwrap();
    assert!(matches!(found, Found::CannotTell(_)));
}

#[tokio::test]
async fn a_guest_without_a_role_is_not_made_a_member_by_taking_one_away() {
    let role = Entitlement::new("assign_workspace_role", "T1").with_role("admin");
    let steps = [
        ("admin.teams.owners.list team_id=T1", json!({ "ok": true, "owner_ids": ["U9"] })),
        ("admin.teams.admins.list team_id=T1", json!({ "ok": true, "admin_ids": ["U8"] })),
    ];
    let outcome = Script::over(grid(), steps).apply(Change::Revoke(role)).await.unwrap();
    assert!(matches!(outcome, Outcome::Unchanged(_)));
}

#[tokio::test]
async fn a_write_that_was_cut_off_is_open_and_found_by_a_look() {
    let error = Script::new([info(&json!({})), (INVITE, Value::Null)]).apply(Change::Grant(channel())).await.unwrap_err();
    assert_eq!(error.effect(), Effect::Unknown);
    let user = json!({ "ok": true, "user": { "id": "U1", "name": "sarah", "profile": {} } });
    let seen = json!({ "ok": true, "channels": [{ "id": "C1", "name": "sales" }], "response_metadata": { "next_cursor": "" } });
    let script = Script::new([("users.info user=U1", user.clone()), ("users.info user=U1", user), ("users.conversations user=U1", seen)]);
    let probe = script.slack.probe(&CallContext::unlimited(), &request("U1", Change::Grant(channel())).unsettled()).await.unwrap();
    assert!(matches!(probe, Probe::Holds(receipt) if receipt.grant.as_ref().is_some_and(|grant| grant.source == Source::Direct)));
}

#[tokio::test]
async fn too_much_at_once_is_told_with_its_lane_and_pause() {
    let http = MemoryTransport::new(|_| {
        let body = refused("ratelimited").to_string();
        Response::builder().status(429).header("retry-after", "30").body(body.into()).unwrap()
    });
    let slack = config().connect("slack", &http).unwrap();
    let error = slack.find_account(&CallContext::unlimited(), &AccountQuery::known("U1")).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::RateLimited("users.info".into()), RetryHint::After(Duration::from_secs(30))));
}

#[test]
fn a_configuration_that_cannot_work_is_refused_and_shows_no_secret() {
    let http = MemoryTransport::new(|_| Response::default());
    let hush = || Secret::new("hush");
    for config in [SlackConfig::new(), SlackConfig::new().token(hush()).enterprise(hush()), SlackConfig::new().token(hush()).base_url("slack")] {
        assert!(!format!("{config:?}").contains("hush"));
        assert_eq!(config.connect("slack", &http).unwrap_err().kind(), &ErrorKind::InvalidConfig);
    }
    let all = SlackConfig::new().token(hush()).workspace("T1").enterprise(hush()).scim(hush()).scim_pool("acme").connect("slack", &http).unwrap();
    assert!(!format!("{all:?}").contains("hush"));
    let pools: Vec<_> = all.descriptor().lanes.iter().filter_map(|lane| lane.pool.clone()).collect();
    assert_eq!(pools, ["acme.scim.reads", "acme.scim.writes"]);
    assert_eq!(all.descriptor().accounts.suspension, Suspension::State(AccountState::Deactivated));
    let plain = config().connect("slack", &http).unwrap();
    assert_eq!((&plain.descriptor().accounts.suspension, plain.descriptor().accounts.create.is_none()), (&Suspension::None, true));
    assert!(plain.descriptor().lanes.iter().all(|lane| !lane.id.as_str().starts_with("admin.") && lane.pool.is_none()));
}

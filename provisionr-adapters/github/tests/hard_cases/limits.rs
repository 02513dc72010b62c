//! Limits, and answers that fail in a way of their own.

use std::time::Duration;

use provisionr_http::MemoryTransport;
use provisionr_sdk::{Account, AccountQuery, AccountState, Adapter, Entitlement, ErrorKind, ListScope, PageRequest, RetryHint, Scope, Timestamp};
use provisionr_testkit::{Fault, Limit};
use serde_json::{Value, json};

use crate::world::{act, config, cx, ear, github, granted, in_team, member, on, sarah};

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_asked_for_in_smaller_parts() {
    let world = (0..20).fold(member(), |world, number| world.with_repository(&format!("repository-{number}")).with_team(&format!("team-{number}")));
    let fake = world.with_settings(|settings| settings.graphql_at_once = Some(12)).start();
    act(&fake, "add_collaborator", json!({ "user": "sarah", "repository": "repository-19", "role": "write" }));
    let all = github(&fake).observe(&cx(), &sarah(&fake), &Scope::All).await.unwrap();
    assert_eq!((all.grants.len(), all.coverage.gaps().count()), (2, 0));
    let wanted = (0..20).map(|number| on(&fake, &format!("repository-{number}"), "write")).collect();
    assert_eq!(github(&fake).observe(&cx(), &sarah(&fake), &Scope::Only(wanted)).await.unwrap().grants.len(), 1);
    let target = on(&fake, "repository-19", "write").target;
    let listed = github(&fake).list_grants(&cx(), &ListScope::Target("grant_repository".into(), target), &PageRequest::first()).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    // An outage is none of this, and an error at once.
    fake.clear_log();
    fake.fault(Fault::status(503).on("POST", "/graphql").always());
    assert_eq!(*github(&fake).observe(&cx(), &sarah(&fake), &Scope::All).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(fake.requests("POST", "/graphql").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn both_limits_are_told_with_their_pause_in_either_status() {
    for status in [403, 429] {
        let fake = member().with_settings(|settings| settings.secondary_status = status).start();
        fake.fault(Fault::throttle(Duration::from_secs(17)).on("PUT", "/orgs/**"));
        let error = granted(&fake, &in_team(&fake, "platform", "member")).await.unwrap_err();
        assert_eq!((error.kind(), error.hint()), (&ErrorKind::RateLimited("content".into()), RetryHint::After(Duration::from_secs(17))));
    }
    let fake = member().with_limit(Limit::new(1, Duration::from_secs(3600))).start();
    let (ear, cx) = ear(&fake);
    let who = AccountQuery::known(sarah(&fake).id);
    github(&fake).find_account(&cx, &who).await.unwrap();
    let error = github(&fake).find_account(&cx, &who).await.unwrap_err();
    let RetryHint::After(pause) = error.hint() else { panic!("{error:?}") };
    // The hour's budget is that of all of REST.
    assert!(*error.kind() == ErrorKind::QuotaExhausted && pause > Duration::from_secs(3590), "{pause:?}");
    let heard = ear.1.lock().unwrap();
    assert_eq!((heard[0].0.as_str(), heard[0].1.limit, heard[0].1.remaining), ("api", Some(1), Some(0)));
}

#[tokio::test(start_paused = true)]
async fn graphql_fails_in_a_success() {
    let user = json!({ "id": 7, "login": "sarah", "type": "User" });
    for (kind, wanted) in [
        ("RATE_LIMITED", ErrorKind::RateLimited("graphql".into())),
        ("INSUFFICIENT_SCOPES", ErrorKind::PermissionDenied),
        ("SERVICE_UNAVAILABLE", ErrorKind::Unavailable),
    ] {
        let errors = json!({ "data": { "nodes": [null] }, "errors": [{ "type": kind, "message": "no" }] });
        let (user, http) = (user.clone(), move |request: &http::Request<_>, user: &Value| {
            let body = if request.uri().path() == "/graphql" { errors.to_string() } else { user.to_string() };
            http::Response::new(body.into())
        });
        let http = MemoryTransport::new(move |request| http(&request, &user));
        let github = config().connect("github", &http).unwrap();
        let team = Entitlement::new("add_to_team", "T_1").with_role("member");
        let error = github.observe(&cx(), &Account::new("7", AccountState::Active), &Scope::Only(vec![team])).await.unwrap_err();
        assert_eq!(*error.kind(), wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn graphql_whose_hour_is_used_up_waits_for_the_next() {
    let http = MemoryTransport::new(|request| {
        let body = match request.uri().path() {
            "/graphql" => json!({ "errors": [{ "type": "RATE_LIMITED", "message": "API rate limit exceeded" }] }),
            _ => json!({ "id": 7, "login": "sarah", "type": "User" }),
        };
        let reset = (Timestamp::now().as_millis() / 1000 + 1800).to_string();
        let answer = http::Response::builder().header("x-ratelimit-remaining", "0").header("x-ratelimit-reset", reset);
        answer.body(body.to_string().into()).unwrap()
    });
    let team = Entitlement::new("add_to_team", "T_1").with_role("member");
    let github = config().connect("github", &http).unwrap();
    let error = github.observe(&cx(), &Account::new("7", AccountState::Active), &Scope::Only(vec![team])).await.unwrap_err();
    let RetryHint::After(pause) = error.hint() else { panic!("{error:?}") };
    assert!(*error.kind() == ErrorKind::RateLimited("graphql".into()) && pause > Duration::from_secs(1700), "{pause:?}");
}

#[tokio::test(start_paused = true)]
async fn a_redirect_says_that_the_organization_is_called_otherwise() {
    let http = MemoryTransport::new(|_| http::Response::builder().status(301).body(r#"{"message":"Moved Permanently"}"#.into()).unwrap());
    let error = config().connect("github", &http).unwrap().check(&cx()).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::InvalidConfig && error.message().contains("another name"), "{error}");
}

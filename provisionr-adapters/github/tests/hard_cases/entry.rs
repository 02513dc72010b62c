//! How a credential enters, and what it may.

use std::time::Duration;

use provisionr_github::GithubConfig;
use provisionr_sdk::{Ability, Account, AccountQuery, AccountState, Adapter, Change, ErrorKind, Missing, Request, Scope, Secret};
use provisionr_testkit::github::GithubFake;
use serde_json::json;

use crate::world::{Key, act, app, cx, ear, github, in_org, in_team, member, on, request, revoked, sarah};

#[tokio::test(start_paused = true)]
async fn not_found_is_no_absence_for_who_may_not_look() {
    let tokens = json!({ "tokens": [{ "token": "ghp_small", "owner": "octo-owner", "scopes": ["repo"] }] });
    let fake = member().seeded(&tokens).start();
    let small = GithubConfig::organization(GithubFake::ORG).token(Secret::new("ghp_small")).connect("github", &fake.transport()).unwrap();
    let leave = request(&fake, Change::Revoke(in_org("member")));
    let error = small.apply(&cx(), &leave).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound(Missing::Unclear));
    assert!(small.probe(&cx(), &leave).await.is_err());
    act(&fake, "hide", json!({ "repository": "api" }));
    let error = revoked(&fake, &on(&fake, "api", "read")).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::NotFound(Missing::Unclear));
}

#[tokio::test(start_paused = true)]
async fn not_found_is_a_refusal_where_it_is_there_after_all() {
    let tokens = json!({ "tokens": [
        { "token": "ghp_read", "owner": "octo-owner", "scopes": ["read:org", "repo"] },
        { "token": "ghp_org", "owner": "octo-owner", "scopes": ["admin:org"] },
    ] });
    let fake = member().with_user("guest").seeded(&tokens).with_settings(|settings| settings.unwritable_status = 404).start();
    act(&fake, "join_team", json!({ "user": "sarah", "team": "platform" }));
    act(&fake, "invite_member", json!({ "user": "guest" }));
    let connect = |token: &str| GithubConfig::organization(GithubFake::ORG).token(Secret::new(token)).connect("github", &fake.transport()).unwrap();
    let read = connect("ghp_read");
    for unwanted in [in_org("member"), in_team(&fake, "platform", "member")] {
        let error = read.apply(&cx(), &request(&fake, Change::Revoke(unwanted))).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (&ErrorKind::PermissionDenied, provisionr_sdk::Effect::None));
    }
    let guest = Account::new(fake.user_id("guest").unwrap(), AccountState::Active);
    let withdraw = Request::new("s-2", AccountQuery::by("login", "guest"), Change::Withdraw(in_org("member")), "k-2").with_account(guest);
    assert_eq!(read.apply(&cx(), &withdraw).await.unwrap_err().kind(), &ErrorKind::PermissionDenied);
    assert!(fake.with(|fake| fake.member("sarah").is_some() && fake.invitation("guest").is_some()));
}

#[tokio::test(start_paused = true)]
async fn an_app_draws_one_token_an_hour() {
    let fake = member().start();
    let (_, cx) = ear(&fake);
    let github = app(&fake);
    let who = AccountQuery::known(sarah(&fake).id);
    let drawn = || fake.requests("POST", "/app/installations/*/access_tokens").len();
    for _ in 0..3 {
        github.find_account(&cx, &who).await.unwrap();
    }
    assert_eq!(drawn(), 1);
    tokio::time::advance(Duration::from_secs(3599)).await;
    github.find_account(&cx, &who).await.unwrap();
    assert_eq!(drawn(), 2);
    let asked = &fake.requests("GET", "/user/*")[0];
    let header = |name: &str| asked.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!((header("x-github-api-version"), header("accept")), (Some("2022-11-28"), Some("application/vnd.github+json")));
    // All it needs it may: nothing is lacking, and it sees all repositories.
    let check = github.check(&cx).await.unwrap();
    assert_eq!((check.lacking.len(), check.own_accounts.len()), (0, 0));
    let all = github.observe(&cx, &sarah(&fake), &Scope::All).await.unwrap();
    assert_eq!(all.coverage.gaps().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_check_finds_what_the_credential_lacks() {
    let manage = |kind: &str| Ability::Manage(kind.into());
    let small = json!({ "installations": [{ "id": 5, "app": GithubFake::APP, "permissions": { "members": "read", "metadata": "read" } }] });
    let fake = member().seeded(&small).seeded(&json!({ "tokens": [
        { "token": "ghp_read", "owner": "octo-owner", "scopes": ["read:org", "repo"] },
        { "token": "ghp_sarah", "owner": "sarah", "scopes": ["admin:org", "repo"] },
    ] }));
    let fake = fake.with_settings(|settings| settings.seats = Some(20)).start();
    let (_, cx) = ear(&fake);
    let connect = |config: GithubConfig| config.connect("github", &fake.transport()).unwrap();
    let five = connect(GithubConfig::organization(GithubFake::ORG).app(GithubFake::APP, 5, Key)).check(&cx).await.unwrap();
    assert!(five.lacking.contains_key(&manage("add_to_org")) && five.lacking.contains_key(&Ability::Observe("grant_repository".into())));
    assert!(!five.lacking.contains_key(&Ability::Observe("add_to_team".into())));
    let whole = github(&fake).check(&cx).await.unwrap();
    assert_eq!((whole.lacking.len(), whole.own_accounts[0].as_str()), (0, fake.user_id("octo-owner").unwrap().as_str()));
    assert_eq!((whole.seats[0].total, whole.seats[0].taken), (Some(20), 2));
    let token = |token: &str| connect(GithubConfig::organization(GithubFake::ORG).token(Secret::new(token)));
    let read = token("ghp_read").check(&cx).await.unwrap();
    assert!(read.lacking.contains_key(&manage("add_to_team")) && !read.lacking.contains_key(&manage("grant_repository")));
    let no_owner = token("ghp_sarah").check(&cx).await.unwrap();
    assert!(no_owner.lacking[&manage("grant_repository")].contains("does not own"));
    let elsewhere = GithubConfig::organization("another").app(GithubFake::APP, GithubFake::INSTALLATION, Key);
    assert!(connect(elsewhere).check(&cx).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_suspended_app_does_nothing() {
    let suspended = json!({ "installations": [{ "id": 5, "app": GithubFake::APP, "permissions": { "members": "write" }, "suspended": true }] });
    let fake = member().seeded(&suspended).start();
    let (_, cx) = ear(&fake);
    let github = GithubConfig::organization(GithubFake::ORG).app(GithubFake::APP, 5, Key).connect("github", &fake.transport()).unwrap();
    let error = github.check(&cx).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::PermissionDenied && error.message().contains("suspended"), "{error}");
}

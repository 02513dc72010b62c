//! Names and lists, and what they do not show.

use provisionr_github::{Github, GithubConfig};
use provisionr_sdk::{Adapter, CallContext, Completeness, ErrorKind, ListScope, PageRequest, Resolution, Scope, Source};
use provisionr_testkit::github::GithubFake;
use serde_json::{Value, json};

use crate::world::{Key, act, app, cx, ear, github, member, on, sarah, scripted, world};

#[tokio::test(start_paused = true)]
async fn a_row_that_tells_nobody_is_an_error_or_a_gap() {
    let repository = |edges: Value| json!({ "data": { "node": { "name": "api", "collaborators": { "edges": edges } } } });
    let scope = ListScope::Target("grant_repository".into(), "R_1".into());
    let strange = repository(json!([{ "node": { "databaseId": null }, "permissionSources": [] }]));
    let error = scripted(strange, json!({})).list_grants(&cx(), &scope, &PageRequest::first()).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Protocol);
    let listed = scripted(repository(json!([])), json!({})).list_grants(&cx(), &scope, &PageRequest::first()).await.unwrap();
    assert!(matches!(listed.completeness, Completeness::Incomplete(_)));
}

#[tokio::test(start_paused = true)]
async fn sweeps_take_the_calls_the_readme_says() {
    let world = (0..120).fold(member(), |world, number| world.with_repository(&format!("repository-{number}")));
    let world = (0..30).fold(world, |world, number| world.with_team(&format!("team-{number}")));
    let fake = world.start();
    let github = github(&fake);
    // The user, the membership, one page of teams, two of repositories, and how many there are.
    let all = github.observe(&cx(), &sarah(&fake), &Scope::All).await.unwrap();
    assert_eq!((all.coverage.gaps().count(), fake.log().len()), (0, 6));
    // Fifty targets by name are one call.
    fake.clear_log();
    let wanted: Vec<_> = (0..50).map(|number| on(&fake, &format!("repository-{number}"), "read")).collect();
    let none = github.observe(&cx(), &sarah(&fake), &Scope::Only(wanted[..1].to_vec())).await.unwrap();
    assert_eq!((none.grants.len(), fake.log().len()), (0, 3));
    for (kind, calls) in [("add_to_org", 3), ("add_to_team", 2 + 2 * 31), ("grant_repository", 3 + 2 * 121)] {
        fake.clear_log();
        let mut page = PageRequest::first();
        loop {
            let listed = github.list_grants(&cx(), &ListScope::Kind(kind.into()), &page).await.unwrap();
            assert_eq!(listed.completeness, Completeness::Complete);
            let Some(next) = listed.next else { break };
            page = PageRequest::first().after(next);
        }
        assert_eq!(fake.log().len(), calls, "{kind}");
    }
}

/// Why a list of all grants of a kind is incomplete, and its targets.
async fn gaps(github: &Github, cx: &CallContext, kind: &str) -> (bool, bool) {
    let (mut grants, mut targets) = (false, false);
    let incomplete = |completeness: &Completeness| matches!(completeness, Completeness::Incomplete(_));
    let mut page = PageRequest::first().sized(2);
    loop {
        let listed = github.list_grants(cx, &ListScope::Kind(kind.into()), &page).await.unwrap();
        grants |= incomplete(&listed.completeness);
        let Some(next) = listed.next else { break };
        page.cursor = Some(next);
    }
    // There is one organization, and it has been named.
    if kind == "add_to_org" {
        return (grants, targets);
    }
    page.cursor = None;
    loop {
        let listed = github.list_targets(cx, &kind.into(), &page).await.unwrap();
        targets |= incomplete(&listed.completeness);
        let Some(next) = listed.next else { break };
        page.cursor = Some(next);
    }
    (grants, targets)
}

#[tokio::test(start_paused = true)]
async fn lists_say_what_they_do_not_show() {
    let selected = json!({ "id": 5, "app": GithubFake::APP, "permissions": { "members": "write", "administration": "write", "metadata": "read" },
                           "selection": "selected" });
    let world = || ["a", "b", "c", "d"].into_iter().fold(member(), |world, name| world.with_team(name).with_repository(name));
    let fake = world().seeded(&json!({ "installations": [selected] })).start();
    let (_, cx) = ear(&fake);
    let some = GithubConfig::organization(GithubFake::ORG).app(GithubFake::APP, 5, Key).connect("github", &fake.transport()).unwrap();
    for github in [app(&fake), github(&fake)] {
        for kind in ["add_to_org", "add_to_team", "grant_repository"] {
            assert_eq!(gaps(&github, &cx, kind).await, (false, false), "{kind}");
        }
    }
    assert_eq!(gaps(&some, &cx, "grant_repository").await, (true, true));
    act(&fake, "hide", json!({ "repository": "d" }));
    act(&fake, "hide", json!({ "team": "d" }));
    for kind in ["add_to_team", "grant_repository"] {
        assert_eq!(gaps(&github(&fake), &cx, kind).await, (true, true), "{kind}");
    }
    // Who is invited by address may be anybody.
    for (invitation, kind) in [(json!({}), "add_to_org"), (json!({ "platform": "member" }), "add_to_team")] {
        let fake = world().seeded(&json!({ "invitations": [{ "email": "new@company.com", "teams": invitation }] })).start();
        assert!(gaps(&github(&fake), &cx, kind).await.0, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn names_are_slugs_names_and_paths() {
    let fake = world().with_team("Web & Mobile").start();
    let github = github(&fake);
    let one = async |kind: &str, name: &str| {
        let resolved = github.resolve(&cx(), &kind.into(), &[name.into()]).await.unwrap().remove(0).resolution;
        if let Resolution::One(target) = resolved { Some(target.id.as_str().to_owned()) } else { None }
    };
    for name in ["web-mobile", "Web & Mobile", "company/web-mobile", "WEB-MOBILE"] {
        assert_eq!(one("add_to_team", name).await, fake.team_id("web-mobile"), "{name}");
    }
    for name in ["api", "company/api", "API"] {
        assert_eq!(one("grant_repository", name).await, fake.repository_id("api"), "{name}");
    }
    assert_eq!(one("grant_repository", "other/api").await, None);
    assert_eq!(one("add_to_org", "Company").await.as_deref(), Some("company"));
    assert_eq!(one("add_to_org", "other").await, None);
}

#[tokio::test(start_paused = true)]
async fn lists_show_who_is_invited_and_who_owns() {
    let fake = world().with_user("clerk").seeded(&json!({ "repositories": [{ "name": "web", "invitations": { "sarah": "write" } }] })).start();
    act(&fake, "join_team", json!({ "user": "octo-owner", "team": "platform" }));
    act(&fake, "invite_member", json!({ "user": "sarah", "team": "platform", "role": "maintainer" }));
    let github = github(&fake);
    let list = async |kind: &str| {
        let (mut page, mut all) = (PageRequest::first(), Vec::new());
        loop {
            let listed = github.list_grants(&cx(), &ListScope::Kind(kind.into()), &page).await.unwrap();
            all.extend(listed.items.iter().map(|grant| {
                let name = fake.with(|fake| fake.user(grant.account.as_str()).unwrap().login.clone());
                let source = if grant.source == Source::Direct { "" } else { " by rule" };
                format!("{name} {} {:?}{source}", grant.entitlement.role.as_ref().unwrap(), grant.state)
            }));
            let Some(next) = listed.next else { return all };
            page = PageRequest::first().after(next);
        }
    };
    act(&fake, "invite_member", json!({ "user": "clerk", "role": "billing_manager" }));
    assert_eq!(list("add_to_org").await, ["octo-owner admin Held", "sarah member Invited", "clerk billing_manager Invited"]);
    assert_eq!(list("add_to_team").await, ["octo-owner member Held", "octo-owner maintainer Held by rule", "sarah maintainer Invited"]);
    assert_eq!(list("grant_repository").await, ["sarah write Invited"]);
}

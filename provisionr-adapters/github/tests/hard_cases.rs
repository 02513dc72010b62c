//! Invitations and what becomes of them, access from several sources, refusals that mislead, limits, and how an app enters.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use provisionr_github::{Github, GithubConfig};
use provisionr_http::{MemoryTransport, Signer};
use provisionr_sdk::{
    Ability, Account, AccountQuery, AccountState, Adapter, Call, CallContext, CallGate, Change, Completeness, Entitlement, ErrorKind, Expect, Found, Grant,
    GrantState, LaneId, LaneReading, ListScope, Missing, Outcome, PageRequest, Permit, Probe, Receipt, Request, Resolution, Result, RetryHint, Scope, Secret,
    Source, Timestamp, WaitReason,
};
use provisionr_testkit::github::GithubFake;
use provisionr_testkit::{Act, FakeClock, FakeSystem, Fault, Limit};
use serde_json::{Value, json};

type Fake = FakeSystem<GithubFake>;

fn cx() -> CallContext {
    CallContext::unlimited()
}

fn config() -> GithubConfig {
    GithubConfig::organization(GithubFake::ORG).token(Secret::new(GithubFake::TOKEN))
}

fn github(fake: &Fake) -> Github {
    config().connect("github", &fake.transport()).unwrap()
}

fn sarah(fake: &Fake) -> Account {
    Account::new(fake.user_id("sarah").unwrap(), AccountState::Active).with_login("sarah")
}

fn request(fake: &Fake, change: Change) -> Request {
    Request::new("s-1", AccountQuery::by("login", "sarah"), change, "k-1").with_account(sarah(fake))
}

fn in_org(role: &str) -> Entitlement {
    Entitlement::new("add_to_org", GithubFake::ORG).with_role(role)
}

fn in_team(fake: &Fake, team: &str, role: &str) -> Entitlement {
    Entitlement::new("add_to_team", fake.team_id(team).unwrap()).with_role(role)
}

fn on(fake: &Fake, repository: &str, role: &str) -> Entitlement {
    Entitlement::new("grant_repository", fake.repository_id(repository).unwrap()).with_role(role)
}

fn act(fake: &Fake, act: &str, args: Value) {
    fake.act(Act::new(act, args)).unwrap();
}

async fn granted(fake: &Fake, wanted: &Entitlement) -> Result<Outcome> {
    github(fake).apply(&cx(), &request(fake, Change::Grant(wanted.clone()))).await
}

async fn revoked(fake: &Fake, unwanted: &Entitlement) -> Result<Outcome> {
    github(fake).apply(&cx(), &request(fake, Change::Revoke(unwanted.clone()))).await
}

async fn seen(fake: &Fake, wanted: &Entitlement) -> Vec<Grant> {
    github(fake).observe(&cx(), &sarah(fake), &Scope::Only(vec![wanted.clone()])).await.unwrap().grants
}

fn applied(outcome: Outcome) -> Receipt {
    let Outcome::Applied(receipt) = outcome else { panic!("{outcome:?}") };
    receipt
}

fn unchanged(outcome: Outcome) -> Receipt {
    let Outcome::Unchanged(receipt) = outcome else { panic!("{outcome:?}") };
    receipt
}

/// The organization with the team `platform`, the repository `api`, and Sarah, who is in nothing.
fn world() -> GithubFake {
    GithubFake::new().with_user("sarah").with_team("platform").with_repository("api")
}

/// The same, and Sarah is a member.
fn member() -> GithubFake {
    GithubFake::new().with_member("sarah", "member").with_team("platform").with_repository("api")
}

#[tokio::test(start_paused = true)]
async fn an_invitation_is_sent_once_and_waited_for() {
    let fake = world().start();
    let give = request(&fake, Change::Grant(in_org("member")));
    for _ in 0..2 {
        let Outcome::Waiting(wait, receipt) = github(&fake).apply(&cx(), &give).await.unwrap() else { panic!() };
        assert_eq!((wait.reason, receipt.grant.unwrap().state), (WaitReason::InvitationSent, GrantState::Invited));
    }
    assert_eq!(fake.mails(), 1);
    assert!(matches!(github(&fake).probe(&cx(), &give).await.unwrap(), Probe::Pending(_)));
    act(&fake, "accept_invitation", json!({ "user": "sarah" }));
    assert!(matches!(github(&fake).probe(&cx(), &give).await.unwrap(), Probe::Holds(_)));
}

#[tokio::test(start_paused = true)]
async fn an_invitation_that_failed_is_told_with_its_reason_and_sent_anew() {
    for (what, why) in [("expire_invitation", "Invitation expired"), ("decline_invitation", "Invitation declined")] {
        let fake = world().start();
        let give = request(&fake, Change::Grant(in_org("member")));
        let Outcome::Waiting(wait, _) = github(&fake).apply(&cx(), &give).await.unwrap() else { panic!() };
        act(&fake, what, json!({ "user": "sarah" }));
        let error = github(&fake).probe(&cx(), &give.clone().with_ticket(wait.ticket.unwrap())).await.unwrap_err();
        assert_eq!((error.kind(), error.hint()), (&ErrorKind::Lapsed, RetryHint::Replan));
        assert!(error.message().contains(why), "{error}");
        // Without a ticket nobody knows that there was one.
        assert_eq!(github(&fake).probe(&cx(), &give).await.unwrap(), Probe::Absent);
        assert!(matches!(github(&fake).apply(&cx(), &give).await.unwrap(), Outcome::Waiting(..)));
        assert_eq!(fake.mails(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn invitations_are_withdrawn_and_memberships_are_not() {
    let fake = world().start();
    granted(&fake, &in_org("member")).await.unwrap();
    let withdraw = request(&fake, Change::Withdraw(in_org("member")));
    applied(github(&fake).apply(&cx(), &withdraw).await.unwrap());
    assert!(fake.with(|fake| fake.invitation("sarah").is_none()));
    act(&fake, "set_member", json!({ "user": "sarah" }));
    unchanged(github(&fake).apply(&cx(), &withdraw).await.unwrap());
    assert!(fake.with(|fake| fake.member("sarah").is_some()));
}

#[tokio::test(start_paused = true)]
async fn seats_caps_and_blocks_are_told_apart() {
    let kind = async |fake: Fake| {
        let error = granted(&fake, &in_org("member")).await.unwrap_err();
        assert_eq!(error.effect(), provisionr_sdk::Effect::None);
        (error.kind().clone(), error.hint())
    };
    let full = world().with_settings(|settings| settings.seats = Some(1)).start();
    assert_eq!(kind(full).await, (ErrorKind::NoSeat("organization".to_owned()), RetryHint::Backoff));
    let capped = world().with_settings(|settings| settings.invitations_a_day = 0).start();
    assert_eq!(kind(capped).await, (ErrorKind::QuotaExhausted, RetryHint::After(Duration::from_secs(3600))));
    let blocking = GithubFake::new().seeded(&json!({ "users": [{ "login": "sarah", "blocking": true }] })).start();
    assert_eq!(kind(blocking).await, (ErrorKind::Refused, RetryHint::Never));
    // An outside collaborator takes a seat too.
    let full = world().with_settings(|settings| settings.seats = Some(1)).start();
    let error = granted(&full, &on(&full, "api", "read")).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NoSeat("organization".to_owned()));
    let capped = world().with_settings(|settings| settings.repository_invitations_a_day = 0).start();
    let error = granted(&capped, &on(&capped, "api", "read")).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::QuotaExhausted);
}

#[tokio::test(start_paused = true)]
async fn the_last_owner_stays_in_whatever_words() {
    for status in [403, 422] {
        let fake = GithubFake::new().with_member("sarah", "admin").with_settings(|settings| settings.last_owner_status = status).start();
        act(&fake, "set_member", json!({ "user": "octo-owner", "role": "member" }));
        let errors = [revoked(&fake, &in_org("admin")).await.unwrap_err(), granted(&fake, &in_org("member")).await.unwrap_err()];
        for error in errors {
            assert!(*error.kind() == ErrorKind::Refused && error.message().contains("no other owner"), "{error}");
        }
        act(&fake, "set_member", json!({ "user": "octo-owner", "role": "admin" }));
        applied(granted(&fake, &in_org("member")).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn leaving_the_organization_drops_everything_and_says_so() {
    let fake = member().start();
    act(&fake, "join_team", json!({ "user": "sarah", "team": "platform" }));
    act(&fake, "add_collaborator", json!({ "user": "sarah", "repository": "api", "role": "write" }));
    let all = github(&fake).observe(&cx(), &sarah(&fake), &Scope::All).await.unwrap();
    let direct: Vec<_> = all.grants.iter().filter(|grant| grant.source == Source::Direct).map(|grant| grant.entitlement.kind.as_str()).collect();
    assert_eq!(direct, ["add_to_org", "add_to_team", "grant_repository"]);
    assert_eq!(all.coverage.gaps().count(), 0);
    let receipt = applied(revoked(&fake, &in_org("member")).await.unwrap());
    assert_eq!(receipt.also_changed.len(), 1);
    let none = github(&fake).observe(&cx(), &sarah(&fake), &Scope::All).await.unwrap();
    assert_eq!(none.grants, []);
    // Invitations to repositories cannot be seen from here, and are no absence.
    let repositories = "grant_repository".into();
    assert!(!none.coverage.covers_kind(&repositories) && !none.coverage.covers(&repositories, &on(&fake, "api", "read").target));
    assert_eq!(unchanged(revoked(&fake, &in_org("member")).await.unwrap()), Receipt::new().before_absent());
}

#[tokio::test(start_paused = true)]
async fn what_the_enterprise_gives_is_the_enterprises() {
    let seed = json!({ "users": [{ "login": "sarah" }], "members": [{ "user": "sarah", "enterprise_teams": ["staff"] }] });
    let fake = GithubFake::new().seeded(&seed).start();
    let Source::Owned(owner) = &seen(&fake, &in_org("member")).await[0].source else { panic!() };
    assert_eq!(owner.as_str(), "enterprise team staff");
    unchanged(granted(&fake, &in_org("member")).await.unwrap());
    let error = revoked(&fake, &in_org("member")).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::OwnedElsewhere && error.message().contains("staff"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_team_of_somebody_outside_is_an_invitation_to_the_organization() {
    let fake = world().start();
    let wanted = in_team(&fake, "platform", "maintainer");
    let Outcome::Waiting(wait, receipt) = granted(&fake, &wanted).await.unwrap() else { panic!() };
    assert_eq!((wait.reason, receipt.also_changed.len(), fake.mails()), (WaitReason::InvitationSent, 1, 1));
    let open = seen(&fake, &wanted).await;
    assert_eq!(open, [Grant::direct(sarah(&fake).id, wanted.clone()).in_state(GrantState::Invited)]);
    applied(github(&fake).apply(&cx(), &request(&fake, Change::Withdraw(wanted.clone()))).await.unwrap());
    assert_eq!(seen(&fake, &wanted).await, []);
    granted(&fake, &wanted).await.unwrap();
    act(&fake, "accept_invitation", json!({ "user": "sarah" }));
    assert_eq!(seen(&fake, &wanted).await, [Grant::direct(sarah(&fake).id, wanted)]);
}

#[tokio::test(start_paused = true)]
async fn a_team_of_an_identity_provider_names_its_group_when_it_refuses() {
    let fake = member().start();
    act(&fake, "link_idp_group", json!({ "team": "platform", "group": "Okta engineers" }));
    act(&fake, "join_team", json!({ "user": "sarah", "team": "platform" }));
    let wanted = in_team(&fake, "platform", "member");
    for error in [granted(&fake, &in_team(&fake, "platform", "maintainer")).await.unwrap_err(), revoked(&fake, &wanted).await.unwrap_err()] {
        assert!(*error.kind() == ErrorKind::OwnedElsewhere && error.message().contains("Okta engineers"), "{error}");
    }
    // Where it is known that there are such teams, it shows before.
    let synced = config().synced_teams().connect("github", &fake.transport()).unwrap();
    let seen = synced.observe(&cx(), &sarah(&fake), &Scope::All).await.unwrap();
    assert!(seen.grants.iter().any(|grant| matches!(&grant.source, Source::Owned(owner) if owner.as_str().contains("Okta engineers"))));
}

#[tokio::test(start_paused = true)]
async fn owners_are_maintainers_whatever_was_given() {
    let fake = GithubFake::new().with_member("sarah", "admin").with_team("platform").start();
    act(&fake, "join_team", json!({ "user": "sarah", "team": "platform", "role": "member" }));
    let (member, maintainer) = (in_team(&fake, "platform", "member"), in_team(&fake, "platform", "maintainer"));
    let grants = seen(&fake, &member).await;
    assert_eq!(grants[0], Grant::direct(sarah(&fake).id, member.clone()));
    assert!(grants[1].entitlement == maintainer && matches!(grants[1].source, Source::Rule(_)));
    for wanted in [&member, &maintainer] {
        unchanged(granted(&fake, wanted).await.unwrap());
    }
    assert_eq!(applied(revoked(&fake, &member).await.unwrap()).still_effective, []);
    assert_eq!(seen(&fake, &member).await, []);
}

#[tokio::test(start_paused = true)]
async fn who_is_in_a_team_below_is_not_taken_from_the_one_above() {
    let fake = member().seeded(&json!({ "teams": [{ "name": "Platform API", "parent": "platform", "members": { "sarah": "member" } }] })).start();
    let above = in_team(&fake, "platform", "member");
    assert!(matches!(seen(&fake, &above).await[0].source, Source::Rule(_)));
    unchanged(granted(&fake, &above).await.unwrap());
    assert_eq!(unchanged(revoked(&fake, &above).await.unwrap()).still_effective.len(), 1);
    applied(granted(&fake, &in_team(&fake, "platform", "maintainer")).await.unwrap());
    assert_eq!(applied(revoked(&fake, &in_team(&fake, "platform", "maintainer")).await.unwrap()).still_effective.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_behind_the_end_of_a_page_is_seen_or_asked_for_and_never_absent() {
    let page = |world: GithubFake| world.with_settings(|settings| settings.page_size = 1);
    // Of open invitations of a team hers is not among the first.
    let fake = page(world().with_user("another")).start();
    for user in ["another", "sarah"] {
        act(&fake, "invite_member", json!({ "user": user, "team": "platform" }));
    }
    let wanted = in_team(&fake, "platform", "member");
    assert_eq!(seen(&fake, &wanted).await, [Grant::direct(sarah(&fake).id, wanted.clone()).in_state(GrantState::Invited)]);
    // Members are searched by a part of their login: she is not among the first who answer to it.
    let seed = json!({ "teams": [{ "name": "Platform API", "parent": "platform", "members": { "old-sarah": "member", "sarah": "member" } }] });
    let fake = page(GithubFake::new().with_member("old-sarah", "member").with_member("sarah", "member").with_team("platform").seeded(&seed)).start();
    let scope = Scope::Only(vec![in_team(&fake, "platform", "member")]);
    assert_eq!(*github(&fake).observe(&cx(), &sarah(&fake), &scope).await.unwrap_err().kind(), ErrorKind::Protocol);
}

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
async fn who_left_a_team_meanwhile_is_no_error_in_either_answer() {
    for status in [404, 204] {
        let fake = member().with_settings(|settings| settings.not_in_team_status = status).start();
        act(&fake, "join_team", json!({ "user": "sarah", "team": "platform" }));
        let wanted = in_team(&fake, "platform", "member");
        // The look still shows her.
        fake.fault(Fault::lag(Duration::from_secs(60)).on("POST", "/graphql").times(1));
        act(&fake, "leave_team", json!({ "user": "sarah", "team": "platform" }));
        assert!(matches!(revoked(&fake, &wanted).await.unwrap(), Outcome::Applied(_) | Outcome::Unchanged(_)));
        assert_eq!(fake.requests("DELETE", "/orgs/**").len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_counts_is_never_taken_for_what_was_given() {
    let seed = json!({
        "teams": [{ "name": "Admins", "members": { "sarah": "member" }, "repositories": { "api": "admin" } }],
        "settings": { "base_permission": "read" },
    });
    let fake = member().seeded(&seed).start();
    act(&fake, "add_collaborator", json!({ "user": "sarah", "repository": "api", "role": "triage" }));
    let direct = on(&fake, "api", "triage");
    let grants = seen(&fake, &direct).await;
    assert_eq!(grants[0], Grant::direct(sarah(&fake).id, direct.clone()));
    assert_eq!(grants[1].source, Source::Inherited(fake.team_id("admins").unwrap().into()));
    assert!(grants[2].entitlement == on(&fake, "api", "read") && matches!(grants[2].source, Source::Rule(_)));
    // Enough already; and what is direct alone is taken.
    let enough = unchanged(granted(&fake, &on(&fake, "api", "maintain")).await.unwrap()).grant.unwrap();
    assert_eq!(enough.entitlement, on(&fake, "api", "admin"));
    assert_eq!(applied(revoked(&fake, &direct).await.unwrap()).still_effective.len(), 2);
    assert_eq!(unchanged(revoked(&fake, &direct).await.unwrap()).still_effective.len(), 2);
    assert_eq!(fake.effects("collaborator.removed"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_direct_role_is_lowered_where_a_lower_one_is_wanted() {
    let fake = member().start();
    act(&fake, "add_collaborator", json!({ "user": "sarah", "repository": "api", "role": "admin" }));
    let meant = Expect::Grant(Grant::direct(sarah(&fake).id, on(&fake, "api", "read")));
    let write = request(&fake, Change::Grant(on(&fake, "api", "write")));
    let error = github(&fake).apply(&cx(), &write.clone().expecting(meant)).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::Conflict, RetryHint::Replan));
    applied(github(&fake).apply(&cx(), &write).await.unwrap());
    assert_eq!(fake.requests("PUT", "/repos/**")[0].body, json!({ "permission": "push" }));
    assert_eq!(seen(&fake, &on(&fake, "api", "write")).await, [Grant::direct(sarah(&fake).id, on(&fake, "api", "write"))]);
}

#[tokio::test(start_paused = true)]
async fn who_is_outside_is_invited_to_a_repository_and_that_is_told() {
    let fake = world().start();
    let (read, write) = (on(&fake, "api", "read"), on(&fake, "api", "write"));
    let Outcome::Waiting(_, receipt) = granted(&fake, &read).await.unwrap() else { panic!() };
    assert!(receipt.also_changed[0].contains("outside collaborator"), "{receipt:?}");
    // Another role changes the invitation; nobody gets a second mail.
    assert!(matches!(granted(&fake, &write).await.unwrap(), Outcome::Waiting(..)));
    assert_eq!((fake.mails(), fake.effects("invitation.changed")), (1, 1));
    assert_eq!(seen(&fake, &write).await, [Grant::direct(sarah(&fake).id, write.clone()).in_state(GrantState::Invited)]);
    applied(github(&fake).apply(&cx(), &request(&fake, Change::Withdraw(write.clone()))).await.unwrap());
    assert_eq!(seen(&fake, &write).await, []);
    let Outcome::Waiting(wait, _) = granted(&fake, &write).await.unwrap() else { panic!() };
    act(&fake, "expire_invitation", json!({ "user": "sarah" }));
    let give = request(&fake, Change::Grant(write.clone())).with_ticket(wait.ticket.unwrap());
    assert_eq!(*github(&fake).probe(&cx(), &give).await.unwrap_err().kind(), ErrorKind::Lapsed);
    granted(&fake, &write).await.unwrap();
    act(&fake, "accept_invitation", json!({ "user": "sarah" }));
    assert_eq!(seen(&fake, &write).await, [Grant::direct(sarah(&fake).id, write)]);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_went_to_another_person_leads_to_the_same_one() {
    let fake = member().start();
    let before = sarah(&fake);
    act(&fake, "rename_user", json!({ "user": "sarah", "to": "sarah-connor" }));
    fake.seed(&json!({ "users": [{ "login": "sarah" }] })).unwrap();
    let wanted = in_team(&fake, "platform", "member");
    let give = Request::new("s-1", AccountQuery::known(before.id.clone()), Change::Grant(wanted), "k-1").with_account(before.clone());
    applied(github(&fake).apply(&cx(), &give).await.unwrap());
    let put = &fake.requests("PUT", "/orgs/**")[0];
    assert!(put.path.ends_with("/memberships/sarah-connor"), "{}", put.path);
    let Found::One(found) = github(&fake).find_account(&cx(), &AccountQuery::known(before.id)).await.unwrap() else { panic!() };
    let by_either = AccountQuery::by("email", "sarah@company.com").or("login", "Sarah-Connor");
    assert_eq!(github(&fake).find_account(&cx(), &by_either).await.unwrap(), Found::One(found.clone()));
    assert_eq!(found.login.as_deref(), Some("sarah-connor"));
}

#[tokio::test(start_paused = true)]
async fn a_login_that_somebody_else_registered_is_not_the_person_who_is_gone() {
    let fake = member().start();
    let who = AccountQuery::known(sarah(&fake).id).or("login", "sarah");
    act(&fake, "delete_user", json!({ "user": "sarah" }));
    assert_eq!(github(&fake).find_account(&cx(), &who).await.unwrap(), Found::None);
    fake.seed(&json!({ "users": [{ "login": "sarah" }] })).unwrap();
    let Found::CannotTell(why) = github(&fake).find_account(&cx(), &who).await.unwrap() else { panic!("a stranger was found") };
    assert!(why.contains("`sarah`") && why.contains("another account"), "{why}");
    // Who was never linked is found by login as ever.
    assert!(matches!(github(&fake).find_account(&cx(), &AccountQuery::by("login", "sarah")).await.unwrap(), Found::One(_)));
}

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
async fn who_accepts_between_look_and_withdrawal_stays_a_member() {
    // The look is of a minute ago; meanwhile she has accepted.
    for stale in [&["/orgs/*/memberships/*"][..], &["/orgs/*/memberships/*", "/orgs/*/invitations"]] {
        let fake = world().start();
        granted(&fake, &in_org("member")).await.unwrap();
        stale.iter().for_each(|path| fake.fault(Fault::lag(Duration::from_secs(60)).on("GET", path).times(1)));
        act(&fake, "accept_invitation", json!({ "user": "sarah" }));
        let withdraw = request(&fake, Change::Withdraw(in_org("member")));
        let error = github(&fake).apply(&cx(), &withdraw).await.unwrap_err();
        assert_eq!((error.kind(), error.hint()), (&ErrorKind::Conflict, RetryHint::Backoff));
        assert!(fake.with(|fake| fake.member("sarah").is_some()));
        unchanged(github(&fake).apply(&cx(), &withdraw).await.unwrap());
    }
}

/// A gate that goes by the fake's clock and keeps what it hears.
struct Ear(FakeClock, Mutex<Vec<(LaneId, LaneReading)>>);

#[async_trait]
impl CallGate for Ear {
    async fn permit(&self, _call: &Call) -> Result<Permit> {
        Ok(Permit::free())
    }

    fn heard(&self, lane: &LaneId, reading: LaneReading) {
        self.1.lock().unwrap().push((lane.clone(), reading));
    }

    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

fn ear(fake: &Fake) -> (Arc<Ear>, CallContext) {
    let ear = Arc::new(Ear(fake.clock().clone(), Mutex::default()));
    (ear.clone(), CallContext::new(ear))
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

/// Answers in the place of GitHub: a person, and what a query and a change are answered.
fn scripted(graphql: Value, put: Value) -> Github {
    let http = MemoryTransport::new(move |request| {
        let body = match (request.method().as_str(), request.uri().path()) {
            ("PUT", _) => put.to_string(),
            (_, "/graphql") => graphql.to_string(),
            (_, path) if path.ends_with("/invitations") => json!([{ "id": 9, "invitee": null, "permissions": "read" }]).to_string(),
            _ => json!({ "id": 7, "login": "sarah", "type": "User" }).to_string(),
        };
        http::Response::new(body.into())
    });
    config().connect("github", &http).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_role_that_was_not_given_is_not_reported_as_given() {
    let none = json!({ "edges": [] });
    let team = json!({ "__typename": "Team", "id": "T_1", "slug": "platform", "organization": { "login": "company" }, "immediate": none, "below": none,
                       "invitations": none });
    let answers = json!({ "data": { "nodes": [team] } });
    let give = |role: &str| {
        let wanted = Entitlement::new("add_to_team", "T_1").with_role(role);
        Request::new("s-1", AccountQuery::known("7"), Change::Grant(wanted), "k-1").with_account(Account::new("7", AccountState::Active))
    };
    let left_at = |role: &str| scripted(answers.clone(), json!({ "state": "active", "role": role }));
    let error = left_at("member").apply(&cx(), &give("maintainer")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::Refused, provisionr_sdk::Effect::Unknown));
    // Owners are maintainers whatever they were made.
    applied(left_at("maintainer").apply(&cx(), &give("member")).await.unwrap());
}

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
async fn a_redirect_says_that_the_organization_is_called_otherwise() {
    let http = MemoryTransport::new(|_| http::Response::builder().status(301).body(r#"{"message":"Moved Permanently"}"#.into()).unwrap());
    let error = config().connect("github", &http).unwrap().check(&cx()).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::InvalidConfig && error.message().contains("another name"), "{error}");
}

/// Signs with nothing: the fake checks no signatures.
struct Key;

#[async_trait]
impl Signer for Key {
    async fn sign(&self, _message: &[u8]) -> Result<Vec<u8>> {
        Ok(b"signed".to_vec())
    }
}

fn app(fake: &Fake) -> Github {
    GithubConfig::organization(GithubFake::ORG).app(GithubFake::APP, GithubFake::INSTALLATION, Key).connect("github", &fake.transport()).unwrap()
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
    page.cursor = None;
    while kind != "add_to_org" {
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
async fn a_suspended_app_does_nothing() {
    let suspended = json!({ "installations": [{ "id": 5, "app": GithubFake::APP, "permissions": { "members": "write" }, "suspended": true }] });
    let fake = member().seeded(&suspended).start();
    let (_, cx) = ear(&fake);
    let github = GithubConfig::organization(GithubFake::ORG).app(GithubFake::APP, 5, Key).connect("github", &fake.transport()).unwrap();
    let error = github.check(&cx).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::PermissionDenied && error.message().contains("suspended"), "{error}");
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

//! Invitations and what becomes of them, access from several sources, refusals that mislead.

use std::time::Duration;

use provisionr_sdk::{
    Account, AccountQuery, AccountState, Adapter, Change, Entitlement, ErrorKind, Expect, Found, Grant, GrantState, Outcome, Probe, Receipt, Request,
    RetryHint, Scope, Source, WaitReason,
};
use provisionr_testkit::Fault;
use provisionr_testkit::github::GithubFake;
use serde_json::json;

use crate::world::{Fake, act, applied, config, cx, github, granted, in_org, in_team, member, on, request, revoked, sarah, scripted, seen, unchanged, world};

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

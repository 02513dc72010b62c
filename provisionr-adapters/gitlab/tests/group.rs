//! A group of gitlab.com and the token of its owner: first logins, invitations, and what an owner cannot see.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use provisionr_gitlab::{Gitlab, GitlabConfig, Identities};
use provisionr_http::{MemoryTransport, ReqwestTransport, Transport};
use provisionr_sdk::{
    Ability, Account, AccountQuery, AccountSpec, AccountState, Adapter, CallContext, Calls, Change, Completeness, Effect, Entitlement, ErrorKind, Found,
    GrantState, ListScope, OnCreate, Outcome, PageRequest, Probe, Request, Resolution, Scope, Secret, Suspension, WaitReason,
};
use provisionr_testkit::gitlab::{GitlabFake, Plan, Sort};
use provisionr_testkit::{Act, FakeServer, FakeSystem, Fault};
use serde_json::json;

type Fake = FakeSystem<GitlabFake>;

const SARAH: &str = "sarah@company.com";

fn cx() -> CallContext {
    CallContext::unlimited()
}

fn config() -> GitlabConfig {
    GitlabConfig::group("https://gitlab.com", "company").private_token(Secret::new(GitlabFake::TOKEN))
}

fn connect(fake: &Fake, config: GitlabConfig) -> Gitlab {
    config.connect("gitlab", &fake.transport()).unwrap()
}

fn inviting(fake: &Fake) -> Gitlab {
    connect(fake, config().invitations())
}

fn world() -> GitlabFake {
    GitlabFake::gitlab_com("company").with_group("company/eng").with_project("company/eng/api")
}

fn in_group(fake: &Fake, role: &str) -> Entitlement {
    Entitlement::new("add_to_group", fake.id_of(Sort::Group, "company/eng").unwrap()).with_role(role)
}

fn in_project(fake: &Fake, role: &str) -> Entitlement {
    Entitlement::new("add_to_project", fake.id_of(Sort::Project, "company/eng/api").unwrap()).with_role(role)
}

fn invite(entitlements: Vec<Entitlement>) -> Request {
    let spec = AccountSpec { entitlements, ..AccountSpec::new(SARAH) };
    Request::new("s-1", AccountQuery::by("email", SARAH), Change::EnsureAccount(spec), "k-1")
}

fn act(fake: &Fake, act: &str, args: serde_json::Value) {
    fake.act(Act::new(act, args)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_person_appears_with_the_first_login() {
    for (identities, provider) in [(Identities::Saml, "group_saml"), (Identities::Scim, "scim")] {
        let fake = world().start();
        let gitlab = connect(&fake, config().identities(identities));
        assert!(!gitlab.descriptor().has(&Ability::CreateAccount) && gitlab.descriptor().accounts.suspension == Suspension::RevokeAll);
        let who = AccountQuery::by("extern_uid", "emp-7");
        assert_eq!(gitlab.find_account(&cx(), &who).await.unwrap(), Found::None);
        let args = json!({ "group": "company", "extern_uid": "emp-7", "email": SARAH, "username": "sarah-c", "provider": provider, "access_level": 5 });
        act(&fake, "saml_login", args);
        let account = gitlab.find_account(&cx(), &who).await.unwrap().one().unwrap();
        assert_eq!((account.login.as_deref(), account.email.as_deref(), account.state), (Some("sarah-c"), Some(SARAH), AccountState::Active));
        for who in [AccountQuery::by("login", "sarah-c"), AccountQuery::by("email", SARAH), AccountQuery::known(account.id.clone())] {
            assert_eq!(gitlab.find_account(&cx(), &who).await.unwrap().one().unwrap().id, account.id, "{who:?}");
        }
        // Minimal Access to the top-level group is none to what is below.
        let request = Request::new("s-1", who, Change::Grant(in_group(&fake, "guest")), "k-1").with_account(account);
        assert!(matches!(gitlab.apply(&cx(), &request).await.unwrap(), Outcome::Applied(_)));
        fake.verify();
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_identities_are_not_to_be_seen_has_not_nobody() {
    let fake = world().with_user("sarah").with_member("company", "sarah", 30).seeded(&json!({ "tokens": [{ "token": "sarahs", "owner": "sarah" }] })).start();
    act(&fake, "saml_login", json!({ "group": "company", "extern_uid": "emp-7", "email": SARAH, "provider": "group_saml" }));
    for hidden in ["/api/v4/groups/company/saml/**", "/api/v4/groups/company/saml_group_links"] {
        fake.fault(Fault::status(404).on("GET", hidden).always());
    }
    let gitlab = connect(&fake, config());
    assert!(matches!(gitlab.find_account(&cx(), &AccountQuery::by("extern_uid", "emp-7")).await.unwrap(), Found::CannotTell(_)));
    fake.clear_faults();
    assert!(matches!(gitlab.find_account(&cx(), &AccountQuery::by("extern_uid", "emp-7")).await.unwrap(), Found::One(_)));
}

#[tokio::test(start_paused = true)]
async fn an_invitation_beside_an_account_is_a_gap_and_is_listed() {
    let fake = world().with_settings(|settings| settings.plan = Plan::Ultimate).start();
    let gitlab = inviting(&fake);
    gitlab.apply(&cx(), &invite(vec![in_project(&fake, "maintainer")])).await.unwrap();
    // She comes by another way, and the invitation stays open: were it taken for absent, she could still come in by it after she has left.
    act(&fake, "saml_login", json!({ "group": "company", "extern_uid": "emp-7", "email": SARAH, "username": "sarah", "provider": "group_saml" }));
    act(&fake, "set_member", json!({ "group": "company/eng", "user": "sarah", "access_level": 30 }));
    let seen = async || gitlab.observe(&cx(), &member(&fake).with_email(SARAH), &Scope::All).await.unwrap();
    let open = seen().await;
    assert!(!open.grants.is_empty() && !open.coverage.covers_kind(&"add_to_project".into()));
    let (mut page, mut listed) = (PageRequest::first(), Vec::new());
    loop {
        let answer = gitlab.list_grants(&cx(), &ListScope::Kind("add_to_project".into()), &page).await.unwrap();
        assert_eq!(answer.completeness, Completeness::Complete);
        listed.extend(answer.items);
        let Some(next) = answer.next else { break };
        page = PageRequest::first().after(next);
    }
    let open: Vec<_> = listed.iter().filter(|grant| grant.state == GrantState::Invited).collect();
    assert_eq!((open.len(), open[0].account.as_str(), &open[0].entitlement), (1, "invitation:sarah@company.com", &in_project(&fake, "maintainer")));
    let take = Request::new("s-1", AccountQuery::by("email", SARAH), Change::Withdraw(in_project(&fake, "maintainer")), "k-2")
        .with_account(member(&fake).with_email(SARAH));
    assert!(matches!(gitlab.apply(&cx(), &take).await.unwrap(), Outcome::Applied(_)));
    assert!(seen().await.coverage.covers_kind(&"add_to_project".into()));
}

#[tokio::test(start_paused = true)]
async fn a_stranger_with_the_username_is_not_the_person() {
    let fake = world().with_user("sarah").seeded(&json!({ "users": [{ "username": "other", "email": SARAH }] })).start();
    let gitlab = connect(&fake, config());
    for who in [AccountQuery::by("login", "sarah"), AccountQuery::by("email", SARAH)] {
        assert!(matches!(gitlab.find_account(&cx(), &who).await.unwrap(), Found::CannotTell(_)), "{who:?}");
    }
    // Where every person is an enterprise user of the group, an address that is not seen is nobody's.
    let sees = connect(&fake, config().enterprise_users());
    assert_eq!(sees.find_account(&cx(), &AccountQuery::by("email", "nobody@company.com")).await.unwrap(), Found::None);
}

#[tokio::test(start_paused = true)]
async fn an_invitation_goes_out_once_and_becomes_the_person() {
    let fake = world().start();
    let gitlab = inviting(&fake);
    assert!(gitlab.descriptor().kinds.iter().all(|kind| kind.on_create == OnCreate::Must));
    let both = invite(vec![in_group(&fake, "developer"), in_project(&fake, "maintainer")]);
    let Outcome::Waiting(wait, receipt) = gitlab.apply(&cx(), &both).await.unwrap() else { panic!() };
    let account = receipt.account.unwrap();
    assert_eq!((wait.reason, account.id.as_str(), account.state), (WaitReason::InvitationSent, "invitation:sarah@company.com", AccountState::Invited));
    assert_eq!(gitlab.find_account(&cx(), &both.who).await.unwrap().one().unwrap(), account);
    // A repeat, by whatever name the address is written, sends nothing; another level changes what is open.
    assert!(matches!(gitlab.apply(&cx(), &both.clone().unsettled()).await.unwrap(), Outcome::Waiting(..)));
    let lower = invite(vec![in_group(&fake, "reporter").with_param("expires_at", "2031-01-31")]);
    assert!(matches!(gitlab.apply(&cx(), &lower).await.unwrap(), Outcome::Waiting(..)));
    assert_eq!((fake.mails(), fake.effects("invitation.changed")), (2, 1));
    assert!(matches!(gitlab.probe(&cx(), &both).await.unwrap(), Probe::Pending(_)));
    let grant = in_group(&fake, "reporter").with_param("expires_at", "2031-01-31");
    let seen = gitlab.observe(&cx(), &account, &Scope::Only(vec![grant.clone()])).await.unwrap();
    assert_eq!((&seen.grants[0].entitlement, seen.grants[0].state), (&grant, GrantState::Invited));
    assert!(!gitlab.observe(&cx(), &account, &Scope::All).await.unwrap().coverage.covers_kind(&"add_to_group".into()));
    let probe = Request::new("s-1", both.who.clone(), Change::Grant(grant.clone()), "k-2").with_account(account.clone());
    assert!(matches!(gitlab.probe(&cx(), &probe).await.unwrap(), Probe::Pending(_)));
    act(&fake, "accept_invitation", json!({ "email": SARAH, "username": "sarah-c", "enterprise_group": "company" }));
    // She is in what she was invited to, and where that is known she is seen; by her address alone the top-level group shows her.
    assert!(
        matches!(gitlab.probe(&cx(), &both).await.unwrap(), Probe::Holds(receipt) if receipt.account.as_ref().unwrap().login.as_deref() == Some("sarah-c"))
    );
    assert!(matches!(gitlab.find_account(&cx(), &both.who).await.unwrap(), Found::CannotTell(_)));
    act(&fake, "set_member", json!({ "group": "company", "user": "sarah-c", "access_level": 5 }));
    let found = gitlab.find_account(&cx(), &AccountQuery::known(account.id.clone())).await.unwrap().one().unwrap();
    assert_eq!((found.id.as_str(), found.state), (fake.user("sarah-c").unwrap().id.to_string().as_str(), AccountState::Active));
    assert!(matches!(gitlab.probe(&cx(), &both).await.unwrap(), Probe::Holds(_)));
    assert!(matches!(gitlab.probe(&cx(), &probe).await.unwrap(), Probe::Holds(_)));
    assert!(matches!(gitlab.apply(&cx(), &both).await.unwrap(), Outcome::Unchanged(_)));
    assert_eq!(fake.mails(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_invitation_accepted_with_an_address_nobody_sees_cannot_be_told() {
    let fake = world().start();
    let gitlab = inviting(&fake);
    gitlab.apply(&cx(), &invite(vec![in_group(&fake, "developer")])).await.unwrap();
    act(&fake, "accept_invitation", json!({ "email": SARAH, "as": "sarah@home.example" }));
    let who = AccountQuery::known("invitation:sarah@company.com").or("email", SARAH);
    assert!(matches!(gitlab.find_account(&cx(), &who).await.unwrap(), Found::CannotTell(_)));
    let query = invite(vec![in_group(&fake, "developer")]);
    assert!(matches!(gitlab.probe(&cx(), &query).await.unwrap(), Probe::Unclear(_)));
}

#[tokio::test(start_paused = true)]
async fn invitations_that_fail_do_so_in_a_success() {
    let fake = world().seeded(&json!({ "users": [{ "username": "hidden", "email": SARAH }] })).with_member("company/eng", "hidden", 30).start();
    let gitlab = inviting(&fake);
    // Who has an account and is a member is no one to invite, and owners do not see that by the address.
    let error = gitlab.apply(&cx(), &invite(vec![in_group(&fake, "guest")])).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::Conflict && error.message().contains("already exists in source"), "{error}");
    // Who has an account and is none becomes one at once, and nobody is invited.
    assert!(matches!(gitlab.apply(&cx(), &invite(vec![in_project(&fake, "owner")])).await.unwrap(), Outcome::Waiting(..)));
    assert_eq!((fake.member(Sort::Project, "company/eng/api", "hidden").unwrap().level, fake.effects("invitation.sent")), (50, 0));
    let spec = AccountSpec { entitlements: vec![in_group(&fake, "guest")], ..AccountSpec::new("no-address@@company.com") };
    let request = Request::new("s-2", AccountQuery::by("login", "nobody"), Change::EnsureAccount(spec), "k-2");
    let error = gitlab.apply(&cx(), &request).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::Refused && error.message().contains("is invalid"), "{error}");
    let error = gitlab.apply(&cx(), &invite(Vec::new())).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
}

#[tokio::test(start_paused = true)]
async fn half_of_the_invitations_is_finished_by_the_repeat() {
    let fake = world().start();
    let gitlab = inviting(&fake);
    let both = invite(vec![in_group(&fake, "developer"), in_project(&fake, "maintainer")]);
    fake.fault(Fault::status(400).on("POST", "/api/v4/projects/*/invitations"));
    assert_eq!(gitlab.apply(&cx(), &both).await.unwrap_err().effect(), Effect::Unknown);
    assert_eq!(gitlab.probe(&cx(), &both.clone().unsettled()).await.unwrap(), Probe::Absent);
    assert!(matches!(gitlab.apply(&cx(), &both.unsettled()).await.unwrap(), Outcome::Waiting(..)));
    assert_eq!(fake.mails(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_open_invitation_is_withdrawn_and_gone_with_a_revoke() {
    for change in [Change::Withdraw as fn(Entitlement) -> Change, Change::Revoke] {
        let fake = world().start();
        let gitlab = inviting(&fake);
        let Outcome::Waiting(_, receipt) = gitlab.apply(&cx(), &invite(vec![in_group(&fake, "developer")])).await.unwrap() else { panic!() };
        let take = Request::new("s-1", AccountQuery::by("email", SARAH), change(in_group(&fake, "developer")), "k-2").with_account(receipt.account.unwrap());
        assert!(matches!(gitlab.apply(&cx(), &take).await.unwrap(), Outcome::Applied(_)));
        assert!(matches!(gitlab.apply(&cx(), &take).await.unwrap(), Outcome::Unchanged(_)));
        assert_eq!(fake.effects("invitation.withdrawn"), 1);
    }
}

fn member(fake: &Fake) -> Account {
    Account::new(fake.user("sarah").unwrap().id.to_string(), AccountState::Active)
}

fn grant(fake: &Fake, wanted: Entitlement) -> Request {
    Request::new("s-1", AccountQuery::by("login", "sarah"), Change::Grant(wanted), "k-1").with_account(member(fake))
}

#[tokio::test(start_paused = true)]
async fn promotions_and_seats_that_others_decide_about_are_waited_for() {
    let fake = world().with_user("sarah").with_settings(|settings| settings.approve_promotions = true).start();
    let gitlab = connect(&fake, config());
    let developer = grant(&fake, in_group(&fake, "developer"));
    let Outcome::Waiting(wait, _) = gitlab.apply(&cx(), &developer).await.unwrap() else { panic!() };
    assert_eq!(wait.reason, WaitReason::Approval);
    // It shows nowhere; only the ticket tells it from a grant that was never asked for.
    assert_eq!(gitlab.probe(&cx(), &developer).await.unwrap(), Probe::Absent);
    let asked = developer.with_ticket(wait.ticket.unwrap());
    assert!(matches!(gitlab.probe(&cx(), &asked).await.unwrap(), Probe::Pending(_)));
    act(&fake, "set_member", json!({ "group": "company/eng", "user": "sarah", "access_level": 30 }));
    assert!(matches!(gitlab.probe(&cx(), &asked).await.unwrap(), Probe::Holds(_)));
    // The same for a member who is promoted.
    act(&fake, "set_member", json!({ "group": "company/eng", "user": "sarah", "access_level": 10 }));
    assert!(matches!(gitlab.apply(&cx(), &asked).await.unwrap(), Outcome::Waiting(..)));

    let fake = world().with_user("sarah").with_settings(|settings| (settings.plan, settings.user_cap) = (Plan::Free, Some(1))).start();
    let gitlab = connect(&fake, config());
    let guest = grant(&fake, in_group(&fake, "guest"));
    let Outcome::Waiting(wait, receipt) = gitlab.apply(&cx(), &guest).await.unwrap() else { panic!() };
    assert_eq!((wait.reason, receipt.grant.unwrap().state), (WaitReason::Approval, GrantState::NeedsApproval));
    assert!(matches!(gitlab.apply(&cx(), &guest).await.unwrap(), Outcome::Waiting(..)));
    assert!(matches!(gitlab.probe(&cx(), &guest).await.unwrap(), Probe::Pending(_)));
}

#[tokio::test(start_paused = true)]
async fn what_is_outside_of_the_group_is_no_target() {
    let fake = world().with_group("other/team").with_user("sarah").with_member("other/team", "owner", 50).start();
    let gitlab = connect(&fake, config());
    for name in ["other/team", "company/../other/team", "3"] {
        let resolved = gitlab.resolve(&cx(), &"add_to_group".into(), &[name.into()]).await.unwrap();
        assert!(matches!(resolved[0].resolution, Resolution::None(_)), "{name}");
    }
    let resolved = gitlab.resolve(&cx(), &"add_to_group".into(), &["Company/Eng".into(), "company/engg".into()]).await.unwrap();
    assert!(matches!(&resolved[0].resolution, Resolution::One(target) if target.name == "company/eng"));
    assert!(matches!(&resolved[1].resolution, Resolution::None(near) if near[0] == "company/eng"));
    let outside = Entitlement::new("add_to_group", fake.id_of(Sort::Group, "other/team").unwrap()).with_role("guest");
    assert!(matches!(gitlab.apply(&cx(), &grant(&fake, outside)).await.unwrap_err().kind(), ErrorKind::NotFound(_)));
    let mut targets = gitlab.list_targets(&cx(), &"add_to_group".into(), &PageRequest::first()).await.unwrap();
    targets.items.extend(gitlab.list_targets(&cx(), &"add_to_group".into(), &PageRequest::first().after(targets.next.unwrap())).await.unwrap().items);
    assert_eq!(targets.items.iter().map(|target| target.name.as_str()).collect::<Vec<_>>(), ["company", "company/eng"]);
}

#[tokio::test(start_paused = true)]
async fn memberships_that_do_not_count_for_billing_are_a_gap_and_not_an_absence() {
    let fake = world().with_settings(|settings| settings.plan = Plan::Ultimate).with_user("sarah").with_member("company/eng", "sarah", 10).start();
    let gitlab = connect(&fake, config());
    let seen = gitlab.observe(&cx(), &member(&fake), &Scope::All).await.unwrap();
    assert!(seen.grants.is_empty() && !seen.coverage.covers_kind(&"add_to_group".into()));
    let scope = ListScope::Account("add_to_group".into(), member(&fake).id);
    let listed = gitlab.list_grants(&cx(), &scope, &PageRequest::first()).await.unwrap();
    assert!(matches!(listed.completeness, Completeness::Incomplete(_)));
    // Asked for by name they are seen.
    let only = gitlab.observe(&cx(), &member(&fake), &Scope::Only(vec![in_group(&fake, "guest")])).await.unwrap();
    assert_eq!(only.grants.len(), 1);
    act(&fake, "set_member", json!({ "group": "company/eng", "user": "sarah", "access_level": 30 }));
    let seen = gitlab.observe(&cx(), &member(&fake), &Scope::All).await.unwrap();
    assert!(seen.grants.len() == 1 && seen.coverage.covers_kind(&"add_to_group".into()));
}

#[tokio::test(start_paused = true)]
async fn check_wants_an_owner() {
    let fake = world().with_user("sarah").with_member("company", "sarah", 40).seeded(&json!({ "tokens": [{ "token": "sarahs", "owner": "sarah" }] })).start();
    let whole = inviting(&fake).check(&cx()).await.unwrap();
    assert_eq!((whole.own_accounts.len(), whole.lacking.len()), (1, 0));
    let config = GitlabConfig::group("https://gitlab.com", "company").private_token(Secret::new("sarahs")).invitations();
    let lacking = connect(&fake, config).check(&cx()).await.unwrap().lacking;
    assert!(lacking.contains_key(&Ability::Manage("add_to_group".into())) && lacking.contains_key(&Ability::Withdraw));
    assert!(!lacking.contains_key(&Ability::Observe("add_to_group".into())));
    let nested = GitlabConfig::group("https://gitlab.com", "company/eng").private_token(Secret::new("t"));
    assert_eq!(nested.connect("gitlab", &fake.transport()).unwrap_err().kind(), &ErrorKind::InvalidConfig);
}

#[tokio::test(start_paused = true)]
async fn the_lanes_of_gitlab_com_are_kept_by_its_own_limits() {
    let fake = world().with_limits_of_gitlab_com().with_user("sarah").start();
    let gitlab = connect(&fake, config());
    let window = |lane: &str| gitlab.descriptor().lanes.iter().find(|known| known.id == *lane).and_then(|lane| lane.window).unwrap();
    // As many reads by id as the lane lets through are let through; the next is refused, and nothing in a header foretold it.
    let known = AccountQuery::known(member(&fake).id);
    for _ in 0..window("users.id").units {
        gitlab.find_account(&cx(), &known).await.unwrap();
    }
    let error = gitlab.find_account(&cx(), &known).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::RateLimited("users.id".into()));
    assert_eq!((window("users.id").per, window("api").units), (Duration::from_secs(600), 2000));
    let own = GitlabConfig::self_managed("https://gitlab.company.test").private_token(Secret::new("t")).rate_limit(7200, Duration::from_secs(3600));
    let own = own.connect("own", &fake.transport()).unwrap();
    // Of the limits of single endpoints an instance has one from the start.
    assert!(own.descriptor().lanes.iter().all(|lane| ["api", "users.id"].contains(&lane.id.as_str()) == lane.window.is_some()));
}

#[tokio::test(start_paused = true)]
async fn invitations_and_finding_take_as_many_calls_as_is_declared() {
    let fake = world().with_user("sarah").with_member("company", "sarah", 10).start();
    let gitlab = inviting(&fake);
    let facts = &gitlab.descriptor().accounts;
    let counted = || {
        let group = |entry: &provisionr_testkit::LogEntry| entry.route == Some("/api/v4/groups/{id}");
        let log = fake.log();
        let groups = log.iter().filter(|entry| group(entry)).count();
        fake.clear_log();
        [("groups.id", groups), ("api", log.len() - groups)].into_iter().filter(|(_, count)| *count > 0).collect::<Vec<_>>()
    };
    let declared = |calls: &[Calls]| calls.iter().map(|calls| (calls.lane.as_str().to_owned(), calls.count as usize)).collect::<Vec<_>>();
    let same = |counted: Vec<(&str, usize)>| counted.into_iter().map(|(lane, count)| (lane.to_owned(), count)).collect::<Vec<_>>();
    gitlab.apply(&cx(), &invite(vec![in_group(&fake, "developer")])).await.unwrap();
    let (made, most) = (same(counted()), declared(&facts.create.as_ref().unwrap().calls));
    assert!(made.iter().zip(&most).all(|(made, most)| made.0 == most.0 && made.1 <= most.1), "{made:?} of {most:?}");
    gitlab.find_account(&cx(), &AccountQuery::known(member(&fake).id)).await.unwrap();
    // A member is found at once; who is none is looked for among all users as well.
    assert_eq!(same(counted()), declared(&facts.find[..1]));
}

#[tokio::test(start_paused = true)]
async fn paths_stay_one_segment_on_the_way() {
    let fake = world().start();
    let asked: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let (inner, log) = (fake.transport(), asked.clone());
    let http = MemoryTransport::with(move |request| {
        let (inner, log) = (inner.clone(), log.clone());
        async move {
            log.lock().unwrap().push(request.uri().path().to_owned());
            inner.send(request).await
        }
    });
    config().connect("gitlab", &http).unwrap().resolve(&cx(), &"add_to_project".into(), &["company/eng/api".into()]).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), ["/api/v4/projects/company%2Feng%2Fapi"]);
}

#[tokio::test]
async fn over_real_http_it_is_the_same() {
    let fake = world().with_user("sarah").start();
    let server = FakeServer::start(&fake);
    let http = ReqwestTransport::without_tls().unwrap();
    let config = GitlabConfig::group(server.url(), "company").bearer(Secret::new(GitlabFake::TOKEN)).invitations();
    let gitlab = config.connect("gitlab", &http).unwrap();
    let resolved = gitlab.resolve(&cx(), &"add_to_group".into(), &["company/eng".into()]).await.unwrap();
    assert!(matches!(&resolved[0].resolution, Resolution::One(target) if *target.id.as_str() == *in_group(&fake, "guest").target.as_str()));
    gitlab.apply(&cx(), &grant(&fake, in_group(&fake, "guest"))).await.unwrap();
    gitlab.apply(&cx(), &invite(vec![in_project(&fake, "developer")])).await.unwrap();
    assert!(matches!(gitlab.find_account(&cx(), &AccountQuery::by("email", SARAH)).await.unwrap(), Found::One(_)));
    fake.verify();
}

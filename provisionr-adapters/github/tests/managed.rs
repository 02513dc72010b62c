//! Users an enterprise manages: logins that change with a suspension, names that make one login, who is not linked, teams of an identity
//! provider, and what a look at all of them costs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::time::Duration;

use provisionr_github::{Github, GithubConfig};
use provisionr_sdk::{
    Ability, Account, AccountQuery, AccountSpec, AccountState, Adapter, CallContext, Change, Completeness, Effect, Entitlement, ErrorKind, Found, Missing,
    Outcome, PageRequest, ProfileDelta, Request, RetryHint, Scope, Secret, WaitReason,
};
use provisionr_testkit::github::{GithubFake, GithubSettings};
use provisionr_testkit::{Act, FakeSystem, Fault};
use serde_json::{Value, json};

type Fake = FakeSystem<GithubFake>;

fn cx() -> CallContext {
    CallContext::unlimited()
}

fn config() -> GithubConfig {
    let config = GithubConfig::organization(GithubFake::ORG).token(Secret::new(GithubFake::TOKEN));
    config.enterprise_managed(GithubFake::ENTERPRISE, Secret::new(GithubFake::SETUP_USER_TOKEN))
}

fn github(fake: &Fake) -> Github {
    config().connect("github", &fake.transport()).unwrap()
}

/// The organization with the team `platform` and the repository `api`, and Sarah, who is in all of it.
fn world() -> GithubFake {
    GithubFake::new().with_enterprise().with_managed_user("sarah").seeded(&json!({
        "members": [{ "user": "sarah" }],
        "teams": [{ "name": "platform", "members": { "sarah": "member" } }],
        "repositories": [{ "name": "api", "collaborators": { "sarah": "write" } }],
    }))
}

fn act(fake: &Fake, act: &str, args: Value) {
    fake.act(Act::new(act, args)).unwrap();
}

fn sarah(fake: &Fake) -> Account {
    Account::new(fake.user_id("sarah").unwrap(), AccountState::Active)
}

fn login(fake: &Fake, id: &str) -> String {
    fake.with(|fake| fake.user(id).unwrap().login.clone())
}

async fn apply(fake: &Fake, account: &Account, change: Change) -> provisionr_sdk::Result<Outcome> {
    let request = Request::new("s-1", AccountQuery::known(account.id.clone()), change, "k-1").with_account(account.clone());
    github(fake).apply(&cx(), &request).await
}

fn spec(logins: &[&str]) -> AccountSpec {
    let spec = AccountSpec::new(logins[0]).with("displayName", "Sarah Chen").with("email", "s.chen@company.test");
    AccountSpec { logins: logins.iter().map(|login| (*login).to_owned()).collect(), ..spec }
}

async fn ensure(fake: &Fake, who: AccountQuery, spec: AccountSpec) -> provisionr_sdk::Result<Outcome> {
    github(fake).apply(&cx(), &Request::new("s-1", who, Change::EnsureAccount(spec), "k-1")).await
}

fn entitlements(fake: &Fake) -> [Entitlement; 3] {
    [
        Entitlement::new("add_to_team", fake.team_id("platform").unwrap()).with_role("member"),
        Entitlement::new("grant_repository", fake.repository_id("api").unwrap()).with_role("write"),
        Entitlement::new("add_to_org", GithubFake::ORG).with_role("member"),
    ]
}

#[tokio::test(start_paused = true)]
async fn who_is_suspended_is_seen_relieved_and_taken_back_under_the_login_they_have_then() {
    for hidden in [false, true] {
        let fake = world().with_settings(|settings| settings.suspended_users_are_hidden = hidden).start();
        let account = sarah(&fake);
        let Outcome::Applied(receipt) = apply(&fake, &account, Change::SetState(AccountState::Suspended)).await.unwrap() else { panic!() };
        assert_eq!((&receipt.account.as_ref().unwrap().id, receipt.account.as_ref().unwrap().state), (&account.id, AccountState::Suspended));
        assert_ne!(login(&fake, account.id.as_str()), "sarah_acme");
        let who = AccountQuery::known(account.id.clone());
        assert!(matches!(github(&fake).find_account(&cx(), &who).await.unwrap(), Found::One(found) if found.state == AccountState::Suspended));
        let scope = Scope::Only(entitlements(&fake).to_vec());
        let seen = github(&fake).observe(&cx(), &account, &scope).await.unwrap();
        assert_eq!((seen.grants.len(), seen.account.state), (3, AccountState::Suspended), "a suspended member stays one");
        for held in entitlements(&fake) {
            assert!(matches!(apply(&fake, &account, Change::Revoke(held)).await.unwrap(), Outcome::Applied(_)));
        }
        assert!(github(&fake).observe(&cx(), &account, &scope).await.unwrap().grants.is_empty());
        assert!(matches!(apply(&fake, &account, Change::SetState(AccountState::Active)).await.unwrap(), Outcome::Applied(_)));
        assert_eq!(login(&fake, account.id.as_str()), "sarah_acme");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_suspended_while_they_are_looked_up_is_not_gone() {
    let fake = world().start();
    let account = sarah(&fake);
    // The look-up shows the login there was before.
    fake.fault(Fault::lag(Duration::from_secs(60)).on("GET", "/user/*"));
    act(&fake, "set_active", json!({ "user": "sarah", "active": false }));
    let found = github(&fake).find_account(&cx(), &AccountQuery::known(account.id.clone())).await.unwrap();
    assert!(matches!(found, Found::One(found) if found.id == account.id && found.state == AccountState::Suspended));
    assert_eq!(fake.log().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_return_finds_what_was_held() {
    let fake = world().start();
    for state in [AccountState::Suspended, AccountState::Active] {
        apply(&fake, &sarah(&fake), Change::SetState(state)).await.unwrap();
    }
    let seen = github(&fake).observe(&cx(), &sarah(&fake), &Scope::Only(entitlements(&fake).to_vec())).await.unwrap();
    assert_eq!((seen.grants.len(), seen.account.login.as_deref()), (3, Some("sarah")));
}

#[tokio::test(start_paused = true)]
async fn names_that_make_one_login_are_one_name() {
    let fake = GithubFake::new().with_enterprise().with_managed_user("Sarah.Chen").start();
    let nobody = AccountQuery::by("external_id", "s-1");
    let Outcome::Applied(receipt) = ensure(&fake, nobody.clone(), spec(&["sarah-chen@company.test", "schen"])).await.unwrap() else { panic!() };
    let account = receipt.account.unwrap();
    assert_eq!((account.login.as_deref(), login(&fake, account.id.as_str()).as_str()), (Some("schen"), "schen_acme"));
    // What is not told is the subject's id.
    assert_eq!(account.profile["externalId"], "s-1");
    assert!(matches!(ensure(&fake, nobody, spec(&["schen"])).await.unwrap(), Outcome::Unchanged(_)));

    let elsewhere = AccountQuery::by("external_id", "s-2");
    let taken = ensure(&fake, elsewhere.clone(), AccountSpec { profile: [("email".to_owned(), "x@x.test".into())].into(), ..spec(&["SARAH.CHEN"]) });
    let error = taken.await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::InvalidRequest, Effect::None), "without a name nobody is made");
    let error = ensure(&fake, elsewhere.clone(), spec(&["SARAH.CHEN"]).with("email", "x@x.test").with("externalId", "s-2")).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::Conflict, RetryHint::Never));
    let long = "mona.lisa.the.octocat.from.github.united.states";
    let error = ensure(&fake, elsewhere, spec(&[long]).with("email", "x@x.test").with("externalId", "s-2")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::InvalidRequest, Effect::None));
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_suspended_is_not_let_in_by_the_way() {
    let fake = world().start();
    act(&fake, "set_active", json!({ "user": "sarah", "active": false }));
    let error = ensure(&fake, AccountQuery::by("user_name", "sarah"), spec(&["sarah"])).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::Conflict, RetryHint::Replan));
    assert!(fake.with(|fake| fake.user("sarah").unwrap().suspended));
}

#[tokio::test(start_paused = true)]
async fn who_has_no_account_on_github_yet_is_neither_there_nor_not() {
    let fake = world().start();
    act(&fake, "unlink_user", json!({ "user": "sarah" }));
    let who = AccountQuery::by("user_name", "sarah");
    assert!(matches!(github(&fake).find_account(&cx(), &who).await.unwrap(), Found::CannotTell(_)));
    assert_eq!(ensure(&fake, who, spec(&["sarah"])).await.unwrap_err().kind(), &ErrorKind::NotReady);
    let listed = github(&fake).list_accounts(&cx(), &PageRequest::first()).await.unwrap();
    assert!(listed.items.is_empty() && matches!(listed.completeness, Completeness::Incomplete(_)));
}

#[tokio::test(start_paused = true)]
async fn deleting_is_for_good_and_frees_the_name() {
    let fake = world().start();
    let account = sarah(&fake);
    apply(&fake, &account, Change::SetState(AccountState::Deleted)).await.unwrap();
    assert_eq!(github(&fake).find_account(&cx(), &AccountQuery::known(account.id.clone())).await.unwrap(), Found::None);
    let error = github(&fake).observe(&cx(), &account, &Scope::All).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NotFound(Missing::Account));
    assert!(matches!(apply(&fake, &account, Change::SetState(AccountState::Deleted)).await.unwrap(), Outcome::Unchanged(_)));
    assert_eq!(apply(&fake, &account, Change::SetState(AccountState::Active)).await.unwrap_err().kind(), &ErrorKind::NotFound(Missing::Account));
    let Outcome::Applied(receipt) = ensure(&fake, AccountQuery::by("user_name", "sarah"), spec(&["sarah"])).await.unwrap() else { panic!() };
    assert_ne!(receipt.account.unwrap().id, account.id);
    // The account that was deleted stays a member until it is taken out.
    let [.., org] = entitlements(&fake);
    assert!(matches!(apply(&fake, &account, Change::Revoke(org)).await.unwrap(), Outcome::Applied(_)));
}

#[tokio::test(start_paused = true)]
async fn whom_the_enterprise_did_not_provision_is_no_account_here() {
    let fake = world().start();
    for user in ["octo-owner", "acme_admin"] {
        let who = AccountQuery::known(fake.user_id(user).unwrap());
        assert_eq!(github(&fake).find_account(&cx(), &who).await.unwrap(), Found::None, "{user}");
    }
    let owner = Account::new(fake.user_id("octo-owner").unwrap(), AccountState::Active);
    let error = apply(&fake, &owner, Change::SetState(AccountState::Suspended)).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NotFound(Missing::Account));
    assert!(matches!(github(&fake).find_account(&cx(), &AccountQuery::by("login", "sarah_acme")).await.unwrap(), Found::CannotTell(_)));
}

#[tokio::test(start_paused = true)]
async fn people_who_log_in_over_oidc_are_found_as_well() {
    let enterprise = json!({ "enterprise": { "slug": "acme", "short_code": "acme", "oidc": true, "owners": ["acme_admin"] } });
    let fake = world().seeded(&enterprise).start();
    let found = github(&fake).find_account(&cx(), &AccountQuery::by("email", "SARAH@company.test")).await.unwrap();
    assert!(matches!(found, Found::One(account) if account.id == sarah(&fake).id));
}

#[tokio::test(start_paused = true)]
async fn teams_of_an_identity_provider_name_their_group() {
    let fake = world().start();
    act(&fake, "link_idp_group", json!({ "team": "platform", "group": "Engineering" }));
    let [team, ..] = entitlements(&fake);
    for change in [Change::Grant(team.clone().with_role("maintainer")), Change::Revoke(team.clone())] {
        let error = apply(&fake, &sarah(&fake), change).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::OwnedElsewhere);
        assert!(error.message().contains("Engineering"), "{error}");
    }
    let asking = config().synced_teams().connect("github", &fake.transport()).unwrap();
    let seen = asking.observe(&cx(), &sarah(&fake), &Scope::Only(vec![team])).await.unwrap();
    assert!(matches!(&seen.grants[0].source, provisionr_sdk::Source::Owned(owner) if owner.as_str().contains("Engineering")));
}

#[tokio::test(start_paused = true)]
async fn managed_users_may_have_to_accept_too() {
    let invited = |settings: &mut GithubSettings| settings.managed_users_are_invited = true;
    let fake = GithubFake::new().with_enterprise().with_managed_user("sarah").with_settings(invited).start();
    let wanted = Entitlement::new("add_to_org", GithubFake::ORG).with_role("member");
    let outcome = apply(&fake, &sarah(&fake), Change::Grant(wanted)).await.unwrap();
    assert!(matches!(outcome, Outcome::Waiting(wait, _) if wait.reason == WaitReason::InvitationSent));
}

#[tokio::test(start_paused = true)]
async fn profiles_change_part_by_part() {
    let fake =
        GithubFake::new().with_enterprise().seeded(&json!({ "managed": [{ "user_name": "sarah", "given_name": "Sara", "family_name": "Chen" }] })).start();
    let delta = ProfileDelta([("givenName".to_owned(), Some("Sarah".into())), ("email".to_owned(), Some("s@company.test".into()))].into());
    let Outcome::Applied(receipt) = apply(&fake, &sarah(&fake), Change::UpdateAccount(delta.clone())).await.unwrap() else { panic!() };
    let profile = receipt.account.unwrap().profile;
    assert_eq!((&profile["givenName"], &profile["familyName"], &profile["email"]), (&"Sarah".into(), &"Chen".into(), &"s@company.test".into()));
    assert!(matches!(apply(&fake, &sarah(&fake), Change::UpdateAccount(delta)).await.unwrap(), Outcome::Unchanged(_)));
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_after_a_change_leaves_the_change_open() {
    let fake = world().start();
    fake.fault(Fault::status(502).on("POST", "/graphql"));
    let error = ensure(&fake, AccountQuery::by("external_id", "s-1"), spec(&["schen"])).await.unwrap_err();
    assert_eq!((error.effect(), fake.user_id("schen").is_some()), (Effect::Unknown, true));
    fake.clear_faults();
    // What became of a user whom the answer does not show is read.
    fake.fault(Fault::status(502).on("GET", "/scim/v2/enterprises/*/Users/*"));
    assert_eq!(apply(&fake, &sarah(&fake), Change::SetState(AccountState::Deleted)).await.unwrap_err().effect(), Effect::Unknown);
}

#[tokio::test(start_paused = true)]
async fn limits_of_scim_are_told_by_their_lane() {
    let fake = world().start();
    fake.fault(Fault::throttle(Duration::from_secs(90)).on("*", "/scim/v2/**"));
    let error = github(&fake).find_account(&cx(), &AccountQuery::by("user_name", "sarah")).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::RateLimited("scim".into()), RetryHint::After(Duration::from_secs(90))));
    let descriptor = github(&fake).descriptor().clone();
    let lane = descriptor.lanes.iter().find(|lane| lane.id == "scim.provision").unwrap();
    let window = lane.window.unwrap();
    assert_eq!((window.units, window.per, lane.pool.as_deref()), (1000, Duration::from_secs(3600), Some("github-acme.scim.provision")));
}

#[tokio::test(start_paused = true)]
async fn what_the_setup_user_may_not_do_is_known_at_the_start() {
    for (scopes, lacking) in [
        (vec!["scim:enterprise", "read:enterprise"], None),
        (vec!["admin:enterprise"], None),
        (vec!["read:enterprise"], Some("scim:enterprise")),
        (vec!["scim:enterprise"], Some("read:enterprise")),
    ] {
        let token = json!({ "tokens": [{ "token": GithubFake::SETUP_USER_TOKEN, "owner": "acme_admin", "scopes": scopes }] });
        let fake = world().seeded(&token).start();
        let check = github(&fake).check(&cx()).await.unwrap();
        assert!(check.own_accounts.contains(&fake.user_id("acme_admin").unwrap().into()));
        match lacking {
            None => assert!(check.lacking.is_empty(), "{scopes:?}: {:?}", check.lacking),
            Some(scope) => assert!(check.lacking[&Ability::SetState].contains(scope), "{:?}", check.lacking),
        }
    }
    // Without the scope, and to who owns nothing, nobody is there: that is no "none".
    for (owner, scopes) in [("acme_admin", vec!["scim:enterprise"]), ("octo-owner", vec!["scim:enterprise", "read:enterprise"])] {
        let token = json!({ "tokens": [{ "token": GithubFake::SETUP_USER_TOKEN, "owner": owner, "scopes": scopes }] });
        let fake = world().seeded(&token).start();
        let error = github(&fake).find_account(&cx(), &AccountQuery::by("user_name", "sarah")).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::PermissionDenied);
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_at_everybody_costs_two_calls_a_hundred() {
    let people: Vec<_> = (0..250).map(|number| json!({ "user_name": format!("person-{number}"), "active": number % 5 != 0 })).collect();
    let fake = GithubFake::new().with_enterprise().seeded(&json!({ "managed": people })).start();
    let (adapter, mut page, mut all) = (github(&fake), PageRequest::first(), Vec::new());
    loop {
        let listed = adapter.list_accounts(&cx(), &page).await.unwrap();
        assert_eq!(listed.completeness, Completeness::Complete);
        all.extend(listed.items);
        let Some(next) = listed.next else { break };
        page = PageRequest::first().after(next);
    }
    assert_eq!((all.len(), all.iter().filter(|account| account.state == AccountState::Suspended).count()), (250, 50));
    assert_eq!(fake.log().len(), 2 * 3);
    for (key, value, calls) in [("user_name", "person-249", 2), ("external_id", "idp-person-249", 2), ("email", "person-249@company.test", 3 + 1)] {
        fake.clear_log();
        assert!(matches!(adapter.find_account(&cx(), &AccountQuery::by(key, value)).await.unwrap(), Found::One(_)));
        assert_eq!(fake.log().len(), calls, "{key}");
    }
    // Hidden from look-ups, a suspended user is looked for among all.
    let hidden = GithubFake::new().with_enterprise().with_settings(|settings| settings.suspended_users_are_hidden = true);
    let fake = hidden.seeded(&json!({ "managed": people })).start();
    let who = AccountQuery::known(fake.user_id("person-245").unwrap());
    assert!(matches!(github(&fake).find_account(&cx(), &who).await.unwrap(), Found::One(_)));
    assert_eq!(fake.log().len(), 1 + 3 + 2);
}

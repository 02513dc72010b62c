//! A self-managed instance with an administrator's token: levels and their inheritance, owners, custom roles, refusals that mislead.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use provisionr_gitlab::{Gitlab, GitlabConfig};
use provisionr_http::MemoryTransport;
use provisionr_sdk::{
    Ability, Account, AccountAccess, AccountQuery, AccountSpec, AccountState, Adapter, Call, CallContext, CallGate, Calls, Change, Completeness, Entitlement,
    ErrorKind, Expect, Found, Grant, LaneId, LaneReading, ListScope, Outcome, PageRequest, Permit, Probe, ProfileDelta, Request, Result, RetryHint, Scope,
    Secret, Source, Timestamp, WaitReason,
};
use provisionr_testkit::gitlab::{GitlabFake, Plan, Sort};
use provisionr_testkit::{Act, FakeSystem, Fault, Limit};
use serde_json::{Value, json};

type Fake = FakeSystem<GitlabFake>;

fn cx() -> CallContext {
    CallContext::unlimited()
}

fn gitlab(fake: &Fake) -> Gitlab {
    let config = GitlabConfig::self_managed("https://gitlab.company.test").private_token(Secret::new(GitlabFake::TOKEN)).provider("saml");
    config.connect("gitlab", &fake.transport()).unwrap()
}

fn sarah(fake: &Fake) -> Account {
    Account::new(fake.user("sarah").unwrap().id.to_string(), AccountState::Active)
}

fn request(fake: &Fake, change: Change) -> Request {
    Request::new("s-1", AccountQuery::by("login", "sarah"), change, "k-1").with_account(sarah(fake))
}

fn in_group(fake: &Fake, path: &str, role: &str) -> Entitlement {
    Entitlement::new("add_to_group", fake.id_of(Sort::Group, path).unwrap()).with_role(role)
}

fn in_project(fake: &Fake, path: &str, role: &str) -> Entitlement {
    Entitlement::new("add_to_project", fake.id_of(Sort::Project, path).unwrap()).with_role(role)
}

/// `eng` with `eng/platform` and the project `eng/platform/api` below, and Sarah.
fn world() -> GitlabFake {
    GitlabFake::new().with_group("eng").with_group("eng/platform").with_project("eng/platform/api").with_user("sarah")
}

#[tokio::test(start_paused = true)]
async fn what_a_group_above_gives_is_not_given_again_and_not_taken_below() {
    let fake = world().with_member("eng", "sarah", 40).start();
    let (gitlab, eng) = (gitlab(&fake), fake.id_of(Sort::Group, "eng").unwrap());
    for wanted in [in_group(&fake, "eng/platform", "developer"), in_project(&fake, "eng/platform/api", "maintainer")] {
        let Outcome::Unchanged(receipt) = gitlab.apply(&cx(), &request(&fake, Change::Grant(wanted.clone()))).await.unwrap() else { panic!() };
        assert_eq!(receipt.grant.unwrap().source, Source::Inherited(eng.as_str().into()));
        let Outcome::Unchanged(receipt) = gitlab.apply(&cx(), &request(&fake, Change::Revoke(wanted))).await.unwrap() else { panic!() };
        assert_eq!(receipt.still_effective.len(), 1);
    }
    // Planner is on no scale, so that only GitLab's own refusal tells that it is below.
    for wording in [false, true] {
        fake.change(|fake, _| *fake = fake.clone().with_settings(|settings| settings.old_wording = wording));
        let planner = request(&fake, Change::Grant(in_group(&fake, "eng/platform", "planner")));
        assert!(matches!(gitlab.apply(&cx(), &planner).await.unwrap(), Outcome::Unchanged(_)));
    }
    let owner = request(&fake, Change::Grant(in_group(&fake, "eng/platform", "owner")));
    assert!(matches!(gitlab.apply(&cx(), &owner).await.unwrap(), Outcome::Applied(_)));
    assert_eq!((fake.effects("member.added"), fake.effects("member.removed")), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_owner_who_should_have_less_keeps_no_more_than_the_groups_above_give() {
    let fake = world().with_member("eng", "sarah", 40).with_member("eng/platform", "sarah", 50).with_member("eng/platform", "root", 50).start();
    let (gitlab, eng) = (gitlab(&fake), fake.id_of(Sort::Group, "eng").unwrap());
    let wanted = request(&fake, Change::Grant(in_group(&fake, "eng/platform", "developer")));
    let Outcome::Applied(receipt) = gitlab.apply(&cx(), &wanted).await.unwrap() else { panic!() };
    assert_eq!((receipt.still_effective.len(), &receipt.still_effective[0].source), (1, &Source::Inherited(eng.as_str().into())));
    assert!(receipt.also_changed.iter().any(|what| what.contains("direct membership went")), "{receipt:?}");
    assert_eq!(fake.member(Sort::Group, "eng/platform", "sarah"), None);
    assert!(matches!(gitlab.probe(&cx(), &wanted).await.unwrap(), Probe::Holds(_)));
    assert!(matches!(gitlab.apply(&cx(), &wanted).await.unwrap(), Outcome::Unchanged(_)));
    // Where nothing that is inherited would do, the direct row stays.
    fake.act(Act::new("set_member", json!({ "group": "eng/platform", "user": "sarah", "access_level": 50 }))).unwrap();
    let planner = request(&fake, Change::Grant(in_group(&fake, "eng/platform", "planner")));
    assert_eq!(gitlab.apply(&cx(), &planner).await.unwrap_err().kind(), &ErrorKind::Refused);
    assert_eq!(fake.member(Sort::Group, "eng/platform", "sarah").unwrap().level, 50);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_invited_shows_as_the_source() {
    let fake =
        world().with_group("ops").with_member("ops", "sarah", 40).seeded(&json!({ "groups": [{ "path": "lab", "shared_with": { "ops": 20 } }] })).start();
    let wanted = in_group(&fake, "lab", "reporter");
    let seen = gitlab(&fake).observe(&cx(), &sarah(&fake), &Scope::Only(vec![wanted.clone()])).await.unwrap();
    let ops = Source::Inherited(fake.id_of(Sort::Group, "ops").unwrap().into());
    assert_eq!(seen.grants, [Grant::direct(sarah(&fake).id, wanted).from_source(ops)]);
}

#[tokio::test(start_paused = true)]
async fn leaving_a_group_keeps_what_is_direct_below() {
    let fake = world().with_member("eng", "sarah", 30).with_member("eng/platform", "sarah", 40).start();
    let leave = request(&fake, Change::Revoke(in_group(&fake, "eng", "developer")));
    assert!(matches!(gitlab(&fake).apply(&cx(), &leave).await.unwrap(), Outcome::Applied(_)));
    assert_eq!((fake.member(Sort::Group, "eng", "sarah"), fake.member(Sort::Group, "eng/platform", "sarah").map(|member| member.level)), (None, Some(40)));
}

#[tokio::test(start_paused = true)]
async fn an_owner_is_neither_lowered_nor_removed_where_a_guest_was_meant() {
    let fake = world().with_member("eng", "sarah", 50).with_member("eng", "root", 50).start();
    let gitlab = gitlab(&fake);
    let guest = in_group(&fake, "eng", "guest");
    let meant = Expect::Grant(Grant::direct(sarah(&fake).id, guest.clone()));
    for change in [Change::Revoke(guest.clone()), Change::Grant(in_group(&fake, "eng", "developer"))] {
        let error = gitlab.apply(&cx(), &request(&fake, change).expecting(meant.clone())).await.unwrap_err();
        assert_eq!((error.kind(), error.hint()), (&ErrorKind::Conflict, RetryHint::Replan));
    }
    // Nor is the last one, whoever wants it.
    fake.act(Act::new("remove_member", json!({ "group": "eng", "user": "root" }))).unwrap();
    for change in [Change::Revoke(in_group(&fake, "eng", "owner")), Change::Grant(guest)] {
        let error = gitlab.apply(&cx(), &request(&fake, change)).await.unwrap_err();
        assert!(*error.kind() == ErrorKind::Refused && error.message().contains("no other owner"), "{error}");
    }
    assert_eq!(fake.member(Sort::Group, "eng", "sarah").unwrap().level, 50);
}

#[tokio::test(start_paused = true)]
async fn a_custom_role_survives_a_write_at_its_level() {
    let member = json!({ "group": "eng", "user": "sarah", "access_level": 30, "member_role_id": 7 });
    let fake = world().with_settings(|settings| settings.plan = Plan::Ultimate).seeded(&json!({ "members": [member] })).start();
    let gitlab = gitlab(&fake);
    let until = in_group(&fake, "eng", "developer").with_param("expires_at", "2031-01-31");
    gitlab.apply(&cx(), &request(&fake, Change::Grant(until))).await.unwrap();
    let now = fake.member(Sort::Group, "eng", "sarah").unwrap();
    assert_eq!((now.role, now.expires.as_deref()), (Some(7), Some("2031-01-31")));
    // Without an end it stays for good again; at another level the role cannot stay, and that is told.
    let Outcome::Applied(receipt) = gitlab.apply(&cx(), &request(&fake, Change::Grant(in_group(&fake, "eng", "reporter")))).await.unwrap() else { panic!() };
    assert_eq!(receipt.also_changed, ["the custom role `Custom role 7` went with its level"]);
    let now = fake.member(Sort::Group, "eng", "sarah").unwrap();
    assert_eq!((now.level, now.role, now.expires), (20, None, None));
}

#[tokio::test(start_paused = true)]
async fn what_a_directory_decides_names_the_directory() {
    for (act, args, owner) in [
        ("link_ldap", json!({ "group": "eng", "cn": "engineers" }), "LDAP group engineers"),
        ("link_saml", json!({ "group": "eng", "name": "all-eng" }), "SAML group all-eng"),
    ] {
        let fake = world().with_member("eng", "sarah", 30).start();
        fake.act(Act::new(act, args)).unwrap();
        let gitlab = gitlab(&fake);
        let there = in_group(&fake, "eng", "developer");
        assert!(matches!(gitlab.apply(&cx(), &request(&fake, Change::Grant(there.clone()))).await.unwrap(), Outcome::Unchanged(_)));
        for change in [Change::Revoke(there.clone()), Change::Grant(in_group(&fake, "eng", "owner"))] {
            let error = gitlab.apply(&cx(), &request(&fake, change)).await.unwrap_err();
            assert!(*error.kind() == ErrorKind::OwnedElsewhere && error.message().contains(owner), "{error}");
        }
        let seen = gitlab.observe(&cx(), &sarah(&fake), &Scope::All).await.unwrap();
        assert!(matches!(&seen.grants[0].source, Source::Owned(by) if by.as_str() == owner));
        assert_eq!(fake.member(Sort::Group, "eng", "sarah").unwrap().level, 30);
    }
    let fake = world().seeded(&json!({ "groups": [{ "path": "closed", "membership_lock": true }] })).start();
    let error = gitlab(&fake).apply(&cx(), &request(&fake, Change::Grant(in_group(&fake, "closed", "guest")))).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn limits_are_told_by_plain_text_and_by_json() {
    let fake = world().start();
    fake.fault(Fault::throttle(Duration::from_secs(30)).on("GET", "/api/v4/groups/*"));
    let grant = request(&fake, Change::Grant(in_group(&fake, "eng", "guest")));
    let error = gitlab(&fake).apply(&cx(), &grant).await.unwrap_err();
    // The body is no JSON, and the limit is that on everything.
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::RateLimited("api".into()), RetryHint::After(Duration::from_secs(30))));
    let fake =
        world().seeded(&json!({ "application_limits": [{ "on": { "method": "GET", "path": "/api/v4/users/*" }, "units": 1, "per_ms": 600_000 }] })).start();
    let (gitlab, known) = (gitlab(&fake), AccountQuery::known(sarah(&fake).id));
    gitlab.find_account(&cx(), &known).await.unwrap();
    let error = gitlab.find_account(&cx(), &known).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::RateLimited("users.id".into()), RetryHint::Backoff));
}

/// Hears what answers say about lanes.
#[derive(Default)]
struct Ear(Mutex<Vec<(LaneId, LaneReading)>>);

#[async_trait]
impl CallGate for Ear {
    async fn permit(&self, _call: &Call) -> Result<Permit> {
        Ok(Permit::free())
    }

    fn heard(&self, lane: &LaneId, reading: LaneReading) {
        self.0.lock().unwrap().push((lane.clone(), reading));
    }

    fn now(&self) -> Timestamp {
        Timestamp::EPOCH
    }
}

#[tokio::test(start_paused = true)]
async fn headers_speak_of_the_limit_on_everything() {
    let fake = world().with_limit(Limit::new(2000, Duration::from_secs(60))).start();
    let ear = Arc::new(Ear::default());
    gitlab(&fake).find_account(&CallContext::new(ear.clone()), &AccountQuery::known(sarah(&fake).id)).await.unwrap();
    let heard = ear.0.lock().unwrap();
    let (lane, reading) = &heard[0];
    assert_eq!((lane.as_str(), reading.limit, reading.remaining), ("api", Some(2000), Some(1999)));
}

/// Answers in order: what must be asked, the status, the body.
fn script(answers: Vec<(&'static str, u16, Value)>) -> (Gitlab, Arc<Mutex<Vec<Value>>>) {
    let left = Arc::new(Mutex::new(answers.into_iter()));
    let bodies: Arc<Mutex<Vec<Value>>> = Arc::default();
    let log = bodies.clone();
    let http = MemoryTransport::new(move |request| {
        let asked = format!("{} {}", request.method(), request.uri().path());
        let (wanted, status, body) = left.lock().unwrap().next().unwrap_or_else(|| panic!("{asked} comes after the end of the script"));
        assert_eq!(asked.replace("/api/v4", ""), wanted);
        log.lock().unwrap().push(serde_json::from_slice(request.body()).unwrap_or_default());
        http::Response::builder().status(status).body(body.to_string().into()).unwrap()
    });
    (GitlabConfig::self_managed("https://gitlab.company.test").private_token(Secret::new("t")).connect("gitlab", &http).unwrap(), bodies)
}

fn member(level: u64) -> Value {
    json!({ "id": 5, "username": "sarah", "name": "Sarah", "state": "active", "access_level": level, "expires_at": null })
}

fn grant_of_group_9(role: &str) -> Request {
    let change = Change::Grant(Entitlement::new("add_to_group", "9").with_role(role));
    Request::new("s-1", AccountQuery::known("5"), change, "k-1").with_account(Account::new("5", AccountState::Active))
}

const GROUP: (&str, u16, &str) = ("GET /groups/9", 200, r#"{"id": 9, "full_path": "eng"}"#);
const ROW: &str = "GET /groups/9/members/5";

fn group() -> (&'static str, u16, Value) {
    (GROUP.0, GROUP.1, serde_json::from_str(GROUP.2).unwrap())
}

#[tokio::test]
async fn a_member_who_is_there_after_all_gets_the_role_in_the_same_change() {
    let (gitlab, bodies) = script(vec![
        group(),
        (ROW, 404, json!({ "message": "404 Not found" })),
        ("POST /groups/9/members", 409, json!({ "message": "Member already exists" })),
        (ROW, 200, member(20)),
        ("PUT /groups/9/members/5", 200, member(30)),
    ]);
    let Outcome::Applied(receipt) = gitlab.apply(&cx(), &grant_of_group_9("developer")).await.unwrap() else { panic!() };
    assert_eq!(receipt.grant.unwrap().entitlement.role.unwrap(), "developer");
    assert_eq!(bodies.lock().unwrap()[4], json!({ "access_level": 30, "expires_at": null }));
}

#[tokio::test]
async fn created_with_an_error_in_it_is_no_success() {
    let refused = json!({ "status": "error", "message": { "sarah": "cannot be added" } });
    let (gitlab, _) = script(vec![group(), (ROW, 404, json!({ "message": "404 Not found" })), ("POST /groups/9/members", 201, refused)]);
    let error = gitlab.apply(&cx(), &grant_of_group_9("developer")).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::Refused && error.message().contains("cannot be added"), "{error}");
    // Levels nobody has described are shown as they are, and are no reason to fail.
    let (gitlab, _) = script(vec![("GET /users/5", 200, member(0)), group(), (ROW, 200, member(25))]);
    let scope = Scope::Only(vec![Entitlement::new("add_to_group", "9").with_role("guest")]);
    let seen = gitlab.observe(&cx(), &Account::new("5", AccountState::Active), &scope).await.unwrap();
    assert_eq!(seen.grants[0].entitlement.role.as_ref().unwrap(), "level_25");
}

#[tokio::test(start_paused = true)]
async fn accounts_are_linked_mailed_and_told_apart() {
    let fake = world().start();
    let gitlab = gitlab(&fake);
    let who = || AccountQuery::by("extern_uid", "emp-9").or("email", "lee@company.com");
    let spec = |login: &str| AccountSpec::new(login).with("email", "lee@company.com").with("name", "Lee");
    let ensure = |who: AccountQuery, spec: AccountSpec| Request::new("s-9", who, Change::EnsureAccount(spec), "k-9");
    // The username of another is passed over.
    let two = AccountSpec { logins: vec!["sarah".to_owned(), "lee@company.com".to_owned()], ..spec("") };
    gitlab.apply(&cx(), &ensure(who(), two)).await.unwrap();
    let lee = fake.user("lee").unwrap();
    assert_eq!((lee.identities[0].extern_uid.as_str(), fake.mails(), lee.username.as_str()), ("emp-9", 0, "lee"));
    // The address is given to the next person; their identity differs, and the account is not theirs.
    let other = AccountQuery::by("extern_uid", "emp-10").or("login", "lee").or("email", "lee@company.com");
    assert_eq!(gitlab.find_account(&cx(), &other).await.unwrap(), Found::None);
    let error = gitlab.apply(&cx(), &ensure(other, spec("lee2"))).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::Conflict, RetryHint::Never));
    let mailed = AccountSpec { access: AccountAccess::VendorMail, ..AccountSpec::new("kim").with("email", "kim@company.com").with("name", "Kim") };
    gitlab.apply(&cx(), &ensure(AccountQuery::by("email", "kim@company.com"), mailed)).await.unwrap();
    assert_eq!(fake.mails(), 2);
    // The name of a person who was let go is no new account.
    fake.act(Act::new("set_user", json!({ "user": "kim", "state": "blocked" }))).unwrap();
    let error = gitlab.apply(&cx(), &ensure(AccountQuery::by("email", "kim@company.com"), spec("kim"))).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::Conflict, RetryHint::Replan));
}

#[tokio::test(start_paused = true)]
async fn a_new_address_counts_at_once_and_takes_nobodys() {
    let fake = world().start();
    let gitlab = gitlab(&fake);
    let change = |email: &str| request(&fake, Change::UpdateAccount(ProfileDelta([("email".to_owned(), Some(email.into()))].into())));
    let Outcome::Applied(receipt) = gitlab.apply(&cx(), &change("sarah@new.example")).await.unwrap() else { panic!() };
    assert_eq!((receipt.account.unwrap().email.as_deref(), fake.user("sarah").unwrap().email.as_str()), (Some("sarah@new.example"), "sarah@new.example"));
    let error = gitlab.apply(&cx(), &change("root@example.com")).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Conflict);
}

#[tokio::test(start_paused = true)]
async fn states_that_others_decide_about_are_left_alone() {
    let fake = world().with_settings(|settings| settings.only_dormant_deactivated = true).start();
    let gitlab = gitlab(&fake);
    let error = gitlab.apply(&cx(), &request(&fake, Change::SetState(AccountState::Deactivated))).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::PermissionDenied && error.message().contains("past 90 days"), "{error}");
    fake.act(Act::new("set_user", json!({ "user": "sarah", "state": "ldap_blocked" }))).unwrap();
    let error = gitlab.apply(&cx(), &request(&fake, Change::SetState(AccountState::Active))).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::OwnedElsewhere);
    assert!(matches!(gitlab.apply(&cx(), &request(&fake, Change::SetState(AccountState::Suspended))).await.unwrap(), Outcome::Unchanged(_)));
    let fake = world().with_member("eng", "sarah", 50).start();
    let error = self::gitlab(&fake).apply(&cx(), &request(&fake, Change::SetState(AccountState::Deleted))).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn check_says_what_the_token_lacks() {
    let tokens = json!([{ "token": "read", "owner": "root", "scopes": ["read_api"] }, { "token": "sarahs", "owner": "sarah" }]);
    let fake = world().seeded(&json!({ "tokens": tokens })).start();
    let check = async |token: &str| {
        let config = GitlabConfig::self_managed("https://gitlab.company.test").private_token(Secret::new(token));
        config.connect("gitlab", &fake.transport()).unwrap().check(&cx()).await.unwrap()
    };
    let whole = check(GitlabFake::TOKEN).await;
    assert_eq!((whole.own_accounts, whole.lacking.len()), (vec![fake.user("root").unwrap().id.to_string().into()], 0));
    let reads = check("read").await.lacking;
    assert!(reads.contains_key(&Ability::Manage("add_to_group".into())) && reads.contains_key(&Ability::CreateAccount));
    assert!(!reads.contains_key(&Ability::ListAccounts) && !reads.contains_key(&Ability::Observe("add_to_group".into())));
    let nobody = check("sarahs").await.lacking;
    assert!(nobody.contains_key(&Ability::CreateAccount) && !nobody.contains_key(&Ability::Manage("add_to_group".into())));
    // Nor does such a token find private addresses, and silence is no answer.
    let config = GitlabConfig::self_managed("https://gitlab.company.test").bearer(Secret::new("sarahs"));
    let found = config.connect("gitlab", &fake.transport()).unwrap().find_account(&cx(), &AccountQuery::by("login", "root")).await.unwrap();
    assert!(matches!(found, Found::One(_)));
}

#[tokio::test(start_paused = true)]
async fn an_administrators_token_without_admin_mode_is_a_plain_users() {
    let tokens = json!([{ "token": "plain", "owner": "root", "scopes": ["api"] }, { "token": "mode", "owner": "root", "scopes": ["api", "admin_mode"] }]);
    let fake = world().with_settings(|settings| settings.admin_mode = true).seeded(&json!({ "tokens": tokens })).start();
    let lacking = async |token: &str| {
        let config = GitlabConfig::self_managed("https://gitlab.company.test").private_token(Secret::new(token));
        config.connect("gitlab", &fake.transport()).unwrap().check(&cx()).await.unwrap().lacking
    };
    let plain = lacking("plain").await;
    let kind = || "add_to_group".into();
    for ability in [Ability::SetState, Ability::ListAccounts, Ability::ListTargets(kind()), Ability::ListGrants(kind()), Ability::Manage(kind())] {
        assert!(plain.get(&ability).is_some_and(|why| why.contains("admin_mode")), "{ability}: {plain:?}");
    }
    assert!(lacking("mode").await.is_empty());
}

/// The requests since `before`, lane by lane.
fn counted(fake: &Fake, before: usize) -> BTreeMap<&'static str, u32> {
    let mut lanes = BTreeMap::new();
    for entry in fake.log().into_iter().skip(before) {
        let lane = match (entry.method.as_str(), entry.route.unwrap()) {
            ("GET", "/api/v4/users/{id}") => "users.id",
            ("GET", "/api/v4/groups/{id}") => "groups.id",
            ("GET", "/api/v4/projects/{id}") => "projects.id",
            ("DELETE", route) if route.contains("/members/") => "members.delete",
            _ => "api",
        };
        *lanes.entry(lane).or_default() += 1;
    }
    lanes
}

fn declared(calls: &[Calls]) -> BTreeMap<&str, u32> {
    calls.iter().map(|calls| (calls.lane.as_str(), calls.count)).collect()
}

fn within(made: &BTreeMap<&str, u32>, declared: &BTreeMap<&str, u32>) -> bool {
    !made.is_empty() && made.iter().all(|(lane, count)| declared.get(lane).is_some_and(|declared| count <= declared))
}

#[tokio::test(start_paused = true)]
async fn changes_take_no_more_calls_than_is_declared() {
    let fake = world().start();
    let gitlab = gitlab(&fake);
    let facts = gitlab.descriptor();
    let try_one = async |request: Request, declared: BTreeMap<&str, u32>| {
        let before = fake.log().len();
        assert!(matches!(gitlab.apply(&cx(), &request).await.unwrap(), Outcome::Applied(_)));
        let made = counted(&fake, before);
        assert!(within(&made, &declared), "{}: {made:?} of {declared:?}", request.change);
    };
    for wanted in [in_group(&fake, "eng/platform", "developer"), in_project(&fake, "eng/platform/api", "developer")] {
        let kind = facts.kinds.get(&wanted.kind).unwrap();
        try_one(request(&fake, Change::Grant(wanted.clone())), declared(&kind.grant.calls)).await;
        // What the group above gives meanwhile is no trouble, and is not what is counted.
        fake.act(Act::new("remove_member", json!({ "group": "eng/platform", "user": "sarah" }))).unwrap();
        fake.act(Act::new("set_member", json!({ if wanted.kind == "add_to_group" { "group" } else { "project" }: wanted.target.as_str(), "user": "sarah" })))
            .unwrap();
        try_one(request(&fake, Change::Revoke(wanted)), declared(&kind.revoke.calls)).await;
    }
    try_one(request(&fake, Change::SetState(AccountState::Suspended)), declared(&facts.accounts.set_state.calls)).await;
    let delta = ProfileDelta([("location".to_owned(), Some("Paris".into()))].into());
    try_one(request(&fake, Change::UpdateAccount(delta)), declared(&facts.accounts.update.calls)).await;
    let spec = AccountSpec::new("lee").with("email", "lee@company.com").with("name", "Lee");
    let ensure = Request::new("s-9", AccountQuery::by("login", "lee").or("email", "lee@company.com"), Change::EnsureAccount(spec), "k-9");
    try_one(ensure, declared(&facts.accounts.create.as_ref().unwrap().calls)).await;
    let before = fake.log().len();
    gitlab.find_account(&cx(), &AccountQuery::known(sarah(&fake).id)).await.unwrap();
    assert!(within(&counted(&fake, before), &declared(&facts.accounts.find)));
}

#[tokio::test(start_paused = true)]
async fn full_lists_take_one_call_a_page() {
    let world = (0..7).fold(world().with_settings(|settings| settings.page_size = 100), |world, number| world.with_group(&format!("team-{number}")));
    let fake = (0..120).fold(world, |world, number| world.with_user(&format!("user-{number}"))).start();
    for number in 0..120 {
        fake.act(Act::new("set_member", json!({ "group": "eng", "user": format!("user-{number}") }))).unwrap();
    }
    let gitlab = gitlab(&fake);
    let (mut page, mut grants, mut pages) = (PageRequest::first(), 0, 0);
    loop {
        let listed = gitlab.list_grants(&cx(), &ListScope::Kind("add_to_group".into()), &page).await.unwrap();
        (grants, pages) = (grants + listed.items.len(), pages + 1);
        assert_eq!(listed.completeness, Completeness::Complete);
        let Some(next) = listed.next else { break };
        page = PageRequest::first().after(next);
    }
    // One page of groups, and the members of nine: 120 are two pages, the rest one each.
    assert_eq!((grants, pages, fake.log().len()), (120, 10, 11));
    fake.clear_log();
    let first = gitlab.list_accounts(&cx(), &PageRequest::first()).await.unwrap();
    let second = gitlab.list_accounts(&cx(), &PageRequest::first().after(first.next.unwrap())).await.unwrap();
    assert_eq!((first.items.len() + second.items.len(), second.next, fake.log().len()), (122, None, 2));
}

#[tokio::test(start_paused = true)]
async fn all_that_a_person_has_takes_two_calls_a_membership() {
    let fake = world().with_member("eng", "sarah", 20).with_member("eng/platform", "sarah", 30).start();
    fake.act(Act::new("set_member", json!({ "project": "eng/platform/api", "user": "sarah", "access_level": 40, "expires_at": "2031-01-31" }))).unwrap();
    let seen = gitlab(&fake).observe(&cx(), &sarah(&fake), &Scope::All).await.unwrap();
    let mut shown: Vec<_> = seen.grants.iter().map(|grant| format!("{} {:?}", grant.entitlement, grant.source)).collect();
    shown.sort();
    let id = |path: &str| fake.id_of(Sort::Group, path).unwrap();
    let (eng, platform, api) = (id("eng"), id("eng/platform"), fake.id_of(Sort::Project, "eng/platform/api").unwrap());
    let from = |group: &str| format!("Inherited({:?})", provisionr_sdk::TargetId::from(group));
    let mut wanted = vec![
        format!("add_to_group {eng} as reporter Direct"),
        format!("add_to_group {platform} as developer Direct"),
        format!("add_to_group {platform} as reporter {}", from(&eng)),
        format!("add_to_project {api} as developer {}", from(&platform)),
        format!("add_to_project {api} as maintainer expires_at=2031-01-31 Direct"),
        format!("add_to_project {api} as reporter {}", from(&eng)),
    ];
    wanted.sort();
    assert_eq!(shown, wanted);
    assert_eq!(fake.log().len(), 2 + 2 * 3);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_takes_its_time_is_waited_for() {
    let user = json!({ "id": 5, "username": "sarah", "name": "Sarah", "state": "active" });
    let answers = vec![("GET /users/5", 200, user.clone()), ("DELETE /users/5", 204, Value::Null), ("GET /users/5", 200, user)];
    let left = Arc::new(Mutex::new(answers.into_iter()));
    let http = MemoryTransport::new(move |request| {
        let Some((_, status, body)) = left.lock().unwrap().next() else {
            return http::Response::builder().status(404).body(r#"{"message": "404 User Not Found"}"#.into()).unwrap();
        };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        assert!(request.uri().path().ends_with("/users/5"));
        http::Response::builder().status(status).body(body.into()).unwrap()
    });
    let gitlab = GitlabConfig::self_managed("https://gitlab.company.test").private_token(Secret::new("t")).connect("gitlab", &http).unwrap();
    let account = Account::new("5", AccountState::Active);
    let request = Request::new("s-1", AccountQuery::known("5"), Change::SetState(AccountState::Deleted), "k-1").with_account(account);
    let Outcome::Waiting(wait, _) = gitlab.apply(&cx(), &request).await.unwrap() else { panic!() };
    assert_eq!(wait.reason, WaitReason::VendorJob);
    assert!(matches!(gitlab.probe(&cx(), &request.with_ticket(wait.ticket.unwrap())).await.unwrap(), Probe::Holds(_)));
}

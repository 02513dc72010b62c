//! The cases in which Jira's answers mislead, or say nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use http::Response;
use provisionr_http::{MemoryTransport, SystemSettings, Transport};
use provisionr_jira::{Jira, JiraConfig, Settings};
use provisionr_sdk::{
    Ability, Account, AccountKind, AccountQuery, AccountSpec, AccountState, Adapter, Before, Bound, Call, CallContext, CallGate, Change, Effect, Entitlement,
    ErrorKind, Expect, Found, Grant, LaneId, LaneReading, ListScope, Missing, Outcome, PageRequest, Permit, Probe, Request, Resolution, Result, RetryHint,
    Scope, Secret, Source, Timestamp,
};
use provisionr_testkit::jira::{JiraFake, NothingToDo};
use provisionr_testkit::{Act, FakeSystem, Fault, Limit};
use serde_json::{Value, json};

const SARAH: &str = "sarah@company.com";
const SITE: &str = "https://company.atlassian.test";

fn cx() -> CallContext {
    CallContext::unlimited()
}

fn over(http: &(impl Transport + Clone)) -> Jira {
    JiraConfig::new(SITE).api_token(JiraFake::ADMIN, Secret::new(JiraFake::TOKEN)).products([""; 0]).connect("jira", http).unwrap()
}

fn inviting(fake: &FakeSystem<JiraFake>) -> Jira {
    JiraConfig::new(SITE).api_token(JiraFake::ADMIN, Secret::new(JiraFake::TOKEN)).connect("jira", &fake.transport()).unwrap()
}

/// A transport over the fake on which something happens right before the first request of a method.
fn racing(fake: &FakeSystem<JiraFake>, method: &'static str, act: Act) -> MemoryTransport {
    let (fake, inner, done) = (fake.erased(), fake.transport(), Arc::new(AtomicBool::new(false)));
    MemoryTransport::with(move |request| {
        if request.method() == method && !done.swap(true, Ordering::SeqCst) {
            fake.act(act.clone()).unwrap();
        }
        let inner = inner.clone();
        async move { inner.send(request).await }
    })
}

fn on(fake: &FakeSystem<JiraFake>, change: Change) -> Request {
    let account = Account::new(fake.user_id(SARAH).unwrap(), AccountState::Active);
    Request::new("s-1", AccountQuery::by("email", SARAH), change, "k-1").with_account(account)
}

fn invitation() -> Request {
    let spec = AccountSpec::new(SARAH).with("emailAddress", SARAH);
    Request::new("s-1", AccountQuery::by("email", SARAH), Change::EnsureAccount(spec), "k-1")
}

fn role(fake: &FakeSystem<JiraFake>, project: &str, role: &str) -> Entitlement {
    written(fake, project, &fake.role_id(project, role).unwrap())
}

/// A role as a policy or an older version has it.
fn written(fake: &FakeSystem<JiraFake>, project: &str, role: &str) -> Entitlement {
    Entitlement::new("add_to_project_role", fake.project_id(project).unwrap()).with_role(role)
}

fn membership(fake: &FakeSystem<JiraFake>, group: &str) -> Entitlement {
    Entitlement::new("add_to_group", fake.group_id(group).unwrap())
}

/// What was heard of lanes.
#[derive(Default)]
struct Heard(Mutex<Vec<(String, LaneReading)>>);

#[async_trait]
impl CallGate for Heard {
    async fn permit(&self, _call: &Call) -> Result<Permit> {
        Ok(Permit::free())
    }

    fn heard(&self, lane: &LaneId, reading: LaneReading) {
        self.0.lock().unwrap().push((lane.to_string(), reading));
    }

    fn now(&self) -> Timestamp {
        Timestamp::EPOCH
    }
}

impl Heard {
    fn paused(&self) -> Vec<(String, Duration)> {
        self.0.lock().unwrap().iter().filter_map(|(lane, reading)| Some((lane.clone(), reading.pause?))).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn an_invitation_whose_answer_is_lost_is_found_by_the_address_or_safely_sent_again() {
    let fake = JiraFake::new().with_settings(|settings| settings.new_emails_visible = false).start();
    let jira = over(&fake.transport());
    fake.fault(Fault::reset_after().on("POST", "/rest/api/3/user"));
    assert_eq!(jira.apply(&cx(), &invitation()).await.unwrap_err().effect(), Effect::Unknown);
    // The address is hidden: the look cannot tell, and the repeat is answered with the user that is there.
    assert!(matches!(jira.probe(&cx(), &invitation().unsettled()).await.unwrap(), Probe::Unclear(_)));
    let Outcome::Applied(receipt) = jira.apply(&cx(), &invitation().unsettled()).await.unwrap() else { panic!() };
    assert_eq!((receipt.before, receipt.account.unwrap().id.as_str()), (Before::NotSeen, fake.user_id(SARAH).unwrap().as_str()));
    assert_eq!((fake.effects("user.created"), fake.mails_to(SARAH)), (1, 1));
    fake.accepts_invitation(SARAH).unwrap();
    fake.act(Act::new("set_email_visible", json!({ "user": SARAH, "visible": true }))).unwrap();
    assert!(matches!(jira.probe(&cx(), &invitation().unsettled()).await.unwrap(), Probe::Holds(_)));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_taken_for_absent_whose_address_may_be_hidden() {
    let customer = json!({ "users": [{ "id": "qm:1", "type": "customer", "email": "kim@company.com" }, { "email": "off@company.com", "active": false }] });
    let site = JiraFake::new().with_user(SARAH).seeded(&customer);
    let fake = site.with_settings(|settings| settings.hidden_emails_searched = true).start();
    let jira = over(&fake.transport());
    let find = async |who: AccountQuery| jira.find_account(&cx(), &who).await.unwrap();
    let by = |address: &str| AccountQuery::by("email", address);
    assert!(matches!(find(by("SARAH@company.com")).await, Found::One(account) if account.email.as_deref() == Some(SARAH)));
    // A prefix of her address is hers, and is not her address.
    assert!(matches!(find(by("sarah@company.co")).await, Found::CannotTell(_)));
    fake.hides_email(SARAH).unwrap();
    for address in [SARAH, "kim@company.com", "off@company.com", "nobody@company.com"] {
        assert!(matches!(find(by(address)).await, Found::CannotTell(_)), "{address}");
    }
    let id = fake.user_id(SARAH).unwrap();
    assert!(matches!(find(AccountQuery::known(id.as_str())).await, Found::One(account) if account.email.is_none()));
    assert_eq!(find(AccountQuery::by("account_id", "5b10ac8d82e05b22cc7d4ef5")).await, Found::None);
    assert!(matches!(find(AccountQuery::by("account_id", "qm:1")).await, Found::One(account) if account.kind == AccountKind::External));
    // Without the permission the search is empty and the look is forbidden.
    fake.act(Act::new("set_permissions", json!({ "token": JiraFake::TOKEN, "permissions": [] }))).unwrap();
    assert!(matches!(find(by(SARAH)).await, Found::CannotTell(_)));
    assert!(matches!(find(AccountQuery::by("account_id", id)).await, Found::CannotTell(why) if why.contains("may not look")));
}

#[tokio::test(start_paused = true)]
async fn where_the_organization_manages_its_accounts_nobody_means_nobody() {
    let others = json!({ "users": [{ "email": "off@company.com", "active": false }, { "email": "guest@elsewhere.com", "email_visible": false }] });
    let fake = JiraFake::new().with_user(SARAH).seeded(&others).start();
    let config = JiraConfig::new(SITE).api_token(JiraFake::ADMIN, Secret::new(JiraFake::TOKEN)).managed_accounts();
    let jira = config.connect("jira", &fake.transport()).unwrap();
    let find = async |address: &str| jira.find_account(&cx(), &AccountQuery::by("email", address)).await.unwrap();
    assert!(matches!(find(SARAH).await, Found::One(account) if account.state == AccountState::Active));
    assert!(matches!(find("OFF@company.com").await, Found::One(account) if account.state == AccountState::Deactivated));
    assert_eq!(find("new@company.com").await, Found::None);
    // Without the permission nothing follows.
    fake.act(Act::new("set_permissions", json!({ "token": JiraFake::TOKEN, "permissions": ["ADMINISTER"] }))).unwrap();
    assert!(matches!(find("new@company.com").await, Found::CannotTell(_)));
}

#[tokio::test(start_paused = true)]
async fn who_exists_without_access_and_who_finds_no_seat_are_told_apart() {
    let fake = JiraFake::new().with_product("jira-software", 1, "jira-software-users").start();
    let jira = inviting(&fake);
    let Outcome::Applied(receipt) = jira.apply(&cx(), &invitation()).await.unwrap() else { panic!() };
    assert_eq!((receipt.account.unwrap().state, fake.members("jira-software-users")), (AccountState::Active, vec!["sarah".to_owned()]));
    assert!(matches!(jira.apply(&cx(), &invitation()).await.unwrap(), Outcome::Unchanged(_)));
    let kim = Change::EnsureAccount(AccountSpec::new("kim@company.com"));
    let other = Request::new("s-2", AccountQuery::by("email", "kim@company.com"), kim, "k-2");
    let error = jira.apply(&cx(), &other).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::NoSeat("jira-software".into()), Effect::None));
    let check = jira.check(&cx()).await.unwrap();
    assert_eq!((check.seats[0].pool.as_str(), check.seats[0].total, check.seats[0].taken), ("jira-software", Some(1), 1));
    // She loses her access by hand: seen by her address she is there, and cannot come in.
    fake.act(Act::new("remove_from_group", json!({ "user": SARAH, "group": "jira-software-users" }))).unwrap();
    let error = jira.apply(&cx(), &invitation()).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::Refused && error.to_string().contains("jira-software-users"), "{error}");
    // Found by nothing, she is refused by Jira itself, in words that change.
    let unknown = Request::new("s-1", AccountQuery::known("gone"), invitation().change, "k-1");
    assert_eq!(jira.apply(&cx(), &unknown).await.unwrap_err().kind(), &ErrorKind::Refused);
    assert_eq!(fake.effects("user.created"), 1);
}

#[tokio::test(start_paused = true)]
async fn somebody_who_was_faster_is_seen_and_not_read_from_words() {
    for again in [NothingToDo::Refused, NothingToDo::Accepted] {
        let fake = JiraFake::new().with_user(SARAH).with_group("crew").with_project("ENG").with_settings(|settings| settings.member_again = again).start();
        let act = Act::new("add_to_group", json!({ "user": SARAH, "group": "crew" }));
        let outcome = over(&racing(&fake, "POST", act)).apply(&cx(), &on(&fake, Change::Grant(membership(&fake, "crew")))).await.unwrap();
        assert_eq!(matches!(outcome, Outcome::Unchanged(_)), again == NothingToDo::Refused);
        let act = Act::new("add_actor", json!({ "user": SARAH, "project": "ENG", "role": "Developers" }));
        let outcome = over(&racing(&fake, "POST", act)).apply(&cx(), &on(&fake, Change::Grant(role(&fake, "ENG", "Developers")))).await.unwrap();
        assert!(matches!(outcome, Outcome::Unchanged(_)));
        assert_eq!((fake.members("crew"), fake.actors("ENG", "Developers")), (vec!["sarah".to_owned()], vec!["sarah".to_owned()]));
    }
    for absent in [NothingToDo::Refused, NothingToDo::NotFound, NothingToDo::Accepted] {
        let site = JiraFake::new().with_user(SARAH).with_group("crew").with_project("ENG");
        let fake = site.with_settings(|settings| (settings.no_member, settings.no_actor) = (absent, absent)).start();
        fake.admin_adds_to_group(SARAH, "crew").unwrap();
        fake.admin_adds_actor(SARAH, "ENG", "Developers").unwrap();
        let act = Act::new("remove_from_group", json!({ "user": SARAH, "group": "crew" }));
        over(&racing(&fake, "DELETE", act)).apply(&cx(), &on(&fake, Change::Revoke(membership(&fake, "crew")))).await.unwrap();
        let act = Act::new("remove_actor", json!({ "user": SARAH, "project": "ENG", "role": "Developers" }));
        over(&racing(&fake, "DELETE", act)).apply(&cx(), &on(&fake, Change::Revoke(role(&fake, "ENG", "Developers")))).await.unwrap();
        assert_eq!((fake.members("crew").len(), fake.actors("ENG", "Developers").len()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_a_group_gives_is_inherited_and_stays() {
    let fake = JiraFake::new().with_user(SARAH).with_group("crew").with_project("ENG").start();
    fake.admin_adds_group_actor("crew", "ENG", "Developers").unwrap();
    fake.admin_adds_to_group(SARAH, "crew").unwrap();
    let (jira, held) = (over(&fake.transport()), role(&fake, "ENG", "Developers"));
    let inherited = Source::Inherited(fake.group_id("crew").unwrap().into());
    let Outcome::Unchanged(receipt) = jira.apply(&cx(), &on(&fake, Change::Grant(held.clone()))).await.unwrap() else { panic!() };
    assert_eq!(receipt.grant.unwrap().source, inherited);
    let Outcome::Unchanged(receipt) = jira.apply(&cx(), &on(&fake, Change::Revoke(held.clone()))).await.unwrap() else { panic!() };
    assert_eq!(receipt.still_effective[0].source, inherited);
    // Given by hand as well, the direct one goes and the other is told.
    fake.admin_adds_actor(SARAH, "ENG", "Developers").unwrap();
    let Outcome::Applied(receipt) = jira.apply(&cx(), &on(&fake, Change::Revoke(held.clone()))).await.unwrap() else { panic!() };
    assert!(matches!(&receipt.before, Before::Grant(grant) if grant.source == Source::Direct));
    assert_eq!((receipt.still_effective[0].source.clone(), fake.actors("ENG", "Developers")), (inherited, vec!["crew".to_owned()]));
    // Several roles on one project are several grants.
    jira.apply(&cx(), &on(&fake, Change::Grant(role(&fake, "ENG", "Administrators")))).await.unwrap();
    let seen = jira.observe(&cx(), &Account::new(fake.user_id(SARAH).unwrap(), AccountState::Active), &Scope::Only(vec![held])).await.unwrap();
    assert_eq!(seen.grants.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn actors_are_never_replaced() {
    let fake = JiraFake::new().with_user(SARAH).with_user("kim@company.com").with_project("ENG").start();
    fake.admin_adds_actor("kim@company.com", "ENG", "Developers").unwrap();
    let (jira, held) = (over(&fake.transport()), role(&fake, "ENG", "Developers"));
    for change in [Change::Grant(held.clone()), Change::Revoke(held.clone())] {
        fake.fault(Fault::reset_after().on("*", "/rest/api/3/project/*/role/*").on_access(provisionr_sdk::Access::Write));
        assert_eq!(jira.apply(&cx(), &on(&fake, change.clone())).await.unwrap_err().effect(), Effect::Unknown);
        assert!(matches!(jira.probe(&cx(), &on(&fake, change.clone())).await.unwrap(), Probe::Holds(_)));
        assert!(matches!(jira.apply(&cx(), &on(&fake, change)).await.unwrap(), Outcome::Unchanged(_)));
    }
    assert_eq!(fake.actors("ENG", "Developers"), ["kim"]);
    assert!(fake.log().iter().all(|entry| entry.method != "PUT"));
    let grant = Grant::direct(fake.user_id(SARAH).unwrap(), role(&fake, "ENG", "Administrators"));
    fake.admin_adds_actor(SARAH, "ENG", "Developers").unwrap();
    let error = jira.apply(&cx(), &on(&fake, Change::Revoke(held)).expecting(Expect::Grant(grant))).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::Conflict, RetryHint::Replan));
}

#[tokio::test(start_paused = true)]
async fn roles_are_those_of_the_project() {
    let fake = JiraFake::new().with_user(SARAH).seeded(&json!({ "projects": [{ "key": "TEAM", "own_roles": ["Member"] }] })).start();
    let jira = over(&fake.transport());
    assert!(matches!(jira.apply(&cx(), &on(&fake, Change::Grant(role(&fake, "TEAM", "Member")))).await.unwrap(), Outcome::Applied(_)));
    let error = jira.apply(&cx(), &on(&fake, Change::Grant(written(&fake, "TEAM", "Membre")))).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::InvalidRequest && error.to_string().contains("did you mean `Member`"), "{error}");
    // A role of all other projects, by its id, is none of this one: nobody holds it here. A name may be that of any role by now.
    fake.seed(&json!({ "projects": [{ "key": "ENG" }] })).unwrap();
    let elsewhere = written(&fake, "TEAM", &fake.role_id("ENG", "Developers").unwrap());
    assert!(matches!(jira.apply(&cx(), &on(&fake, Change::Revoke(elsewhere))).await.unwrap(), Outcome::Unchanged(_)));
    let error = jira.apply(&cx(), &on(&fake, Change::Revoke(written(&fake, "TEAM", "Developers")))).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NotFound(Missing::Unclear));
    // Who is deactivated cannot be given a role, and Jira says "not found".
    fake.act(Act::new("set_active", json!({ "user": SARAH, "active": false }))).unwrap();
    fake.act(Act::new("remove_actor", json!({ "user": SARAH, "project": "TEAM", "role": "Member" }))).unwrap();
    let error = jira.apply(&cx(), &on(&fake, Change::Grant(role(&fake, "TEAM", "Member")))).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::Conflict, RetryHint::Replan));
}

#[tokio::test(start_paused = true)]
async fn a_role_is_known_by_its_id_whatever_it_is_called() {
    let fake = JiraFake::new().with_user(SARAH).with_project("ENG").with_project("OPS").start();
    let jira = over(&fake.transport());
    let id = fake.role_id("ENG", "Developers").unwrap();
    let held = role(&fake, "ENG", "Developers");
    let names = [written(&fake, "ENG", "Developers"), written(&fake, "ENG", &id), written(&fake, "ENG", "Developer"), membership(&fake, "site-admins")];
    fake.clear_log();
    let bound = jira.bind(&cx(), &names).await.unwrap();
    assert_eq!(fake.log().len(), 1, "the roles of a project are read once");
    assert_eq!([&bound[0], &bound[1], &bound[3]], [&Bound::One(held.clone()), &Bound::One(held.clone()), &Bound::One(names[3].clone())]);
    assert!(matches!(&bound[2], Bound::None(why) if why.contains("did you mean `Developers`")), "{bound:?}");
    let nowhere = jira.bind(&cx(), &[Entitlement::new("add_to_project_role", "99999").with_role("Developers")]).await.unwrap();
    assert!(matches!(&nowhere[0], Bound::None(why) if why.contains("does not administer it")), "{nowhere:?}");

    fake.admin_adds_actor(SARAH, "ENG", "Developers").unwrap();
    fake.admin_renames_role("ENG", "Developers", "Engineers").unwrap();
    let sarah = Account::new(fake.user_id(SARAH).unwrap(), AccountState::Active);
    let seen = jira.observe(&cx(), &sarah, &Scope::Only(vec![held.clone()])).await.unwrap();
    assert_eq!(seen.grants, [Grant::direct(sarah.id.clone(), held.clone())]);
    assert!(matches!(jira.apply(&cx(), &on(&fake, Change::Revoke(held))).await.unwrap(), Outcome::Applied(_)));
    assert_eq!(fake.actors("ENG", "Engineers"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_group_from_a_directory_is_the_directorys() {
    let fake = JiraFake::new().with_user(SARAH).seeded(&json!({ "groups": [{ "name": "from-okta", "managed_by": "EXTERNAL" }] })).start();
    let jira = over(&fake.transport());
    let resolved = jira.resolve(&cx(), &"add_to_group".into(), &["from-okta".into(), "from-oktas".into()]).await.unwrap();
    assert!(matches!(&resolved[0].resolution, Resolution::One(target) if target.owner.is_some()));
    assert_eq!(resolved[1].resolution, Resolution::None(vec!["from-okta".into()]));
    for change in [Change::Grant(membership(&fake, "from-okta")), Change::Revoke(membership(&fake, "from-okta"))] {
        let error = jira.apply(&cx(), &on(&fake, change)).await.unwrap_err();
        assert!(*error.kind() == ErrorKind::OwnedElsewhere && error.to_string().contains("from-okta"), "{error}");
        fake.admin_adds_to_group(SARAH, "from-okta").unwrap();
    }
    // More groups contain the name than a picker shows.
    for number in 0..5 {
        fake.seed(&json!({ "groups": [{ "name": format!("crew-{number}") }, { "name": format!("a-crew-{number}") }] })).unwrap();
    }
    fake.seed(&json!({ "groups": [{ "name": "crew" }] })).unwrap();
    let resolved = jira.resolve(&cx(), &"add_to_group".into(), &["crew".into()]).await.unwrap();
    assert!(matches!(&resolved[0].resolution, Resolution::One(target) if target.id.as_str() == fake.group_id("crew").unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_removal_is_believed_when_it_is_seen() {
    for shows in [false, true] {
        let fake = JiraFake::new().with_user(SARAH).with_group("crew").with_settings(|settings| settings.removed_users_show = shows).start();
        fake.admin_adds_to_group(SARAH, "crew").unwrap();
        let (jira, remove) = (over(&fake.transport()), on(&fake, Change::SetState(AccountState::Deleted)));
        assert_eq!(jira.probe(&cx(), &remove).await.unwrap(), Probe::Absent);
        fake.fault(Fault::reset_after().on("DELETE", "/rest/api/3/user"));
        assert_eq!(jira.apply(&cx(), &remove).await.unwrap_err().effect(), Effect::Unknown);
        assert!(matches!(jira.probe(&cx(), &remove).await.unwrap(), Probe::Holds(_)));
        assert!(matches!(jira.apply(&cx(), &remove).await.unwrap(), Outcome::Unchanged(_)));
        assert_eq!((fake.effects("user.removed"), fake.members("crew").len()), (1, 0));
        // The Atlassian account is still there: who comes back is the same user.
        let id = fake.user_id(SARAH).unwrap();
        let again = Request::new("s-1", AccountQuery::known(id.as_str()).or("email", SARAH), invitation().change, "k-1");
        let Outcome::Applied(receipt) = jira.apply(&cx(), &again).await.unwrap() else { panic!() };
        assert_eq!(receipt.account.unwrap().id.as_str(), id);
    }
    let fake = JiraFake::new().start();
    let own = Account::new(fake.user_id(JiraFake::ADMIN).unwrap(), AccountState::Active);
    let remove = Request::new("s-1", AccountQuery::default(), Change::SetState(AccountState::Deleted), "k-1").with_account(own);
    assert_eq!(over(&fake.transport()).apply(&cx(), &remove).await.unwrap_err().kind(), &ErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn who_has_one_of_two_products_lacks_the_other() {
    let site = JiraFake::new().with_product("jira-software", 9, "software-users").with_product("jira-servicedesk", 9, "desk-agents");
    let fake = site.with_user(SARAH).start();
    fake.admin_adds_to_group(SARAH, "software-users").unwrap();
    let config = JiraConfig::new(SITE).api_token(JiraFake::ADMIN, Secret::new(JiraFake::TOKEN)).products(["jira-software", "jira-servicedesk"]);
    let jira = config.connect("jira", &fake.transport()).unwrap();
    let error = jira.apply(&cx(), &invitation()).await.unwrap_err().to_string();
    assert!(error.contains("without access to jira-servicedesk;") && error.contains("desk-agents") && !error.contains("software-users"), "{error}");
    fake.admin_adds_to_group(SARAH, "desk-agents").unwrap();
    assert!(matches!(jira.apply(&cx(), &invitation()).await.unwrap(), Outcome::Unchanged(_)));
}

/// A token with just the scopes that accounts are declared to need, and one with each of them less.
#[tokio::test(start_paused = true)]
async fn accounts_need_the_scopes_the_descriptor_says() {
    let all = over(&JiraFake::new().start().transport()).descriptor().accounts.scopes.clone();
    for without in [None, Some(all[0]), Some(all[1])] {
        let scopes: Vec<_> = all.iter().filter(|scope| Some(**scope) != without).collect();
        let token = json!({ "tokens": [{ "token": "t", "owner": JiraFake::ADMIN, "scopes": scopes }] });
        let fake = JiraFake::new().with_product("jira-software", 9, "software-users").seeded(&token).start();
        let jira = JiraConfig::gateway(JiraFake::CLOUD_ID).bearer(Secret::new("t")).connect("jira", &fake.transport()).unwrap();
        let invited = jira.apply(&cx(), &invitation()).await;
        if without.is_some() {
            assert!(invited.is_err() || matches!(jira.find_account(&cx(), &AccountQuery::known("x")).await, Err(_) | Ok(Found::CannotTell(_))), "{without:?}");
            continue;
        }
        assert!(matches!(invited.unwrap(), Outcome::Applied(_)));
        assert!(matches!(jira.apply(&cx(), &on(&fake, Change::SetState(AccountState::Deleted))).await.unwrap(), Outcome::Applied(_)));
    }
}

/// Inactive users may be people whom their organization switched off: as long as they are in groups they were not removed.
#[tokio::test(start_paused = true)]
async fn an_inactive_user_who_is_still_in_groups_is_not_removed_by_a_404() {
    for status in [400, 404] {
        let fake = JiraFake::new().with_user(SARAH).with_group("crew").start();
        fake.admin_adds_to_group(SARAH, "crew").unwrap();
        fake.act(Act::new("set_active", json!({ "user": SARAH, "active": false }))).unwrap();
        let (jira, remove) = (over(&fake.transport()), on(&fake, Change::SetState(AccountState::Deleted)));
        fake.fault(Fault::status(status).on("DELETE", "/rest/api/3/user").times(1));
        let error = jira.apply(&cx(), &remove).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Refused | ErrorKind::NotFound(_)) && error.effect() == Effect::None, "{error}");
        assert_eq!(jira.probe(&cx(), &remove).await.unwrap(), Probe::Absent);
        assert!(matches!(jira.apply(&cx(), &remove).await.unwrap(), Outcome::Applied(_)));
        assert_eq!(fake.members("crew").len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_used_up_quota_pauses_everything_and_a_burst_one_endpoint() {
    let app = json!({ "tokens": [{ "token": "app-token", "owner": JiraFake::ADMIN, "app": true, "scopes": ["read:jira-user"] }] });
    let fake = JiraFake::new().with_user(SARAH).seeded(&app).with_limit(Limit::new(1, Duration::from_secs(1)).on("GET", "/rest/api/3/user/search")).start();
    let jira = JiraConfig::gateway(JiraFake::CLOUD_ID).bearer(Secret::new("app-token")).connect("jira", &fake.transport()).unwrap();
    let ask = async |jira: &Jira, who: AccountQuery| {
        let gate = Arc::new(Heard::default());
        (jira.find_account(&CallContext::new(gate.clone()), &who).await, gate.paused())
    };
    let by_address = || AccountQuery::by("email", "nobody@company.com");
    ask(&jira, by_address()).await.0.unwrap();
    let (refused, paused) = ask(&jira, by_address()).await;
    assert_eq!(refused.unwrap_err().kind(), &ErrorKind::RateLimited("user.search".into()));
    assert!(matches!(&paused[..], [(lane, pause)] if lane == "user.search" && *pause >= Duration::from_millis(900)), "{paused:?}");

    fake.act(Act::new("exhaust_quota", json!({ "for_ms": 1_800_000 }))).unwrap();
    let known = || AccountQuery::known(fake.user_id(SARAH).unwrap());
    let (refused, paused) = ask(&jira, known()).await;
    let error = refused.unwrap_err();
    assert_eq!(
        (error.kind(), error.code(), error.hint()),
        (&ErrorKind::QuotaExhausted, Some("jira-quota-tenant-based"), RetryHint::After(Duration::from_secs(1800)))
    );
    let lanes: Vec<String> = jira.descriptor().lanes.iter().map(|lane| lane.id.to_string()).collect();
    assert!(lanes.iter().all(|lane| paused.contains(&(lane.clone(), Duration::from_secs(1800)))), "{paused:?}");
    // API tokens have no quota.
    assert!(matches!(ask(&over(&fake.transport()), known()).await.0.unwrap(), Found::One(_)));
}

#[tokio::test]
async fn a_reset_is_a_point_in_time_with_or_without_seconds() {
    for (reset, retry_after, pause) in
        [("2023-11-14T22:15Z", None, 100), ("2023-11-14T22:13:30Z", Some("30"), 30), ("2023-11-14T22:13:50Z", Some("5"), 30), ("soon", Some("7"), 7)]
    {
        let http = MemoryTransport::new(move |_| {
            let answer = Response::builder().status(429).header("date", "Tue, 14 Nov 2023 22:13:20 GMT").header("x-ratelimit-reset", reset);
            let answer = retry_after.into_iter().fold(answer, |answer, seconds| answer.header("retry-after", seconds));
            answer.header("ratelimit-reason", "jira-burst-based").header("x-ratelimit-remaining", "0").body("".into()).unwrap()
        });
        let error = over(&http).find_account(&cx(), &AccountQuery::known("a")).await.unwrap_err();
        assert_eq!(error.hint(), RetryHint::After(Duration::from_secs(pause)), "{reset}");
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_with_scopes_are_good_at_the_gateway_and_others_at_the_site() {
    let fake = JiraFake::new().with_user(SARAH).start();
    let known = AccountQuery::known(fake.user_id(SARAH).unwrap());
    let scoped = || Secret::new(JiraFake::SCOPED_TOKEN);
    for config in [JiraConfig::gateway(JiraFake::CLOUD_ID).api_token(JiraFake::ADMIN, scoped()), JiraConfig::gateway(JiraFake::CLOUD_ID).bearer(scoped())] {
        let jira = config.connect("jira", &fake.transport()).unwrap();
        assert!(matches!(jira.find_account(&cx(), &known).await.unwrap(), Found::One(_)));
        assert!(jira.check(&cx()).await.unwrap().lacking.is_empty());
    }
    for config in
        [JiraConfig::new(SITE).api_token(JiraFake::ADMIN, scoped()), JiraConfig::new(SITE).api_token("other@company.com", Secret::new(JiraFake::TOKEN))]
    {
        let error = config.connect("jira", &fake.transport()).unwrap().find_account(&cx(), &known).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Unauthenticated);
    }
}

#[tokio::test(start_paused = true)]
async fn check_says_what_the_credential_lacks_one_by_one() {
    let (group, roles) = ("add_to_group", "add_to_project_role");
    let lacking = async |token: Value| {
        let mut token = token;
        token["token"] = "t".into();
        token["owner"] = token["owner"].as_str().unwrap_or(JiraFake::ADMIN).into();
        let fake = JiraFake::new().with_user(SARAH).seeded(&json!({ "tokens": [token] })).start();
        let config = match token["scopes"].is_null() {
            true => JiraConfig::new(SITE).api_token(token["owner"].as_str().unwrap(), Secret::new("t")),
            false => JiraConfig::gateway(JiraFake::CLOUD_ID).bearer(Secret::new("t")),
        };
        let check = config.connect("jira", &fake.transport()).unwrap().check(&cx()).await.unwrap();
        (check.own_accounts, check.lacking)
    };
    let (own, lacks) = lacking(json!({ "scopes": ["read:jira-user", "read:jira-work"] })).await;
    assert_eq!(own.len(), 1);
    let manage = |kind: &str| Ability::Manage(kind.into());
    assert!(lacks[&manage(group)].contains("manage:jira-configuration") && lacks.contains_key(&manage(roles)) && lacks.contains_key(&Ability::SetState));
    assert!(
        !lacks.contains_key(&Ability::Observe(group.into()))
            && !lacks.contains_key(&Ability::Observe(roles.into()))
            && !lacks.contains_key(&Ability::ListAccounts)
    );
    let (_, lacks) = lacking(json!({ "scopes": ["read:jira-user", "manage:jira-configuration"] })).await;
    assert!(lacks[&Ability::ListTargets(roles.into())].contains("read:jira-work") && !lacks.contains_key(&manage(group)));
    let (own, lacks) = lacking(json!({ "scopes": ["read:jira-work", "manage:jira-configuration"] })).await;
    assert!(own.is_empty() && lacks[&Ability::ListAccounts].contains("read:jira-user") && !lacks.contains_key(&Ability::ListTargets(roles.into())));
    let (_, lacks) = lacking(json!({ "permissions": ["ADMINISTER"] })).await;
    assert!(lacks[&Ability::ListAccounts].contains("Browse users and groups") && !lacks.contains_key(&Ability::CreateAccount));
    let (_, lacks) = lacking(json!({ "permissions": ["USER_PICKER", "ADMINISTER_PROJECTS"] })).await;
    assert!(lacks[&Ability::CreateAccount].contains("Administer Jira") && lacks.contains_key(&manage(group)) && !lacks.contains_key(&manage(roles)));
    let (_, lacks) = lacking(json!({ "permissions": ["USER_PICKER"] })).await;
    assert!(lacks.contains_key(&manage(roles)) && lacks.contains_key(&Ability::Observe(roles.into())));
    // An administrator of Jira alone invites, and does not remove.
    let (_, lacks) = lacking(json!({ "owner": SARAH })).await;
    assert!(lacks[&manage(group)].contains("site-admins") && lacks.contains_key(&Ability::SetState) && !lacks.contains_key(&Ability::CreateAccount));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_see_all_projects_says_so() {
    let fake = JiraFake::new().with_user(SARAH).with_project("ENG").seeded(&json!({ "projects": [{ "key": "SECRET", "private": true }] })).start();
    fake.act(Act::new("set_permissions", json!({ "token": JiraFake::TOKEN, "permissions": ["USER_PICKER", "ADMINISTER_PROJECTS"] }))).unwrap();
    let (jira, kind) = (over(&fake.transport()), "add_to_project_role".into());
    let sarah = Account::new(fake.user_id(SARAH).unwrap(), AccountState::Active);
    let seen = jira.observe(&cx(), &sarah, &Scope::All).await.unwrap();
    assert!(seen.coverage.covers(&kind, &fake.project_id("ENG").unwrap().into()) && !seen.coverage.covers_kind(&kind));
    for scope in [ListScope::Kind(kind.clone()), ListScope::Account(kind.clone(), sarah.id.clone())] {
        let page = jira.list_grants(&cx(), &scope, &PageRequest::first()).await.unwrap();
        assert_ne!(page.completeness, provisionr_sdk::Completeness::Complete, "{scope:?}");
    }
    let resolved = jira.resolve(&cx(), &kind, &["ENG".into(), "SECRET".into()]).await.unwrap();
    assert!(matches!((&resolved[0].resolution, &resolved[1].resolution), (Resolution::One(_), Resolution::Hidden(_))), "{resolved:?}");
    let error = jira.apply(&cx(), &on(&fake, Change::Revoke(role(&fake, "SECRET", "Developers")))).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NotFound(Missing::Unclear));
}

#[tokio::test(start_paused = true)]
async fn a_sweep_takes_the_calls_the_readme_says() {
    let crew: Vec<Value> = (0..7).map(|number| json!({ "email": format!("u{number}@company.com"), "groups": ["crew"], "active": number != 6 })).collect();
    let bot = json!({ "id": "557058:bot", "type": "app", "name": "Deploy bot" });
    let actors = json!({ "Developers": { "groups": ["crew"] }, "Administrators": { "groups": ["crew"] } });
    let projects = json!([{ "key": "ENG", "actors": actors }, { "key": "OPS" }]);
    let seed = json!({ "groups": [{ "name": "crew" }, { "name": "nobody" }], "users": crew, "projects": projects });
    let fake = JiraFake::new().seeded(&seed).seeded(&json!({ "users": [bot] })).start();
    let jira = over(&fake.transport());
    let sweep = async |kind: &str| {
        fake.clear_log();
        let (mut at, mut grants) = (PageRequest::first(), 0);
        loop {
            let page = jira.list_grants(&cx(), &ListScope::Kind(kind.into()), &at).await.unwrap();
            grants += page.items.len();
            match page.next {
                Some(next) => at.cursor = Some(next),
                None => return (grants, fake.log().len()),
            }
        }
    };
    // Three groups on a page; pages of three members: 1 of site-admins, 3 of crew, 1 of nobody.
    assert_eq!(sweep("add_to_group").await, (8, 1 + 5));
    // Two projects on a page, with two roles each, the group read once although it is in both roles; and once a look at the permissions.
    assert_eq!(sweep("add_to_project_role").await, (14, 1 + 2 * (1 + 2) + 3 + 1));
    // The list of users is a bare array, in pages as short as the server likes, and ends with an empty one.
    fake.clear_log();
    let (mut at, mut kinds) = (PageRequest::first(), Vec::new());
    loop {
        let page = jira.list_accounts(&cx(), &at).await.unwrap();
        kinds.extend(page.items.iter().map(|account| account.kind));
        match page.next {
            Some(next) => at.cursor = Some(next),
            None => break,
        }
    }
    assert_eq!((kinds.len(), kinds.iter().filter(|kind| **kind == AccountKind::Service).count(), fake.log().len()), (9, 1, 4));
    fake.clear_log();
    let one = Account::new(fake.user_id("u1@company.com").unwrap(), AccountState::Active);
    assert_eq!(jira.observe(&cx(), &one, &Scope::All).await.unwrap().grants.len(), 3);
    // User, groups, projects, permissions; and for each project its roles, each of them looked at.
    assert_eq!(fake.log().len(), 4 + 2 * (1 + 2));
}

/// Targets are listed by their place: one that goes shifts the others, and one that is gone is no end of the list.
#[tokio::test(start_paused = true)]
async fn a_sweep_passes_over_what_went_and_says_when_it_may_have_passed_over_more() {
    let groups: Vec<Value> = (0..6).map(|number| json!({ "name": format!("g{number}") })).collect();
    let users = json!([{ "email": SARAH, "groups": ["g0", "g1", "g2", "g3", "g4", "g5"] }]);
    // At first there is a page of three; what goes is read already, or comes next, or stands on another page.
    for (gone, missing) in [(None, false), (Some("g0"), true), (Some("g1"), true)] {
        let fake = JiraFake::new().seeded(&json!({ "groups": groups, "users": users })).start();
        let jira = over(&fake.transport());
        let (mut at, mut seen, mut whole, mut pages) = (PageRequest::first(), Vec::new(), true, 0);
        loop {
            let page = jira.list_grants(&cx(), &ListScope::Kind("add_to_group".into()), &at).await.unwrap();
            whole &= page.completeness == provisionr_sdk::Completeness::Complete;
            seen.extend(page.items.into_iter().map(|grant| grant.entitlement));
            pages += 1;
            if let (2, Some(group)) = (pages, gone) {
                fake.act(Act::new("delete_group", json!({ "group": group }))).unwrap();
            }
            match page.next {
                Some(next) => at.cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(whole, !missing, "{gone:?}");
        let all = (0..6).filter(|number| fake.group_id(&format!("g{number}")).is_some_and(|id| seen.contains(&Entitlement::new("add_to_group", id)))).count();
        assert!(all == 6 || missing && all >= 4, "{gone:?}: {all}");
    }
}

#[tokio::test]
async fn an_empty_page_that_says_it_is_not_the_last_is_not() {
    let http = MemoryTransport::new(|request| {
        let query = request.uri().query().unwrap_or("").to_owned();
        let values = if query.contains("startAt=20") { json!([{ "id": "10001", "key": "ENG" }]) } else { json!([]) };
        let page = json!({ "startAt": 0, "maxResults": 20, "total": 21, "isLast": query.contains("startAt=20"), "values": values });
        Response::builder().status(200).body(page.to_string().into()).unwrap()
    });
    let resolved = over(&http).resolve(&cx(), &"add_to_project_role".into(), &["ENG".into()]).await.unwrap();
    assert!(matches!(&resolved[0].resolution, Resolution::One(target) if target.id == "10001"));
}

#[tokio::test(start_paused = true)]
async fn errors_are_read_by_their_status() {
    for (status, kind, effect) in [
        (400, ErrorKind::InvalidRequest, Effect::None),
        (401, ErrorKind::Unauthenticated, Effect::None),
        (403, ErrorKind::PermissionDenied, Effect::None),
        (409, ErrorKind::Conflict, Effect::None),
        (503, ErrorKind::Unavailable, Effect::Unknown),
    ] {
        let fake = JiraFake::new().with_user(SARAH).with_group("crew").start();
        fake.fault(Fault::status(status).on("POST", "/rest/api/3/group/user"));
        let error = over(&fake.transport()).apply(&cx(), &on(&fake, Change::Grant(membership(&fake, "crew")))).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (&kind, effect), "{status}");
        assert!(status != 503 || error.hint() == RetryHint::After(Duration::from_secs(5)));
        assert!(error.request_id().is_some());
        assert_eq!(fake.members("crew").len(), 0);
    }
    // What a field has to do with it stands in another place.
    let http =
        MemoryTransport::new(|_| Response::builder().status(400).body(r#"{"errorMessages":[],"errors":{"accountId":"is odd"},"status":400}"#.into()).unwrap());
    let error = over(&http).find_account(&cx(), &AccountQuery::known("a")).await.unwrap_err();
    assert_eq!(error.to_string(), "the system answered 400: accountId: is odd");
}

#[test]
fn a_configuration_that_cannot_work_is_refused_and_shows_no_secret() {
    let http = MemoryTransport::new(|_| Response::default());
    for config in [
        JiraConfig::new(SITE),
        JiraConfig::new("https://company.atlassian.net/rest/api/3").bearer(Secret::new("hush")),
        JiraConfig::new("https://admin.atlassian.com/o/1").api_token("a@company.com", Secret::new("hush")),
        JiraConfig::new("company").bearer(Secret::new("hush")),
    ] {
        assert!(!format!("{config:?}").contains("hush"));
        assert_eq!(config.connect("jira", &http).unwrap_err().kind(), &ErrorKind::InvalidConfig);
    }
    for (url, credentials, good) in [
        (SITE, json!({ "token": { "email": JiraFake::ADMIN, "secret": { "env": "JIRA_TOKEN" } } }), true),
        ("https://api.atlassian.com/ex/jira/c-1", json!({ "bearer": { "file": "/run/secrets/jira" } }), true),
        (SITE, json!({ "token": { "email": JiraFake::ADMIN, "secret": "hush" } }), false),
        (SITE, json!({ "bearer": "hush" }), false),
    ] {
        let settings = serde_json::from_value::<Settings>(json!({ "url": url, "credentials": credentials, "products": [] }));
        assert!(settings.is_ok() == good && !format!("{settings:?}").contains("hush"), "{settings:?}");
        let http: Arc<dyn Transport> = Arc::new(http.clone());
        assert!(settings.is_ok_and(|settings| settings.connect("jira".into(), &http).is_ok()) == good);
    }
    assert!(JiraConfig::new("https://restaurant.atlassian.net").bearer(Secret::new("hush")).connect("jira", &http).is_ok());
    assert!(!format!("{:?}", JiraConfig::gateway("c-1").bearer(Secret::new("hush")).connect("jira", &http).unwrap()).contains("hush"));
}

#[tokio::test]
async fn a_gateway_that_finds_nothing_is_not_jira() {
    let (gateway, jira) = (json!({ "code": 404, "message": "Not Found" }), json!({ "errorMessages": ["Specified user does not exist"], "errors": {} }));
    for (body, absent) in [(gateway, false), (jira, true)] {
        let http = MemoryTransport::new(move |_| Response::builder().status(404).body(body.to_string().into()).unwrap());
        let found = over(&http).find_account(&cx(), &AccountQuery::known("5b10")).await;
        assert_eq!(found.is_ok_and(|found| found == Found::None), absent);
    }
}

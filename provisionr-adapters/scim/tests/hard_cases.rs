//! The cases in which services mislead, say nothing, or are not what the settings say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Response;
use provisionr_http::{MemoryTransport, SystemSettings, Transport};
use provisionr_scim::{Key, MemberRemoval, Memberships, Part, Quirks, ScimConfig, ScimService, Settings, SwitchOff};
use provisionr_sdk::{
    Ability, Account, AccountQuery, AccountSpec, AccountState, Adapter, CallContext, Change, Completeness, Contention, Effect, Entitlement, ErrorKind, Found,
    ListScope, Missing, Outcome, PageRequest, Probe, ProfileDelta, Request, Resolution, Scope, Secret, Source,
};
use provisionr_testkit::scim::{Deletes, Discovery, Filters, Patches, ScimFake};
use provisionr_testkit::{Act, FakeSystem};
use serde_json::json;

const SARAH: &str = "sarah@company.com";
const KIM: &str = "kim@company.com";
const URL: &str = "https://wiki.test/scim/v2";

fn cx() -> CallContext {
    CallContext::unlimited()
}

fn over(http: &(impl Transport + Clone), quirks: impl FnOnce(&mut Quirks)) -> ScimService {
    ScimConfig::new(URL).bearer(Secret::new(ScimFake::TOKEN)).quirks(quirks).connect("wiki", http).unwrap()
}

fn plain(fake: &FakeSystem<ScimFake>) -> ScimService {
    over(&fake.transport(), |_| {})
}

/// A transport over the fake on which something happens right before a request of a method, the `nth` of them.
fn racing(fake: &FakeSystem<ScimFake>, method: &'static str, nth: usize, act: Act) -> MemoryTransport {
    let (fake, inner, seen) = (fake.erased(), fake.transport(), Arc::new(AtomicUsize::new(0)));
    MemoryTransport::with(move |request| {
        if request.method() == method && seen.fetch_add(1, Ordering::SeqCst) + 1 == nth {
            fake.act(act.clone()).unwrap();
        }
        let inner = inner.clone();
        async move { inner.send(request).await }
    })
}

fn on(fake: &FakeSystem<ScimFake>, user: &str, change: Change) -> Request {
    let account = Account::new(fake.user_id(user).unwrap(), AccountState::Active);
    Request::new("s-1", AccountQuery::by("user_name", user), change, "k-1").with_account(account)
}

fn crew(fake: &FakeSystem<ScimFake>) -> Entitlement {
    Entitlement::new("add_to_group", fake.group_id("crew").unwrap())
}

fn joining(logins: &[&str], who: AccountQuery) -> Request {
    let spec = AccountSpec { logins: logins.iter().map(ToString::to_string).collect(), ..AccountSpec::new("") };
    Request::new("s-1", who, Change::EnsureAccount(spec.with("externalId", "E1")), "k-1")
}

#[tokio::test(start_paused = true)]
async fn a_404_of_a_proxy_says_of_nobody_that_they_are_gone() {
    let fake = ScimFake::new().with_user(SARAH).with_group("crew", &[SARAH]).start();
    let proxy = MemoryTransport::new(|_: http::Request<Bytes>| Response::builder().status(404).body(Bytes::from_static(b"<h1>404</h1>")).unwrap());
    let wiki = over(&proxy, |_| {});
    assert_eq!(wiki.find_account(&cx(), &AccountQuery::known("u1").or("user_name", SARAH)).await.unwrap_err().kind(), &ErrorKind::Protocol);
    for change in [Change::Revoke(crew(&fake)), Change::SetState(AccountState::Deleted), Change::Grant(crew(&fake))] {
        let request = on(&fake, SARAH, change);
        assert_eq!(wiki.apply(&cx(), &request).await.unwrap_err().kind(), &ErrorKind::Protocol, "{}", request.change);
        assert!(wiki.probe(&cx(), &request).await.is_err(), "{}", request.change);
    }
    let account = request_account(&fake);
    assert!(wiki.observe(&cx(), &account, &Scope::All).await.is_err());
}

fn request_account(fake: &FakeSystem<ScimFake>) -> Account {
    Account::new(fake.user_id(SARAH).unwrap(), AccountState::Active)
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_is_passed_over_unless_it_is_the_same_person() {
    let who = || AccountQuery::by("external_id", "E1").or("email", SARAH);
    // Another person of that name, whose address she has got since: the number outweighs it.
    let fake = ScimFake::new().seeded(&json!({ "users": [{ "userName": "sarah", "externalId": "E0", "email": "old@company.com" }] })).start();
    let wiki = plain(&fake);
    let Outcome::Applied(made) = wiki.apply(&cx(), &joining(&["sarah", "sarah2"], who())).await.unwrap() else { panic!() };
    assert_eq!(made.account.unwrap().login.as_deref(), Some("sarah2"));
    assert_eq!(fake.effects("user.created"), 1);
    let error = wiki.apply(&cx(), &joining(&["sarah"], AccountQuery::by("external_id", "E2"))).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::Conflict, Effect::None));
    // She herself: the answer of an earlier create was lost, and nobody but the id she was given tells.
    let fake = ScimFake::new().seeded(&json!({ "users": [{ "userName": "sarah", "externalId": "E1" }] })).start();
    let found = plain(&fake).apply(&cx(), &joining(&["sarah", "sarah2"], AccountQuery::by("external_id", "emp_0789"))).await.unwrap();
    assert!(matches!(found, Outcome::Unchanged(_)), "{found:?}");
    // She herself, made by somebody else between the search and the create.
    let fake = ScimFake::new().start();
    let rival = Act::new("create_user", json!({ "userName": "sarah", "externalId": "E1", "email": SARAH }));
    let wiki = over(&racing(&fake, "POST", 1, rival), |_| {});
    let Outcome::Unchanged(taken) = wiki.apply(&cx(), &joining(&["sarah", "sarah2"], who())).await.unwrap() else { panic!() };
    assert_eq!((taken.account.unwrap().login.as_deref(), fake.effects("user.created"), fake.with(|scim| scim.users().count())), (Some("sarah"), 0, 1));
    // Who is there and switched off is not switched on by the way.
    fake.act(Act::new("set_active", json!({ "user": "sarah", "active": false }))).unwrap();
    assert_eq!(plain(&fake).apply(&cx(), &joining(&["sarah"], who())).await.unwrap_err().kind(), &ErrorKind::Conflict);
}

#[tokio::test(start_paused = true)]
async fn without_patch_another_writer_is_noticed_by_the_version_or_by_a_look() {
    for versions in [true, false] {
        let start = || {
            let fake = ScimFake::new().with_user(SARAH).with_user(KIM).with_group("crew", &[KIM]).with_settings(|settings| {
                settings.patch = Patches::Missing;
                settings.versions = versions;
            });
            fake.start()
        };
        // Somebody else changes the group between our look and our write.
        let fake = start();
        let rival = Act::new("remove_from_group", json!({ "user": KIM, "group": "crew" }));
        let wiki = over(&racing(&fake, "PUT", 1, rival), |quirks| quirks.without = [Part::Patch].into());
        let kind = wiki.descriptor().kinds.get(&"add_to_group".into()).unwrap();
        assert_eq!(kind.contention, Contention::WholeList, "two writers of ours never meet");
        let joined = wiki.apply(&cx(), &on(&fake, SARAH, Change::Grant(crew(&fake)))).await;
        if versions {
            let error = joined.unwrap_err();
            assert_eq!((error.kind(), error.effect()), (&ErrorKind::Conflict, Effect::None));
            assert!(fake.members("crew").is_empty(), "the other's write stands");
        } else {
            assert!(matches!(joined.unwrap(), Outcome::Applied(_)));
        }
        // Somebody else puts the group back as it was, right after our write.
        let fake = start();
        let rival = Act::new("remove_from_group", json!({ "user": SARAH, "group": "crew" }));
        let inner = racing(&fake, "GET", 3, rival);
        let silent = MemoryTransport::with(move |request: http::Request<Bytes>| {
            let (inner, put) = (inner.clone(), request.method() == "PUT");
            async move {
                let mut answer = inner.send(request).await?;
                if put {
                    *answer.body_mut() = Bytes::new();
                }
                Ok(answer)
            }
        });
        let wiki = over(&silent, |quirks| quirks.without = [Part::Patch].into());
        let error = wiki.apply(&cx(), &on(&fake, SARAH, Change::Grant(crew(&fake)))).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (&ErrorKind::Conflict, Effect::Unknown));
        assert_eq!(wiki.probe(&cx(), &on(&fake, SARAH, Change::Grant(crew(&fake)))).await.unwrap(), Probe::Absent);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_accepts_a_change_and_does_nothing_is_not_believed() {
    // By the RFC the value of a removal means nothing; a service that takes no filter in paths may pass over them just so.
    let fake = ScimFake::new().with_user(SARAH).with_group("crew", &[SARAH]).start();
    let inner = fake.transport();
    let deaf = MemoryTransport::with(move |request: http::Request<Bytes>| {
        let inner = inner.clone();
        async move {
            if request.method() == "PATCH" {
                return Ok(Response::builder().status(204).body(Bytes::new()).unwrap());
            }
            inner.send(request).await
        }
    });
    let wiki = over(&deaf, |_| {});
    let error = wiki.apply(&cx(), &on(&fake, SARAH, Change::Revoke(crew(&fake)))).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::Conflict, Effect::Unknown));
    let off = wiki.apply(&cx(), &on(&fake, SARAH, Change::SetState(AccountState::Suspended))).await.unwrap();
    assert!(matches!(off, Outcome::Waiting(..)), "nobody is called suspended who can log in: {off:?}");
    let delta = ProfileDelta([("title".to_owned(), Some("CTO".into()))].into());
    let Outcome::Applied(receipt) = wiki.apply(&cx(), &on(&fake, SARAH, Change::UpdateAccount(delta))).await.unwrap() else { panic!() };
    assert_eq!(receipt.also_changed, ["`title` is not as it was written"]);
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_only_switches_off_is_told_and_never_called_a_deletion() {
    let fake = ScimFake::new().with_user(SARAH).with_settings(|settings| settings.deletes = Deletes::Deactivates).start();
    let error = plain(&fake).apply(&cx(), &on(&fake, SARAH, Change::SetState(AccountState::Deleted))).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::InvalidConfig, Effect::Unknown));
    assert!(error.to_string().contains("switch_off: delete"), "{error}");
    let wiki = over(&fake.transport(), |quirks| quirks.switch_off = SwitchOff::Delete);
    assert!(wiki.descriptor().accounts.transition_between(AccountState::Active, AccountState::Deleted).is_none());
    assert!(matches!(wiki.apply(&cx(), &on(&fake, SARAH, Change::SetState(AccountState::Suspended))).await.unwrap(), Outcome::Unchanged(_)));
}

#[tokio::test(start_paused = true)]
async fn groups_within_groups_are_seen_through_even_in_circles() {
    let fake = ScimFake::new().with_user(SARAH).with_user(KIM).seeded(&json!({ "groups": [
        { "displayName": "inner", "users": [SARAH] },
        { "displayName": "middle", "groups": ["inner"] },
        { "displayName": "crew", "users": [KIM], "groups": ["middle"] },
    ] }));
    let fake = fake.start();
    fake.act(Act::new("add_to_group", json!({ "member_group": "crew", "group": "inner" }))).unwrap();
    let id = |name: &str| fake.group_id(name).unwrap();
    for memberships in [Memberships::Groups, Memberships::Users] {
        let wiki = over(&fake.transport(), |quirks| quirks.memberships = memberships);
        let seen = wiki.observe(&cx(), &request_account(&fake), &Scope::All).await.unwrap();
        let mut seen: Vec<_> = seen.grants.into_iter().map(|grant| (grant.entitlement.target.to_string(), grant.source)).collect();
        seen.sort_by_key(|(target, _)| target.clone());
        let from = |name: &str| Source::Inherited(id(name).into());
        assert_eq!(seen, [(id("inner"), Source::Direct), (id("middle"), from("inner")), (id("crew"), from("middle"))], "{memberships:?}");
        // Held through another, it is neither given again nor taken away.
        let Outcome::Unchanged(joined) = wiki.apply(&cx(), &on(&fake, SARAH, Change::Grant(crew(&fake)))).await.unwrap() else { panic!() };
        assert_eq!(joined.grant.unwrap().source, from("middle"));
        let Outcome::Unchanged(left) = wiki.apply(&cx(), &on(&fake, SARAH, Change::Revoke(crew(&fake)))).await.unwrap() else { panic!() };
        assert_eq!(left.still_effective.len(), 1);
    }
    assert_eq!(fake.effects("group.member_removed"), 0);
    // What is within and not to be seen is a gap, and no absence.
    fake.act(Act::new("hide_group", json!({ "group": "inner" }))).unwrap();
    let wiki = plain(&fake);
    let seen = wiki.observe(&cx(), &request_account(&fake), &Scope::Only(vec![crew(&fake)])).await.unwrap();
    assert!(!seen.coverage.covers(&"add_to_group".into(), &id("crew").into()));
    let list = wiki.list_grants(&cx(), &ListScope::Target("add_to_group".into(), id("crew").into()), &PageRequest::first()).await.unwrap();
    assert!(matches!(list.completeness, Completeness::Incomplete(_)));
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_not_to_be_seen_is_unclear_for_who_leaves_it() {
    let fake = ScimFake::new().with_user(SARAH).with_group("crew", &[SARAH]).start();
    fake.act(Act::new("hide_group", json!({ "group": "crew" }))).unwrap();
    let wiki = plain(&fake);
    let kind = async |change: Change| wiki.apply(&cx(), &on(&fake, SARAH, change)).await.unwrap_err().kind().clone();
    assert_eq!(kind(Change::Revoke(crew(&fake))).await, ErrorKind::NotFound(Missing::Unclear));
    assert_eq!(kind(Change::Grant(crew(&fake))).await, ErrorKind::NotFound(Missing::Target));
    assert_eq!(wiki.resolve(&cx(), &"add_to_group".into(), &["crew".into()]).await.unwrap()[0].resolution, Resolution::None(Vec::new()));
    assert_eq!(fake.members("crew"), [SARAH]);
}

#[tokio::test(start_paused = true)]
async fn lists_that_shift_while_they_are_read_lead_to_no_conclusion() {
    let many: Vec<_> = (0..7).map(|number| json!({ "displayName": format!("g{number}"), "users": [SARAH] })).collect();
    let fake = ScimFake::new().with_user(SARAH).seeded(&json!({ "groups": many })).start();
    let rival = Act::new("delete_group", json!({ "group": "g0" }));
    let wiki = over(&racing(&fake, "GET", 3, rival), |_| {});
    let error = wiki.observe(&cx(), &request_account(&fake), &Scope::All).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::Protocol, Effect::None), "one group is on neither page: {error}");
    // The page that could tell is the one that says so.
    let fake = ScimFake::new().seeded(&json!({ "users": (0..5).map(|number| json!({ "userName": format!("u{number}") })).collect::<Vec<_>>() })).start();
    let wiki = plain(&fake);
    let first = wiki.list_accounts(&cx(), &PageRequest::first()).await.unwrap();
    fake.act(Act::new("delete_user", json!({ "user": "u0" }))).unwrap();
    let second = wiki.list_accounts(&cx(), &PageRequest::first().after(first.next.unwrap())).await.unwrap();
    assert_eq!(first.completeness, Completeness::Complete);
    assert!(matches!(second.completeness, Completeness::Incomplete(_)));
}

#[tokio::test(start_paused = true)]
async fn check_says_what_the_settings_have_to_say() {
    let lacking = async |fake: ScimFake, quirks: fn(&mut Quirks)| {
        let fake = fake.start();
        let wiki = over(&fake.transport(), quirks);
        let check = wiki.check(&cx()).await.unwrap();
        assert!(check.lacking.keys().all(|ability| wiki.descriptor().has(ability)), "{:?}", check.lacking);
        check.lacking
    };
    let manage = || Ability::Manage("add_to_group".into());
    assert!(lacking(ScimFake::new(), |_| {}).await.is_empty());
    let without_patch = || ScimFake::new().with_settings(|settings| settings.patch = Patches::Missing);
    let found = lacking(without_patch(), |_| {}).await;
    assert!([Ability::UpdateAccount, Ability::SetState, manage()].iter().all(|ability| found[ability].contains("without: [patch]")), "{found:?}");
    assert_eq!(found.len(), 3);
    assert!(lacking(without_patch(), |quirks| quirks.without = [Part::Patch].into()).await.is_empty());
    // Nobody says: nothing is lacking.
    let silent = ScimFake::new().with_settings(|settings| {
        settings.patch = Patches::Missing;
        settings.discovery = Discovery::Missing;
    });
    assert!(lacking(silent, |_| {}).await.is_empty());
    for filter in [Filters::Refused, Filters::Missing, Filters::Ignored] {
        let fake = || ScimFake::new().with_settings(|settings| settings.filter = filter);
        let found = lacking(fake(), |_| {}).await;
        assert!(found[&Ability::CreateAccount].contains("without: [filter]"), "{filter:?}: {found:?}");
        assert!(lacking(fake(), |quirks| quirks.without = [Part::Filter].into()).await.is_empty(), "{filter:?}");
    }
    let names = || ScimFake::new().with_settings(|settings| settings.filter = Filters::NamesAlone);
    let found = lacking(names(), |_| {}).await;
    assert!(found[&Ability::CreateAccount].contains("take it out of `found_by`"), "{found:?}");
    assert!(lacking(names(), |quirks| quirks.found_by = [Key::UserName].into()).await.is_empty());
    let ungrouped = || ScimFake::new().with_settings(|settings| settings.groups = false);
    assert!(lacking(ungrouped(), |_| {}).await[&manage()].contains("without: [groups]"));
    assert!(lacking(ungrouped(), |quirks| quirks.without = [Part::Groups].into()).await.is_empty());
    // A credential that may not look at one of the two loses that, and nothing else.
    for (rights, gone, kept) in
        [(["users.read", "users.write"], manage(), Ability::CreateAccount), (["groups.read", "groups.write"], Ability::ListAccounts, manage())]
    {
        let fake = ScimFake::new().seeded(&json!({ "tokens": [{ "token": ScimFake::TOKEN, "rights": rights }] }));
        let found = lacking(fake, |_| {}).await;
        assert!(found[&gone].contains("cannot be looked at") && !found.contains_key(&kept), "{found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sweep_takes_the_calls_the_readme_says() {
    let users: Vec<_> = (0..250).map(|number| json!({ "userName": format!("u{number}") })).collect();
    let groups: Vec<_> =
        (0..150).map(|number| json!({ "displayName": format!("g{number}"), "users": if number < 140 { vec!["u1"] } else { vec![] } })).collect();
    let fake = ScimFake::new().seeded(&json!({ "users": users, "groups": groups })).with_settings(|settings| settings.page_size = 1000).start();
    let wiki = plain(&fake);
    let calls = async |what: &str| {
        let before = fake.log().len();
        let mut page = PageRequest::first();
        let mut items = 0;
        loop {
            let kind = "add_to_group".into();
            let (count, next) = match what {
                "accounts" => wiki.list_accounts(&cx(), &page).await.map(|page| (page.items.len(), page.next)).unwrap(),
                "targets" => wiki.list_targets(&cx(), &kind, &page).await.map(|page| (page.items.len(), page.next)).unwrap(),
                _ => wiki.list_grants(&cx(), &ListScope::Kind(kind), &page).await.map(|page| (page.items.len(), page.next)).unwrap(),
            };
            items += count;
            match next {
                Some(next) => page = PageRequest::first().after(next),
                None => return (items, fake.log().len() - before),
            }
        }
    };
    assert_eq!(calls("accounts").await, (250, 3));
    assert_eq!(calls("targets").await, (150, 2));
    // Ten groups are shown without members: each is read by itself.
    assert_eq!(calls("grants").await, (140, 2 + 10));
    let before = fake.log().len();
    let one = Account::new(fake.user_id("u1").unwrap(), AccountState::Active);
    assert_eq!(wiki.observe(&cx(), &one, &Scope::All).await.unwrap().grants.len(), 140);
    assert_eq!(fake.log().len() - before, 1 + 2 + 10);
    let by_user = over(&fake.transport(), |quirks| quirks.memberships = Memberships::Users);
    let before = fake.log().len();
    assert_eq!(by_user.observe(&cx(), &one, &Scope::All).await.unwrap().grants.len(), 140);
    assert_eq!(fake.log().len() - before, 1 + 140);
}

#[tokio::test(start_paused = true)]
async fn a_service_is_entered_by_each_of_its_credentials() {
    let fake = ScimFake::new().with_user(SARAH).start();
    let find = async |config: ScimConfig| {
        let wiki = config.connect("wiki", &fake.transport()).unwrap();
        assert!(!format!("{wiki:?}").contains(ScimFake::TOKEN));
        wiki.find_account(&cx(), &AccountQuery::by("user_name", SARAH)).await
    };
    let secret = || Secret::new(ScimFake::TOKEN);
    let client = ScimConfig::new(URL).client("https://wiki.test/oauth2/token", ScimFake::CLIENT, secret(), Some("scim".to_owned()));
    for config in [ScimConfig::new(URL).bearer(secret()), ScimConfig::new(URL).basic(ScimFake::USER, secret()), client] {
        assert!(matches!(find(config).await.unwrap(), Found::One(_)));
    }
    assert_eq!(find(ScimConfig::new(URL).basic("other", secret())).await.unwrap_err().kind(), &ErrorKind::Unauthenticated);
    assert_eq!(ScimConfig::new(URL).connect("wiki", &fake.transport()).unwrap_err().kind(), &ErrorKind::InvalidConfig);
    let nobody = ScimConfig::new(URL).bearer(secret()).quirks(|quirks| quirks.found_by.clear());
    assert_eq!(nobody.connect("wiki", &fake.transport()).unwrap_err().kind(), &ErrorKind::InvalidConfig);
}

#[test]
fn settings_take_what_they_know_and_nothing_else() {
    let http: Arc<dyn Transport> = Arc::new(MemoryTransport::new(|_: http::Request<Bytes>| Response::default()));
    let connect = |quirks: serde_json::Value| {
        let settings = json!({ "url": "https://wiki.example/scim/v2", "credentials": { "token": { "env": "WIKI_TOKEN" } }, "quirks": quirks });
        serde_json::from_value::<Settings>(settings).map(|settings| settings.connect("wiki".into(), &http).unwrap())
    };
    let wiki = connect(json!({ "without": ["groups", "filter"], "switch_off": "delete", "member_removal": "value", "requests_per_minute": 300 })).unwrap();
    let facts = wiki.descriptor();
    assert!(facts.kinds.iter().next().is_none() && facts.lanes[0].window.unwrap().units == 300);
    assert!(format!("{wiki:?}").contains(&format!("{:?}", MemberRemoval::ByValue)));
    for wrong in
        [json!({ "wihtout": [] }), json!({ "without": ["patches"] }), json!({ "page": 0 }), json!({ "switch_off": "never" }), json!({ "found_by": ["name"] })]
    {
        assert!(connect(wrong.clone()).is_err(), "{wrong}");
    }
}

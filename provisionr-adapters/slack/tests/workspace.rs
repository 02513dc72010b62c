//! The adapter over a whole workspace that answers: what plans, people, other writers and limits do to it, and what it costs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;

use provisionr_http::ReqwestTransport;
use provisionr_sdk::{
    Ability, Account, AccountQuery, AccountSpec, AccountState, Adapter, CallContext, Calls, Change, ChangeFacts, Completeness, Entitlement, ErrorKind, Expect,
    Found, KindName, ListScope, Outcome, PageRequest, Probe, ProfileDelta, Request, Resolution, RetryHint, Scope, Secret, TargetName, WaitReason,
};
use provisionr_slack::{Slack, SlackConfig};
use provisionr_testkit::slack::{Invited, Plan, Removed, SlackFake};
use provisionr_testkit::{Act, FakeServer, FakeSystem};
use serde_json::json;

const SARAH: &str = "sarah@company.com";

fn cx() -> CallContext {
    CallContext::unlimited()
}

fn config() -> SlackConfig {
    SlackConfig::new().base_url("https://slack.test/api").scim_url("https://api.slack.test/scim/v2").token(Secret::new(SlackFake::BOT_TOKEN))
}

fn grid() -> SlackConfig {
    config().workspace(SlackFake::TEAM).enterprise(Secret::new(SlackFake::ADMIN_TOKEN))
}

fn scim(config: SlackConfig) -> SlackConfig {
    config.scim(Secret::new(SlackFake::ADMIN_TOKEN))
}

fn over(fake: &FakeSystem<SlackFake>, config: SlackConfig) -> Slack {
    config.connect("slack", &fake.transport()).unwrap()
}

fn on(fake: &FakeSystem<SlackFake>, user: &str, change: Change) -> Request {
    let id = fake.user_id(user).unwrap();
    Request::new("s-1", AccountQuery::by("email", user), change, format!("k-{user}")).with_account(Account::new(id, AccountState::Active))
}

fn channel(fake: &FakeSystem<SlackFake>, name: &str) -> Entitlement {
    Entitlement::new("invite_to_channel", fake.channel_id(name).unwrap())
}

fn group(fake: &FakeSystem<SlackFake>, handle: &str) -> Entitlement {
    Entitlement::new("add_to_usergroup", fake.usergroup(handle).unwrap().id)
}

fn joiner(fake: &FakeSystem<SlackFake>, channels: &[&str]) -> Request {
    let mut spec = AccountSpec::new("sarah").with("email", SARAH).with("real_name", "Sarah Chen");
    spec.entitlements.extend(channels.iter().map(|name| channel(fake, name)));
    Request::new("s-1", AccountQuery::by("email", SARAH), Change::EnsureAccount(spec), "k-1")
}

fn provisioned() -> Request {
    let spec = AccountSpec::new("sarah").with("email", SARAH).with("givenName", "Sarah").with("familyName", "Chen");
    Request::new("s-1", AccountQuery::by("user_name", "sarah").or("email", SARAH), Change::EnsureAccount(spec), "k-1")
}

/// The calls since the last count, lane by lane.
fn counted(fake: &FakeSystem<SlackFake>) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for entry in fake.log() {
        let lane = match (entry.path.strip_prefix("/api/"), entry.method.as_str()) {
            (Some(method), _) => method.to_owned(),
            (None, "GET") => "scim.reads".to_owned(),
            (None, _) => "scim.writes".to_owned(),
        };
        *counts.entry(lane).or_default() += 1;
    }
    fake.clear_log();
    counts
}

fn foretold(calls: &[Calls]) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.lane.to_string()).or_default() += call.count;
    }
    counts
}

/// Makes changes, each of which should take the calls its facts foretell.
async fn costs(fake: &FakeSystem<SlackFake>, slack: &Slack, changes: Vec<(&ChangeFacts, Request)>) {
    counted(fake);
    for (facts, request) in changes {
        let what = request.change.to_string();
        assert!(!matches!(slack.apply(&cx(), &request).await.unwrap(), Outcome::Unchanged(_)), "{what}");
        assert_eq!(counted(fake), foretold(&facts.calls), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_change_takes_the_calls_that_are_foretold() {
    let fake = SlackFake::new().with_user(SARAH).with_user("tom@company.com").with_channel("sales").with_usergroup("crew", &["tom"]).start();
    let slack = over(&fake, config());
    let descriptor = slack.descriptor();
    slack.find_account(&cx(), &AccountQuery::known(fake.user_id(SARAH).unwrap())).await.unwrap();
    assert_eq!(counted(&fake), foretold(&descriptor.accounts.find));
    let kind = |name: &str| descriptor.kinds.get(&name.into()).unwrap();
    let (channels, groups) = (kind("invite_to_channel"), kind("add_to_usergroup"));
    let changes = vec![
        (&channels.grant, on(&fake, SARAH, Change::Grant(channel(&fake, "sales")))),
        (&channels.revoke, on(&fake, SARAH, Change::Revoke(channel(&fake, "sales")))),
        (&groups.grant, on(&fake, SARAH, Change::Grant(group(&fake, "crew")))),
        (&groups.revoke, on(&fake, SARAH, Change::Revoke(group(&fake, "crew")))),
    ];
    costs(&fake, &slack, changes).await;
}

#[tokio::test(start_paused = true)]
async fn each_change_in_an_organisation_takes_the_calls_that_are_foretold() {
    let fake = SlackFake::new().with_plan(Plan::Enterprise).with_settings(|settings| settings.page_size = 200).with_channel("sales").start();
    let slack = over(&fake, grid());
    let facts = &slack.descriptor().accounts;
    costs(&fake, &slack, vec![(facts.create.as_ref().unwrap(), joiner(&fake, &["sales"]))]).await;
    fake.accept_invitation(SARAH).unwrap();
    let role = Entitlement::new("assign_workspace_role", SlackFake::TEAM).with_role("admin");
    let roles = slack.descriptor().kinds.get(&"assign_workspace_role".into()).unwrap();
    let changes = vec![
        (&roles.grant, on(&fake, SARAH, Change::Grant(role.clone()))),
        (&roles.revoke, on(&fake, SARAH, Change::Revoke(role))),
        (&facts.end_sessions, on(&fake, SARAH, Change::EndSessions)),
        (&facts.set_state, on(&fake, SARAH, Change::SetState(AccountState::Deactivated))),
    ];
    costs(&fake, &slack, changes).await;
    let both = over(&fake, scim(grid()));
    fake.act(Act::new("forget", json!({ "user": SARAH }))).unwrap();
    costs(&fake, &both, vec![(both.descriptor().accounts.create.as_ref().unwrap(), provisioned())]).await;
}

#[tokio::test(start_paused = true)]
async fn each_change_over_scim_takes_the_calls_that_are_foretold() {
    let fake = SlackFake::new().with_settings(|settings| settings.page_size = 200).start();
    let slack = over(&fake, scim(config()));
    let facts = &slack.descriptor().accounts;
    costs(&fake, &slack, vec![(facts.create.as_ref().unwrap(), provisioned())]).await;
    let delta = ProfileDelta([("title".to_owned(), Some("Engineer".into()))].into());
    let changes = vec![
        (&facts.update, on(&fake, SARAH, Change::UpdateAccount(delta))),
        (&facts.set_state, on(&fake, SARAH, Change::SetState(AccountState::Deactivated))),
        (&facts.set_state, on(&fake, SARAH, Change::SetState(AccountState::Active))),
    ];
    costs(&fake, &slack, changes).await;
}

#[tokio::test(start_paused = true)]
async fn whole_lists_take_as_many_calls_as_the_readme_says_and_empty_pages_end_nothing() {
    let people: Vec<_> = (0..450).map(|number| json!({ "email": format!("p{number}@company.com") })).collect();
    let members: Vec<_> = (0..450).map(|number| format!("p{number}")).collect();
    let seed = json!({ "users": people, "channels": [{ "name": "all", "members": members }, { "name": "few", "members": ["p1"] }] });
    for (empty, more) in [(0, 0), (2, 2)] {
        let settings = |settings: &mut provisionr_testkit::slack::SlackSettings| (settings.page_size, settings.empty_pages) = (1000, empty);
        let fake = SlackFake::new().seeded(&seed).with_settings(settings).start();
        let slack = over(&fake, config());
        let whole = async |scope: Option<ListScope>| {
            let (mut page, mut count) = (PageRequest::first(), 0);
            loop {
                let (items, next) = match &scope {
                    None => {
                        let page = slack.list_accounts(&cx(), &page).await.unwrap();
                        assert_eq!(page.completeness, Completeness::Complete);
                        (page.items.len(), page.next)
                    }
                    Some(scope) => {
                        let page = slack.list_grants(&cx(), scope, &page).await.unwrap();
                        (page.items.len(), page.next)
                    }
                };
                count += items;
                let Some(next) = next else { return count };
                page = PageRequest::first().after(next);
            }
        };
        // 452 people, the app's bot and the admin included, in pages of 200.
        assert_eq!((whole(None).await, counted(&fake)["users.list"]), (452, 3 + more));
        assert_eq!(whole(Some(ListScope::Kind("invite_to_channel".into()))).await, 451);
        let counts = counted(&fake);
        assert_eq!((counts["conversations.list"], counts["conversations.members"]), (1 + more, (3 + 1) + 2 * more));
        assert_eq!((counts["auth.test"], counts.len()), (1, 3));
    }
}

#[tokio::test(start_paused = true)]
async fn a_joiner_is_invited_once_and_waited_for() {
    let fake = SlackFake::new().with_plan(Plan::Enterprise).with_channel("sales").with_channel("news").start();
    let slack = over(&fake, grid());
    let request = joiner(&fake, &["sales", "news"]);
    for _ in 0..2 {
        let Outcome::Waiting(wait, receipt) = slack.apply(&cx(), &request).await.unwrap() else { panic!("no wait") };
        assert_eq!((wait.reason, receipt.account.unwrap().state), (WaitReason::InvitationSent, AccountState::Invited));
    }
    assert!(matches!(slack.probe(&cx(), &request).await.unwrap(), Probe::Pending(_)));
    assert_eq!((fake.mails_to(SARAH), fake.effects("user.invited")), (1, 1));
    let early = on(&fake, SARAH, Change::Grant(channel(&fake, "sales")));
    let early = early.with_account(Account::new(fake.user_id(SARAH).unwrap(), AccountState::Invited));
    assert_eq!(slack.apply(&cx(), &early).await.unwrap_err().hint(), RetryHint::Replan);
    fake.accept_invitation(SARAH).unwrap();
    assert!(matches!(slack.probe(&cx(), &request).await.unwrap(), Probe::Holds(_)));
    assert_eq!(fake.channels_of(SARAH), ["news", "sales"]);
    // What the person has left meanwhile is given back by the repeat, and nothing else happens.
    fake.leaves(SARAH, "news").unwrap();
    assert_eq!(slack.probe(&cx(), &request).await.unwrap(), Probe::Absent);
    assert!(matches!(slack.apply(&cx(), &request).await.unwrap(), Outcome::Applied(_)));
    assert_eq!((fake.channels_of(SARAH), fake.effects("user.invited")), (vec!["news".to_owned(), "sales".to_owned()], 1));
}

#[tokio::test(start_paused = true)]
async fn an_invitation_nobody_can_see_is_not_sent_twice() {
    let fake = SlackFake::new().with_plan(Plan::Enterprise).with_settings(|settings| settings.invited = Invited::Hidden).with_channel("sales").start();
    let slack = over(&fake, grid());
    let request = joiner(&fake, &["sales"]);
    for _ in 0..2 {
        let outcome = slack.apply(&cx(), &request).await.unwrap();
        assert!(matches!(outcome, Outcome::Waiting(wait, receipt) if wait.reason == WaitReason::InvitationSent && receipt.account.is_none()));
    }
    assert_eq!(fake.mails_to(SARAH), 1);
    let error = slack.apply(&cx(), &joiner(&fake, &[])).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidRequest, "an invitation needs a channel");
}

#[tokio::test(start_paused = true)]
async fn a_rehire_is_found_deactivated_and_not_invited_anew() {
    let fake = SlackFake::new().with_plan(Plan::Enterprise).with_user(SARAH).with_channel("sales").start();
    fake.act(Act::new("deactivate", json!({ "user": SARAH }))).unwrap();
    for config in [config(), grid(), scim(config())] {
        let found = over(&fake, config).find_account(&cx(), &AccountQuery::by("email", "Sarah@company.com")).await.unwrap();
        assert!(matches!(found, Found::One(account) if account.state == AccountState::Deactivated));
    }
    let slack = over(&fake, grid());
    let error = slack.apply(&cx(), &joiner(&fake, &["sales"])).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::Conflict, RetryHint::Replan));
    slack.apply(&cx(), &on(&fake, SARAH, Change::SetState(AccountState::Active))).await.unwrap();
    assert!(!fake.user(SARAH).unwrap().deleted);
}

#[tokio::test(start_paused = true)]
async fn a_leaver_who_never_came_loses_the_invitation_and_owners_are_left_alone() {
    let fake = SlackFake::new().with_plan(Plan::Enterprise).with_channel("sales").start();
    let slack = over(&fake, grid());
    slack.apply(&cx(), &joiner(&fake, &["sales"])).await.unwrap();
    assert!(slack.descriptor().accounts.transition_between(AccountState::Invited, AccountState::Deactivated).is_some());
    slack.apply(&cx(), &on(&fake, SARAH, Change::SetState(AccountState::Deactivated))).await.unwrap();
    assert!(fake.accept_invitation(SARAH).is_err());
    for change in [Change::SetState(AccountState::Deactivated), Change::EndSessions] {
        let error = slack.apply(&cx(), &on(&fake, SlackFake::ADMIN, change)).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Refused);
    }
}

#[tokio::test(start_paused = true)]
async fn scim_answers_with_and_without_a_body_and_names_taken_by_others() {
    for written in [200, 204] {
        let fake = SlackFake::new().with_settings(|settings| settings.scim_written = written).start();
        let slack = over(&fake, scim(config()));
        let Outcome::Applied(receipt) = slack.apply(&cx(), &provisioned()).await.unwrap() else { panic!("not made") };
        assert_eq!(receipt.account.unwrap().profile["givenName"], "Sarah");
        slack.apply(&cx(), &on(&fake, SARAH, Change::SetState(AccountState::Deactivated))).await.unwrap();
        assert!(fake.user(SARAH).unwrap().deleted);
        slack.apply(&cx(), &on(&fake, SARAH, Change::SetState(AccountState::Active))).await.unwrap();
        assert!(!fake.user(SARAH).unwrap().deleted);
        assert_eq!(fake.effects("user.created"), 1);
    }
    let fake = SlackFake::new().seeded(&json!({ "users": [{ "email": "other@company.com", "name": "sarah" }] })).start();
    let slack = over(&fake, scim(config()));
    let mut request = provisioned();
    request.who = AccountQuery::by("email", SARAH);
    let error = slack.apply(&cx(), &request).await.unwrap_err();
    assert_eq!((error.kind(), error.hint()), (&ErrorKind::Conflict, RetryHint::Never));
    let Change::EnsureAccount(spec) = &mut request.change else { panic!("not an account") };
    spec.logins.push("sarah.chen".to_owned());
    slack.apply(&cx(), &request).await.unwrap();
    assert_eq!(fake.user(SARAH).unwrap().name, "sarah.chen");
    fake.act(Act::new("refuse_token", json!({ "token": SlackFake::ADMIN_TOKEN, "code": "invalid_authentication" }))).unwrap();
    let error = slack.apply(&cx(), &on(&fake, SARAH, Change::SetState(AccountState::Deactivated))).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (&ErrorKind::Unauthenticated, Some("invalid_authentication")), "told in the form of SCIM 1");
}

#[tokio::test(start_paused = true)]
async fn in_an_organisation_scim_makes_the_person_and_assigns_the_workspace() {
    let fake = SlackFake::new().with_plan(Plan::Enterprise).with_channel("sales").start();
    let slack = over(&fake, scim(grid()));
    let mut request = provisioned();
    let Change::EnsureAccount(spec) = &mut request.change else { panic!("not an account") };
    spec.entitlements.push(channel(&fake, "sales"));
    fake.fault(provisionr_testkit::Fault::reset_before().on("POST", "/api/admin.users.assign"));
    let error = slack.apply(&cx(), &request).await.unwrap_err();
    assert_eq!(error.effect(), provisionr_sdk::Effect::Unknown);
    assert_ne!(fake.user(SARAH).unwrap().team, SlackFake::TEAM);
    for half_made in [&request, &provisioned()] {
        assert_eq!(slack.probe(&cx(), half_made).await.unwrap(), Probe::Absent);
    }
    assert!(matches!(slack.apply(&cx(), &request.clone().unsettled()).await.unwrap(), Outcome::Applied(_)));
    assert!(matches!(slack.probe(&cx(), &request).await.unwrap(), Probe::Holds(_)));
    assert_eq!(
        (fake.user(SARAH).unwrap().team.as_str(), fake.channels_of(SARAH), fake.effects("user.created")),
        (SlackFake::TEAM, vec!["sales".to_owned()], 1)
    );
}

#[tokio::test(start_paused = true)]
async fn private_channels_without_the_app_are_hidden_and_not_absent() {
    let fake = SlackFake::new().with_user(SARAH).with_private_channel("board").with_channel("sales").start();
    let board = channel(&fake, "board");
    fake.joins(SARAH, "board").unwrap();
    fake.act(Act::new("hide_channel", json!({ "channel": "board" }))).unwrap();
    let slack = over(&fake, config());
    let names: Vec<TargetName> = ["#board", "#sale", "sales", "#sales"].map(TargetName::from).into();
    let resolved = slack.resolve(&cx(), &"invite_to_channel".into(), &names).await.unwrap();
    assert!(matches!(resolved[0].resolution, Resolution::Hidden(_)));
    assert!(matches!(&resolved[1].resolution, Resolution::None(near) if near[0] == "#sales"));
    assert!(resolved[2..].iter().all(|one| matches!(&one.resolution, Resolution::One(target) if target.name == "#sales")));
    let account = Account::new(fake.user_id(SARAH).unwrap(), AccountState::Active);
    let seen = slack.observe(&cx(), &account, &Scope::Only(vec![board.clone(), channel(&fake, "sales")])).await.unwrap();
    assert!(seen.grants.is_empty() && !seen.coverage.covers(&board.kind, &board.target));
    assert!(seen.coverage.covers(&board.kind, &channel(&fake, "sales").target));
}

#[tokio::test(start_paused = true)]
async fn check_names_own_accounts_and_each_ability_that_is_lacking() {
    let reader = json!({ "token": "xoxb-reader", "user": SlackFake::BOT, "scopes": ["users:read", "channels:read", "usergroups:read"] });
    let half = json!({ "token": "xoxp-half", "user": SlackFake::ADMIN, "scopes": ["admin.teams:read"] });
    let fake = SlackFake::new().with_plan(Plan::Enterprise).seeded(&json!({ "tokens": [reader, half] })).start();
    let check = over(&fake, scim(grid())).check(&cx()).await.unwrap();
    assert_eq!((check.own_accounts.contains(&SlackFake::BOT.into()), check.own_accounts.contains(&SlackFake::ADMIN.into())), (true, true));
    assert!(check.lacking.is_empty(), "{:?}", check.lacking);
    let weak = config().token(Secret::new("xoxb-reader")).workspace(SlackFake::TEAM).enterprise(Secret::new("xoxp-half")).scim(Secret::new("xoxp-half"));
    let check = over(&fake, weak).check(&cx()).await.unwrap();
    let (channels, groups, roles): (KindName, KindName, KindName) = ("invite_to_channel".into(), "add_to_usergroup".into(), "assign_workspace_role".into());
    let lacking: Vec<_> = check.lacking.keys().cloned().collect();
    let expected = [
        Ability::CreateAccount,
        Ability::UpdateAccount,
        Ability::SetState,
        Ability::EndSessions,
        Ability::Manage(groups.clone()),
        Ability::Manage(roles),
        Ability::Manage(channels.clone()),
        // Without the address nobody is found, and channels are asked for with the private ones.
        Ability::Observe(groups.clone()),
        Ability::ListTargets(groups.clone()),
        Ability::ListGrants(groups),
        Ability::Observe(channels.clone()),
        Ability::ListTargets(channels.clone()),
        Ability::ListGrants(channels),
    ];
    assert!(expected.iter().all(|ability| lacking.contains(ability)) && lacking.len() == expected.len(), "{lacking:?}");
    assert!(check.lacking[&Ability::Manage("add_to_usergroup".into())].contains("usergroups:write"));
    let free = SlackFake::new().with_plan(Plan::Free).start();
    let check = over(&free, config()).check(&cx()).await.unwrap();
    assert_eq!(check.lacking.len(), 4, "{:?}", check.lacking);
    assert!(check.lacking[&Ability::Observe("add_to_usergroup".into())].contains("plan_upgrade_required"));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_lacks_nothing_sees_all_it_should_see() {
    // The scopes the kinds declare, and no more.
    let plain = over(&SlackFake::new().start(), config());
    let scopes: std::collections::BTreeSet<_> = plain.descriptor().kinds.iter().flat_map(|kind| kind.scopes.iter().copied()).collect();
    let token = json!({ "token": "xoxb-declared", "user": SlackFake::BOT, "scopes": scopes });
    let fake = SlackFake::new().with_user(SARAH).with_channel("sales").with_usergroup("crew", &[]).seeded(&json!({ "tokens": [token] })).start();
    let slack = over(&fake, config().token(Secret::new("xoxb-declared")));
    assert!(slack.check(&cx()).await.unwrap().lacking.is_empty());
    let account = slack.find_account(&cx(), &AccountQuery::by("email", SARAH)).await.unwrap().one().unwrap();
    slack.observe(&cx(), &account, &Scope::All).await.unwrap();
    for wanted in [channel(&fake, "sales"), group(&fake, "crew")] {
        for change in [Change::Grant(wanted.clone()), Change::Revoke(wanted)] {
            assert!(matches!(slack.apply(&cx(), &on(&fake, SARAH, change)).await.unwrap(), Outcome::Applied(_)));
        }
    }
    for kind in ["invite_to_channel", "add_to_usergroup"] {
        slack.list_targets(&cx(), &kind.into(), &PageRequest::first()).await.unwrap();
        slack.list_grants(&cx(), &ListScope::Kind(kind.into()), &PageRequest::first()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_out_of_the_workspace_is_switched_off_and_comes_back_into_it() {
    for removed in [Removed::Deleted, Removed::Elsewhere] {
        let fake = SlackFake::new().with_plan(Plan::Enterprise).with_settings(|settings| settings.removed = removed).with_user(SARAH).start();
        let slack = over(&fake, grid());
        for (to, arrived) in [(AccountState::Deactivated, "user.deactivated"), (AccountState::Active, "user.assigned")] {
            assert!(matches!(slack.apply(&cx(), &on(&fake, SARAH, Change::SetState(to))).await.unwrap(), Outcome::Applied(_)), "{removed:?} {arrived}");
            assert!(matches!(slack.apply(&cx(), &on(&fake, SARAH, Change::SetState(to))).await.unwrap(), Outcome::Unchanged(_)), "{removed:?} {arrived}");
            let found = slack.find_account(&cx(), &AccountQuery::by("email", SARAH)).await.unwrap().one().unwrap();
            assert_eq!(found.state, to, "{removed:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_is_not_given_over_another_that_nobody_expects() {
    let guest = json!({ "users": [{ "email": "guest@company.com", "restricted": true }] });
    let fake = SlackFake::new().with_plan(Plan::Enterprise).with_user(SARAH).seeded(&guest).start();
    let slack = over(&fake, grid());
    let admin = Entitlement::new("assign_workspace_role", SlackFake::TEAM).with_role("admin");
    fake.act(Act::new("set_role", json!({ "user": fake.user_id(SARAH).unwrap(), "team": SlackFake::TEAM, "role": "owner" }))).unwrap();
    let give = on(&fake, SARAH, Change::Grant(admin.clone())).expecting(Expect::Absent);
    assert_eq!(slack.apply(&cx(), &give).await.unwrap_err().kind(), &ErrorKind::Conflict);
    let account = slack.find_account(&cx(), &AccountQuery::by("email", "guest@company.com")).await.unwrap().one().unwrap();
    let give = Request::new("s-2", AccountQuery::known(account.id.clone()), Change::Grant(admin), "k-2").with_account(account);
    assert_eq!(slack.apply(&cx(), &give).await.unwrap_err().kind(), &ErrorKind::Refused);
}

#[tokio::test(start_paused = true)]
async fn an_archived_channel_is_still_held() {
    let fake = SlackFake::new().with_user(SARAH).seeded(&json!({ "channels": [{ "name": "old", "archived": true, "members": ["sarah"] }] })).start();
    let slack = over(&fake, config());
    let old = channel(&fake, "old");
    let account = Account::new(fake.user_id(SARAH).unwrap(), AccountState::Active);
    let seen = slack.observe(&cx(), &account, &Scope::Only(vec![old.clone()])).await.unwrap();
    assert_eq!(seen.grants.len(), 1);
    assert!(matches!(slack.apply(&cx(), &on(&fake, SARAH, Change::Revoke(old))).await.unwrap(), Outcome::Applied(_)));
    assert!(fake.members("old").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_hundred_people_are_put_into_a_channel_by_two_calls() {
    let emails: Vec<_> = (0..100).map(|number| format!("p{number}@company.com")).collect();
    let fake = emails.iter().fold(SlackFake::new(), |fake, email| fake.with_user(email)).with_channel("all").with_tiers(0).start();
    let slack = over(&fake, config());
    let requests: Vec<_> = emails.iter().map(|email| on(&fake, email, Change::Grant(channel(&fake, "all")))).collect();
    fake.joins("p7", "all").unwrap();
    fake.clear_log();
    let outcomes = slack.apply_batch(&cx(), &requests).await.unwrap();
    assert_eq!((outcomes.len(), fake.members("all").len()), (100, 100));
    assert_eq!(outcomes.values().filter(|outcome| matches!(outcome, Ok(Outcome::Unchanged(_)))).count(), 1);
    assert_eq!(fake.log().len(), 3, "one more since somebody was in already");
    fake.clear_log();
    let outcomes = slack.apply_batch(&cx(), &requests).await.unwrap();
    assert!(outcomes.values().all(|outcome| matches!(outcome, Ok(Outcome::Unchanged(_)))));
    assert_eq!(fake.log().len(), 2);
}

#[tokio::test]
async fn over_real_http_it_is_the_same() {
    let fake = SlackFake::new().with_user(SARAH).with_channel("sales").with_usergroup("crew", &[]).start();
    let server = FakeServer::start(&fake);
    let http = ReqwestTransport::without_tls().unwrap();
    let config = scim(config()).base_url(format!("{}/api", server.url())).scim_url(format!("{}/scim/v2", server.url()));
    let slack = config.connect("slack", &http).unwrap();
    slack.apply(&cx(), &on(&fake, SARAH, Change::Grant(channel(&fake, "sales")))).await.unwrap();
    slack.apply(&cx(), &on(&fake, SARAH, Change::Grant(group(&fake, "crew")))).await.unwrap();
    slack.apply(&cx(), &on(&fake, SARAH, Change::Revoke(channel(&fake, "sales")))).await.unwrap();
    slack.apply(&cx(), &on(&fake, SARAH, Change::Revoke(group(&fake, "crew")))).await.unwrap();
    slack.apply(&cx(), &on(&fake, SARAH, Change::SetState(AccountState::Deactivated))).await.unwrap();
    assert!(fake.usergroup("crew").unwrap().disabled && fake.user(SARAH).unwrap().deleted);
    fake.verify();
}

//! Users, groups, roles and credentials of a site.

use std::time::Duration;

use provisionr_testkit::jira::NothingToDo;
use provisionr_testkit::{Act, JiraFake, Limit};
use serde_json::{Value, json};

use crate::client::{Client, start};

fn crowded() -> JiraFake {
    let users: Vec<Value> = (1..=7).map(|number| json!({ "email": format!("u{number}@x.com"), "groups": ["crew"] })).collect();
    JiraFake::new().with_group("crew").seeded(&json!({ "users": users }))
}

#[tokio::test(start_paused = true)]
async fn pages_are_as_long_as_the_server_likes_and_say_so_where_they_can() {
    let (jira, client) = start(crowded());
    let group = jira.group_id("crew").unwrap();
    let page = client.get(&format!("group/member?groupId={group}&startAt=3&maxResults=50")).await.body;
    assert_eq!((page["maxResults"].clone(), page["total"].clone(), page["isLast"].clone()), (json!(3), json!(7), json!(false)));
    assert!(page["nextPage"].as_str().unwrap().contains("startAt=6"));
    let last = client.get(&format!("group/member?groupId={group}&startAt=6&maxResults=50")).await.body;
    assert_eq!((last["isLast"].clone(), last["nextPage"].clone(), last["values"].as_array().unwrap().len()), (json!(true), Value::Null, 1));
    // A bare array ends with an empty one: eight users and nothing more.
    for (start, count) in [(0, 3), (6, 2), (8, 0)] {
        assert_eq!(client.get(&format!("users/search?startAt={start}&maxResults=1000")).await.body.as_array().unwrap().len(), count);
    }
}

#[tokio::test(start_paused = true)]
async fn anybody_may_ask_which_jira_this_is() {
    let (jira, client) = start(JiraFake::new());
    let seen = client.get("serverInfo").await;
    assert_eq!((seen.status, &seen.body["deploymentType"]), (200, &json!("Cloud")));
    assert_eq!(Client::basic(jira.transport(), "nobody@x.com", "wrong").get("serverInfo").await.status, 200);
    for (token, status) in [(JiraFake::SCOPED_TOKEN, 200), ("wrong", 401)] {
        assert_eq!(Client::bearer(jira.transport(), token).get("serverInfo").await.status, status, "at the gateway");
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_is_created_once_and_the_licence_counts() {
    let (jira, client) = start(JiraFake::new().with_product("jira-software", 2, "jira-software-users").with_user("out@x.com"));
    let invite = async |email: &str| client.post("user", json!({ "emailAddress": email, "products": ["jira-software"] })).await;
    let made = invite("mia@x.com").await;
    assert_eq!((made.status, made.body["emailAddress"].clone(), jira.mails_to("mia@x.com")), (201, json!("mia@x.com"), 1));
    assert_eq!(made.body["accountId"].as_str().unwrap().len(), 24);
    let again = invite("MIA@x.com").await;
    assert_eq!((again.status, &again.body["accountId"], jira.effects("user.created")), (201, &made.body["accountId"], 1));
    // There, and without access: refused, with the status of everything else.
    assert_eq!(invite("out@x.com").await.status, 400);
    assert_eq!(invite("no address").await.status, 400);
    assert_eq!(invite("kim@x.com").await.status, 201);
    let full = invite("eve@x.com").await;
    assert!(full.status == 400 && full.said().contains("licensed users"));
    let role = client.get("applicationrole").await.body[0].clone();
    assert_eq!((role["numberOfSeats"].clone(), role["remainingSeats"].clone(), role["userCount"].clone()), (json!(2), json!(0), json!(2)));
    jira.accepts_invitation("mia@x.com").unwrap();
    assert!(jira.accepts_invitation("mia@x.com").is_err());
}

#[tokio::test(start_paused = true)]
async fn privacy_hides_addresses_from_answers_and_searches() {
    let (jira, client) = start(JiraFake::new().with_user("sarah@x.com").seeded(&json!({ "users": [{ "email": "off@x.com", "active": false }] })));
    let search = async |query: &str| client.get(&format!("user/search?query={query}")).await.body.as_array().unwrap().len();
    assert_eq!((search("sarah@x.com").await, search("sarah@").await, search("arah").await, search("off@x.com").await), (1, 1, 0, 0));
    jira.hides_email("sarah@x.com").unwrap();
    assert_eq!((search("sarah@x.com").await, search("sarah").await), (0, 1));
    let shown = client.get(&format!("user?accountId={}", jira.user_id("sarah@x.com").unwrap())).await.body;
    assert_eq!((shown["emailAddress"].clone(), shown["displayName"].clone()), (Value::Null, json!("sarah")));
    jira.act(Act::new("set_permissions", json!({ "token": JiraFake::TOKEN, "permissions": [] }))).unwrap();
    assert_eq!((search("sarah").await, client.get("user?accountId=x").await.status), (0, 403));
}

#[tokio::test(start_paused = true)]
async fn one_duplicate_fails_a_whole_call_and_put_replaces_everybody() {
    let (jira, client) = start(JiraFake::new().with_user("a@x.com").with_user("b@x.com").with_group("crew").with_project("ENG"));
    jira.admin_adds_actor("a@x.com", "ENG", "Developers").unwrap();
    jira.admin_adds_group_actor("crew", "ENG", "Developers").unwrap();
    let roles = client.get("project/ENG/role").await.body;
    let role = format!("project/ENG/role/{}", roles["Developers"].as_str().unwrap().rsplit('/').next().unwrap());
    let (a, b) = (jira.user_id("a@x.com").unwrap(), jira.user_id("b@x.com").unwrap());
    let seen = client.post(&role, json!({ "user": [b, a] })).await;
    assert!(seen.status == 400 && seen.said().contains("already a member of the project role"), "{seen:?}");
    assert_eq!(client.post(&role, json!({ "user": ["nobody"] })).await.status, 404);
    jira.act(Act::new("set_active", json!({ "user": "b@x.com", "active": false }))).unwrap();
    assert_eq!(client.post(&role, json!({ "user": [b] })).await.status, 404);
    assert_eq!((jira.actors("ENG", "Developers"), jira.effects("role.actor_added")), (vec!["a".to_owned(), "crew".to_owned()], 0));
    let put = client.send("PUT", &role, Some(json!({ "categorisedActors": { "atlassian-user-role-actor": [a] } }))).await;
    assert_eq!((put.status, jira.actors("ENG", "Developers")), (200, vec!["a".to_owned()]));
    assert_eq!(client.send("DELETE", &format!("{role}?user={a}"), None).await.status, 204);
    assert_eq!(client.send("DELETE", &format!("{role}?user={a}"), None).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn what_is_done_already_is_answered_as_it_is_set() {
    for (setting, add, remove) in [(NothingToDo::Refused, 400, 400), (NothingToDo::NotFound, 400, 404), (NothingToDo::Accepted, 201, 200)] {
        let site = JiraFake::new().with_user("a@x.com").with_group("crew");
        let (jira, client) = start(site.with_settings(|settings| (settings.member_again, settings.no_member) = (setting, setting)));
        let (group, user) = (jira.group_id("crew").unwrap(), jira.user_id("a@x.com").unwrap());
        let body = json!({ "accountId": user });
        assert_eq!(client.post(&format!("group/user?groupId={group}"), body.clone()).await.status, 201);
        assert_eq!(client.post(&format!("group/user?groupId={group}"), body).await.status, add);
        let member = format!("group/user?groupId={group}&accountId={user}");
        assert_eq!(client.send("DELETE", &member, None).await.status, 200);
        assert_eq!(client.send("DELETE", &member, None).await.status, remove);
        assert_eq!((jira.effects("group.member_added"), jira.effects("group.member_removed")), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn only_site_administrators_change_members_and_remove_users() {
    let token = json!({ "tokens": [{ "token": "t", "owner": "a@x.com" }] });
    let (jira, client) = start(JiraFake::new().with_user("a@x.com").with_user("b@x.com").with_group("crew").seeded(&token));
    let other = Client::basic(jira.transport(), "a@x.com", "t");
    let (group, user) = (jira.group_id("crew").unwrap(), jira.user_id("b@x.com").unwrap());
    let (add, remove) = (format!("group/user?groupId={group}"), format!("user?accountId={user}"));
    assert_eq!((other.post(&add, json!({ "accountId": user })).await.status, other.send("DELETE", &remove, None).await.status), (403, 403));
    assert_eq!((client.post(&add, json!({ "accountId": user })).await.status, client.send("DELETE", &remove, None).await.status), (201, 204));
    // Gone from the site with the groups; the Atlassian account stays.
    assert_eq!((jira.members("crew").len(), client.get(&remove).await.status, jira.user("b@x.com").unwrap().on_site), (0, 404, false));
    let own = jira.user_id(JiraFake::ADMIN).unwrap();
    assert_eq!(client.send("DELETE", &format!("user?accountId={own}"), None).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn tokens_are_good_where_they_belong_and_for_their_scopes() {
    let scoped = json!({ "tokens": [{ "token": "reader", "owner": JiraFake::ADMIN, "scopes": ["read:jira-user"] }] });
    let (jira, client) = start(JiraFake::new().seeded(&scoped));
    assert_eq!(client.get("myself").await.body["displayName"], "Admin");
    let http = || jira.transport();
    let site = "https://company.atlassian.net";
    for client in [
        Client::basic(http(), "other@x.com", JiraFake::TOKEN),
        Client::basic(http(), JiraFake::ADMIN, "wrong"),
        Client::bearer(http(), JiraFake::TOKEN),
        Client::bearer(http(), JiraFake::SCOPED_TOKEN).at(site),
        Client::basic(http(), JiraFake::ADMIN, JiraFake::SCOPED_TOKEN),
    ] {
        assert_eq!(client.get("myself").await.status, 401);
    }
    let reader = Client::bearer(http(), "reader");
    assert_eq!((reader.get("myself").await.status, reader.get("users/search").await.status), (200, 200));
    for target in ["applicationrole", "project/search"] {
        let seen = reader.get(target).await;
        assert_eq!((seen.status, seen.body["message"].as_str().unwrap()), (401, "Unauthorized; scope does not match"));
    }
    jira.act(Act::new("revoke_token", json!({ "token": JiraFake::TOKEN }))).unwrap();
    assert_eq!(client.get("myself").await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn too_much_is_refused_in_the_vendors_words() {
    let limit = Limit::new(2, Duration::from_secs(1)).on("GET", "/rest/api/3/myself");
    let app = json!({ "tokens": [{ "token": "app", "owner": JiraFake::ADMIN, "scopes": ["read:jira-user"], "app": true }] });
    let (jira, client) = start(JiraFake::new().with_limit(limit).seeded(&app));
    let first = client.get("myself").await;
    assert_eq!((first.header("x-ratelimit-limit"), first.header("x-ratelimit-remaining"), first.header("x-ratelimit-nearlimit")), ("2", "1", ""));
    assert_eq!(client.get("myself").await.header("x-ratelimit-nearlimit"), "true");
    let refused = client.get("myself").await;
    assert_eq!((refused.status, refused.header("retry-after"), refused.header("ratelimit-reason")), (429, "1", "jira-burst-based"));
    assert!(refused.header("x-ratelimit-reset").ends_with('Z') && !refused.header("x-ratelimit-reset").contains('.'));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(client.get("myself").await.status, 200);
    jira.act(Act::new("exhaust_quota", json!({ "for_ms": 60_000, "reason": "jira-quota-global-based" }))).unwrap();
    let app = Client::bearer(jira.transport(), "app");
    let refused = app.get("user/groups?accountId=x").await;
    assert_eq!((refused.status, refused.header("retry-after"), refused.header("ratelimit-reason")), (429, "60", "jira-quota-global-based"));
    assert_eq!(client.get("users/search").await.status, 200);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(app.get("users/search").await.status, 200);
}

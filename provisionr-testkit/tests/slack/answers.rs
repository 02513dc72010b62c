//! What a client has to be ready for: verbs, bodies, pages, partial failures, scopes, plans, limits.

use std::time::Duration;

use provisionr_testkit::SlackFake;
use provisionr_testkit::slack::Plan;
use serde_json::json;

use crate::client::start;

#[tokio::test(start_paused = true)]
async fn arguments_come_in_a_query_a_form_or_a_body() {
    let (slack, client) = start(SlackFake::new().with_user("a@x.com").with_channel("sales"));
    let (user, channel) = (slack.user_id("a@x.com").unwrap(), slack.channel_id("sales").unwrap());
    assert_eq!(client.get("users.info", &format!("user={user}")).await.body["user"]["name"], "a");
    assert_eq!(client.form("users.info", &format!("user={user}")).await.body["user"]["name"], "a");
    assert_eq!(client.json("users.info", &json!({ "user": user })).await.body["user"]["name"], "a");
    assert_eq!(client.json("conversations.invite", &json!({ "channel": channel, "users": [user] })).await.body["ok"], true);
    assert_eq!(slack.members("sales"), ["a@x.com"]);
}

#[tokio::test(start_paused = true)]
async fn one_bad_id_fails_all_unless_forced() {
    let (slack, client) = start(SlackFake::new().with_user("a@x.com").with_user("b@x.com").with_channel("sales"));
    let (a, b, channel) = (slack.user_id("a@x.com").unwrap(), slack.user_id("b@x.com").unwrap(), slack.channel_id("sales").unwrap());
    slack.joins("b@x.com", "sales").unwrap();
    let refused = client.form("conversations.invite", &format!("channel={channel}&users={a},{b}")).await;
    assert_eq!((refused.status, refused.code(), &refused.body["errors"][0]["user"]), (200, "already_in_channel", &json!(b)));
    assert_eq!(slack.members("sales"), ["b@x.com"]);
    let forced = client.form("conversations.invite", &format!("channel={channel}&users={a},{b}&force=true")).await;
    assert_eq!((&forced.body["ok"], &forced.body["errors"][0]["error"]), (&json!(true), &json!("already_in_channel")));
    assert_eq!((slack.members("sales").len(), slack.effects("channel.member_joined")), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_cursor_is_empty_at_the_end_and_pages_may_be() {
    let people = (0..5).fold(SlackFake::new(), |slack, number| slack.with_user(&format!("p{number}@x.com")));
    let (_slack, client) = start(people.with_settings(|settings| settings.empty_pages = 1));
    let (mut cursor, mut counts) = (String::new(), Vec::new());
    loop {
        let page = client.get("users.list", &format!("limit=4&cursor={cursor}")).await;
        counts.push(page.body["members"].as_array().unwrap().len());
        cursor = page.next().to_owned();
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(counts, [0, 3, 3, 1]);
    assert_eq!(client.get("users.list", "cursor=nonsense").await.code(), "invalid_cursor");
}

#[tokio::test(start_paused = true)]
async fn tokens_scopes_and_plans_are_asked() {
    let reader = json!({ "tokens": [{ "token": "xoxb-reader", "user": SlackFake::BOT, "scopes": ["users:read"] }] });
    let (slack, client) = start(SlackFake::new().with_plan(Plan::Free).with_channel("sales").seeded(&reader));
    let reader = client.with("xoxb-reader");
    let refused = reader.get("conversations.list", "").await;
    assert_eq!((refused.code(), &refused.body["needed"], &refused.body["provided"]), ("missing_scope", &json!("channels:read"), &json!("users:read")));
    assert_eq!(reader.get("users.list", "").await.header("x-oauth-scopes"), "users:read");
    assert_eq!(client.with("xoxb-unknown").form("auth.test", "").await.code(), "invalid_auth");
    assert_eq!(client.get("usergroups.list", "").await.code(), "plan_upgrade_required");
    assert_eq!(client.form("admin.teams.list", "").await.code(), "not_allowed_token_type");
    assert_eq!(client.with(SlackFake::ADMIN_TOKEN).form("admin.teams.list", "").await.code(), "feature_not_enabled");
    let unknown = client.form("chat.postMessage", "").await;
    assert_eq!((unknown.status, slack.take_problems().len()), (501, 1), "what the fake does not play fails the test");
}

#[tokio::test(start_paused = true)]
async fn each_method_has_a_limit_of_its_own_in_slacks_words() {
    let (_slack, client) = start(SlackFake::new().with_user("a@x.com").with_tiers(2));
    for _ in 0..22 {
        assert_eq!(client.get("users.list", "").await.status, 200);
    }
    tokio::time::advance(Duration::from_millis(20_500)).await;
    let full = client.get("users.list", "").await;
    assert_eq!((full.status, full.code(), full.header("retry-after")), (429, "ratelimited", "40"));
    assert_eq!(client.get("usergroups.list", "").await.status, 200, "another method has a limit of its own");
    tokio::time::advance(Duration::from_secs(40)).await;
    assert_eq!(client.get("users.list", "").await.status, 200);
    for _ in 0..182 {
        client.with(SlackFake::ADMIN_TOKEN).scim("DELETE", "/Users/U9", None).await;
    }
    let full = client.with(SlackFake::ADMIN_TOKEN).scim("DELETE", "/Users/U9", None).await;
    assert_eq!((full.status, &full.body["detail"]), (429, &json!("ratelimited")));
}

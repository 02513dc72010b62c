//! The fake is asked and answers as the vendor describes: every method it plays is called, and SCIM's routes for people.

use std::collections::BTreeSet;

use provisionr_testkit::description::{Description, FOLDER};
use provisionr_testkit::slack::Plan;
use provisionr_testkit::{Exchange, SlackFake};
use serde_json::{Value, json};

use crate::client::{Client, Seen, start};

/// The methods that are described as GET.
const READS: [&str; 12] = [
    "admin.conversations.restrictAccess.listGroups",
    "admin.teams.admins.list",
    "admin.teams.owners.list",
    "conversations.info",
    "conversations.list",
    "conversations.members",
    "usergroups.list",
    "usergroups.users.list",
    "users.conversations",
    "users.info",
    "users.list",
    "users.lookupByEmail",
];

/// Calls a method as it is described: some with GET.
async fn call(client: &Client, method: &str, arguments: &str) -> Seen {
    if READS.contains(&method) { client.get(method, arguments).await } else { client.form(method, arguments).await }
}

/// Calls a route of SCIM.
async fn call_scim(client: &Client, operation: &str, id: &str, body: Option<Value>) -> Seen {
    let (method, pattern) = operation.split_once(' ').unwrap();
    client.scim(method, &pattern.replace("{id}", id), body).await
}

#[tokio::test(start_paused = true)]
async fn every_method_answers_as_described() {
    let Some(description) = Description::of("slack") else {
        eprintln!("passed over: {FOLDER} does not say where the vendor's descriptions are");
        return;
    };
    let workspace = SlackFake::new()
        .with_plan(Plan::Enterprise)
        .with_user("a@x.com")
        .with_channel("sales")
        .with_private_channel("board")
        .with_usergroup("crew", &["a"])
        .seeded(&json!({ "users": [
            { "email": "guest@x.com", "restricted": true },
            { "email": "gone@x.com", "deleted": true },
            { "email": "other@y.com", "team": "T0000000099", "stranger": true },
        ], "channels": [{ "name": "old", "archived": true }, { "name": "shared", "host": "T0000000099" }, { "name": "general", "general": true, "members": ["a"] }] }));
    let (slack, bot) = start(workspace);
    slack.record_exchanges();
    let admin = bot.with(SlackFake::ADMIN_TOKEN);
    let id = |name: &str| slack.user_id(name).unwrap();
    let (user, guest, gone) = (id("a@x.com"), id("guest@x.com"), id("gone@x.com"));
    let channel = |name: &str| slack.channel_id(name).unwrap();
    let (sales, general, group) = (channel("sales"), channel("general"), slack.usergroup("crew").unwrap().id);

    call(&bot, "auth.test", "").await;
    for arguments in [format!("user={user}"), format!("user={gone}"), format!("user={guest}"), "user=U99".to_owned()] {
        call(&bot, "users.info", &arguments).await;
    }
    for email in ["a@x.com", "gone@x.com", "nobody@x.com"] {
        call(&bot, "users.lookupByEmail", &format!("email={email}")).await;
    }
    for arguments in ["limit=2", "limit=2&cursor=nonsense", ""] {
        call(&bot, "users.list", arguments).await;
        call(&bot, "conversations.list", &format!("{arguments}&types=public_channel,private_channel")).await;
    }
    call(&bot, "conversations.list", "limit=0&limit=1000000").await;
    for name in ["sales", "board", "old", "shared"] {
        call(&bot, "conversations.info", &format!("channel={}", channel(name))).await;
        call(&bot, "conversations.members", &format!("channel={}", channel(name))).await;
    }
    call(&bot, "conversations.info", "channel=C9").await;
    call(&bot, "users.conversations", &format!("user={user}")).await;
    for (name, users) in [
        ("sales", user.clone()),
        ("sales", user.clone()),
        ("sales", format!("{user},{gone},U99")),
        ("sales", format!("{guest},U99&force=true")),
        ("old", user.clone()),
        ("general", guest.clone()),
        ("sales", String::new()),
    ] {
        call(&bot, "conversations.invite", &format!("channel={}&users={users}", channel(name))).await;
    }
    for (channel, user) in [(&sales, user.as_str()), (&sales, &user), (&general, &user), (&sales, SlackFake::BOT), (&sales, "U99")] {
        call(&bot, "conversations.kick", &format!("channel={channel}&user={user}")).await;
    }
    for name in ["sales", "old", "board"] {
        call(&admin, "conversations.join", &format!("channel={}", channel(name))).await;
    }
    call(&bot, "usergroups.list", "include_users=true").await;
    for method in ["usergroups.users.list", "usergroups.disable", "usergroups.enable"] {
        call(&bot, method, &format!("usergroup={group}")).await;
    }
    for users in [&user, &gone, ""] {
        call(&bot, "usergroups.users.update", &format!("usergroup={group}&users={users}")).await;
    }

    let team = format!("team_id={}", SlackFake::TEAM);
    for email in ["new@x.com", "new@x.com", "a@x.com", "gone@x.com", "nonsense"] {
        call(&admin, "admin.users.invite", &format!("{team}&email={email}&channel_ids={sales}")).await;
    }
    for user in [gone.as_str(), &gone, SlackFake::BOT, "U99"] {
        call(&admin, "admin.users.assign", &format!("{team}&user_id={user}")).await;
    }
    for method in ["admin.users.setAdmin", "admin.users.setOwner", "admin.users.setRegular"] {
        for user in [user.as_str(), SlackFake::BOT, SlackFake::ADMIN, "U99"] {
            call(&admin, method, &format!("{team}&user_id={user}")).await;
        }
    }
    for user in [user.as_str(), SlackFake::BOT, SlackFake::ADMIN, "U99"] {
        call(&admin, "admin.users.session.reset", &format!("user_id={user}")).await;
    }
    for user in [guest.as_str(), &guest, SlackFake::ADMIN, "U99"] {
        call(&admin, "admin.users.remove", &format!("{team}&user_id={user}")).await;
    }
    call(&admin, "admin.users.remove", "team_id=T9&user_id=U99").await;
    call(&admin, "admin.teams.list", "limit=1").await;
    for method in ["admin.teams.admins.list", "admin.teams.owners.list"] {
        call(&admin, method, &team).await;
    }
    call(&admin, "admin.conversations.restrictAccess.listGroups", &format!("channel_id={sales}")).await;
    call(&bot, "admin.teams.list", "").await;
    let scim = scim().await;
    let held = description.hold(&[slack.exchanges(), scim].concat());
    let violations: Vec<String> = held.violations.iter().map(ToString::to_string).collect();
    assert_eq!(
        violations,
        [
            "GET /conversations.list: request: query parameter `limit`: value is not of type \"number\"",
            "POST /usergroups.users.update: request: body: /users: value is not of type \"array\"",
        ]
    );
    let called: BTreeSet<&str> =
        held.called.iter().filter_map(|operation| operation.split_once(" /")).map(|(_, name)| name).filter(|name| !name.contains("Users")).collect();
    assert_eq!(called, SlackFake::methods().collect());
    assert_eq!(description.unmet(), [""; 0]);
}

/// What is exchanged with SCIM.
async fn scim() -> Vec<Exchange> {
    let (slack, bot) = start(SlackFake::new().with_user("a@x.com").seeded(&json!({ "users": [{ "email": "guest@x.com", "restricted": true }] })));
    slack.record_exchanges();
    let admin = bot.with(SlackFake::ADMIN_TOKEN);
    let made = call_scim(&admin, "POST /Users", "", Some(json!({ "userName": "b", "emails": [{ "value": "b@x.com" }], "name": { "givenName": "B" } }))).await;
    let id = made.body["id"].as_str().unwrap().to_owned();
    assert_eq!((made.status, slack.user("b@x.com").unwrap().first_name.as_str()), (201, "B"));
    let again = call_scim(&admin, "POST /Users", "", Some(json!({ "userName": "b", "emails": [{ "value": "b@x.com" }] }))).await;
    assert_eq!(again.status, 409);
    call_scim(&admin, "GET /Users", "", None).await;
    let found = call_scim(&admin, "GET /Users?filter=userName eq \"b\"&count=1000&startIndex=1", "", None).await;
    assert_eq!((found.body["totalResults"].as_u64(), found.body["Resources"][0]["id"].as_str()), (Some(1), Some(id.as_str())));
    call_scim(&admin, "GET /Users/{id}", &id, None).await;
    assert_eq!(call_scim(&admin, "GET /Users/{id}", "U99", None).await.status, 404);
    let patch = |operations: Value| Some(json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations }));
    call_scim(&admin, "PATCH /Users/{id}", &id, patch(json!([{ "op": "replace", "value": { "title": "SE" } }]))).await;
    assert_eq!(slack.user("b").unwrap().title, "SE");
    let gone = call_scim(&admin, "DELETE /Users/{id}", &id, None).await;
    assert_eq!((gone.status, slack.user("b").unwrap().deleted), (200, true));
    call_scim(&admin, "PATCH /Users/{id}", &id, patch(json!([{ "op": "replace", "path": "active", "value": true }]))).await;
    assert!(!slack.user("b").unwrap().deleted);
    assert_eq!(call_scim(&bot, "GET /Users", "", None).await.status, 403);
    let stranger = call_scim(&bot.with("xoxp-none"), "GET /Users", "", None).await;
    assert_eq!((stranger.status, &stranger.body["Errors"]["description"]), (401, &json!("invalid_authentication")));
    slack.exchanges()
}

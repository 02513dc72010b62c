//! The fake answers as the vendor describes: every method it plays is called, and each answer held against its schema and its
//! list of errors. The descriptions are not part of this project; their place is told by `PROVISIONR_SPECS_DIR`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use provisionr_testkit::SlackFake;
use provisionr_testkit::slack::Plan;
use serde_json::{Value, json};

use crate::client::{Client, Seen, start};

struct Description {
    methods: Value,
    objects: Value,
    scim: Value,
    called: BTreeSet<String>,
}

impl Description {
    fn load() -> Option<Self> {
        let folder = PathBuf::from(std::env::var_os("PROVISIONR_SPECS_DIR")?).join("slack");
        let read = |name: &str| serde_json::from_str::<Value>(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap();
        // The current description names objects without describing them; the older one describes them.
        let mut objects = read("slack-web-api.swagger2.json")["definitions"].take();
        let mut methods = read("slack-web-api-current.openapi3.json");
        as_json_schema(&mut objects);
        as_json_schema(&mut methods);
        Some(Self { methods, objects, scim: read("slack-scim-v2.openapi3.json"), called: BTreeSet::new() })
    }

    fn hold(&self, what: &str, schema: &Value, body: &Value) {
        let whole = json!({ "allOf": [schema], "definitions": self.objects, "components": self.scim["components"] });
        let validator = jsonschema::options().build(&whole).unwrap();
        let errors: Vec<String> = validator.iter_errors(body).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{what}: {errors:#?}\n{body:#}");
    }

    /// Calls a method and holds its answer against what is described.
    async fn call(&mut self, client: &Client, method: &str, arguments: &str) -> Seen {
        self.called.insert(method.to_owned());
        let operations = self.methods["paths"][format!("/{method}")].as_object().unwrap_or_else(|| panic!("{method} is not described"));
        let (verb, operation) = operations.iter().next().unwrap();
        let seen = if verb == "get" { client.get(method, arguments).await } else { client.form(method, arguments).await };
        let described = &operation["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"];
        if seen.body["ok"] == true {
            // What is required of workspaces is not what is described of them.
            let mut success = described[0].clone();
            if method == "admin.teams.list" {
                success["required"].take();
                success["properties"]["teams"]["items"]["required"].take();
                drop_nulls(&mut success);
            }
            self.hold(method, &success, &seen.body);
        } else {
            let common = self.methods["components"]["schemas"]["CommonError"]["enum"].as_array().unwrap();
            let own = operation["x-slack-errors"].as_array().unwrap();
            assert!(own.iter().chain(common).any(|code| *code == *seen.code()), "{method} has no error `{}`", seen.code());
            self.hold(method, &self.methods["components"]["schemas"]["Error"], &seen.body);
        }
        seen
    }

    async fn scim(&mut self, client: &Client, operation: &str, id: &str, body: Option<Value>) -> Seen {
        let (method, pattern) = operation.split_once(' ').unwrap();
        let path = pattern.split('?').next().unwrap();
        let seen = client.scim(method, &pattern.replace("{id}", id), body).await;
        let answers = &self.scim["paths"][path][method.to_lowercase()]["responses"];
        let answer = if answers[seen.status.to_string()].is_object() { &answers[seen.status.to_string()] } else { &answers["default"] };
        let schema = &answer["content"]["application/json"]["schema"];
        if schema.is_object() {
            self.hold(operation, schema, &seen.body);
        }
        seen
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// What the descriptions say otherwise than JSON Schema: objects by name, alternatives, null; and fields may be added to any object.
fn as_json_schema(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let named = fields.get("x-slack-schema").and_then(Value::as_str).and_then(|name| match name {
                "user" => Some("objs_user"),
                "conversation" => Some("objs_conversation"),
                "subteam" => Some("objs_subteam"),
                "user_id" => Some("defs_user_id"),
                _ => None,
            });
            if let Some(named) = named {
                *value = json!({ "$ref": format!("#/definitions/{named}") });
                return;
            }
            if fields.get("additionalProperties") == Some(&json!(false)) {
                fields.remove("additionalProperties");
            }
            let nullable = fields.remove("x-nullable") == Some(json!(true));
            let alternatives = fields.remove("x-alternatives").filter(|_| !fields.contains_key("type") && !fields.contains_key("$ref"));
            fields.values_mut().for_each(as_json_schema);
            let mut choices: Vec<Value> = alternatives.and_then(|mut choices| choices.as_array_mut().map(std::mem::take)).unwrap_or_default();
            choices.iter_mut().for_each(as_json_schema);
            if choices.is_empty() && nullable && !fields.is_empty() {
                choices.push(value.clone());
            }
            if nullable && !choices.is_empty() {
                choices.push(json!({ "type": "null" }));
                *value = json!({ "anyOf": choices });
            }
        }
        Value::Array(items) => items.iter_mut().for_each(as_json_schema),
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
async fn every_method_answers_as_described() {
    let Some(mut api) = Description::load() else {
        eprintln!("passed over: PROVISIONR_SPECS_DIR does not say where the vendor's descriptions are");
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
    let admin = bot.with(SlackFake::ADMIN_TOKEN);
    let id = |name: &str| slack.user_id(name).unwrap();
    let (user, guest, gone) = (id("a@x.com"), id("guest@x.com"), id("gone@x.com"));
    let channel = |name: &str| slack.channel_id(name).unwrap();
    let (sales, general, group) = (channel("sales"), channel("general"), slack.usergroup("crew").unwrap().id);

    api.call(&bot, "auth.test", "").await;
    for arguments in [format!("user={user}"), format!("user={gone}"), format!("user={guest}"), "user=U9".to_owned()] {
        api.call(&bot, "users.info", &arguments).await;
    }
    for email in ["a@x.com", "gone@x.com", "nobody@x.com"] {
        api.call(&bot, "users.lookupByEmail", &format!("email={email}")).await;
    }
    for arguments in ["limit=2", "limit=2&cursor=nonsense", ""] {
        api.call(&bot, "users.list", arguments).await;
        api.call(&bot, "conversations.list", &format!("{arguments}&types=public_channel,private_channel")).await;
    }
    api.call(&bot, "conversations.list", "limit=0&limit=1000000").await;
    for name in ["sales", "board", "old", "shared"] {
        api.call(&bot, "conversations.info", &format!("channel={}", channel(name))).await;
        api.call(&bot, "conversations.members", &format!("channel={}", channel(name))).await;
    }
    api.call(&bot, "conversations.info", "channel=C9").await;
    api.call(&bot, "users.conversations", &format!("user={user}")).await;
    for (name, users) in [
        ("sales", user.clone()),
        ("sales", user.clone()),
        ("sales", format!("{user},{gone},U9")),
        ("sales", format!("{guest},U9&force=true")),
        ("old", user.clone()),
        ("general", guest.clone()),
        ("sales", String::new()),
    ] {
        api.call(&bot, "conversations.invite", &format!("channel={}&users={users}", channel(name))).await;
    }
    for (channel, user) in [(&sales, user.as_str()), (&sales, &user), (&general, &user), (&sales, SlackFake::BOT), (&sales, "U9")] {
        api.call(&bot, "conversations.kick", &format!("channel={channel}&user={user}")).await;
    }
    for name in ["sales", "old", "board"] {
        api.call(&admin, "conversations.join", &format!("channel={}", channel(name))).await;
    }
    for method in ["usergroups.list", "usergroups.users.list", "usergroups.disable", "usergroups.enable"] {
        api.call(&bot, method, &format!("usergroup={group}&include_users=true")).await;
    }
    for users in [&user, &gone, ""] {
        api.call(&bot, "usergroups.users.update", &format!("usergroup={group}&users={users}")).await;
    }

    let team = format!("team_id={}", SlackFake::TEAM);
    for email in ["new@x.com", "new@x.com", "a@x.com", "gone@x.com", "nonsense"] {
        api.call(&admin, "admin.users.invite", &format!("{team}&email={email}&channel_ids={sales}")).await;
    }
    for user in [gone.as_str(), &gone, SlackFake::BOT, "U9"] {
        api.call(&admin, "admin.users.assign", &format!("{team}&user_id={user}")).await;
    }
    for method in ["admin.users.setAdmin", "admin.users.setOwner", "admin.users.setRegular"] {
        for user in [user.as_str(), SlackFake::BOT, SlackFake::ADMIN, "U9"] {
            api.call(&admin, method, &format!("{team}&user_id={user}")).await;
        }
    }
    for user in [user.as_str(), SlackFake::BOT, SlackFake::ADMIN, "U9"] {
        api.call(&admin, "admin.users.session.reset", &format!("user_id={user}")).await;
    }
    for user in [guest.as_str(), &guest, SlackFake::ADMIN, "U9"] {
        api.call(&admin, "admin.users.remove", &format!("{team}&user_id={user}")).await;
    }
    api.call(&admin, "admin.users.remove", "team_id=T9&user_id=U9").await;
    for method in ["admin.teams.list", "admin.teams.admins.list", "admin.teams.owners.list"] {
        api.call(&admin, method, &team).await;
    }
    api.call(&admin, "admin.conversations.restrictAccess.listGroups", &format!("channel_id={sales}")).await;
    api.call(&bot, "admin.teams.list", "").await;
    assert_eq!(api.called.iter().map(String::as_str).collect::<Vec<_>>(), SlackFake::methods().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn scim_answers_as_described() {
    let Some(mut api) = Description::load() else { return };
    let (slack, bot) = start(SlackFake::new().with_user("a@x.com").seeded(&json!({ "users": [{ "email": "guest@x.com", "restricted": true }] })));
    let admin = bot.with(SlackFake::ADMIN_TOKEN);
    let made = api.scim(&admin, "POST /Users", "", Some(json!({ "userName": "b", "emails": [{ "value": "b@x.com" }], "name": { "givenName": "B" } }))).await;
    let id = made.body["id"].as_str().unwrap().to_owned();
    assert_eq!((made.status, slack.user("b@x.com").unwrap().first_name.as_str()), (201, "B"));
    let again = api.scim(&admin, "POST /Users", "", Some(json!({ "userName": "b", "emails": [{ "value": "b@x.com" }] }))).await;
    assert_eq!(again.status, 409);
    api.scim(&admin, "GET /Users", "", None).await;
    let found = api.scim(&admin, "GET /Users?filter=userName eq \"b\"&count=1000&startIndex=1", "", None).await;
    assert_eq!((found.body["totalResults"].as_u64(), found.body["Resources"][0]["id"].as_str()), (Some(1), Some(id.as_str())));
    api.scim(&admin, "GET /Users/{id}", &id, None).await;
    assert_eq!(api.scim(&admin, "GET /Users/{id}", "U9", None).await.status, 404);
    let patch = |operations: Value| Some(json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations }));
    api.scim(&admin, "PATCH /Users/{id}", &id, patch(json!([{ "op": "replace", "value": { "title": "SE" } }]))).await;
    assert_eq!(slack.user("b").unwrap().title, "SE");
    let gone = api.scim(&admin, "DELETE /Users/{id}", &id, None).await;
    assert_eq!((gone.status, slack.user("b").unwrap().deleted), (200, true));
    api.scim(&admin, "PATCH /Users/{id}", &id, patch(json!([{ "op": "replace", "path": "active", "value": true }]))).await;
    assert!(!slack.user("b").unwrap().deleted);
    assert_eq!(api.scim(&bot, "GET /Users", "", None).await.status, 403);
    let stranger = api.scim(&bot.with("xoxp-none"), "GET /Users", "", None).await;
    assert_eq!((stranger.status, &stranger.body["Errors"]["description"]), (401, &json!("invalid_authentication")));
}

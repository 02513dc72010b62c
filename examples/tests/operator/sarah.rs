//! Sarah's life with the company, told by files: six systems in one process, the operator in another.

use std::path::Path;

use serde_json::{Value, json};

use crate::stage::Stage;

const OKTA: usize = 0;
const GOOGLE: usize = 1;
const SALESFORCE: usize = 2;
const GITLAB: usize = 3;
const SLACK: usize = 4;
const JIRA: usize = 5;

fn stage() -> Stage {
    Stage::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("story"), &["okta=0", "google=0", "salesforce=0", "gitlab=0", "slack=0", "jira=0"])
}

fn act(stage: &Stage, place: usize, act: &str, args: &Value) {
    stage.fake(place, "POST", "act", &json!({ "act": act, "args": args }));
}

/// Okta has made her accounts by then, and she comes in by it.
fn first_login(stage: &Stage) {
    stage.fake(OKTA, "POST", "clock", &json!({ "advance_ms": 1500 }));
    act(stage, OKTA, "open_app", &json!({ "user": "sarah@company.com", "app": "GitLab" }));
}

/// How many events of a kind a fake has told of.
fn events(stage: &Stage, place: usize, kind: &str) -> usize {
    let told = stage.fake(place, "GET", "events", &Value::Null);
    told["events"].as_array().unwrap().iter().filter(|event| event["kind"] == kind).count()
}

/// The groups she is in, with her level.
fn groups(stage: &Stage) -> Vec<(String, u64)> {
    let state = stage.fake(GITLAB, "GET", "state", &Value::Null);
    let user = state["users"].as_object().unwrap().values().find(|user| user["username"] == "sarah").map(|user| user["id"].to_string());
    let Some(user) = user else { return Vec::new() };
    let groups = state["groups"].as_object().unwrap().values();
    groups.filter_map(|group| Some((group["path"].as_str()?.to_owned(), group["members"].get(&user)?["level"].as_u64()?))).collect()
}

fn channels(stage: &Stage) -> Vec<String> {
    let state = stage.fake(SLACK, "GET", "state", &Value::Null);
    let sarah = state["users"].as_object().unwrap().values().find(|user| user["email"] == "sarah@company.com").unwrap()["id"].clone();
    let channels = state["channels"].as_object().unwrap().values().filter(|channel| channel["members"].as_array().unwrap().contains(&sarah));
    let mut names: Vec<_> = channels.map(|channel| channel["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn she_joins_logs_in_moves_and_leaves() {
    let stage = stage();
    stage.operator("apply … --event sarah.hired.json").ended(2).says("waits for the account to appear").says("waits for the first login");
    assert_eq!((events(&stage, GOOGLE, "group.member_added"), events(&stage, JIRA, "role.actor_added")), (0, 1));
    assert_eq!((groups(&stage), channels(&stage)), (Vec::new(), vec!["engineering-general".to_owned(), "sales-team".to_owned()]));
    first_login(&stage);
    stage.operator("resume … --look").ended(0).says("completed");
    assert_eq!(groups(&stage), [("customer-solutions".to_owned(), 20)]);
    assert_eq!((events(&stage, GOOGLE, "group.member_added"), events(&stage, SALESFORCE, "user.updated")), (2, 1));

    // What people do by hand is theirs.
    act(&stage, GITLAB, "set_member", &json!({ "group": "handbook", "user": "sarah", "access_level": 30 }));
    let plan = stage.operator("plan … --event sarah.moved.json").ended(0);
    for words in ["revoke add_to_group engineering-team", "revoke invite_to_channel #engineering-general", "update account title"] {
        assert!(plan.out.contains(words), "{words}: {}", plan.out);
    }
    assert!(!plan.out.contains("sales-team") && !plan.out.contains("sales@") && !plan.out.contains("handbook"), "{}", plan.out);
    stage.operator("apply … --event sarah.moved.json").ended(0);
    assert_eq!(groups(&stage), [("customer-solutions/demos".to_owned(), 10), ("handbook".to_owned(), 30)]);
    assert_eq!(channels(&stage), ["deals", "sales-team"]);

    let said = stage.operator("apply … --event sarah.left.json").ended(2);
    for words in ["gitlab     account suspended: done", "salesforce account frozen: done", "verify that nothing is left", "cannot be undone:"] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    assert_eq!(channels(&stage), [""; 0]);
    stage.operator("audit --store access.db --verify").ended(0).says("3 of 3 chains are unbroken");
}

#[test]
fn she_leaves_before_she_has_ever_come() {
    let stage = stage();
    stage.operator("apply … --event sarah.hired.json").ended(2);
    stage.operator("apply … --event sarah.left.json").ended(2).says("okta       account deactivated: done");
    assert_eq!(channels(&stage), [""; 0]);
    let status = stage.operator("status --store access.db --all --format json").json();
    let runs = status["runs"].as_array().unwrap();
    let joining = runs.iter().find(|run| run["event"] == "evt_0001").unwrap();
    assert_eq!(joining["verdict"], "superseded", "{status}");
    let leaving = runs.iter().find(|run| run["event"] == "evt_0003").unwrap();
    assert!(leaving["operations"].to_string().contains("gitlab:verify"), "the account that may still appear is looked for: {status}");
}

//! What fails, is killed, or is stopped.

use serde_json::json;

use crate::stage::{RULES, Stage, overwrite, people, until};

#[test]
fn what_failed_is_told_with_its_reason() {
    let stage = Stage::new();
    stage.fault(&json!({ "on": { "method": "PUT", "path": "/api/v1/groups/*/users/*" }, "do": { "kind": "status", "status": 403 }, "times": null }));
    let said = stage.operator("apply … --event sarah.json").ended(1);
    assert!(said.out.contains("1 run: failed"), "{}", said.out);
    let json = stage.operator("status --store access.db --format json").ended(1).json();
    assert_eq!(json["standing"], "failed");
    stage.operator("resume …").ended(0).says("every run is finished");
}

#[test]
fn what_failed_is_asked_for_anew_once_the_cause_is_mended() {
    let stage = Stage::new();
    stage.write("people.yaml", &people(1));
    let refuse = json!({ "on": { "method": "PUT", "path": "/api/v1/groups/*/users/*" }, "do": { "kind": "status", "status": 403 }, "times": null });
    stage.fault(&refuse);
    stage.operator("apply … --people people.yaml").ended(1);
    // The accounts are there now, and all else fails once more: twice the same plan.
    stage.operator("apply … --people people.yaml").ended(1);
    stage.operator("plan … --people people.yaml --out plan.json").ended(0);
    stage.operator("apply … --people people.yaml").ended(1);
    for place in 0..2 {
        stage.fake(place, "DELETE", "faults", &serde_json::Value::Null);
    }
    stage.operator("apply … --people people.yaml").ended(0).says("1 run: done");
    stage.operator("status --store access.db").ended(0).says("4 runs: 1 done, 3 failed or not whole");
    stage.operator("apply … --people people.yaml").ended(0).says("nothing to do");
}

#[test]
fn an_event_whose_run_failed_says_how_to_ask_again() {
    let stage = Stage::new();
    stage.fault(&json!({ "on": { "method": "PUT", "path": "/api/v1/groups/*/users/*" }, "do": { "kind": "status", "status": 403 }, "times": null }));
    stage.operator("apply … --event sarah.json").ended(1);
    stage.operator("apply … --event sarah.json").ended(1).says("is asked for anew by `apply --people`, or by another event");
    stage.run();
}

#[test]
fn a_lost_answer_is_looked_at_and_done_within_one_command() {
    let stage = Stage::new();
    stage.fault(&json!({ "on": { "method": "PUT", "path": "/api/v1/groups/*/users/*" }, "do": { "kind": "reset_after" } }));
    stage.operator("apply … --event sarah.json").ended(0).says("looking before repeating");
    let json = stage.operator("apply … --event sarah.json --format json").ended(0).json();
    assert_eq!(json["runs"][0]["verdict"], "completed");
}

#[test]
fn a_retry_beyond_patience_is_left_for_resume() {
    let stage = Stage::new();
    stage.fault(&json!({ "on": { "method": "PUT", "path": "/api/v1/groups/*/users/*" }, "do": { "kind": "throttle", "pause_ms": 5000 } }));
    let said = stage.operator("apply … --event sarah.json --patience 1").ended(2);
    assert!(said.out.contains("again at 20"), "{}", said.out);
    stage.operator("resume …").ended(0).says("completed");
}

#[test]
fn one_of_two_systems_that_cannot_be_read_stops_only_itself() {
    let stage = Stage::new();
    stage.fake(1, "POST", "faults", &json!({ "on": { "method": "*", "path": "/**" }, "do": { "kind": "status", "status": 403 }, "times": null }));
    stage.operator("plan … --event sarah.json").ended(1).says("not planned:").says("okta-eu  everything: the system cannot be read");
    stage.operator("apply … --event sarah.json").ended(1).says("blocked  okta-eu");
    assert!(stage.effects().iter().any(|effect| effect == "0 group.member_added"));
    stage.operator("explain --store access.db").ended(0).says("stands      not planned");
}

#[test]
fn a_run_that_cannot_be_read_holds_up_no_other() {
    let stage = Stage::new();
    stage.operator("apply … --event sarah.json --detach").ended(2);
    overwrite(&stage.path("access.db"), "\"rank\":\"change\"", "\"rank\":\"leaver\"");
    stage.write("people.yaml", &people(2));
    stage.operator("apply … --people people.yaml --detach").ended(2);
    let said = stage.operator("resume …").ended(1);
    assert!(
        said.out.contains("for emp_0789: cannot be read, and is not moved") && said.out.ends_with("3 runs: 2 done, 1 failed or not whole\n"),
        "{}",
        said.all()
    );
    stage.operator("audit --store access.db --verify").ended(1).says("1 of 3 chains are BROKEN");
}

/// What should have happened, each once.
fn assert_done_once(stage: &Stage, when: &str) {
    let effects = stage.effects();
    for (effect, times) in [("0 user.created", 1), ("0 group.member_added", 2), ("1 user.created", 1), ("1 group.member_added", 1)] {
        assert_eq!(effects.iter().filter(|found| *found == effect).count(), times, "{when}: {effect}: {effects:?}");
    }
    stage.operator("audit --store access.db --verify").ended(0).says("chains are unbroken");
}

#[test]
fn killed_anywhere_it_goes_on_and_does_nothing_twice() {
    let mut kills = 0;
    for requests in [2, 8, 14, 17, 20, 23, 26] {
        let stage = Stage::new();
        stage.slow(15);
        let limit = stage.requests() + requests;
        let mut apply = stage.start("apply … --event sarah.json");
        until("it gets there", || apply.is_over() || stage.requests() >= limit);
        if apply.is_over() {
            break;
        }
        apply.kill();
        kills += 1;
        // Before the run was opened there is nothing to go on with, and the event is told again.
        let limit = stage.requests() + 2;
        let mut again = stage.start("apply … --event sarah.json");
        until("it gets there", || again.is_over() || stage.requests() >= limit);
        if !again.is_over() {
            again.kill();
        }
        stage.operator("apply … --event sarah.json").ended(0);
        assert_done_once(&stage, &format!("killed after {requests} requests"));
    }
    assert!(kills >= 4, "only {kills} moments to be killed at");
}

#[test]
fn a_killed_resume_is_resumed() {
    let stage = Stage::new();
    stage.operator("apply … --event sarah.json --detach").ended(2);
    stage.slow(15);
    for requests in [1, 3, 2] {
        let limit = stage.requests() + requests;
        let mut resume = stage.start("resume …");
        until("it gets there", || resume.is_over() || stage.requests() >= limit);
        resume.kill();
    }
    stage.operator("resume …").ended(0);
    assert_done_once(&stage, "after kills");
}

#[test]
fn a_signal_lets_what_is_under_way_end_and_resume_goes_on() {
    let stage = Stage::new();
    stage.write("people.yaml", &people(20));
    stage.operator("apply … --people people.yaml --detach").ended(2);
    stage.slow(60);
    let before = stage.requests();
    let mut resume = stage.start("resume …");
    until("it begins", || resume.is_over() || stage.requests() > before + 4);
    assert!(!resume.is_over());
    resume.signal("-TERM");
    resume.end().ended(2).says("stopping: what is under way comes to an end").says("`operator resume` goes on");
    assert!(stage.operator("status --store access.db --format json").json()["standing"] == "waiting");
    for place in 0..2 {
        stage.fake(place, "DELETE", "faults", &serde_json::Value::Null);
    }
    stage.operator("resume …").ended(0);
    stage.operator("status --store access.db --all").ended(0).says("20 runs: 20 done");
    let made = stage.effects().iter().filter(|effect| *effect == "0 user.created").count();
    assert_eq!(made, 20);
}

#[test]
fn a_second_operator_on_one_store_says_so() {
    let stage = Stage::new();
    stage.operator("apply … --event sarah.json --detach").ended(2);
    stage.slow(400);
    let before = stage.requests();
    let mut first = stage.start("resume …");
    until("it begins", || first.is_over() || stage.requests() > before);
    stage.operator("resume …").ended(2).says("another process drives this store");
    // Looking is always possible.
    stage.operator("status --store access.db").ended(2).says("not finished");
    first.end().ended(0).says("completed");
}

#[test]
fn a_fake_that_is_not_there_is_told_by_its_address() {
    let mut stage = Stage::new();
    let systems = format!("systems:\n  okta: {{ url: \"{}\", credentials: {{ token: {{ env: OKTA_TOKEN }} }} }}\n", stage.url(0));
    stage.write("systems.yaml", &systems);
    stage.write(
        "rules/access.yaml",
        &RULES.replace("okta-eu", "okta").replace("eu-sales", "sales-team").replacen(
            "      - { system: okta, action: add_to_group, target: sales-team }\n",
            "",
            1,
        ),
    );
    stage.operator("validate --systems systems.yaml --rules rules --online").ended(1).says("the environment variable `OKTA_TOKEN` holds no secret");
    stage.operator("plan … --event sarah.json").ended(1).says("the environment variable `OKTA_TOKEN` holds no secret");
    let address = stage.url(0).trim_start_matches("http://").to_owned();
    stage.close();
    let said = stage.command("apply … --event sarah.json").env("OKTA_TOKEN", crate::stage::TOKEN).output().unwrap();
    let text = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    assert_eq!(said.status.code(), Some(1), "{text}");
    assert!(
        text.contains(&format!("no connection could be made to http://{address}")) && text.contains("not submitted") && !text.contains(crate::stage::TOKEN),
        "{text}"
    );
    // The event is not spent.
    stage.operator("status --store access.db").ended(0).says("the store holds no run");
}

#[test]
fn neither_log_nor_store_holds_a_secret() {
    let stage = Stage::new();
    let said = stage.command("apply … --event sarah.json --verbose").env("RUST_LOG", "trace").output().unwrap();
    assert!(said.status.success() && said.stderr.len() > 1_000, "the log is heard");
    let store = std::fs::read(stage.path("access.db")).unwrap();
    for (what, bytes) in [("the log", said.stderr), ("what is told", said.stdout), ("the store", store)] {
        assert!(!String::from_utf8_lossy(&bytes).contains(crate::stage::TOKEN), "{what} holds a secret");
    }
}

#[test]
fn nobody_has_to_read_what_is_told() {
    let stage = Stage::new();
    let mut child = stage.command("apply … --event sarah.json").stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_done_once(&stage, "without a reader");
}

//! What goes as it should.

use serde_json::{Value, json};

use crate::stage::{RULES, Stage, overwrite, people};

#[test]
fn a_plan_changes_nothing_and_makes_no_store() {
    let stage = Stage::new();
    let said = stage.operator("plan … --event sarah.json").ended(0);
    for words in ["plan for emp_0789 (version ", "5 operations", "okta-eu  add_to_group eu-sales  (after 1)", "because of Sales Engineer Access", "forecast: "]
    {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    assert!(stage.operator("plan … --event sarah.json --format dot").ended(0).out.starts_with("digraph plan {"));
    assert!(stage.operator("plan … --event sarah.json --format mermaid").ended(0).out.starts_with("flowchart LR"));
    let json = stage.operator("plan … --event sarah.json --format json").ended(0).json();
    assert_eq!((json["format"].clone(), json["plans"][0]["plan"]["operations"].as_array().unwrap().len()), (json!(1), 5));
    assert!(!stage.path("access.db").exists());
    assert_eq!(stage.effects(), [""; 0]);
}

#[test]
fn an_event_is_applied_once_however_often_it_is_told() {
    let stage = Stage::new();
    let said = stage.operator("apply … --event sarah.json --by kim").ended(0);
    for words in ["okta    add_to_group sales-team: done", "completed", "1 run: done"] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    let effects = ["0 group.member_added", "0 group.member_added", "0 user.created", "1 group.member_added", "1 user.created"];
    let changes = |stage: &Stage| stage.effects().into_iter().filter(|effect| effects.contains(&effect.as_str())).collect::<Vec<_>>();
    assert_eq!(changes(&stage), effects);
    stage.operator("apply … --event sarah.json").ended(0).says("has led to run_");
    assert_eq!(changes(&stage), effects);
    stage.operator("resume …").ended(0).says("every run is finished");

    let run = stage.run();
    let json = stage.operator("status --store access.db --format json").ended(0).json();
    let shown = &json["runs"][0];
    assert_eq!((json["format"].clone(), json["standing"].clone()), (json!(1), json!("done")));
    assert_eq!((shown["verdict"].clone(), shown["event"].clone(), shown["actor"].clone()), (json!("completed"), json!("evt_0001"), json!({ "person": "kim" })));
    let text = stage.operator(&format!("status --store access.db --run {}", &run[..12])).ended(0);
    assert!(text.out.contains("  done     okta-eu  add_to_group eu-sales\n"), "{}", text.out);

    let explained = stage.operator("explain --store access.db --operation okta:account").ended(0);
    assert!(explained.out.contains("follows     nothing, it is over") && !explained.out.contains("sales-team\n  operation"), "{}", explained.out);
    let json = stage.operator("explain --store access.db --format json").ended(0).json();
    assert_eq!((json["format"].clone(), json["runs"][0]["operations"].as_array().unwrap().len()), (json!(1), 5));

    let log = stage.operator("audit --store access.db").ended(0);
    assert!(log.out.contains("person kim okta: add_to_group sales-team: applied") && log.out.contains("entries is unbroken"), "{}", log.out);
    let json = stage.operator("audit --store access.db --format json").ended(0).json();
    assert_eq!((json["format"].clone(), json["runs"][0]["entries"][0]["what"].as_str().unwrap().starts_with("opened by event evt_0001")), (json!(1), true));
}

#[test]
fn a_chain_that_was_changed_is_found() {
    let stage = Stage::new();
    stage.operator("apply … --event sarah.json").ended(0);
    stage.operator("audit --store access.db --verify").ended(0).says("1 of 1 chains are unbroken");
    let json = stage.operator("audit --store access.db --verify --format json").ended(0).json();
    assert_eq!((json["format"].clone(), json["runs"][0]["chain"].clone()), (json!(1), json!("unbroken")));
    overwrite(&stage.path("access.db"), "\"attempt\":1", "\"attempt\":7");
    stage.operator("audit --store access.db --verify").ended(1).says("BROKEN: run run_").says("the chain breaks at row ");
    let json = stage.operator("audit --store access.db --verify --format json").ended(1).json();
    assert_eq!((json["runs"][0]["chain"].clone(), json["runs"][0]["row"].is_u64()), (json!("broken"), true));
    // Nothing is moved, explained or reported on the word of such a journal, and no other run is held up by it.
    for command in ["status", "explain", "audit"] {
        stage.operator(&format!("{command} --store access.db")).ended(1).says("cannot be read, and is not moved").says("the chain breaks at row ");
        let json = stage.operator(&format!("{command} --store access.db --format json")).ended(1).json();
        assert!(json["troubles"][0]["run"].as_str().unwrap().starts_with("run_"), "{json}");
    }
    stage.write("people.yaml", &people(2));
    stage.operator("apply … --people people.yaml").ended(0).says("2 runs: 2 done");
}

#[test]
fn a_saved_plan_is_applied_exactly_and_is_one_run() {
    let stage = Stage::new();
    stage.operator("plan … --event sarah.json --out plan.json").ended(0).says("is saved in plan.json");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(stage.path("plan.json")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    stage.operator("apply … --plan plan.json").ended(0).says("1 run: done");
    stage.operator("apply … --plan plan.json").ended(0).says("has led to run_");
    stage.run();
}

#[test]
fn a_saved_plan_is_refused_when_the_rules_have_changed() {
    let stage = Stage::new();
    stage.operator("plan … --event sarah.json --out plan.json").ended(0);
    stage.write(
        "rules/access.yaml",
        &RULES.replace("engineering-team", "sales-team").replacen("      - { system: okta, action: add_to_group, target: sales-team }\n", "", 1),
    );
    stage.operator("apply … --plan plan.json").ended(1).says("the rules have changed").says("plan again");
    assert_eq!(stage.effects(), [""; 0]);
}

#[test]
fn a_saved_plan_is_refused_when_the_world_has_moved() {
    let stage = Stage::new();
    stage.operator("plan … --event sarah.json --out plan.json").ended(0);
    stage.make_account(0, "sarah@company.com");
    let before = stage.effects();
    stage
        .operator("apply … --plan plan.json")
        .ended(1)
        .says("nothing of it was submitted")
        .says("emp_0789: okta: account sarah@company.com is not needed any more");
    assert_eq!(stage.effects(), before);
    // What is planned now can be applied.
    stage.operator("plan … --event sarah.json --out plan.json").ended(0);
    stage.operator("apply … --plan plan.json").ended(0);
}

#[test]
fn what_waits_says_for_what_and_until_when() {
    let stage = Stage::with(&format!("systems:\n  okta-eu: {{ accounts: first_login }}\n{RULES}"));
    let said = stage.operator("apply … --event sarah.json").ended(2);
    assert!(said.out.contains("waits for the first login (since 20") && said.out.contains("1 run: waiting"), "{}", said.out);
    stage.operator("resume …").ended(2).says("goes on with `operator resume`");
    let json = stage.operator("status --store access.db --format json").ended(2).json();
    let waiting: Vec<&Value> = json["runs"][0]["operations"].as_array().unwrap().iter().filter(|line| line["status"] == "waiting").collect();
    assert_eq!((waiting.len(), json["standing"].clone()), (1, json!("waiting")));
    assert!(waiting[0]["since"].is_string() && waiting[0]["next"].is_string(), "{json}");
    let explained = stage.operator("explain --store access.db --operation okta-eu:account").ended(0);
    assert!(
        explained.out.contains("follows     it is looked at again at 20") && explained.out.contains("before      okta-eu add_to_group eu-sales (pending)"),
        "{}",
        explained.out
    );
    stage.operator("decide --store access.db --run run_ --operation okta-eu:account --done --by kim --why seen").ended(1);
}

#[test]
fn what_was_done_by_hand_is_said_and_goes_on() {
    let stage = Stage::with(&format!("systems:\n  okta-eu: {{ accounts: existing, cannot: by_hand }}\n{RULES}"));
    stage.operator("apply … --event sarah.json").ended(2).says("waits for somebody to do it");
    stage.make_account(1, "sarah@company.com");
    let run = stage.run();
    let decide = format!("decide --store access.db --run {run} --by kim --why seen");
    stage.operator(&format!("{decide} --operation okta-eu:acount --done")).ended(1).says("did you mean `okta-eu:account`?");
    stage.operator(&format!("{decide} --operation okta:account --done")).ended(1).says("as it stands");
    stage.operator(&format!("{decide} --operation okta-eu:account --done")).ended(0).says("when the run is moved next");
    stage.operator("resume …").ended(0).says("completed");
    stage.operator("audit --store access.db").ended(0).says("person kim okta-eu: account made by hand: decided: done by hand: seen");
    stage.operator(&format!("{decide} --operation okta-eu:account --done")).ended(1).says("is over");
}

#[test]
fn what_is_detached_is_moved_by_resume() {
    let stage = Stage::new();
    stage.operator("apply … --event sarah.json --detach").ended(2).says("goes on with `operator resume`");
    assert_eq!(stage.effects(), [""; 0]);
    let said = stage.operator("resume … --format json").ended(0);
    assert_eq!((said.json()["standing"].clone(), said.json()["runs"][0]["verdict"].clone()), (json!("done"), json!("completed")));
}

#[test]
fn many_people_are_summed_up() {
    let stage = Stage::new();
    stage.write("people.yaml", &people(30));
    stage.operator("plan … --people people.yaml").ended(0).says("150 operations for 30 people; 0 people as they should be");
    stage.operator("plan … --people people.yaml --format dot").ended(1).says("use --format text or json");
    let said = stage.operator("apply … --people people.yaml").ended(0);
    assert!(said.out.ends_with("30 runs: 30 done\n") && !said.out.contains("  done     okta"), "{}", said.out);
    assert!(said.out.contains("emp_017 okta    add_to_group sales-team: done\n"), "{}", said.out);
    stage.operator("apply … --people people.yaml").ended(0).says("nothing to do");
    stage.operator("plan … --people people.yaml").ended(0).says("30 people as they should be");
    stage.operator("status --store access.db").ended(0).says("20 more are finished; --all shows them").says("10 runs: 10 done");
    stage.operator("status --store access.db --all").ended(0).says("30 runs: 30 done");
    stage.operator("audit --store access.db --verify --subject emp_003").ended(0).says("1 of 1 chains are unbroken");
}

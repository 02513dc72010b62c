//! What is given wrongly, and what helps.

use std::io::{Seek, SeekFrom, Write};

use crate::stage::{RULES, Stage, people};

#[test]
fn systems_and_rules_are_checked_against_each_other() {
    let stage = Stage::new();
    stage.operator("validate --systems systems.yaml --rules rules").ended(0).says("2 systems (okta, okta-eu) and 1 policy fit together");
    stage.operator("validate --systems systems.yaml --rules rules --online").ended(0).says("okta-eu: the credential can do all it is needed for");
    stage.write("rules/access.yaml", &RULES.replace("system: okta-eu", "system: okta-us").replace("target: sales-team", "traget: sales-team"));
    let said = stage.operator("validate --systems systems.yaml --rules rules").ended(1);
    for words in ["there is no system `okta-us`", "did you mean `okta-eu`?", "did you mean `target`?", "access.yaml:6:"] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    // Both files are told of at once.
    stage.write("systems.yaml", "systems: { okta: { ulr: x, credentials: { token: s3cret } } }");
    let said = stage.operator("validate --systems systems.yaml --rules nowhere").ended(1).says("did you mean `url`?").says("cannot read `nowhere`");
    assert!(!said.all().contains("s3cret"), "{}", said.all());
}

#[test]
fn each_file_that_is_not_what_it_should_be_is_told() {
    let stage = Stage::new();
    stage.write("people.yaml", &people(2));
    stage.write("people.json", r#"{"people": [{"employee_id": "emp_1"}]}"#);
    stage.write("garbage", "{]");
    stage.operator("plan … --event sarah.json --out plan.json").ended(0);
    for (arguments, said) in [
        ("plan … --event none.json", "none.json: the file cannot be read"),
        ("plan … --event garbage", "garbage: the event cannot be read"),
        ("plan … --event people.json", "a list of people: give it with --people"),
        ("plan … --event people.yaml", "a list of people: give it with --people"),
        ("plan … --event plan.json", "a saved plan: give it to `apply` with --plan"),
        ("plan … --people none.yaml", "none.yaml"),
        ("plan … --people sarah.json", "an event: give it with --event"),
        ("plan … --people plan.json", "a saved plan: give it to `apply` with --plan"),
        ("apply … --plan none.json", "none.json: the file cannot be read"),
        ("apply … --plan garbage", "this is no saved plan that can be read"),
        ("apply … --plan sarah.json", "an event: give it with --event"),
        ("apply … --plan people.json", "a list of people: give it with --people"),
        ("apply … --plan plan.json --event sarah.json", "cannot be used with"),
        ("apply …", "--event <FILE>|--people <FILE>|--plan <FILE>"),
        ("plan --systems none.yaml --rules rules --store access.db --event sarah.json", "none.yaml: the file cannot be read"),
        ("plan … --event sarah.json --out none/plan.json", "cannot be saved in none/plan.json"),
        ("apply --systems systems.yaml --rules rules --store none/access.db --event sarah.json", "none/access.db"),
        ("apply --systems systems.yaml --rules rules --store garbage --event sarah.json", "garbage"),
        ("resume …", "there is no store access.db"),
        ("status --store access.db", "there is no store access.db"),
        ("apply … --event sarah.json --patience soon", "no whole number of seconds"),
        ("paln", "unrecognized subcommand"),
    ] {
        stage.operator(arguments).ended(1).says(said);
    }
    assert_eq!(stage.effects(), [""; 0]);
}

#[test]
fn a_newer_plan_and_a_newer_store_are_refused() {
    let stage = Stage::new();
    stage.operator("plan … --event sarah.json --out plan.json").ended(0);
    let plan = std::fs::read_to_string(stage.path("plan.json")).unwrap();
    stage.write("plan.json", &plan.replacen("\"format\": 1", "\"format\": 9", 1));
    stage.operator("apply … --plan plan.json").ended(1).says("has format 9, this version reads up to 1");
    stage.operator("apply … --event sarah.json").ended(0);
    // The version of the schema is in SQLite's own header: https://www.sqlite.org/fileformat.html#user_version_number
    let mut store = std::fs::OpenOptions::new().write(true).open(stage.path("access.db")).unwrap();
    store.seek(SeekFrom::Start(60)).unwrap();
    store.write_all(&99_u32.to_be_bytes()).unwrap();
    drop(store);
    for command in ["status --store access.db", "resume …", "apply … --event sarah.json"] {
        stage.operator(command).ended(1).says("access.db: the store has format 99").says("use the version that wrote it");
    }
}

#[test]
fn names_that_are_not_there_are_answered_with_near_ones() {
    let stage = Stage::new();
    stage.operator("apply … --event sarah.json").ended(0);
    let run = stage.run();
    let mut near = run.clone();
    near.replace_range(run.len() - 1.., "x");
    for (arguments, said) in [
        (format!("status --store access.db --run {near}"), format!("did you mean `{run}`?")),
        ("explain --store access.db --run x".to_owned(), "`operator status --all` lists all".to_owned()),
        ("audit --store access.db --subject emp_0788".to_owned(), "did you mean `emp_0789`?".to_owned()),
        ("explain --store access.db --operation okta:acount".to_owned(), "did you mean `okta:account`?".to_owned()),
        (format!("decide --store access.db --run {run} --operation okta:account --done --by kim --why x"), "is over".to_owned()),
        (format!("decide --store access.db --run {run} --operation okta:account --by kim --why x"), "--done|--retry|--skip".to_owned()),
    ] {
        stage.operator(&arguments).ended(1).says(&said);
    }
}

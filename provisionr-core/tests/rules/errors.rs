//! What is refused, and how it is said.

use provisionr_core::{DiagnosticCode, Rules};

use crate::systems::problems;

#[test]
fn an_unknown_action_is_pointed_at_and_a_near_one_is_named() {
    insta::assert_snapshot!(problems(r#"policy:
  name: "Senior Engineer Access"
  triggers:
    - department: "Engineering"
  provisions:
    - system: "okta"
      action: "add_to_grop"
      target: "engineering-team"
"#), @r#"
    error[unknown-action]: `okta` has no action `add_to_grop`
     --> rules.yaml:7:15
      |
    7 |       action: "add_to_grop"
      |               ^^^^^^^^^^^^^
      |
      = help: did you mean `add_to_group`?

    the rules have a problem
    "#);
}

#[test]
fn everything_wrong_with_the_shape_is_told_at_once() {
    insta::assert_snapshot!(problems(r##"policy:
  name: ""
  nam: x
  triggers:
    - department: "Engineering"
      department: "Sales"
    - {}
    - level: { mni: 3 }
    - level: { regex: "a.*" }
    - level: { min: 5, max: 3 }
    - manager:
  provisions:
    - system: slack
      action: invite_to_channel
      target: #engineering-general
    - action: add_to_group
      target: 12
    - just a text
    - { system: okta, action: add_to_group, target: x, tags: [a] }
policies:
  name: x
polcies: []
"##), @r##"
    error[empty]: `name` is empty
     --> rules.yaml:2:9
      |
    2 |   name: ""
      |         ^^

    error[unknown-key]: a policy has no key `nam`
     --> rules.yaml:3:3
      |
    3 |   nam: x
      |   ^^^
      |
      = help: did you mean `name`?

    error[duplicate-key]: `department` stands twice in a trigger
     --> rules.yaml:6:7
      |
    5 |     - department: "Engineering"
      |       ---------- first here
    6 |       department: "Sales"
      |       ^^^^^^^^^^

    error[empty]: a trigger without conditions would match everyone
     --> rules.yaml:7:7
      |
    7 |     - {}
      |       ^
      |
      = help: write `triggers: everyone` if everyone is meant

    error[unknown-operator]: there is no operator `mni`
     --> rules.yaml:8:16
      |
    8 |     - level: { mni: 3 }
      |                ^^^
      |
      = help: did you mean `min`?

    error[unknown-operator]: there is no operator `regex`
     --> rules.yaml:9:16
      |
    9 |     - level: { regex: "a.*" }
      |                ^^^^^
      |
      = help: did you mean `glob`?

    error[invalid-value]: nothing is in the range of `level`: `min` is above `max`
      --> rules.yaml:10:14
       |
    10 |     - level: { min: 5, max: 3 }
       |              ^

    error[empty]: `manager` is empty
      --> rules.yaml:11:7
       |
    11 |     - manager:
       |       ^^^^^^^

    error[empty]: `target` is empty
      --> rules.yaml:15:15
       |
    15 |       target: #engineering-general
       |               ^^^^^^^^^^^^^^^^^^^^
       |
       = help: a text that begins with `#` must be quoted, or it is a comment: "#engineering-general"

    error[missing-key]: a provision needs `system`
      --> rules.yaml:16:7
       |
    16 |     - action: add_to_group
       |       ^^^^^^
       |
       = help: add `system:`

    error[wrong-type]: `target` must be a text, and this is a number
      --> rules.yaml:17:15
       |
    17 |       target: 12
       |               ^^
       |
       = help: put it in quotes: "12"

    error[wrong-type]: a provision must be a mapping, and this is a text
      --> rules.yaml:18:7
       |
    18 |     - just a text
       |       ^^^^^^^^^^^

    error[wrong-type]: `tags` must be a single value, and this is a list
      --> rules.yaml:19:62
       |
    19 |     - { system: okta, action: add_to_group, target: x, tags: [a] }
       |                                                              ^

    error[wrong-type]: `policies` must be a list of policies
      --> rules.yaml:20:1
       |
    20 | policies:
       | ^^^^^^^^
       |
       = help: put `- ` before each policy, or write `policy:` for a single one

    error[unknown-key]: a rules document has no key `polcies`
      --> rules.yaml:22:1
       |
    22 | polcies: []
       | ^^^^^^^
       |
       = help: did you mean `policies`?

    the rules have 15 problems
    "##);
}

#[test]
fn everything_that_does_not_fit_the_systems_is_told_at_once() {
    insta::assert_snapshot!(problems(r##"policies:
  - name: A
    triggers: everyone
    provisions:
      - { system: otka, action: add_to_group, target: x }
      - { system: gitlab, action: add_to_group, target: x, role: developr }
      - { system: gitlab, action: add_to_group, target: y }
      - { system: okta, action: add_to_group, target: x, role: member }
      - { system: okta, action: add_to_group, targt: x }
      - { system: aws-sso, action: assign_permission_set, target: x }
      - { system: doors, action: open_door, target: x, until: soon }
      - { system: zzz, action: add_to_group, target: x }
systems:
  okta:
    accounts: create
    after: [gogle]
    keys: { emial: email }
    profile: { fristName: first_name, created: hired }
  slak:
    accounts: existing
  google:
    accounts: create
"##), @r#"
    error[unknown-system]: there is no system `otka`
     --> rules.yaml:5:19
      |
    5 |       - { system: otka, action: add_to_group, target: x }
      |                   ^^^^
      |
      = help: did you mean `okta`?

    error[invalid-role]: `add_to_group` has no role `developr`
     --> rules.yaml:6:66
      |
    6 |       - { system: gitlab, action: add_to_group, target: x, role: developr }
      |                                                                  ^^^^^^^^
      |
      = help: did you mean `developer`?

    error[invalid-provision]: `add_to_group` needs a role
     --> rules.yaml:7:35
      |
    7 |       - { system: gitlab, action: add_to_group, target: y }
      |                                   ^^^^^^^^^^^^
      |
      = help: add `role:` with one of `minimal`, `guest`, `reporter`, `developer`, `maintainer`, `co-maintainer`

    error[invalid-role]: `add_to_group` has no roles
     --> rules.yaml:8:58
      |
    8 |       - { system: okta, action: add_to_group, target: x, role: member }
      |                                                          ^^^^
      |
      = help: leave `role` out

    error[invalid-provision]: `add_to_group` needs a target
     --> rules.yaml:9:33
      |
    9 |       - { system: okta, action: add_to_group, targt: x }
      |                                 ^^^^^^^^^^^^
      |
      = help: add `target:` with the name of the group

    error[invalid-provision]: `add_to_group` has no parameter `targt`
     --> rules.yaml:9:47
      |
    9 |       - { system: okta, action: add_to_group, targt: x }
      |                                               ^^^^^
      |
      = help: did you mean `target`?

    error[invalid-provision]: `assign_permission_set` needs `account`
      --> rules.yaml:10:36
       |
    10 |       - { system: aws-sso, action: assign_permission_set, target: x }
       |                                    ^^^^^^^^^^^^^^^^^^^^^
       |
       = help: add `account:`: the AWS account

    error[invalid-provision]: `until` must be a day such as 2024-11-25
      --> rules.yaml:11:63
       |
    11 |       - { system: doors, action: open_door, target: x, until: soon }
       |                                                               ^^^^

    error[unknown-system]: there is no system `zzz`
      --> rules.yaml:12:19
       |
    12 |       - { system: zzz, action: add_to_group, target: x }
       |                   ^^^
       |
       = help: known are `aws-sso`, `doors`, `gitlab`, `google`, `jira`, `okta`, `salesforce`, `slack`

    error[unknown-system]: there is no system `gogle`
      --> rules.yaml:16:13
       |
    16 |     after: [gogle]
       |             ^^^^^
       |
       = help: did you mean `google`?

    error[invalid-topology]: `okta` finds no accounts by `emial`
      --> rules.yaml:17:13
       |
    17 |     keys: { emial: email }
       |             ^^^^^
       |
       = help: did you mean `email`?

    error[invalid-topology]: accounts of `okta` have no attribute `fristName`
      --> rules.yaml:18:16
       |
    18 |     profile: { fristName: first_name, created: hired }
       |                ^^^^^^^^^
       |
       = help: did you mean `firstName`?

    error[invalid-topology]: `created` of `okta` cannot be written
      --> rules.yaml:18:39
       |
    18 |     profile: { fristName: first_name, created: hired }
       |                                       ^^^^^^^

    error[unknown-system]: there is no system `slak`
      --> rules.yaml:19:3
       |
    19 |   slak:
       |   ^^^^
       |
       = help: did you mean `slack`?

    error[invalid-topology]: `google` cannot make accounts
      --> rules.yaml:22:15
       |
    22 |     accounts: create
       |               ^^^^^^
       |
       = help: use `existing`, `first_login` or `federated`, or `cannot: by_hand` where somebody does it

    the rules have 15 problems
    "#);
}

#[test]
fn the_same_thing_twice_or_in_two_ways_is_refused() {
    insta::assert_snapshot!(problems(r##"policy:
  name: A
  triggers: everyone
  provisions:
    - { system: gitlab, action: add_to_group, target: x, role: developer }
    - { system: gitlab, action: add_to_group, target: y, role: developer }
    - { system: gitlab, action: add_to_group, target: x, role: reporter }
    - { system: doors, action: open_door, target: lab }
    - { system: doors, action: open_door, target: lab, role: visitor }
    - { system: jira, action: add_to_project_role, target: SALES, role: A }
    - { system: jira, action: add_to_project_role, target: SALES, role: B }
"##), @r#"
    error[conflicting-provisions]: policy `A` gives the same thing on `gitlab` in two ways
     --> rules.yaml:7:7
      |
    5 |     - { system: gitlab, action: add_to_group, target: x, role: developer }
      |       - first here
    6 |     - { system: gitlab, action: add_to_group, target: y, role: developer }
    7 |     - { system: gitlab, action: add_to_group, target: x, role: reporter }
      |       ^
      |
      = help: `add_to_group x as developer` and `add_to_group x as reporter` exclude each other: leave one of them out

    error[duplicate-provision]: policy `A` gives `open_door lab as visitor` on `doors` twice
     --> rules.yaml:9:7
      |
    8 |     - { system: doors, action: open_door, target: lab }
      |       - first here
    9 |     - { system: doors, action: open_door, target: lab, role: visitor }
      |       ^
      |
      = help: leave one of them out

    the rules have 2 problems
    "#);
}

#[test]
fn triggers_for_nobody_or_everybody_are_never_meant_by_accident() {
    for triggers in ["[]", "", "[{}]", "{ department: x }", "evryone", "[{ department: [] }]", "[{ department: { in: [] } }]", "[{ department: {} }]"] {
        let text = format!("policy:\n  name: A\n  triggers: {triggers}\n  provisions: [{{ system: okta, action: add_to_group, target: x }}]\n");
        let error = Rules::parse("rules.yaml", &text).map(|_| ()).unwrap_err();
        assert_eq!(error.diagnostics().len(), 1, "{error}");
        assert_eq!(error.diagnostics()[0].line(), Some(3), "{error}");
    }
}

#[test]
fn not_yaml_is_pointed_at() {
    insta::assert_snapshot!(problems("policy:\n  name: é: x\n"), @r#"
    error[not-yaml]: this cannot be read as YAML: mapping values are not allowed in this context
     --> rules.yaml:2:10
      |
    2 |   name: é: x
      |          ^

    the rules have a problem
    "#);
}

#[test]
fn a_mistake_behind_an_alias_is_told_once_where_it_is_written() {
    let text = "policies:\n  - name: A\n    triggers: everyone\n    provisions: &all\n      - { system: okta, action: add_to_grop, target: x }\n  - { name: B, triggers: everyone, provisions: *all }\n";
    let error = Rules::parse("rules.yaml", text).and_then(|rules| crate::systems::checked(&rules)).unwrap_err();
    assert_eq!(error.diagnostics().len(), 1, "{error}");
    assert_eq!((error.diagnostics()[0].line(), error.diagnostics()[0].column()), (Some(5), Some(33)));
}

#[test]
fn merging_is_refused_with_a_way_out() {
    let shown = problems("policy: &a { name: A }\npolicies:\n  - { <<: *a }\n");
    assert!(shown.contains("merging with `<<` is not supported"), "{shown}");
}

#[test]
fn two_descriptions_of_a_system_are_both_pointed_at() {
    insta::assert_snapshot!(problems("systems:\n  okta: { accounts: create }\n---\nsystems:\n  okta: { accounts: existing }\n"), @r#"
    error[duplicate-name]: system `okta` is described twice
     --> rules.yaml:5:3
      |
    2 |   okta: { accounts: create }
      |   ---- first here
    ...
    5 |   okta: { accounts: existing }
      |   ^^^^

    the rules have a problem
    "#);
}

#[test]
fn what_a_terminal_would_obey_is_shown_escaped() {
    let role = "policy: { name: A, triggers: everyone, provisions: [{ system: gitlab, action: add_to_group, target: x, role: \"\\e[31m\\u202e\" }] }\n";
    for text in ["\"\\e[31mred\\n\": 1\n", "a: \u{1b}[31mred\n", "\u{202e}a: 1\n", "\u{202e}a: [\n", role] {
        let shown = problems(text);
        assert!(shown.starts_with("error["), "{shown}");
        assert!(shown.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')), "{shown:?}");
    }
}

#[test]
fn problems_are_also_data() {
    let error = Rules::parse("rules.yaml", "polcies: []\n").unwrap_err();
    assert_eq!(error.diagnostics()[0].code(), DiagnosticCode::UnknownKey);
    assert_eq!(error.diagnostics()[0].span(), Some(0..7));
    insta::assert_json_snapshot!(error.diagnostics(), @r#"
    [
      {
        "code": "unknown-key",
        "file": "rules.yaml",
        "line": 1,
        "column": 1,
        "span": {
          "start": 0,
          "end": 7
        },
        "message": "a rules document has no key `polcies`",
        "help": "did you mean `policies`?"
      }
    ]
    "#);
}

#[test]
fn the_text_form_of_codes_is_the_written_one() {
    for code in [DiagnosticCode::NotYaml, DiagnosticCode::UnknownKey, DiagnosticCode::ConflictingProvisions, DiagnosticCode::NoRules] {
        assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
    }
}

#[test]
fn systems_that_wait_in_a_circle_are_named() {
    insta::assert_snapshot!(problems("systems:\n  okta: { after: [google, slack] }\n  google: { after: gitlab }\n  gitlab: { after: [okta] }\n  slack: { after: slack }\n"), @r#"
    error[invalid-topology]: systems wait for each other: `gitlab` after `okta` after `google` after `gitlab`
     --> rules.yaml:3:20
      |
    3 |   google: { after: gitlab }
      |                    ^^^^^^

    error[invalid-topology]: system `slack` cannot wait for itself
     --> rules.yaml:5:19
      |
    5 |   slack: { after: slack }
      |                   ^^^^^

    the rules have 2 problems
    "#);
}

#[test]
fn a_number_that_is_a_name_wants_quotes() {
    let shown = problems(
        "policy:\n  name: A\n  triggers: everyone\n  provisions: [{ system: aws-sso, action: assign_permission_set, target: x, account: 123456789012 }]\n",
    );
    assert!(shown.contains("help: put it in quotes: \"123456789012\""), "{shown}");
}

#[test]
fn names_are_one_line() {
    let shown = problems("policy: { name: \"a\\nb\", triggers: everyone, provisions: [{ system: okta, action: add_to_group, target: x }] }\n");
    assert!(shown.contains("one line of plain text"), "{shown}");
}

#[test]
fn very_many_problems_are_counted_not_shown() {
    let lines: String = (0..150).map(|number| format!("- {{ nme: {number} }}\n")).collect();
    let error = Rules::parse("rules.yaml", &format!("policies:\n{lines}")).unwrap_err();
    assert!(error.diagnostics().len() >= 450);
    let shown = error.to_string();
    assert_eq!(shown.matches("error[").count(), 100);
    assert!(shown.contains(&format!("{} more are not shown", error.diagnostics().len() - 100)));
}

#[test]
fn very_long_waits_are_no_problem() {
    let mut text = String::from("systems:\n");
    for number in 1..20_000 {
        text.push_str(&format!("  s{number}: {{ after: s{} }}\n", number - 1));
    }
    assert!(Rules::parse("rules.yaml", &text).is_ok());
}

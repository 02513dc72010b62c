//! What is refused of what rules say about accounts, and how it is said.

use crate::systems::problems;

#[test]
fn everything_wrong_with_what_is_said_of_accounts_is_told_at_once() {
    insta::assert_snapshot!(problems(r#"systems:
  okta:
    accounts: { federatd: { by: google } }
    logins: ["{first_name", "}", "{}", "admin", "{a}", "{a}", 7]
    acces: sso
    access: mail
    keys: { login: { from: okta, field: id }, email: { field: emial }, x: { from: google, field: displayName } }
    profile: { firstName: { own: once }, lastName: {}, displayName: { form: x } }
    on_leave: suspnd
    leaver:
      cut: delete
      deactivate_after: 90 days
      delete_after: 30 days
    grace: 7
    cannot: byhand
  google:
    accounts: { federated: { system: okta, by: google, target: x } }
    leaver: { cut: deactivate, deactivate_after: 4000000 weeks }
  slack:
    accounts: {}
    logins: []
    leaver:
  jira:
    accounts: { federated: okta }
    leaver: { cut: deactivate, deactivate_after: 3 days }
"#), @r#"
    error[unknown-key]: `accounts` has no key `federatd`
     --> rules.yaml:3:17
      |
    3 |     accounts: { federatd: { by: google } }
      |                 ^^^^^^^^
      |
      = help: did you mean `federated`?

    error[invalid-value]: `{first_name` is no form of a login: a `{` is not closed
     --> rules.yaml:4:14
      |
    4 |     logins: ["{first_name", "}", "{}", "admin", "{a}", "{a}", 7]
      |              ^^^^^^^^^^^^^
      |
      = help: write `{attribute}`, or `{{` for a brace

    error[invalid-value]: `}` is no form of a login: a `}` is not opened
     --> rules.yaml:4:29
      |
    4 |     logins: ["{first_name", "}", "{}", "admin", "{a}", "{a}", 7]
      |                             ^^^
      |
      = help: write `}}` for a brace

    error[invalid-value]: `{}` is no form of a login: there is no name between `{` and `}`
     --> rules.yaml:4:34
      |
    4 |     logins: ["{first_name", "}", "{}", "admin", "{a}", "{a}", 7]
      |                                  ^^^^
      |
      = help: write `{attribute}`, or `{{` for a brace

    error[invalid-value]: `admin` is no form of a login: everybody would get the same login
     --> rules.yaml:4:40
      |
    4 |     logins: ["{first_name", "}", "{}", "admin", "{a}", "{a}", 7]
      |                                        ^^^^^^^
      |
      = help: name an attribute of the subject in braces, such as `{first_name}`

    error[invalid-value]: the login `{a}` stands twice
     --> rules.yaml:4:56
      |
    4 |     logins: ["{first_name", "}", "{}", "admin", "{a}", "{a}", 7]
      |                                                        ^^^^^

    error[wrong-type]: a login of `logins` must be a text, and this is a number
     --> rules.yaml:4:63
      |
    4 |     logins: ["{first_name", "}", "{}", "admin", "{a}", "{a}", 7]
      |                                                               ^
      |
      = help: put it in quotes: "7"

    error[unknown-key]: system `okta` has no key `acces`
     --> rules.yaml:5:5
      |
    5 |     acces: sso
      |     ^^^^^
      |
      = help: did you mean `access`?

    error[invalid-value]: `access` cannot be `mail`
     --> rules.yaml:6:13
      |
    6 |     access: mail
      |             ^^^^
      |
      = help: known are `sso`, `vendor_mail`, `hand_over`

    error[invalid-topology]: system `okta` cannot take a key from its own account
     --> rules.yaml:7:28
      |
    7 |     keys: { login: { from: okta, field: id }, email: { field: emial }, x: { from: google, field: displayName } }
      |                            ^^^^

    error[missing-key]: key `email` needs `from`
     --> rules.yaml:7:54
      |
    7 |     keys: { login: { from: okta, field: id }, email: { field: emial }, x: { from: google, field: displayName } }
      |                                                      ^
      |
      = help: add `from:`

    error[invalid-value]: an account has no field `emial`
     --> rules.yaml:7:63
      |
    7 |     keys: { login: { from: okta, field: id }, email: { field: emial }, x: { from: google, field: displayName } }
      |                                                               ^^^^^
      |
      = help: did you mean `email`?

    error[invalid-value]: an account has no field `displayName`
     --> rules.yaml:7:98
      |
    7 |     keys: { login: { from: okta, field: id }, email: { field: emial }, x: { from: google, field: displayName } }
      |                                                                                                  ^^^^^^^^^^^
      |
      = help: it is `id`, `login`, `email`, or an attribute of the profile as `profile.attribute`

    error[invalid-value]: `own` cannot be `once`
     --> rules.yaml:8:34
      |
    8 |     profile: { firstName: { own: once }, lastName: {}, displayName: { form: x } }
      |                                  ^^^^
      |
      = help: known are `create`, `always`, `never`

    error[missing-key]: attribute `lastName` needs `from`
     --> rules.yaml:8:52
      |
    8 |     profile: { firstName: { own: once }, lastName: {}, displayName: { form: x } }
      |                                                    ^
      |
      = help: add `from:`

    error[unknown-key]: attribute `displayName` has no key `form`
     --> rules.yaml:8:71
      |
    8 |     profile: { firstName: { own: once }, lastName: {}, displayName: { form: x } }
      |                                                                       ^^^^
      |
      = help: did you mean `from`?

    error[invalid-value]: `on_leave` cannot be `suspnd`
     --> rules.yaml:9:15
      |
    9 |     on_leave: suspnd
      |               ^^^^^^
      |
      = help: did you mean `suspend`?

    error[invalid-value]: `cut` cannot be `delete`
      --> rules.yaml:11:12
       |
    11 |       cut: delete
       |            ^^^^^^
       |
       = help: known are `suspend`, `deactivate`, `keep`

    error[invalid-value]: accounts would be deleted after 30 days and deactivated only after 90 days
      --> rules.yaml:13:21
       |
    12 |       deactivate_after: 90 days
       |                         ------- deactivated here
    13 |       delete_after: 30 days
       |                     ^^^^^^^

    error[wrong-type]: `grace` must be a duration, and this is a number
      --> rules.yaml:14:12
       |
    14 |     grace: 7
       |            ^
       |
       = help: say of what: `7 days`, `7 hours`

    error[invalid-value]: `cannot` cannot be `byhand`
      --> rules.yaml:15:13
       |
    15 |     cannot: byhand
       |             ^^^^^^
       |
       = help: did you mean `by_hand`?

    error[missing-key]: `federated` needs `action`
      --> rules.yaml:17:28
       |
    17 |     accounts: { federated: { system: okta, by: google, target: x } }
       |                            ^
       |
       = help: add `action:`

    error[unknown-key]: `federated` has no key `system`
      --> rules.yaml:17:30
       |
    17 |     accounts: { federated: { system: okta, by: google, target: x } }
       |                              ^^^^^^
       |
       = help: the system stands under `by`

    error[invalid-value]: `deactivate_after` is longer than 36500 days
      --> rules.yaml:18:50
       |
    18 |     leaver: { cut: deactivate, deactivate_after: 4000000 weeks }
       |                                                  ^^^^^^^^^^^^^

    error[invalid-value]: accounts are deactivated at once, and again later
      --> rules.yaml:18:50
       |
    18 |     leaver: { cut: deactivate, deactivate_after: 4000000 weeks }
       |                    ---------- at once by this    ^^^^^^^^^^^^^

    error[missing-key]: `accounts` needs `federated`
      --> rules.yaml:20:15
       |
    20 |     accounts: {}
       |               ^
       |
       = help: add `federated:`

    error[empty]: the list of `logins` is empty
      --> rules.yaml:21:13
       |
    21 |     logins: []
       |             ^

    error[empty]: `leaver` is empty
      --> rules.yaml:22:5
       |
    22 |     leaver:
       |     ^^^^^^

    error[wrong-type]: `federated` must be a mapping of `by`, `action` and what the action takes, and this is a text
      --> rules.yaml:24:28
       |
    24 |     accounts: { federated: okta }
       |                            ^^^^

    error[invalid-value]: accounts are deactivated at once, and again later
      --> rules.yaml:25:50
       |
    25 |     leaver: { cut: deactivate, deactivate_after: 3 days }
       |                    ---------- at once by this    ^^^^^^

    the rules have 30 problems
    "#);
}

#[test]
fn waits_that_follow_from_the_rest_are_waits() {
    insta::assert_snapshot!(problems(r#"systems:
  okta: { keys: { login: { from: gitlab, field: login } } }
  google: { accounts: { federated: { by: okta, action: assign_app, target: Google } } }
  gitlab: { after: google }
"#), @r#"
    error[invalid-topology]: systems wait for each other: `gitlab` after `google` after `okta` after `gitlab`
     --> rules.yaml:2:34
      |
    2 |   okta: { keys: { login: { from: gitlab, field: login } } }
      |                                  ^^^^^^

    the rules have a problem
    "#);
}

#[test]
fn everything_the_systems_cannot_do_is_told_at_once() {
    insta::assert_snapshot!(problems(r#"systems:
  okta:
    accounts: existing
    logins: ["{first_name}"]
    profile: { firstName: { own: never }, department: { own: create }, created: { from: hired, own: create }, frstName: { own: never } }
  google:
    accounts: { federated: { by: okta, action: assign_ap, target: Google } }
    keys: { email: { from: okta, field: profile.dispalyName } }
    on_leave: suspend
    leaver: { cut: suspend, deactivate_after: 30 days }
  gitlab:
    accounts: invite
    logins: "{first_name}"
    keys: { extern_uid: { from: otka, field: profile.x } }
    on_leave: suspend
    leaver: { cut: suspend, delete_after: 30 days }
  slack:
    accounts: { federated: { by: otka, action: assign_app, target: Slack } }
    leaver: { cut: deactivate }
  jira:
    accounts: { federated: { by: okta, action: assign_app, role: x } }
    logins: "{first_name}"
"#), @r#"
    error[invalid-topology]: logins are chosen where accounts are made, and those of `okta` are not made by us
     --> rules.yaml:4:5
      |
    4 |     logins: ["{first_name}"]
      |     ^^^^^^
      |
      = help: leave `logins` out, or use `accounts: create` or `accounts: invite`

    error[invalid-topology]: nothing says what `department` of `okta` is filled with
     --> rules.yaml:5:43
      |
    5 |     profile: { firstName: { own: never }, department: { own: create }, created: { from: hired, own: create }, frstName: { own: never } }
      |                                           ^^^^^^^^^^
      |
      = help: add `from:` with an attribute of the subject

    error[invalid-topology]: `created` of `okta` cannot be written
     --> rules.yaml:5:72
      |
    5 |     profile: { firstName: { own: never }, department: { own: create }, created: { from: hired, own: create }, frstName: { own: never } }
      |                                                                        ^^^^^^^

    error[invalid-topology]: accounts of `okta` have no attribute `frstName`
     --> rules.yaml:5:111
      |
    5 |     profile: { firstName: { own: never }, department: { own: create }, created: { from: hired, own: create }, frstName: { own: never } }
      |                                                                                                               ^^^^^^^^
      |
      = help: did you mean `firstName`?

    error[unknown-action]: `okta` has no action `assign_ap`
     --> rules.yaml:7:48
      |
    7 |     accounts: { federated: { by: okta, action: assign_ap, target: Google } }
      |                                                ^^^^^^^^^
      |
      = help: did you mean `assign_app`?

    error[invalid-topology]: accounts of `okta` have no attribute `dispalyName`
     --> rules.yaml:8:41
      |
    8 |     keys: { email: { from: okta, field: profile.dispalyName } }
      |                                         ^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `displayName`?

    error[invalid-topology]: `google` cannot suspend accounts
     --> rules.yaml:9:15
      |
    9 |     on_leave: suspend
      |               ^^^^^^^
      |
      = help: use `keep`, or `cannot: by_hand` where somebody does it

    error[invalid-topology]: `google` cannot deactivate accounts
      --> rules.yaml:10:47
       |
    10 |     leaver: { cut: suspend, deactivate_after: 30 days }
       |                                               ^^^^^^^
       |
       = help: leave it out, or `cannot: by_hand` where somebody does it

    error[invalid-topology]: `gitlab` cannot invite people
      --> rules.yaml:12:15
       |
    12 |     accounts: invite
       |               ^^^^^^
       |
       = help: use `existing`, `first_login` or `federated`, or `cannot: by_hand` where somebody does it

    error[unknown-system]: there is no system `otka`
      --> rules.yaml:14:33
       |
    14 |     keys: { extern_uid: { from: otka, field: profile.x } }
       |                                 ^^^^
       |
       = help: did you mean `okta`?

    error[invalid-topology]: `gitlab` cannot suspend accounts
      --> rules.yaml:15:15
       |
    15 |     on_leave: suspend
       |               ^^^^^^^
       |
       = help: use `keep`, or `cannot: by_hand` where somebody does it

    error[invalid-topology]: `gitlab` cannot suspend accounts
      --> rules.yaml:16:20
       |
    16 |     leaver: { cut: suspend, delete_after: 30 days }
       |                    ^^^^^^^
       |
       = help: use `keep`, or `cannot: by_hand` where somebody does it

    error[invalid-topology]: `gitlab` cannot delete accounts
      --> rules.yaml:16:43
       |
    16 |     leaver: { cut: suspend, delete_after: 30 days }
       |                                           ^^^^^^^
       |
       = help: leave it out, or `cannot: by_hand` where somebody does it

    error[unknown-system]: there is no system `otka`
      --> rules.yaml:18:34
       |
    18 |     accounts: { federated: { by: otka, action: assign_app, target: Slack } }
       |                                  ^^^^
       |
       = help: did you mean `okta`?

    error[invalid-topology]: `slack` cannot deactivate accounts
      --> rules.yaml:19:20
       |
    19 |     leaver: { cut: deactivate }
       |                    ^^^^^^^^^^
       |
       = help: use `keep`, or `cannot: by_hand` where somebody does it

    error[invalid-provision]: `assign_app` needs a target
      --> rules.yaml:21:48
       |
    21 |     accounts: { federated: { by: okta, action: assign_app, role: x } }
       |                                                ^^^^^^^^^^
       |
       = help: add `target:` with the name of the application

    error[invalid-role]: `assign_app` has no roles
      --> rules.yaml:21:60
       |
    21 |     accounts: { federated: { by: okta, action: assign_app, role: x } }
       |                                                            ^^^^
       |
       = help: leave `role` out

    error[invalid-topology]: logins are chosen where accounts are made, and those of `jira` are not made by us
      --> rules.yaml:22:5
       |
    22 |     logins: "{first_name}"
       |     ^^^^^^
       |
       = help: leave `logins` out, or use `accounts: create` or `accounts: invite`

    the rules have 18 problems
    "#);
}

#[test]
fn what_an_account_needs_is_not_left_out_when_we_make_it() {
    insta::assert_snapshot!(problems(r#"systems:
  okta: { profile: { firstName: { own: never }, created: { own: never } } }
"#), @r#"
    error[invalid-topology]: no account of `okta` can be made without `firstName`
     --> rules.yaml:2:22
      |
    2 |   okta: { profile: { firstName: { own: never }, created: { own: never } } }
      |                      ^^^^^^^^^
      |
      = help: use `own: create`, so that it is only set then

    error[invalid-topology]: `created` of `okta` cannot be written
     --> rules.yaml:2:49
      |
    2 |   okta: { profile: { firstName: { own: never }, created: { own: never } } }
      |                                                 ^^^^^^^

    the rules have 2 problems
    "#);
}

/// What can be had instead is what the system can do.
#[test]
fn another_cut_is_named_where_there_is_one() {
    let slack = problems("systems: { slack: { leaver: { cut: deactivate } } }");
    assert!(slack.contains("help: use `keep`, or"), "{slack}");
    let google = problems("systems: { google: { leaver: { cut: deactivate } } }");
    assert!(google.contains("help: use `suspend` or `keep`, or"), "{google}");
}

/// Where the rules do not say who makes accounts, the adapter does.
#[test]
fn what_the_adapter_makes_is_ours() {
    assert_eq!(problems("systems: { okta: { logins: '{a}' } }"), "no problem");
    assert!(problems("systems: { slack: { logins: '{a}' } }").contains("those of `slack` are not made by us"));
}

#[test]
fn what_no_api_can_do_may_be_left_to_people() {
    let said = "accounts: create, logins: '{a}', on_leave: suspend, leaver: { cut: deactivate, delete_after: 1 day }";
    assert!(problems(&format!("systems: {{ slack: {{ {said} }} }}")).contains("the rules have 4 problems"));
    assert_eq!(problems(&format!("systems: {{ slack: {{ {said}, cannot: by_hand }} }}")), "no problem");
    assert!(problems("systems: { slack: { cannot: by_hand, keys: { x: y } } }").contains("finds no accounts by `x`"), "what is not known stays a mistake");
}

#[test]
fn a_systems_file_among_the_rules_is_told_as_one() {
    insta::assert_snapshot!(problems(r#"systems:
  okta:
    type: okta
    url: https://company.okta.com
    credentials: { token: { env: OKTA_TOKEN } }
  slack:
    type: slack
    credentials: { token: { env: SLACK_TOKEN } }
"#), @r"
    error[invalid-topology]: this is a systems file: it says where `okta` is, and rules say how accounts come about
     --> rules.yaml:3:5
      |
    3 |     type: okta
      |     ^^^^
      |
      = help: keep it outside of the folder with the rules

    the rules have a problem
    ");
}

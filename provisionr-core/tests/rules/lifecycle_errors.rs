//! What is refused of durations and the lifecycle, and how it is said.

use crate::systems::problems;

#[test]
fn durations_are_a_number_and_a_unit() {
    insta::assert_snapshot!(problems(r#"systems:
  okta: { grace: 1 month }
  google: { grace: 3 dasy }
  gitlab: { grace: 3days }
  slack: { grace: days }
  jira: { grace: -3 days }
  doors: { grace: [3 days] }
  aws-sso: { grace: 1.5 }
  salesforce: { grace: }
"#), @r#"
    error[invalid-value]: `grace` cannot be `1 month`: that is no duration
     --> rules.yaml:2:18
      |
    2 |   okta: { grace: 1 month }
      |                  ^^^^^^^
      |
      = help: a duration is a whole number of minutes, hours, days or weeks, such as `30 days`

    error[invalid-value]: `grace` cannot be `3 dasy`: that is no duration
     --> rules.yaml:3:20
      |
    3 |   google: { grace: 3 dasy }
      |                    ^^^^^^
      |
      = help: did you mean `3 days`?

    error[invalid-value]: `grace` cannot be `3days`: that is no duration
     --> rules.yaml:4:20
      |
    4 |   gitlab: { grace: 3days }
      |                    ^^^^^
      |
      = help: did you mean `3 days`?

    error[invalid-value]: `grace` cannot be `days`: that is no duration
     --> rules.yaml:5:19
      |
    5 |   slack: { grace: days }
      |                   ^^^^
      |
      = help: a duration is a whole number of minutes, hours, days or weeks, such as `30 days`

    error[invalid-value]: `grace` cannot be `-3 days`: that is no duration
     --> rules.yaml:6:18
      |
    6 |   jira: { grace: -3 days }
      |                  ^^^^^^^
      |
      = help: a duration is a whole number of minutes, hours, days or weeks, such as `30 days`

    error[wrong-type]: `grace` must be a duration such as `30 days`, and this is a list
     --> rules.yaml:7:19
      |
    7 |   doors: { grace: [3 days] }
      |                   ^

    error[wrong-type]: `grace` must be a duration, and this is a number
     --> rules.yaml:8:21
      |
    8 |   aws-sso: { grace: 1.5 }
      |                     ^^^
      |
      = help: say of what: `1.5 days`, `1.5 hours`

    error[empty]: `grace` is empty
     --> rules.yaml:9:17
      |
    9 |   salesforce: { grace: }
      |                 ^^^^^

    the rules have 8 problems
    "#);
}

#[test]
fn the_lifecycle_is_described_once() {
    insta::assert_snapshot!(problems(r#"lifecycle: { grace: 3 days }
---
lifecycle:
  accounts_before: 7 days
  access_before: 2 weeks
  first_day:
  last_dya: end_date
---
lifecycle: [grace]
"#), @r#"
    error[duplicate-name]: `lifecycle` is described twice
     --> rules.yaml:3:1
      |
    1 | lifecycle: { grace: 3 days }
      | --------- first here
    2 | ---
    3 | lifecycle:
      | ^^^^^^^^^

    error[invalid-value]: access would be granted before there is an account
     --> rules.yaml:5:18
      |
    5 |   access_before: 2 weeks
      |                  ^^^^^^^
      |
      = help: accounts are made 7 days before the first day: grant access at most that early, or make accounts earlier

    error[empty]: `first_day` is empty
     --> rules.yaml:6:3
      |
    6 |   first_day:
      |   ^^^^^^^^^

    error[unknown-key]: `lifecycle` has no key `last_dya`
     --> rules.yaml:7:3
      |
    7 |   last_dya: end_date
      |   ^^^^^^^^
      |
      = help: did you mean `last_day`?

    error[wrong-type]: `lifecycle` must be a mapping, and this is a list
     --> rules.yaml:9:12
      |
    9 | lifecycle: [grace]
      |            ^

    the rules have 5 problems
    "#);
}

#[test]
fn two_things_may_be_due_at_once() {
    assert_eq!(problems("lifecycle: { accounts_before: 7 days, access_before: 1 week }"), "no problem");
    assert_eq!(problems("systems: { okta: { leaver: { deactivate_after: 30 days, delete_after: 30 days } } }"), "no problem");
}

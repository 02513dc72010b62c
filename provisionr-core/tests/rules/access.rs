//! Desired access: merged, explained, and never picked where policies contradict each other.

use provisionr_core::{Clash, Lifecycle, Subject, desired};

use crate::systems::{problems, rules};

/// One policy for everyone per list of provisions.
fn policies(provisions: &[&str]) -> String {
    let mut text = String::from("policies:\n");
    for (number, provision) in provisions.iter().enumerate() {
        text.push_str(&format!("  - name: \"P{number}\"\n    triggers: everyone\n    provisions: [{provision}]\n"));
    }
    text
}

fn gitlab(role: &str) -> String {
    format!("{{ system: gitlab, action: add_to_group, target: platform, role: {role} }}")
}

#[test]
fn the_same_thing_is_wanted_once_for_all_reasons() {
    let group = "{ system: okta, action: add_to_group, target: staff }";
    let rules = rules(&policies(&[group, group]));
    let access = desired(&rules, &Subject::new("7"));
    let okta = access.for_system(&"okta".into()).unwrap();
    assert_eq!(okta.entitlements.len(), 1);
    let reasons: Vec<_> = okta.entitlements[0].reasons.iter().map(ToString::to_string).collect();
    assert_eq!(reasons, ["P0 (everyone)", "P1 (everyone)"]);
    assert_eq!(access.systems().len(), 1);
    assert_eq!(access.revision, rules.revision());
}

#[test]
fn a_trigger_is_one_reason_however_many_values_match() {
    let text = "policy: { name: P, triggers: [{ skills: [rust, sql] }, { skills: { glob: \"*\" } }], provisions: [{ system: okta, action: add_to_group, target: x }] }\n";
    let access = desired(&rules(text), &Subject::new("7").with("skills", ["rust", "sql"].as_slice()));
    let reasons: Vec<_> = access.for_system(&"okta".into()).unwrap().entitlements[0].reasons.iter().map(ToString::to_string).collect();
    assert_eq!(reasons, [r#"P (skills in ["rust", "sql"])"#, r#"P (skills like "*")"#]);
}

#[test]
fn who_is_gone_should_have_nothing() {
    let rules = rules(&policies(&["{ system: okta, action: add_to_group, target: staff }"]));
    assert!(desired(&rules, &Subject::new("7").with_lifecycle(Lifecycle::Terminated)).is_empty());
    for there in [Lifecycle::Prehire, Lifecycle::Active, Lifecycle::OnLeave] {
        assert!(!desired(&rules, &Subject::new("7").with_lifecycle(there)).is_empty());
    }
}

#[test]
fn the_higher_role_wins_and_says_what_it_covers() {
    for order in [["reporter", "maintainer", "developer"], ["maintainer", "developer", "reporter"]] {
        let lines = order.map(gitlab);
        let access = desired(&rules(&policies(&[&lines[0], &lines[1], &lines[2]])), &Subject::new("7"));
        let gitlab = access.for_system(&"gitlab".into()).unwrap();
        assert!(gitlab.contradictions.is_empty());
        assert_eq!(gitlab.entitlements.len(), 1);
        assert_eq!(gitlab.entitlements[0].wanted.role.as_ref().unwrap(), &"maintainer");
        assert_eq!(gitlab.entitlements[0].reasons.len(), 1);
        let covered: Vec<_> = gitlab.entitlements[0].covers.iter().map(|covered| covered.role.as_str()).collect();
        assert_eq!(covered, ["reporter", "developer"]);
    }
}

#[test]
fn roles_that_cannot_be_compared_are_a_contradiction() {
    for (one, two) in [("minimal", "developer"), ("maintainer", "co-maintainer")] {
        let access = desired(&rules(&policies(&[&gitlab(one), &gitlab(two)])), &Subject::new("7"));
        let gitlab = access.for_system(&"gitlab".into()).unwrap();
        assert!(gitlab.entitlements.is_empty(), "nothing is picked");
        assert_eq!(gitlab.contradictions.len(), 1);
        assert_eq!(gitlab.contradictions[0].clash, Clash::Roles);
        let shown = gitlab.contradictions[0].to_string();
        assert!(shown.contains(one) && shown.contains(two) && shown.contains("P0 (everyone)") && shown.contains("P1 (everyone)"), "{shown}");
        assert_eq!(access.contradictions().count(), 1);
    }
}

#[test]
fn a_role_that_tops_one_of_two_does_not_decide() {
    let lines = ["developer", "maintainer", "minimal"].map(gitlab);
    let access = desired(&rules(&policies(&[&lines[0], &lines[1], &lines[2]])), &Subject::new("7"));
    assert_eq!(access.for_system(&"gitlab".into()).unwrap().contradictions[0].candidates.len(), 3);
}

#[test]
fn different_values_are_a_contradiction_even_under_a_higher_role() {
    let door = |rest: &str| format!("{{ system: doors, action: open_door, target: lab, {rest} }}");
    let access = desired(&rules(&policies(&[&door("until: 2024-11-25"), &door("role: keyholder")])), &Subject::new("7"));
    assert_eq!(access.for_system(&"doors".into()).unwrap().contradictions[0].clash, Clash::Values);
}

#[test]
fn parts_of_the_key_make_different_things() {
    let jira = |role: &str| format!("{{ system: jira, action: add_to_project_role, target: SALES, role: {role} }}");
    let aws = |account: &str| format!("{{ system: aws-sso, action: assign_permission_set, target: Read, account: {account} }}");
    let access = desired(&rules(&policies(&[&jira("A"), &jira("B"), &aws("one"), &aws("two")])), &Subject::new("7"));
    assert_eq!(access.for_system(&"jira".into()).unwrap().entitlements.len(), 2);
    assert_eq!(access.for_system(&"aws-sso".into()).unwrap().entitlements.len(), 2);
    assert_eq!(access.contradictions().count(), 0);
}

#[test]
fn two_of_what_an_account_holds_once_are_a_contradiction() {
    let profile = |name: &str| format!("{{ system: salesforce, action: assign_profile, target: {name} }}");
    let access = desired(&rules(&policies(&[&profile("Sales"), &profile("Support"), &profile("Sales")])), &Subject::new("7"));
    let salesforce = access.for_system(&"salesforce".into()).unwrap();
    assert!(salesforce.entitlements.is_empty());
    assert_eq!(salesforce.contradictions[0].clash, Clash::OnlyOne);
    assert_eq!(salesforce.contradictions[0].candidates.len(), 2);

    let both = problems(&policies(&[&format!("{}, {}", profile("Sales"), profile("Support"))]));
    assert!(both.contains("conflicting-provisions"), "{both}");
}

/// What the accounts of federated systems need on okta, by target, with its reasons.
fn on_okta(text: &str) -> Vec<(String, Vec<String>)> {
    let access = desired(&rules(text), &Subject::new("7").with("department", "Sales"));
    let entitlements = access.for_system(&"okta".into()).map(|okta| okta.entitlements.clone()).unwrap_or_default();
    entitlements.into_iter().map(|wanted| (wanted.wanted.target.to_string(), wanted.reasons.iter().map(ToString::to_string).collect())).collect()
}

const FEDERATED: &str = r#"
systems:
  google: { accounts: { federated: { by: okta, action: assign_app, target: Google } } }
  slack: { accounts: { federated: { by: okta, action: assign_app, target: Google } } }
  gitlab: { accounts: federated }
---
"#;

#[test]
fn what_makes_accounts_elsewhere_is_wanted_while_they_are() {
    let google = "{ system: google, action: add_to_group, target: all }";
    let slack = "{ system: slack, action: invite_to_channel, target: all }";
    let app = "{ system: okta, action: assign_app, target: Google }";
    let policies = |provisions: &[&str]| format!("{FEDERATED}{}", policies(provisions));
    let wanted = |reasons: &[&str]| vec![("Google".to_owned(), reasons.iter().map(ToString::to_string).collect())];

    assert_eq!(on_okta(&policies(&[google])), wanted(&["topology (accounts of google)"]));
    assert_eq!(on_okta(&policies(&[google, google, slack])), wanted(&["topology (accounts of google)", "topology (accounts of slack)"]));
    assert_eq!(on_okta(&policies(&[app, slack])), wanted(&["P0 (everyone)", "topology (accounts of slack)"]));
    assert_eq!(on_okta(&policies(&[&gitlab("developer")])), []);
    assert_eq!(on_okta(&policies(&[google]).replace("everyone", "[{ department: Support }]")), [], "nothing is wanted there");
    let gone = Subject::new("7").with_lifecycle(Lifecycle::Terminated);
    assert!(desired(&rules(&policies(&[google])), &gone).is_empty());
}

#[test]
fn accounts_are_made_along_chains() {
    let text = r#"
systems:
  slack: { accounts: { federated: { by: google, action: add_to_group, target: slack-users } } }
  google: { accounts: { federated: { by: okta, action: assign_app, target: Google } } }
---
"#;
    let text = format!("{text}{}", policies(&["{ system: slack, action: invite_to_channel, target: all }"]));
    assert_eq!(on_okta(&text), [("Google".to_owned(), vec!["topology (accounts of google)".to_owned()])]);
    let access = desired(&rules(&text), &Subject::new("7"));
    let google = access.for_system(&"google".into()).unwrap();
    assert_eq!(google.entitlements[0].reasons[0].to_string(), "topology (accounts of slack)");
    assert_eq!(access.systems().len(), 3);
}

/// Somebody with undecided access in a system still needs an account there.
#[test]
fn a_contradiction_elsewhere_keeps_the_account() {
    let text = r#"
systems:
  gitlab: { accounts: { federated: { by: okta, action: assign_app, target: GitLab } } }
---
"#;
    let text = format!("{text}{}", policies(&[&gitlab("minimal"), &gitlab("developer")]));
    assert_eq!(on_okta(&text), [("GitLab".to_owned(), vec!["topology (accounts of gitlab)".to_owned()])]);
}

#[test]
fn what_makes_accounts_is_held_against_policies_like_any_other_want() {
    let federated = |role: &str| {
        format!("systems: {{ okta: {{ accounts: {{ federated: {{ by: gitlab, action: add_to_group, target: platform, role: {role} }} }} }} }}\n---\n")
    };
    let text = |role: &str| format!("{}{}", federated(role), policies(&["{ system: okta, action: add_to_group, target: x }", &gitlab("developer")]));
    let access = desired(&rules(&text("guest")), &Subject::new("7"));
    let covered = &access.for_system(&"gitlab".into()).unwrap().entitlements[0].covers[0];
    assert_eq!((covered.role.as_str(), covered.reasons[0].to_string()), ("guest", "topology (accounts of okta)".to_owned()));
    assert_eq!(desired(&rules(&text("minimal")), &Subject::new("7")).contradictions().count(), 1);
}

#[test]
fn desired_access_is_written_in_one_form() {
    let lines = ["reporter", "developer"].map(gitlab);
    let access = desired(&rules(&policies(&[&lines[0], &lines[1]])), &Subject::new("7"));
    let mut json = serde_json::to_value(&access).unwrap();
    json["revision"] = "…".into();
    insta::assert_json_snapshot!(json, @r#"
    {
      "revision": "…",
      "subject": "7",
      "systems": {
        "gitlab": {
          "entitlements": [
            {
              "covers": [
                {
                  "reasons": [
                    {
                      "policy": "P0",
                      "trigger": "everyone"
                    }
                  ],
                  "role": "reporter"
                }
              ],
              "key": "add_to_group/platform",
              "reasons": [
                {
                  "policy": "P1",
                  "trigger": "everyone"
                }
              ],
              "wanted": {
                "kind": "add_to_group",
                "role": "developer",
                "target": "platform"
              }
            }
          ]
        }
      }
    }
    "#);
}

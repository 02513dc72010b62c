//! Which subjects a trigger matches.

use provisionr_core::{Rules, Subject, desired};
use serde_json::{Value, json};

use crate::systems::rules;

fn matches(trigger: &str, attributes: &Value) -> bool {
    let text = format!("policy:\n  name: P\n  triggers: [{trigger}]\n  provisions: [{{ system: okta, action: add_to_group, target: g }}]\n");
    let mut subject = Subject::new("7");
    subject.attributes = serde_json::from_value(attributes.clone()).unwrap();
    !desired(&rules(&text), &subject).is_empty()
}

#[test]
fn conditions() {
    let sarah = json!({
        "department": "Engineering", "level": 4, "score": 2.5, "remote": true, "email": "sarah@company.com", "hired": "2024-11-25",
        "seen": "2024-11-25T23:30:00-02:00", "skills": ["rust", "sql"], "grades": [1, 9], "address": { "country": "NO" }, "code": "007",
        "manager": null, "tags": [],
    });
    for (trigger, expected) in [
        ("{ department: Engineering }", true),
        ("{ department: engineering }", false),
        ("{ department: Engineering, level: 4 }", true),
        ("{ department: Engineering, level: 5 }", false),
        ("{ department: [Sales, Engineering] }", true),
        ("{ department: [Accounting, Engineering] }", true),
        ("{ department: [Sales, Support] }", false),
        ("{ level: 4.0 }", true),
        ("{ level: \"4\" }", false),
        ("{ score: 2.5 }", true),
        ("{ remote: true }", true),
        ("{ remote: \"true\" }", false),
        ("{ code: 007 }", true),
        ("{ code: 7 }", false),
        // Not the truth value of older YAML.
        ("{ address.country: NO }", true),
        ("{ address.city: Oslo }", false),
        ("{ skills: sql }", true),
        ("{ skills: go }", false),
        ("{ department: { eq: Engineering } }", true),
        ("{ department: { in: [Sales, Engineering] } }", true),
        ("{ department: { in: Engineering } }", true),
        ("{ department: { not: Sales } }", true),
        ("{ department: { not: [Sales, Engineering] } }", false),
        ("{ skills: { not: go } }", true),
        ("{ skills: { not: sql } }", false),
        // Nothing is known of it, so nobody gets access by it.
        ("{ unheard_of: { not: Sales } }", false),
        ("{ email: { glob: \"*@company.com\" } }", true),
        ("{ email: { glob: [\"*@other.com\", \"s*\"] } }", true),
        ("{ email: { glob: \"company\" } }", false),
        ("{ level: { min: 4 } }", true),
        ("{ level: { min: 4.5 } }", false),
        ("{ level: { max: 4 } }", true),
        ("{ level: { min: 3, max: 3.9 } }", false),
        ("{ department: { min: 1 } }", false),
        // One and the same grade has to be in the range.
        ("{ grades: { min: 2, max: 8 } }", false),
        ("{ grades: { min: 2 } }", true),
        ("{ hired: { after: 2024-11-24, before: 2024-11-26 } }", true),
        ("{ hired: { after: 2024-11-25 } }", false),
        ("{ hired: { before: 2024-11-25 } }", false),
        // The day in UTC.
        ("{ seen: { after: 2024-11-25 } }", true),
        ("{ email: { after: 2024-11-25 } }", false),
        ("{ department: { exists: true } }", true),
        ("{ manager: { exists: true } }", false),
        ("{ manager: { exists: false } }", true),
        ("{ tags: { exists: false } }", true),
        ("{ address: { exists: true } }", true),
        ("{ email: { glob: \"*@company.com\", not: sarah@company.com } }", false),
        ("{ email: { glob: \"*@company.com\", not: root@company.com } }", true),
        ("{ department: Sales }, { level: 4 }", true),
        ("{ department: Sales }, { level: 5 }", false),
    ] {
        assert_eq!(matches(trigger, &sarah), expected, "{trigger}");
    }
}

#[test]
fn triggers_read_like_sentences() {
    let rules = Rules::parse(
        "rules.yaml",
        r#"
policy:
  name: P
  triggers:
    - { seniority: Senior, department: [Sales, "R\"D"] }
    - level: { min: 3, max: 5.5, not: 4 }
      hired: { after: 2024-01-01, before: 2025-01-01 }
      email: { glob: "*@x.com", not: [a@x.com, b@x.com], exists: true }
      "odd name": { exists: false }
    - { department: ["R\"D", Sales, Sales], seniority: { eq: Senior } }
  provisions: [{ system: okta, action: add_to_group, target: g }]
"#,
    )
    .unwrap();
    let triggers: Vec<_> = rules.policies().next().unwrap().triggers().collect();
    insta::assert_snapshot!(triggers.join("\n"), @r#"
    department in ["R\"D", "Sales"] and seniority = "Senior"
    email not in ["a@x.com", "b@x.com"] and email like "*@x.com" and email is there and hired before 2025-01-01 and hired after 2024-01-01 and level != 4 and level >= 3 and level <= 5.5 and "odd name" is not there
    "#);
}

//! How accounts come about, and the schema editors read.

use provisionr_core::rules::AccountOrigin;
use provisionr_core::{IdentityKey, Rules, Subject};
use serde_json::{Value, json};

use crate::systems::{rules, systems};

#[test]
fn what_is_said_of_systems_is_read() {
    let rules = rules(
        r"
systems:
  okta:
    accounts: create
    after: google
    keys: { login: work.email, email: email }
    profile: { firstName: first_name, lastName: last_name }
---
systems:
  gitlab: { accounts: first_login, after: [okta, google] }
",
    );
    let okta = rules.topology().system(&"okta".into()).unwrap();
    let gitlab = rules.topology().system(&"gitlab".into()).unwrap();
    assert_eq!((okta.accounts, gitlab.accounts), (Some(AccountOrigin::Create), Some(AccountOrigin::FirstLogin)));
    assert_eq!(Vec::from_iter(&gitlab.after), [&"google", &"okta"]);
    assert!(rules.topology().system(&"slack".into()).is_none());

    let subject = Subject::new("7").with("work", json!({ "email": "s@x.com" })).with("email", "s@home.org").with("first_name", "Sarah");
    assert_eq!(okta.identity_keys(&subject), [IdentityKey::new("login", "s@x.com"), IdentityKey::new("email", "s@home.org")]);
    assert_eq!(okta.profile_of(&subject), [("firstName".to_owned(), Value::from("Sarah"))].into());
    assert!(okta.identity_keys(&Subject::new("8").with("email", ["a", "b"].as_slice()).with("work", json!({ "email": " " }))).is_empty());
}

#[test]
fn the_revision_follows_what_is_meant() {
    let revision = |text: &str| Rules::parse("rules.yaml", text).unwrap().revision();
    let policy =
        |description: &str| format!("policy: {{ name: A, {description} triggers: everyone, provisions: [{{ system: okta, action: x, target: y }}] }}\n");
    assert_eq!(revision(&policy("")), revision(&policy("description: \"Why\",")));

    let systems = |text: &str| revision(&format!("systems: {{ okta: {text} }}"));
    assert_eq!(systems("{ key: email }"), systems("{ keys: { email: email } }"));
    assert_eq!(systems("{ after: [a, b] }"), systems("{ after: [b, a] }"));
    let all = [
        Rules::empty().revision(),
        systems("{}"),
        systems("{ accounts: create }"),
        systems("{ accounts: existing }"),
        systems("{ after: a }"),
        systems("{ keys: { a: x, b: y } }"),
        systems("{ keys: { b: y, a: x } }"),
        systems("{ profile: { a: x } }"),
        systems("{ profile: { a: y } }"),
        revision(&policy("")),
    ];
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
}

#[test]
fn the_schema_offers_what_the_systems_have() {
    let schema = Rules::json_schema(&systems());
    let variants = schema["$defs"]["provision"]["oneOf"].as_array().unwrap();
    let offered: Vec<_> = variants.iter().map(|variant| (&variant["properties"]["system"]["const"], &variant["properties"]["action"]["const"])).collect();
    assert_eq!(offered.len(), 8);
    assert!(offered.contains(&(&json!("aws-sso"), &json!("assign_permission_set"))));
    for variant in variants {
        assert_eq!(variant["required"][0], "system");
        assert_eq!(variant["additionalProperties"], false);
    }
    let gitlab = variants.iter().find(|variant| variant["properties"]["system"]["const"] == "gitlab").unwrap();
    assert!(gitlab["properties"]["role"]["enum"].as_array().unwrap().contains(&json!("developer")));
    let okta = &schema["properties"]["systems"]["properties"]["okta"]["properties"];
    assert_eq!(okta["keys"]["propertyNames"]["enum"], json!(["login", "email"]));
    assert_eq!(okta["profile"]["propertyNames"]["enum"], json!(["firstName", "lastName"]));
    let mut again = systems();
    again.reverse();
    assert_eq!(schema, Rules::json_schema(&again));
}

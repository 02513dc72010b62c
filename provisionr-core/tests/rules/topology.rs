//! How accounts come about, and the schema editors read.

use std::time::Duration;

use provisionr_core::rules::{AccountField, AccountOrigin, Cannot, Cut, KeySource, OnLeave, Ownership};
use provisionr_core::{Account, AccountAccess, AccountState, IdentityKey, Rules, Subject, SystemName};
use serde_json::{Value, json};

use crate::systems::{rules, systems};

fn nobody(_: &SystemName) -> Option<Account> {
    None
}

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
    assert_eq!(okta.identity_keys(&subject, &nobody), [IdentityKey::new("login", "s@x.com"), IdentityKey::new("email", "s@home.org")]);
    assert_eq!(okta.profile_of(&subject), [("firstName".to_owned(), Value::from("Sarah"))].into());
    assert!(okta.identity_keys(&Subject::new("8").with("email", ["a", "b"].as_slice()).with("work", json!({ "email": " " })), &nobody).is_empty());
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
    assert_eq!(
        systems("{ after: a, accounts: { federated: { by: a, action: x, target: y } } }"),
        systems("{ accounts: { federated: { by: a, action: x, target: y } } }")
    );
    assert_eq!(systems("{ profile: { a: x } }"), systems("{ profile: { a: { from: x, own: always } } }"));
    assert_eq!(systems("{ on_leave: keep, leaver: { cut: suspend }, cannot: refuse }"), systems("{}"));
    assert_eq!(systems("{ grace: 2 weeks }"), systems("{ grace: 336 hours }"));
    assert_eq!(systems("{ logins: '{a}' }"), systems("{ logins: ['{a}'] }"));
    assert_eq!(revision("lifecycle: { first_day: start_date, last_day: end_date, grace: 0 days }"), Rules::empty().revision());
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
        systems("{ profile: { a: { from: x, own: create } } }"),
        systems("{ profile: { a: { from: x, own: never } } }"),
        systems("{ profile: { a: { own: create } } }"),
        systems("{ accounts: invite }"),
        systems("{ accounts: federated }"),
        systems("{ accounts: federated, after: a }"),
        systems("{ accounts: { federated: { by: a, action: x, target: y } } }"),
        systems("{ accounts: { federated: { by: a, action: x, target: z } } }"),
        systems("{ keys: { a: { from: a, field: id } } }"),
        systems("{ keys: { a: { from: a, field: login } } }"),
        systems("{ keys: { a: { from: b, field: id } } }"),
        systems("{ logins: ['{a}', '{b}'] }"),
        systems("{ logins: ['{b}', '{a}'] }"),
        systems("{ access: sso }"),
        systems("{ access: hand_over }"),
        systems("{ on_leave: suspend }"),
        systems("{ leaver: { cut: keep } }"),
        systems("{ leaver: { deactivate_after: 1 day } }"),
        systems("{ leaver: { delete_after: 1 day } }"),
        systems("{ leaver: { deactivate_after: 2 days } }"),
        systems("{ leaver: { delete_after: 2 days } }"),
        systems("{ grace: 1 day }"),
        systems("{ grace: 2 days }"),
        systems("{ access: vendor_mail }"),
        systems("{ cannot: by_hand }"),
        revision("lifecycle: { first_day: x }"),
        revision("lifecycle: { last_day: x }"),
        revision("lifecycle: { accounts_before: 1 day }"),
        revision("lifecycle: { access_before: 1 day }"),
        revision("lifecycle: { grace: 1 day }"),
        revision("lifecycle: { grace: 2 days }"),
        revision("lifecycle: { accounts_before: 2 days }"),
        revision("lifecycle: { access_before: 2 days }"),
        revision(&policy("")),
    ];
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
}

/// Plans and audit entries name revisions: rules that say nothing new keep theirs from version to version.
#[test]
fn revisions_last() {
    let text = "policies:\n  - { name: A, triggers: [{ a: 1 }], provisions: [{ system: okta, action: add_to_group, target: x }] }\nsystems:\n  okta: { accounts: create, after: [google], keys: { login: work.email, email: email }, profile: { firstName: first_name, lastName: last_name } }\n  google: { accounts: federated, key: email }\n";
    let revision = Rules::parse("rules.yaml", text).unwrap().revision().to_string();
    assert_eq!(revision, "7e69867a24f40a9b44cd4bf0da12f0ca105365ad72077bf67a2e8660b344548d");
    assert_eq!(Rules::empty().revision().to_string(), "0b2176ce3b1cc7e36fff96aab1edfcd8688a1e6f2386740a5f39e61d8d39c056");
}

#[test]
fn keys_may_come_from_another_systems_account() {
    let rules = rules(
        "systems: { gitlab: { accounts: first_login, keys: { extern_uid: { from: okta, field: id }, email: email } }, google: { keys: { email: { from: okta, field: profile.displayName } } } }",
    );
    let gitlab = rules.topology().system(&"gitlab".into()).unwrap();
    assert_eq!(Vec::from_iter(&gitlab.after), [&"okta"]);
    assert_eq!(gitlab.keys[0].source, KeySource::Account { system: "okta".into(), field: AccountField::Id });

    let subject = Subject::new("7").with("email", "s@x.com");
    assert_eq!(gitlab.identity_keys(&subject, &nobody), [IdentityKey::new("email", "s@x.com")]);
    assert_eq!(gitlab.open_keys(&nobody).iter().map(|open| &*open.key).collect::<Vec<_>>(), ["extern_uid"]);

    let known = |system: &SystemName| (*system == "okta").then(|| Account::new("00u1", AccountState::Active).with("displayName", "Sarah"));
    assert_eq!(gitlab.identity_keys(&subject, &known), [IdentityKey::new("extern_uid", "00u1"), IdentityKey::new("email", "s@x.com")]);
    assert!(gitlab.open_keys(&known).is_empty());

    let google = rules.topology().system(&"google".into()).unwrap();
    assert_eq!(google.identity_keys(&subject, &known), [IdentityKey::new("email", "Sarah")]);
    let silent = |_: &SystemName| Some(Account::new("00u1", AccountState::Active).with("displayName", " "));
    assert_eq!(google.open_keys(&silent).len(), 1, "an account that does not show the value leaves the key open");
    assert!(google.identity_keys(&subject, &silent).is_empty());
}

#[test]
fn the_fields_of_an_account() {
    let account = Account::new("1", AccountState::Active).with_login("sarah").with("level", 4).with("tags", json!(["a"]));
    for (field, value) in [
        (AccountField::Id, Some("1")),
        (AccountField::Login, Some("sarah")),
        (AccountField::Email, None),
        (AccountField::Profile("level".to_owned()), Some("4")),
        (AccountField::Profile("tags".to_owned()), None),
        (AccountField::Profile("none".to_owned()), None),
    ] {
        assert_eq!(field.value(&account).as_deref(), value, "{field}");
    }
}

#[test]
fn profiles_are_ours_as_far_as_the_rules_say() {
    let rules = rules(
        "systems: { okta: { profile: { firstName: first_name, lastName: { from: last_name, own: create }, displayName: { from: display_name, own: never }, department: { from: department, own: always } } } }",
    );
    let okta = rules.topology().system(&"okta".into()).unwrap();
    let subject = Subject::new("7").with("first_name", "Sarah").with("last_name", "Chen").with("display_name", "Sarah Chen");
    assert_eq!(okta.profile_of(&subject), [("firstName".to_owned(), Value::from("Sarah")), ("lastName".to_owned(), Value::from("Chen"))].into());
    for (attribute, own) in [
        ("firstName", Ownership::Always),
        ("lastName", Ownership::Create),
        ("displayName", Ownership::Never),
        ("department", Ownership::Always),
        ("other", Ownership::Always),
    ] {
        assert_eq!(okta.ownership(attribute), own, "{attribute}");
    }
}

#[test]
fn the_life_of_accounts_is_read() {
    let rules = rules(
        r#"
lifecycle: { first_day: hired, accounts_before: 1 week, access_before: 36 hours, last_day: left, grace: 3 days }
systems:
  okta:
    accounts: invite
    access: vendor_mail
    on_leave: suspend
    leaver: { cut: deactivate, delete_after: 90 days }
    grace: 1 day
    cannot: by_hand
  google: { accounts: { federated: { by: okta, action: assign_app, target: Google } } }
"#,
    );
    let okta = rules.topology().system(&"okta".into()).unwrap();
    assert_eq!((okta.accounts, okta.access), (Some(AccountOrigin::Invite), Some(AccountAccess::VendorMail)));
    assert_eq!((okta.on_leave, okta.leaver.cut, okta.cannot), (OnLeave::Suspend, Cut::Deactivate, Cannot::ByHand));
    let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
    assert_eq!((okta.leaver.deactivate_after, okta.leaver.delete_after), (None, Some(days(90))));
    assert_eq!((rules.grace(&"okta".into()), rules.grace(&"google".into()), rules.grace(&"slack".into())), (days(1), days(3), days(3)));
    assert_eq!(rules.lifecycle().accounts_before, Some(days(7)));
    assert_eq!(rules.lifecycle().access_before, Some(Duration::from_secs(36 * 60 * 60)));
    let google = rules.topology().system(&"google".into()).unwrap();
    assert_eq!(google.accounts, Some(AccountOrigin::Federated));
    assert_eq!(google.federation.as_ref().unwrap().by, "okta");
    assert_eq!(Vec::from_iter(&google.after), [&"okta"]);

    let subject = Subject::new("7").with("hired", "2026-03-01").with("left", "2026-11-30T23:30:00-02:00").with("start_date", "2020-01-01");
    assert_eq!(rules.lifecycle().first_day_of(&subject).unwrap().to_string(), "2026-03-01");
    assert_eq!(rules.lifecycle().last_day_of(&subject).unwrap().to_string(), "2026-12-01");
    assert!(rules.lifecycle().first_day_of(&Subject::new("8").with("hired", "soon")).is_none());

    insta::assert_json_snapshot!(rules.topology(), @r#"
    {
      "systems": {
        "google": {
          "accounts": "federated",
          "federation": {
            "by": "okta",
            "action": "assign_app",
            "fields": {
              "target": "Google"
            }
          },
          "after": [
            "okta"
          ]
        },
        "okta": {
          "accounts": "invite",
          "access": "vendor_mail",
          "on_leave": "suspend",
          "leaver": {
            "cut": "deactivate",
            "delete_after": "90 days"
          },
          "grace": "1 day",
          "cannot": "by_hand"
        }
      }
    }
    "#);
    insta::assert_json_snapshot!(rules.lifecycle(), @r#"
    {
      "first_day": "hired",
      "accounts_before": "7 days",
      "access_before": "36 hours",
      "last_day": "left",
      "grace": "3 days"
    }
    "#);
}

#[test]
fn nothing_said_of_the_life_of_accounts_means_the_careful_thing() {
    let rules = rules("systems: { okta: {} }");
    let okta = rules.topology().system(&"okta".into()).unwrap();
    assert_eq!((okta.on_leave, okta.leaver.cut, okta.cannot), (OnLeave::Keep, Cut::Suspend, Cannot::Refuse));
    assert_eq!((okta.leaver.deactivate_after, okta.leaver.delete_after, okta.access), (None, None, None));
    assert_eq!((rules.lifecycle().accounts_before, rules.lifecycle().access_before), (None, None));
    assert_eq!(rules.grace(&"okta".into()), Duration::ZERO);
    assert_eq!((&*rules.lifecycle().first_day, &*rules.lifecycle().last_day), ("start_date", "end_date"));
}

#[test]
fn the_schema_offers_what_the_systems_have() {
    let schema = Rules::json_schema(&systems());
    let variants = schema["$defs"]["provision"]["oneOf"].as_array().unwrap();
    let offered: Vec<_> = variants.iter().map(|variant| (&variant["properties"]["system"]["const"], &variant["properties"]["action"]["const"])).collect();
    assert_eq!(offered.len(), 9);
    assert!(offered.contains(&(&json!("aws-sso"), &json!("assign_permission_set"))));
    for variant in variants {
        assert_eq!(variant["required"][0], "system");
        assert_eq!(variant["additionalProperties"], false);
    }
    let gitlab = variants.iter().find(|variant| variant["properties"]["system"]["const"] == "gitlab").unwrap();
    assert!(gitlab["properties"]["role"]["enum"].as_array().unwrap().contains(&json!("developer")));
    let okta = &schema["properties"]["systems"]["properties"]["okta"]["properties"];
    assert_eq!(okta["keys"]["propertyNames"]["enum"], json!(["login", "email"]));
    assert_eq!(okta["profile"]["propertyNames"]["enum"], json!(["firstName", "lastName", "displayName", "department"]));
    let mut again = systems();
    again.reverse();
    assert_eq!(schema, Rules::json_schema(&again));
}

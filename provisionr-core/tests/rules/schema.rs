//! The schema editors read takes what the loader takes, and refuses what it refuses.

use provisionr_core::Rules;
use serde_json::Value;

use crate::guide::{GUIDE, blocks};
use crate::systems::{problems, systems};

fn documents(text: &str) -> Vec<Value> {
    let options = serde_saphyr::options! { strict_booleans: true, leading_zero_numbers_as_strings: true, underscored_numbers_as_strings: true };
    serde_saphyr::from_multiple_with_options(text, options).unwrap()
}

fn wrong(text: &str) -> Vec<String> {
    let schema = jsonschema::draft202012::new(&Rules::json_schema(&systems())).unwrap();
    documents(text).iter().flat_map(|document| schema.iter_errors(document).map(|error| error.to_string()).collect::<Vec<_>>()).collect()
}

#[test]
fn everything_the_guide_shows_validates() {
    for (line, block) in blocks(GUIDE, "yaml") {
        assert_eq!(wrong(&block), Vec::<String>::new(), "the block at line {line}");
    }
    for (line, block) in blocks(GUIDE, "yaml,wrong") {
        assert!(!wrong(&block).is_empty(), "the block at line {line}");
    }
}

#[test]
fn what_is_said_of_accounts_is_taken_and_refused_by_both() {
    let cases = [
        ("systems: { okta: { accounts: invite } }", true),
        ("systems: { okta: { accounts: invitation } }", false),
        ("systems: { google: { accounts: { federated: { by: okta, action: assign_app, target: Google } } } }", true),
        ("systems: { google: { accounts: { federated: { by: okta, action: assign_ap, target: Google } } } }", false),
        ("systems: { google: { accounts: { federated: { by: okta, action: assign_app } } } }", false),
        ("systems: { google: { accounts: { federated: { system: okta, action: assign_app, target: Google } } } }", false),
        ("systems: { google: { accounts: { federated: {} } } }", false),
        ("systems: { google: { accounts: { existing: {} } } }", false),
        ("systems: { google: { accounts: {} } }", false),
        ("systems: { okta: { logins: '{a}' } }", true),
        ("systems: { okta: { logins: ['{a}.{b}', '{a}{n}'] } }", true),
        ("systems: { okta: { logins: [] } }", false),
        ("systems: { okta: { logins: [admin] } }", false),
        ("systems: { okta: { access: sso } }", true),
        ("systems: { okta: { access: mail } }", false),
        ("systems: { google: { keys: { email: { from: okta, field: profile.displayName } } } }", true),
        ("systems: { google: { keys: { email: { from: google, field: id } } } }", false),
        ("systems: { google: { keys: { email: { from: okta, field: displayName } } } }", false),
        ("systems: { google: { keys: { email: { from: okta } } } }", false),
        ("systems: { okta: { profile: { displayName: { own: create } } } }", true),
        ("systems: { okta: { profile: { displayName: { from: a, own: never } } } }", true),
        ("systems: { okta: { profile: { displayName: {} } } }", false),
        ("systems: { okta: { profile: { displayName: { own: sometimes } } } }", false),
        ("systems: { okta: { on_leave: suspend } }", true),
        ("systems: { okta: { on_leave: delete } }", false),
        ("systems: { okta: { leaver: { cut: suspend, deactivate_after: 30 days, delete_after: 12 weeks } } }", true),
        ("systems: { okta: { leaver: { cut: delete } } }", false),
        ("systems: { okta: { leaver: { after: 3 days } } }", false),
        ("systems: { okta: { grace: 1 hour } }", true),
        ("systems: { okta: { grace: 1 minute } }", true),
        ("systems: { okta: { grace: 7 } }", false),
        ("systems: { okta: { grace: 7days } }", false),
        ("systems: { okta: { grace: 1 month } }", false),
        ("systems: { okta: { cannot: by_hand } }", true),
        ("systems: { okta: { cannot: ignore } }", false),
        ("lifecycle: { first_day: a, accounts_before: 7 days, access_before: 0 days, last_day: b, grace: 3 days }", true),
        ("lifecycle: { first_day: '' }", false),
        ("lifecycle: { accounts_after: 7 days }", false),
        ("lifecycle: { grace: soon }", false),
        ("lifecycle: [grace]", false),
    ];
    for (text, fits) in cases {
        let told = problems(text);
        assert_eq!(told == "no problem", fits, "the loader on {text}: {told}");
        assert_eq!(wrong(text).is_empty(), fits, "the schema on {text}: {:?}", wrong(text));
    }
}

#[test]
fn a_host_without_systems_has_a_schema_too() {
    let schema = jsonschema::draft202012::new(&Rules::json_schema([])).unwrap();
    assert!(schema.is_valid(&serde_json::json!({ "lifecycle": { "grace": "1 day" } })));
    assert!(!schema.is_valid(&serde_json::json!({ "policy": { "name": "a", "triggers": "everyone", "provisions": [{ "system": "a" }] } })));
}

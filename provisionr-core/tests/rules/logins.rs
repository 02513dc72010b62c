//! What new accounts may be called.

use provisionr_core::{Rules, Subject};
use serde_json::json;

fn candidates(logins: &str, subject: &Subject) -> Vec<String> {
    let rules = Rules::parse("rules.yaml", &format!("systems: {{ okta: {{ logins: {logins} }} }}")).unwrap_or_else(|error| panic!("{error}"));
    rules.topology().system(&"okta".into()).unwrap().candidates(subject)
}

fn sarah() -> Subject {
    Subject::new("7").with("first_name", "Sarah").with("last_name", "Chen").with("number", 42).with("work", json!({ "name": "SC" }))
}

#[test]
fn templates_are_tried_in_their_order_and_numbers_run() {
    let logins = candidates(r#"["{first_name}.{last_name}@Company.com", "{last_name}{n}@company.com", "{work.name}-{number}"]"#, &sarah());
    let mut expected = vec!["sarah.chen@company.com".to_owned()];
    expected.extend((2..=9).map(|number| format!("chen{number}@company.com")));
    expected.push("sc-42".to_owned());
    assert_eq!(logins, expected);
    assert_eq!(candidates(r#""{first_name}""#, &sarah()), ["sarah"]);
}

#[test]
fn what_is_not_known_makes_no_login() {
    let logins = r#"["{first_name}.{middle_name}", "{nick}", "{remote}", "{several}", "{first_name}"]"#;
    let subject = sarah().with("nick", " ").with("remote", true).with("several", ["a", "b"].as_slice());
    assert_eq!(candidates(logins, &subject), ["sarah"]);
    assert!(candidates(r#"["{middle_name}{n}"]"#, &subject).is_empty());
    assert!(candidates(r#""x{nick}""#, &Subject::new("7").with("nick", "\u{301}")).is_empty(), "nothing is left of it");
}

#[test]
fn a_login_stands_once() {
    let logins = candidates(r#"["{first_name}", "{First}", "{first_name}.x"]"#, &sarah().with("First", "SARAH "));
    assert_eq!(logins, ["sarah", "sarah.x"]);
}

#[test]
fn braces_are_doubled() {
    assert_eq!(candidates(r#""{{{first_name}}}-{{n}}""#, &sarah()), ["{sarah}-{n}"]);
}

#[test]
fn logins_are_plain() {
    for (name, login) in [
        ("José María", "josemaria"),
        ("Jose\u{301}", "jose"),
        ("Łukasz", "lukasz"),
        ("Søren Ægir", "sorenaegir"),
        ("Weiß", "weiss"),
        ("Müller", "muller"),
        ("Þór", "thor"),
        ("İpek Işıl", "ipekisil"),
        ("Nguyễn\u{a0}Thị", "nguyenthi"),
        ("O'Brien-Smith", "o'brien-smith"),
        ("a\tb\nc", "abc"),
        // Nothing in the standard library makes Latin letters of these.
        ("Юлия", "юлия"),
    ] {
        assert_eq!(candidates(r#""{name}""#, &Subject::new("7").with("name", name)), [login], "{name}");
    }
}

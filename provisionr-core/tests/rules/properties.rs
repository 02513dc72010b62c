//! What holds for all inputs.

use proptest::prelude::*;
use provisionr_core::{Rules, Subject, desired};

use crate::systems::checked;

#[derive(Clone, Debug)]
struct Written {
    name: usize,
    /// Per trigger and attribute, the values of which one must match.
    triggers: Vec<Vec<(usize, Vec<usize>)>>,
    provisions: Vec<(usize, usize)>,
}

const ROLES: [&str; 4] = ["guest", "reporter", "maintainer", "co-maintainer"];

fn any_of(values: &[usize]) -> String {
    match values {
        [one] => format!("v{one}"),
        several => format!("[{}]", several.iter().map(|value| format!("v{value}")).collect::<Vec<_>>().join(", ")),
    }
}

impl Written {
    fn yaml(&self) -> String {
        let triggers: Vec<_> = self
            .triggers
            .iter()
            .map(|conditions| {
                let conditions: Vec<_> = conditions.iter().map(|(attribute, values)| format!("a{attribute}: {}", any_of(values))).collect();
                format!("{{ {} }}", conditions.join(", "))
            })
            .collect();
        let provisions: Vec<_> = self
            .provisions
            .iter()
            .map(|(target, role)| format!("{{ system: gitlab, action: add_to_group, target: g{target}, role: {} }}", ROLES[*role]))
            .collect();
        format!("{{ name: \"P{}\", triggers: [{}], provisions: [{}] }}", self.name, triggers.join(", "), provisions.join(", "))
    }
}

fn written() -> impl Strategy<Value = Vec<Written>> {
    let trigger = proptest::collection::btree_map(0..3_usize, proptest::collection::vec(0..3_usize, 1..3), 1..3).prop_map(Vec::from_iter);
    let policy = (proptest::collection::vec(trigger, 1..4), proptest::collection::btree_map(0..4_usize, 0..4_usize, 1..4));
    proptest::collection::vec(policy, 1..6).prop_map(|policies| {
        let numbered = policies.into_iter().enumerate();
        numbered.map(|(name, (triggers, provisions))| Written { name, triggers, provisions: Vec::from_iter(provisions) }).collect()
    })
}

/// The same policies in another order, spread over files, documents and both keys.
fn shuffled() -> impl Strategy<Value = (Vec<Written>, Vec<Written>, Vec<u8>)> {
    written().prop_flat_map(|policies| {
        let inner: Vec<_> =
            policies
                .iter()
                .map(|policy| {
                    let name = policy.name;
                    (Just(policy.triggers.clone()).prop_shuffle(), Just(policy.provisions.clone()).prop_shuffle())
                        .prop_map(move |(triggers, provisions)| Written { name, triggers, provisions })
                })
                .collect();
        let count = policies.len();
        (Just(policies), inner.prop_flat_map(|policies| Just(policies).prop_shuffle()), proptest::collection::vec(0..4_u8, count))
    })
}

fn one_file(policies: &[Written]) -> Rules {
    let lines: Vec<_> = policies.iter().map(|policy| format!("  - {}\n", policy.yaml())).collect();
    Rules::parse("one.yaml", &format!("policies:\n{}", lines.concat())).unwrap()
}

fn spread(policies: &[Written], ways: &[u8]) -> Rules {
    let mut files = vec![String::new()];
    for (policy, way) in policies.iter().zip(ways) {
        let file = files.last_mut().unwrap();
        match way {
            0 => files.push(format!("policy: {}\n", policy.yaml())),
            1 => file.push_str(&format!("---\n# a comment\npolicy: {}\n", policy.yaml())),
            2 => file.push_str(&format!("---\npolicies: [{}]\n---\n", policy.yaml())),
            _ => files.push(format!("\npolicies:\n- {}\n", policy.yaml())),
        }
    }
    let names: Vec<_> = (0..files.len()).map(|number| format!("{}.yaml", 99 - number)).collect();
    Rules::parse_all(names.iter().map(String::as_str).zip(files.iter().map(String::as_str))).unwrap()
}

/// Lines of `systems:`, the last being the lifecycle: nothing in them hangs on their order.
const SAID: [&str; 6] = [
    "systems: { okta: { accounts: create, logins: ['{a}', '{b}{n}'], profile: { firstName: { from: a, own: create }, lastName: b } } }",
    "systems: { google: { accounts: { federated: { by: okta, action: assign_app, target: Google } }, keys: { email: { from: okta, field: login } } } }",
    "systems: { gitlab: { accounts: { federated: { by: google, action: add_to_group, target: all } }, after: [okta, google], grace: 1 day } }",
    "systems: { slack: { on_leave: keep, leaver: { cut: keep }, cannot: by_hand } }",
    "systems: { doors: { access: hand_over, after: [slack, okta] } }",
    "lifecycle: { grace: 3 days, accounts_before: 7 days }",
];

/// The same said in other words and another order.
fn in_other_words(said: &str) -> String {
    for (one, other) in [
        ("lastName: b", "lastName: { own: always, from: b }"),
        ("by: okta, action: assign_app, target: Google", "target: Google, action: assign_app, by: okta"),
        ("after: [okta, google], grace: 1 day", "grace: 24 hours, after: okta"),
        ("on_leave: keep, leaver: { cut: keep }", "leaver: { cut: keep }"),
        ("[slack, okta]", "[okta, slack]"),
        ("grace: 3 days, accounts_before: 7 days", "accounts_before: 1 week, grace: 72 hours"),
    ] {
        if said.contains(one) {
            return said.replace(one, other);
        }
    }
    said.to_owned()
}

fn subject(values: [usize; 3]) -> Subject {
    values.into_iter().enumerate().fold(Subject::new("7"), |subject, (attribute, value)| subject.with(format!("a{attribute}"), format!("v{value}")))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_and_files_change_nothing((policies, again, ways) in shuffled(), values in [0..4_usize, 0..4, 0..4]) {
        let (one, two) = (one_file(&policies), spread(&again, &ways));
        prop_assert_eq!(one.revision(), two.revision());
        let subject = subject(values);
        prop_assert_eq!(desired(&checked(&one).unwrap(), &subject), desired(&checked(&two).unwrap(), &subject));
    }

    #[test]
    fn what_is_said_of_accounts_means_the_same_in_any_order(
        policies in written(),
        order in Just((0..SAID.len()).collect::<Vec<_>>()).prop_shuffle(),
        values in [0..4_usize, 0..4, 0..4],
    ) {
        let policies: String = policies.iter().map(|policy| format!("---\npolicy: {}\n", policy.yaml())).collect();
        let one = Rules::parse("one.yaml", &format!("{}\n{policies}", SAID.join("\n---\n"))).unwrap();
        let files: Vec<_> = order.iter().map(|at| in_other_words(SAID[*at])).chain([policies]).collect();
        let two = Rules::parse_all(files.iter().map(|file| ("a.yaml", file.as_str()))).unwrap();
        prop_assert_eq!(one.revision(), two.revision());
        prop_assert_eq!(one.topology(), two.topology());
        prop_assert_eq!(one.lifecycle(), two.lifecycle());
        let subject = subject(values);
        let access = desired(&checked(&one).unwrap(), &subject);
        prop_assert_eq!(&access, &desired(&checked(&two).unwrap(), &subject));
        // Policies give on gitlab alone; its accounts come from google, and those from okta.
        let wanted = |system: &str| access.for_system(&system.into()).is_some();
        prop_assert_eq!((wanted("google"), wanted("okta")), (wanted("gitlab"), wanted("gitlab")));
    }

    #[test]
    fn the_index_finds_what_a_look_at_every_trigger_finds(policies in written(), values in [0..4_usize, 0..4, 0..4]) {
        let access = desired(&checked(&one_file(&policies)).unwrap(), &subject(values));
        let mut found: Vec<_> = access.systems().flat_map(|(_, access)| {
            let decided = access.entitlements.iter().flat_map(|wanted| wanted.reasons.iter().chain(wanted.covers.iter().flat_map(|covered| &covered.reasons)));
            decided.chain(access.contradictions.iter().flat_map(|contradiction| contradiction.candidates.iter().flat_map(|wanted| &wanted.reasons)))
        }).map(|reason| reason.policy.to_string()).collect();
        found.sort();
        found.dedup();
        let expected: Vec<_> = policies
            .iter()
            .filter(|policy| policy.triggers.iter().any(|conditions| conditions.iter().all(|(attribute, wanted)| wanted.contains(&values[*attribute]))))
            .map(|policy| format!("P{}", policy.name))
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_change_of_meaning_changes_the_revision(policies in written(), pick in any::<prop::sample::Index>()) {
        let before = one_file(&policies).revision();
        let at = pick.index(policies.len());
        let mut changed = policies.clone();
        changed[at].provisions[0].1 = (changed[at].provisions[0].1 + 1) % ROLES.len();
        prop_assert_ne!(before, one_file(&changed).revision());
        let mut changed = policies.clone();
        changed[at].triggers.push(vec![(0, vec![9])]);
        prop_assert_ne!(before, one_file(&changed).revision());
        let mut changed = policies;
        changed[at].name += 100;
        prop_assert_ne!(before, one_file(&changed).revision());
    }

    #[test]
    fn no_text_makes_the_loader_panic(text in any::<String>()) {
        let _ = Rules::parse("any.yaml", &text).map(|rules| checked(&rules)).map_err(|error| error.to_string());
    }

    #[test]
    fn no_bytes_make_the_loader_panic(bytes in any::<Vec<u8>>()) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("any.yaml"), bytes).unwrap();
        let _ = Rules::load_dir(folder.path()).map_err(|error| error.to_string());
    }

    #[test]
    fn no_broken_policy_makes_the_loader_panic(cut in any::<prop::sample::Index>(), insert in "[\\PC\n\r\t:#&*!|>'\"{}\\[\\], -]{0,6}") {
        let whole = format!("{}\n---\n{}", include_str!("../fixtures/senior-engineer.yaml"), SAID.join("\n---\n"));
        let mut at = cut.index(whole.len());
        while !whole.is_char_boundary(at) {
            at -= 1;
        }
        let (head, tail) = whole.split_at(at);
        for text in [format!("{head}{insert}{tail}"), format!("{head}{insert}")] {
            let result = Rules::parse("broken.yaml", &text).and_then(|rules| checked(&rules));
            if let Err(error) = result {
                for problem in error.diagnostics() {
                    prop_assert!(problem.span().is_none_or(|span| text.get(span).is_some()));
                    // A carriage return alone ends a line of YAML too.
                    prop_assert!(problem.line().is_none_or(|line| line <= text.split(['\n', '\r']).count() + 1));
                }
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }

    #[test]
    fn no_login_is_anything_but_plain(template in "[a .@İ]{0,3}(\\{a\\}|\\{n\\}|\\{\\{){1,4}[}. ]{0,2}", value in "([ \t\u{a0}AÉéßñ\u{301}]|\\PC){1,8}") {
        let text = format!("systems: {{ okta: {{ logins: {} }} }}", serde_json::Value::from(template));
        if let Ok(rules) = Rules::parse("rules.yaml", &text) {
            let logins = rules.topology().system(&"okta".into()).unwrap().candidates(&Subject::new("7").with("a", value));
            prop_assert!(logins.len() <= 8);
            for login in logins {
                prop_assert!(!login.is_empty() && !login.chars().any(|c| c.is_whitespace() || c.is_control()), "{login:?}");
                prop_assert!(!login.contains(|c: char| c.is_ascii_uppercase() || "éüßñ".contains(c)), "{login:?}");
            }
        }
    }
}

//! Every example of the guide is run.

use provisionr_core::Rules;

use crate::systems::checked;

/// The fenced blocks of a language, with the line they begin at.
pub(crate) fn blocks<'t>(text: &'t str, language: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, &'t str, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some((number + 2, language, String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((.., block)), None) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks.into_iter().filter(|(_, found, _)| *found == language).map(|(line, _, block)| (line, block)).collect()
}

pub(crate) const GUIDE: &str = include_str!("../../docs/policies.md");

#[test]
fn every_yaml_block_loads_and_fits() {
    let blocks = blocks(GUIDE, "yaml");
    assert!(blocks.len() >= 8, "the guide lost its examples");
    for (line, block) in blocks {
        let rules = Rules::parse(&format!("policies.md from line {line}"), &block).unwrap_or_else(|error| panic!("{error}"));
        assert!(rules.policies().len() > 0 || rules.revision() != Rules::empty().revision(), "line {line} says nothing");
        checked(&rules).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn every_refusal_shown_is_the_one_that_comes() {
    let wrong = blocks(GUIDE, "yaml,wrong");
    let shown = blocks(GUIDE, "text");
    assert!(!wrong.is_empty());
    assert_eq!(wrong.len(), shown.len());
    for ((_, wrong), (line, shown)) in wrong.into_iter().zip(shown) {
        let error = Rules::parse("access/slack.yaml", &wrong).and_then(|rules| checked(&rules)).unwrap_err();
        assert_eq!(error.to_string().trim(), shown.trim(), "line {line}");
    }
}

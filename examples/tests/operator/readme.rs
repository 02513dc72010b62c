//! The walk-through of the README, as it stands there.

use std::path::Path;

use crate::stage::Stage;

#[test]
fn every_command_of_the_walk_through_says_what_the_readme_shows() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(examples.join("../README.md")).unwrap();
    let (_, walk) = readme.split_once("```console\n").expect("a console block");
    let (walk, _) = walk.split_once("```").unwrap();
    let stage = Stage::of(&examples.join("operator"), &["okta=0"]);
    let mut said = None;
    let mut commands = 0;
    for line in walk.lines() {
        match line.strip_prefix("$ operator ") {
            Some(arguments) => {
                let code = if arguments.ends_with("--detach") { 2 } else { 0 };
                said = Some(stage.operator(arguments).ended(code));
                commands += 1;
            }
            None => said = said.map(|said| said.says(line.trim_start_matches("… "))),
        }
    }
    assert!(commands >= 8, "only {commands} commands");
}

//! What is in the fakes at the beginning, and which of them moves which.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::{Location, Spanned};

use super::registry::near;
use crate::federation::Federation;
use crate::link::{Act, ActError};
use crate::system::FakeSystem;

/// The key beside the names of fakes.
pub(super) const LINKS: &str = "links";

/// Events of the parser: some hundred thousand people.
const LARGEST: usize = 16_000_000;

/// What of one fake moves another: an app it makes accounts for, or an event. A text `$name` among the arguments stands for that
/// value of the event.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    from: String,
    to: String,
    #[serde(default)]
    app: Option<String>,
    #[serde(default)]
    at: Option<At>,
    #[serde(default)]
    event: Option<String>,
    #[serde(default)]
    act: Option<String>,
    #[serde(default)]
    args: Value,
    #[serde(default)]
    after_ms: u64,
}

/// When the accounts of an app are made, unless the identity provider makes them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum At {
    FirstLogin,
}

/// Puts the seeds of a file into fakes by their names, and links them; of a file that is wrong as much as is right. The form is that of
/// [the program's](crate::fakes#seeds).
///
/// # Errors
/// Everything that is wrong, each with file and line.
pub fn plant(file: &Path, fakes: &[(&str, FakeSystem)]) -> Result<(), Vec<String>> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| vec![format!("{name}: the seed file cannot be read: {error}")])?;
    let mut problems = Vec::new();
    let mut problem = |at: &Location, what: &dyn Display| problems.push(format!("{name}:{}: {what}", at.line()));
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_events: LARGEST, max_nodes: LARGEST },
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    let seeds: BTreeMap<String, Spanned<Value>> = match serde_saphyr::from_str_with_options(&text, options) {
        Ok(seeds) => seeds,
        Err(error) => return Err(vec![format!("{name}: this is no mapping from names of fakes to their seeds, in YAML or JSON: {error}")]),
    };
    let names = fakes.iter().map(|(name, _)| *name);
    let fake = |name: &str| fakes.iter().find(|(known, _)| *known == name).map(|(_, system)| system);
    for (name, seed) in seeds.iter().filter(|(name, _)| *name != LINKS) {
        let Some(system) = fake(name) else {
            problem(&seed.defined, &format!("there is no fake `{name}`; {} Serve it as well, or take its seed out", sentence(near(name, names.clone()))));
            continue;
        };
        if let Err(error) = system.seed(&seed.value) {
            problem(&seed.defined, &format!("the seed of `{name}` cannot be used: {error}"));
        }
    }
    if let Some(links) = seeds.get(LINKS) {
        let Value::Array(items) = &links.value else {
            problem(&links.defined, &"`links` is a list of {from, app, to, at, args, after_ms} and {from, event, to, act, args, after_ms}");
            return Err(problems);
        };
        for (item, number) in items.iter().zip(1..) {
            let link = match Link::deserialize(item) {
                Ok(link) => link,
                Err(error) => {
                    problem(&links.defined, &format!("link {number}: {error}"));
                    continue;
                }
            };
            match (fake(&link.from), fake(&link.to)) {
                (Some(from), Some(to)) => {
                    if let Err(error) = connect(link, from, to) {
                        problem(&links.defined, &format!("link {number}: {error}"));
                    }
                }
                (from, _) => {
                    let missing = if from.is_none() { &link.from } else { &link.to };
                    problem(&links.defined, &format!("link {number}: there is no fake `{missing}`; {}", near(missing, names.clone())));
                }
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn sentence(text: String) -> String {
    if text.ends_with('?') { text } else { text + "." }
}

fn connect(link: Link, from: &FakeSystem, to: &FakeSystem) -> Result<(), ActError> {
    let after = std::time::Duration::from_millis(link.after_ms);
    match link {
        Link { app: Some(app), at, event: None, act: None, args, after_ms, .. } => {
            let federation = match at {
                None => Federation::provisioning(app, after),
                Some(At::FirstLogin) if after_ms == 0 => Federation::first_login(app),
                Some(At::FirstLogin) => return Err(ActError::new("`after_ms` says nothing about a first login")),
            };
            let args = args.as_object().cloned().unwrap_or_default();
            from.federate(args.into_iter().fold(federation, |federation, (name, value)| federation.with(name, value)), to)
        }
        Link { event: Some(event), act: Some(act), app: None, at: None, args, .. } => {
            from.link(&event, to, move |event| Some(Act::new(act.clone(), filled(&args, &event.data)).after(after)));
            Ok(())
        }
        _ => Err(ActError::new("a link has an `app`, or an `event` and the `act` that follows")),
    }
}

fn filled(args: &Value, event: &Value) -> Value {
    match args {
        Value::String(text) => match text.strip_prefix('$') {
            Some(name) => event.get(name).cloned().unwrap_or_default(),
            None => args.clone(),
        },
        Value::Object(fields) => Value::Object(fields.iter().map(|(name, value)| (name.clone(), filled(value, event))).collect()),
        Value::Array(items) => Value::Array(items.iter().map(|item| filled(item, event)).collect()),
        _ => args.clone(),
    }
}

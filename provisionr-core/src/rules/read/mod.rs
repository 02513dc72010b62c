//! From trees to policies and topology: all that can be judged without knowing any system.

mod lifecycle;
mod mapping;
mod policy;
mod topology;
mod trigger;

pub(crate) use topology::ACCESS;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, DiagnosticCode, did_you_mean, quoted};
use super::lifecycle::LifecycleRules;
use super::policy::{Policy, Provision};
use super::scalar::Scalar;
use super::source::{Located, Place, Source, Span};
use super::topology::SystemTopology;
use super::tree::{Node, NodeValue};

/// What all sources together say.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) policies: Vec<Policy>,
    /// By system, with the place of its name and of everything inside.
    pub(crate) systems: BTreeMap<Box<str>, ReadSystem>,
    pub(crate) lifecycle: Option<Located<LifecycleRules>>,
    pub(crate) problems: Vec<Diagnostic>,
}

/// One entry of `systems:`.
#[derive(Debug)]
pub(crate) struct ReadSystem {
    pub(crate) place: Place,
    pub(crate) topology: SystemTopology,
    pub(crate) places: SystemPlaces,
}

/// Where the parts of one entry of `systems:` stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct SystemPlaces {
    pub(crate) accounts: Option<Place>,
    pub(crate) federation: Option<Provision>,
    /// With the systems that are waited for because something comes from there.
    pub(crate) after: Vec<Located<Box<str>>>,
    pub(crate) logins: Option<Place>,
    pub(crate) keys: Vec<Located<Box<str>>>,
    /// The attributes of other systems' accounts that keys come from.
    pub(crate) fields: Vec<(Box<str>, Located<Box<str>>)>,
    pub(crate) profile: Vec<Located<Box<str>>>,
    pub(crate) on_leave: Option<Place>,
    pub(crate) cut: Option<Place>,
    pub(crate) deactivate_after: Option<Place>,
    pub(crate) delete_after: Option<Place>,
}

/// Reads one document of one source.
pub(crate) fn document(sources: &[Arc<Source>], source: usize, node: &Node, read: &mut Read) {
    let Some(text) = sources.get(source) else { return };
    Reader { sources, source, text, read }.document(node);
}

struct Reader<'a> {
    sources: &'a [Arc<Source>],
    source: usize,
    text: &'a Arc<Source>,
    read: &'a mut Read,
}

/// The entries of a mapping whose keys are texts, each once, in their order.
struct Fields<'n>(Vec<(&'n str, Span, &'n Node)>);

impl<'n> Fields<'n> {
    fn get(&self, name: &str) -> Option<(Span, &'n Node)> {
        self.0.iter().find(|(key, ..)| *key == name).map(|(_, span, node)| (*span, *node))
    }
}

impl<'a> Reader<'a> {
    fn document(&mut self, node: &Node) {
        const KEYS: [&str; 4] = ["policy", "policies", "systems", "lifecycle"];
        let Some(fields) = self.mapping(node, "a rules document", Some(&KEYS)) else { return };
        for (key, span, value) in fields.0 {
            match (key, &value.value) {
                ("policies", NodeValue::List(items)) => items.iter().for_each(|item| self.policy(item)),
                ("policies", NodeValue::Map(_)) => {
                    self.problem(DiagnosticCode::WrongType, span, "`policies` must be a list of policies")
                        .help("put `- ` before each policy, or write `policy:` for a single one");
                }
                ("policies", _) => self.wrong_type(span, value, "`policies`", "a list of policies"),
                ("policy", NodeValue::List(_)) => {
                    self.problem(DiagnosticCode::WrongType, span, "`policy` is one policy, not a list").help("write `policies:` for several");
                }
                ("policy", NodeValue::Null) => self.wrong_type(span, value, "`policy`", "a mapping"),
                ("policy", _) => self.policy(value),
                ("lifecycle", NodeValue::Null) => self.wrong_type(span, value, "`lifecycle`", "a mapping"),
                ("lifecycle", _) => self.lifecycle(span, value),
                (_, NodeValue::Null) => self.wrong_type(span, value, "`systems`", "a mapping of systems"),
                _ => self.systems(value),
            }
        }
    }

    fn place(&self, span: Span) -> Place {
        Place { source: self.source, span }
    }

    fn problem(&mut self, code: DiagnosticCode, span: Span, message: impl Into<String>) -> Problem<'_> {
        self.read.problems.push(Diagnostic::at(code, self.text, span, message));
        Problem(&mut self.read.problems)
    }

    /// The entries of a mapping, with everything said that is wrong with its keys. `known` is none where any key is allowed.
    fn mapping<'n>(&mut self, node: &'n Node, what: &str, known: Option<&[&str]>) -> Option<Fields<'n>> {
        let NodeValue::Map(entries) = &node.value else {
            self.problem(DiagnosticCode::WrongType, node.pointer(), format!("{what} must be a mapping, and this is {}", node.sort()));
            return None;
        };
        let mut fields: Vec<(&str, Span, &Node)> = Vec::with_capacity(entries.len());
        let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
        for (key, value) in entries {
            let NodeValue::Scalar(Scalar::Text(name)) = &key.value else {
                let message = format!("a key of {what} must be a text, and this is {}", key.sort());
                self.problem(DiagnosticCode::WrongType, key.pointer(), message).help("put it in quotes");
                continue;
            };
            if let Some(first) = seen.get(&**name) {
                let first = self.place(*first);
                let sources = self.sources;
                self.problem(DiagnosticCode::DuplicateKey, key.span, format!("{} stands twice in {what}", quoted(name))).also(sources, first, "first here");
                continue;
            }
            seen.insert(name, key.span);
            if let Some(known) = known
                && !known.contains(&&**name)
            {
                let help = if &**name == "<<" {
                    Some("merging with `<<` is not supported; repeat whole values with anchors and aliases instead".to_owned())
                } else {
                    did_you_mean(name, known.iter().copied())
                };
                self.problem(DiagnosticCode::UnknownKey, key.span, format!("{what} has no key {}", quoted(name))).help(help);
                continue;
            }
            fields.push((name, key.span, value));
        }
        Some(Fields(fields))
    }

    fn wrong_type(&mut self, key: Span, value: &Node, what: &str, wanted: &str) {
        if matches!(value.value, NodeValue::Null) {
            self.nothing(key, value, what);
        } else {
            self.problem(DiagnosticCode::WrongType, value.pointer(), format!("{what} must be {wanted}, and this is {}", value.sort()));
        }
    }

    /// A value that is not there. An unquoted text that begins with `#` is a comment to YAML: that is said, and pointed at.
    fn nothing(&mut self, key: Span, value: &Node, what: &str) {
        let rest = self.text.rest_of_line(value.span.start);
        let comment = rest.trim_start_matches([':', '-', ' ', '\t']);
        let message = format!("{what} is empty");
        if comment.starts_with('#') {
            let skipped = rest.len() - comment.len();
            let shown = comment.trim_end();
            let start = value.span.start + skipped;
            let span = Span { start, end: start + shown.len(), line: value.span.line, column: value.span.column + skipped };
            let help = format!("a text that begins with `#` must be quoted, or it is a comment: {}", serde_json::Value::from(shown));
            self.problem(DiagnosticCode::Empty, span, message).help(help);
        } else {
            let span = if value.span.start == value.span.end { key } else { value.span };
            self.problem(DiagnosticCode::Empty, span, message);
        }
    }

    /// A text that is not empty.
    fn text<'n>(&mut self, key: Span, value: &'n Node, what: &str) -> Option<Located<&'n str>> {
        match &value.value {
            NodeValue::Scalar(Scalar::Text(text)) if !text.trim().is_empty() => Some(Located { value: &**text, place: self.place(value.span) }),
            NodeValue::Scalar(Scalar::Text(_)) => {
                self.problem(DiagnosticCode::Empty, value.span, format!("{what} is empty"));
                None
            }
            NodeValue::Scalar(_) => {
                let written = self.text.written(value.span);
                let message = format!("{what} must be a text, and this is {}", value.sort());
                self.problem(DiagnosticCode::WrongType, value.span, message).help(format!("put it in quotes: {}", serde_json::Value::from(written)));
                None
            }
            _ => {
                self.wrong_type(key, value, what, "a text");
                None
            }
        }
    }

    /// A field that has to be there and be a text that is not empty.
    fn required_text<'n>(&mut self, fields: &Fields<'n>, node: &Node, name: &str, of: &str) -> Option<Located<&'n str>> {
        match fields.get(name) {
            Some((key, value)) => self.text(key, value, &format!("`{name}`")),
            None => {
                self.missing(node, name, of);
                None
            }
        }
    }

    fn missing(&mut self, node: &Node, name: &str, of: &str) {
        self.problem(DiagnosticCode::MissingKey, node.pointer(), format!("{of} needs `{name}`")).help(format!("add `{name}:`"));
    }
}

/// The problem that was noted last, to say more about it.
struct Problem<'p>(&'p mut Vec<Diagnostic>);

impl Problem<'_> {
    fn help(self, help: impl Into<Help>) {
        if let Some(last) = self.0.pop() {
            self.0.push(last.with_help(help.into().0));
        }
    }

    fn also(self, sources: &[Arc<Source>], place: Place, label: &'static str) {
        if let Some(last) = self.0.pop() {
            self.0.push(last.with_also(sources, place, label));
        }
    }
}

struct Help(Option<String>);

impl From<&str> for Help {
    fn from(text: &str) -> Self {
        Self(Some(text.to_owned()))
    }
}

impl From<String> for Help {
    fn from(text: String) -> Self {
        Self(Some(text))
    }
}

impl From<Option<String>> for Help {
    fn from(text: Option<String>) -> Self {
        Self(text)
    }
}

//! The `systems:` mapping.

use super::super::diagnostic::{DiagnosticCode, did_you_mean, quoted};
use super::super::source::{Located, Span};
use super::super::topology::{AccountOrigin, KeyMapping, KeySource, Ownership, ProfileMapping, SystemTopology};
use super::super::tree::{Node, NodeValue};
use super::{ReadSystem, Reader, SystemPlaces};

const SYSTEM_KEYS: [&str; 5] = ["accounts", "after", "key", "keys", "profile"];

impl Reader<'_> {
    pub(super) fn systems(&mut self, node: &Node) {
        let Some(fields) = self.mapping(node, "`systems`", None) else { return };
        for (name, key, value) in fields.0 {
            if name.trim().is_empty() {
                self.problem(DiagnosticCode::Empty, key, "the name of a system is empty");
                continue;
            }
            if matches!(value.value, NodeValue::Null) {
                self.nothing(key, value, &quoted(name));
                continue;
            }
            let Some(system) = self.system(name, key, value) else { continue };
            match self.read.systems.get(name).map(|first| first.place) {
                None => {
                    self.read.systems.insert(name.into(), system);
                }
                Some(first) => {
                    let sources = self.sources;
                    let message = format!("system {} is described twice", quoted(name));
                    self.problem(DiagnosticCode::DuplicateName, key, message).also(sources, first, "first here");
                }
            }
        }
    }

    fn system(&mut self, name: &str, key: Span, node: &Node) -> Option<ReadSystem> {
        let fields = self.mapping(node, &format!("system {}", quoted(name)), Some(&SYSTEM_KEYS))?;
        let mut topology = SystemTopology::default();
        let mut places = SystemPlaces::default();
        for (field, key, value) in &fields.0 {
            let (key, value) = (*key, *value);
            match *field {
                "accounts" => {
                    topology.accounts = self.origin(key, value);
                    places.accounts = Some(self.place(value.span));
                }
                "after" => {
                    places.after = self.after(name, key, value);
                    topology.after = places.after.iter().map(|system| (&*system.value).into()).collect();
                }
                "key" => {
                    let Some(text) = self.text(key, value, "`key`") else { continue };
                    places.keys.push(Located { value: text.value.into(), place: text.place });
                    topology.keys.push(KeyMapping { key: text.value.to_owned(), source: KeySource::Subject(text.value.to_owned()) });
                }
                "keys" => {
                    for (account, attribute) in self.mappings(key, value, "`keys`") {
                        topology.keys.push(KeyMapping { key: account.value.to_string(), source: KeySource::Subject(attribute) });
                        places.keys.push(account);
                    }
                }
                _ => {
                    for (account, attribute) in self.mappings(key, value, "`profile`") {
                        topology.profile.insert(account.value.to_string(), ProfileMapping { from: Some(attribute), own: Ownership::Always });
                        places.profile.push(account);
                    }
                }
            }
        }
        if fields.get("key").is_some()
            && let Some((keys, _)) = fields.get("keys")
        {
            self.problem(DiagnosticCode::InvalidValue, keys, "a system has either `key` or `keys`").help("`key: email` is short for `keys: { email: email }`");
        }
        Some(ReadSystem { place: self.place(key), topology, places })
    }

    fn origin(&mut self, key: Span, value: &Node) -> Option<AccountOrigin> {
        let word = self.text(key, value, "`accounts`")?;
        let found = AccountOrigin::ALL.iter().find(|(name, _)| *name == word.value).map(|(_, origin)| *origin);
        if found.is_none() {
            let help = did_you_mean(word.value, AccountOrigin::ALL.map(|(name, _)| name));
            let message = format!("accounts cannot come about by {}", quoted(word.value));
            self.problem(DiagnosticCode::InvalidValue, word.place.span, message).help(help);
        }
        found
    }

    fn after(&mut self, name: &str, key: Span, value: &Node) -> Vec<Located<Box<str>>> {
        let items: Vec<&Node> = match &value.value {
            NodeValue::List(items) => items.iter().collect(),
            _ => vec![value],
        };
        let mut systems = Vec::new();
        for item in items {
            let Some(system) = self.text(key, item, "a system of `after`") else { continue };
            if system.value == name {
                self.problem(DiagnosticCode::InvalidTopology, item.span, format!("system {} cannot wait for itself", quoted(name)));
                continue;
            }
            systems.push(Located { value: system.value.into(), place: system.place });
        }
        systems
    }

    /// A mapping of texts: what is on the account's side, and the subject's attribute.
    fn mappings(&mut self, key: Span, value: &Node, what: &str) -> Vec<(Located<Box<str>>, String)> {
        if !matches!(value.value, NodeValue::Map(_)) {
            self.wrong_type(key, value, what, "a mapping of account attributes to attributes of the subject");
            return Vec::new();
        }
        let Some(fields) = self.mapping(value, what, None) else { return Vec::new() };
        let mut mappings = Vec::new();
        for (account, key, value) in fields.0 {
            if account.trim().is_empty() {
                self.problem(DiagnosticCode::Empty, key, format!("a key of {what} is empty"));
                continue;
            }
            let Some(attribute) = self.text(key, value, &quoted(account)) else { continue };
            mappings.push((Located { value: account.into(), place: self.place(key) }, attribute.value.to_owned()));
        }
        mappings
    }
}

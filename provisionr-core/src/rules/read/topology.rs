//! The `systems:` mapping.

use provisionr_sdk::AccountAccess;

use super::super::diagnostic::{DiagnosticCode, did_you_mean, quoted};
use super::super::lifecycle::{Cannot, OnLeave};
use super::super::policy::Provision;
use super::super::scalar::Scalar;
use super::super::source::{Located, Span};
use super::super::topology::{AccountOrigin, Federation, SystemTopology};
use super::super::tree::{Node, NodeValue};
use super::{ReadSystem, Reader, SystemPlaces};

const SYSTEM_KEYS: [&str; 11] = ["accounts", "after", "logins", "access", "key", "keys", "profile", "on_leave", "leaver", "grace", "cannot"];

/// The words for how a person gets into a new account.
pub(crate) const ACCESS: [(&str, AccountAccess); 3] =
    [("sso", AccountAccess::Sso), ("vendor_mail", AccountAccess::VendorMail), ("hand_over", AccountAccess::HandOver)];

/// Where the type of a system is said: in systems files, and in no rules.
fn type_of(system: &Node) -> Option<Span> {
    let NodeValue::Map(entries) = &system.value else { return None };
    entries.iter().find(|(key, _)| matches!(&key.value, NodeValue::Scalar(Scalar::Text(name)) if &**name == "type")).map(|(key, _)| key.pointer())
}

impl Reader<'_> {
    pub(super) fn systems(&mut self, node: &Node) {
        let Some(fields) = self.mapping(node, "`systems`", None) else { return };
        if let Some((name, place)) = fields.0.iter().find_map(|(name, _, system)| Some((name, type_of(system)?))) {
            let message = format!("this is a systems file: it says where {} is, and rules say how accounts come about", quoted(name));
            self.problem(DiagnosticCode::InvalidTopology, place, message).help("keep it outside of the folder with the rules");
            return;
        }
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
                    topology.accounts = self.accounts(name, key, value, &mut places);
                    places.accounts = Some(self.place(value.pointer()));
                }
                "after" => {
                    let after = self.after(name, key, value);
                    places.after.extend(after);
                }
                "logins" => {
                    topology.logins = self.logins(key, value);
                    places.logins = Some(self.place(key));
                }
                "access" => topology.access = self.word(key, value, "`access`", &ACCESS),
                "key" => self.key(key, value, &mut topology, &mut places),
                "keys" => self.keys(name, key, value, &mut topology, &mut places),
                "profile" => self.profile(key, value, &mut topology, &mut places),
                "on_leave" => {
                    topology.on_leave = self.word(key, value, "`on_leave`", &OnLeave::ALL).unwrap_or_default();
                    places.on_leave = Some(self.place(value.span));
                }
                "leaver" => topology.leaver = self.leaver(key, value, &mut places),
                "grace" => topology.grace = self.duration(key, value, "`grace`"),
                _ => topology.cannot = self.word(key, value, "`cannot`", &Cannot::ALL).unwrap_or_default(),
            }
        }
        if fields.get("key").is_some()
            && let Some((keys, _)) = fields.get("keys")
        {
            self.problem(DiagnosticCode::InvalidValue, keys, "a system has either `key` or `keys`").help("`key: email` is short for `keys: { email: email }`");
        }
        topology.federation = places.federation.as_ref().map(federation);
        topology.after = places.after.iter().map(|system| (&*system.value).into()).collect();
        Some(ReadSystem { place: self.place(key), topology, places })
    }

    fn accounts(&mut self, name: &str, key: Span, value: &Node, places: &mut SystemPlaces) -> Option<AccountOrigin> {
        if !matches!(value.value, NodeValue::Map(_)) {
            return self.origin(key, value);
        }
        let fields = self.mapping(value, "`accounts`", Some(&["federated"]))?;
        let Some((key, value)) = fields.get("federated") else {
            // Another key was told already.
            if matches!(&value.value, NodeValue::Map(entries) if entries.is_empty()) {
                self.missing(value, "federated", "`accounts`");
            }
            return None;
        };
        if !matches!(value.value, NodeValue::Map(_)) {
            self.wrong_type(key, value, "`federated`", "a mapping of `by`, `action` and what the action takes");
            return None;
        }
        let provision = self.provision_on(value, "by", "`federated`")?;
        if self.another(name, &provision.system, "have its accounts made by itself") {
            places.after.push(provision.system.clone());
        }
        places.federation = Some(provision);
        Some(AccountOrigin::Federated)
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
        let mut systems = Vec::new();
        for item in value.items() {
            let Some(system) = self.text(key, item, "a system of `after`") else { continue };
            let system = Located { value: system.value.into(), place: system.place };
            if self.another(name, &system, "wait for itself") {
                systems.push(system);
            }
        }
        systems
    }

    /// Whether a system that is named is another than the one it is said of; it is told where it is not.
    pub(super) fn another(&mut self, name: &str, system: &Located<Box<str>>, cannot: &str) -> bool {
        let another = *system.value != *name;
        if !another {
            self.problem(DiagnosticCode::InvalidTopology, system.place.span, format!("system {} cannot {cannot}", quoted(name)));
        }
        another
    }

    /// One word of several.
    pub(super) fn word<T: Copy>(&mut self, key: Span, value: &Node, what: &str, words: &[(&'static str, T)]) -> Option<T> {
        let word = self.text(key, value, what)?;
        let found = words.iter().find(|(name, _)| *name == word.value).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let help = did_you_mean(word.value, words.iter().map(|(name, _)| *name));
            self.problem(DiagnosticCode::InvalidValue, word.place.span, format!("{what} cannot be {}", quoted(word.value))).help(help);
        }
        found
    }
}

fn federation(provision: &Provision) -> Federation {
    let fields = provision.fields.iter().map(|(name, field)| (name.to_string(), field.value.value.to_json())).collect();
    Federation { by: provision.system().into(), action: provision.action().to_owned(), fields }
}

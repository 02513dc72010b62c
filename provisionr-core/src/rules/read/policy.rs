//! Policies and their provisions.

use std::collections::BTreeMap;

use super::super::diagnostic::DiagnosticCode;
use super::super::policy::{Field, Policy, Provision};
use super::super::source::Located;
use super::super::tree::{Node, NodeValue};
use super::Reader;

const POLICY_KEYS: [&str; 4] = ["name", "description", "triggers", "provisions"];

impl Reader<'_> {
    pub(super) fn policy(&mut self, node: &Node) {
        let Some(fields) = self.mapping(node, "a policy", Some(&POLICY_KEYS)) else { return };
        let name = self.required_text(&fields, node, "name", "a policy");
        if let Some(name) = name
            && name.value.contains(char::is_control)
        {
            self.problem(DiagnosticCode::InvalidValue, name.place.span, "the name of a policy is one line of plain text");
        }
        let description = fields.get("description").and_then(|(key, value)| self.text(key, value, "`description`"));
        let audience = match fields.get("triggers") {
            Some((key, value)) => self.audience(key, value),
            None => {
                self.missing(node, "triggers", "a policy");
                None
            }
        };
        let provisions = match fields.get("provisions") {
            Some((key, value)) => match &value.value {
                NodeValue::List(items) if items.is_empty() => {
                    self.problem(DiagnosticCode::Empty, value.pointer(), "`provisions` is empty: the policy gives nothing");
                    None
                }
                NodeValue::List(items) => Some(items.iter().filter_map(|item| self.provision(item)).collect()),
                _ => {
                    self.wrong_type(key, value, "`provisions`", "a list");
                    None
                }
            },
            None => {
                self.missing(node, "provisions", "a policy");
                None
            }
        };
        if let (Some(name), Some(audience), Some(provisions)) = (name, audience, provisions) {
            let description = description.map(|text| text.value.into());
            self.read.policies.push(Policy { name: name.value.into(), place: name.place, description, audience, provisions });
        } else if let Some(name) = name {
            // Kept for the check of names: a policy that is broken elsewhere still has its name.
            let audience = super::super::trigger::Audience::AnyOf(Vec::new());
            self.read.policies.push(Policy { name: name.value.into(), place: name.place, description: None, audience, provisions: Vec::new() });
        }
    }

    fn provision(&mut self, node: &Node) -> Option<Provision> {
        self.provision_on(node, "system", "a provision")
    }

    /// A provision whose system stands under a key.
    pub(super) fn provision_on(&mut self, node: &Node, system_key: &str, of: &str) -> Option<Provision> {
        let fields = self.mapping(node, of, None)?;
        let system = self.required_text(&fields, node, system_key, of);
        let action = self.required_text(&fields, node, "action", of);
        if let Some((key, _)) = fields.get("system").filter(|_| system_key != "system") {
            self.problem(DiagnosticCode::UnknownKey, key, format!("{of} has no key `system`")).help(format!("the system stands under `{system_key}`"));
        }
        let mut read = BTreeMap::new();
        for (name, key, value) in fields.0.iter().copied().filter(|(name, ..)| !matches!(*name, "system" | "action") && *name != system_key) {
            let what = format!("`{name}`");
            let scalar = match (&value.value, name) {
                (_, "target" | "role") => match self.text(key, value, &what) {
                    Some(text) => super::super::scalar::Scalar::Text(text.value.into()),
                    None => continue,
                },
                (NodeValue::Scalar(scalar), _) => scalar.clone(),
                _ => {
                    self.wrong_type(key, value, &super::super::diagnostic::quoted(name), "a single value");
                    continue;
                }
            };
            read.insert(name.into(), Field { key: self.place(key), value: Located { value: scalar, place: self.place(value.span) } });
        }
        Some(Provision { place: self.place(node.pointer()), system: owned(system?), action: owned(action?), fields: read })
    }
}

fn owned(text: Located<&str>) -> Located<Box<str>> {
    Located { value: text.value.into(), place: text.place }
}

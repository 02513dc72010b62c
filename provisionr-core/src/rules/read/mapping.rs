//! What accounts are called, found by, and filled with.

use super::super::diagnostic::{DiagnosticCode, quoted};
use super::super::login::LoginTemplate;
use super::super::source::{Located, Span};
use super::super::topology::{AccountField, KeyMapping, KeySource, Ownership, ProfileMapping, SystemTopology};
use super::super::tree::{Node, NodeValue};
use super::{Reader, SystemPlaces};

const SIDES: &str = "a mapping of account attributes to attributes of the subject";

impl Reader<'_> {
    pub(super) fn logins(&mut self, key: Span, value: &Node) -> Vec<LoginTemplate> {
        if matches!(&value.value, NodeValue::List(items) if items.is_empty()) {
            self.problem(DiagnosticCode::Empty, value.pointer(), "the list of `logins` is empty");
        }
        let mut logins: Vec<LoginTemplate> = Vec::new();
        for item in value.items() {
            let Some(text) = self.text(key, item, "a login of `logins`") else { continue };
            match LoginTemplate::parse(text.value) {
                Ok(login) if logins.contains(&login) => {
                    self.problem(DiagnosticCode::InvalidValue, item.span, format!("the login {} stands twice", quoted(text.value)));
                }
                Ok(login) => logins.push(login),
                Err(wrong) => {
                    let message = format!("{} is no form of a login: {}", quoted(text.value), wrong.message);
                    self.problem(DiagnosticCode::InvalidValue, item.span, message).help(wrong.help);
                }
            }
        }
        logins
    }

    /// The short form: the account's key is called as the attribute is.
    pub(super) fn key(&mut self, key: Span, value: &Node, topology: &mut SystemTopology, places: &mut SystemPlaces) {
        let Some(text) = self.text(key, value, "`key`") else { return };
        places.keys.push(Located { value: text.value.into(), place: text.place });
        topology.keys.push(KeyMapping { key: text.value.to_owned(), source: KeySource::Subject(text.value.to_owned()) });
    }

    pub(super) fn keys(&mut self, name: &str, key: Span, value: &Node, topology: &mut SystemTopology, places: &mut SystemPlaces) {
        for (account, key, value) in self.sides(key, value, "`keys`") {
            let source = match &value.value {
                NodeValue::Map(_) => self.other_account(name, &account, value, places),
                _ => self.text(key, value, &quoted(&account.value)).map(|attribute| KeySource::Subject(attribute.value.to_owned())),
            };
            if let Some(source) = source {
                topology.keys.push(KeyMapping { key: account.value.to_string(), source });
                places.keys.push(account);
            }
        }
    }

    fn other_account(&mut self, name: &str, account: &Located<Box<str>>, node: &Node, places: &mut SystemPlaces) -> Option<KeySource> {
        let what = format!("key {}", quoted(&account.value));
        let fields = self.mapping(node, &what, Some(&["from", "field"]))?;
        let from = self.required_text(&fields, node, "from", &what);
        let field = self.required_text(&fields, node, "field", &what);
        let from = from.map(|from| Located { value: Box::<str>::from(from.value), place: from.place });
        let from = from.filter(|from| self.another(name, from, "take a key from its own account"));
        if let Some(from) = &from {
            places.after.push(from.clone());
        }
        let field = field?;
        let meant = match field.value {
            "id" => AccountField::Id,
            "login" => AccountField::Login,
            "email" => AccountField::Email,
            other => match other.strip_prefix("profile.").filter(|attribute| !attribute.trim().is_empty()) {
                Some(attribute) => AccountField::Profile(attribute.to_owned()),
                None => {
                    let help = provisionr_sdk::suggestion(other, ["id", "login", "email"]).map(|near| format!("did you mean {}?", quoted(near)));
                    let help = help.unwrap_or_else(|| "it is `id`, `login`, `email`, or an attribute of the profile as `profile.attribute`".to_owned());
                    self.problem(DiagnosticCode::InvalidValue, field.place.span, format!("an account has no field {}", quoted(other))).help(help);
                    return None;
                }
            },
        };
        let from = from?;
        let system = (&*from.value).into();
        if let AccountField::Profile(attribute) = &meant {
            places.fields.push((from.value, Located { value: attribute.as_str().into(), place: field.place }));
        }
        Some(KeySource::Account { system, field: meant })
    }

    pub(super) fn profile(&mut self, key: Span, value: &Node, topology: &mut SystemTopology, places: &mut SystemPlaces) {
        for (account, key, value) in self.sides(key, value, "`profile`") {
            let mapping = match &value.value {
                NodeValue::Map(_) => self.owned(&account, value),
                _ => self
                    .text(key, value, &quoted(&account.value))
                    .map(|attribute| ProfileMapping { from: Some(attribute.value.to_owned()), own: Ownership::Always }),
            };
            if let Some(mapping) = mapping {
                topology.profile.insert(account.value.to_string(), mapping);
                places.profile.push(account);
            }
        }
    }

    fn owned(&mut self, account: &Located<Box<str>>, node: &Node) -> Option<ProfileMapping> {
        let what = format!("attribute {}", quoted(&account.value));
        let fields = self.mapping(node, &what, Some(&["from", "own"]))?;
        if matches!(&node.value, NodeValue::Map(entries) if entries.is_empty()) {
            self.missing(node, "from", &what);
            return None;
        }
        let from = fields.get("from").map(|(key, value)| self.text(key, value, "`from`"));
        let own = fields.get("own").map(|(key, value)| self.word(key, value, "`own`", &Ownership::ALL));
        let from = match from {
            Some(from) => Some(from?.value.to_owned()),
            None => None,
        };
        Some(ProfileMapping { from, own: own.unwrap_or(Some(Ownership::Always))? })
    }

    /// The entries of a mapping: what is on the account's side, and what stands for it.
    fn sides<'n>(&mut self, key: Span, value: &'n Node, what: &str) -> Vec<(Located<Box<str>>, Span, &'n Node)> {
        if !matches!(value.value, NodeValue::Map(_)) {
            self.wrong_type(key, value, what, SIDES);
            return Vec::new();
        }
        let Some(fields) = self.mapping(value, what, None) else { return Vec::new() };
        let mut sides = Vec::new();
        for (account, key, value) in fields.0 {
            if account.trim().is_empty() {
                self.problem(DiagnosticCode::Empty, key, format!("a key of {what} is empty"));
                continue;
            }
            sides.push((Located { value: account.into(), place: self.place(key) }, key, value));
        }
        sides
    }
}

//! The systems a host has, from a file.
//!
//! A file says which systems there are, of what type, where, and where their credentials are. The fields are those of the
//! settings of each type, documented there; `type` may be left out where the name is one.
//!
//! ```
//! use std::sync::Arc;
//!
//! use provisionr_adapters::http::ReqwestTransport;
//! use provisionr_adapters::systems::Systems;
//!
//! let text = "
//! systems:
//!   okta:
//!     url: https://company.okta.com
//!     credentials: { token: { env: OKTA_TOKEN } }
//!   okta-eu:
//!     type: okta
//!     url: https://company-eu.okta.com
//!     credentials: { token: { file: /run/secrets/okta-eu } }
//! ";
//! # #[cfg(feature = "okta")] {
//! let systems = Systems::parse("systems.yaml", text)?;             // in production: `Systems::load("systems.yaml")`
//! let adapters = systems.connect(&ReqwestTransport::without_tls()?)?; // for `Provisioner::builder(…).adapters(adapters)`
//! assert_eq!(adapters[1].descriptor().system.as_str(), "okta-eu");
//!
//! // All mistakes are told at once, and a secret that is written out is one.
//! let error = Systems::parse("systems.yaml", "
//! systems:
//!   okta: { ulr: https://company.okta.com, credentials: { token: 00abc } }
//! ").unwrap_err();
//! let said = error.to_string();
//! assert!(said.contains("systems.yaml:3:11: okta has no key `ulr`; did you mean `url`?"), "{said}");
//! assert!(said.contains("a secret does not belong into this file") && !said.contains("00abc"));
//! # }
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod error;
mod read;
mod table;
mod tree;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use error::{SystemsError, SystemsProblem};
use provisionr_http::{SystemSettings, Transport};
use provisionr_sdk::{Adapter, SystemName};
use read::{Failure, Reader, near};
use tree::{Node, Place, Value};

/// Bytes of one file; no host has so many systems.
const LARGEST: u64 = 4 * 1024 * 1024;

const TYPE: &str = "type";

/// Settings, their type forgotten.
trait Connect: fmt::Debug + Send + Sync {
    fn connect(&self, system: SystemName, http: &Arc<dyn Transport>) -> provisionr_sdk::Result<Arc<dyn Adapter>>;
}

impl<S: SystemSettings> Connect for S {
    fn connect(&self, system: SystemName, http: &Arc<dyn Transport>) -> provisionr_sdk::Result<Arc<dyn Adapter>> {
        Ok(Arc::new(SystemSettings::connect(self, system, http)?))
    }
}

type Factory = fn(Reader<'_, '_>) -> Result<Box<dyn Connect>, Failure>;

fn factory<S: SystemSettings>(reader: Reader<'_, '_>) -> Result<Box<dyn Connect>, Failure> {
    S::deserialize(reader).map(|settings| Box::new(settings) as Box<dyn Connect>)
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 4 MiB, and hardly one of systems")
}

/// The types of systems a file may name: ours, as far as their features are on, and those a host adds.
#[derive(Clone)]
pub struct SystemTypes(BTreeMap<String, Option<Factory>>);

impl Default for SystemTypes {
    fn default() -> Self {
        Self(table::TYPES.iter().map(|(name, factory)| ((*name).to_owned(), *factory)).collect())
    }
}

impl fmt::Debug for SystemTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().filter(|(_, factory)| factory.is_some()).map(|(name, _)| name)).finish()
    }
}

impl SystemTypes {
    /// Adds the type of an adapter that is not ours, or puts it in the place of one of that name.
    #[must_use]
    pub fn with<S: SystemSettings>(mut self, name: impl Into<String>) -> Self {
        self.0.insert(name.into(), Some(factory::<S>));
        self
    }

    /// Reads a file, YAML or JSON.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Systems, SystemsError> {
        let name = path.as_ref().display().to_string();
        let read = std::fs::metadata(&path).and_then(|facts| if facts.len() > LARGEST { Err(too_large()) } else { std::fs::read_to_string(&path) });
        match read {
            Ok(text) => self.parse(&name, &text),
            Err(error) => Err(SystemsError::one(SystemsProblem::new(&name, None, format!("the file cannot be read: {error}")))),
        }
    }

    /// Reads a text, YAML or JSON; `name` stands for the file in what is told.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(&self, name: &str, text: &str) -> Result<Systems, SystemsError> {
        let told = RefCell::default();
        let systems = match tree::document(text) {
            Ok(document) => self.document(&document, &told),
            Err(at) => {
                let message = "this cannot be read as YAML or JSON; look at indentation, colons, quotes and brackets".to_owned();
                told.borrow_mut().push(Failure { at, message });
                Vec::new()
            }
        };
        let problems = told.into_inner().into_iter().map(|Failure { at, message }| SystemsProblem::new(name, at, message));
        match SystemsError::of(problems.collect()) {
            Some(error) => Err(error),
            None => Ok(Systems { file: name.to_owned(), systems }),
        }
    }

    fn document(&self, document: &Node, told: &RefCell<Vec<Failure>>) -> Vec<System> {
        let tell = |node: &Node, message: String| told.borrow_mut().push(Failure { at: Some(node.at), message });
        let Value::Map(top) = &document.value else {
            tell(document, format!("a systems file is a mapping with `systems`, and this is {}", document.sort()));
            return Vec::new();
        };
        let mut found = None;
        for (name, key, value) in read::entries(top, "the file", &mut |failure| told.borrow_mut().push(failure)) {
            match (name, &value.value) {
                ("systems", Value::Map(systems)) => found = Some(systems),
                ("systems", _) => {
                    tell(value, format!("`systems` should be a mapping from names to systems, and this is {}", value.sort()));
                    return Vec::new();
                }
                _ => tell(key, format!("a systems file has no key `{name}`; {}", near(name, ["systems"]))),
            }
        }
        let Some(systems) = found else {
            tell(document, "`systems` is missing; add `systems:`".to_owned());
            return Vec::new();
        };
        let sound = read::entries(systems, "systems", &mut |failure| told.borrow_mut().push(failure));
        sound.into_iter().filter_map(|(name, key, value)| self.system(name, key, value, told)).collect()
    }

    fn system(&self, name: &str, key: &Node, value: &Node, told: &RefCell<Vec<Failure>>) -> Option<System> {
        let tell = |node: &Node, message: String| told.borrow_mut().push(Failure { at: Some(node.at), message });
        if name.trim().is_empty() {
            tell(key, "the name of a system is empty".to_owned());
            return None;
        }
        let Value::Map(fields) = &value.value else {
            tell(value, format!("{name} should be a mapping with `url` and what else its type has, and this is {}", value.sort()));
            return None;
        };
        // Keys that stand twice are told by whoever reads the rest.
        let named = read::entries(fields, name, &mut |_| ()).into_iter().find(|(field, ..)| *field == TYPE);
        let (kind, at) = match named.map(|(.., node)| (&node.value, node)) {
            None => (name, key),
            Some((Value::Text(kind), node)) => (kind.as_str(), node),
            Some((_, node)) => {
                tell(node, format!("{name}: a type is a text, and this is {}", node.sort()));
                return None;
            }
        };
        let Some(factory) = self.0.get(kind) else {
            let how = if named.is_none() { format!("{name} needs a `type`") } else { format!("{name}: there is no type `{kind}`") };
            tell(at, format!("{how}; {}", near(kind, self.0.keys().map(String::as_str))));
            return None;
        };
        let Some(factory) = factory else {
            tell(at, format!("{name}: the type `{kind}` is not built in; switch on the feature `{kind}` of provisionr-adapters"));
            return None;
        };
        match factory(Reader { node: value, path: name.to_owned(), apart: Some(TYPE), told }) {
            Ok(settings) => Some(System { name: name.to_owned(), at: key.at, settings }),
            Err(failure) => {
                told.borrow_mut().push(failure);
                None
            }
        }
    }
}

/// The systems of a host: what there is, not yet connected. `Debug` shows no secret, for there is none in it.
#[derive(Debug)]
pub struct Systems {
    file: String,
    systems: Vec<System>,
}

#[derive(Debug)]
struct System {
    name: String,
    at: Place,
    settings: Box<dyn Connect>,
}

impl Systems {
    /// Reads a file of systems of our types, YAML or JSON.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SystemsError> {
        SystemTypes::default().load(path)
    }

    /// Reads a text with systems of our types, YAML or JSON; `name` stands for the file in what is told.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Self, SystemsError> {
        SystemTypes::default().parse(name, text)
    }

    /// The names of the systems, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.systems.iter().map(|system| system.name.as_str())
    }

    /// The adapters, in the order of the file. Nothing is sent.
    ///
    /// # Errors
    /// Everything that cannot be meant, such as a key that is not where the file says.
    pub fn connect(&self, http: &(impl Transport + Clone)) -> Result<Vec<Arc<dyn Adapter>>, SystemsError> {
        let http: Arc<dyn Transport> = Arc::new(http.clone());
        let (mut adapters, mut problems) = (Vec::new(), Vec::new());
        for system in &self.systems {
            match system.settings.connect(SystemName::from(system.name.as_str()), &http) {
                Ok(adapter) => adapters.push(adapter),
                Err(error) => problems.push(SystemsProblem::new(&self.file, Some(system.at), format!("{}: {error}", system.name))),
            }
        }
        match SystemsError::of(problems) {
            Some(error) => Err(error),
            None => Ok(adapters),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_is_not_built_in_names_its_feature() {
        let types = SystemTypes([("gitlab".to_owned(), None)].into());
        let error = types.parse("s.yaml", "systems: { gitlab: { url: https://gitlab.example } }").unwrap_err();
        assert!(error.problems()[0].message().contains("switch on the feature `gitlab` of provisionr-adapters"), "{error}");
    }
}

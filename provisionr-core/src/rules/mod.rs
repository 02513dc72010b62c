//! Rules: what the host declares about access, in YAML files.
//!
//! Loading has two stages. [`Rules::load_dir`] and its siblings read the files and find everything that can be judged
//! without knowing any system; [`Rules::check`] holds the rules against the systems the host has. Each stage reports
//! all it finds at once, with file, line, column and the lines in question.
//!
//! ```
//! use provisionr_core::{Descriptor, Kind, Rules};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct InGroup { target: String }
//!
//! let okta = Descriptor::new("okta", "okta").kind(Kind::per_target::<InGroup>("add_to_group"));
//! let rules = Rules::parse("sales.yaml", r##"
//! policy:
//!   name: "Sales"
//!   triggers:
//!     - department: "Sales"
//!   provisions:
//!     - { system: okta, action: add_to_grup, target: sales-team }
//! "##)?;
//! let error = rules.check([&okta]).unwrap_err();
//! assert_eq!(error.diagnostics()[0].line(), Some(7));
//! assert_eq!(error.diagnostics()[0].help(), Some("did you mean `add_to_group`?"));
//! # Ok::<_, provisionr_core::RulesError>(())
//! ```
//!
#![doc = include_str!("../../docs/policies.md")]

mod check;
mod diagnostic;
mod index;
mod lifecycle;
mod load;
mod login;
mod policy;
mod read;
mod revision;
mod scalar;
mod schema;
mod source;
mod topology;
mod tree;
mod trigger;
mod waits;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use provisionr_sdk::{Descriptor, Subject, SystemName};
use serde_json::Value;

pub(crate) use check::CheckedProvision;
pub use check::CheckedRules;
pub use diagnostic::{Diagnostic, DiagnosticCode, RulesError};
use index::{Index, Match};
pub use lifecycle::{Cannot, Cut, LeaverRules, LifecycleRules, OnLeave};
use load::Files;
pub use login::LoginTemplate;
pub use policy::{Policy, Provision};
use read::{Read, SystemPlaces};
use source::{Place, Source};
pub use topology::{AccountField, AccountOrigin, Federation, KeyMapping, KeySource, Ownership, ProfileMapping, SystemTopology, Topology};
pub(crate) use trigger::{Audience, EVERYONE};

use crate::digest::Digest;
use diagnostic::quoted;

/// What a host declares: policies and topology. Cheap to clone.
#[derive(Clone)]
pub struct Rules(Arc<Content>);

struct Content {
    sources: Vec<Arc<Source>>,
    /// By name.
    policies: Vec<Policy>,
    index: Index,
    topology: Topology,
    lifecycle: LifecycleRules,
    places: BTreeMap<SystemName, (Place, SystemPlaces)>,
    revision: Digest,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("policies", &self.0.policies.len()).field("revision", &self.0.revision).finish_non_exhaustive()
    }
}

impl Rules {
    /// Reads all `*.yaml` and `*.yml` files of a folder and its sub-folders, by name. Names that begin with a dot are
    /// left out; links are followed.
    ///
    /// # Errors
    /// Everything that is wrong with any of the files, and a folder without any rules file.
    pub fn load_dir(folder: impl AsRef<Path>) -> Result<Self, RulesError> {
        Self::of(Files::of_folder(folder.as_ref()))
    }

    /// Reads these files, whatever their names end in.
    ///
    /// # Errors
    /// Everything that is wrong with any of the files.
    pub fn load_files<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> Result<Self, RulesError> {
        Self::of(Files::of_paths(files))
    }

    /// Reads one text; `name` stands for the file in diagnostics.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn parse(name: &str, text: &str) -> Result<Self, RulesError> {
        Self::parse_all([(name, text)])
    }

    /// Reads several texts, each with the name that stands for its file in diagnostics.
    ///
    /// # Errors
    /// Everything that is wrong with any of the texts.
    pub fn parse_all<'t>(texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Result<Self, RulesError> {
        Self::of(Files { sources: texts.into_iter().map(|(name, text)| Source::new(name, text)).collect(), problems: Vec::new() })
    }

    /// No rules at all: nobody gets anything.
    pub fn empty() -> Self {
        Self::built(Vec::new(), Read::default())
    }

    fn of(files: Files) -> Result<Self, RulesError> {
        let Files { sources, problems } = files;
        let mut read = Read { problems, ..Read::default() };
        for (number, source) in sources.iter().enumerate() {
            match tree::documents(source) {
                Ok(documents) => documents.iter().for_each(|document| read::document(&sources, number, document, &mut read)),
                Err(tree::NotYaml { span, message }) => {
                    let message = format!("this cannot be read as YAML: {message}");
                    read.problems.push(match span {
                        Some(span) => Diagnostic::at(DiagnosticCode::NotYaml, source, span, message),
                        None => Diagnostic::of_file(DiagnosticCode::NotYaml, &source.name, message),
                    });
                }
            }
        }
        let mut names: BTreeMap<&str, Place> = BTreeMap::new();
        for policy in &read.policies {
            if let Some(first) = names.get(policy.name()) {
                let Some(source) = sources.get(policy.place.source) else { continue };
                let message = format!("there are two policies named {}", quoted(policy.name()));
                let problem = Diagnostic::at(DiagnosticCode::DuplicateName, source, policy.place.span, message);
                read.problems.push(problem.with_also(&sources, *first, "first here"));
            } else {
                names.insert(policy.name(), policy.place);
            }
        }
        waits::circles(&sources, &read.systems, &mut read.problems);
        match RulesError::of(std::mem::take(&mut read.problems)) {
            Some(error) => Err(error),
            None => Ok(Self::built(sources, read)),
        }
    }

    fn built(sources: Vec<Arc<Source>>, read: Read) -> Self {
        let Read { mut policies, systems, lifecycle, .. } = read;
        let lifecycle = lifecycle.map(|lifecycle| lifecycle.value).unwrap_or_default();
        policies.sort_by(|one, two| one.name.cmp(&two.name));
        let mut topology = Topology::default();
        let mut places = BTreeMap::new();
        for (name, system) in systems {
            let name = SystemName::from(&*name);
            topology.systems.insert(name.clone(), system.topology);
            places.insert(name, (system.place, system.places));
        }
        let revision = revision::revision(&policies, &topology, &lifecycle);
        Self(Arc::new(Content { sources, index: Index::new(&policies), policies, topology, lifecycle, places, revision }))
    }

    /// Holds the rules against the systems a host has: systems, actions, roles and parameters, and topology.
    ///
    /// # Errors
    /// Everything that does not fit.
    pub fn check<'d>(&self, descriptors: impl IntoIterator<Item = &'d Descriptor>) -> Result<CheckedRules, RulesError> {
        check::check(self, descriptors)
    }

    /// The JSON Schema (2020-12) of one document of a rules file for these systems, for editors.
    pub fn json_schema<'d>(descriptors: impl IntoIterator<Item = &'d Descriptor>) -> Value {
        schema::json_schema(descriptors)
    }

    /// The identity of what the rules mean.
    ///
    /// It does not depend on names, number, order or formatting of files, nor on the order of policies, triggers and
    /// provisions, nor on descriptions. The order of identity keys and of logins counts, since they are tried in their order.
    pub fn revision(&self) -> Digest {
        self.0.revision
    }

    /// The policies, by name.
    pub fn policies(&self) -> impl ExactSizeIterator<Item = &Policy> {
        self.0.policies.iter()
    }

    /// How accounts come about, as far as the rules say it.
    pub fn topology(&self) -> &Topology {
        &self.0.topology
    }

    /// When access begins, how long it lasts, and when it ends.
    pub fn lifecycle(&self) -> &LifecycleRules {
        &self.0.lifecycle
    }

    /// How long a person keeps what the rules no longer give them in a system.
    pub fn grace(&self, system: &SystemName) -> Duration {
        self.topology().system(system).and_then(|system| system.grace).unwrap_or(self.lifecycle().grace)
    }

    fn sources(&self) -> &[Arc<Source>] {
        &self.0.sources
    }

    fn policy_at(&self, index: usize) -> Option<&Policy> {
        self.0.policies.get(index)
    }

    fn matches(&self, subject: &Subject) -> Vec<Match> {
        self.0.index.matches(&self.0.policies, subject)
    }

    fn system_places(&self) -> impl Iterator<Item = (&SystemName, Place, &SystemTopology, &SystemPlaces)> {
        self.0.places.iter().filter_map(|(name, (place, places))| Some((name, *place, self.0.topology.system(name)?, places)))
    }
}

//! Rules against the systems a host has.

mod accounts;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use provisionr_sdk::{Cardinality, Descriptor, GrantKey, KindName, KindProblem, Kinds, Level, ParamType, Subject, SystemName, Target, Wanted};

use super::Rules;
use super::diagnostic::{Diagnostic, DiagnosticCode, RulesError, did_you_mean, quoted};
use super::index::Match;
use super::lifecycle::LifecycleRules;
use super::policy::{Policy, Provision};
use super::scalar::Scalar;
use super::source::{Place, Source};
use super::topology::Topology;
use crate::digest::Digest;

/// Rules that fit the systems of a host: every provision names something its system has.
#[derive(Clone, Debug)]
pub struct CheckedRules {
    rules: Rules,
    /// Per policy, in the order of its lines.
    provisions: Arc<[Vec<CheckedProvision>]>,
    /// By the system whose accounts another one makes.
    federations: Arc<BTreeMap<SystemName, CheckedProvision>>,
}

/// A provision that fits its system.
#[derive(Clone, Debug)]
pub(crate) struct CheckedProvision {
    pub(crate) system: SystemName,
    pub(crate) wanted: Wanted,
    /// What identifies it, with the target's name standing for its id.
    pub(crate) key: GrantKey,
    pub(crate) level: Option<Level>,
    /// Whether an account holds at most one of its kind.
    pub(crate) exclusive: bool,
}

impl CheckedRules {
    /// The rules as they were loaded.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Their identity.
    pub fn revision(&self) -> Digest {
        self.rules.revision()
    }

    /// How accounts come about, as far as the rules say it.
    pub fn topology(&self) -> &Topology {
        self.rules.topology()
    }

    /// When access begins, how long it lasts, and when it ends.
    pub fn lifecycle(&self) -> &LifecycleRules {
        self.rules.lifecycle()
    }

    /// How long a person keeps what the rules no longer give them in a system.
    pub fn grace(&self, system: &SystemName) -> Duration {
        self.rules.grace(system)
    }

    /// The system that makes the accounts of this one, and what is granted there so that it does.
    pub(crate) fn federation(&self, system: &SystemName) -> Option<(&SystemName, &CheckedProvision)> {
        self.federations.get(system).map(|provision| (&provision.system, provision))
    }

    pub(crate) fn matches(&self, subject: &Subject) -> Vec<Match> {
        self.rules.matches(subject)
    }

    pub(crate) fn policy(&self, found: Match) -> Option<(&Policy, &[CheckedProvision])> {
        Some((self.rules.policy_at(found.policy)?, self.provisions.get(found.policy)?))
    }
}

pub(crate) fn check<'d>(rules: &Rules, descriptors: impl IntoIterator<Item = &'d Descriptor>) -> Result<CheckedRules, RulesError> {
    let mut systems = BTreeMap::new();
    for descriptor in descriptors {
        systems.entry(descriptor.system.as_str()).or_insert(descriptor);
    }
    let mut checker = Checker { sources: rules.sources(), systems, problems: Vec::new() };
    let provisions = rules.policies().map(|policy| checker.policy(policy)).collect();
    let mut federations = BTreeMap::new();
    for (name, place, topology, places) in rules.system_places() {
        checker.system(name, place, topology, places);
        let federation = places.federation.as_ref().and_then(|provision| checker.provision(provision));
        federations.extend(federation.map(|provision| (name.clone(), provision)));
    }
    match RulesError::of(checker.problems) {
        Some(error) => Err(error),
        None => Ok(CheckedRules { rules: rules.clone(), provisions, federations: Arc::new(federations) }),
    }
}

struct Checker<'r, 'd> {
    sources: &'r [Arc<Source>],
    systems: BTreeMap<&'d str, &'d Descriptor>,
    problems: Vec<Diagnostic>,
}

impl<'r> Checker<'r, '_> {
    fn problem(&mut self, code: DiagnosticCode, place: Place, message: impl Into<String>, help: Option<String>, also: Option<(Place, &'static str)>) {
        let Some(source) = self.sources.get(place.source) else { return };
        let problem = Diagnostic::at(code, source, place.span, message).with_help(help);
        self.problems.push(match also {
            Some((place, label)) => problem.with_also(self.sources, place, label),
            None => problem,
        });
    }

    fn unknown_system(&mut self, name: &str, place: Place) {
        let help = did_you_mean(name, self.systems.keys().copied().collect::<Vec<_>>());
        let help = help.or_else(|| Some("the host has no systems at all".to_owned()));
        self.problem(DiagnosticCode::UnknownSystem, place, format!("there is no system {}", quoted(name)), help, None);
    }

    fn policy(&mut self, policy: &'r Policy) -> Vec<CheckedProvision> {
        let mut checked: Vec<CheckedProvision> = Vec::with_capacity(policy.provisions.len());
        let mut by_key: BTreeMap<(SystemName, GrantKey), (&'r Provision, usize)> = BTreeMap::new();
        let mut exclusive: BTreeMap<(SystemName, KindName), &'r Provision> = BTreeMap::new();
        for provision in &policy.provisions {
            let Some(new) = self.provision(provision) else { continue };
            let place = provision.place;
            if let Some((first, at)) = by_key.get(&(new.system.clone(), new.key.clone())).copied() {
                let also = Some((first.place, "first here"));
                let same = checked.get(at).is_some_and(|first| first.wanted == new.wanted);
                if same {
                    let message = format!("policy {} gives `{}` on {} twice", quoted(policy.name()), new.wanted, quoted(provision.system()));
                    self.problem(DiagnosticCode::DuplicateProvision, place, message, Some("leave one of them out".to_owned()), also);
                } else {
                    let message = format!("policy {} gives the same thing on {} in two ways", quoted(policy.name()), quoted(provision.system()));
                    let help = checked.get(at).map(|first| format!("`{}` and `{}` exclude each other: leave one of them out", first.wanted, new.wanted));
                    self.problem(DiagnosticCode::ConflictingProvisions, place, message, help, also);
                }
                continue;
            }
            if new.exclusive {
                if let Some(first) = exclusive.get(&(new.system.clone(), new.wanted.kind.clone())) {
                    let message = format!("policy {} gives two targets of `{}` on {}", quoted(policy.name()), new.wanted.kind, quoted(provision.system()));
                    let help = Some("an account holds only one of them: leave one out".to_owned());
                    self.problem(DiagnosticCode::ConflictingProvisions, place, message, help, Some((first.place, "first here")));
                    continue;
                }
                exclusive.insert((new.system.clone(), new.wanted.kind.clone()), provision);
            }
            by_key.insert((new.system.clone(), new.key.clone()), (provision, checked.len()));
            checked.push(new);
        }
        checked
    }

    fn provision(&mut self, provision: &Provision) -> Option<CheckedProvision> {
        let Some(descriptor) = self.systems.get(provision.system()).copied() else {
            self.unknown_system(provision.system(), provision.system.place);
            return None;
        };
        let fields = provision.fields.iter().map(|(name, field)| (name.to_string(), field.value.value.to_json())).collect();
        let wanted = match descriptor.kinds.parse(provision.action(), &fields) {
            Ok(wanted) => wanted,
            Err(problems) => {
                for problem in problems {
                    self.kind_problem(provision, &descriptor.kinds, problem);
                }
                return None;
            }
        };
        let kind = descriptor.kinds.get(&wanted.kind)?;
        // Before names are resolved, a name stands for its id.
        let named = wanted.bind(&Target::new(wanted.target.as_str(), wanted.target.clone()));
        let level = wanted.role.as_ref().and_then(|role| kind.level(role.as_str()));
        let exclusive = kind.cardinality != Cardinality::Many;
        Some(CheckedProvision { system: descriptor.system.clone(), key: kind.key_of(&named), wanted, level, exclusive })
    }

    fn kind_problem(&mut self, provision: &Provision, kinds: &Kinds, problem: KindProblem) {
        let field = provision.fields.get(&*problem.field);
        let (code, place) = match (problem.field.as_str(), field) {
            ("role", Some(field)) if problem.about_name => (DiagnosticCode::InvalidRole, field.key),
            ("role", Some(field)) => (DiagnosticCode::InvalidRole, field.value.place),
            (_, Some(field)) if problem.about_name => (DiagnosticCode::InvalidProvision, field.key),
            (_, Some(field)) => (DiagnosticCode::InvalidProvision, field.value.place),
            (_, None) if !kinds.iter().any(|kind| kind.name == *provision.action()) => (DiagnosticCode::UnknownAction, provision.action.place),
            (_, None) => (DiagnosticCode::InvalidProvision, provision.action.place),
        };
        let message = match code {
            DiagnosticCode::UnknownAction => format!("{} has no action {}", quoted(provision.system()), quoted(provision.action())),
            _ => problem.message,
        };
        let help = problem.help.or_else(|| self.quotes(provision, kinds, &problem.field));
        self.problem(code, place, message, help, None);
    }

    /// Numbers that are names (an AWS account, a group's id) are the usual reason why a value is not a text.
    fn quotes(&self, provision: &Provision, kinds: &Kinds, field: &str) -> Option<String> {
        let kind = kinds.iter().find(|kind| kind.name == *provision.action())?;
        let value = &provision.fields.get(field)?.value;
        if kind.param(field)?.takes != ParamType::Text || matches!(value.value, Scalar::Text(_)) {
            return None;
        }
        let written = self.sources.get(value.place.source)?.written(value.place.span);
        Some(format!("put it in quotes: {}", serde_json::Value::from(written)))
    }
}

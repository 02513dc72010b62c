//! Desired access: what the rules want one subject to have, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use provisionr_sdk::{GrantKey, KindName, Lifecycle, RoleName, Subject, SubjectId, SystemName, Wanted};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::rules::{Audience, CheckedProvision, CheckedRules, EVERYONE};

/// What stands for the policy in the reasons of what follows from how accounts come about.
pub(crate) const TOPOLOGY: &str = "topology";

/// Why something is wanted: a policy, and which of its triggers matched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reason {
    /// The name of the policy; `topology` for what another system's accounts need.
    pub policy: Arc<str>,
    /// The trigger as a text, such as `job_title = "Sales Engineer"`; `everyone` for a policy that is for everyone,
    /// `accounts of google` for what makes the accounts of a system.
    pub trigger: Arc<str>,
}

impl Reason {
    pub(crate) fn new(policy: impl Into<Arc<str>>, trigger: impl Into<Arc<str>>) -> Self {
        Self { policy: policy.into(), trigger: trigger.into() }
    }

    /// Something is wanted in one system because it makes accounts in another.
    pub(crate) fn accounts_of(system: &SystemName) -> Self {
        Self::new(TOPOLOGY, format!("accounts of {system}"))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.policy, self.trigger)
    }
}

/// One thing a subject should have in one system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DesiredEntitlement {
    /// What.
    pub wanted: Wanted,
    /// What identifies it, with the target's name standing for its id.
    pub key: GrantKey,
    /// Why, by policy and trigger; at least one.
    pub reasons: Vec<Reason>,
    /// Lower roles that other policies want on the same thing and that this one includes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub covers: Vec<Covered>,
}

/// A lower role that is included in a higher one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Covered {
    /// The lower role.
    pub role: RoleName,
    /// Why it is wanted.
    pub reasons: Vec<Reason>,
}

/// In what the candidates of a contradiction differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Clash {
    /// In their roles, which are not comparable.
    Roles,
    /// In other values.
    Values,
    /// In their targets, and an account holds only one of the kind.
    OnlyOne,
}

/// Policies that want things that exclude each other. Nothing of it is picked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Contradiction {
    /// The kind it is about.
    pub kind: KindName,
    /// In what the candidates differ.
    pub clash: Clash,
    /// What is wanted, each with its reasons; at least two.
    pub candidates: Vec<DesiredEntitlement>,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, candidate) in self.candidates.iter().enumerate() {
            let reasons: Vec<_> = candidate.reasons.iter().map(ToString::to_string).collect();
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}`{}` wanted by {}", candidate.wanted, reasons.join(", "))?;
        }
        Ok(())
    }
}

/// What a subject should have in one system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SystemAccess {
    /// By key.
    pub entitlements: Vec<DesiredEntitlement>,
    /// What cannot be decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contradictions: Vec<Contradiction>,
}

/// What a subject should have, in all systems.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DesiredAccess {
    /// Who.
    pub subject: SubjectId,
    /// By which rules.
    pub revision: Digest,
    systems: BTreeMap<SystemName, SystemAccess>,
}

impl DesiredAccess {
    /// The systems something is wanted in, by name.
    pub fn systems(&self) -> impl ExactSizeIterator<Item = (&SystemName, &SystemAccess)> {
        self.systems.iter()
    }

    /// What is wanted in one system; none when nothing is.
    pub fn for_system(&self, system: &SystemName) -> Option<&SystemAccess> {
        self.systems.get(system)
    }

    /// All contradictions, by system.
    pub fn contradictions(&self) -> impl Iterator<Item = (&SystemName, &Contradiction)> {
        self.systems.iter().flat_map(|(system, access)| access.contradictions.iter().map(move |contradiction| (system, contradiction)))
    }

    /// Whether nothing is wanted anywhere.
    pub fn is_empty(&self) -> bool {
        self.systems.is_empty()
    }
}

/// What the rules want a subject to have, in a stable order. Who is terminated should have nothing.
///
/// Where accounts of a system are made by another one, what makes it do so is wanted too, as long as anything is wanted
/// in the system.
///
/// What several policies want is wanted once, for all their reasons. Where policies want the same thing with different
/// roles, the highest wins if all of them are on the common scale of levels and one is above all others. Everything
/// else that excludes each other is a [`Contradiction`], and not among the entitlements.
///
/// ```
/// use provisionr_core::{Descriptor, Kind, Rules, Subject, desired};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct InGroup { target: String }
///
/// let okta = Descriptor::new("okta", "okta").kind(Kind::per_target::<InGroup>("add_to_group"));
/// let rules = Rules::parse("sales.yaml", r##"
/// policy:
///   name: "Sales"
///   triggers: [{ department: "Sales" }]
///   provisions: [{ system: okta, action: add_to_group, target: sales-team }]
/// "##)?.check([&okta])?;
///
/// let access = desired(&rules, &Subject::new("7").with("department", "Sales"));
/// let okta = access.for_system(&"okta".into()).unwrap();
/// assert_eq!(okta.entitlements[0].wanted.target, "sales-team");
/// assert_eq!(okta.entitlements[0].reasons[0].to_string(), r#"Sales (department = "Sales")"#);
/// # Ok::<_, provisionr_core::RulesError>(())
/// ```
pub fn desired(rules: &CheckedRules, subject: &Subject) -> DesiredAccess {
    let mut access = DesiredAccess { subject: subject.id.clone(), revision: rules.revision(), systems: BTreeMap::new() };
    if subject.lifecycle == Lifecycle::Terminated {
        return access;
    }
    let mut candidates = Candidates::new();
    for found in rules.matches(subject) {
        let Some((policy, provisions)) = rules.policy(found) else { continue };
        let trigger = match (&policy.audience, found.trigger) {
            (Audience::AnyOf(triggers), Some(at)) => triggers.get(at).map_or_else(|| EVERYONE.into(), |trigger| trigger.text.clone()),
            _ => EVERYONE.into(),
        };
        let reason = Reason { policy: policy.name.clone(), trigger };
        for provision in provisions {
            add(&mut candidates, provision, &reason);
        }
    }
    federated(rules, &mut candidates);
    access.systems = candidates.into_iter().map(|(system, by_key)| (system, decide(by_key))).collect();
    access
}

/// Adds what makes other systems make the accounts that wants need, and what that needs in turn.
fn federated<'r>(rules: &'r CheckedRules, candidates: &mut Candidates<'r>) {
    let mut left: Vec<SystemName> = candidates.keys().cloned().collect();
    let mut seen: BTreeSet<SystemName> = left.iter().cloned().collect();
    while let Some(system) = left.pop() {
        let Some((by, provision)) = rules.federation(&system) else { continue };
        add(candidates, provision, &Reason::accounts_of(&system));
        if seen.insert(by.clone()) {
            left.push(by.clone());
        }
    }
}

fn add<'r>(candidates: &mut Candidates<'r>, provision: &'r CheckedProvision, reason: &Reason) {
    let same_key = candidates.entry(provision.system.clone()).or_default().entry(provision.key.clone()).or_default();
    match same_key.iter_mut().find(|candidate| candidate.provision.wanted == provision.wanted) {
        Some(candidate) => candidate.reasons.push(reason.clone()),
        None => same_key.push(Candidate { provision, reasons: vec![reason.clone()] }),
    }
}

/// What is wanted, by system and key.
type Candidates<'r> = BTreeMap<SystemName, BTreeMap<GrantKey, Vec<Candidate<'r>>>>;

struct Candidate<'r> {
    provision: &'r CheckedProvision,
    reasons: Vec<Reason>,
}

impl Candidate<'_> {
    fn entitlement(self, covers: Vec<Covered>) -> DesiredEntitlement {
        let mut reasons = self.reasons;
        reasons.sort();
        DesiredEntitlement { wanted: self.provision.wanted.clone(), key: self.provision.key.clone(), reasons, covers }
    }
}

fn decide(by_key: BTreeMap<GrantKey, Vec<Candidate<'_>>>) -> SystemAccess {
    let mut access = SystemAccess::default();
    let mut exclusive: BTreeMap<KindName, Vec<Vec<Candidate<'_>>>> = BTreeMap::new();
    for candidates in by_key.into_values() {
        match candidates.first().map(|candidate| candidate.provision) {
            Some(provision) if provision.exclusive => exclusive.entry(provision.wanted.kind.clone()).or_default().push(candidates),
            _ => access.add(decide_one(candidates)),
        }
    }
    for keys in exclusive.into_values() {
        let alone = keys.len() == 1;
        let candidates: Vec<_> = keys.into_iter().flatten().collect();
        access.add(if alone { decide_one(candidates) } else { Err((Clash::OnlyOne, candidates)) });
    }
    access.entitlements.sort_by(|one, two| one.key.cmp(&two.key));
    access
}

impl SystemAccess {
    fn add(&mut self, decision: Result<DesiredEntitlement, (Clash, Vec<Candidate<'_>>)>) {
        match decision {
            Ok(entitlement) => self.entitlements.push(entitlement),
            Err((clash, candidates)) => {
                let mut candidates: Vec<_> = candidates.into_iter().map(|candidate| candidate.entitlement(Vec::new())).collect();
                candidates.sort_by_cached_key(|candidate| (candidate.key.clone(), candidate.wanted.to_string()));
                let Some(kind) = candidates.first().map(|candidate| candidate.wanted.kind.clone()) else { return };
                self.contradictions.push(Contradiction { kind, clash, candidates });
            }
        }
    }
}

/// Of what is wanted under one key, the one that includes all others.
fn decide_one(mut candidates: Vec<Candidate<'_>>) -> Result<DesiredEntitlement, (Clash, Vec<Candidate<'_>>)> {
    let includes = |one: &Candidate<'_>, other: &Candidate<'_>| {
        one.provision.wanted.params == other.provision.wanted.params
            && matches!((one.provision.level, other.provision.level), (Some(one), Some(other)) if one > other)
    };
    let highest = candidates
        .iter()
        .enumerate()
        .find(|(at, one)| candidates.iter().enumerate().all(|(other_at, other)| *at == other_at || includes(one, other)))
        .map(|(at, _)| at);
    let Some(highest) = highest else {
        let same_values = candidates.windows(2).all(|pair| matches!(pair, [one, two] if one.provision.wanted.params == two.provision.wanted.params));
        return Err((if same_values { Clash::Roles } else { Clash::Values }, candidates));
    };
    let winner = candidates.swap_remove(highest);
    candidates.sort_by_key(|lower| lower.provision.level);
    let covers = candidates.into_iter().filter_map(|mut lower| {
        lower.reasons.sort();
        Some(Covered { role: lower.provision.wanted.role.clone()?, reasons: lower.reasons })
    });
    let covers = covers.collect();
    Ok(winner.entitlement(covers))
}

//! Policies as they were read: what they say, and where each line stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::scalar::Scalar;
use super::source::{Located, Place};
use super::trigger::{Audience, EVERYONE};

/// A policy: who gets what.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) name: Arc<str>,
    pub(crate) place: Place,
    pub(crate) description: Option<Box<str>>,
    pub(crate) audience: Audience,
    pub(crate) provisions: Vec<Provision>,
}

impl Policy {
    /// Its name, unique among all policies.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for, in the words of its author.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Its triggers as texts, such as `job_title = "Sales Engineer"`; any one of them suffices.
    pub fn triggers(&self) -> impl Iterator<Item = &str> {
        let (everyone, triggers) = match &self.audience {
            Audience::Everyone => (Some(EVERYONE), [].as_slice()),
            Audience::AnyOf(triggers) => (None, triggers.as_slice()),
        };
        everyone.into_iter().chain(triggers.iter().map(|trigger| &*trigger.text))
    }

    /// What it gives, in the order of the file.
    pub fn provisions(&self) -> impl ExactSizeIterator<Item = &Provision> {
        self.provisions.iter()
    }
}

/// One line of a policy: one thing it gives.
#[derive(Clone, Debug)]
pub struct Provision {
    /// Where the line begins.
    pub(crate) place: Place,
    pub(crate) system: Located<Box<str>>,
    pub(crate) action: Located<Box<str>>,
    /// Target, role, parameters.
    pub(crate) fields: BTreeMap<Box<str>, Field>,
}

/// A field of a provision.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) key: Place,
    pub(crate) value: Located<Scalar>,
}

impl Provision {
    /// The system it is in.
    pub fn system(&self) -> &str {
        &self.system.value
    }

    /// What is done there: the name of a kind of entitlement.
    pub fn action(&self) -> &str {
        &self.action.value
    }

    /// What it is about, if that is a text.
    pub fn target(&self) -> Option<&str> {
        match &self.fields.get("target")?.value.value {
            Scalar::Text(text) => Some(text),
            _ => None,
        }
    }
}

//! Builds the front door: every mistake of the host's configuration is found here.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use super::{Inner, Provisioner};
use crate::clock::{Clock, SystemClock};
use crate::digest::Digest;
use crate::directory::Directory;
use crate::driver::News;
use crate::executor::{Claims, Executor, Limits, Systems};
use crate::observer::Observer;
use crate::rate::Lanes;
use crate::retry::RetryPolicy;
use crate::rules::{Rules, RulesError};
use crate::store::Store;
use provisionr_sdk::{Adapter, KindName, SystemName};

/// What is wrong with a host's configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two adapters have the same name.
    #[error("there are two systems called `{0}`; give one of them another name")]
    SystemTwice(SystemName),
    /// A kind speaks of one that its system does not have.
    #[error("in `{system}`, kind `{kind}` speaks of `{missing}`, which is not there")]
    UnknownKind {
        /// The system.
        system: SystemName,
        /// The kind.
        kind: KindName,
        /// What it speaks of.
        missing: KindName,
    },
    /// The rules do not fit the systems.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// A descriptor that cannot be written: a mistake in its adapter.
    #[error("the descriptor of `{system}` cannot be written: {why}")]
    Descriptor {
        /// The system.
        system: SystemName,
        /// Why.
        why: String,
    },
}

/// Gathers what a [`Provisioner`] needs.
pub struct ProvisionerBuilder {
    store: Arc<dyn Store>,
    directory: Arc<dyn Directory>,
    adapters: Vec<Arc<dyn Adapter>>,
    rules: Rules,
    clock: Arc<dyn Clock>,
    retry: RetryPolicy,
    limits: Limits,
    observers: Vec<Arc<dyn Observer>>,
}

impl std::fmt::Debug for ProvisionerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProvisionerBuilder").field("adapters", &self.adapters).finish_non_exhaustive()
    }
}

impl ProvisionerBuilder {
    pub(super) fn new(store: Arc<dyn Store>, directory: Arc<dyn Directory>) -> Self {
        Self {
            store,
            directory,
            adapters: Vec::new(),
            rules: Rules::empty(),
            clock: Arc::new(SystemClock),
            retry: RetryPolicy::default(),
            limits: Limits::default(),
            observers: Vec::new(),
        }
    }

    /// Adds a system.
    #[must_use]
    pub fn adapter(mut self, adapter: impl Adapter) -> Self {
        self.adapters.push(Arc::new(adapter));
        self
    }

    /// Adds systems whose types are not known here, such as those of a file.
    #[must_use]
    pub fn adapters(mut self, adapters: impl IntoIterator<Item = Arc<dyn Adapter>>) -> Self {
        self.adapters.extend(adapters);
        self
    }

    /// Sets the rules; without them nothing is wanted.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Sets the clock; the machine's unless set.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets when failed attempts are tried again.
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Sets how much is done at once.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Adds somebody who hears of progress.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// Checks everything and builds.
    ///
    /// # Errors
    /// When two systems have one name, a kind speaks of one that is not there, or the rules do not fit the systems.
    pub fn build(self) -> Result<Provisioner, BuildError> {
        let mut systems = Systems::new();
        let mut descriptors = BTreeMap::new();
        for adapter in self.adapters {
            let descriptor = adapter.descriptor();
            let system = descriptor.system.clone();
            for kind in descriptor.kinds.iter() {
                let spoken_of = kind.prerequisites.iter().chain(kind.cascades.iter().map(|cascade| &cascade.kind));
                if let Some(missing) = spoken_of.into_iter().find(|name| descriptor.kinds.get(name).is_none()) {
                    return Err(BuildError::UnknownKind { system, kind: kind.name.clone(), missing: missing.clone() });
                }
            }
            let bytes = serde_json::to_vec(descriptor).map_err(|error| BuildError::Descriptor { system: system.clone(), why: error.to_string() })?;
            descriptors.insert(system.clone(), Digest::of([bytes.as_slice()]));
            if systems.insert(system.clone(), adapter).is_some() {
                return Err(BuildError::SystemTwice(system));
            }
        }
        let rules = self.rules.check(systems.values().map(|adapter| adapter.descriptor()))?;
        let lanes = Lanes::new(systems.iter().map(|(name, adapter)| (name, adapter.descriptor().lanes.as_slice())));
        let executor = Executor {
            store: self.store,
            systems: Arc::new(systems),
            lanes,
            clock: self.clock,
            retry: self.retry,
            limits: self.limits,
            observers: self.observers,
            claims: Claims::default(),
            mail: tokio::sync::watch::Sender::default(),
        };
        Ok(Provisioner(Arc::new(Inner {
            executor: Arc::new(executor),
            directory: self.directory,
            rules: RwLock::new(Arc::new(rules)),
            news: Arc::new(News::default()),
            checks: super::checks::Checks::default(),
            turns: super::submit::Turns::default(),
            descriptors,
        })))
    }
}

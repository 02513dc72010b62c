//! What names of targets, and the other names of entitlements, stand for, looked up once for all plans of a set.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use provisionr_sdk::{Bound, Entitlement, KindName, Resolution, Resolved, SystemName, TargetName};

type Name = (SystemName, KindName, TargetName);

#[derive(Debug, Default)]
pub(super) struct Names {
    targets: Mutex<HashMap<Name, Resolution>>,
    bound: Mutex<HashMap<(SystemName, Entitlement), Bound>>,
}

impl Names {
    pub(super) fn get(&self, system: &SystemName, kind: &KindName, name: &TargetName) -> Option<Resolution> {
        let names = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(&(system.clone(), kind.clone(), name.clone())).cloned()
    }

    pub(super) fn put(&self, system: &SystemName, kind: &KindName, resolved: &Resolved) {
        let mut names = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert((system.clone(), kind.clone(), resolved.name.clone()), resolved.resolution.clone());
    }

    pub(super) fn bound(&self, system: &SystemName, entitlement: &Entitlement) -> Option<Bound> {
        let bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        bound.get(&(system.clone(), entitlement.clone())).cloned()
    }

    pub(super) fn put_bound(&self, system: &SystemName, entitlement: Entitlement, to: Bound) {
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        bound.insert((system.clone(), entitlement), to);
    }
}

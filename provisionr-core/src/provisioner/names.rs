//! What names of targets stand for, looked up once for all plans of a set.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use provisionr_sdk::{KindName, Resolution, Resolved, SystemName, TargetName};

type Name = (SystemName, KindName, TargetName);

#[derive(Debug, Default)]
pub(super) struct Names(Mutex<HashMap<Name, Resolution>>);

impl Names {
    pub(super) fn get(&self, system: &SystemName, kind: &KindName, name: &TargetName) -> Option<Resolution> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(&(system.clone(), kind.clone(), name.clone())).cloned()
    }

    pub(super) fn put(&self, system: &SystemName, kind: &KindName, resolved: &Resolved) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert((system.clone(), kind.clone(), resolved.name.clone()), resolved.resolution.clone());
    }
}

//! What the credentials can really do, remembered for a while: it is asked of every plan, and changes seldom.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use provisionr_sdk::{Check, SystemName, Timestamp};

/// What a system answered when it was asked what the credential can do there.
#[derive(Debug)]
#[non_exhaustive]
pub struct SystemCheck {
    /// The system.
    pub system: SystemName,
    /// What it answered.
    pub check: provisionr_sdk::Result<Check>,
}

/// How long an answer is believed.
const BELIEVED: Duration = Duration::from_secs(10 * 60);

#[derive(Debug, Default)]
pub(super) struct Checks(Mutex<HashMap<SystemName, (Timestamp, Check)>>);

impl Checks {
    pub(super) fn get(&self, system: &SystemName, now: Timestamp) -> Option<Check> {
        let checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        checks.get(system).filter(|(at, _)| now < *at + BELIEVED).map(|(_, check)| check.clone())
    }

    pub(super) fn put(&self, system: &SystemName, now: Timestamp, check: Check) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(system.clone(), (now, check));
    }
}

//! One writer at a time for targets whose every write replaces the whole list of who is in them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, sleep_until};

use super::gate::Gate;
use provisionr_sdk::{Change, Contention, Descriptor, KindName, SystemName, TargetId};

type Target = (SystemName, KindName, TargetId);

/// Until when nobody may write, for a write in doubt may still come and undo what another has written.
type ClosedUntil = Option<Instant>;

/// The claims of all runs of a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims(Arc<Mutex<HashMap<Target, Arc<tokio::sync::Mutex<ClosedUntil>>>>>);

/// The right to write to one target. Dropped while a write is under way, it keeps the target closed until that write can
/// have no effect any more.
pub(super) struct Claim {
    closed: OwnedMutexGuard<ClosedUntil>,
    gate: Arc<Gate>,
    late: Duration,
    settled: bool,
}

impl Claims {
    /// Waits for the right to make a change, where there is one writer at a time.
    pub(super) async fn hold(&self, descriptor: &Descriptor, change: &Change, gate: &Arc<Gate>) -> Option<Claim> {
        let entitlement = change.entitlement()?;
        let kind = descriptor.kinds.get(&entitlement.kind).filter(|kind| kind.contention == Contention::WholeList)?;
        let target = (descriptor.system.clone(), kind.name.clone(), entitlement.target.clone());
        let lock = Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(target).or_default());
        let mut closed = lock.lock_owned().await;
        if let Some(until) = closed.take() {
            // Put back before the wait: whoever comes next after this future is dropped has to wait as well.
            *closed = Some(until);
            sleep_until(until).await;
            *closed = None;
        }
        Some(Claim { closed, gate: Arc::clone(gate), late: descriptor.timeout + descriptor.late_effect, settled: false })
    }
}

impl Claim {
    /// The write has come to an end that leaves no doubt.
    pub(super) fn settled(&mut self) {
        self.settled = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.settled && self.gate.wrote() {
            *self.closed = Some(Instant::now() + self.late);
        }
    }
}

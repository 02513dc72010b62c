//! What a running fake keeps beside its state.

use std::sync::{Arc, Weak};

use provisionr_sdk::Timestamp;

use crate::fake::Fake;
use crate::fault::FaultScript;
use crate::link::{Act, FakeEvent};
use crate::log::LogEntry;
use crate::system::Shared;

type Map = Arc<dyn Fn(&FakeEvent) -> Option<Act> + Send + Sync>;

pub(crate) struct Link {
    pub(crate) kind: String,
    /// Weak, so that fakes linked both ways are still dropped, and their problems told.
    pub(crate) target: Weak<Shared<dyn Fake>>,
    pub(crate) map: Map,
}

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) requests: u64,
    pub(crate) log: Vec<LogEntry>,
    pub(crate) events: Vec<FakeEvent>,
    pub(crate) faults: FaultScript,
    pub(crate) links: Vec<Link>,
    /// States that held until a time, oldest first.
    pub(crate) history: Vec<(Timestamp, Box<dyn Fake>)>,
    pub(crate) unknown_routes: Vec<String>,
    pub(crate) failures: Vec<String>,
}

impl Book {
    pub(crate) fn entry(&mut self, number: u64) -> Option<&mut LogEntry> {
        // Numbers ascend; the log may have been cleared meanwhile.
        let at = self.log.binary_search_by_key(&number, |entry| entry.number).ok()?;
        self.log.get_mut(at)
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        let unknown = self.unknown_routes.iter().map(|route| format!("the fake does not answer to {route}"));
        unknown.chain(self.failures.iter().cloned()).collect()
    }
}

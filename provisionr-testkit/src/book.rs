//! What a running fake keeps beside its state.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};

use provisionr_sdk::Timestamp;

use crate::fake::Fake;
use crate::fault::FaultScript;
use crate::link::{Act, FakeEvent};
use crate::log::LogEntry;
use crate::message::Exchange;
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
    /// How many requests, events and problems are kept; none for all.
    pub(crate) keep: Option<usize>,
    pub(crate) log: VecDeque<LogEntry>,
    /// Whole exchanges by the number of their request; none unless they are asked for.
    pub(crate) exchanges: Option<BTreeMap<u64, Exchange>>,
    pub(crate) events: VecDeque<FakeEvent>,
    /// How many events came before those that are kept.
    pub(crate) earlier_events: u64,
    pub(crate) faults: FaultScript,
    pub(crate) links: Vec<Link>,
    /// States that held until a time, oldest first.
    pub(crate) history: Vec<(Timestamp, Box<dyn Fake>)>,
    /// When requests that are answered late will be.
    pub(crate) late: Vec<Timestamp>,
    pub(crate) unknown_routes: Vec<String>,
    pub(crate) failures: Vec<String>,
}

impl Book {
    pub(crate) fn entry(&mut self, number: u64) -> Option<&mut LogEntry> {
        // Numbers ascend; the log may have been cleared meanwhile.
        let at = self.log.binary_search_by_key(&number, |entry| entry.number).ok()?;
        self.log.get_mut(at)
    }

    /// How many requests wait for their answers.
    pub(crate) fn under_way(&mut self, now: Timestamp) -> usize {
        self.late.retain(|due| *due > now);
        self.late.len()
    }

    /// Drops the oldest of what is too much to keep.
    pub(crate) fn trim(&mut self) {
        let Some(keep) = self.keep else { return };
        self.log.drain(..self.log.len().saturating_sub(keep));
        if let Some(exchanges) = &mut self.exchanges {
            while exchanges.len() > keep {
                exchanges.pop_first();
            }
        }
        self.unknown_routes.drain(..self.unknown_routes.len().saturating_sub(keep));
        self.failures.drain(..self.failures.len().saturating_sub(keep));
        let events = self.events.len().saturating_sub(keep);
        self.events.drain(..events);
        self.earlier_events += events as u64;
    }

    pub(crate) fn clear_log(&mut self) {
        self.log.clear();
        if let Some(exchanges) = &mut self.exchanges {
            exchanges.clear();
        }
        self.earlier_events += self.events.len() as u64;
        self.events.clear();
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        let unknown = self.unknown_routes.iter().map(|route| format!("the fake does not answer to {route}"));
        unknown.chain(self.failures.iter().cloned()).collect()
    }
}

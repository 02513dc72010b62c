//! The inbox of one run in memory.

use std::collections::{BTreeMap, HashSet};

use crate::store::{InboxRow, RECOGNISED, RunId};
use provisionr_sdk::Timestamp;

#[derive(Default)]
pub(super) struct Inbox {
    next: u64,
    waiting: BTreeMap<u64, InboxRow>,
    /// The ids by which messages are recognised, by their place.
    sent: BTreeMap<u64, u64>,
    ids: HashSet<u64>,
}

/// What a take took, to put it back.
pub(super) struct Taken {
    waiting: BTreeMap<u64, InboxRow>,
    forgotten: BTreeMap<u64, u64>,
}

impl Inbox {
    pub(super) fn knows(&self, id: u64) -> bool {
        self.ids.contains(&id)
    }

    /// Gives the place.
    pub(super) fn put(&mut self, run: &RunId, id: u64, at: Timestamp, bytes: Vec<u8>) -> u64 {
        let seq = self.next;
        self.next += 1;
        self.waiting.insert(seq, InboxRow { run: run.clone(), seq, at, bytes });
        self.sent.insert(seq, id);
        self.ids.insert(id);
        seq
    }

    pub(super) fn unput(&mut self, seq: u64, id: u64) {
        self.next = seq;
        self.waiting.remove(&seq);
        self.sent.remove(&seq);
        self.ids.remove(&id);
    }

    pub(super) fn take(&mut self, upto: u64) -> Taken {
        let waiting = until(&mut self.waiting, upto.saturating_add(1));
        let forgotten = until(&mut self.sent, self.next.saturating_sub(RECOGNISED).min(upto.saturating_add(1)));
        for id in forgotten.values() {
            self.ids.remove(id);
        }
        Taken { waiting, forgotten }
    }

    pub(super) fn untake(&mut self, mut taken: Taken) {
        self.ids.extend(taken.forgotten.values());
        self.waiting.append(&mut taken.waiting);
        self.sent.append(&mut taken.forgotten);
    }

    pub(super) fn rows(&self) -> Vec<InboxRow> {
        self.waiting.values().cloned().collect()
    }
}

/// Splits off what stands before `end`.
fn until<V>(rows: &mut BTreeMap<u64, V>, end: u64) -> BTreeMap<u64, V> {
    let rest = rows.split_off(&end);
    std::mem::replace(rows, rest)
}

//! What a memory store holds, with its indexes, and how a commit is made or undone.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::inbox::Inbox;
use crate::digest::Digest;
use crate::store::{
    Commit, InboxRow, JournalRow, LedgerRow, LinkRow, NewRow, PlanRow, Rank, RunFilter, RunId, RunRow, StoreError, SubjectRow, WaitRow, WorkerId, Write,
};
use provisionr_sdk::{AccountId, EventId, SubjectId, SystemName, Timestamp};

/// A run but for its journal: cheap to copy, so that a commit that fails can put it back.
#[derive(Clone)]
struct Standing {
    row: RunRow,
    /// Kept during a lease: should the worker end, the run is due again.
    due: Option<Timestamp>,
    /// The earliest wake during a lease.
    woken: Option<Timestamp>,
}

impl Standing {
    fn free_and_due(&self) -> Option<Timestamp> {
        self.due.filter(|_| self.row.owner.is_none() && self.row.verdict.is_none())
    }
}

struct Run {
    standing: Standing,
    journal: Vec<JournalRow>,
    /// By the place of their first row.
    appends: BTreeMap<u64, u64>,
}

type Place = (SystemName, AccountId);

#[derive(Default)]
pub(super) struct State {
    runs: BTreeMap<RunId, Run>,
    unsettled: BTreeSet<RunId>,
    of_subject: HashMap<SubjectId, BTreeSet<RunId>>,
    /// Those that opened a run and those that led to one.
    of_event: HashMap<EventId, RunId>,
    /// Free runs that are due some time, by rank and then in the order of leasing.
    due: BTreeMap<Rank, BTreeSet<(Timestamp, RunId)>>,
    plans: HashMap<Digest, PlanRow>,
    inboxes: HashMap<RunId, Inbox>,
    subjects: HashMap<SubjectId, SubjectRow>,
    links: BTreeMap<SubjectId, BTreeMap<SystemName, AccountId>>,
    holders: HashMap<Place, SubjectId>,
    ledger: HashMap<Place, BTreeMap<String, LedgerRow>>,
    waits: BTreeMap<RunId, BTreeMap<String, WaitRow>>,
}

/// Puts back what one write changed.
type Undo = Box<dyn FnOnce(&mut State)>;

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    [one, other].into_iter().flatten().min()
}

impl State {
    pub(super) fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        if self.made_before(&commit) {
            return Ok(());
        }
        let mut undo = Vec::new();
        for write in commit.writes {
            if let Err(error) = self.write(write, &mut undo) {
                for step in undo.into_iter().rev() {
                    step(self);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether every append of the commit is there: then all of it took effect before, and other writes since.
    fn made_before(&self, commit: &Commit) -> bool {
        let mut appends = commit.writes.iter().filter_map(|write| match write {
            Write::Append { run, at, append, .. } => Some(self.has_append(run, *at, *append)),
            _ => None,
        });
        appends.next().is_some_and(|first| first && appends.all(|there| there))
    }

    fn has_append(&self, run: &RunId, at: u64, append: u64) -> bool {
        self.runs.get(run).is_some_and(|run| run.appends.get(&at) == Some(&append))
    }

    fn write(&mut self, write: Write, undo: &mut Vec<Undo>) -> Result<(), StoreError> {
        match write {
            Write::Open { run, plan, rows } => self.open(run, plan, rows, undo)?,
            Write::Beside { subject, runs } => {
                let of_subject = self.of_subject.get(&subject).into_iter().flatten();
                let mut unsettled = of_subject.filter(|id| self.runs.get(*id).is_some_and(|run| run.standing.row.verdict.is_none()));
                if let Some(unseen) = unsettled.find(|id| !runs.contains(id)) {
                    return Err(StoreError::Unseen { run: unseen.clone() });
                }
            }
            Write::Append { run, at, append, .. } if self.has_append(&run, at, append) => {}
            Write::Append { run, epoch, at, append, rows, verdict } => {
                let Some(head) = rows.last().map(|row| row.hash) else {
                    return Err(StoreError::Invalid(format!("an append to run {run} has no rows")));
                };
                let before = self.standing(&run)?;
                if before.row.epoch != epoch || before.row.rows != at {
                    return Err(StoreError::Conflict { run });
                }
                let mut after = before.clone();
                after.row.rows += rows.len() as u64;
                after.row.head = head;
                if verdict.is_some() {
                    self.close_inbox(&run, undo);
                    after.row.verdict = verdict;
                    after.row.owner = None;
                    after.due = None;
                    after.woken = None;
                }
                self.change(&after, before, undo);
                if let Some(held) = self.runs.get_mut(&run) {
                    held.appends.insert(at, append);
                    held.journal.extend(placed(at, rows));
                }
            }
            Write::Park { run, epoch, due } => {
                let before = self.standing(&run)?;
                if before.row.epoch != epoch {
                    return Err(StoreError::Conflict { run });
                }
                let mut after = before.clone();
                let pending = if before.row.owner.is_some() { before.woken } else { before.due };
                after.due = earliest(due, pending).filter(|_| before.row.verdict.is_none());
                after.woken = None;
                after.row.owner = None;
                self.change(&after, before, undo);
            }
            Write::Wake { run, at } => {
                let before = self.standing(&run)?;
                self.wake(before, at, undo);
            }
            Write::Send { run, id, at, bytes } => {
                let before = self.standing(&run)?;
                if before.row.verdict.is_none() && !self.inboxes.get(&run).is_some_and(|inbox| inbox.knows(id)) {
                    self.wake(before, at, undo);
                    let seq = self.inboxes.entry(run.clone()).or_default().put(&run, id, at, bytes);
                    undo.push(Box::new(move |state| state.change_inbox(&run, |inbox| inbox.unput(seq, id))));
                }
            }
            Write::Take { run, epoch, upto } => {
                if self.standing(&run)?.row.epoch != epoch {
                    return Err(StoreError::Conflict { run });
                }
                if let Some(taken) = self.inboxes.get_mut(&run).map(|inbox| inbox.take(upto)) {
                    undo.push(Box::new(move |state| state.change_inbox(&run, |inbox| inbox.untake(taken))));
                }
            }
            Write::Subject(row) => {
                let before = self.subjects.get(&row.id);
                if let Some(before) = before.filter(|before| before.version > row.version) {
                    return Err(StoreError::Overtaken { subject: row.id, version: before.version });
                }
                let id = row.id.clone();
                let before = self.subjects.insert(id.clone(), row);
                undo.push(Box::new(move |state| match before {
                    Some(before) => drop(state.subjects.insert(id, before)),
                    None => drop(state.subjects.remove(&id)),
                }));
            }
            Write::Event { event, run } => {
                self.standing(&run)?;
                match self.of_event.get(&event) {
                    Some(first) if *first == run => {}
                    Some(first) => return Err(StoreError::Duplicate { run: first.clone(), event }),
                    None => {
                        self.of_event.insert(event.clone(), run);
                        undo.push(Box::new(move |state| drop(state.of_event.remove(&event))));
                    }
                }
            }
            Write::Link(LinkRow { subject, system, account }) => {
                if let Some(holder) = self.holders.get(&(system.clone(), account.clone())).filter(|holder| **holder != subject) {
                    return Err(StoreError::Claimed { holder: holder.clone(), system, account });
                }
                let before = self.set_link(&subject, &system, Some(account));
                undo.push(Box::new(move |state| drop(state.set_link(&subject, &system, before))));
            }
            Write::Unlink { subject, system } => {
                let before = self.set_link(&subject, &system, None);
                undo.push(Box::new(move |state| drop(state.set_link(&subject, &system, before))));
            }
            Write::Give(row) => {
                let (place, key) = ((row.system.clone(), row.account.clone()), row.key.clone());
                self.set_grant(place, key, Some(row), undo);
            }
            Write::Drop { system, account, key } => self.set_grant((system, account), key, None, undo),
            Write::Wait(row) => {
                self.standing(&row.run)?;
                self.set_wait(row.run.clone(), row.operation.clone(), Some(row), undo);
            }
            Write::EndWait { run, operation } => self.set_wait(run, operation, None, undo),
        }
        Ok(())
    }

    fn open(&mut self, mut run: RunRow, plan: PlanRow, rows: Vec<NewRow>, undo: &mut Vec<Undo>) -> Result<(), StoreError> {
        run.check_opening(&plan, &rows)?;
        if let Some(other) = self.of_event.get(&run.event) {
            return Err(StoreError::Duplicate { event: run.event, run: other.clone() });
        }
        if self.runs.contains_key(&run.id) {
            return Err(StoreError::Conflict { run: run.id });
        }
        if let Some(above) = self.above(&run) {
            return Err(StoreError::Outranked { run: above });
        }
        run.owner = None;
        let digest = plan.digest;
        if let Entry::Vacant(place) = self.plans.entry(digest) {
            place.insert(plan);
            undo.push(Box::new(move |state| drop(state.plans.remove(&digest))));
        }
        let standing = Standing { due: Some(run.opened_at).filter(|_| run.verdict.is_none()), woken: None, row: run };
        let RunRow { id, subject, event, .. } = standing.row.clone();
        self.of_event.insert(event.clone(), id.clone());
        self.of_subject.entry(subject.clone()).or_default().insert(id.clone());
        let journal = placed(0, rows).collect();
        self.runs.insert(id.clone(), Run { standing: standing.clone(), journal, appends: BTreeMap::new() });
        self.index(&standing);
        undo.push(Box::new(move |state| {
            state.unindex(&standing);
            state.runs.remove(&id);
            state.of_event.remove(&event);
            if let Some(runs) = state.of_subject.get_mut(&subject) {
                runs.remove(&id);
            }
        }));
        Ok(())
    }

    /// The highest unsettled run of the same subject, if it stands above this one.
    fn above(&self, run: &RunRow) -> Option<RunId> {
        let others = self.of_subject.get(&run.subject)?.iter().filter_map(|id| self.runs.get(id)).map(|run| &run.standing.row);
        let highest = others.filter(|row| row.verdict.is_none()).max_by_key(|row| (row.version, row.rank))?;
        ((highest.version, highest.rank) > (run.version, run.rank)).then(|| highest.id.clone())
    }

    fn standing(&self, run: &RunId) -> Result<Standing, StoreError> {
        match self.runs.get(run) {
            Some(held) => Ok(held.standing.clone()),
            None => Err(StoreError::Conflict { run: run.clone() }),
        }
    }

    fn change(&mut self, after: &Standing, before: Standing, undo: &mut Vec<Undo>) {
        self.stand(after);
        undo.push(Box::new(move |state| {
            if let Some(run) = state.runs.get_mut(&before.row.id) {
                run.journal.truncate(usize::try_from(before.row.rows).unwrap_or(usize::MAX));
                run.appends.split_off(&before.row.rows);
            }
            state.stand(&before);
        }));
    }

    fn wake(&mut self, before: Standing, at: Timestamp, undo: &mut Vec<Undo>) {
        let mut after = before.clone();
        if before.row.owner.is_some() {
            after.woken = earliest(before.woken, Some(at));
        } else if before.row.verdict.is_none() {
            after.due = earliest(before.due, Some(at));
        }
        self.change(&after, before, undo);
    }

    fn change_inbox(&mut self, run: &RunId, change: impl FnOnce(&mut Inbox)) {
        change(self.inboxes.entry(run.clone()).or_default());
    }

    fn close_inbox(&mut self, run: &RunId, undo: &mut Vec<Undo>) {
        if let Some((run, inbox)) = self.inboxes.remove_entry(run) {
            undo.push(Box::new(move |state| drop(state.inboxes.insert(run, inbox))));
        }
    }

    /// Has a run stand like this, in the indexes too.
    fn stand(&mut self, standing: &Standing) {
        if let Some(run) = self.runs.get_mut(&standing.row.id) {
            let before = std::mem::replace(&mut run.standing, standing.clone());
            self.unindex(&before);
            self.index(standing);
        }
    }

    fn index(&mut self, standing: &Standing) {
        let row = &standing.row;
        if let Some(due) = standing.free_and_due() {
            self.due.entry(row.rank).or_default().insert((due, row.id.clone()));
        }
        if row.verdict.is_none() {
            self.unsettled.insert(row.id.clone());
        }
    }

    fn unindex(&mut self, standing: &Standing) {
        let row = &standing.row;
        if let Some(due) = standing.free_and_due() {
            self.due.entry(row.rank).or_default().remove(&(due, row.id.clone()));
        }
        self.unsettled.remove(&row.id);
    }

    fn set_link(&mut self, subject: &SubjectId, system: &SystemName, account: Option<AccountId>) -> Option<AccountId> {
        let links = self.links.entry(subject.clone()).or_default();
        let before = match account.clone() {
            Some(account) => links.insert(system.clone(), account),
            None => links.remove(system),
        };
        if let Some(before) = before.clone() {
            self.holders.remove(&(system.clone(), before));
        }
        if let Some(account) = account {
            self.holders.insert((system.clone(), account), subject.clone());
        }
        before
    }

    fn set_grant(&mut self, place: Place, key: String, row: Option<LedgerRow>, undo: &mut Vec<Undo>) {
        let before = set_within(self.ledger.entry(place.clone()).or_default(), key.clone(), row);
        undo.push(Box::new(move |state| drop(set_within(state.ledger.entry(place).or_default(), key, before))));
    }

    fn set_wait(&mut self, run: RunId, operation: String, row: Option<WaitRow>, undo: &mut Vec<Undo>) {
        let before = set_within(self.waits.entry(run.clone()).or_default(), operation.clone(), row);
        undo.push(Box::new(move |state| drop(set_within(state.waits.entry(run).or_default(), operation, before))));
    }
}

/// Reading and leasing.
impl State {
    pub(super) fn free_all(&mut self) {
        let leased: Vec<Standing> =
            self.unsettled.iter().filter_map(|id| self.runs.get(id)).filter(|run| run.standing.row.owner.is_some()).map(|run| run.standing.clone()).collect();
        for mut standing in leased {
            standing.row.owner = None;
            standing.due = earliest(standing.due, standing.woken.take());
            self.stand(&standing);
        }
    }

    pub(super) fn lease(&mut self, worker: &WorkerId, now: Timestamp, limit: usize) -> Vec<RunRow> {
        let free = self.due.values().rev().flat_map(|runs| runs.iter().take_while(|(due, _)| *due <= now));
        let free: Vec<RunId> = free.take(limit).map(|(_, run)| run.clone()).collect();
        let mut leased = Vec::with_capacity(free.len());
        for run in free {
            let Ok(mut standing) = self.standing(&run) else { continue };
            standing.row.owner = Some(worker.clone());
            standing.row.epoch += 1;
            leased.push(standing.row.clone());
            self.stand(&standing);
        }
        leased
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.values().filter_map(|runs| runs.first()).map(|(due, _)| *due).min()
    }

    pub(super) fn run(&self, run: &RunId) -> Option<RunRow> {
        self.runs.get(run).map(|run| run.standing.row.clone())
    }

    pub(super) fn run_of_event(&self, event: &EventId) -> Option<RunId> {
        self.of_event.get(event).cloned()
    }

    pub(super) fn runs(&self, filter: &RunFilter) -> Vec<RunRow> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = (filter.after.as_ref().map_or(Unbounded, Excluded), Unbounded);
        let ids: Box<dyn Iterator<Item = &RunId>> = match (&filter.subject, filter.settled) {
            (Some(subject), _) => Box::new(self.of_subject.get(subject).into_iter().flat_map(|runs| runs.range::<RunId, _>(from))),
            (None, Some(false)) => Box::new(self.unsettled.range::<RunId, _>(from)),
            (None, _) => Box::new(self.runs.range::<RunId, _>(from).map(|(id, _)| id)),
        };
        ids.filter_map(|id| self.runs.get(id))
            .map(|run| &run.standing.row)
            .filter(|row| filter.settled.is_none_or(|settled| row.verdict.is_some() == settled))
            .take(filter.most())
            .cloned()
            .collect()
    }

    pub(super) fn due(&self, run: &RunId) -> Option<Timestamp> {
        self.runs.get(run)?.standing.free_and_due()
    }

    pub(super) fn journal(&self, run: &RunId, from: u64, limit: usize) -> Vec<JournalRow> {
        let rows = self.runs.get(run).map(|run| run.journal.as_slice()).unwrap_or_default();
        let rows = usize::try_from(from).ok().and_then(|from| rows.get(from..)).unwrap_or_default();
        rows.iter().take(limit).cloned().collect()
    }

    pub(super) fn plan(&self, digest: &Digest) -> Option<PlanRow> {
        self.plans.get(digest).cloned()
    }

    pub(super) fn inbox(&self, run: &RunId) -> Vec<InboxRow> {
        self.inboxes.get(run).map(Inbox::rows).unwrap_or_default()
    }

    pub(super) fn subject(&self, subject: &SubjectId) -> Option<SubjectRow> {
        self.subjects.get(subject).cloned()
    }

    pub(super) fn links(&self, subject: &SubjectId) -> Vec<LinkRow> {
        let links = self.links.get(subject).into_iter().flatten();
        links.map(|(system, account)| LinkRow { subject: subject.clone(), system: system.clone(), account: account.clone() }).collect()
    }

    pub(super) fn holder(&self, system: &SystemName, account: &AccountId) -> Option<SubjectId> {
        self.holders.get(&(system.clone(), account.clone())).cloned()
    }

    pub(super) fn ledger(&self, system: &SystemName, account: &AccountId) -> Vec<LedgerRow> {
        self.ledger.get(&(system.clone(), account.clone())).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    pub(super) fn waits(&self, run: &RunId) -> Vec<WaitRow> {
        self.waits.get(run).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }
}

fn placed(at: u64, rows: Vec<NewRow>) -> impl Iterator<Item = JournalRow> {
    (at..).zip(rows).map(|(seq, NewRow { format, bytes, hash })| JournalRow { seq, format, bytes, hash })
}

fn set_within<V>(rows: &mut BTreeMap<String, V>, key: String, value: Option<V>) -> Option<V> {
    match value {
        Some(value) => rows.insert(key, value),
        None => rows.remove(&key),
    }
}

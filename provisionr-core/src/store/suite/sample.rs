//! Runs and rows to try a store with.

use super::super::{Actor, Commit, JournalRow, NewRow, PlanRow, Rank, RunId, RunRow, Store, Verdict, Write};
use crate::digest::Digest;
use provisionr_sdk::{EventId, SubjectId, Timestamp};

pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(super) fn digest(text: &str) -> Digest {
    Digest::of([text.as_bytes()])
}

pub(super) fn new_row(text: &str) -> NewRow {
    NewRow { format: 1, bytes: text.as_bytes().to_vec(), hash: digest(text) }
}

pub(super) fn plan() -> PlanRow {
    PlanRow { digest: digest("plan"), bytes: b"plan".to_vec() }
}

/// A run of a subject and an event of this name, opened at time 1,000 with one row in its journal.
pub(super) fn run(name: &str) -> RunRow {
    let (subject, event) = (SubjectId::from(format!("subject {name}")), EventId::from(format!("event {name}")));
    RunRow {
        id: RunId::of(&subject, &event),
        subject,
        version: 7,
        rank: Rank::Change,
        event,
        actor: Actor::service("suite"),
        plan: plan().digest,
        opened_at: at(1_000),
        rows: 1,
        head: digest("opened"),
        epoch: 0,
        owner: None,
        verdict: None,
    }
}

pub(super) fn open(run: RunRow) -> Write {
    Write::Open { run, plan: plan(), rows: vec![new_row("opened")] }
}

pub(super) fn append(run: &RunId, epoch: u64, at: u64, id: u64, rows: &[&str]) -> Write {
    Write::Append { run: run.clone(), epoch, at, append: id, rows: rows.iter().map(|text| new_row(text)).collect(), verdict: None }
}

pub(super) fn settle(run: &RunId, epoch: u64, at: u64, verdict: Verdict) -> Write {
    Write::Append { run: run.clone(), epoch, at, append: u64::MAX, rows: vec![new_row("settled")], verdict: Some(verdict) }
}

pub(super) fn park(run: &RunId, epoch: u64, due: Option<i64>) -> Write {
    Write::Park { run: run.clone(), epoch, due: due.map(at) }
}

pub(super) fn wake(run: &RunId, millis: i64) -> Write {
    Write::Wake { run: run.clone(), at: at(millis) }
}

/// A message that is its own id in words.
pub(super) fn send(run: &RunId, id: u64, millis: i64) -> Write {
    Write::Send { run: run.clone(), id, at: at(millis), bytes: id.to_string().into_bytes() }
}

pub(super) fn take(run: &RunId, epoch: u64, upto: u64) -> Write {
    Write::Take { run: run.clone(), epoch, upto }
}

/// The inbox of a run as texts.
pub(super) async fn inbox(store: &dyn Store, run: &RunId) -> Vec<String> {
    store.inbox(run).await.unwrap().into_iter().map(|row| String::from_utf8(row.bytes).unwrap()).collect()
}

/// Opens a run of this name and gives its id.
pub(super) async fn opened(store: &dyn Store, name: &str) -> RunId {
    let run = run(name);
    let id = run.id.clone();
    store.commit(Commit::new([open(run)])).await.unwrap();
    id
}

/// The journal of a run as texts.
pub(super) async fn texts(store: &dyn Store, run: &RunId) -> Vec<String> {
    let rows = store.journal(run, 0, usize::MAX).await.unwrap();
    assert!(rows.iter().map(|row| row.seq).eq(0..rows.len() as u64), "rows are numbered from 0 on");
    rows.into_iter().map(|JournalRow { bytes, .. }| String::from_utf8(bytes).unwrap()).collect()
}

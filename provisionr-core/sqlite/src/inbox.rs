//! The inboxes of runs, within a transaction that the writer holds.

use provisionr_core::Timestamp;
use provisionr_core::store::{RECOGNISED, RunId, StoreError};
use rusqlite::{Connection, params};

use crate::apply::{Standing, change, known, one, wake};

type Result<T> = std::result::Result<T, StoreError>;

pub(crate) const SENT: &str = "SELECT 1 FROM inbox WHERE run = ? AND id = ?";
pub(crate) const LAST: &str = "SELECT max(seq) FROM inbox WHERE run = ?";

pub(crate) fn send(connection: &Connection, run: &RunId, id: u64, at: Timestamp, bytes: &[u8]) -> Result<()> {
    let standing = known(connection, run)?;
    let sent = one(connection, SENT, params![standing.num, id.cast_signed()], |_| Ok(()))?.is_some();
    if sent || !wake(connection, &standing, at)? {
        return Ok(());
    }
    let seq = last(connection, &standing)?.map_or(0, |last| last + 1);
    let sql = "INSERT INTO inbox (run, seq, id, at, bytes) VALUES (?, ?, ?, ?, ?)";
    change(connection, sql, params![standing.num, seq, id.cast_signed(), at.as_millis(), bytes])
}

pub(crate) const TAKE: &str = "UPDATE inbox SET bytes = NULL WHERE run = ? AND seq <= ? AND bytes IS NOT NULL";
pub(crate) const FORGET: &str = "DELETE FROM inbox WHERE run = ? AND seq <= ?";

/// The last messages stay without their bytes: they are recognised, and the next place follows from them.
pub(crate) fn take(connection: &Connection, run: &RunId, epoch: u64, upto: u64) -> Result<()> {
    let standing = known(connection, run)?;
    if standing.epoch != epoch {
        return Err(StoreError::Conflict { run: run.clone() });
    }
    let Some(last) = last(connection, &standing)? else { return Ok(()) };
    let upto = i64::try_from(upto).unwrap_or(i64::MAX);
    change(connection, TAKE, params![standing.num, upto])?;
    change(connection, FORGET, params![standing.num, upto.min(last - RECOGNISED.cast_signed())])
}

/// Drops what a run that settles has not taken.
pub(crate) fn close(connection: &Connection, standing: &Standing) -> Result<()> {
    change(connection, "DELETE FROM inbox WHERE run = ?", [standing.num])
}

/// The place of the last message.
fn last(connection: &Connection, standing: &Standing) -> Result<Option<i64>> {
    one(connection, LAST, [standing.num], |row| row.get(0)).map(Option::flatten)
}

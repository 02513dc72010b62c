//! Leasing runs and freeing them, within a transaction that the writer holds.

use provisionr_core::Timestamp;
use provisionr_core::store::{RunRow, StoreError, WorkerId};
use rusqlite::{Connection, params};

use crate::error::failed;
use crate::row::{RANKS, RUN, rank_number, run};

type Result<T> = std::result::Result<T, StoreError>;

/// Free runs of one rank that are due. Asked rank by rank: one question for all would read past every run of a
/// higher rank that is due later.
pub(crate) const DUE: &str = "SELECT num FROM run WHERE owner IS NULL AND due IS NOT NULL AND rank = ? AND due <= ? ORDER BY due, id LIMIT ?";

pub(crate) const NEXT_DUE: &str = "SELECT min(due) FROM run WHERE owner IS NULL AND due IS NOT NULL AND rank = ?";

pub(crate) fn lease(connection: &Connection, worker: &WorkerId, now: Timestamp, limit: usize) -> Result<Vec<RunRow>> {
    take(connection, worker, now, limit).map_err(failed)
}

fn take(connection: &Connection, worker: &WorkerId, now: Timestamp, limit: usize) -> rusqlite::Result<Vec<RunRow>> {
    let mut due = connection.prepare_cached(DUE)?;
    let mut own = connection.prepare_cached(&format!("UPDATE run SET owner = ?, epoch = epoch + 1 WHERE num = ? RETURNING {RUN}"))?;
    let mut leased = Vec::new();
    for rank in RANKS.into_iter().filter_map(|rank| rank_number(rank).ok()) {
        let left = i64::try_from(limit - leased.len()).unwrap_or(i64::MAX);
        let nums: Vec<i64> = due.query_map(params![rank, now.as_millis(), left], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for num in nums {
            leased.push(own.query_row(params![worker.as_str(), num], run)?);
        }
    }
    Ok(leased)
}

/// A wake during the lease counts.
const FREE: &str =
    "UPDATE run SET owner = NULL, due = min(coalesce(due, woken), coalesce(woken, due)), woken = NULL WHERE owner IS NOT NULL AND verdict IS NULL";

/// Frees what any worker had leased.
pub(crate) fn free_all(connection: &Connection) -> Result<()> {
    connection.execute(FREE, []).map(drop).map_err(failed)
}

/// Frees a run that is still leased as it was.
pub(crate) fn free(connection: &Connection, leased: &RunRow) -> Result<()> {
    let free = || {
        let mut statement = connection.prepare_cached(&format!("{FREE} AND id = ? AND epoch = ?"))?;
        statement.execute(params![leased.id.as_str(), leased.epoch.cast_signed()])
    };
    free().map(drop).map_err(failed)
}

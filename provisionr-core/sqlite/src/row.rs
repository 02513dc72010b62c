//! How values are kept in columns.

use std::fmt::Display;

use provisionr_core::Digest;
use provisionr_core::Timestamp;
use provisionr_core::store::{Actor, Rank, RunId, RunRow, StoreError, Verdict, WorkerId};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Error, Result, Row};

/// Ranks from the highest down.
pub(crate) const RANKS: [Rank; 4] = [Rank::Leaver, Rank::Change, Rank::Compensation, Rank::Remedy];
const VERDICTS: [Verdict; 3] = [Verdict::Completed, Verdict::Failed, Verdict::Superseded];

/// All columns of a run, in the order [`run`] reads them.
pub(crate) const RUN: &str = "id, subject, version, rank, event, actor, plan, opened_at, length, head, epoch, owner, verdict";

/// The numbers in the file are fixed for ever; they do not follow the order of the enum.
pub(crate) fn rank_number(rank: Rank) -> std::result::Result<i64, StoreError> {
    match rank {
        Rank::Remedy => Ok(10),
        Rank::Compensation => Ok(20),
        Rank::Change => Ok(30),
        Rank::Leaver => Ok(40),
        other => Err(StoreError::Invalid(format!("this version of provisionr-sqlite does not know rank {other:?}"))),
    }
}

pub(crate) fn verdict_number(verdict: Verdict) -> std::result::Result<i64, StoreError> {
    match verdict {
        Verdict::Completed => Ok(10),
        Verdict::Failed => Ok(20),
        Verdict::Superseded => Ok(30),
        other => Err(StoreError::Invalid(format!("this version of provisionr-sqlite does not know verdict {other}"))),
    }
}

/// A run from a row of the columns [`RUN`].
pub(crate) fn run(row: &Row<'_>) -> Result<RunRow> {
    let actor: Actor = serde_json::from_str(text(row, 5)?).map_err(|error| damaged(5, Type::Text, error))?;
    let verdict = match row.get::<_, Option<i64>>(12)? {
        Some(_) => Some(one_of(row, 12, VERDICTS, verdict_number)?),
        None => None,
    };
    Ok(RunRow {
        id: RunId::new(text(row, 0)?),
        subject: text(row, 1)?.into(),
        version: unsigned(row, 2)?,
        rank: rank(row, 3)?,
        event: text(row, 4)?.into(),
        actor,
        plan: digest(row, 6)?,
        opened_at: time(row, 7)?,
        rows: unsigned(row, 8)?,
        head: digest(row, 9)?,
        epoch: unsigned(row, 10)?,
        owner: row.get_ref(11)?.as_str_or_null()?.map(WorkerId::new),
        verdict,
    })
}

pub(crate) fn rank(row: &Row<'_>, column: usize) -> Result<Rank> {
    one_of(row, column, RANKS, rank_number)
}

pub(crate) fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str> {
    Ok(row.get_ref(column)?.as_str()?)
}

/// All 64 bits are kept, so the largest numbers are negative in the file.
pub(crate) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64> {
    row.get(column).map(i64::cast_unsigned)
}

pub(crate) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

pub(crate) fn digest(row: &Row<'_>, column: usize) -> Result<Digest> {
    let bytes = row.get_ref(column)?.as_blob()?;
    let bytes = bytes.try_into().map_err(|_| FromSqlError::InvalidBlobSize { expected_size: 32, blob_size: bytes.len() })?;
    Ok(Digest::from_bytes(bytes))
}

pub(crate) fn damaged(column: usize, found: Type, why: impl Display) -> Error {
    Error::FromSqlConversionFailure(column, found, why.to_string().into())
}

fn one_of<T: Copy>(row: &Row<'_>, column: usize, all: impl IntoIterator<Item = T>, number: impl Fn(T) -> std::result::Result<i64, StoreError>) -> Result<T> {
    let found: i64 = row.get(column)?;
    let mut all = all.into_iter();
    all.find(|value| number(*value).is_ok_and(|number| number == found)).ok_or_else(|| damaged(column, Type::Integer, format!("unknown value {found}")))
}

//! What is read, on the reader's connection.

use provisionr_core::store::{InboxRow, JournalRow, LedgerRow, LinkRow, PlanRow, RunFilter, RunId, RunRow, SubjectRow, WaitRow};
use provisionr_core::{AccountId, Digest, EventId, SubjectId, SystemName, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Params, Result, Row, named_params, params};

use crate::lease::NEXT_DUE;
use crate::row::{self, RANKS, RUN, damaged, digest, rank_number, text, time};

/// Keeps a listing short of the memory of the machine, whatever was asked for.
fn limit(asked: usize) -> i64 {
    i64::try_from(asked).unwrap_or(i64::MAX)
}

fn all<T>(connection: &Connection, sql: &str, params: impl Params, read: impl FnMut(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(params, read)?.collect()
}

fn one<T>(connection: &Connection, sql: &str, params: impl Params, read: impl FnOnce(&Row<'_>) -> Result<T>) -> Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row(params, read).optional()
}

pub(crate) fn next_due(connection: &Connection) -> Result<Option<Timestamp>> {
    let mut earliest: Option<i64> = None;
    for rank in RANKS.into_iter().filter_map(|rank| rank_number(rank).ok()) {
        let due: Option<i64> = connection.prepare_cached(NEXT_DUE)?.query_row([rank], |row| row.get(0))?;
        earliest = earliest.into_iter().chain(due).min();
    }
    Ok(earliest.map(Timestamp::from_millis))
}

pub(crate) fn run(connection: &Connection, id: &RunId) -> Result<Option<RunRow>> {
    one(connection, &format!("SELECT {RUN} FROM run WHERE id = ?"), [id.as_str()], row::run)
}

pub(crate) const RUN_OF_EVENT: &str = "SELECT id FROM run WHERE event = ?1
     UNION ALL SELECT run.id FROM event JOIN run ON run.num = event.run WHERE event.id = ?1";

pub(crate) fn run_of_event(connection: &Connection, event: &EventId) -> Result<Option<RunId>> {
    one(connection, RUN_OF_EVENT, [event.as_str()], |row| Ok(RunId::new(text(row, 0)?)))
}

pub(crate) fn runs(connection: &Connection, filter: &RunFilter) -> Result<Vec<RunRow>> {
    let sql = runs_sql(filter);
    let (subject, after) = (filter.subject.as_ref().map(SubjectId::as_str), filter.after.as_ref().map(RunId::as_str));
    let mut statement = connection.prepare_cached(&sql)?;
    for (name, value) in [(":subject", subject), (":after", after)] {
        if let (Some(index), Some(value)) = (statement.parameter_index(name)?, value) {
            statement.raw_bind_parameter(index, value)?;
        }
    }
    if let Some(index) = statement.parameter_index(":limit")? {
        statement.raw_bind_parameter(index, limit(filter.most()))?;
    }
    let (mut rows, mut found) = (statement.raw_query(), Vec::new());
    while let Some(row) = rows.next()? {
        found.push(row::run(row)?);
    }
    Ok(found)
}

/// Only the conditions that are asked for: a condition that may be null would keep SQLite from using an index.
pub(crate) fn runs_sql(filter: &RunFilter) -> String {
    let conditions = [
        filter.subject.as_ref().map(|_| "subject = :subject"),
        filter.settled.map(|settled| if settled { "verdict IS NOT NULL" } else { "verdict IS NULL" }),
        filter.after.as_ref().map(|_| "id > :after"),
    ];
    let conditions: Vec<&str> = conditions.into_iter().flatten().collect();
    let filtered = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    format!("SELECT {RUN} FROM run {filtered} ORDER BY id LIMIT :limit")
}

pub(crate) fn due(connection: &Connection, id: &RunId) -> Result<Option<Timestamp>> {
    let due = one(connection, "SELECT due FROM run WHERE id = ? AND owner IS NULL AND verdict IS NULL", [id.as_str()], |row| row.get(0))?;
    Ok(due.flatten().map(Timestamp::from_millis))
}

pub(crate) const JOURNAL: &str = "SELECT place & 0xffffffff, format, bytes, hash FROM journal
     WHERE place >= (SELECT num << 32 FROM run WHERE id = :run) + :from AND place < (SELECT (num + 1) << 32 FROM run WHERE id = :run)
     ORDER BY place LIMIT :limit";

pub(crate) fn journal(connection: &Connection, id: &RunId, from: u64, most: usize) -> Result<Vec<JournalRow>> {
    let Ok(from) = u32::try_from(from) else { return Ok(vec![]) };
    let params = named_params! { ":run": id.as_str(), ":from": from, ":limit": limit(most) };
    all(connection, JOURNAL, params, |row| Ok(JournalRow { seq: row::unsigned(row, 0)?, format: row.get(1)?, bytes: row.get(2)?, hash: digest(row, 3)? }))
}

pub(crate) fn plan(connection: &Connection, digest: &Digest) -> Result<Option<PlanRow>> {
    one(connection, "SELECT bytes FROM plan WHERE digest = ?", params![digest.as_bytes()], |row| Ok(PlanRow { digest: *digest, bytes: row.get(0)? }))
}

pub(crate) const INBOX: &str = "SELECT seq, at, bytes FROM inbox WHERE run = (SELECT num FROM run WHERE id = ?) AND bytes IS NOT NULL ORDER BY seq";

pub(crate) fn inbox(connection: &Connection, run: &RunId) -> Result<Vec<InboxRow>> {
    all(connection, INBOX, [run.as_str()], |row| Ok(InboxRow { run: run.clone(), seq: row::unsigned(row, 0)?, at: time(row, 1)?, bytes: row.get(2)? }))
}

pub(crate) fn subject(connection: &Connection, id: &SubjectId) -> Result<Option<SubjectRow>> {
    let read = |row: &Row<'_>| Ok(SubjectRow { id: id.clone(), version: row::unsigned(row, 0)?, bytes: row.get(1)? });
    one(connection, "SELECT version, bytes FROM subject WHERE id = ?", [id.as_str()], read)
}

pub(crate) fn links(connection: &Connection, subject: &SubjectId) -> Result<Vec<LinkRow>> {
    let sql = "SELECT system, account FROM link WHERE subject = ? ORDER BY system";
    all(connection, sql, [subject.as_str()], |row| Ok(LinkRow { subject: subject.clone(), system: text(row, 0)?.into(), account: text(row, 1)?.into() }))
}

pub(crate) fn holder(connection: &Connection, system: &SystemName, account: &AccountId) -> Result<Option<SubjectId>> {
    let sql = "SELECT subject FROM link WHERE system = ? AND account = ?";
    one(connection, sql, [system.as_str(), account.as_str()], |row| Ok(text(row, 0)?.into()))
}

pub(crate) fn ledger(connection: &Connection, system: &SystemName, account: &AccountId) -> Result<Vec<LedgerRow>> {
    let sql = "SELECT key, subject, entitlement, run, operation, at FROM ledger WHERE system = ? AND account = ? ORDER BY key";
    all(connection, sql, [system.as_str(), account.as_str()], |row| {
        Ok(LedgerRow {
            system: system.clone(),
            account: account.clone(),
            key: row.get(0)?,
            subject: text(row, 1)?.into(),
            entitlement: serde_json::from_str(text(row, 2)?).map_err(|error| damaged(2, Type::Text, error))?,
            run: RunId::new(text(row, 3)?),
            operation: row.get(4)?,
            at: time(row, 5)?,
        })
    })
}

pub(crate) fn waits(connection: &Connection, run: &RunId) -> Result<Vec<WaitRow>> {
    let sql = "SELECT operation, since, looks, absences, next_look, event FROM wait WHERE run = (SELECT num FROM run WHERE id = ?) ORDER BY operation";
    all(connection, sql, [run.as_str()], |row| {
        Ok(WaitRow {
            run: run.clone(),
            operation: row.get(0)?,
            since: time(row, 1)?,
            looks: row.get(2)?,
            absences: row.get(3)?,
            next_look: time(row, 4)?,
            event: row.get::<_, Option<String>>(5)?.map(Into::into),
        })
    })
}

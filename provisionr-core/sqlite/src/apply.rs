//! The writes of a commit, within a transaction that the writer holds.

use provisionr_core::store::{Commit, LedgerRow, LinkRow, NewRow, PlanRow, RunId, RunRow, StoreError, SubjectRow, WaitRow, Write};
use provisionr_core::{EventId, EventKey, SubjectId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use crate::error::failed;
use crate::row::{rank, rank_number, text, unsigned, verdict_number};
use crate::{inbox, read};

type Result<T> = std::result::Result<T, StoreError>;

/// Makes all writes, or gives an error and leaves it to the caller to roll back.
pub(crate) fn commit(connection: &Connection, commit: &Commit) -> Result<()> {
    if made_before(connection, commit)? {
        return Ok(());
    }
    commit.writes.iter().try_for_each(|write| apply(connection, write))
}

/// Whether every append of the commit is there: then all of it took effect before, and other writes since.
fn made_before(connection: &Connection, commit: &Commit) -> Result<bool> {
    let mut found = false;
    for write in &commit.writes {
        if let Write::Append { run, at, append, .. } = write {
            let Some(standing) = standing(connection, run)? else { return Ok(false) };
            if !has_append(connection, &standing, *at, *append)? {
                return Ok(false);
            }
            found = true;
        }
    }
    Ok(found)
}

/// What a write to a run has to know of it.
pub(crate) struct Standing {
    pub(crate) num: i64,
    length: u64,
    pub(crate) epoch: u64,
}

fn standing(connection: &Connection, run: &RunId) -> Result<Option<Standing>> {
    let read = |row: &Row<'_>| Ok(Standing { num: row.get(0)?, length: unsigned(row, 1)?, epoch: unsigned(row, 2)? });
    one(connection, "SELECT num, length, epoch FROM run WHERE id = ?", [run.as_str()], read)
}

pub(crate) fn known(connection: &Connection, run: &RunId) -> Result<Standing> {
    standing(connection, run)?.ok_or_else(|| StoreError::Conflict { run: run.clone() })
}

fn has_append(connection: &Connection, standing: &Standing, at: u64, append: u64) -> Result<bool> {
    if at >= standing.length {
        return Ok(false);
    }
    let found = one(connection, "SELECT append FROM journal WHERE place = ?", [place(standing.num, at)?], |row| row.get(0))?;
    Ok(found.flatten() == Some(append.cast_signed()))
}

/// The key of a journal row.
pub(crate) fn place(num: i64, seq: u64) -> Result<i64> {
    match (u32::try_from(num), u32::try_from(seq)) {
        (Ok(num), Ok(seq)) if num <= u32::MAX >> 1 => Ok(i64::from(num) << 32 | i64::from(seq)),
        _ => Err(StoreError::Invalid("a store holds at most 2^31 runs of 2^32 rows each".to_owned())),
    }
}

fn apply(connection: &Connection, write: &Write) -> Result<()> {
    match write {
        Write::Open { run, plan, rows } => open(connection, run, plan, rows),
        Write::Beside { subject, runs } => beside(connection, subject, runs),
        Write::Append { run, epoch, at, append, rows, verdict } => {
            let Some(head) = rows.last().map(|row| row.hash) else {
                return Err(StoreError::Invalid(format!("an append to run {run} has no rows")));
            };
            let standing = known(connection, run)?;
            if has_append(connection, &standing, *at, *append)? {
                return Ok(());
            }
            if (standing.epoch, standing.length) != (*epoch, *at) {
                return Err(StoreError::Conflict { run: run.clone() });
            }
            insert_rows(connection, standing.num, *at, Some(*append), rows)?;
            let length = (at + rows.len() as u64).cast_signed();
            match verdict {
                None => change(connection, "UPDATE run SET length = ?, head = ? WHERE num = ?", params![length, head.as_bytes(), standing.num]),
                Some(verdict) => {
                    let sql = "UPDATE run SET length = ?, head = ?, verdict = ?, owner = NULL, due = NULL, woken = NULL WHERE num = ?";
                    change(connection, sql, params![length, head.as_bytes(), verdict_number(*verdict)?, standing.num])?;
                    inbox::close(connection, &standing)
                }
            }
        }
        Write::Park { run, epoch, due } => {
            let standing = known(connection, run)?;
            if standing.epoch != *epoch {
                return Err(StoreError::Conflict { run: run.clone() });
            }
            // Where there are two, the earlier counts: `min` of SQLite is null when one of them is.
            let sql = "UPDATE run SET owner = NULL, woken = NULL, due = iif(owner IS NULL,
                           min(coalesce(?1, due), coalesce(due, ?1)), min(coalesce(?1, woken), coalesce(woken, ?1)))
                       WHERE num = ?2 AND verdict IS NULL";
            change(connection, sql, params![due.map(Timestamp::as_millis), standing.num])
        }
        Write::Wake { run, at } => wake(connection, &known(connection, run)?, *at).map(drop),
        Write::Send { run, id, at, bytes } => inbox::send(connection, run, *id, *at, bytes),
        Write::Take { run, epoch, upto } => inbox::take(connection, run, *epoch, *upto),
        Write::Subject(row) => subject(connection, row),
        Write::Event { event, run } => lead(connection, event, run),
        Write::Link(row) => link(connection, row),
        Write::Unlink { subject, system } => change(connection, "DELETE FROM link WHERE subject = ? AND system = ?", [subject.as_str(), system.as_str()]),
        Write::Give(row) => give(connection, row),
        Write::Drop { system, account, key } => {
            change(connection, "DELETE FROM ledger WHERE system = ? AND account = ? AND key = ?", [system.as_str(), account.as_str(), key])
        }
        Write::Wait(row) => wait(connection, row),
        Write::EndWait { run, operation } => {
            let sql = "DELETE FROM wait WHERE run = (SELECT num FROM run WHERE id = ?) AND operation = ?";
            change(connection, sql, [run.as_str(), operation])
        }
        other => Err(StoreError::Invalid(format!("this version of provisionr-sqlite does not know {other:?}"))),
    }
}

fn beside(connection: &Connection, subject: &SubjectId, known: &[RunId]) -> Result<()> {
    let mut unsettled = connection.prepare_cached("SELECT id FROM run WHERE subject = ? AND verdict IS NULL ORDER BY id").map_err(failed)?;
    let ids = unsettled.query_map([subject.as_str()], |row| row.get::<_, String>(0)).map_err(failed)?;
    for id in ids {
        let id = RunId::new(id.map_err(failed)?);
        if !known.contains(&id) {
            return Err(StoreError::Unseen { run: id });
        }
    }
    Ok(())
}

fn open(connection: &Connection, run: &RunRow, plan: &PlanRow, rows: &[NewRow]) -> Result<()> {
    run.check_opening(plan, rows)?;
    if let Some(first) = read::run_of_event(connection, &run.event).map_err(failed)? {
        return Err(StoreError::Duplicate { event: run.event.clone(), run: first });
    }
    if standing(connection, &run.id)?.is_some() {
        return Err(StoreError::Conflict { run: run.id.clone() });
    }
    if let Some(above) = above(connection, run)? {
        return Err(StoreError::Outranked { run: above });
    }
    let sql = "INSERT INTO plan (digest, bytes) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING";
    change(connection, sql, params![plan.digest.as_bytes(), plan.bytes])?;
    let actor = serde_json::to_string(&run.actor).map_err(|error| StoreError::Invalid(error.to_string()))?;
    let opened_at = run.opened_at.as_millis();
    change(
        connection,
        "INSERT INTO run (id, subject, version, rank, event, actor, plan, opened_at, length, head, epoch, verdict, due)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            run.id.as_str(),
            run.subject.as_str(),
            run.version.cast_signed(),
            rank_number(run.rank)?,
            run.event.as_str(),
            actor,
            run.plan.as_bytes(),
            opened_at,
            run.rows.cast_signed(),
            run.head.as_bytes(),
            run.epoch.cast_signed(),
            run.verdict.map(verdict_number).transpose()?,
            run.verdict.is_none().then_some(opened_at),
        ],
    )?;
    insert_rows(connection, connection.last_insert_rowid(), 0, None, rows)
}

pub(crate) const STANDING: &str = "SELECT id, version, rank FROM run WHERE subject = ? AND verdict IS NULL";

/// The highest unsettled run of the same subject, if it stands above this one. Versions are compared here: the largest
/// are negative in the file.
fn above(connection: &Connection, run: &RunRow) -> Result<Option<RunId>> {
    let read = |row: &Row<'_>| Ok(((unsigned(row, 1)?, rank(row, 2)?), RunId::new(text(row, 0)?)));
    let mut statement = connection.prepare_cached(STANDING).map_err(failed)?;
    let others: Vec<_> = statement.query_map([run.subject.as_str()], read).and_then(Iterator::collect).map_err(failed)?;
    let highest = others.into_iter().max_by_key(|(place, _)| *place);
    Ok(highest.filter(|(place, _)| *place > (run.version, run.rank)).map(|(_, id)| id))
}

/// Says whether the run is not settled; one that is cannot be woken.
pub(crate) fn wake(connection: &Connection, standing: &Standing, at: Timestamp) -> Result<bool> {
    let sql = "UPDATE run SET due = iif(owner IS NULL, min(coalesce(due, ?1), ?1), due),
                              woken = iif(owner IS NULL, NULL, min(coalesce(woken, ?1), ?1))
               WHERE num = ?2 AND verdict IS NULL";
    let woken = connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params![at.as_millis(), standing.num]));
    woken.map(|runs| runs > 0).map_err(failed)
}

fn subject(connection: &Connection, row: &SubjectRow) -> Result<()> {
    let version = one(connection, "SELECT version FROM subject WHERE id = ?", [row.id.as_str()], |row| unsigned(row, 0))?;
    if let Some(version) = version.filter(|version| *version > row.version) {
        return Err(StoreError::Overtaken { subject: row.id.clone(), version });
    }
    let sql = "INSERT INTO subject (id, version, bytes) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET version = excluded.version, bytes = excluded.bytes";
    change(connection, sql, params![row.id.as_str(), row.version.cast_signed(), row.bytes])
}

fn lead(connection: &Connection, event: &EventId, run: &RunId) -> Result<()> {
    let standing = known(connection, run)?;
    match read::run_of_event(connection, event).map_err(failed)? {
        Some(first) if first == *run => Ok(()),
        Some(first) => Err(StoreError::Duplicate { event: event.clone(), run: first }),
        None => change(connection, "INSERT INTO event (id, run) VALUES (?, ?)", params![event.as_str(), standing.num]),
    }
}

fn insert_rows(connection: &Connection, num: i64, at: u64, append: Option<u64>, rows: &[NewRow]) -> Result<()> {
    let mut append = append.map(u64::cast_signed);
    for (seq, row) in (at..).zip(rows) {
        let sql = "INSERT INTO journal (place, format, append, hash, bytes) VALUES (?, ?, ?, ?, ?)";
        change(connection, sql, params![place(num, seq)?, row.format, append.take(), row.hash.as_bytes(), row.bytes])?;
    }
    Ok(())
}

fn link(connection: &Connection, row: &LinkRow) -> Result<()> {
    let LinkRow { subject, system, account } = row;
    let sql = "SELECT subject FROM link WHERE system = ? AND account = ?";
    let holder = one(connection, sql, [system.as_str(), account.as_str()], |row| Ok(text(row, 0)?.into()))?;
    if let Some(holder) = holder.filter(|holder| holder != subject) {
        return Err(StoreError::Claimed { system: system.clone(), account: account.clone(), holder });
    }
    let sql = "INSERT INTO link (subject, system, account) VALUES (?, ?, ?) ON CONFLICT (subject, system) DO UPDATE SET account = excluded.account";
    change(connection, sql, [subject.as_str(), system.as_str(), account.as_str()])
}

fn give(connection: &Connection, row: &LedgerRow) -> Result<()> {
    let entitlement = serde_json::to_string(&row.entitlement).map_err(|error| StoreError::Invalid(error.to_string()))?;
    change(
        connection,
        "INSERT OR REPLACE INTO ledger (system, account, key, subject, entitlement, run, operation, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        params![row.system.as_str(), row.account.as_str(), row.key, row.subject.as_str(), entitlement, row.run.as_str(), row.operation, row.at.as_millis()],
    )
}

fn wait(connection: &Connection, row: &WaitRow) -> Result<()> {
    let standing = known(connection, &row.run)?;
    let event = row.event.as_ref().map(EventKey::as_str);
    change(
        connection,
        "INSERT OR REPLACE INTO wait (run, operation, since, looks, absences, next_look, event) VALUES (?, ?, ?, ?, ?, ?, ?)",
        params![standing.num, row.operation, row.since.as_millis(), row.looks, row.absences, row.next_look.as_millis(), event],
    )
}

pub(crate) fn change(connection: &Connection, sql: &str, params: impl Params) -> Result<()> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).map(drop).map_err(failed)
}

pub(crate) fn one<T>(connection: &Connection, sql: &str, params: impl Params, read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>) -> Result<Option<T>> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.query_row(params, read).optional()).map_err(failed)
}

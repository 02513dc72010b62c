//! The form of the file, and how an older one becomes the present one.

use provisionr_core::store::StoreError;
use rusqlite::{Connection, TransactionBehavior};

use crate::error::failed;

/// Marks a file as a store of provisionr, in SQLite's header: "PVSR".
const APPLICATION_ID: i32 = 0x5056_5352;

/// Each brings the file from the version before to its own; the first makes it.
const MIGRATIONS: &[&str] = &[include_str!("1.sql"), include_str!("2.sql")];

fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> Result<T, StoreError> {
    connection.pragma_query_value(None, name, |row| row.get(0)).map_err(failed)
}

/// The version of the file; 0 of an empty one.
///
/// Nothing is changed: a file of another program must stay as it is.
pub(crate) fn version(connection: &Connection) -> Result<u32, StoreError> {
    read_version(connection, MIGRATIONS)
}

fn latest(migrations: &[&str]) -> u32 {
    u32::try_from(migrations.len()).unwrap_or(u32::MAX)
}

fn read_version(connection: &Connection, migrations: &[&str]) -> Result<u32, StoreError> {
    let (application, found): (i32, u32) = (pragma(connection, "application_id")?, pragma(connection, "user_version")?);
    let empty: bool = connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0)).map_err(failed)?;
    if application != APPLICATION_ID && !(application == 0 && found == 0 && empty) {
        return Err(StoreError::Unavailable("the file belongs to another program; choose another path".to_owned()));
    }
    let known = latest(migrations);
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    Ok(found)
}

/// Brings the file to the present version, at once or not at all.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    run(connection, MIGRATIONS)
}

fn run(connection: &mut Connection, migrations: &[&str]) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    // Read again under the lock: another process may have been first.
    let found = read_version(&transaction, migrations)?;
    let missing = migrations.iter().skip(found as usize);
    for sql in missing {
        transaction.execute_batch(sql).map_err(failed)?;
    }
    if found != latest(migrations) {
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        transaction.pragma_update(None, "user_version", latest(migrations)).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

/// Makes an empty file one of this version, as a store of that time did.
#[cfg(test)]
pub(crate) fn make(connection: &mut Connection, version: usize) {
    run(connection, &MIGRATIONS[..version]).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "CREATE TABLE one (a) STRICT";

    #[test]
    fn migrations_run_once_each_and_in_order() {
        let mut connection = Connection::open_in_memory().unwrap();
        let migrations = ["CREATE TABLE one (a TEXT) STRICT", "ALTER TABLE one ADD COLUMN b TEXT; INSERT INTO one VALUES ('x', 'y')"];
        run(&mut connection, &migrations[..1]).unwrap();
        assert_eq!(read_version(&connection, &migrations).unwrap(), 1);
        for _ in 0..2 {
            run(&mut connection, &migrations).unwrap();
            assert_eq!(read_version(&connection, &migrations).unwrap(), 2);
        }
        let rows: i64 = connection.query_row("SELECT count(*) FROM one", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1);
        assert!(matches!(read_version(&connection, &migrations[..1]), Err(StoreError::Newer { found: 2, known: 1 })));
    }

    #[test]
    fn a_migration_that_fails_leaves_the_file_as_it_was() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert!(run(&mut connection, &["CREATE TABLE one (a TEXT) STRICT", "CREATE TABLE one (a TEXT) STRICT"]).is_err());
        assert_eq!(read_version(&connection, &[FIRST]).unwrap(), 0, "no table, no mark");
        run(&mut connection, &["CREATE TABLE one (a TEXT) STRICT"]).unwrap();
    }
}

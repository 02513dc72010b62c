//! How a file is opened, and the threads that work on it.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use provisionr_core::store::StoreError;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use crate::driver::{DriverLock, Living};
use crate::error::{failed, of_file};
use crate::schema;
use crate::store::{Handle, Read};
use crate::writer::Writer;

type Result<T> = std::result::Result<T, StoreError>;

/// Enough for every statement this crate has.
const STATEMENTS: usize = 64;

/// After how many pages (of 4 KiB) the log is merged into the database. Rows of many runs touch the same pages again and
/// again; SQLite's own 1,000 would write each of them twice in nearly every transaction of a busy driver.
const MERGE: i64 = 8_000;

/// How large the log may stay after a burst, in bytes.
const LOG: i64 = 64 << 20;

/// Opens the file and starts both threads. Blocks: it runs on the thread that then writes.
pub(crate) fn start(path: &Path, busy: Duration) -> Result<(Handle, impl FnOnce() + use<>)> {
    let (writer, reader) = connections(path, busy).map_err(|error| of_file(error, path))?;
    let (messages, queue) = channel();
    let (reads, asked) = channel();
    let (ending, ended) = watch::channel(());
    let reading = std::thread::Builder::new()
        .name("provisionr-sqlite-read".to_owned())
        .spawn(move || read(&reader, &asked))
        .map_err(|error| StoreError::Unavailable(format!("no thread could be started: {error}")))?;
    let transactions = Arc::new(AtomicU64::new(0));
    let writer = Writer {
        connection: writer,
        driver_file: DriverLock::of(path),
        living: Living::default(),
        transactions: Arc::clone(&transactions),
        releases: Vec::new(),
    };
    let work = move || {
        // Dropped in the opposite order: when the end is told, nothing can be submitted any more.
        let (_ending, queue) = (ending, queue);
        // The last connection to close merges the log into the file; a reader's could not.
        let writer = writer.run(&queue);
        let _ = reading.join();
        drop(writer);
    };
    Ok((Handle { path: path.to_owned(), messages, reads, ended, transactions }, work))
}

fn read(connection: &Connection, asked: &Receiver<Read>) {
    while let Ok(read) = asked.recv() {
        read(connection);
    }
}

fn connections(path: &Path, busy: Duration) -> Result<(Connection, Connection)> {
    make_sure(path)?;
    let mut writer = connect(path, busy, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    schema::version(&writer)?;
    write_ahead(&writer, busy)?;
    // Each commit is on the disk before it returns: FULL also syncs the log at each commit, which NORMAL does not.
    writer
        .execute_batch(&format!("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = {MERGE}; PRAGMA journal_size_limit = {LOG}"))
        .map_err(failed)?;
    schema::migrate(&mut writer)?;
    let reader = connect(path, busy, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    Ok((writer, reader))
}

/// Makes the file, where it is missing, and says what is wrong in words that SQLite does not have.
fn make_sure(path: &Path) -> Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() {
        return Err(StoreError::Unavailable("this is a directory; give the path of a file in it".to_owned()));
    }
    if !directory.is_dir() {
        return Err(StoreError::Unavailable(format!("there is no directory {}; make it first", directory.display())));
    }
    match File::options().read(true).append(true).create(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            Err(StoreError::Unavailable(format!("the file and its directory must be readable and writable: {error}")))
        }
        Err(error) => Err(StoreError::Unavailable(error.to_string())),
    }
}

fn connect(path: &Path, busy: Duration, mode: OpenFlags) -> Result<Connection> {
    // The path is absolute or made so: a name such as `:memory:` or `file:x` is a file's name here.
    let path = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    connection.busy_timeout(busy).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

fn write_ahead(connection: &Connection, busy: Duration) -> Result<()> {
    let since = Instant::now();
    loop {
        // Two processes that open a new file at once: SQLite answers this pragma "busy" without waiting.
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => return Err(StoreError::Unavailable(format!("SQLite keeps journal mode {mode} here; a local file system is needed"))),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) && since.elapsed() < busy => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

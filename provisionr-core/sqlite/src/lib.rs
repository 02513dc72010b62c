//! Keeps the runs of provisionr in an SQLite file: one host, no server.
//!
//! ```
//! use provisionr_core::store::{Commit, LinkRow, Store, Write};
//! use provisionr_sqlite::SqliteStore;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("access.db");
//! let store = SqliteStore::open(&path).await?;
//! let link = LinkRow { subject: "sarah".into(), system: "okta".into(), account: "00u1".into() };
//! store.commit(Commit::new([Write::Link(link)])).await?;
//! store.close().await;
//!
//! let store = SqliteStore::open(&path).await?;
//! assert_eq!(store.holder(&"okta".into(), &"00u1".into()).await?, Some("sarah".into()));
//! # Ok(()) }
//! ```
//!
//! # What a commit promises
//!
//! When [`commit`](provisionr_core::store::Store::commit) returns `Ok`, its writes are on the disk: they survive the end
//! of the process, a crash of the system and a loss of power, as far as the disk keeps what it was told to sync. The
//! store runs with [`journal_mode=WAL`](https://sqlite.org/wal.html) and
//! [`synchronous=FULL`](https://sqlite.org/pragma.html#pragma_synchronous): the log is synced at each transaction.
//! `NORMAL` would be much faster for a single writer and may lose the last transactions when the power goes; since
//! nothing may be sent to a vendor before its intent is durable, there is no option for it.
//!
//! Waiting for the disk is what a commit costs, so commits that come together share one transaction. Each of them still
//! stands alone: one that conflicts is refused and spoils nothing. If the end of a shared transaction fails, nobody can
//! know what is on the disk, and each of its commits gets `Indeterminate`; errors before the end are certain, and get
//! `Unavailable`.
//!
//! # Threads and processes
//!
//! An open store has two threads: one writes; one reads, and waits for no sync. Both end with the last handle;
//! [`SqliteStore::close`] waits for that. No panic of theirs reaches the host: calls fail with `Unavailable` then.
//!
//! Several processes may open the same file, to read and to commit (a status page, a command that submits). One of them
//! drives runs: [`enlist`](provisionr_core::store::Store::enlist) takes a lock of the operating system, which ends with
//! the process, also when it is killed; a second one gets `Busy`. The file must be on a local file system: WAL and
//! the lock do not work over a network.
//!
//! # The files
//!
//! | file | what |
//! |---|---|
//! | `access.db` | the database, under the name given |
//! | `access.db-wal` | commits that are not merged into it yet: **a part of the database**; gone after a clean end |
//! | `access.db-shm` | an index of the log; gone after a clean end |
//! | `access.db.driver` | the lock of the one driver; empty, may stay |
//!
//! They hold personal data (subject and account ids, entitlements) and no secrets. They get the rights that the umask
//! of the process gives: put them into a directory of the service's own user.
//!
//! Back up with `sqlite3 access.db "VACUUM INTO 'backup.db'"` or its `.backup`, also while the store is open. A copy of
//! `access.db` alone misses what is in the log: copy files only after a clean end, and never put a file back while a
//! process has it open. A restored store is older than the world: what was sent since is not in it.
//!
//! A file of an older version of this crate is brought to the present form when it is opened, at once or not at all; a
//! file of a newer version is refused with `Newer`.
//!
//! # What it carries
//!
//! `cargo bench -p provisionr-sqlite` measures rows of 300 bytes a second: one writer that waits for each row (what a
//! sync of your disk costs), 10 to 1,000 writers that share syncs, and leases among 1,000 and 100,000 due runs. Set
//! `PROVISIONR_BENCH_DIR` to a directory on the disk in question.
//!
//! On 2 shared cores and ext4, where a sync takes 0.2 ms, the best of 100 samples (other work on the machine made the
//! median three to ten times slower; measure your own):
//!
//! | | rows a second |
//! |---|---|
//! | one writer that waits for each row | 3,400 |
//! | one writer, 100 rows in a commit | 200,000 |
//! | 100 writers that each wait, each in its own run | 51,000 |
//! | 1,000 writers that each wait, each in its own run | 72,000 |
//! | 1,000 commits at once to one run | 146,000 |
//! | 1,000 commits at once over 1,000 runs | 91,000 |
//!
//! Leasing and parking 100 runs takes 2 ms, among 1,000 due runs and among 100,000.
//!
//! `cargo bench -p provisionr-sqlite --bench runs` measures whole runs of operations that do nothing: each is durable
//! as begun before its call, and as ended after it, together with the ledger's row of what it gave. On the same
//! machine while it was quiet, release build, medians of 3 samples:
//!
//! | | operations | time | operations a second | peak memory of the process |
//! |---|---|---|---|---|
//! | one run, chains of 20 | 1,000 | 0.085 s | 11,700 | |
//! | | 10,000 | 0.73 s | 13,600 | 36 MiB |
//! | | 100,000 | 5.8 s | 17,300 | 186 MiB |
//! | runs of 10, 256 moved at once | 1,000 | 0.095 s | 10,500 | |
//! | | 10,000 | 0.75 s | 13,300 | |
//! | | 100,000 | 7.0 s | 14,200 | 24 MiB |
//!
//! Ordering, writing and hashing a plan of 100,000 operations takes 0.21 s, folding its journal of 200,000 rows 0.08 s.

mod apply;
mod driver;
mod error;
mod inbox;
mod lease;
mod open;
mod read;
mod row;
mod schema;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub use store::{SqliteOptions, SqliteStore};

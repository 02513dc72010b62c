//! Files that are not what they should be, and the files a store makes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::fs;
use std::path::Path;

use futures_util::future::join_all;
use provisionr_core::store::{Commit, LinkRow, Store, StoreError, WorkerId, Write};
use provisionr_sqlite::SqliteStore;
use rusqlite::Connection;

fn link(name: &str) -> Commit {
    Commit::new([Write::Link(LinkRow { subject: name.into(), system: "okta".into(), account: name.into() })])
}

async fn refusal(path: &Path) -> StoreError {
    let error = SqliteStore::open(path).await.expect_err("the file should be refused");
    assert!(error.to_string().contains(path.to_str().unwrap()) || matches!(error, StoreError::Newer { .. }), "which file? {error}");
    error
}

#[tokio::test]
async fn what_cannot_be_a_store_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);

    fs::write(at("text"), "dear diary, ".repeat(1_000)).unwrap();
    let error = refusal(&at("text")).await;
    assert!(matches!(&error, StoreError::Corrupt(why) if why.contains("not an SQLite database")), "{error}");
    assert_eq!(fs::read_to_string(at("text")).unwrap(), "dear diary, ".repeat(1_000));

    let other = Connection::open(at("other")).unwrap();
    other.execute_batch("CREATE TABLE mine (a)").unwrap();
    let error = refusal(&at("other")).await;
    assert!(matches!(&error, StoreError::Unavailable(why) if why.contains("another program")), "{error}");
    let mode: String = other.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "delete");

    let error = refusal(&at("nowhere/access.db")).await;
    assert!(error.to_string().contains("make it first"), "{error}");
    let error = refusal(directory.path()).await;
    assert!(error.to_string().contains("is a directory"), "{error}");
    let error = refusal(&at("text/access.db")).await;
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_newer_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.db");
    SqliteStore::open(&path).await.unwrap().close().await;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 900).unwrap();
    assert!(matches!(refusal(&path).await, StoreError::Newer { found: 900, known: 2 }));
}

#[tokio::test]
async fn a_damaged_value_is_an_error_and_not_a_guess() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch(
            "INSERT INTO plan (digest, bytes) VALUES (x'00', x'');
             INSERT INTO run (id, subject, version, rank, event, actor, plan, opened_at, length, head, epoch)
             VALUES ('run', 's', 0, 77, 'e', '{\"service\":\"x\"}', x'00', 0, 0, x'00', 0)",
        )
        .unwrap();
    let error = store.run(&provisionr_core::store::RunId::new("run")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt(why) if why.contains("77")), "{error}");
}

#[tokio::test]
async fn the_file_says_whose_it_is_and_is_durable_by_its_settings() {
    let directory = tempfile::tempdir().unwrap();
    // A name that SQLite would take for something else.
    let path = directory.path().join("file:access.db?mode=memory");
    let store = SqliteStore::open(&path).await.unwrap();
    let _enlisted = store.enlist(&WorkerId::new("w")).await.unwrap();
    store.commit(link("a")).await.unwrap();
    let mut names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["", "-shm", "-wal", ".driver"].map(|end| format!("file:access.db?mode=memory{end}")));
    store.close().await;
    let header = fs::read(&path).unwrap();
    assert_eq!(&header[68..72], b"PVSR");
}

#[tokio::test]
async fn a_new_file_may_be_opened_by_many_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.db");
    let stores = join_all((0..8).map(|_| SqliteStore::open(&path))).await;
    let stores: Vec<SqliteStore> = stores.into_iter().map(Result::unwrap).collect();
    let names: Vec<String> = (0..8).map(|n| n.to_string()).collect();
    let commits = stores.iter().zip(&names).map(|(store, name)| store.commit(link(name)));
    assert!(join_all(commits).await.iter().all(Result::is_ok));
    for name in &names {
        assert_eq!(stores[0].links(&name.as_str().into()).await.unwrap().len(), 1);
    }
    let _enlisted = stores[0].enlist(&WorkerId::new("w")).await.unwrap();
    assert!(matches!(stores[1].enlist(&WorkerId::new("w")).await, Err(StoreError::Busy)));
}

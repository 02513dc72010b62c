//! What can be seen only from within: groups, failing transactions, dying threads.

use std::sync::mpsc::channel;

use futures_util::future::join_all;
use provisionr_core::store::{
    Actor, Commit, JournalRow, LinkRow, NewRow, PlanRow, RECOGNISED, Rank, RunFilter, RunId, RunRow, Store, StoreError, SubjectRow, Verdict, WaitRow, WorkerId,
    Write,
};
use provisionr_core::{Digest, Entitlement, Timestamp};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::SqliteStore;
use crate::writer::Message;

async fn store() -> (TempDir, SqliteStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("access.db")).await.unwrap();
    (directory, store)
}

fn link(name: &str) -> Commit {
    Commit::new([Write::Link(LinkRow { subject: name.into(), system: "okta".into(), account: name.into() })])
}

fn links(n: usize) -> Vec<Commit> {
    (0..n).map(|n| link(&n.to_string())).collect()
}

impl SqliteStore {
    fn tell(&self, work: impl FnOnce(&Connection) + Send + 'static) {
        self.handle.messages.send(Message::Run(Box::new(work))).unwrap();
    }

    /// Has the writer wait, so that what is submitted meanwhile is in its queue; it goes on when this is dropped.
    fn hold(&self) -> std::sync::mpsc::Sender<()> {
        let (go, wait) = channel();
        self.tell(move |_| {
            let _ = wait.recv();
        });
        go
    }
}

/// Submits all before the writer goes on.
async fn together(store: &SqliteStore, commits: Vec<Commit>) -> Vec<Result<(), StoreError>> {
    let held = store.hold();
    let submitted = join_all(commits.into_iter().map(|commit| store.commit(commit)));
    // Polled in this order: all commits are queued before the writer is let go.
    tokio::join!(submitted, async move { drop(held) }).0
}

#[tokio::test]
async fn commits_that_come_together_share_a_transaction() {
    let (_directory, store) = store().await;
    let answers = together(&store, links(100)).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(store.transactions(), 1);
    assert_eq!(store.links(&"99".into()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn of_a_group_that_could_not_be_ended_nothing_is_known() {
    let (_directory, store) = store().await;
    let held = store.hold();
    // A broken reference that is looked at only when the transaction ends.
    store.tell(|connection| {
        connection
            .execute_batch("PRAGMA defer_foreign_keys = ON; INSERT INTO wait (run, operation, since, looks, absences, next_look) VALUES (99, '', 0, 0, 0, 0)")
            .unwrap();
    });
    let mut commits = links(3);
    commits.push(Commit::new([Write::Wake { run: provisionr_core::store::RunId::new("run_nobody"), at: Timestamp::EPOCH }]));
    let submitted = join_all(commits.into_iter().map(|commit| store.commit(commit)));
    let answers = tokio::join!(submitted, async move { drop(held) }).0;
    assert!(answers[..3].iter().all(|answer| matches!(answer, Err(StoreError::Indeterminate(_)))), "{answers:?}");
    assert!(matches!(answers[3], Err(StoreError::Conflict { .. })), "a refusal is certain");
    assert_eq!(store.transactions(), 0);
    store.commit(link("next")).await.unwrap();
    assert_eq!(store.links(&"0".into()).await.unwrap(), []);
}

#[tokio::test]
async fn a_full_disk_refuses_and_leaves_the_store_whole() {
    let (_directory, store) = store().await;
    store.commit(link("before")).await.unwrap();
    store.tell(|connection| drop(connection.query_row("PRAGMA max_page_count = 1", [], |_| Ok(()))));
    let long = "x".repeat(100_000);
    let answers = together(&store, vec![link("small"), link(&long), link("small too")]).await;
    assert!(matches!(&answers[1], Err(StoreError::Unavailable(why)) if why.contains("no room")), "{:?}", answers[1]);
    for (name, answer) in [("small", &answers[0]), ("small too", &answers[2])] {
        assert_eq!(store.links(&name.into()).await.unwrap().len(), usize::from(answer.is_ok()), "{name} is there if and only if it was acknowledged");
    }
    store.tell(|connection| drop(connection.query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(()))));
    store.commit(link(&long)).await.unwrap();
    assert_eq!(store.links(&"before".into()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn when_the_thread_dies_calls_fail_and_the_host_lives() {
    let (_directory, store) = store().await;
    let held = store.hold();
    let (answer, ()) = tokio::join!(store.commit(link("a")), async {
        store.tell(|_| panic!("a test makes the thread die"));
        drop(held);
    });
    assert!(matches!(answer, Err(StoreError::Indeterminate(_))), "{answer:?}");
    let worker = WorkerId::new("w");
    while store.handle.ended.clone().changed().await.is_ok() {}
    assert!(matches!(store.commit(link("b")).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.lease(&worker, Timestamp::EPOCH, 1).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.enlist(&worker).await, Err(StoreError::Unavailable(_))));
    assert_eq!(store.runs(&RunFilter::all()).await.unwrap(), [], "what is on the disk can still be read");
    assert_eq!(store.links(&"a".into()).await.unwrap(), []);
}

#[tokio::test]
async fn a_read_waits_for_no_commit() {
    let (_directory, store) = store().await;
    let _held = store.hold();
    assert_eq!(store.runs(&RunFilter::all()).await.unwrap(), []);
}

#[tokio::test]
async fn the_last_handle_ends_the_threads_and_merges_the_log() {
    let (directory, store) = store().await;
    let log = directory.path().join("access.db-wal");
    store.commit(link("a")).await.unwrap();
    assert!(log.exists());
    let (clone, mut ended) = (store.clone(), store.handle.ended.clone());
    store.close().await;
    clone.commit(link("b")).await.unwrap();
    drop(clone);
    while ended.changed().await.is_ok() {}
    assert!(!log.exists());
    let store = SqliteStore::open(directory.path().join("access.db")).await.unwrap();
    assert_eq!(store.links(&"b".into()).await.unwrap().len(), 1);
    store.close().await;
    assert!(!log.exists());
}

#[tokio::test]
async fn another_process_that_writes_is_waited_for_only_so_long() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.db");
    let store = crate::SqliteOptions::new().busy_timeout(std::time::Duration::ZERO).open(&path).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(store.commit(link("a")).await, Err(StoreError::Unavailable(why)) if why.contains("another process")));
    assert!(matches!(store.enlist(&WorkerId::new("w")).await, Err(StoreError::Unavailable(_))));
    other.execute_batch("COMMIT").unwrap();
    store.commit(link("a")).await.unwrap();
    store.enlist(&WorkerId::new("w")).await.unwrap();
}

/// No kill shows it, only a loss of power would.
#[tokio::test]
async fn each_commit_is_synced() {
    let (_directory, store) = store().await;
    let (said, heard) = tokio::sync::oneshot::channel();
    store.tell(|connection| {
        let pragma = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, rusqlite::types::Value>(0)).unwrap();
        let _ = said.send((pragma("synchronous"), pragma("journal_mode"), pragma("foreign_keys")));
    });
    let (full, on) = (rusqlite::types::Value::Integer(2), rusqlite::types::Value::Integer(1));
    assert_eq!(heard.await.unwrap(), (full, rusqlite::types::Value::Text("wal".to_owned()), on));
}

/// What a store of schema 1 wrote, as SQL of its own: the crate of today has no other way to say it.
const OF_SCHEMA_1: &str = r#"
    INSERT INTO plan (num, digest, bytes) VALUES (1, unhex(printf('%064d', 7)), CAST('the plan' AS BLOB));
    INSERT INTO run (num, id, subject, version, rank, event, actor, plan, opened_at, length, head, epoch, owner, verdict, due, woken) VALUES
        (1, 'run_1', 'sarah', 7, 40, 'event 1', '{"person":"hr"}', unhex(printf('%064d', 7)), 1000, 2, unhex(printf('%064d', 2)), 3, NULL, NULL, 2000, NULL),
        (2, 'run_2', 'sarah', 6, 30, 'event 2', '{"service":"hr"}', unhex(printf('%064d', 7)), 900, 1, unhex(printf('%064d', 1)), 1, NULL, 10, NULL, NULL);
    INSERT INTO journal (place, format, append, hash, bytes) VALUES
        (1 << 32, 1, NULL, unhex(printf('%064d', 1)), CAST('opened' AS BLOB)), ((1 << 32) + 1, 1, 77, unhex(printf('%064d', 2)), CAST('began' AS BLOB)),
        (2 << 32, 1, NULL, unhex(printf('%064d', 1)), CAST('opened' AS BLOB));
    INSERT INTO link (subject, system, account) VALUES ('sarah', 'okta', '00u1');
    INSERT INTO ledger (system, account, key, subject, entitlement, run, operation, at)
        VALUES ('okta', '00u1', 'group/eng', 'sarah', '{"kind":"group","target":"eng"}', 'run_2', 'op', 950);
    INSERT INTO wait (run, operation, since, looks, absences, next_look, event) VALUES (1, 'op', 1500, 4, 2, 2000, 'okta/00u1');
"#;

#[tokio::test]
async fn a_file_of_schema_1_keeps_what_it_holds_and_takes_what_is_new() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.db");
    let mut old = Connection::open(&path).unwrap();
    crate::schema::make(&mut old, 1);
    old.execute_batch(OF_SCHEMA_1).unwrap();
    drop(old);

    let store = SqliteStore::open(&path).await.unwrap();
    let (at, hash) = (Timestamp::from_millis, |last: u8| Digest::from_bytes(std::array::from_fn(|place| if place == 31 { last } else { 0 })));
    let (leaver, settled) = (RunId::new("run_1"), RunId::new("run_2"));
    let open = RunRow {
        id: leaver.clone(),
        subject: "sarah".into(),
        version: 7,
        rank: Rank::Leaver,
        event: "event 1".into(),
        actor: Actor::person("hr"),
        plan: hash(7),
        opened_at: at(1000),
        rows: 2,
        head: hash(2),
        epoch: 3,
        owner: None,
        verdict: None,
    };
    let runs = store.runs(&RunFilter::all()).await.unwrap();
    assert_eq!(runs[0], open);
    assert_eq!((runs.len(), &runs[1].id, runs[1].rank, runs[1].verdict), (2, &settled, Rank::Change, Some(Verdict::Completed)));
    assert_eq!(store.plan(&hash(7)).await.unwrap(), Some(PlanRow { digest: hash(7), bytes: b"the plan".to_vec() }));
    let began = JournalRow { seq: 1, format: 1, bytes: b"began".to_vec(), hash: hash(2) };
    assert_eq!(store.journal(&leaver, 1, 9).await.unwrap(), [began]);
    assert_eq!(store.journal(&settled, 0, 9).await.unwrap().len(), 1);
    assert_eq!(store.due(&leaver).await.unwrap(), Some(at(2000)));
    assert_eq!(store.holder(&"okta".into(), &"00u1".into()).await.unwrap(), Some("sarah".into()));
    let ledger = store.ledger(&"okta".into(), &"00u1".into()).await.unwrap();
    assert_eq!((ledger.len(), &ledger[0].entitlement, ledger[0].at), (1, &Entitlement::new("group", "eng"), at(950)));
    let event = Some("okta/00u1".into());
    let wait = WaitRow { run: leaver.clone(), operation: "op".to_owned(), since: at(1500), looks: 4, absences: 2, next_look: at(2000), event };
    assert_eq!(store.waits(&leaver).await.unwrap(), [wait]);
    assert_eq!(store.run_of_event(&"event 2".into()).await.unwrap(), Some(settled.clone()));

    assert_eq!(store.inbox(&leaver).await.unwrap(), []);
    assert_eq!(store.subject(&"sarah".into()).await.unwrap(), None);
    let row = NewRow { format: 1, bytes: b"began".to_vec(), hash: hash(2) };
    let again = Write::Append { run: leaver.clone(), epoch: 3, at: 1, append: 77, rows: vec![row.clone()], verdict: None };
    store.commit(Commit::new([again])).await.unwrap();
    let below = RunRow { id: RunId::new("run_3"), rank: Rank::Change, event: "event 3".into(), epoch: 0, rows: 1, ..open };
    let below = Write::Open { run: below, plan: PlanRow { digest: hash(7), bytes: vec![] }, rows: vec![row] };
    assert!(matches!(store.commit(Commit::new([below])).await, Err(StoreError::Outranked { run }) if run == leaver));
    let subject = SubjectRow { id: "sarah".into(), version: 7, bytes: b"{}".to_vec() };
    let send = Write::Send { run: leaver.clone(), id: 1, at: at(1), bytes: vec![] };
    store.commit(Commit::new([Write::Subject(subject), Write::Event { event: "led".into(), run: leaver.clone() }, send])).await.unwrap();
    assert_eq!(store.inbox(&leaver).await.unwrap().len(), 1);
    assert_eq!(store.run_of_event(&"led".into()).await.unwrap(), Some(leaver));
}

#[tokio::test]
async fn the_inbox_of_a_run_does_not_grow_with_what_was_taken() {
    let (_directory, store) = store().await;
    let plan = PlanRow { digest: Digest::ZERO, bytes: vec![] };
    let run = RunRow {
        id: RunId::new("run_1"),
        subject: "s".into(),
        version: 1,
        rank: Rank::Change,
        event: "e".into(),
        actor: Actor::service("test"),
        plan: plan.digest,
        opened_at: Timestamp::EPOCH,
        rows: 0,
        head: Digest::ZERO,
        epoch: 0,
        owner: None,
        verdict: None,
    };
    let id = run.id.clone();
    store.commit(Commit::new([Write::Open { run, plan, rows: vec![] }])).await.unwrap();
    for round in 0..3 {
        let ids = (0..RECOGNISED).map(|n| round * RECOGNISED + n);
        let send = ids.map(|n| Write::Send { run: id.clone(), id: n, at: Timestamp::EPOCH, bytes: vec![7] });
        store.commit(Commit::new(send.chain([Write::Take { run: id.clone(), epoch: 0, upto: u64::MAX }]))).await.unwrap();
        let (said, heard) = tokio::sync::oneshot::channel();
        store.tell(|connection| drop(said.send(connection.query_row("SELECT count(*), count(bytes) FROM inbox", [], |row| Ok((row.get(0)?, row.get(1)?))))));
        let (rows, waiting): (i64, i64) = heard.await.unwrap().unwrap();
        assert_eq!((rows, waiting), (RECOGNISED.cast_signed(), 0));
    }
}

#[test]
fn what_grows_is_never_read_whole() {
    let mut connection = Connection::open_in_memory().unwrap();
    crate::schema::migrate(&mut connection).unwrap();
    let mut queries: Vec<String> = [
        crate::lease::DUE,
        crate::lease::NEXT_DUE,
        crate::read::JOURNAL,
        crate::read::INBOX,
        crate::read::RUN_OF_EVENT,
        crate::apply::STANDING,
        crate::inbox::SENT,
        crate::inbox::LAST,
        crate::inbox::TAKE,
        crate::inbox::FORGET,
    ]
    .map(str::to_owned)
    .to_vec();
    let mut after = RunFilter::all().after(provisionr_core::store::RunId::new("r"));
    queries.push(crate::read::runs_sql(&after));
    queries.push(crate::read::runs_sql(&after.clone().unsettled()));
    queries.push(crate::read::runs_sql(&after.clone().subject("s".into())));
    after.settled = Some(true);
    queries.push(crate::read::runs_sql(&after));
    for query in queries {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let step: String = row.get(3).unwrap();
            assert!(!step.starts_with("SCAN") && !step.contains("TEMP B-TREE"), "{query}: {step}");
        }
    }
}

#[test]
fn settled_runs_are_not_read_to_open_another() {
    let mut connection = Connection::open_in_memory().unwrap();
    crate::schema::migrate(&mut connection).unwrap();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", crate::apply::STANDING)).unwrap();
    let steps: Vec<String> = statement.query_map(["s"], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
    assert!(steps.iter().any(|step| step.contains("run_standing")), "{steps:?}");
}

//! A process that is killed loses nothing that it was told is durable.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use futures_util::future::join_all;
use provisionr_core::store::{Actor, Commit, LinkRow, NewRow, PlanRow, Rank, RunId, RunRow, Store, StoreError, Verdict, WorkerId, Write};
use provisionr_core::{Digest, SubjectId, Timestamp};
use provisionr_sqlite::SqliteStore;
use rusqlite::Connection;

/// Tells this executable that it is the process to be killed, and which store is its own.
const STORE: &str = "PROVISIONR_SQLITE_KILL";
const WRITERS: usize = 4;

/// The process that is killed: this test, started by the others.
struct Victim {
    process: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Victim {
    fn start(path: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["the_process_to_be_killed", "--exact", "--ignored", "--nocapture", "--test-threads=1"]).env(STORE, path);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, said }
    }

    fn next(&mut self) -> String {
        loop {
            let line = self.said.next().expect("the process ended by itself").unwrap();
            // The harness begins its line with the name of the test.
            if let Some((_, said)) = line.split_once("> ") {
                return said.to_owned();
            }
        }
    }

    /// Kills it, and gives what it had still said.
    fn kill(mut self) -> Vec<String> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.said.map_while(Result::ok).filter_map(|line| line.split_once("> ").map(|(_, said)| said.to_owned())).collect()
    }
}

fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "> {what}").unwrap();
    out.flush().unwrap();
}

fn subject(name: &str) -> SubjectId {
    SubjectId::from(name)
}

fn row(name: &str, n: usize) -> NewRow {
    let bytes = format!("{name} {n}").into_bytes();
    NewRow { format: 1, hash: Digest::of([bytes.as_slice()]), bytes }
}

fn open(name: &str) -> Commit {
    let plan = PlanRow { digest: Digest::of([name.as_bytes()]), bytes: name.as_bytes().to_vec() };
    let first = row(name, 0);
    let run = RunRow {
        id: RunId::new(name),
        subject: subject(name),
        version: 1,
        rank: Rank::Change,
        event: name.into(),
        actor: Actor::service("test"),
        plan: plan.digest,
        opened_at: Timestamp::EPOCH,
        rows: 1,
        head: first.hash,
        epoch: 0,
        owner: None,
        verdict: None,
    };
    Commit::new([Write::Open { run, plan, rows: vec![first] }])
}

/// Two rows and a link, which are there together or not at all; the link's account says which were the last.
fn step(name: &str, at: usize) -> Commit {
    let rows = vec![row(name, at), row(name, at + 1)];
    let account = format!("{name} {at}").into();
    Commit::new([
        Write::Append { run: RunId::new(name), epoch: 0, at: at as u64, append: at as u64, rows, verdict: None::<Verdict> },
        Write::Link(LinkRow { subject: subject(name), system: "system".into(), account }),
    ])
}

#[tokio::test]
#[ignore = "started by the other tests, as the process they kill"]
async fn the_process_to_be_killed() {
    let Some(path) = std::env::var_os(STORE) else { return };
    let store = SqliteStore::open(&path).await.unwrap();
    let worker = WorkerId::new("victim");
    let _enlisted = store.enlist(&worker).await.unwrap();
    let id = std::process::id();
    store.commit(open(&format!("run {id} leased"))).await.unwrap();
    assert!(!store.lease(&worker, Timestamp::EPOCH, 1_000).await.unwrap().is_empty());
    say("enlisted");
    join_all((0..WRITERS).map(async |writer| {
        let name = format!("run {id} {writer}");
        store.commit(open(&name)).await.unwrap();
        say(&format!("{name}: 1"));
        for at in (1..).step_by(2) {
            store.commit(step(&name, at)).await.unwrap();
            say(&format!("{name}: {}", at + 2));
        }
    }))
    .await;
}

/// How many rows of each run were acknowledged.
fn acknowledged(said: &[String]) -> BTreeMap<String, usize> {
    let mut most = BTreeMap::new();
    for (name, rows) in said.iter().filter_map(|line| line.split_once(": ")) {
        let rows: usize = rows.parse().unwrap();
        most.entry(name.to_owned()).and_modify(|most: &mut usize| *most = rows.max(*most)).or_insert(rows);
    }
    most
}

/// Whether everything that was acknowledged is there, and nothing is there in part.
async fn check(store: &SqliteStore, acknowledged: &BTreeMap<String, usize>) {
    for (name, rows) in acknowledged {
        let journal = store.journal(&RunId::new(name.as_str()), 0, usize::MAX).await.unwrap();
        assert!(journal.len() >= *rows, "{name}: {rows} rows were acknowledged, {} are there", journal.len());
        assert!(journal.len() <= rows + 2, "{name}: one commit at most was under way");
        for (n, found) in journal.iter().enumerate() {
            assert_eq!(found.bytes, row(name, n).bytes);
        }
        assert_eq!(journal.len() % 2, 1, "a commit is there in part");
        let links = store.links(&subject(name)).await.unwrap();
        let last = links.first().map(|link| link.account.as_str().to_owned());
        assert_eq!(last, (journal.len() > 1).then(|| format!("{name} {}", journal.len() - 2)), "row and link are of one commit");
        let run = store.run(&RunId::new(name.as_str())).await.unwrap().unwrap();
        assert_eq!((run.rows as usize, Some(run.head)), (journal.len(), journal.last().map(|row| row.hash)));
    }
}

fn sound(path: &PathBuf) {
    let connection = Connection::open(path).unwrap();
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let broken: i64 = connection.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0)).unwrap();
    assert_eq!(broken, 0);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.db");
    let mut all = Vec::new();
    // Each kill comes after another number of commits; the file is the same, so that recovery is tried on recovery.
    for moment in 0..20 {
        let mut victim = Victim::start(&path);
        let mut said = Vec::new();
        while said.len() < 1 + moment * moment {
            said.push(victim.next());
        }
        said.extend(victim.kill());
        let acknowledged = acknowledged(&said);
        let store = SqliteStore::open(&path).await.unwrap();
        check(&store, &acknowledged).await;
        store.close().await;
        sound(&path);
        all.push(acknowledged);
    }
    let store = SqliteStore::open(&path).await.unwrap();
    for acknowledged in &all {
        check(&store, acknowledged).await;
    }
}

#[tokio::test]
async fn a_driver_that_is_killed_frees_its_place_and_its_runs_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.db");
    let mut victim = Victim::start(&path);
    assert_eq!(victim.next(), "enlisted");
    let store = SqliteStore::open(&path).await.unwrap();
    let worker = WorkerId::new("second");
    assert!(matches!(store.enlist(&worker).await, Err(StoreError::Busy)));
    let leased = RunId::new(format!("run {} leased", victim.process.id()));
    let seen = store.run(&leased).await.unwrap().expect("another process can read");
    assert_eq!(seen.owner, Some(WorkerId::new("victim")));
    store.commit(open("of another process")).await.expect("another process can commit");

    victim.kill();
    let _enlisted = store.enlist(&worker).await.unwrap();
    let runs = store.lease(&worker, Timestamp::EPOCH, 1_000).await.unwrap();
    let mine = runs.iter().find(|run| run.id == leased).expect("what the killed process had leased is free");
    assert_eq!((mine.epoch, mine.owner.clone()), (seen.epoch + 1, Some(worker)));
}

//! Messages to the owners of runs.

use super::Fixture;
use super::sample::{append, at, inbox, open, opened, park, run, send, settle, take, texts, wake};
use crate::store::{Commit, InboxRow, LinkRow, RECOGNISED, RunId, Store, StoreError, Verdict, WorkerId, Write};

async fn commit(store: &dyn Store, writes: impl IntoIterator<Item = Write>) {
    store.commit(Commit::new(writes)).await.unwrap();
}

async fn conflicts(store: &dyn Store, write: Write) -> bool {
    matches!(store.commit(Commit::new([write])).await, Err(StoreError::Conflict { .. }))
}

/// The place of the last message.
async fn last(store: &dyn Store, run: &RunId) -> u64 {
    store.inbox(run).await.unwrap().last().unwrap().seq
}

pub(super) async fn messages_come_in_order_and_are_taken_from_the_first(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (id, other) = (opened(&*store, "a").await, opened(&*store, "b").await);
    let odd = Write::Send { run: id.clone(), id: 5, at: at(-7), bytes: vec![0, 255, 0] };
    let empty = Write::Send { run: other.clone(), id: 0, at: at(1), bytes: vec![] };
    commit(&*store, [send(&id, u64::MAX, 30), odd, empty]).await;
    commit(&*store, [send(&id, 0, 20)]).await;
    let rows = store.inbox(&id).await.unwrap();
    let sent: Vec<_> = rows.iter().map(|InboxRow { run, at, bytes, .. }| (run, at.as_millis(), bytes.as_slice())).collect();
    assert_eq!(sent, [(&id, 30, u64::MAX.to_string().as_bytes()), (&id, -7, &[0, 255, 0]), (&id, 20, b"0")], "in the order in which they were sent");
    assert!(rows.is_sorted_by(|one, next| one.seq < next.seq), "{rows:?}");

    commit(&*store, [take(&id, 0, rows[1].seq)]).await;
    assert_eq!(store.inbox(&id).await.unwrap(), rows[2..]);
    assert_eq!(store.inbox(&other).await.unwrap().len(), 1, "another inbox is another's");
    commit(&*store, [take(&id, 0, u64::MAX)]).await;
    assert_eq!(store.inbox(&id).await.unwrap(), []);
    commit(&*store, [send(&id, 6, 1), take(&other, 0, u64::MAX), take(&other, 0, u64::MAX)]).await;
    assert!(last(&*store, &id).await > rows[2].seq, "a place is not given again");
    assert_eq!(store.inbox(&other).await.unwrap(), []);
    assert_eq!(store.inbox(&RunId::new("run_nobody")).await.unwrap(), []);
}

pub(super) async fn a_message_wakes_its_run(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let worker = WorkerId::new("w");
    let _enlisted = store.enlist(&worker).await.unwrap();
    let id = opened(&*store, "a").await;
    for (message, millis, due) in [(1, 5_000, 1_000), (2, 800, 800)] {
        commit(&*store, [send(&id, message, millis)]).await;
        assert_eq!(store.due(&id).await.unwrap(), Some(at(due)), "never later");
    }
    assert_eq!(store.lease(&worker, at(800), 9).await.unwrap().len(), 1);
    commit(&*store, [send(&id, 3, 400)]).await;
    assert_eq!(store.due(&id).await.unwrap(), None, "it is leased");
    commit(&*store, [park(&id, 1, None)]).await;
    assert_eq!(store.due(&id).await.unwrap(), Some(at(400)));
    assert_eq!(store.lease(&worker, at(400), 9).await.unwrap().len(), 1);
    commit(&*store, [park(&id, 2, None)]).await;
    commit(&*store, [send(&id, 4, 7_000)]).await;
    assert_eq!(store.next_due().await.unwrap(), Some(at(7_000)));
    assert!(conflicts(&*store, send(&RunId::new("run_nobody"), 1, 1)).await);
}

pub(super) async fn a_message_to_a_settled_run_is_dropped(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let worker = WorkerId::new("w");
    let _enlisted = store.enlist(&worker).await.unwrap();
    let (id, other) = (opened(&*store, "a").await, opened(&*store, "b").await);
    commit(&*store, [send(&id, 1, 10), send(&other, 1, 10)]).await;
    commit(&*store, [settle(&id, 0, 1, Verdict::Completed)]).await;
    assert_eq!(inbox(&*store, &id).await, [""; 0], "with the run");
    let row = store.run(&id).await.unwrap();
    commit(&*store, [send(&id, 1, 10), send(&id, 2, 10), take(&id, 0, u64::MAX)]).await;
    assert_eq!(inbox(&*store, &id).await, [""; 0]);
    assert_eq!(store.run(&id).await.unwrap(), row);
    assert_eq!(store.due(&id).await.unwrap(), None);
    assert_eq!(store.lease(&worker, at(1_000), 9).await.unwrap().len(), 1);
    assert_eq!(inbox(&*store, &other).await, ["1"]);
}

pub(super) async fn only_the_owner_takes_messages(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let worker = WorkerId::new("w");
    let _enlisted = store.enlist(&worker).await.unwrap();
    let id = opened(&*store, "a").await;
    commit(&*store, [send(&id, 1, 10)]).await;
    store.lease(&worker, at(1_000), 1).await.unwrap();
    for epoch in [0, 2] {
        assert!(conflicts(&*store, take(&id, epoch, u64::MAX)).await, "epoch {epoch}");
    }
    assert!(conflicts(&*store, take(&RunId::new("run_nobody"), 0, 0)).await);
    assert_eq!(inbox(&*store, &id).await, ["1"]);
    commit(&*store, [take(&id, 1, u64::MAX)]).await;
    assert_eq!(inbox(&*store, &id).await, [""; 0]);
    assert!(conflicts(&*store, take(&id, 0, u64::MAX)).await, "also when nothing is there");
}

pub(super) async fn a_message_stays_until_it_is_taken(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let worker = WorkerId::new("w");
    let enlisted = store.enlist(&worker).await.unwrap();
    let id = opened(&*store, "a").await;
    commit(&*store, [send(&id, 1, 10)]).await;
    store.lease(&worker, at(1_000), 1).await.unwrap();
    commit(&*store, [append(&id, 1, 1, 1, &["x"]), park(&id, 1, Some(20))]).await;
    assert_eq!(inbox(&*store, &id).await, ["1"], "after a park");
    store.lease(&worker, at(1_000), 1).await.unwrap();
    commit(&*store, [send(&id, 2, 10)]).await;
    drop(enlisted);
    let _enlisted = store.enlist(&worker).await.unwrap();
    assert_eq!(store.due(&id).await.unwrap(), Some(at(10)), "what was sent during the lease of a worker that ended wakes the run");
    assert_eq!(store.lease(&worker, at(1_000), 1).await.unwrap().len(), 1);
    assert_eq!(inbox(&*store, &id).await, ["1", "2"], "after a worker that ended");
}

pub(super) async fn a_message_sent_twice_is_there_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (id, other) = (opened(&*store, "a").await, opened(&*store, "b").await);
    let again = Write::Send { run: id.clone(), id: 0, at: at(1), bytes: b"again".to_vec() };
    commit(&*store, [send(&id, 0, 10), again.clone(), send(&other, 0, 10)]).await;
    commit(&*store, [again.clone()]).await;
    assert_eq!(inbox(&*store, &id).await, ["0"]);
    assert_eq!(inbox(&*store, &other).await, ["0"], "ids are of one run");
    assert_eq!(store.due(&id).await.unwrap(), Some(at(10)), "it is the first that counts");

    commit(&*store, (1..RECOGNISED).map(|message| send(&id, message, 10)).chain([take(&id, 0, u64::MAX)])).await;
    commit(&*store, [again.clone(), send(&id, RECOGNISED - 1, 10)]).await;
    assert_eq!(inbox(&*store, &id).await, [""; 0], "recognised after they were taken");

    commit(&*store, (1..RECOGNISED + 9).map(|message| send(&other, message, 10))).await;
    let rows = store.inbox(&other).await.unwrap();
    commit(&*store, [send(&other, 0, 10), take(&other, 0, rows[0].seq), send(&other, 1, 10)]).await;
    assert_eq!(store.inbox(&other).await.unwrap(), rows[1..], "recognised for as long as they are not taken");
}

pub(super) async fn an_owners_commit_made_twice_takes_no_more(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let worker = WorkerId::new("w");
    let _enlisted = store.enlist(&worker).await.unwrap();
    let (id, other) = (opened(&*store, "a").await, opened(&*store, "b").await);
    commit(&*store, [send(&id, 1, 10), wake(&id, 10)]).await;
    store.lease(&worker, at(10), 1).await.unwrap();
    let made = Commit::new([append(&id, 1, 1, 1, &["x"]), take(&id, 1, u64::MAX), send(&other, 9, 10), park(&id, 1, Some(20))]);
    store.commit(made.clone()).await.unwrap();
    commit(&*store, [send(&id, 2, 10), take(&other, 0, u64::MAX)]).await;
    store.commit(made.clone()).await.unwrap();
    assert_eq!(inbox(&*store, &id).await, ["2"], "what came later was not in it");
    store.lease(&worker, at(10), 9).await.unwrap();
    store.commit(made).await.unwrap();
    assert_eq!(inbox(&*store, &id).await, ["2"], "in a later epoch too");
    assert_eq!(inbox(&*store, &other).await, [""; 0]);
    assert_eq!(texts(&*store, &id).await, ["opened", "x"]);
}

pub(super) async fn a_refused_commit_leaves_the_inbox_as_it_was(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (id, empty) = (opened(&*store, "a").await, opened(&*store, "b").await);
    commit(&*store, (0..=RECOGNISED).map(|message| send(&id, message, 2_000))).await;
    commit(&*store, [take(&id, 0, 0)]).await;
    let (rows, due) = (store.inbox(&id).await.unwrap(), store.due(&id).await.unwrap());
    assert!(!rows.is_empty());
    let refused = || send(&RunId::new("run_nobody"), 1, 1);
    for writes in [
        vec![send(&id, 5_000, 1), send(&empty, 1, 1), send(&id, 5_001, 1), take(&id, 0, u64::MAX), send(&id, 5_002, 1), refused()],
        vec![take(&id, 0, rows[0].seq), send(&empty, 1, 1), take(&empty, 0, u64::MAX), refused()],
        vec![send(&empty, 1, 1), settle(&empty, 0, 1, Verdict::Failed), settle(&id, 0, 1, Verdict::Failed), refused()],
    ] {
        assert!(matches!(store.commit(Commit::new(writes)).await, Err(StoreError::Conflict { .. })));
        assert_eq!(store.inbox(&id).await.unwrap(), rows);
        assert_eq!(store.inbox(&empty).await.unwrap(), []);
        assert_eq!(store.due(&id).await.unwrap(), due);
    }
    commit(&*store, [send(&id, 1, 1), send(&id, RECOGNISED, 1), send(&id, 5_000, 1), send(&empty, 1, 1)]).await;
    let now = store.inbox(&id).await.unwrap();
    assert_eq!(now[..rows.len()], rows);
    assert_eq!(now.len(), rows.len() + 1, "what was there is recognised, what was refused is not");
    assert_eq!(inbox(&*store, &empty).await, ["1"]);
    let link = LinkRow { subject: "s".into(), system: "okta".into(), account: "account".into() };
    commit(&*store, [open(run("c")), send(&run("c").id, 1, 1), Write::Link(link)]).await;
    assert_eq!(inbox(&*store, &run("c").id).await, ["1"], "a run opened in the same commit has an inbox");
}

//! What outlives a process.

use super::Fixture;
use super::sample::{append, at, inbox, opened, park, plan, send, take, texts, wake};
use crate::store::{Commit, LinkRow, SubjectRow, WorkerId, Write};

pub(super) async fn what_was_committed_survives_the_process(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let id = opened(&*store, "a").await;
    let link = LinkRow { subject: "s".into(), system: "okta".into(), account: "account".into() };
    let last = append(&id, 0, 2, 2, &["y", "z"]);
    store.commit(Commit::new([append(&id, 0, 1, 1, &["x"]), Write::Link(link.clone())])).await.unwrap();
    store.commit(Commit::new([last.clone(), park(&id, 0, None), wake(&id, 500)])).await.unwrap();
    let subject = SubjectRow { id: "s".into(), version: 7, bytes: b"seven".to_vec() };
    store.commit(Commit::new([Write::Subject(subject.clone()), Write::Event { event: "led".into(), run: id.clone() }])).await.unwrap();
    let row = store.run(&id).await.unwrap();
    drop(store);

    let store = fixture.open().await;
    assert_eq!(store.run(&id).await.unwrap(), row);
    assert_eq!(texts(&*store, &id).await, ["opened", "x", "y", "z"]);
    assert_eq!(store.plan(&plan().digest).await.unwrap(), Some(plan()));
    assert_eq!(store.links(&"s".into()).await.unwrap(), [link]);
    assert_eq!(store.due(&id).await.unwrap(), Some(at(500)));
    assert_eq!(store.subject(&subject.id).await.unwrap(), Some(subject));
    assert_eq!(store.run_of_event(&"led".into()).await.unwrap(), Some(id.clone()));
    store.commit(Commit::new([last])).await.unwrap();
    assert_eq!(texts(&*store, &id).await.len(), 4, "an append is recognised by the next process");
}

pub(super) async fn messages_survive_the_process(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let worker = WorkerId::new("worker 1");
    let enlisted = store.enlist(&worker).await.unwrap();
    let id = opened(&*store, "a").await;
    store.commit(Commit::new([send(&id, 1, 5_000)])).await.unwrap();
    let first = store.inbox(&id).await.unwrap()[0].seq;
    assert_eq!(store.lease(&worker, at(1_000), 1).await.unwrap().len(), 1);
    store.commit(Commit::new([send(&id, 2, 500), take(&id, 1, first)])).await.unwrap();
    let rows = store.inbox(&id).await.unwrap();
    drop((enlisted, store));

    let store = fixture.open().await;
    let _enlisted = store.enlist(&worker).await.unwrap();
    assert_eq!(store.inbox(&id).await.unwrap(), rows);
    assert_eq!(store.due(&id).await.unwrap(), Some(at(500)), "what was sent during the lease wakes the run");
    store.commit(Commit::new([send(&id, 1, 1), send(&id, 2, 1), send(&id, 3, 1)])).await.unwrap();
    assert_eq!(inbox(&*store, &id).await, ["2", "3"], "messages are recognised by the next process");
    assert!(store.inbox(&id).await.unwrap()[1].seq > rows[0].seq);
}

pub(super) async fn leases_end_with_the_process(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let worker = WorkerId::new("worker 1");
    let enlisted = store.enlist(&worker).await.unwrap();
    let id = opened(&*store, "a").await;
    assert_eq!(store.lease(&worker, at(1_000), 1).await.unwrap().len(), 1);
    drop((enlisted, store));

    let store = fixture.open().await;
    let _enlisted = store.enlist(&worker).await.unwrap();
    let leased = store.lease(&worker, at(1_000), 1).await.unwrap();
    assert_eq!(leased.first().map(|row| (row.id.clone(), row.epoch)), Some((id, 2)));
}

/// What must be true of a store that skips these cases.
pub(super) async fn nothing_survives(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let id = opened(&*store, "a").await;
    drop(store);
    assert_eq!(fixture.open().await.run(&id).await.unwrap(), None, "the store survives its process: the case applies");
}

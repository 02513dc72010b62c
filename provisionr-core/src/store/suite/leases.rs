//! Who moves which run, and when.

use std::task::Poll;

use futures_util::future::join_all;

use super::Fixture;
use super::sample::{append, at, open, opened, park, run, settle, wake};
use crate::store::{Commit, Rank, RunId, RunRow, Store, StoreError, Verdict, WorkerId};

fn worker() -> WorkerId {
    WorkerId::new("worker 1")
}

async fn lease(store: &dyn Store, now: i64) -> Vec<RunRow> {
    store.lease(&worker(), at(now), 100).await.unwrap()
}

async fn commit(store: &dyn Store, write: crate::store::Write) {
    store.commit(Commit::new([write])).await.unwrap();
}

pub(super) async fn each_lease_raises_the_epoch(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let _enlisted = store.enlist(&worker()).await.unwrap();
    let id = opened(&*store, "a").await;
    for epoch in 1..4 {
        let leased = lease(&*store, 1_000).await;
        assert_eq!(leased.len(), 1);
        assert_eq!((leased[0].epoch, leased[0].owner.clone()), (epoch, Some(worker())));
        assert_eq!(store.run(&id).await.unwrap().as_ref(), leased.first());
        commit(&*store, append(&id, epoch, epoch, epoch, &["x"])).await;
        commit(&*store, park(&id, epoch, Some(1_000))).await;
        assert_eq!(store.run(&id).await.unwrap().unwrap().owner, None);
    }
}

pub(super) async fn higher_ranks_go_first_then_the_longest_due(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let _enlisted = store.enlist(&worker()).await.unwrap();
    let runs = [
        (Rank::Change, 500),
        (Rank::Remedy, 1),
        (Rank::Leaver, 900),
        (Rank::Compensation, 2),
        (Rank::Change, 400),
        (Rank::Leaver, 5_000),
        (Rank::Leaver, 901),
        (Rank::Change, -1),
    ];
    for (n, (rank, due)) in runs.into_iter().enumerate() {
        let mut row = run(&n.to_string());
        row.rank = rank;
        row.opened_at = at(due);
        commit(&*store, open(row)).await;
    }
    let mut order = Vec::new();
    for limit in [3, 1, 0, 100] {
        let leased = store.lease(&worker(), at(1_000), limit).await.unwrap();
        assert!(leased.len() <= limit);
        order.extend(leased.into_iter().map(|row| (row.rank, row.opened_at.as_millis())));
    }
    let wanted =
        [(Rank::Leaver, 900), (Rank::Leaver, 901), (Rank::Change, -1), (Rank::Change, 400), (Rank::Change, 500), (Rank::Compensation, 2), (Rank::Remedy, 1)];
    assert_eq!(order, wanted);
    assert_eq!(store.next_due().await.unwrap(), Some(at(5_000)));
}

pub(super) async fn a_run_is_leased_to_one_at_a_time(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let _enlisted = store.enlist(&worker()).await.unwrap();
    for n in 0..20 {
        opened(&*store, &n.to_string()).await;
    }
    let worker = worker();
    let leases = join_all((0..10).map(|_| store.lease(&worker, at(1_000), 3))).await;
    let mut ids: Vec<RunId> = leases.into_iter().flat_map(Result::unwrap).map(|row| row.id).collect();
    assert_eq!(ids.len(), 20);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20, "no run was leased twice");
    assert_eq!(store.next_due().await.unwrap(), None);
}

pub(super) async fn a_parked_run_is_due_when_it_says(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let _enlisted = store.enlist(&worker()).await.unwrap();
    let id = opened(&*store, "a").await;
    assert_eq!(lease(&*store, 999).await, [], "it is not due yet");
    assert_eq!(store.next_due().await.unwrap(), Some(at(1_000)));
    assert_eq!(lease(&*store, 1_000).await.len(), 1);
    assert_eq!(store.due(&id).await.unwrap(), None, "it is not free");
    assert_eq!(store.next_due().await.unwrap(), None);
    commit(&*store, park(&id, 1, Some(2_000))).await;
    assert_eq!(store.due(&id).await.unwrap(), Some(at(2_000)));
    assert_eq!(store.next_due().await.unwrap(), Some(at(2_000)));
    assert_eq!(lease(&*store, 1_999).await, []);
    assert_eq!(lease(&*store, 2_000).await.len(), 1);
    commit(&*store, park(&id, 2, None)).await;
    assert_eq!(store.due(&id).await.unwrap(), None);
    assert_eq!(lease(&*store, i64::MAX).await, [], "it waits for a wake");
    assert_eq!(store.next_due().await.unwrap(), None);
}

pub(super) async fn a_wake_makes_a_run_due_earlier_never_later(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let _enlisted = store.enlist(&worker()).await.unwrap();
    let id = opened(&*store, "a").await;
    for (at_millis, due) in [(5_000, 1_000), (800, 800), (900, 800)] {
        commit(&*store, wake(&id, at_millis)).await;
        assert_eq!(store.due(&id).await.unwrap(), Some(at(due)));
    }
    lease(&*store, 1_000).await;
    commit(&*store, park(&id, 1, None)).await;
    commit(&*store, wake(&id, 3_000)).await;
    assert_eq!(store.due(&id).await.unwrap(), Some(at(3_000)));
    assert_eq!(store.next_due().await.unwrap(), Some(at(3_000)));
    assert_eq!(lease(&*store, 3_000).await.len(), 1);
}

pub(super) async fn a_wake_during_a_lease_is_not_lost(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let _enlisted = store.enlist(&worker()).await.unwrap();
    let id = opened(&*store, "a").await;
    for (n, (woken, parked, due)) in [(400, None, 400), (300, Some(900), 300), (700, Some(200), 200)].into_iter().enumerate() {
        let epoch = n as u64 + 1;
        assert_eq!(lease(&*store, 1_000).await.len(), 1);
        commit(&*store, wake(&id, woken)).await;
        commit(&*store, wake(&id, woken + 50)).await;
        assert_eq!(store.due(&id).await.unwrap(), None, "it is not free");
        assert_eq!(lease(&*store, 1_000).await, []);
        commit(&*store, park(&id, epoch, parked)).await;
        assert_eq!(store.due(&id).await.unwrap(), Some(at(due)));
    }
    lease(&*store, 1_000).await;
    commit(&*store, park(&id, 4, None)).await;
    assert_eq!(store.due(&id).await.unwrap(), None, "a wake counts for one lease only");
}

pub(super) async fn a_settled_run_is_never_due(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let _enlisted = store.enlist(&worker()).await.unwrap();
    let (id, free) = (opened(&*store, "a").await, opened(&*store, "b").await);
    commit(&*store, settle(&free, 0, 1, Verdict::Superseded)).await;
    assert_eq!(lease(&*store, 1_000).await.len(), 1);
    commit(&*store, wake(&id, 1)).await;
    commit(&*store, settle(&id, 1, 1, Verdict::Completed)).await;
    for write in [park(&id, 1, Some(1)), wake(&id, 1), wake(&free, 1)] {
        commit(&*store, write).await;
        for run in [&id, &free] {
            assert_eq!(store.due(run).await.unwrap(), None);
        }
        assert_eq!(store.next_due().await.unwrap(), None);
        assert_eq!(lease(&*store, i64::MAX).await, []);
    }
    assert_eq!(store.run(&id).await.unwrap().unwrap().owner, None);
}

pub(super) async fn a_second_living_worker_is_refused(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let enlisted = store.enlist(&worker()).await.unwrap();
    for name in ["worker 2", "worker 1"] {
        assert!(matches!(store.enlist(&WorkerId::new(name)).await, Err(StoreError::Busy)));
    }
    drop(enlisted);
    let enlisted = store.enlist(&WorkerId::new("worker 2")).await.unwrap();
    assert!(matches!(store.enlist(&worker()).await, Err(StoreError::Busy)));
    drop(enlisted);
    store.enlist(&worker()).await.unwrap();
}

pub(super) async fn only_an_enlisted_worker_leases(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    opened(&*store, "a").await;
    let refused = async |name: &str| matches!(store.lease(&WorkerId::new(name), at(1_000), 1).await, Err(StoreError::Invalid(_)));
    assert!(refused("worker 1").await);
    let enlisted = store.enlist(&worker()).await.unwrap();
    assert!(refused("worker 2").await);
    drop(enlisted);
    assert!(refused("worker 1").await);
}

pub(super) async fn the_runs_of_a_worker_that_ended_are_free(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let enlisted = store.enlist(&worker()).await.unwrap();
    let (a, b) = (opened(&*store, "a").await, opened(&*store, "b").await);
    assert_eq!(lease(&*store, 1_000).await.len(), 2);
    commit(&*store, wake(&b, 400)).await;
    drop(enlisted);
    let second = WorkerId::new("worker 2");
    let _enlisted = store.enlist(&second).await.unwrap();
    assert_eq!(store.run(&a).await.unwrap().unwrap().owner, None);
    assert_eq!(store.due(&a).await.unwrap(), Some(at(1_000)));
    assert_eq!(store.due(&b).await.unwrap(), Some(at(400)));
    let leased = store.lease(&second, at(1_000), 9).await.unwrap();
    assert!(leased.iter().all(|row| row.epoch == 2 && row.owner.as_ref() == Some(&second)));
    assert_eq!(leased.len(), 2);
    let late = store.commit(Commit::new([append(&a, 1, 1, 1, &["late"])])).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "what the ended worker still had to say is refused");
}

/// How many leases are tried before a run counts as lost: a store may free it a little after the future was dropped.
const TRIES: usize = 1_000;

pub(super) async fn a_dropped_lease_holds_no_run(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let _enlisted = store.enlist(&worker()).await.unwrap();
    opened(&*store, "a").await;
    let worker = worker();
    for _ in 0..20 {
        let ready = {
            let mut leasing = store.lease(&worker, at(1_000), 1);
            std::future::poll_fn(|cx| Poll::Ready(leasing.as_mut().poll(cx))).await
        };
        let mut leased = match ready {
            Poll::Ready(leased) => leased.unwrap(),
            Poll::Pending => vec![],
        };
        for _ in 0..TRIES {
            if leased.is_empty() {
                leased = lease(&*store, 1_000).await;
            }
        }
        assert_eq!(leased.len(), 1, "the run is still leased to a future that was dropped");
        commit(&*store, park(&leased[0].id, leased[0].epoch, Some(1_000))).await;
    }
}

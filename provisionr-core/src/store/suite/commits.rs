//! What a commit promises.

use std::task::Poll;

use futures_util::future::join_all;

use super::Fixture;
use super::sample::{append, at, digest, new_row, open, opened, park, plan, run, texts, wake};
use crate::store::{Commit, LinkRow, PlanRow, RunFilter, RunId, StoreError, WaitRow, WorkerId, Write};

fn link(subject: &str, account: &str) -> Write {
    Write::Link(LinkRow { subject: subject.into(), system: "okta".into(), account: account.into() })
}

pub(super) async fn a_commit_takes_effect_whole_or_not_at_all(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let id = opened(&*store, "a").await;
    store.commit(Commit::new([link("s", "old"), park(&id, 0, None)])).await.unwrap();
    let before = store.run(&id).await.unwrap();
    let wait = WaitRow { run: id.clone(), operation: "op".to_owned(), since: at(1), looks: 0, absences: 0, next_look: at(2), event: None };
    let refused =
        Commit::new([append(&id, 0, 1, 5, &["x", "y"]), wake(&id, 3), link("s", "new"), Write::Wait(wait), open(run("b")), append(&id, 0, 1, 6, &["z"])]);
    assert!(matches!(store.commit(refused).await, Err(StoreError::Conflict { run }) if run == id));
    assert_eq!(store.run(&id).await.unwrap(), before);
    assert_eq!(texts(&*store, &id).await, ["opened"]);
    assert_eq!(store.due(&id).await.unwrap(), Some(at(1_000)));
    assert_eq!(store.holder(&"okta".into(), &"old".into()).await.unwrap(), Some("s".into()));
    assert_eq!(store.holder(&"okta".into(), &"new".into()).await.unwrap(), None);
    assert_eq!(store.waits(&id).await.unwrap(), []);
    assert_eq!(store.run(&run("b").id).await.unwrap(), None);
    assert_eq!(store.run_of_event(&run("b").event).await.unwrap(), None);
    assert_eq!(store.runs(&RunFilter::all().unsettled()).await.unwrap().len(), 1);
    store.commit(Commit::new([append(&id, 0, 1, 5, &["x"]), open(run("b"))])).await.unwrap();
    assert_eq!(texts(&*store, &id).await, ["opened", "x"]);
}

pub(super) async fn each_write_of_a_commit_sees_those_before_it(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let id = run("a").id;
    store
        .commit(Commit::new([
            open(run("a")),
            append(&id, 0, 1, 1, &["x"]),
            append(&id, 0, 2, 2, &["y"]),
            wake(&id, 5),
            link("s1", "account"),
            Write::Unlink { subject: "s1".into(), system: "okta".into() },
            link("s2", "account"),
        ]))
        .await
        .unwrap();
    assert_eq!(texts(&*store, &id).await, ["opened", "x", "y"]);
    let row = store.run(&id).await.unwrap().unwrap();
    assert_eq!((row.rows, row.head), (3, digest("y")));
    assert_eq!(store.due(&id).await.unwrap(), Some(at(5)));
    assert_eq!(store.holder(&"okta".into(), &"account".into()).await.unwrap(), Some("s2".into()));
}

pub(super) async fn an_append_made_twice_is_there_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let id = opened(&*store, "a").await;
    let first = append(&id, 0, 1, u64::MAX - 1, &["x", "y"]);
    store.commit(Commit::new([first.clone()])).await.unwrap();
    store.commit(Commit::new([first.clone()])).await.unwrap();
    store.commit(Commit::new([append(&id, 0, 3, 8, &["z"])])).await.unwrap();
    store.commit(Commit::new([first.clone()])).await.unwrap();
    assert_eq!(texts(&*store, &id).await, ["opened", "x", "y", "z"]);

    let mixed = Commit::new([first.clone(), append(&id, 0, 4, 9, &["new"])]);
    store.commit(mixed).await.unwrap();
    assert_eq!(texts(&*store, &id).await, ["opened", "x", "y", "z", "new"], "an append that is not there yet is made");

    let worker = WorkerId::new("w");
    let _enlisted = store.enlist(&worker).await.unwrap();
    assert_eq!(store.lease(&worker, at(1_000), 1).await.unwrap().len(), 1);
    store.commit(Commit::new([first])).await.unwrap();
}

pub(super) async fn a_commit_made_twice_changes_nothing(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let id = opened(&*store, "a").await;
    let commit = Commit::new([append(&id, 0, 1, 1, &["x"]), link("s", "first"), park(&id, 0, Some(2_000))]);
    store.commit(commit.clone()).await.unwrap();
    store.commit(Commit::new([link("s", "second")])).await.unwrap();
    let worker = WorkerId::new("w");
    let _enlisted = store.enlist(&worker).await.unwrap();
    let leased = store.lease(&worker, at(9_000), 1).await.unwrap();
    store.commit(commit).await.unwrap();
    let links = store.links(&"s".into()).await.unwrap();
    assert_eq!(links[0].account, "second", "a later write stands");
    assert_eq!(store.run(&id).await.unwrap(), leased.first().cloned(), "the lease of a later epoch stands");
}

pub(super) async fn an_append_out_of_date_is_refused(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let id = opened(&*store, "a").await;
    let worker = WorkerId::new("w");
    let _enlisted = store.enlist(&worker).await.unwrap();
    store.lease(&worker, at(1_000), 1).await.unwrap();
    let nobody = RunId::new("run_nobody");
    for (why, wrong) in [
        ("of an older epoch", append(&id, 0, 1, 1, &["x"])),
        ("of an epoch to come", append(&id, 2, 1, 1, &["x"])),
        ("behind the journal", append(&id, 1, 0, 1, &["x"])),
        ("ahead of the journal", append(&id, 1, 2, 1, &["x"])),
        ("to no run", append(&nobody, 0, 0, 1, &["x"])),
        ("(a park) of an older epoch", park(&id, 0, None)),
        ("(a park) of no run", park(&nobody, 0, None)),
        ("(a wake) of no run", wake(&nobody, 1)),
    ] {
        let answer = store.commit(Commit::new([wrong])).await;
        assert!(matches!(answer, Err(StoreError::Conflict { .. })), "an append {why} is refused, not {answer:?}");
    }
    assert_eq!(texts(&*store, &id).await, ["opened"]);
    assert_eq!(store.run(&id).await.unwrap().unwrap().owner, Some(worker));
}

pub(super) async fn what_makes_no_sense_is_refused(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let id = opened(&*store, "a").await;
    let mut miscounted = run("b");
    miscounted.rows = 2;
    let mut beheaded = run("b");
    beheaded.head = digest("something else");
    let other = PlanRow { digest: digest("another plan"), ..plan() };
    for (why, wrong) in [
        ("an append without rows", append(&id, 0, 1, 1, &[])),
        ("a wrong number of rows", open(miscounted)),
        ("a wrong head", open(beheaded)),
        ("another plan", Write::Open { run: run("b"), plan: other, rows: vec![new_row("opened")] }),
    ] {
        let answer = store.commit(Commit::new([wrong])).await;
        assert!(matches!(answer, Err(StoreError::Invalid(_))), "{why} is refused, not {answer:?}");
    }
    assert_eq!(store.runs(&RunFilter::all()).await.unwrap().len(), 1);
}

pub(super) async fn large_values_come_back_whole(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let big: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
    let big_plan = PlanRow { digest: digest("big"), bytes: big.clone() };
    let mut big_run = run("a");
    big_run.plan = big_plan.digest;
    let id = big_run.id.clone();
    store.commit(Commit::new([Write::Open { run: big_run, plan: big_plan.clone(), rows: vec![new_row("opened")] }])).await.unwrap();
    let mut row = new_row("big");
    row.bytes = big;
    let rows = vec![row.clone(), new_row("small")];
    store.commit(Commit::new([Write::Append { run: id.clone(), epoch: 0, at: 1, append: 1, rows, verdict: None }])).await.unwrap();
    assert!(store.plan(&big_plan.digest).await.unwrap() == Some(big_plan));
    assert!(store.journal(&id, 1, 1).await.unwrap()[0].bytes == row.bytes);
}

pub(super) async fn many_commits_at_once_all_take_effect(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let names: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let ids = join_all(names.iter().map(|name| opened(&*store, name))).await;
    let appends = ids.iter().map(|id| store.commit(Commit::new([append(id, 0, 1, 1, &["x"]), park(id, 0, Some(1))])));
    assert!(join_all(appends).await.iter().all(Result::is_ok));
    for id in &ids {
        assert_eq!(texts(&*store, id).await, ["opened", "x"]);
    }
}

pub(super) async fn of_many_appends_at_one_place_one_is_made(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let id = opened(&*store, "a").await;
    let commits = (0..50).map(|n| store.commit(Commit::new([append(&id, 0, 1, n, &["x"])])));
    let answers = join_all(commits).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Err(StoreError::Conflict { .. }))).count(), 49);
    assert_eq!(texts(&*store, &id).await, ["opened", "x"]);
}

pub(super) async fn a_conflict_fails_alone(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ids = [opened(&*store, "a").await, opened(&*store, "b").await, opened(&*store, "c").await];
    let places = [1, 5, 1];
    let commits = ids.iter().zip(places).map(|(id, at)| store.commit(Commit::new([link(id.as_str(), id.as_str()), append(id, 0, at, 1, &["x"])])));
    let answers = join_all(commits).await;
    assert!(matches!(answers.as_slice(), [Ok(()), Err(StoreError::Conflict { .. }), Ok(())]), "{answers:?}");
    for (id, made) in ids.iter().zip([true, false, true]) {
        assert_eq!(texts(&*store, id).await.len() == 2, made);
        assert_eq!(store.links(&id.as_str().into()).await.unwrap().len() == 1, made);
    }
}

pub(super) async fn a_dropped_commit_is_whole_or_absent(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let id = opened(&*store, "a").await;
    {
        let mut commit = store.commit(Commit::new([append(&id, 0, 1, 1, &["x"]), link("s", "account"), open(run("b"))]));
        std::future::poll_fn(|cx| Poll::Ready(commit.as_mut().poll(cx).is_ready())).await;
    }
    store.commit(Commit::new([open(run("c"))])).await.unwrap();
    let parts = [texts(&*store, &id).await.len() == 2, store.links(&"s".into()).await.unwrap().len() == 1, store.run(&run("b").id).await.unwrap().is_some()];
    assert!(parts == [true; 3] || parts == [false; 3], "{parts:?}");
}

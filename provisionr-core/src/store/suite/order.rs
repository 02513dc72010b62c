//! Which version of a subject, which run and which event goes before another.

use super::Fixture;
use super::sample::{at, inbox, open, opened, run, send, settle};
use crate::digest::Digest;
use crate::store::{Commit, LinkRow, PlanRow, Rank, RunFilter, RunId, RunRow, Store, StoreError, SubjectRow, Verdict, Write};

fn subject(version: u64, bytes: &[u8]) -> SubjectRow {
    SubjectRow { id: "s '; --".into(), version, bytes: bytes.to_vec() }
}

async fn kept(store: &dyn Store) -> Option<SubjectRow> {
    store.subject(&subject(0, b"").id).await.unwrap()
}

pub(super) async fn a_subject_is_remembered_as_last_planned_for(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(kept(&*store).await, None);
    let other = SubjectRow { id: "other".into(), version: u64::MAX, bytes: vec![] };
    store.commit(Commit::new([Write::Subject(other.clone())])).await.unwrap();
    for row in [subject(0, b"first"), subject(0, b"equal"), subject(7, &[0, 255]), subject(i64::MAX as u64, b"x"), subject(u64::MAX, b"newest")] {
        store.commit(Commit::new([Write::Subject(row.clone())])).await.unwrap();
        assert_eq!(kept(&*store).await, Some(row));
    }
    assert_eq!(store.subject(&other.id).await.unwrap(), Some(other));
}

pub(super) async fn an_older_version_of_a_subject_is_refused(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for (now, older) in [(7, 6), (u64::MAX, i64::MAX as u64), (u64::MAX, 0)] {
        store.commit(Commit::new([Write::Subject(subject(now, b"now"))])).await.unwrap();
        match store.commit(Commit::new([open(run("a")), Write::Subject(subject(older, b"older"))])).await {
            Err(StoreError::Overtaken { subject: id, version }) => assert_eq!((id, version), (subject(now, b"").id, now)),
            other => panic!("version {older} took the place of {now}: {other:?}"),
        }
        assert_eq!(kept(&*store).await, Some(subject(now, b"now")));
        assert_eq!(store.run(&run("a").id).await.unwrap(), None, "nothing of the commit took effect");
    }
}

/// A run of one subject, of this version and rank.
fn of(name: &str, version: u64, rank: Rank) -> RunRow {
    let subject = run("a").subject;
    RunRow { id: RunId::of(&subject, &name.into()), event: name.into(), subject, version, rank, ..run(name) }
}

async fn outranked_by(store: &dyn Store, run: RunRow) -> Option<RunId> {
    match store.commit(Commit::new([open(run)])).await {
        Ok(()) => None,
        Err(StoreError::Outranked { run }) => Some(run),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn a_run_below_an_unsettled_one_is_refused(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (leaver, change) = (of("leaver", 7, Rank::Leaver), of("change", 7, Rank::Change));
    assert_eq!(outranked_by(&*store, change.clone()).await, None);
    assert_eq!(outranked_by(&*store, of("equal change", 7, Rank::Change)).await, None, "an equal one does not stand above");
    assert_eq!(outranked_by(&*store, leaver.clone()).await, None, "a higher rank of the same version");
    for (version, rank) in [(7, Rank::Change), (7, Rank::Compensation), (7, Rank::Remedy), (6, Rank::Leaver), (0, Rank::Remedy)] {
        assert_eq!(outranked_by(&*store, of("lower", version, rank)).await, Some(leaver.id.clone()), "{version} {rank:?}");
    }
    let mut another = run("of another subject");
    another.version = 1;
    assert_eq!(outranked_by(&*store, another).await, None);
    match store.commit(Commit::new([open(change.clone())])).await {
        Err(StoreError::Duplicate { run, .. }) => assert_eq!(run, change.id, "submitting again is no question of rank"),
        other => panic!("{other:?}"),
    }
    let newest = of("newest", u64::MAX, Rank::Remedy);
    assert_eq!(outranked_by(&*store, newest.clone()).await, None, "a newer version, whatever its rank");
    assert_eq!(outranked_by(&*store, of("lower", i64::MAX as u64, Rank::Leaver)).await, Some(newest.id.clone()));

    let settled = [settle(&newest.id, 0, 1, Verdict::Completed), settle(&leaver.id, 0, 1, Verdict::Completed)];
    let in_one = settled.into_iter().chain([open(of("lower", 7, Rank::Change))]);
    store.commit(Commit::new(in_one)).await.unwrap();
    assert_eq!(outranked_by(&*store, of("lowest", 7, Rank::Remedy)).await.map(|above| store_knows(&above)), Some(true));
}

/// Which of several equal runs is named is left to the store.
fn store_knows(above: &RunId) -> bool {
    ["change", "equal change", "lower"].into_iter().any(|name| of(name, 7, Rank::Change).id == *above)
}

pub(super) async fn an_outranked_run_spoils_its_whole_commit(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let above = of("above", 7, Rank::Leaver);
    store.commit(Commit::new([open(above.clone()), Write::Subject(subject(7, b"seven"))])).await.unwrap();
    let link = LinkRow { subject: "s".into(), system: "okta".into(), account: "account".into() };
    let plan = PlanRow { digest: Digest::of([b"never".as_slice()]), bytes: b"never".to_vec() };
    let below = RunRow { plan: plan.digest, ..of("below", 7, Rank::Change) };
    let Write::Open { rows, .. } = open(below.clone()) else { panic!("a run is opened") };
    let before = Write::Open { run: RunRow { plan: plan.digest, ..run("b") }, plan: plan.clone(), rows: rows.clone() };
    let refused = Commit::new([
        before,
        Write::Subject(subject(8, b"eight")),
        Write::Subject(SubjectRow { id: "new".into(), ..subject(1, b"one") }),
        Write::Event { event: "led".into(), run: above.id.clone() },
        send(&above.id, 1, 5),
        Write::Link(link),
        Write::Open { run: below.clone(), plan: plan.clone(), rows },
    ]);
    assert!(matches!(store.commit(refused).await, Err(StoreError::Outranked { run }) if run == above.id));
    assert_eq!(store.runs(&RunFilter::all()).await.unwrap(), std::slice::from_ref(&above));
    assert_eq!(store.plan(&plan.digest).await.unwrap(), None);
    assert_eq!(kept(&*store).await, Some(subject(7, b"seven")));
    assert_eq!(store.subject(&"new".into()).await.unwrap(), None);
    assert_eq!(store.run_of_event(&"led".into()).await.unwrap(), None);
    assert_eq!(store.run_of_event(&below.event).await.unwrap(), None);
    assert_eq!(inbox(&*store, &above.id).await, [""; 0]);
    assert_eq!(store.due(&above.id).await.unwrap(), Some(at(1_000)));
    assert_eq!(store.links(&"s".into()).await.unwrap(), []);
}

pub(super) async fn a_commit_is_held_to_the_runs_it_knew(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (first, second) = (of("first", 1, Rank::Change), of("second", 2, Rank::Change));
    let beside = |runs: &[&RunRow]| Write::Beside { subject: first.subject.clone(), runs: runs.iter().map(|run| run.id.clone()).collect() };
    store.commit(Commit::new([open(first.clone()), beside(&[&first])])).await.unwrap();
    let blind = Commit::new([open(second.clone()), beside(&[&second])]);
    assert!(matches!(store.commit(blind).await, Err(StoreError::Unseen { run }) if run == first.id));
    assert_eq!(store.run(&second.id).await.unwrap(), None, "nothing of the commit took effect");
    let other = Write::Beside { subject: "somebody else".into(), runs: Vec::new() };
    store.commit(Commit::new([open(second.clone()), beside(&[&second, &first]), other])).await.unwrap();
}

fn led(event: &str, run: &RunId) -> Commit {
    Commit::new([Write::Event { event: event.into(), run: run.clone() }])
}

pub(super) async fn an_event_can_lead_to_the_run_of_another(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let id = opened(&*store, "a").await;
    for event in ["led", "led", "also led", "event a"] {
        store.commit(led(event, &id)).await.unwrap();
        assert_eq!(store.run_of_event(&event.into()).await.unwrap(), Some(id.clone()), "{event}");
    }
    store.commit(Commit::new([settle(&id, 0, 1, Verdict::Completed)])).await.unwrap();
    store.commit(led("late", &id)).await.unwrap();
    assert_eq!(store.run_of_event(&"late".into()).await.unwrap(), Some(id.clone()));
    assert_eq!(store.run(&id).await.unwrap().unwrap().event, "event a");
    assert_eq!(store.run_of_event(&"nothing".into()).await.unwrap(), None);
}

pub(super) async fn an_event_leads_to_one_run(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (a, b) = (opened(&*store, "a").await, opened(&*store, "b").await);
    store.commit(led("led", &a)).await.unwrap();
    let mut third = run("c");
    third.event = "led".into();
    for (second, first) in [(led("led", &b), "led"), (led("event a", &b), "event a"), (Commit::new([open(third)]), "led")] {
        match store.commit(second).await {
            Err(StoreError::Duplicate { event, run }) => assert_eq!((event, &run), (first.into(), &a)),
            other => panic!("an event led to two runs: {other:?}"),
        }
    }
    assert!(matches!(store.commit(led("new", &RunId::new("run_nobody"))).await, Err(StoreError::Conflict { .. })));
    assert_eq!(store.run_of_event(&"new".into()).await.unwrap(), None);
    assert_eq!(store.run_of_event(&"led".into()).await.unwrap(), Some(a));
}

//! What is read is what was written.

use provisionr_sdk::{AccountId, Entitlement, SubjectId, SystemName, Timestamp};

use super::Fixture;
use super::sample::{append, at, digest, new_row, open, opened, plan, run, settle};
use crate::store::{Actor, Commit, LedgerRow, LinkRow, PlanRow, Rank, RunFilter, RunId, RunRow, Store, StoreError, Verdict, WaitRow, Write};

const ODD: &str = "Zoë 😀 '; --\n\t\"\\%_";

pub(super) async fn a_run_comes_back_as_it_was_opened(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for (n, rank) in [Rank::Remedy, Rank::Compensation, Rank::Change, Rank::Leaver].into_iter().enumerate() {
        let mut row = run(&format!("{ODD}{n}"));
        row.rank = rank;
        row.version = u64::MAX;
        row.actor = if n % 2 == 0 { Actor::person(ODD) } else { Actor::service("") };
        row.opened_at = Timestamp::from_millis(-5);
        store.commit(Commit::new([open(row.clone())])).await.unwrap();
        assert_eq!(store.run(&row.id).await.unwrap(), Some(row.clone()));
        assert_eq!(store.due(&row.id).await.unwrap(), Some(row.opened_at));
        assert_eq!(store.run_of_event(&row.event).await.unwrap(), Some(row.id));
    }
    for (n, verdict) in [Verdict::Completed, Verdict::Failed, Verdict::Superseded].into_iter().enumerate() {
        let id = opened(&*store, &format!("settled {n}")).await;
        store.commit(Commit::new([settle(&id, 0, 1, verdict)])).await.unwrap();
        assert_eq!(store.run(&id).await.unwrap().unwrap().verdict, Some(verdict));
    }
    let nobody = RunId::new("run_nobody");
    assert_eq!(store.run(&nobody).await.unwrap(), None);
    assert_eq!(store.due(&nobody).await.unwrap(), None);
    assert_eq!(store.run_of_event(&"nothing".into()).await.unwrap(), None);
}

pub(super) async fn an_event_opens_one_run(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let id = opened(&*store, "a").await;
    let mut second = run("b");
    second.event = run("a").event;
    for again in [run("a"), second] {
        match store.commit(Commit::new([open(again)])).await {
            Err(StoreError::Duplicate { event, run: first }) => assert_eq!((event, &first), (run("a").event, &id)),
            other => panic!("an event opened a second run: {other:?}"),
        }
    }
    let mut same_id = run("c");
    same_id.id = id.clone();
    assert!(matches!(store.commit(Commit::new([open(same_id)])).await, Err(StoreError::Conflict { run }) if run == id));
    assert_eq!(store.run(&id).await.unwrap(), Some(run("a")));
}

pub(super) async fn a_plan_is_stored_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    opened(&*store, "a").await;
    opened(&*store, "b").await;
    assert_eq!(store.plan(&plan().digest).await.unwrap(), Some(plan()));
    assert_eq!(store.plan(&digest("no plan")).await.unwrap(), None);
    let other = PlanRow { digest: digest("other"), bytes: vec![] };
    let mut third = run("c");
    third.plan = other.digest;
    store.commit(Commit::new([Write::Open { run: third, plan: other.clone(), rows: vec![new_row("opened")] }])).await.unwrap();
    assert_eq!(store.plan(&other.digest).await.unwrap(), Some(other));
}

fn link(subject: &str, system: &str, account: &str) -> LinkRow {
    LinkRow { subject: subject.into(), system: system.into(), account: account.into() }
}

async fn holder(store: &dyn Store, system: &str, account: &str) -> Option<SubjectId> {
    store.holder(&SystemName::from(system), &AccountId::from(account)).await.unwrap()
}

pub(super) async fn an_account_belongs_to_one_subject(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (okta, slack) = (link("s1", "okta", "account"), link("s1", "slack", ODD));
    store.commit(Commit::new([Write::Link(slack.clone()), Write::Link(okta.clone())])).await.unwrap();
    match store.commit(Commit::new([Write::Link(link("s2", "okta", "account"))])).await {
        Err(StoreError::Claimed { system, account, holder }) => {
            assert_eq!((system, account, holder), ("okta".into(), "account".into(), "s1".into()));
        }
        other => panic!("an account has two holders: {other:?}"),
    }
    store.commit(Commit::new([Write::Link(link("s2", "gitlab", "account")), Write::Link(okta.clone())])).await.unwrap();
    assert_eq!(store.links(&"s1".into()).await.unwrap(), [okta, slack], "in the order of systems");
    assert_eq!(holder(&*store, "okta", "account").await, Some("s1".into()));
    assert_eq!(holder(&*store, "gitlab", "account").await, Some("s2".into()));
    let unlink = |subject: &str| Write::Unlink { subject: subject.into(), system: "okta".into() };
    store.commit(Commit::new([unlink("s1"), unlink("nobody"), Write::Link(link("s2", "okta", "account"))])).await.unwrap();
    assert_eq!(holder(&*store, "okta", "account").await, Some("s2".into()));
    assert_eq!(store.links(&"s1".into()).await.unwrap().len(), 1);
}

pub(super) async fn a_new_link_takes_the_place_of_the_old(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    store.commit(Commit::new([Write::Link(link("s1", "okta", "old"))])).await.unwrap();
    store.commit(Commit::new([Write::Link(link("s1", "okta", "new"))])).await.unwrap();
    assert_eq!(store.links(&"s1".into()).await.unwrap(), [link("s1", "okta", "new")]);
    assert_eq!(holder(&*store, "okta", "old").await, None);
    store.commit(Commit::new([Write::Link(link("s2", "okta", "old"))])).await.unwrap();
    assert_eq!(holder(&*store, "okta", "old").await, Some("s2".into()));
    assert_eq!(holder(&*store, "okta", "new").await, Some("s1".into()));
}

pub(super) async fn grants_are_given_changed_and_dropped(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let grant = |account: &str, key: &str, role: &str| LedgerRow {
        system: "okta".into(),
        account: account.into(),
        key: key.to_owned(),
        subject: "s".into(),
        entitlement: Entitlement::new("add_to_group", ODD).with_role(role).with_param("until", 5).with_param("list", vec![ODD]),
        run: RunId::new("run_1"),
        operation: "op 1".to_owned(),
        at: at(77),
    };
    let rows = [grant("a", "add_to_group/2", "x"), grant("a", "add_to_group/1", "x"), grant("b", "add_to_group/1", "x")];
    store.commit(Commit::new(rows.clone().map(Write::Give))).await.unwrap();
    let ledger = async |account: &str| store.ledger(&"okta".into(), &account.into()).await.unwrap();
    assert_eq!(ledger("a").await, [rows[1].clone(), rows[0].clone()], "in the order of keys");
    let changed = grant("a", "add_to_group/1", "y");
    let gone = |key: &str| Write::Drop { system: "okta".into(), account: "a".into(), key: key.to_owned() };
    store.commit(Commit::new([Write::Give(changed.clone()), gone("add_to_group/2"), gone("never there")])).await.unwrap();
    assert_eq!(ledger("a").await, [changed]);
    assert_eq!(ledger("b").await, [rows[2].clone()]);
    assert_eq!(store.ledger(&"slack".into(), &"a".into()).await.unwrap(), []);
}

pub(super) async fn waits_are_kept_by_operation(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (a, b) = (opened(&*store, "a").await, opened(&*store, "b").await);
    let wait = |run: &RunId, operation: &str, looks: u32, event: Option<&str>| WaitRow {
        run: run.clone(),
        operation: operation.to_owned(),
        since: at(1),
        looks,
        absences: looks / 2,
        next_look: at(2),
        event: event.map(Into::into),
    };
    let rows = [wait(&a, "op 2", 0, Some("okta/user/1")), wait(&a, "op 1", u32::MAX, None), wait(&b, "op 1", 3, None)];
    store.commit(Commit::new(rows.clone().map(Write::Wait))).await.unwrap();
    assert_eq!(store.waits(&a).await.unwrap(), [rows[1].clone(), rows[0].clone()], "in the order of operations");
    let looked = wait(&a, "op 2", 1, None);
    let end = |operation: &str| Write::EndWait { run: a.clone(), operation: operation.to_owned() };
    store.commit(Commit::new([Write::Wait(looked.clone()), end("op 1"), end("never there")])).await.unwrap();
    assert_eq!(store.waits(&a).await.unwrap(), [looked]);
    assert_eq!(store.waits(&b).await.unwrap(), [rows[2].clone()]);
    let orphan = wait(&RunId::new("run_nobody"), "op", 0, None);
    assert!(matches!(store.commit(Commit::new([Write::Wait(orphan)])).await, Err(StoreError::Conflict { .. })));
}

pub(super) async fn a_journal_is_read_in_pages(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (id, other) = (opened(&*store, "a").await, opened(&*store, "b").await);
    let mut rows: Vec<_> = ["1", "2", "3", "4"].map(new_row).to_vec();
    rows[1].format = u16::MAX;
    rows[2].bytes = vec![];
    for (seq, row) in (1..).zip(rows.clone()) {
        let write = |run: &RunId| Write::Append { run: run.clone(), epoch: 0, at: seq, append: seq, rows: vec![row.clone()], verdict: None };
        store.commit(Commit::new([write(&id), write(&other)])).await.unwrap();
    }
    let page = async |from, limit| store.journal(&id, from, limit).await.unwrap();
    let all = page(0, usize::MAX).await;
    assert_eq!(all.iter().map(|row| row.seq).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    for (read, written) in all[1..].iter().zip(&rows) {
        assert_eq!((read.format, &read.bytes, read.hash), (written.format, &written.bytes, written.hash));
    }
    assert_eq!(page(0, 2).await, all[..2]);
    assert_eq!(page(2, 2).await, all[2..4]);
    assert_eq!(page(4, 2).await, all[4..]);
    assert_eq!(page(5, 2).await, []);
    assert_eq!(page(u64::MAX, 2).await, []);
    assert_eq!(page(0, 0).await, []);
    assert_eq!(store.journal(&RunId::new("run_nobody"), 0, 9).await.unwrap(), []);
}

fn ids(rows: &[RunRow]) -> Vec<RunId> {
    rows.iter().map(|row| row.id.clone()).collect()
}

pub(super) async fn runs_are_listed_in_pages(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let mut all = Vec::new();
    for n in 0..7 {
        all.push(opened(&*store, &n.to_string()).await);
    }
    all.sort();
    let first = store.runs(&RunFilter::all().limit(3)).await.unwrap();
    assert_eq!(ids(&first), all[..3]);
    let second = store.runs(&RunFilter::all().limit(3).after(all[2].clone())).await.unwrap();
    assert_eq!(ids(&second), all[3..6]);
    assert_eq!(ids(&store.runs(&RunFilter::all().after(all[5].clone())).await.unwrap()), all[6..]);
    assert_eq!(store.runs(&RunFilter::all().after(all[6].clone())).await.unwrap(), []);
    assert_eq!(store.runs(&RunFilter::all().limit(0)).await.unwrap(), []);
    assert_eq!(store.runs(&RunFilter::all()).await.unwrap().len(), 7);
    assert_eq!(store.runs(&RunFilter::all().limit(usize::MAX)).await.unwrap().len(), 7);
}

pub(super) async fn runs_are_listed_by_subject_and_state(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (a, b) = (opened(&*store, "a").await, opened(&*store, "b").await);
    let mut later = run("a later");
    later.subject = run("a").subject;
    store.commit(Commit::new([open(later.clone()), settle(&a, 0, 1, Verdict::Failed), append(&b, 0, 1, 1, &["x"])])).await.unwrap();
    let sorted = |mut ids: Vec<RunId>| {
        ids.sort();
        ids
    };
    let mut settled = RunFilter::all();
    settled.settled = Some(true);
    for (filter, wanted) in [
        (RunFilter::all().subject(run("a").subject), vec![a.clone(), later.id.clone()]),
        (RunFilter::all().subject(run("a").subject).unsettled(), vec![later.id.clone()]),
        (RunFilter::all().unsettled(), vec![b.clone(), later.id.clone()]),
        (settled.clone(), vec![a.clone()]),
        (settled.subject(run("b").subject), vec![]),
        (RunFilter::all().subject("nobody".into()), vec![]),
        (RunFilter::all().unsettled().after(sorted(vec![b, later.id.clone()])[1].clone()), vec![]),
    ] {
        assert_eq!(ids(&store.runs(&filter).await.unwrap()), sorted(wanted), "{filter:?}");
    }
}

//! Runs of one person: which gives way to which, what becomes of what is under way, and what goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use provisionr_core::run::Transition;
use provisionr_core::*;
use provisionr_testkit::MemoryFault;
use support::*;

const DAY: Duration = Duration::from_secs(86_400);

fn waiting() -> String {
    JOBS.replace("forge: { accounts: create, after: [wiki] }", "forge: { accounts: first_login, after: [wiki] }")
}

/// A plan as it comes from elsewhere: of what it was made from, nothing is known.
fn from_elsewhere(plan: &Plan) -> Plan {
    serde_json::from_slice(&plan.to_bytes().unwrap()).unwrap()
}

async fn journal(company: &Company, run: &RunId) -> Vec<Transition> {
    let rows = company.store.journal(run, 0, 10_000).await.unwrap();
    rows.iter().map(|row| run::decode(run, row).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_older_version_or_a_lower_rank_cannot_supersede_and_an_equal_one_can() {
    let company = Company::new();
    let access = company.ruled(&waiting());
    let older = access.plan(&event(person(1, "Sales Engineer"), EventKind::Hired)).await.unwrap();
    let equal = access.plan(&event(person(3, "Sales Engineer"), EventKind::Hired)).await.unwrap();
    let lower = access.plan(&event(person(4, "Counsel"), EventKind::Updated)).await.unwrap();
    let first = company.handle(&access, person(3, "Counsel"), EventKind::Hired).await;
    let submit = async |plan: &Plan, id: &str| access.submit(from_elsewhere(plan), &id.into(), Actor::service("hris")).await;
    let error = submit(&older, "e-older").await.unwrap_err();
    assert!(matches!(&error, AccessError::Store(StoreError::Outranked { run }) if *run == first), "{error}");
    let second = submit(&equal, "e-equal").await.unwrap();
    access.driver().run_until_idle().await.unwrap();
    assert_eq!(access.report(&first).await.unwrap().verdict, Some(Verdict::Superseded));
    let leaver = company.handle(&access, person(4, "Counsel"), EventKind::Terminated).await;
    let error = submit(&lower, "e-lower").await.unwrap_err();
    assert!(matches!(&error, AccessError::Store(StoreError::Outranked { run }) if *run == leaver), "{error}");
    assert_eq!(access.run_of(&"e-lower".into()).await.unwrap(), None, "the event is not spent");
    finish(&access, &leaver).await;
    assert_eq!(access.report(&second).await.unwrap().verdict, Some(Verdict::Superseded));
}

#[tokio::test(start_paused = true)]
async fn an_identical_plan_is_the_run_there_is_and_its_event_is_remembered() {
    let company = Company::new();
    let access = company.ruled(&waiting());
    let first = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
    let second = company.handle(&access, person(2, "Sales Engineer"), EventKind::Updated).await;
    assert_eq!(first, second);
    let of_second = event(person(2, "Sales Engineer"), EventKind::Updated);
    assert_eq!(access.run_of(of_second.id()).await.unwrap(), Some(first.clone()));
    assert_eq!(access.handle(&of_second, Actor::service("hris")).await.unwrap(), first);
    assert_eq!(access.runs(&all_runs()).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_run_was_through_with_is_not_left_to_it_again() {
    let company = Company::new();
    company.wiki.seed_account(Account::new("w-1", AccountState::Active).with_login("sarah@company.com").with_email("sarah@company.com"));
    let access = company.ruled(&waiting());
    let first = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
    access.driver().run_until_idle().await.unwrap();
    // Somebody takes it all away, so that the next plan says just the same.
    for target in ["sales", "engineering"] {
        company.wiki.remove_grant(&"w-1".into(), &Entitlement::new("join_group", target));
    }
    let again = company.handle(&access, person(2, "Sales Engineer"), EventKind::Updated).await;
    access.driver().run_until_idle().await.unwrap();
    assert_ne!(first, again);
    assert_eq!(company.held(), ["join_group engineering", "join_group sales"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_run_has_tried_in_vain_is_tried_by_the_next() {
    let company = Company::new();
    let access = company.ruled(&waiting());
    company.wiki.faults_on(1, "join_group", "sales", MemoryFault::refuse(|| AdapterError::refused("the group is full")));
    let hired = event(person(1, "Sales Engineer"), EventKind::Hired);
    let plan = access.plan(&hired).await.unwrap();
    let first = access.submit(plan.clone(), hired.id(), Actor::service("hris")).await.unwrap();
    access.driver().run_until_idle().await.unwrap();
    let again = access.submit(from_elsewhere(&plan), &"again".into(), Actor::person("p-1")).await.unwrap();
    access.driver().run_until_idle().await.unwrap();
    assert_ne!(first, again);
    pass(&access, Duration::from_secs(60)).await;
    assert!(company.held().contains(&"join_group sales".to_owned()), "{}", access.report(&again).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_late_event_plans_what_is_right_today() {
    let company = Company::new();
    let directory = MemoryDirectory::new([person(7, "Platform Engineer")]);
    let access = company.process_with(|builder| builder.rules(Rules::parse("rules.yaml", JOBS).unwrap()));
    let over_directory = Provisioner::builder(company.store.clone(), directory)
        .adapter(company.adapter("wiki", &company.wiki))
        .adapter(company.adapter("forge", &company.forge))
        .clock(TokioClock::starting_at(start()))
        .rules(Rules::parse("rules.yaml", JOBS).unwrap())
        .build()
        .unwrap();
    let late = event(person(1, "Sales Engineer"), EventKind::Hired);
    let plan = over_directory.plan(&late).await.unwrap();
    assert_eq!(plan.version, 7, "the directory's");
    company.handle(&access, person(9, "Counsel"), EventKind::Updated).await;
    let plan = over_directory.plan(&late).await.unwrap();
    assert_eq!(plan.version, 9, "the one last planned for");
    let plan = over_directory.plan(&event(person(11, "Sales Engineer"), EventKind::Updated)).await.unwrap();
    assert_eq!(plan.version, 11, "the event's");
    let leaver = company.handle(&access, person(12, "Counsel"), EventKind::Terminated).await;
    let late = company.handle(&access, person(10, "Counsel"), EventKind::Rehired).await;
    assert_eq!(late, leaver, "who has left has left");
}

#[tokio::test(start_paused = true)]
async fn a_mover_closes_the_old_run_and_settles_what_it_has_under_way_first() {
    for lands in [true, false] {
        let company = Company::new();
        let access = company.ruled(JOBS);
        let joiner = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
        // No answer ever comes; the other grants have their effect.
        let hangs = if lands { MemoryFault::HangAfter } else { MemoryFault::Hang };
        company.wiki.faults_on(1, "join_group", "engineering", hangs);
        company.forge.faults_where(1, |request| matches!(request.change, Change::EnsureAccount(_)), MemoryFault::DelayAnswer(Duration::from_secs(5)));
        let driver = access.driver();
        let driving = tokio::spawn(async move { driver.run_until(tokio::time::sleep(Duration::from_secs(600))).await });
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mover = company.handle(&access, person(2, "Counsel"), EventKind::Updated).await;
        let revoke = access.report(&mover).await.unwrap().operations.iter().any(|line| line.operation.as_str() == "wiki:revoke/join_group/engineering");
        assert!(revoke, "what may still come is taken back");
        driving.await.unwrap().unwrap();
        assert_eq!(access.report(&joiner).await.unwrap().verdict, Some(Verdict::Superseded));
        assert_eq!(access.report(&mover).await.unwrap().verdict, Some(Verdict::Completed));
        assert_eq!(company.held(), ["join_group legal", "join_group sales"], "lands: {lands}");
        let old = journal(&company, &joiner).await;
        let closing = old.iter().position(|transition| matches!(transition, Transition::Closing { .. })).unwrap();
        assert!(old[closing..].iter().all(|transition| !matches!(transition, Transition::Began { .. })), "nothing new begins");
        assert!(company.forge.effects().iter().all(|effect| !matches!(effect.change, Change::Grant(_))), "what waited is given up");
        assert!(company.doubled().is_empty(), "{:?}", company.doubled());
    }
}

/// When writes about the same thing were under way, by what they are about.
async fn under_way(company: &Company, runs: &[&RunId]) -> BTreeMap<String, Vec<(Timestamp, Timestamp)>> {
    let mut spans: BTreeMap<String, Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
    for run in runs {
        let mut open: BTreeMap<String, Timestamp> = BTreeMap::new();
        for transition in journal(company, run).await {
            let Some(op) = transition.operation().map(|op| op.to_string().replace("revoke/", "")) else { continue };
            match transition {
                Transition::Began { at, .. } => drop(open.insert(op, at)),
                Transition::Ended { at, then, .. } if !matches!(then, run::Then::LookAt(_)) => {
                    if let Some(began) = open.remove(&op) {
                        spans.entry(op).or_default().push((began, at));
                    }
                }
                Transition::Resolved { at, .. } => {
                    let began = open.remove(&op).unwrap();
                    spans.entry(op).or_default().push((began, at));
                }
                _ => {}
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
    spans
}

#[tokio::test(start_paused = true)]
async fn no_write_is_sent_while_an_older_run_has_one_under_way_about_the_same_thing() {
    for offset in (0..2_600).step_by(65) {
        let company = Company::new();
        // One process moves the runs, another submits: nobody tells the driver.
        let (access, other) = (company.ruled(JOBS), company.ruled(JOBS));
        let joiner = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
        for world in [&company.wiki, &company.forge] {
            world.faults(1_000, MemoryFault::DelayAnswer(Duration::from_millis(700)));
        }
        let driver = access.driver();
        let driving = tokio::spawn(async move { driver.run_until(tokio::time::sleep(Duration::from_secs(120))).await });
        tokio::time::sleep(Duration::from_millis(offset)).await;
        let mover = company.handle(&other, person(2, "Platform Engineer"), EventKind::Updated).await;
        driving.await.unwrap().unwrap();
        for (about, mut spans) in under_way(&company, &[&joiner, &mover]).await {
            spans.sort();
            assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{offset} ms: {about}: {spans:?}");
        }
        assert_eq!(
            company.held(),
            ["join_group engineering", "join_project platform as writer", "join_project solutions as admin"],
            "{offset} ms: {}",
            access.report(&mover).await.unwrap()
        );
        assert!(open_runs(&access).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_for_what_an_older_one_may_begin_before_it_has_heard() {
    for offset in (20..700).step_by(40) {
        let company = Company::new();
        company.wiki.seed_account(Account::new("w-1", AccountState::Active).with_login("sarah@company.com").with_email("sarah@company.com"));
        // One after the other, so that the older run begins something each time an answer comes.
        let access = company.process_with(|builder| builder.limits(Limits::default().per_system(1)).rules(Rules::parse("rules.yaml", JOBS).unwrap()));
        let other = company.ruled(JOBS);
        let joiner = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
        let colleague = Subject::new("emp_2").with("email", "li@company.com").with("job_title", "Counsel").with_version(1);
        company.handle(&access, colleague, EventKind::Rehired).await;
        // Their run ends soon, and has the driver look for work.
        company.wiki.faults_where(1_000, |request| request.subject.as_str() == "emp_2", MemoryFault::DelayAnswer(Duration::from_millis(offset / 3 + 15)));
        company.wiki.faults_where(1_000, |_| true, MemoryFault::DelayAnswer(Duration::from_millis(700)));
        let driver = access.driver();
        let driving = tokio::spawn(async move { driver.run_until(tokio::time::sleep(Duration::from_secs(120))).await });
        tokio::time::sleep(Duration::from_millis(offset)).await;
        let mover = company.handle(&other, person(2, "Counsel"), EventKind::Updated).await;
        driving.await.unwrap().unwrap();
        for (about, mut spans) in under_way(&company, &[&joiner, &mover]).await {
            spans.sort();
            assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{offset} ms: {about}: {spans:?}");
        }
        let held: Vec<_> = company.wiki.grants_of(&"w-1".into()).into_iter().map(|grant| grant.entitlement.target.to_string()).collect();
        assert_eq!(held.len(), 2, "{offset} ms: {held:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_old_run_may_still_take_is_given_again() {
    for fault in [MemoryFault::lose_answer(), MemoryFault::DelayEffect(Duration::from_secs(20)), MemoryFault::HangAfter] {
        let company = Company::new();
        let access = company.ruled(JOBS);
        company.joined(&access).await;
        company.wiki.faults_on(1, "join_group", "engineering", fault);
        let away = company.handle(&access, person(2, "Counsel"), EventKind::Updated).await;
        let driver = access.driver();
        let driving = tokio::spawn(async move { driver.run_until(tokio::time::sleep(Duration::from_secs(600))).await });
        tokio::time::sleep(Duration::from_millis(500)).await;
        let back = company.handle(&access, person(3, "Sales Engineer"), EventKind::Updated).await;
        driving.await.unwrap().unwrap();
        let report = access.report(&back).await.unwrap();
        assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
        assert_eq!(company.held(), ["join_group engineering", "join_group sales", "join_project solutions as reader"], "{report}");
        assert_ne!(access.report(&away).await.unwrap().verdict, None);
        // And it is remembered as ours.
        let left = company.handle(&access, person(4, "Nobody"), EventKind::Updated).await;
        finish(&access, &left).await;
        assert!(company.held().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn whom_an_old_run_may_still_let_in_is_shut_out_again() {
    let company = Company::new();
    let access = company.ruled(JOBS);
    company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
    pass(&access, Duration::from_secs(60)).await;
    let left = company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await;
    finish(&access, &left).await;
    assert_eq!(company.in_wiki().state, AccountState::Suspended);
    // Nobody has moved this run yet, and somebody may at any moment.
    company.handle(&access, person(3, "Sales Engineer"), EventKind::Rehired).await;
    let leaver = company.handle(&access, person(4, "Sales Engineer"), EventKind::Terminated).await;
    let planned = access.report(&leaver).await.unwrap();
    assert!(planned.operations.iter().any(|line| line.operation.as_str() == "wiki:suspend"), "suspended now is not suspended then: {planned}");
    finish(&access, &leaver).await;
    assert_eq!(company.in_wiki().state, AccountState::Suspended);
    assert!(company.held().is_empty(), "{:?}", company.held());
}

#[tokio::test(start_paused = true)]
async fn a_wait_goes_on_in_the_new_run_since_it_began() {
    let company = Company::new();
    let access = company.ruled(&waiting());
    let joiner = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
    access.driver().run_until_idle().await.unwrap();
    let since = company.store.waits(&joiner).await.unwrap()[0].since;
    let mut run = joiner;
    for (version, job) in [(2, "Platform Engineer"), (3, "Sales Engineer")] {
        pass(&access, DAY).await;
        run = company.handle(&access, person(version, job), EventKind::Updated).await;
        access.driver().run_until_idle().await.unwrap();
        let waits = company.store.waits(&run).await.unwrap();
        assert_eq!((waits.len(), waits[0].since), (1, since), "version {version}");
    }
    company.forge.seed_account(Account::new("f-1", AccountState::Active).with_login("sarah@company.com").with_email("sarah@company.com"));
    assert_eq!(finish(&access, &run).await.verdict, Some(Verdict::Completed));
    assert_eq!(company.held(), ["join_group engineering", "join_group sales", "join_project solutions as reader"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_for_a_while_is_kept_no_longer_for_events_that_come_meanwhile() {
    let company = Company::new();
    let access = company.ruled(&format!("{JOBS}---\nlifecycle: {{ grace: 10 days }}\n"));
    company.joined(&access).await;
    company.handle(&access, person(2, "Counsel"), EventKind::Updated).await;
    for version in 3..9 {
        pass(&access, DAY).await;
        assert!(company.held().contains(&"join_group engineering".to_owned()), "day {version}");
        let at = start() + DAY * u32::try_from(version - 2).unwrap();
        let update = Event::new(format!("evt_{version}"), EventKind::Updated, at, person(version, "Counsel").with("phone", version));
        access.handle(&update, Actor::service("hris")).await.unwrap();
    }
    pass(&access, DAY * 5).await;
    assert_eq!(company.held(), ["join_group legal", "join_group sales"]);
    assert!(open_runs(&access).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_plan_made_beside_another_is_made_again() {
    let company = Company::new();
    let access = company.ruled(JOBS);
    let (one, two) = (event(person(1, "Sales Engineer"), EventKind::Hired), event(person(2, "Counsel"), EventKind::Updated));
    let (first, second) = (access.plan(&one).await.unwrap(), access.plan(&two).await.unwrap());
    let opened = access.submit(first, one.id(), Actor::service("hris")).await.unwrap();
    let error = access.submit(second, two.id(), Actor::service("hris")).await.unwrap_err();
    assert!(matches!(&error, AccessError::PlanAgain(run) if *run == opened), "{error}");
    let run = access.handle(&two, Actor::service("hris")).await.unwrap();
    finish(&access, &run).await;
    assert_eq!(access.report(&opened).await.unwrap().verdict, Some(Verdict::Superseded));
    assert_eq!(company.held(), ["join_group legal", "join_group sales"]);
}

#[tokio::test(start_paused = true)]
async fn of_two_events_handled_at_once_one_gives_way() {
    let company = Company::new();
    let store = Hooked { inner: company.store.clone(), ..Hooked::slow(Duration::from_millis(50)) };
    let access = Provisioner::builder(store, MemoryDirectory::default())
        .adapter(company.adapter("wiki", &company.wiki))
        .adapter(company.adapter("forge", &company.forge))
        .clock(TokioClock::starting_at(start()))
        .rules(Rules::parse("rules.yaml", &waiting()).unwrap())
        .build()
        .unwrap();
    let (joins, leaves) = tokio::join!(company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired), async {
        // The first is being written: nobody sees it yet.
        tokio::time::sleep(Duration::from_millis(10)).await;
        company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await
    });
    pass(&access, Duration::from_secs(600)).await;
    assert_eq!(access.report(&joins).await.unwrap().verdict, Some(Verdict::Superseded));
    assert_eq!(access.report(&leaves).await.unwrap().verdict, Some(Verdict::Completed));
    assert!(company.held().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_be_read_holds_up_no_leaver() {
    let company = Company::new();
    let store = Arc::new(Hooked { inner: company.store.clone(), ..Hooked::default() });
    let process = |rules: &str| {
        Provisioner::builder(Shared(Arc::clone(&store)), MemoryDirectory::default())
            .adapter(company.adapter("wiki", &company.wiki))
            .adapter(company.adapter("forge", &company.forge))
            .clock(TokioClock::starting_at(start()))
            .rules(Rules::parse("rules.yaml", rules).unwrap())
            .build()
            .unwrap()
    };
    let access = process(&waiting());
    let joiner = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
    access.driver().run_until_idle().await.unwrap();
    *store.broken.lock().unwrap() = Some(joiner.clone());
    let mover = company.handle(&access, person(2, "Counsel"), EventKind::Updated).await;
    access.driver().run_until_idle().await.unwrap();
    assert_eq!(company.held(), ["join_group legal", "join_group sales"], "{}", access.report(&mover).await.unwrap());
    let leaver = company.handle(&access, person(3, "Counsel"), EventKind::Terminated).await;
    pass(&access, Duration::from_secs(600)).await;
    assert_eq!(company.in_wiki().state, AccountState::Suspended);
    assert!(company.held().is_empty());
    let report = access.report(&leaver).await.unwrap();
    assert!(!report.is_settled(), "it is not declared over while nobody knows what the other has under way: {report}");
}

#[tokio::test(start_paused = true)]
async fn what_another_process_says_is_heard_within_a_second() {
    let company = Company::new();
    let (access, other) = (company.ruled(JOBS), company.ruled(JOBS));
    let joiner = company.handle(&access, person(1, "Sales Engineer"), EventKind::Hired).await;
    company.wiki.fault(MemoryFault::DelayAnswer(Duration::from_secs(20)));
    let driver = access.driver();
    let driving = tokio::spawn(async move { driver.run_until(tokio::time::sleep(Duration::from_secs(300))).await });
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    company.handle(&other, person(2, "Sales Engineer"), EventKind::Terminated).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(journal(&company, &joiner).await.iter().any(|transition| matches!(transition, Transition::Closing { .. })));
    driving.await.unwrap().unwrap();
    assert!(company.held().is_empty());
    assert_eq!(company.in_wiki().state, AccountState::Suspended);
    assert!(open_runs(&access).await.is_empty());
}

/// A clock that somebody sets; asked too often, it gives up.
#[derive(Clone, Debug)]
struct SetClock {
    clock: TokioClock,
    back: Arc<AtomicI64>,
    asked: Arc<AtomicU64>,
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        assert!(self.asked.fetch_add(1, Ordering::Relaxed) < 100_000, "the clock is asked in a circle");
        Timestamp::from_millis(self.clock.now().as_millis() - self.back.load(Ordering::Relaxed))
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_stops_nothing_and_time_never_runs_backwards_in_a_run() {
    let company = Company::new();
    let clock = SetClock { clock: TokioClock::starting_at(start()), back: Arc::default(), asked: Arc::default() };
    let access = company.process_with(|builder| builder.clock(clock.clone()));
    let run = submit(&access).await;
    company.wiki.faults_where(1, |request| matches!(request.change, Change::EnsureAccount(_)), MemoryFault::DelayAnswer(Duration::from_secs(1)));
    // To be repeated at once: at a time of the run that has not come yet by the clock.
    let alone = || AdapterError::refused("not together with others").with_hint(RetryHint::Alone);
    company.wiki.faults_on(1, "join_group", "sales", MemoryFault::refuse(alone));
    let driver = access.driver();
    let driving = tokio::spawn(async move { driver.run_until(tokio::time::sleep(Duration::from_secs(120))).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    clock.back.store(30_000, Ordering::Relaxed);
    driving.await.unwrap().unwrap();
    let report = finish(&access, &run).await;
    assert_eq!(report.verdict, Some(Verdict::Completed), "{report}");
    let times: Vec<_> = journal(&company, &run).await.iter().map(Transition::at).collect();
    assert!(times.is_sorted(), "{times:?}");
}

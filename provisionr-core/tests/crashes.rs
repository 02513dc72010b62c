//! Whatever is cut off wherever: the same world in the end, and nothing done twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use provisionr_core::*;
use provisionr_testkit::MemoryFault;
use support::*;

/// Virtual time, and a scheduler whose every turn runs one task: so that each is a place to crash at.
fn turn_by_turn(test: impl std::future::Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).event_interval(1).build().unwrap().block_on(test);
}

/// Lets a process run for so many turns of the scheduler, then kills it wherever it is. True when it was done before.
async fn killed_after(turns: usize, access: &Provisioner) -> bool {
    let driver = access.driver();
    let process = tokio::spawn(async move { driver.run_until_idle().await });
    for _ in 0..turns {
        if process.is_finished() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    process.abort();
    process.await.is_ok()
}

async fn undisturbed(lanes: bool) -> String {
    let company = Company { lanes, ..Company::new() };
    let access = company.process();
    let run = submit(&access).await;
    assert_eq!(finish(&access, &run).await.verdict, Some(Verdict::Completed));
    company.picture()
}

fn assert_chain(company: &Company, run: &RunId, log: &str) {
    assert!(log.contains("unbroken"), "{log}");
    assert!(company.doubled().is_empty(), "{run}: {:?}", company.doubled());
}

#[test]
fn a_driver_killed_after_any_number_of_turns_loses_and_doubles_nothing() {
    turn_by_turn(async {
        for lanes in [true, false] {
            let wanted = undisturbed(lanes).await;
            let mut crashes = 0;
            for turns in 0.. {
                let company = Company { lanes, ..Company::new() };
                let run = submit(&company.process()).await;
                let done = killed_after(turns, &company.process()).await;
                // A new process, which knows only what the store does.
                let access = company.process();
                assert_eq!(finish(&access, &run).await.verdict, Some(Verdict::Completed), "after {turns} turns");
                assert_eq!(company.picture(), wanted, "after {turns} turns");
                assert_chain(&company, &run, &access.audit(&run).await.unwrap().to_string());
                if done {
                    break;
                }
                crashes += 1;
            }
            assert!(crashes >= 25, "only {crashes} places to crash at");
        }
    });
}

#[test]
fn a_driver_killed_again_and_again_gets_there() {
    turn_by_turn(async {
        let wanted = undisturbed(true).await;
        for turns in [5, 10, 15, 20, 30, 40, 60] {
            let company = Company::new();
            let run = submit(&company.process()).await;
            for _ in 0..40 {
                killed_after(turns, &company.process()).await;
                tokio::time::sleep(std::time::Duration::from_secs(30)).await;
            }
            let access = company.process();
            finish(&access, &run).await;
            assert_eq!(company.picture(), wanted, "{turns} turns each");
            assert!(company.doubled().is_empty());
        }
    });
}

#[tokio::test(start_paused = true)]
async fn any_commit_may_fail_or_lose_its_answer() {
    let wanted = undisturbed(true).await;
    let commits = {
        let company = Company::new();
        let access = company.process();
        let run = submit(&access).await;
        finish(&access, &run).await;
        company.store.commits()
    };
    assert!(commits > 5);
    for nth in 0..commits {
        for lose in [false, true] {
            let company = Company::new();
            let access = company.process();
            let run = submit(&access).await;
            if lose {
                company.store.lose_answer(nth);
            } else {
                company.store.fail_commit(nth);
            }
            assert_eq!(finish(&access, &run).await.verdict, Some(Verdict::Completed), "commit {nth}, lost answer: {lose}");
            assert_eq!(company.picture(), wanted, "commit {nth}, lost answer: {lose}");
            assert!(company.doubled().is_empty(), "commit {nth}, lost answer: {lose}: {:?}", company.doubled());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_operation_may_fail_once_in_every_way() {
    let wanted = undisturbed(true).await;
    let faults: [fn() -> MemoryFault; 7] = [
        || MemoryFault::refuse(|| AdapterError::unavailable("down")),
        || MemoryFault::refuse(|| AdapterError::rate_limited("all", Some(std::time::Duration::from_secs(30)))),
        || MemoryFault::refuse(|| AdapterError::unauthenticated("the token is too old")),
        MemoryFault::lose_request,
        MemoryFault::lose_answer,
        || MemoryFault::Hang,
        || MemoryFault::HangAfter,
    ];
    let operations = submit_and_count().await;
    for place in 0..operations {
        for fault in faults {
            let company = Company::new();
            let access = company.process();
            let plan = access.plan(&sarah()).await.unwrap();
            let key = plan.operations[place].key.clone();
            let run = access.submit(plan, &"evt_0001".into(), Actor::service("hris")).await.unwrap();
            for world in [&company.wiki, &company.forge] {
                let key = key.clone();
                world.faults_where(1, move |request| request.key == key, fault());
            }
            assert_eq!(finish(&access, &run).await.verdict, Some(Verdict::Completed), "operation {place}: {:?}", fault());
            assert_eq!(company.picture(), wanted, "operation {place}: {:?}", fault());
            assert!(company.doubled().is_empty(), "operation {place}: {:?}", fault());
        }
    }
}

async fn submit_and_count() -> usize {
    Company::new().process().plan(&sarah()).await.unwrap().operations.len()
}

#[tokio::test(start_paused = true)]
async fn no_write_reaches_a_system_before_its_intent_is_durable() {
    // The store refuses the commit that would make the first intent durable, and all that follow.
    for lanes in [true, false] {
        let company = Company { lanes, ..Company::new() };
        let access = company.process();
        submit(&access).await;
        for _ in 0..20 {
            company.store.fail_commit(0);
            killed_after(500, &access).await;
        }
        assert!(company.wiki.effects().is_empty() && company.forge.effects().is_empty(), "lanes: {lanes}");
        let writes = company.wiki.calls().into_iter().filter(|call| call.access == Access::Write).count();
        assert_eq!(writes, 0, "lanes: {lanes}");
    }
}

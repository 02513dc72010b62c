//! Wherever a process is cut off while one run gives way to another: the same end, nothing left behind, nothing twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::time::Duration;

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

struct Story {
    company: Company,
    clock: TokioClock,
    runs: Vec<RunId>,
}

impl Story {
    fn new() -> Self {
        Self { company: Company::new(), clock: TokioClock::starting_at(start()), runs: Vec::new() }
    }

    /// A process that knows only what the store does.
    fn process(&self) -> Provisioner {
        self.company.process_with(|builder| builder.clock(self.clock).rules(Rules::parse("rules.yaml", JOBS).unwrap()))
    }

    async fn happens(&mut self, version: u64, job: &str, kind: EventKind) {
        let run = self.company.handle(&self.process(), person(version, job), kind).await;
        self.runs.push(run);
    }

    async fn ends(&self) -> Provisioner {
        let access = self.process();
        for _ in 0..400 {
            access.driver().run_until_idle().await.unwrap();
            if open_runs(&access).await.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        assert!(open_runs(&access).await.is_empty());
        for run in access.runs(&all_runs()).await.unwrap() {
            // A log is told only of a journal that is legal and unbroken.
            assert!(access.audit(&run.id).await.unwrap().to_string().contains("unbroken"));
        }
        access
    }

    fn assert_gone(&self, when: &str) {
        for world in [&self.company.wiki, &self.company.forge] {
            assert!(world.accounts().iter().all(|account| account.state == AccountState::Suspended), "{when}: {}", self.company.picture());
            assert!(world.accounts().len() <= 1, "{when}");
        }
        assert!(self.company.held().is_empty(), "{when}: {:?}", self.company.held());
        assert!(self.company.doubled().is_empty(), "{when}: {:?}", self.company.doubled());
    }

    async fn ledger(&self) -> Vec<String> {
        let mut keys = Vec::new();
        for link in self.company.store.links(&"emp_0789".into()).await.unwrap() {
            keys.extend(self.company.store.ledger(&link.system, &link.account).await.unwrap().into_iter().map(|row| row.key));
        }
        keys.sort();
        keys
    }
}

#[test]
fn a_driver_killed_while_a_leaver_takes_over_from_a_joiner_leaves_nothing_behind() {
    turn_by_turn(async {
        let mut crashes = 0;
        for turns in 0.. {
            let mut story = Story::new();
            story.happens(1, "Sales Engineer", EventKind::Hired).await;
            let joined = killed_after(turns, &story.process()).await;
            story.happens(2, "Sales Engineer", EventKind::Terminated).await;
            killed_after(turns, &story.process()).await;
            killed_after(turns / 2, &story.process()).await;
            story.ends().await;
            story.assert_gone(&format!("after {turns} turns"));
            assert!(story.ledger().await.iter().all(|key| key == "account/state"), "after {turns} turns");
            crashes += 1;
            if joined {
                break;
            }
        }
        assert!(crashes >= 25, "only {crashes} places to crash at");
    });
}

#[test]
fn a_leaver_who_comes_while_the_joiner_is_moved_leaves_nothing_behind() {
    turn_by_turn(async {
        for turns in (0..120).step_by(3) {
            for fault in [None, Some(MemoryFault::lose_answer()), Some(MemoryFault::HangAfter)] {
                let mut story = Story::new();
                story.happens(1, "Sales Engineer", EventKind::Hired).await;
                if let Some(fault) = fault.clone() {
                    story.company.wiki.faults_on(1, "join_group", "sales", fault);
                }
                let access = story.process();
                let driver = access.driver();
                let process = tokio::spawn(async move { driver.run_until(std::future::pending()).await });
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                // In the same process, which hears at once.
                let run = story.company.handle(&access, person(2, "Sales Engineer"), EventKind::Terminated).await;
                story.runs.push(run);
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                process.abort();
                let _ = process.await;
                story.ends().await;
                story.assert_gone(&format!("after {turns} turns, {fault:?}"));
            }
        }
    });
}

#[test]
fn a_driver_killed_while_a_mover_takes_over_gives_and_takes_what_is_right() {
    turn_by_turn(async {
        for turns in 0.. {
            let mut story = Story::new();
            story.happens(1, "Sales Engineer", EventKind::Hired).await;
            let joined = killed_after(turns, &story.process()).await;
            story.happens(2, "Platform Engineer", EventKind::Updated).await;
            killed_after(turns, &story.process()).await;
            story.happens(3, "Counsel", EventKind::Updated).await;
            killed_after(turns, &story.process()).await;
            story.ends().await;
            assert_eq!(story.company.held(), ["join_group legal", "join_group sales"], "after {turns} turns");
            assert_eq!(story.ledger().await, ["join_group/legal", "join_group/sales"], "after {turns} turns");
            if joined {
                break;
            }
        }
    });
}

//! The transition table, seen from outside.

use proptest::prelude::*;

use super::*;
use crate::digest::Digest;
use crate::plan::{Action, Operation, OperationId, Plan};
use crate::record::{Actor, Rank, Verdict};
use provisionr_sdk::{AdapterError, Before, Change, Receipt, Timestamp, Wait, WaitReason};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

fn id(name: &str) -> OperationId {
    OperationId::new(format!("s:{name}"))
}

fn operation(name: &str, after: &[&str]) -> Operation {
    Operation::new(&"p".into(), "s", name, Action::Change(Change::EndSessions)).after(after.iter().map(|name| id(name)))
}

/// `b` and `c` wait for `a`, `d` for both.
fn diamond() -> Plan {
    let operations = vec![operation("a", &[]), operation("b", &["a"]), operation("c", &["a"]), operation("d", &["b", "c"])];
    Plan::new("p".into(), 1, Rank::Change, Digest::ZERO, operations).unwrap()
}

fn opened() -> Transition {
    Transition::Opened {
        at: at(0),
        subject: "p".into(),
        version: 1,
        rank: Rank::Change,
        event: "e".into(),
        actor: Actor::service("test"),
        plan: Digest::ZERO,
        rules: Digest::ZERO,
        descriptors: std::collections::BTreeMap::new(),
        adopts: std::collections::BTreeMap::new(),
    }
}

fn began(name: &str, attempt: u32) -> Transition {
    Transition::Began { op: id(name), attempt, epoch: 1, at: at(1), send_by: at(11), clear_at: at(71), before: Before::Absent }
}

fn ended(name: &str, attempt: u32, outcome: Ending, then: Then) -> Transition {
    Transition::Ended { op: id(name), attempt, at: at(2), outcome, then }
}

fn done(name: &str) -> [Transition; 2] {
    [began(name, 1), ended(name, 1, Ending::Applied(Receipt::new()), Then::Done)]
}

fn lost() -> Ending {
    Ending::Failed(Failure::from(&AdapterError::timed_out("no answer").effect_unknown()))
}

fn refused() -> Ending {
    Ending::Failed(Failure::from(&AdapterError::refused("no")))
}

fn wait() -> Wait {
    Wait::new(WaitReason::VendorJob, std::time::Duration::from_secs(1))
}

fn by_hand() -> Wait {
    Wait::new(WaitReason::ManualStep, std::time::Duration::from_secs(1))
}

fn decided(name: &str, decision: Decision) -> Transition {
    Transition::Decided { op: id(name), at: at(4), actor: Actor::person("p"), why: "why".to_owned(), decision }
}

fn fold(transitions: impl IntoIterator<Item = Transition>) -> RunState {
    let transitions: Vec<_> = [opened()].into_iter().chain(transitions).collect();
    RunState::fold(&diamond(), &transitions).unwrap()
}

fn refusal(state: &RunState, transition: &Transition) -> &'static str {
    state.clone().apply(transition).unwrap_err().why
}

/// The history that brings operation `a` into each phase.
fn phases() -> Vec<(&'static str, Vec<Transition>)> {
    let wrote = || began("a", 1);
    vec![
        ("ready", vec![]),
        ("open", vec![wrote()]),
        ("in doubt", vec![wrote(), ended("a", 1, lost(), Then::LookAt(at(3)))]),
        ("waiting", vec![wrote(), ended("a", 1, Ending::Waiting(Receipt::new()), Then::Wait { wait: wait(), look_at: at(3) })]),
        ("waiting", vec![Transition::WaitOpened { op: id("a"), at: at(2), wait: by_hand(), look_at: at(3) }]),
        ("stuck", vec![Transition::Stuck { op: id("a"), at: at(1), why: "why".to_owned() }]),
        ("stuck", vec![wrote(), ended("a", 1, lost(), Then::Stuck("why".to_owned()))]),
        ("done", done("a").to_vec()),
        ("failed", vec![wrote(), ended("a", 1, refused(), Then::Fail)]),
        ("dropped", vec![Transition::Dropped { op: id("a"), at: at(1), why: "why".to_owned() }]),
    ]
}

/// Which transitions each phase allows: the table itself.
#[test]
fn the_table_of_legal_transitions() {
    let next = |state: &RunState| state.operation(0).unwrap().attempts + 1;
    let mut table = String::new();
    for (phase, history) in phases() {
        let state = fold(history);
        assert_eq!(state.operation(0).unwrap().phase.name(), phase);
        let open = state.operation(0).unwrap().attempts.max(1);
        let tried = [
            ("began", began("a", next(&state))),
            ("applied", ended("a", open, Ending::Applied(Receipt::new()), Then::Done)),
            ("unchanged", ended("a", open, Ending::Unchanged(Receipt::new()), Then::Done)),
            ("refused", ended("a", open, refused(), Then::Fail)),
            ("lost", ended("a", open, lost(), Then::LookAt(at(9)))),
            ("resolved", Transition::Resolved { op: id("a"), attempt: open, at: at(4), seen: Seen::Absent, then: Then::RetryAt(at(4)) }),
            ("wait opened", Transition::WaitOpened { op: id("a"), at: at(4), wait: wait(), look_at: at(5) }),
            ("wait ended", Transition::WaitEnded { op: id("a"), at: at(4), seen: Seen::Holds(Receipt::new()), failed: None, then: Then::Done }),
            ("dropped", Transition::Dropped { op: id("a"), at: at(4), why: String::new() }),
            ("stuck", Transition::Stuck { op: id("a"), at: at(4), why: String::new() }),
            ("decided done", decided("a", Decision::Done)),
            ("decided retry", decided("a", Decision::Retry)),
            ("decided skip", decided("a", Decision::Skip)),
        ];
        let legal: Vec<_> = tried.iter().filter(|(_, transition)| state.clone().apply(transition).is_ok()).map(|(name, _)| *name).collect();
        table.push_str(&format!("{phase}: {}\n", legal.join(", ")));
    }
    insta::assert_snapshot!(table, @r###"
    ready: began, unchanged, refused, wait opened, dropped, stuck
    open: applied, unchanged, refused, lost, resolved, stuck
    in doubt: applied, unchanged, refused, lost, resolved, stuck
    waiting: wait ended, dropped, stuck
    waiting: wait ended, dropped, stuck, decided done, decided skip
    stuck: dropped, stuck, decided done, decided retry, decided skip
    stuck: applied, unchanged, refused, lost, resolved, stuck, decided done, decided retry, decided skip
    done: 
    failed: 
    dropped:
    "###);
}

#[test]
fn a_decision_settles_what_was_in_doubt_and_is_this_runs_work() {
    let stuck = || [began("a", 1), ended("a", 1, lost(), Then::Stuck("why".to_owned()))];
    let state = fold(stuck().into_iter().chain([decided("a", Decision::Done)]));
    assert!(state.made(0) && state.operation(0).unwrap().open.is_none());
    let state = fold(stuck().into_iter().chain([decided("a", Decision::Retry)]));
    assert_eq!((&state.operation(0).unwrap().phase, state.operation(0).unwrap().attempts), (&Phase::Ready(None), 1));
    let state = fold(stuck().into_iter().chain([decided("a", Decision::Skip)]));
    assert_eq!(state.verdict_due(), Some(Verdict::Failed), "what depends on it falls with it");
    // A run that gives way tries nothing again, and is over.
    let mut state = fold(stuck().into_iter().chain([Transition::Closing { at: at(4), by: "run_2".to_owned() }, decided("a", Decision::Retry)]));
    assert_eq!(state.droppable(), [0, 1, 2, 3]);
    state.apply(&Transition::Dropped { op: id("a"), at: at(5), why: String::new() }).unwrap();
    assert_eq!(state.verdict_due(), Some(Verdict::Superseded));
}

#[test]
fn what_came_of_an_attempt_that_is_stuck_is_in_doubt_only_if_it_is_not_known() {
    for (outcome, doubt) in [(lost(), true), (refused(), false)] {
        let state = fold([began("a", 1), ended("a", 1, outcome, Then::Stuck("why".to_owned()))]);
        assert_eq!(state.operation(0).unwrap().open.is_some(), doubt);
    }
}

#[test]
fn a_wait_that_is_taken_over_has_begun_when_the_first_did() {
    let mut opening = opened();
    if let Transition::Opened { adopts, .. } = &mut opening {
        adopts.insert(id("a"), at(-100));
    }
    let waits = Transition::WaitOpened { op: id("a"), at: at(2), wait: wait(), look_at: at(3) };
    let state = RunState::fold(&diamond(), &[opening, waits]).unwrap();
    assert!(matches!(&state.operation(0).unwrap().phase, Phase::Waiting { since, .. } if *since == at(-100)));
}

#[test]
fn what_follows_waits_for_all_before_it_and_falls_with_any() {
    let mut state = fold([]);
    assert_eq!(state.take_due(at(0), 9), [Step::Attempt(0)]);
    for transition in done("a") {
        state.apply(&transition).unwrap();
    }
    assert_eq!(state.take_due(at(0), 9), [Step::Attempt(1), Step::Attempt(2)]);
    for transition in done("b") {
        state.apply(&transition).unwrap();
    }
    assert!(state.take_due(at(0), 9).is_empty(), "d waits for c too");
    state.apply(&began("c", 1)).unwrap();
    state.apply(&ended("c", 1, refused(), Then::Fail)).unwrap();
    assert_eq!(state.operation(3).unwrap().phase, Phase::Skipped);
    assert_eq!(state.verdict_due(), Some(Verdict::Failed));
}

#[test]
fn a_retry_and_a_look_come_when_they_are_due_and_not_before() {
    let mut state = fold([began("a", 1), ended("a", 1, refused(), Then::RetryAt(at(50)))]);
    assert!(state.take_due(at(49), 9).is_empty());
    assert_eq!(state.next_due(), Some(at(50)));
    assert_eq!(state.take_due(at(50), 9), [Step::Attempt(0)]);
    let mut state = fold([began("a", 1), ended("a", 1, lost(), Then::LookAt(at(5)))]);
    assert_eq!(state.take_due(at(5), 9), [Step::Settle(0)]);
    state.look_again(0, at(8));
    assert!(state.take_due(at(7), 9).is_empty());
    assert_eq!(state.take_due(at(8), 9), [Step::Settle(0)]);
}

#[test]
fn a_write_of_an_earlier_owner_is_in_doubt() {
    let mut state = fold([began("a", 1)]);
    state.take_over(1, at(3));
    assert_eq!(state.operation(0).unwrap().phase, Phase::Open, "it is this owner's");
    state.take_over(2, at(3));
    assert_eq!(state.take_due(at(3), 9), [Step::Settle(0)]);
}

#[test]
fn a_write_in_doubt_is_never_taken_for_success_or_failure() {
    let state = fold([began("a", 1)]);
    for then in [Then::Done, Then::Fail, Then::RetryAt(at(3)), Then::Wait { wait: wait(), look_at: at(3) }] {
        assert!(state.clone().apply(&ended("a", 1, lost(), then.clone())).is_err(), "{then:?}");
    }
    let state = fold([began("a", 1), ended("a", 1, lost(), Then::LookAt(at(3)))]);
    let unclear = Transition::Resolved { op: id("a"), attempt: 1, at: at(4), seen: Seen::Unclear("hidden".to_owned()), then: Then::RetryAt(at(4)) };
    assert_eq!(refusal(&state, &unclear), "an unclear look is no leave to repeat");
}

#[test]
fn a_late_ending_is_taken_and_a_late_beginning_never() {
    let mut state = fold([began("a", 1), ended("a", 1, lost(), Then::LookAt(at(3)))]);
    state.apply(&Transition::Closing { at: at(4), by: "run_2".to_owned() }).unwrap();
    state.apply(&ended("a", 1, Ending::Applied(Receipt::new()), Then::Done)).unwrap();
    assert!(state.made(0));
    assert_eq!(refusal(&state, &began("b", 1)), "nothing is begun while a run is closing");
}

#[test]
fn a_resolved_write_is_ours_when_nothing_was_there_before() {
    for (before, ours) in [(Before::Absent, true), (Before::NotSeen, false)] {
        let begun = Transition::Began { op: id("a"), attempt: 1, epoch: 1, at: at(1), send_by: at(2), clear_at: at(3), before };
        let resolved = Transition::Resolved { op: id("a"), attempt: 1, at: at(4), seen: Seen::Holds(Receipt::new()), then: Then::Done };
        assert_eq!(fold([begun, resolved]).made(0), ours);
    }
}

#[test]
fn a_run_is_opened_once_and_settled_last() {
    let mut state = RunState::new(&diamond());
    assert_eq!(refusal(&state, &began("a", 1)), "a run begins by being opened");
    state.apply(&opened()).unwrap();
    assert_eq!(refusal(&state, &opened()), "a run is opened once");
    let settled = Transition::Settled { at: at(9), verdict: Verdict::Completed };
    assert_eq!(refusal(&state, &settled), "a run is settled when every operation is over");
    for transition in ["a", "b", "c", "d"].into_iter().flat_map(done) {
        state.apply(&transition).unwrap();
    }
    assert_eq!(state.verdict_due(), Some(Verdict::Completed));
    state.apply(&settled).unwrap();
    assert_eq!(refusal(&state, &began("a", 2)), "nothing follows once a run is settled");
}

proptest! {
    /// Whatever comes, in whatever order: nothing panics, what is refused changes nothing, and what was taken folds to
    /// the same state.
    #[test]
    fn any_sequence_is_taken_or_refused_whole(picks in prop::collection::vec((0_usize..13, 0_usize..4, 0_u32..3), 0..60)) {
        let names = ["a", "b", "c", "d"];
        let plan = diamond();
        let mut state = RunState::new(&plan);
        let mut taken = Vec::new();
        for (what, which, attempt) in picks {
            let name = names[which];
            let transition = match what {
                0 => opened(),
                1 | 2 => began(name, attempt),
                3 => ended(name, attempt, Ending::Applied(Receipt::new()), Then::Done),
                4 => ended(name, attempt, lost(), Then::LookAt(at(3))),
                5 => ended(name, attempt, refused(), Then::RetryAt(at(3))),
                6 => Transition::Resolved { op: id(name), attempt, at: at(4), seen: Seen::Absent, then: Then::RetryAt(at(4)) },
                7 => Transition::WaitOpened { op: id(name), at: at(4), wait: wait(), look_at: at(5) },
                8 => Transition::WaitEnded { op: id(name), at: at(4), seen: Seen::Holds(Receipt::new()), failed: None, then: Then::Done },
                9 => Transition::Stuck { op: id(name), at: at(4), why: String::new() },
                12 => decided(name, [Decision::Done, Decision::Retry, Decision::Skip][attempt as usize % 3]),
                10 => Transition::Dropped { op: id(name), at: at(4), why: String::new() },
                _ => Transition::Closing { at: at(4), by: String::new() },
            };
            let before = state.operations().to_vec();
            if state.apply(&transition).is_ok() {
                taken.push(transition);
            } else {
                prop_assert_eq!(before, state.operations().to_vec());
            }
        }
        let folded = RunState::fold(&plan, &taken).unwrap();
        prop_assert_eq!(folded.operations(), state.operations());
        prop_assert_eq!(folded.next_due(), state.next_due());
        prop_assert_eq!(folded.verdict_due(), state.verdict_due());
    }
}

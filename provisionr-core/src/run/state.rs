//! The state of a run: the fold of its journal over its plan.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::table::{OperationState, Ours, Phase};
use super::transition::Transition;
use crate::plan::{OperationId, Plan};
use crate::record::Verdict;
use provisionr_sdk::Timestamp;

/// A transition the table forbids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{transition}` of {operation} in phase `{phase}`: {why}")]
#[non_exhaustive]
pub struct IllegalTransition {
    /// The transition's word.
    pub transition: &'static str,
    /// The operation, or the run.
    pub operation: String,
    /// Where it stood.
    pub phase: &'static str,
    /// The rule it breaks.
    pub why: &'static str,
}

/// Where the run as a whole stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Open,
    Closing,
    Settled(Verdict),
}

/// How one operation follows another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    /// Only when the other is done.
    Done,
    /// Whatever became of the other.
    Over,
}

/// Something that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Try the operation at this place of the plan.
    Attempt(usize),
    /// Look whether its open attempt took effect.
    Settle(usize),
    /// Look whether what it waits for has come.
    Look(usize),
}

impl Step {
    /// The place of the operation in the plan.
    pub fn index(self) -> usize {
        match self {
            Self::Attempt(index) | Self::Settle(index) | Self::Look(index) => index,
        }
    }
}

/// The state of a run.
///
/// It reads plan and journal only. What is due costs what is due, not what exists: the agenda is kept in order, and
/// the number of open dependencies of each operation is counted down.
#[derive(Clone, Debug)]
pub struct RunState {
    stage: Stage,
    operations: Vec<OperationState>,
    places: HashMap<OperationId, usize>,
    followers: Vec<Vec<(usize, Edge)>>,
    waits_for: Vec<usize>,
    not_before: Vec<Option<Timestamp>>,
    /// Since when an earlier run has waited for what an operation waits for.
    adopted: HashMap<usize, Timestamp>,
    agenda: BTreeSet<(Timestamp, usize)>,
    unfinished: usize,
    lost: usize,
    latest: Timestamp,
    /// What the run gives way to.
    closing_by: Option<String>,
}

impl RunState {
    /// The state before the first transition.
    pub fn new(plan: &Plan) -> Self {
        let places: HashMap<_, _> = plan.operations.iter().enumerate().map(|(place, operation)| (operation.id.clone(), place)).collect();
        let mut state = Self {
            stage: Stage::New,
            operations: Vec::with_capacity(plan.operations.len()),
            followers: vec![Vec::new(); plan.operations.len()],
            waits_for: Vec::with_capacity(plan.operations.len()),
            not_before: plan.operations.iter().map(|operation| operation.not_before).collect(),
            adopted: HashMap::new(),
            agenda: BTreeSet::new(),
            unfinished: plan.operations.len(),
            lost: 0,
            latest: Timestamp::from_millis(i64::MIN),
            closing_by: None,
            places,
        };
        for (place, operation) in plan.operations.iter().enumerate() {
            let places = |ids: &[OperationId], edge| ids.iter().filter_map(|id| Some((state.places.get(id).copied()?, edge))).collect::<Vec<_>>();
            // Of two edges between the same operations the stronger one counts.
            let before: BTreeMap<usize, Edge> = places(&operation.after_any, Edge::Over).into_iter().chain(places(&operation.after, Edge::Done)).collect();
            for (earlier, edge) in &before {
                if let Some(followers) = state.followers.get_mut(*earlier) {
                    followers.push((place, *edge));
                }
            }
            state.waits_for.push(before.len());
            state.operations.push(OperationState::new(if before.is_empty() { Phase::Ready(operation.not_before) } else { Phase::Blocked }));
            state.schedule(place);
        }
        state
    }

    /// The state after these transitions.
    ///
    /// # Errors
    /// The first transition the table forbids.
    pub fn fold<'a>(plan: &Plan, transitions: impl IntoIterator<Item = &'a Transition>) -> Result<Self, IllegalTransition> {
        let mut state = Self::new(plan);
        for transition in transitions {
            state.apply(transition)?;
        }
        Ok(state)
    }

    /// Takes one transition.
    ///
    /// # Errors
    /// When the table forbids it; the state is then as it was.
    pub fn apply(&mut self, transition: &Transition) -> Result<(), IllegalTransition> {
        let run_wide = |why, phase| IllegalTransition { transition: transition.name(), operation: "the run".to_owned(), phase, why };
        match (transition, self.stage) {
            (Transition::Opened { adopts, .. }, Stage::New) => {
                self.stage = Stage::Open;
                self.adopted = adopts.iter().filter_map(|(id, since)| Some((self.places.get(id).copied()?, *since))).collect();
            }
            (Transition::Opened { .. }, _) => return Err(run_wide("a run is opened once", "open")),
            (_, Stage::New) => return Err(run_wide("a run begins by being opened", "new")),
            (_, Stage::Settled(_)) => return Err(run_wide("nothing follows once a run is settled", "settled")),
            (Transition::Closing { by, .. }, _) => {
                self.stage = Stage::Closing;
                self.closing_by = Some(by.clone());
            }
            (Transition::Settled { verdict, .. }, _) => {
                if self.unfinished > 0 {
                    return Err(run_wide("a run is settled when every operation is over", "open"));
                }
                self.stage = Stage::Settled(*verdict);
            }
            (Transition::Began { .. }, Stage::Closing) => return Err(run_wide("nothing is begun while a run is closing", "closing")),
            (_, Stage::Open | Stage::Closing) => self.step(transition)?,
        }
        self.latest = self.latest.max(transition.at());
        Ok(())
    }

    fn step(&mut self, transition: &Transition) -> Result<(), IllegalTransition> {
        let illegal = |phase, why| {
            let operation = transition.operation().map(OperationId::to_string).unwrap_or_default();
            IllegalTransition { transition: transition.name(), operation, phase, why }
        };
        let place = transition.operation().and_then(|id| self.places.get(id).copied()).ok_or_else(|| illegal("unknown", "the plan has no such operation"))?;
        let Some(operation) = self.operations.get_mut(place) else {
            return Err(illegal("unknown", "the plan has no such operation"));
        };
        let mut next = operation.clone();
        next.step(transition).map_err(|why| illegal(operation.phase.name(), why))?;
        if let Phase::Waiting { since, .. } = &mut next.phase
            && !matches!(operation.phase, Phase::Waiting { .. })
            && let Some(earlier) = self.adopted.remove(&place)
        {
            *since = earlier.min(*since);
        }
        let was = std::mem::replace(operation, next);
        if let Some(time) = agenda_time(&was.phase) {
            self.agenda.remove(&(time, place));
        }
        self.schedule(place);
        self.finish(place);
        Ok(())
    }

    fn schedule(&mut self, place: usize) {
        if let Some(time) = self.operations.get(place).and_then(|operation| agenda_time(&operation.phase)) {
            self.agenda.insert((time, place));
        }
    }

    /// Lets what depends on a finished operation follow from how it ended.
    fn finish(&mut self, place: usize) {
        let mut finished = vec![place];
        while let Some(place) = finished.pop() {
            let Some(operation) = self.operations.get(place).filter(|operation| operation.phase.is_final()) else {
                continue;
            };
            let done = matches!(operation.phase, Phase::Done { .. });
            self.unfinished -= 1;
            self.lost += usize::from(!done);
            for (follower, edge) in self.followers.get(place).cloned().unwrap_or_default() {
                let (Some(waiting), Some(count)) = (self.operations.get_mut(follower), self.waits_for.get_mut(follower)) else {
                    continue;
                };
                *count -= 1;
                if waiting.phase != Phase::Blocked {
                    continue;
                }
                if !done && edge == Edge::Done {
                    waiting.phase = Phase::Skipped;
                    finished.push(follower);
                } else if *count == 0 {
                    waiting.phase = Phase::Ready(self.not_before.get(follower).copied().flatten());
                    self.schedule(follower);
                }
            }
        }
    }

    /// Makes a new owner's own what an earlier one left: writes of older epochs are in doubt now.
    pub fn take_over(&mut self, epoch: u64, now: Timestamp) {
        for place in 0..self.operations.len() {
            if let Some(operation) = self.operations.get_mut(place)
                && operation.phase == Phase::Open
                && operation.open.as_ref().is_some_and(|open| open.epoch < epoch)
            {
                operation.phase = Phase::Doubt(now);
                self.schedule(place);
            }
        }
    }

    /// Takes what is due off the agenda, at most `limit`: earliest first, then in the order of the plan.
    /// What is taken comes back with its next transition, or with [`RunState::look_again`].
    pub fn take_due(&mut self, now: Timestamp, limit: usize) -> Vec<Step> {
        let mut due = Vec::new();
        while due.len() < limit
            && let Some((time, place)) = self.agenda.first().copied()
            && time <= now
        {
            self.agenda.pop_first();
            match self.operations.get(place).map(|operation| &operation.phase) {
                Some(Phase::Ready(_)) if self.stage == Stage::Open => due.push(Step::Attempt(place)),
                Some(Phase::Doubt(_)) => due.push(Step::Settle(place)),
                Some(Phase::Waiting { .. }) => due.push(Step::Look(place)),
                _ => {}
            }
        }
        due
    }

    /// Puts a step that settled nothing back on the agenda.
    pub fn look_again(&mut self, place: usize, at: Timestamp) {
        if let Some(operation) = self.operations.get_mut(place) {
            if let Some(time) = agenda_time(&operation.phase) {
                self.agenda.remove(&(time, place));
            }
            match &mut operation.phase {
                Phase::Doubt(look_at) | Phase::Waiting { look_at, .. } => *look_at = at,
                Phase::Ready(due) => *due = Some(at),
                _ => return,
            }
            self.schedule(place);
        }
    }

    /// When something is due next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.agenda.first().map(|(time, _)| *time)
    }

    /// When the first of those operations is tried or looked at again that wait for nothing outside: whose attempt failed,
    /// is in doubt, or stood back for another run.
    pub fn next_retry(&self) -> Option<Timestamp> {
        let retry = |(operation, not_before): (&OperationState, &Option<Timestamp>)| match operation.phase {
            Phase::Doubt(at) => Some(at),
            Phase::Ready(Some(at)) if *not_before != Some(at) => Some(at),
            _ => None,
        };
        self.operations.iter().zip(&self.not_before).filter_map(retry).min()
    }

    /// What the run gives way to, once it does.
    pub fn closing_by(&self) -> Option<&str> {
        self.closing_by.as_deref()
    }

    /// Whether another run has taken over.
    pub fn is_closing(&self) -> bool {
        self.stage == Stage::Closing
    }

    /// The places of operations that are neither over nor have a write under way: what a closing run gives up.
    pub fn droppable(&self) -> Vec<usize> {
        let droppable = |operation: &OperationState| operation.open.is_none() && !operation.phase.is_final();
        self.operations.iter().enumerate().filter(|(_, operation)| droppable(operation)).map(|(place, _)| place).collect()
    }

    /// The latest time of its transitions: time never runs backwards within a run.
    pub fn latest(&self) -> Timestamp {
        self.latest
    }

    /// Whether every operation is over, and how; none once that is recorded.
    pub fn verdict_due(&self) -> Option<Verdict> {
        match self.stage {
            Stage::Open if self.unfinished == 0 => Some(if self.lost == 0 { Verdict::Completed } else { Verdict::Failed }),
            Stage::Closing if self.unfinished == 0 => Some(Verdict::Superseded),
            _ => None,
        }
    }

    /// How the run ended, once that is recorded.
    pub fn verdict(&self) -> Option<Verdict> {
        match self.stage {
            Stage::Settled(verdict) => Some(verdict),
            _ => None,
        }
    }

    /// An operation's state, by its place in the plan.
    pub fn operation(&self, place: usize) -> Option<&OperationState> {
        self.operations.get(place)
    }

    /// The states of all operations, in the order of the plan.
    pub fn operations(&self) -> &[OperationState] {
        &self.operations
    }

    /// The place of an operation in the plan.
    pub fn place(&self, id: &OperationId) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// Whether this run made an operation hold that did not hold before.
    pub fn made(&self, place: usize) -> bool {
        self.operation(place).is_some_and(|operation| matches!(operation.phase, Phase::Done { ours: Ours::Made, .. }))
    }
}

fn agenda_time(phase: &Phase) -> Option<Timestamp> {
    match phase {
        Phase::Ready(due) => Some(due.unwrap_or(Timestamp::EPOCH)),
        Phase::Doubt(look_at) | Phase::Waiting { look_at, .. } => Some(*look_at),
        _ => None,
    }
}

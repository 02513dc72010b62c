//! How a run stands, for people and programs.

use std::fmt;

use serde::Serialize;

use crate::plan::{Blocked, Operation, OperationId, Plan};
use crate::record::{RunId, RunRow, Verdict};
use crate::run::{OperationState, Ours, Phase, RunState};
use provisionr_sdk::{SubjectId, SystemName, Timestamp, WaitReason};

/// Where an operation of a report stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// It holds.
    Done,
    /// It is under way, or will be tried again.
    Pending,
    /// It waits for something outside.
    Waiting,
    /// It failed, or was given up.
    Failed,
    /// Something it depends on failed.
    Skipped,
    /// A person has to decide.
    Stuck,
}

/// One operation of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReportLine {
    /// Its id.
    pub operation: OperationId,
    /// Where.
    pub system: SystemName,
    /// What.
    pub title: String,
    /// Where it stands.
    pub status: Status,
    /// In words: what it waits for, why it failed.
    pub detail: String,
    /// How many attempts there were.
    pub attempts: u32,
    /// When it is tried or looked at again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
}

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The run.
    pub run: RunId,
    /// Whom it is for.
    pub subject: SubjectId,
    /// How it ended, once it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Its operations, in the order of the plan.
    pub operations: Vec<ReportLine>,
    /// What was wanted and could not be planned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Blocked>,
}

impl Report {
    pub(crate) fn new(run: &RunRow, plan: &Plan, state: &RunState) -> Self {
        let line = |(operation, state): (&Operation, &OperationState)| {
            let (status, detail, next) = describe(state);
            ReportLine {
                operation: operation.id.clone(),
                system: operation.system.clone(),
                title: operation.title(),
                status,
                detail,
                attempts: state.attempts,
                next,
            }
        };
        let operations = plan.operations.iter().zip(state.operations()).map(line).collect();
        Self { run: run.id.clone(), subject: run.subject.clone(), verdict: run.verdict, operations, blocked: plan.blocked.clone() }
    }

    /// How many operations stand there.
    pub fn count(&self, status: Status) -> usize {
        self.operations.iter().filter(|line| line.status == status).count()
    }

    /// Whether the run is over.
    pub fn is_settled(&self) -> bool {
        self.verdict.is_some()
    }
}

/// What is waited for, in words.
pub(crate) fn waiting_for(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::AccountAppears => "the account to appear",
        WaitReason::FirstLogin => "the first login",
        WaitReason::InvitationSent => "the invitation to be accepted",
        WaitReason::VendorJob => "the vendor to finish",
        WaitReason::Propagating => "the change to show",
        WaitReason::Approval => "somebody to agree",
        WaitReason::ManualStep => "somebody to do it",
        WaitReason::Until => "its time",
        _ => "something outside",
    }
}

fn describe(state: &OperationState) -> (Status, String, Option<Timestamp>) {
    let trouble = || state.trouble.clone().unwrap_or_default();
    match &state.phase {
        Phase::Done { ours: Ours::Made, .. } => (Status::Done, String::new(), None),
        Phase::Done { .. } => (Status::Done, "it was so already".to_owned(), None),
        Phase::Blocked => (Status::Pending, "waits for what comes before it".to_owned(), None),
        Phase::Ready(Some(due)) if state.attempts == 0 => (Status::Waiting, format!("waits for {}", waiting_for(WaitReason::Until)), Some(*due)),
        Phase::Ready(due) => (Status::Pending, trouble(), *due),
        Phase::Open => (Status::Pending, "under way".to_owned(), None),
        Phase::Doubt(look_at) => (Status::Pending, format!("looked at before it is repeated: {}", trouble()), Some(*look_at)),
        Phase::Waiting { wait, look_at, .. } => (Status::Waiting, format!("waits for {}", waiting_for(wait.reason)), Some(*look_at)),
        Phase::Stuck(why) => (Status::Stuck, why.clone(), None),
        Phase::Failed(why) | Phase::Dropped(why) => (Status::Failed, why.clone(), None),
        Phase::Skipped => (Status::Skipped, "what it depends on failed".to_owned(), None),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = self.verdict.map_or_else(|| "not finished".to_owned(), |verdict| verdict.to_string());
        writeln!(f, "{} for {}: {verdict}", self.run, self.subject)?;
        let width = self.operations.iter().map(|line| line.system.as_str().chars().count()).max().unwrap_or(0);
        for line in &self.operations {
            let word = match line.status {
                Status::Done => "done",
                Status::Pending => "pending",
                Status::Waiting => "waiting",
                Status::Failed => "failed",
                Status::Skipped => "skipped",
                Status::Stuck => "stuck",
            };
            write!(f, "  {word:<8} {:width$}  {}", line.system, line.title)?;
            if !line.detail.is_empty() {
                write!(f, " — {}", line.detail)?;
            }
            if let Some(next) = line.next {
                write!(f, " (again at {next})")?;
            }
            if line.attempts > 1 {
                write!(f, " [{} attempts]", line.attempts)?;
            }
            writeln!(f)?;
        }
        for blocked in &self.blocked {
            writeln!(f, "  blocked  {:width$}  {} — {}", blocked.system, blocked.what, blocked.why)?;
        }
        Ok(())
    }
}

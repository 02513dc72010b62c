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
    /// Since when it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it is tried or looked at again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// Until when it waits: its date, or when a person is asked because it takes too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl ReportLine {
    /// When and until when, in words; empty when there is nothing to say.
    pub(crate) fn times(&self) -> String {
        let since = self.since.map(|at| format!("since {at}"));
        let next = self.next.filter(|_| self.next != self.until).map(|at| format!("again at {at}"));
        let until = self.until.map(|at| format!("until {at}"));
        [since, next, until].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// How a run stands for somebody who has to do something about it, or not. Of several runs the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// All of it is done, or another run has taken its place and answers for the rest.
    Done,
    /// It goes on by itself, at its time or when what it waits for has come.
    Waiting,
    /// Something failed, was skipped or could not be planned, or a person has to decide.
    Failed,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Done => "done",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
        })
    }
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
    /// The run that takes its place, once one does; nothing more is begun then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// Its operations, in the order of the plan.
    pub operations: Vec<ReportLine>,
    /// What was wanted and could not be planned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Blocked>,
}

impl Report {
    pub(crate) fn new(run: &RunRow, plan: &Plan, state: &RunState) -> Self {
        let line = |(operation, state): (&Operation, &OperationState)| {
            let (status, detail) = describe(state);
            let Times { since, next, until } = Times::of(state);
            ReportLine {
                operation: operation.id.clone(),
                system: operation.system.clone(),
                title: operation.title(),
                status,
                detail,
                attempts: state.attempts,
                since,
                next,
                until,
            }
        };
        let operations = plan.operations.iter().zip(state.operations()).map(line).collect();
        Self {
            run: run.id.clone(),
            subject: run.subject.clone(),
            verdict: run.verdict,
            superseded_by: state.closing_by().map(str::to_owned),
            operations,
            blocked: plan.blocked.clone(),
        }
    }

    /// How it stands for exit codes and alarms.
    /// - A superseded run is done: what was left of it is the matter of the run that took its place.
    /// - An operation that waits for somebody to do it by hand waits; one that is stuck counts as failed, for nothing
    ///   goes on until a person has decided.
    pub fn standing(&self) -> Standing {
        match self.verdict {
            Some(Verdict::Superseded) => Standing::Done,
            None if self.superseded_by.is_some() && self.count(Status::Stuck) == 0 => Standing::Waiting,
            None if self.superseded_by.is_some() => Standing::Failed,
            verdict => {
                let lost = [Status::Failed, Status::Skipped, Status::Stuck].into_iter().any(|status| self.count(status) > 0);
                match verdict {
                    _ if lost || !self.blocked.is_empty() => Standing::Failed,
                    Some(Verdict::Completed) => Standing::Done,
                    Some(_) => Standing::Failed,
                    None => Standing::Waiting,
                }
            }
        }
    }

    /// The report without what is done.
    pub fn brief(&self) -> Brief<'_> {
        Brief(self)
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
pub fn waiting_for(reason: WaitReason) -> &'static str {
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

#[derive(Default)]
struct Times {
    since: Option<Timestamp>,
    next: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Times {
    fn of(state: &OperationState) -> Self {
        match &state.phase {
            Phase::Ready(Some(due)) if state.attempts == 0 => Self { next: Some(*due), until: Some(*due), since: None },
            Phase::Ready(due) => Self { next: *due, ..Self::default() },
            Phase::Doubt(look_at) => Self { next: Some(*look_at), ..Self::default() },
            Phase::Waiting { wait, since, look_at } => {
                Self { since: Some(*since), next: Some(*look_at), until: wait.patience.map(|patience| *since + patience) }
            }
            _ => Self::default(),
        }
    }
}

fn describe(state: &OperationState) -> (Status, String) {
    let trouble = || state.trouble.clone().unwrap_or_default();
    match &state.phase {
        Phase::Done { ours: Ours::Made, .. } => (Status::Done, String::new()),
        Phase::Done { .. } => (Status::Done, "it was so already".to_owned()),
        Phase::Blocked => (Status::Pending, "waits for what comes before it".to_owned()),
        Phase::Ready(Some(_)) if state.attempts == 0 => (Status::Waiting, format!("waits for {}", waiting_for(WaitReason::Until))),
        Phase::Ready(_) => (Status::Pending, trouble()),
        Phase::Open => (Status::Pending, "under way".to_owned()),
        Phase::Doubt(_) => (Status::Pending, format!("looked at before it is repeated: {}", trouble())),
        Phase::Waiting { wait, .. } => (Status::Waiting, format!("waits for {}", waiting_for(wait.reason))),
        Phase::Stuck(why) => (Status::Stuck, why.clone()),
        Phase::Failed(why) | Phase::Dropped(why) => (Status::Failed, why.clone()),
        Phase::Skipped => (Status::Skipped, "what it depends on failed".to_owned()),
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Done => "done",
            Self::Pending => "pending",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Stuck => "stuck",
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(f, |_| true)
    }
}

/// A report without what is done: what somebody looks at who has many.
#[derive(Clone, Copy, Debug)]
pub struct Brief<'r>(&'r Report);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let superseded = self.0.verdict == Some(Verdict::Superseded);
        self.0.show(f, |line| line.status != Status::Done && !superseded)
    }
}

impl Report {
    fn show(&self, f: &mut fmt::Formatter<'_>, shown: impl Fn(&ReportLine) -> bool) -> fmt::Result {
        let verdict = self.verdict.map_or_else(|| "not finished".to_owned(), |verdict| verdict.to_string());
        write!(f, "{} for {}: {verdict}", self.run, self.subject)?;
        if let Some(by) = &self.superseded_by {
            write!(f, "; {by} takes its place")?;
        }
        writeln!(f)?;
        let lines: Vec<&ReportLine> = self.operations.iter().filter(|line| shown(line)).collect();
        let width = lines.iter().map(|line| line.system.as_str().chars().count()).max().unwrap_or(0);
        for line in lines {
            write!(f, "  {:<8} {:width$}  {}", line.status, line.system, line.title)?;
            if !line.detail.is_empty() {
                write!(f, " — {}", line.detail)?;
            }
            let times = line.times();
            if !times.is_empty() {
                write!(f, " ({times})")?;
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

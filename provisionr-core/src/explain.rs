//! Why a run stands as it stands: operation by operation, what it is there for, what it waits for, what happened, what follows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::audit::{AuditEntry, AuditLog};
use crate::desired::Reason;
use crate::plan::{Blocked, OperationId, Plan};
use crate::record::{Actor, RunId, RunRow, Verdict};
use crate::report::{Report, ReportLine, Standing, Status};
use provisionr_sdk::{EventId, SubjectId, SystemName, Timestamp, VendorRequestId};

/// Why a run stands as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The run.
    pub run: RunId,
    /// Whom it is for.
    pub subject: SubjectId,
    /// The event that opened it.
    pub event: EventId,
    /// Who submitted it.
    pub actor: Actor,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// How it ended, once it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The run that takes its place, once one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// How it stands.
    pub standing: Standing,
    /// Its operations, in the order of the plan.
    pub operations: Vec<ExplainedOperation>,
    /// What was wanted and could not be planned, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Blocked>,
    /// What happened to the run as a whole.
    pub history: Vec<Happened>,
}

/// Why one operation stands as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ExplainedOperation {
    /// How it stands.
    #[serde(flatten)]
    pub line: ReportLine,
    /// Why it is there, by policy and trigger, or by how accounts come about; empty for what only others need.
    pub because: Vec<Reason>,
    /// What comes before it.
    pub after: Vec<Related>,
    /// What comes after it.
    pub before: Vec<Related>,
    /// It is not begun before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// What happened so far, as the audit log has it.
    pub history: Vec<Happened>,
    /// What follows, in words.
    pub follows: String,
}

/// An operation as another one sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Related {
    /// Its id.
    pub operation: OperationId,
    /// Where.
    pub system: SystemName,
    /// What.
    pub title: String,
    /// Where it stands.
    pub status: Status,
}

/// One row of the journal, in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Happened {
    /// Its place in the journal of the run.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: String,
    /// Which attempt it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The vendor's id for the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<VendorRequestId>,
}

impl From<AuditEntry> for Happened {
    fn from(entry: AuditEntry) -> Self {
        Self { seq: entry.seq, at: entry.at, what: entry.what, attempt: entry.attempt, request_id: entry.request_id }
    }
}

impl Explanation {
    pub(crate) fn new(run: &RunRow, plan: &Plan, report: Report, log: AuditLog) -> Self {
        let standing = report.standing();
        let (mut history, mut histories) = (Vec::new(), BTreeMap::<OperationId, Vec<Happened>>::new());
        for entry in log.entries {
            match entry.operation.clone() {
                Some(operation) => histories.entry(operation).or_default().push(entry.into()),
                None => history.push(entry.into()),
            }
        }
        let related: BTreeMap<OperationId, Related> = report.operations.iter().map(|line| (line.operation.clone(), Related::of(line))).collect();
        let mut before: BTreeMap<&OperationId, Vec<Related>> = BTreeMap::new();
        for operation in &plan.operations {
            for earlier in operation.before().collect::<BTreeSet<_>>() {
                before.entry(earlier).or_default().extend(related.get(&operation.id).cloned());
            }
        }
        let explained = plan.operations.iter().zip(report.operations).map(|(operation, line)| {
            // In the order of the plan, each once.
            let ids: BTreeSet<_> = operation.before().collect();
            let after: Vec<Related> =
                plan.operations.iter().filter(|earlier| ids.contains(&earlier.id)).filter_map(|earlier| related.get(&earlier.id).cloned()).collect();
            let before = before.remove(&operation.id).unwrap_or_default();
            let follows = follows(&line, &after, &before);
            ExplainedOperation {
                because: operation.reasons.clone(),
                after,
                before,
                not_before: operation.not_before,
                history: histories.remove(&operation.id).unwrap_or_default(),
                follows,
                line,
            }
        });
        Self {
            run: run.id.clone(),
            subject: run.subject.clone(),
            event: run.event.clone(),
            actor: run.actor.clone(),
            opened_at: run.opened_at,
            verdict: run.verdict,
            superseded_by: report.superseded_by,
            standing,
            operations: explained.collect(),
            blocked: report.blocked,
            history,
        }
    }

    /// Leaves one operation, and what concerns it alone; none when the run has no such operation.
    #[must_use]
    pub fn only(mut self, operation: &OperationId) -> Option<Self> {
        self.operations.retain(|explained| explained.line.operation == *operation);
        self.blocked.clear();
        (!self.operations.is_empty()).then_some(self)
    }
}

impl Related {
    fn of(line: &ReportLine) -> Self {
        Self { operation: line.operation.clone(), system: line.system.clone(), title: line.title.clone(), status: line.status }
    }

    fn is_over(&self) -> bool {
        matches!(self.status, Status::Done | Status::Failed | Status::Skipped)
    }
}

fn count(related: &[&Related]) -> String {
    if related.len() == 1 { "1 operation".to_owned() } else { format!("{} operations", related.len()) }
}

fn follows(line: &ReportLine, after: &[Related], before: &[Related]) -> String {
    let waiting: Vec<_> = before.iter().filter(|later| !later.is_over()).collect();
    let open: Vec<_> = after.iter().filter(|earlier| !earlier.is_over()).collect();
    match (line.status, line.next) {
        (Status::Done, _) if waiting.is_empty() => "nothing, it is over".to_owned(),
        (Status::Done, _) => format!("it is over; {} may begin as far as it is concerned", count(&waiting)),
        (Status::Pending, _) if !open.is_empty() => format!("it begins when {} before it {} over", count(&open), if open.len() == 1 { "is" } else { "are" }),
        (Status::Pending, Some(at)) => format!("it is taken up again at {at}"),
        (Status::Pending, None) => "it is taken up when the run is moved next".to_owned(),
        (Status::Waiting, next) => {
            let next = match (next, line.until) {
                (Some(at), Some(until)) if at == until => format!("it begins at {at}"),
                (Some(at), Some(until)) => format!("it is looked at again at {at}; from {until} on a person is asked"),
                (Some(at), None) => format!("it is looked at again at {at}"),
                (None, _) => "it is looked at when the run is moved next".to_owned(),
            };
            if waiting.is_empty() { next } else { format!("{next}; {} behind it", count(&waiting)) }
        }
        (Status::Failed, _) => "nothing, it is over; plan again once the cause is mended".to_owned(),
        (Status::Skipped, _) => "nothing, it is over; plan again once what failed before it is mended".to_owned(),
        (Status::Stuck, _) => "a person decides: it is done, it is tried again, or it is given up".to_owned(),
    }
}

impl fmt::Display for Related {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.system, self.title, self.status)
    }
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at, self.what)?;
        if let Some(attempt) = self.attempt {
            write!(f, " [attempt {attempt}]")?;
        }
        match &self.request_id {
            Some(id) => write!(f, " [request {id}]"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ExplainedOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = &self.line;
        writeln!(f, "{} {}", line.system, line.title)?;
        row(f, "operation", &line.operation)?;
        let times = line.times();
        let times = if times.is_empty() { times } else { format!(" ({times})") };
        let detail = if line.detail.is_empty() { String::new() } else { format!(" — {}", line.detail) };
        row(f, "stands", &format_args!("{}{detail}{times}", line.status))?;
        for reason in &self.because {
            row(f, "because of", reason)?;
        }
        if self.because.is_empty() {
            row(f, "because of", &"what comes after it needs it")?;
        }
        if let Some(at) = self.not_before {
            row(f, "not before", &at)?;
        }
        for earlier in &self.after {
            row(f, "after", earlier)?;
        }
        for later in &self.before {
            row(f, "before", later)?;
        }
        for happened in &self.history {
            row(f, "happened", happened)?;
        }
        row(f, "follows", &self.follows)
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, value: &dyn fmt::Display) -> fmt::Result {
    writeln!(f, "  {name:<10}  {value}")
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = self.verdict.map_or_else(|| "not finished".to_owned(), |verdict| verdict.to_string());
        writeln!(f, "{} for {}: {verdict}", self.run, self.subject)?;
        row(f, "event", &self.event)?;
        row(f, "asked by", &self.actor)?;
        if let Some(by) = &self.superseded_by {
            row(f, "gives way", by)?;
        }
        for happened in &self.history {
            row(f, "happened", happened)?;
        }
        for operation in &self.operations {
            write!(f, "\n{operation}")?;
        }
        for blocked in &self.blocked {
            writeln!(f, "\n{} {}", blocked.system, blocked.what)?;
            row(f, "stands", &"not planned")?;
            row(f, "because of", &blocked.why)?;
        }
        Ok(())
    }
}

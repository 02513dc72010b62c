//! What is shown: text for people, JSON with a version for programs.

use std::fmt;
use std::io::Write;

use provisionr_core::{Report, RunId, Standing, Status, SubjectId};
use serde::Serialize;

use super::failure::Failure;

/// The version of the JSON of `status`, `explain`, `audit`, `apply` and `resume`.
const FORMAT: u16 = 1;

/// So many reports are shown whole.
const FEW: usize = 5;

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// What is not done, where there is much.
    Brief,
    /// Everything.
    Full,
}

/// To stdout; whoever read it may be gone, and work goes on then.
pub(super) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

/// To stderr.
pub(super) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}

#[derive(Serialize)]
struct Document<'a, T> {
    format: u16,
    standing: Standing,
    runs: &'a [T],
    #[serde(skip_serializing_if = "<[Trouble]>::is_empty")]
    troubles: &'a [Trouble],
}

/// A plan that became no run, or a run that cannot be read. It holds up no other.
#[derive(Debug, Serialize)]
pub(super) struct Trouble {
    pub(super) subject: SubjectId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<RunId>,
    pub(super) why: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.run {
            Some(run) => write!(f, "{run} for {}: cannot be read, and is not moved: {}", self.subject, self.why),
            None => write!(f, "{}: not submitted: {}", self.subject, self.why),
        }
    }
}

/// Shows runs, and what is wrong beside them, as JSON.
pub(super) fn say_json<T: Serialize>(standing: Standing, runs: &[T], troubles: &[Trouble]) -> Result<(), Failure> {
    say(&serde_json::to_string_pretty(&Document { format: FORMAT, standing, runs, troubles })?);
    Ok(())
}

/// Reports as text: few of them whole, of many those that are not done, and what they come to.
pub(super) fn say_reports(reports: &[Report], troubles: &[Trouble], detail: Detail) {
    for report in reports {
        if detail == Detail::Full || reports.len() <= FEW {
            say(&format!("{report}"));
        } else if report.standing() != Standing::Done {
            say(&format!("{}", report.brief()));
        }
    }
    troubles.iter().for_each(|trouble| say(&trouble.to_string()));
}

/// The last line: how many are done, wait and failed.
pub(super) fn closing(reports: &[Report], troubles: &[Trouble]) -> String {
    let count = |standing| reports.iter().filter(|report| report.standing() == standing).count();
    let failed = count(Standing::Failed) + troubles.len();
    let parts = [(count(Standing::Done), "done"), (count(Standing::Waiting), "waiting"), (failed, "failed or not whole")];
    let parts: Vec<_> = parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let all = reports.len() + troubles.len();
    match all {
        0 => "nothing to do".to_owned(),
        1 => format!("1 run: {}", parts.join(", ").trim_start_matches("1 ")),
        all => format!("{all} runs: {}", parts.join(", ")),
    }
}

/// What a person has to decide about, with the command for it.
pub(super) fn decisions(reports: &[Report], store: &std::path::Path) -> Vec<String> {
    let stuck = reports.iter().flat_map(|report| report.operations.iter().filter(|line| line.status == Status::Stuck).map(move |line| (report, line)));
    stuck
        .take(FEW)
        .map(|(report, line)| {
            format!(
                "a person has to decide about {} {}: operator decide --store {} --run {} --operation '{}' (--done|--retry|--skip) --by NAME --why TEXT",
                line.system,
                line.title,
                store.display(),
                report.run,
                line.operation
            )
        })
        .collect()
}

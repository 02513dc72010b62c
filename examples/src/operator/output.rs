//! What is shown: text for people, JSON with a version for programs.

use std::io::Write;

use provisionr_core::{Report, Standing, Status, SubjectId};
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
struct Document<'a, T, R> {
    format: u16,
    standing: Standing,
    runs: &'a [T],
    #[serde(skip_serializing_if = "<[R]>::is_empty")]
    refused: &'a [R],
}

/// A plan that became no run.
#[derive(Debug, Serialize)]
pub(super) struct Refused {
    pub(super) subject: SubjectId,
    pub(super) why: String,
}

/// Shows runs as JSON.
pub(super) fn say_json<T: Serialize>(standing: Standing, runs: &[T]) -> Result<(), Failure> {
    say_json_with::<T>(standing, runs, &[])
}

/// Shows runs, and what became none, as JSON.
pub(super) fn say_json_with<T: Serialize>(standing: Standing, runs: &[T], refused: &[Refused]) -> Result<(), Failure> {
    say(&serde_json::to_string_pretty(&Document { format: FORMAT, standing, runs, refused })?);
    Ok(())
}

/// How many runs stand together: the worst counts.
pub(super) fn together(reports: &[Report]) -> Standing {
    reports.iter().map(Report::standing).max().unwrap_or(Standing::Done)
}

/// Reports as text: few of them whole, of many those that are not done, and what they come to.
pub(super) fn say_reports(reports: &[Report], refused: &[Refused], detail: Detail) {
    for report in reports {
        if detail == Detail::Full || reports.len() <= FEW {
            say(&format!("{report}"));
        } else if report.standing() != Standing::Done {
            say(&format!("{}", report.brief()));
        }
    }
    for refused in refused {
        say(&format!("{}: not submitted: {}", refused.subject, refused.why));
    }
}

/// The last line: how many are done, wait and failed.
pub(super) fn closing(reports: &[Report], refused: &[Refused]) -> String {
    let count = |standing| reports.iter().filter(|report| report.standing() == standing).count();
    let failed = count(Standing::Failed) + refused.len();
    let parts = [(count(Standing::Done), "done"), (count(Standing::Waiting), "waiting"), (failed, "failed or not whole")];
    let parts: Vec<_> = parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let all = reports.len() + refused.len();
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

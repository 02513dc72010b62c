//! `operator status`, `explain` and `audit`: they only look, and need neither systems nor rules.

use std::collections::BTreeMap;

use provisionr_core::store::RunRow;
use provisionr_core::{Actor, EventId, OperationId, Provisioner, Report, Standing, Timestamp};
use serde::Serialize;

use super::arguments::{Audit, Explain, Format, Status, Which};
use super::failure::Failure;
use super::output::{self, Detail, say, say_json};
use super::{inputs, runs};

/// So many finished runs are shown unless all are asked for.
const LAST: usize = 10;

/// A report, and by what it came about.
#[derive(Serialize)]
struct Stands {
    #[serde(flatten)]
    report: Report,
    standing: Standing,
    event: EventId,
    actor: Actor,
    opened_at: Timestamp,
}

pub(super) async fn status(arguments: &Status, detail: Detail) -> Result<Standing, Failure> {
    let access = inputs::looking(&arguments.store.store).await?;
    let mut rows = runs::asked(&access, &arguments.which).await?;
    let all = arguments.all || arguments.which.run.is_some();
    let finished = rows.iter().filter(|row| row.verdict.is_some()).count();
    let mut left_out = if all { 0 } else { finished.saturating_sub(LAST) };
    let hidden = left_out;
    rows.retain(|row| {
        let out = row.verdict.is_some() && left_out > 0;
        left_out -= usize::from(out);
        !out
    });
    let mut reports = Vec::with_capacity(rows.len());
    for row in &rows {
        reports.push(access.report(&row.id).await?);
    }
    let standing = standing(&reports, &rows);
    if arguments.which.format == Format::Json {
        let stands: Vec<_> = reports.into_iter().zip(rows).map(|(report, row)| stands(report, row)).collect();
        say_json(standing, &stands)?;
        return Ok(standing);
    }
    for report in &reports {
        let whole = detail == Detail::Full || arguments.which.run.is_some() || (arguments.which.subject.is_some() && !report.is_settled());
        if whole { say(&report.to_string()) } else { say(&report.brief().to_string()) }
    }
    if hidden > 0 {
        say(&format!("{hidden} more are finished; --all shows them"));
    }
    say(&output::closing(&reports, &[]).replace("nothing to do", "the store holds no run"));
    output::decisions(&reports, &arguments.store.store).iter().for_each(|decision| output::tell(decision));
    Ok(standing)
}

/// How all of it stands: a finished run whose subject has had another one since is history.
fn standing(reports: &[Report], rows: &[RunRow]) -> Standing {
    let newest: BTreeMap<_, _> = rows.iter().map(|row| (&row.subject, &row.id)).collect();
    let counts = reports.iter().filter(|report| !report.is_settled() || newest.get(&report.subject) == Some(&&report.run));
    counts.map(Report::standing).max().unwrap_or(Standing::Done)
}

fn stands(report: Report, row: RunRow) -> Stands {
    Stands { standing: report.standing(), report, event: row.event, actor: row.actor, opened_at: row.opened_at }
}

/// The runs that are asked for; where none is named, those that are not done, or the last one.
async fn worth_explaining(access: &Provisioner, which: &Which) -> Result<Vec<RunRow>, Failure> {
    let rows = runs::asked(access, which).await?;
    if which.run.is_some() {
        return Ok(rows);
    }
    let unfinished: Vec<_> = rows.iter().filter(|row| row.verdict.is_none()).cloned().collect();
    Ok(if unfinished.is_empty() { rows.into_iter().next_back().into_iter().collect() } else { unfinished })
}

pub(super) async fn explain(arguments: &Explain) -> Result<Standing, Failure> {
    let access = inputs::looking(&arguments.store.store).await?;
    let mut explanations = Vec::new();
    let mut known = Vec::new();
    for row in worth_explaining(&access, &arguments.which).await? {
        let explanation = access.explain(&row.id).await?;
        match &arguments.operation {
            None => explanations.push(explanation),
            Some(operation) => {
                known.extend(explanation.operations.iter().map(|explained| explained.line.operation.to_string()));
                explanations.extend(explanation.only(&OperationId::new(operation.as_str())));
            }
        }
    }
    if let (Some(operation), true) = (&arguments.operation, explanations.is_empty()) {
        return Err(no_such_operation(operation, &known));
    }
    if arguments.which.format == Format::Json {
        let standing = explanations.iter().map(|explanation| explanation.standing).max().unwrap_or(Standing::Done);
        say_json(standing, &explanations)?;
    } else if explanations.is_empty() {
        say("the store holds no run");
    } else {
        let texts: Vec<_> = explanations.iter().map(ToString::to_string).collect();
        say(&texts.join("\n"));
    }
    // That it could be explained is what was asked for.
    Ok(Standing::Done)
}

pub(super) fn no_such_operation(operation: &str, known: &[String]) -> Failure {
    let near = provisionr_core::sdk::suggestion(operation, known.iter().map(String::as_str));
    let help = match near {
        Some(near) => runs::did_you_mean(Some(near)),
        None => format!("; there are {}", known.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")),
    };
    Failure::new(format!("there is no operation {operation}{help}"))
}

pub(super) async fn audit(arguments: &Audit) -> Result<Standing, Failure> {
    let access = inputs::looking(&arguments.store.store).await?;
    let rows = runs::asked(&access, &arguments.which).await?;
    if !arguments.verify {
        let mut logs = Vec::with_capacity(rows.len());
        for row in &rows {
            logs.push(access.audit(&row.id).await?);
        }
        if arguments.which.format == Format::Json {
            say_json(Standing::Done, &logs)?;
        } else {
            logs.iter().for_each(|log| say(&format!("{} for {} by event {}\n{log}", log.run, log.subject, log.event)));
        }
        return Ok(Standing::Done);
    }
    let mut checks = Vec::with_capacity(rows.len());
    for row in &rows {
        checks.push(access.verify(&row.id).await?);
    }
    let broken = checks.iter().filter(|check| !check.is_unbroken()).count();
    let standing = if broken == 0 { Standing::Done } else { Standing::Failed };
    if arguments.which.format == Format::Json {
        say_json(standing, &checks)?;
        return Ok(standing);
    }
    checks.iter().for_each(|check| say(&check.to_string()));
    say(&match (checks.len(), broken) {
        (0, _) => "the store holds no run".to_owned(),
        (all, 0) => format!("{all} of {all} chains are unbroken"),
        (all, broken) => format!("{broken} of {all} chains are BROKEN"),
    });
    Ok(standing)
}

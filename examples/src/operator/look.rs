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
    let (reports, troubles) = runs::each(&runs::whose(&rows), async |run| access.report(run).await).await?;
    let standing = if troubles.is_empty() { standing(&reports, &rows) } else { Standing::Failed };
    if arguments.which.format == Format::Json {
        let mut of: BTreeMap<_, _> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        let stands: Vec<_> = reports.into_iter().filter_map(|report| Some(stands(of.remove(&report.run)?, report))).collect();
        say_json(standing, &stands, &troubles)?;
        return Ok(standing);
    }
    for report in &reports {
        let whole = detail == Detail::Full || arguments.which.run.is_some() || (arguments.which.subject.is_some() && !report.is_settled());
        if whole { say(&report.to_string()) } else { say(&report.brief().to_string()) }
    }
    troubles.iter().for_each(|trouble| say(&trouble.to_string()));
    if hidden > 0 {
        say(&format!("{hidden} more are finished; --all shows them"));
    }
    say(&output::closing(&reports, &troubles).replace("nothing to do", "the store holds no run"));
    output::decisions(&reports, &arguments.store.store).iter().for_each(|decision| output::tell(decision));
    Ok(standing)
}

/// How all of it stands: a finished run whose subject has had another one since is history.
fn standing(reports: &[Report], rows: &[RunRow]) -> Standing {
    let newest: BTreeMap<_, _> = rows.iter().map(|row| (&row.subject, &row.id)).collect();
    let counts = reports.iter().filter(|report| !report.is_settled() || newest.get(&report.subject) == Some(&&report.run));
    counts.map(Report::standing).max().unwrap_or(Standing::Done)
}

fn stands(row: RunRow, report: Report) -> Stands {
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
    let rows = worth_explaining(&access, &arguments.which).await?;
    let (all, troubles) = runs::each(&runs::whose(&rows), async |run| access.explain(run).await).await?;
    let (mut explanations, mut known) = (Vec::new(), Vec::new());
    for explanation in all {
        match &arguments.operation {
            None => explanations.push(explanation),
            Some(operation) => {
                known.extend(explanation.operations.iter().map(|explained| explained.line.operation.to_string()));
                explanations.extend(explanation.only(&OperationId::new(operation.as_str())));
            }
        }
    }
    if let (Some(operation), true) = (&arguments.operation, explanations.is_empty() && troubles.is_empty()) {
        return Err(no_such_operation(operation, &known));
    }
    if arguments.which.format == Format::Json {
        let standing = explanations.iter().map(|explanation| explanation.standing).max().unwrap_or(Standing::Done);
        say_json(standing, &explanations, &troubles)?;
    } else if rows.is_empty() {
        say("the store holds no run");
    } else {
        let texts: Vec<_> = explanations.iter().map(ToString::to_string).collect();
        say(&texts.join("\n"));
        troubles.iter().for_each(|trouble| say(&trouble.to_string()));
    }
    // That it could be explained is what was asked for.
    Ok(if troubles.is_empty() { Standing::Done } else { Standing::Failed })
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
        let (logs, troubles) = runs::each(&runs::whose(&rows), async |run| access.audit(run).await).await?;
        let standing = if troubles.is_empty() { Standing::Done } else { Standing::Failed };
        if arguments.which.format == Format::Json {
            say_json(standing, &logs, &troubles)?;
        } else {
            logs.iter().for_each(|log| say(&format!("{} for {} by event {}\n{log}", log.run, log.subject, log.event)));
            troubles.iter().for_each(|trouble| say(&trouble.to_string()));
        }
        return Ok(standing);
    }
    let mut checks = Vec::with_capacity(rows.len());
    for row in &rows {
        checks.push(access.verify(&row.id).await?);
    }
    let broken = checks.iter().filter(|check| !check.is_unbroken()).count();
    let standing = if broken == 0 { Standing::Done } else { Standing::Failed };
    if arguments.which.format == Format::Json {
        say_json(standing, &checks, &[])?;
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

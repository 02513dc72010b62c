//! `operator apply` and `operator resume`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use provisionr_core::store::RunFilter;
use provisionr_core::{AccessError, Actor, MemoryDirectory, PlanSet, Provisioner, Report, RunId, Standing, Submitted};

use super::arguments::{Apply, Driving, Format, Host, Resume};
use super::drive::{Ended, drive};
use super::failure::Failure;
use super::inputs;
use super::output::{self, Detail, Trouble, say, tell};
use super::runs::{self, Whose};
use crate::progress::Lines;

/// How often is planned again when the world moves between planning and submitting.
const TRIES: u32 = 3;

/// So many plans are shown whole.
const FEW: usize = 5;

/// What is applied.
enum What {
    Event(provisionr_core::Event),
    People,
    Saved(PlanSet),
}

pub(super) async fn apply(arguments: &Apply, detail: Detail) -> Result<Standing, Failure> {
    let people = arguments.people.as_deref().map(inputs::people).transpose()?;
    let what = match (&arguments.event, &arguments.plan) {
        (Some(event), _) => What::Event(inputs::event(event)?),
        (_, Some(plan)) => What::Saved(inputs::plan(plan)?),
        _ => What::People,
    };
    let lines = Arc::new(lines(arguments.driving.format));
    let host = hosted(&arguments.host)?;
    let store = inputs::open(&arguments.store.store).await?;
    let handle = store.clone();
    let access = match people {
        Some(people) => host.build(Provisioner::builder(store, people), &lines),
        None => host.build(Provisioner::builder(store, MemoryDirectory::default()), &lines),
    }?;
    let actor = arguments.by.as_ref().map_or_else(|| Actor::service("operator"), Actor::person);
    let submitted = submit(&access, &what, &actor, (detail, arguments.driving.format)).await?;
    let (mut ours, mut troubles) = (Vec::new(), Vec::new());
    for Submitted { subject, run, .. } in submitted {
        match run {
            Ok(run) => ours.push((subject, run)),
            Err(error) => troubles.push(Trouble { subject, run: None, why: Failure::from(error).to_string() }),
        }
    }
    let ended = if arguments.detach || ours.is_empty() { Ended::Quiet } else { follow(&access, &ours, arguments.driving.patience, &lines).await? };
    let (reports, unreadable) = with_successors(&access, ours).await?;
    troubles.extend(unreadable);
    drop(access);
    handle.close().await;
    conclude(&reports, &troubles, ended, (detail, &arguments.driving), &arguments.store.store)
}

pub(super) async fn resume(arguments: &Resume, detail: Detail) -> Result<Standing, Failure> {
    let host = hosted(&arguments.host)?;
    let store = inputs::existing(&arguments.store.store).await?;
    let handle = store.clone();
    let lines = Arc::new(lines(arguments.driving.format));
    let access = host.build(Provisioner::builder(store, MemoryDirectory::default()), &lines)?;
    let unfinished = runs::whose(&runs::all(&access, &RunFilter::all().unsettled()).await?);
    if unfinished.is_empty() && arguments.driving.format == Format::Text {
        say("every run is finished");
        return Ok(Standing::Done);
    }
    let ended = follow(&access, &unfinished, arguments.driving.patience, &lines).await?;
    let (reports, troubles) = with_successors(&access, unfinished).await?;
    drop(access);
    handle.close().await;
    conclude(&reports, &troubles, ended, (detail, &arguments.driving), &arguments.store.store)
}

fn lines(format: Format) -> Lines {
    match format {
        Format::Text => Lines::new(),
        Format::Json => Lines::silent(),
    }
}

struct Hosted {
    systems: Vec<Arc<dyn provisionr_core::Adapter>>,
    rules: provisionr_core::Rules,
}

fn hosted(host: &Host) -> Result<Hosted, Failure> {
    let (systems, rules) = inputs::host(host)?;
    Ok(Hosted { systems, rules })
}

impl Hosted {
    fn build(self, builder: provisionr_core::ProvisionerBuilder, lines: &Arc<Lines>) -> Result<Provisioner, Failure> {
        let heard = Arc::clone(lines);
        inputs::build(builder.adapters(self.systems).rules(self.rules).observer(move |progress: &_| heard.show(progress)))
    }
}

/// Plans and submits. What was looked at before is submitted just so; what was not is planned again when the world moves.
async fn submit(access: &Provisioner, what: &What, actor: &Actor, (detail, format): (Detail, Format)) -> Result<Vec<Submitted>, Failure> {
    let mut tries = 1;
    loop {
        let set = match what {
            What::Saved(set) => set.clone(),
            What::People => access.plan_people().await?,
            What::Event(event) => access.plan_event(event).await?,
        };
        let mut before = Vec::new();
        for planned in &set.plans {
            if let Some(run) = access.run_of(&planned.event).await? {
                let over = access.report(&run).await.is_ok_and(|report| report.is_settled() && report.standing() == Standing::Failed);
                let help = if over { "it is over; what failed of it is asked for anew by `apply --people`, or by another event" } else { "going on with it" };
                before.push(format!("event {} has led to {run} already; {help}", planned.event));
            }
        }
        match access.submit_set(&set, actor).await {
            Err(AccessError::PlanSetMoved(_)) if tries < TRIES && !matches!(what, What::Saved(_)) => tries += 1,
            submitted => {
                let submitted = submitted?;
                before.iter().for_each(|line| tell(line));
                if format == Format::Text && before.is_empty() {
                    say_set(&set, detail);
                }
                return Ok(submitted);
            }
        }
    }
}

fn say_set(set: &PlanSet, detail: Detail) {
    if detail == Detail::Full || set.plans.len() <= FEW {
        say(&format!("{set}"));
    } else {
        say(&format!("{} operations for {} people; {} as they should be", set.operations(), set.plans.len(), set.unchanged));
    }
}

/// Drives, and shows how these runs move.
async fn follow(access: &Provisioner, runs: &[Whose], patience: Duration, lines: &Lines) -> Result<Ended, Failure> {
    let (reports, _) = runs::each(runs, async |run| access.report(run).await).await?;
    lines.begin(&reports);
    drive(access, patience, lines).await
}

/// The reports of these runs, and of those that have taken their place.
async fn with_successors(access: &Provisioner, mut left: Vec<Whose>) -> Result<(Vec<Report>, Vec<Trouble>), Failure> {
    let mut known: BTreeSet<RunId> = left.iter().map(|(_, run)| run.clone()).collect();
    let (mut reports, mut troubles) = (Vec::new(), Vec::new());
    while !left.is_empty() {
        let (read, unreadable) = runs::each(&left, async |run| access.report(run).await).await?;
        let next = read.iter().filter_map(|report| Some((report.subject.clone(), RunId::new(report.superseded_by.as_deref()?))));
        left = next.filter(|(_, run)| known.insert(run.clone())).collect();
        reports.extend(read);
        troubles.extend(unreadable);
    }
    Ok((reports, troubles))
}

/// Says how runs stand, and what to do about those that are not done.
fn conclude(reports: &[Report], troubles: &[Trouble], ended: Ended, (detail, driving): (Detail, &Driving), store: &Path) -> Result<Standing, Failure> {
    let mut standing = reports.iter().map(Report::standing).max().unwrap_or(Standing::Done);
    if !troubles.is_empty() {
        standing = Standing::Failed;
    }
    let unfinished = reports.iter().any(|report| !report.is_settled());
    if ended == Ended::Stopped && unfinished {
        standing = Standing::Waiting;
    }
    if driving.format == Format::Json {
        output::say_json(standing, reports, troubles)?;
    } else {
        output::say_reports(reports, troubles, detail);
        say(&output::closing(reports, troubles));
    }
    for decision in output::decisions(reports, store) {
        tell(&decision);
    }
    if ended == Ended::Stopped {
        tell("stopped; `operator resume` goes on");
    } else if unfinished {
        tell("what is not finished goes on with `operator resume`");
    }
    Ok(standing)
}

//! Which runs are meant.

use provisionr_core::store::{RunFilter, RunRow};
use provisionr_core::{AccessError, Provisioner, RunId, SubjectId, sdk};

use super::arguments::Which;
use super::failure::Failure;
use super::output::Trouble;

/// Every run that a filter lets through, first opened first.
pub(super) async fn all(access: &Provisioner, filter: &RunFilter) -> Result<Vec<RunRow>, Failure> {
    let mut rows: Vec<RunRow> = Vec::new();
    loop {
        let mut page = filter.clone();
        page.after = rows.last().map(|row| row.id.clone());
        let found = access.runs(&page).await?;
        let last = found.len() < page.most();
        rows.extend(found);
        if last {
            break;
        }
    }
    rows.sort_by(|one, two| (one.opened_at, &one.id).cmp(&(two.opened_at, &two.id)));
    Ok(rows)
}

/// A run, and whose it is.
pub(super) type Whose = (SubjectId, RunId);

/// Whose these runs are.
pub(super) fn whose(rows: &[RunRow]) -> Vec<Whose> {
    rows.iter().map(|row| (row.subject.clone(), row.id.clone())).collect()
}

/// Reads runs one by one; what cannot be read of one is told, and holds up no other.
pub(super) async fn each<T>(runs: &[Whose], mut read: impl AsyncFnMut(&RunId) -> Result<T, AccessError>) -> Result<(Vec<T>, Vec<Trouble>), Failure> {
    let (mut found, mut troubles) = (Vec::with_capacity(runs.len()), Vec::new());
    for (subject, run) in runs {
        match read(run).await {
            Ok(read) => found.push(read),
            Err(AccessError::Run(error)) => troubles.push(Trouble { subject: subject.clone(), run: Some(run.clone()), why: Failure::of(error).to_string() }),
            Err(error) => return Err(error.into()),
        }
    }
    Ok((found, troubles))
}

/// The runs that are asked for.
pub(super) async fn asked(access: &Provisioner, which: &Which) -> Result<Vec<RunRow>, Failure> {
    let rows = all(access, &RunFilter::all()).await?;
    let rows = match &which.run {
        Some(run) => vec![one(run, &rows)?],
        None => rows,
    };
    let Some(subject) = &which.subject else { return Ok(rows) };
    let of_subject: Vec<_> = rows.iter().filter(|row| row.subject.as_str() == subject).cloned().collect();
    if of_subject.is_empty() {
        let near = sdk::suggestion(subject, rows.iter().map(|row| row.subject.as_str()));
        return Err(Failure::new(format!("there is no run of subject {subject}{}", did_you_mean(near))));
    }
    Ok(of_subject)
}

/// The run of this id, or whose id begins so.
pub(super) async fn named(access: &Provisioner, run: &str) -> Result<RunId, Failure> {
    one(run, &all(access, &RunFilter::all()).await?).map(|row| row.id)
}

fn one(run: &str, rows: &[RunRow]) -> Result<RunRow, Failure> {
    let exact = rows.iter().find(|row| row.id.as_str() == run);
    let begins: Vec<_> = rows.iter().filter(|row| row.id.as_str().starts_with(run)).collect();
    match (exact, begins.as_slice()) {
        (Some(row), _) => Ok(row.clone()),
        (None, [row]) if run.len() > "run_".len() => Ok((*row).clone()),
        (None, []) if rows.is_empty() => Err(Failure::new(format!("there is no run {run}; the store holds none"))),
        (None, []) => {
            let near = sdk::suggestion(run, rows.iter().map(|row| row.id.as_str()));
            let help = if near.is_none() { "; `operator status --all` lists all".to_owned() } else { did_you_mean(near) };
            Err(Failure::new(format!("there is no run {run}{help}")))
        }
        (None, several) => {
            let ids: Vec<_> = several.iter().take(5).map(|row| row.id.as_str()).collect();
            let more = if several.len() > ids.len() { ", …" } else { "" };
            Err(Failure::new(format!("{run} may be one of {} runs: {}{more}", several.len(), ids.join(", "))))
        }
    }
}

pub(super) fn did_you_mean(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

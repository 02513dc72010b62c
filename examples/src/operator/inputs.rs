//! The files the operator is given, and what is told when one is not what it should be.

use std::path::Path;
use std::sync::Arc;

use provisionr_adapters::http::ReqwestTransport;
use provisionr_adapters::systems::Systems;
use provisionr_core::{Adapter, Event, FileDirectory, MemoryDirectory, PlanSet, Provisioner, ProvisionerBuilder, Rules, StoreError};
use provisionr_sqlite::SqliteStore;

use super::arguments::Host;
use super::failure::Failure;

/// The adapters of a systems file. Nothing is sent.
pub(super) fn systems(path: &Path) -> Result<Vec<Arc<dyn Adapter>>, Failure> {
    let systems = Systems::load(path).map_err(Failure::of)?;
    let http = ReqwestTransport::with_defaults().map_err(Failure::of)?;
    systems.connect(&http).map_err(Failure::of)
}

/// A host without a store yet: its systems and rules are read, and every mistake in both is told.
pub(super) fn host(host: &Host) -> Result<(Vec<Arc<dyn Adapter>>, Rules), Failure> {
    match (systems(&host.systems), Rules::load_dir(&host.rules).map_err(Failure::of)) {
        (Ok(systems), Ok(rules)) => Ok((systems, rules)),
        (Err(one), Err(two)) => Err(one.and(&two)),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
    }
}

/// A store that is there already; looking at one makes none.
pub(super) async fn existing(path: &Path) -> Result<SqliteStore, Failure> {
    if !path.exists() {
        return Err(Failure::new(format!("there is no store {}; `operator apply` makes one", path.display())));
    }
    open(path).await
}

/// A store, made when it is not there.
pub(super) async fn open(path: &Path) -> Result<SqliteStore, Failure> {
    SqliteStore::open(path).await.map_err(|error| match error {
        error @ StoreError::Newer { .. } => Failure::new(format!("{}: {error}; use the version that wrote it, or a newer one", path.display())),
        error => Failure::of(error),
    })
}

/// A host that looks at its store only.
pub(super) async fn looking(path: &Path) -> Result<Provisioner, Failure> {
    build(Provisioner::builder(existing(path).await?, MemoryDirectory::default()))
}

/// Checks one thing against the other.
pub(super) fn build(builder: ProvisionerBuilder) -> Result<Provisioner, Failure> {
    builder.build().map_err(Failure::of)
}

/// An event of the HR system.
pub(super) fn event(path: &Path) -> Result<Event, Failure> {
    let bytes = read(path)?;
    Event::from_json(&bytes).map_err(|error| Failure::new(format!("{}: {error}{}", path.display(), instead(path, &bytes, Sort::Event))))
}

/// Everybody there is.
pub(super) fn people(path: &Path) -> Result<FileDirectory, Failure> {
    FileDirectory::load(path).map_err(|error| {
        let help = read(path).map(|bytes| instead(path, &bytes, Sort::People)).unwrap_or_default();
        Failure::new(format!("{error}{help}"))
    })
}

/// A saved plan.
pub(super) fn plan(path: &Path) -> Result<PlanSet, Failure> {
    let bytes = read(path)?;
    PlanSet::from_json(&bytes).map_err(|error| {
        let help = match instead(path, &bytes, Sort::Plan) {
            help if help.is_empty() => "; `operator plan --out FILE` saves one".to_owned(),
            help => help,
        };
        Failure::new(format!("{}: this is no saved plan that can be read: {error}{help}", path.display()))
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::new(format!("{}: the file cannot be read: {error}", path.display())))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Event,
    People,
    Plan,
}

/// What a file is that was given for another: how to give it.
fn instead(path: &Path, bytes: &[u8], wanted: Sort) -> String {
    let is = |sort: Sort| {
        sort != wanted
            && match sort {
                Sort::Event => Event::from_json(bytes).is_ok(),
                Sort::People => FileDirectory::load(path).is_ok_and(|people| !people.is_empty()),
                Sort::Plan => PlanSet::from_json(bytes).is_ok(),
            }
    };
    let sorts = [
        (Sort::Event, "an event: give it with --event"),
        (Sort::Plan, "a saved plan: give it to `apply` with --plan"),
        (Sort::People, "a list of people: give it with --people"),
    ];
    sorts.into_iter().find(|(sort, _)| is(*sort)).map(|(_, what)| format!("; the file is {what}")).unwrap_or_default()
}

//! `operator plan`.

use std::io::Write as _;
use std::path::Path;

use provisionr_core::{MemoryDirectory, MemoryStore, Plan, PlanSet, Provisioner, Standing};

use super::arguments::{self, PlanFormat};
use super::failure::Failure;
use super::inputs;
use super::output::{say, tell};

pub(super) async fn plan(arguments: &arguments::Plan) -> Result<Standing, Failure> {
    let (systems, rules) = inputs::host(&arguments.host)?;
    let (event, people) = (arguments.event.as_deref().map(inputs::event).transpose()?, arguments.people.as_deref().map(inputs::people).transpose()?);
    // A plan changes nothing, and so makes no store.
    let store = &arguments.store.store;
    let builder = match (store.exists(), people) {
        (true, None) => Provisioner::builder(inputs::existing(store).await?, MemoryDirectory::default()),
        (true, Some(people)) => Provisioner::builder(inputs::existing(store).await?, people),
        (false, None) => Provisioner::builder(MemoryStore::new(), MemoryDirectory::default()),
        (false, Some(people)) => Provisioner::builder(MemoryStore::new(), people),
    };
    let access = inputs::build(builder.adapters(systems).rules(rules))?;
    let set = match &event {
        Some(event) => {
            if let Some(run) = access.run_of(event.id()).await? {
                tell(&format!("event {} has led to {run} already; applying it again is that run", event.id()));
            }
            access.plan_event(event).await?
        }
        None => access.plan_people().await?,
    };
    match arguments.format {
        PlanFormat::Text => say_text(&set),
        PlanFormat::Json => say(&set.to_json()?),
        PlanFormat::Dot => say(&one(&set)?.to_dot()),
        PlanFormat::Mermaid => say(&one(&set)?.to_mermaid()),
    }
    if let Some(out) = &arguments.out {
        save(&set, out)?;
        tell(&format!("the plan {} is saved in {}; `operator apply --plan {}` applies it just as it is", set.digest()?.short(), out.display(), out.display()));
    }
    Ok(if set.plans.iter().any(|planned| !planned.plan.blocked.is_empty()) { Standing::Failed } else { Standing::Done })
}

fn say_text(set: &PlanSet) {
    let text = set.to_string();
    say(if text.is_empty() { "nobody needs anything" } else { &text });
    let blocked: usize = set.plans.iter().map(|planned| planned.plan.blocked.len()).sum();
    if blocked > 0 {
        tell(&format!("{blocked} of what is wanted could not be planned; mend the cause, and plan again"));
    }
}

fn one(set: &PlanSet) -> Result<&Plan, Failure> {
    match set.plans.as_slice() {
        [planned] => Ok(&planned.plan),
        [] => Err(Failure::new("there is no plan to draw: nobody needs anything")),
        several => Err(Failure::new(format!("there are {} plans, and a picture shows one; use --format text or json", several.len()))),
    }
}

/// Written beside its place and put there when it is whole; for its owner alone, for it holds personal data.
fn save(set: &PlanSet, path: &Path) -> Result<(), Failure> {
    let wrong = |error: std::io::Error| Failure::new(format!("the plan cannot be saved in {}: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A temporary file can be read by its owner alone from the beginning.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(wrong)?;
    file.write_all(set.to_json()?.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(wrong)?;
    file.persist(path).map_err(|error| wrong(error.error))?;
    Ok(())
}

//! `operator validate`.

use provisionr_core::{MemoryDirectory, MemoryStore, Provisioner, Standing, SystemCheck};

use super::arguments::Validate;
use super::failure::Failure;
use super::inputs;
use super::output::say;

pub(super) async fn validate(arguments: &Validate) -> Result<Standing, Failure> {
    let (systems, rules) = inputs::host(&arguments.host)?;
    let names: Vec<_> = systems.iter().map(|adapter| adapter.descriptor().system.to_string()).collect();
    let access = inputs::build(Provisioner::builder(MemoryStore::new(), MemoryDirectory::default()).adapters(systems).rules(rules))?;
    let policies = access.rules().rules().policies().len();
    say(&format!(
        "{} ({}) and {} fit together; the rules are {}",
        counted(names.len(), "system", "systems"),
        names.join(", "),
        counted(policies, "policy", "policies"),
        access.rules().revision().short(),
    ));
    if !arguments.online {
        return Ok(Standing::Done);
    }
    let mut standing = Standing::Done;
    for SystemCheck { system, check, .. } in access.check_systems().await {
        match check {
            Ok(check) if check.lacking.is_empty() => say(&format!("{system}: the credential can do all it is needed for")),
            Ok(check) => {
                standing = Standing::Failed;
                for (ability, why) in &check.lacking {
                    say(&format!("{system}: the credential cannot {ability}: {why}"));
                }
            }
            Err(error) => {
                standing = Standing::Failed;
                say(&format!("{system}: {}", Failure::of(error)));
            }
        }
    }
    Ok(standing)
}

fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

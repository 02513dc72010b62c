//! `operator decide`.

use provisionr_core::run::Decision;
use provisionr_core::{AccessError, Actor, OperationId, Standing};

use super::arguments::Decide;
use super::failure::Failure;
use super::look::no_such_operation;
use super::output::say;
use super::{inputs, runs};

pub(super) async fn decide(arguments: &Decide) -> Result<Standing, Failure> {
    let access = inputs::looking(&arguments.store.store).await?;
    let run = runs::named(&access, &arguments.run).await?;
    for (text, name) in [(&arguments.by, "--by"), (&arguments.why, "--why")] {
        if text.trim().is_empty() {
            return Err(Failure::new(format!("{name} is empty; the audit log has to say who decided, and why")));
        }
    }
    let decision = match (arguments.done, arguments.retry) {
        (true, _) => Decision::Done,
        (_, true) => Decision::Retry,
        _ => Decision::Skip,
    };
    let operation = OperationId::new(arguments.operation.as_str());
    match access.decide(&run, &operation, decision, Actor::person(&arguments.by), &arguments.why).await {
        Err(AccessError::NothingToDecide { .. }) => {
            let report = access.report(&run).await?;
            let known: Vec<_> = report.operations.iter().map(|line| line.operation.to_string()).collect();
            let Some(line) = report.operations.iter().find(|line| line.operation == operation) else {
                return Err(no_such_operation(&arguments.operation, &known));
            };
            if report.is_settled() {
                return Err(Failure::new(format!("{run} is over: there is nothing to decide about it any more")));
            }
            let detail = if line.detail.is_empty() { String::new() } else { format!(" — {}", line.detail) };
            return Err(Failure::new(format!(
                "`{operation}` of {run} is {}{detail}; as it stands, it is not {decision}: a person decides about what is stuck, or waits to be done by hand",
                line.status
            )));
        }
        decided => decided?,
    }
    say(&format!("{} of {run} is {decision}; it takes effect when the run is moved next: `operator resume`", arguments.operation));
    Ok(Standing::Done)
}

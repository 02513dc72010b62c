//! The program `operator`: plans, applies, resumes and explains runs, from files.
//!
//! All it knows is how to read arguments and files, and how to show what the library says.

mod apply;
mod arguments;
mod decide;
mod drive;
mod failure;
mod inputs;
mod look;
mod output;
mod plan;
mod runs;
mod validate;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use provisionr_core::Standing;

use arguments::{Arguments, Command};
use failure::Failure;
use output::tell;

/// Runs the program with these arguments, its name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            // Something that waits is 2, and nothing else.
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    let default = if arguments.verbose { "info" } else { "error" };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| default.into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let done = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::of);
    match done.and_then(|runtime| runtime.block_on(run(arguments))) {
        Ok(standing) => code(standing),
        Err(failure) => {
            let text = failure.to_string();
            // Those of the rules begin with the word already.
            tell(&if text.starts_with("error") { text } else { format!("error: {text}") });
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<Standing, Failure> {
    let detail = if arguments.verbose { output::Detail::Full } else { output::Detail::Brief };
    match &arguments.command {
        Command::Validate(arguments) => validate::validate(arguments).await,
        Command::Plan(arguments) => plan::plan(arguments).await,
        Command::Apply(arguments) => apply::apply(arguments, detail).await,
        Command::Resume(arguments) => apply::resume(arguments, detail).await,
        Command::Status(arguments) => look::status(arguments, detail).await,
        Command::Explain(arguments) => look::explain(arguments).await,
        Command::Audit(arguments) => look::audit(arguments).await,
        Command::Decide(arguments) => decide::decide(arguments).await,
    }
}

fn code(standing: Standing) -> ExitCode {
    match standing {
        Standing::Done => ExitCode::SUCCESS,
        Standing::Waiting => ExitCode::from(2),
        Standing::Failed => ExitCode::FAILURE,
    }
}

//! What the operator is told.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

const AFTER_HELP: &str = "\
Exit codes:
  0  all of it is done
  1  something failed, could not be planned, or a person has to decide; or the command was wrong
  2  something waits: what and until when is printed

Credentials are never given here: the systems file names the environment variables or files that hold them.";

/// Plans, applies and explains access across systems.
#[derive(Debug, Parser)]
#[command(name = "operator", after_help = AFTER_HELP, arg_required_else_help = true)]
pub(super) struct Arguments {
    /// What is to be done.
    #[command(subcommand)]
    pub(super) command: Command,
    /// Says more on stderr, and shows every report in full. RUST_LOG is heeded as well.
    #[arg(long, short, global = true)]
    pub(super) verbose: bool,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Checks systems and rules, and one against the other. All mistakes are told at once.
    Validate(Validate),
    /// Shows what would be done; changes nothing. Exit 0 when all of it could be planned, also when nothing has to be done;
    /// 1 when something could not.
    Plan(Plan),
    /// Plans and submits, or submits a saved plan just as it is, then moves runs until each is over or waits.
    Apply(Apply),
    /// Moves every unfinished run until each is over or waits.
    Resume(Resume),
    /// Shows how runs stand: those that are not finished, and the last that are. The exit code is of what is shown; a finished
    /// run counts while it is the newest of its subject.
    Status(Status),
    /// Shows of each operation why it is there, what it waits for, what happened and what follows.
    Explain(Explain),
    /// Shows who did what, when and why; with --verify, checks that nothing of it was changed afterwards.
    Audit(Audit),
    /// Tells what a person decides about an operation that is stuck, or that was done by hand.
    Decide(Decide),
}

/// The host's configuration.
#[derive(Debug, Args)]
pub(super) struct Host {
    /// Which systems there are, and where their credentials are.
    #[arg(long, value_name = "FILE")]
    pub(super) systems: PathBuf,
    /// The folder with the rules.
    #[arg(long, value_name = "DIR")]
    pub(super) rules: PathBuf,
}

/// Where runs are kept.
#[derive(Debug, Args)]
pub(super) struct Store {
    /// The SQLite file that keeps the runs.
    #[arg(long, value_name = "FILE")]
    pub(super) store: PathBuf,
}

/// How long is driven.
#[derive(Debug, Args)]
pub(super) struct Driving {
    /// How far off a retry may be to be waited for; what is later is left for `resume`.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(super) patience: Duration,
    /// How the reports are shown.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|_| format!("`{text}` is no whole number of seconds"))
}

/// `validate`.
#[derive(Debug, Args)]
pub(super) struct Validate {
    #[command(flatten)]
    pub(super) host: Host,
    /// Also asks each system what the credential can do there.
    #[arg(long)]
    pub(super) online: bool,
}

/// `plan`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true))]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) host: Host,
    #[command(flatten)]
    pub(super) store: Store,
    /// An event of the HR system, in JSON.
    #[arg(long, value_name = "FILE", group = "what")]
    pub(super) event: Option<PathBuf>,
    /// Everybody there is, in YAML or JSON.
    #[arg(long, value_name = "FILE", group = "what")]
    pub(super) people: Option<PathBuf>,
    /// How it is shown; `dot` and `mermaid` show one plan.
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    pub(super) format: PlanFormat,
    /// Saves the plan for `apply --plan`. It holds personal data: only its owner can read the file.
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// `apply`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true))]
pub(super) struct Apply {
    #[command(flatten)]
    pub(super) host: Host,
    #[command(flatten)]
    pub(super) store: Store,
    /// An event of the HR system, in JSON.
    #[arg(long, value_name = "FILE", group = "what")]
    pub(super) event: Option<PathBuf>,
    /// Everybody there is, in YAML or JSON.
    #[arg(long, value_name = "FILE", group = "what")]
    pub(super) people: Option<PathBuf>,
    /// A plan that `plan --out` saved; it is applied exactly, or refused.
    #[arg(long, value_name = "FILE", group = "what")]
    pub(super) plan: Option<PathBuf>,
    /// Only submits; `resume` moves the runs.
    #[arg(long)]
    pub(super) detach: bool,
    /// Who asks for it, for the audit log; the service `operator` unless given.
    #[arg(long, value_name = "NAME")]
    pub(super) by: Option<String>,
    #[command(flatten)]
    pub(super) driving: Driving,
}

/// `resume`.
#[derive(Debug, Args)]
pub(super) struct Resume {
    #[command(flatten)]
    pub(super) host: Host,
    #[command(flatten)]
    pub(super) store: Store,
    #[command(flatten)]
    pub(super) driving: Driving,
}

/// Which runs are looked at.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Only this run; the beginning of its id is enough.
    #[arg(long, value_name = "RUN")]
    pub(super) run: Option<String>,
    /// Only runs of this subject.
    #[arg(long, value_name = "ID")]
    pub(super) subject: Option<String>,
    /// How it is shown.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

/// `status`.
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    pub(super) store: Store,
    #[command(flatten)]
    pub(super) which: Which,
    /// All runs, not only the last of those that are finished.
    #[arg(long)]
    pub(super) all: bool,
}

/// `explain`.
#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    pub(super) store: Store,
    #[command(flatten)]
    pub(super) which: Which,
    /// Only this operation, by the id that `explain` shows.
    #[arg(long, value_name = "OPERATION")]
    pub(super) operation: Option<String>,
}

/// `audit`.
#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(flatten)]
    pub(super) store: Store,
    #[command(flatten)]
    pub(super) which: Which,
    /// Checks the chain of each run, and says where it breaks.
    #[arg(long)]
    pub(super) verify: bool,
}

/// `decide`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("decision").required(true))]
pub(super) struct Decide {
    #[command(flatten)]
    pub(super) store: Store,
    /// The run; the beginning of its id is enough.
    #[arg(long, value_name = "RUN")]
    pub(super) run: String,
    /// The operation, by the id that `explain` shows.
    #[arg(long, value_name = "OPERATION")]
    pub(super) operation: String,
    /// It holds: somebody has done it, or has seen it.
    #[arg(long, group = "decision")]
    pub(super) done: bool,
    /// It is tried again.
    #[arg(long, group = "decision")]
    pub(super) retry: bool,
    /// It is given up, and with it what depends on it.
    #[arg(long, group = "decision")]
    pub(super) skip: bool,
    /// Who decides, for the audit log.
    #[arg(long, value_name = "NAME")]
    pub(super) by: String,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT")]
    pub(super) why: String,
}

/// How something is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How a plan is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PlanFormat {
    /// For people.
    Text,
    /// For programs; what `--out` saves.
    Json,
    /// For Graphviz.
    Dot,
    /// For Mermaid.
    Mermaid,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_sound() {
        super::Arguments::command().debug_assert();
    }
}

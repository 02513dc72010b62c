//! Live progress: one line an operation on a terminal, one line a change in a pipe.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use provisionr_core::run::{Ours, Phase};
use provisionr_core::{OperationId, Progress, Report, Status};

/// Shows how operations stand.
#[derive(Debug)]
pub struct Lines {
    bars: Option<MultiProgress>,
    lines: Mutex<HashMap<OperationId, ProgressBar>>,
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

impl Lines {
    /// For whatever standard output is.
    pub fn new() -> Self {
        Self { bars: std::io::stdout().is_terminal().then(MultiProgress::new), lines: Mutex::default() }
    }

    /// Lays out a line for each operation of a run.
    pub fn begin(&self, report: &Report) {
        let Some(bars) = &self.bars else { return };
        let style = ProgressStyle::with_template("{spinner} {prefix:<55} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()).tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏✓");
        for line in &report.operations {
            let bar = bars.add(ProgressBar::new_spinner().with_style(style.clone()).with_prefix(format!("{:<6} {}", line.system, line.title)));
            if line.status == Status::Done {
                bar.finish_with_message("done before");
            } else {
                bar.set_message(line.detail.clone());
            }
            self.lines.lock().unwrap_or_else(PoisonError::into_inner).insert(line.operation.clone(), bar);
        }
    }

    /// Shows a change.
    #[expect(clippy::print_stdout, reason = "this is what the example is for")]
    pub fn show(&self, progress: &Progress) {
        let Progress::Operation { system, operation, title, phase, attempts, trouble, .. } = progress else { return };
        let trouble = trouble.as_deref().unwrap_or_default();
        let words = match phase {
            Phase::Open if *attempts > 1 => format!("trying, attempt {attempts}"),
            Phase::Open => "trying".to_owned(),
            Phase::Done { ours: Ours::Made, .. } => "done".to_owned(),
            Phase::Done { .. } => "done: it was so already".to_owned(),
            Phase::Doubt(at) => format!("{trouble}: looking before repeating, at {at}"),
            Phase::Ready(Some(at)) => format!("{trouble}: again at {at}"),
            Phase::Waiting { wait, .. } => format!("waiting ({:?})", wait.reason),
            Phase::Failed(why) | Phase::Stuck(why) | Phase::Dropped(why) => format!("failed: {why}"),
            _ => phase.name().to_owned(),
        };
        if self.bars.is_none() {
            println!("{system:<6} {title}: {words}");
            return;
        }
        if let Some(bar) = self.lines.lock().unwrap_or_else(PoisonError::into_inner).get(operation) {
            match phase {
                phase if phase.is_final() => bar.finish_with_message(words),
                _ => {
                    bar.set_message(words);
                    bar.enable_steady_tick(Duration::from_millis(80));
                }
            }
        }
    }

    /// Says something between the lines.
    #[expect(clippy::print_stdout, reason = "this is what the example is for")]
    pub fn note(&self, words: &str) {
        match &self.bars {
            Some(bars) => drop(bars.println(words)),
            None => println!("{words}"),
        }
    }

    /// Leaves the lines as they are.
    pub fn end(&self) {
        for bar in self.lines.lock().unwrap_or_else(PoisonError::into_inner).values() {
            bar.abandon();
        }
    }
}

//! Live progress: one line an operation on a terminal, one line a change in a pipe.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use provisionr_core::run::{Ours, Phase};
use provisionr_core::{OperationId, Progress, Report, RunId, Status, waiting_for};

/// So many operations are laid out line by line on a terminal; more share one bar.
const LAID_OUT: usize = 40;

/// Shows how operations stand.
#[derive(Debug)]
pub struct Lines {
    way: Way,
    lines: Mutex<HashMap<(RunId, OperationId), ProgressBar>>,
    /// Several runs are shown: each line says whom it is for.
    several: AtomicBool,
}

#[derive(Debug)]
enum Way {
    Silent,
    Pipe,
    Terminal { bars: MultiProgress, whole: ProgressBar },
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

impl Lines {
    /// For whatever standard output is.
    pub fn new() -> Self {
        let way = if std::io::stdout().is_terminal() { Way::Terminal { bars: MultiProgress::new(), whole: ProgressBar::hidden() } } else { Way::Pipe };
        Self { way, lines: Mutex::default(), several: AtomicBool::new(false) }
    }

    /// Shows nothing.
    pub fn silent() -> Self {
        Self { way: Way::Silent, lines: Mutex::default(), several: AtomicBool::new(false) }
    }

    /// Lays out the operations of these runs: a line for each, or one bar for very many.
    pub fn begin(&self, reports: &[Report]) {
        self.several.store(reports.len() > 1, Ordering::Relaxed);
        let Way::Terminal { bars, whole } = &self.way else { return };
        let operations: usize = reports.iter().map(|report| report.operations.len()).sum();
        if operations > LAID_OUT {
            let style = ProgressStyle::with_template("{bar:40} {pos} of {len} operations").unwrap_or_else(|_| ProgressStyle::default_bar());
            whole.set_style(style);
            whole.set_length(operations as u64);
            whole.set_position(reports.iter().map(|report| report.count(Status::Done) as u64).sum());
            bars.add(whole.clone());
            return;
        }
        let style = ProgressStyle::with_template("{spinner} {prefix:<55} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()).tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏✓");
        for report in reports {
            for line in &report.operations {
                let whom = if reports.len() > 1 { format!("{} ", report.subject) } else { String::new() };
                let prefix = format!("{whom}{:<6} {}", line.system, line.title);
                let bar = bars.add(ProgressBar::new_spinner().with_style(style.clone()).with_prefix(prefix));
                if line.status == Status::Done {
                    bar.finish_with_message("done before");
                } else {
                    bar.set_message(line.detail.clone());
                }
                self.lines.lock().unwrap_or_else(PoisonError::into_inner).insert((report.run.clone(), line.operation.clone()), bar);
            }
        }
    }

    /// Shows a change.
    pub fn show(&self, progress: &Progress) {
        let Progress::Operation { run, subject, system, operation, title, phase, attempts, trouble, .. } = progress else { return };
        let words = words(phase, *attempts, trouble.as_deref().unwrap_or_default());
        let whom = if self.several.load(Ordering::Relaxed) { format!("{subject} ") } else { String::new() };
        let Way::Terminal { whole, .. } = &self.way else {
            return self.note(&format!("{whom}{system:<6} {title}: {words}"));
        };
        if let Some(bar) = self.lines.lock().unwrap_or_else(PoisonError::into_inner).get(&(run.clone(), operation.clone())) {
            match phase {
                phase if phase.is_final() => bar.finish_with_message(words),
                _ => {
                    bar.set_message(words);
                    bar.enable_steady_tick(Duration::from_millis(80));
                }
            }
            return;
        }
        if phase.is_final() {
            whole.inc(1);
        }
        if matches!(phase, Phase::Doubt(_) | Phase::Ready(Some(_)) | Phase::Waiting { .. } | Phase::Failed(_) | Phase::Stuck(_) | Phase::Dropped(_)) {
            self.note(&format!("{whom}{system:<6} {title}: {words}"));
        }
    }

    /// Says something between the lines. Whoever reads it may be gone; work goes on then.
    pub fn note(&self, words: &str) {
        match &self.way {
            Way::Terminal { bars, .. } => drop(bars.println(words)),
            Way::Pipe => drop(writeln!(std::io::stdout(), "{words}")),
            Way::Silent => {}
        }
    }

    /// Leaves the lines as they are.
    pub fn end(&self) {
        for bar in self.lines.lock().unwrap_or_else(PoisonError::into_inner).values() {
            bar.abandon();
        }
        if let Way::Terminal { whole, .. } = &self.way {
            whole.abandon();
        }
    }
}

fn words(phase: &Phase, attempts: u32, trouble: &str) -> String {
    match phase {
        Phase::Open if attempts > 1 => format!("trying, attempt {attempts}"),
        Phase::Open => "trying".to_owned(),
        Phase::Done { ours: Ours::Made, .. } => "done".to_owned(),
        Phase::Done { .. } => "done: it was so already".to_owned(),
        Phase::Doubt(at) => format!("{trouble}: looking before repeating, at {at}"),
        Phase::Ready(Some(at)) if trouble.is_empty() => format!("its time comes at {at}"),
        Phase::Ready(Some(at)) => format!("{trouble}: again at {at}"),
        Phase::Waiting { wait, look_at, .. } => format!("waits for {}, looked at again at {look_at}", waiting_for(wait.reason)),
        Phase::Stuck(why) => format!("a person has to decide: {why}"),
        Phase::Failed(why) => format!("failed: {why}"),
        Phase::Dropped(why) => format!("given up: {why}"),
        other => other.name().to_owned(),
    }
}

//! Live progress: one line an operation on a terminal, one line a change in a pipe.

use std::collections::{HashMap, HashSet};
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use provisionr_core::run::{Ours, Phase};
use provisionr_core::{OperationId, Progress, Report, RunId, Status, Timestamp, waiting_for};

/// So many operations are laid out line by line on a terminal; more share one bar.
const LAID_OUT: usize = 40;

/// Shows how operations stand.
#[derive(Debug)]
pub struct Lines {
    way: Way,
    lines: Mutex<HashMap<(RunId, OperationId), ProgressBar>>,
    /// Several runs are shown: each line says whom it is for.
    several: AtomicBool,
    /// What has waited for something outside: that it is there at last was nothing to do, and is not "so already".
    waited: Mutex<HashSet<(RunId, OperationId)>>,
    /// The longest name of a system.
    width: AtomicUsize,
}

/// Names of systems that are shorter than this are not told apart by their length.
const NARROW: usize = 6;

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
        Self::by(way)
    }

    fn by(way: Way) -> Self {
        Self { way, lines: Mutex::default(), several: AtomicBool::new(false), waited: Mutex::default(), width: AtomicUsize::new(NARROW) }
    }

    /// Shows nothing.
    pub fn silent() -> Self {
        Self::by(Way::Silent)
    }

    /// Lays out the operations of these runs: a line for each, or one bar for very many.
    pub fn begin(&self, reports: &[Report]) {
        self.several.store(reports.len() > 1, Ordering::Relaxed);
        let longest = reports.iter().flat_map(|report| &report.operations).map(|line| line.system.as_str().chars().count()).max().unwrap_or(NARROW);
        let width = longest.max(NARROW);
        self.width.store(width, Ordering::Relaxed);
        let mut waited = self.waited.lock().unwrap_or_else(PoisonError::into_inner);
        for report in reports {
            let waiting = report.operations.iter().filter(|line| line.status == Status::Waiting);
            waited.extend(waiting.map(|line| (report.run.clone(), line.operation.clone())));
        }
        drop(waited);
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
        let style = ProgressStyle::with_template("{spinner} {prefix:<60} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()).tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏✓");
        for report in reports {
            for line in &report.operations {
                let whom = if reports.len() > 1 { format!("{} ", report.subject) } else { String::new() };
                let prefix = format!("{whom}{:<width$} {}", line.system, line.title);
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
        let Progress::Operation { run, subject, system, operation, title, phase, attempts, trouble, at, .. } = progress else { return };
        let width = self.width.load(Ordering::Relaxed);
        let mut waited = self.waited.lock().unwrap_or_else(PoisonError::into_inner);
        let words = match phase {
            Phase::Done { .. } if waited.remove(&(run.clone(), operation.clone())) => "done".to_owned(),
            phase => words(phase, *attempts, trouble.as_deref().unwrap_or_default(), *at),
        };
        if matches!(phase, Phase::Waiting { .. }) {
            waited.insert((run.clone(), operation.clone()));
        }
        drop(waited);
        let whom = if self.several.load(Ordering::Relaxed) { format!("{subject} ") } else { String::new() };
        let line = || format!("{whom}{system:<width$} {title}: {words}");
        let Way::Terminal { whole, .. } = &self.way else {
            // What begins well is told when it is done, and what is repeated at once when it is repeated.
            let soon = matches!(phase, Phase::Open if *attempts <= 1) || matches!(phase, Phase::Ready(Some(due)) if due <= at);
            if !soon {
                self.note(&line());
            }
            return;
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
            self.note(&line());
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

/// How long it is until then, and when that is.
fn when(at: Timestamp, now: Timestamp) -> String {
    let left = at.since(now).as_millis().div_ceil(1000);
    let clock = Timestamp::from_millis(at.as_millis().div_euclid(1000) * 1000);
    match left {
        0..120 => format!("in {left} s"),
        120..7200 => format!("in {} min, at {clock}", left / 60),
        _ => format!("at {clock}"),
    }
}

fn words(phase: &Phase, attempts: u32, trouble: &str, now: Timestamp) -> String {
    match phase {
        Phase::Open if attempts > 1 => format!("trying, attempt {attempts}"),
        Phase::Open => "trying".to_owned(),
        Phase::Done { ours: Ours::Made, .. } => "done".to_owned(),
        Phase::Done { .. } => "done: it was so already".to_owned(),
        Phase::Doubt(at) => format!("{trouble}: looking before repeating, {}", when(*at, now)),
        Phase::Ready(Some(at)) if trouble.is_empty() => format!("its time comes {}", when(*at, now)),
        Phase::Ready(Some(at)) => format!("{trouble}: again {}", when(*at, now)),
        Phase::Waiting { wait, .. } => format!("waits for {}", waiting_for(wait.reason)),
        Phase::Stuck(why) => format!("a person has to decide: {why}"),
        Phase::Failed(why) => format!("failed: {why}"),
        Phase::Dropped(why) => format!("given up: {why}"),
        other => other.name().to_owned(),
    }
}

//! Moves runs, and stops when it is asked to.

use std::pin::pin;
use std::time::Duration;

use provisionr_core::{Provisioner, StoreError};

use super::failure::Failure;
use super::output::tell;
use crate::progress::Lines;

/// Why driving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Every run is over, or waits.
    Quiet,
    /// Somebody stopped it.
    Stopped,
    /// Another process drives the store.
    Busy,
}

/// Drives until every run is over or waits. A signal lets what is under way come to an end; a second one does not: what was
/// under way is looked at by whoever goes on.
pub(super) async fn drive(access: &Provisioner, patience: Duration, lines: &Lines) -> Result<Ended, Failure> {
    let mut signals = Signals::new().map_err(Failure::of)?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut driving = pin!(access.driver().run_until_quiet(patience, async { drop(stopped.await) }));
    let driven = tokio::select! {
        driven = &mut driving => driven.map(|()| Ended::Quiet),
        () = signals.next() => {
            lines.note("stopping: what is under way comes to an end");
            drop(stop);
            tokio::select! {
                driven = &mut driving => driven.map(|()| Ended::Stopped),
                () = signals.next() => Ok(Ended::Stopped),
            }
        }
    };
    lines.end();
    match driven {
        Err(StoreError::Busy) => {
            tell("another process drives this store, and moves its runs: look at them with `operator status`, or let it end and use `operator resume`");
            Ok(Ended::Busy)
        }
        driven => Ok(driven?),
    }
}

#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        drop(tokio::signal::ctrl_c().await);
    }
}

//! The run machine: pure, without clock and I/O.
//!
//! A run's journal is a list of [`Transition`]s; its state is their fold. [`RunState::apply`] holds to one table of
//! legal transitions, live and on replay; [`RunState::take_due`] says what may be done now. Whatever configuration
//! influences is decided once, recorded in [`Then`], and never computed again.

mod journal;
mod message;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod transition;

pub use journal::{JOURNAL_FORMAT, JournalError, decode, encode, link, replay, verify};
pub use message::Message;
pub use state::{IllegalTransition, RunState, Step};
pub use table::{OpenAttempt, OperationState, Ours, Phase};
pub use transition::{Decision, Ending, Failure, Seen, Then, Transition};

//! The fake of Slack: its answers, its refusals, its limits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod answers;
mod client;
#[cfg(feature = "descriptions")]
mod description;

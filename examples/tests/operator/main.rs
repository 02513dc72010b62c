//! The operator as people and pipelines start it, against fakes in another process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, unreachable_pub, missing_docs)]

mod faults;
mod misuse;
mod readme;
mod stage;
mod stories;

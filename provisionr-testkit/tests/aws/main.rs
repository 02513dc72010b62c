//! The fake of AWS IAM Identity Center: its answers, its signatures, its refusals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[cfg(feature = "descriptions")]
mod description;
mod fake;

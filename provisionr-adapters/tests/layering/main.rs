//! The house rules that no compiler holds: who may depend on whom, which way imports run inside a crate, what never
//! shows in a public signature, and what library code does not do.
//!
//! Each checker works on plain text, so that it can be tried on small samples with a violation planted in them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod crates;
mod floors;
mod forbidden;
mod signatures;
mod source;

fn none(violations: impl IntoIterator<Item = String>) {
    let violations: Vec<_> = violations.into_iter().collect();
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

//! Invitations and what becomes of them, access from several sources, refusals that mislead, limits, and how an app enters.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod entry;
mod grants;
mod limits;
mod lists;
mod world;

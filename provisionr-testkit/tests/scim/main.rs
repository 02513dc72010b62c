//! The SCIM fake as a client sees it, over the in-memory front end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod client;
mod description;
mod service;

//! Rules from YAML to desired access, as a host uses them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod access;
mod account_errors;
mod errors;
mod files;
mod founding;
mod guide;
mod lifecycle_errors;
mod logins;
mod properties;
mod schema;
mod systems;
mod topology;
mod triggers;

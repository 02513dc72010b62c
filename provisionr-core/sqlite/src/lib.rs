//! SQLite store for provisionr.

mod apply;
mod driver;
mod error;
mod lease;
mod open;
mod read;
mod row;
mod schema;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub use store::{SqliteOptions, SqliteStore};

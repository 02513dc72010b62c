#![doc = include_str!("../README.md")]

mod accounts;
mod adapter;
mod config;
mod errors;
mod groups;
mod org_units;
mod profile;
mod settings;
mod wire;

pub use adapter::Google;
pub use config::{ConflictingAccounts, FirstPasswords, GoogleConfig};
pub use groups::{AddToGroup, GroupRole};
pub use org_units::MoveToOrgUnit;
pub use settings::Settings;

#![doc = include_str!("../README.md")]

mod accounts;
mod adapter;
mod assignments;
mod aws_accounts;
mod client;
mod config;
mod credentials;
mod errors;
mod groups;
mod jobs;
mod lists;
mod settings;
mod sign;
mod wire;

pub use adapter::IdentityCenter;
pub use assignments::AssignPermissionSet;
pub use config::{IdentityCenterConfig, IdentitySource};
pub use credentials::{AccessKeys, AccessKeysProvider};
pub use groups::AddToGroup;
pub use settings::Settings;

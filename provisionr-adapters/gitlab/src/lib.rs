#![doc = include_str!("../README.md")]

mod accounts;
mod adapter;
mod config;
mod errors;
mod invitations;
mod lists;
mod members;
mod places;
mod settings;
mod wire;

pub use adapter::Gitlab;
pub use config::{GitlabConfig, Identities};
pub use members::Membership;
pub use settings::Settings;

#![doc = include_str!("../README.md")]

mod accounts;
mod adapter;
mod check;
mod config;
mod errors;
mod groups;
mod roles;
mod settings;
mod sweep;
mod wire;

pub use adapter::Jira;
pub use config::JiraConfig;
pub use groups::AddToGroup;
pub use roles::AddToProjectRole;
pub use settings::Settings;

#![doc = include_str!("../README.md")]

mod accounts;
mod adapter;
mod channels;
mod config;
mod errors;
mod roles;
mod scim;
mod settings;
mod usergroups;
mod wire;

pub use adapter::Slack;
pub use channels::InviteToChannel;
pub use config::SlackConfig;
pub use roles::AssignWorkspaceRole;
pub use settings::Settings;
pub use usergroups::AddToUsergroup;

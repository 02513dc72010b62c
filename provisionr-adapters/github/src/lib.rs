#![doc = include_str!("../README.md")]

mod accounts;
mod adapter;
mod changes;
mod config;
mod credential;
mod enterprise;
mod errors;
mod lists;
mod look;
mod orgs;
mod repositories;
mod settings;
mod teams;
mod wire;

pub use adapter::Github;
pub use config::GithubConfig;
pub use orgs::OrgMembership;
pub use repositories::RepositoryAccess;
pub use settings::Settings;
pub use teams::TeamMembership;

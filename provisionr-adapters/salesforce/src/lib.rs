#![doc = include_str!("../README.md")]

mod accounts;
mod adapter;
mod api;
mod batch;
mod check;
mod config;
mod errors;
mod grants;
mod kinds;
mod lists;
mod sessions;
mod settings;
mod soql;
mod wire;

pub use adapter::Salesforce;
pub use config::{Regional, SalesforceConfig};
pub use kinds::{AddToPublicGroup, AssignPermissionSet, AssignPermissionSetGroup, AssignProfile, AssignRole};
pub use settings::Settings;

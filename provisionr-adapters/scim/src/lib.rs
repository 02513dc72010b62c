#![doc = include_str!("../README.md")]

mod accounts;
mod adapter;
mod check;
mod config;
mod groups;
mod settings;

pub use adapter::ScimService;
pub use config::{Memberships, Part, Quirks, ScimConfig};
pub use groups::AddToGroup;
pub use provisionr_http::scim::{Key, MemberRemoval, SwitchOff};
pub use settings::Settings;

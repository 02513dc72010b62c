#![doc = include_str!("../README.md")]

mod accounts;
mod adapter;
mod apps;
mod config;
mod errors;
mod groups;
mod rules;
mod settings;
mod wire;

pub use adapter::Okta;
pub use apps::AssignApp;
pub use config::{OktaConfig, SignIn};
pub use groups::AddToGroup;
pub use settings::Settings;

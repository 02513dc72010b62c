//! The cases, by what they are about.

mod account;
mod cost;
mod descriptor;
mod failure;
mod find;
mod gateway;
mod grant;
mod list;
mod look;
mod revoke;
mod traffic;

pub(super) use account::*;
pub(super) use cost::*;
pub(super) use descriptor::*;
pub(super) use failure::*;
pub(super) use find::*;
pub(super) use gateway::*;
pub(super) use grant::*;
pub(super) use list::*;
pub(super) use look::*;
pub(super) use revoke::*;
pub(super) use traffic::*;

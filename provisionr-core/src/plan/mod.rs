//! Plans: what they hold, how operations are ordered, how they are shown.

mod model;
mod order;
mod show;

pub(crate) use model::Basis;
pub use model::{Action, Blocked, Carried, OpenKey, Operation, OperationId, Plan, Verification, Written};
pub use order::OrderError;
pub(crate) use order::check_order;

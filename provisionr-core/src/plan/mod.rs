//! Plans: what they hold, how they come about, how operations are ordered, how they are shown.

mod build;
mod model;
mod order;
mod show;

pub(crate) use build::build;
pub use model::{Action, Blocked, Operation, OperationId, Plan};
pub use order::OrderError;
pub(crate) use order::check_order;

//! Plans: what they hold, how operations are ordered, how they are shown.

mod model;
mod order;
mod show;

pub use model::{Action, Blocked, Operation, OperationId, Plan};
pub use order::OrderError;
pub(crate) use order::{check_order, order};

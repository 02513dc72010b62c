//! The HTTP kit on which the adapters of provisionr, and those of other teams, are built.

mod transport;

pub use transport::{Sent, Transport, TransportError, TransportFailure};

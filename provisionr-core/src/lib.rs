//! The core of provisionr.

pub use provisionr_sdk as sdk;
pub use provisionr_sdk::*;

mod digest;
pub mod store;

pub use digest::{Digest, DigestError};

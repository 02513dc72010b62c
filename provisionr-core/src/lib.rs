//! The core of provisionr.

pub use provisionr_sdk as sdk;
pub use provisionr_sdk::*;

mod desired;
mod digest;
pub mod rules;
pub mod store;

pub use desired::{Clash, Contradiction, Covered, DesiredAccess, DesiredEntitlement, Reason, SystemAccess, desired};
pub use digest::{Digest, DigestError};
pub use rules::{CheckedRules, Diagnostic, DiagnosticCode, Rules, RulesError, Topology};

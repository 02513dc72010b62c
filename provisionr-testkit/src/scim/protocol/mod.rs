//! What all services that speak SCIM have in common: errors, lists, filters and patches (RFC 7643, RFC 7644). Resources are
//! JSON objects here; what they mean is the fake's.

mod attribute;
mod error;
mod filter;
mod list;
mod patch;

pub(crate) use error::Refusal;
pub(crate) use filter::Filter;
pub(crate) use list::{Cut, list, projected};
pub(crate) use patch::{Dialect, patch};

/// RFC 7643, section 4.1.
pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// RFC 7643, section 4.2.
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// RFC 7643, section 4.3.
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

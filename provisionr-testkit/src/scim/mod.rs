//! SCIM 2.0.

#[allow(dead_code, unused_imports, reason = "the fakes that use all of it come next")]
pub(crate) mod protocol;

//! The scale on which roles of different systems are compared.

use serde::{Deserialize, Serialize};

/// How much a role allows, on a scale common to all systems.
///
/// A role that is not on a scale has no level and is never compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Level {
    /// Nothing.
    None,
    /// Know that it is there.
    Browse,
    /// See what is in it.
    Read,
    /// Sort and label what others made.
    Triage,
    /// Change what is in it.
    Write,
    /// Change its settings, short of who may enter.
    Maintain,
    /// Everything, including who may enter.
    Admin,
}

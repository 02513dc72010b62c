//! Which types of systems a file may name, and whose settings they have.

use super::Factory;
#[cfg(any(feature = "google", feature = "okta"))]
use super::factory;

/// Each type by its name, which is that of its feature too; without a factory where the feature is off.
pub(super) const TYPES: &[(&str, Option<Factory>)] = &[
    #[cfg(feature = "google")]
    ("google", Some(factory::<provisionr_google::Settings>)),
    #[cfg(not(feature = "google"))]
    ("google", None),
    #[cfg(feature = "okta")]
    ("okta", Some(factory::<provisionr_okta::Settings>)),
    #[cfg(not(feature = "okta"))]
    ("okta", None),
];

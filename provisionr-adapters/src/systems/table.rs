//! Which types of systems a file may name, and whose settings they have.

use super::Factory;

/// Each type by its name, which is that of its feature too; without a factory where the feature is off.
macro_rules! types {
    ($($name:literal: $adapter:ident,)+) => {
        pub(super) const TYPES: &[(&str, Option<Factory>)] = &[$(
            #[cfg(feature = $name)]
            ($name, Some(super::factory::<$adapter::Settings>)),
            #[cfg(not(feature = $name))]
            ($name, None),
        )+];
    };
}

types! {
    "aws": provisionr_aws,
    "github": provisionr_github,
    "gitlab": provisionr_gitlab,
    "google": provisionr_google,
    "jira": provisionr_jira,
    "okta": provisionr_okta,
    "salesforce": provisionr_salesforce,
    "scim": provisionr_scim,
    "slack": provisionr_slack,
}

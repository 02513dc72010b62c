//! Names and ids: one type each, so that an account id never stands where a target id belongs.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps the text as it is; nothing is checked.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }
    )+};
}

names! {
    /// One connected instance of a vendor API, named by the host: `okta`, `gitlab-internal`.
    SystemName;
    /// The kind of adapter behind a system: `okta`, `aws`.
    SystemType;
    /// A kind of entitlement, which is also the action of a policy line: `add_to_group`.
    KindName;
    /// What a target is called in policies: `engineering-team`, `#general`.
    TargetName;
    /// The vendor's immutable id of a target.
    TargetId;
    /// A role on a target, in the vendor's words: `developer`, `OWNER`.
    RoleName;
    /// The vendor's immutable id of an account.
    AccountId;
    /// The HRIS id of a subject.
    SubjectId;
    /// One rate limit of a vendor.
    LaneId;
    /// The id of one event of the host (HRIS, operator); submitting is idempotent by it.
    EventId;
    /// The id a vendor gave to one request, for its support desk and the audit log.
    VendorRequestId;
    /// A handle of the vendor for work it has not finished: a job id, an invitation id.
    Ticket;
    /// `{system}/{kind}/{id}`: which outside event makes a wait worth another look.
    EventKey;
    /// An opaque page cursor of a vendor.
    Cursor;
    /// Stable for one wanted difference (of subject, system and change; not of run or attempt).
    IdempotencyKey;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_its_text_everywhere() {
        let name = SystemName::new("okta");
        assert_eq!(name, "okta");
        assert_eq!(name.to_string(), "okta");
        assert_eq!(format!("{name:>6}"), "  okta");
        assert_eq!(serde_json::to_string(&name).unwrap(), r#""okta""#);
    }
}

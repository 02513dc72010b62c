//! What is Slack's own in its SCIM: <https://docs.slack.dev/reference/scim-api>.

use provisionr_http::scim::{Quirks, SwitchOff};

/// More than 1000 a page count as 1000, `DELETE` deactivates, and the address has a name of its own in filters.
pub(crate) const SLACK: Quirks = Quirks::new().page(1000).switch_off(SwitchOff::Delete).email_filter("email").plain_json();

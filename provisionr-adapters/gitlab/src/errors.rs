//! What GitLab's refusals mean. There are no codes; the texts are those of its source.

use provisionr_http::{Answer, by_status_saying, plain, throttled};
use provisionr_sdk::AdapterError;
use serde_json::Value;

/// A direct member is there already; the level was not changed.
pub(crate) const MEMBER: &str = "member_exists";
/// An inherited level is higher than the one asked for.
pub(crate) const INHERITED: &str = "inherited";
/// Another account has the username.
pub(crate) const USERNAME: &str = "username_taken";
/// Another account has the address.
pub(crate) const EMAIL: &str = "email_taken";

/// The lane that counts every request of a user; its state is what the headers tell.
pub(crate) const API: &str = "api";

pub(crate) fn classify(answer: &Answer) -> Option<AdapterError> {
    let status = answer.status().as_u16();
    if answer.status().is_success() {
        return None;
    }
    let body = answer.value();
    // Plain text is the limit on all requests; an endpoint's own limit answers in JSON and shows in no header.
    // https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/
    if status == 429 {
        return Some(if body.is_null() { AdapterError::rate_limited(API, answer.reading().pause) } else { throttled(answer) });
    }
    let Some(text) = words(&body) else { return by_status_saying(answer, None) };
    let error = match status {
        400 if is_inherited(&text) => AdapterError::conflict(text).with_code(INHERITED),
        405 => AdapterError::refused(format!("memberships are locked: {text}")),
        409 if text == "Member already exists" => AdapterError::conflict(text).with_code(MEMBER),
        409 if text.starts_with("Username") => AdapterError::conflict(text).with_code(USERNAME),
        409 if text.starts_with("Email") => AdapterError::conflict(text).with_code(EMAIL),
        409 if text.contains("sole-owner") => AdapterError::refused(text),
        _ => return by_status_saying(answer, Some(text)),
    };
    Some(error)
}

/// "should be greater than or equal to Developer inherited membership from group X"; once "should be higher than".
pub(crate) fn is_inherited(text: &str) -> bool {
    text.contains("inherited membership from group")
}

/// `{"message": text}`, `{"message": {field: [texts]}}`, `{"error": text}`: all three occur.
/// <https://docs.gitlab.com/api/rest/troubleshooting/>
fn words(body: &Value) -> Option<String> {
    fn text(value: &Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Array(texts) => texts.iter().find_map(text),
            Value::Object(fields) => fields.iter().find_map(|(field, value)| Some(format!("{field} {}", text(value)?))),
            _ => None,
        }
    }
    plain(&["message", "error_description", "error"].iter().find_map(|name| text(body.get(name)?))?)
}

//! Okta's error codes. Only the code is stable; texts are for people.
//! Source: <https://developer.okta.com/docs/reference/error-codes/>

use provisionr_http::{Answer, by_status_saying, plain, throttled};
use provisionr_sdk::{AdapterError, ErrorKind, RetryHint};
use serde_json::Value;

/// The request does not hold what Okta asks for; which field, only the text says.
const VALIDATION: &str = "E0000001";
/// The user has the app.
pub(crate) const ASSIGNED: &str = "E0000062";

pub(crate) fn classify(answer: &Answer) -> Option<AdapterError> {
    if answer.status().is_success() {
        return None;
    }
    let body = answer.value();
    let Some(code) = body.get("errorCode").and_then(Value::as_str) else { return by_status_saying(answer, None) };
    let text = words(&body);
    let error = match code {
        "E0000004" | "E0000011" => AdapterError::unauthenticated(text),
        "E0000005" | "E0000006" => AdapterError::permission_denied(text),
        "E0000007" => AdapterError::not_found_unclear(text),
        // The path is not one of Okta's: that says nothing of what was asked for.
        "E0000008" => AdapterError::protocol(text),
        "E0000016" | "E0000032" | "E0000038" => AdapterError::conflict(text).with_hint(RetryHint::Replan),
        // A group gives the app: as long as it does, a direct assignment cannot be taken either.
        "E0000046" => AdapterError::owned_elsewhere(text),
        "E0000047" => throttled(answer),
        ASSIGNED | "E0000155" => AdapterError::conflict(text),
        "E0000075" => AdapterError::refused(text),
        // The user is still being activated; rules are being set up.
        "E0000112" | "E0000195" | "E0000249" => AdapterError::not_ready(text),
        _ => by_status_saying(answer, Some(text))?,
    };
    let error = error.with_code(code);
    Some(if login_is_taken(&error) { AdapterError::conflict(error.message()).with_hint(RetryHint::Never).with_code(code) } else { error })
}

/// Whether Okta says that a right is lacking for this request. That there is no token, or that a proxy refuses, says nothing of rights.
pub(crate) fn is_lacking(error: &AdapterError) -> bool {
    *error.kind() == ErrorKind::PermissionDenied && error.code().is_some_and(|code| code.starts_with('E'))
}

/// Whether a create was refused because the login is taken.
pub(crate) fn login_is_taken(error: &AdapterError) -> bool {
    error.code() == Some(VALIDATION) && error.message().contains("login: ") && error.message().contains("already exists")
}

/// What Okta says, with one cause: that something is there already, or else the first. Causes are a list, and in one
/// documented answer an object.
pub(crate) fn words(body: &Value) -> String {
    let causes = match body.get("errorCauses") {
        Some(Value::Array(causes)) => causes.iter().collect(),
        Some(cause) => vec![cause],
        None => Vec::new(),
    };
    let causes: Vec<_> = causes.into_iter().filter_map(|cause| cause.get("errorSummary")?.as_str()).collect();
    let cause = causes.iter().find(|cause| cause.contains("already exists")).or_else(|| causes.first());
    let summary = body.get("errorSummary").and_then(Value::as_str).unwrap_or("Okta refused");
    let text = cause.map_or_else(|| summary.to_owned(), |cause| format!("{summary}: {cause}"));
    plain(&text).unwrap_or_default()
}

//! Salesforce's error codes: `errorCode` of a whole answer, `statusCode` of one record in a collection.
//! Source: <https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm>

use std::time::Duration;

use provisionr_http::{Answer, by_status_saying, plain};
use provisionr_sdk::{AdapterError, ErrorKind, RetryHint};
use serde_json::Value;

use crate::config::LANE;

pub(crate) const DUPLICATE_VALUE: &str = "DUPLICATE_VALUE";
pub(crate) const DUPLICATE_USERNAME: &str = "DUPLICATE_USERNAME";
pub(crate) const MALFORMED_ID: &str = "MALFORMED_ID";
pub(crate) const NOT_WRITABLE: &str = "INVALID_FIELD_FOR_INSERT_UPDATE";

/// The quota of a day is counted over the last 24 hours, and no answer says when there is room again: every few minutes
/// is worth a look.
const NEXT_LOOK: Duration = Duration::from_secs(5 * 60);

pub(crate) fn classify(answer: &Answer) -> Option<AdapterError> {
    if answer.status().is_success() {
        return None;
    }
    let body = answer.value();
    let Some((code, text)) = first(&body) else {
        let error = by_status_saying(answer, None)?;
        // A page of something in between says nothing of records.
        return Some(match error.kind() {
            ErrorKind::NotFound(_) => answer.maybe_done(AdapterError::unavailable(format!("{}, and not as Salesforce does", error.message()))),
            _ => error,
        });
    };
    let error = match known(code, &text) {
        Some(error) => error,
        None => by_status_saying(answer, Some(text))?,
    };
    Some(error.with_code(code))
}

/// The error of one record, or of one part of a joint call, that was answered with these errors.
pub(crate) fn of_part(errors: &Value) -> AdapterError {
    let Some((code, text)) = first(errors) else { return AdapterError::protocol("a part failed without an error code") };
    let error = known(code, &text).unwrap_or_else(|| match code {
        "UNKNOWN_EXCEPTION" | "SERVER_UNAVAILABLE" => AdapterError::unavailable(text),
        _ => AdapterError::invalid_request(text),
    });
    error.with_code(code)
}

/// The first error of a list, with what Salesforce says.
fn first(errors: &Value) -> Option<(&str, String)> {
    let error = errors.as_array()?.first()?;
    let code = error.get("errorCode").or_else(|| error.get("statusCode"))?.as_str()?;
    Some((code, error.get("message").and_then(Value::as_str).and_then(plain).unwrap_or_else(|| "Salesforce refused".to_owned())))
}

fn known(code: &str, text: &str) -> Option<AdapterError> {
    let lower = text.to_lowercase();
    // Which code says that no licence is left differs by the sort of licence.
    if code == "LICENSE_LIMIT_EXCEEDED" || lower.contains("license limit exceeded") || lower.contains("no more available licenses") {
        let pool = text.rsplit_once(" - ").map_or("licenses", |(_, pool)| pool.trim());
        return Some(AdapterError::no_seat(pool));
    }
    Some(match code {
        "INVALID_SESSION_ID" => AdapterError::unauthenticated(text),
        // "ConcurrentRequests (Concurrent API Requests) Limit exceeded.", "TotalRequests Limit exceeded."
        "REQUEST_LIMIT_EXCEEDED" if lower.contains("concurrent") => AdapterError::rate_limited(LANE, None),
        "REQUEST_LIMIT_EXCEEDED" => AdapterError::quota_exhausted(text).with_hint(RetryHint::After(NEXT_LOOK)),
        "API_CURRENTLY_DISABLED"
        | "API_DISABLED_FOR_ORG"
        | "FORBIDDEN"
        | "INSUFFICIENT_ACCESS"
        | "INSUFFICIENT_ACCESS_OR_READONLY"
        | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY" => AdapterError::permission_denied(text),
        // An object that the credential may not see does not exist for it.
        "INVALID_TYPE" => AdapterError::permission_denied(text),
        DUPLICATE_VALUE => AdapterError::conflict(text),
        DUPLICATE_USERNAME | "PORTAL_USER_ALREADY_EXISTS_FOR_CONTACT" => AdapterError::conflict(text).with_hint(RetryHint::Never),
        // Everything is rolled back: nothing has changed.
        "UNABLE_TO_LOCK_ROW" => AdapterError::conflict(text),
        "ALL_OR_NONE_OPERATION_ROLLED_BACK" => AdapterError::conflict(text).with_hint(RetryHint::Alone),
        "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE" => AdapterError::unavailable(text),
        "INACTIVE_OWNER_OR_USER" => AdapterError::conflict(text).with_hint(RetryHint::Replan),
        "CANNOT_DISABLE_LAST_ADMIN"
        | "DEPENDENCY_EXISTS"
        | "FIELD_CUSTOM_VALIDATION_EXCEPTION"
        | "CANNOT_EXECUTE_FLOW_TRIGGER"
        | "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" => AdapterError::refused(text),
        "FIELD_INTEGRITY_EXCEPTION" if lower.contains("license") => AdapterError::refused(text),
        "NOT_FOUND" | "ENTITY_IS_DELETED" | "INVALID_CROSS_REFERENCE_KEY" => AdapterError::not_found_unclear(text),
        "INVALID_QUERY_LOCATOR" => AdapterError::stale_cursor(text),
        _ => return None,
    })
}

/// Whether a record that was there a moment ago may be gone. Which of three codes says so is not documented, and one of them is said to
/// who may not touch it as well: a look has to tell.
pub(crate) fn may_be_gone(error: &AdapterError) -> bool {
    matches!(error.kind(), ErrorKind::NotFound(_))
}

/// What it means that a record is still there which a write did not find.
pub(crate) fn still_there(error: &AdapterError) -> AdapterError {
    let code = error.code().unwrap_or_default();
    AdapterError::permission_denied(format!("the row is there, and is refused as if it were not: {}", error.message())).with_code(code)
}

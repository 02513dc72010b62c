//! Google's errors: the reason says what is wrong, the message whose key it is about; the status says little.

use http::StatusCode;
use provisionr_http::{Answer, by_status_saying, plain, retry_after};
use provisionr_sdk::{AdapterError, ErrorKind, RetryHint, Timestamp};
use serde_json::Value;

/// Whether an error is about this key: `userKey`, `groupKey`, `memberKey`.
pub(crate) fn is_about(error: &AdapterError, key: &str) -> bool {
    error.message().contains(key)
}

/// Whether Google says that a right is lacking for this request alone. That there is no token, or that a proxy refuses, says nothing of it.
pub(crate) fn is_lacking(error: &AdapterError) -> bool {
    *error.kind() == ErrorKind::PermissionDenied && error.code().is_some_and(|code| !matches!(code, "unauthorized_client" | "invalid_scope"))
}

/// One code for all the words there may be for it: `duplicate` has been met, and Google documents none.
const DUPLICATE: &str = "duplicate";

/// Whether something is there already.
pub(crate) fn is_duplicate(error: &AdapterError) -> bool {
    *error.kind() == ErrorKind::Conflict && error.code() == Some(DUPLICATE)
}

/// Reasons: <https://developers.google.com/workspace/admin/directory/v1/limits>, and for those without a page of their own the
/// table of a tool that has met them, <https://github.com/GAM-team/GAM>.
pub(crate) fn classify(answer: &Answer) -> Option<AdapterError> {
    if answer.status().is_success() {
        return None;
    }
    let body = answer.value();
    let Some(reason) = reason(&body) else { return by_status_saying(answer, None) };
    let text = body.pointer("/error/message").and_then(Value::as_str).and_then(plain).unwrap_or_else(|| "Google refused".to_owned());
    let error = match reason {
        // 403 has limits and rights alike: <https://developers.google.com/workspace/admin/directory/v1/limits>
        "userRateLimitExceeded" | "rateLimitExceeded" | "sharingRateLimitExceeded" | "quotaExceeded" | "RATE_LIMIT_EXCEEDED" | "RESOURCE_EXHAUSTED" => {
            let pause = retry_after(answer.headers(), answer.date().unwrap_or(Timestamp::EPOCH));
            AdapterError::rate_limited(answer.lane().map_or("directory", |lane| lane.as_str()), pause)
        }
        "dailyLimitExceeded" => AdapterError::quota_exhausted(text),
        "backendError" | "serviceNotAvailable" | "badGateway" | "gatewayTimeout" | "internalError" | "transientError" => {
            answer.maybe_done(AdapterError::unavailable(text))
        }
        _ if reason == DUPLICATE || answer.status() == StatusCode::CONFLICT => {
            return Some(AdapterError::conflict(text).with_hint(RetryHint::Replan).with_code(DUPLICATE));
        }
        "conditionNotMet" if text.contains("Cyclic") => AdapterError::refused(text),
        _ if text.contains("creation is not complete") => AdapterError::not_ready(text),
        "invalid" if text.contains("INVALID_OU_ID") || text.contains("Invalid Ou Id") => AdapterError::target_not_found(text),
        "notFound" if text.contains("Org unit") => AdapterError::target_not_found(text),
        "invalid" if text.contains("pageToken") => AdapterError::stale_cursor(text),
        // What was made a moment ago is not found for a while.
        "notFound" if text.contains("userKey") => AdapterError::account_not_found(text).with_hint(RetryHint::Backoff),
        "notFound" if text.contains("groupKey") => AdapterError::target_not_found(text).with_hint(RetryHint::Backoff),
        _ => by_status_saying(answer, Some(text))?,
    };
    Some(error.with_code(reason))
}

/// The reason an error gives; the newer form has it in the details.
fn reason(body: &Value) -> Option<&str> {
    let details = body.pointer("/error/details").and_then(Value::as_array).into_iter().flatten();
    let limit = details.filter_map(|detail| detail.get("reason")?.as_str()).find(|reason| *reason == "RATE_LIMIT_EXCEEDED");
    let first = || body.pointer("/error/errors/0/reason").and_then(Value::as_str);
    limit.or_else(first).or_else(|| body.pointer("/error/status").and_then(Value::as_str)).filter(|reason| !reason.contains(char::is_whitespace))
}

//! SCIM's errors.

use http::StatusCode;
use provisionr_sdk::AdapterError;
use serde_json::Value;

use crate::answer::Answer;
use crate::classify::{by_status, by_status_saying, plain, throttled};

const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// The error an answer is, for [`HttpClient::classifier`](crate::HttpClient::classifier): [by status](by_status), with the
/// service's words from `detail`, or from `Errors`, where version 1 has them, and `scimType` (RFC 7644, section 3.12) as code.
/// What a service answers 501 it does not have: `Unsupported`, and nothing was done. A 404 without SCIM's own words comes from a
/// proxy, or from a wrong address, and says of no user that it is gone: `Protocol`.
pub fn classify(answer: &Answer) -> Option<AdapterError> {
    let status = answer.status();
    if status.is_success() {
        return None;
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Some(throttled(answer));
    }
    let body = answer.value();
    let text = |at: &str| body.pointer(at).and_then(Value::as_str).and_then(plain);
    let words = text("/detail").or_else(|| text("/Errors/description")).or_else(|| text("/Errors/0/description"));
    let code = text("/scimType").or_else(|| words.clone().filter(|words| !words.contains(' ')));
    let is_scim = words.is_some() || body.pointer("/schemas/0").and_then(Value::as_str) == Some(ERROR);
    let error = match status {
        StatusCode::NOT_FOUND | StatusCode::GONE if !is_scim => {
            Some(answer.unreadable(format!("the address answers {} without SCIM's own words: nothing follows", status.as_u16())))
        }
        StatusCode::NOT_IMPLEMENTED => {
            let what = words.map_or_else(String::new, |words| format!(": {words}"));
            Some(AdapterError::unsupported(format_args!("what the service answers 501 to{what}")))
        }
        _ if words.is_some() => by_status_saying(answer, words),
        _ => by_status(answer),
    };
    error.map(|error| match code {
        Some(code) => error.with_code(code),
        None => error,
    })
}

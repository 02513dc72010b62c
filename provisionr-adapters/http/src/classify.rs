//! From an answer to an error, or to none.

use http::StatusCode;
use provisionr_sdk::{AdapterError, RetryHint};
use serde_json::Value;

use crate::answer::Answer;

/// Decides whether an answer is an error, and which. Closures of the same shape are classifiers too.
///
/// - It sees every answer whole, successes too: some vendors answer `200` to everything.
/// - It says whether a write may have taken effect: [`Answer::maybe_done`].
/// - [`by_status`] is the default, and the fallback of a classifier that knows some codes of its vendor.
pub trait Classify: Send + Sync + 'static {
    /// The error this answer is; none for a success.
    fn classify(&self, answer: &Answer) -> Option<AdapterError>;
}

impl<F: Fn(&Answer) -> Option<AdapterError> + Send + Sync + 'static> Classify for F {
    fn classify(&self, answer: &Answer) -> Option<AdapterError> {
        self(answer)
    }
}

/// The error of a plain JSON API, by status alone.
///
/// | status | kind | effect of a write |
/// |---|---|---|
/// | 2xx | no error | |
/// | 401, 403 | `Unauthenticated`, `PermissionDenied` | none |
/// | 404, 410 with a JSON object or list | `NotFound(Unclear)` | none |
/// | 404, 410 with anything else, or with nothing | `Unavailable`: it may be the page of a gateway on the way, which knows nothing | unknown |
/// | 409, 412, 423 | `Conflict` | none |
/// | 429 | `RateLimited`, after the pause the answer asks for | none |
/// | other 4xx | `InvalidRequest` | none |
/// | 408 | `TimedOut` | unknown |
/// | 5xx | `Unavailable`, after the pause the answer asks for | unknown |
/// | 1xx, 3xx | `Protocol` | unknown |
///
/// The message holds what the vendor says in `message`, `detail`, `error_description`, `errorSummary` or `error`. Whoever knows that
/// their vendor has nothing to say to a 404 needs a classifier that says so.
pub fn by_status(answer: &Answer) -> Option<AdapterError> {
    if answer.status().is_success() {
        return None;
    }
    let body = answer.value();
    let speaker = if body.is_object() || body.is_array() { Speaker::Vendor } else { Speaker::Unknown };
    Some(error_of(answer, &body, said(&body), speaker))
}

/// As [`by_status`], with the vendor's words found by the caller; they should have gone through [`plain`].
///
/// Without words the answer is not in the vendor's form: a 404 or 410 is then `Unavailable`, whatever its body is, for gateways
/// speak JSON too. A classifier that knows its vendor's form hands on all answers of another form so.
pub fn by_status_saying(answer: &Answer, words: Option<String>) -> Option<AdapterError> {
    if answer.status().is_success() {
        return None;
    }
    let speaker = if words.is_some() { Speaker::Vendor } else { Speaker::Unknown };
    Some(error_of(answer, &answer.value(), words, speaker))
}

/// Whose answer it is. Only the vendor knows that something is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Vendor,
    Unknown,
}

fn error_of(answer: &Answer, body: &Value, words: Option<String>, speaker: Speaker) -> AdapterError {
    let status = answer.status();
    let message = match words {
        Some(words) => format!("the system answered {}: {words}", status.as_u16()),
        None => format!("the system answered {}", status.as_u16()),
    };
    let pause = answer.reading().pause;
    let error = match status {
        StatusCode::UNAUTHORIZED => AdapterError::unauthenticated(message),
        StatusCode::FORBIDDEN => AdapterError::permission_denied(message),
        StatusCode::NOT_FOUND | StatusCode::GONE if speaker == Speaker::Vendor => AdapterError::not_found_unclear(message),
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            answer.maybe_done(AdapterError::unavailable(format!("{message}, and not in its own form: a gateway on the way may have answered")))
        }
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED | StatusCode::LOCKED => AdapterError::conflict(message),
        StatusCode::TOO_MANY_REQUESTS => throttled(answer),
        StatusCode::REQUEST_TIMEOUT => answer.maybe_done(AdapterError::timed_out(message)),
        _ if status.is_client_error() => AdapterError::invalid_request(message),
        _ if status.is_server_error() => {
            let error = answer.maybe_done(AdapterError::unavailable(message));
            match pause {
                Some(pause) => error.with_hint(RetryHint::After(pause)),
                None => error,
            }
        }
        _ => answer.maybe_done(AdapterError::protocol(message)),
    };
    match code(body) {
        Some(code) => error.with_code(code),
        None => error,
    }
}

/// The error of a refusal because of a rate limit, on the request's lane, with the pause the answer asks for.
pub fn throttled(answer: &Answer) -> AdapterError {
    let lane = answer.lane().map_or("default", |lane| lane.as_str());
    AdapterError::rate_limited(lane, answer.reading().pause)
}

/// What the vendor says, in one line of at most 200 characters, without query strings.
fn said(body: &Value) -> Option<String> {
    let text = ["message", "detail", "error_description", "errorSummary", "error"].iter().find_map(|name| match body.get(name)? {
        Value::String(text) => Some(text.as_str()),
        nested => nested.get("message").and_then(Value::as_str),
    })?;
    plain(text)
}

/// One line of at most 200 characters, without control characters and query strings; none when nothing is left.
pub fn plain(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .map(|word| match word.split_once('?') {
            Some((address, query)) if address.contains('/') && !query.is_empty() => format!("{address}?…"),
            _ => word.to_owned(),
        })
        .collect();
    let line = words.join(" ");
    let short: String = line.chars().take(200).collect();
    (!short.is_empty()).then(|| if short.len() < line.len() { format!("{short}…") } else { short })
}

fn code(body: &Value) -> Option<String> {
    let short = |value: &Value| match value {
        Value::String(text) if text.len() <= 80 && !text.contains(char::is_whitespace) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    ["errorCode", "error_code", "code", "error"].iter().find_map(|name| {
        let value = body.get(name)?;
        short(value).or_else(|| value.get("code").and_then(short))
    })
}

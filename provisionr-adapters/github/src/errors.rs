//! What GitHub's refusals mean, and what its headers say of limits.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use provisionr_http::{Answer, RateHeaders, ReadRate, by_status_saying, plain};
use provisionr_sdk::{AdapterError, LaneReading, RetryHint, Timestamp};
use serde_json::Value;

/// Reads over REST.
pub(crate) const API: &str = "api";
/// What is content to GitHub, and sends notifications.
pub(crate) const CONTENT: &str = "content";
/// What takes something away: it makes no content, and a leaver does not wait behind a joiner's invitations.
pub(crate) const REMOVAL: &str = "removal";
/// Reads in bulk.
pub(crate) const GRAPHQL: &str = "graphql";
/// SCIM, save for making users.
pub(crate) const SCIM: &str = "scim";
/// Users that are provisioned.
pub(crate) const PROVISION: &str = "scim.provision";
/// Who provisioned users are.
pub(crate) const IDENTITIES: &str = "identities";
/// A query over GraphQL took longer than GitHub lets it.
const TOO_LONG: &str = "query_takes_too_long";
/// What may go out in 24 hours has gone out.
const INVITATIONS: &str = "invitation_cap";

/// "Wait for at least one minute" where nothing else is said.
/// <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit>
const MINUTE: Duration = Duration::from_secs(60);

/// 403 is a limit as well as a lack of rights; the headers tell.
pub(crate) fn rates(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> LaneReading {
    let reader = RateHeaders::named("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset").slack(Duration::from_secs(1));
    let mut reading = reader.read(status, headers, now);
    if matches!(status.as_u16(), 403 | 429) && reading.pause.is_none() && reading.remaining == Some(0) {
        reading.pause = reading.reset_in;
    }
    if status == StatusCode::TOO_MANY_REQUESTS && reading.remaining != Some(0) && !headers.contains_key("retry-after") {
        // A secondary limit says nothing of when the primary one is new.
        reading.pause = Some(MINUTE);
    }
    reading
}

pub(crate) fn classify(answer: &Answer) -> Option<AdapterError> {
    let status = answer.status();
    let graphql = answer.lane().is_some_and(|lane| *lane == GRAPHQL || *lane == IDENTITIES);
    if status.is_success() {
        return if graphql { in_graphql(answer) } else { None };
    }
    let body = answer.value();
    let words = words(&body);
    let text = words.as_deref().unwrap_or_default().to_lowercase();
    let error = match status.as_u16() {
        502 | 504 if graphql => AdapterError::unavailable(format!("the system answered {}", status.as_u16())).with_code(TOO_LONG),
        403 | 429 if status == StatusCode::TOO_MANY_REQUESTS || answer.reading().pause.is_some() || text.contains("rate limit") => limited(answer),
        // <https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects>
        301 | 302 | 307 | 308 => AdapterError::invalid_config("the organization or repository has another name now: name it anew"),
        422 if codes(&body).any(|code| code == "no_seat") => AdapterError::no_seat("organization").with_code("no_seat"),
        422 if text.contains("invit") && ["limit", "too many", "exceed"].iter().any(|word| text.contains(word)) => {
            let error = AdapterError::quota_exhausted(format!("no more invitations go out today: {text}")).with_code(INVITATIONS);
            error.with_hint(RetryHint::After(Duration::from_secs(3600)))
        }
        422 if text.contains("blocking") || text.contains("blocked") => AdapterError::refused(format!("the person has blocked the organization: {text}")),
        _ => return by_status_saying(answer, words),
    };
    Some(error)
}

fn limited(answer: &Answer) -> AdapterError {
    let (lane, reading) = (answer.lane().map_or(API, |lane| lane.as_str()), answer.reading());
    let used_up = reading.reset_in.filter(|_| reading.remaining == Some(0) && answer.header("retry-after").is_none());
    match used_up {
        // All lanes of REST draw on one budget an hour; GraphQL has another.
        Some(reset) if lane != GRAPHQL => AdapterError::quota_exhausted("the requests of this hour are used up").with_hint(RetryHint::After(reset)),
        Some(reset) => AdapterError::rate_limited(lane, Some(reset)),
        None => AdapterError::rate_limited(lane, Some(reading.pause.unwrap_or(MINUTE))),
    }
}

/// GraphQL answers 200 to everything. What is not there is a null in the data, and an error beside it.
/// <https://docs.github.com/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api>
fn in_graphql(answer: &Answer) -> Option<AdapterError> {
    let body = answer.value();
    let errors = body.get("errors")?.as_array()?;
    let kind = |error: &Value| error.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let error = errors.iter().find(|error| kind(error) != "NOT_FOUND")?;
    let words = error.get("message").and_then(Value::as_str).and_then(plain).unwrap_or_default();
    Some(match kind(error).as_str() {
        "RATE_LIMITED" | "RATE_LIMIT" => limited(answer),
        "FORBIDDEN" | "INSUFFICIENT_SCOPES" => AdapterError::permission_denied(format!("the system answered with success, and says: {words}")),
        _ if words.to_lowercase().contains("rate limit") => limited(answer),
        "" if words.to_lowercase().contains("timeout") => {
            AdapterError::unavailable(format!("the system answered with success, and says: {words}")).with_code(TOO_LONG)
        }
        code => AdapterError::unavailable(format!("the system answered with success, and says: {words}")).with_code(code),
    })
}

/// Whether less would be answered where so much was not: what asks for fewer is another question, and no repeat.
/// <https://docs.github.com/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api#timeouts>
pub(crate) fn takes_too_long(error: &AdapterError) -> bool {
    error.code() == Some(TOO_LONG)
}

fn codes(body: &Value) -> impl Iterator<Item = &str> {
    let errors = body.get("errors").and_then(Value::as_array).into_iter().flatten();
    errors.filter_map(|error| error.get("code").and_then(Value::as_str))
}

/// `{"message": text, "errors": [{"message": text}]}`; the errors are texts here and there. SCIM has `detail` as well.
fn words(body: &Value) -> Option<String> {
    let errors = body.get("errors").and_then(Value::as_array).into_iter().flatten();
    let more = errors.filter_map(|error| error.get("message").unwrap_or(error).as_str());
    let mut texts: Vec<&str> = ["message", "detail"].iter().filter_map(|name| body.get(name)?.as_str()).chain(more).collect();
    texts.dedup();
    plain(&texts.join("; "))
}

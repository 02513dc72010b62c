//! What refusals mean. Jira has no error codes, and texts change: only the status decides, and whoever needs more looks.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use provisionr_http::{Answer, RateHeaders, ReadRate, by_status_saying, plain, throttled};
use provisionr_sdk::{AdapterError, LaneReading, RetryHint, Timestamp};
use serde_json::Value;

/// The code of errors that come of a scope the token was not given.
pub(crate) const SCOPE: &str = "scope";

/// Which limit was hit: `jira-burst-based`, `jira-quota-tenant-based`, `jira-quota-global-based`, `jira-per-issue-on-write`.
/// <https://developer.atlassian.com/cloud/jira/platform/rate-limiting/>
const REASON: &str = "ratelimit-reason";

fn of_all_requests(headers: &HeaderMap) -> bool {
    headers.get(REASON).and_then(|reason| reason.to_str().ok()).is_some_and(|reason| reason.starts_with("jira-quota"))
}

pub(crate) fn classify(answer: &Answer) -> Option<AdapterError> {
    let body = answer.value();
    let text = words(&body);
    match answer.status() {
        // The gateway says so where the token would be good otherwise; a renewed one has the same scopes.
        StatusCode::UNAUTHORIZED if text.as_ref().is_some_and(|text| text.to_lowercase().contains("scope")) => {
            Some(AdapterError::permission_denied(text.unwrap_or_default()).with_code(SCOPE))
        }
        StatusCode::TOO_MANY_REQUESTS if of_all_requests(answer.headers()) => {
            let hint = answer.reading().pause.map_or(RetryHint::Backoff, RetryHint::After);
            Some(AdapterError::quota_exhausted("the app's points of this hour are used up").with_hint(hint).with_code(answer.header(REASON)?))
        }
        StatusCode::TOO_MANY_REQUESTS => Some(throttled(answer)),
        // The gateway before Jira has another form.
        StatusCode::NOT_FOUND if body.get("errorMessages").or_else(|| body.get("errors")).is_none() => by_status_saying(answer, None),
        _ => by_status_saying(answer, text),
    }
}

/// All of what Jira says, or the gateway.
fn words(body: &Value) -> Option<String> {
    let messages = body.get("errorMessages").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let fields = body.get("errors").and_then(Value::as_object).into_iter().flatten();
    let fields = fields.filter_map(|(field, text)| Some(format!("{field}: {}", text.as_str()?)));
    let texts: Vec<String> = messages.chain(fields).chain(body.get("message").and_then(Value::as_str).map(str::to_owned)).collect();
    plain(&texts.join("; "))
}

/// The reset is a point in time in ISO 8601, with or without seconds.
pub(crate) struct Rates;

impl ReadRate for Rates {
    fn read(&self, status: StatusCode, headers: &HeaderMap, now: Timestamp) -> LaneReading {
        let mut reading = RateHeaders::named("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset").read(status, headers, now);
        if status == StatusCode::TOO_MANY_REQUESTS {
            reading.pause = reading.pause.max(reset(headers, now));
        }
        // The numbers of a quota are not those of the request's own lane.
        if of_all_requests(headers) { LaneReading { pause: reading.pause, ..LaneReading::default() } } else { reading }
    }
}

fn reset(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let at: Timestamp = headers.get("x-ratelimit-reset")?.to_str().ok()?.trim().parse().ok()?;
    Some(at.since(now))
}

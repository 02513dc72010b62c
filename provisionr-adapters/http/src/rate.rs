//! What an answer says about the limit it counted on.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use provisionr_sdk::{LaneId, LaneReading, Timestamp};

/// Reads the vendor's rate headers. Closures of the same shape are readers too.
pub trait ReadRate: Send + Sync + 'static {
    /// What this answer says; `now` is the server's own time where it sent a `Date`, else the caller's.
    fn read(&self, status: StatusCode, headers: &HeaderMap, now: Timestamp) -> LaneReading;

    /// The lane it says it about, where that is not the request's own: a limit on all requests that shows in each answer.
    fn lane(&self) -> Option<LaneId> {
        None
    }
}

impl<F: Fn(StatusCode, &HeaderMap, Timestamp) -> LaneReading + Send + Sync + 'static> ReadRate for F {
    fn read(&self, status: StatusCode, headers: &HeaderMap, now: Timestamp) -> LaneReading {
        self(status, headers, now)
    }
}

/// Reads limits from headers: one set of names after the other, the first that is there counts.
///
/// - A reset above 1,000,000,000 is a point in time in Unix seconds (above 1,000,000,000,000 in milliseconds); anything less is
///   seconds from now. Vendors do not agree on which of the two a name means, and the ranges do not meet.
/// - `Retry-After`, in seconds or as an HTTP date, is read from every answer that is no success.
/// - A refusal (429) without `Retry-After` asks for silence until the reset.
#[derive(Clone)]
pub struct RateHeaders {
    sets: Vec<[&'static str; 3]>,
    slack: Duration,
}

impl fmt::Debug for RateHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sets.iter().map(|[limit, ..]| limit)).finish()
    }
}

impl Default for RateHeaders {
    /// `X-RateLimit-*` and `RateLimit-*`.
    fn default() -> Self {
        Self::named("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset").or("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")
    }
}

impl RateHeaders {
    /// Headers of these names, in lower case.
    pub fn named(limit: &'static str, remaining: &'static str, reset: &'static str) -> Self {
        Self { sets: vec![[limit, remaining, reset]], slack: Duration::ZERO }
    }

    /// Else headers of these names.
    #[must_use]
    pub fn or(mut self, limit: &'static str, remaining: &'static str, reset: &'static str) -> Self {
        self.sets.push([limit, remaining, reset]);
        self
    }

    /// Added to every reset that is a point in time, for it is cut to whole seconds; nothing unless set.
    #[must_use]
    pub fn slack(mut self, slack: Duration) -> Self {
        self.slack = slack;
        self
    }
}

impl ReadRate for RateHeaders {
    fn read(&self, status: StatusCode, headers: &HeaderMap, now: Timestamp) -> LaneReading {
        let mut reading = LaneReading::default();
        if let Some([limit, remaining, reset]) = self.sets.iter().find(|set| set.iter().any(|name| headers.contains_key(*name))) {
            reading.limit = number(headers, limit).map(units);
            reading.remaining = number(headers, remaining).map(units);
            reading.reset_in = number(headers, reset).map(|at| match at {
                0..=1_000_000_000 => Duration::from_secs(at),
                1_000_000_001..=1_000_000_000_000 => until(at.saturating_mul(1000), now) + self.slack,
                _ => until(at, now) + self.slack,
            });
        }
        // On a success the header is about a job, not about the lane.
        reading.pause = retry_after(headers, now).filter(|_| !status.is_success());
        if status == StatusCode::TOO_MANY_REQUESTS {
            reading.pause = reading.pause.or(reading.reset_in);
        }
        reading
    }
}

/// How long the answer asks to wait: `Retry-After`, in seconds or as an HTTP date seen from `now`.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(http_date(text)?.since(now)),
    }
}

pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    let at = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(i64::try_from(at.as_millis()).ok()?))
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    // Lists such as `100, 100;w=60` begin with the number that counts.
    let text = headers.get(name)?.to_str().ok()?;
    let digits = text.split([',', ';', '.']).next()?.trim();
    digits.parse().ok()
}

fn units(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn until(millis: u64, now: Timestamp) -> Duration {
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX)).since(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn a_reset_is_a_point_in_time_or_a_span() {
        let read = |reset: &str| {
            RateHeaders::default().read(
                StatusCode::OK,
                &headers(&[("x-ratelimit-limit", "600"), ("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", reset)]),
                NOW,
            )
        };
        assert_eq!(read("1700000030").reset_in, Some(Duration::from_secs(30)));
        assert_eq!(read("1700000030000").reset_in, Some(Duration::from_secs(30)));
        assert_eq!(read("30").reset_in, Some(Duration::from_secs(30)));
        assert_eq!(read("1600000000").reset_in, Some(Duration::ZERO));
        assert_eq!((read("30").limit, read("30").remaining, read("30").pause), (Some(600), Some(3), None));
        assert_eq!(read("soon").reset_in, None);
    }

    #[test]
    fn other_names_and_slack() {
        let reader = RateHeaders::named("x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset").slack(Duration::from_secs(1));
        let answer = headers(&[("x-rate-limit-limit", "25"), ("x-rate-limit-remaining", "0"), ("x-rate-limit-reset", "1700000007")]);
        let reading = reader.read(StatusCode::TOO_MANY_REQUESTS, &answer, NOW);
        assert_eq!(reading, LaneReading { limit: Some(25), remaining: Some(0), reset_in: Some(Duration::from_secs(8)), pause: Some(Duration::from_secs(8)) });
        let busy = headers(&[("retry-after", "5")]);
        assert_eq!(reader.read(StatusCode::SERVICE_UNAVAILABLE, &busy, NOW).pause, Some(Duration::from_secs(5)));
        assert_eq!(reader.read(StatusCode::ACCEPTED, &busy, NOW), LaneReading::default());
        let draft = RateHeaders::default().read(StatusCode::OK, &headers(&[("ratelimit-limit", "100, 100;w=60"), ("ratelimit-reset", "20")]), NOW);
        assert_eq!((draft.limit, draft.reset_in), (Some(100), Some(Duration::from_secs(20))));
    }

    #[test]
    fn retry_after_in_seconds_or_as_a_date() {
        assert_eq!(retry_after(&headers(&[("retry-after", "120")]), NOW), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(&headers(&[("retry-after", "Tue, 14 Nov 2023 22:13:50 GMT")]), NOW), Some(Duration::from_secs(30)));
        assert_eq!(retry_after(&headers(&[("retry-after", "Tue, 14 Nov 2000 22:13:50 GMT")]), NOW), Some(Duration::ZERO));
        assert_eq!(retry_after(&headers(&[("retry-after", "whenever")]), NOW), None);
    }
}

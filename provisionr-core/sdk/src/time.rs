//! Points in time and calendar days, independent of the time library underneath.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time, to the millisecond, in UTC. Written as RFC 3339.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A text that is not a point in time or a day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct TimeError {
    text: String,
    wanted: &'static str,
}

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// Milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Now, by the machine's wall clock.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }

    /// The time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The UTC day.
    pub fn date(self) -> Date {
        let at = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        Date(at.to_zoned(jiff::tz::TimeZone::UTC).date())
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => fmt::Display::fmt(&at, f),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        match text.parse::<jiff::Timestamp>() {
            Ok(at) => Ok(Self(at.as_millisecond())),
            Err(_) => Err(TimeError { text: text.to_owned(), wanted: "a point in time such as 2024-11-24T09:00:00Z" }),
        }
    }
}

/// A calendar day, written `YYYY-MM-DD`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(jiff::civil::Date);

impl Date {
    /// The first moment of the day, in UTC.
    pub fn start(self) -> Timestamp {
        self.0.to_zoned(jiff::tz::TimeZone::UTC).map_or(Timestamp::EPOCH, |zoned| Timestamp(zoned.timestamp().as_millisecond()))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Date {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        match text.parse::<jiff::civil::Date>() {
            Ok(day) if text.len() == 10 => Ok(Self(day)),
            _ => Err(TimeError { text: text.to_owned(), wanted: "a day such as 2024-11-25" }),
        }
    }
}

macro_rules! as_text {
    ($($name:ident),+) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

as_text!(Timestamp, Date);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_and_days_are_written_as_they_are_read() {
        let at: Timestamp = "2024-11-24T09:00:00Z".parse().unwrap();
        assert_eq!(at.to_string(), "2024-11-24T09:00:00Z");
        assert_eq!((at + Duration::from_millis(1)).to_string(), "2024-11-24T09:00:00.001Z");
        assert_eq!(at.date().to_string(), "2024-11-24");
        assert_eq!(at.date().start().to_string(), "2024-11-24T00:00:00Z");
        assert_eq!(serde_json::from_str::<Timestamp>("\"2024-11-24T09:00:00Z\"").unwrap(), at);
    }

    #[test]
    fn a_wrong_text_says_what_was_wanted() {
        let error = "tomorrow".parse::<Date>().unwrap_err();
        assert_eq!(error.to_string(), "`tomorrow` is not a day such as 2024-11-25");
        assert!("2024-11-25T00:00:00".parse::<Date>().is_err());
    }

    #[test]
    fn time_never_overflows() {
        let far = Timestamp::from_millis(i64::MAX) + Duration::MAX;
        assert_eq!(far.as_millis(), i64::MAX);
        assert_eq!(Timestamp::EPOCH.since(far), Duration::ZERO);
        assert!(far.to_string().ends_with("ms"));
    }
}

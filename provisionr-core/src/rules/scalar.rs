//! Single values of rules and of subjects, compared without coercion.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

/// A truth value, a number or a text. A number is never equal to a text that looks like it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scalar {
    Bool(bool),
    Number(Number),
    Text(Box<str>),
}

/// A number; whole ones are equal however they are written (`3`, `3.0`).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Whole(i128),
    Float(f64),
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::Whole(value.into())
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        // Beyond 2^53 a float stands for several whole numbers, so it is none of them.
        if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 { Self::Whole(value as i128) } else { Self::Float(value) }
    }
}

impl Number {
    fn of(number: &serde_json::Number) -> Self {
        match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), _, _) => whole.into(),
            (_, Some(whole), _) => whole.into(),
            (_, _, Some(float)) => float.into(),
            _ => Self::Float(f64::NAN),
        }
    }

    fn as_f64(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Float(float) => float,
        }
    }

    fn to_json(self) -> Value {
        match self {
            Self::Whole(whole) => match (i64::try_from(whole), u64::try_from(whole)) {
                (Ok(whole), _) => whole.into(),
                (_, Ok(whole)) => whole.into(),
                _ => (whole as f64).into(),
            },
            Self::Float(float) => float.into(),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Whole(one), Self::Whole(two)) => one.cmp(two),
            // Equal as floats is not equal: a whole number and a fraction never are.
            (Self::Whole(_), Self::Float(_)) => self.as_f64().total_cmp(&other.as_f64()).then(Ordering::Less),
            (Self::Float(_), Self::Whole(_)) => self.as_f64().total_cmp(&other.as_f64()).then(Ordering::Greater),
            (Self::Float(one), Self::Float(two)) => one.total_cmp(two),
        }
    }
}

impl std::hash::Hash for Number {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self {
            Self::Whole(whole) => whole.hash(state),
            Self::Float(float) => float.to_bits().hash(state),
        }
    }
}

impl Scalar {
    /// A single JSON value; none for null, lists and objects.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(Self::Bool(*value)),
            Value::Number(number) => Some(Self::Number(Number::of(number))),
            Value::String(text) => Some(Self::Text(text.as_str().into())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Bool(value) => (*value).into(),
            Self::Number(number) => number.to_json(),
            Self::Text(text) => Value::String(text.to_string()),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(Number::Whole(whole)) => write!(f, "{whole}"),
            Self::Number(Number::Float(float)) => write!(f, "{float}"),
            // As JSON, so that the text of a trigger is unambiguous and on one line.
            Self::Text(text) => fmt::Display::fmt(&Value::from(&**text), f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Scalar {
        Scalar::of(&serde_json::from_str(json).unwrap()).unwrap()
    }

    #[test]
    fn numbers_are_compared_by_value_and_never_with_texts() {
        assert_eq!(of("3"), of("3.0"));
        assert_ne!(of("3"), of("\"3\""));
        assert_ne!(of("1"), of("true"));
        assert_ne!(of("9007199254740993"), of("9007199254740992.0"));
        assert_ne!(of("18446744073709551615"), of("18446744073709551614"));
        assert_ne!(of("18446744073709551615"), of("18446744073709551616.0"));
        assert_ne!(of("18446744073709551616.0"), of("18446744073709551615"));
        assert!(of("2") < of("2.5") && of("2.5") < of("3") && of("-1") < of("0.5"));
    }

    #[test]
    fn a_value_goes_back_to_json_as_it_came() {
        for json in ["3", "-7", "18446744073709551615", "2.5", "true", "\"a \\\"b\\\"\\n\""] {
            assert_eq!(of(json).to_json(), serde_json::from_str::<Value>(json).unwrap());
            assert_eq!(of(json).to_string(), json);
        }
    }
}

//! Triggers: for whom a policy is.

use std::fmt;
use std::sync::Arc;

use provisionr_sdk::{Date, Subject, Timestamp};
use serde_json::Value;

use super::scalar::{Number, Scalar};

/// For whom a policy is: everyone, or whoever one of its triggers matches.
#[derive(Clone, Debug)]
pub(crate) enum Audience {
    Everyone,
    /// Sorted by their text, each once.
    AnyOf(Vec<Trigger>),
}

/// The text of the trigger of a policy that is for everyone.
pub(crate) const EVERYONE: &str = "everyone";

/// Conditions that must all hold.
#[derive(Clone, Debug)]
pub(crate) struct Trigger {
    pub(crate) conditions: Vec<Condition>,
    /// The canonical text: two triggers with the same text mean the same.
    pub(crate) text: Arc<str>,
}

/// What one attribute of a subject must be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) attribute: Box<str>,
    pub(crate) matcher: Matcher,
}

/// Tests on one attribute; all that are set must hold.
///
/// All tests but `none_of` and `exists` must hold for one and the same value, where the attribute has several.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Matcher {
    /// Sorted, each once.
    pub(crate) any_of: Option<Vec<Scalar>>,
    pub(crate) none_of: Option<Vec<Scalar>>,
    pub(crate) globs: Option<Vec<Glob>>,
    pub(crate) min: Option<Number>,
    pub(crate) max: Option<Number>,
    pub(crate) before: Option<Date>,
    pub(crate) after: Option<Date>,
    pub(crate) exists: Option<bool>,
}

impl Trigger {
    pub(crate) fn new(mut conditions: Vec<Condition>) -> Self {
        conditions.sort_by(|one, two| one.attribute.cmp(&two.attribute));
        let text = conditions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        Self { conditions, text: text.into() }
    }

    pub(crate) fn matches(&self, subject: &Subject) -> bool {
        self.conditions.iter().all(|condition| condition.matches(subject))
    }
}

impl Condition {
    fn matches(&self, subject: &Subject) -> bool {
        let mut values = Vec::new();
        attribute(subject, &self.attribute, &mut |value| values.push(value));
        self.matcher.matches(&values)
    }
}

impl Matcher {
    fn matches(&self, values: &[&Value]) -> bool {
        if let Some(exists) = self.exists
            && exists == values.is_empty()
        {
            return false;
        }
        if let Some(none_of) = &self.none_of
            && (values.is_empty() || values.iter().filter_map(|value| Scalar::of(value)).any(|value| none_of.binary_search(&value).is_ok()))
        {
            return false;
        }
        !self.looks_at_values() || values.iter().filter_map(|value| Scalar::of(value)).any(|value| self.takes(&value))
    }

    fn looks_at_values(&self) -> bool {
        self.any_of.is_some() || self.globs.is_some() || self.min.is_some() || self.max.is_some() || self.before.is_some() || self.after.is_some()
    }

    fn takes(&self, value: &Scalar) -> bool {
        self.any_of.as_ref().is_none_or(|any_of| any_of.binary_search(value).is_ok())
            && self.globs.as_ref().is_none_or(|globs| matches!(value, Scalar::Text(text) if globs.iter().any(|glob| glob.matches(text))))
            && self.min.is_none_or(|min| matches!(value, Scalar::Number(number) if *number >= min))
            && self.max.is_none_or(|max| matches!(value, Scalar::Number(number) if *number <= max))
            && self.before.is_none_or(|before| day(value).is_some_and(|day| day < before))
            && self.after.is_none_or(|after| day(value).is_some_and(|day| day > after))
    }
}

/// A day, or the UTC day of a point in time.
pub(crate) fn day(value: &Scalar) -> Option<Date> {
    let Scalar::Text(text) = value else { return None };
    text.parse::<Date>().ok().or_else(|| text.parse::<Timestamp>().ok().map(Timestamp::date))
}

/// Hands over every value of an attribute: the elements of lists one by one, nothing for null.
///
/// A name with dots is looked for as it is, and then as a path into objects.
pub(crate) fn attribute<'s>(subject: &'s Subject, name: &str, each: &mut dyn FnMut(&'s Value)) {
    if let Some(value) = subject.attributes.get(name) {
        return elements(value, each);
    }
    // The longest name that is there wins, so that the answer does not hang on chance.
    let ends = name.char_indices().rev().filter(|(_, c)| *c == '.').map(|(at, _)| at);
    for end in ends {
        if let Some((head, rest)) = name.split_at_checked(end)
            && let Some(value) = subject.attributes.get(head)
        {
            return descend(value, rest.trim_start_matches('.'), each);
        }
    }
}

fn descend<'s>(value: &'s Value, path: &str, each: &mut dyn FnMut(&'s Value)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| descend(item, path, each)),
        Value::Object(fields) => {
            if let Some(value) = fields.get(path) {
                return elements(value, each);
            }
            if let Some((head, rest)) = path.split_once('.')
                && let Some(value) = fields.get(head)
            {
                descend(value, rest, each);
            }
        }
        _ => {}
    }
}

fn elements<'s>(value: &'s Value, each: &mut dyn FnMut(&'s Value)) {
    match value {
        Value::Null => {}
        Value::Array(items) => items.iter().for_each(|item| elements(item, each)),
        other => each(other),
    }
}

/// A pattern over a whole text: `*` stands for any characters, `?` for one; a backslash takes the next one literally.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Glob {
    text: Box<str>,
    parts: Vec<GlobPart>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum GlobPart {
    Any,
    One,
    Literal(char),
}

impl Glob {
    pub(crate) fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '*' => GlobPart::Any,
                '?' => GlobPart::One,
                '\\' => GlobPart::Literal(chars.next().unwrap_or('\\')),
                other => GlobPart::Literal(other),
            });
        }
        Self { text: text.into(), parts }
    }

    fn matches(&self, text: &str) -> bool {
        let chars: Vec<char> = text.chars().collect();
        // Going back only to the last `*` is enough, so the cost is at most pattern times text.
        let (mut part, mut at, mut back) = (0, 0, None);
        loop {
            match (self.parts.get(part), chars.get(at)) {
                (Some(GlobPart::Any), _) => {
                    back = Some((part, at));
                    part += 1;
                }
                (Some(GlobPart::One), Some(_)) => (part, at) = (part + 1, at + 1),
                (Some(GlobPart::Literal(wanted)), Some(c)) if wanted == c => (part, at) = (part + 1, at + 1),
                (None, None) => return true,
                _ => match back {
                    Some((star, from)) if from < chars.len() => {
                        back = Some((star, from + 1));
                        (part, at) = (star + 1, from + 1);
                    }
                    _ => return false,
                },
            }
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let name = if self.attribute.chars().all(plain) { self.attribute.to_string() } else { Value::from(&*self.attribute).to_string() };
        let matcher = &self.matcher;
        let mut tests = Vec::new();
        if let Some(any_of) = &matcher.any_of {
            tests.push(list(&name, "=", "in", any_of));
        }
        if let Some(none_of) = &matcher.none_of {
            tests.push(list(&name, "!=", "not in", none_of));
        }
        if let Some(globs) = &matcher.globs {
            let texts: Vec<_> = globs.iter().map(|glob| Scalar::Text(glob.text.clone())).collect();
            tests.push(list(&name, "like", "like any of", &texts));
        }
        for (sign, bound) in [(">=", matcher.min), ("<=", matcher.max)] {
            tests.extend(bound.map(|bound| format!("{name} {sign} {}", Scalar::Number(bound))));
        }
        for (word, bound) in [("before", matcher.before), ("after", matcher.after)] {
            tests.extend(bound.map(|bound| format!("{name} {word} {bound}")));
        }
        tests.extend(matcher.exists.map(|exists| format!("{name} {}", if exists { "is there" } else { "is not there" })));
        f.write_str(&tests.join(" and "))
    }
}

fn list(name: &str, one: &str, several: &str, values: &[impl fmt::Display]) -> String {
    match values {
        [value] => format!("{name} {one} {value}"),
        values => format!("{name} {several} [{}]", values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_glob_covers_the_whole_text() {
        for (glob, text, fits) in [
            ("*@x.com", "a@x.com", true),
            ("*@x.com", "a@x.com.evil", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("é*", "école", true),
            ("**a", "bba", true),
        ] {
            assert_eq!(Glob::new(glob).matches(text), fits, "{glob} on {text}");
        }
    }

    fn values(subject: &Subject, name: &str) -> Vec<Value> {
        let mut found = Vec::new();
        attribute(subject, name, &mut |value| found.push(value.clone()));
        found
    }

    #[test]
    fn dotted_names_reach_into_objects_and_lists() {
        let subject = Subject::new("7")
            .with("address", json!({ "country": "CH", "geo": { "lat": 1 }, "a.b": "dot" }))
            .with("a.b", "flat")
            .with("a", json!({ "b": "nested", "c": 2 }))
            .with("jobs", json!([{ "title": "x" }, { "title": ["y", null] }, 3]))
            .with("none", Value::Null);
        assert_eq!(values(&subject, "address.country"), ["CH"]);
        assert_eq!(values(&subject, "address.geo.lat"), [1]);
        assert_eq!(values(&subject, "address.a.b"), ["dot"]);
        assert_eq!(values(&subject, "a.b"), ["flat"]);
        assert_eq!(values(&subject, "a.c"), [2]);
        assert_eq!(values(&subject, "jobs.title"), ["x", "y"]);
        for missing in ["none", "address.city", "address.country.code", "nothing", "nothing.at.all", ".", ""] {
            assert!(values(&subject, missing).is_empty(), "{missing}");
        }
    }
}

//! Filters: RFC 7644, section 3.4.2.2.

use serde_json::{Map, Value};

use super::attribute::AttributePath;
use super::error::Refusal;

/// A filter, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    /// One value of the attribute fits the filter within.
    Within(AttributePath, Box<Filter>),
    Present(AttributePath),
    Compare(AttributePath, Comparison, Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Contains,
    StartsWith,
    EndsWith,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Filter {
    /// # Errors
    /// `invalidFilter` when it is none, or has an operator the RFC does not know.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut rest = Rest(text);
        let filter = rest.either().filter(|_| rest.0.trim().is_empty());
        filter.ok_or_else(|| Refusal::invalid("invalidFilter", format!("this is no filter: {text}")))
    }

    pub(crate) fn matches(&self, resource: &Map<String, Value>) -> bool {
        match self {
            Self::And(one, other) => one.matches(resource) && other.matches(resource),
            Self::Or(one, other) => one.matches(resource) || other.matches(resource),
            Self::Not(inner) => !inner.matches(resource),
            Self::Within(path, inner) => {
                let whole = path.name.as_ref().and_then(|name| super::attribute::get(resource, name));
                whole.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).any(|value| inner.matches(value))
            }
            Self::Present(path) => path.values(resource).into_iter().any(|value| *value != "" && *value != Value::Null),
            // Who has no value is not equal to one.
            Self::Compare(path, Comparison::NotEqual, wanted) => {
                !path.values(resource).into_iter().any(|value| compare(value, Comparison::Equal, wanted, path.is_exact()))
            }
            Self::Compare(path, comparison, wanted) => path.values(resource).into_iter().any(|value| compare(value, *comparison, wanted, path.is_exact())),
        }
    }

    /// The attributes it asks about.
    pub(crate) fn attributes(&self) -> Vec<String> {
        match self {
            Self::And(one, other) | Self::Or(one, other) => one.attributes().into_iter().chain(other.attributes()).collect(),
            Self::Not(inner) => inner.attributes(),
            Self::Within(path, _) | Self::Present(path) | Self::Compare(path, ..) => {
                [path.name.as_deref(), path.sub.as_deref()].into_iter().flatten().fold(Vec::new(), |all, part| match all.as_slice() {
                    [] => vec![part.to_owned()],
                    [name] => vec![format!("{name}.{part}")],
                    _ => all,
                })
            }
        }
    }
}

fn compare(value: &Value, comparison: Comparison, wanted: &Value, exact: bool) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let (Value::String(value), Value::String(wanted)) = (value, wanted) else {
        let order = value.as_f64().zip(wanted.as_f64()).and_then(|(value, wanted)| value.partial_cmp(&wanted));
        return match comparison {
            Comparison::Equal => value == wanted,
            Comparison::Greater => order == Some(Greater),
            Comparison::GreaterOrEqual => matches!(order, Some(Greater | Equal)),
            Comparison::Less => order == Some(Less),
            Comparison::LessOrEqual => matches!(order, Some(Less | Equal)),
            _ => false,
        };
    };
    let folded = |text: &str| if exact { text.to_owned() } else { text.to_lowercase() };
    let (value, wanted) = (folded(value), folded(wanted));
    match comparison {
        Comparison::Equal => value == wanted,
        Comparison::NotEqual => value != wanted,
        Comparison::Contains => value.contains(&wanted),
        Comparison::StartsWith => value.starts_with(&wanted),
        Comparison::EndsWith => value.ends_with(&wanted),
        Comparison::Greater => value > wanted,
        Comparison::GreaterOrEqual => value >= wanted,
        Comparison::Less => value < wanted,
        Comparison::LessOrEqual => value <= wanted,
    }
}

/// What is not read yet. Each method takes what it reads, or answers nothing.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn either(&mut self) -> Option<Filter> {
        let mut filter = self.both()?;
        while self.word("or") {
            filter = Filter::Or(Box::new(filter), Box::new(self.both()?));
        }
        Some(filter)
    }

    fn both(&mut self) -> Option<Filter> {
        let mut filter = self.one()?;
        while self.word("and") {
            filter = Filter::And(Box::new(filter), Box::new(self.one()?));
        }
        Some(filter)
    }

    fn one(&mut self) -> Option<Filter> {
        let not = self.word("not");
        if self.sign('(') {
            let inner = self.either()?;
            return self.sign(')').then(|| if not { Filter::Not(Box::new(inner)) } else { inner });
        }
        if not {
            return None;
        }
        let path = AttributePath::parse(self.token()?)?;
        if self.0.starts_with('[') && self.sign('[') {
            let inner = self.either()?;
            return self.sign(']').then(|| Filter::Within(path, Box::new(inner)));
        }
        let operator = self.token()?.to_lowercase();
        if operator == "pr" {
            return Some(Filter::Present(path));
        }
        let comparison = match operator.as_str() {
            "eq" => Comparison::Equal,
            "ne" => Comparison::NotEqual,
            "co" => Comparison::Contains,
            "sw" => Comparison::StartsWith,
            "ew" => Comparison::EndsWith,
            "gt" => Comparison::Greater,
            "ge" => Comparison::GreaterOrEqual,
            "lt" => Comparison::Less,
            "le" => Comparison::LessOrEqual,
            _ => return None,
        };
        Some(Filter::Compare(path, comparison, self.value()?))
    }

    /// A word by itself, in capitals or not.
    fn word(&mut self, word: &str) -> bool {
        let text = self.0.trim_start();
        let (Some(start), Some(after)) = (text.get(..word.len()), text.get(word.len()..)) else { return false };
        let found = start.eq_ignore_ascii_case(word) && !after.starts_with(|c: char| c.is_ascii_alphanumeric());
        if found {
            self.0 = after;
        }
        found
    }

    fn sign(&mut self, sign: char) -> bool {
        let after = self.0.trim_start().strip_prefix(sign);
        self.0 = after.unwrap_or(self.0);
        after.is_some()
    }

    fn token(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start();
        let end = text.find(|c: char| c.is_whitespace() || "[]()".contains(c)).unwrap_or(text.len());
        let (token, after) = text.split_at_checked(end)?;
        self.0 = after;
        (!token.is_empty()).then_some(token)
    }

    /// A text, number, boolean or null of JSON.
    fn value(&mut self) -> Option<Value> {
        let text = self.0.trim_start();
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        let value = values.next()?.ok().filter(|value| !value.is_array() && !value.is_object())?;
        self.0 = text.get(values.byte_offset()..)?;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_of_the_rfc_are_understood() {
        let Value::Object(user) = json!({
            "userName": "BJensen", "externalId": "A1", "active": true, "name": { "familyName": "O'Malley" }, "title": "",
            "emails": [{ "value": "b@x.com", "type": "work" }, { "value": "babs@home.org", "type": "home" }],
            "meta": { "lastModified": "2011-05-13T04:42:34Z" },
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "Sales" },
        }) else {
            unreachable!()
        };
        for (filter, fits) in [
            (r#"userName eq "bjensen""#, true),
            (r#"externalId eq "a1""#, false),
            (r#"name.familyName co "O'Malley""#, true),
            (r#"userName sw "B" and not (userName ew "x")"#, true),
            (r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "B""#, true),
            (r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "sales""#, true),
            ("title pr", false),
            (r#"title pr or active eq true"#, true),
            (r#"meta.lastModified gt "2011-05-13T04:42:34Z""#, false),
            (r#"meta.lastModified ge "2011-05-13T04:42:34Z""#, true),
            (r#"userName eq "x" or userName eq "y" and active eq true"#, false),
            (r#"(userName eq "bjensen" or userName eq "y") and active eq true"#, true),
            (r#"emails[type eq "work" and value co "@x.com"]"#, true),
            (r#"emails[type eq "home" and value co "@x.com"]"#, false),
            (r#"emails.value eq "babs@home.org""#, true),
            (r#"emails eq "babs@home.org""#, true),
            (r#"nickName ne "x""#, true),
        ] {
            assert_eq!(Filter::parse(filter).unwrap().matches(&user), fits, "{filter}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for filter in
            ["", "userName", "userName eq", "userName like \"x\"", "userName eq \"x", "(userName pr", "userName pr)", "eq eq", "not userName pr", "a eq {}"]
        {
            assert_eq!(Filter::parse(filter).unwrap_err().scim_type, Some("invalidFilter"), "{filter}");
        }
    }
}

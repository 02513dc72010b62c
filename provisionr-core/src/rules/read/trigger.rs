//! Triggers and the operators of their conditions.

use provisionr_sdk::{Date, suggestion};

use super::super::diagnostic::{DiagnosticCode, did_you_mean, quoted};
use super::super::scalar::{Number, Scalar};
use super::super::source::Span;
use super::super::tree::{Node, NodeValue};
use super::super::trigger::{Audience, Condition, EVERYONE, Glob, Matcher, Trigger};
use super::Reader;

const OPERATORS: [&str; 9] = ["eq", "in", "not", "glob", "min", "max", "before", "after", "exists"];

/// What people write when they know another language.
const OTHER_WORDS: [(&str, &str); 16] = [
    ("equals", "eq"),
    ("is", "eq"),
    ("any", "in"),
    ("any_of", "in"),
    ("one_of", "in"),
    ("ne", "not"),
    ("not_in", "not"),
    ("none_of", "not"),
    ("like", "glob"),
    ("matches", "glob"),
    ("regex", "glob"),
    ("starts_with", "glob"),
    ("gte", "min"),
    ("lte", "max"),
    ("present", "exists"),
    ("missing", "exists"),
];

impl Reader<'_> {
    pub(super) fn audience(&mut self, key: Span, node: &Node) -> Option<Audience> {
        match &node.value {
            NodeValue::Scalar(Scalar::Text(word)) if &**word == EVERYONE => Some(Audience::Everyone),
            NodeValue::Scalar(Scalar::Text(word)) => {
                let help = suggestion(word, [EVERYONE])
                    .map_or_else(|| "write a list of conditions, or `triggers: everyone`".to_owned(), |word| format!("did you mean {}?", quoted(word)));
                self.problem(DiagnosticCode::WrongType, node.span, "`triggers` must be a list, or the word `everyone`").help(help);
                None
            }
            NodeValue::List(items) if items.is_empty() => {
                self.problem(DiagnosticCode::Empty, node.pointer(), "`triggers` is empty: the policy is for nobody")
                    .help("write conditions, or `triggers: everyone` if everyone is meant");
                None
            }
            NodeValue::List(items) => {
                let read: Vec<_> = items.iter().map(|item| self.trigger(item)).collect();
                let mut triggers = read.into_iter().collect::<Option<Vec<_>>>()?;
                triggers.sort_by(|one, two| one.text.cmp(&two.text));
                triggers.dedup_by(|one, two| one.text == two.text);
                Some(Audience::AnyOf(triggers))
            }
            NodeValue::Map(_) => {
                self.problem(DiagnosticCode::WrongType, node.pointer(), "`triggers` must be a list").help("put `- ` before each set of conditions");
                None
            }
            _ => {
                self.wrong_type(key, node, "`triggers`", "a list");
                None
            }
        }
    }

    fn trigger(&mut self, node: &Node) -> Option<Trigger> {
        let fields = self.mapping(node, "a trigger", None)?;
        if let NodeValue::Map(entries) = &node.value
            && entries.is_empty()
        {
            self.problem(DiagnosticCode::Empty, node.pointer(), "a trigger without conditions would match everyone")
                .help("write `triggers: everyone` if everyone is meant");
            return None;
        }
        let read: Vec<_> = fields.0.iter().map(|(name, key, value)| self.condition(name, *key, value)).collect();
        let conditions = read.into_iter().collect::<Option<Vec<_>>>()?;
        Some(Trigger::new(conditions))
    }

    fn condition(&mut self, name: &str, key: Span, value: &Node) -> Option<Condition> {
        if name.trim().is_empty() || name.split('.').any(str::is_empty) {
            self.problem(DiagnosticCode::Empty, key, "the name of an attribute has an empty part");
            return None;
        }
        if name == "<<" {
            self.problem(DiagnosticCode::UnknownKey, key, "merging with `<<` is not supported").help("repeat whole values with anchors and aliases instead");
            return None;
        }
        let matcher = match &value.value {
            NodeValue::Scalar(scalar) => Matcher { any_of: Some(vec![scalar.clone()]), ..Matcher::default() },
            NodeValue::List(_) => Matcher { any_of: Some(self.scalars(key, value, &quoted(name))?), ..Matcher::default() },
            NodeValue::Map(_) => self.operators(name, value)?,
            NodeValue::Null => {
                self.nothing(key, value, &quoted(name));
                return None;
            }
        };
        Some(Condition { attribute: name.into(), matcher })
    }

    fn operators(&mut self, attribute: &str, node: &Node) -> Option<Matcher> {
        let what = format!("the test of {}", quoted(attribute));
        let before = self.read.problems.len();
        let fields = self.mapping(node, &what, None)?;
        if fields.0.is_empty() && self.read.problems.len() == before {
            self.problem(DiagnosticCode::Empty, node.pointer(), format!("{what} has no operator"));
        }
        let mut matcher = Matcher::default();
        for (operator, key, value) in &fields.0 {
            let (operator, key) = (*operator, *key);
            match operator {
                "eq" => matcher.any_of = self.scalar(key, value, "`eq`", "a single value; `in` takes a list").map(|scalar| vec![scalar]),
                "in" => matcher.any_of = self.scalars(key, value, "`in`"),
                "not" => matcher.none_of = self.scalars(key, value, "`not`"),
                "glob" => matcher.globs = self.globs(key, value),
                "min" => matcher.min = self.number(key, value, "`min`"),
                "max" => matcher.max = self.number(key, value, "`max`"),
                "before" => matcher.before = self.date(key, value, "`before`"),
                "after" => matcher.after = self.date(key, value, "`after`"),
                "exists" => match &value.value {
                    NodeValue::Scalar(Scalar::Bool(exists)) => matcher.exists = Some(*exists),
                    _ => self.wrong_type(key, value, "`exists`", "`true` or `false`"),
                },
                unknown => {
                    let help = match OTHER_WORDS.iter().find(|(word, _)| *word == unknown.to_lowercase()) {
                        Some((_, operator)) => Some(format!("did you mean `{operator}`?")),
                        None => did_you_mean(unknown, OPERATORS),
                    };
                    self.problem(DiagnosticCode::UnknownOperator, key, format!("there is no operator {}", quoted(unknown))).help(help);
                }
            }
        }
        if self.read.problems.len() > before {
            return None;
        }
        self.contradictions(attribute, node, &fields.0.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), &matcher).then_some(matcher)
    }

    /// Tests that no subject can pass are mistakes.
    fn contradictions(&mut self, attribute: &str, node: &Node, operators: &[&str], matcher: &Matcher) -> bool {
        let attribute = quoted(attribute);
        let wrong = if operators.contains(&"eq") && operators.contains(&"in") {
            Some(format!("{attribute} is tested by both `eq` and `in`"))
        } else if matcher.exists == Some(false) && operators.len() > 1 {
            Some(format!("{attribute} cannot both be missing and pass another test"))
        } else if matcher.min.zip(matcher.max).is_some_and(|(min, max)| min > max) {
            Some(format!("nothing is in the range of {attribute}: `min` is above `max`"))
        } else if matcher.after.zip(matcher.before).is_some_and(|(after, before)| after >= before) {
            Some(format!("no day is in the range of {attribute}: `after` is not before `before`"))
        } else {
            None
        };
        if let Some(message) = &wrong {
            self.problem(DiagnosticCode::InvalidValue, node.pointer(), message.as_str());
        }
        wrong.is_none()
    }

    fn scalar(&mut self, key: Span, value: &Node, what: &str, wanted: &str) -> Option<Scalar> {
        if let NodeValue::Scalar(scalar) = &value.value {
            return Some(scalar.clone());
        }
        self.wrong_type(key, value, what, wanted);
        None
    }

    /// One value or a list of values, sorted and each once.
    fn scalars(&mut self, key: Span, value: &Node, what: &str) -> Option<Vec<Scalar>> {
        let mut scalars = match &value.value {
            NodeValue::List(items) if items.is_empty() => {
                self.problem(DiagnosticCode::Empty, value.pointer(), format!("the list of {what} is empty"));
                return None;
            }
            NodeValue::List(items) => {
                let read: Vec<_> = items.iter().map(|item| self.scalar(key, item, &format!("a value of {what}"), "a single value")).collect();
                read.into_iter().collect::<Option<Vec<_>>>()?
            }
            _ => vec![self.scalar(key, value, what, "a single value or a list")?],
        };
        scalars.sort();
        scalars.dedup();
        Some(scalars)
    }

    fn globs(&mut self, key: Span, value: &Node) -> Option<Vec<Glob>> {
        let scalars = self.scalars(key, value, "`glob`")?;
        let globs: Option<Vec<_>> = scalars
            .iter()
            .map(|scalar| match scalar {
                Scalar::Text(text) if !text.is_empty() => Some(Glob::new(text)),
                _ => None,
            })
            .collect();
        if globs.is_none() {
            self.problem(DiagnosticCode::WrongType, value.pointer(), "`glob` must be a text such as `*@example.com`");
        }
        globs
    }

    fn number(&mut self, key: Span, value: &Node, what: &str) -> Option<Number> {
        match &value.value {
            NodeValue::Scalar(Scalar::Number(number)) => return Some(*number),
            NodeValue::Scalar(Scalar::Text(text)) if text.parse::<Date>().is_ok() => {
                let message = format!("{what} must be a number, and this is a day");
                self.problem(DiagnosticCode::WrongType, value.span, message).help("days are compared with `before` and `after`");
            }
            _ => self.wrong_type(key, value, what, "a number"),
        }
        None
    }

    fn date(&mut self, key: Span, value: &Node, what: &str) -> Option<Date> {
        if let NodeValue::Scalar(Scalar::Text(text)) = &value.value
            && let Ok(day) = text.parse()
        {
            return Some(day);
        }
        self.wrong_type(key, value, what, "a day such as 2024-11-25");
        None
    }
}

//! Okta's two small languages: filters of lists, and conditions of group rules.

use std::str::FromStr;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// A parsed condition. Filters read `profile.email eq "x" and status eq "ACTIVE"`, rules read
/// `user.department=="Engineering" && user.city!="Paris"`; both may use parentheses.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    text: String,
    node: Node,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Compare { path: String, operator: Operator, value: String },
    And(Vec<Node>),
    Or(Vec<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    StartsWith,
    Contains,
    Present,
}

/// Whether texts are compared with regard to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Sensitive,
    Ignored,
}

/// A text that is no expression this fake understands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an expression the fake understands: {0}")]
pub struct ExpressionError(String);

impl Expression {
    /// The text it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether an object fits; paths are looked up in it.
    pub(super) fn fits(&self, object: &Value, case: Case) -> bool {
        self.node.fits(object, case)
    }

    /// Every attribute it names, with the operator.
    pub(super) fn attributes(&self) -> Vec<(&str, Operator)> {
        let mut found = Vec::new();
        self.node.attributes(&mut found);
        found
    }
}

impl Node {
    fn fits(&self, object: &Value, case: Case) -> bool {
        match self {
            Self::And(nodes) => nodes.iter().all(|node| node.fits(object, case)),
            Self::Or(nodes) => nodes.iter().any(|node| node.fits(object, case)),
            Self::Compare { path, operator, value } => {
                let found = path.split('.').try_fold(object, |at, name| at.get(name)).filter(|found| !found.is_null());
                let fold = |text: &str| if case == Case::Ignored { text.to_lowercase() } else { text.to_owned() };
                let Some(found) = found else { return *operator == Operator::NotEqual };
                let found = fold(&found.as_str().map_or_else(|| found.to_string(), str::to_owned));
                let value = fold(value);
                match operator {
                    Operator::Equal => found == value,
                    Operator::NotEqual => found != value,
                    Operator::Greater => found > value,
                    Operator::GreaterOrEqual => found >= value,
                    Operator::Less => found < value,
                    Operator::LessOrEqual => found <= value,
                    Operator::StartsWith => found.starts_with(&value),
                    Operator::Contains => found.contains(&value),
                    Operator::Present => true,
                }
            }
        }
    }

    fn attributes<'a>(&'a self, found: &mut Vec<(&'a str, Operator)>) {
        match self {
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().for_each(|node| node.attributes(found)),
            Self::Compare { path, operator, .. } => found.push((path, *operator)),
        }
    }
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        let tokens = tokens(text).ok_or_else(|| ExpressionError(text.to_owned()))?;
        let mut rest = tokens.as_slice();
        match either(&mut rest) {
            Some(node) if rest.is_empty() => Ok(Self { text: text.to_owned(), node }),
            _ => Err(ExpressionError(text.to_owned())),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Operator(Operator),
    Word(String),
    Text(String),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let symbols = [
            ("(", Token::Open),
            (")", Token::Close),
            ("&&", Token::And),
            ("||", Token::Or),
            ("==", Token::Operator(Operator::Equal)),
            ("!=", Token::Operator(Operator::NotEqual)),
        ];
        if let Some((symbol, token)) = symbols.into_iter().find(|(symbol, _)| rest.starts_with(symbol)) {
            tokens.push(token);
            rest = rest.get(symbol.len()..)?;
        } else if first == '"' {
            let (value, length) = quoted(rest)?;
            tokens.push(Token::Text(value));
            rest = rest.get(length..)?;
        } else {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-'))).unwrap_or(rest.len());
            let word = rest.get(..end).filter(|word| !word.is_empty())?;
            tokens.push(keyword(word));
            rest = rest.get(end..)?;
        }
        rest = rest.trim_start();
    }
    Some(tokens)
}

fn keyword(word: &str) -> Token {
    match word.to_ascii_lowercase().as_str() {
        "and" => Token::And,
        "or" => Token::Or,
        "eq" => Token::Operator(Operator::Equal),
        "ne" => Token::Operator(Operator::NotEqual),
        "gt" => Token::Operator(Operator::Greater),
        "ge" => Token::Operator(Operator::GreaterOrEqual),
        "lt" => Token::Operator(Operator::Less),
        "le" => Token::Operator(Operator::LessOrEqual),
        "sw" => Token::Operator(Operator::StartsWith),
        "co" => Token::Operator(Operator::Contains),
        "pr" => Token::Operator(Operator::Present),
        _ => Token::Word(word.to_owned()),
    }
}

/// A quoted text at the start, with `\"` and `\\` undone, and how many bytes it takes.
fn quoted(rest: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, at + 1)),
            '\\' => value.push(chars.next()?.1),
            _ => value.push(c),
        }
    }
    None
}

fn either(rest: &mut &[Token]) -> Option<Node> {
    let mut nodes = vec![both(rest)?];
    while take(rest, &Token::Or) {
        nodes.push(both(rest)?);
    }
    Some(if nodes.len() == 1 { nodes.remove(0) } else { Node::Or(nodes) })
}

fn both(rest: &mut &[Token]) -> Option<Node> {
    let mut nodes = vec![one(rest)?];
    while take(rest, &Token::And) {
        nodes.push(one(rest)?);
    }
    Some(if nodes.len() == 1 { nodes.remove(0) } else { Node::And(nodes) })
}

fn take(rest: &mut &[Token], token: &Token) -> bool {
    match rest.split_first() {
        Some((first, tail)) if first == token => {
            *rest = tail;
            true
        }
        _ => false,
    }
}

fn one(rest: &mut &[Token]) -> Option<Node> {
    if take(rest, &Token::Open) {
        let node = either(rest)?;
        return take(rest, &Token::Close).then_some(node);
    }
    let (Token::Word(path), tail) = rest.split_first()? else { return None };
    let (Token::Operator(operator), tail) = tail.split_first()? else { return None };
    if *operator == Operator::Present {
        *rest = tail;
        return Some(Node::Compare { path: path.clone(), operator: *operator, value: String::new() });
    }
    let (Token::Text(value) | Token::Word(value), tail) = tail.split_first()? else { return None };
    *rest = tail;
    Some(Node::Compare { path: path.clone(), operator: *operator, value: value.clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(text: &str) -> bool {
        let object = json!({ "status": "ACTIVE", "profile": { "email": "Sarah@company.com", "title": "a \"b\" \\" }, "last": "2024-11-24" });
        text.parse::<Expression>().unwrap().fits(&object, Case::Sensitive)
    }

    #[test]
    fn both_languages_are_read() {
        assert!(fits(r#"profile.email eq "Sarah@company.com""#));
        assert!(!fits(r#"profile.email EQ "sarah@company.com""#));
        assert!(fits(r#"status eq "STAGED" or (status eq "ACTIVE" and last gt "2024-11-01")"#));
        assert!(fits(r#"profile.email sw "Sarah" and profile.email pr"#));
        assert!(fits(r#"status=="ACTIVE" && profile.email!="x""#));
        assert!(fits(r#"profile.title eq "a \"b\" \\""#));
        assert!(!fits(r#"profile.nothing eq "x""#));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in ["", "status", "status eq", r#"status eq "ACTIVE" and"#, r#"(status eq "A""#, r#"status eq "A"#, r#"String.stringContains(user.x, "a")"#] {
            assert!(text.parse::<Expression>().is_err(), "{text}");
        }
    }
}

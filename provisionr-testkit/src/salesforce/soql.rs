//! The part of SOQL that clients of access management speak: `SELECT fields FROM object [WHERE a = x AND b IN (…)]
//! [ORDER BY field] [LIMIT n]`. Anything else is refused as malformed.

use serde_json::{Value, json};

use super::answer::Problem;
use super::schema::{Object, is_id};
use super::state::{Org, Record};
use provisionr_sdk::Timestamp;

#[derive(Debug)]
pub(super) struct Query {
    pub(super) object: &'static Object,
    fields: Vec<String>,
    conditions: Vec<Condition>,
    order: Option<String>,
    limit: Option<usize>,
}

#[derive(Debug)]
struct Condition {
    field: String,
    test: Test,
    values: Vec<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Is,
    IsNot,
    In,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
    NotEqual,
}

fn malformed(why: impl std::fmt::Display) -> Problem {
    Problem::new("MALFORMED_QUERY", format!("unexpected token: {why}"))
}

fn tokens(soql: &str) -> Result<Vec<Token>, Problem> {
    let mut tokens = Vec::new();
    let mut chars = soql.chars().peekable();
    while let Some(&char) = chars.peek() {
        chars.next();
        tokens.push(match char {
            ' ' | '\n' | '\t' => continue,
            '\'' => Token::Text(literal(&mut chars)?),
            '!' if chars.next_if_eq(&'=').is_some() => Token::NotEqual,
            ',' | '(' | ')' | '=' => Token::Sign(char),
            _ if char.is_ascii_alphanumeric() => {
                let mut word = char.to_string();
                while let Some(more) = chars.next_if(|next| next.is_ascii_alphanumeric() || matches!(next, '_' | '.')) {
                    word.push(more);
                }
                Token::Word(word)
            }
            other => return Err(malformed(other)),
        });
    }
    Ok(tokens)
}

fn literal(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, Problem> {
    let mut text = String::new();
    loop {
        match chars.next().ok_or_else(|| malformed("<EOF>"))? {
            '\'' => return Ok(text),
            '\\' => text.push(match chars.next().ok_or_else(|| malformed("<EOF>"))? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let hex: String = chars.by_ref().take(4).collect();
                    u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32).ok_or_else(|| malformed(hex))?
                }
                same @ ('\'' | '"' | '\\' | '_' | '%') => same,
                other => return Err(malformed(format!("\\{other}"))),
            }),
            other => text.push(other),
        }
    }
}

struct Parser(std::iter::Peekable<std::vec::IntoIter<Token>>);

impl Parser {
    fn word(&mut self) -> Result<String, Problem> {
        match self.0.next() {
            Some(Token::Word(word)) => Ok(word),
            other => Err(malformed(format!("{other:?}"))),
        }
    }

    fn keyword(&mut self, word: &str) -> bool {
        self.0.next_if(|token| matches!(token, Token::Word(next) if next.eq_ignore_ascii_case(word))).is_some()
    }

    fn sign(&mut self, sign: char) -> bool {
        self.0.next_if_eq(&Token::Sign(sign)).is_some()
    }

    fn value(&mut self) -> Result<Value, Problem> {
        Ok(match self.0.next() {
            Some(Token::Text(text)) => text.into(),
            Some(Token::Word(word)) => match word.to_lowercase().as_str() {
                "true" => true.into(),
                "false" => false.into(),
                "null" => Value::Null,
                _ => return Err(malformed(word)),
            },
            other => return Err(malformed(format!("{other:?}"))),
        })
    }

    fn condition(&mut self) -> Result<Condition, Problem> {
        let field = self.word()?;
        let (test, values) = match self.0.next() {
            Some(Token::Sign('=')) => (Test::Is, vec![self.value()?]),
            Some(Token::NotEqual) => (Test::IsNot, vec![self.value()?]),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("IN") && self.sign('(') => {
                let mut values = vec![self.value()?];
                while self.sign(',') {
                    values.push(self.value()?);
                }
                if !self.sign(')') {
                    return Err(malformed("a list that does not end"));
                }
                (Test::In, values)
            }
            other => return Err(malformed(format!("{other:?}"))),
        };
        Ok(Condition { field, test, values })
    }
}

impl Query {
    pub(super) fn parse(soql: &str) -> Result<Self, Problem> {
        let mut parser = Parser(tokens(soql)?.into_iter().peekable());
        if !parser.keyword("SELECT") {
            return Err(malformed(soql));
        }
        let mut fields = vec![parser.word()?];
        while parser.sign(',') {
            fields.push(parser.word()?);
        }
        if !parser.keyword("FROM") {
            return Err(malformed("no FROM"));
        }
        let name = parser.word()?;
        let object = Object::named(&name).ok_or_else(|| Problem::new("INVALID_TYPE", format!("sObject type '{name}' is not supported.")))?;
        let mut query = Self { object, fields, conditions: Vec::new(), order: None, limit: None };
        if parser.keyword("WHERE") {
            query.conditions.push(parser.condition()?);
            while parser.keyword("AND") {
                query.conditions.push(parser.condition()?);
            }
        }
        if parser.keyword("ORDER") {
            if !parser.keyword("BY") {
                return Err(malformed("ORDER"));
            }
            query.order = Some(parser.word()?);
        }
        if parser.keyword("LIMIT") {
            query.limit = Some(parser.word()?.parse().map_err(malformed)?);
        }
        match parser.0.next() {
            Some(rest) => Err(malformed(format!("{rest:?}"))),
            None => query.checked(),
        }
    }

    fn checked(mut self) -> Result<Self, Problem> {
        let object = self.object;
        let known = |field: &str| match field.split_once('.') {
            Some((parent, field)) => {
                let there = object.field(&format!("{parent}Id")).and(Object::named(parent)).and_then(|parent| parent.field(field));
                there.map(|field| format!("{parent}.{field}"))
            }
            None => object.field(field).map(str::to_owned),
        };
        let known = |field: &mut String| match known(field) {
            Some(known) => {
                *field = known;
                Ok(())
            }
            None => Err(Problem::new("INVALID_FIELD", format!("No such column '{field}' on entity '{}'.", object.name))),
        };
        self.fields.iter_mut().try_for_each(known)?;
        self.order.iter_mut().try_for_each(known)?;
        let mut twice = self.fields.clone();
        twice.sort();
        if let Some([same, _]) = twice.windows(2).find(|pair| matches!(pair, [one, other] if one == other)) {
            return Err(malformed(format!("duplicate field selected: {same}")));
        }
        for condition in &mut self.conditions {
            known(&mut condition.field)?;
            let wrong = condition.values.iter().find(|value| value.as_str().is_some_and(|text| !is_id(text)));
            if let Some(wrong) = wrong.filter(|_| condition.field.ends_with("Id")) {
                return Err(Problem::new("INVALID_QUERY_FILTER_OPERATOR", format!("invalid ID field: {}", wrong.as_str().unwrap_or_default())));
            }
        }
        Ok(self)
    }

    /// The records that fit, as they are shown.
    pub(super) fn run(&self, org: &Org, version: &str, now: Timestamp) -> Vec<Value> {
        let fits = |record: &Record| self.conditions.iter().all(|condition| condition.fits(&look_up(org, record, &condition.field, now)));
        let shown = org.all(self.object.name).map(|(_, record)| org.shown(self.object.name, record, now));
        let mut found: Vec<Record> = shown.filter(fits).collect();
        if let Some(field) = &self.order {
            found.sort_by_cached_key(|record| look_up(org, record, field, now).to_string());
        }
        found.truncate(self.limit.unwrap_or(usize::MAX));
        found.iter().map(|record| self.render(org, record, version, now)).collect()
    }

    fn render(&self, org: &Org, record: &Record, version: &str, now: Timestamp) -> Value {
        let attributes =
            |object: &str, id: &Value| json!({ "type": object, "url": format!("/services/data/{version}/sobjects/{object}/{}", id.as_str().unwrap_or("")) });
        let mut shown = Record::new();
        shown.insert("attributes".to_owned(), attributes(self.object.name, record.get("Id").unwrap_or(&Value::Null)));
        for field in &self.fields {
            let value = look_up(org, record, field, now);
            let Some((parent, of_parent)) = field.split_once('.') else {
                shown.insert(field.clone(), value);
                continue;
            };
            let id = record.get(&format!("{parent}Id")).cloned().unwrap_or_default();
            let nested = if id.is_null() { Value::Null } else { json!({ "attributes": attributes(parent, &id), (of_parent): value }) };
            shown.insert(parent.to_owned(), nested);
        }
        Value::Object(shown)
    }
}

fn look_up(org: &Org, record: &Record, field: &str, now: Timestamp) -> Value {
    let Some((parent, field)) = field.split_once('.') else { return record.get(field).cloned().unwrap_or_default() };
    let id = record.get(&format!("{parent}Id")).and_then(Value::as_str).unwrap_or("");
    org.get(parent, id).and_then(|(_, record)| org.shown(parent, record, now).get(field).cloned()).unwrap_or_default()
}

impl Condition {
    fn fits(&self, held: &Value) -> bool {
        let same = |wanted: &Value| match (held, wanted) {
            // An empty text is none.
            (Value::Null, Value::String(text)) => text.is_empty(),
            (Value::String(held), Value::String(wanted)) if self.field.ends_with("Id") => held.get(..15) == wanted.get(..15),
            (Value::String(held), Value::String(wanted)) => held.to_lowercase() == wanted.to_lowercase(),
            _ => held == wanted,
        };
        self.values.iter().any(same) != (self.test == Test::IsNot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_played_is_refused() {
        for soql in [
            "SELECT Id FROM User WHERE Name LIKE 'a%'",
            "SELECT Id FROM User WHERE Username = 'a' OR Username = 'b'",
            "SELECT COUNT() FROM User",
            "SELECT Id FROM User WHERE Username = 'a",
            "SELECT Id, Id FROM User",
            "SELECT Id FROM User WHERE Username = 'it's'",
            "DELETE FROM User",
        ] {
            assert_eq!(Query::parse(soql).unwrap_err().code, "MALFORMED_QUERY", "{soql}");
        }
        assert_eq!(Query::parse("SELECT Id FROM Account").unwrap_err().code, "INVALID_TYPE");
        assert_eq!(Query::parse("SELECT Shoe FROM User").unwrap_err().code, "INVALID_FIELD");
        assert_eq!(Query::parse("SELECT Id FROM User WHERE Id = 'x'").unwrap_err().code, "INVALID_QUERY_FILTER_OPERATOR");
    }

    #[test]
    fn a_literal_is_read_as_it_was_meant() {
        let query = Query::parse(r"SELECT Id FROM User WHERE Username = 'O\'Brien \\ \u0041' AND IsActive = true LIMIT 2").unwrap();
        assert_eq!(query.conditions[0].values, [json!(r"O'Brien \ A")]);
        assert_eq!((query.conditions.len(), query.limit), (2, Some(2)));
    }
}

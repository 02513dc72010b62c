//! What new accounts may be called: texts with places for attributes of the subject.

use std::fmt;

use provisionr_sdk::Subject;
use serde::{Serialize, Serializer};

use super::topology::{single, text};

/// The name in a template that stands for a number.
const NUMBER: &str = "n";

/// What the number of a template runs through.
const NUMBERS: std::ops::RangeInclusive<u32> = 2..=9;

/// One way to make a login of a subject's attributes, such as `{first_name}.{last_name}{n}@company.com`.
///
/// Logins are in lower case and without spaces; accents of Latin letters are dropped (`é` is `e`, `ß` is `ss`), letters
/// of other scripts stay.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginTemplate {
    text: Box<str>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Part {
    Text(Box<str>),
    Attribute(Box<str>),
    Number,
}

/// Why a text is no template: what is wrong, and what to do.
#[derive(Debug)]
pub(crate) struct NotATemplate {
    pub(crate) message: &'static str,
    pub(crate) help: &'static str,
}

impl LoginTemplate {
    pub(crate) fn parse(text: &str) -> Result<Self, NotATemplate> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some(behind) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
                literal.push(c);
                rest = behind;
            } else if let Some(behind) = rest.strip_prefix('{') {
                let unclosed = NotATemplate { message: "a `{` is not closed", help: "write `{attribute}`, or `{{` for a brace" };
                let (name, behind) = behind.split_once('}').filter(|(name, _)| !name.contains('{')).ok_or(unclosed)?;
                let name = name.trim();
                if name.is_empty() {
                    return Err(NotATemplate { message: "there is no name between `{` and `}`", help: "write `{attribute}`, or `{{` for a brace" });
                }
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal).into()));
                }
                parts.push(if name == NUMBER { Part::Number } else { Part::Attribute(name.into()) });
                rest = behind;
            } else if c == '}' {
                return Err(NotATemplate { message: "a `}` is not opened", help: "write `}}` for a brace" });
            } else {
                literal.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal.into()));
        }
        if !parts.iter().any(|part| matches!(part, Part::Attribute(_))) {
            return Err(NotATemplate {
                message: "everybody would get the same login",
                help: "name an attribute of the subject in braces, such as `{first_name}`",
            });
        }
        Ok(Self { text: text.into(), parts })
    }

    /// The template as it is written in rules files.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The logins for one subject, best first: one, or one per number; none where an attribute is missing.
    pub fn candidates(&self, subject: &Subject) -> Vec<String> {
        if self.parts.contains(&Part::Number) {
            NUMBERS.filter_map(|number| self.expand(subject, number)).collect()
        } else {
            self.expand(subject, 0).into_iter().collect()
        }
    }

    fn expand(&self, subject: &Subject, number: u32) -> Option<String> {
        let mut login = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => fold(text, &mut login),
                Part::Number => login.push_str(&number.to_string()),
                Part::Attribute(name) => {
                    let before = login.len();
                    fold(&text(single(subject, name)?)?, &mut login);
                    if login.len() == before {
                        return None;
                    }
                }
            }
        }
        Some(login)
    }
}

impl fmt::Display for LoginTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for LoginTemplate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Appends a text in lower case, without spaces and without the accents of Latin letters.
fn fold(text: &str, login: &mut String) {
    for c in text.chars().flat_map(char::to_lowercase) {
        let plain = match c {
            'à'..='å' | 'ā' | 'ă' | 'ą' | 'ạ'..='ặ' => "a",
            'æ' => "ae",
            'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
            'ď' | 'đ' | 'ð' => "d",
            'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' | 'ẹ'..='ệ' => "e",
            'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
            'ĥ' | 'ħ' => "h",
            'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' | 'ỉ'..='ị' => "i",
            'ĵ' => "j",
            'ķ' => "k",
            'ĺ' | 'ļ' | 'ľ' | 'ŀ' | 'ł' => "l",
            'ñ' | 'ń' | 'ņ' | 'ň' => "n",
            'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' | 'ơ' | 'ọ'..='ợ' => "o",
            'œ' => "oe",
            'ŕ' | 'ŗ' | 'ř' => "r",
            'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => "s",
            'ß' => "ss",
            'ţ' | 'ť' | 'ŧ' | 'ț' => "t",
            'þ' => "th",
            'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' | 'ư' | 'ụ'..='ự' => "u",
            'ŵ' => "w",
            'ý' | 'ÿ' | 'ŷ' | 'ỳ'..='ỹ' => "y",
            'ź' | 'ż' | 'ž' => "z",
            // Accents that stand by themselves, behind their letter.
            '\u{300}'..='\u{36f}' => "",
            c if c.is_whitespace() || c.is_control() => "",
            c => {
                login.push(c);
                continue;
            }
        };
        login.push_str(plain);
    }
}

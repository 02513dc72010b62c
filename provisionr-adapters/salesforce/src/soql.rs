//! Queries in SOQL. Objects and fields are words of this crate; whatever comes from outside goes in as an escaped text.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_quotedstringescapes.htm>

use std::fmt::{self, Display, Write};

/// One query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Soql {
    head: String,
    conditions: Vec<String>,
    tail: &'static str,
}

impl Soql {
    pub(crate) fn select<'f>(fields: impl IntoIterator<Item = &'f &'static str>, object: &'static str) -> Self {
        let fields: Vec<&str> = fields.into_iter().copied().collect();
        Self { head: format!("SELECT {} FROM {object}", fields.join(", ")), conditions: Vec::new(), tail: "" }
    }

    fn filter(mut self, condition: impl Display) -> Self {
        self.conditions.push(condition.to_string());
        self
    }

    pub(crate) fn is(self, field: &'static str, value: &str) -> Self {
        self.filter(format_args!("{field} = {}", Literal(value)))
    }

    pub(crate) fn differs(self, field: &'static str, value: &str) -> Self {
        self.filter(format_args!("{field} != {}", Literal(value)))
    }

    /// One of these; there has to be one.
    pub(crate) fn among<'v>(self, field: &'static str, values: impl IntoIterator<Item = &'v str>) -> Self {
        let values: Vec<String> = values.into_iter().map(|value| Literal(value).to_string()).collect();
        self.filter(format_args!("{field} IN ({})", values.join(", ")))
    }

    pub(crate) fn yes(self, field: &'static str) -> Self {
        self.filter(format_args!("{field} = true"))
    }

    pub(crate) fn no(self, field: &'static str) -> Self {
        self.filter(format_args!("{field} = false"))
    }

    pub(crate) fn none(self, field: &'static str) -> Self {
        self.filter(format_args!("{field} = null"))
    }

    pub(crate) fn some(self, field: &'static str) -> Self {
        self.filter(format_args!("{field} != null"))
    }

    /// The end of a query: one row at most.
    pub(crate) fn one_row(mut self) -> Self {
        self.tail = " LIMIT 1";
        self
    }
}

impl Display for Soql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.conditions.is_empty() { "" } else { " WHERE " };
        write!(f, "{}{word}{}{}", self.head, self.conditions.join(" AND "), self.tail)
    }
}

/// A text between quotes, with everything escaped that could end it.
struct Literal<'a>(&'a str);

impl Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('\'')?;
        for char in self.0.chars() {
            match char {
                '\'' | '\\' | '"' => write!(f, "\\{char}")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                control if control.is_control() => write!(f, "\\u{:04X}", u32::from(control))?,
                other => f.write_char(other)?,
            }
        }
        f.write_char('\'')
    }
}

/// Whether a text has the form of a record's id: 15 letters and digits, or 18 with the check letters. Salesforce refuses
/// a whole query that compares an id with anything else.
pub(crate) fn is_id(text: &str) -> bool {
    matches!(text.len(), 15 | 18) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_joined() {
        let query = Soql::select(&["Id", "Name"], "Profile").is("Name", "Sales").differs("Type", "Group").yes("A").no("B");
        assert_eq!(query.to_string(), "SELECT Id, Name FROM Profile WHERE Name = 'Sales' AND Type != 'Group' AND A = true AND B = false");
        let query = Soql::select(&["Id"], "User").among("Id", ["005a", "005b"]).none("C").some("D").one_row();
        assert_eq!(query.to_string(), "SELECT Id FROM User WHERE Id IN ('005a', '005b') AND C = null AND D != null LIMIT 1");
    }

    #[test]
    fn a_text_never_ends_its_literal() {
        for (hostile, written) in [
            ("' OR Name != '", r"'\' OR Name != \''"),
            (r"\", r"'\\'"),
            (r"\' OR IsActive = true OR Name = '", r"'\\\' OR IsActive = true OR Name = \''"),
            ("O'Brien \"Bob\"", "'O\\'Brien \\\"Bob\\\"'"),
            ("a\nb\rc\td", r"'a\nb\rc\td'"),
            ("\u{0}\u{1b}", r"'\u0000\u001B'"),
            ("Zoë 李", "'Zoë 李'"),
            ("@{user.Id}", "'@{user.Id}'"),
            ("100%_", "'100%_'"),
        ] {
            assert_eq!(Literal(hostile).to_string(), written);
            // Read back by the rules of the language: it ends where it was meant to end, and nowhere before.
            let mut inside = written[1..].char_indices();
            let mut end = None;
            while let Some((at, char)) = inside.next() {
                match char {
                    '\\' => drop(inside.next()),
                    '\'' => {
                        end = Some(at);
                        break;
                    }
                    _ => {}
                }
            }
            assert_eq!(end, Some(written.len() - 2), "{written}");
        }
    }

    #[test]
    fn ids_have_a_form() {
        assert!(is_id("005000000000001") && is_id("005000000000001AAA"));
        for text in ["", "005", "00500000000000'", "005000000000001AA", "../../../../../..", "no-such-account-1"] {
            assert!(!is_id(text), "{text}");
        }
    }
}

//! The text of one rules file, and places in it.

use std::ops::Range;
use std::sync::Arc;

/// One text that rules were read from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: Arc<str>,
    pub(crate) text: Box<str>,
}

/// A stretch of a text: bytes, and where it begins for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Counted from 1.
    pub(crate) line: usize,
    /// Counted from 1, in characters.
    pub(crate) column: usize,
}

/// A stretch of one of several texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Index into the sources of the rules.
    pub(crate) source: usize,
    pub(crate) span: Span,
}

/// Something that was read, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

impl Source {
    pub(crate) fn new(name: &str, text: &str) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }

    /// A span by its characters, where the bytes are not known; what lies outside the text is cut off.
    pub(crate) fn span_of_chars(&self, offset: usize, chars: usize, line: usize, column: usize) -> Span {
        let start = bytes_of(&self.text, offset);
        let rest = self.text.get(start..).unwrap_or_default();
        Span { start, end: start + bytes_of(rest, chars), line, column }
    }

    /// The bytes of a span, moved onto character boundaries inside the text.
    pub(crate) fn clamp(&self, span: Span) -> Range<usize> {
        let start = floor(&self.text, span.start);
        let end = floor(&self.text, span.end).max(start);
        start..end
    }

    /// A span as it stands in the text.
    pub(crate) fn written(&self, span: Span) -> &str {
        self.text.get(self.clamp(span)).unwrap_or_default()
    }

    /// The rest of the line behind a byte.
    pub(crate) fn rest_of_line(&self, from: usize) -> &str {
        self.text.get(from..).and_then(|rest| rest.lines().next()).unwrap_or_default()
    }
}

fn bytes_of(text: &str, chars: usize) -> usize {
    text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at)
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

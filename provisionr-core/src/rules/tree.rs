//! YAML as a tree that knows where everything stands.
//!
//! Nothing is judged here but YAML itself: doubled keys, empty values and wrong types stay in the tree, so that
//! the reader above finds all of them in one go.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Spanned};

use super::scalar::Scalar;
use super::source::{Source, Span};

/// Bounds on one file. Hand-written rules stay far below; a file made to exhaust memory does not.
const MAX_EVENTS: usize = 16_000_000;
const MAX_DOCUMENTS: usize = 100_000;
const MAX_REPLAYED_EVENTS: usize = 500_000;
const MAX_DEPTH: usize = 32;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: NodeValue,
}

#[derive(Debug)]
pub(crate) enum NodeValue {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    /// Entries in their order; keys may be anything and may be doubled.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// What it is, for messages.
    pub(crate) fn sort(&self) -> &'static str {
        match &self.value {
            NodeValue::Null => "nothing",
            NodeValue::Scalar(Scalar::Bool(_)) => "a truth value",
            NodeValue::Scalar(Scalar::Number(_)) => "a number",
            NodeValue::Scalar(Scalar::Text(_)) => "a text",
            NodeValue::List(_) => "a list",
            NodeValue::Map(_) => "a mapping",
        }
    }

    /// What a list holds; anything else is the only item of itself.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.value {
            NodeValue::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// A span to point at: a block mapping or list has none of its own, so its first entry stands for it.
    pub(crate) fn pointer(&self) -> Span {
        if self.span.start != self.span.end {
            return self.span;
        }
        match &self.value {
            NodeValue::Map(entries) => entries.first().map_or(self.span, |(key, _)| key.pointer()),
            NodeValue::List(items) => items.first().map_or(self.span, Node::pointer),
            _ => self.span,
        }
    }
}

/// Why a text is not YAML.
#[derive(Debug)]
pub(crate) struct NotYaml {
    pub(crate) span: Option<Span>,
    pub(crate) message: String,
}

/// Reads all documents of a text; empty ones are left out.
pub(crate) fn documents(source: &Source) -> Result<Vec<Node>, NotYaml> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: MAX_EVENTS,
            max_nodes: MAX_EVENTS,
            max_documents: MAX_DOCUMENTS,
            max_depth: MAX_DEPTH,
            // One anchor used by very many policies is a fair use; the replay limit below stops bombs.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPLAYED_EVENTS },
        emit_comments: false,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    serde_saphyr::from_multiple_with_options(&source.text, options).map_err(|error| {
        let span = error.location().filter(|at| at.line() > 0).map(|at| span_in(source, &at));
        NotYaml { span, message: without_position(&error.to_string(), error.location()) }
    })
}

/// The message without the position at its end: diagnostics carry that themselves.
fn without_position(message: &str, location: Option<Location>) -> String {
    let suffix = location.map(|at| format!(" at line {}, column {}", at.line(), at.column())).unwrap_or_default();
    message.strip_suffix(suffix.as_str()).unwrap_or(message).to_owned()
}

fn span_in(source: &Source, at: &Location) -> Span {
    let known = span(at);
    // Errors of the scanner know no bytes.
    if at.span().byte_offset().is_some() { known } else { source.span_of_chars(size(at.span().offset()), size(at.span().len()), known.line, known.column) }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn span(at: &Location) -> Span {
    let start = size(at.span().byte_offset().unwrap_or(0));
    let end = start.saturating_add(size(at.span().byte_len().unwrap_or(0)));
    Span { start, end, line: size(at.line()), column: size(at.column()) }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<NodeValue>::deserialize(deserializer)?;
        // What an alias stands for is wrong where it is written, not where it is used.
        Ok(Self { span: span(&spanned.defined), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for NodeValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = NodeValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<NodeValue, E> {
        Ok(NodeValue::Null)
    }

    fn visit_none<E>(self) -> Result<NodeValue, E> {
        Ok(NodeValue::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<NodeValue, E> {
        Ok(NodeValue::Scalar(Scalar::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<NodeValue, E> {
        Ok(NodeValue::Scalar(Scalar::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<NodeValue, E> {
        Ok(NodeValue::Scalar(Scalar::Number(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<NodeValue, E> {
        Ok(NodeValue::Scalar(Scalar::Number(value.into())))
    }

    fn visit_str<E>(self, value: &str) -> Result<NodeValue, E> {
        Ok(NodeValue::Scalar(Scalar::Text(value.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<NodeValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(NodeValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<NodeValue, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(NodeValue::Map(entries))
    }
}

//! What is wrong with rules, shown with the lines it is about.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;
use serde::ser::SerializeStruct;

use super::source::{Place, Source, Span};

/// At most so many problems are rendered; the rest is counted.
const SHOWN: usize = 100;

/// Lines further apart than this many bytes are shown as two excerpts.
const ONE_EXCERPT: usize = 16 * 1024;

/// What sort of problem a diagnostic is. The text form (`unknown-key`) is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DiagnosticCode {
    /// A file or folder cannot be read, or is not UTF-8, or is larger than 64 MiB.
    Unreadable,
    /// A folder holds no rules file.
    NoRules,
    /// A file is not YAML, or goes beyond the loader's limits.
    NotYaml,
    /// A key that means nothing there.
    UnknownKey,
    /// A key that stands twice in one mapping.
    DuplicateKey,
    /// A key that has to be there is not.
    MissingKey,
    /// A value of another type than wanted.
    WrongType,
    /// Nothing, an empty text or an empty list where something has to be.
    Empty,
    /// A value that cannot be meant, such as a range without anything in it.
    InvalidValue,
    /// A trigger uses an operator that does not exist.
    UnknownOperator,
    /// Two policies of one name, or two descriptions of one system or of the lifecycle.
    DuplicateName,
    /// A policy gives the same thing twice.
    DuplicateProvision,
    /// A policy gives the same thing in two ways that exclude each other.
    ConflictingProvisions,
    /// A system the host does not have.
    UnknownSystem,
    /// An action the system does not have.
    UnknownAction,
    /// A role the action does not have, or a role that is missing or not wanted.
    InvalidRole,
    /// Another field of a provision that does not fit its action.
    InvalidProvision,
    /// Something in `systems:` that the system cannot do or does not know.
    InvalidTopology,
}

impl DiagnosticCode {
    /// The stable text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NoRules => "no-rules",
            Self::NotYaml => "not-yaml",
            Self::UnknownKey => "unknown-key",
            Self::DuplicateKey => "duplicate-key",
            Self::MissingKey => "missing-key",
            Self::WrongType => "wrong-type",
            Self::Empty => "empty",
            Self::InvalidValue => "invalid-value",
            Self::UnknownOperator => "unknown-operator",
            Self::DuplicateName => "duplicate-name",
            Self::DuplicateProvision => "duplicate-provision",
            Self::ConflictingProvisions => "conflicting-provisions",
            Self::UnknownSystem => "unknown-system",
            Self::UnknownAction => "unknown-action",
            Self::InvalidRole => "invalid-role",
            Self::InvalidProvision => "invalid-provision",
            Self::InvalidTopology => "invalid-topology",
        }
    }
}

impl fmt::Display for DiagnosticCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One problem: where, what, and what to do. `Display` shows it with an excerpt of the file.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    code: DiagnosticCode,
    message: String,
    help: Option<String>,
    file: Arc<str>,
    at: Option<(Arc<Source>, Span)>,
    also: Option<(Arc<Source>, Span, &'static str)>,
}

impl Diagnostic {
    /// About a whole file.
    pub(crate) fn of_file(code: DiagnosticCode, file: &str, message: impl Into<String>) -> Self {
        Self { code, message: inert(&message.into()), help: None, file: file.into(), at: None, also: None }
    }

    /// About a stretch of a file.
    pub(crate) fn at(code: DiagnosticCode, source: &Arc<Source>, span: Span, message: impl Into<String>) -> Self {
        Self { code, message: inert(&message.into()), help: None, file: source.name.clone(), at: Some((source.clone(), span)), also: None }
    }

    pub(crate) fn with_help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into().map(|help| inert(&help));
        self
    }

    pub(crate) fn with_also(mut self, sources: &[Arc<Source>], place: Place, label: &'static str) -> Self {
        self.also = sources.get(place.source).map(|source| (source.clone(), place.span, label));
        self
    }

    /// What sort of problem it is.
    pub fn code(&self) -> DiagnosticCode {
        self.code
    }

    /// What is wrong, in one sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do, if that can be said.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The file, or the name the text was given with.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, counted from 1; none when it is about the file as a whole.
    pub fn line(&self) -> Option<usize> {
        self.at.as_ref().map(|(_, span)| span.line)
    }

    /// The column, counted from 1, in characters.
    pub fn column(&self) -> Option<usize> {
        self.at.as_ref().map(|(_, span)| span.column)
    }

    /// The bytes of the file it is about.
    pub fn span(&self) -> Option<Range<usize>> {
        self.at.as_ref().map(|(source, span)| source.clamp(*span))
    }

    /// The other place it is about (the first of two, say): file, line and column.
    pub fn related(&self) -> Option<(&str, usize, usize)> {
        self.also.as_ref().map(|(source, span, _)| (&*source.name, span.line, span.column))
    }

    fn rank(&self) -> (&str, Option<Span>, DiagnosticCode, &str) {
        (&self.file, self.at.as_ref().map(|(_, span)| *span), self.code, &self.message)
    }

    fn render(&self) -> String {
        let title = Level::ERROR.primary_title(self.message.as_str()).id(self.code.as_str());
        let mut group = match &self.at {
            None => title.element(annotate_snippets::Origin::path(&*self.file)),
            Some((source, span)) => match &self.also {
                Some((other, other_span, label)) if Arc::ptr_eq(source, other) && span.start.abs_diff(other_span.start) < ONE_EXCERPT => {
                    title.element(excerpt(source, &[(AnnotationKind::Primary, *span, ""), (AnnotationKind::Context, *other_span, label)]))
                }
                Some((other, other_span, label)) => title
                    .element(excerpt(source, &[(AnnotationKind::Primary, *span, "")]))
                    .element(excerpt(other, &[(AnnotationKind::Context, *other_span, label)])),
                None => title.element(excerpt(source, &[(AnnotationKind::Primary, *span, "")])),
            },
        };
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        Renderer::plain().render(&[group])
    }
}

/// The lines around the marks; only those are handed to the renderer, so that its cost does not grow with the file.
fn excerpt<'a>(source: &'a Source, marks: &[(AnnotationKind, Span, &'static str)]) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let text = &*source.text;
    let first = marks.iter().map(|(_, span, _)| *span).min().unwrap_or_default();
    let last = marks.iter().map(|(_, span, _)| source.clamp(*span).end).max().unwrap_or(0);
    let start = text.get(..source.clamp(first).start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let end = text.get(last..).and_then(|after| after.find('\n')).map_or(text.len(), |at| last + at);
    let mut snippet = Snippet::source(text.get(start..end).unwrap_or_default()).line_start(first.line).path(&*source.name);
    for (kind, span, label) in marks {
        let bytes = source.clamp(*span);
        let annotation = kind.span(bytes.start - start..bytes.end - start);
        snippet = snippet.annotation(if label.is_empty() { annotation } else { annotation.label(*label) });
    }
    snippet
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render())
    }
}

impl PartialEq for Diagnostic {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Serialize for Diagnostic {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Diagnostic", 7)?;
        fields.serialize_field("code", &self.code)?;
        fields.serialize_field("file", self.file())?;
        fields.serialize_field("line", &self.line())?;
        fields.serialize_field("column", &self.column())?;
        fields.serialize_field("span", &self.span())?;
        fields.serialize_field("message", self.message())?;
        fields.serialize_field("help", &self.help())?;
        fields.end()
    }
}

/// Everything that is wrong with rules, by file, line and column. `Display` shows each problem with an excerpt.
#[derive(Clone, Debug, PartialEq)]
pub struct RulesError {
    diagnostics: Vec<Diagnostic>,
}

impl RulesError {
    /// None when there is nothing wrong.
    pub(crate) fn of(mut diagnostics: Vec<Diagnostic>) -> Option<Self> {
        diagnostics.sort_by(|one, two| one.rank().cmp(&two.rank()));
        // What an anchor holds is read wherever it is used; its mistakes are told once.
        diagnostics.dedup();
        (!diagnostics.is_empty()).then_some(Self { diagnostics })
    }

    /// The problems; at least one.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in self.diagnostics.iter().take(SHOWN) {
            write!(f, "{diagnostic}\n\n")?;
        }
        if self.diagnostics.len() > SHOWN {
            write!(f, "{} more are not shown\n\n", self.diagnostics.len() - SHOWN)?;
        }
        match self.diagnostics.len() {
            1 => f.write_str("the rules have a problem"),
            count => write!(f, "the rules have {count} problems"),
        }
    }
}

impl std::error::Error for RulesError {}

/// Without characters that a terminal would obey, or that would show the text in another order.
fn inert(text: &str) -> String {
    let obeyed = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut inert = String::with_capacity(text.len());
    for c in text.chars() {
        if obeyed(c) { inert.extend(c.escape_default()) } else { inert.push(c) }
    }
    inert
}

/// A text of the user inside a message: quoted, cut and inert.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown = inert(&text.chars().take(LONGEST).collect::<String>());
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// "did you mean", or what there is to choose from.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(candidate) = provisionr_sdk::suggestion(word, candidates.clone()) {
        return Some(format!("did you mean {}?", quoted(candidate)));
    }
    let known: Vec<_> = candidates.into_iter().map(quoted).collect();
    match known.as_slice() {
        [] => None,
        [one] => Some(format!("known is {one}")),
        many => Some(format!("known are {}", many.join(", "))),
    }
}

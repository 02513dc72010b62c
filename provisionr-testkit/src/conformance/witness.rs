//! Hears everything that is logged while a case runs.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber};

/// Listens on this thread until it is ended.
pub(super) struct Witness {
    heard: Heard,
    _listening: DefaultGuard,
}

impl Witness {
    pub(super) fn begin() -> Self {
        let heard = Heard::default();
        Self { _listening: tracing::subscriber::set_default(heard.clone()), heard }
    }

    /// All that was heard.
    pub(super) fn end(self) -> String {
        self.heard.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<String>>);

struct Words<'a>(&'a mut String);

impl Visit for Words<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Heard {
    fn write(&self, record: impl FnOnce(&mut Words<'_>)) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        record(&mut Words(&mut text));
        text.push('\n');
    }
}

impl Subscriber for Heard {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.write(|words| span.record(words));
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, values: &Record<'_>) {
        self.write(|words| values.record(words));
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.write(|words| event.record(words));
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

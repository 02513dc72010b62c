//! A whole answer of the vendor, and what is read from it.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use provisionr_sdk::{Access, AdapterError, LaneId, LaneReading, Result, Timestamp, VendorRequestId};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::rate::http_date;

/// A whole answer. `Debug` shows the status and the size, not the content: bodies hold tokens and people.
#[derive(Clone)]
pub struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) access: Access,
    pub(crate) lane: Option<LaneId>,
    pub(crate) request_id: Option<VendorRequestId>,
    pub(crate) reading: LaneReading,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status.as_u16())
            .field("bytes", &self.body.len())
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// A header that is a text; the first where there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as it came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Whether the request only looked.
    pub fn access(&self) -> Access {
        self.access
    }

    /// The lane the request counted on.
    pub fn lane(&self) -> Option<&LaneId> {
        self.lane.as_ref()
    }

    /// What the answer says about its lane.
    pub fn reading(&self) -> LaneReading {
        self.reading
    }

    /// The vendor's id of the request.
    pub fn request_id(&self) -> Option<VendorRequestId> {
        self.request_id.clone()
    }

    /// The server's own time, from its `Date` header.
    pub fn date(&self) -> Option<Timestamp> {
        http_date(self.header("date")?)
    }

    /// The body as JSON of this shape. Fields it does not know are passed over.
    ///
    /// # Errors
    /// `Protocol` when the body is something else; after a write with effect unknown, for the write was answered with success.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| self.unreadable(format!("the answer is not what the vendor describes ({})", shape(&error))))
    }

    /// The body as JSON of this shape, or none where it is empty.
    ///
    /// # Errors
    /// Those of [`json`](Self::json) for a body that is not empty.
    pub fn json_if_any<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        if self.body.is_empty() { Ok(None) } else { self.json().map(Some) }
    }

    /// Demands that there is no body: what a vendor answers who has done something and has nothing to say.
    ///
    /// # Errors
    /// `Protocol` when there is one, a proxy's page for instance; after a write with effect unknown.
    pub fn empty(&self) -> Result<()> {
        if self.body.is_empty() { Ok(()) } else { Err(self.unreadable("the answer has a body where the vendor describes none")) }
    }

    /// The body as any JSON; `Null` when it is none.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A `Protocol` error about this answer, in these words; after a write with effect unknown.
    pub fn unreadable(&self, why: impl Into<String>) -> AdapterError {
        self.about(self.maybe_done(AdapterError::protocol(why)))
    }

    /// The error with effect unknown, if the request was a write.
    pub fn maybe_done(&self, error: AdapterError) -> AdapterError {
        match self.access {
            Access::Write => error.effect_unknown(),
            Access::Read => error,
        }
    }

    /// Adds the request id to an error that has none.
    pub(crate) fn about(&self, error: AdapterError) -> AdapterError {
        match (&self.request_id, error.request_id()) {
            (Some(id), None) => error.with_request_id(id.clone()),
            _ => error,
        }
    }
}

/// Where and why JSON could not be read. The parser's own words may quote values of the body.
fn shape(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax => "it is no JSON",
        _ => "a field is missing or of another type",
    };
    format!("{what}, line {} column {}", error.line(), error.column())
}

//! The seam between adapters and the network: `http::Request<Bytes>` in, `http::Response<Bytes>` out.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

/// Sends one request and reads the whole answer.
///
/// - One request is one request: no retry, no redirect is followed for anything but GET and HEAD.
/// - Dropping the future cancels it; the request may have arrived all the same.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends the request; its URI is absolute.
    ///
    /// # Errors
    /// When there is no whole answer; the error says whether the request may have arrived.
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError>;
}

/// Whether a request without an answer may have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It cannot have: no connection was made.
    No,
    /// It may have.
    Maybe,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportFailure {
    /// No connection could be made.
    Connect,
    /// No answer in time.
    TimedOut,
    /// The connection ended before the answer was whole.
    Cut,
    /// Something else.
    Other,
}

/// A request without a whole answer. `Display` holds no address and no query string.
#[derive(Debug, thiserror::Error)]
#[error("{}", match failure {
    TransportFailure::Connect => "no connection could be made",
    TransportFailure::TimedOut => "no answer in time",
    TransportFailure::Cut => "the connection ended before the answer was whole",
    TransportFailure::Other => "the request could not be sent",
})]
pub struct TransportError {
    failure: TransportFailure,
    sent: Sent,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl TransportError {
    /// An error without a source.
    pub fn new(failure: TransportFailure, sent: Sent) -> Self {
        Self { failure, sent, source: None }
    }

    /// Sets what lies beneath. It must not show an address with a query string.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Why there is no answer.
    pub fn failure(&self) -> TransportFailure {
        self.failure
    }

    /// Whether the request may have arrived.
    pub fn sent(&self) -> Sent {
        self.sent
    }
}

#[async_trait]
impl<T: Transport + ?Sized> Transport for Arc<T> {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        (**self).send(request).await
    }
}

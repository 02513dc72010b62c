//! A transport without a network.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::transport::{Transport, TransportError};

type Answering = Pin<Box<dyn Future<Output = Result<http::Response<Bytes>, TransportError>> + Send>>;

/// A transport that asks a function instead of a network: for tests, fakes and simulation. Cheap to clone.
///
/// ```
/// use provisionr_http::{HttpClient, MemoryTransport, path};
/// use provisionr_sdk::CallContext;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let http = MemoryTransport::new(|request| {
///     assert_eq!(request.uri(), "https://doors.example/api/doors/d%2F7");
///     http::Response::new(r#"{"open": true}"#.into())
/// });
/// let client = HttpClient::new("https://doors.example/api", &http)?;
/// let door: serde_json::Value = client.get(path!["doors", "d/7"]).send(&CallContext::unlimited()).await?.json()?;
/// assert_eq!(door["open"], true);
/// # Ok::<_, provisionr_sdk::AdapterError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct MemoryTransport(Arc<dyn Fn(http::Request<Bytes>) -> Answering + Send + Sync>);

impl MemoryTransport {
    /// Answers at once, each time.
    pub fn new(answer: impl Fn(http::Request<Bytes>) -> http::Response<Bytes> + Send + Sync + 'static) -> Self {
        Self::with(move |request| {
            let answer = answer(request);
            async { Ok(answer) }
        })
    }

    /// Answers in its own time, or fails as a network does.
    pub fn with<F, A>(answer: F) -> Self
    where
        F: Fn(http::Request<Bytes>) -> A + Send + Sync + 'static,
        A: Future<Output = Result<http::Response<Bytes>, TransportError>> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(answer(request))))
    }
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryTransport")
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        (self.0)(request).await
    }
}

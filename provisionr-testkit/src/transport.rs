//! The in-memory front end: for virtual time and simulation.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use provisionr_http::{Sent, Transport, TransportError, TransportFailure};

use crate::in_flight::Delivery;
use crate::message::FakeRequest;
use crate::system::FakeSystem;

/// A [`Transport`] that reaches fakes without a socket. Waiting is done on the fakes' clocks, so that a paused runtime
/// passes over it at once.
///
/// Timeouts are the client's, as everywhere; without one, a request ends as timed out after 5 minutes.
#[derive(Clone, Default)]
pub struct MemoryTransport {
    hosts: Vec<(String, FakeSystem)>,
    everywhere: Option<FakeSystem>,
}

impl MemoryTransport {
    /// Reaches nothing: a request to an unknown host finds no connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a fake at a host (with its port, if the client's address has one).
    #[must_use]
    pub fn host(mut self, host: &str, system: impl Into<FakeSystem>) -> Self {
        self.hosts.push((host.to_owned(), system.into()));
        self
    }

    /// Puts a fake at every host that has none.
    #[must_use]
    pub fn everywhere(mut self, system: impl Into<FakeSystem>) -> Self {
        self.everywhere = Some(system.into());
        self
    }
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTransport").field("hosts", &self.hosts).field("everywhere", &self.everywhere).finish()
    }
}

impl<F: ?Sized> FakeSystem<F>
where
    for<'a> FakeSystem: From<&'a Self>,
{
    /// A transport that reaches this fake, whatever the host.
    pub fn transport(&self) -> MemoryTransport {
        MemoryTransport::new().everywhere(self)
    }
}

const PATIENCE: Duration = Duration::from_secs(300);

#[async_trait]
impl Transport for MemoryTransport {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let host = request.uri().authority().map(http::uri::Authority::as_str);
        let system = self.hosts.iter().find(|(known, _)| Some(known.as_str()) == host).map(|(_, system)| system);
        let Some(system) = system.or(self.everywhere.as_ref()) else {
            return Err(TransportError::new(TransportFailure::Connect, Sent::No).with_source("no fake answers at this host"));
        };
        let exchange = system.exchange(FakeRequest::from_http(request));
        match tokio::time::timeout(PATIENCE, system.ending(exchange)).await {
            Ok(Delivery::Answer(response)) => Ok(response.into_http()),
            Ok(Delivery::Partial(..) | Delivery::Cut) => Err(TransportError::new(TransportFailure::Cut, Sent::Maybe)),
            Ok(Delivery::Refused) => Err(TransportError::new(TransportFailure::Connect, Sent::No)),
            Err(_) => Err(TransportError::new(TransportFailure::TimedOut, Sent::Maybe)),
        }
    }
}

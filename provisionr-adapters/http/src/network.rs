//! The transport over a real network.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use provisionr_sdk::{AdapterError, Result};
use reqwest::{Certificate, Client, ClientBuilder, redirect, retry};

use crate::transport::{Sent, Transport, TransportError, TransportFailure};

/// Bodies beyond this are cut off: no answer an adapter reads comes near, and a broken server must not fill the host's memory.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// A transport over a `reqwest` client. Cheap to clone; clones share connections. Build one and share it.
#[derive(Clone, Debug)]
pub struct ReqwestTransport(Client);

impl ReqwestTransport {
    /// Over a client the host has built, with its roots, proxy and timeouts.
    ///
    /// Build it with `.redirect(reqwest::redirect::Policy::none())` and `.retry(reqwest::retry::never())`, or hand the builder to
    /// [`from_builder`](Self::from_builder): a repeat beneath this seam is a repeat nobody has recorded.
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// Over what the host has begun to build; hidden repeats and redirects are switched off.
    ///
    /// # Errors
    /// `InvalidConfig` when no client can be built from it.
    pub fn from_builder(builder: ClientBuilder) -> Result<Self> {
        // A redirected write would be sent again, or turned into a read.
        let client = builder.redirect(redirect::Policy::none()).retry(retry::never()).build();
        client.map(Self).map_err(|error| AdapterError::invalid_config("no HTTP client could be built").with_source(error.without_url()))
    }

    /// With the machine's own certificates; 10 seconds to connect, 60 for a whole answer.
    ///
    /// # Errors
    /// `InvalidConfig` when the machine has no certificates: then [`with_roots`](Self::with_roots) or
    /// [`without_tls`](Self::without_tls).
    pub fn with_defaults() -> Result<Self> {
        Self::from_builder(defaults())
    }

    /// With these root certificates (PEM, one or many) and no others.
    ///
    /// # Errors
    /// `InvalidConfig` when they cannot be read.
    pub fn with_roots(pem: &[u8]) -> Result<Self> {
        let roots = Certificate::from_pem_bundle(pem)
            .map_err(|error| AdapterError::invalid_config("the root certificates cannot be read").with_source(error.without_url()))?;
        if roots.is_empty() {
            return Err(AdapterError::invalid_config("there is no root certificate in the PEM"));
        }
        Self::from_builder(defaults().tls_certs_only(roots))
    }

    /// For `http://` addresses only, such as fakes on this machine: it trusts no certificate at all.
    ///
    /// # Errors
    /// `InvalidConfig` when no client can be built.
    pub fn without_tls() -> Result<Self> {
        Self::from_builder(defaults().tls_certs_only([]))
    }
}

fn defaults() -> ClientBuilder {
    Client::builder().connect_timeout(Duration::from_secs(10)).timeout(Duration::from_secs(60))
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let mut answer = self.0.execute(request).await.map_err(failed)?;
        let mut whole = http::Response::new(Bytes::new());
        *whole.status_mut() = answer.status();
        *whole.version_mut() = answer.version();
        *whole.headers_mut() = std::mem::take(answer.headers_mut());
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > LARGEST_BODY {
                return Err(TransportError::new(TransportFailure::Cut, Sent::Maybe).with_source("the body is larger than 64 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        *whole.body_mut() = body.freeze();
        Ok(whole)
    }
}

fn failed(error: reqwest::Error) -> TransportError {
    let (failure, sent) = if error.is_builder() {
        (TransportFailure::Other, Sent::No)
    } else if error.is_connect() {
        // Also a connection that took too long to make, or whose handshake failed.
        (TransportFailure::Connect, Sent::No)
    } else if error.is_timeout() {
        (TransportFailure::TimedOut, Sent::Maybe)
    } else {
        (TransportFailure::Cut, Sent::Maybe)
    };
    TransportError::new(failure, sent).with_source(error.without_url())
}

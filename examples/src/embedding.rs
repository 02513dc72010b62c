//! What the README's embedding takes for granted: a host with a client, credentials and an event, and systems to talk to.

use std::error::Error;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use door_badge_adapter::fake::BadgeFake;
use provisionr_core::{Event, MemoryDirectory, Secret};
use provisionr_testkit::{FakeServer, FakeSystem, OktaFake};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// A host as it stands before it embeds anything.
pub struct Host {
    /// Its HTTP client.
    pub client: reqwest::Client,
    /// Where its Okta org is.
    pub okta_url: String,
    /// Where Okta's credential comes from.
    pub vault: Secret,
    /// Where its door-badge system is.
    pub badge_url: String,
    /// The token of that.
    pub badge_token: Secret,
    /// The file for its store.
    pub store: PathBuf,
    /// Its people.
    pub people: MemoryDirectory,
    /// Somebody was hired.
    pub event: Event,
    /// Becomes ready when the host shuts down.
    pub shutdown: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Shuts the host down.
    pub stop: oneshot::Sender<()>,
    /// What it works on, for as long as the host is kept.
    pub stage: Stage,
}

/// Systems in this process, and a folder for the store; all of it goes when this is dropped.
pub struct Stage {
    _servers: [FakeServer; 2],
    _folder: TempDir,
}

impl Host {
    /// A host whose systems are fakes in this process, reached over HTTP.
    ///
    /// # Errors
    /// When the machine gives no folder, or no client can be built.
    pub fn with_fakes() -> Result<Self, Box<dyn Error>> {
        let okta = FakeServer::start(&crate::okta_fake().start());
        let badge = FakeServer::start(&FakeSystem::new(crate::badge_fake()));
        let folder = tempfile::tempdir()?;
        let (stop, stopped) = oneshot::channel();
        Ok(Self {
            // Fakes speak plain HTTP: no certificate has to be trusted.
            client: reqwest::Client::builder().tls_certs_only([]).build()?,
            okta_url: okta.url(),
            vault: Secret::new(OktaFake::TOKEN),
            badge_url: badge.url(),
            badge_token: Secret::new(BadgeFake::TOKEN),
            store: folder.path().join("access.db"),
            people: MemoryDirectory::default(),
            event: Event::from_json(include_bytes!("../story/sarah.hired.json"))?,
            shutdown: Box::pin(async { drop(stopped.await) }),
            stop,
            stage: Stage { _servers: [okta, badge], _folder: folder },
        })
    }
}

//! The front end over real HTTP: wiremock answers, and a relay before it does what an HTTP library cannot.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::sync::{RwLock, oneshot};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::accept::accept;
use crate::clock::lock;
use crate::fake::Fake;
use crate::in_flight::InFlight;
use crate::message::FakeRequest;
use crate::relay::relay;
use crate::system::{FakeSystem, Shared};

/// A fake on a port of the loopback interface, over plain HTTP/1.1.
///
/// - It needs no runtime of the caller: it runs on a thread of its own, which ends with it. When it is dropped its
///   port is closed and its connections are cut, before `drop` returns, however many servers there are.
/// - Waiting faults wait by the fake's clock. Virtual time does not reach real sockets: under a paused runtime use
///   [`MemoryTransport`](crate::MemoryTransport), or a manual clock.
/// - During an outage its port refuses connections, and nobody else can take it.
pub struct FakeServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Kept so that the last handle is not dropped on the server's thread, where a panic would fail no test.
    _system: FakeSystem,
}

impl FakeServer {
    /// Starts on a free port.
    ///
    /// # Panics
    /// When the loopback interface has none.
    #[track_caller]
    pub fn start(system: impl Into<FakeSystem>) -> Self {
        #[expect(clippy::expect_used, reason = "how a test fails")]
        Self::bind(system, SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port")
    }

    /// Starts on an address.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn bind(system: impl Into<FakeSystem>, address: SocketAddr) -> io::Result<Self> {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let system = system.into();
        let served = system.clone();
        let thread = std::thread::Builder::new().name(format!("fake-{}", system.system_type())).spawn(move || {
            let backend = runtime.block_on(serve(served, listener, stopped));
            // Ends the connections first; and wiremock's drop, which blocks, runs outside of any task, whose budget
            // it would wait for in vain when many servers are dropped.
            drop(runtime);
            drop(backend);
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread), _system: system })
    }

    /// Where it is, without a slash at the end: `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl fmt::Debug for FakeServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FakeServer").field(&self.address).finish()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// wiremock, with one responder that owns all routes.
pub(crate) struct Backend {
    mock: MockServer,
    system: FakeSystem,
    router: Arc<Router>,
    requests: AtomicU64,
    /// Read during a request, written while the mock is put anew.
    gate: RwLock<()>,
}

/// wiremock keeps every request a mock has matched, about 10 kB each, until it is reset.
const KEPT_REQUESTS: u64 = if cfg!(test) { 10 } else { 10_000 };

impl Backend {
    async fn start(system: FakeSystem) -> Self {
        // The builder's server, not the pooled one: a pooled port stays open after drop.
        let mock = MockServer::builder().disable_request_recording().start().await;
        let router = Arc::new(Router { system: Arc::downgrade(&system.shared), odd: Mutex::default() });
        let backend = Self { mock, system, router, requests: AtomicU64::new(0), gate: RwLock::new(()) };
        backend.mount().await;
        backend
    }

    async fn mount(&self) {
        let router = self.router.clone();
        Mock::given(any()).respond_with(move |request: &Request| router.respond(request)).mount(&self.mock).await;
    }

    pub(crate) fn address(&self) -> SocketAddr {
        *self.mock.address()
    }

    pub(crate) fn system(&self) -> &FakeSystem {
        &self.system
    }

    /// Held from sending a request to the end of its answer.
    pub(crate) async fn enter(&self) -> tokio::sync::RwLockReadGuard<'_, ()> {
        if self.requests.fetch_add(1, Ordering::Relaxed) % KEPT_REQUESTS == KEPT_REQUESTS - 1 {
            let _alone = self.gate.write().await;
            self.mock.reset().await;
            self.mount().await;
        }
        self.gate.read().await
    }

    /// The exchange that an answer stands for.
    pub(crate) fn odd(&self, number: u64) -> Option<InFlight> {
        lock(&self.router.odd).remove(&number)
    }
}

/// Names the exchange whose ending the relay has to play instead of the answer that carries it.
pub(crate) const ODD: &str = "x-provisionr-fake-exchange";

struct Router {
    /// Weak, for wiremock's thread ends when it pleases.
    system: Weak<Shared<dyn Fake>>,
    odd: Mutex<HashMap<u64, InFlight>>,
}

impl Respond for Router {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let request = FakeRequest {
            method: request.method.clone(),
            scheme: "http".to_owned(),
            path: request.url.path().to_owned(),
            query: request.url.query().unwrap_or("").to_owned(),
            headers: request.headers.clone(),
            body: request.body.clone().into(),
        };
        // The relay takes the length of an answer at its word.
        let head = request.method == http::Method::HEAD;
        let Some(shared) = self.system.upgrade() else { return ResponseTemplate::new(503) };
        let exchange = FakeSystem { shared }.exchange(request);
        let Some(response) = exchange.immediate() else {
            let number = exchange.number();
            lock(&self.odd).insert(number, exchange);
            return ResponseTemplate::new(200).insert_header(ODD, number.to_string());
        };
        // An empty type keeps wiremock from setting one over the fake's own.
        let body = if head { Vec::new() } else { response.body.to_vec() };
        let template = ResponseTemplate::new(response.status).set_body_raw(body, "");
        response.headers.into_iter().fold(template, |template, (name, value)| template.append_header(name, value))
    }
}

async fn serve(system: FakeSystem, listener: StdListener, stopped: oneshot::Receiver<()>) -> Option<Arc<Backend>> {
    let backend = Arc::new(Backend::start(system.clone()).await);
    let Ok(listener) = TcpListener::from_std(listener) else { return Some(backend) };
    tokio::select! {
        _ = stopped => {}
        _ = accept(&system, listener, |client| relay(client, backend.clone())) => {}
    }
    Some(backend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::okta::OktaFake;

    #[tokio::test]
    async fn goes_on_while_what_wiremock_keeps_is_cleared() {
        let okta = OktaFake::new().start();
        let server = FakeServer::start(&okta);
        let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
        let ask = || client.get(format!("{}/api/v1/users/me", server.url())).header("authorization", format!("SSWS {}", OktaFake::TOKEN)).send();
        for _ in 0..5 * KEPT_REQUESTS {
            let (one, other) = tokio::join!(ask(), ask());
            assert_eq!((one.unwrap().status().as_u16(), other.unwrap().status().as_u16()), (200, 200));
        }
        assert_eq!(okta.log().len() as u64, 10 * KEPT_REQUESTS);
    }
}

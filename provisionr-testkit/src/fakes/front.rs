//! HTTP/1.1 over sockets, by hyper; faults end a connection past it.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::control;
use crate::accept::accept;
use crate::clock::lock;
use crate::in_flight::Delivery;
use crate::message::{FakeRequest, FakeResponse};
use crate::relay::on_the_wire;
use crate::system::FakeSystem;

/// No request to a vendor comes near.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// A fake under its name and address.
pub(super) struct Served {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) system: FakeSystem,
}

/// All fakes of the process, and which of them is spoken to.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) fakes: Arc<[Served]>,
    pub(super) at: usize,
}

impl Door {
    pub(super) fn served(&self) -> Option<&Served> {
        self.fakes.get(self.at)
    }
}

/// Serves a fake until it is dropped.
///
/// # Errors
/// When its port cannot be opened again after an outage.
pub(super) async fn serve(door: Door, listener: TcpListener) -> io::Result<Infallible> {
    let Some(system) = door.served().map(|served| served.system.clone()) else { return Err(io::ErrorKind::NotFound.into()) };
    accept(&system, listener, |client| converse(client, door.clone())).await
}

type Broken = Arc<Mutex<Option<Delivery>>>;

async fn converse(client: TcpStream, door: Door) {
    let _ = client.set_nodelay(true);
    let broken = Broken::default();
    let service = service_fn(|request| answer(request, door.clone(), broken.clone()));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(client), service);
    if (&mut connection).await.is_ok() {
        return;
    }
    let mut client = connection.into_parts().io.into_inner();
    let delivery = lock(&broken).take();
    // An end of the client is no error of anybody's.
    let _ = match delivery {
        Some(Delivery::Partial(response, bytes)) => {
            let bytes = bytes.min(response.body.len());
            match client.write_all(&on_the_wire(&response, bytes)).await {
                Ok(()) => client.shutdown().await,
                error => error,
            }
        }
        // With nothing to linger for, closing sends a reset.
        Some(_) => client.set_zero_linger(),
        None => Ok(()),
    };
}

/// The answer; an error makes hyper leave the connection to us before it has written a byte.
async fn answer(request: hyper::Request<Incoming>, door: Door, broken: Broken) -> io::Result<http::Response<Full<Bytes>>> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Ok(FakeResponse::json(413, &json!({ "error": "a body may have 16 MiB" })).into_http().map(Full::new));
        }
        Err(_) => return Err(io::ErrorKind::ConnectionAborted.into()),
    };
    let request = FakeRequest {
        method: parts.method,
        scheme: "http".to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or("").to_owned(),
        headers: parts.headers,
        body,
    };
    if let Some(answer) = control::answer(&door, &request) {
        return Ok(answer.into_http().map(Full::new));
    }
    let Some(served) = door.served() else { return Err(io::ErrorKind::NotFound.into()) };
    let exchange = served.system.exchange(request);
    match served.system.ending(exchange).await {
        Delivery::Answer(response) => Ok(response.into_http().map(Full::new)),
        delivery => {
            *lock(&broken) = Some(delivery);
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
}

//! One client's connection, passed on to the server behind; cut, shortened or held back where a fault says so.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::in_flight::Delivery;
use crate::message::FakeResponse;
use crate::server::{Backend, ODD};

/// Passes requests on until either side ends, or a fault ends the connection.
pub(crate) async fn relay(mut client: TcpStream, backend: Arc<Backend>) {
    let _ = client.set_nodelay(true);
    // An end of either side is no error of the test's.
    let _ = exchange_all(&mut client, &backend).await;
}

async fn exchange_all(client: &mut TcpStream, backend: &Backend) -> io::Result<()> {
    let mut server = TcpStream::connect(backend.address()).await?;
    server.set_nodelay(true)?;
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    while let Some(request) = Message::read(client, &mut asked).await? {
        if request.is_chunked() {
            client.write_all(b"HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await?;
            return Ok(());
        }
        let entered = backend.enter().await;
        server.write_all(&request.bytes).await?;
        let answer = Message::read(&mut server, &mut answered).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        drop(entered);
        let odd = answer.header(ODD).and_then(|number| number.parse().ok()).and_then(|number| backend.odd(number));
        let Some(odd) = odd else {
            client.write_all(&answer.bytes).await?;
            continue;
        };
        match backend.system().ending(odd).await {
            Delivery::Answer(response) => client.write_all(&on_the_wire(&response, response.body.len())).await?,
            Delivery::Partial(response, bytes) => {
                client.write_all(&on_the_wire(&response, bytes.min(response.body.len()))).await?;
                return client.shutdown().await;
            }
            Delivery::Cut | Delivery::Refused => {
                // With nothing to linger for, closing sends a reset.
                return client.set_zero_linger();
            }
        }
    }
    Ok(())
}

/// An answer with the length of its whole body, and so many bytes of it.
pub(crate) fn on_the_wire(response: &FakeResponse, bytes: usize) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(response.status).ok().and_then(|status| status.canonical_reason()).unwrap_or("");
    let mut wire = format!("HTTP/1.1 {} {reason}\r\n", response.status).into_bytes();
    for (name, value) in &response.headers {
        wire.extend_from_slice(name.as_str().as_bytes());
        wire.extend_from_slice(b": ");
        wire.extend_from_slice(value.as_bytes());
        wire.extend_from_slice(b"\r\n");
    }
    if response.status != 204 && response.status != 304 {
        wire.extend_from_slice(format!("content-length: {}\r\n", response.body.len()).as_bytes());
    }
    wire.extend_from_slice(b"\r\n");
    wire.extend_from_slice(response.body.get(..bytes).unwrap_or(&response.body));
    wire
}

/// One message as it came: head and body.
struct Message {
    bytes: Vec<u8>,
    head: usize,
}

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

impl Message {
    /// Reads one message; what came beyond it stays in `kept`. None when the connection ends between messages.
    async fn read(from: &mut TcpStream, kept: &mut Vec<u8>) -> io::Result<Option<Self>> {
        let head = loop {
            if let Some(at) = kept.windows(END_OF_HEAD.len()).position(|bytes| bytes == END_OF_HEAD) {
                break at + END_OF_HEAD.len();
            }
            if from.read_buf(kept).await? == 0 {
                return if kept.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        };
        let mut message = Self { bytes: kept.clone(), head };
        let length = message.header("content-length").and_then(|length| length.trim().parse::<usize>().ok()).unwrap_or(0);
        while kept.len() < head + length {
            if from.read_buf(kept).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let rest = kept.split_off(head + length);
        message.bytes = std::mem::replace(kept, rest);
        Ok(Some(message))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let head = std::str::from_utf8(self.bytes.get(..self.head)?).ok()?;
        let mut fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some()
    }
}

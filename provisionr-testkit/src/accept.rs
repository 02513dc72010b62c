//! The port of a fake: open, and closed during an outage.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::system::FakeSystem;

/// Takes connections in until it is dropped, and all of them are cut with it. During an outage open connections are cut
/// and none can be made.
///
/// # Errors
/// When the port cannot be opened again.
pub(crate) async fn accept<C>(system: &FakeSystem, mut listener: TcpListener, converse: impl Fn(TcpStream) -> C) -> io::Result<Infallible>
where
    C: Future<Output = ()> + Send + 'static,
{
    let mut outage = system.shared.outage.subscribe();
    let mut connections = JoinSet::new();
    loop {
        let down = *outage.borrow_and_update();
        if let Some(until) = down
            && system.shared.is_down(system.clock().now())
        {
            connections.shutdown().await;
            let closed = closed(listener)?;
            tokio::select! {
                _ = outage.changed() => {}
                () = system.clock().sleep_until(until) => {}
            }
            listener = closed.listen(1024)?;
            continue;
        }
        tokio::select! {
            _ = outage.changed() => {}
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    connections.spawn(converse(client));
                }
                // Too many open files: without a pause this would be a loop at full speed.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
}

/// The port, bound and not listening: it refuses connections and stays ours.
fn closed(listener: TcpListener) -> io::Result<TcpSocket> {
    let address = listener.local_addr()?;
    drop(listener);
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

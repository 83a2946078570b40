//! Takes connections, as many as the limits say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::metrics::Gauge;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;

use crate::connection::Service;
use crate::metrics::{self, Handshake};
use crate::rate::RateLimit;
use crate::server::StartError;

/// When the system has no more file descriptors, the next attempt waits for connections to end.
const PAUSE: Duration = Duration::from_millis(50);

/// Listens at `address`, or says why not.
pub(crate) fn bind(name: &str, address: SocketAddr, backlog: u32) -> Result<TcpListener, StartError> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A server that was just stopped leaves connections in TIME-WAIT.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(backlog)
    };
    listen().map_err(|error| StartError::new(format!("{name}.address: cannot listen at {address}: {error}")))
}

/// Serves connections until the service is told to stop.
pub(crate) async fn run(socket: TcpListener, service: Arc<Service>, handshakes: Option<RateLimit>) {
    let slots = Arc::new(Semaphore::new(service.limits.connections.min(Semaphore::MAX_PERMITS)));
    let open = metrics::connections(service.name);
    let stop = service.group.gently.clone();
    let accept = async {
        loop {
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            let (stream, peer) = match socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    metrics::accept_failed(service.name);
                    tracing::warn!(listener = service.name, %error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
            if handshakes.as_ref().is_some_and(|limit| limit.admit(peer.ip(), Instant::now()).is_err()) {
                metrics::handshake(service.name, Handshake::Limited);
                continue;
            }
            let (service, open) = (service.clone(), Open::one_more(&open));
            service.group.connections.clone().spawn(async move {
                service.serve(stream, peer).await;
                drop((open, slot));
            });
        }
    };
    tokio::select! {
        () = accept => {}
        () = stop.cancelled() => {}
    }
}

/// Counts a connection for as long as it lives, whatever ends it.
struct Open(Gauge);

impl Open {
    fn one_more(gauge: &Gauge) -> Self {
        gauge.increment(1);
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

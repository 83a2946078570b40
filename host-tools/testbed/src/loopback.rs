//! Sockets on this machine.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::Error;
use crate::background::Spawner;

/// A port that was free.
pub(crate) const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Listens at a free port.
pub(crate) fn listen(spawner: &Spawner) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |cause| Error::System { what: "no port on this machine", cause };
    let listener = std::net::TcpListener::bind(ANY).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let _runtime = spawner.enter();
    Ok((TcpListener::from_std(listener).map_err(failed)?, address))
}

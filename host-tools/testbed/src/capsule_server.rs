//! The capsule server, in the same process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cdoc2_server::config::Capsules;
use cdoc2_server::{CapsuleAddresses, Config, Server};
use tokio::sync::Mutex;

use crate::Error;
use crate::background::Spawner;
use crate::folder::Folder;
use crate::loopback::Reserved;

/// A capsule server that can be stopped and started again.
#[derive(Debug)]
pub struct CapsuleServer {
    file: PathBuf,
    config: Config,
    addresses: CapsuleAddresses,
    running: Arc<Mutex<Option<Server>>>,
    spawner: Spawner,
    _ports: [Reserved; 3],
}

impl CapsuleServer {
    /// Starts a new one, whose files are in `folder`. `postgresql` is where capsules are kept, if not in a SQLite file there.
    pub(crate) fn start_new(
        folder: &Folder,
        postgresql: Option<&str>,
        configure: impl FnOnce(&mut Config),
        spawner: Spawner,
    ) -> Result<Self, Error> {
        let ports = [Reserved::new()?, Reserved::new()?, Reserved::new()?];
        let file = folder.write("server.toml", &toml(&ports, postgresql))?;
        let mut config = Config::<Capsules>::read(&file)?;
        configure(&mut config);
        let server = start(&spawner, config.clone())?;
        let addresses = server.addresses();
        Ok(Self { file, config, addresses, running: Arc::new(Mutex::new(Some(server))), spawner, _ports: ports })
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

/// Rates are without limit, for all clients come from one address.
fn toml([sender, recipient, operations]: &[Reserved; 3], postgresql: Option<&str>) -> String {
    let store =
        postgresql.map_or_else(|| "sqlite = \"capsules.sqlite\"".into(), |url| format!("postgresql = {}", toml_string(url)));
    format!(
        r#"[sender]
address = "{}"
certificate = "server.pem"
key = "server.key"

[recipient]
address = "{}"
certificate = "server.pem"
key = "server.key"
client_authorities = ["root.pem"]
client_intermediates = ["intermediate.pem"]

[operations]
address = "{}"

[store]
{store}

[limits]
handshakes_per_second = 0
requests_per_second = 0
"#,
        sender.address, recipient.address, operations.address
    )
}

/// As part of a basic string (TOML 1.0, "String").
fn toml_string(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

//! A server from its start to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::middleware;
use revocation::Ocsp;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::capsules::{self, Capsules};
use crate::config::{Config, Limits};
use crate::connection::{FAREWELL, Group, Service};
use crate::operations::{self, Operations};
use crate::rate::RateLimit;
use crate::requests::{Requests, observe};
use crate::store::{self, Store};
use crate::tls::{self, Loaded, Tls};
use crate::watched::Watched;
use crate::{listener, metrics};

/// Connections of the operators' listener. More than any monitoring needs, less than would hurt.
const OPERATIONS_CONNECTIONS: usize = 64;
/// How often what was measured is put into its buckets; else it would pile up where nobody fetches it.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// A running server. Dropping it stops it at once; [`Server::shutdown`] lets requests finish.
#[derive(Debug)]
pub struct Server {
    addresses: Addresses,
    config: Arc<Config>,
    sender: Arc<Tls>,
    recipient: Arc<Tls>,
    ocsp: Option<Ocsp>,
    /// Senders and recipients.
    clients: Group,
    /// They see how the others end.
    operators: Group,
    /// Listeners, clean-up, upkeep: gone when this is dropped.
    tasks: JoinSet<()>,
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

impl StartError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl Server {
    /// Opens the database, loads certificates and keys, and listens. It runs on the caller's runtime, which must be of more than one thread.
    ///
    /// # Errors
    /// A file, the database or an address cannot be used.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let ocsp = tls::ocsp(&config.ocsp);
        let loaded = load(&config, ocsp.clone()).await?;
        let store = open(&config).await?;
        let handle = metrics::install();
        let sender_socket = listener::bind("sender", config.sender.address, config.limits.backlog)?;
        let recipient_socket = listener::bind("recipient", config.recipient.address, config.limits.backlog)?;
        let operations_socket = listener::bind("operations", config.operations.address, config.limits.backlog)?;
        let addresses = Addresses {
            sender: local_address(&sender_socket)?,
            recipient: local_address(&recipient_socket)?,
            operations: local_address(&operations_socket)?,
        };

        let limits = Arc::new(config.limits.clone());
        let watched = Watched { store: store.clone(), timeout: limits.store_timeout };
        let capsules = Arc::new(Capsules { store: watched.clone(), expiry: config.expiry.clone(), limits: limits.clone() });
        let (clients, operators) = (Group::default(), Group::default());
        let (sender, recipient) = (Arc::new(Tls::new(loaded.sender)), Arc::new(Tls::new(loaded.recipient)));
        let mut tasks = JoinSet::new();
        for (name, socket, tls, router) in [
            ("sender", sender_socket, &sender, capsules::sender(capsules.clone())),
            ("recipient", recipient_socket, &recipient, capsules::recipient(capsules)),
        ] {
            let requests = Requests::new(name, RateLimit::new(limits.requests_per_second, limits.request_burst));
            let router = router.layer(middleware::from_fn_with_state(Arc::new(requests), observe));
            let service = Service { name, tls: Some(tls.clone()), router, limits: limits.clone(), group: clients.clone() };
            let handshakes = RateLimit::new(limits.handshakes_per_second, limits.handshake_burst);
            tasks.spawn(listener::run(socket, Arc::new(service), handshakes));
        }
        let operations = Operations { store: watched, metrics: handle.clone(), stopping: clients.gently.clone() };
        let operations = operations::router(Arc::new(operations));
        let service = Service {
            name: "operations",
            tls: None,
            router: operations.layer(middleware::from_fn_with_state(Arc::new(Requests::new("operations", None)), observe)),
            limits: Arc::new(Limits { connections: OPERATIONS_CONNECTIONS, ..config.limits.clone() }),
            group: operators.clone(),
        };
        tasks.spawn(listener::run(operations_socket, Arc::new(service), None));

        let clean_up = config.clean_up.clone();
        tasks.spawn(async move { store::clean_up::run(&*store, SystemTime::now, clean_up.interval, clean_up.batch).await });
        if let Some(handle) = handle {
            tasks.spawn(async move {
                loop {
                    tokio::time::sleep(METRICS_UPKEEP).await;
                    handle.run_upkeep();
                }
            });
        }
        tracing::info!(
            sender = %addresses.sender,
            recipient = %addresses.recipient,
            operations = %addresses.operations,
            version = env!("CARGO_PKG_VERSION"),
            "listening"
        );
        Ok(Self { addresses, config, sender, recipient, ocsp, clients, operators, tasks })
    }

    /// Whether a server would start: the files can be read, keys fit certificates, the database answers. Nothing listens, and the addresses are not
    /// tried, so that a server may be running meanwhile. The database is brought up to date, as by a start.
    ///
    /// # Errors
    /// The first file that cannot be used, or the database.
    pub async fn check(config: &Config) -> Result<(), StartError> {
        load(&Arc::new(config.clone()), None).await?;
        let store = open(config).await?;
        let watched = Watched { store, timeout: config.limits.store_timeout };
        watched.check().await.map_err(|error| StartError::new(format!("store: {error}")))
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
        let loaded = load(&self.config, self.ocsp.clone()).await;
        metrics::reloaded(loaded.is_ok());
        let loaded = loaded.inspect_err(|error| tracing::error!(%error, "certificates and keys stay as they were"))?;
        self.sender.replace(loaded.sender);
        self.recipient.replace(loaded.recipient);
        tracing::info!("certificates and keys loaded anew");
        Ok(())
    }

    /// Stops listening, lets accepted requests finish, at most `limits.shutdown_timeout`, and closes the database.
    pub async fn shutdown(mut self) {
        tracing::info!("stopping");
        let left = self.clients.end(self.config.limits.shutdown_timeout).await;
        if left > 0 {
            tracing::warn!(left, "connections did not end in time and were cut off");
        }
        self.operators.end(FAREWELL).await;
        self.tasks.shutdown().await;
        tracing::info!("stopped");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for group in [&self.clients, &self.operators] {
            group.gently.cancel();
            group.now.cancel();
        }
    }
}

/// Reads what TLS needs, off the runtime's threads.
async fn load(config: &Arc<Config>, ocsp: Option<Ocsp>) -> Result<Loaded, StartError> {
    let config = config.clone();
    tokio::task::spawn_blocking(move || Loaded::read(&config, ocsp))
        .await
        .map_err(|error| StartError::new(format!("reading certificates: {error}")))?
}

async fn open(config: &Config) -> Result<Arc<dyn Store>, StartError> {
    store::open(&config.store).await.map_err(|error| StartError::new(format!("store: {error}")))
}

fn local_address(socket: &TcpListener) -> Result<SocketAddr, StartError> {
    socket.local_addr().map_err(|error| StartError::new(format!("the system does not say where it listens: {error}")))
}

//! A server from its start to its end.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::{Router, middleware};
use metrics_exporter_prometheus::PrometheusHandle;
use revocation::Ocsp;
use rustls::ServerConfig;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::config::{Capsules, Config, Interface, Limits, OcspPolicy};
use crate::connection::{FAREWELL, Group, Service};
use crate::current::Current;
use crate::operations::{self, Operations};
use crate::rate::RateLimit;
use crate::requests::{Requests, observe};
use crate::store::{self, State, Store};
use crate::watched::Watched;
use crate::{listener, metrics, tls};

/// Connections of the operators' listener. More than any monitoring needs, less than would hurt.
const OPERATIONS_CONNECTIONS: usize = 64;
/// How often what was measured is put into its buckets; else it would pile up where nobody fetches it.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// A running capsule server, or, as `Server<Shares>`, a shares server. Dropping it stops it at once; [`Server::shutdown`] lets requests finish.
#[derive(Debug)]
pub struct Server<K: Kind = Capsules> {
    addresses: K::Addresses,
    config: Arc<Config<K>>,
    live: K::Live,
    ocsp: Option<Ocsp>,
    groups: Groups,
    /// Listeners, clean-up, upkeep: gone when this is dropped.
    tasks: JoinSet<()>,
}

/// A kind of server: what it serves to the public. [`Capsules`] and [`Shares`](crate::config::Shares) are all there are.
pub trait Kind: Interface + Clone + fmt::Debug + Send + Sync + 'static {
    /// Where one listens.
    type Addresses: Copy + fmt::Debug + Serialize + Send + Sync;
    /// What it reads from files.
    #[doc(hidden)]
    type Loaded: Send + 'static;
    /// Of that, what it uses at the moment.
    #[doc(hidden)]
    type Live: fmt::Debug + Send + Sync;

    /// Reads every file that it needs. It blocks.
    #[doc(hidden)]
    fn load(config: &Config<Self>, ocsp: Option<Ocsp>) -> Result<Self::Loaded, StartError>;

    /// Adds its listeners.
    #[doc(hidden)]
    fn serve(config: &Config<Self>, loaded: Self::Loaded, base: &mut Base) -> Result<(Self::Live, Self::Addresses), StartError>;

    /// Uses what was loaded anew.
    #[doc(hidden)]
    fn replace(live: &Self::Live, loaded: Self::Loaded);
}

/// What all kinds have, while listeners are added.
#[derive(Debug)]
pub struct Base {
    pub(crate) store: Watched,
    pub(crate) ocsp: Option<Ocsp>,
    /// Where operators look.
    pub(crate) operations: SocketAddr,
    limits: Arc<Limits>,
    groups: Groups,
    listeners: Vec<Listener>,
}

/// A socket that listens, and does not accept yet.
#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    service: Arc<Service>,
    handshakes: Option<RateLimit>,
}

/// Connections, by when they end.
#[derive(Clone, Debug, Default)]
struct Groups {
    /// Of the public.
    clients: Group,
    /// They see how the others end.
    operators: Group,
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

impl<K: Kind> Server<K> {
    /// Opens the database, loads certificates and keys, and listens. It runs on the caller's runtime, which must be of more than one thread.
    ///
    /// # Errors
    /// A file, the database or an address cannot be used.
    pub async fn start(config: Config<K>) -> Result<Self, StartError> {
        let config = Arc::new(config);
        report(&config);
        let ocsp = tls::ocsp(&config.ocsp);
        let loaded = load(&config, ocsp.clone()).await?;
        let store = open(&config).await?;
        let handle = metrics::install();

        let mut base = Base::new(&config, store.clone(), ocsp.clone(), handle.clone())?;
        let (live, addresses) = K::serve(&config, loaded, &mut base)?;
        let Base { groups, listeners, .. } = base;
        let mut tasks = JoinSet::new();
        for Listener { socket, address, service, handshakes } in listeners {
            tracing::info!(listener = service.name, %address, version = env!("CARGO_PKG_VERSION"), "listening");
            tasks.spawn(listener::run(socket, service, handshakes));
        }
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
        Ok(Self { addresses, config, live, ocsp, groups, tasks })
    }

    /// Whether a server would start: the files can be read, keys fit certificates, the database answers, and what it is. Nothing is written. Nothing
    /// listens, and the addresses are not tried, so that a server may be running meanwhile.
    ///
    /// # Errors
    /// The first file that cannot be used, or the database.
    pub async fn check(config: &Config<K>) -> Result<State, StartError> {
        report(config);
        load(&Arc::new(config.clone()), None).await?;
        store::inspect(&config.store).await.map_err(|error| StartError::new(format!("store: {error}")))
    }

    /// Where it listens, with the ports that were taken for port 0.
    #[must_use]
    pub fn addresses(&self) -> K::Addresses {
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
        K::replace(&self.live, loaded);
        tracing::info!("certificates and keys loaded anew");
        Ok(())
    }

    /// Stops listening, lets accepted requests finish, at most `limits.shutdown_timeout`, and closes the database.
    pub async fn shutdown(mut self) {
        tracing::info!("stopping");
        let left = self.groups.clients.end(self.config.limits.shutdown_timeout).await;
        if left > 0 {
            tracing::warn!(left, "connections did not end in time and were cut off");
        }
        self.groups.operators.end(FAREWELL).await;
        self.tasks.shutdown().await;
        tracing::info!("stopped");
    }
}

impl Base {
    /// With the operators' listener.
    fn new<K: Kind>(
        config: &Config<K>,
        store: Arc<dyn Store>,
        ocsp: Option<Ocsp>,
        metrics: Option<PrometheusHandle>,
    ) -> Result<Self, StartError> {
        let limits = Arc::new(config.limits.clone());
        let store = Watched { store, timeout: limits.store_timeout };
        let groups = Groups::default();
        let socket = listener::bind("operations", config.operations.address, limits.backlog)?;
        let operations = local_address(&socket)?;
        let router =
            operations::router(Arc::new(Operations { store: store.clone(), metrics, stopping: groups.clients.gently.clone() }));
        let service = Service {
            name: "operations",
            tls: None,
            router: router.layer(middleware::from_fn_with_state(Arc::new(Requests::new("operations", None)), observe)),
            limits: Arc::new(Limits { connections: OPERATIONS_CONNECTIONS, ..config.limits.clone() }),
            group: groups.operators.clone(),
        };
        let listeners = vec![Listener { socket, address: operations, service: Arc::new(service), handshakes: None }];
        Ok(Self { store, ocsp, operations, limits, groups, listeners })
    }

    /// Adds a public listener: where it is.
    pub(crate) fn listen(
        &mut self,
        name: &'static str,
        address: SocketAddr,
        tls: &Arc<Current<ServerConfig>>,
        router: Router,
    ) -> Result<SocketAddr, StartError> {
        let limits = &self.limits;
        let socket = listener::bind(name, address, limits.backlog)?;
        let address = local_address(&socket)?;
        let requests = Requests::new(name, RateLimit::new(limits.requests_per_second, limits.request_burst));
        let router = router.layer(middleware::from_fn_with_state(Arc::new(requests), observe));
        let group = self.groups.clients.clone();
        let service = Arc::new(Service { name, tls: Some(tls.clone()), router, limits: limits.clone(), group });
        let handshakes = RateLimit::new(limits.handshakes_per_second, limits.handshake_burst);
        self.listeners.push(Listener { socket, address, service, handshakes });
        Ok(address)
    }
}

impl<K: Kind> Drop for Server<K> {
    fn drop(&mut self) {
        for group in [&self.groups.clients, &self.groups.operators] {
            group.gently.cancel();
            group.now.cancel();
        }
    }
}

/// Says what the configuration is, and what an operator may have set without meaning it.
fn report<K: Kind>(config: &Config<K>) {
    let Config { store, expiry, ocsp, crl, .. } = config;
    tracing::info!(
        store = ?store,
        expiry = ?expiry,
        ocsp = ?ocsp,
        lists = crl.files.len(),
        version = env!("CARGO_PKG_VERSION"),
        "configuration"
    );
    tracing::debug!(?config, "all of the configuration");
    match (ocsp.enabled, ocsp.policy) {
        (true, OcspPolicy::Soft) => {
            tracing::warn!(
                "ocsp.policy = \"soft\": while no responder answers, revoked certificates are good for those who have not been asked about"
            );
        }
        (true, OcspPolicy::Hard | OcspPolicy::Grace) => {}
        (false, _) if crl.files.is_empty() => {
            tracing::warn!("ocsp.enabled = false, and crl.files is empty: nobody asks whether certificates are revoked");
        }
        (false, _) => tracing::warn!("ocsp.enabled = false: certificates revoked since the lists in crl.files were made are good"),
    }
}

/// Reads what is in files, off the runtime's threads.
async fn load<K: Kind>(config: &Arc<Config<K>>, ocsp: Option<Ocsp>) -> Result<K::Loaded, StartError> {
    let config = config.clone();
    tokio::task::spawn_blocking(move || K::load(&config, ocsp))
        .await
        .map_err(|error| StartError::new(format!("reading certificates: {error}")))?
}

async fn open<K>(config: &Config<K>) -> Result<Arc<dyn Store>, StartError> {
    store::open(&config.store).await.map_err(|error| StartError::new(format!("store: {error}")))
}

fn local_address(socket: &TcpListener) -> Result<SocketAddr, StartError> {
    socket.local_addr().map_err(|error| StartError::new(format!("the system does not say where it listens: {error}")))
}

//! Shares servers.

use std::fmt;
use std::time::SystemTime;

use cdoc2_server::config::Shares;
use simulator::certificate::{Content, Subject};

use crate::background::Spawner;
use crate::folder::Folder;
use crate::hosted::{Configure, HostedServer, common_toml, url};
use crate::loopback::Reserved;
use crate::{Algorithm, Authority, Error};

/// A shares server that can be stopped and started again.
pub type SharesServer = HostedServer<Shares>;

/// What a shares server is to be.
pub struct SharesServerOptions {
    /// Who runs it.
    pub owner: String,
    /// Where it keeps shares, if not in a SQLite file of its own: a PostgreSQL connection string.
    pub postgresql: Option<String>,
    /// What else is to be said to it. Its limits on rates are off, for all clients come from one address.
    pub configure: Configure<Shares>,
}

impl SharesServerOptions {
    /// One of `owner`, with SQLite.
    #[must_use]
    pub fn of(owner: &str) -> Self {
        Self { owner: owner.to_owned(), postgresql: None, configure: Box::new(|_| {}) }
    }
}

impl fmt::Debug for SharesServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharesServerOptions").field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// Starts a new one, whose files are in `folder`. `index` tells it from others. It has a certificate of its own.
pub(crate) fn start(
    folder: &Folder,
    index: usize,
    options: SharesServerOptions,
    authority: &Authority,
    spawner: Spawner,
) -> Result<SharesServer, Error> {
    let name = name(index);
    let SharesServerOptions { owner, postgresql, configure } = options;
    let content = Content::server(Subject::named(&owner)?, SystemTime::now())?;
    let identity = authority.identity(&content, Algorithm::P384)?;
    folder.write(&format!("{name}.pem"), &identity.chain_pem())?;
    folder.write(&certificate(index), &identity.certificate_pem())?;
    folder.write(&format!("{name}.key"), &identity.key_pem())?;
    let [public, operations] = [Reserved::new()?, Reserved::new()?];
    let toml = format!(
        r#"[shares]
address = "{}"
certificate = "{name}.pem"
key = "{name}.key"
url = "{}"
authorities = ["root.pem"]
intermediates = ["intermediate.pem"]
"#,
        public.address,
        url(public.address)
    );
    let common = common_toml(operations.address, &format!("{name}.sqlite"), postgresql.as_deref());
    let file = folder.write(&format!("{name}.toml"), &(toml + &common))?;
    HostedServer::start_new(owner, file, vec![public, operations], configure, spawner)
}

/// What files of a server are called.
fn name(index: usize) -> String {
    format!("shares-{}", index + 1)
}

/// The file with the certificate of a server, for clients.
pub(crate) fn certificate(index: usize) -> String {
    format!("{}-certificate.pem", name(index))
}

impl SharesServer {
    /// Where it is for everybody: `https://localhost:PORT`, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.addresses().shares)
    }
}

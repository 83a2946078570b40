//! The capsule server.

use cdoc2_server::config::Capsules;

use crate::Error;
use crate::background::Spawner;
use crate::folder::Folder;
use crate::hosted::{Configure, HostedServer, common_toml, url};
use crate::loopback::Reserved;

/// A capsule server that can be stopped and started again.
pub type CapsuleServer = HostedServer<Capsules>;

/// Starts a new one, whose files are in `folder`. `postgresql` is where capsules are kept, if not in a SQLite file there.
pub(crate) fn start(
    folder: &Folder,
    postgresql: Option<&str>,
    configure: Configure<Capsules>,
    spawner: Spawner,
) -> Result<CapsuleServer, Error> {
    let [sender, recipient, operations] = [Reserved::new()?, Reserved::new()?, Reserved::new()?];
    let toml = format!(
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
"#,
        sender.address, recipient.address
    );
    let file = folder.write("server.toml", &(toml + &common_toml(operations.address, "capsules.sqlite", postgresql)))?;
    HostedServer::start_new("CDOC2 test bed".into(), file, vec![sender, recipient, operations], configure, spawner)
}

impl CapsuleServer {
    /// Where capsules are sent to: `https://localhost:PORT`.
    #[must_use]
    pub fn sender_url(&self) -> String {
        url(self.addresses().sender)
    }

    /// Where they are fetched from.
    #[must_use]
    pub fn recipient_url(&self) -> String {
        url(self.addresses().recipient)
    }
}

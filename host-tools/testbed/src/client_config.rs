//! The configuration of a client that uses all of it.

use crate::directory::Tree;
use crate::hosted::toml_string;
use crate::phone::{RELYING_PARTY_NAME, RELYING_PARTY_UUID};
use crate::{CapsuleServer, Directory, MobileIdService, PolicyService, SharesServer, SmartIdService, shares_server};

/// What the capsule server is called.
pub const SERVER_ID: &str = "testbed";
/// What the set of shares servers is called.
pub const SHARES_SET_ID: &str = "testbed";

/// Whom the client is told of.
pub(crate) struct ClientConfig<'t> {
    pub(crate) server: &'t CapsuleServer,
    /// There is no set of fewer than two.
    pub(crate) shares_servers: &'t [SharesServer],
    pub(crate) policy: &'t PolicyService,
    pub(crate) smart_id: &'t SmartIdService,
    pub(crate) mobile_id: &'t MobileIdService,
    pub(crate) directory: Option<&'t Directory>,
}

impl ClientConfig<'_> {
    /// The file, which is beside those that it names.
    pub(crate) fn to_toml(&self) -> String {
        let mut text = format!(
            r#"default_server = "{SERVER_ID}"

[policy]
url = "{}"
authorities = ["root.pem"]

[[server]]
id = "{SERVER_ID}"
owner = {}
sender_url = "{}"
recipient_url = "{}"
certificates = ["server-certificate.pem"]
"#,
            self.policy.url(),
            toml_string(self.server.owner()),
            self.server.sender_url(),
            self.server.recipient_url(),
        );
        if self.shares_servers.len() > 1 {
            text += &format!("\n[[shares_set]]\nid = \"{SHARES_SET_ID}\"\n");
            text.extend(self.shares_servers.iter().enumerate().map(shares_server));
        }
        text += &signing_service("smart_id", &self.smart_id.url());
        text += &signing_service("mobile_id", &self.mobile_id.url());
        if let Some(directory) = self.directory {
            text += &directory_section("sk", &directory.ldaps_url(), false, Tree::Sk);
            // The other way to TLS, so that both are used.
            text += &directory_section("zetes", &directory.ldap_url(), true, Tree::Zetes);
        }
        text
    }
}

fn shares_server((index, server): (usize, &SharesServer)) -> String {
    format!(
        r#"
[[shares_set.server]]
url = "{}"
owner = {}
certificates = ["{}"]
interface = "{}"
"#,
        server.url(),
        toml_string(server.owner()),
        shares_server::certificate(index),
        // Both are used.
        if index % 2 == 0 { "token" } else { "ticket" },
    )
}

fn signing_service(name: &str, url: &str) -> String {
    format!(
        r#"
[{name}]
url = "{url}"
relying_party_uuid = "{RELYING_PARTY_UUID}"
relying_party_name = "{RELYING_PARTY_NAME}"
certificates = ["server-certificate.pem"]
authorities = ["intermediate.pem"]
"#
    )
}

fn directory_section(name: &str, url: &str, start_tls: bool, tree: Tree) -> String {
    format!(
        r#"
[[directory]]
name = "{name}"
url = "{url}"
start_tls = {start_tls}
base = "{}"
authorities = ["root.pem"]
issuers = ["intermediate.pem"]
"#,
        tree.base()
    )
}

//! The capsule server, as a program of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::peer::{self, Error, Program};
use crate::pki::ServerCertificate;

/// Where it listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) sender: SocketAddr,
    pub(crate) recipient: SocketAddr,
}

/// What one server has and another may not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'s> {
    /// A line of the section `[store]`.
    pub(crate) store: &'s str,
    /// The responder that is asked whether certificates are revoked, if any.
    pub(crate) ocsp: Option<&'s str>,
}

/// Starts `program` in `folder`. It logs warnings only, as nginx does here; all requests come from this machine, so that limits by address are off.
pub(crate) async fn start(
    program: &Path,
    folder: &Path,
    certificate: &ServerCertificate,
    root: &Path,
    settings: Settings<'_>,
) -> Result<(Program, Addresses), Error> {
    fs::create_dir_all(folder).map_err(|cause| Error::File { path: folder.to_owned(), cause })?;
    let [sender, recipient, operations] = peer::free_addresses()?;
    let file = folder.join("server.toml");
    let (chain, key, root) = (certificate.chain.display(), certificate.key.display(), root.display());
    let ocsp = match settings.ocsp {
        Some(url) => format!("url = \"{url}\""),
        None => "enabled = false".into(),
    };
    let store = settings.store;
    let text = format!(
        r#"[sender]
address = "{sender}"
certificate = "{chain}"
key = "{key}"

[recipient]
address = "{recipient}"
certificate = "{chain}"
key = "{key}"
client_authorities = ["{root}"]

[operations]
address = "{operations}"

[store]
{store}

[ocsp]
{ocsp}

[limits]
handshakes_per_second = 0
requests_per_second = 0
header_timeout = "120s"

[clean_up]
interval = "1s"

[log]
level = "warn"
"#
    );
    peer::write(&file, &text)?;
    let mut command = Command::new(program);
    command.arg("capsule").arg("--config").arg(&file);
    let mut program = Program::start(command, &folder.join("server.log"))?;
    for address in [operations, sender, recipient] {
        program.listening(address).await?;
    }
    Ok((program, Addresses { sender, recipient }))
}

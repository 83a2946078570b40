//! The servers, as programs of their own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::peer::{self, Error, Program};
use crate::pki::ServerCertificate;

/// Where a capsule server listens.
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

/// Whom a shares server believes: PEM files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authorities<'a> {
    pub(crate) root: &'a Path,
    pub(crate) intermediate: &'a Path,
}

/// Starts `program` as a capsule server in `folder`.
pub(crate) async fn capsules(
    program: &Path,
    folder: &Path,
    certificate: &ServerCertificate,
    root: &Path,
    settings: Settings<'_>,
) -> Result<(Program, Addresses), Error> {
    let [sender, recipient, operations] = peer::free_addresses()?;
    let (chain, key, root) = (certificate.chain.display(), certificate.key.display(), root.display());
    let interface = format!(
        r#"[sender]
address = "{sender}"
certificate = "{chain}"
key = "{key}"

[recipient]
address = "{recipient}"
certificate = "{chain}"
key = "{key}"
client_authorities = ["{root}"]
"#
    );
    let program = start(program, "capsule", folder, &interface, &[operations, sender, recipient], settings).await?;
    Ok((program, Addresses { sender, recipient }))
}

/// Starts `program` as a shares server in `folder`. Its clients know it by the address.
pub(crate) async fn shares(
    program: &Path,
    folder: &Path,
    certificate: &ServerCertificate,
    authorities: Authorities<'_>,
    settings: Settings<'_>,
) -> Result<(Program, SocketAddr), Error> {
    let [address, operations] = peer::free_addresses()?;
    let (chain, key) = (certificate.chain.display(), certificate.key.display());
    let Authorities { root, intermediate } = authorities;
    let interface = format!(
        r#"[shares]
address = "{address}"
certificate = "{chain}"
key = "{key}"
url = "https://{address}"
authorities = ["{}"]
intermediates = ["{}"]
"#,
        root.display(),
        intermediate.display()
    );
    let program = start(program, "shares", folder, &interface, &[operations, address], settings).await?;
    Ok((program, address))
}

/// Starts a server whose own sections are `interface`; the first of `addresses` is the operators'. It logs warnings only, as nginx does here; all requests
/// come from this machine, so that limits by address are off.
async fn start(
    program: &Path,
    kind: &str,
    folder: &Path,
    interface: &str,
    addresses: &[SocketAddr],
    settings: Settings<'_>,
) -> Result<Program, Error> {
    fs::create_dir_all(folder).map_err(|cause| Error::File { path: folder.to_owned(), cause })?;
    let file = folder.join("server.toml");
    let ocsp = match settings.ocsp {
        Some(url) => format!("url = \"{url}\""),
        None => "enabled = false".into(),
    };
    let store = settings.store;
    let operations = addresses[0];
    let text = format!(
        r#"{interface}
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
    command.arg(kind).arg("--config").arg(&file);
    let mut program = Program::start(command, &folder.join("server.log"))?;
    for address in addresses {
        program.listening(*address).await?;
    }
    Ok(program)
}

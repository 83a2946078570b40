//! A token in a reader of a pcscd that nobody else uses: a desk to work at.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::pcscd::{Namespace, Pcscd, VPCD_PORT};
use crate::token::{Inserted, Token};

/// Where the USB/IP server of a desk listens, in the desk's own network.
const USBIP_ADDRESS: &str = "127.0.0.1:3240";

/// pcscd with a token for its first reader. The fields are dropped in this order.
#[derive(Debug)]
pub struct Desk {
    inserted: Option<Inserted>,
    /// The daemon.
    pub pcscd: Pcscd,
    /// The token.
    pub token: Token,
    /// Where it all runs.
    pub namespace: Namespace,
    reader: &'static str,
}

impl Desk {
    /// A new token, made with further options of `token-sim new`, in vpcd's first reader.
    #[must_use]
    pub fn over_vpcd(options: &[&str]) -> Self {
        let mut desk = Self::with_empty_readers(options);
        desk.inserted = Some(desk.token.insert(&desk.namespace, VPCD_PORT));
        desk
    }

    /// The same token beside vpcd's readers, in which nothing is.
    #[must_use]
    pub fn with_empty_readers(options: &[&str]) -> Self {
        let namespace = Namespace::new();
        let token = Token::new(&namespace.folder().join("token"), options);
        let pcscd = Pcscd::with_vpcd(&namespace);
        Self { pcscd, inserted: None, token, namespace, reader: "Virtual PCD 00 00" }
    }

    /// The same as a USB device, driven by libccid.
    #[must_use]
    pub fn over_usb(options: &[&str]) -> Self {
        let namespace = Namespace::new();
        let token = Token::new(&namespace.folder().join("token"), options);
        let inserted = Some(token.plug(&namespace, USBIP_ADDRESS));
        let pcscd = Pcscd::with_libccid(&namespace, USBIP_ADDRESS);
        Self { pcscd, inserted, token, namespace, reader: "Token 00 00" }
    }

    /// The reader's name.
    #[must_use]
    pub fn reader(&self) -> &'static str {
        self.reader
    }

    /// Pulls the token out.
    pub fn remove(&mut self) {
        self.inserted = None;
    }

    /// A path in the desk's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.namespace.folder().join(name)
    }

    /// `program` as a client of pcscd, at work in the desk's folder.
    pub fn client(&self, program: impl AsRef<Path>) -> Command {
        let mut command = self.pcscd.client(program);
        command.current_dir(self.namespace.folder());
        command
    }
}

//! A token in a reader of a pcscd that nobody else uses: a desk to work at.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::pcscd::{Namespace, Pcscd, VPCD_PORT};
use crate::token::{Inserted, Token};

/// Where the USB/IP server of a desk listens, in the desk's own network.
const USBIP_ADDRESS: &str = "127.0.0.1:3240";

/// What the token is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// vpcd's first one.
    Vpcd,
    /// Its own: it is a USB device, driven by libccid.
    Usb,
}

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

    /// The same with a trace: see [`Token::trace`].
    #[must_use]
    pub fn traced(options: &[&str]) -> Self {
        let mut desk = Self::with_empty_readers(options);
        desk.inserted = Some(desk.token.insert_traced(&desk.namespace, VPCD_PORT));
        desk
    }

    /// The same token beside vpcd's readers, in which nothing is.
    #[must_use]
    pub fn with_empty_readers(options: &[&str]) -> Self {
        Self::beside_vpcd(Namespace::new(), options)
    }

    /// The same as a USB device, driven by libccid.
    #[must_use]
    pub fn over_usb(options: &[&str]) -> Self {
        Self::plugged(Namespace::new(), options, |token, namespace| token.plug(namespace, USBIP_ADDRESS))
    }

    /// The same token in `reader`, with nobody at its button but the test: see [`Inserted::wait_for_question`].
    #[must_use]
    pub fn to_be_touched(reader: Reader, options: &[&str]) -> Self {
        Self::untouched(Namespace::new(), reader, options)
    }

    /// The same in `namespace`, in which the test is already, so that it is itself a client of this pcscd.
    #[must_use]
    pub fn to_be_touched_inside(namespace: &Namespace, reader: Reader, options: &[&str]) -> Self {
        Self::untouched(namespace.entered(), reader, options)
    }

    fn untouched(namespace: Namespace, reader: Reader, options: &[&str]) -> Self {
        match reader {
            Reader::Vpcd => {
                let mut desk = Self::beside_vpcd(namespace, options);
                desk.inserted = Some(desk.token.insert_untouched(&desk.namespace, VPCD_PORT));
                desk
            }
            Reader::Usb => Self::plugged(namespace, options, |token, namespace| token.plug_untouched(namespace, USBIP_ADDRESS)),
        }
    }

    /// The device has to be there before the daemon.
    fn plugged(namespace: Namespace, options: &[&str], plug: impl FnOnce(&Token, &Namespace) -> Inserted) -> Self {
        let token = Token::new(&namespace.folder().join("token"), options);
        let inserted = Some(plug(&token, &namespace));
        let pcscd = Pcscd::with_libccid(&namespace, USBIP_ADDRESS);
        Self { pcscd, inserted, token, namespace, reader: "Token 00 00" }
    }

    fn beside_vpcd(namespace: Namespace, options: &[&str]) -> Self {
        let token = Token::new(&namespace.folder().join("token"), options);
        let pcscd = Pcscd::with_vpcd(&namespace);
        Self { pcscd, inserted: None, token, namespace, reader: "Virtual PCD 00 00" }
    }

    /// The reader's name.
    #[must_use]
    pub fn reader(&self) -> &'static str {
        self.reader
    }

    /// The token in its reader.
    ///
    /// # Panics
    /// It is in none.
    pub fn inserted(&mut self) -> &mut Inserted {
        self.inserted.as_mut().expect("the token is in a reader")
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

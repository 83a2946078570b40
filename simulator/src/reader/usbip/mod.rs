//! A virtual USB bus, and USB/IP over TCP to it.
//!
//! ```text
//! firmware <-> VirtualBus <-> Server <-> TCP <-> Attachment, or the kernel's `usbip attach`
//! ```
//!
//! The firmware under test is the real one down to [`usb_device::bus::UsbBus`]: it polls its endpoints, and the host's transfers are cut into
//! packets and put together from them as a host controller does it.
//!
//! - A transfer to the host ends with a packet shorter than `wMaxPacketSize`, or when its room is full; a packet that does not fit ends it with
//!   [`Status::BABBLE`](protocol::Status::BABBLE). A transfer to the device ends when the device has read its last packet.
//! - To attach a device is to give it power and to reset the bus; the end of the connection takes its power away.

mod bus;
pub mod client;
pub mod descriptor;
mod device;
mod endpoint;
mod octets;
pub mod protocol;
mod server;

pub use bus::VirtualBus;
pub use device::{PRODUCT_ID, VENDOR_ID, ccid_device};
pub use octets::Octets;
pub use server::{PlugError, Server};

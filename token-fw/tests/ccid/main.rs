//! The USB device, from its host: packets in, packets out.

mod arbitrary;
mod enumeration;
mod host;
mod messages;
mod recovery;
mod waiting;

//! The archive inside a container: a POSIX.1-2001 (pax) tar in one zlib stream.
//!
//! Specification, "Unencrypted payload". Writing is [`ArchiveWriter`] over [`Deflate`]; reading is [`Unpacker`], which
//! inflates, reads and applies every rule of "Requirements for payload unpacking". All of it streams: memory does not
//! depend on the size of the files.
//!
//! [`Unpacker`]: check::Unpacker

pub mod check;
pub mod deflate;
pub mod error;
pub mod inflate;
pub mod name;
mod pax;
pub mod reader;
pub mod writer;

pub use deflate::Deflate;
pub use error::{Error, ErrorKind};
pub use inflate::Inflate;
pub use reader::ArchiveReader;
pub use writer::ArchiveWriter;

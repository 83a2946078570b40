//! Application identifiers (ISO 7816-4, 12.2.3).

/// The Estonian ID-card of 2018, main application; it holds MF, PIN1 and PUK.
pub const ESTEID_MAIN: &[u8] = b"\xA0\x00\x00\x00\x77\x01\x08\x00\x07\x00\x00\xFE\x00\x00\x01\x00";

/// The Estonian ID-card of 2018, authentication application "AWP" (`ADF1`).
pub const ESTEID_AUTHENTICATION: &[u8] = b"\xE8\x28\xBD\x08\x0F\xF2\x50\x4F\x54\x20\x41\x57\x50";

/// The Estonian ID-card of 2018, application for qualified signatures (`ADF2`).
pub const ESTEID_SIGNATURE: &[u8] = b"QSCD Application";

/// The Estonian ID-card of 2025.
pub const ESTEID_2025: &[u8] = b"\xA0\x00\x00\x00\x63PKCS-15";

/// Decapsulation of CDOC2 on the card. `F`: proprietary and unregistered (ISO 7816-4, 12.2.3.4).
pub const CDOC2: &[u8] = b"\xF0CDOC2\x01";

//! CDOC2 containers on a host.

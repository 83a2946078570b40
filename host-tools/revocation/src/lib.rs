//! Client certificates for rustls: chain, dates, key usage, and revocation by OCSP.

//! Authorities, responders, answers and handshakes, with certificates that are made for each test.

mod authorities;
mod crls;
mod handshakes;
mod openssl;
mod peers;
mod pki;
mod responses;
mod services;

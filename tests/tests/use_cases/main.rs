//! The use cases of the specification, with a test for each extension that there is, named after it.
//! docs/use-cases.md lists them.

mod client_01;
mod client_02;
mod client_p_01;
mod client_p_02;
mod client_p_04;
mod http;
mod impostor;
mod kts_01;
mod kts_02;
mod kts_03;
mod kts_04;
mod scene;
mod terminal;

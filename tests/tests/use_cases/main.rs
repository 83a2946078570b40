//! The use cases of the specification, with a test for each extension of UC.Client.01, UC.Client.02 and UC.KTS.01 to UC.KTS.04, named after it.
//! docs/use-cases.md lists them.

mod client_01;
mod client_02;
mod http;
mod impostor;
mod kts_01;
mod kts_02;
mod kts_03;
mod kts_04;
mod scene;

//! The use cases of the specification, with a test for each step and extension that can fail, named after it; and what else is to hold from end to end
//! where people sign in. docs/use-cases.md lists them.

mod client_01;
mod client_02;
mod client_03;
mod client_04;
mod client_p_01;
mod client_p_02;
mod client_p_04;
mod http;
mod impostor;
mod kts_01;
mod kts_02;
mod kts_03;
mod kts_04;
mod kts_06;
mod kts_07;
mod relay;
mod scene;
mod signing;
mod signing_in;
mod terminal;

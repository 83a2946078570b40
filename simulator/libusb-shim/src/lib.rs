#![doc = include_str!("../README.md")]

mod abi;
mod device;
mod layout;
mod transfers;

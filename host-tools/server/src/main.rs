//! The program `cdoc2-server`.

fn main() {}

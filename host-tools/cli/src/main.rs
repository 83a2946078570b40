//! The cdoc2 command.
fn main() {}

//! Hands the linker the memory map and the start-up code's script.

fn main() {
    println!("cargo::rustc-link-search={}", env!("CARGO_MANIFEST_DIR"));
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    println!("cargo::rustc-link-arg-examples=-Tlink.x");
    println!("cargo::rerun-if-changed=memory.x");
}

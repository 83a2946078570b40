//! Gives the library the name by which libccid asks for it.

fn main() {
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libusb-1.0.so.0");
    println!("cargo::rerun-if-changed=build.rs");
}

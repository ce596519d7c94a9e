//! Tells the program which versions of the libraries for TLS it is built with.

use std::fs;

fn main() {
    println!("cargo:rerun-if-changed=Cargo.lock");
    let lock = fs::read_to_string("Cargo.lock").unwrap_or_default();
    for name in ["rustls", "aws-lc-rs", "aws-lc-sys"] {
        let variable = name.to_uppercase().replace('-', "_");
        let version = version(&lock, name).unwrap_or("unknown");
        println!("cargo:rustc-env=IANITOR_{variable}={version}");
    }
}

/// The version of a package in a `Cargo.lock`.
fn version<'l>(lock: &'l str, name: &str) -> Option<&'l str> {
    let begin = format!("name = \"{name}\"\nversion = \"");
    lock.split_once(&begin)?.1.split('"').next()
}

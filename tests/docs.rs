//! The documentation is true: the reference is what the program says, and the annotated example is taken.

use std::fs;
use std::path::Path;

use ianitor::config::{self, reference};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_reference_is_what_the_program_knows() {
    let path = root().join("docs/reference.md");
    let got = reference();
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &got).unwrap();
    }
    let want = fs::read_to_string(&path).unwrap_or_default();
    let differs = want.lines().zip(got.lines()).find(|(want, got)| want != got);
    assert!(want == got, "docs/reference.md is old: {differs:?}\nBLESS=1 cargo test --test docs writes it");
}

#[test]
fn the_annotated_example_is_taken() {
    let loaded = config::load(&root().join("docs/gateway.toml")).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
}

//! nginx.conf: whatever it is, what becomes of it passes the check, and every directive has a line
//! in the report.
//!
//! Input: a configuration, which includes nothing.
#![no_main]

use std::io;
use std::path::{Path, PathBuf};

use ianitor::import;
use ianitor::nginx::{Directive, Files, parse_text};
use libfuzzer_sys::fuzz_target;

/// No files: an include of one is an error.
struct Nothing;

impl Files for Nothing {
    fn read(&self, _: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn find(&self, _: &Path) -> Vec<PathBuf> {
        Vec::new()
    }
}

fuzz_target!(|text: &str| {
    let here = Path::new("/nowhere");
    let Ok(tree) = parse_text(Path::new("nginx.conf"), text, here, &Nothing) else {
        return;
    };
    let imported = import::nginx(&tree, here);
    if let Err(report) = ianitor::config::parse(Path::new("gateway.toml"), &imported.toml) {
        panic!("{report}\n{}", imported.toml);
    }
    let mut left: Vec<&Directive> = tree.directives.iter().collect();
    while let Some(directive) = left.pop() {
        let mut lines = imported.report.lines();
        assert!(lines.any(|line| line.place == directive.place), "{}", directive.shown());
        left.extend(directive.inner());
    }
});

//! Files that a slip of the editor has broken, as one of several.

use std::path::{Path, PathBuf};

use crate::config::sources::Sources;
use crate::config::understand;

const FIRST: &str = "include = [\"a.toml\"]\n[limits]\nbody = \"2KiB\"\n[upstreams.first]\n\
                     servers = [\"http://${HOME:-a}\"]\n[defaults]\nhsts = \"1d\"\n";

/// Whatever is wrong with a file, its report has places in it.
fn check(text: &str) {
    let mut sources = Sources::of(Path::new("gateway.toml"), FIRST.to_owned());
    sources.add(Path::new("a.toml"), PathBuf::new(), text.to_owned());
    let Err(report) = understand(&sources, Vec::new(), &|_| None, |_| ()) else {
        return;
    };
    assert!(!report.problems().is_empty(), "{text}");
    for problem in report.problems() {
        let text = match problem.file.to_str() {
            Some("gateway.toml") => FIRST,
            Some("a.toml") => text,
            other => panic!("{other:?}"),
        };
        let line = text.split('\n').nth(problem.line - 1);
        let line = line.unwrap_or_else(|| panic!("no such line: {problem}\n{text}"));
        let columns = 1..=line.chars().count() + 1;
        assert!(columns.contains(&problem.column), "{problem}\n{text}");
    }
}

#[test]
fn reports_about_included_files_have_places_in_them() {
    let whole = include_str!("../../../tests/config/valid/everything.toml");
    check(whole);
    let others = [
        "",
        "\"",
        "]",
        "${",
        "${NO}",
        "ß",
        "\n[",
        "include = [\"x\"]\n",
        "\u{feff}",
    ];
    // A step that meets every kind of token, and not all of them.
    for (number, (at, _)) in whole.char_indices().step_by(13).enumerate() {
        let (before, after) = whole.split_at(at);
        check(&format!("{before}{}{after}", others[number % others.len()]));
        check(before);
    }
}

//! Sizes that keep files and functions readable, and lines within a screen.

use std::path::{Path, PathBuf};

/// Of 95 of 100 files of `src`.
const USUAL_FILE: usize = 350;
const LONGEST_FILE: usize = 520;
const LONGEST_FUNCTION: usize = 80;
const WIDEST_LINE: usize = 100;
const FOLDERS: [&str; 4] = ["src", "tests", "benches", "fuzz"];

#[test]
fn files_are_no_longer_than_their_limits() {
    let files = sources("src").into_iter();
    let mut by_length: Vec<_> = files
        .map(|(path, text)| (text.lines().count(), path))
        .collect();
    by_length.sort();
    let usual = by_length.len() * 95 / 100;
    let too_long = by_length
        .iter()
        .enumerate()
        .filter(|(at, (lines, _))| *lines > LONGEST_FILE || (*at <= usual && *lines > USUAL_FILE));
    let too_long = too_long.map(|(_, (lines, path))| format!("{}: {lines} lines", path.display()));
    assert_none(too_long.collect());
}

#[test]
fn no_function_is_longer_than_its_limit() {
    let mut too_long = Vec::new();
    for (path, text) in FOLDERS.into_iter().flat_map(sources) {
        let lines: Vec<&str> = text.lines().collect();
        for (at, length) in functions(&lines) {
            if length > LONGEST_FUNCTION {
                too_long.push(format!("{}:{}: {length} lines", path.display(), at + 1));
            }
        }
    }
    assert_none(too_long);
}

#[test]
fn no_line_is_wider_than_its_limit() {
    let mut too_wide = Vec::new();
    for (path, text) in FOLDERS.into_iter().flat_map(sources) {
        for (at, line) in text.lines().enumerate() {
            if line.chars().count() > WIDEST_LINE {
                too_wide.push(format!("{}:{}", path.display(), at + 1));
            }
        }
    }
    assert_none(too_wide);
}

fn assert_none(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Where functions begin, and how long they are: rustfmt closes each at the column of its `fn`.
fn functions(lines: &[&str]) -> Vec<(usize, usize)> {
    let is_function = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().take(5).collect();
        words.contains(&"fn") && !line.trim_start().starts_with("//")
    };
    let mut found = Vec::new();
    for (at, line) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| is_function(line))
    {
        let indent = line.len() - line.trim_start().len();
        let closing = format!("{}}}", &line[..indent]);
        let one_liner = line.ends_with(';') || line.ends_with('}');
        let end = lines[at..].iter().position(|line| *line == closing);
        found.extend(end.filter(|_| !one_liner).map(|end| (at, end + 1)));
    }
    found
}

/// The Rust files below a folder, without what was built there.
pub(crate) fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let (mut found, mut left) = (Vec::new(), vec![PathBuf::from(folder)]);
    while let Some(path) = left.pop() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path);
        if path.ends_with("target") {
            continue;
        }
        if here.is_dir() {
            let entries = std::fs::read_dir(here).unwrap();
            left.extend(entries.map(|entry| path.join(entry.unwrap().file_name())));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push((path, std::fs::read_to_string(here).unwrap()));
        }
    }
    found
}

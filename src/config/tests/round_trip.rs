//! A configuration means the same however it is divided into files, and as `ianitor config` prints
//! it.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::config::{Loaded, effective, load};

/// The texts of tests/config/valid.
fn valid() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/valid");
    let paths = fs::read_dir(folder).unwrap();
    let paths = paths.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|end| end == "toml"));
    let mut files: Vec<_> = files.collect();
    files.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    };
    files.into_iter().map(read).collect()
}

/// What was loaded, but for the names of its files, as sorted lines: some lists have no order.
fn meaning(loaded: Loaded) -> Vec<String> {
    let mut config = loaded.config;
    config.included.clear();
    let text = format!("{config:#?}");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The lines of only one of two.
fn differences(one: &[String], other: &[String]) -> Vec<String> {
    let only = |here: &[String], there: &[String]| {
        let lines = here.iter().filter(|line| !there.contains(line));
        lines.cloned().collect::<Vec<_>>()
    };
    match one == other {
        true => Vec::new(),
        false => [
            only(one, other),
            vec!["instead of".to_owned()],
            only(other, one),
        ]
        .concat(),
    }
}

fn loaded(path: &Path) -> Vec<String> {
    meaning(load(path).unwrap_or_else(|error| panic!("{error}")))
}

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// Divides a table into as many as there are parts. Names and elements of lists stay in their
/// order.
fn divide(table: toml::Table, parts: &mut [toml::Table], numbers: &mut Numbers) {
    use toml::Value;
    const NAMED: [&str; 4] = ["upstreams", "issuers", "policies", "turn"];
    const LISTS: [&str; 3] = ["routes", "deploy", "passthrough"];
    for (name, value) in table {
        match value {
            Value::Table(inner) => {
                let mut at = 0;
                for (key, value) in inner {
                    at = match NAMED.contains(&&*name) {
                        true => at + numbers.below(parts.len() - at),
                        false => numbers.below(parts.len()),
                    };
                    let empty = || Value::Table(toml::Table::new());
                    let into = parts[at].entry(&name).or_insert_with(empty);
                    into.as_table_mut().unwrap().insert(key, value);
                }
            }
            Value::Array(list) if LISTS.contains(&&*name) => {
                let mut at = 0;
                for value in list {
                    at += numbers.below(parts.len() - at);
                    let into = parts[at].entry(&name).or_insert(Value::Array(Vec::new()));
                    into.as_array_mut().unwrap().push(value);
                }
            }
            value => {
                let at = numbers.below(parts.len());
                parts[at].insert(name, value);
            }
        }
    }
}

/// Writes the parts as files of which each is included by one before it, or by the first.
fn write(folder: &TempDir, mut parts: Vec<toml::Table>, numbers: &mut Numbers) {
    let count = parts.len();
    let name = |at: usize| match at {
        0 => "gateway.toml".to_owned(),
        at => format!("part-{at:02}.toml"),
    };
    // The order in which files are read is that of their numbers.
    let is_chain = numbers.below(2) == 0;
    for (at, part) in parts.iter_mut().enumerate() {
        let includes = match (is_chain, at) {
            (true, at) if at + 1 < count => name(at + 1),
            (false, 0) => "part-*.toml".to_owned(),
            _ => String::new(),
        };
        if !includes.is_empty() {
            let includes = vec![toml::Value::from(includes)];
            part.insert("include".to_owned(), toml::Value::Array(includes));
        }
        fs::write(folder.path().join(name(at)), part.to_string()).unwrap();
    }
}

#[test]
fn files_may_be_divided_anywhere() {
    let mut numbers = Numbers(17);
    let mut divided = 0;
    for (path, text) in valid() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        // The parts are written in the order of their names.
        let whole: toml::Table = text.parse().unwrap();
        fs::write(&file, whole.to_string()).unwrap();
        let want = loaded(&file);
        for count in [2, 3, 6] {
            let mut parts = vec![toml::Table::new(); count];
            divide(whole.clone(), &mut parts, &mut numbers);
            write(&folder, parts, &mut numbers);
            let got = load(&file).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(got.config.included.len(), count - 1);
            let differences = differences(&meaning(got), &want);
            assert_eq!(differences, [""; 0], "{}", path.display());
            divided += 1;
            for entry in fs::read_dir(folder.path()).unwrap() {
                fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }
    }
    assert!(divided >= 90, "{divided}");
}

#[test]
fn what_is_printed_means_the_same() {
    let mut compared = 0;
    for (path, text) in valid() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("below/whole.toml"), &text).unwrap();
        fs::write(&file, "include = [\"below/whole.toml\"]\n").unwrap();
        let (config, shown) = effective(&file).unwrap();
        let want = meaning(config);
        let shown = shown.toml();
        // Without its secrets it is no configuration.
        let _: toml::Table = shown.parse().unwrap_or_else(|e| panic!("{e}\n{shown}"));
        if shown.contains("left out") {
            continue;
        }
        fs::write(&file, &shown).unwrap();
        let got = load(&file).unwrap_or_else(|e| panic!("{}: {e}\n{shown}", path.display()));
        let differences = differences(&meaning(got), &want);
        assert_eq!(differences, [""; 0], "{}\n{shown}", path.display());
        compared += 1;
    }
    assert!(compared >= 20, "{compared}");
}

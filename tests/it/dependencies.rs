//! What the dependencies may be: their licences, where they come from, which there may be twice and
//! which not at all. The lists are those of `deny.toml`, which cargo-deny reads (`make deny`).
//! Known vulnerabilities are not looked up here, because that needs the network.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A list of `deny.toml`. Entries are texts, or tables whose `crate` is a name with a version.
fn listed(table: &str, key: &str) -> Vec<String> {
    let text = include_str!("../../deny.toml");
    let file: toml::Table = text.parse().unwrap();
    let list = file[table][key].as_array().unwrap();
    let listed: Vec<String> = list
        .iter()
        .map(|entry| entry.get("crate").unwrap_or(entry).as_str().unwrap())
        .map(|name| name.split('@').next().unwrap_or(name).to_owned())
        .collect();
    assert!(!listed.is_empty(), "{table}.{key}");
    listed
}

/// What the program is built of on this system: names with their versions.
fn built() -> BTreeMap<String, BTreeSet<String>> {
    let arguments = "tree --locked --offline --edges normal,build --prefix none --format {p}";
    let text = cargo(&arguments.split(' ').collect::<Vec<_>>());
    let mut built: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split(' ').map(str::to_owned);
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            built.entry(name).or_default().insert(version);
        }
    }
    built
}

fn packages() -> Vec<Value> {
    let text = cargo(&["metadata", "--format-version", "1", "--locked", "--offline"]);
    let metadata: Value = serde_json::from_str(&text).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Whether an SPDX expression can be met. `AND` binds more than `OR`; the old form has a slash.
fn is_allowed(expression: &str, licences: &[String]) -> bool {
    let expression = expression.replace('/', " OR ");
    let any = |text: &str| {
        text.split(" OR ")
            .map(|one| one.trim_matches(['(', ')', ' ']))
            .any(|one| licences.iter().any(|licence| licence == one))
    };
    // Brackets are only ever around alternatives: a list of those, all of which have to be met.
    match expression.contains('(') || !expression.contains(" OR ") {
        true => expression.split(" AND ").all(any),
        false => expression
            .split(" OR ")
            .any(|all| all.split(" AND ").all(any)),
    }
}

#[test]
fn dependencies_have_licences_that_are_allowed() {
    let (packages, licences) = (packages(), listed("licenses", "allow"));
    assert!(packages.len() > 100, "{}", packages.len());
    let is_allowed = |text: &str| is_allowed(text, &licences);
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| !package["license"].as_str().is_some_and(is_allowed))
        .map(|package| format!("{}: {}", package["name"], package["license"]))
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn dependencies_are_from_the_registry() {
    let others: Vec<String> = packages()
        .iter()
        .filter(|package| package["name"] != env!("CARGO_PKG_NAME"))
        .filter(|package| package["source"] != CRATES_IO)
        .map(|package| format!("{}: {}", package["name"], package["source"]))
        .collect();
    assert!(others.is_empty(), "{}", others.join("\n"));
}

/// An entry of the list that is no longer true goes, too.
#[test]
fn dependencies_are_built_in_one_version_or_have_a_reason() {
    let built = built();
    assert!(built.len() > 100, "{}", built.len());
    let twice = built.iter().filter(|(_, versions)| versions.len() > 1);
    let twice: BTreeMap<&str, _> = twice.map(|(name, all)| (name.as_str(), all)).collect();
    let listed = listed("bans", "skip");
    let known: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
    let found: BTreeSet<&str> = twice.keys().copied().collect();
    assert_eq!(found, known, "{twice:#?}");
}

#[test]
fn no_banned_package_is_built() {
    let built = built();
    for name in listed("bans", "deny") {
        assert!(!built.contains_key(&name), "{name}");
    }
}

//! What the dependencies may be: their licences, where they come from, which there may be twice and
//! which not at all. Known vulnerabilities are not looked up here, because that needs the network.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Licences that can be combined with ours. In an expression with `OR`, one of these is enough.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    // The lists of root certificates.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Packages that are built in two versions, and who needs the older one.
const DUPLICATES: &[(&str, &str)] = &[
    (
        "base64",
        "pem 4 has the next one; jsonwebtoken, instant-acme and ianitor do not",
    ),
    ("pem", "jsonwebtoken has pem 3, rcgen has pem 4"),
    (
        "syn",
        "derive macros of thiserror, tokio and others; serde_derive and async-trait have syn 3",
    ),
    ("thiserror", "ppp has thiserror 1"),
    ("thiserror-impl", "as thiserror"),
    ("untrusted", "aws-lc-rs has 0.7, rustls-webpki has 0.9"),
];

/// Packages that must not be built, and why.
const BANNED: &[(&str, &str)] = &[
    ("native-tls", "TLS is rustls, everywhere"),
    ("openssl-sys", "TLS is rustls, everywhere"),
    ("ring", "aws-lc-rs is the one cryptographic library"),
];

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
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let any = |text: &str| {
        text.split(" OR ")
            .any(|one| LICENCES.contains(&one.trim_matches(['(', ')', ' '])))
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
    let packages = packages();
    assert!(packages.len() > 100, "{}", packages.len());
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
    let known: BTreeSet<&str> = DUPLICATES.iter().map(|(name, _)| *name).collect();
    let found: BTreeSet<&str> = twice.keys().copied().collect();
    assert_eq!(found, known, "{twice:#?}");
}

#[test]
fn no_banned_package_is_built() {
    let built = built();
    for (name, reason) in BANNED {
        assert!(!built.contains_key(*name), "{name}: {reason}");
    }
}

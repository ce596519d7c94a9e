//! What the dependencies may be: their licences and where they come from.

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

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
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

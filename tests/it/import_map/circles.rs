//! Groups of files that use each other.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::Module;

/// Groups of files that all reach each other.
pub(super) fn circles(uses: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<BTreeSet<Module>> {
    let reached: BTreeMap<_, _> = uses
        .keys()
        .map(|file| (file, reached(uses, file)))
        .collect();
    let circle = |file: &&Module| -> BTreeSet<Module> {
        let mutual = |other: &&Module| reached[other].contains(*file);
        reached[file].iter().filter(mutual).cloned().collect()
    };
    let circles = uses.keys().map(|file| circle(&file));
    circles.filter(|files| files.len() > 1).collect()
}

fn reached(uses: &BTreeMap<Module, BTreeSet<Module>>, from: &Module) -> BTreeSet<Module> {
    let (mut seen, mut left) = (BTreeSet::new(), vec![from]);
    while let Some(file) = left.pop() {
        for next in &uses[file] {
            if seen.insert(next.clone()) {
                left.push(next);
            }
        }
    }
    seen
}

/// The uses that make up a circle, a line each.
pub(super) fn shown(uses: &BTreeMap<Module, BTreeSet<Module>>, files: &BTreeSet<Module>) -> String {
    let mut text = format!("a circle of {} files:\n", files.len());
    for file in files {
        for used in uses[file].intersection(files) {
            text += &format!("  {} uses {}\n", file.join("::"), used.join("::"));
        }
    }
    text
}

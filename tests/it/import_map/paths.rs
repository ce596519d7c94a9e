//! Which files of `src` name which other files. This reads paths, not Rust: it knows `use` trees,
//! `crate::`, `super::`, `self::`, the names of child modules, and what a module re-exports.

use std::collections::{BTreeMap, BTreeSet};

/// The path of a module: `["tls", "load"]` for `src/tls/load.rs`, empty for the crate's root.
pub(super) type Module = Vec<String>;

/// A path as it is written, split at `::`.
type Written = Vec<String>;

/// One file: the paths that it names, and the names that it re-exports.
struct File {
    named: Vec<Written>,
    exports: BTreeMap<String, Written>,
}

/// Every file's module with the modules that it uses, outside of tests.
pub(super) fn uses(sources: &[(String, String)]) -> BTreeMap<Module, BTreeSet<Module>> {
    let files: BTreeMap<Module, File> = sources
        .iter()
        .filter(|(path, _)| !path.ends_with("/tests.rs") && !path.contains("/tests/"))
        .map(|(path, text)| (module(path), read(text)))
        .collect();
    let used_by = |(at, file): (&Module, &File)| {
        let named = file.named.iter();
        let found = named.filter_map(|path| resolve(&files, at, path, 0));
        (at.clone(), found.filter(|found| found != at).collect())
    };
    files.iter().map(used_by).collect()
}

fn module(path: &str) -> Module {
    let path = path.strip_prefix("src/").unwrap().trim_end_matches(".rs");
    let mut module: Module = path.split('/').map(str::to_owned).collect();
    if matches!(
        module.last().map(String::as_str),
        Some("mod" | "lib" | "main")
    ) {
        module.pop();
    }
    module
}

/// The file in which a path ends. A name that a module only re-exports leads on to where it is
/// defined.
fn resolve(
    files: &BTreeMap<Module, File>,
    from: &Module,
    path: &[String],
    depth: usize,
) -> Option<Module> {
    let (first, mut rest) = path.split_first()?;
    let mut at = match first.as_str() {
        "crate" | "ianitor" => Module::new(),
        "self" => from.clone(),
        "super" => parent(from)?,
        child => {
            let child = below(from, child);
            files.contains_key(&child).then_some(child)?
        }
    };
    while let Some((name, after)) = rest.split_first() {
        let deeper = match name.as_str() {
            "super" => parent(&at)?,
            "self" => at.clone(),
            name => below(&at, name),
        };
        if !files.contains_key(&deeper) {
            let exported = files.get(&at).and_then(|file| file.exports.get(name));
            // A module may re-export what another re-exports, but not without end.
            return match exported.filter(|_| depth < 8) {
                Some(path) => resolve(files, &at, path, depth + 1).or(Some(at)),
                None => Some(at),
            };
        }
        (at, rest) = (deeper, after);
    }
    Some(at)
}

fn parent(module: &Module) -> Option<Module> {
    let (_, above) = module.split_last()?;
    Some(above.to_vec())
}

fn below(module: &Module, name: &str) -> Module {
    let mut module = module.clone();
    module.push(name.to_owned());
    module
}

fn read(text: &str) -> File {
    let code = without_comments_and_tests(text);
    let mut file = File {
        named: Vec::new(),
        exports: BTreeMap::new(),
    };
    let mut rest = String::new();
    for statement in code.split_inclusive([';', '{', '}']) {
        // A `use` tree is put together again from its pieces, since it may have braces of its own.
        let begun = rest.is_empty() && begins_use(statement).is_none();
        if begun {
            file.named.extend(paths(statement));
            continue;
        }
        rest.push_str(statement);
        if statement.ends_with(';') {
            add_use(&mut file, &std::mem::take(&mut rest));
        }
    }
    file
}

/// What follows `use` if a statement is one, and whether it re-exports.
fn begins_use(statement: &str) -> Option<(bool, &str)> {
    let mut words = statement.trim_start();
    while let Some(after) = words.strip_prefix("#[") {
        words = after.split_once(']')?.1.trim_start();
    }
    let (is_public, words) = match words.strip_prefix("pub") {
        Some(words) => {
            let words = words.trim_start();
            let after = words
                .strip_prefix('(')
                .and_then(|words| words.split_once(')'));
            (true, after.map_or(words, |(_, words)| words).trim_start())
        }
        None => (false, words),
    };
    words.strip_prefix("use ").map(|tree| (is_public, tree))
}

fn add_use(file: &mut File, statement: &str) {
    let Some((is_public, tree)) = begins_use(statement) else {
        return;
    };
    let mut leaves = Vec::new();
    flatten(&[], tree.trim_end_matches(';'), &mut leaves);
    for (path, name) in leaves {
        if is_public {
            file.exports.insert(name, path.clone());
        }
        file.named.push(path);
    }
}

/// The paths of a `use` tree, each with the name that it brings.
fn flatten(before: &[String], tree: &str, leaves: &mut Vec<(Written, String)>) {
    let tree = tree.trim();
    let (head, list) = match tree.split_once('{') {
        Some((head, list)) => (head, list.trim_end().strip_suffix('}')),
        None => (tree, None),
    };
    let (head, alias) = match head.split_once(" as ") {
        Some((head, alias)) if list.is_none() => (head, Some(alias.trim().to_owned())),
        _ => (head, None),
    };
    let mut path = before.to_vec();
    let names = head.split("::").map(str::trim);
    path.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
    match list {
        Some(list) => parts(list).for_each(|part| flatten(&path, part, leaves)),
        None => {
            let name = alias.or_else(|| path.last().cloned());
            leaves.extend(name.map(|name| (path, name)));
        }
    }
}

/// Splits a list at its commas, but not within inner braces.
fn parts(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let at_comma = move |c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    };
    list.split(at_comma).filter(|part| !part.trim().is_empty())
}

/// Every path of two names or more in code.
fn paths(code: &str) -> Vec<Written> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = code.split(|c: char| !is_part(c));
    let split = |word: &str| -> Written {
        let names = word
            .split("::")
            .take_while(|name| !name.is_empty() && !name.contains(':'));
        names.map(str::to_owned).collect()
    };
    words.map(split).filter(|path| path.len() > 1).collect()
}

/// Tests inside a file stand at its end; `mod tests;` may stand anywhere.
fn without_comments_and_tests(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let is_tests = |pair: &[&str]| {
        let begins = pair[1].trim_start().starts_with("mod ") && pair[1].ends_with('{');
        pair[0].trim() == "#[cfg(test)]" && begins
    };
    let end = lines.windows(2).position(is_tests).unwrap_or(lines.len());
    let code = lines[..end].iter().map(|line| match line.split_once("//") {
        Some((code, _)) => code,
        None => line,
    });
    code.collect::<Vec<_>>().join("\n")
}

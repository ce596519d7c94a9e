//! Finds and reads the files that a configuration includes.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::merge::INCLUDE;
use super::problem::{Finding, Kind, Place};
use super::sources::Sources;
use super::variables::{Environment, expand};
use super::{ConfigError, document};

/// How many files include each other in a row.
const DEEPEST: usize = 8;

/// How many files are included in all.
const MOST: usize = 1000;

/// How many bytes all files have together.
const LARGEST: usize = 4 << 20;

/// As a shell has it, but that `*` needs a name of a file: copies that editors hide are left out.
const MATCH: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// A configuration with everything that it includes.
pub(super) struct Gathered {
    pub(super) sources: Sources,
    /// What was found on the way.
    pub(super) findings: Vec<Finding>,
}

/// Reads what a file includes, and what that includes. `folder` is where the file is, `identity`
/// its path without links; `read` reads a file.
pub(super) fn gather(
    sources: Sources,
    folder: &Path,
    identity: Option<PathBuf>,
    read: fn(&Path) -> Result<String, ConfigError>,
    environment: Environment<'_>,
) -> Gathered {
    let mut reader = Reader {
        total: sources.first().text.len(),
        sources,
        findings: Vec::new(),
        folder,
        read,
        environment,
        seen: identity.iter().cloned().collect(),
        is_full: false,
    };
    reader.follow(0, &mut identity.into_iter().collect());
    let (sources, findings) = (reader.sources, reader.findings);
    Gathered { sources, findings }
}

struct Reader<'r> {
    sources: Sources,
    findings: Vec<Finding>,
    folder: &'r Path,
    read: fn(&Path) -> Result<String, ConfigError>,
    environment: Environment<'r>,
    /// The files that were read.
    seen: HashSet<PathBuf>,
    total: usize,
    is_full: bool,
}

impl Reader<'_> {
    /// Reads what the file with this number includes. `above` are the files on the way to it.
    fn follow(&mut self, number: usize, above: &mut Vec<PathBuf>) {
        let Some(source) = self.sources.iter().nth(number) else {
            return;
        };
        let (start, folder) = (source.start, source.folder.clone());
        for (at, written) in document::includes(&source.text) {
            let place = Place {
                at: start + at,
                key: INCLUDE.to_owned(),
            };
            // A variable that is missing is reported with those of all other values.
            let pattern = match expand(&written, self.environment) {
                Ok(None) => written,
                Ok(Some(expanded)) => expanded.text,
                Err(_) => continue,
            };
            for path in self.files(&pattern, &folder, &place) {
                self.add(&path, &place, above);
            }
        }
    }

    fn problem(&mut self, place: &Place, text: impl Into<String>) {
        self.find(Kind::Problem, place, text.into());
    }

    fn find(&mut self, kind: Kind, place: &Place, text: String) {
        let place = place.clone();
        self.findings.push(Finding { kind, place, text });
    }

    /// The files that a pattern stands for, sorted.
    fn files(&mut self, pattern: &str, folder: &Path, place: &Place) -> Vec<PathBuf> {
        // An empty one, and one with a NUL, are reported where all values are read.
        if pattern.is_empty() || pattern.contains('\0') {
            return Vec::new();
        }
        let below = self.folder.join(folder);
        if !pattern.contains(['*', '?', '[']) {
            return vec![below.join(pattern)];
        }
        match matches(pattern, &below) {
            Ok(found) if found.is_empty() => {
                let text = format!("no file matches {pattern:?}");
                self.find(Kind::Warning, place, text);
                found
            }
            Ok(found) => found,
            Err(text) => {
                self.problem(place, text);
                Vec::new()
            }
        }
    }

    fn add(&mut self, path: &Path, place: &Place, above: &mut Vec<PathBuf>) {
        if self.is_full {
            return;
        }
        let name = path.display();
        let identity = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if above.contains(&identity) {
            let text = format!("{name} includes itself by this; take it out, or name other files");
            return self.problem(place, text);
        }
        // Two patterns may match the same file.
        if self.seen.contains(&identity) {
            return;
        }
        if above.len() > DEEPEST {
            let text =
                format!("{name} would be included by {DEEPEST} files in a row; name it above");
            return self.problem(place, text);
        }
        let text = match (self.read)(path) {
            Ok(text) => text,
            Err(error) => return self.problem(place, unreadable(&error)),
        };
        self.total += text.len();
        self.is_full = self.sources.included().len() >= MOST || self.total > LARGEST;
        if self.is_full {
            let text = format!(
                "with {name} there are more than {MOST} files, or more than {} MiB in them; is it \
                 the right folder?",
                LARGEST >> 20
            );
            return self.problem(place, text);
        }
        self.seen.insert(identity.clone());
        let number = self.sources.included().len() + 1;
        self.sources.add(path, folder_of(path, self.folder), text);
        above.push(identity);
        self.follow(number, above);
        above.pop();
    }
}

/// The folder of an included file, as seen from the folder of `gateway.toml`.
fn folder_of(path: &Path, root: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new(""));
    match folder.strip_prefix(root) {
        Ok(below) => below.to_owned(),
        Err(_) => std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()),
    }
}

/// The files that match, sorted by their names.
fn matches(pattern: &str, folder: &Path) -> Result<Vec<PathBuf>, String> {
    // It would search everything below.
    if pattern.contains("**") {
        return Err(format!(
            "{pattern:?} has \"**\"; write a pattern for each folder, such as \"conf.d/*.toml\""
        ));
    }
    let Some(folder) = folder.to_str() else {
        return Err("stands in a folder whose name is not UTF-8; rename that".to_owned());
    };
    let whole = match Path::new(pattern).is_absolute() || folder.is_empty() {
        true => pattern.to_owned(),
        false => format!("{}/{pattern}", Pattern::escape(folder)),
    };
    let found = glob::glob_with(&whole, MATCH)
        .map_err(|error| format!("{pattern:?} is no pattern: {}", error.msg))?;
    let mut files = Vec::new();
    for path in found {
        let path = path.map_err(|error| {
            let (folder, error) = (
                error.path().display().to_string(),
                error.error().to_string(),
            );
            format!("{folder}: cannot be searched: {error}")
        })?;
        if !path.is_dir() {
            files.push(path);
        }
        if files.len() > MOST {
            return Err(format!("{pattern:?} matches more than {MOST} files"));
        }
    }
    files.sort();
    Ok(files)
}

/// Why a file cannot be included.
fn unreadable(error: &ConfigError) -> String {
    match error {
        ConfigError::Missing(path) => format!("{}: there is no such file", path.display()),
        ConfigError::Folder(path) => {
            let path = path.components().as_path().display();
            format!("{path}: is a folder; write \"{path}/*.toml\" for the files in it")
        }
        ConfigError::Foreign(path, what) => format!(
            "{}: is {what}, and no part of a gateway.toml; name other files",
            path.display()
        ),
        ConfigError::Unreadable(path, error) => {
            format!("{}: cannot be read: {error}", path.display())
        }
        other => other.to_string(),
    }
}

//! Reads configurations from the disk, or from standard input.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::include::{Gathered, gather};
use super::problem::{Problem, Report};
use super::sources::{Source, Sources};
use super::variables::of_process;
use super::{ConfigError, Loaded, Understood, foreign, understand};
use crate::disk::{self, NotAFile};
use crate::exposure;

/// The name of a configuration that comes from standard input.
pub const STDIN: &str = "-";

/// What messages call it.
const STDIN_SHOWN: &str = "<stdin>";

/// So large that no real file comes near, so small that a log or a disk image given by mistake is
/// seen at once.
pub(super) const LARGEST: u64 = 1 << 20;

const SHOWN_SECRET: &str = concat!(
    "every user of this machine can read this file, and so the secret; chmod 640 it, or write the ",
    "secret into a file of its own"
);

/// Whether a configuration of this name comes from standard input. It can be read once.
pub fn is_stdin(path: &Path) -> bool {
    path == Path::new(STDIN)
}

/// Reads a configuration, with the files that it includes. `-` is standard input; relative paths in
/// it begin at the working folder.
///
/// # Errors
/// That it cannot be read, or everything that is wrong in it.
pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
    load_and(path, |_| ()).map(|(loaded, ())| loaded)
}

/// The files that [`load`] would read now, those that are included among them, whether or not what
/// they have is valid. A file that is missing is not in the list, but for the first.
pub fn sources_of(path: &Path) -> Vec<PathBuf> {
    let (folder, identity) = (
        path.parent().unwrap_or(Path::new("")),
        std::fs::canonicalize(path).ok(),
    );
    let Ok(text) = read_text(path) else {
        return vec![path.to_owned()];
    };
    let sources = Sources::of(path, text);
    let gathered = gather(sources, folder, identity, read_text, &of_process);
    let sources = gathered.sources.iter();
    sources.map(|source| source.name.to_path_buf()).collect()
}

/// The same as [`load`], and what a function makes of a valid configuration's document.
pub(super) fn load_and<R>(
    path: &Path,
    also: impl FnOnce(&Understood<'_>) -> R,
) -> Result<(Loaded, R), ConfigError> {
    let (path, text, identity) = match is_stdin(path) {
        true => (Path::new(STDIN_SHOWN), read_stdin()?, None),
        false => (path, read_text(path)?, std::fs::canonicalize(path).ok()),
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let sources = Sources::of(path, text);
    let Gathered { sources, findings } = gather(sources, folder, identity, read_text, &of_process);
    let understood = understand(&sources, findings, &of_process, also);
    let (mut loaded, more) = understood.map_err(|report| explain(&sources, report))?;
    if let Some(problem) = audit_log_elsewhere(&loaded) {
        return Err(ConfigError::Invalid(Report {
            file: path.to_owned(),
            problems: vec![problem],
        }));
    }
    note_shown_secrets(&mut loaded);
    Ok((loaded, more))
}

/// What a report means: of a file that is of another kind altogether, no line is worth showing.
fn explain(sources: &Sources, mut report: Report) -> ConfigError {
    let foreign = |source: &Source| {
        let is_here = |one: &&Problem| one.file == source.name;
        let problems: Vec<_> = report.problems.iter().filter(is_here).cloned().collect();
        if problems.is_empty() {
            return None;
        }
        foreign::kind_of_text(&source.text, &problems)
    };
    let first = sources.first();
    if let Some(what) = foreign(first) {
        return ConfigError::Foreign(first.name.to_path_buf(), what);
    }
    let included = sources.included().iter();
    let found: Vec<_> = included
        .filter_map(|source| Some((Arc::clone(&source.name), foreign(source)?)))
        .collect();
    for (file, what) in found {
        report.problems.retain(|one| one.file != file);
        report.problems.push(Problem {
            file,
            line: 1,
            column: 1,
            key: String::new(),
            text: format!("is {what}, and no part of a gateway.toml; include other files"),
        });
    }
    ConfigError::Invalid(report)
}

/// Warns about secrets that are written in files which others may read.
fn note_shown_secrets(loaded: &mut Loaded) {
    let first: Arc<Path> = loaded.config.file.as_path().into();
    let places = &loaded.places;
    let written = loaded.config.inline_secrets();
    let written = written.filter(|key| !places.has_variables(key));
    let shown = written.map(|key| {
        let place = places.find(&key).cloned();
        let unknown = || Problem {
            file: Arc::clone(&first),
            line: 1,
            column: 1,
            key,
            text: String::new(),
        };
        Problem {
            text: SHOWN_SECRET.to_owned(),
            ..place.unwrap_or_else(unknown)
        }
    });
    let shown: Vec<_> = shown
        .filter(|one| exposure::others_may_read(&one.file))
        .collect();
    loaded.warnings.problems.extend(shown);
}

/// An audit log that would be appended to a file with another use, or to this file.
fn audit_log_elsewhere(loaded: &Loaded) -> Option<Problem> {
    const KEY: &str = "log.audit";
    let audit = loaded.config.log.audit.file()?;
    // Something such as /dev/null takes everything.
    if audit.metadata().is_ok_and(|there| !there.is_file()) {
        return None;
    }
    let files = loaded.config.files();
    let mut others = files.iter().filter(|file| file.key != KEY);
    let other = others.find(|other| exposure::is_same(&other.path, audit))?;
    let text = format!(
        "{} is {} already, and the audit log would be appended to it; write a path of its own",
        audit.display(),
        other.key
    );
    let place = loaded.places.find(KEY)?;
    Some(Problem {
        text,
        ..place.clone()
    })
}

fn read_stdin() -> Result<String, ConfigError> {
    let mut bytes = Vec::new();
    let most = LARGEST + 1;
    let mut input = io::stdin().lock().take(most);
    input.read_to_end(&mut bytes).map_err(ConfigError::Stdin)?;
    let name = Path::new(STDIN_SHOWN);
    match bytes.len() as u64 == most {
        true => Err(ConfigError::TooLarge(name.to_owned())),
        false => text(name, bytes),
    }
}

fn read_text(path: &Path) -> Result<String, ConfigError> {
    let failure = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ConfigError::Missing(path.to_owned()),
        io::ErrorKind::FileTooLarge => ConfigError::TooLarge(path.to_owned()),
        _ if NotAFile::is(&error) && path.is_dir() => ConfigError::Folder(path.to_owned()),
        _ if NotAFile::is(&error) => ConfigError::NotAFile(path.to_owned()),
        _ => ConfigError::Unreadable(path.to_owned(), error),
    };
    text(path, disk::read(path, LARGEST).map_err(failure)?)
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, ConfigError> {
    if let Some(kind) = foreign::kind_of_bytes(&bytes) {
        return Err(ConfigError::Foreign(path.to_owned(), kind));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        ConfigError::NotUtf8 {
            path: path.to_owned(),
            line: 1 + good.iter().filter(|b| **b == b'\n').count(),
        }
    })
}

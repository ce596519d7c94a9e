//! `ianitor import`: the configuration of another server becomes a `gateway.toml`.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use ianitor::import::{self, Imported, Outcome};
use ianitor::nginx::{self, Disk, Dump, Files as _, ParseError, Tree};

use super::output::{CliError, EXIT_CONFIG, EXIT_FAILED, complain, finish, show};

/// `ianitor import`.
#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// Translate nginx.conf, and report what became of each directive.
    Nginx(Nginx),
}

/// `ianitor import nginx`.
#[derive(Debug, Args)]
pub(crate) struct Nginx {
    /// The main file, /etc/nginx/nginx.conf, or one of those that it includes; - for the output of
    /// nginx -T.
    file: PathBuf,
    /// Where to write gateway.toml; standard output without it. A file that exists is not
    /// overwritten.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where to write the whole report, as Markdown. A file that exists is not overwritten.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Where relative names in the files begin; the folder of FILE without it.
    #[arg(long, value_name = "FOLDER")]
    prefix: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Import) -> ExitCode {
    let Import::Nginx(arguments) = arguments;
    finish(from_nginx(arguments))
}

fn from_nginx(arguments: &Nginx) -> Result<ExitCode, CliError> {
    for path in [&arguments.output, &arguments.report].into_iter().flatten() {
        if path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
    }
    let (tree, folder) = read(arguments)?;
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    let imported = import::nginx(&tree, &folder);
    if let Some(path) = &arguments.report {
        write_new(path, &imported.report.markdown())?;
    }
    match &arguments.output {
        Some(path) => write_new(path, &imported.toml)?,
        None => show(&imported.toml),
    }
    complain(&summary(&imported, arguments, &tree));
    Ok(ExitCode::SUCCESS)
}

/// The tree, and where relative names begin.
fn read(arguments: &Nginx) -> Result<(Tree, PathBuf), CliError> {
    let wrong = |error: ParseError| (EXIT_CONFIG, error.to_string());
    let folder_of = |path: &Path| path.parent().unwrap_or(Path::new("")).to_owned();
    let file = &arguments.file;
    if file.as_os_str() != "-" {
        let prefix = arguments.prefix.clone().unwrap_or_else(|| folder_of(file));
        let text = Disk.read(file).map_err(|error| {
            (
                EXIT_FAILED,
                format!("{}: cannot be read: {error}", file.display()),
            )
        })?;
        if let Some(dump) = Dump::read(&text) {
            return from_dump(&dump, arguments);
        }
        let tree = nginx::parse_text(file, &text, &prefix, &Disk).map_err(wrong)?;
        return Ok((tree, prefix));
    }
    let mut bytes = Vec::new();
    let most = Disk::LARGEST * 4;
    let read = io::stdin().lock().take(most + 1).read_to_end(&mut bytes);
    read.map_err(|error| (EXIT_FAILED, format!("standard input: {error}")))?;
    if bytes.len() as u64 > most {
        let text = "standard input: larger than any configuration; is it the output of nginx -T?";
        return Err((EXIT_FAILED, text.to_owned()));
    }
    let text = String::from_utf8_lossy(&bytes);
    match Dump::read(&text) {
        Some(dump) => from_dump(&dump, arguments),
        None => {
            let text = "standard input: not the output of nginx -T, which names each file; pipe \
                        `nginx -T` into this command, or name the file itself";
            Err((EXIT_CONFIG, text.to_owned()))
        }
    }
}

fn from_dump(dump: &Dump, arguments: &Nginx) -> Result<(Tree, PathBuf), CliError> {
    let wrong = |error: ParseError| (EXIT_CONFIG, error.to_string());
    let folder = dump.main().parent().unwrap_or(Path::new("")).to_owned();
    let prefix = arguments.prefix.clone().unwrap_or(folder);
    let main = dump.main().to_owned();
    let text = dump.read(&main).unwrap_or_default();
    let tree = nginx::parse_text(&main, &text, &prefix, dump).map_err(wrong)?;
    Ok((tree, prefix))
}

fn exists(path: &Path) -> CliError {
    let text = format!(
        "{}: exists already, and nothing is overwritten",
        path.display()
    );
    (EXIT_FAILED, format!("{text}; name another file"))
}

/// Writes a file that is not there. Headers in it may be secrets.
fn write_new(path: &Path, text: &str) -> Result<(), CliError> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o640).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => (
            EXIT_FAILED,
            format!("{}: cannot be written: {error}", path.display()),
        ),
    })
}

/// What is left to do, and where the rest stands.
fn summary(imported: &Imported, arguments: &Nginx, tree: &Tree) -> String {
    let report = &imported.report;
    let counts = Outcome::ALL.map(|outcome| format!("{} {outcome}", report.count(outcome)));
    let mut out = format!("{} files read: {}\n", tree.files.len(), counts.join(", "));
    if arguments.report.is_some() {
        return out;
    }
    let mut before = "";
    for line in report.lines() {
        // A block that is not moved has a line for each of its directives.
        let is_same = before == line.text;
        before = &line.text;
        if !is_same && matches!(line.outcome, Outcome::WasWrong | Outcome::NeedsYou) {
            let text = format!("{}: {}: {}\n", line.place, line.outcome, line.text);
            out.push_str(&text);
        }
    }
    out.push_str("the whole report is written by --report report.md\n");
    out
}

//! The command line of `ianitor doctor`.

mod live;
mod shown;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use ianitor::doctor::files::Below;
use ianitor::doctor::{self, Report};

use super::output::{CliError, EXIT_FAILED, EXIT_USAGE, complain, finish, show};

/// `ianitor doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 if nothing is wrong, 1 if something is, 2 if doctor could \
                        not look at everything."
)]
pub(crate) struct Doctor {
    /// Look at the image or backup of a machine in this folder.
    #[arg(long, value_name = "DIR", default_value = "/", conflicts_with = "live")]
    root: PathBuf,
    /// The rules of the firewall: the output of iptables-save or `nft -j list ruleset`; `-` reads
    /// it from standard input.
    #[arg(long, value_name = "FILE")]
    firewall: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Also connect: ask Janus on this machine for its version, look up the names of TURN servers,
    /// and do what `ianitor check --live` does with each gateway.toml.
    #[arg(long)]
    live: bool,
    /// Files and folders to look at instead of the usual places. Below --root they are paths in
    /// the image.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Something was not looked at, so that nothing can be said about it.
const EXIT_UNSEEN: u8 = 2;
/// The rules of a large firewall.
const LARGEST: u64 = 16 << 20;

pub(crate) fn run(arguments: &Doctor) -> ExitCode {
    finish(execute(arguments))
}

fn execute(arguments: &Doctor) -> Result<ExitCode, CliError> {
    let root = &arguments.root;
    let files = Below::new(root)
        .map_err(|error| (EXIT_UNSEEN, format!("--root {}: {error}", root.display())))?;
    let firewall = arguments.firewall.as_deref().map(firewall).transpose()?;
    let paths = arguments.paths.iter().map(|path| absolute(root, path));
    let paths = paths.collect::<Result<Vec<_>, _>>()?;
    let mut report = doctor::examine(&files, &paths, firewall.as_deref());
    let problems = match arguments.live {
        true => live::ask(&mut report, &files, arguments.json)?,
        false => 0,
    };
    let prefix = match root.as_path() == Path::new("/") {
        true => String::new(),
        false => root.display().to_string().trim_end_matches('/').to_owned(),
    };
    match arguments.json {
        true => show(&shown::json(&report, &prefix)),
        false => show(&shown::text(&report, &prefix)),
    }
    Ok(status(&report, problems))
}

fn status(report: &Report, problems: usize) -> ExitCode {
    let looked = &report.looked;
    for (path, why) in &report.useless {
        complain(&format!("{path}: {why}\n"));
    }
    let is_unseen = !looked.denied.is_empty() || !looked.failed.is_empty();
    if !report.findings.found.is_empty() || problems > 0 {
        return ExitCode::from(EXIT_FAILED);
    }
    match is_unseen || looked.read.is_empty() || !report.useless.is_empty() {
        true => ExitCode::from(EXIT_UNSEEN),
        false => ExitCode::SUCCESS,
    }
}

fn firewall(path: &Path) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let read = match path == Path::new("-") {
        true => std::io::stdin().take(LARGEST + 1).read_to_end(&mut bytes),
        false => std::fs::File::open(path)
            .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)),
    };
    let failed = |why: String| (EXIT_UNSEEN, format!("--firewall {}: {why}", path.display()));
    read.map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > LARGEST {
        return Err(failed("is larger than 16 MiB".to_owned()));
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let is_rules = text.contains("*filter") || text.contains("\"nftables\"");
    match is_rules {
        true => Ok(text),
        false => Err(failed(
            "holds no rules; write the output of iptables-save or of nft -j list ruleset into it"
                .to_owned(),
        )),
    }
}

/// A path as it is named below the root.
fn absolute(root: &Path, path: &Path) -> Result<String, CliError> {
    let whole = match root == Path::new("/") {
        true => std::path::absolute(path).ok(),
        false => Some(Path::new("/").join(path)),
    };
    let text = whole.as_deref().and_then(Path::to_str).map(str::to_owned);
    text.ok_or_else(|| {
        let text = format!("{}: is no path in UTF-8", path.display());
        (EXIT_USAGE, text)
    })
}

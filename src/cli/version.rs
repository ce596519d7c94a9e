//! `ianitor version`: what the program is built from.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::output::show;

/// `ianitor version`.
#[derive(Debug, Args)]
pub(crate) struct Version {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The commit, which packages and the images of releases are built with.
const COMMIT: &str = match option_env!("IANITOR_COMMIT") {
    Some(commit) if !commit.is_empty() => commit,
    _ => "unknown",
};

/// The libraries for TLS, with their versions.
const LIBRARIES: [(&str, &str); 3] = [
    ("rustls", env!("IANITOR_RUSTLS")),
    ("aws-lc-rs", env!("IANITOR_AWS_LC_RS")),
    ("aws-lc-sys", env!("IANITOR_AWS_LC_SYS")),
];

pub(crate) fn run(arguments: &Version) -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    if arguments.json {
        let libraries: serde_json::Map<_, _> = LIBRARIES
            .iter()
            .map(|(name, version)| ((*name).to_owned(), (*version).into()))
            .collect();
        let all = json!({
            "version": version,
            "commit": COMMIT,
            "target": format!("{machine}-{system}"),
            "libraries": libraries,
        });
        show(&format!("{all}\n"));
        return ExitCode::SUCCESS;
    }
    show(&format!("ianitor {version}\n"));
    show(&format!("commit   {}\n", COMMIT));
    show(&format!("target   {machine}-{system}\n"));
    for (name, version) in LIBRARIES {
        show(&format!("{name:8} {version}\n"));
    }
    ExitCode::SUCCESS
}

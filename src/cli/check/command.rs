//! The command line of `ianitor check`, and what it prints.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use ianitor::config;

use super::explain::Explain;
use super::files::check;
use super::live;
use crate::cli::config_file::{ConfigFile, with_hint};
use crate::cli::output::{
    CliError, EXIT_CONFIG, EXIT_FAILED, EXIT_USAGE, complain, finish, runtime, show,
};

/// `ianitor check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    config: ConfigFile,
    /// Also ask the upstreams whether they answer and speak their protocol, fetch the keys of
    /// issuers and the CA's directory, and ask the servers of [[passthrough]] and those that
    /// certificates are deployed to for their certificates.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    explain: Explain,
}

impl Check {
    /// The file to check: `ianitor check FILE` is the same as with `--config`.
    fn path(&self) -> Result<&Path, CliError> {
        match (&self.explain.file, self.config.named()) {
            (Some(file), Some(named)) if file != named => {
                let (file, named) = (file.display(), named.display());
                let text = format!("which configuration, {named} or {file}? Write one of them");
                Err((EXIT_USAGE, text))
            }
            (Some(file), _) => Ok(file),
            (None, _) => Ok(self.config.path()),
        }
    }
}

pub(crate) fn run(arguments: &Check) -> ExitCode {
    finish(execute(arguments))
}

fn execute(arguments: &Check) -> Result<ExitCode, CliError> {
    if arguments.explain.explain {
        return arguments.explain.run(arguments.config.path());
    }
    let path = arguments.path()?;
    let checked =
        check(path).map_err(|unusable| (EXIT_CONFIG, with_hint(path, unusable.to_string())))?;
    for warning in &checked.warnings {
        complain(&format!("warning: {warning}\n"));
    }
    show(&config::summary(&checked.config));
    show(&checked.certificates);
    show(&checked.trusted);
    show(&checked.unseen);
    if !arguments.live {
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = runtime()?;
    let problems = runtime.block_on(live::ask_all(&checked.config, show));
    // A name lookup may still be running; do not wait for it.
    runtime.shutdown_background();
    Ok(match problems {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_FAILED),
    })
}

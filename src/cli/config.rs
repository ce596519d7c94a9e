//! `ianitor config`: what a configuration says in the end.

use std::process::ExitCode;

use clap::Args;
use ianitor::config::{self, Effective};

use super::config_file::{ConfigFile, with_hint};
use super::output::{CliError, EXIT_CONFIG, complain, finish, show};

/// `ianitor config`.
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(flatten)]
    config: ConfigFile,
    /// Print a list of keys as JSON: key, value, and where the value is from.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Config) -> ExitCode {
    finish(execute(arguments))
}

fn execute(arguments: &Config) -> Result<ExitCode, CliError> {
    let loaded = config::effective(arguments.config.path());
    let (loaded, effective) = loaded.map_err(|error| {
        let text = with_hint(arguments.config.path(), error.to_string());
        (EXIT_CONFIG, text)
    })?;
    for warning in loaded.warnings.problems() {
        complain(&format!("warning: {warning}\n"));
    }
    match arguments.json {
        true => show(&format!("{:#}\n", effective.json())),
        false => show(&as_toml(&loaded.config, &effective)),
    }
    Ok(ExitCode::SUCCESS)
}

fn as_toml(config: &config::Config, effective: &Effective) -> String {
    let file = config.file.display();
    let also = match config.included.len() {
        0 => String::new(),
        1 => " and 1 file that it includes".to_owned(),
        more => format!(" and {more} files that it includes"),
    };
    format!(
        "# {file}{also}, without secrets. Paths begin at the folder of {file}.\n\
         # A running gateway has what was there at its start or its last reload.\n\n{}",
        effective.toml()
    )
}

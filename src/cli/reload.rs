//! `ianitor reload`: the running gateway reads its configuration again.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::StatusCode;
use ianitor::config;
use ianitor::control::client::{Client, ClientError};
use ianitor::control::endpoints::RELOAD;
use ianitor::telemetry::Chain;
use serde_json::json;

use super::arguments::wait;
use super::config_file::ConfigFile;
use super::output::{CliError, EXIT_CONFIG, EXIT_FAILED, complain, finish, runtime, show};

/// `ianitor reload`.
#[derive(Debug, Args)]
pub(crate) struct Reload {
    #[command(flatten)]
    config: ConfigFile,
    /// How long to wait for the gateway: seconds, or with a unit, such as 5m.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = wait)]
    wait: Duration,
}

pub(crate) fn run(arguments: &Reload) -> ExitCode {
    finish(reload(arguments))
}

fn reload(arguments: &Reload) -> Result<ExitCode, CliError> {
    let path = arguments.config.path();
    // A file that is wrong is not even sent: it says where the socket is.
    let loaded = arguments.config.load()?;
    let config = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let answer = runtime()?.block_on(async {
        let work = async {
            let client = Client::connect(&loaded.config.control).await?;
            client.post(RELOAD, &json!({ "config": config })).await
        };
        tokio::time::timeout(arguments.wait, work).await
    });
    let answer = answer.map_err(|_| late(arguments.wait))?.map_err(failure)?;
    for warning in answer["warnings"].as_array().into_iter().flatten() {
        let warning = warning.as_str().unwrap_or_default();
        complain(&format!("warning: {warning}\n"));
    }
    show(&config::summary(&loaded.config));
    show("reloaded\n");
    Ok(ExitCode::SUCCESS)
}

fn late(wait: Duration) -> CliError {
    let text = format!(
        "the gateway has not answered within {} s; it may still apply the configuration, and its \
         log will say so; to wait longer, write --wait",
        wait.as_secs_f32()
    );
    (EXIT_FAILED, text)
}

/// Every problem on a line of its own.
fn failure(error: ClientError) -> CliError {
    let ClientError::Failed(failure) = error else {
        return (EXIT_FAILED, Chain(&error).to_string());
    };
    let status = match failure.status {
        StatusCode::UNPROCESSABLE_ENTITY => EXIT_CONFIG,
        _ => EXIT_FAILED,
    };
    let lines: Vec<String> = std::iter::once(failure.error)
        .chain(failure.problems)
        .collect();
    (status, lines.join("\n"))
}

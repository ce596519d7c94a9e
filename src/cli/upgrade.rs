//! `ianitor upgrade`: the running gateway starts the program anew and hands its sockets over.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use ianitor::control::client::{Client, ClientError};
use ianitor::control::endpoints::UPGRADE;
use ianitor::telemetry::Chain;
use serde_json::json;

use super::arguments::wait;
use super::config_file::ConfigFile;
use super::output::{CliError, EXIT_FAILED, finish, runtime, show};

/// How much longer than the new process may take the gateway may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// `ianitor upgrade`.
#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    #[command(flatten)]
    config: ConfigFile,
    /// How long the new process may take until it is ready: seconds, or with a unit, such as 5m.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = wait)]
    wait: Duration,
}

pub(crate) fn run(arguments: &Upgrade) -> ExitCode {
    finish(upgrade(arguments))
}

fn upgrade(arguments: &Upgrade) -> Result<ExitCode, CliError> {
    let path = arguments.config.path();
    // A file that is wrong is not even sent: it says where the socket is.
    let loaded = arguments.config.load()?;
    let config = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let wait = u64::try_from(arguments.wait.as_millis()).unwrap_or(u64::MAX);
    let answer = runtime()?.block_on(async {
        let work = async {
            let client = Client::connect(&loaded.config.control).await?;
            let body = json!({ "config": config, "wait": wait });
            client.post(UPGRADE, &body).await
        };
        tokio::time::timeout(arguments.wait.saturating_add(ANSWER), work).await
    });
    let late = || {
        let text = "the gateway has not answered; its log says what became of the upgrade";
        (EXIT_FAILED, text.to_owned())
    };
    let answer = answer.map_err(|_| late())?.map_err(failure)?;
    show(&format!(
        "upgraded: process {} accepts connections, and process {} drains\n",
        answer["pid"], answer["old"]
    ));
    Ok(ExitCode::SUCCESS)
}

/// Every problem on a line of its own.
fn failure(error: ClientError) -> CliError {
    let ClientError::Failed(failure) = error else {
        return (EXIT_FAILED, Chain(&error).to_string());
    };
    let lines: Vec<String> = std::iter::once(failure.error)
        .chain(failure.problems)
        .collect();
    (EXIT_FAILED, lines.join("\n"))
}

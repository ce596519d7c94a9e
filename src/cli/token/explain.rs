//! `ianitor token inspect`: explains, rule by rule, why a token would or would not pass a policy.
//! Keys that an issuer publishes are fetched, as the gateway would.

use std::io::Read as _;
use std::process::ExitCode;

use clap::Args;
use ianitor::addr::ClientAddr;
use ianitor::clock::UnixTime;
use ianitor::policy::Policy;
use ianitor::token::{self, jws};

use super::inspect::{Question, inspect};
use super::keys::KeyFetches;
use super::lookup::named;
use crate::cli::config_file::ConfigFile;
use crate::cli::output::{CliError, EXIT_CONFIG, EXIT_FAILED, show};

/// `ianitor token inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    #[command(flatten)]
    config: ConfigFile,
    /// The policy.
    #[arg(long, value_name = "NAME")]
    policy: String,
    /// The address of the client.
    #[arg(long, value_name = "ADDRESS", default_value = "192.0.2.1")]
    client: std::net::IpAddr,
    /// The token; `-` reads it from standard input, so that it does not show up in process lists.
    #[arg(value_name = "TOKEN", default_value = "-")]
    token: String,
}

/// Prints a line for each rule; the status says whether the token would pass.
pub(super) fn explain(arguments: &Inspect) -> Result<ExitCode, CliError> {
    let config = arguments.config.load()?.config;
    let policy = named("policy", &arguments.policy, &config.policies, Policy::name)?;
    let issuers = token::load::load_all(&config.issuers).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        (EXIT_CONFIG, lines.join("\n"))
    })?;
    let token = if arguments.token == "-" {
        read_token()?
    } else {
        arguments.token.clone()
    };
    let token = token.trim().trim_start_matches("Bearer ").trim();
    let fetches = match (policy.token_rule(), jws::split(token)) {
        (Some(rule), Ok(parts)) => KeyFetches::for_token(&parts, rule, &issuers)?,
        _ => KeyFetches::default(),
    };
    let answer = inspect(&Question {
        policy,
        issuers: &issuers,
        fetches: &fetches,
        token: (!token.is_empty()).then_some(token),
        client: ClientAddr::new(arguments.client),
        now: UnixTime::now(),
    });
    show(&answer.text);
    Ok(if answer.passes {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAILED)
    })
}

fn read_token() -> Result<String, CliError> {
    let mut text = String::new();
    let read = std::io::stdin().take(64 * 1024).read_to_string(&mut text);
    read.map_err(|error| (EXIT_FAILED, format!("standard input: {error}")))?;
    Ok(text)
}

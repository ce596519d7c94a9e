//! `ianitor certs`: shows the certificates of `[acme]`, and renews or revokes one.

mod ask;
mod json;
mod look;
mod renew;
mod revoke;
mod table;
mod wait;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use ianitor::acme::{AcmeSpec, CertSpec, Reason};
use ianitor::clock::UnixTime;
use ianitor::config::Config;

use crate::cli::arguments::wait;
use crate::cli::config_file::ConfigFile;
use crate::cli::output::{CliError, EXIT_CONFIG, EXIT_FAILED, EXIT_USAGE, complain, show};

/// `ianitor certs`.
#[derive(Debug, Args)]
pub(crate) struct Certs {
    #[command(flatten)]
    config: ConfigFile,
    /// Print the table as JSON.
    #[arg(long)]
    json: bool,
    /// Wait until every certificate is in the store, valid and as configured, at most this long
    /// (5m): seconds, or with a unit. Exits with 1 if one is still missing then.
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        default_missing_value = "5m",
        value_parser = wait
    )]
    wait: Option<Duration>,
    #[command(subcommand)]
    action: Option<Action>,
}

/// What to do with a certificate.
#[derive(Debug, Subcommand)]
enum Action {
    /// Have the running gateway order a certificate now.
    Renew(Renew),
    /// Revoke a certificate at the CA, and have the gateway order another. This cannot be undone.
    Revoke(Revoke),
}

/// `ianitor certs renew`.
#[derive(Debug, Args)]
struct Renew {
    /// A host of the certificate, or the certificate's name.
    host: String,
    /// Make a test order at the CA's staging directory, and keep nothing.
    #[arg(long)]
    dry_run: bool,
    /// How long to wait for the gateway: seconds, or with a unit, such as 5m.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = wait)]
    wait: Duration,
}

/// `ianitor certs revoke`.
#[derive(Debug, Args)]
struct Revoke {
    /// A host of the certificate, or the certificate's name.
    host: String,
    /// The reason for the CA: unspecified, keyCompromise, superseded or cessationOfOperation.
    #[arg(long, default_value = "unspecified", value_parser = reason)]
    reason: Reason,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    /// How long to wait for the gateway to have a new one: seconds, or with a unit, such as 5m.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = wait)]
    wait: Duration,
}

pub(crate) fn run(certs: &Certs) -> ExitCode {
    match act(certs) {
        Ok(status) => status,
        Err((status, what)) => {
            complain(&format!("{what}\n"));
            ExitCode::from(status)
        }
    }
}

fn act(certs: &Certs) -> Result<ExitCode, CliError> {
    if certs.json && certs.action.is_some() {
        return Err((
            EXIT_USAGE,
            "--json is for the table; leave it out here".to_owned(),
        ));
    }
    if certs.wait.is_some() && certs.action.is_some() {
        return Err((
            EXIT_USAGE,
            "this --wait is for the table; write it after renew or revoke".to_owned(),
        ));
    }
    let config = certs.config.load()?.config;
    let acme = acme(certs.config.path(), &config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime =
        runtime.map_err(|error| (EXIT_FAILED, format!("cannot start a runtime: {error}")))?;
    let done = runtime.block_on(async {
        match &certs.action {
            None => Ok(table(certs, acme, &config).await),
            Some(Action::Renew(asked)) => renew::renew(&config, acme, asked).await,
            Some(Action::Revoke(asked)) => revoke::revoke(&config, acme, asked).await,
        }
    });
    // A name lookup that is still running is not waited for.
    runtime.shutdown_background();
    done
}

fn acme<'c>(path: &Path, config: &'c Config) -> Result<&'c AcmeSpec, CliError> {
    config.acme.as_ref().ok_or_else(|| {
        let text = format!(
            "{}: has no [acme] table, so that ianitor orders no certificates",
            path.display()
        );
        (EXIT_CONFIG, text)
    })
}

async fn table(certs: &Certs, acme: &AcmeSpec, config: &Config) -> ExitCode {
    let are_there = match certs.wait {
        Some(longest) => wait::wait(acme, longest).await,
        None => true,
    };
    let rows = look::rows(acme, &config.deploy).await;
    show(&if certs.json {
        json::text(&rows)
    } else {
        table::text(&rows, UnixTime::now())
    });
    let is_well = are_there && rows.iter().all(look::Row::is_readable);
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAILED)
    }
}

fn find<'c>(acme: &'c AcmeSpec, asked: &str) -> Result<&'c Arc<CertSpec>, CliError> {
    acme.find(asked)
        .map_err(|error| (EXIT_USAGE, error.to_string()))
}

fn reason(text: &str) -> Result<Reason, String> {
    let known = Reason::NAMES.map(|(name, _)| name).join(", ");
    let found = Reason::NAMES.iter().find(|(name, _)| *name == text);
    found
        .map(|(_, reason)| *reason)
        .ok_or_else(|| format!("is none of {known}"))
}

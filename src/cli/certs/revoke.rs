//! `ianitor certs revoke`: revokes a certificate at the CA, and has the gateway order another one.

use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Arc;

use ianitor::acme::{self, AcmeSpec, CertSpec, OrderError, Reason};
use ianitor::clock::UnixTime;
use ianitor::config::Config;
use ianitor::store::folder::Folder;
use ianitor::store::{CertStore, Stored};
use ianitor::telemetry::{Chain, Visible};

use super::ask::{self, Ask, Outcome};
use super::renew::{failed, new_certificate, version, why_not};
use super::{CliError, Revoke, find};
use crate::cli::output::{EXIT_FAILED, EXIT_USAGE, show};

pub(super) async fn revoke(
    config: &Config,
    acme: &AcmeSpec,
    asked: &Revoke,
) -> Result<ExitCode, CliError> {
    let cert = find(acme, &asked.host)?;
    let store: Arc<dyn CertStore> = Arc::new(Folder::new(&acme.store));
    let stored = store.certificate(&cert.name).map_err(failed)?;
    let stored = stored.ok_or_else(|| {
        (
            EXIT_FAILED,
            format!("{}: has no certificate to revoke", cert.name),
        )
    })?;
    match stored.bundle.meta.revoked {
        // The last command may have failed before it asked the gateway for another one.
        Some(at) => show(&format!("{}: was revoked {at}\n", cert.name)),
        None => {
            confirm(&question(cert, &stored), asked.yes)?;
            revoke_at_ca(acme, cert, &store, asked.reason, &stored).await?;
            let serial = &stored.bundle.meta.serial;
            show(&format!(
                "{}: the CA has revoked the certificate with the serial {serial}\n",
                cert.name
            ));
        }
    }
    order_another(config, cert, &*store, asked).await
}

/// Holds the lock of orders, so that exactly the revoked certificate is marked as revoked.
async fn revoke_at_ca(
    acme: &AcmeSpec,
    cert: &CertSpec,
    store: &Arc<dyn CertStore>,
    reason: Reason,
    stored: &Stored,
) -> Result<(), CliError> {
    let failure = |what: String| (EXIT_FAILED, format!("{}: not revoked: {what}", cert.name));
    let lock = store.try_lock(&cert.name.order_lock()).map_err(failed)?;
    let _lock = lock.ok_or_else(|| {
        failure("a new one is being ordered at this moment; try again after that".into())
    })?;
    if version(&**store, &cert.name) != Some(stored.version) {
        return Err(failure(
            "there is a newer one since a moment ago; look at it with `ianitor certs` first".into(),
        ));
    }
    acme::revoke(acme, cert, Arc::clone(store), stored, reason)
        .await
        .map_err(|error| failure(with_advice(&error)))?;
    store.revoked(&cert.name, UnixTime::now()).map_err(|error| {
        let why = Chain(&error);
        let text = format!(
            "{}: the CA has revoked it, but that could not be noted: {why}; mend that and revoke \
                again",
            cert.name
        );
        (EXIT_FAILED, text)
    })
}

/// The words of the CA, and advice.
fn with_advice(error: &OrderError) -> String {
    let advice = error
        .advice()
        .map(|advice| format!("; {advice}"))
        .unwrap_or_default();
    format!("{}{advice}", Chain(error))
}

async fn order_another(
    config: &Config,
    cert: &CertSpec,
    store: &dyn CertStore,
    args: &Revoke,
) -> Result<ExitCode, CliError> {
    let before = version(store, &cert.name);
    let ask = Ask {
        name: &cert.name,
        config,
        dry_run: false,
        what: "order another one",
        wait: args.wait,
    };
    let outcome = ask::ask(ask).await;
    let hint = match outcome {
        Outcome::NoGateway(_) => "; the gateway orders one at its next start",
        _ => "",
    };
    let Some(why) = why_not(&cert.name, outcome) else {
        show(&new_certificate(store, cert, before));
        return Ok(ExitCode::SUCCESS);
    };
    let text = format!(
        "{}: there is no new certificate yet: {why}{hint}",
        cert.name
    );
    Err((EXIT_FAILED, text))
}

fn question(cert: &CertSpec, stored: &Stored) -> String {
    let meta = &stored.bundle.meta;
    let (name, hosts) = (&cert.name, meta.hosts.join(", "));
    format!(
        "{name}: for {hosts}; serial {}, issued by {}, ends {}\nClients refuse it once it is \
            revoked, and that cannot be \
         undone. Revoke it? [y/N] ",
        meta.serial,
        Visible(&meta.issuer),
        meta.not_after
    )
}

fn confirm(question: &str, is_sure: bool) -> Result<(), CliError> {
    if is_sure {
        return Ok(());
    }
    let mut stdin = std::io::stdin().lock();
    if !stdin.is_terminal() {
        let text = "revoking cannot be undone, and there is no terminal to ask; write --yes if it \
            is meant";
        return Err((EXIT_USAGE, text.to_owned()));
    }
    crate::cli::output::complain(question);
    let mut answer = String::new();
    stdin
        .read_line(&mut answer)
        .map_err(|error| (EXIT_FAILED, format!("standard input: {error}")))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err((EXIT_FAILED, "not revoked".to_owned())),
    }
}

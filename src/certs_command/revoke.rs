//! `ianitor certs revoke`: the CA takes a certificate back, and the gateway orders another one.

use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;
use std::sync::Arc;

use ianitor::acme::{self, AcmeSpec, CertSpec, OrderError, Reason};
use ianitor::clock::UnixTime;
use ianitor::store::folder::Folder;
use ianitor::store::{CertStore, Stored};
use ianitor::telemetry::{Chain, Visible};

use super::renew::{UNREACHABLE, failed, version};
use super::{Failure, Revoke, choose};
use crate::cli::output::{EXIT_FAILED, EXIT_USAGE, show};

pub(super) async fn revoke(acme: &AcmeSpec, asked: &Revoke) -> Result<ExitCode, Failure> {
    let cert = choose(acme, &asked.host)?;
    let store: Arc<dyn CertStore> = Arc::new(Folder::new(&acme.store));
    let stored = store.certificate(&cert.name).map_err(failed)?;
    let stored = stored.ok_or_else(|| {
        (
            EXIT_FAILED,
            format!("{}: has no certificate to revoke", cert.name),
        )
    })?;
    match stored.bundle.meta.revoked {
        // The gateway may not have been asked for another one.
        Some(at) => show(&format!("{}: was revoked {at}\n", cert.name)),
        None => {
            confirm(&question(cert, &stored), asked.yes)?;
            take_back(acme, cert, &store, asked.reason, &stored).await?;
            let serial = &stored.bundle.meta.serial;
            show(&format!(
                "{}: the CA has revoked the certificate with the serial {serial}\n",
                cert.name
            ));
        }
    }
    Err((
        EXIT_FAILED,
        format!("{}: there is no other one yet: {UNREACHABLE}", cert.name),
    ))
}

/// Nobody orders meanwhile, so that what is noted as revoked is what was revoked.
async fn take_back(
    acme: &AcmeSpec,
    cert: &CertSpec,
    store: &Arc<dyn CertStore>,
    reason: Reason,
    stored: &Stored,
) -> Result<(), Failure> {
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
        .map_err(|error| failure(told(&error)))?;
    store.revoked(&cert.name, UnixTime::now()).map_err(|error| {
        let why = Chain(&error);
        let text = format!(
            "{}: the CA has revoked it, but that could not be noted: {why}; mend that and revoke again",
            cert.name
        );
        (EXIT_FAILED, text)
    })
}

/// What a CA said, and what can be done about it.
fn told(error: &OrderError) -> String {
    let advice = error
        .advice()
        .map(|advice| format!("; {advice}"))
        .unwrap_or_default();
    format!("{}{advice}", Chain(error))
}

fn question(cert: &CertSpec, stored: &Stored) -> String {
    let meta = &stored.bundle.meta;
    let (name, hosts) = (&cert.name, meta.hosts.join(", "));
    format!(
        "{name}: for {hosts}; serial {}, issued by {}, ends {}\nClients refuse it once it is revoked, and that cannot be \
         undone. Revoke it? [y/N] ",
        meta.serial,
        Visible(&meta.issuer),
        meta.not_after
    )
}

fn confirm(question: &str, is_sure: bool) -> Result<(), Failure> {
    if is_sure {
        return Ok(());
    }
    let mut stdin = std::io::stdin().lock();
    if !stdin.is_terminal() {
        let text = "revoking cannot be undone, and nobody is there to be asked; write --yes if it is meant";
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

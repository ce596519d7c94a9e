//! `ianitor certs renew`: the running gateway makes the order, since the CA connects to it.

use std::process::ExitCode;

use ianitor::acme::{AcmeSpec, CertSpec};
use ianitor::config::Config;
use ianitor::store::folder::Folder;
use ianitor::store::{CertStore, Name, StoreError, Stored};
use ianitor::telemetry::{Chain, Visible};

use super::ask::{self, Ask, Outcome};
use super::{CliError, Renew, find};
use crate::cli::output::{EXIT_CONFIG, EXIT_FAILED, show};

pub(super) async fn renew(
    config: &Config,
    acme: &AcmeSpec,
    args: &Renew,
) -> Result<ExitCode, CliError> {
    let cert = find(acme, &args.host)?;
    if args.dry_run && acme.staging.is_none() {
        let text =
            "there is no directory for a test order; write acme.staging, and reload the gateway";
        return Err((EXIT_CONFIG, text.to_owned()));
    }
    let store = Folder::new(&acme.store);
    let before = version(&store, &cert.name);
    let ask = Ask {
        name: &cert.name,
        config,
        dry_run: args.dry_run,
        what: if args.dry_run {
            "make a test order"
        } else {
            "order a new certificate"
        },
        wait: args.wait,
    };
    if let Some(why) = why_not(&cert.name, ask::ask(ask).await) {
        let staging = if args.dry_run {
            " at the staging directory"
        } else {
            ""
        };
        let text = format!("{}: not ordered{staging}: {why}", cert.name);
        return Err((EXIT_FAILED, text));
    }
    show(&match (args.dry_run, &acme.staging) {
        (true, Some(staging)) => format!(
            "{}: an order at {staging} succeeds; nothing of it was kept\n",
            cert.name
        ),
        _ => new_certificate(&store, cert, before),
    });
    Ok(ExitCode::SUCCESS)
}

/// Why there is no new certificate; nothing if there is one.
pub(super) fn why_not(name: &Name, outcome: Outcome) -> Option<String> {
    Some(match outcome {
        Outcome::Done => return None,
        Outcome::Failed(why) | Outcome::NoGateway(why) => why,
        Outcome::Late => format!(
            "the gateway has not finished in time; see its log, or `ianitor certs` for {name} later"
        ),
        Outcome::Interrupted => {
            "interrupted; the gateway finishes an order that it has begun".to_owned()
        }
    })
}

pub(super) fn failed(error: StoreError) -> CliError {
    (EXIT_FAILED, Chain(&error).to_string())
}

/// The version in the store; `None` too if the store cannot be read.
pub(super) fn version(store: &dyn CertStore, name: &Name) -> Option<u64> {
    store.version(name).ok().flatten()
}

/// Describes the new certificate.
pub(super) fn new_certificate(
    store: &dyn CertStore,
    cert: &CertSpec,
    before: Option<u64>,
) -> String {
    match store.certificate(&cert.name) {
        Ok(Some(Stored { version, bundle })) if Some(version) != before => {
            let meta = &bundle.meta;
            format!(
                "{}: in service: serial {}, issued by {}, ends {}\n",
                cert.name,
                meta.serial,
                Visible(&meta.issuer),
                meta.not_after
            )
        }
        // The gateway serves it, and tries again to store it.
        _ => format!(
            "{}: ordered, but the store does not have it yet; see the gateway's log\n",
            cert.name
        ),
    }
}

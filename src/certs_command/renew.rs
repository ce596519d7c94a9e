//! `ianitor certs renew`: the running gateway orders, since CAs look for their answers at its
//! doors.

use std::process::ExitCode;

use ianitor::acme::{AcmeSpec, CertSpec};
use ianitor::store::folder::Folder;
use ianitor::store::{CertStore, Name, StoreError, Stored};
use ianitor::telemetry::{Chain, Visible};

use super::wishing::{self, Ask, Outcome};
use super::{Failure, Renew, choose};
use crate::{EXIT_CONFIG, EXIT_FAILED, show};

pub(super) async fn renew(acme: &AcmeSpec, asked: &Renew) -> Result<ExitCode, Failure> {
    let cert = choose(acme, &asked.host)?;
    if asked.dry_run && acme.staging.is_none() {
        let text = "there is no directory to try things out with; write acme.staging, and reload the gateway";
        return Err((EXIT_CONFIG, text.to_owned()));
    }
    let store = Folder::new(&acme.store);
    let before = version(&store, &cert.name);
    let what = if asked.dry_run {
        "try out an order"
    } else {
        "order a new certificate"
    };
    let ask = Ask {
        name: &cert.name,
        dry_run: asked.dry_run,
        what,
        wait: asked.wait,
    };
    let outcome = wishing::ask(&store, ask).await.map_err(failed)?;
    conclude(acme, cert, asked, outcome)?;
    let text = match asked.dry_run {
        true => format!(
            "{}: an order at {} succeeds; nothing of it was kept\n",
            cert.name,
            staging(acme)
        ),
        false => new_certificate(&store, cert, before),
    };
    show(&text);
    Ok(ExitCode::SUCCESS)
}

fn conclude(
    acme: &AcmeSpec,
    cert: &CertSpec,
    asked: &Renew,
    outcome: Outcome,
) -> Result<(), Failure> {
    let dry_run = if asked.dry_run {
        " at the staging directory"
    } else {
        ""
    };
    why_not(acme, &cert.name, outcome).map_or(Ok(()), |why| {
        Err((
            EXIT_FAILED,
            format!("{}: not ordered{dry_run}: {why}", cert.name),
        ))
    })
}

/// Why there is no new certificate; nothing if there is one.
pub(super) fn why_not(acme: &AcmeSpec, name: &Name, outcome: Outcome) -> Option<String> {
    let store = acme.store.display();
    Some(match outcome {
        Outcome::Done => return None,
        Outcome::Failed(why) => why,
        Outcome::NotTaken => format!(
            "no gateway that works with the store {store} has taken it up, and it is taken back; is `ianitor run` there, \
             with this configuration?"
        ),
        Outcome::Replaced => {
            "another `ianitor certs` has asked for it meanwhile; wait for that one".to_owned()
        }
        Outcome::Late => format!(
            "the gateway is at it still; see its log, or `ianitor certs` for {name} in a while"
        ),
        Outcome::GivenUp => {
            "broken off; an order that the gateway has begun is brought to its end".to_owned()
        }
    })
}

fn staging(acme: &AcmeSpec) -> &str {
    acme.staging.as_deref().unwrap_or_default()
}

pub(super) fn failed(error: StoreError) -> Failure {
    (EXIT_FAILED, Chain(&error).to_string())
}

/// A store that cannot be read has no version that would be known before.
pub(super) fn version(store: &dyn CertStore, name: &Name) -> Option<u64> {
    store.version(name).ok().flatten()
}

/// What there is now.
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
        // The gateway serves it all the same, and tries again to keep it.
        _ => format!(
            "{}: ordered, but the store has not taken it yet; see the gateway's log\n",
            cert.name
        ),
    }
}

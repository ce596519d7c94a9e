//! `ianitor certs renew`: the running gateway orders, since CAs look for their answers at its
//! doors.

use std::process::ExitCode;

use ianitor::acme::AcmeSpec;
use ianitor::store::{CertStore, Name, StoreError};
use ianitor::telemetry::Chain;

use super::{Failure, Renew, choose};
use crate::cli::output::{EXIT_CONFIG, EXIT_FAILED};

pub(super) async fn renew(acme: &AcmeSpec, asked: &Renew) -> Result<ExitCode, Failure> {
    let cert = choose(acme, &asked.host)?;
    if asked.dry_run && acme.staging.is_none() {
        let text = "there is no directory to try things out with; write acme.staging, and reload the gateway";
        return Err((EXIT_CONFIG, text.to_owned()));
    }
    Err((
        EXIT_FAILED,
        format!("{}: not ordered: {UNREACHABLE}", cert.name),
    ))
}

/// Until the control socket carries the request.
pub(super) const UNREACHABLE: &str = "this command cannot reach the running gateway yet";

pub(super) fn failed(error: StoreError) -> Failure {
    (EXIT_FAILED, Chain(&error).to_string())
}

/// A store that cannot be read has no version that would be known before.
pub(super) fn version(store: &dyn CertStore, name: &Name) -> Option<u64> {
    store.version(name).ok().flatten()
}

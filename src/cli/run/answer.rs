//! Answers to the requests of the control socket.

use std::path::Path;

use http::StatusCode;
use ianitor::acme::{RenewError, RenewMode};
use ianitor::config;
use ianitor::control::{Call, CallError, CallResult, Control, Request};
use ianitor::exposure;
use ianitor::gateway::Running;
use serde_json::json;

use super::Started;
use super::reload::reload;
use super::upgrade::{Upgrade, from_stdin};

/// Answers a request.
pub(super) async fn answer(
    call: Call,
    running: &mut Running,
    control: &mut Control,
    upgrade: &mut Upgrade,
    started: &Started<'_>,
) {
    let named = call.request.config();
    if let Some(failure) = named.and_then(|named| other_config(named, started.config)) {
        return call.reply.send(Err(failure));
    }
    match call.request {
        Request::Reload { .. } => {
            let answer = match upgrade.in_the_way() {
                Some(refused) => Err(refused),
                None => reload(running, control, started).await,
            };
            call.reply.send(answer);
        }
        Request::Upgrade { wait, .. } => {
            upgrade.begin(running, control, wait, Some(call.reply));
        }
        Request::Renew { host, dry_run, .. } => {
            call.reply.send_later(renewal(running, &host, dry_run));
        }
    }
}

/// The order goes on while the main loop does other things.
fn renewal(
    running: &Running,
    host: &str,
    dry_run: bool,
) -> impl Future<Output = CallResult> + use<> {
    let mode = if dry_run {
        RenewMode::DryRun
    } else {
        RenewMode::Order
    };
    let order = named(running, host).map(|name| (running.renew_certificate(&name, mode), name));
    async move {
        let not_found = |text| CallError::new(StatusCode::NOT_FOUND, text);
        let (order, name) = order.map_err(not_found)?;
        order.await.map_err(|error| {
            let status = match error {
                RenewError::Unknown => StatusCode::NOT_FOUND,
                RenewError::Failed(_) => StatusCode::BAD_GATEWAY,
                RenewError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            };
            CallError::new(status, error.to_string())
        })?;
        Ok(json!({ "certificate": name }))
    }
}

/// The name of the certificate for a host.
fn named(running: &Running, host: &str) -> Result<String, String> {
    let Some(acme) = running.acme() else {
        return Err("the running gateway has no [acme] table, so it orders no certificates".into());
    };
    let found = acme.find(host).map_err(|error| error.to_string())?;
    Ok(found.name.to_string())
}

/// Why a request that names a configuration is not for this gateway; nothing if it is.
fn other_config(named: &Path, own: &Path) -> Option<CallError> {
    if named.is_relative() {
        let text = "config is a relative path, and this gateway may run in another folder; write \
            an absolute one";
        return Some(CallError::new(StatusCode::BAD_REQUEST, text));
    }
    // By its path too: that the file is missing is a problem for the reload to report.
    (config::is_stdin(own) || !exposure::is_same(named, own)).then(|| {
        if config::is_stdin(own) {
            return from_stdin();
        }
        let text = format!(
            "this gateway runs with another configuration, {}; name that one with --config",
            exposure::real(own).display()
        );
        CallError::new(StatusCode::CONFLICT, text)
    })
}

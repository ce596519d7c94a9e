//! `ianitor run`: the control runtime on the main thread, signals, reloads, the drain.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use http::StatusCode;
use ianitor::acme::{RenewError, RenewMode};
use ianitor::config::{self, Config};
use ianitor::control::{
    Call, CallError, CallResult, Change, Control, OpenError, OpenRequests, Request,
};
use ianitor::exposure;
use ianitor::gateway::{FILE_CHECK_INTERVAL, Gateway, Running, StartError};
use ianitor::telemetry::{self, Chain, LogSpec, Logs};
use serde_json::json;
use tokio::time::MissedTickBehavior;

use super::output::{EXIT_CONFIG, EXIT_FAILED, complain};
use super::signals::Signals;

/// `ianitor run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    config: PathBuf,
}

/// Runs the gateway until a signal stops it.
pub(crate) fn run(arguments: &Run) -> ExitCode {
    let path = &*arguments.config;
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(failure) => {
            complain(&format!("{}\n", Chain(&failure)));
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let (access, logs) = match telemetry::init(&loaded.config.log) {
        Ok(logs) => logs,
        Err(error) => {
            complain(&format!("cannot start logging: {error}\n"));
            return ExitCode::from(EXIT_FAILED);
        }
    };
    warn(&loaded);
    let log = loaded.config.log.clone();
    let socket = Change::first(&loaded.config.control).map_err(|error| socket_failed(&error));
    let gateway = Gateway::bind(loaded.config).map_err(|error| failed(&error));
    let result =
        gateway
            .and_then(|gateway| Ok((gateway, socket?)))
            .and_then(|(gateway, socket)| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(io_failed)?;
                let code = runtime.block_on(async {
                    let signals = Signals::new().map_err(io_failed)?;
                    let running = gateway.start(Some(access)).map_err(io_failed)?;
                    let control = Control::start(socket).map_err(io_failed)?;
                    let started = Started {
                        config: path,
                        log,
                        logs: &logs,
                    };
                    Ok(serve(running, control, signals, &started).await)
                });
                // A name lookup may still be running; do not wait for it.
                runtime.shutdown_background();
                code
            });
    result.unwrap_or_else(|code| code)
}

/// Logs the warnings about a configuration, and which other users of this machine could read or
/// change the files that it names; returns them.
fn warn(loaded: &config::Loaded) -> Vec<String> {
    let file = loaded.config.file.display();
    let exposed = exposure::warnings(&loaded.config.files());
    let exposed = exposed
        .into_iter()
        .map(|warning| format!("{file}: {warning}"));
    let written = loaded.warnings.to_string();
    let all: Vec<String> = written.lines().map(str::to_owned).chain(exposed).collect();
    for warning in &all {
        tracing::warn!("{warning}");
    }
    all
}

fn failed(error: &StartError) -> ExitCode {
    for problem in Chain(error).to_string().lines() {
        tracing::error!("{problem}");
    }
    ExitCode::from(if error.is_config() {
        EXIT_CONFIG
    } else {
        EXIT_FAILED
    })
}

fn socket_failed(error: &OpenError) -> ExitCode {
    tracing::error!("{}", Chain(error));
    ExitCode::from(EXIT_FAILED)
}

fn io_failed(error: std::io::Error) -> ExitCode {
    tracing::error!(%error, "cannot start");
    ExitCode::from(EXIT_FAILED)
}

/// What was there at the start.
struct Started<'a> {
    /// The path of the configuration.
    config: &'a Path,
    /// Its `[log]` at the start.
    log: LogSpec,
    /// The log, whose level a reload changes.
    logs: &'a Logs,
}

async fn serve(
    mut running: Running,
    mut control: Control,
    mut signals: Signals,
    started: &Started<'_>,
) -> ExitCode {
    let mut look = tokio::time::interval(FILE_CHECK_INTERVAL);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let cert_cache = Arc::clone(running.cert_cache());
    loop {
        tokio::select! {
            _ = look.tick() => running.follow_files().await,
            () = cert_cache.changed() => running.follow_certificates().await,
            // The log has everything that the answer has.
            _ = signals.hangup.recv() => drop(reload(&mut running, &mut control, started).await),
            call = control.next() => answer(call, &mut running, &mut control, started).await,
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            () = signals.ignored.log_next() => {}
            () = running.worker_ended() => {
                tracing::error!("a worker has stopped unexpectedly; the gateway stops");
                control.stop().finish().await;
                running.stop();
                return ExitCode::from(EXIT_FAILED);
            }
        }
    }
    // A successor may have the socket while this gateway drains, as it may have the addresses.
    let requests = control.stop();
    drain(running, signals, requests).await
}

async fn answer(call: Call, running: &mut Running, control: &mut Control, started: &Started<'_>) {
    let named = call.request.config();
    if let Some(failure) = named.and_then(|named| other_config(named, started.config)) {
        return call.reply.send(Err(failure));
    }
    match call.request {
        Request::Reload { .. } => call.reply.send(reload(running, control, started).await),
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
    (!exposure::is_same(named, own)).then(|| {
        let text = format!(
            "this gateway runs with another configuration, {}; name that one with --config",
            exposure::real(own).display()
        );
        CallError::new(StatusCode::CONFLICT, text)
    })
}

async fn reload(running: &mut Running, control: &mut Control, started: &Started<'_>) -> CallResult {
    let failure = match apply(running, control, started).await {
        Ok(warnings) => {
            tracing::info!(config = %started.config.display(), "reloaded");
            // The caller may be in another folder.
            let shown = |path| std::path::absolute(path).unwrap_or_default();
            return Ok(json!({
                "config": shown(started.config),
                "control": control.path().map(shown),
                "warnings": warnings,
            }));
        }
        Err(failure) => failure,
    };
    tracing::error!("not reloaded; the current configuration stays in force:");
    for problem in &failure.problems {
        tracing::error!("{problem}");
    }
    Err(failure)
}

/// Returns the warnings about a configuration that is in force now.
async fn apply(
    running: &mut Running,
    control: &mut Control,
    started: &Started<'_>,
) -> Result<Vec<String>, CallError> {
    let loaded = config::load(started.config).map_err(|failure| {
        running.note_failed_reload();
        not_reloaded(true, &failure)
    })?;
    let mut warnings = warn(&loaded);
    let unchanged = unchanged(running, &loaded.config, started);
    let level = loaded.config.log.level;
    let (socket, problem) = match control.prepare(&loaded.config.control) {
        Ok(socket) => (Some(socket), None),
        Err(error) => (None, Some(error)),
    };
    running
        .reload(loaded.config, problem)
        .await
        .map_err(|error| not_reloaded(error.is_config(), &error))?;
    started.logs.set_level(level);
    for warning in &unchanged {
        tracing::warn!("{warning}");
    }
    warnings.extend(unchanged);
    if let Some(socket) = socket {
        warnings.extend(socket.warning().map(str::to_owned));
        if let Err(error) = control.apply(socket) {
            tracing::error!(%error, "the control socket stays where it was");
        }
    }
    Ok(warnings)
}

/// What of a new configuration does not take effect yet, a line each.
fn unchanged(running: &Running, config: &Config, started: &Started<'_>) -> Vec<String> {
    let file = config.file.display();
    let workers = running.other_workers(config).map(|(now, then)| {
        format!(
            "{file}: listen.workers: the number of workers stays {now}, and is {then} after a \
             restart"
        )
    });
    let (now, then) = (started.log.format, config.log.format);
    let format = (now != then).then(|| {
        format!(
            "{file}: log.format: the format of events stays {now}, and is {then} after a restart"
        )
    });
    let is_fixed = started.logs.is_level_fixed() && config.log.level != started.log.level;
    let level = is_fixed.then(|| {
        format!("{file}: log.level: the environment's RUST_LOG decides, so the level stays")
    });
    workers.into_iter().chain(format).chain(level).collect()
}

fn not_reloaded(is_config: bool, error: &(dyn std::error::Error + 'static)) -> CallError {
    CallError {
        status: if is_config {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::CONFLICT
        },
        error: "not reloaded; the current configuration stays in force".to_owned(),
        problems: Chain(error)
            .to_string()
            .lines()
            .map(str::to_owned)
            .collect(),
    }
}

async fn drain(mut running: Running, mut signals: Signals, requests: OpenRequests) -> ExitCode {
    running.stop_orders();
    tracing::info!(
        connections = running.connections(),
        "draining; a second signal stops at once"
    );
    let closed = tokio::select! {
        closed = running.drain() => Some(closed),
        () = signals.stop() => None,
    };
    requests.finish().await;
    running.stop();
    match closed {
        Some(0) => tracing::info!("stopped"),
        Some(closed) => tracing::warn!(connections = closed, "stopped; connections were closed"),
        None => {
            tracing::warn!("stopped by a second signal");
            return ExitCode::from(EXIT_FAILED);
        }
    }
    ExitCode::SUCCESS
}

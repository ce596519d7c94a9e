//! `ianitor run`: the control runtime on the main thread, signals, reloads, the drain.

mod answer;
mod beat;
mod drain;
mod reload;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use ianitor::config;
use ianitor::control::{Change, Control, OpenError};
use ianitor::exposure;
use ianitor::gateway::{FILE_CHECK_INTERVAL, Gateway, Running, StartError};
use ianitor::systemd;
use ianitor::telemetry::panics::{self, caught_in};
use ianitor::telemetry::{self, Chain, LogSpec, Logs};
use tokio::time::MissedTickBehavior;

use answer::answer;
use drain::drain;
use reload::reload;

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
    panics::install();
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
    let mut beat = systemd::Beat::new();
    beat::ready(&running);
    loop {
        tokio::select! {
            () = beat.next() => beat::report("accepting", &running),
            _ = look.tick() => drop(caught_in(running.follow_files()).await),
            () = cert_cache.changed() => drop(caught_in(running.follow_certificates()).await),
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

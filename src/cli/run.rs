//! `ianitor run`: the control runtime on the main thread, signals, reloads, the drain.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use ianitor::config;
use ianitor::exposure;
use ianitor::gateway::{FILE_CHECK_INTERVAL, Gateway, Running, StartError};
use ianitor::telemetry::{self, Chain};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::MissedTickBehavior;

use super::output::{EXIT_CONFIG, EXIT_FAILED, complain};

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
    let (access, _flush_logs) = match telemetry::init(loaded.config.log.format) {
        Ok(logs) => logs,
        Err(error) => {
            complain(&format!("cannot start logging: {error}\n"));
            return ExitCode::from(EXIT_FAILED);
        }
    };
    warn(&loaded);
    let result = Gateway::bind(loaded.config)
        .map_err(|error| failed(&error))
        .and_then(|gateway| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(io_failed)?;
            let code = runtime.block_on(async {
                let signals = Signals::new().map_err(io_failed)?;
                let running = gateway.start(Some(access)).map_err(io_failed)?;
                Ok(serve(running, signals, path).await)
            });
            // A name lookup may still be running; do not wait for it.
            runtime.shutdown_background();
            code
        });
    result.unwrap_or_else(|code| code)
}

/// Logs the warnings about a configuration, and which other users of this machine could read or
/// change the files that it names.
fn warn(loaded: &config::Loaded) {
    for warning in loaded.warnings.to_string().lines() {
        tracing::warn!("{warning}");
    }
    let file = loaded.config.file.display();
    for warning in exposure::warnings(&loaded.config.files()) {
        tracing::warn!("{file}: {warning}");
    }
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

fn io_failed(error: std::io::Error) -> ExitCode {
    tracing::error!(%error, "cannot start");
    ExitCode::from(EXIT_FAILED)
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn serve(mut running: Running, mut signals: Signals, path: &Path) -> ExitCode {
    let mut look = tokio::time::interval(FILE_CHECK_INTERVAL);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let cert_cache = Arc::clone(running.cert_cache());
    loop {
        tokio::select! {
            _ = look.tick() => running.follow_files().await,
            () = cert_cache.changed() => running.follow_certificates().await,
            _ = signals.hangup.recv() => reload(&mut running, path).await,
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            () = running.worker_ended() => {
                tracing::error!("a worker has stopped unexpectedly; the gateway stops");
                running.stop();
                return ExitCode::from(EXIT_FAILED);
            }
        }
    }
    drain(running, signals).await
}

async fn reload(running: &mut Running, path: &Path) {
    let result = match config::load(path) {
        Ok(loaded) => {
            warn(&loaded);
            running
                .reload(loaded.config)
                .await
                .map_err(|error| Chain(&error).to_string())
        }
        Err(failure) => {
            running.note_failed_reload();
            Err(Chain(&failure).to_string())
        }
    };
    match result {
        Ok(()) => tracing::info!(config = %path.display(), "reloaded"),
        Err(problems) => {
            tracing::error!("not reloaded; the current configuration stays in force:");
            for problem in problems.lines() {
                tracing::error!("{problem}");
            }
        }
    }
}

async fn drain(mut running: Running, mut signals: Signals) -> ExitCode {
    running.stop_orders();
    tracing::info!(
        connections = running.connections(),
        "draining; a second signal stops at once"
    );
    let closed = tokio::select! {
        closed = running.drain() => Some(closed),
        () = signals.stop() => None,
    };
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

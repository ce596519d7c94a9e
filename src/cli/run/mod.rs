//! `ianitor run`: the control runtime on the main thread, signals, reloads, the drain.

mod answer;
mod beat;
mod drain;
mod failure;
mod reload;
mod replaced;
mod upgrade;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use ianitor::config;
use ianitor::control::{Change, Control, ControlSpec, OpenError};
use ianitor::exposure;
use ianitor::gateway::{
    CONFIG_LOOK_INTERVAL, ConfigWatch, FILE_CHECK_INTERVAL, Gateway, Running, StartError, Update,
};
use ianitor::listen::Inherited;
use ianitor::systemd;
use ianitor::telemetry::panics::{self, caught_in};
use ianitor::telemetry::{self, Chain, LogSpec, Logs};
use ianitor::upgrade::{Predecessor, Program};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use answer::answer;
use drain::drain;
use failure::Failure;
use reload::reload;
use replaced::{next_update, replaced};
use upgrade::{CONTROL, Upgrade};

use super::config_file::{ConfigFile, with_hint};
use super::output::{EXIT_CONFIG, EXIT_FAILED};
use super::signals::Signals;

/// `ianitor run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    config: ConfigFile,
    /// Apply the configuration whenever its file changes, as with reload.watch.
    #[arg(long)]
    watch: bool,
}

/// Runs the gateway until a signal stops it.
pub(crate) fn run(arguments: &Run) -> ExitCode {
    // Before there are other threads: it changes the environment.
    let mut inherited = match Inherited::from_environment() {
        Ok(inherited) => inherited,
        Err(errors) => {
            let problems = errors.iter().map(ToString::to_string);
            return Failure::printed(EXIT_CONFIG, problems.collect()).code();
        }
    };
    let predecessor = inherited.take_channel().map(Predecessor::greet);
    let mut predecessor = match predecessor.transpose() {
        Ok(predecessor) => predecessor,
        Err(error) => return Failure::printed(EXIT_FAILED, vec![broken_off(&error)]).code(),
    };
    launch(arguments, inherited, &mut predecessor).unwrap_or_else(|failure| {
        if let Some(mut predecessor) = predecessor {
            predecessor.failed(failure.problems());
        }
        failure.code()
    })
}

/// Starts and runs the gateway. `predecessor` is taken when this process is ready.
fn launch(
    arguments: &Run,
    mut inherited: Inherited,
    predecessor: &mut Option<Predecessor>,
) -> Result<ExitCode, Failure> {
    let path = arguments.config.path();
    let watch = ConfigWatch::new(path);
    let loaded = config::load(path).map_err(|failure| {
        let text = with_hint(path, Chain(&failure).to_string());
        Failure::printed(EXIT_CONFIG, text.lines().map(str::to_owned).collect())
    })?;
    let (access, logs) = telemetry::init(&loaded.config.log).map_err(|error| {
        let problem = format!("cannot start logging: {error}");
        Failure::printed(EXIT_FAILED, vec![problem])
    })?;
    panics::install();
    warn(&loaded);
    let log = loaded.config.log.clone();
    let early = receive(predecessor)?;
    let socket = control_socket(&loaded.config.control, &mut inherited);
    let gateway = Gateway::adopt(loaded.config, inherited, early).map_err(|error| failed(&error));
    let (gateway, socket) = match (gateway, socket) {
        (Ok(gateway), Ok(socket)) => (gateway, socket),
        (Ok(_), Err(failure)) => return Err(failure),
        (Err(failure), socket) => return Err(failure.and(socket.err())),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(io_failed)?;
    let code = runtime.block_on(async {
        let signals = Signals::new().map_err(io_failed)?;
        if let Some(predecessor) = predecessor {
            predecessor.prepared().map_err(io_failed)?;
        }
        let late = receive(predecessor)?;
        let running = gateway.start_with(late, Some(access)).map_err(io_failed)?;
        let control = Control::start(socket.change).map_err(io_failed)?;
        let older = accepting(predecessor.take(), &control, socket.is_owned)?;
        if older.is_some() {
            socket.moved_from.iter().for_each(|path| remove(path));
        }
        let started = Started {
            config: path,
            log,
            logs: &logs,
            is_watched: arguments.watch,
            watch: RefCell::new(watch),
        };
        Ok(serve(running, control, signals, older, &started).await)
    });
    // A name lookup may still be running; do not wait for it.
    runtime.shutdown_background();
    code
}

/// What the process that this one replaces hands over next; the default if there is none.
fn receive<T: DeserializeOwned + Default>(
    predecessor: &mut Option<Predecessor>,
) -> Result<T, Failure> {
    let received = predecessor.as_mut().map(Predecessor::receive);
    received
        .transpose()
        .map(Option::unwrap_or_default)
        .map_err(io_failed)
}

/// Says to the process that this one replaces that it accepts connections. What that process says
/// from then on can be received.
fn accepting(
    predecessor: Option<Predecessor>,
    control: &Control,
    is_owned: bool,
) -> Result<Option<mpsc::Receiver<Update>>, Failure> {
    let Some(mut predecessor) = predecessor else {
        return Ok(None);
    };
    predecessor.ready().map_err(io_failed)?;
    if is_owned {
        control.own();
    }
    tracing::info!(
        pid = std::process::id(),
        "ready: this process replaces an older one"
    );
    predecessor.updates().map(Some).map_err(io_failed)
}

/// A control socket that is to be served.
struct Socket {
    change: Change,
    /// Whether its file is removed at the end, though an older process has made it.
    is_owned: bool,
    /// Where the older process has made one that is no longer configured.
    moved_from: Vec<PathBuf>,
}

/// Opens the control socket, unless the process was started with it.
fn control_socket(spec: &ControlSpec, inherited: &mut Inherited) -> Result<Socket, Failure> {
    let adopted = spec.path().and_then(|path| {
        let (socket, name) = inherited.take_unix(&path)?;
        Some((Change::adopt(&path, socket), name))
    });
    let (change, name) = adopted.unwrap_or_else(|| (Change::first(spec), None));
    let change = change.map_err(|error: OpenError| Failure::logged(EXIT_FAILED, &error))?;
    Ok(Socket {
        change,
        is_owned: name.as_deref() == Some(CONTROL),
        moved_from: inherited.take_unused_unix(CONTROL),
    })
}

/// Removes the file of a control socket that nothing listens on any more.
fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        let path = path.display();
        tracing::warn!(%path, %error, "the file of the former control socket stays");
    }
}

fn broken_off(error: &std::io::Error) -> String {
    format!("the process that this one was to replace has ended: {error}")
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
    if let included @ 1.. = loaded.config.included.len() {
        tracing::info!(config = %file, included, "the configuration includes other files");
    }
    all
}

fn failed(error: &StartError) -> Failure {
    let code = match error.is_config() {
        true => EXIT_CONFIG,
        false => EXIT_FAILED,
    };
    Failure::logged(code, error)
}

fn io_failed(error: std::io::Error) -> Failure {
    tracing::error!(%error, "cannot start");
    Failure::of(EXIT_FAILED, format!("cannot start: {error}"))
}

/// What was there at the start.
struct Started<'a> {
    /// The path of the configuration.
    config: &'a Path,
    /// Its `[log]` at the start.
    log: LogSpec,
    /// The log, whose level a reload changes.
    logs: &'a Logs,
    /// Whether the configuration is applied whenever its file changes.
    is_watched: bool,
    /// Its files.
    watch: RefCell<ConfigWatch>,
}

impl Started<'_> {
    /// Whether the configuration is to be read again because its files have changed.
    fn has_changed(&self, running: &Running) -> bool {
        let is_watched = self.is_watched || running.config().is_watched;
        is_watched && self.watch.borrow_mut().look()
    }
}

async fn serve(
    mut running: Running,
    mut control: Control,
    mut signals: Signals,
    mut older: Option<mpsc::Receiver<Update>>,
    started: &Started<'_>,
) -> ExitCode {
    let mut upgrade = Upgrade::of(Program::of_this_process(), config::is_stdin(started.config));
    let mut look = tokio::time::interval(FILE_CHECK_INTERVAL);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut config_look = tokio::time::interval(CONFIG_LOOK_INTERVAL);
    config_look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let cert_cache = Arc::clone(running.cert_cache());
    let mut beat = systemd::Beat::new();
    beat::ready(&running);
    loop {
        tokio::select! {
            () = beat.next() => beat::report("accepting", &running),
            _ = look.tick() => drop(caught_in(running.follow_files()).await),
            _ = config_look.tick() => {
                if upgrade.in_the_way().is_none() && started.has_changed(&running) {
                    drop(reload(&mut running, &mut control, started).await);
                }
            }
            () = cert_cache.changed() => drop(caught_in(running.follow_certificates()).await),
            // The log has everything that the answer has.
            _ = signals.hangup.recv() => match upgrade.in_the_way() {
                None => drop(reload(&mut running, &mut control, started).await),
                Some(refused) => tracing::error!(error = refused.error, "not reloaded"),
            },
            call = control.next() => {
                answer(call, &mut running, &mut control, &mut upgrade, started).await;
            }
            _ = signals.upgrade.recv() => upgrade.begin(&running, &control, None, None),
            new = upgrade.ready() => if let Some(new) = new {
                return replaced(running, control, signals, new, older).await;
            },
            update = next_update(&mut older) => {
                upgrade.pass_on(update.as_ref());
                running.take_update(update);
            }
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
    // A new process that is not ready ends now: while it runs, it has the sockets, and clients
    // would wait in their queues.
    drop(upgrade);
    // A successor may have the socket while this gateway drains, as it may have the addresses.
    let requests = control.stop();
    drain(running, signals, requests).await
}

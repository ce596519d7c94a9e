//! A worker's thread: its runtime, and the loop that executes commands.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc;

use super::commands::{Command, ListenerSocket};
use super::hand_over::{self, Inbox, Peers};
use super::listeners::Listeners;
use super::{renewals, sweep};
use crate::auth::HandedToken;
use crate::pulse::Activity;
use crate::serve::Worker;
use crate::serve::shared::SharedState;
use crate::serve::snapshot::Snapshot;
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::panics::caught;
use crate::tunnel::CloseReason;

/// What a worker starts with.
#[derive(Debug)]
pub struct Setup {
    /// The configuration in force.
    pub snapshot: Arc<Snapshot>,
    /// Tokens that another process has verified.
    pub tokens: Arc<[HandedToken]>,
    /// Its listening sockets.
    pub sockets: Vec<ListenerSocket>,
    /// What it shares with the other workers.
    pub shared: Arc<SharedState>,
    /// Its counters.
    pub metrics: Arc<WorkerMetrics>,
    /// The other workers, to which it may hand connections over.
    pub peers: Peers,
    /// Connections that the others hand over to it.
    pub inbox: Inbox,
}

/// The control runtime's handle to a worker.
#[derive(Debug)]
pub struct WorkerHandle {
    commands: mpsc::UnboundedSender<Command>,
    thread: JoinHandle<()>,
}

impl WorkerHandle {
    /// Sends a command. Returns false if the worker has stopped.
    pub fn send(&self, command: Command) -> bool {
        self.commands.send(command).is_ok()
    }

    /// What sends commands, apart from the thread.
    pub fn commander(&self) -> Commander {
        Commander(self.commands.clone())
    }

    /// Waits for the worker's thread to end.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("a worker had panicked");
        }
    }
}

/// Sends commands to a worker.
#[derive(Clone, Debug)]
pub struct Commander(mpsc::UnboundedSender<Command>);

impl Commander {
    /// Sends a command. Returns false if the worker has stopped.
    pub fn send(&self, command: Command) -> bool {
        self.0.send(command).is_ok()
    }
}

/// Threads of a worker that wait for disks. Nothing else runs there. Each has a heap of its own:
/// with the hundreds that are usual, one client that asks for as many files at once could make the
/// process allocate a lot of memory.
const FILE_THREADS: usize = 32;

/// Starts a worker's thread. When the thread ends, for whatever reason, `ended` is dropped.
///
/// # Errors
/// If the system does not start the thread.
pub fn spawn(setup: Setup, ended: mpsc::Sender<()>) -> io::Result<WorkerHandle> {
    let (commands, inbox) = mpsc::unbounded_channel();
    let thread = std::thread::Builder::new()
        .name(format!("worker-{}", setup.peers.own()))
        .spawn(move || {
            let _ended = ended;
            let pulse = Arc::clone(&setup.metrics.pulse);
            pulse.set_thread();
            match runtime() {
                Ok(runtime) => {
                    runtime.block_on(run(setup, inbox));
                    pulse.end();
                    // Does not wait for a disk that hangs.
                    runtime.shutdown_background();
                }
                Err(error) => tracing::error!(%error, "a worker could not start"),
            }
        })?;
    Ok(WorkerHandle { commands, thread })
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(FILE_THREADS)
        .build_local(LocalOptions::default())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the tasks end with the runtime of the worker"
)]
async fn run(setup: Setup, mut inbox: mpsc::UnboundedReceiver<Command>) {
    let renewals = setup.shared.renewals.join();
    let worker = Worker::new(setup.shared, setup.snapshot, setup.metrics);
    worker
        .tokens
        .take(&setup.tokens, &worker.view().snapshot.issuers);
    tokio::task::spawn_local(renewals::follow(Rc::clone(&worker), renewals));
    tokio::task::spawn_local(sweep::run(Rc::clone(&worker)));
    tokio::task::spawn_local(hand_over::serve(setup.inbox, Rc::clone(&worker)));
    let mut listeners = Listeners::new(Rc::clone(&worker), setup.peers);
    if let Err(error) = listeners.open(setup.sockets) {
        tracing::error!(%error, "a worker could not open its listeners");
        return;
    }
    while let Some(command) = inbox.recv().await {
        worker.ticks.pulse().note(Activity::Command);
        match command {
            Command::Apply {
                snapshot,
                open,
                keep,
                done,
            } => {
                let mut opened = listeners.open(open);
                if opened.is_ok() {
                    let applied = caught(|| worker.apply(snapshot));
                    listeners.keep(&keep);
                    caught(|| worker.judge_tunnels());
                    opened = applied.ok_or_else(|| io::Error::other("it has panicked"));
                }
                let _ = done.send(opened);
            }
            Command::Tokens(reply) => {
                let view = worker.view();
                let tokens = worker.tokens.hand_over(&view.snapshot.issuers);
                let _ = reply.send(tokens);
            }
            Command::Share(reply) => _ = reply.send(listeners.share()),
            Command::Pause => log(listeners.pause()),
            Command::Resume => log(listeners.resume()),
            Command::Drain(times) => {
                listeners.close();
                caught(|| worker.drain(times));
            }
            Command::CloseTunnels => {
                caught(|| worker.close_tunnels(CloseReason::GOING_AWAY));
            }
            Command::Stop => break,
        }
    }
    worker.access.set_stopping();
}

fn log(outcome: io::Result<()>) {
    if let Err(error) = outcome {
        tracing::error!(%error, "a worker could not stop accepting, or begin again");
    }
}

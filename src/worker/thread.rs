//! A worker's thread: its runtime, and the loop that obeys the control runtime.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;
use tracing_appender::non_blocking::NonBlocking;

use super::commands::{Command, Handle, Share};
use super::listeners::Doors;
use super::sweep::keep_time;
use crate::auth::{AuthFailures, Tagger, TokenCache};
use crate::proxy::tunnel::CloseReason;
use crate::registry::Registry;
use crate::resolve::Resolver;
use crate::serve::Worker;
use crate::serve::names::Names;
use crate::serve::renewals::{self, Renewals};
use crate::serve::snapshot::{Snapshot, Ways, WorkerView};
use crate::serve::under_way::UnderWay;
use crate::slot::{OpenFiles, Slots, Sockets};
use crate::telemetry::access::{AccessSink, End};
use crate::telemetry::metrics::WorkerMetrics;
use crate::telemetry::request_id::RequestIds;
use crate::tick::Ticks;
use crate::tls::challenges::Challenges;

/// What a worker starts with.
#[derive(Debug)]
pub struct Setup {
    /// The configuration in force.
    pub snapshot: Arc<Snapshot>,
    /// Its listening sockets.
    pub shares: Vec<Share>,
    /// Slots of the whole gateway.
    pub slots: Arc<Slots>,
    /// Room for sockets to upstream servers.
    pub sockets: Arc<Sockets>,
    /// Room for open files.
    pub files: Arc<OpenFiles>,
    /// Looks up the names of servers.
    pub resolver: Resolver,
    /// Where access lines go.
    pub access: Option<NonBlocking>,
    /// What it counts.
    pub metrics: Arc<WorkerMetrics>,
    /// Makes tags of tokens.
    pub tagger: Arc<Tagger>,
    /// Failed authentications of each client, counted over all workers.
    pub auth_failures: Arc<AuthFailures>,
    /// The way to the tunnels of all workers.
    pub renewals: Arc<Renewals>,
    /// Answers to CAs that validate a name.
    pub challenges: Arc<Challenges>,
}

/// Threads of a worker on which disks are waited for. Nothing else runs there. Each has a heap of
/// its own: the hundreds that are usual would be memory that one client can have allocated, by
/// asking for as many files at once.
const FILE_THREADS: usize = 32;

/// Starts a worker's thread. When it ends, for whatever reason, `ended` is dropped.
pub fn spawn(number: usize, setup: Setup, ended: mpsc::Sender<()>) -> io::Result<Handle> {
    let (commands, inbox) = mpsc::unbounded_channel();
    let runtime = move || {
        let mut builder = Builder::new_current_thread();
        builder
            .enable_all()
            .max_blocking_threads(FILE_THREADS)
            .build_local(LocalOptions::default())
    };
    let thread = std::thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(move || {
            let _ended = ended;
            match runtime() {
                Ok(runtime) => {
                    runtime.block_on(run(setup, inbox));
                    // A disk that hangs is not waited for.
                    runtime.shutdown_background();
                }
                Err(error) => tracing::error!(%error, "a worker could not start"),
            }
        })?;
    Ok(Handle { commands, thread })
}

async fn run(mut setup: Setup, mut inbox: mpsc::UnboundedReceiver<Command>) {
    let shares = std::mem::take(&mut setup.shares);
    let renewals = setup.renewals.join();
    let worker = new_worker(setup);
    tokio::task::spawn_local(renewals::follow(Rc::clone(&worker), renewals));
    tokio::task::spawn_local(keep_time(Rc::clone(&worker)));
    let mut doors = Doors {
        worker: Rc::clone(&worker),
        open: HashMap::new(),
    };
    if let Err(error) = doors.open(shares) {
        tracing::error!(%error, "a worker could not take up its listeners");
        return;
    }
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Reload {
                snapshot,
                open,
                keep,
                done,
            } => {
                let _ = done.send(doors.reload(snapshot, open, &keep));
            }
            Command::Drain => {
                doors.open.clear();
                worker.drain();
            }
            Command::CloseTunnels => {
                let order = CloseReason {
                    code: 1001,
                    reason: "going away",
                    end: End::Drain,
                };
                worker.closing.set(Some(order));
                worker.tunnels.each(|tunnel| tunnel.close(order));
            }
            Command::Stop => break,
        }
    }
    worker.access.set_stopping();
}

fn new_worker(setup: Setup) -> Rc<Worker> {
    let Setup {
        snapshot,
        slots,
        sockets,
        files,
        resolver,
        access,
        metrics,
        ..
    } = setup;
    let Setup {
        tagger,
        auth_failures,
        renewals,
        challenges,
        ..
    } = setup;
    let ticks = Ticks::new();
    let access = AccessSink::new(access, Arc::clone(&metrics));
    access.configure(snapshot.log.format, snapshot.log.access);
    Rc::new(Worker {
        local: RefCell::new(WorkerView::new(
            snapshot,
            Ways {
                ticks: &ticks,
                sockets: &sockets,
                resolver: &resolver,
            },
            &metrics,
            None,
        )),
        under_way: UnderWay::new(&ticks),
        ticks,
        connections: Registry::new(),
        tunnels: Registry::new(),
        access,
        metrics,
        tokens: TokenCache::new(tagger),
        names: Names::new(&resolver),
        auth_failures,
        renewals,
        challenges,
        ids: RequestIds::new(),
        slots,
        sockets,
        files,
        resolver,
        draining: Cell::new(false),
        closing: Cell::new(None),
        refused: Cell::default(),
        unserved: RefCell::default(),
    })
}

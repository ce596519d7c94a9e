//! The composition root: a configuration becomes a running gateway, is reloaded, and is drained.

mod assemble;
mod budget;
mod certificates;
mod error;
mod issuers;
mod watch;
mod worker;

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tracing_appender::non_blocking::NonBlocking;

use crate::acme::Seen;
use crate::addr::ListenAddr;
use crate::config::Config;
use crate::listen::{self, Kind, ListenSpec, Listener};
use crate::serve::guesses::Guesses;
use crate::serve::renewals::Renewals;
use crate::serve::snapshot::Snapshot;
use crate::serve::tokens::Tagger;
use crate::slot::{Slots, Sockets};
use crate::status;
use crate::status::board::Board;
use crate::telemetry::Chain;
use crate::telemetry::metrics::WorkerMetrics;
use crate::tls::challenges::Challenges;
use crate::tls::{Shelf, Tickets};
use assemble::{Before, snapshot};
use issuers::{Plan, Remotes};
use watch::Watch;
use worker::{Command, Handle, ListenerKey, Setup, Share};

pub use error::StartError;
pub use watch::LOOK;

/// After the close frames: for clients to answer them.
const CLOSE_GRACE: Duration = Duration::from_secs(3);

/// How often a drain looks whether everybody has gone.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// A gateway whose files are read and whose addresses are bound, but whose doors are still closed.
#[derive(Debug)]
pub struct Gateway {
    snapshot: Arc<Snapshot>,
    issuers: Plan,
    listeners: Vec<Listener>,
    status: Option<(ListenAddr, StdListener)>,
    workers: usize,
    tickets: Tickets,
    tagger: Arc<Tagger>,
    shelf: Arc<Shelf>,
    challenges: Arc<Challenges>,
    config: Config,
    watch: Watch,
}

impl Gateway {
    /// Reads the certificates and binds the listeners.
    ///
    /// # Errors
    /// What could not be read, made or bound.
    pub fn bind(config: Config) -> Result<Self, StartError> {
        Self::bind_with(config, Shelf::new())
    }

    /// The same with ordered certificates that are there already. Those that are still to come are not waited for.
    ///
    /// # Errors
    /// What could not be read, made or bound.
    pub fn bind_with(config: Config, shelf: Arc<Shelf>) -> Result<Self, StartError> {
        let tickets = Tickets::new().map_err(StartError::Crypto)?;
        let tagger = Tagger::new().map_err(|_| StartError::Crypto(rustls::Error::FailedToGetRandomBytes))?;
        let workers = worker_count(&config.listen);
        let (mut listeners, mut errors) = (Vec::new(), Vec::new());
        for key in keys(&config.listen) {
            match Listener::bind(key.0, key.1, workers, &[]) {
                Ok(listener) => listeners.push(listener),
                Err(error) => errors.push(error.into()),
            }
        }
        let mut bind_status = |addr| match listen::bind_one(addr, &[]) {
            Ok(socket) => Some((addr, socket)),
            Err(error) => {
                errors.push(error.into());
                None
            }
        };
        let status = config.listen.status.and_then(&mut bind_status);
        let bound: Vec<Open> = listeners.iter().map(Open::from).collect();
        // Looked at before they are read: what changes in between is seen as a change.
        let watch = Watch::new(&config);
        let issuers = Plan::new(&config.issuers, &Remotes::default(), &mut Before::default())
            .map_err(|error| errors.push(error))
            .ok();
        let given = issuers.as_ref().map(Plan::issuers).unwrap_or_default();
        let snapshot = snapshot(&config, &tickets, &shelf, &bound, given, &mut Before::default())
            .map_err(|error| errors.push(error))
            .ok();
        match (snapshot, issuers) {
            (Some(snapshot), Some(issuers)) if errors.is_empty() => {
                let (snapshot, challenges) = (Arc::new(snapshot), Challenges::new());
                Ok(Self {
                    snapshot,
                    issuers,
                    listeners,
                    status,
                    workers,
                    tickets,
                    tagger,
                    shelf,
                    challenges,
                    config,
                    watch,
                })
            }
            _ => Err(StartError::Several(errors)),
        }
    }

    /// Opens the doors. Access lines go to `access`, where one is given.
    ///
    /// # Errors
    /// When a thread cannot be started, or when there is a status listener, or an issuer whose keys are to be fetched,
    /// and no runtime that it could run on.
    pub fn start(self, access: Option<NonBlocking>) -> io::Result<Running> {
        let remotes = self.issuers.start()?;
        let slots = Slots::new();
        let sockets = Sockets::new(self.snapshot.upstream_sockets);
        let (guesses, renewals) = (Guesses::new(), Renewals::new());
        let (ended, worker_ended) = mpsc::channel(1);
        let open: Vec<Open> = self.listeners.iter().map(Open::from).collect();
        let shares = deal(self.listeners, self.workers);
        let metrics: Vec<_> = (0..self.workers).map(|_| WorkerMetrics::new()).collect();
        let orders = Seen::new();
        let board = Board::new(metrics.clone(), Arc::clone(&slots), Arc::clone(&self.snapshot), orders);
        let status = self.status.map(|(addr, socket)| status::Server::start(addr, socket, Arc::clone(&board)));
        let status = status.transpose()?;
        let mut workers = Vec::new();
        for ((number, shares), metrics) in shares.into_iter().enumerate().zip(metrics) {
            let setup = Setup {
                snapshot: Arc::clone(&self.snapshot),
                shares,
                slots: Arc::clone(&slots),
                sockets: Arc::clone(&sockets),
                access: access.clone(),
                metrics,
                tagger: Arc::clone(&self.tagger),
                guesses: Arc::clone(&guesses),
                renewals: Arc::clone(&renewals),
                challenges: Arc::clone(&self.challenges),
            };
            workers.push(worker::spawn(number, setup, ended.clone())?);
        }
        for listener in &open {
            tracing::info!(address = %listener.bound, kind = %listener.key.0, "listening");
        }
        log_status("listening", status.as_ref());
        let Self { tickets, shelf, challenges, config, watch, .. } = self;
        Ok(Running {
            workers,
            open,
            status,
            board,
            slots,
            sockets,
            tickets,
            shelf,
            challenges,
            remotes,
            config,
            watch,
            worker_ended,
        })
    }
}

/// A gateway with open doors.
#[derive(Debug)]
pub struct Running {
    workers: Vec<Handle>,
    open: Vec<Open>,
    status: Option<status::Server>,
    board: Arc<Board>,
    slots: Arc<Slots>,
    sockets: Arc<Sockets>,
    tickets: Tickets,
    shelf: Arc<Shelf>,
    challenges: Arc<Challenges>,
    remotes: Remotes,
    config: Config,
    watch: Watch,
    worker_ended: mpsc::Receiver<()>,
}

/// A listener that the workers have.
#[derive(Clone, Copy, Debug)]
struct Open {
    key: ListenerKey,
    bound: SocketAddr,
}

impl From<&Listener> for Open {
    fn from(listener: &Listener) -> Self {
        Self { key: (listener.kind, listener.addr), bound: listener.bound }
    }
}

impl Running {
    /// Where it listens, in the order of the configuration.
    pub fn addresses(&self, kind: Kind) -> impl Iterator<Item = SocketAddr> {
        self.open.iter().filter(move |open| open.key.0 == kind).map(|open| open.bound)
    }

    /// Where health, metrics and the status page are.
    pub fn status_address(&self) -> Option<SocketAddr> {
        self.status.as_ref().map(status::Server::bound)
    }

    /// Client connections that are open, tunnels included.
    pub fn connections(&self) -> usize {
        self.slots.open()
    }

    /// Takes up a configuration whole, or changes nothing.
    ///
    /// # Errors
    /// What could not be read, made or bound.
    pub async fn reload(&mut self, config: Config) -> Result<(), StartError> {
        let result = self.take_up(config, Before::default()).await;
        self.board.reloaded(result.is_ok());
        result.map(drop)
    }

    /// There was to be a reload, and the configuration was not even one.
    pub fn note_failed_reload(&self) {
        self.board.reloaded(false);
    }

    /// What is returned could not be used, and is kept as it was.
    async fn take_up(&mut self, config: Config, mut before: Before<'_>) -> Result<Option<StartError>, StartError> {
        let wanted = keys(&config.listen);
        if worker_count(&config.listen) != self.workers.len() {
            tracing::warn!(running = self.workers.len(), "listen.workers changes only with a restart");
        }
        let own: Vec<ListenAddr> =
            self.open.iter().map(|open| open.bound).chain(self.status_address()).map(ListenAddr).collect();
        let keeps_status = config.listen.status == self.status.as_ref().map(status::Server::addr);
        let status = if keeps_status { None } else { open_status(config.listen.status, &own, &self.board)? };
        let mut fresh = Vec::new();
        for key in wanted.iter().filter(|key| !self.open.iter().any(|open| open.key == **key)) {
            fresh.push(Listener::bind(key.0, key.1, self.workers.len(), &own)?);
        }
        let known = |key: &ListenerKey| {
            let open = self.open.iter().copied().chain(fresh.iter().map(Open::from));
            open.into_iter().find(|open| open.key == *key)
        };
        let open: Vec<Open> = wanted.iter().filter_map(known).collect();
        let watch = Watch::new(&config);
        let issuers = Plan::new(&config.issuers, &self.remotes, &mut before)?;
        let snapshot = snapshot(&config, &self.tickets, &self.shelf, &open, issuers.issuers(), &mut before)?;
        let snapshot = Arc::new(snapshot);
        // Before the snapshot is in force: its requests may want keys.
        let remotes = issuers.start().map_err(StartError::Keys)?;
        self.sockets.allow(snapshot.upstream_sockets);
        self.publish(&snapshot, fresh, &wanted).await;
        self.board.set_snapshot(snapshot);
        if !keeps_status {
            log_status("no longer listening", self.status.as_ref());
            log_status("listening", status.as_ref());
            self.status = status;
        }
        for listener in open.iter().filter(|o| !self.open.iter().any(|old| old.key == o.key)) {
            tracing::info!(address = %listener.bound, kind = %listener.key.0, "listening");
        }
        for closed in self.open.iter().filter(|old| !open.iter().any(|o| o.key == old.key)) {
            tracing::info!(address = %closed.bound, kind = %closed.key.0, "no longer listening");
        }
        (self.open, self.remotes, self.config, self.watch) = (open, remotes, config, watch);
        Ok(before.into_error())
    }

    /// Takes up certificates, keys and secrets that have changed on disk. Of each that cannot be used, what was read before
    /// stays in force, and its next change is waited for: of a pair, the certificate is often there before its key.
    pub async fn follow_files(&mut self) {
        let now = Watch::new(&self.config);
        if !self.watch.wants(&now) {
            return;
        }
        self.watch = now;
        let in_force = self.board.snapshot();
        let before = Before { snapshot: Some(&in_force), ..Before::default() };
        let unusable = self.take_up(self.config.clone(), before).await.unwrap_or_else(Some);
        self.board.reloaded(unusable.is_none());
        match unusable {
            None => tracing::info!("certificates, keys and secrets loaded from disk"),
            Some(error) => {
                let error = Chain(&error);
                tracing::error!(%error, "files have changed on disk and cannot be used; what was read of them before stays in force");
            }
        }
    }

    async fn publish(&self, snapshot: &Arc<Snapshot>, fresh: Vec<Listener>, keep: &[ListenerKey]) {
        let mut acknowledged = Vec::new();
        for (worker, open) in self.workers.iter().zip(deal(fresh, self.workers.len())) {
            let (done, taken) = oneshot::channel();
            let reload = Command::Reload { snapshot: Arc::clone(snapshot), open, keep: keep.to_vec(), done };
            if worker.commands.send(reload).is_ok() {
                acknowledged.push(taken);
            }
        }
        for taken in acknowledged {
            if let Ok(Err(error)) = taken.await {
                tracing::error!(%error, "a worker could not take up a new listener");
            }
        }
    }

    /// Resolves if a worker ends although nobody told it to: the gateway is then no longer whole.
    pub async fn worker_ended(&mut self) {
        // The senders are held by the worker threads, which never send.
        let _ = self.worker_ended.recv().await;
    }

    /// Accepts nothing more, lets requests end and tunnels go on until `limits.drain` is over, then closes what is left.
    /// Returns how many connections had to be cut without having answered a close frame.
    pub async fn drain(&self) -> usize {
        self.board.set_draining();
        self.tell_all(|| Command::Drain);
        let end = Instant::now() + self.config.limits.drain;
        if self.wait_empty(end).await > 0 {
            tracing::info!(connections = self.slots.open(), "the drain time is over: closing what is open");
            self.tell_all(|| Command::CloseTunnels);
        }
        self.wait_empty(Instant::now() + CLOSE_GRACE).await
    }

    async fn wait_empty(&self, end: Instant) -> usize {
        // Connections that the kernel had queued are taken by the workers first.
        tokio::time::sleep(DRAIN_LOOK).await;
        while self.slots.open() > 0 && Instant::now() < end {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        self.slots.open()
    }

    /// Ends the workers, whatever is open.
    pub fn stop(self) {
        self.tell_all(|| Command::Stop);
        for worker in self.workers {
            if worker.thread.join().is_err() {
                tracing::error!("a worker had panicked");
            }
        }
    }

    fn tell_all(&self, command: impl Fn() -> Command) {
        for worker in &self.workers {
            // A worker that has ended has nothing left to be told.
            let _ = worker.commands.send(command());
        }
    }
}

fn open_status(
    addr: Option<ListenAddr>,
    own: &[ListenAddr],
    board: &Arc<Board>,
) -> Result<Option<status::Server>, StartError> {
    let Some(addr) = addr else { return Ok(None) };
    let socket = listen::bind_one(addr, own)?;
    status::Server::start(addr, socket, Arc::clone(board)).map(Some).map_err(StartError::Status)
}

fn log_status(what: &str, server: Option<&status::Server>) {
    if let Some(server) = server {
        tracing::info!(address = %server.bound(), kind = %"status", "{what}");
    }
}

fn worker_count(listen: &ListenSpec) -> usize {
    match listen.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

fn keys(listen: &ListenSpec) -> Vec<ListenerKey> {
    let https = listen.https.iter().map(|addr| (Kind::Https, *addr));
    https.chain(listen.http.iter().map(|addr| (Kind::Http, *addr))).collect()
}

/// Each worker's share of the listeners.
fn deal(listeners: Vec<Listener>, workers: usize) -> Vec<Vec<Share>> {
    let mut hands: Vec<Vec<Share>> = (0..workers).map(|_| Vec::new()).collect();
    for listener in listeners {
        let key = (listener.kind, listener.addr);
        for (hand, socket) in hands.iter_mut().zip(listener.sockets) {
            hand.push(Share { key, socket });
        }
    }
    hands
}

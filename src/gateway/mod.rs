//! The composition root: a configuration becomes a running gateway, is reloaded, and is drained.

mod budget;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustls::ClientConfig;
use tokio::sync::{mpsc, oneshot};
use tracing_appender::non_blocking::NonBlocking;

use crate::addr::ListenAddr;
use crate::config::Config;
use crate::files;
use crate::limits::Limits;
use crate::listen::{BindError, Kind, ListenSpec, Listener};
use crate::route::upstream::{ServerAddr, UpstreamSpec};
use crate::serve::snapshot::Snapshot;
use crate::slot::Slots;
use crate::tls::{self, CertTable, LoadError, Mode, Tickets};
use worker::{Command, Handle, ListenerKey, Setup, Share};

/// After the close frames: for clients to answer them.
const CLOSE_GRACE: Duration = Duration::from_secs(3);

/// How often a drain looks whether everybody has gone.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// A gateway whose files are read and whose addresses are bound, but whose doors are still closed.
#[derive(Debug)]
pub struct Gateway {
    snapshot: Arc<Snapshot>,
    listeners: Vec<Listener>,
    workers: usize,
    tickets: Tickets,
}

impl Gateway {
    /// Reads the certificates and binds the listeners.
    ///
    /// # Errors
    /// What could not be read, made or bound.
    pub fn bind(config: Config) -> Result<Self, StartError> {
        let tickets = Tickets::new().map_err(StartError::Crypto)?;
        let workers = worker_count(&config.listen);
        let mut listeners = Vec::new();
        for key in keys(&config.listen) {
            listeners.push(Listener::bind(key.0, key.1, workers, &[])?);
        }
        let bound: Vec<Open> = listeners.iter().map(Open::from).collect();
        let snapshot = Arc::new(snapshot(config, &tickets, &bound)?);
        Ok(Self { snapshot, listeners, workers, tickets })
    }

    /// Opens the doors. Access lines go to `access`, where one is given.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(self, access: Option<NonBlocking>) -> io::Result<Running> {
        let slots = Slots::new();
        let (ended, worker_ended) = mpsc::channel(1);
        let open: Vec<Open> = self.listeners.iter().map(Open::from).collect();
        let shares = deal(self.listeners, self.workers);
        let mut workers = Vec::new();
        for (number, shares) in shares.into_iter().enumerate() {
            let setup = Setup {
                snapshot: Arc::clone(&self.snapshot),
                shares,
                slots: Arc::clone(&slots),
                access: access.clone(),
            };
            workers.push(worker::spawn(number, setup, ended.clone())?);
        }
        for listener in &open {
            tracing::info!(address = %listener.bound, kind = ?listener.key.0, "listening");
        }
        Ok(Running { workers, open, slots, tickets: self.tickets, limits: self.snapshot.limits.clone(), worker_ended })
    }
}

/// A gateway with open doors.
#[derive(Debug)]
pub struct Running {
    workers: Vec<Handle>,
    open: Vec<Open>,
    slots: Arc<Slots>,
    tickets: Tickets,
    limits: Limits,
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

    /// Client connections that are open, tunnels included.
    pub fn connections(&self) -> usize {
        self.slots.open()
    }

    /// Takes up a configuration whole, or changes nothing.
    ///
    /// # Errors
    /// What could not be read, made or bound.
    pub async fn reload(&mut self, config: Config) -> Result<(), StartError> {
        let wanted = keys(&config.listen);
        if worker_count(&config.listen) != self.workers.len() {
            tracing::warn!(running = self.workers.len(), "listen.workers changes only with a restart");
        }
        let own: Vec<ListenAddr> = self.open.iter().map(|open| ListenAddr(open.bound)).collect();
        let mut fresh = Vec::new();
        for key in wanted.iter().filter(|key| !self.open.iter().any(|open| open.key == **key)) {
            fresh.push(Listener::bind(key.0, key.1, self.workers.len(), &own)?);
        }
        let known = |key: &ListenerKey| {
            let open = self.open.iter().copied().chain(fresh.iter().map(Open::from));
            open.into_iter().find(|open| open.key == *key)
        };
        let open: Vec<Open> = wanted.iter().filter_map(known).collect();
        let snapshot = Arc::new(snapshot(config, &self.tickets, &open)?);
        self.limits = snapshot.limits.clone();
        self.publish(&snapshot, fresh, &wanted).await;
        for listener in open.iter().filter(|o| !self.open.iter().any(|old| old.key == o.key)) {
            tracing::info!(address = %listener.bound, kind = ?listener.key.0, "listening");
        }
        for closed in self.open.iter().filter(|old| !open.iter().any(|o| o.key == old.key)) {
            tracing::info!(address = %closed.bound, kind = ?closed.key.0, "no longer listening");
        }
        self.open = open;
        Ok(())
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
        self.tell_all(|| Command::Drain);
        let end = Instant::now() + self.limits.drain;
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

fn snapshot(config: Config, tickets: &Tickets, open: &[Open]) -> Result<Snapshot, StartError> {
    let (table, warnings) =
        CertTable::load(&config.tls, SystemTime::now(), Mode::Make).map_err(StartError::Certificates)?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    for line in files::missing(&config.routes) {
        tracing::warn!("{line}");
    }
    let upstream_tls = upstream_tls(&config).map_err(StartError::Certificates)?;
    let certificates = Arc::new(table);
    let tls = tls::server_config(&config.tls, Arc::clone(&certificates), tickets).map_err(StartError::Crypto)?;
    let first_https = open.iter().find(|open| open.key.0 == Kind::Https).map(|open| open.bound.port());
    let limits = budget::clamp(config.limits);
    Ok(Snapshot {
        routes: config.routes,
        limits,
        h2_websockets: config.listen.h2_websockets,
        tls,
        upstream_tls,
        certificates,
        log: config.log,
        public_port: config.listen.public_port.or(first_https).unwrap_or(443),
    })
}

/// Whom to trust behind each upstream that speaks TLS.
fn upstream_tls(config: &Config) -> Result<Vec<Option<Arc<ClientConfig>>>, Vec<LoadError>> {
    let mut errors = Vec::new();
    let mut load = |upstream: &UpstreamSpec| {
        let key = format!("upstreams.{}.ca_file", upstream.name);
        let config = tls::client_config(upstream.tls.ca_file.as_deref(), &key);
        config.map_err(|error| errors.push(error)).ok()
    };
    let all = config.routes.upstreams().iter();
    let configs = all.map(|spec| spec.servers.iter().any(ServerAddr::is_tls).then(|| load(spec)).flatten()).collect();
    if errors.is_empty() { Ok(configs) } else { Err(errors) }
}

/// Why the gateway does not start, or a reload changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Certificates or keys.
    #[error("{}", lines(.0))]
    Certificates(Vec<LoadError>),
    /// An address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The cryptographic library.
    #[error("the cryptographic library failed")]
    Crypto(#[source] rustls::Error),
}

fn lines(errors: &[LoadError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

//! A gateway with open doors: reloads, files that change, the drain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::assemble::{Previous, snapshot};
use super::care::CertServices;
use super::error::StartError;
use super::issuers::{Plan, Remotes};
use super::watch::Watch;
use super::{distribute, keys, log_status, worker_count};
use crate::addr::ListenAddr;
use crate::config::Config;
use crate::listen::{self, Kind, Listener};
use crate::serve::shared::SharedState;
use crate::serve::snapshot::Snapshot;
use crate::status;
use crate::status::board::Board;
use crate::telemetry::Chain;
use crate::tls::Tickets;
use crate::worker::{Command, ListenerKey, WorkerHandle};

/// After the close frames: for clients to answer them.
const CLOSE_GRACE: Duration = Duration::from_secs(3);

/// How often a drain looks whether everybody has gone.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// A gateway with open doors.
#[derive(Debug)]
pub struct Running {
    pub(super) workers: Vec<WorkerHandle>,
    pub(super) open: Vec<Open>,
    pub(super) status: Option<status::Server>,
    pub(super) board: Arc<Board>,
    pub(super) shared: Arc<SharedState>,
    pub(super) tickets: Tickets,
    pub(super) care: CertServices,
    pub(super) remotes: Remotes,
    pub(super) config: Config,
    pub(super) watch: Watch,
    pub(super) worker_ended: mpsc::Receiver<()>,
}

/// A listener that the workers have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) key: ListenerKey,
    pub(super) bound: SocketAddr,
}

impl From<&Listener> for Open {
    fn from(listener: &Listener) -> Self {
        Self {
            key: (listener.kind, listener.addr),
            bound: listener.bound,
        }
    }
}

impl Running {
    /// Where it listens, in the order of the configuration.
    pub fn addresses(&self, kind: Kind) -> impl Iterator<Item = SocketAddr> {
        self.open
            .iter()
            .filter(move |open| open.key.0 == kind)
            .map(|open| open.bound)
    }

    /// Where health, metrics and the status page are.
    pub fn status_address(&self) -> Option<SocketAddr> {
        self.status.as_ref().map(status::Server::bound)
    }

    /// Client connections that are open, tunnels included.
    pub fn connections(&self) -> usize {
        self.shared.slots.open()
    }

    /// Takes up a configuration whole, or changes nothing.
    ///
    /// # Errors
    /// What could not be read, made or bound.
    pub async fn reload(&mut self, config: Config) -> Result<(), StartError> {
        let result = self.take_up(config, Previous::default()).await;
        if result.is_err() {
            self.care.give_up();
        }
        self.board.reloaded(result.is_ok());
        result.map(drop)
    }

    /// There was to be a reload, and the configuration was not even one.
    pub fn note_failed_reload(&self) {
        self.board.reloaded(false);
    }

    /// What is returned could not be used, and is kept as it was.
    async fn take_up(
        &mut self,
        config: Config,
        mut before: Previous<'_>,
    ) -> Result<Option<StartError>, StartError> {
        let wanted = keys(&config.listen);
        if worker_count(&config.listen) != self.workers.len() {
            tracing::warn!(
                running = self.workers.len(),
                "listen.workers changes only with a restart"
            );
        }
        let own: Vec<ListenAddr> = self
            .open
            .iter()
            .map(|open| open.bound)
            .chain(self.status_address())
            .map(ListenAddr)
            .collect();
        let keeps_status = config.listen.status == self.status.as_ref().map(status::Server::addr);
        let status = if keeps_status {
            None
        } else {
            open_status(config.listen.status, &own, &self.board)?
        };
        let mut fresh = Vec::new();
        for key in wanted
            .iter()
            .filter(|key| !self.open.iter().any(|open| open.key == **key))
        {
            fresh.push(Listener::bind(key.0, key.1, self.workers.len(), &own)?);
        }
        let known = |key: &ListenerKey| {
            let open = self
                .open
                .iter()
                .copied()
                .chain(fresh.iter().map(Open::from));
            open.into_iter().find(|open| open.key == *key)
        };
        let open: Vec<Open> = wanted.iter().filter_map(known).collect();
        let watch = Watch::new(&config);
        let issuers = Plan::new(&config.issuers, &self.remotes, &mut before)?;
        let orders = self.care.plan(&config, &mut before)?;
        let snapshot = snapshot(
            &config,
            &self.tickets,
            &self.care.shelf,
            &open,
            issuers.issuers(),
            &mut before,
        )?;
        let snapshot = Arc::new(snapshot);
        // Previous the snapshot is in force: its requests may want keys.
        let remotes = issuers.start().map_err(StartError::Background)?;
        self.care
            .start(orders, &config)
            .map_err(StartError::Background)?;
        self.shared.apply(&snapshot);
        self.publish(&snapshot, fresh, &wanted).await;
        self.board.set_snapshot(snapshot);
        if !keeps_status {
            log_status("no longer listening", self.status.as_ref());
            log_status("listening", status.as_ref());
            self.status = status;
        }
        for listener in open
            .iter()
            .filter(|o| !self.open.iter().any(|old| old.key == o.key))
        {
            tracing::info!(address = %listener.bound, kind = %listener.key.0, "listening");
        }
        for closed in self
            .open
            .iter()
            .filter(|old| !open.iter().any(|o| o.key == old.key))
        {
            tracing::info!(address = %closed.bound, kind = %closed.key.0, "no longer listening");
        }
        (self.open, self.remotes, self.config, self.watch) = (open, remotes, config, watch);
        Ok(before.into_error())
    }

    /// Takes up certificates, keys and secrets that have changed on disk. Of each that cannot be
    /// used, what was read before stays in force, and its next change is waited for: of a pair, the
    /// certificate is often there before its key.
    pub async fn follow_files(&mut self) {
        let now = Watch::new(&self.config);
        if !self.watch.wants(&now) {
            return;
        }
        if self.watch.was_clock_set(&now) {
            self.renew_tickets();
        }
        self.watch = now;
        let in_force = self.board.snapshot();
        let before = Previous {
            snapshot: Some(&in_force),
            ..Previous::default()
        };
        let unusable = self
            .take_up(self.config.clone(), before)
            .await
            .unwrap_or_else(Some);
        self.board.reloaded(unusable.is_none());
        match unusable {
            None => tracing::info!("certificates, keys and secrets loaded from disk"),
            Some(error) => {
                let error = Chain(&error);
                tracing::error!(%error, "files have changed on disk and cannot be used; what was read of them before stays in force");
            }
        }
    }

    /// Keys of tickets rotate by the clock: one that was ahead would keep the same ones for as long
    /// as it was. Clients that come back with an older ticket shake hands in full.
    fn renew_tickets(&mut self) {
        tracing::info!("the clock was set: what is judged by it is judged again");
        match Tickets::new() {
            Ok(tickets) => self.tickets = tickets,
            Err(error) => tracing::warn!(%error, "the keys of session tickets stay as they are"),
        }
    }

    pub(super) async fn publish(
        &self,
        snapshot: &Arc<Snapshot>,
        fresh: Vec<Listener>,
        keep: &[ListenerKey],
    ) {
        let mut acknowledged = Vec::new();
        for (worker, open) in self
            .workers
            .iter()
            .zip(distribute(fresh, self.workers.len()))
        {
            let (done, taken) = oneshot::channel();
            let reload = Command::Apply {
                snapshot: Arc::clone(snapshot),
                open,
                keep: keep.to_vec(),
                done,
            };
            if worker.send(reload) {
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

    /// Orders no certificate any more: while this gateway drains, a CA would find its doors closed,
    /// or those of its successor, and who shares the store would have to wait for what failed here.
    pub fn rest(&mut self) {
        self.care.rest();
    }

    /// Accepts nothing more, lets requests end and tunnels go on until `limits.drain` is over, then
    /// closes what is left. Returns how many connections had to be cut without having answered a
    /// close frame.
    pub async fn drain(&self) -> usize {
        self.board.set_draining();
        self.tell_all(|| Command::Drain);
        let end = Instant::now() + self.config.limits.drain;
        if self.wait_empty(end).await > 0 {
            tracing::info!(
                connections = self.shared.slots.open(),
                "the drain time is over: closing what is open"
            );
            self.tell_all(|| Command::CloseTunnels);
        }
        self.wait_empty(Instant::now() + CLOSE_GRACE).await
    }

    async fn wait_empty(&self, end: Instant) -> usize {
        // Connections that the kernel had queued are taken by the workers first.
        tokio::time::sleep(DRAIN_LOOK).await;
        while self.shared.slots.open() > 0 && Instant::now() < end {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        self.shared.slots.open()
    }

    /// Ends the workers, whatever is open.
    pub fn stop(self) {
        self.tell_all(|| Command::Stop);
        for worker in self.workers {
            worker.join();
        }
    }

    fn tell_all(&self, command: impl Fn() -> Command) {
        for worker in &self.workers {
            // A worker that has stopped has nothing left to do.
            let _ = worker.send(command());
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
    status::Server::start(addr, socket, Arc::clone(board))
        .map(Some)
        .map_err(StartError::Status)
}

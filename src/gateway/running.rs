//! A gateway that accepts connections.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::issuers::KeyTasks;
use super::listeners::{OpenListener, distribute};
use super::memory_watch::MemoryWatch;
use super::older::OlderOffers;
use super::services::CertServices;
use super::watch::FileWatch;
use crate::acme::{AcmeSpec, RenewError, RenewMode};
use crate::config::Config;
use crate::health::ProbeTasks;
use crate::listen::{Kind, Listener};
use crate::serve::shared::SharedState;
use crate::serve::snapshot::Snapshot;
use crate::status;
use crate::status::board::Board;
use crate::tls::challenges::Challenges;
use crate::tls::{CertCache, Tickets};
use crate::worker::{Command, ListenerKey, Watchdog, WorkerHandle};

/// A gateway that accepts connections.
#[derive(Debug)]
pub struct Running {
    pub(super) workers: Vec<WorkerHandle>,
    pub(super) listeners: Vec<OpenListener>,
    pub(super) status: Option<status::Server>,
    pub(super) board: Arc<Board>,
    pub(super) shared: Arc<SharedState>,
    pub(super) tickets: Tickets,
    pub(super) services: CertServices,
    pub(super) key_tasks: KeyTasks,
    pub(super) probe_tasks: ProbeTasks,
    pub(super) config: Config,
    pub(super) watch: FileWatch,
    pub(super) _memory_watch: Option<MemoryWatch>,
    pub(super) older_offers: OlderOffers,
    /// Closed when a worker ends.
    pub(super) worker_ended: mpsc::Receiver<()>,
    pub(super) _watchdog: Watchdog,
}

impl Running {
    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The addresses of its listeners, in the order of the configuration.
    pub fn addresses(&self, kind: Kind) -> impl Iterator<Item = SocketAddr> {
        let listeners = self.listeners.iter();
        listeners
            .filter(move |listener| listener.key.0 == kind)
            .map(|listener| listener.bound)
    }

    /// The address of the status listener.
    pub fn status_address(&self) -> Option<SocketAddr> {
        self.status.as_ref().map(status::Server::bound)
    }

    /// Open client connections, tunnels included.
    pub fn connections(&self) -> usize {
        self.shared.slots.open()
    }

    /// Open WebSockets.
    pub fn tunnels(&self) -> u64 {
        self.board.tunnels()
    }

    /// How many workers have stalled: they have not ticked for five seconds.
    pub fn stalled_workers(&self) -> usize {
        self.board.stalled_workers()
    }

    /// Certificates that are served beside those of `[tls]`. When it changes,
    /// [`Running::follow_certificates`] is due.
    pub fn cert_cache(&self) -> &Arc<CertCache> {
        &self.services.cert_cache
    }

    /// Answers for CAs that validate a name.
    pub fn challenges(&self) -> &Arc<Challenges> {
        &self.services.challenges
    }

    /// `[acme]` as it is in force.
    pub fn acme(&self) -> Option<&AcmeSpec> {
        self.config.acme.as_ref()
    }

    /// Orders a certificate now; see [`crate::acme::CertTasks::renew`].
    pub fn renew_certificate(
        &self,
        name: &str,
        mode: RenewMode,
    ) -> impl Future<Output = Result<(), RenewError>> + Send + use<> {
        self.services.renew(name, mode)
    }

    /// Resolves if a worker ends unexpectedly: the gateway is then no longer complete.
    pub async fn worker_ended(&mut self) {
        // The senders are held by the worker threads, which never send.
        let _ = self.worker_ended.recv().await;
    }

    /// Puts a snapshot into force on all workers, and waits until they have applied it.
    pub(super) async fn publish(
        &self,
        snapshot: &Arc<Snapshot>,
        new: Vec<Listener>,
        keep: &[ListenerKey],
    ) {
        let mut outcomes = Vec::new();
        let sockets = distribute(new, self.workers.len());
        for (worker, open) in self.workers.iter().zip(sockets) {
            let (done, outcome) = oneshot::channel();
            let apply = Command::Apply {
                snapshot: Arc::clone(snapshot),
                open,
                keep: keep.to_vec(),
                done,
            };
            if worker.send(apply) {
                outcomes.push(outcome);
            }
        }
        for outcome in outcomes {
            if let Ok(Err(error)) = outcome.await {
                tracing::error!(%error, "a worker could not apply the configuration");
            }
        }
        self.board.set_snapshot(Arc::clone(snapshot));
    }

    pub(super) fn send_all(&self, command: impl Fn() -> Command) {
        for worker in &self.workers {
            // A worker that has stopped has nothing left to do.
            let _ = worker.send(command());
        }
    }
}

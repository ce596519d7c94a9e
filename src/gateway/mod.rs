//! The composition root: a configuration becomes a running gateway, is reloaded, and is drained.

mod assemble;
mod budget;
mod care;
mod certificates;
mod error;
mod issuers;
mod running;
mod watch;

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing_appender::non_blocking::NonBlocking;

use crate::acme;
use crate::addr::ListenAddr;
use crate::auth::Tagger;
use crate::config::Config;
use crate::listen::{self, Kind, ListenSpec, Listener};
use crate::resolve::Resolver;
use crate::serve::shared::SharedState;
use crate::serve::snapshot::Snapshot;
use crate::status;
use crate::status::board::Board;
use crate::telemetry::metrics::WorkerMetrics;
use crate::tls::{CertCache, Tickets};
use crate::worker::{self, ListenerKey, ListenerSocket, Setup};
use assemble::{Previous, snapshot};
use care::CertServices;
use issuers::{Plan, Remotes};
use running::Open;
use watch::Watch;

pub use error::StartError;
pub use running::Running;
pub use watch::LOOK;

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
    care: CertServices,
    orders: acme::Plan,
    config: Config,
    watch: Watch,
    resolver: Resolver,
}

impl Gateway {
    /// Reads the certificates and binds the listeners.
    ///
    /// # Errors
    /// What could not be read, made or bound.
    pub fn bind(config: Config) -> Result<Self, StartError> {
        Self::bind_with(config, CertCache::new())
    }

    /// The same with ordered certificates that are there already. Those that are still to come are
    /// not waited for.
    ///
    /// # Errors
    /// What could not be read, made or bound.
    pub fn bind_with(config: Config, shelf: Arc<CertCache>) -> Result<Self, StartError> {
        let tickets = Tickets::new().map_err(StartError::Crypto)?;
        let tagger =
            Tagger::new().map_err(|_| StartError::Crypto(rustls::Error::FailedToGetRandomBytes))?;
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
        let issuers = Plan::new(
            &config.issuers,
            &Remotes::default(),
            &mut Previous::default(),
        )
        .map_err(|error| errors.push(error))
        .ok();
        let given = issuers.as_ref().map(Plan::issuers).unwrap_or_default();
        let care = CertServices::new(shelf);
        let orders = care
            .plan(&config, &mut Previous::default())
            .map_err(|error| errors.push(error))
            .ok();
        let snapshot = snapshot(
            &config,
            &tickets,
            &care.shelf,
            &bound,
            given,
            &mut Previous::default(),
        )
        .map_err(|error| errors.push(error))
        .ok();
        match (snapshot, issuers, orders) {
            (Some(snapshot), Some(issuers), Some(orders)) if errors.is_empty() => {
                let snapshot = Arc::new(snapshot);
                let resolver = Resolver::system();
                Ok(Self {
                    snapshot,
                    issuers,
                    listeners,
                    status,
                    workers,
                    tickets,
                    tagger,
                    care,
                    orders,
                    config,
                    watch,
                    resolver,
                })
            }
            _ => Err(StartError::Several(errors)),
        }
    }

    /// Has the names of servers looked up by another resolver than the system's.
    pub fn resolve_by(self, resolver: Resolver) -> Self {
        Self { resolver, ..self }
    }

    /// Opens the doors. Access lines go to `access`, where one is given.
    ///
    /// # Errors
    /// When a thread cannot be started, or when there is a status listener, or an issuer whose keys
    /// are to be fetched, and no runtime that it could run on.
    pub fn start(mut self, access: Option<NonBlocking>) -> io::Result<Running> {
        let remotes = self.issuers.start()?;
        self.care.start(self.orders, &self.config)?;
        let shared = SharedState::new(
            &self.snapshot,
            self.tagger,
            Arc::clone(&self.care.challenges),
            self.resolver,
            access,
        );
        let (ended, worker_ended) = mpsc::channel(1);
        let open: Vec<Open> = self.listeners.iter().map(Open::from).collect();
        let sockets = distribute(self.listeners, self.workers);
        let metrics: Vec<_> = (0..self.workers).map(|_| WorkerMetrics::new()).collect();
        let board = Board::new(
            metrics.clone(),
            Arc::clone(&shared.slots),
            Arc::clone(&self.snapshot),
            self.care.looks(),
        );
        let status = self
            .status
            .map(|(addr, socket)| status::Server::start(addr, socket, Arc::clone(&board)));
        let status = status.transpose()?;
        let mut workers = Vec::new();
        for ((number, sockets), metrics) in sockets.into_iter().enumerate().zip(metrics) {
            let setup = Setup {
                snapshot: Arc::clone(&self.snapshot),
                sockets,
                shared: Arc::clone(&shared),
                metrics,
            };
            workers.push(worker::spawn(number, setup, ended.clone())?);
        }
        for listener in &open {
            tracing::info!(address = %listener.bound, kind = %listener.key.0, "listening");
        }
        log_status("listening", status.as_ref());
        let Self {
            tickets,
            care,
            config,
            watch,
            ..
        } = self;
        Ok(Running {
            workers,
            open,
            status,
            board,
            shared,
            tickets,
            care,
            remotes,
            config,
            watch,
            worker_ended,
        })
    }
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
    https
        .chain(listen.http.iter().map(|addr| (Kind::Http, *addr)))
        .collect()
}

/// The listening sockets of each worker.
fn distribute(listeners: Vec<Listener>, workers: usize) -> Vec<Vec<ListenerSocket>> {
    let mut all: Vec<Vec<ListenerSocket>> = (0..workers).map(|_| Vec::new()).collect();
    for listener in listeners {
        let key = (listener.kind, listener.addr);
        for (sockets, socket) in all.iter_mut().zip(listener.sockets) {
            sockets.push(ListenerSocket { key, socket });
        }
    }
    all
}

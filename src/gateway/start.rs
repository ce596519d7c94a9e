//! The start of a gateway: first its addresses are bound and its files are read, then it accepts
//! connections.

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing_appender::non_blocking::NonBlocking;

use super::error::{Problems, StartError};
use super::handed::{Early, Late};
use super::issuers::KeyTasks;
use super::listeners::{self, distribute, worker_count};
use super::memory_watch::MemoryWatch;
use super::older::take;
use super::prepare::{InForce, Prepared, prepare};
use super::previous::Previous;
use super::probes;
use super::running::Running;
use super::services::CertServices;
use crate::auth::Tagger;
use crate::config::Config;
use crate::health::ProbeTasks;
use crate::listen::Inherited;
use crate::resolve::Resolver;
use crate::serve::shared::SharedState;
use crate::status::board::Board;
use crate::telemetry::audit::{AuditChange, AuditLog};
use crate::telemetry::metrics::WorkerMetrics;
use crate::tls::{CertCache, Tickets};
use crate::worker::{self, Setup, Watchdog};

/// A gateway whose files are read and whose addresses are bound, but which accepts no connections
/// yet.
#[derive(Debug)]
pub struct Gateway {
    prepared: Prepared,
    workers: usize,
    tickets: Tickets,
    tagger: Arc<Tagger>,
    services: CertServices,
    resolver: Resolver,
    audit: Arc<AuditLog>,
    audit_change: AuditChange,
}

impl Gateway {
    /// Reads the files and binds the listeners.
    ///
    /// # Errors
    /// Every problem.
    pub fn bind(config: Config) -> Result<Self, StartError> {
        Self::bind_with(config, CertCache::new())
    }

    /// The same with sockets that the process was started with, and what the process that it
    /// replaces has handed over.
    ///
    /// # Errors
    /// Every problem, also a socket that is not one of the configuration.
    pub fn adopt(config: Config, inherited: Inherited, early: Early) -> Result<Self, StartError> {
        Self::make(config, CertCache::new(), inherited, early)
    }

    /// The same with a cache that holds ordered certificates already. Certificates that are not in
    /// it yet are not waited for.
    ///
    /// # Errors
    /// Every problem.
    pub fn bind_with(config: Config, cache: Arc<CertCache>) -> Result<Self, StartError> {
        Self::make(config, cache, Inherited::default(), Early::default())
    }

    fn make(
        config: Config,
        cache: Arc<CertCache>,
        mut inherited: Inherited,
        early: Early,
    ) -> Result<Self, StartError> {
        let tickets = Tickets::handed_over(early.tickets).map_err(StartError::Crypto)?;
        let tagger = Tagger::new(early.tagger)
            .map_err(|_| StartError::Crypto(rustls::Error::FailedToGetRandomBytes))?;
        let services = CertServices::new(cache);
        let workers = worker_count(&config.listen);
        let in_force = InForce {
            listeners: &[],
            status: None,
            workers,
            tickets: &tickets,
            services: &services,
            key_tasks: &KeyTasks::default(),
            handed_keys: &early.keys,
            snapshot: None,
        };
        let (audit, mut problems) = (AuditLog::new(), Problems::default());
        let audit_change = problems.note(audit.open(&config.log.audit));
        let prepared = prepare(
            config,
            &in_force,
            &mut inherited,
            &mut Previous::default(),
            problems,
        )?;
        Ok(Self {
            prepared,
            workers,
            tickets,
            tagger,
            services,
            resolver: Resolver::system(),
            audit,
            audit_change: audit_change.unwrap_or_default(),
        })
    }

    /// Uses another resolver than the system's for the names of servers.
    pub fn resolve_by(self, resolver: Resolver) -> Self {
        Self { resolver, ..self }
    }

    /// Starts to accept connections. Access lines go to `access`, if there is one.
    ///
    /// # Errors
    /// If a thread cannot be started, or if there is something to run in the background (the status
    /// listener, keys to fetch, certificates to order) and this is not called on a runtime.
    pub fn start(self, access: Option<NonBlocking>) -> io::Result<Running> {
        self.start_with(Late::default(), access)
    }

    /// The same with what the process that this one replaces has handed over last.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn start_with(self, late: Late, access: Option<NonBlocking>) -> io::Result<Running> {
        let Self {
            prepared,
            workers,
            tickets,
            tagger,
            mut services,
            resolver,
            audit,
            audit_change,
        } = self;
        audit.apply(audit_change);
        let snapshot = prepared.snapshot;
        let key_tasks = prepared.issuers.start()?;
        let mut probe_tasks = ProbeTasks::default();
        probe_tasks.follow(probes::targets(&snapshot, &resolver))?;
        services.start(prepared.orders, &prepared.config)?;
        let challenges = Arc::clone(&services.challenges);
        let shared = SharedState::new(
            &snapshot, workers, tagger, challenges, resolver, access, audit,
        );
        let (tokens, older_offers) = take(late, &snapshot, &shared);
        let metrics: Vec<_> = (0..workers).map(|_| WorkerMetrics::new()).collect();
        let board = Board::new(
            metrics.clone(),
            Arc::clone(&shared),
            Arc::clone(&snapshot),
            services.looks(),
        );
        let memory_watch = MemoryWatch::start(&shared.memory)?;
        let started = prepared.status.start(&board)?;
        let watchdog = Watchdog::start(metrics.clone())?;
        let (ended, worker_ended) = mpsc::channel(1);
        let sockets = distribute(prepared.new_listeners, workers).into_iter();
        let (peers, inboxes) = worker::peers(workers);
        let each = sockets.zip(metrics).zip(peers).zip(inboxes);
        let setups = each.map(|(((sockets, metrics), peers), inbox)| Setup {
            snapshot: Arc::clone(&snapshot),
            tokens: Arc::clone(&tokens),
            sockets,
            shared: Arc::clone(&shared),
            metrics,
            peers,
            inbox,
        });
        let workers = setups
            .map(|setup| worker::spawn(setup, ended.clone()))
            .collect::<io::Result<_>>()?;
        listeners::log_changes(&[], &prepared.listeners);
        let mut status = None;
        started.replace(&mut status);
        Ok(Running {
            workers,
            listeners: prepared.listeners,
            status,
            board,
            shared,
            tickets,
            services,
            key_tasks,
            probe_tasks,
            config: prepared.config,
            watch: prepared.watch,
            _memory_watch: memory_watch,
            older_offers,
            worker_ended,
            _watchdog: watchdog,
        })
    }
}

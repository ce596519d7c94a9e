//! Changes of a running gateway: another configuration, files that have changed on disk, and
//! certificates that were ordered.

use std::sync::Arc;

use super::certificates;
use super::error::{Problems, StartError};
use super::listeners::{self, worker_count};
use super::prepare::{InForce, Prepared, prepare};
use super::previous::Previous;
use super::probes;
use super::running::Running;
use super::watch::FileWatch;
use crate::config::Config;
use crate::control::OpenError;
use crate::listen::Inherited;
use crate::telemetry::Chain;
use crate::tls::Tickets;
use crate::worker::ListenerKey;

impl Running {
    /// Puts a configuration into force as a whole, or changes nothing. With a control socket that
    /// could not be opened, nothing changes.
    ///
    /// # Errors
    /// Every problem, as at a start.
    pub async fn reload(
        &mut self,
        config: Config,
        socket: Option<OpenError>,
    ) -> Result<(), StartError> {
        let mut problems = Problems::default();
        if let Some(error) = socket {
            problems.push(error.into());
        }
        // Not with the files that are watched: only a reload opens it again, and one that cannot be
        // opened keeps no certificate from being renewed.
        let audit = problems.note(self.shared.audit.open(&config.log.audit));
        let mut previous = Previous::default();
        let result = self.replace(config, &mut previous, problems).await;
        match &result {
            Ok(()) => {
                self.shared.audit.apply(audit.unwrap_or_default());
                self.board.reloaded(true);
            }
            Err(_) => self.note_failed_reload(),
        }
        Ok(result?)
    }

    /// The number of workers, and that of a configuration, if they differ: threads are started
    /// only with the process.
    pub fn other_workers(&self, config: &Config) -> Option<(usize, usize)> {
        let counts = (self.workers.len(), worker_count(&config.listen));
        (counts.0 != counts.1).then_some(counts)
    }

    /// Records that a reload failed, panicked, or never began because the configuration could not
    /// be read.
    pub fn note_failed_reload(&self) {
        self.services.rollback();
        self.shared.audit.reopen();
        self.board.reloaded(false);
    }

    /// Applies certificates, keys and secrets that have changed on disk. If one of them cannot be
    /// used, what was read before stays in force until the file changes again: of a pair, the
    /// certificate is often written before its key.
    pub async fn follow_files(&mut self) {
        let now = FileWatch::new(&self.config);
        if !self.watch.is_due(&now) {
            return;
        }
        if self.watch.was_clock_set(&now) {
            self.renew_tickets();
        }
        self.watch = now;
        let in_force = self.board.snapshot();
        let mut previous = Previous {
            snapshot: Some(&in_force),
            ..Previous::default()
        };
        let config = self.config.clone();
        let replaced = self.replace(config, &mut previous, Problems::default());
        let mut problems = match replaced.await {
            Ok(()) => Vec::new(),
            Err(problems) => problems,
        };
        problems.extend(previous.into_problems());
        self.board.reloaded(problems.is_empty());
        if problems.is_empty() {
            tracing::info!("certificates, keys and secrets loaded from disk");
        } else {
            let error = StartError::Several(problems);
            for error in Chain(&error).to_string().lines() {
                tracing::error!(
                    error,
                    "files have changed on disk and cannot be used; what was read of them before \
                     stays in force"
                );
            }
        }
    }

    /// The keys of session tickets rotate by the clock: while the clock was ahead they did not. A
    /// client that returns with an older ticket makes a full handshake.
    fn renew_tickets(&mut self) {
        tracing::info!("the clock was set: certificates and permissions are judged again");
        match Tickets::new() {
            Ok(tickets) => self.tickets = tickets,
            Err(error) => tracing::warn!(%error, "the keys of session tickets stay as they are"),
        }
    }

    async fn replace(
        &mut self,
        config: Config,
        previous: &mut Previous<'_>,
        problems: Problems,
    ) -> Result<(), Vec<StartError>> {
        let snapshot = self.board.snapshot();
        let in_force = InForce {
            listeners: &self.listeners,
            status: self
                .status
                .as_ref()
                .map(|server| (server.addr(), server.bound())),
            workers: self.workers.len(),
            tickets: &self.tickets,
            services: &self.services,
            key_tasks: &self.key_tasks,
            handed_keys: &[],
            snapshot: Some(&snapshot),
        };
        let mut inherited = Inherited::default();
        let prepared = prepare(config, &in_force, &mut inherited, previous, problems)?;
        self.apply(prepared).await.map_err(|error| vec![error])
    }

    /// Puts into force what is prepared. What may fail comes first.
    async fn apply(&mut self, prepared: Prepared) -> Result<(), StartError> {
        let status = prepared.status.start(&self.board);
        let status = status.map_err(StartError::Status)?;
        // The requests of the new snapshot may need issuers' keys.
        let key_tasks = prepared.issuers.start().map_err(StartError::Background)?;
        let probed = probes::targets(&prepared.snapshot, &self.shared.resolver);
        self.probe_tasks
            .follow(probed)
            .map_err(StartError::Background)?;
        self.services
            .start(prepared.orders, &prepared.config)
            .map_err(StartError::Background)?;
        self.shared.apply(&prepared.snapshot);
        let listeners = prepared.listeners;
        let keep: Vec<ListenerKey> = listeners.iter().map(|listener| listener.key).collect();
        self.publish(&prepared.snapshot, prepared.new_listeners, &keep)
            .await;
        status.replace(&mut self.status);
        let closed_or_kept = std::mem::replace(&mut self.listeners, listeners);
        self.key_tasks = key_tasks;
        self.config = prepared.config;
        self.watch = prepared.watch;
        listeners::log_changes(&closed_or_kept, &self.listeners);
        Ok(())
    }

    /// Puts the certificates of the cache into force; everything else stays as it is. New
    /// handshakes get them, and open connections go on.
    pub async fn follow_certificates(&mut self) {
        let in_force = self.board.snapshot();
        let cache = &self.services.cert_cache;
        match certificates::follow(&in_force, &self.config, cache, &self.tickets) {
            Ok(snapshot) => {
                let keep: Vec<_> = self.listeners.iter().map(|open| open.key).collect();
                self.publish(&Arc::new(snapshot), Vec::new(), &keep).await;
                tracing::info!("ordered certificates applied");
            }
            Err(error) => {
                let error = Chain(&error);
                tracing::error!(
                    %error,
                    "ordered certificates could not be applied; those in force stay"
                );
            }
        }
    }
}

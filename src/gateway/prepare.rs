//! From a configuration to everything that it takes to put it into force. A start, a reload and a
//! change of files all come through here, and fail before anything has changed.
//!
//! ```text
//! Config ─▶ listeners bound ─▶ files stamped ─▶ issuers ─▶ orders ─▶ snapshot ─▶ Prepared
//! ```

use std::net::SocketAddr;
use std::sync::Arc;

use super::error::{Problems, StartError};
use super::issuers::{HandedKeys, IssuerPlan, KeyTasks};
use super::listeners::{self, OpenListener};
use super::previous::Previous;
use super::services::CertServices;
use super::snapshot::snapshot;
use super::status::StatusChange;
use super::watch::FileWatch;
use crate::acme;
use crate::addr::ListenAddr;
use crate::config::Config;
use crate::listen::{Inherited, Listener};
use crate::serve::snapshot::Snapshot;
use crate::tls::Tickets;

/// What runs already and is kept where the configuration still asks for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct InForce<'a> {
    /// Listeners that the workers have.
    pub(super) listeners: &'a [OpenListener],
    /// The status listener: its address as configured, and as bound.
    pub(super) status: Option<(ListenAddr, SocketAddr)>,
    /// The number of workers.
    pub(super) workers: usize,
    pub(super) tickets: &'a Tickets,
    pub(super) services: &'a CertServices,
    pub(super) key_tasks: &'a KeyTasks,
    /// Keys that another process has handed over.
    pub(super) handed_keys: &'a [HandedKeys],
    /// `None` at a start.
    pub(super) snapshot: Option<&'a Snapshot>,
}

/// A configuration that can be put into force: its addresses are bound and its files are read.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) config: Config,
    pub(super) watch: FileWatch,
    /// Every listener of the configuration, in its order.
    pub(super) listeners: Vec<OpenListener>,
    /// Those of them that the workers do not have yet.
    pub(super) new_listeners: Vec<Listener>,
    pub(super) status: StatusChange,
    pub(super) issuers: IssuerPlan,
    pub(super) orders: acme::Plan,
    pub(super) snapshot: Arc<Snapshot>,
}

/// Prepares a configuration. Nothing that is in force changes yet. `inherited` are sockets that the
/// process was started with, and `problems` those that have been found before.
///
/// # Errors
/// Every problem.
pub(super) fn prepare(
    config: Config,
    in_force: &InForce<'_>,
    inherited: &mut Inherited,
    previous: &mut Previous<'_>,
    mut problems: Problems,
) -> Result<Prepared, Vec<StartError>> {
    let mut own = in_force.addresses();
    own.extend(inherited.addresses());
    let new_listeners = bind_new(&config, in_force, inherited, &own, &mut problems);
    let running = in_force.status.map(|(addr, _)| addr);
    let status = StatusChange::bind(&config.listen, running, inherited, &own);
    let status = problems.note(status);
    for unknown in inherited.unknown() {
        problems.push(unknown.into());
    }
    let listeners = in_force.with(&new_listeners, &config);
    // Stamped before they are read: a file that changes in between is read again.
    let watch = FileWatch::new(&config);
    let plan = IssuerPlan::new(
        &config.issuers,
        in_force.key_tasks,
        in_force.handed_keys,
        previous,
    );
    let issuers = problems.note(plan);
    let orders = problems.note(in_force.services.plan(&config, previous));
    let given = issuers.as_ref().map(IssuerPlan::issuers);
    let certificates = &in_force.services.cert_cache;
    let snapshot = problems.note_all(snapshot(
        &config,
        in_force.tickets,
        certificates,
        &listeners,
        given.unwrap_or_default(),
        in_force.snapshot,
        previous,
    ));
    match (status, issuers, orders, snapshot) {
        (Some(status), Some(issuers), Some(orders), Some(snapshot)) if problems.is_empty() => {
            Ok(Prepared {
                config,
                watch,
                listeners,
                new_listeners,
                status,
                issuers,
                orders,
                snapshot: Arc::new(snapshot),
            })
        }
        _ => Err(problems.into_errors()),
    }
}

/// Binds the listeners that the workers do not have yet.
fn bind_new(
    config: &Config,
    in_force: &InForce<'_>,
    inherited: &mut Inherited,
    own: &[ListenAddr],
    problems: &mut Problems,
) -> Vec<Listener> {
    let (freebind, workers) = (config.listen.freebind, in_force.workers);
    listeners::keys(&config.listen)
        .into_iter()
        .filter(|key| listeners::find(in_force.listeners, *key).is_none())
        .filter_map(|(kind, addr)| {
            let sockets = inherited.take_tcp(addr, &kind.to_string());
            problems.note(match sockets.is_empty() {
                true => Listener::bind(kind, addr, workers, own, freebind),
                false => Listener::adopt(kind, addr, sockets, workers, freebind),
            })
        })
        .collect()
}

impl InForce<'_> {
    /// The addresses that this gateway has bound itself.
    fn addresses(&self) -> Vec<ListenAddr> {
        let listeners = self.listeners.iter().map(|listener| listener.bound);
        let status = self.status.map(|(_, bound)| bound);
        listeners.chain(status).map(ListenAddr).collect()
    }

    /// The listeners of a configuration: those that are in force, and the new ones.
    fn with(&self, new: &[Listener], config: &Config) -> Vec<OpenListener> {
        let new: Vec<OpenListener> = new.iter().map(OpenListener::from).collect();
        let known = |key| {
            listeners::find(self.listeners, key)
                .or_else(|| listeners::find(&new, key))
                .copied()
        };
        let keys = listeners::keys(&config.listen).into_iter();
        keys.filter_map(known).collect()
    }
}

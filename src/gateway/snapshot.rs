//! The snapshot of a configuration: what the configuration says, with the files that it names.

use std::sync::Arc;

use rustls::ClientConfig;

use super::error::{Problems, StartError};
use super::listeners::OpenListener;
use super::previous::Previous;
use super::{budget, certificates};
use crate::auth::passwords::{self, Users};
use crate::config::Config;
use crate::files::{self, Guard};
use crate::limits::Limits;
use crate::listen::Kind;
use crate::route::health::ServerState;
use crate::route::upstream::{ServerAddr, UpstreamSpec, UpstreamTls};
use crate::serve::snapshot::{Snapshot, Upstream};
use crate::signalling::Backend;
use crate::signalling::janus::{self, Credentials};
use crate::signalling::owners::Owners;
use crate::tls::{self, CertCache, LoadError, ServerSettings, Tickets, UpstreamFiles};
use crate::token::issuer::Issuer;
use crate::turn::{self, Turn};

/// Reads the files of a configuration and makes its snapshot.
///
/// # Errors
/// Every problem with the files. Those for which there is something to fall back on are noted in
/// `previous` instead.
pub(super) fn snapshot(
    config: &Config,
    tickets: &Tickets,
    cache: &CertCache,
    listeners: &[OpenListener],
    issuers: Vec<Arc<Issuer>>,
    in_force: Option<&Snapshot>,
    previous: &mut Previous<'_>,
) -> Result<Snapshot, Vec<StartError>> {
    let mut problems = Problems::default();
    let named = config.files();
    let overlaps = files::overlaps(&config.routes, &named);
    if !overlaps.is_empty() {
        problems.push(StartError::Files(overlaps));
    }
    let table = problems.note(certificates::table(config, cache, previous));
    let credentials = credentials(config, previous).map_err(StartError::Credentials);
    let credentials = problems.note(credentials).unwrap_or_default();
    let upstreams = upstreams(config, credentials, in_force, previous);
    let upstreams = problems.note(upstreams.map_err(StartError::Certificates));
    for line in files::missing(&config.routes) {
        tracing::warn!("{line}");
    }
    let turns = problems.note(turns(config, previous).map_err(StartError::Turn));
    let passwords = passwords(config, previous).map_err(StartError::Passwords);
    let passwords = problems.note(passwords).unwrap_or_default();
    let certificates = table.map(Arc::new);
    let authority = certificates::client_authority(config, previous, in_force);
    let client_authority = problems.note(authority).flatten();
    let tls = certificates.as_ref().and_then(|certificates| {
        let asks = client_authority.as_ref();
        let settings = ServerSettings::new(&config.tls, certificates, tickets, asks);
        problems.note(settings.map(Arc::new).map_err(StartError::Crypto))
    });
    let (Some(certificates), Some(tls), Some(upstreams), Some(turns)) =
        (certificates, tls, upstreams, turns)
    else {
        return Err(problems.into_errors());
    };
    if !problems.is_empty() {
        return Err(problems.into_errors());
    }
    let listen = &config.listen;
    let budget = budget::spend(&budget::Wants::of(config));
    let tls_ports = tls_ports(listeners);
    let first_tls_port = tls_ports.first().copied();
    Ok(Snapshot {
        routes: Arc::clone(&config.routes),
        upstreams,
        guard: Guard::new(named),
        limits: limits(config, &budget),
        upstream_sockets: budget.upstream_sockets,
        open_files: budget.open_files,
        has_plain: !listen.plain.is_empty(),
        plain_for_everybody: listen.plain_for_everybody,
        health_path: listen.health_path.clone(),
        h2_websockets: listen.h2_websockets,
        issuers,
        turns,
        passwords,
        passthrough: config.passthrough.clone(),
        balancers: listen.proxy_protocol.clone(),
        trusted_proxies: listen.trusted_proxies.clone(),
        client_address_header: listen.client_address_header.clone(),
        tls,
        default_certificate: config.tls.default,
        certificates,
        client_authority,
        log: config.log.clone(),
        public_port: listen.public_port.or(first_tls_port).unwrap_or(443),
        proxy_port: listen.public_port.unwrap_or(443),
        tls_ports,
        status_hosts: listen.status_hosts.clone(),
    })
}

fn tls_ports(listeners: &[OpenListener]) -> Vec<u16> {
    let https = listeners
        .iter()
        .filter(|listener| listener.key.0 == Kind::Https);
    https.map(|listener| listener.bound.port()).collect()
}

fn limits(config: &Config, budget: &budget::Budget) -> Limits {
    let mut limits = Limits {
        connections: budget.connections,
        connections_per_client: budget.connections_per_client,
        handshakes: handshakes(config.limits.handshakes, budget.connections),
        ..config.limits.clone()
    };
    // Many clients share the connections of a proxy.
    let proxies = config.listen.trusted_proxies.listed();
    limits.exempt = [limits.exempt.listed(), proxies]
        .concat()
        .into_iter()
        .collect();
    limits
}

/// Fewer handshakes than this are not limited on account of `limits.connections`.
const FEW_HANDSHAKES: usize = 100;

/// Silent clients get at most three quarters of the connections. With fewer, those who connect all
/// at once and are slow would be taken for a flood.
fn handshakes(wanted: usize, connections: usize) -> usize {
    wanted.min((connections / 4 * 3).max(FEW_HANDSHAKES))
}

/// The upstreams with the CAs that they trust. The credentials are in the same order.
fn upstreams(
    config: &Config,
    credentials: Vec<Credentials>,
    in_force: Option<&Snapshot>,
    previous: &mut Previous<'_>,
) -> Result<Vec<Upstream>, Vec<LoadError>> {
    let (mut upstreams, mut errors) = (Vec::new(), Vec::new());
    let mut credentials = credentials.into_iter();
    for (at, spec) in config.routes.upstreams().iter().enumerate() {
        let credentials = credentials.next().unwrap_or_default();
        match upstream_tls(at, spec, previous) {
            Ok(tls) => {
                let owners = owners(spec, in_force);
                upstreams.push(Upstream {
                    spec: Arc::clone(spec),
                    states: states(spec, in_force),
                    tls,
                    backend: backend(spec, credentials, owners.as_ref()),
                    owners,
                });
            }
            Err(error) => errors.push(error),
        }
    }
    all_or_errors(upstreams, errors)
}

/// TLS settings for the servers of an upstream; `None` if none of them speaks TLS.
fn upstream_tls(
    at: usize,
    spec: &UpstreamSpec,
    previous: &mut Previous<'_>,
) -> Result<Option<Arc<ClientConfig>>, LoadError> {
    if !spec.servers.iter().any(ServerAddr::is_tls) {
        return Ok(None);
    }
    let (key, tls) = (format!("upstreams.{}", spec.name), &spec.tls);
    match tls::upstream_config(upstream_files(tls), &key) {
        Ok(tls) => Ok(Some(tls)),
        Err(error) => {
            let old = previous.snapshot.and_then(|old| old.upstreams.get(at));
            let Some(tls) = old.and_then(|old| old.tls.clone()) else {
                return Err(error);
            };
            previous.certificates.push(error);
            Ok(Some(tls))
        }
    }
}

/// What is read for the connections to an upstream.
pub fn upstream_files(tls: &UpstreamTls) -> UpstreamFiles<'_> {
    let shown = tls.client_cert.as_ref();
    UpstreamFiles {
        ca_file: tls.ca_file.as_deref(),
        pins: &tls.pins,
        client_cert: shown.map(|shown| (&*shown.cert, &*shown.key)),
    }
}

/// The secrets that go into messages to each upstream; empty where it names none.
fn credentials(
    config: &Config,
    previous: &mut Previous<'_>,
) -> Result<Vec<Credentials>, Vec<janus::LoadError>> {
    let (mut all, mut errors) = (Vec::new(), Vec::new());
    for (at, spec) in config.routes.upstreams().iter().enumerate() {
        let old = previous.snapshot.and_then(|old| old.upstreams.get(at));
        let old = old.and_then(|old| old.backend.as_ref());
        match (spec.credentials(), old) {
            (Ok(credentials), _) => all.push(credentials),
            (Err(more), Some(old)) => {
                previous.credentials.extend(more);
                all.push(old.credentials.clone());
            }
            (Err(more), None) => errors.extend(more),
        }
    }
    all_or_errors(all, errors)
}

/// What probes say of an upstream's servers. That of servers that were probed before stays.
fn states(spec: &UpstreamSpec, in_force: Option<&Snapshot>) -> Box<[Arc<ServerState>]> {
    let upstreams = in_force.map_or(&[][..], |in_force| &in_force.upstreams);
    let known = upstreams
        .iter()
        .find(|known| known.spec.name == spec.name && known.spec.protocol == spec.protocol)
        .filter(|_| spec.health.is_some());
    let state = |server: &ServerAddr| {
        let known = known?;
        let at = known.spec.servers.iter().position(|old| old == server)?;
        known.states.get(at).map(Arc::clone)
    };
    let states = spec.servers.iter().map(state);
    states.map(Option::unwrap_or_default).collect()
}

/// Whose sessions an upstream has, if its protocol has sessions. They stay whose they are.
fn owners(spec: &UpstreamSpec, in_force: Option<&Snapshot>) -> Option<Arc<Owners>> {
    let limits = spec.protocol.owner_limits()?;
    let known = in_force.and_then(|in_force| {
        let mut upstreams = in_force.upstreams.iter();
        let known = upstreams.find(|upstream| upstream.spec.name == spec.name)?;
        let is_same = known.spec.protocol == spec.protocol;
        known.owners.as_ref().filter(|_| is_same)
    });
    Some(known.map_or_else(|| Owners::new(limits), Arc::clone))
}

/// What messages for an upstream are judged by.
fn backend(
    spec: &UpstreamSpec,
    credentials: Credentials,
    owners: Option<&Arc<Owners>>,
) -> Option<Arc<Backend>> {
    let protocol = spec.protocol.of_messages()?;
    Some(Arc::new(Backend {
        credentials,
        info: spec.info,
        identify: spec.identify,
        ..Backend::new(protocol, Arc::clone(owners?))
    }))
}

/// TURN credentials with their secrets and API keys.
fn turns(
    config: &Config,
    previous: &mut Previous<'_>,
) -> Result<Vec<Arc<Turn>>, Vec<turn::load::LoadError>> {
    let (mut turns, mut errors) = (Vec::new(), Vec::new());
    for (at, spec) in config.turns.iter().enumerate() {
        let old = previous.snapshot.and_then(|old| old.turns.get(at).cloned());
        match (turn::load::load(spec), old) {
            (Ok((turn, warnings)), _) => {
                for warning in warnings {
                    tracing::warn!("{warning}");
                }
                turns.push(Arc::new(turn));
            }
            (Err(more), Some(turn)) => {
                previous.turns.extend(more);
                turns.push(turn);
            }
            (Err(more), None) => errors.extend(more),
        }
    }
    all_or_errors(turns, errors)
}

/// The users of each file of passwords.
fn passwords(
    config: &Config,
    previous: &mut Previous<'_>,
) -> Result<Vec<Arc<Users>>, Vec<passwords::LoadError>> {
    let (mut all, mut errors) = (Vec::<Arc<Users>>::new(), Vec::new());
    for (name, basic) in config.passwords() {
        if all.iter().any(|users| users.path() == basic.file) {
            continue;
        }
        let old = previous.snapshot.and_then(|old| {
            let mut old = old.passwords.iter();
            old.find(|users| users.path() == basic.file)
        });
        match (
            passwords::load(&format!("policies.{name}.basic.file"), &basic.file),
            old,
        ) {
            (Ok(users), _) => all.push(Arc::new(users)),
            (Err(more), Some(users)) => {
                previous.passwords.extend(more);
                all.push(Arc::clone(users));
            }
            (Err(more), None) => errors.extend(more),
        }
    }
    all_or_errors(all, errors)
}

fn all_or_errors<T, E>(all: Vec<T>, errors: Vec<E>) -> Result<Vec<T>, Vec<E>> {
    if errors.is_empty() {
        Ok(all)
    } else {
        Err(errors)
    }
}

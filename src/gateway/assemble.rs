//! A configuration becomes a snapshot.

use std::sync::Arc;

use super::error::StartError;
use super::{Open, budget, certificates};
use crate::config::Config;
use crate::files::{self, Guard};
use crate::limits::Limits;
use crate::listen::Kind;
use crate::route::upstream::ServerAddr;
use crate::serve::snapshot::{Snapshot, Upstream};
use crate::tls::{self, CertCache, LoadError, Tickets};
use crate::token::{self, issuer::Issuer};
use crate::turn::{self, Turn};

/// What workers judge requests by: what the configuration says, with the files behind it read.
pub(super) fn snapshot(
    config: &Config,
    tickets: &Tickets,
    shelf: &CertCache,
    open: &[Open],
    issuers: Vec<Arc<Issuer>>,
    before: &mut Previous<'_>,
) -> Result<Snapshot, StartError> {
    let named = config.files();
    let overlaps = files::overlaps(&config.routes, &named);
    if !overlaps.is_empty() {
        return Err(StartError::Files(overlaps));
    }
    let certificates = Arc::new(certificates::table(config, shelf, before)?);
    let upstreams = upstreams(config, before).map_err(StartError::Certificates)?;
    for line in files::missing(&config.routes) {
        tracing::warn!("{line}");
    }
    let turns = turns(config, before).map_err(StartError::Turn)?;
    let tls = tls::server_config(&config.tls, Arc::clone(&certificates), tickets)
        .map_err(StartError::Crypto)?;
    let https = open.iter().filter(|open| open.key.0 == Kind::Https);
    let tls_ports: Vec<u16> = https.map(|open| open.bound.port()).collect();
    let budget = budget::spend(&budget::Wants::of(config));
    let mut limits = Limits {
        connections: budget.connections,
        connections_per_client: budget.connections_per_client,
        ..config.limits.clone()
    };
    // Behind a proxy many clients share its connections.
    limits.exempt.extend(&config.listen.trusted_proxies);
    Ok(Snapshot {
        routes: Arc::clone(&config.routes),
        upstreams,
        guard: Guard::new(named),
        limits,
        upstream_sockets: budget.upstream_sockets,
        open_files: budget.open_files,
        h2_websockets: config.listen.h2_websockets,
        issuers,
        turns,
        passthrough: config.passthrough.clone(),
        balancers: config.listen.proxy_protocol.clone(),
        trusted_proxies: config.listen.trusted_proxies.clone(),
        tls,
        default_certificate: config.tls.default,
        certificates,
        log: config.log,
        public_port: config
            .listen
            .public_port
            .or(tls_ports.first().copied())
            .unwrap_or(443),
        tls_ports,
        status_hosts: config.listen.status_hosts.clone(),
    })
}

/// The upstreams with their trusted CAs.
fn upstreams(config: &Config, before: &mut Previous<'_>) -> Result<Vec<Upstream>, Vec<LoadError>> {
    let (mut errors, mut upstreams) = (Vec::new(), Vec::new());
    for (at, spec) in config.routes.upstreams().iter().enumerate() {
        let tls = if spec.servers.iter().any(ServerAddr::is_tls) {
            let key = format!("upstreams.{}.ca_file", spec.name);
            let previous = before.snapshot.and_then(|before| before.upstreams.get(at));
            let previous = previous.and_then(|upstream| upstream.tls.clone());
            match (
                tls::client_config(spec.tls.ca_file.as_deref(), &key),
                previous,
            ) {
                (Ok(config), _) => Some(config),
                (Err(error), Some(config)) => {
                    before.certificates.push(error);
                    Some(config)
                }
                (Err(error), None) => {
                    errors.push(error);
                    continue;
                }
            }
        } else {
            None
        };
        let spec = Arc::clone(spec);
        upstreams.push(Upstream { spec, tls });
    }
    if errors.is_empty() {
        Ok(upstreams)
    } else {
        Err(errors)
    }
}

/// TURN credentials with their secrets and API keys.
fn turns(
    config: &Config,
    before: &mut Previous<'_>,
) -> Result<Vec<Arc<Turn>>, Vec<turn::load::LoadError>> {
    let (mut turns, mut errors) = (Vec::new(), Vec::new());
    for (at, spec) in config.turns.iter().enumerate() {
        let of_before = before
            .snapshot
            .and_then(|before| before.turns.get(at).cloned());
        match (turn::load::load(spec), of_before) {
            (Ok((turn, warnings)), _) => {
                warnings
                    .iter()
                    .for_each(|warning| tracing::warn!("{warning}"));
                turns.push(Arc::new(turn));
            }
            (Err(more), Some(turn)) => {
                before.turns.extend(more);
                turns.push(turn);
            }
            (Err(more), None) => errors.extend(more),
        }
    }
    if errors.is_empty() {
        Ok(turns)
    } else {
        Err(errors)
    }
}

/// What was in force, where only files have changed: of each that cannot be used, what was read
/// before stays in force, and the others are taken up all the same. A revocation must not wait
/// until somebody has mended a certificate.
#[derive(Debug, Default)]
pub(super) struct Previous<'a> {
    pub(super) snapshot: Option<&'a Snapshot>,
    pub(super) certificates: Vec<LoadError>,
    pub(super) issuers: Vec<token::load::LoadError>,
    pub(super) turns: Vec<turn::load::LoadError>,
}

impl Previous<'_> {
    /// What could not be used.
    pub(super) fn into_error(self) -> Option<StartError> {
        let Self {
            certificates,
            issuers,
            turns,
            ..
        } = self;
        let certificates =
            (!certificates.is_empty()).then_some(StartError::Certificates(certificates));
        let issuers = (!issuers.is_empty()).then_some(StartError::Issuers(issuers));
        let turns = (!turns.is_empty()).then_some(StartError::Turn(turns));
        let all: Vec<StartError> = certificates
            .into_iter()
            .chain(issuers)
            .chain(turns)
            .collect();
        (!all.is_empty()).then_some(StartError::Several(all))
    }
}

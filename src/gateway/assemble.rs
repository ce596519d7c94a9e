//! A configuration becomes a snapshot.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::ClientConfig;

use super::error::StartError;
use super::{Open, budget};
use crate::config::Config;
use crate::files;
use crate::host::HostPattern;
use crate::limits::Limits;
use crate::listen::Kind;
use crate::route::upstream::{ServerAddr, UpstreamSpec};
use crate::serve::snapshot::Snapshot;
use crate::tls::{self, CertTable, LoadError, Mode, Standing, Tickets};
use crate::token::issuer::Issuer;
use crate::turn::{self, Turn};

/// What workers judge requests by: what the configuration says, with the files behind it read.
pub(super) fn snapshot(
    config: &Config,
    tickets: &Tickets,
    open: &[Open],
    issuers: Vec<Arc<Issuer>>,
) -> Result<Snapshot, StartError> {
    let (table, warnings) =
        CertTable::load(&config.tls, SystemTime::now(), Mode::Make).map_err(StartError::Certificates)?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let is_unserved = |host: &HostPattern| table.standing(host, SystemTime::now()) == Standing::Unserved;
    for host in config.routes.hosts().filter(|host| !config.tls.default && is_unserved(host)) {
        tracing::warn!("{}", table.unserved(host));
    }
    let upstream_tls = upstream_tls(config).map_err(StartError::Certificates)?;
    for line in files::missing(&config.routes) {
        tracing::warn!("{line}");
    }
    let turns = turns(config).map_err(StartError::Turn)?;
    let certificates = Arc::new(table);
    let tls = tls::server_config(&config.tls, Arc::clone(&certificates), tickets).map_err(StartError::Crypto)?;
    let first_https = open.iter().find(|open| open.key.0 == Kind::Https).map(|open| open.bound.port());
    let budget = budget::spend(&config.limits);
    let mut limits = Limits { connections: budget.connections, ..config.limits.clone() };
    // Behind a proxy many clients share its connections.
    limits.exempt.extend(&config.listen.trusted_proxies);
    Ok(Snapshot {
        routes: Arc::clone(&config.routes),
        limits,
        upstream_sockets: budget.upstream_sockets,
        h2_websockets: config.listen.h2_websockets,
        issuers,
        turns,
        passthrough: config.passthrough.clone(),
        balancers: config.listen.proxy_protocol.clone(),
        trusted_proxies: config.listen.trusted_proxies.clone(),
        tls,
        upstream_tls,
        default_certificate: config.tls.default,
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

/// TURN credentials with their secrets and API keys.
fn turns(config: &Config) -> Result<Vec<Arc<Turn>>, Vec<turn::load::LoadError>> {
    let (mut turns, mut errors) = (Vec::new(), Vec::new());
    for spec in &config.turns {
        match turn::load::load(spec) {
            Ok(turn) => turns.push(Arc::new(turn)),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(turns) } else { Err(errors) }
}

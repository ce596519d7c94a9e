//! Upstreams: their servers, load balancing, and TLS.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::backup;
use super::bridges;
use super::control::{self, ControlServer};
use super::note_twice;
use super::probes;
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::{Place, Spanned};
use crate::config::read::{List, Named, valid};
use crate::config::suggest;
use crate::config::tables::{RawClientCert, RawRoute, RawUpstream};
use crate::route::upstream::{
    Balance, ClientCertFiles, InfoPolicy, JANUS_CONNECTIONS, Protocol, ServerAddr, UpstreamSpec,
    UpstreamTls, XmppDomain,
};
use crate::slot::MaxConnections;

/// An entry of `[upstreams]`. Routes can refer to it even if it is invalid.
pub(super) struct Upstream {
    pub(super) name: Spanned<String>,
    pub(super) protocol: Protocol,
    /// Whether that is known: `false` if what is written is wrong.
    pub(super) has_protocol: bool,
    /// A server without `protocol` that seems to be a control port.
    pub(super) undeclared: Option<ControlServer>,
    pub(super) spec: Option<UpstreamSpec>,
}

impl Upstream {
    pub(super) fn spec(self) -> Option<Arc<UpstreamSpec>> {
        self.spec.map(Arc::new)
    }
}

pub(super) fn lower(
    raw: Named<RawUpstream>,
    routes: &List<RawRoute>,
    folder: &Path,
    diag: &Diagnostics<'_>,
) -> Vec<Upstream> {
    let declared = control::declared(&raw);
    let upstream = |(name, raw): (Spanned<String>, Option<RawUpstream>)| {
        let undeclared = raw
            .as_ref()
            .and_then(|raw| control::undeclared(raw, &declared, diag));
        let protocol = raw.as_ref().map_or(Protocol::Http, |raw| raw.protocol());
        let has_protocol = raw
            .as_ref()
            .is_some_and(|raw| raw.protocol.is_some() || !raw.protocol_is_written);
        let keeps_sessions = protocol != Protocol::Http || serves_bosh(&name.value, routes);
        let spec = raw.and_then(|raw| spec(&name.value, raw, keeps_sessions, folder, diag));
        Upstream {
            name,
            protocol,
            has_protocol,
            undeclared,
            spec,
        }
    };
    raw.into_iter().map(upstream).collect()
}

/// What to say of an upstream that no table has. Often it is the server itself.
pub(super) fn unknown(name: &str, known: &[&str]) -> String {
    let is_server = |text: &str| text.parse::<ServerAddr>().is_ok();
    let server = match name.contains(['/', ':']) {
        true => [name.to_owned(), format!("http://{name}")]
            .into_iter()
            .find(|text| is_server(text)),
        false => None,
    };
    match server {
        Some(server) => format!(
            "is a server, and routes name an upstream; write [upstreams.app] with servers = \
             [\"{server}\"], and here \"app\""
        ),
        None => suggest::unknown("upstream", name, known),
    }
}

fn spec(
    name: &str,
    raw: RawUpstream,
    keeps_sessions: bool,
    folder: &Path,
    diag: &Diagnostics<'_>,
) -> Option<UpstreamSpec> {
    note_keys_of_janus(&raw, diag);
    note_keys_of_jitsi(&raw, diag);
    note_queue(&raw, diag);
    let protocol = raw.protocol();
    let bridges = bridges::ids(&raw, diag);
    let servers: Box<[ServerAddr]> = raw.all_servers().map(|s| s.value.clone()).collect();
    backup::note(&raw, diag);
    note_servers(&raw, diag)?;
    if !servers.is_empty() && !servers.iter().any(ServerAddr::is_tls) {
        let places = [
            raw.ca_file.as_ref().map(|f| &f.place),
            raw.pin.as_ref().map(|pins| &pins.place),
            raw.server_name.as_ref().map(|n| &n.place),
            raw.client_cert.as_ref().map(|pair| &pair.place),
        ];
        for place in places.into_iter().flatten() {
            diag.problem(
                place,
                "is for servers with https://, of which there is none here; take it out",
            );
        }
    }
    if let (Some(file), Some(_)) = (&raw.ca_file, &raw.pin) {
        diag.problem(
            &file.place,
            "is not used beside pin, which says which key the server has; take one of them out",
        );
    }
    let default = if keeps_sessions {
        Balance::Client
    } else {
        Balance::RoundRobin
    };
    Some(UpstreamSpec {
        name: name.into(),
        backups: raw.backup_servers().count(),
        servers,
        bridges,
        balance: raw.balance.map_or(default, |balance| balance.value),
        protocol,
        tls: UpstreamTls {
            ca_file: raw.ca_file.map(|file| folder.join(file.value)),
            pins: raw.pin.map_or_else(Vec::new, |pins| {
                let pins = valid(pins.value).into_iter();
                pins.map(|pin| pin.value).collect()
            }),
            server_name: raw.server_name.map(|name| name.value),
            client_cert: raw
                .client_cert
                .and_then(|pair| client_cert(pair.value, folder)),
        },
        keep_alive: raw.keep_alive,
        max_connections: match (raw.max_connections, protocol) {
            (Some(most), _) => MaxConnections::All(most),
            (None, Protocol::Janus) => MaxConnections::Requests(JANUS_CONNECTIONS),
            (None, _) => MaxConnections::Unlimited,
        },
        health: raw
            .health
            .map(|health| probes::spec(health, protocol, diag)),
        queue: raw.queue.map_or(Duration::ZERO, |queue| queue.value),
        forward_cookies: raw.forward_cookies.unwrap_or(protocol == Protocol::Http),
        secret_file: raw.secret_file.map(|file| folder.join(file.value)),
        token_auth_secret_file: raw
            .token_auth_secret_file
            .map(|file| folder.join(file.value)),
        identify: raw.identify.is_some_and(|identify| identify.value),
        info: raw.info.map_or(InfoPolicy::Full, |info| info.value),
        domain: raw.domain.map_or(XmppDomain::Host, |domain| domain.value),
    })
}

fn client_cert(raw: RawClientCert, folder: &Path) -> Option<ClientCertFiles> {
    let cert = folder.join(raw.cert?);
    let key = raw.key.map_or_else(|| cert.clone(), |key| folder.join(key));
    Some(ClientCertFiles { cert, key })
}

/// Reports a list without servers, and servers that are there twice; `None` if there is no list.
fn note_servers(raw: &RawUpstream, diag: &Diagnostics<'_>) -> Option<()> {
    note_twice(&raw.ordinary_servers().collect::<Vec<_>>(), diag);
    match (&raw.servers, &raw.bridges) {
        (None, None) => return None,
        (Some(servers), None) if servers.value.is_empty() => diag.problem(
            &servers.place,
            "is empty; write the server, [\"http://127.0.0.1:8088\"]",
        ),
        _ => {}
    }
    Some(())
}

/// A queue for connections that have no limit.
fn note_queue(raw: &RawUpstream, diag: &Diagnostics<'_>) {
    let has_limit = raw.max_connections.is_some() || raw.protocol() == Protocol::Janus;
    let has_servers = raw.all_servers().next().is_some();
    if let Some(queue) = raw.queue.as_ref().filter(|_| has_servers && !has_limit) {
        let text = "is for requests above max_connections, of which the upstream has none; write \
                    max_connections = 200, or take it out";
        diag.problem(&queue.place, text);
    }
}

/// Keys that are about messages of Janus, where the servers do not speak its protocol.
fn note_keys_of_janus(raw: &RawUpstream, diag: &Diagnostics<'_>) {
    let (secret, token_secret) = (
        raw.secret_file.as_ref().map(|file| &file.place),
        raw.token_auth_secret_file.as_ref().map(|file| &file.place),
    );
    let identify = raw.identify.as_ref().map(|identify| &identify.place);
    let info = raw.info.as_ref();
    let info = info.filter(|info| info.value != InfoPolicy::Full);
    let info = info.map(|info| &info.place);
    let (of_both, of_clients) = ([secret, info], [token_secret, identify]);
    let problem = |place: Option<&Place>, text: &str| {
        place
            .into_iter()
            .for_each(|place| diag.problem(place, text));
    };
    match raw.protocol {
        Some(Protocol::Janus) => {}
        // Where the protocol is wrong, that is the problem.
        None if raw.protocol_is_written => {}
        Some(Protocol::JanusAdmin) => {
            let text = "is about Janus' API for clients, and the upstream speaks janus-admin; take \
                        it out";
            of_clients
                .into_iter()
                .for_each(|place| problem(place, text));
        }
        protocol => {
            let has = protocol.map_or("has no protocol".to_owned(), |protocol| {
                format!("speaks {}", protocol.name())
            });
            let text = |write: &str| {
                format!(
                    "is about messages of Janus, and the upstream {has}; write protocol = \
                     {write}, or take it out"
                )
            };
            let text_of_both = text("\"janus\" or \"janus-admin\"");
            of_both
                .into_iter()
                .for_each(|place| problem(place, &text_of_both));
            let text = text("\"janus\"");
            of_clients
                .into_iter()
                .for_each(|place| problem(place, &text));
        }
    }
}

/// A key that is about Jitsi's tokens, where the servers do not speak its protocol.
fn note_keys_of_jitsi(raw: &RawUpstream, diag: &Diagnostics<'_>) {
    let Some(domain) = &raw.domain else {
        return;
    };
    let has = match raw.protocol {
        Some(Protocol::Jitsi) => return,
        // Where the protocol is wrong, that is the problem.
        None if raw.protocol_is_written => return,
        Some(protocol) => format!("speaks {}", protocol.name()),
        None => "has no protocol".to_owned(),
    };
    let text = format!(
        "is about tokens of Jitsi, and the upstream {has}; write protocol = \"jitsi\", or take it \
         out"
    );
    diag.problem(&domain.place, text);
}

/// BOSH sessions are in the server's memory. BOSH is recognized by its path.
fn serves_bosh(upstream: &str, routes: &List<RawRoute>) -> bool {
    routes.iter().flatten().any(|route| {
        let leads_here = route
            .value
            .upstream
            .as_ref()
            .is_some_and(|name| name.value == upstream);
        leads_here
            && route.value.path.as_ref().is_some_and(|path| {
                path.value
                    .without_variable()
                    .as_str()
                    .ends_with("/http-bind")
            })
    })
}

//! A configuration in force: one immutable value, which a reload replaces as a whole.

use std::sync::Arc;

use http::HeaderName;
use rustls::ClientConfig;

use crate::addr::NetworkSet;
use crate::auth::passwords::Users;
use crate::files::Guard;
use crate::host::HostName;
use crate::limits::Limits;
use crate::route::health::ServerState;
use crate::route::jitsi::RoomRequest;
use crate::route::passthrough::Passthrough;
use crate::route::upstream::UpstreamSpec;
use crate::route::{Route, RouteTable};
use crate::signalling::Backend;
use crate::signalling::jitsi::Asked;
use crate::signalling::owners::Owners;
use crate::telemetry::LogSpec;
use crate::tls::{CertTable, ClientAuthority, ServerSettings};
use crate::token::issuer::Issuer;
use crate::turn::{Turn, TurnId};

/// A configuration with the files that it names, as all workers share it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Routes with their policies.
    pub routes: Arc<RouteTable>,
    /// The upstreams of `routes`, in the same order: [`crate::route::UpstreamId`] is the position.
    pub upstreams: Vec<Upstream>,
    /// Files that no route may serve.
    pub guard: Arc<Guard>,
    /// Limits, lowered to what the process may open.
    pub limits: Limits,
    /// How many sockets to upstream servers may be open.
    pub upstream_sockets: usize,
    /// How many files may be open.
    pub open_files: usize,
    /// Issuers of tokens; policies name them by their position.
    pub issuers: Vec<Arc<Issuer>>,
    /// TURN credentials; routes name them by their position.
    pub turns: Vec<Arc<Turn>>,
    /// Users with the hashes of their passwords, of each file that a policy names.
    pub passwords: Vec<Arc<Users>>,
    /// Server names whose TLS connections are passed to another server undecrypted.
    pub passthrough: Vec<Passthrough>,
    /// Load balancers, which must send a PROXY header.
    pub balancers: NetworkSet,
    /// Proxies whose `X-Forwarded-For` and `Forwarded` are believed.
    pub trusted_proxies: NetworkSet,
    /// The header field in which these proxies name the client by its address alone.
    pub client_address_header: Option<HeaderName>,
    /// The path at which health checks by address are answered.
    pub health_path: Option<Box<str>>,
    /// Whether WebSockets are offered on HTTP/2 streams.
    pub h2_websockets: bool,
    /// TLS settings of the listeners.
    pub tls: Arc<ServerSettings>,
    /// Whether a name without a certificate gets the first one.
    pub default_certificate: bool,
    /// The certificate of each name.
    pub certificates: Arc<CertTable>,
    /// What certificates of clients are judged by; `None` if no client is asked for one.
    pub client_authority: Option<Arc<ClientAuthority>>,
    /// Whether there is a listener for proxies that end TLS.
    pub has_plain: bool,
    /// Whether that listener serves any peer.
    pub plain_for_everybody: bool,
    /// What is logged.
    pub log: LogSpec,
    /// The port that redirects from plain HTTP name.
    pub public_port: u16,
    /// The port of proxies that end TLS in front of plain listeners.
    pub proxy_port: u16,
    /// The ports of the TLS listeners.
    pub tls_ports: Vec<u16>,
    /// Names that requests to the status listener may use, beside addresses and `localhost`.
    pub status_hosts: Vec<HostName>,
}

/// An upstream with the files that it names.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// What the configuration says.
    pub spec: Arc<UpstreamSpec>,
    /// TLS settings for its servers; `None` if none of them speaks TLS.
    pub tls: Option<Arc<ClientConfig>>,
    /// What probes say of its servers, in the order of the specification. A reload keeps them.
    pub states: Box<[Arc<ServerState>]>,
    /// Whose sessions it has; `None` if the gateway does not know any. A reload keeps them.
    pub owners: Option<Arc<Owners>>,
    /// What its messages are judged by; `None` if the gateway does not understand them.
    pub backend: Option<Arc<Backend>>,
}

impl Snapshot {
    /// Whether the first certificate is shown to clients that ask for this server name, as no
    /// certificate has it.
    pub fn answers_by_default(&self, sni: &HostName) -> bool {
        self.default_certificate && !self.certificates.serves(sni)
    }

    /// Whether clients that ask for this server name are answered.
    pub fn answers(&self, sni: &HostName) -> bool {
        self.default_certificate || self.certificates.serves(sni)
    }

    /// The room that a request asks for; `None` if its upstream does not speak Jitsi's XMPP.
    pub(super) fn asked_room<'a>(
        &'a self,
        route: &'a Route,
        request: RoomRequest<'a>,
    ) -> Option<Asked<'a>> {
        let has_name = |host: &HostName| self.certificates.serves(host);
        self.routes.asked_room(route, request, has_name)
    }

    /// TURN credentials by their position.
    pub fn turn(&self, id: TurnId) -> &Turn {
        &self.turns[id.0]
    }
}

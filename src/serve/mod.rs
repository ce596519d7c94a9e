//! What do they ask for: connections, and the layers that every request passes on its way to a
//! target.

pub mod accepted;
pub mod conn;
pub mod connection_guard;
pub mod control;
pub mod drain;
pub mod handshake_places;
pub mod hello;
pub mod judge;
pub mod login;
pub mod names;
pub mod over_limit;
pub mod proxy_protocol;
pub mod refusal_floods;
pub mod renewals;
pub mod shared;
pub mod snapshot;
pub mod subject_tunnels;
pub mod under_way;
pub mod unread;
pub mod view;
pub mod worker;

mod access;
mod admission;
mod advice;
mod auth_context;
mod authorize;
mod behind_proxy;
mod body;
mod browser;
mod cleaning;
mod client_addr;
mod client_scheme;
mod detail;
mod h1;
mod h2;
mod handoff;
mod handshake;
mod handshake_failure;
mod handshake_turns;
mod health_check;
mod hostless;
mod in_flight;
mod internal;
mod io;
mod jitsi;
mod linger;
mod message_token;
mod messages;
mod navigation;
mod normalize;
mod observer;
mod origin;
mod page;
mod passthrough;
mod redirect;
mod reject;
mod render;
mod renew;
mod reply;
mod request_limits;
mod requests;
mod rescue;
mod response_body;
mod response_headers;
mod route_headers;
mod routing;
mod stack;
mod step;
mod target;
mod timeout;
mod turn_form;
mod turn_keys;
mod unread_body;
mod validation;
mod witness;

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use http::{HeaderValue, Request};
use hyper::body::Incoming;

use crate::addr::{ClientAddr, Kind};
use crate::host::{Authority, HostName};
use crate::overload::Overload;
use crate::policy::Permit;
use crate::proxy::body::ClientRequest;
use crate::proxy::origin::Origin;
use crate::route::RouteId;
use crate::slot::CountedClient;
use crate::telemetry::access::Exchange;
use crate::tls::Shown;
use connection_guard::ConnectionGuard;
use control::ConnControl;
use login::ClientCert;
use view::WorkerView;

pub use worker::Worker;

/// A client connection, as its requests see it.
#[derive(Debug)]
struct ConnInfo {
    worker: Rc<Worker>,
    control: Rc<ConnControl>,
    client: ClientAddr,
    /// The connection's tunnel keeps it when HTTP is over.
    slot: Rc<ConnectionGuard>,
    /// Its client, for counting what its requests use.
    counted: CountedClient,
    /// What is spoken on its listener.
    kind: Kind,
    /// Why its requests are rejected, if it has come during an overload.
    overload: Option<Overload>,
    /// The port of its listener; behind a proxy that ends TLS, the public port.
    port: u16,
    /// Whether the peer is a load balancer, which has sent a PROXY header.
    is_balanced: bool,
    /// The address that the client has connected to, where it has sent no TLS server name.
    local: Option<IpAddr>,
    /// The TLS server name, where one was sent.
    sni: Option<HostName>,
    /// The certificate that the handshake used; none without TLS.
    certificate: Option<Shown>,
    /// The certificate that the client has shown; `None` if it was not asked for one.
    client_cert: Option<Box<ClientCert>>,
    origin: Rc<Origin>,
    /// The `Host` of the last request: that of the next one is nearly always the same.
    last_host: RefCell<Option<(HeaderValue, Rc<Authority>)>>,
}

/// A request as it arrives.
struct Arrived {
    request: Request<Incoming>,
    conn: Rc<ConnInfo>,
}

/// A request with its connection, the configuration as it was on arrival, and its log line.
struct Inbound {
    request: ClientRequest,
    conn: Rc<ConnInfo>,
    view: Rc<WorkerView>,
    exchange: Rc<Exchange>,
    /// It is a WebSocket handshake.
    is_websocket: bool,
    /// Its key among the requests under way.
    key: under_way::Key,
    /// Who sent it.
    client: ClientAddr,
    /// What the upstream learns about the client.
    origin: Rc<Origin>,
}

impl Inbound {
    /// The client, for counting its server connections and open files.
    fn counted(&self) -> CountedClient {
        match self.client == self.conn.client {
            true => self.conn.counted.clone(),
            false => self
                .conn
                .worker
                .shared
                .slots
                .counted(self.client, &self.view.snapshot.limits),
        }
    }
}

/// A request with one spelling of its path, in the URI, and of its authority, in `Host`.
struct Normal {
    inbound: Inbound,
    authority: Rc<Authority>,
}

/// A request whose route is known.
struct Routed {
    normal: Normal,
    route: RouteId,
    /// The form of a TURN request, where it may have an API key in it.
    form: Option<turn_form::Form>,
}

/// A request with a permit. Targets accept nothing else, and only `authorize` makes one.
struct Admitted {
    routed: Routed,
    permit: Permit,
}

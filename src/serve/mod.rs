//! What do they ask for: connections, and the layers that every request passes on its way to a
//! target.

pub mod accepted;
pub mod conn;
pub mod connection_guard;
pub mod control;
pub mod judge;
pub mod names;
pub mod over_limit;
pub mod renewals;
pub mod shared;
pub mod snapshot;
pub mod under_way;
pub mod unread;
pub mod view;
pub mod worker;

mod access;
mod admission;
mod answer;
mod authorize;
mod body;
mod browser;
mod client_addr;
mod h1;
mod h2;
mod handoff;
mod handshake;
mod hello;
mod in_flight;
mod internal;
mod io;
mod linger;
mod navigation;
mod normalize;
mod origin;
mod page;
mod passthrough;
mod proxy_protocol;
mod redirect;
mod reject;
mod requests;
mod response_headers;
mod stack;
mod step;
mod target;
mod timeout;
mod validation;

use std::cell::RefCell;
use std::rc::Rc;

use http::{HeaderValue, Request};
use hyper::body::Incoming;

use crate::addr::ClientAddr;
use crate::host::{Authority, HostName};
use crate::policy::Permit;
use crate::proxy::body::RequestBody;
use crate::proxy::headers::Origin;
use crate::route::RouteId;
use crate::slot::CountedClient;
use crate::telemetry::access::Exchange;
use crate::tls::Shown;
use connection_guard::ConnectionGuard;
use control::ConnControl;
use view::WorkerView;

pub use worker::Worker;

/// What is known of a client connection.
#[derive(Debug)]
struct ConnInfo {
    worker: Rc<Worker>,
    control: Rc<ConnControl>,
    client: ClientAddr,
    /// Kept by the connection's tunnel when HTTP is over.
    slot: Rc<ConnectionGuard>,
    /// The port of its listener.
    port: u16,
    /// The TLS server name, where one was sent.
    sni: Option<HostName>,
    /// The certificate that it was answered with; none without TLS.
    certificate: Option<Shown>,
    origin: Rc<Origin>,
    /// The `Host` of the last request, which is the `Host` of the next one nearly always.
    last_host: RefCell<Option<(HeaderValue, Rc<Authority>)>>,
}

/// A request as it arrives.
struct Arrived {
    request: Request<Incoming>,
    conn: Rc<ConnInfo>,
}

/// A request with everything that goes along: the configuration as it stood on arrival, and its log
/// line.
struct Inbound {
    request: Request<RequestBody>,
    conn: Rc<ConnInfo>,
    local: Rc<WorkerView>,
    exchange: Rc<Exchange>,
    /// Which one it is among those under way.
    key: under_way::Key,
    /// Who it is from, and what the upstream is told of that.
    client: ClientAddr,
    origin: Rc<Origin>,
}

impl Inbound {
    /// The client as it is counted at servers and files.
    fn counted(&self) -> CountedClient {
        match self.client == self.conn.client {
            true => self.conn.slot.counted(),
            false => self
                .conn
                .worker
                .shared
                .slots
                .counted(self.client, &self.local.snapshot.limits),
        }
    }
}

/// A request whose path has one spelling, in its URI, and whose authority is settled, in its
/// `Host`.
struct Normal {
    inbound: Inbound,
    authority: Rc<Authority>,
}

/// A request for which there is a door.
struct Routed {
    normal: Normal,
    route: RouteId,
}

/// A request that may pass. Targets take nothing else, and only `authorize` makes one.
struct Admitted {
    routed: Routed,
    permit: Permit,
}

//! What do they ask for: connections, and the layers that every request passes on its way to a target.

pub mod conn;
pub mod control;
pub mod snapshot;

mod access;
mod body;
mod dress;
mod handoff;
mod io;
mod normalize;
mod redirect;
mod reject;
mod stack;
mod step;
mod target;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderValue, Request};
use hyper::body::Incoming;

use crate::addr::ClientAddr;
use crate::host::{Authority, HostName};
use crate::policy::Permit;
use crate::proxy::headers::Origin;
use crate::proxy::tunnel::TunnelControl;
use crate::registry::Registry;
use crate::route::RouteId;
use crate::slot::{Full, Slot, Slots};
use crate::telemetry::access::{AccessSink, Exchange};
use crate::telemetry::request_id::RequestIds;
use crate::tick::Ticks;
use control::ConnControl;
use snapshot::Local;

/// What the connections of one worker share.
#[derive(Debug)]
pub struct Worker {
    /// Its coarse clock.
    pub ticks: Rc<Ticks>,
    /// The configuration in force.
    pub local: RefCell<Rc<Local>>,
    /// Client connections that speak HTTP.
    pub connections: Rc<Registry<ConnControl>>,
    /// Client connections that have become tunnels.
    pub tunnels: Rc<Registry<TunnelControl>>,
    /// Where access lines go.
    pub access: Rc<AccessSink>,
    /// Names for requests.
    pub ids: RequestIds,
    /// Slots of the whole gateway.
    pub slots: Arc<Slots>,
    /// No request is to be the first of several any more.
    pub draining: Cell<bool>,
    /// Connections refused since the last tick, and by which limit the last one was.
    pub refused: Cell<(u64, Option<Full>)>,
}

impl Worker {
    /// The configuration in force.
    pub fn local(&self) -> Rc<Local> {
        Rc::clone(&self.local.borrow())
    }

    /// Has connections end after what is under way.
    pub fn drain(&self) {
        self.draining.set(true);
        self.connections.each(ConnControl::drain);
    }
}

/// What is known of a client connection.
#[derive(Debug)]
struct ConnInfo {
    worker: Rc<Worker>,
    control: Rc<ConnControl>,
    client: ClientAddr,
    /// Kept by the connection's tunnel when HTTP is over.
    slot: Rc<Slot>,
    /// The TLS server name, where one was sent.
    sni: Option<HostName>,
    origin: Origin,
    /// The `Host` of the last request, which is the `Host` of the next one nearly always.
    last_host: RefCell<Option<(HeaderValue, Rc<Authority>)>>,
}

/// A request as it arrives.
struct Arrived {
    request: Request<Incoming>,
    conn: Rc<ConnInfo>,
}

/// A request with everything that goes along: the configuration as it stood on arrival, and its log line.
struct Inbound {
    request: Request<Incoming>,
    conn: Rc<ConnInfo>,
    local: Rc<Local>,
    exchange: Rc<Exchange>,
}

/// A request whose path has one spelling, in its URI, and whose authority is settled, in its `Host`.
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

//! What answers on this machine.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use ianitor::init::Service;

/// How long a port of this machine may take to accept a connection.
const PATIENCE: Duration = Duration::from_millis(300);

/// Ports that accept connections, by server.
pub(super) struct Seen(Vec<(Service, u16, &'static str)>);

/// Tries the usual ports of each server, on loopback alone.
pub(super) fn answering() -> Seen {
    let all = Service::ALL.into_iter();
    let ports = all.flat_map(|service| {
        let ports = service.ports().iter();
        ports.map(move |(port, what)| (service, *port, *what))
    });
    let accepts = |port: u16| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        TcpStream::connect_timeout(&address, PATIENCE).is_ok()
    };
    Seen(ports.filter(|(_, port, _)| accepts(*port)).collect())
}

impl Seen {
    /// The servers by their first port: the others alone may be something else.
    pub(super) fn services(&self) -> BTreeSet<Service> {
        let is_first = |service: Service, port: u16| {
            let mut ports = service.ports().iter();
            ports.next().is_some_and(|(first, _)| *first == port)
        };
        let found = self.0.iter();
        let found = found.filter(|(service, port, _)| is_first(*service, *port));
        found.map(|(service, ..)| *service).collect()
    }
}

/// A line for each port that answers.
pub(super) fn shown(seen: &Seen) -> String {
    if seen.0.is_empty() {
        return "none of the usual ports of Janus, Kurento, Prosody and coturn answers on this \
                machine\n"
            .to_owned();
    }
    let lines = seen.0.iter();
    lines
        .map(|(_, port, what)| format!("127.0.0.1:{port} answers, where {what} usually is\n"))
        .collect()
}

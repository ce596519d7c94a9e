//! TLS that is not ours to end: the ClientHello is read, and if its server name is another server's, everything goes
//! there as it is.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use ppp::v2;
use rustls::server::{Accepted, Acceptor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Worker;
use super::conn::Knock;
use crate::host::HostName;
use crate::proxy::body::Chain;
use crate::proxy::connect::{ConnectError, Connector, UpstreamStream};
use crate::proxy::tunnel::{Door, Tunnel, TunnelControl};
use crate::route::passthrough::Passthrough;
use crate::route::upstream::UpstreamTls;
use crate::telemetry::access::{End, Exchange, Head};

/// The largest ClientHello: those with post-quantum keys have under 2 KiB; what is larger is no browser's.
const MAX_HELLO: usize = 16 * 1024;

/// A ClientHello and every byte that was read for it.
pub(super) struct Hello {
    pub(super) accepted: Accepted,
    pub(super) bytes: Vec<u8>,
}

/// What a client says first.
pub(super) enum Heard {
    /// TLS.
    Hello(Box<Hello>),
    /// HTTP without TLS, by its first letter.
    PlainHttp,
    /// Nothing, and it left.
    Nothing,
}

impl Hello {
    /// Reads one, over however many records and packets it is spread.
    ///
    /// # Errors
    /// If it is none, or too large.
    pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Heard> {
        let mut acceptor = Acceptor::default();
        let mut bytes = Vec::with_capacity(2048);
        loop {
            let before = bytes.len();
            if before >= MAX_HELLO {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a ClientHello without end"));
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(Heard::Nothing);
            }
            if before == 0 && bytes[0].is_ascii_uppercase() {
                return Ok(Heard::PlainHttp);
            }
            let mut fresh = &bytes[before..];
            while !fresh.is_empty() {
                acceptor.read_tls(&mut fresh)?;
            }
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => return Ok(Heard::Hello(Box::new(Self { accepted, bytes }))),
                Err((error, mut alert)) => {
                    let mut out = Vec::new();
                    alert.write_all(&mut out)?;
                    stream.write_all(&out).await?;
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
        }
    }

    /// The server name, where it is one.
    pub(super) fn sni(&self) -> Option<HostName> {
        self.accepted.client_hello().server_name()?.parse().ok()
    }
}

/// Carries a connection to the server that its name belongs to.
pub(super) async fn pass(knock: Knock, hello: Vec<u8>, sni: HostName, entry: &Passthrough, worker: Rc<Worker>) {
    let local = worker.local();
    let exchange = exchange(&knock, &sni, entry, &worker);
    let Some(socket) = worker.sockets.take() else {
        exchange.note(|line| (line.end, line.reason) = (End::Upstream, Some("upstream_sockets")));
        return;
    };
    let upstream = match connect(&knock, entry).await {
        Ok(upstream) => upstream,
        Err(error) => {
            exchange.note(|line| (line.end, line.reason) = (End::Upstream, Some("upstream_unreachable")));
            let advice = "is the server of this [[passthrough]] running, and does it listen on this address?";
            tracing::warn!(id = %exchange.id(), %sni, error = %Chain(&error), advice, "TLS not passed through");
            return;
        }
    };
    let control = TunnelControl::new(Door::Passthrough(sni), knock.peer.client());
    let entry = worker.enter_tunnel(control, &local);
    let ticks = Rc::clone(&worker.ticks);
    let sides = ((knock.stream, Bytes::from(hello)), (upstream, Bytes::new()));
    Tunnel::new(sides.0, sides.1, entry, exchange, ticks, (knock.slot, socket)).await;
}

async fn connect(knock: &Knock, entry: &Passthrough) -> Result<UpstreamStream, ConnectError> {
    let mut upstream = Connector::new(entry.to.clone(), &UpstreamTls::default(), None).connect().await?;
    if entry.proxy_protocol {
        let announced = match announcement(knock) {
            Ok(header) => upstream.write_all(&header).await,
            Err(error) => Err(error),
        };
        announced.map_err(|error| ConnectError::broke(&entry.to, error))?;
    }
    Ok(upstream)
}

/// A PROXY v2 header that says who the client is and where it knocked.
fn announcement(knock: &Knock) -> io::Result<Vec<u8>> {
    let local = knock.stream.local_addr()?;
    let local = SocketAddr::new(local.ip().to_canonical(), local.port());
    let addresses: v2::Addresses = (knock.peer.addr(), local).into();
    v2::Builder::with_addresses(v2::Version::Two | v2::Command::Proxy, v2::Protocol::Stream, addresses).build()
}

fn exchange(knock: &Knock, sni: &HostName, entry: &Passthrough, worker: &Worker) -> Rc<Exchange> {
    let head = || Head { host: sni.to_string(), ..Head::unknown() };
    let exchange = Exchange::begin(worker.ids.next(), knock.peer.client(), &worker.access, head);
    exchange.note(|line| {
        line.route = Some(Rc::from(format!("passthrough:{}", entry.sni)));
        line.upstream = Some(Rc::from(entry.to.to_string()));
        line.counts = Some(worker.metrics.route(entry.name()));
    });
    exchange.set_tunnel();
    exchange
}

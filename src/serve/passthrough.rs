//! TLS that the gateway does not terminate: the connection is forwarded unchanged to the server
//! that its server name belongs to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use bytes::Bytes;
use ppp::v2;
use tokio::io::AsyncWriteExt;

use super::Worker;
use super::accepted::AcceptedConn;
use crate::host::HostName;
use crate::proxy::connect::{ConnectError, Connector, UpstreamStream};
use crate::resolve::Resolver;
use crate::route::passthrough::Passthrough;
use crate::route::upstream::UpstreamTls;
use crate::slot::MaxConnections;
use crate::telemetry::access::{End, Exchange, Head};
use crate::telemetry::{Chain, summed};
use crate::tunnel::{Grant, Tunnel, TunnelControl, TunnelKey};

/// Forwards a connection. `hello` is what the client has sent so far.
pub(super) async fn pass(
    accepted: AcceptedConn,
    hello: Vec<u8>,
    sni: HostName,
    entry: &Passthrough,
    worker: Rc<Worker>,
) {
    let exchange = exchange(&accepted, &sni, entry, &worker);
    let room = worker.shared.sockets.server(&entry.to.to_string());
    let Ok(share) = accepted
        .slot
        .counted()
        .enter(&room, MaxConnections::Unlimited, true)
    else {
        exchange.note(|line| (line.end, line.reason) = (End::Upstream, Some("upstream_share")));
        return;
    };
    let Ok(socket) = room.take(MaxConnections::Unlimited, true) else {
        exchange.note(|line| (line.end, line.reason) = (End::Upstream, Some("upstream_sockets")));
        return;
    };
    let upstream = match connect(&accepted, entry, &worker.shared.resolver).await {
        Ok(upstream) => upstream,
        Err(error) => {
            exchange.note(|line| {
                (line.end, line.reason) = (End::Upstream, Some("upstream_unreachable"))
            });
            let advice = concat!(
                "is the server of this [[passthrough]] running, ",
                "and does it listen on this address?"
            );
            let (id, error) = (exchange.id(), Chain(&error).to_string());
            summed("not_passed_through", &entry.to.to_string(), move |times| {
                tracing::warn!(%id, %sni, times, error, advice, "TLS not passed through");
            });
            return;
        }
    };
    let key = TunnelKey::Passthrough {
        sni,
        to: entry.to.clone(),
    };
    let control = TunnelControl::new(key, accepted.peer.client(), Grant::default());
    // The configuration may have changed while the server was connected.
    if let Some(reason) = worker.view().judge(&control) {
        control.close(reason);
    }
    let entry = worker.enter_tunnel(control);
    let ticks = Rc::clone(&worker.ticks);
    let sides = (
        (accepted.stream, Bytes::from(hello)),
        (upstream, Bytes::new()),
    );
    Tunnel::new(
        sides.0,
        sides.1,
        entry,
        exchange,
        ticks,
        (accepted.slot, socket, share),
    )
    .await;
}

async fn connect(
    accepted: &AcceptedConn,
    entry: &Passthrough,
    resolver: &Resolver,
) -> Result<UpstreamStream, ConnectError> {
    let mut upstream = Connector::new(entry.to.clone(), &UpstreamTls::default(), None, resolver)
        .connect()
        .await?;
    if entry.proxy_protocol {
        let sent = match proxy_header(accepted) {
            Ok(header) => upstream.write_all(&header).await,
            Err(error) => Err(error),
        };
        sent.map_err(|error| ConnectError::broke(&entry.to, error))?;
    }
    Ok(upstream)
}

/// A PROXY v2 header with the client's address and the address that it has connected to.
fn proxy_header(accepted: &AcceptedConn) -> io::Result<Vec<u8>> {
    let local = accepted.stream.local_addr()?;
    let local = SocketAddr::new(local.ip().to_canonical(), local.port());
    let addresses: v2::Addresses = of_one_family(accepted.peer.addr(), local).into();
    v2::Builder::with_addresses(
        v2::Version::Two | v2::Command::Proxy,
        v2::Protocol::Stream,
        addresses,
    )
    .build()
}

/// A header has one address family for both addresses. They differ if a load balancer announces an
/// IPv6 client over an IPv4 connection.
fn of_one_family(client: SocketAddr, local: SocketAddr) -> (SocketAddr, SocketAddr) {
    if client.is_ipv4() == local.is_ipv4() {
        (client, local)
    } else {
        (as_ipv6(client), as_ipv6(local))
    }
}

fn as_ipv6(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), addr.port()),
        IpAddr::V6(_) => addr,
    }
}

fn exchange(
    accepted: &AcceptedConn,
    sni: &HostName,
    entry: &Passthrough,
    worker: &Worker,
) -> Rc<Exchange> {
    let head = || Head::of_host(&sni.to_string());
    let exchange = Exchange::begin(
        worker.ids.next(),
        accepted.peer.client(),
        &worker.access,
        head,
    );
    exchange.note(|line| {
        line.route = Some(Rc::from(format!("passthrough:{}", entry.sni)));
        line.upstream = Some(Rc::from(entry.to.to_string()));
        line.counts = Some(worker.metrics.route(entry.name()));
    });
    exchange.set_tunnel();
    exchange
}

//! A client connection before HTTP: PROXY header and TLS handshake.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use rustls::{HandshakeKind, ProtocolVersion, ServerConnection};

use super::accepted::AcceptedConn;
use super::connection_guard::ConnectionGuard;
use super::control::ConnControl;
use super::handshake::{HandshakeOutcome, handshake, local_address};
use super::handshake_places::GivenUp;
use super::io::Stream;
use super::login::ClientCert;
use super::over_limit::{self, OverLimit};
use super::passthrough as passing;
use super::proxy_protocol::{self, Header};
use super::stack;
use super::timeout::within;
use super::{ConnInfo, Worker, h1, h2, handshake_failure};
use crate::addr::{Kind, PeerAddr};
use crate::host::HostName;
use crate::overload::Overload;
use crate::proxy::origin::Origin;
use crate::route::passthrough;
use crate::slot::Full;
use crate::telemetry::metrics::Handshake;
use crate::telemetry::{Chain, summed};
use crate::tls::Shown;

/// How much encrypted data TLS buffers of an HTTP/1.1 answer that the client does not read: two
/// records, which are what one piece of an answer fills. With one record, every piece would take
/// two writes.
const TLS_BUFFER: usize = 32 * 1024;

/// Serves a connection until it closes. What not every TLS handshake needs is in boxes: the runtime
/// moves this future several times, and all that it may hold with it.
pub async fn serve(mut accepted: AcceptedConn, worker: Rc<Worker>) {
    if accepted.expects_proxy_header {
        match read_proxy_header(&mut accepted, &worker).await {
            Some(Ok(())) => {}
            Some(Err(full)) => {
                let AcceptedConn {
                    stream, peer, kind, ..
                } = accepted;
                let over_limit = OverLimit {
                    stream,
                    peer,
                    kind,
                    expects_proxy_header: false,
                    full,
                };
                return over_limit::serve(over_limit, &worker);
            }
            None => return,
        }
    }
    match accepted.kind {
        Kind::Https => serve_https(accepted, worker).await,
        Kind::Http => {
            let (stream, conn) = plain(accepted, worker);
            Box::pin(h1::serve(stream, conn, stack::http())).await;
        }
        Kind::Plain => {
            // Clients know the port of the proxy alone.
            accepted.port = worker.view().snapshot.proxy_port;
            let (stream, conn) = plain(accepted, worker);
            Box::pin(h1::serve(stream, conn, stack::routes())).await;
        }
    }
}

fn plain(accepted: AcceptedConn, worker: Rc<Worker>) -> (Stream, Rc<ConnInfo>) {
    let way = Way::of(&accepted);
    let way = Way {
        local: local_address(&accepted.stream),
        ..way
    };
    let conn = conn_info(way, accepted.slot, Secured::default(), worker);
    (Stream::Plain(accepted.stream), conn)
}

/// Reads the client's address from the PROXY header and assigns the slot to that client. `None` if
/// there is no valid header; the error says that the client has reached a limit.
async fn read_proxy_header(
    accepted: &mut AcceptedConn,
    worker: &Worker,
) -> Option<Result<(), Full>> {
    let view = worker.view();
    let limits = &view.snapshot.limits;
    let balancer = accepted.peer;
    let header = proxy_protocol::read(&mut accepted.stream);
    match within(limits.header_timeout, &worker.ticks, header).await {
        Some(Ok(Header::Client(client))) => accepted.peer = client,
        Some(Ok(Header::OfBalancer)) => {}
        Some(Ok(Header::None)) => {
            tracing::debug!(%balancer, "connection closed without a byte, as health checks do");
            return None;
        }
        Some(Err(error)) => {
            let error = Chain(&error).to_string();
            reject_proxy_header(worker, balancer, error);
            return None;
        }
        None => {
            let error = "none within limits.header_timeout".to_owned();
            reject_proxy_header(worker, balancer, error);
            return None;
        }
    }
    Some(accepted.slot.assign(accepted.peer.client(), limits))
}

fn reject_proxy_header(worker: &Worker, balancer: PeerAddr, error: String) {
    worker.metrics.refused.inc("proxy_header");
    tracing::debug!(%balancer, error, "no PROXY header");
    let address = balancer.client().to_string();
    summed("proxy_header", &address, move |times| {
        tracing::warn!(
            %balancer,
            times,
            error,
            "no PROXY header from a peer in listen.proxy_protocol"
        );
    });
}

#[expect(
    clippy::disallowed_methods,
    reason = "the task ends with the connection, which is registered"
)]
async fn serve_https(mut accepted: AcceptedConn, worker: Rc<Worker>) {
    let limit = worker.view().snapshot.limits.header_timeout;
    let (peer, way) = (accepted.peer, Way::of(&accepted));
    let place = accepted.place.take();
    let place = place.unwrap_or_else(|| worker.places.take());
    let outcome = place
        .within(limit, handshake(accepted, &worker, &place))
        .await;
    drop(place);
    let (mut tls, slot, certificate, client_cert) = match outcome {
        Ok(Ok(HandshakeOutcome::Tls {
            tls,
            slot,
            certificate,
            client_cert,
        })) => (tls, slot, certificate, client_cert),
        Ok(Ok(HandshakeOutcome::Passthrough {
            accepted,
            hello,
            sni,
        })) => {
            worker.metrics.handshake(Handshake::PassedOn);
            let view = worker.view();
            if let Some(entry) = passthrough::find(&view.snapshot.passthrough, &sni) {
                Box::pin(passing::pass(accepted, hello, sni, entry, worker)).await;
            }
            return;
        }
        Ok(Ok(HandshakeOutcome::Done)) => return,
        Ok(Err(error)) => {
            return handshake_failure::note_error(&worker, peer, &error);
        }
        Err(GivenUp::Shed) => return worker.refuse(peer, Full::Handshakes),
        Err(GivenUp::Late) => {
            worker.metrics.handshake(Handshake::Timeout);
            tracing::debug!(%peer, "TLS handshake took longer than limits.header_timeout");
            return;
        }
    };
    let (_, session) = tls.get_ref();
    worker.metrics.handshake(kind_of(session));
    let is_h2 = session.alpn_protocol() == Some(b"h2");
    let sni: Option<HostName> = session.server_name().and_then(|name| name.parse().ok());
    let local = match sni {
        Some(_) => None,
        None => local_address(&tls.get_ref().0.0),
    };
    let secure = Secured {
        sni,
        certificate,
        client_cert,
    };
    let conn = conn_info(Way { local, ..way }, slot, secure, worker);
    if !is_h2 {
        tls.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
    }
    let stream = Stream::Tls(tls);
    // HTTP gets a task of its own, so that the memory of the handshake is free. The runtime moves a
    // task's future several times before it runs and after it has ended: only the box is moved.
    if is_h2 {
        tokio::task::spawn_local(Box::pin(h2::serve(stream, conn, stack::routes())));
    } else {
        tokio::task::spawn_local(Box::pin(h1::serve(stream, conn, stack::routes())));
    }
}

fn kind_of(session: &ServerConnection) -> Handshake {
    let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
    match (session.protocol_version(), resumed) {
        (Some(ProtocolVersion::TLSv1_2), false) => Handshake::Full12,
        (Some(ProtocolVersion::TLSv1_2), true) => Handshake::Resumed12,
        (_, false) => Handshake::Full13,
        (_, true) => Handshake::Resumed13,
    }
}

/// What a handshake has shown of both ends; nothing without TLS.
#[derive(Default)]
struct Secured {
    sni: Option<HostName>,
    certificate: Option<Shown>,
    client_cert: Option<Box<ClientCert>>,
}

/// The two ends of a connection, and what is spoken on it.
struct Way {
    peer: PeerAddr,
    kind: Kind,
    port: u16,
    is_balanced: bool,
    overload: Option<Overload>,
    local: Option<IpAddr>,
}

impl Way {
    fn of(accepted: &AcceptedConn) -> Self {
        Self {
            peer: accepted.peer,
            kind: accepted.kind,
            port: accepted.port,
            is_balanced: accepted.expects_proxy_header,
            overload: accepted.overload,
            local: None,
        }
    }
}

fn conn_info(
    way: Way,
    slot: ConnectionGuard,
    secured: Secured,
    worker: Rc<Worker>,
) -> Rc<ConnInfo> {
    let client = way.peer.client();
    Rc::new(ConnInfo {
        control: ConnControl::new(&worker.ticks, slot.unread()),
        worker,
        client,
        counted: slot.counted(),
        slot: Rc::new(slot),
        kind: way.kind,
        overload: way.overload,
        port: way.port,
        is_balanced: way.is_balanced,
        local: way.local,
        sni: secured.sni,
        certificate: secured.certificate,
        client_cert: secured.client_cert,
        origin: Rc::new(Origin::new(client, way.port)),
        last_host: RefCell::new(None),
    })
}

//! The first bytes of a connection to a TLS listener: TLS for us or for another server, or no TLS.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;
use tokio_rustls::server::TlsStream;

use super::accepted::AcceptedConn;
use super::client_addr::is_trusted;
use super::connection_guard::ConnectionGuard;
use super::handshake_failure::{HandshakeFailure, note_name};
use super::handshake_places::Place;
use super::hello::{FirstBytes, Hello};
use super::login::ClientCert;
use super::snapshot::Snapshot;
use super::validation::Otherwise;
use super::{Worker, validation};
use crate::addr::PeerAddr;
use crate::host::HostName;
use crate::pulse::Activity;
use crate::route::passthrough;
use crate::socket::TlsTransport;
use crate::telemetry::metrics::Handshake;
use crate::telemetry::summed;
use crate::tls::{Asked, ChosenBy, Shown};

/// The outcome of a handshake.
pub(super) enum HandshakeOutcome {
    /// TLS with this gateway.
    Tls {
        tls: Box<TlsStream<TlsTransport>>,
        slot: ConnectionGuard,
        certificate: Option<Shown>,
        /// What the client has shown; `None` if it was not asked for a certificate.
        client_cert: Option<Box<ClientCert>>,
    },
    /// TLS with another server, to which the connection is passed.
    Passthrough {
        accepted: AcceptedConn,
        hello: Vec<u8>,
        sni: HostName,
    },
    /// The connection is finished: a CA has validated a name, the client has got an error, or it
    /// has closed the connection.
    Done,
}

/// Reads the ClientHello, and makes the handshake if the connection is for this gateway.
///
/// # Errors
/// What the client did wrong, or the socket's own.
pub(super) async fn handshake(
    mut accepted: AcceptedConn,
    worker: &Worker,
    place: &Place,
) -> io::Result<HandshakeOutcome> {
    accepted.stream.readable().await?;
    place.is_ours();
    worker.handshakes.wait().await;
    place.is_theirs();
    let hello = match Hello::read(&mut accepted.stream).await? {
        FirstBytes::Hello(hello) => hello,
        without_tls @ (FirstBytes::PlainHttp | FirstBytes::ProxyHeader) => {
            if matches!(without_tls, FirstBytes::ProxyHeader) {
                log_unexpected_header(accepted.peer);
            }
            Box::pin(answer_plain_http(&mut accepted.stream)).await?;
            worker.metrics.handshake(Handshake::PlainHttp);
            return Ok(HandshakeOutcome::Done);
        }
        FirstBytes::None => {
            worker.metrics.handshake(Handshake::Silent);
            return Ok(HandshakeOutcome::Done);
        }
    };
    if !hello.came_at_once {
        // The turn was for its first part.
        place.is_ours();
        worker.handshakes.wait().await;
        place.is_theirs();
    }
    worker.ticks.pulse().note(Activity::Handshake);
    let view = worker.view();
    match hello.sni() {
        Some(sni) => with_name(hello, sni, accepted, &view.snapshot, worker).await,
        None => {
            let local = local_address(&accepted.stream);
            let chosen = ChosenBy::address(local, &view.snapshot.certificates);
            accept(hello, accepted, chosen, &view.snapshot).await
        }
    }
}

fn log_unexpected_header(peer: PeerAddr) {
    let address = peer.client().to_string();
    summed("unexpected_proxy_header", &address, move |times| {
        tracing::warn!(
            %peer,
            times,
            "a PROXY header from a peer that is not in listen.proxy_protocol; if it is your \
             balancer, list its address there"
        );
    });
}

/// What happens to a client that has sent a server name. A CA that validates the name goes first,
/// then a server to which the name's connections are passed.
async fn with_name(
    hello: Box<Hello>,
    sni: HostName,
    mut accepted: AcceptedConn,
    snapshot: &Snapshot,
    worker: &Worker,
) -> io::Result<HandshakeOutcome> {
    if let Some(settings) = validation::settings(&hello, &sni, worker) {
        Box::pin(validation::shake(*hello, accepted.stream, settings)).await?;
        worker.metrics.handshake(Handshake::Validation);
        return Ok(HandshakeOutcome::Done);
    }
    if passthrough::find(&snapshot.passthrough, &sni).is_some() {
        let hello = hello.bytes;
        return Ok(HandshakeOutcome::Passthrough {
            accepted,
            hello,
            sni,
        });
    }
    if let Some(settings) = validation::redirected(&hello, &sni, worker)
        && snapshot.certificates.lookup(Some(&sni)).next().is_none()
    {
        let tls = StartHandshake::from_parts(hello.accepted, TlsTransport(accepted.stream));
        let tls = Box::pin(tls.into_stream(settings)).await?;
        let answered = validation::answer_alone(tls, worker, Otherwise::Tell, || {});
        let was_ca = Box::pin(answered).await?;
        if was_ca {
            worker.metrics.handshake(Handshake::Validation);
        } else {
            note_name(worker, accepted.peer, HandshakeFailure::NoCertificate, sni);
        }
        return Ok(HandshakeOutcome::Done);
    }
    if !snapshot.answers(&sni) {
        // A proxy names its upstream, for all of its clients.
        if is_trusted(accepted.peer.client(), &snapshot.trusted_proxies) {
            return accept(hello, accepted, ChosenBy::Nothing, snapshot).await;
        }
        note_name(worker, accepted.peer, HandshakeFailure::UnknownName, sni);
        accepted.stream.write_all(&UNRECOGNIZED_NAME).await?;
        return Ok(HandshakeOutcome::Done);
    }
    accept(hello, accepted, ChosenBy::ServerName, snapshot).await
}

/// The address that a client has connected to.
pub(super) fn local_address(stream: &TcpStream) -> Option<IpAddr> {
    let address = stream.local_addr().ok()?;
    Some(address.ip().to_canonical())
}

async fn accept(
    hello: Box<Hello>,
    accepted: AcceptedConn,
    chosen: ChosenBy,
    snapshot: &Snapshot,
) -> io::Result<HandshakeOutcome> {
    let asks = asks_for_certificate(&hello, &chosen, accepted.peer, snapshot);
    let (settings, asks) = snapshot.tls.of(&chosen, asks);
    let asked = Asked::of(&hello.accepted.client_hello(), chosen);
    let tls = StartHandshake::from_parts(hello.accepted, TlsTransport(accepted.stream))
        .into_stream(settings)
        .await?;
    let session = tls.get_ref().1;
    let certificate = snapshot.certificates.shown(asked, session);
    let client_cert = asks.then(|| Box::new(ClientCert::new(session.peer_certificates())));
    Ok(HandshakeOutcome::Tls {
        tls: Box::new(tls),
        slot: accepted.slot,
        certificate,
        client_cert,
    })
}

/// Whether the client is asked for a certificate: only where a route of the name may need one,
/// since browsers ask their users. That of a proxy would not count.
fn asks_for_certificate(
    hello: &Hello,
    chosen: &ChosenBy,
    peer: PeerAddr,
    snapshot: &Snapshot,
) -> bool {
    let host = match chosen {
        ChosenBy::ServerName => hello.sni(),
        ChosenBy::Address(ip) => Some(HostName::from(*ip)),
        ChosenBy::Nothing => None,
    };
    let is_proxy = is_trusted(peer.client(), &snapshot.trusted_proxies);
    !is_proxy && snapshot.routes.asks_for_certificate(host.as_ref())
}

/// The alert for a server name without a certificate (RFC 6066, section 3), as a record of TLS 1.2.
const UNRECOGNIZED_NAME: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 112];

async fn answer_plain_http(tcp: &mut TcpStream) -> io::Result<()> {
    let text = "400 Bad Request\nThis port speaks HTTPS: use https:// in the address.\n";
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    tcp.write_all(head.as_bytes()).await?;
    tcp.shutdown().await?;
    let mut sink = [0; 1024];
    while tcp.read(&mut sink).await? > 0 {}
    Ok(())
}

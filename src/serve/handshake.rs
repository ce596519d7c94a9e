//! The first bytes of a connection to a TLS listener: ours, another server's, or not TLS at all.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;
use tokio_rustls::server::TlsStream;

use super::conn::AcceptedConn;
use super::connection_guard::ConnectionGuard;
use super::hello::{Heard, Hello};
use super::validation::Otherwise;
use super::{Worker, validation};
use crate::host::HostName;
use crate::route::passthrough;
use crate::telemetry::metrics::Handshake;
use crate::tls::{Asked, Shown};

/// What came of a handshake.
pub(super) enum HandshakeOutcome {
    /// TLS, ended here. The socket is in it; of the knock, the rest.
    Ours(Box<TlsStream<TcpStream>>, Rest, Option<Shown>),
    /// TLS that another server ends.
    Another {
        knock: AcceptedConn,
        hello: Vec<u8>,
        sni: HostName,
    },
    /// A CA has seen what it wanted, or the client spoke plain HTTP and was told so, or said
    /// nothing.
    Over,
}

/// A knock without its socket.
pub(super) struct Rest {
    pub(super) port: u16,
    pub(super) slot: ConnectionGuard,
}

/// Shakes hands, where the connection is ours to do so.
///
/// # Errors
/// What the client did wrong, or the socket's own.
pub(super) async fn handshake(
    mut knock: AcceptedConn,
    worker: &Worker,
) -> io::Result<HandshakeOutcome> {
    let hello = match Hello::read(&mut knock.stream).await? {
        Heard::Hello(hello) => hello,
        Heard::PlainHttp => {
            tell_plain_client(&mut knock.stream).await?;
            worker.metrics.shaken(Handshake::PlainHttp);
            return Ok(HandshakeOutcome::Over);
        }
        Heard::Nothing => {
            worker.metrics.shaken(Handshake::Silent);
            return Ok(HandshakeOutcome::Over);
        }
    };
    let local = worker.view();
    if let Some(sni) = hello.sni() {
        if let Some(settings) = validation::settings(&hello, &sni, worker) {
            validation::shake(*hello, knock.stream, settings).await?;
            worker.metrics.shaken(Handshake::Validation);
            return Ok(HandshakeOutcome::Over);
        }
        if passthrough::find(&local.snapshot.passthrough, &sni).is_some() {
            return Ok(HandshakeOutcome::Another {
                knock,
                hello: hello.bytes,
                sni,
            });
        }
        if let Some(settings) = validation::redirected(&hello, &sni, worker)
            && local
                .snapshot
                .certificates
                .lookup(Some(&sni))
                .next()
                .is_none()
        {
            let tls = StartHandshake::from_parts(hello.accepted, knock.stream)
                .into_stream(settings)
                .await?;
            let was_ca = validation::answer_alone(tls, worker, Otherwise::Tell, || {}).await?;
            worker.metrics.shaken(if was_ca {
                Handshake::Validation
            } else {
                Handshake::Failed
            });
            return Ok(HandshakeOutcome::Over);
        }
        if !local.snapshot.answers(&sni) {
            worker.note_unserved(&sni);
            worker.metrics.shaken(Handshake::Failed);
            knock.stream.write_all(&UNRECOGNIZED_NAME).await?;
            return Ok(HandshakeOutcome::Over);
        }
    }
    let config = Arc::clone(&local.snapshot.tls);
    let asked = Asked::of(&hello.accepted.client_hello());
    let tls = StartHandshake::from_parts(hello.accepted, knock.stream)
        .into_stream(config)
        .await?;
    let shown = local.snapshot.certificates.shown(asked, tls.get_ref().1);
    Ok(HandshakeOutcome::Ours(
        Box::new(tls),
        Rest {
            port: knock.port,
            slot: knock.slot,
        },
        shown,
    ))
}

/// The alert for a server name that nothing serves (RFC 6066, section 3), as a record of TLS 1.2.
const UNRECOGNIZED_NAME: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 112];

async fn tell_plain_client(tcp: &mut TcpStream) -> io::Result<()> {
    let text = "400 Bad Request\nThis port speaks HTTPS: use https:// in the address.\n";
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{text}",
        text.len()
    );
    tcp.write_all(head.as_bytes()).await?;
    tcp.shutdown().await?;
    let mut sink = [0; 1024];
    while tcp.read(&mut sink).await? > 0 {}
    Ok(())
}

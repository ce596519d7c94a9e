//! One client connection from accept to its last byte: handshake, HTTP, perhaps a tunnel.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use rustls::{HandshakeKind, ProtocolVersion, ServerConnection};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::body::Body;
use super::connection_guard::ConnectionGuard;
use super::control::{ConnCommand, ConnControl};
use super::handshake::{HandshakeOutcome, handshake};
use super::io::{ConnIo, Stream};
use super::linger;
use super::over_limit::{self, OverLimit};
use super::stack::{self, Stack};
use super::unread;
use super::{Arrived, ConnInfo, Worker};
use super::{passthrough as passing, proxy_protocol};
use crate::addr::{ClientAddr, Kind, PeerAddr};
use crate::host::HostName;
use crate::proxy::headers::Origin;
use crate::route::passthrough;
use crate::slot::Full;
use crate::telemetry::Chain;
use crate::telemetry::access::{End, Exchange, Head};
use crate::telemetry::metrics::{Handshake, WorkerMetrics};
use crate::tick::Ticks;
use crate::tls::Shown;

/// The largest request head, and the most that is read ahead of a body.
const MAX_HEAD: usize = 64 * 1024;

/// What TLS holds encrypted of an HTTP/1.1 answer that is not read: two records, which are what one
/// piece of an answer fills. With one, every piece would take two writes.
const TLS_BUFFER: usize = 32 * 1024;

/// Requests that one HTTP/2 connection may have open: a page's worth.
const MAX_STREAMS: u32 = 128;

/// An accepted connection.
#[derive(Debug)]
pub struct AcceptedConn {
    /// The socket.
    pub stream: TcpStream,
    /// The other end of it.
    pub peer: PeerAddr,
    /// What is spoken on the listener.
    pub kind: Kind,
    /// The port of the listener.
    pub port: u16,
    /// Its slot.
    pub slot: ConnectionGuard,
    /// Whether the peer is a balancer, which has to say by PROXY protocol who connects.
    pub expects_proxy_header: bool,
}

/// Serves a connection to its end.
pub async fn serve(mut knock: AcceptedConn, worker: Rc<Worker>) {
    if knock.expects_proxy_header {
        match read_proxy_header(&mut knock, &worker).await {
            Some(Ok(())) => {}
            Some(Err(full)) => {
                let AcceptedConn {
                    stream, peer, kind, ..
                } = knock;
                return over_limit::serve(
                    OverLimit {
                        stream,
                        peer,
                        kind,
                        expects_proxy_header: false,
                        full,
                    },
                    &worker,
                );
            }
            None => return,
        }
    }
    match knock.kind {
        Kind::Https => serve_https(knock, worker).await,
        Kind::Http => {
            let stream = Stream::Plain(knock.stream);
            let conn = connection(knock.peer, knock.port, knock.slot, (None, None), worker);
            drive_h1(stream, conn, stack::http()).await;
        }
    }
}

/// Who connects, by the balancer's word; `None` if it is not to be had. The error is that there is
/// no slot for that client.
async fn read_proxy_header(knock: &mut AcceptedConn, worker: &Worker) -> Option<Result<(), Full>> {
    let local = worker.view();
    let limits = &local.snapshot.limits;
    let balancer = knock.peer;
    let heard = before(
        limits.header_timeout,
        &worker.ticks,
        proxy_protocol::read(&mut knock.stream),
    )
    .await;
    match heard {
        Some(Ok(expects_proxy_header)) => knock.peer = expects_proxy_header.unwrap_or(balancer),
        Some(Err(error)) => {
            tracing::warn!(%balancer, error = %Chain(&error), "no PROXY header from a peer in listen.proxy_protocol");
            worker.metrics.refused.one("proxy_header");
            return None;
        }
        None => {
            tracing::warn!(%balancer, "no PROXY header within limits.header_timeout");
            worker.metrics.refused.one("proxy_header");
            return None;
        }
    }
    Some(knock.slot.assign(knock.peer.client(), limits))
}

async fn serve_https(knock: AcceptedConn, worker: Rc<Worker>) {
    let limit = worker.view().snapshot.limits.header_timeout;
    let peer = knock.peer;
    let shaken = before(limit, &worker.ticks, handshake(knock, &worker)).await;
    let (mut tls, knock, shown) = match shaken {
        Some(Ok(HandshakeOutcome::Ours(tls, knock, shown))) => (tls, knock, shown),
        Some(Ok(HandshakeOutcome::Another { knock, hello, sni })) => {
            worker.metrics.shaken(Handshake::PassedOn);
            let local = worker.view();
            if let Some(entry) = passthrough::find(&local.snapshot.passthrough, &sni) {
                passing::pass(knock, hello, sni, entry, worker).await;
            }
            return;
        }
        Some(Ok(HandshakeOutcome::Over)) => return,
        Some(Err(error)) => {
            worker.metrics.shaken(Handshake::Failed);
            tracing::debug!(%peer, error = %Chain(&error), "TLS handshake failed");
            return;
        }
        None => {
            worker.metrics.shaken(Handshake::Timeout);
            tracing::debug!(%peer, "TLS handshake took longer than limits.header_timeout");
            return;
        }
    };
    let (_, session) = tls.get_ref();
    worker.metrics.shaken(handshake_facts(session));
    let is_h2 = session.alpn_protocol() == Some(b"h2");
    let sni = session.server_name().and_then(|name| name.parse().ok());
    let conn = connection(peer, knock.port, knock.slot, (sni, shown), worker);
    if !is_h2 {
        tls.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
    }
    let stream = Stream::Tls(tls);
    // A task of its own each, so that none keeps the size of what came before it.
    if is_h2 {
        tokio::task::spawn_local(drive_h2(stream, conn, stack::https()));
    } else {
        tokio::task::spawn_local(drive_h1(stream, conn, stack::https()));
    }
}

fn handshake_facts(session: &ServerConnection) -> Handshake {
    let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
    match (session.protocol_version(), resumed) {
        (Some(ProtocolVersion::TLSv1_2), false) => Handshake::Full12,
        (Some(ProtocolVersion::TLSv1_2), true) => Handshake::Resumed12,
        (_, false) => Handshake::Full13,
        (_, true) => Handshake::Resumed13,
    }
}

fn connection(
    peer: PeerAddr,
    port: u16,
    slot: ConnectionGuard,
    (sni, certificate): (Option<HostName>, Option<Shown>),
    worker: Rc<Worker>,
) -> Rc<ConnInfo> {
    let client = peer.client();
    Rc::new(ConnInfo {
        control: ConnControl::new(&worker.ticks, slot.unread()),
        worker,
        client,
        slot: Rc::new(slot),
        port,
        sni,
        certificate,
        origin: Rc::new(Origin::new(client, port)),
        last_host: RefCell::new(None),
    })
}

/// The future's output, or `None` if it takes longer than the limit.
pub(super) async fn before<F: Future>(
    limit: Duration,
    ticks: &Rc<Ticks>,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let alarm = ticks.alarm(limit);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if alarm.is_due(cx) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// A connection's requests, handed to the stack.
struct Requests<S> {
    stack: RefCell<S>,
    conn: Rc<ConnInfo>,
}

impl<S: Stack> hyper::service::Service<Request<Incoming>> for Requests<S> {
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = S::Future;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        // No layer of the stack has to be waited for: they are ready by construction.
        self.stack.borrow_mut().call(Arrived {
            request,
            conn: Rc::clone(&self.conn),
        })
    }
}

async fn drive_h1<S: Stack>(stream: Stream, conn: Rc<ConnInfo>, stack: S) {
    let registered = conn.worker.connections.enter(Rc::clone(&conn.control));
    let worker = Rc::clone(&conn.worker);
    let slot = Rc::clone(&conn.slot);
    let lost = (Rc::clone(&worker), conn.client);
    let io = TokioIo::new(ConnIo::new(stream, Rc::clone(&registered)));
    let mut http = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_header_size(MAX_HEAD)
        .serve_connection(
            io,
            Requests {
                stack: RefCell::new(stack),
                conn,
            },
        );
    let told = poll_fn(|cx| {
        match registered.take_order(cx) {
            Some(ConnCommand::Finish) => Pin::new(&mut http).graceful_shutdown(),
            Some(order) => return Poll::Ready(Some(order)),
            None => {}
        }
        http.poll_without_shutdown(cx).map(|ended| {
            let error = ended.err()?;
            // An answer that was cut must not look whole: TLS is not ended either. hyper's own
            // answer to a broken head must get through whatever follows that head.
            let is_cut = error.is_user();
            if error.is_parse() {
                let status = if error.is_parse_too_large() { 431 } else { 400 };
                broken_head(&lost, status, "broken_head");
            }
            registered.set_lingers();
            note_end(Err(error), &worker.metrics);
            is_cut.then_some(ConnCommand::Abort)
        })
    })
    .await;
    if told == Some(ConnCommand::Abort) {
        return;
    }
    let parts = http.into_parts();
    drop(parts.service);
    let mut stream = parts.io.into_inner().into_inner();
    if told == Some(ConnCommand::LateHead) {
        broken_head(&lost, 408, "late_head");
        worker.metrics.heads.one("late");
        tell_late(&mut stream, &worker.ticks).await;
        linger::finish(stream, false, &registered, &worker.ticks).await;
        return;
    }
    match registered.take_handoff() {
        Some(handoff) => {
            let tunnel = handoff.into_tunnel((stream, parts.read_buf), &worker.ticks, slot);
            tokio::task::spawn_local(tunnel);
        }
        None => {
            let is_sending = registered.lingers() || !parts.read_buf.is_empty();
            linger::finish(stream, is_sending, &registered, &worker.ticks).await;
        }
    }
}

/// A line for a head that never became a request: it was answered before any layer saw it.
fn broken_head((worker, client): &(Rc<Worker>, ClientAddr), status: u16, reason: &'static str) {
    let exchange = Exchange::begin(worker.ids.next(), *client, &worker.access, Head::unknown);
    exchange.note(|line| (line.status, line.reason, line.end) = (status, Some(reason), End::Done));
}

fn note_end(ended: hyper::Result<()>, metrics: &WorkerMetrics) {
    if let Err(error) = ended {
        // hyper has answered these by itself.
        if error.is_parse_too_large() {
            metrics.heads.one("too_large");
        } else if error.is_parse() {
            metrics.heads.one("malformed");
        }
        tracing::debug!(error = %Chain(&error), "connection ended with an error");
    }
}

/// No request is under way, so the stream is ours to answer on.
async fn tell_late(stream: &mut Stream, ticks: &Rc<Ticks>) {
    let answer = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    // Whoever is too slow for a head may be too slow for an answer.
    let _ = before(linger::SHORT, ticks, stream.write_all(answer.as_bytes())).await;
}

/// Runs HTTP/2's streams on the worker.
#[derive(Clone, Copy)]
struct LocalTasks;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalTasks {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

async fn drive_h2<S: Stack>(stream: Stream, conn: Rc<ConnInfo>, stack: S) {
    conn.control.set_h2();
    let registered = conn.worker.connections.enter(Rc::clone(&conn.control));
    let io = TokioIo::new(ConnIo::new(stream, Rc::clone(&registered)));
    let mut builder = http2::Builder::new(LocalTasks);
    builder
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD as u32)
        .max_send_buf_size(unread::PER_ANSWER);
    if conn.worker.view().snapshot.h2_websockets {
        builder.enable_connect_protocol();
    }
    let metrics = Arc::clone(&conn.worker.metrics);
    let http = builder.serve_connection(
        io,
        Requests {
            stack: RefCell::new(stack),
            conn,
        },
    );
    let mut http = pin!(http);
    poll_fn(|cx| {
        match registered.take_order(cx) {
            Some(ConnCommand::Finish) => http.as_mut().graceful_shutdown(),
            Some(ConnCommand::Abort | ConnCommand::LateHead) => return Poll::Ready(()),
            None => {}
        }
        http.as_mut()
            .poll(cx)
            .map(|ended| note_end(ended, &metrics))
    })
    .await;
}

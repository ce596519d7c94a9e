//! Connections over the limit while a certificate order is open: a CA that validates a name must
//! get through although the limits are reached. Every other connection is rejected.
//!
//! Few such connections are open at a time, each for a short time, and only requests of a CA are
//! answered, so this is no way round the limits. A connection on which nothing is sent gives way to
//! a newer one ([`crate::challenge_slots`]).

use std::cell::Cell;
use std::future::{Future as _, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::StartHandshake;

use super::hello::{FirstBytes, Hello};
use super::proxy_protocol::{self, Header};
use super::timeout::within;
use super::validation::Otherwise;
use super::{Worker, validation};
use crate::addr::{Kind, PeerAddr};
use crate::challenge_slots::{ChallengeSlot, Said};
use crate::slot::Full;
use crate::telemetry::metrics::Handshake;

/// CAs send their request as soon as they are connected, and give up after a few seconds.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A connection for which there is no slot.
#[derive(Debug)]
pub struct OverLimit {
    /// The socket.
    pub stream: TcpStream,
    /// The other end of the socket.
    pub peer: PeerAddr,
    /// What is spoken on the listener.
    pub kind: Kind,
    /// Whether the peer is a load balancer whose PROXY header has not been read yet.
    pub expects_proxy_header: bool,
    /// Which limit is reached.
    pub full: Full,
}

/// Serves a connection if it may come from a CA. If it does not, it is rejected.
#[expect(clippy::disallowed_methods, reason = "the task ends after `TIMEOUT`")]
pub fn serve(conn: OverLimit, worker: &Rc<Worker>) {
    let (peer, full) = (conn.peer, conn.full);
    let slot = if worker.shared.challenges.is_empty() {
        None
    } else {
        take_slot(&conn, worker)
    };
    let Some(slot) = slot else {
        return worker.refuse(peer, full);
    };
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(async move {
        let limit = TIMEOUT.min(worker.view().snapshot.limits.header_timeout);
        let answer = answer_unless_evicted(conn, &slot, &worker);
        let was_ca = within(limit, &worker.ticks, answer).await;
        if !matches!(was_ca, Some(Ok(true))) {
            worker.refuse(peer, full);
        }
    });
}

fn take_slot(conn: &OverLimit, worker: &Worker) -> Option<ChallengeSlot> {
    // A worker that was busy accepts many at once: those that have sent something by now are not
    // silent.
    let has_sent = SockRef::from(&conn.stream)
        .peek(&mut [MaybeUninit::uninit()])
        .is_ok_and(|bytes| bytes > 0);
    let said = match has_sent {
        true => Said::Something,
        false => Said::Nothing,
    };
    let group = (!conn.expects_proxy_header).then(|| conn.peer.client().group());
    worker.shared.slots.challenge_slots().take(group, said)
}

/// Answers the connection for as long as it has its slot.
async fn answer_unless_evicted(
    conn: OverLimit,
    slot: &ChallengeSlot,
    worker: &Worker,
) -> io::Result<bool> {
    let is_read = Cell::new(false);
    let mut answer = pin!(async {
        // Before this, the runtime does not know whether there is something to read.
        conn.stream.readable().await?;
        is_read.set(true);
        answer(conn, slot, worker).await
    });
    let mut evicted = pin!(slot.closed());
    poll_fn(|cx| {
        if let Poll::Ready(answered) = answer.as_mut().poll(cx) {
            return Poll::Ready(answered);
        }
        if is_read.take() {
            slot.note_wait();
        }
        evicted.as_mut().poll(cx).map(|()| Ok(false))
    })
    .await
}

/// Returns whether the client was a CA, which has been answered.
async fn answer(mut conn: OverLimit, slot: &ChallengeSlot, worker: &Worker) -> io::Result<bool> {
    if conn.expects_proxy_header {
        let client = match proxy_protocol::read(&mut conn.stream).await? {
            Header::Client(client) => client,
            Header::OfBalancer => conn.peer,
            Header::None => return Ok(false),
        };
        if !slot.announce(client.client().group()) {
            return Ok(false);
        }
    }
    match conn.kind {
        Kind::Https => answer_tls(conn.stream, slot, worker).await,
        Kind::Http | Kind::Plain => answer_http(conn.stream, slot, worker).await,
    }
}

async fn answer_tls(
    mut stream: TcpStream,
    slot: &ChallengeSlot,
    worker: &Worker,
) -> io::Result<bool> {
    let FirstBytes::Hello(hello) = Hello::read(&mut stream).await? else {
        return Ok(false);
    };
    let Some(sni) = hello.sni() else {
        return Ok(false);
    };
    if let Some(settings) = validation::settings(&hello, &sni, worker) {
        slot.note_question();
        validation::shake(*hello, stream, settings).await?;
        worker.metrics.handshake(Handshake::Validation);
        return Ok(true);
    }
    let Some(settings) = validation::redirected(&hello, &sni, worker) else {
        return Ok(false);
    };
    let tls = StartHandshake::from_parts(hello.accepted, stream)
        .into_stream(settings)
        .await?;
    let was_ca = answer_http(tls, slot, worker).await?;
    if was_ca {
        worker.metrics.handshake(Handshake::Validation);
    }
    Ok(was_ca)
}

async fn answer_http<S>(stream: S, slot: &ChallengeSlot, worker: &Worker) -> io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    validation::answer_alone(stream, worker, Otherwise::Close, || slot.note_question()).await
}

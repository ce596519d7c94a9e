//! Connections for which there is no slot, while an order is open: a CA that looks whether a name
//! is ours must get through when the limits are reached, and nobody else.
//!
//! Few are heard at a time, shortly, and nothing of them but the question of a CA is answered: no
//! way round the limits. Who is silent makes room for who comes after him ([`crate::challenge_slots`]).

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

use super::conn::before;
use super::hello::{Heard, Hello};
use super::validation::Otherwise;
use super::{Worker, proxy_protocol, validation};
use crate::addr::{Kind, PeerAddr};
use crate::challenge_slots::{ChallengeSlot, Said};
use crate::slot::Full;
use crate::telemetry::metrics::Handshake;

/// CAs ask as soon as they are connected, and give up after a few seconds themselves.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection for which there is no slot.
#[derive(Debug)]
pub struct OverLimit {
    /// The socket.
    pub stream: TcpStream,
    /// The other end of it.
    pub peer: PeerAddr,
    /// What is spoken on the listener.
    pub kind: Kind,
    /// Whether the peer is a balancer, which has still to say by PROXY protocol who connects.
    pub expects_proxy_header: bool,
    /// Which limit is reached.
    pub full: Full,
}

/// Hears a connection if it may be from a CA; otherwise, and if it is not, it is refused.
pub fn serve(uninvited: OverLimit, worker: &Rc<Worker>) {
    let (peer, full) = (uninvited.peer, uninvited.full);
    let guest = if worker.shared.challenges.is_empty() {
        None
    } else {
        place(&uninvited, worker)
    };
    let Some(guest) = guest else {
        return worker.refuse(peer, full);
    };
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(async move {
        let limit = PATIENCE.min(worker.view().snapshot.limits.header_timeout);
        let heard = before(
            limit,
            &worker.ticks,
            unless_closed(uninvited, &guest, &worker),
        )
        .await;
        if !matches!(heard, Some(Ok(true))) {
            worker.refuse(peer, full);
        }
    });
}

fn place(uninvited: &OverLimit, worker: &Worker) -> Option<ChallengeSlot> {
    // A worker that was busy meets many at once: who has spoken by now is not silent.
    let has_spoken = SockRef::from(&uninvited.stream)
        .peek(&mut [MaybeUninit::uninit()])
        .is_ok_and(|bytes| bytes > 0);
    let said = if has_spoken {
        Said::Something
    } else {
        Said::Nothing
    };
    let group = (!uninvited.expects_proxy_header).then(|| uninvited.peer.client().group());
    worker.shared.slots.challenge_slots().take(group, said)
}

/// Hears it for as long as it has its place.
async fn unless_closed(
    uninvited: OverLimit,
    guest: &ChallengeSlot,
    worker: &Worker,
) -> io::Result<bool> {
    let is_read = Cell::new(false);
    let mut answer = pin!(async {
        // Until then the runtime does not know that there is something to read.
        uninvited.stream.readable().await?;
        is_read.set(true);
        answer(uninvited, guest, worker).await
    });
    let mut closed = pin!(guest.closed());
    poll_fn(|cx| {
        if let Poll::Ready(answered) = answer.as_mut().poll(cx) {
            return Poll::Ready(answered);
        }
        if is_read.take() {
            guest.note_wait();
        }
        closed.as_mut().poll(cx).map(|()| Ok(false))
    })
    .await
}

/// Whether it was a CA, and was answered.
async fn answer(
    mut uninvited: OverLimit,
    guest: &ChallengeSlot,
    worker: &Worker,
) -> io::Result<bool> {
    if uninvited.expects_proxy_header {
        let expects_proxy_header = proxy_protocol::read(&mut uninvited.stream)
            .await
            .map_err(io::Error::other)?;
        if !guest.announce(
            expects_proxy_header
                .unwrap_or(uninvited.peer)
                .client()
                .group(),
        ) {
            return Ok(false);
        }
    }
    match uninvited.kind {
        Kind::Https => by_handshake(uninvited.stream, guest, worker).await,
        Kind::Http => by_token(uninvited.stream, guest, worker).await,
    }
}

async fn by_handshake(
    mut stream: TcpStream,
    guest: &ChallengeSlot,
    worker: &Worker,
) -> io::Result<bool> {
    let Heard::Hello(hello) = Hello::read(&mut stream).await? else {
        return Ok(false);
    };
    let Some(sni) = hello.sni() else {
        return Ok(false);
    };
    if let Some(settings) = validation::settings(&hello, &sni, worker) {
        guest.note_question();
        validation::shake(*hello, stream, settings).await?;
        worker.metrics.shaken(Handshake::Validation);
        return Ok(true);
    }
    let Some(settings) = validation::redirected(&hello, &sni, worker) else {
        return Ok(false);
    };
    let tls = StartHandshake::from_parts(hello.accepted, stream)
        .into_stream(settings)
        .await?;
    let was_ca = by_token(tls, guest, worker).await?;
    if was_ca {
        worker.metrics.shaken(Handshake::Validation);
    }
    Ok(was_ca)
}

async fn by_token<S>(stream: S, guest: &ChallengeSlot, worker: &Worker) -> io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    validation::answer_alone(stream, worker, Otherwise::Close, || guest.note_question()).await
}

//! One HTTP/1.1 connection to a server.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;

use super::error::SendError;
use super::keep_alive::Lease;
use super::outgoing::Outgoing;
use super::upstream_io::{AnswerSeen, UpstreamIo};
use crate::proxy::connect::{ConnectError, Connector, UpstreamStream};
use crate::proxy::request_body::RequestBody;
use crate::slot::{SocketSlot, UpstreamUse};
use crate::tick::{Alarm, Tick, Ticks};

/// Read buffers start small and grow with what arrives, up to this; a longer head is an error. A
/// client that does not read its answer keeps one of these buffers.
const MAX_BUFFER: usize = 32 * 1024;

/// The most fields of a head, from servers and from clients.
pub const MAX_FIELDS: usize = 256;

/// One HTTP/1.1 connection to a server.
pub struct UpstreamConn {
    sender: SendRequest<RequestBody>,
    /// Dropped where it ended with a request still queued in it.
    driver: Option<Connection<TokioIo<UpstreamIo>, RequestBody>>,
    ended: bool,
    answer_seen: AnswerSeen,
    lease: Lease,
    /// The generation of its pool when it was opened.
    generation: u32,
    socket: SocketSlot,
}

impl UpstreamConn {
    pub(super) async fn open(
        connector: &Connector,
        socket: SocketSlot,
        now: Tick,
        generation: u32,
    ) -> Result<Self, ConnectError> {
        let stream = connector.connect().await?;
        let answer_seen = AnswerSeen::default();
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_BUFFER).max_headers(MAX_FIELDS);
        let (sender, driver) = builder
            .handshake(TokioIo::new(UpstreamIo::new(stream, &answer_seen)))
            .await
            .map_err(|error| ConnectError::http(connector.addr(), error))?;
        Ok(Self {
            sender,
            driver: Some(driver),
            ended: false,
            answer_seen,
            lease: Lease::new(now),
            generation,
            socket,
        })
    }

    /// Reads and writes what it can. Once this has been ready the connection is closed.
    pub fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.ended {
            // Errors reach the request through its own future, or come too late to matter.
            self.ended = self
                .driver
                .as_mut()
                .is_none_or(|driver| Pin::new(driver).poll(cx).is_ready());
        }
        if self.ended {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Sends a request and drives the connection until the head of the answer is there.
    pub(super) async fn send(
        &mut self,
        outgoing: &mut Outgoing,
        late: &Alarm,
    ) -> Result<Response<Incoming>, SendError> {
        let request = outgoing.take();
        let late_after = outgoing.timeout();
        let progress = request.body().progress();
        self.answer_seen.clear();
        let mut answer = pin!(self.sender.try_send_request(request));
        let (driver, ended) = (&mut self.driver, &mut self.ended);
        // The answer can only come from driving the connection, which happens here: it needs no
        // waker of its own.
        let mut no_waker = Context::from_waker(Waker::noop());
        poll_fn(|cx| {
            if !*ended {
                *ended = driver
                    .as_mut()
                    .is_none_or(|driver| Pin::new(driver).poll(cx).is_ready());
            }
            let mut polled = answer.as_mut().poll(&mut no_waker);
            if polled.is_pending() && *ended && driver.take().is_some() {
                // The server had closed before hyper looked at the request. hyper gives it back
                // when the driver is dropped.
                polled = answer.as_mut().poll(&mut no_waker);
            }
            if let Some(progress) = &progress {
                // While the body is still being sent, the server is not late.
                late.put_off(Ticks::later(progress.last(), late_after).max(late.due()));
            }
            match polled {
                Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
                Poll::Ready(Err(mut error)) => {
                    outgoing.give_back(error.take_message());
                    Poll::Ready(Err(SendError::Http(error.into_error())))
                }
                Poll::Pending if late.is_due(cx) => Poll::Ready(Err(SendError::Late(late_after))),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Notes the answer to a request: what it says about keeping the connection, and for whom the
    /// connection is in use.
    pub(super) fn note_answer(&mut self, response: &Response<Incoming>, client: UpstreamUse) {
        self.lease.note(response.headers());
        self.socket.set_client(Some(client));
    }

    /// Notes that no request uses it.
    pub(super) fn note_idle(&mut self) {
        self.socket.set_client(None);
    }

    /// Whether a byte has come since the last request was sent.
    pub(super) fn has_answered(&self) -> bool {
        self.answer_seen.is_set()
    }

    /// The generation of its pool when it was opened.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// The tick from which it is no longer used, if it is idle from now on.
    pub(super) fn idle_until(&self, now: Tick, keep_alive: Duration) -> Tick {
        self.lease.until(now, keep_alive)
    }

    /// After a 101: the socket, and what was read beyond the answer.
    pub fn into_stream(self) -> Option<(UpstreamStream, bytes::Bytes, SocketSlot)> {
        let parts = self.driver?.into_parts();
        Some((
            parts.io.into_inner().into_inner(),
            parts.read_buf,
            self.socket,
        ))
    }

    /// Whether it is ready for another request. It has to have been driven just now.
    pub(in crate::proxy) fn is_idle(&self) -> bool {
        !self.ended && self.sender.is_ready()
    }

    /// Whether it is ready for another request at once. What could keep it from being so for longer
    /// is a reason not to keep the connection.
    pub(super) fn is_reusable(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()))
            .is_pending()
            && self.sender.is_ready()
    }
}

impl std::fmt::Debug for UpstreamConn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamConn")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

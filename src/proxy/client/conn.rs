//! One HTTP/1.1 connection to a server.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use hyper::body::Frame;
use hyper::ext::ReasonPhrase;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::task::unconstrained;

use super::error::{MAX_INTERIM, SendError, UpstreamFault};
use super::input::Input;
use super::keep_alive::Lease;
use super::outgoing::Outgoing;
use super::output::Output;
use super::unsent::Unsent;
use crate::proxy::connect::{ConnectError, Connector, UpstreamStream};
use crate::proxy::h1::{AnswerHead, BodyDecoder, BodyLength, Decoded, parse_head};
use crate::proxy::request_body::RequestBody;
use crate::slot::{SocketSlot, UpstreamUse};
use crate::tick::{Alarm, Tick, Ticks};

/// One HTTP/1.1 connection to a server. What uses it drives it: it reads and writes only while it
/// is polled.
#[derive(Debug)]
pub struct UpstreamConn {
    stream: UpstreamStream,
    input: Input,
    output: Output,
    /// What has not been written of the request's body.
    unsent: Option<Unsent>,
    /// The body of the answer.
    answer: BodyDecoder,
    interim: u8,
    has_answered: bool,
    /// Whether it may be used for another request when request and answer have ended.
    is_kept: bool,
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
        Ok(Self::new(stream, socket, now, generation))
    }

    fn new(stream: UpstreamStream, socket: SocketSlot, now: Tick, generation: u32) -> Self {
        Self {
            stream,
            input: Input::default(),
            output: Output::default(),
            unsent: None,
            answer: BodyDecoder::new(BodyLength::None),
            interim: 0,
            has_answered: false,
            is_kept: true,
            lease: Lease::new(now),
            generation,
            socket,
        }
    }

    /// Sends a request, and waits for the head of the answer. The server may answer before it has
    /// the whole body: then [`Self::is_sending`].
    pub(super) async fn send(
        &mut self,
        outgoing: &mut Outgoing<'_>,
        late: &Alarm,
    ) -> Result<Response<()>, SendError> {
        let late_after = outgoing.timeout();
        let method = outgoing.method().clone();
        let mut progress = None;
        poll_fn(|cx| {
            if outgoing.is_untouched() {
                if let Poll::Ready(fault) = self.poll_closed(cx) {
                    return Poll::Ready(Err(SendError::Broken(fault)));
                }
                progress = outgoing.progress();
                self.begin(outgoing);
            } else if let Poll::Ready(head) = self.poll_head(&method, cx) {
                return Poll::Ready(head.map_err(SendError::Broken));
            }
            if let Poll::Ready(Err(error)) = self.poll_send(cx) {
                return Poll::Ready(Err(error));
            }
            if let Some(progress) = &progress {
                // While the body is still being sent, the server is not late.
                late.put_off(Ticks::later(progress.last(), late_after).max(late.due()));
            }
            match late.is_due(cx) {
                true => Poll::Ready(Err(SendError::Late(late_after))),
                false => Poll::Pending,
            }
        })
        .await
    }

    /// Writes the head of a request into the output, and takes its body.
    fn begin(&mut self, outgoing: &mut Outgoing<'_>) {
        (self.interim, self.has_answered, self.is_kept) = (0, false, false);
        self.unsent = outgoing.start(self.output.buffer());
    }

    /// Writes what it can of the request. Ready when all of it is written, or no more of it can be.
    pub(in crate::proxy) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        while !self.output.drops() {
            if let Some(unsent) = &mut self.unsent
                && let Poll::Ready(ended) = unsent.poll_fill(&mut self.output, cx)
            {
                if let Err(error) = ended {
                    // No byte may follow: the server would take it for the end of the body.
                    drop(self.take_unsent());
                    return Poll::Ready(Err(error));
                }
                self.unsent = None;
            }
            let was_full = !self.output.has_room();
            let written = ready!(self.output.poll_write(&mut self.stream, cx));
            written.map_err(|error| SendError::Broken(error.into()))?;
            if self.unsent.is_none() {
                break;
            }
            if !was_full && !self.output.drops() {
                // The client has to send the next piece.
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether a part of the request has not been written.
    pub(in crate::proxy) fn is_sending(&self) -> bool {
        self.unsent.is_some() || !self.output.is_empty()
    }

    /// Takes what has not been written of the request's body. If that is anything, the server waits
    /// for the rest of the request, and the connection is not used again.
    pub(in crate::proxy) fn take_unsent(&mut self) -> Option<RequestBody> {
        let unsent = self.unsent.take()?;
        self.is_kept = false;
        Some(unsent.into_body())
    }

    /// Reads more.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), UpstreamFault>> {
        match ready!(self.input.poll_read(&mut self.stream, cx))? {
            true => Poll::Ready(Ok(())),
            false => Poll::Ready(Err(UpstreamFault::Closed)),
        }
    }

    /// Reads the head of the answer.
    fn poll_head(
        &mut self,
        method: &Method,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<()>, UpstreamFault>> {
        loop {
            ready!(self.poll_read(cx))?;
            self.has_answered = true;
            while let Some(head) = parse_head(self.input.bytes(), method)? {
                let is_upgrade = head.status == StatusCode::SWITCHING_PROTOCOLS;
                if !head.status.is_informational() || is_upgrade {
                    return Poll::Ready(Ok(self.begin_answer(head)));
                }
                // The gateway itself has answered `Expect: 100-continue`, and hyper cannot send
                // clients the others.
                self.interim += 1;
                if self.interim > MAX_INTERIM {
                    return Poll::Ready(Err(UpstreamFault::Interim));
                }
            }
        }
    }

    /// The input is not shrunk yet: a short body may be taken from it at once.
    fn begin_answer(&mut self, head: AnswerHead) -> Response<()> {
        self.answer = BodyDecoder::new(head.body);
        self.is_kept = head.keeps_alive;
        if head.has_keep_alive {
            self.lease.note(&head.headers);
        }
        let mut response = Response::new(());
        *response.status_mut() = head.status;
        *response.version_mut() = head.version;
        *response.headers_mut() = head.headers;
        if let Some(reason) = head
            .reason
            .and_then(|text| ReasonPhrase::try_from(text).ok())
        {
            response.extensions_mut().insert(reason);
        }
        response
    }

    /// The next piece of the answer's body.
    pub(in crate::proxy) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamFault>>> {
        loop {
            match self.answer.decode(self.input.bytes())? {
                Decoded::Data(data) => {
                    let data = self.input.keep(data);
                    self.input.shrink();
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Decoded::Trailers(trailers) => {
                    self.input.shrink();
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Decoded::Done => {
                    self.input.shrink();
                    return Poll::Ready(None);
                }
                Decoded::NeedsMore => {}
            }
            match ready!(self.input.poll_read(&mut self.stream, cx)) {
                Ok(true) => {}
                Ok(false) => self.answer.at_eof()?,
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
    }

    /// The rest of the answer's body, if all of it has come.
    pub(in crate::proxy) fn take_rest(&mut self) -> Option<Bytes> {
        let left = self.answer.left()?;
        if left > self.input.len() as u64 {
            return None;
        }
        let Ok(Decoded::Data(rest)) = self.answer.decode(self.input.bytes()) else {
            return None;
        };
        Some(self.input.keep(rest))
    }

    /// Gives the worker's buffer back, if little is left in it.
    pub(in crate::proxy) fn shrink_input(&mut self) {
        self.input.shrink();
    }

    /// Whether all of the answer's body has been taken.
    pub(in crate::proxy) fn has_ended(&self) -> bool {
        self.answer.is_done()
    }

    /// How many bytes of the answer's body are still to come, if that is known.
    pub(in crate::proxy) fn left(&self) -> Option<u64> {
        self.answer.left()
    }

    /// Between a whole answer and a request: ready when the server closes the connection, or sends
    /// what answers no request. The connection is not used again then.
    pub(in crate::proxy) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<UpstreamFault> {
        let mut byte = [0];
        let mut buf = ReadBuf::new(&mut byte);
        let fault = if self.input.is_empty() {
            // Without the task's budget: once that is used up, every read is pending.
            let read = poll_fn(|cx| Pin::new(&mut self.stream).poll_read(cx, &mut buf));
            match ready!(pin!(unconstrained(read)).poll(cx)) {
                Ok(()) if buf.filled().is_empty() => UpstreamFault::Closed,
                Ok(()) => UpstreamFault::Unasked,
                Err(error) => error.into(),
            }
        } else {
            UpstreamFault::Unasked
        };
        self.is_kept = false;
        Poll::Ready(fault)
    }

    /// Notes for whom the connection is in use.
    pub(super) fn note_used(&mut self, client: UpstreamUse) {
        self.socket.set_client(Some(client));
    }

    /// Notes that no request uses it.
    pub(super) fn note_idle(&mut self) {
        self.socket.set_client(None);
    }

    /// Whether a byte has come since the last request was sent.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// The generation of its pool when it was opened.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// The tick from which it is no longer used, if it is idle from now on.
    pub(super) fn idle_until(&self, now: Tick, keep_alive: Duration) -> Tick {
        self.lease.until(now, keep_alive)
    }

    /// After a 101: the socket, and what was read beyond the answer; `None` if the request has not
    /// been written.
    pub(in crate::proxy) fn into_stream(self) -> Option<(UpstreamStream, Bytes, SocketSlot)> {
        let is_sent = !self.is_sending();
        is_sent.then(|| (self.stream, self.input.into_bytes(), self.socket))
    }

    /// Whether it is ready for another request at once. What could keep it from being so for longer
    /// is a reason not to keep the connection.
    pub(super) fn is_reusable(&mut self) -> bool {
        self.is_kept
            && !self.is_sending()
            && !self.output.drops()
            && self.has_ended()
            && self
                .poll_closed(&mut Context::from_waker(Waker::noop()))
                .is_pending()
    }
}

#[cfg(test)]
mod tests;

//! The body of an answer, from wherever it comes.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};

use super::witness::Witness;
use crate::files::FileBody;
use crate::proxy::body::{BodyError, SMALL_ANSWER, UpstreamBody};
use crate::proxy::client::Pool;
use crate::slot::FileSlot;
use crate::telemetry::access::{End, Exchange};
use crate::telemetry::{Chain, summed};

/// The body of an answer.
#[derive(Debug)]
pub(super) struct ResponseBody {
    source: Source,
    exchange: Option<Rc<Exchange>>,
    /// Sees it as it is streamed.
    witness: Option<Box<Witness>>,
    /// Why it broke off, kept for the next poll.
    failed: Option<ResponseBodyError>,
}

#[derive(Debug)]
enum Source {
    Empty,
    Text(Bytes),
    Upstream(Box<UpstreamBody>),
    /// An open file takes a descriptor, which its slot counts.
    File {
        body: Box<FileBody>,
        _slot: FileSlot,
    },
    /// The rest must not be sent.
    Withdrawn(&'static str),
}

impl From<Source> for ResponseBody {
    fn from(source: Source) -> Self {
        Self {
            source,
            exchange: None,
            witness: None,
            failed: None,
        }
    }
}

impl ResponseBody {
    /// No body.
    pub(super) fn empty() -> Self {
        Source::Empty.into()
    }

    /// A few bytes of our own.
    pub(super) fn text(text: impl Into<Bytes>) -> Self {
        Source::Text(text.into()).into()
    }

    /// The contents of a file.
    pub(super) fn file(body: FileBody, slot: FileSlot) -> Self {
        match body.is_end_stream() {
            true => Self::empty(),
            false => Source::File {
                body: Box::new(body),
                _slot: slot,
            }
            .into(),
        }
    }

    /// What an upstream sends; `None` for an empty body.
    pub(super) fn upstream(body: Option<Box<UpstreamBody>>) -> Self {
        body.map_or(Source::Empty, Source::Upstream).into()
    }

    /// Whether what is still to come is little, as far as is known.
    pub(super) fn is_small(&self) -> bool {
        match &self.source {
            Source::Empty | Source::Text(_) | Source::Withdrawn(_) => true,
            Source::Upstream(body) => body.is_small(),
            Source::File { body, .. } => {
                let most = body.size_hint().upper();
                most.is_some_and(|most| most <= SMALL_ANSWER as u64)
            }
        }
    }

    /// Follows the body to its end for the access log, whose line is written when the body is
    /// dropped.
    pub(super) fn followed_by(mut self, exchange: Rc<Exchange>) -> Self {
        // If the body is dropped before its last byte, it is the client that ended it.
        let end = match self.is_end_stream() {
            true => End::Done,
            false => End::Client,
        };
        note_end(&exchange, end);
        self.exchange = Some(exchange);
        self
    }

    /// Shows it to a witness as it is streamed.
    pub(super) fn set_witness(&mut self, witness: Box<Witness>) {
        self.witness = Some(witness);
    }

    /// Cuts it off: its client may not have the rest.
    pub(super) fn withdraw(&mut self, reason: &'static str) {
        self.source = Source::Withdrawn(reason);
    }

    /// The connections to the server that the body comes from.
    pub(super) fn server(&self) -> Option<&Rc<Pool>> {
        match &self.source {
            Source::Upstream(body) => Some(body.server()),
            Source::Empty | Source::Text(_) | Source::File { .. } | Source::Withdrawn(_) => None,
        }
    }

    fn poll_source(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        match &mut self.source {
            Source::Empty => Poll::Ready(None),
            Source::Text(text) => {
                let text = std::mem::take(text);
                self.source = Source::Empty;
                Poll::Ready(Some(Ok(Frame::data(text))))
            }
            Source::Upstream(body) => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(ResponseBodyError::Upstream))),
            Source::File { body, .. } => Pin::new(body.as_mut())
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(ResponseBodyError::File))),
            Source::Withdrawn(reason) => {
                Poll::Ready(Some(Err(ResponseBodyError::Withdrawn(reason))))
            }
        }
    }

    fn note_failure(&self, error: &ResponseBodyError) {
        let Some(exchange) = &self.exchange else {
            return;
        };
        let (end, reason) = error.for_log();
        exchange.note(|line| (line.end, line.reason) = (end, Some(reason)));
        if end != End::Policy {
            log_cut(exchange, reason, error);
        }
    }

    /// Shows the witness what comes. After the last bytes hyper may not ask again.
    fn show(&mut self, frame: &Option<Result<Frame<Bytes>, ResponseBodyError>>) {
        let is_over = self.is_end_stream();
        let Some(witness) = &mut self.witness else {
            return;
        };
        match frame {
            Some(Ok(frame)) => {
                witness.note(frame.data_ref().map_or(&[], |data| data));
                if is_over {
                    witness.end();
                }
            }
            Some(Err(_)) => {}
            None => witness.end(),
        }
    }

    fn note_sent(&self, frame: &Frame<Bytes>) {
        let Some(exchange) = &self.exchange else {
            return;
        };
        let len = frame.data_ref().map_or(0, |data| data.remaining() as u64);
        exchange.sent(len);
        if self.is_end_stream() {
            note_end(exchange, End::Done);
        }
    }
}

fn log_cut(exchange: &Exchange, reason: &'static str, error: &ResponseBodyError) {
    let (id, error) = (exchange.id(), Chain(error).to_string());
    tracing::debug!(%id, error, "an answer was cut short");
    let mut upstream = None;
    exchange.note(|line| upstream = line.upstream.as_deref().map(str::to_owned));
    let subject = upstream.clone().unwrap_or_default();
    summed(reason, &subject, move |times| {
        tracing::warn!(%id, upstream, times, error, "an answer was cut short");
    });
}

/// Notes how the body ended, unless a policy ended the request: that one is answered too, and the
/// answer has an end of its own.
fn note_end(exchange: &Exchange, end: End) {
    exchange.note(|line| {
        if line.end != End::Policy {
            line.end = end;
        }
    });
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let Poll::Ready(frame) = self.poll_source(cx) else {
            return Poll::Pending;
        };
        self.show(&frame);
        match &frame {
            Some(Ok(frame)) => self.note_sent(frame),
            Some(Err(_)) => {}
            None => {
                if let Some(exchange) = &self.exchange {
                    note_end(exchange, End::Done);
                }
            }
        }
        match frame {
            Some(Err(error)) => {
                self.note_failure(&error);
                // When a body fails, hyper drops what it has not flushed yet, the head included.
                // So it first gets a chance to flush.
                self.failed = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Text(text) => text.is_empty(),
            Source::Upstream(body) => body.is_end_stream(),
            Source::File { body, .. } => body.is_end_stream(),
            Source::Withdrawn(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Text(text) => SizeHint::with_exact(text.len() as u64),
            Source::Upstream(body) => body.size_hint(),
            Source::File { body, .. } => body.size_hint(),
            Source::Withdrawn(_) => SizeHint::default(),
        }
    }
}

/// Why an answer broke off. The client must be able to see that it did.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResponseBodyError {
    /// The upstream broke off.
    #[error(transparent)]
    Upstream(BodyError),
    /// The file became shorter, or its disk failed.
    #[error("a file broke off in the middle of an answer")]
    File(#[source] io::Error),
    /// The permission ended, or the route was removed.
    #[error("an answer was cut: {0}")]
    Withdrawn(&'static str),
}

impl ResponseBodyError {
    fn for_log(&self) -> (End, &'static str) {
        match self {
            Self::Upstream(error) => error.for_log(),
            Self::File(_) => (End::Upstream, "file_cut"),
            Self::Withdrawn(reason) => (End::Policy, reason),
        }
    }
}

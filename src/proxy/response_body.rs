//! The body of an answer, wherever it comes from.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};

use super::client::Pool;
use super::upstream_body::{BodyError, SMALL_ANSWER, UpstreamBody};
use crate::files::FileBody;
use crate::telemetry::Chain;
use crate::telemetry::access::{End, Exchange};

/// The body of an answer.
#[derive(Debug)]
pub struct ResponseBody {
    source: Source,
    exchange: Option<Rc<Exchange>>,
    /// The end that could not be reached, kept for the next poll.
    cut: Option<ResponseBodyError>,
}

#[derive(Debug)]
enum Source {
    Empty,
    Text(Bytes),
    Upstream(Box<UpstreamBody>),
    File(Box<FileBody>),
    /// What is left of it is not given any more.
    Withdrawn(&'static str),
}

impl ResponseBody {
    /// No body.
    pub fn empty() -> Self {
        Self {
            source: Source::Empty,
            exchange: None,
            cut: None,
        }
    }

    /// A few bytes of our own.
    pub fn text(text: impl Into<Bytes>) -> Self {
        Self {
            source: Source::Text(text.into()),
            exchange: None,
            cut: None,
        }
    }

    /// What a file has.
    pub fn file(body: FileBody) -> Self {
        if body.left() == 0 {
            return Self::empty();
        }
        Self {
            source: Source::File(Box::new(body)),
            exchange: None,
            cut: None,
        }
    }

    /// What an upstream sends; `None` for an empty body.
    pub fn upstream(body: Option<Box<UpstreamBody>>) -> Self {
        Self {
            source: body.map_or(Source::Empty, Source::Upstream),
            exchange: None,
            cut: None,
        }
    }

    /// Whether what is still to come is little, as far as is known.
    pub fn is_small(&self) -> bool {
        match &self.source {
            Source::Empty | Source::Text(_) | Source::Withdrawn(_) => true,
            Source::Upstream(body) => body.is_small(),
            Source::File(body) => body.left() <= SMALL_ANSWER as u64,
        }
    }

    /// Follows the body to its end for the access log, whose line is written when the body is
    /// dropped.
    pub fn followed_by(mut self, exchange: Rc<Exchange>) -> Self {
        // Until the last byte has been handed out, the one who ended it is the client.
        let end = if self.is_end_stream() {
            End::Done
        } else {
            End::Client
        };
        note_end(&exchange, end);
        self.exchange = Some(exchange);
        self
    }

    /// Cuts it off: the client is no longer permitted to have it.
    pub fn withdraw(&mut self, reason: &'static str) {
        self.source = Source::Withdrawn(reason);
    }

    /// The connections to the server that it comes from, as long as it comes.
    pub fn server(&self) -> Option<&Rc<Pool>> {
        match &self.source {
            Source::Upstream(body) => Some(body.server()),
            Source::Empty | Source::Text(_) | Source::File(_) | Source::Withdrawn(_) => None,
        }
    }

    fn note_cut(&self, cut: &ResponseBodyError) {
        let (end, reason) = cut.for_log();
        if let Some(exchange) = &self.exchange {
            exchange.note(|line| (line.end, line.reason) = (end, Some(reason)));
            if end == End::Policy {
                return;
            }
            tracing::warn!(id = %exchange.id(), error = %Chain(cut), "an answer was cut short");
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

/// Unless it was the policy: a request whose permission ended is answered, and that answer has an
/// end too.
fn note_end(exchange: &Exchange, end: End) {
    exchange.note(|line| {
        line.end = if line.end == End::Policy {
            End::Policy
        } else {
            end
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
        if let Some(cut) = self.cut.take() {
            return Poll::Ready(Some(Err(cut)));
        }
        let frame = match &mut self.source {
            Source::Empty => None,
            Source::Text(text) => {
                let text = std::mem::take(text);
                self.source = Source::Empty;
                Some(Ok(Frame::data(text)))
            }
            Source::Upstream(body) => match body.poll_frame(cx) {
                Poll::Ready(frame) => frame.map(|frame| frame.map_err(ResponseBodyError::Upstream)),
                Poll::Pending => return Poll::Pending,
            },
            Source::File(body) => match body.poll_frame(cx) {
                Poll::Ready(frame) => frame.map(|frame| frame.map_err(ResponseBodyError::File)),
                Poll::Pending => return Poll::Pending,
            },
            Source::Withdrawn(reason) => Some(Err(ResponseBodyError::Withdrawn(reason))),
        };
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
            Some(Err(cut)) => {
                self.note_cut(&cut);
                // hyper drops what it has not flushed when a body fails, the head too: first it
                // gets a pause to flush in.
                self.cut = Some(cut);
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
            Source::File(body) => body.left() == 0,
            Source::Withdrawn(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Text(text) => SizeHint::with_exact(text.len() as u64),
            Source::Upstream(body) => body.size_hint(),
            Source::File(body) => SizeHint::with_exact(body.left()),
            Source::Withdrawn(_) => SizeHint::default(),
        }
    }
}

/// Why an answer broke off. The client must be able to see that it did.
#[derive(Debug, thiserror::Error)]
pub enum ResponseBodyError {
    /// The upstream's body broke off.
    #[error(transparent)]
    Upstream(BodyError),
    /// A file became shorter, or its disk failed.
    #[error("a file broke off in the middle of an answer")]
    File(#[source] std::io::Error),
    /// The permission ended, or the route was taken away.
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

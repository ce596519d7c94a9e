//! An answer's body as the connection sees it. Until it is dropped, its request is under way.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body as _, Frame, SizeHint};

use super::in_flight::{InFlight, Piece};
use super::response_body::{ResponseBody, ResponseBodyError};
use super::under_way::Entered;

/// A body, with the request that it answers.
#[derive(Debug)]
pub(super) struct Body {
    inner: ResponseBody,
    request: InFlight,
    /// While there is something left to cut off.
    entered: Option<Entered>,
}

impl Body {
    pub(super) fn new(inner: ResponseBody, request: InFlight, entered: Option<Entered>) -> Self {
        let entered = entered.filter(|_| !inner.is_end_stream());
        Self {
            inner,
            request,
            entered,
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Piece;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, ResponseBodyError>>> {
        let body = &mut *self;
        if let Some(why) = body.entered.as_ref().and_then(Entered::cut) {
            body.inner.withdraw(why.reason());
        } else if !body.request.may_ask(body.inner.is_small(), cx) {
            if let Some(entered) = &body.entered {
                entered.watch(cx);
            }
            return Poll::Pending;
        }
        let polled = Pin::new(&mut body.inner).poll_frame(cx);
        match &body.entered {
            Some(entered) if polled.is_pending() => entered.watch(cx),
            Some(_) if body.inner.is_end_stream() || matches!(&polled, Poll::Ready(None)) => {
                body.entered = None
            }
            _ => {}
        }
        polled.map(|frame| {
            frame.map(|frame| frame.map(|frame| frame.map_data(|bytes| body.request.give(bytes))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

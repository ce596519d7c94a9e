//! An answer's body as the connection sees it: while it lives, a request is under way.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};

use super::control::InFlight;
use super::under_way::Entered;
use crate::proxy::body::{Cut, ResponseBody};

/// A body and the request that it answers.
#[derive(Debug)]
pub(super) struct Body {
    inner: ResponseBody,
    request: InFlight,
    /// As long as there is something left to cut.
    entered: Option<Entered>,
}

impl Body {
    pub(super) fn new(inner: ResponseBody, request: InFlight, entered: Option<Entered>) -> Self {
        let entered = entered.filter(|_| !inner.is_end_stream());
        Self { inner, request, entered }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        self.request.on_asked();
        if let Some(why) = self.entered.as_ref().and_then(Entered::cut) {
            self.inner.withdraw(why.reason());
        }
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        // The last piece too: HTTP/2 keeps it, and the body with it, until the client opens its window.
        if matches!(&polled, Poll::Ready(Some(Ok(_)))) {
            self.request.on_given();
        }
        match &self.entered {
            Some(entered) if polled.is_pending() => entered.watch(cx),
            Some(_) if self.inner.is_end_stream() || matches!(&polled, Poll::Ready(None)) => self.entered = None,
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

//! An answer's body as the connection sees it: while it lives, a request is under way.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::control::InFlight;
use crate::proxy::body::{Cut, ResponseBody};

/// A body and the request that it answers.
#[derive(Debug)]
pub(super) struct Body {
    inner: ResponseBody,
    request: InFlight,
}

impl Body {
    pub(super) fn new(inner: ResponseBody, request: InFlight) -> Self {
        Self { inner, request }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        self.request.on_asked();
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        // The last piece too: HTTP/2 keeps it, and the body with it, until the client opens its window.
        if matches!(&polled, Poll::Ready(Some(Ok(_)))) {
            self.request.on_given();
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

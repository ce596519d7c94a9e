//! A request on its way to a server.

use std::time::Duration;

use hyper::Request;

use super::repeat::may_repeat;
use crate::proxy::request_body::RequestBody;
use crate::route::upstream::Protocol;

/// A request on its way. It is passed on by reference: by value, each function that it passes
/// through would reserve room for it.
#[derive(Debug)]
pub(in crate::proxy) struct Outgoing {
    /// The request, until the first byte of it is written. Until then it may go to another server.
    request: Option<Request<RequestBody>>,
    /// Whether it needs a connection of its own, as a WebSocket does.
    alone: bool,
    /// How long to wait for the head of its answer.
    timeout: Duration,
    /// Whether it may be sent a second time.
    may_repeat: bool,
    /// The size of its head in bytes, once it has been sent.
    head_size: usize,
    /// A copy of its head, while it is on a kept connection that the server may be closing.
    copy: Option<Request<()>>,
}

impl Outgoing {
    pub(in crate::proxy) fn new(
        request: Request<RequestBody>,
        alone: bool,
        timeout: Duration,
        protocol: Protocol,
    ) -> Self {
        let may_repeat = !alone && may_repeat(&request, protocol);
        Self {
            request: Some(request),
            alone,
            timeout,
            may_repeat,
            head_size: 0,
            copy: None,
        }
    }

    /// Whether it may still be sent to another server.
    pub(in crate::proxy) fn is_untouched(&self) -> bool {
        self.request.is_some()
    }

    /// Whether it needs a connection of its own.
    pub(in crate::proxy) fn is_alone(&self) -> bool {
        self.alone
    }

    /// How long to wait for the head of its answer.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The request, to be written.
    pub(super) fn take(&mut self) -> Request<RequestBody> {
        let request = self
            .request
            .take()
            .expect("a request is only sent while it is untouched");
        self.head_size = head_size(&request);
        request
    }

    /// The size of its head in bytes, once it has been sent.
    pub(super) fn head_size(&self) -> usize {
        self.head_size
    }

    /// hyper gives back a request of which it has written nothing.
    pub(super) fn give_back(&mut self, request: Option<Request<RequestBody>>) {
        self.request = request;
    }

    /// Keeps what is needed to send it a second time, if that is allowed.
    pub(super) fn keep_copy(&mut self) {
        if let Some(request) = self.request.as_ref().filter(|_| self.may_repeat) {
            let mut copy = Request::new(());
            request.method().clone_into(copy.method_mut());
            request.uri().clone_into(copy.uri_mut());
            request.headers().clone_into(copy.headers_mut());
            self.copy = Some(copy);
        }
    }

    /// Makes it ready to be sent a second time, and returns whether that is allowed. There is no
    /// third time.
    pub(super) fn restore(&mut self) -> bool {
        self.may_repeat = false;
        self.request = self
            .copy
            .take()
            .map(|head| head.map(|()| RequestBody::empty()));
        self.request.is_some()
    }
}

/// The size of a head as HTTP/1.1 writes it, in bytes.
fn head_size(request: &Request<RequestBody>) -> usize {
    const LINE_END: usize = 2;
    let target = request.uri().path_and_query();
    let first = request.method().as_str().len()
        + target.map_or(1, |target| target.as_str().len())
        + "  HTTP/1.1".len();
    let fields = request.headers().iter();
    let fields = fields.map(|(name, value)| name.as_str().len() + 2 + value.len() + LINE_END);
    first + LINE_END + fields.sum::<usize>() + LINE_END
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_head_is_what_is_written() {
        let request = Request::get("/ws?a=b")
            .header("host", "a.test")
            .header("cookie", "c=d")
            .body(RequestBody::empty())
            .unwrap();
        let written = "GET /ws?a=b HTTP/1.1\r\nhost: a.test\r\ncookie: c=d\r\n\r\n";
        assert_eq!(head_size(&request), written.len());
    }
}

//! A request on its way to a server.

use std::rc::Rc;
use std::time::Duration;

use http::{Method, Request};

use super::repeat::may_repeat;
use super::unsent::Unsent;
use crate::proxy::h1::write_head;
use crate::proxy::origin::ClientFields;
use crate::proxy::request_body::{Progress, RequestBody};
use crate::route::upstream::Protocol;

/// A request on its way. It is passed on by reference: by value, each function that it passes
/// through would reserve room for it.
#[derive(Debug)]
pub(in crate::proxy) struct Outgoing<'a> {
    /// The request, until the first byte of it is written. Until then it may go to another server.
    request: Option<Request<RequestBody>>,
    /// Fields of the head that are not among the request's headers.
    client: Option<ClientFields<'a>>,
    method: Method,
    /// Whether it needs a connection of its own, as a WebSocket does.
    alone: bool,
    /// How long to wait for the head of its answer.
    timeout: Duration,
    /// Whether it may be sent a second time.
    may_repeat: bool,
    /// Whether its head is kept for that.
    is_copied: bool,
    /// The size of its head in bytes, once it has been sent.
    head_size: usize,
    /// Its head as it was written, while it is on a kept connection that the server may be closing.
    copy: Option<Box<[u8]>>,
    /// The copy, to be sent a second time.
    again: Option<Box<[u8]>>,
}

impl<'a> Outgoing<'a> {
    pub(in crate::proxy) fn new(
        request: Request<RequestBody>,
        alone: bool,
        timeout: Duration,
        protocol: Protocol,
    ) -> Self {
        Self {
            method: request.method().clone(),
            alone,
            timeout,
            may_repeat: !alone && may_repeat(&request, protocol),
            is_copied: false,
            head_size: 0,
            copy: None,
            again: None,
            client: None,
            request: Some(request),
        }
    }

    /// Has these fields written behind those of the request.
    pub(in crate::proxy) fn add_client(&mut self, fields: ClientFields<'a>) {
        self.client = Some(fields);
    }

    /// Whether it may still be sent to another server.
    pub(in crate::proxy) fn is_untouched(&self) -> bool {
        self.request.is_some() || self.again.is_some()
    }

    /// Whether it needs a connection of its own.
    pub(in crate::proxy) fn is_alone(&self) -> bool {
        self.alone
    }

    /// How long to wait for the head of its answer.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Its method.
    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// How far its body has come, until it is written; `None` if it has none.
    pub(super) fn progress(&self) -> Option<Rc<Progress>> {
        self.request.as_ref()?.body().progress()
    }

    /// Writes its head, and returns its body, if it has one. While the answer is waited for, a copy
    /// of what was written is all that is kept of it.
    pub(super) fn start(&mut self, out: &mut Vec<u8>) -> Option<Unsent> {
        let begin = out.len();
        let mut unsent = None;
        if let Some(head) = self.again.take() {
            out.extend_from_slice(&head);
        } else if let Some(mut request) = self.request.take() {
            unsent = Unsent::take(&mut request);
            let (method, headers) = (request.method(), request.headers());
            write_head(out, method, request.uri(), headers, |out| {
                if let Some(client) = self.client {
                    client.write(headers, out);
                }
            });
        }
        let head = &out[begin..];
        self.head_size = head.len();
        self.copy = self.is_copied.then(|| head.into());
        unsent
    }

    /// The size of its head in bytes, once it has been sent.
    pub(super) fn head_size(&self) -> usize {
        self.head_size
    }

    /// Has what is needed to send it a second time kept, if that is allowed.
    pub(super) fn keep_copy(&mut self) {
        self.is_copied = self.may_repeat;
    }

    /// Whether what was written is there to be sent a second time.
    pub(super) fn may_restore(&self) -> bool {
        self.copy.is_some()
    }

    /// Makes it ready to be sent a second time, and returns whether that is allowed. There is no
    /// third time.
    pub(super) fn restore(&mut self) -> bool {
        (self.may_repeat, self.is_copied) = (false, false);
        self.again = self.copy.take();
        self.again.is_some()
    }
}

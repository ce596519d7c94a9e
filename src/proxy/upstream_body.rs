//! The body of an upstream's answer on its way to the client. The upstream is read as fast as the
//! client accepts.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};

use super::client::{LoadGuard, Pool, UpstreamConn};
use super::early;
use super::headers;
use super::request_body::Progress;
use crate::telemetry::access::End;
use crate::tick::{Alarm, Ticks};

/// An answer up to this size is a small one.
pub const SMALL_ANSWER: usize = 16 * 1024;

/// An upstream's body, and the connection that it comes over.
#[derive(Debug)]
pub struct UpstreamBody {
    incoming: Incoming,
    /// The connection, driven here. `None` while the request's body is still on its way: then a
    /// task of its own drives it.
    conn: Option<Box<UpstreamConn>>,
    /// The request's body, if it had not ended when the answer began.
    early: Option<Rc<Progress>>,
    load: LoadGuard,
    stalled: Alarm,
    idle: Duration,
    /// How many bytes have been passed on.
    passed_on: u64,
}

impl UpstreamBody {
    /// A body each piece of which is waited for `idle` long; `None` if it is empty. At its end the
    /// connection goes back to its pool. If the request's body has not ended, the rest of it is
    /// sent beside the answer.
    pub(super) fn new(
        incoming: Incoming,
        conn: Box<UpstreamConn>,
        load: LoadGuard,
        idle: Duration,
        progress: Option<Rc<Progress>>,
    ) -> Option<Box<Self>> {
        let early = progress.filter(|progress| !progress.has_ended());
        let conn = match &early {
            None => Some(conn),
            Some(progress) => {
                progress.set_early();
                early::finish_request(conn, LoadGuard::new(load.pool()), Rc::clone(progress));
                None
            }
        };
        let stalled = load.pool().ticks().alarm(idle);
        let mut body = Self {
            incoming,
            conn,
            early,
            load,
            stalled,
            idle,
            passed_on: 0,
        };
        if body.incoming.is_end_stream() {
            body.give_back();
            return None;
        }
        Some(Box::new(body))
    }

    /// The pool of the server that it comes from.
    pub fn server(&self) -> &Rc<Pool> {
        self.load.pool()
    }

    /// Whether what is still to come is small, as far as is known.
    pub fn is_small(&self) -> bool {
        match self.incoming.size_hint().exact() {
            Some(left) => left <= SMALL_ANSWER as u64,
            None => self.passed_on <= SMALL_ANSWER as u64,
        }
    }

    /// Whether all of it has been passed on.
    pub fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    /// How much is still to come.
    pub fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }

    /// The next piece.
    pub fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut polled = self.poll_incoming(cx);
        if polled.is_pending()
            && let Some(conn) = &mut self.conn
        {
            let _ = conn.drive(cx);
            polled = self.poll_incoming(cx);
        }
        match polled {
            Poll::Ready(Some(Ok(mut frame))) => {
                self.stalled.reset(self.idle);
                self.passed_on += frame.data_ref().map_or(0, |data| data.len() as u64);
                if let Some(trailers) = frame.trailers_mut() {
                    headers::trailers_to_client(trailers);
                }
                if self.incoming.is_end_stream() {
                    self.give_back();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(BodyError::Upstream(error)))),
            Poll::Ready(None) => {
                self.give_back();
                Poll::Ready(None)
            }
            Poll::Pending if self.is_stalled(cx) => Poll::Ready(Some(Err(BodyError::Stalled))),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Where the connection is driven here, bytes can only come from driving it: then no waker is
    /// needed.
    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &self.conn {
            Some(_) => {
                Pin::new(&mut self.incoming).poll_frame(&mut Context::from_waker(Waker::noop()))
            }
            None => Pin::new(&mut self.incoming).poll_frame(cx),
        }
    }

    fn is_stalled(&self, cx: &Context<'_>) -> bool {
        if let Some(progress) = &self.early {
            // While the request's body is still being sent, the server is not late.
            self.stalled
                .put_off(Ticks::later(progress.last(), self.idle).max(self.stalled.due()));
        }
        self.stalled.is_due(cx)
    }

    fn give_back(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.load.pool().give_back(conn);
        }
        self.set_answered();
    }

    fn set_answered(&self) {
        if let Some(progress) = &self.early {
            progress.set_answered(self.load.pool().ticks().now());
        }
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        self.set_answered();
    }
}

/// Why an upstream's body broke off. The client must be able to see that it did.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The upstream broke off.
    #[error("the upstream broke off in the middle of an answer")]
    Upstream(#[source] hyper::Error),
    /// The upstream sent nothing for as long as the route waits.
    #[error("the upstream stalled in the middle of an answer")]
    Stalled,
}

impl BodyError {
    /// How the answer ended and why, for the access log.
    pub fn for_log(&self) -> (End, &'static str) {
        match *self {
            Self::Upstream(_) => (End::Upstream, "upstream_cut"),
            Self::Stalled => (End::Timeout, "upstream_stalled"),
        }
    }
}

//! The body of an upstream's answer on its way to the client. The upstream is read as fast as the
//! client accepts.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::client::{LoadGuard, Pool, UpstreamConn, UpstreamFault};
use super::early::EarlyAnswer;
use super::headers;
use super::request_body::Progress;
use crate::telemetry::access::End;
use crate::tick::{Alarm, Ticks};

/// An answer up to this size is a small one.
pub const SMALL_ANSWER: usize = 16 * 1024;

/// An upstream's body, and the connection that it comes over.
#[derive(Debug)]
pub struct UpstreamBody {
    source: Source,
    load: LoadGuard,
    /// While the next piece is waited for.
    stalled: Option<Alarm>,
    idle: Duration,
    /// How many bytes have been passed on.
    passed_on: u64,
}

#[derive(Debug)]
enum Source {
    /// Its connection, which is read here.
    Conn(Box<UpstreamConn>),
    /// The request's body is still on its way.
    Early(Rc<EarlyAnswer>),
    /// All that is still to come. The connection has gone back to its pool.
    Rest(Bytes),
}

impl UpstreamBody {
    /// A body each piece of which is waited for `idle` long; `None` if it is empty. At its end the
    /// connection goes back to its pool. If the request's body has not ended, the rest of it is
    /// sent beside the answer.
    pub(super) fn new(
        mut conn: Box<UpstreamConn>,
        load: LoadGuard,
        idle: Duration,
        progress: Option<Rc<Progress>>,
    ) -> Option<Box<Self>> {
        let is_empty = conn.has_ended();
        let progress = progress.filter(|progress| !progress.has_ended());
        let rest = match progress {
            None => conn.take_rest(),
            Some(_) => None,
        };
        conn.shrink_input();
        let source = match progress {
            None => Source::Conn(conn),
            Some(progress) => {
                let load = LoadGuard::new(load.pool());
                Source::Early(EarlyAnswer::new(conn, load, progress))
            }
        };
        let mut body = Self {
            source,
            load,
            stalled: None,
            idle,
            passed_on: 0,
        };
        if is_empty {
            body.give_back();
            return None;
        }
        if let Some(rest) = rest {
            body.give_back();
            body.source = Source::Rest(rest);
        }
        Some(Box::new(body))
    }

    /// The pool of the server that it comes from.
    pub fn server(&self) -> &Rc<Pool> {
        self.load.pool()
    }

    /// Whether what is still to come is small, as far as is known.
    pub fn is_small(&self) -> bool {
        match self.size_hint().exact() {
            Some(left) => left <= SMALL_ANSWER as u64,
            None => self.passed_on <= SMALL_ANSWER as u64,
        }
    }

    /// Whether all of it has been passed on.
    pub fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Conn(conn) => conn.has_ended(),
            Source::Early(early) => early.left().0,
            Source::Rest(rest) => rest.is_empty(),
        }
    }

    /// How much is still to come.
    pub fn size_hint(&self) -> SizeHint {
        let left = match &self.source {
            Source::Conn(conn) => conn.left(),
            Source::Early(early) => early.left().1,
            Source::Rest(rest) => Some(rest.len() as u64),
        };
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// The next piece.
    pub fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = match &mut self.source {
            Source::Conn(conn) => {
                // All of the request's body has come, and the end of it may not have been written.
                // If it cannot be, reading shows how the exchange ends.
                let _ = conn.is_sending() && conn.poll_send(cx).is_ready();
                conn.poll_frame(cx)
            }
            Source::Early(early) => early.poll_frame(cx),
            Source::Rest(rest) if rest.is_empty() => Poll::Ready(None),
            Source::Rest(rest) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(rest))))),
        };
        match polled {
            Poll::Ready(Some(Ok(mut frame))) => {
                if let Some(stalled) = &self.stalled {
                    stalled.reset(self.idle);
                }
                self.passed_on += frame.data_ref().map_or(0, |data| data.len() as u64);
                if let Some(trailers) = frame.trailers_mut() {
                    headers::trailers_to_client(trailers);
                }
                if self.is_end_stream() {
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

    fn is_stalled(&mut self, cx: &Context<'_>) -> bool {
        let ticks = self.load.pool().ticks();
        let stalled = self.stalled.get_or_insert_with(|| ticks.alarm(self.idle));
        if let Source::Early(early) = &self.source {
            // While the request's body is still being sent, the server is not late.
            let last = early.progress().last();
            stalled.put_off(Ticks::later(last, self.idle).max(stalled.due()));
        }
        stalled.is_due(cx)
    }

    /// Gives the connection back behind a whole answer.
    fn give_back(&mut self) {
        match std::mem::replace(&mut self.source, Source::Rest(Bytes::new())) {
            Source::Conn(conn) => self.load.pool().give_back(conn),
            Source::Early(early) => early.finish(&self.load),
            Source::Rest(_) => {}
        }
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        if let Source::Early(early) = &self.source {
            early.give_up(&self.load);
        }
    }
}

/// Why an upstream's body broke off. The client must be able to see that it did.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The upstream broke off.
    #[error("the upstream broke off in the middle of an answer")]
    Upstream(#[source] UpstreamFault),
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

//! Passes a connection's requests from hyper to the stack.

use std::cell::RefCell;
use std::rc::Rc;

use http::Request;
use hyper::body::Incoming;

use super::body::Body;
use super::stack::Stack;
use super::{Arrived, ConnInfo};
use crate::telemetry::Chain;
use crate::telemetry::metrics::WorkerMetrics;

/// The largest request head, and how much is read ahead of a body.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// Passes a connection's requests to the stack.
pub(super) struct Requests<S> {
    stack: RefCell<S>,
    conn: Rc<ConnInfo>,
}

impl<S: Stack> Requests<S> {
    pub(super) fn new(stack: S, conn: Rc<ConnInfo>) -> Self {
        let stack = RefCell::new(stack);
        Self { stack, conn }
    }
}

impl<S: Stack> hyper::service::Service<Request<Incoming>> for Requests<S> {
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = S::Future;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        // The layers of the stack are always ready.
        self.stack.borrow_mut().call(Arrived {
            request,
            conn: Rc::clone(&self.conn),
        })
    }
}

/// Counts and logs why hyper ended a connection.
pub(super) fn note_end(ended: hyper::Result<()>, metrics: &WorkerMetrics) {
    if let Err(error) = ended {
        // hyper has answered these two.
        if error.is_parse_too_large() {
            metrics.heads.inc("too_large");
        } else if error.is_parse() {
            metrics.heads.inc("malformed");
        }
        tracing::debug!(error = %Chain(&error), "connection ended with an error");
    }
}

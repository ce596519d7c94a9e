//! The part of an access line that is known when the request has ended.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::end::End;
use crate::telemetry::metrics::RouteCounts;

/// The part of a line about how the request went. [Counted](crate::telemetry::metrics) even if no
/// line is written.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whether the request became a tunnel.
    pub tunnel: bool,
    /// Whether it is counted only, and no line is written.
    pub is_silent: bool,
    /// The status of the response; 0 without one.
    pub status: u16,
    /// The path of the route.
    pub route: Option<Rc<str>>,
    /// The name of the upstream.
    pub upstream: Option<Rc<str>>,
    /// The counters of the route.
    pub counts: Option<Arc<RouteCounts>>,
    /// Why the request was rejected or cut off.
    pub reason: Option<&'static str>,
    /// Who the request is from, if its token says so.
    pub user: Option<Rc<dyn User>>,
    /// What the reason leaves open: which claim or which key. May come from the
    /// client.
    pub detail: Option<Box<str>>,
    /// What ended it.
    pub end: End,
    /// Body or tunnel bytes from the client.
    pub received: u64,
    /// Body or tunnel bytes to the client.
    pub sent: u64,
    /// The time from the request head to the last byte.
    pub took: Duration,
}

/// The user of a request as access lines show it, formatted only when a line is written.
pub trait User: fmt::Debug + fmt::Display {}

impl<T: fmt::Debug + fmt::Display> User for T {}

impl Default for Line {
    fn default() -> Self {
        Self {
            tunnel: false,
            is_silent: false,
            status: 0,
            route: None,
            upstream: None,
            counts: None,
            reason: None,
            user: None,
            detail: None,
            // Before there is a response, only the client can end the request.
            end: End::Client,
            received: 0,
            sent: 0,
            took: Duration::ZERO,
        }
    }
}

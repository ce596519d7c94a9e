//! What a route's configuration says about the headers of its answers: CORS, security headers and
//! edits.

use std::rc::Rc;

use http::header::HeaderValue;

use super::Routed;
use super::reply::Reply;
use super::view::WorkerView;
use crate::route::edits::{Edits, Security};
use crate::route::{Route, RouteId};

/// What an answer's headers become.
#[derive(Debug)]
pub(super) struct RouteHeaders {
    view: Rc<WorkerView>,
    route: RouteId,
    /// The origin of the page that asks, if CORS allows it. It is a copy: the header that it came
    /// in is a slice of the whole request head, which would stay in memory with it.
    pub(super) origin: Option<HeaderValue>,
}

impl RouteHeaders {
    /// What the request's route says; `None` if it says nothing.
    pub(super) fn of(routed: &Routed) -> Option<Self> {
        let inbound = &routed.normal.inbound;
        let route = inbound.view.snapshot.routes.route(routed.route);
        let has_any = route.cors.is_some()
            || route.answers != Edits::default()
            || route.security != Security::default();
        has_any.then(|| Self {
            view: Rc::clone(&inbound.view),
            route: routed.route,
            origin: None,
        })
    }

    /// Changes the headers. The edits are about the target's own answers and leave rejections
    /// alone; CORS does not, so that scripts can read why a request was rejected.
    pub(super) fn apply(&self, reply: &mut Reply) {
        let route = self.route();
        let headers = reply.response.headers_mut();
        if let Some(cors) = &route.cors {
            cors.apply(self.origin.as_ref(), headers);
        }
        route.security.apply(headers);
        if !reply.is_rejection {
            route.answers.apply(headers);
        }
    }

    fn route(&self) -> &Route {
        self.view.snapshot.routes.route(self.route)
    }
}

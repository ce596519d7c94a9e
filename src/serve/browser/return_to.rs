//! Where a browser returns to after signing in or out.

use crate::route::local::LocalUrl;
use crate::route::{Route, RouteId};
use crate::serve::Normal;
use crate::serve::reject::Rejection;
use crate::serve::routing::find_route;

/// A URL of this host and the route that serves it.
pub(in crate::serve) struct ReturnTo {
    pub(super) to: LocalUrl,
    route: RouteId,
}

impl ReturnTo {
    pub(in crate::serve) fn parse(normal: &Normal, to: &str) -> Result<Self, Rejection> {
        let to: LocalUrl = to.parse().map_err(Rejection::ReturnTo)?;
        let route = find_route(normal, to.path())?;
        Ok(Self { to, route })
    }

    /// The URL that the query names, or the root.
    pub(super) fn in_query(normal: &Normal) -> Result<Self, Rejection> {
        let query = normal.inbound.request.uri().query().unwrap_or_default();
        let to = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "to");
        Self::parse(normal, to.as_ref().map_or("/", |(_, to)| to))
    }

    pub(in crate::serve) fn route<'n>(&self, normal: &'n Normal) -> &'n Route {
        normal.inbound.view.snapshot.routes.route(self.route)
    }
}

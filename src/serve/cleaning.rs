//! What the gateway removes from an upstream's answer.

use http::header::HeaderMap;

use crate::policy::Permit;
use crate::route::cors;
use crate::telemetry::access::Exchange;
use crate::token::location;

/// What to remove from an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cleaning {
    hides_cors: bool,
}

impl Cleaning {
    /// Where pages of other origins may not send requests, they may not read answers either. Janus
    /// lets every page read its answers.
    ///
    /// Where the route has `cors`, that is left to it: it takes over which headers pages may read.
    pub(super) fn of(permit: &Permit, is_control: bool, has_cors: bool) -> Self {
        Self {
            hides_cors: (permit.is_ambient() || is_control) && !has_cors,
        }
    }

    /// Removes it, and the gateway's own cookie too: with that an upstream could sign a browser
    /// out, or in as another user.
    pub(super) fn apply(self, headers: &mut HeaderMap, exchange: &Exchange) {
        if self.hides_cors {
            cors::remove(headers);
        }
        if location::remove_own_set_cookie(headers) {
            tracing::debug!(
                id = %exchange.id(),
                "an upstream set the gateway's own cookie, which is removed"
            );
        }
    }
}

//! What an upstream's answer must not say to browsers.

use http::header::HeaderMap;

use crate::policy::Permit;
use crate::route::cors;
use crate::telemetry::access::Exchange;
use crate::token::location;

/// What is to be taken out of an answer; known before the permit goes to the tunnel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cleaning {
    hides_cors: bool,
}

impl Cleaning {
    /// Where pages of other origins may not ask, they may not read either: Janus lets every page
    /// read its answers.
    pub(super) fn of(permit: &Permit, is_control: bool) -> Self {
        Self {
            hides_cors: permit.is_ambient() || is_control,
        }
    }

    /// Takes it out. The gateway's own cookie too: an upstream could sign a browser in as somebody
    /// else with it, or out.
    pub(super) fn apply(self, headers: &mut HeaderMap, exchange: &Exchange) {
        if self.hides_cors {
            cors::remove(headers);
        }
        if location::remove_own_set_cookie(headers) {
            tracing::debug!(id = %exchange.id(), "an upstream set the gateway's own cookie, which is taken out");
        }
    }
}

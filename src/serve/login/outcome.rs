//! What a login comes to, and what the client gets of it.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::super::Routed;
use super::super::detail;
use super::super::navigation;
use super::super::reject::Rejection;
use super::super::reply::{Reply, Served};
use super::super::rescue;
use crate::policy::{Denied, LoginRule, Permit};
use crate::telemetry::access::Exchange;
use crate::token::location;

/// The challenge of a policy that takes tokens too (RFC 6750, section 3).
pub(super) const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"ianitor\"");

/// What a login comes to.
pub(in crate::serve) enum Outcome {
    /// The request is admitted; the client gets these cookies with the answer.
    Permit(Permit, Cookies),
    /// It is rejected in the usual way.
    Rejected(Rejection),
    /// It is rejected with headers of its own.
    Answered(Box<Reply>),
}

/// Cookies that the service sets.
#[derive(Debug, Default)]
pub(in crate::serve) struct Cookies(Vec<HeaderValue>);

impl Cookies {
    /// Those of an answer, without the gateway's own.
    pub(super) fn of(headers: &mut HeaderMap) -> Self {
        location::remove_own_set_cookie(headers);
        Self(
            headers
                .get_all(header::SET_COOKIE)
                .iter()
                .cloned()
                .collect(),
        )
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add_to(self, headers: &mut HeaderMap) {
        for cookie in self.0 {
            headers.append(header::SET_COOKIE, cookie);
        }
    }

    /// Adds them to what a request is answered with, a rejection too.
    pub(in crate::serve) fn with(self, served: Served, exchange: &Exchange) -> Served {
        if self.0.is_empty() {
            return served;
        }
        let mut reply = served.unwrap_or_else(|why| rescue::reply(exchange, &why));
        self.add_to(reply.response.headers_mut());
        Ok(reply)
    }
}

/// Notes for the access line which claim a login lacks.
pub(super) fn note_claim(routed: &Routed, rule: &LoginRule, denied: &Denied) {
    if let Denied::Claim(at) = denied
        && let Some(claim) = rule.claims.get(*at)
    {
        let claim = detail::shortened(&claim.path);
        let exchange = &routed.normal.inbound.exchange;
        exchange.note(|line| line.detail = Some(claim));
    }
}

/// A rejection with these headers in place of a challenge: a page where a browser shows it.
pub(super) fn answered(
    routed: &Routed,
    rejection: &Rejection,
    headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
) -> Box<Reply> {
    let inbound = &routed.normal.inbound;
    let is_page = navigation::is_navigation(&inbound.request);
    let mut reply = match is_page && !matches!(rejection, Rejection::SignIn) {
        true => rescue::page(&inbound.exchange, rejection, None),
        false => rescue::reply(&inbound.exchange, rejection),
    };
    let answer = reply.response.headers_mut();
    // It would ask for a token.
    answer.remove(header::WWW_AUTHENTICATE);
    for (name, value) in headers {
        answer.append(name, value);
    }
    Box::new(reply)
}

//! The only way to a permit. Most requests are decided at once; one with a key that is not there yet waits until it has
//! been looked for.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Response;
use tower::{Layer, Service};

use super::reader;
use super::reject::Rejection;
use super::tokens::Unproven;
use super::{Admitted, Inbound, Routed};
use crate::clock::UnixTime;
use crate::policy::{Denied, Facts, Permit, Token};
use crate::proxy::body::ResponseBody;
use crate::route::Route;
use crate::token::issuer::Fetched;
use crate::token::location::{self, COOKIE};

/// The layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authorize;

impl<S> Layer<S> for Authorize {
    type Service = Authorized<S>;

    fn layer(&self, inner: S) -> Authorized<S> {
        Authorized { inner }
    }
}

/// A service that takes admitted requests only.
#[derive(Debug)]
pub(super) struct Authorized<S> {
    inner: S,
}

type Answer = Result<Response<ResponseBody>, Rejection>;

impl<S> Service<Routed> for Authorized<S>
where
    S: Service<Admitted, Response = Response<ResponseBody>, Error = Rejection, Future: Unpin> + Clone + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = Rejection;
    type Future = Deciding<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, routed: Routed) -> Self::Future {
        match decide(&routed.normal.inbound, route(&routed)) {
            Ok(permit) => Deciding::Goes(self.inner.call(admit(routed, permit))),
            Err(Hindrance::Refused(rejection)) => Deciding::Refused(Some(for_reader(&routed, rejection))),
            Err(Hindrance::Key { keys, kid, .. }) => {
                let mut inner = self.inner.clone();
                Deciding::Waits(Box::pin(async move {
                    keys.look_for(kid).await;
                    // Whoever has been waited for once is not waited for again.
                    match decide(&routed.normal.inbound, route(&routed)) {
                        Ok(permit) => inner.call(admit(routed, permit)).await,
                        Err(Hindrance::Refused(rejection)) => Err(for_reader(&routed, rejection)),
                        Err(Hindrance::Key { why, .. }) => Err(for_reader(&routed, why.into())),
                    }
                }))
            }
        }
    }
}

fn route(routed: &Routed) -> &Route {
    routed.normal.inbound.local.snapshot.routes.route(routed.route)
}

/// A refusal as the one who asks can read it.
fn for_reader(routed: &Routed, rejection: Rejection) -> Rejection {
    match rejection.is_of_policy() && reader::opens_page(&routed.normal.inbound.request) {
        true => Rejection::OnPage(Box::new(rejection)),
        false => rejection,
    }
}

/// Why there is no permit.
enum Hindrance {
    Refused(Rejection),
    /// The key of the token may be had by looking for it.
    Key {
        keys: Arc<Fetched>,
        kid: Option<Box<str>>,
        why: Denied,
    },
}

impl<E: Into<Rejection>> From<E> for Hindrance {
    fn from(rejection: E) -> Self {
        Self::Refused(rejection.into())
    }
}

fn decide(inbound: &Inbound, route: &Route) -> Result<Permit, Hindrance> {
    let (policy, client) = (&route.policy, inbound.client);
    let facts = |token| Facts { client, now: UnixTime::now(), token };
    let Some(rule) = policy.asks_for_token(client) else {
        // The clock is not asked where it cannot matter.
        return Ok(policy.authorize(&Facts { client, now: UnixTime(0), token: Token::None })?);
    };
    let request = &inbound.request;
    let located = location::find(request.headers(), request.uri(), &rule.sources).map_err(|_| Rejection::TwoTokens)?;
    let Some(located) = located else { return Ok(policy.authorize(&facts(Token::None))?) };
    let (snapshot, tokens) = (&inbound.local.snapshot, &inbound.conn.worker.tokens);
    let signed = match tokens.known(&located, rule, snapshot) {
        Some(signed) => signed,
        None => match tokens.verify(&located, rule, snapshot) {
            Ok(signed) => signed,
            Err(Unproven { why, look: Some((keys, kid)) }) => {
                return Err(Hindrance::Key { keys, kid, why: Denied::Token(why) });
            }
            Err(Unproven { why, look: None }) => return Ok(policy.authorize(&facts(Token::Bad(why)))?),
        },
    };
    Ok(policy.authorize(&facts(Token::Signed(signed.issuer, &signed.verified)))?)
}

/// The request as its target may see it: without what was for the gateway.
fn admit(mut routed: Routed, permit: Permit) -> Admitted {
    let local = Rc::clone(&routed.normal.inbound.local);
    let route = local.snapshot.routes.route(routed.route);
    let request = &mut routed.normal.inbound.request;
    if !route.forward_token {
        let sources = route.policy.token_rule().map_or(&[][..], |rule| &rule.sources);
        let mut uri = std::mem::take(request.uri_mut());
        location::remove(request.headers_mut(), &mut uri, sources);
        *request.uri_mut() = uri;
        // Also where no token is asked for: it opens other doors.
        location::remove_cookie(request.headers_mut(), COOKIE);
    }
    Admitted { routed, permit }
}

/// A request on its way to a permit.
pub(super) enum Deciding<F> {
    /// It will get none.
    Refused(Option<Rejection>),
    /// It has got one.
    Goes(F),
    /// It is not known yet.
    Waits(Pin<Box<dyn Future<Output = Answer>>>),
}

impl<F: Future<Output = Answer> + Unpin> Future for Deciding<F> {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        match &mut *self {
            Self::Refused(rejection) => rejection.take().map_or(Poll::Pending, |rejection| Poll::Ready(Err(rejection))),
            Self::Goes(inner) => Pin::new(inner).poll(cx),
            Self::Waits(waiting) => waiting.as_mut().poll(cx),
        }
    }
}

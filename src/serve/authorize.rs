//! The only way to a permit. Most requests are decided at once; one with a key that is not there
//! yet waits until it has been looked for, one whose API key is in a form until that has been read,
//! and one with a token that looks like a guess for its refusal.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::{Response, Uri};
use tower::{Layer, Service};

use super::origin;
use super::proof::{Key, Pending, prove, resolve};
use super::reader;
use super::reject::Rejection;
use super::sign_in;
use super::turn;
use super::{Admitted, Inbound, Routed};
use crate::clock::UnixTime;
use crate::host::Authority;
use crate::policy::{Facts, Permit, Policy, Token, TokenRule};
use crate::proxy::body::ResponseBody;
use crate::route::path::NormalPath;
use crate::route::{Route, RouteTable};
use crate::token::location::{self, COOKIE, Located, Source, parameters};

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
    S: Service<Admitted, Response = Response<ResponseBody>, Error = Rejection, Future: Unpin>
        + Clone
        + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = Rejection;
    type Future = Deciding<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, routed: Routed) -> Self::Future {
        if turn::brings_form(&routed.normal.inbound, route(&routed)) {
            let mut inner = self.inner.clone();
            return Deciding::Waits(Box::pin(async move {
                let mut routed = routed;
                turn::take_form(&mut routed.normal.inbound).await?;
                match decide(&routed, Key::Unsought) {
                    Ok(permit) => inner.call(admit(routed, permit)).await,
                    Err(hindrance) => after(hindrance, routed, inner).await,
                }
            }));
        }
        match decide(&routed, Key::Unsought) {
            Ok(permit) => Deciding::Goes(self.inner.call(admit(routed, permit))),
            Err(Pending::Refused(rejection)) => {
                Deciding::Refused(Some(for_reader(&routed, rejection)))
            }
            Err(hindrance) => {
                Deciding::Waits(Box::pin(after(hindrance, routed, self.inner.clone())))
            }
        }
    }
}

/// Waits for what there is to wait for, and decides again where that may help.
async fn after<S>(hindrance: Pending, routed: Routed, mut inner: S) -> Answer
where
    S: Service<Admitted, Response = Response<ResponseBody>, Error = Rejection>,
{
    let again = |key| decide(&routed, key);
    match resolve(hindrance, again).await {
        Ok(permit) => inner.call(admit(routed, permit)).await,
        Err(rejection) => Err(for_reader(&routed, rejection)),
    }
}

fn route(routed: &Routed) -> &Route {
    routed
        .normal
        .inbound
        .local
        .snapshot
        .routes
        .route(routed.route)
}

/// A refusal as the one who asks can read it.
fn for_reader(routed: &Routed, rejection: Rejection) -> Rejection {
    match rejection.is_of_policy() && reader::opens_page(&routed.normal.inbound.request) {
        true => {
            let form = sign_in::offer(routed, &rejection).map(Box::new);
            Rejection::OnPage(Box::new(rejection), form)
        }
        false => rejection,
    }
}

/// Whether the request may pass, and the page that sends it too.
fn decide(routed: &Routed, key: Key) -> Result<Permit, Pending> {
    let (inbound, route) = (&routed.normal.inbound, route(routed));
    // Janus can send nothing else, so a key is asked about in the place of the policy.
    if let Some(verdict) = turn::judge_keys(inbound, route) {
        return verdict;
    }
    let permit = ask_policy(inbound, &route.policy, key)?;
    if origin::may_use(routed, route, &permit) {
        return Ok(permit);
    }
    // The page may have a token of its own, which the policy takes in the place of the address.
    match ask_for_token(inbound, &route.policy, key)? {
        Some(permit) if origin::may_use(routed, route, &permit) => Ok(permit),
        _ => Err(Rejection::Origin.into()),
    }
}

fn ask_policy(inbound: &Inbound, policy: &Policy, key: Key) -> Result<Permit, Pending> {
    let client = inbound.client;
    let Some(rule) = policy.asks_for_token(client) else {
        // The clock is not asked where it cannot matter.
        return Ok(policy.authorize(&Facts {
            client,
            now: UnixTime(0),
            token: Token::None,
        })?);
    };
    match locate(inbound, rule)? {
        Some(located) => judge(inbound, policy, rule, &located, key),
        None => Ok(policy.authorize(&Facts {
            client,
            now: UnixTime::now(),
            token: Token::None,
        })?),
    }
}

/// The permit that somebody has by a token although the address was enough; `None` without one that
/// was sent on purpose.
fn ask_for_token(inbound: &Inbound, policy: &Policy, key: Key) -> Result<Option<Permit>, Pending> {
    let client = inbound.client;
    let Some(rule) = policy
        .token_rule()
        .filter(|_| policy.asks_for_token(client).is_none())
    else {
        return Ok(None);
    };
    let Some(located) =
        locate(inbound, rule)?.filter(|located| !located.is_in_cookies_alone(&rule.sources))
    else {
        return Ok(None);
    };
    let signed = prove(inbound, policy.lists(client), rule, &located, key)?;
    let token = Token::Signed(signed.issuer, &signed.verified);
    let permit = policy
        .authorize_by_token(&Facts {
            client,
            now: UnixTime::now(),
            token,
        })
        .transpose()?;
    Ok(permit.map(Permit::with_token_on_purpose))
}

fn locate<'i>(inbound: &'i Inbound, rule: &TokenRule) -> Result<Option<Located<'i>>, Rejection> {
    let request = &inbound.request;
    location::find(request.headers(), request.uri(), &rule.sources)
        .map_err(|_| Rejection::TwoTokens)
}

/// Whether a policy takes a token, wherever that was.
pub(super) fn judge(
    inbound: &Inbound,
    policy: &Policy,
    rule: &TokenRule,
    located: &Located<'_>,
    key: Key,
) -> Result<Permit, Pending> {
    let signed = prove(inbound, policy.lists(inbound.client), rule, located, key)?;
    let token = Token::Signed(signed.issuer, &signed.verified);
    let permit = policy.authorize(&Facts {
        client: inbound.client,
        now: UnixTime::now(),
        token,
    })?;
    Ok(if located.is_in_cookies_alone(&rule.sources) {
        permit
    } else {
        permit.with_token_on_purpose()
    })
}

/// The request as its target may see it: without what was for the gateway.
fn admit(mut routed: Routed, permit: Permit) -> Admitted {
    let local = Rc::clone(&routed.normal.inbound.local);
    let route = local.snapshot.routes.route(routed.route);
    let sources = route
        .policy
        .token_rule()
        .map_or(&[][..], |rule| &rule.sources);
    let request = &mut routed.normal.inbound.request;
    if !route.forward_token {
        let mut uri = std::mem::take(request.uri_mut());
        location::remove(request.headers_mut(), &mut uri, sources);
        *request.uri_mut() = uri;
        let names = |page: Option<&Uri>| {
            names_of_page(
                page,
                route,
                &routed.normal.authority,
                &local.snapshot.routes,
            )
        };
        location::remove_from_referer(request.headers_mut(), names);
    }
    // Also where no token is asked for, or where another is forwarded: it opens other doors.
    if !(route.forward_token && sources.iter().any(Source::is_own_cookie)) {
        location::remove_cookie(request.headers_mut(), COOKIE);
    }
    Admitted { routed, permit }
}

/// How a token in the address of a page may be called: as the route says that is asked, whose token
/// a script of any page may have, and as the page's own does. Where it is not known which page it
/// is, any of the host's could be.
fn names_of_page<'r>(
    page: Option<&Uri>,
    asked: &'r Route,
    ours: &Authority,
    all: &'r RouteTable,
) -> Vec<&'r str> {
    let of = |route: &'r Route| {
        route
            .policy
            .token_rule()
            .into_iter()
            .flat_map(|rule| parameters(&rule.sources))
    };
    match page {
        Some(page) => of(asked)
            .chain(route_of_page(page, ours, all).into_iter().flat_map(of))
            .collect(),
        None => all
            .routes()
            .iter()
            .filter(|route| route.serves(&ours.host))
            .flat_map(of)
            .collect(),
    }
}

/// The route of a page, whichever host of the gateway it is on.
fn route_of_page<'r>(page: &Uri, ours: &Authority, all: &'r RouteTable) -> Option<&'r Route> {
    let host = match page.authority() {
        Some(authority) => authority.as_str().parse::<Authority>().ok()?.host,
        None => ours.host.clone(),
    };
    let path = NormalPath::parse(page.path()).ok()?;
    all.find(&host, path.as_str()).ok().map(|id| all.route(id))
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
            Self::Refused(rejection) => rejection
                .take()
                .map_or(Poll::Pending, |rejection| Poll::Ready(Err(rejection))),
            Self::Goes(inner) => Pin::new(inner).poll(cx),
            Self::Waits(waiting) => waiting.as_mut().poll(cx),
        }
    }
}

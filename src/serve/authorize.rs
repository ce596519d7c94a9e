//! The only place where a request is admitted: it finds the token, has `auth` verify it, and asks
//! the policy. A token that was seen before is decided at once. A new one and an API key are
//! decided in a future, which may have to wait for a key or a delay.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use tower::{Layer, Service};

use super::auth_context::context;
use super::browser::offer::offer;
use super::detail;
use super::jitsi;
use super::login::{self, LoginOutcome};
use super::navigation;
use super::origin;
use super::reject::Rejection;
use super::reply::{Reply, Served};
use super::rescue;
use super::turn_keys;
use super::{Admitted, Inbound, Routed};
use crate::addr::ClientAddr;
use crate::auth::{self, Signed};
use crate::clock::UnixTime;
use crate::host::Authority;
use crate::policy::{Facts, LoginRule, Permit, Policy, Token, TokenRule};
use crate::route::{Route, RouteTable};
use crate::telemetry::access::Exchange;
use crate::token::location::{self, COOKIE, JITSI_PARAMETERS, Located, Source, parameters};

/// The layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Authorize;

impl<S> Layer<S> for Authorize {
    type Service = Authorized<S>;

    fn layer(&self, inner: S) -> Authorized<S> {
        Authorized { inner }
    }
}

/// A service that passes on admitted requests only.
#[derive(Clone, Debug)]
pub(super) struct Authorized<S> {
    inner: S,
}

impl<S> Service<Routed> for Authorized<S>
where
    S: Service<Admitted, Response = Reply, Error = Rejection, Future: Unpin> + Clone + 'static,
{
    type Response = Reply;
    type Error = Rejection;
    type Future = Deciding<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, routed: Routed) -> Self::Future {
        match decide_now(&routed) {
            Some(Ok(permit)) => Deciding::Goes(self.inner.call(admit(routed, permit))),
            Some(Err(rejection)) => Deciding::Rejected(Some(reject(&routed, rejection))),
            None => Deciding::Waits(Box::pin(decide_and_call(routed, self.inner.clone()))),
        }
    }
}

async fn decide_and_call<S>(routed: Routed, mut inner: S) -> Served
where
    S: Service<Admitted, Response = Reply, Error = Rejection>,
{
    let decided = decide(&routed).await;
    if let Some(rule) = route(&routed).policy.login().cloned() {
        return Box::pin(with_login(routed, rule, decided, inner)).await;
    }
    match decided {
        Ok(permit) => inner.call(admit(routed, permit)).await,
        Err(rejection) => reject(&routed, rejection),
    }
}

/// Decides with a login, where the policy accepts one. What the login sets reaches the client with
/// whatever it is answered.
async fn with_login<S>(
    routed: Routed,
    rule: Arc<LoginRule>,
    decided: Result<Permit, Rejection>,
    mut inner: S,
) -> Served
where
    S: Service<Admitted, Response = Reply, Error = Rejection>,
{
    match login::decide(&routed, route(&routed), &rule, decided).await {
        LoginOutcome::Permit(permit, cookies) => {
            let exchange = Rc::clone(&routed.normal.inbound.exchange);
            let served = inner.call(admit(routed, permit)).await;
            cookies.with(served, &exchange)
        }
        LoginOutcome::Rejected(rejection) => reject(&routed, rejection),
        LoginOutcome::Answered(reply) => Ok(*reply),
    }
}

fn route(routed: &Routed) -> &Route {
    routed
        .normal
        .inbound
        .view
        .snapshot
        .routes
        .route(routed.route)
}

/// Rejects the request: with a page where a browser would show the answer.
fn reject(routed: &Routed, rejection: Rejection) -> Served {
    let inbound = &routed.normal.inbound;
    let rule = route(routed).policy.token_rule();
    detail::note(&inbound.exchange, &rejection, rule, || {
        let located = locate(inbound, rule?).ok().flatten()?;
        Some(located.text)
    });
    if rejection.is_of_policy() && navigation::is_navigation(&inbound.request) {
        let form = offer(routed, &rejection);
        return Ok(rescue::page(&inbound.exchange, &rejection, form.as_ref()));
    }
    Err(rejection)
}

/// Decides without waiting; `None` where that is not possible.
fn decide_now(routed: &Routed) -> Option<Result<Permit, Rejection>> {
    let (inbound, route) = (&routed.normal.inbound, route(routed));
    if route.policy.login().is_some() || turn_keys::has_key(routed, route) {
        return None;
    }
    match ask(routed, route) {
        Ok(Asked::Permit(permit)) => Some(Ok(permit)),
        Ok(Asked::Token(question)) => {
            let context = context(inbound, route.policy.lists(inbound.client));
            let signed = auth::cached(&context, &question.located, question.rule)?;
            Some(question.judge(routed, route, &signed))
        }
        Err(rejection) => Some(Err(rejection)),
    }
}

/// Decides, and waits for whatever that takes.
async fn decide(routed: &Routed) -> Result<Permit, Rejection> {
    let (inbound, route) = (&routed.normal.inbound, route(routed));
    // Janus can send nothing else, so a key takes the place of the policy.
    if let Some(verdict) = turn_keys::judge(routed, route).await {
        return verdict;
    }
    match ask(routed, route)? {
        Asked::Permit(permit) => Ok(permit),
        Asked::Token(question) => {
            let context = context(inbound, route.policy.lists(inbound.client));
            let signed = auth::verify(&context, &question.located, question.rule).await?;
            question.judge(routed, route, &signed)
        }
    }
}

/// What a request without a verified token comes to.
enum Asked<'r> {
    /// It may pass.
    Permit(Permit),
    /// Its token decides.
    Token(TokenQuestion<'r>),
}

/// A token that decides about a request.
struct TokenQuestion<'r> {
    located: Located<'r>,
    rule: &'r TokenRule,
    /// The client's address is enough for the policy, but not for the page that sends the request:
    /// only the token counts.
    is_instead_of_address: bool,
}

/// Decides what can be decided without looking at a token.
fn ask<'r>(routed: &'r Routed, route: &'r Route) -> Result<Asked<'r>, Rejection> {
    let (inbound, policy) = (&routed.normal.inbound, &route.policy);
    let client = inbound.client;
    let wanted = policy.asks_for_token(client);
    if let Some(rule) = wanted
        && let Some(located) = locate(inbound, rule)?
    {
        return Ok(Asked::Token(TokenQuestion {
            located,
            rule,
            is_instead_of_address: false,
        }));
    }
    let permit = policy.authorize(&Facts {
        client,
        // The time matters only to tokens, and reading the clock costs.
        now: UnixTime(0),
        token: Token::None,
    })?;
    if origin::may_use(routed, route, &permit) {
        return Ok(Asked::Permit(permit));
    }
    // The page may have sent a token of its own, which the policy accepts instead of the address.
    let rule = policy.token_rule().filter(|_| wanted.is_none());
    let rule = rule.ok_or(Rejection::Origin)?;
    let located = locate(inbound, rule)?
        .filter(|located| !located.is_in_cookies_alone(&rule.sources))
        .ok_or(Rejection::Origin)?;
    Ok(Asked::Token(TokenQuestion {
        located,
        rule,
        is_instead_of_address: true,
    }))
}

impl TokenQuestion<'_> {
    /// Decides by the token, and by the page that sends it.
    fn judge(
        &self,
        routed: &Routed,
        route: &Route,
        signed: &Signed<'_>,
    ) -> Result<Permit, Rejection> {
        let (client, policy) = (routed.normal.inbound.client, &route.policy);
        note_user(&routed.normal.inbound.exchange, signed);
        let facts = facts(client, signed);
        let permit = if self.is_instead_of_address {
            let permit = policy
                .authorize_by_token(&facts)
                .ok_or(Rejection::Origin)??;
            permit.with_token_on_purpose()
        } else {
            mark(policy.authorize(&facts)?, &self.located, self.rule)
        };
        if origin::may_use(routed, route, &permit) {
            jitsi::permit(routed, route, permit)
        } else {
            Err(Rejection::Origin)
        }
    }
}

/// Notes for the access line who a token is for, even if the policy rejects it: its signature is
/// good.
pub(super) fn note_user(exchange: &Exchange, signed: &Signed<'_>) {
    let user = Rc::clone(&signed.verified);
    exchange.note(|line| line.user = Some(user));
}

fn facts<'f>(client: ClientAddr, signed: &'f Signed<'_>) -> Facts<'f> {
    Facts {
        client,
        now: UnixTime::now(),
        token: Token::Signed(signed.issuer, &signed.verified),
    }
}

/// Notes in the permit where its token stood: a browser sends cookies by itself.
fn mark(permit: Permit, located: &Located<'_>, rule: &TokenRule) -> Permit {
    if located.is_in_cookies_alone(&rule.sources) {
        permit
    } else {
        permit.with_token_on_purpose()
    }
}

fn locate<'i>(inbound: &'i Inbound, rule: &TokenRule) -> Result<Option<Located<'i>>, Rejection> {
    let request = &inbound.request;
    location::find(request.headers(), request.uri(), &rule.sources)
        .map_err(|_| Rejection::TwoTokens)
}

/// Whether a policy accepts a token, wherever the token was.
pub(super) async fn judge(
    inbound: &Inbound,
    policy: &Policy,
    rule: &TokenRule,
    located: &Located<'_>,
) -> Result<Permit, Rejection> {
    let context = context(inbound, policy.lists(inbound.client));
    let permit = match auth::verify(&context, located, rule).await {
        Ok(signed) => {
            note_user(&inbound.exchange, &signed);
            let facts = facts(inbound.client, &signed);
            policy.authorize(&facts).map_err(Rejection::from)
        }
        Err(failure) => Err(failure.into()),
    };
    let permit = permit.inspect_err(|rejection| {
        detail::note(&inbound.exchange, rejection, Some(rule), || {
            Some((&*located.text).into())
        });
    })?;
    Ok(mark(permit, located, rule))
}

/// Admits a request, without what only the gateway may see of it.
fn admit(mut routed: Routed, permit: Permit) -> Admitted {
    let view = Rc::clone(&routed.normal.inbound.view);
    let route = view.snapshot.routes.route(routed.route);
    let rule = route.policy.token_rule();
    let sources = rule.map_or(&[][..], |rule| &rule.sources);
    let is_websocket = routed.normal.inbound.is_websocket;
    let request = &mut routed.normal.inbound.request;
    if let Some(login) = route.policy.login() {
        let logged_in = permit.login().map(|login| &**login);
        login::replace_identity_headers(request, login, logged_in, route.forward_token);
    }
    if !route.forward_token {
        let routes = &view.snapshot.routes;
        let is_for_jitsi = rule.is_some() && routes.is_for_jitsi(route, is_websocket);
        let mut uri = std::mem::take(request.uri_mut());
        location::remove(request.headers_mut(), &mut uri, sources);
        // Prosody would accept a token that the gateway has not looked for.
        if is_for_jitsi {
            location::remove_for_jitsi(request.headers_mut(), &mut uri);
        }
        *request.uri_mut() = uri;
        let names = |page: Option<&Uri>| {
            let mut names = names_of_page(page, route, &routed.normal.authority, routes);
            if is_for_jitsi {
                names.extend(JITSI_PARAMETERS);
            }
            names
        };
        location::remove_from_referer(request.headers_mut(), names);
    }
    // Also where no token is asked for, or where another one is forwarded: the cookie may be valid
    // for other routes.
    if !(route.forward_token && sources.iter().any(Source::is_own_cookie)) {
        location::remove_cookie(request.headers_mut(), COOKIE);
    }
    Admitted { routed, permit }
}

/// The names that a query parameter with a token may have in the address of a page: those of the
/// requested route, whose token a script of any page may have, and those of the page's own route.
/// Where the page is unknown, those of every route of the host.
fn names_of_page<'r>(
    page: Option<&Uri>,
    requested: &'r Route,
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
        Some(page) => of(requested)
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

/// The route of a page, on any host of the gateway.
fn route_of_page<'r>(page: &Uri, ours: &Authority, all: &'r RouteTable) -> Option<&'r Route> {
    let host = match page.authority() {
        Some(authority) => authority.as_str().parse::<Authority>().ok()?.host,
        None => ours.host.clone(),
    };
    let path = all.normalize(page.path()).ok()?;
    all.find(&host, path.as_str()).ok().map(|id| all.route(id))
}

/// The future of a request: rejected, passed on, or not decided yet.
pub(super) enum Deciding<F> {
    /// It is rejected.
    Rejected(Option<Served>),
    /// It is with the inner service.
    Goes(F),
    /// It is being decided.
    Waits(Pin<Box<dyn Future<Output = Served>>>),
}

impl<F: Future<Output = Served> + Unpin> Future for Deciding<F> {
    type Output = Served;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Served> {
        match &mut *self {
            Self::Rejected(served) => served.take().map_or(Poll::Pending, Poll::Ready),
            Self::Goes(inner) => Pin::new(inner).poll(cx),
            Self::Waits(waiting) => waiting.as_mut().poll(cx),
        }
    }
}

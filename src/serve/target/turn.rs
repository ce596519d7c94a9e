//! TURN credentials: for browsers behind a policy, for servers by API key.
//!
//! A browser is given every URI. A server is Janus, which ends when it cannot make an address of
//! one: it is given IPv4 literals, and names that resolve at this moment.

use std::borrow::Cow;
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};

use crate::auth::check_api_keys;
use crate::clock::UnixTime;
use crate::policy::{ApiKeys, Denied, Permit};
use crate::proxy;
use crate::proxy::body::ResponseBody;
use crate::route::{Route, Target};
use crate::serve::Inbound;
use crate::serve::authorize::context;
use crate::serve::reject::Rejection;
use crate::token::BadToken;
use crate::turn::uri::TurnUri;
use crate::turn::{Credential, STRONG_SECRET, Subject, Turn};

/// What may be asked for.
pub(in crate::serve) const METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// The largest form. That of Janus has 512 bytes.
const LARGEST_FORM: u64 = 8 * 1024;

/// For the whole of a form.
const FORM_TIME: Duration = Duration::from_secs(5);

const FORM: &str = "application/x-www-form-urlencoded";

/// Why no credential is given to somebody who may have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::serve) enum Refusal {
    /// The client's fault: another method.
    #[error("credentials are asked for with GET or POST")]
    Method,
    /// The client's fault: another service.
    #[error("service is not turn")]
    Service,
    /// Ours, or the name server's: nothing that Janus could be given.
    #[error("none of the uris is an IPv4 address or a name that resolves")]
    NoUri,
}

/// The body of a request, where it was a form.
#[derive(Clone, Debug)]
struct Form(Vec<u8>);

/// Whether the body may have an API key in it, and so has to be read before anything is decided.
pub(in crate::serve) fn brings_form(inbound: &Inbound, route: &Route) -> bool {
    let Target::Turn(id) = &route.target else {
        return false;
    };
    let request = &inbound.request;
    let essence = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok()?.split(';').next());
    inbound.local.snapshot.turn(*id).api_keys.is_some()
        && request.method() == Method::POST
        && essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(FORM))
}

/// Reads the form and keeps it with the request.
pub(in crate::serve) async fn take_form(inbound: &mut Inbound) -> Result<(), Rejection> {
    let body = inbound.request.body_mut();
    let form = body
        .read_whole(LARGEST_FORM, FORM_TIME)
        .await
        .map_err(|fault| proxy::Error::from(&fault))?;
    inbound.request.extensions_mut().insert(Form(form));
    Ok(())
}

/// What a request says, in its query and in its form: Janus sends the same in both.
fn said<'r>(inbound: &'r Inbound, name: &str) -> impl Iterator<Item = Cow<'r, str>> {
    let query = inbound.request.uri().query().unwrap_or_default().as_bytes();
    let form = inbound
        .request
        .extensions()
        .get::<Form>()
        .map_or(&[][..], |form| &form.0);
    let all = form_urlencoded::parse(query).chain(form_urlencoded::parse(form));
    all.filter(move |(key, _)| key == name)
        .map(|(_, value)| value)
}

/// Whether the query of a request has an API key in it, right or wrong.
pub(in crate::serve) fn brings_key(inbound: &Inbound, route: &Route) -> bool {
    presented(inbound, route).is_some()
}

/// The keys in force, and those that a request has in it: `None` if it has none, or if this route
/// takes no keys.
fn presented<'r>(inbound: &'r Inbound, route: &Route) -> Option<(&'r ApiKeys, Vec<Cow<'r, str>>)> {
    let Target::Turn(id) = &route.target else {
        return None;
    };
    let keys = inbound.local.snapshot.turn(*id).api_keys.as_ref()?;
    let presented: Vec<Cow<'_, str>> = said(inbound, "api").chain(said(inbound, "key")).collect();
    (!presented.is_empty()).then_some((keys, presented))
}

/// Decides about a request that has an API key in it; `None` if there is none to decide by.
pub(in crate::serve) async fn judge_keys(
    inbound: &Inbound,
    route: &Route,
) -> Option<Result<Permit, Rejection>> {
    let (keys, presented) = presented(inbound, route)?;
    let is_guessable = presented.iter().any(|key| key.len() < STRONG_SECRET);
    let context = context(inbound, route.policy.lists(inbound.client));
    let presented = presented.iter().map(|key| &**key);
    let verdict = check_api_keys(&context, keys, presented, is_guessable).await;
    Some(verdict.map_err(Rejection::from))
}

/// Gives a credential to whom the permit is for.
pub(in crate::serve) async fn serve(
    inbound: &Inbound,
    turn: &Turn,
    permit: &Permit,
) -> Result<Response<ResponseBody>, Rejection> {
    match *inbound.request.method() {
        Method::GET | Method::HEAD | Method::POST => {}
        Method::OPTIONS => return Ok(options()),
        _ => return Err(Refusal::Method.into()),
    }
    if said(inbound, "service").any(|service| service != "turn") {
        return Err(Refusal::Service.into());
    }
    let credential = credential(inbound, turn, permit)?;
    let text = match permit.is_by_api_key() {
        true => credential.to_json(for_janus(inbound, turn).await?),
        false => credential.to_json(&turn.spec.uris),
    };
    Ok(answer(text))
}

fn credential(inbound: &Inbound, turn: &Turn, permit: &Permit) -> Result<Credential, Rejection> {
    let (now, ttl) = (UnixTime::now(), turn.spec.ttl);
    if permit.is_by_api_key() {
        let subject = said(inbound, "username").find_map(|name| Subject::new(&name));
        return Ok(turn.credential(now, &subject.unwrap_or_else(Subject::server), ttl));
    }
    let Some(token) = permit.token() else {
        return Ok(turn.credential(now, &Subject::client(), ttl));
    };
    let ttl = ttl.min(now.until(token.claims.exp));
    if ttl.is_zero() {
        // Its leeway still lets it in, and what it would be given is over already.
        return Err(Denied::Token(BadToken::Expired).into());
    }
    let subject = token.claims.subject().and_then(Subject::new);
    Ok(turn.credential(now, &subject.unwrap_or_else(Subject::client), ttl))
}

/// What does not end Janus. URIs that only tell an address are of no use to it.
async fn for_janus<'t>(inbound: &Inbound, turn: &'t Turn) -> Result<Vec<&'t TurnUri>, Refusal> {
    let names = &inbound.conn.worker.names;
    let is_good = async |uri: &TurnUri| match uri.host.ip() {
        Some(ip) => ip.is_ipv4(),
        None => names.has_ipv4(&uri.host).await,
    };
    let relays = turn.spec.uris.iter().filter(|uri| uri.relays());
    let judged =
        futures_util::future::join_all(relays.map(async |uri| is_good(uri).await.then_some(uri)))
            .await;
    let good: Vec<&TurnUri> = judged.into_iter().flatten().collect();
    if good.is_empty() {
        Err(Refusal::NoUri)
    } else {
        Ok(good)
    }
}

fn answer(text: String) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::text(text));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn options() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(METHODS));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

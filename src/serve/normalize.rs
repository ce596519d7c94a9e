//! From a raw request to one with a single spelling of host and path.

use std::rc::Rc;

use http::header::{self, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri};

use super::client_addr::is_trusted;
use super::detail;
use super::hostless;
use super::reject::Rejection;
use super::{ConnInfo, Inbound, Normal};
use crate::host::Authority;
use crate::proxy::websocket;
use crate::route::passthrough;
use crate::route::path::BadPath;

/// The step.
pub(super) fn normalize(mut inbound: Inbound) -> Result<Normal, Rejection> {
    // CONNECT is for forward proxies; TRACE would show the client what the gateway adds.
    match *inbound.request.method() {
        Method::CONNECT if websocket::is_extended_connect(&inbound.request) => {}
        Method::CONNECT | Method::TRACE => return Err(Rejection::Method),
        _ => {}
    }
    let authority = settle_host(&mut inbound.request, &inbound.conn)
        .inspect_err(|why| detail::note_host(&inbound, why))?;
    check_sni(&inbound, &authority)?;
    let uri = inbound.request.uri();
    let path = inbound.view.snapshot.routes.normalize(uri.path())?;
    if path.was_changed() {
        *inbound.request.uri_mut() = with_path(uri, path.as_str())?;
    }
    Ok(Normal { inbound, authority })
}

/// Requires exactly one host, in `Host` or in the request target or the same one in both. It then
/// stands in `Host`, as the client wrote it. Where HTTP/1.0 names none, the connection does.
fn settle_host<B>(request: &mut Request<B>, conn: &ConnInfo) -> Result<Rc<Authority>, Rejection> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (
        hosts.next().cloned(),
        hosts.next(),
        request.uri().authority(),
    ) {
        (_, Some(_), _) => return Err(Rejection::Host),
        (None, None, None) => {
            let implied = hostless::implied(request, conn).ok_or(Rejection::Host)?;
            let value = HeaderValue::try_from(implied.to_string()).map_err(|_| Rejection::Host)?;
            request.headers_mut().insert(header::HOST, value.clone());
            value
        }
        (Some(host), None, None) => host,
        (host, None, Some(authority)) => {
            let value = HeaderValue::from_str(authority.as_str()).map_err(|_| Rejection::Host)?;
            if host.is_some_and(|host| !same_authority(&host, &value)) {
                return Err(Rejection::Authority);
            }
            request.headers_mut().insert(header::HOST, value.clone());
            value
        }
    };
    cached_authority(host, conn)
}

fn same_authority(a: &HeaderValue, b: &HeaderValue) -> bool {
    matches!((parse_authority(a), parse_authority(b)), (Ok(a), Ok(b)) if a == b)
}

/// The parsed host. A connection nearly always asks for the same one again.
fn cached_authority(host: HeaderValue, conn: &ConnInfo) -> Result<Rc<Authority>, Rejection> {
    let mut last = conn.last_host.borrow_mut();
    if let Some((known, authority)) = &*last
        && *known == host
    {
        return Ok(Rc::clone(authority));
    }
    let authority = Rc::new(parse_authority(&host)?);
    // A copy: the value is a slice of the whole request head, which would stay in memory with it.
    if let Ok(host) = HeaderValue::from_bytes(host.as_bytes()) {
        *last = Some((host, Rc::clone(&authority)));
    }
    Ok(authority)
}

fn parse_authority(host: &HeaderValue) -> Result<Authority, Rejection> {
    host.to_str()
        .ok()
        .and_then(|host| host.parse().ok())
        .ok_or(Rejection::Host)
}

/// Checks a `Host` that differs from the TLS server name.
///
/// Browsers reuse a connection for every name of its certificate (RFC 9113, section 9.1.1), and
/// they do not retry a WebSocket that gets 421 there. So such a name is served, unless it belongs
/// to another server or listener, which a new connection would reach. Route and policy depend on
/// `Host` alone. A trusted proxy uses one server name for all of its clients, and with
/// `tls.default` any server name stands for any host.
fn check_sni(inbound: &Inbound, authority: &Authority) -> Result<(), Rejection> {
    let (conn, snapshot) = (&inbound.conn, &inbound.view.snapshot);
    if conn.sni.as_ref().is_none_or(|sni| *sni == authority.host) {
        return Ok(());
    }
    let is_named = conn
        .certificate
        .as_ref()
        .is_some_and(|shown| shown.names_host(&authority.host))
        || conn
            .sni
            .as_ref()
            .is_some_and(|sni| snapshot.answers_by_default(sni));
    let is_passed_through = passthrough::find(&snapshot.passthrough, &authority.host).is_some();
    // Behind a port mapping, clients name ports that no listener has.
    let port = authority.port.unwrap_or(443);
    let is_of_another_listener = port != conn.port && snapshot.tls_ports.contains(&port);
    let is_ours = is_named && !is_passed_through && !is_of_another_listener;
    if is_ours || is_trusted(conn.client, &snapshot.trusted_proxies) {
        Ok(())
    } else {
        Err(Rejection::Misdirected)
    }
}

fn with_path(uri: &Uri, path: &str) -> Result<Uri, Rejection> {
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let target = PathAndQuery::try_from(target).map_err(|_| Rejection::Path(BadPath::BadEscape))?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).map_err(|_| Rejection::Path(BadPath::BadEscape))
}

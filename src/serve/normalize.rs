//! The steps from a raw request to one for which there is a door.

use std::rc::Rc;

use http::header::{self, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri, Version};

use super::client_addr::is_trusted;
use super::reject::Rejection;
use super::{ConnInfo, Inbound, Normal, Routed};
use crate::host::Authority;
use crate::proxy::websocket;
use crate::route::RouteId;
use crate::route::passthrough;
use crate::route::path::{BadPath, NormalPath};

pub(super) fn limit_size(inbound: Inbound) -> Result<Inbound, Rejection> {
    let target = inbound
        .request
        .uri()
        .path_and_query()
        .map_or(0, |p| p.as_str().len());
    if u64::try_from(target).is_ok_and(|target| target > inbound.local.snapshot.limits.target) {
        Err(Rejection::TargetTooLong)
    } else {
        Ok(inbound)
    }
}

pub(super) fn limit_rate(inbound: Inbound) -> Result<Inbound, Rejection> {
    let limits = &inbound.local.snapshot.limits;
    let counted = match inbound.client == inbound.conn.client {
        true => inbound.conn.slot.request(limits.requests_per_client),
        false => inbound
            .conn
            .worker
            .shared
            .slots
            .request(inbound.client, limits),
    };
    counted.map_err(Rejection::Rate)?;
    if inbound.request.version() == Version::HTTP_2 {
        inbound.exchange.hold(
            inbound
                .conn
                .slot
                .stream(limits)
                .map_err(Rejection::Streams)?,
        );
    }
    Ok(inbound)
}

pub(super) fn normalize(mut inbound: Inbound) -> Result<Normal, Rejection> {
    // CONNECT asks for a proxy of another kind; TRACE would show the client what the gateway adds.
    match *inbound.request.method() {
        Method::CONNECT if websocket::is_extended_connect(&inbound.request) => {}
        Method::CONNECT | Method::TRACE => return Err(Rejection::Method),
        _ => {}
    }
    let authority = settle_host(&mut inbound.request, &inbound.conn)?;
    check_sni(&inbound, &authority)?;
    let uri = inbound.request.uri();
    let path = NormalPath::parse(uri.path())?;
    if path.was_changed() {
        *inbound.request.uri_mut() = with_path(uri, path.as_str())?;
    }
    Ok(Normal { inbound, authority })
}

/// Exactly one host, said once or twice in the same way. Afterwards it stands in `Host`, as the
/// client wrote it.
fn settle_host<B>(request: &mut Request<B>, conn: &ConnInfo) -> Result<Rc<Authority>, Rejection> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (
        hosts.next().cloned(),
        hosts.next(),
        request.uri().authority(),
    ) {
        (_, Some(_), _) | (None, None, None) => return Err(Rejection::Host),
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
    known_authority(host, conn)
}

fn same_authority(a: &HeaderValue, b: &HeaderValue) -> bool {
    matches!((parse_authority(a), parse_authority(b)), (Ok(a), Ok(b)) if a == b)
}

fn known_authority(host: HeaderValue, conn: &ConnInfo) -> Result<Rc<Authority>, Rejection> {
    let mut last = conn.last_host.borrow_mut();
    if let Some((known, authority)) = &*last
        && *known == host
    {
        return Ok(Rc::clone(authority));
    }
    let authority = Rc::new(parse_authority(&host)?);
    // A copy of its own: the value is a slice of the whole head, which would stay alive with it.
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

/// Browsers send requests for any name of a connection's certificate on that connection (RFC 9113,
/// section 9.1.1), and a WebSocket that gets 421 there is not tried again on another one. Which
/// route and policy are asked is the `Host`'s business alone. A trusted proxy has one name for all
/// of its clients.
fn check_sni(inbound: &Inbound, authority: &Authority) -> Result<(), Rejection> {
    let (conn, snapshot) = (&inbound.conn, &inbound.local.snapshot);
    match &conn.sni {
        Some(sni) if *sni != authority.host => {
            let is_named = conn
                .certificate
                .as_ref()
                .is_some_and(|shown| shown.names_host(&authority.host));
            // Another server ends TLS for that name: on a connection of its own the request gets
            // there.
            let is_passed_through =
                passthrough::find(&snapshot.passthrough, &authority.host).is_some();
            let port = authority.port.unwrap_or(443);
            // Behind a port mapping clients name ports that no listener has.
            let is_of_another_listener = port != conn.port && snapshot.tls_ports.contains(&port);
            let is_ours = is_named && !is_passed_through && !is_of_another_listener;
            let may = is_ours || is_trusted(conn.client, &snapshot.trusted_proxies);
            if may {
                Ok(())
            } else {
                Err(Rejection::Misdirected)
            }
        }
        _ => Ok(()),
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

pub(super) fn route(normal: Normal) -> Result<Routed, Rejection> {
    let inbound = &normal.inbound;
    let path = inbound.request.uri().path();
    let route = find_route(&normal, path)?;
    note_route(inbound, route);
    if inbound
        .local
        .snapshot
        .routes
        .is_of_another_route(route, path)
    {
        return Err(Rejection::BasePath);
    }
    Ok(Routed { normal, route })
}

/// The door to a path of the host that is asked.
pub(super) fn find_route(normal: &Normal, path: &str) -> Result<RouteId, Rejection> {
    Ok(normal
        .inbound
        .local
        .snapshot
        .routes
        .find(&normal.authority.host, path)?)
}

fn note_route(inbound: &Inbound, route: RouteId) {
    inbound.exchange.note(|line| {
        let label = inbound.local.label(route).clone();
        (line.route, line.upstream, line.counts) =
            (Some(label.route), label.upstream, Some(label.counts));
    });
}

//! WHIP and WHEP (RFC 9725): offers and answers of SDP over HTTP.
//!
//! A `POST` to an endpoint creates a resource, whose URL the server returns in `Location`: that
//! URL, and everything below it, belongs to the client. Every other path is an endpoint.
//!
//! | request | to an endpoint | to an own resource | to another client's |
//! |---|---|---|---|
//! | `POST`, `GET`, `HEAD`, `OPTIONS` | forwarded | forwarded | 404 |
//! | `PATCH`, `DELETE` | 404 | forwarded | 404 |
//! | anything else | 405 | 405 | 405 |
//!
//! Bodies pass as they are. A client that disconnects before the response to its `POST` has come
//! does not know the resource, nor does the gateway: the server ends it when no media arrive.

use http::header::{HeaderMap, HeaderValue, LINK, LOCATION};
use http::{Method, Response, StatusCode};

use super::context::Forwarding;
use super::{forward, websocket};
use crate::clock;
use crate::host::Authority;
use crate::policy::Permit;
use crate::proxy::body::ClientRequest;
use crate::proxy::link;
use crate::proxy::location::{Public, without_dots};
use crate::route::path::{EncodedSlash, NormalPath};
use crate::serve::messages;
use crate::serve::reject::Rejection;
use crate::serve::response_body::ResponseBody;
use crate::signalling::owners::{Owner, ResourceLookup, ResourcePath, Resources};

/// What answers the requests.
pub(super) struct WhipTarget<'r> {
    forwarding: &'r Forwarding<'r>,
    resources: &'r Resources,
    owner: Owner,
}

impl<'r> WhipTarget<'r> {
    /// `None` if the upstream has no resources.
    pub(super) fn new(forwarding: &'r Forwarding<'r>, permit: &Permit) -> Option<Self> {
        let of_address = || Owner::of_address(forwarding.exchange.client());
        Some(Self {
            forwarding,
            resources: forwarding.owners()?.resources(),
            owner: messages::owner(permit).unwrap_or_else(of_address),
        })
    }

    pub(super) async fn serve(
        self,
        request: ClientRequest,
        permit: &Permit,
    ) -> Result<Response<ResponseBody>, Rejection> {
        let change = &self.forwarding.forward.path;
        let path = change.to_upstream(request.uri().path());
        let method = match self.forwarding.is_websocket {
            true => Method::GET,
            false => request.method().clone(),
        };
        let found = self.admit(&method, &path, request.uri().query())?;
        if self.forwarding.is_websocket {
            return websocket::open(request, self.forwarding, permit).await;
        }
        let mut response = forward::forward(request, self.forwarding).await?;
        let (status, headers) = (response.status(), response.headers_mut());
        let context = self.forwarding.context();
        make_public(headers, context.public(), &path);
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        if let Some(location) = location
            && is_created(&method, status)
        {
            self.note_created(&path, location, context.authority);
        }
        if let ResourceLookup::Own(resource) = found
            && has_ended(&method, status)
        {
            self.resources.forget(resource);
        }
        Ok(response)
    }

    /// Whether a request may go on, and for what it is.
    fn admit(
        &self,
        method: &Method,
        path: &str,
        query: Option<&str>,
    ) -> Result<ResourceLookup, Rejection> {
        let needs_resource = match *method {
            Method::POST | Method::GET | Method::HEAD | Method::OPTIONS => false,
            Method::PATCH | Method::DELETE => true,
            _ => return Err(Rejection::WhipMethod),
        };
        let target = ResourcePath { path, query };
        match self.resources.find(self.owner, target, clock::monotonic()) {
            ResourceLookup::Nothing if needs_resource => Err(Rejection::WhipResource),
            ResourceLookup::OfAnother => Err(Rejection::WhipResource),
            found => Ok(found),
        }
    }

    /// Remembers a resource by the path that it has at the server.
    fn note_created(&self, endpoint: &str, location: &str, own: &Authority) {
        let Some((path, query)) = requested(location, own) else {
            return;
        };
        let Forwarding {
            path: route,
            forward,
            ..
        } = self.forwarding;
        // A path with two readings is one that the client cannot request.
        let Ok(path) = NormalPath::parse_with(&path, EncodedSlash::Keep) else {
            return;
        };
        // Another route may lead to the same server.
        let path = match route.covers(path.as_str()) {
            true => forward.path.to_upstream(path.as_str()),
            false => path.as_str().to_owned(),
        };
        let resource = ResourcePath { path: &path, query };
        let now = clock::monotonic();
        self.resources.created(self.owner, endpoint, resource, now);
    }
}

/// Whether `Location` is a new resource. A server of WHEP makes an offer of its own with 406.
fn is_created(method: &Method, status: StatusCode) -> bool {
    method == Method::POST && matches!(status, StatusCode::CREATED | StatusCode::NOT_ACCEPTABLE)
}

/// Whether a resource of its client is there no more after this answer.
fn has_ended(method: &Method, status: StatusCode) -> bool {
    match *method {
        Method::DELETE if status.is_success() => true,
        Method::DELETE | Method::PATCH => {
            matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
        }
        _ => false,
    }
}

/// The path, without dots, and the query that a client requests for a URL of the gateway.
fn requested<'l>(location: &'l str, own: &Authority) -> Option<(String, Option<&'l str>)> {
    let end = location.find('#').unwrap_or(location.len());
    let location = &location[..end];
    let local = match location.split_once("//") {
        Some((scheme, rest)) if scheme.is_empty() || scheme.eq_ignore_ascii_case("https:") => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, local) = rest.split_at(end);
            is_same(&authority.parse().ok()?, own).then_some(local)?
        }
        _ => location.starts_with('/').then_some(location)?,
    };
    let (path, query) = match local.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (local, None),
    };
    Some((
        without_dots("", path.strip_prefix('/').unwrap_or(path)),
        query,
    ))
}

/// Whether two authorities are the same one of `https`.
fn is_same(one: &Authority, other: &Authority) -> bool {
    let port = |authority: &Authority| authority.port.unwrap_or(443);
    one.host == other.host && port(one) == port(other)
}

/// Has `Location` and `Link` lead back through the gateway, which has looked at a `Location` with a
/// whole path already. `base` is the path of the request at the server.
fn make_public(headers: &mut HeaderMap, public: Public<'_>, base: &str) {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    if let Some(location) = headers.get(LOCATION).and_then(text)
        && let Some(location) = public.resolve(&location, base)
        && let Ok(location) = HeaderValue::try_from(location)
    {
        headers.insert(LOCATION, location);
    }
    if !headers.contains_key(LINK) {
        return;
    }
    let here = |target: &str| {
        let public_form = || public.public(target);
        public.resolve(target, base).or_else(public_form)
    };
    let rewritten = |value: &HeaderValue| {
        let rewritten = link::rewrite(value.to_str().ok()?, here)?;
        HeaderValue::try_from(rewritten).ok()
    };
    let links = headers.get_all(LINK).iter();
    let links: Vec<HeaderValue> = links
        .map(|value| rewritten(value).unwrap_or_else(|| value.clone()))
        .collect();
    headers.remove(LINK);
    for value in links {
        headers.append(LINK, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_requests_the_path_of_a_location_here_without_dots() {
        for (location, own, want) in [
            ("/r/1", "a.test", Some(("/r/1", None))),
            ("/", "a.test", Some(("/", None))),
            ("/r/1?x=/../y#z", "a.test", Some(("/r/1", Some("x=/../y")))),
            ("/r//a.test/1", "a.test", Some(("/r//a.test/1", None))),
            ("https://a.test/r/1", "a.test", Some(("/r/1", None))),
            ("HTTPS://A.Test/r/1", "a.test", Some(("/r/1", None))),
            ("hTTps://a.test:443/r", "a.test", Some(("/r", None))),
            ("https://a.test/r", "a.test:443", Some(("/r", None))),
            ("https://a.test:8443/r", "a.test:8443", Some(("/r", None))),
            ("//a.test/r/1?x", "a.test", Some(("/r/1", Some("x")))),
            ("https://a.test", "a.test", Some(("/", None))),
            ("//a.test?x=y", "a.test", Some(("/", Some("x=y")))),
            ("/e/../r/./1", "a.test", Some(("/r/1", None))),
            ("/e/%2e%2E/r/%2e/1", "a.test", Some(("/r/1", None))),
            ("/../../r", "a.test", Some(("/r", None))),
            ("/r/1/..", "a.test", Some(("/r/", None))),
            ("/r/1/.", "a.test", Some(("/r/1/", None))),
            ("/r/..", "a.test", Some(("/", None))),
            ("/r/...", "a.test", Some(("/r/...", None))),
            ("//a.test/e/../r", "a.test", Some(("/r", None))),
            ("https://a.test:8443/r", "a.test", None),
            ("https://b.test/r", "a.test", None),
            ("//b.test/r", "a.test", None),
            ("http://a.test/r", "a.test", None),
            ("ftp://a.test/r", "a.test", None),
            ("///a.test/r", "a.test", None),
            ("turn:a.test", "a.test", None),
        ] {
            let found = requested(location, &own.parse().unwrap());
            let found = found.as_ref().map(|(path, query)| (&**path, *query));
            assert_eq!(found, want, "{location} {own}");
        }
    }
}

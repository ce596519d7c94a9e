//! `cors` of a route: which pages of other origins may use it (the Fetch standard, section 3.3).
//!
//! 1. The preflight request of a listed origin is answered here, before the policy: browsers send
//!    no credentials with it.
//! 2. In other responses, the target's own CORS headers are removed, and the page's origin is
//!    allowed if it is listed.
//! 3. CORS does not cover WebSockets: any page could open one with the user's cookies. On a route
//!    with `cors`, a handshake from a page that is not listed is rejected ([`Initiator`]).
//! 4. Where a cookie or an address permits a request, pages that are not listed are rejected, also
//!    on routes without `cors`: see [`Cors::admits`].

use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::initiator::Initiator;
use super::web_origin::WebOrigin;
use crate::host::Authority;

/// The origins that may use a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every origin: `"*"`.
    Any,
    /// These origins.
    Listed(Box<[WebOrigin]>),
}

/// A route's `cors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// The allowed origins. [`Origins::Any`] never comes with credentials.
    pub origins: Origins,
    /// Whether requests may have cookies and other credentials.
    pub credentials: bool,
    /// The allowed methods, as a header value.
    pub methods: HeaderValue,
    /// The allowed request headers, as a header value; `None`: only those that are always allowed.
    pub headers: Option<HeaderValue>,
    /// The response headers that pages may read, as a header value, which is empty for none.
    /// `None`: those that the target names in `Access-Control-Expose-Headers`.
    pub expose: Option<HeaderValue>,
    /// For how many seconds a browser may cache a preflight response.
    pub max_age: u64,
}

/// The result of [`Cors::judge`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A preflight request, with the headers of its response.
    Preflight(HeaderMap),
    /// The page's origin is not allowed.
    Reject,
    /// The request continues. [`Cors::apply`] sets the headers of its response for this origin, if
    /// it is listed.
    Pass(Option<HeaderValue>),
}

impl Cors {
    /// Judges a request by its headers. `is_websocket`: the request is an opening handshake.
    pub fn judge(
        &self,
        method: &Method,
        headers: &HeaderMap,
        is_websocket: bool,
        own: &Authority,
    ) -> Verdict {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let (origin, more) = (origins.next(), origins.next().is_some());
        let listed = origin.filter(|origin| !more && self.lists(origin));
        if is_websocket {
            let may =
                listed.is_some() || !matches!(Initiator::of(headers, own), Initiator::OtherPage(_));
            return if may {
                Verdict::Pass(listed.cloned())
            } else {
                Verdict::Reject
            };
        }
        let is_preflight = method == Method::OPTIONS
            && origin.is_some()
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        match (is_preflight, listed) {
            (true, Some(origin)) => Verdict::Preflight(self.preflight(origin)),
            (true, None) => Verdict::Reject,
            (false, listed) => Verdict::Pass(listed.cloned()),
        }
    }

    /// Whether a page of another origin may make requests that a cookie or an address permits.
    /// `"*"` stands for requests without cookies, so it does not admit requests that a cookie
    /// permits. A request without `Origin` could be from any page.
    pub fn admits(&self, origin: Option<&HeaderValue>, by_cookie: bool) -> bool {
        match self.origins {
            Origins::Any => !by_cookie,
            Origins::Listed(_) => origin.is_some_and(|origin| self.lists(origin)),
        }
    }

    fn exposed(&self, headers: &HeaderMap) -> Vec<HeaderValue> {
        match &self.expose {
            Some(names) if names.is_empty() => Vec::new(),
            Some(names) => vec![names.clone()],
            None => {
                let of_target = headers.get_all(header::ACCESS_CONTROL_EXPOSE_HEADERS);
                of_target.iter().cloned().collect()
            }
        }
    }

    /// Whether an origin is listed, and written as a browser writes it.
    pub fn lists_as_written(&self, origin: &HeaderValue) -> bool {
        match &self.origins {
            Origins::Any => false,
            Origins::Listed(list) => list.iter().any(|one| one.is_written(origin.as_bytes())),
        }
    }

    fn lists(&self, origin: &HeaderValue) -> bool {
        match &self.origins {
            Origins::Any => true,
            Origins::Listed(list) => {
                if self.lists_as_written(origin) {
                    return true;
                }
                let origin = origin.to_str().ok().and_then(|text| text.parse().ok());
                origin.is_some_and(|origin| list.contains(&origin))
            }
        }
    }

    fn preflight(&self, origin: &HeaderValue) -> HeaderMap {
        let mut headers = HeaderMap::new();
        self.apply(Some(origin), &mut headers);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        if let Some(allowed) = &self.headers {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed.clone());
        }
        headers.insert(
            header::ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from(self.max_age),
        );
        headers
    }

    /// Replaces the target's CORS headers, except the list of headers that pages may read where
    /// this route has none of its own.
    pub fn apply(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        let exposed = self.exposed(headers);
        remove(headers);
        // Also without an origin: a cache may use this response for a page.
        let allowed = match self.origins {
            Origins::Any => Some(HeaderValue::from_static("*")),
            Origins::Listed(_) => {
                vary_by_origin(headers);
                origin.cloned()
            }
        };
        let Some(allowed) = allowed else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        for names in exposed {
            headers.append(header::ACCESS_CONTROL_EXPOSE_HEADERS, names);
        }
        if self.credentials {
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
    }
}

/// Removes the target's CORS headers, so that no page of another origin can read the response.
pub fn remove(headers: &mut HeaderMap) {
    let is_cors = |name: &&HeaderName| name.as_str().starts_with("access-control-");
    while let Some(name) = headers.keys().find(is_cors).cloned() {
        headers.remove(name);
    }
}

fn vary_by_origin(headers: &mut HeaderMap) {
    let names = headers
        .get_all(header::VARY)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','));
    let says_so = |name: &[u8]| name == b"*" || name.eq_ignore_ascii_case(b"origin");
    if !names.map(<[u8]>::trim_ascii).any(says_so) {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}

#[cfg(test)]
mod tests;

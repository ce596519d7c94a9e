//! Which pages of other origins may use a route (the Fetch standard, section 3.3): what `cors`
//! says.
//!
//! 1. A preflight of a listed origin is answered here, without permission: browsers send no
//!    credentials with it.
//! 2. On other answers, what the target says of CORS is taken out, and the page's own origin is put
//!    in if it is listed.
//! 3. A WebSocket is not covered by CORS: any page could open one with the user's cookies. Where
//!    origins are listed, a handshake from another page is refused; [`Initiator`] says which page
//!    that is.
//! 4. Where a request is permitted by what a browser sends by itself, pages that are not listed are
//!    refused altogether, also on routes without `cors`: see [`Cors::admits`].

use std::fmt;
use std::str::FromStr;

use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::initiator::Initiator;
use crate::host::{Authority, HostName};

/// Scheme, host and port of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin {
    tls: bool,
    host: HostName,
    port: u16,
}

impl WebOrigin {
    fn new(tls: bool, authority: Authority) -> Self {
        let port = authority.port.unwrap_or(if tls { 443 } else { 80 });
        Self {
            tls,
            host: authority.host,
            port,
        }
    }

    /// As lenient as host names are elsewhere: a dot at the end changes nothing.
    fn read(text: &str) -> Result<Self, &'static str> {
        const WHAT: &str = "is no origin, such as \"https://app.example.com\"";
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(WHAT),
        };
        if rest.contains('/') {
            return Err("has a path; an origin ends with the host or its port");
        }
        rest.parse()
            .map(|authority| Self::new(tls, authority))
            .map_err(|_| WHAT)
    }
}

/// A host with a dot at its end is another origin to browsers (the HTML standard, section 7.1.1).
impl FromStr for WebOrigin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.ends_with('.') || text.contains(".:") {
            return Err(
                "has a dot at the end of its host, which is another origin to browsers; take it out",
            );
        }
        Self::read(text)
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default) = if self.tls {
            ("https", 443)
        } else {
            ("http", 80)
        };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == default {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

/// The pages that may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// All of them: `"*"`, which somebody typed.
    Any,
    /// These.
    Listed(Box<[WebOrigin]>),
}

/// A route's `cors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Who may; [`Origins::Any`] never goes with credentials.
    pub origins: Origins,
    /// Whether cookies and the like may come along.
    pub credentials: bool,
    /// The methods, as a header has them.
    pub methods: HeaderValue,
    /// The request headers, as a header has them; `None` for none but those that need no leave.
    pub headers: Option<HeaderValue>,
    /// For how many seconds a browser may remember it.
    pub max_age: u64,
}

/// What is to become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is a preflight: this is the answer.
    Preflight(HeaderMap),
    /// It comes from a page that may not.
    Refused,
    /// It goes on. The answer's headers are to be [dressed](Cors::dress) for this origin, if it is
    /// listed.
    Goes(Option<HeaderValue>),
}

impl Cors {
    /// Judges a request by its headers. `is_websocket`: it is an opening handshake.
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
                Verdict::Goes(listed.cloned())
            } else {
                Verdict::Refused
            };
        }
        let is_preflight = method == Method::OPTIONS
            && origin.is_some()
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        match (is_preflight, listed) {
            (true, Some(origin)) => Verdict::Preflight(self.preflight(origin)),
            (true, None) => Verdict::Refused,
            (false, listed) => Verdict::Goes(listed.cloned()),
        }
    }

    /// Whether a page of another origin may use what its visitor's browser sends by itself. `"*"`
    /// is for requests without cookies, so it admits nobody who is let in by one. A page that sends
    /// no `Origin` could be any.
    pub fn admits(&self, origin: Option<&HeaderValue>, by_cookie: bool) -> bool {
        match self.origins {
            Origins::Any => !by_cookie,
            Origins::Listed(_) => origin.is_some_and(|origin| self.lists(origin)),
        }
    }

    fn lists(&self, origin: &HeaderValue) -> bool {
        match &self.origins {
            Origins::Any => true,
            Origins::Listed(list) => {
                let origin = origin.to_str().ok().and_then(|text| text.parse().ok());
                origin.is_some_and(|origin| list.contains(&origin))
            }
        }
    }

    fn preflight(&self, origin: &HeaderValue) -> HeaderMap {
        let mut headers = HeaderMap::new();
        self.dress(Some(origin), &mut headers);
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

    /// Puts the gateway's word in the place of the target's.
    pub fn dress(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        remove(headers);
        // Both also without an origin: a cache may give this answer to a page.
        let allowed = match self.origins {
            Origins::Any => Some(HeaderValue::from_static("*")),
            Origins::Listed(_) => {
                vary_by_origin(headers);
                origin.cloned()
            }
        };
        let Some(allowed) = allowed else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if self.credentials {
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
    }
}

/// Whether a page came from this very host, by TLS.
pub(super) fn is_of(origin: &HeaderValue, own: &Authority) -> bool {
    // Of the `Host` a dot at the end was taken off as well.
    let page = origin
        .to_str()
        .ok()
        .and_then(|text| WebOrigin::read(text).ok());
    page == Some(WebOrigin::new(true, own.clone()))
}

/// Takes out what a target says of CORS: without it, no page of another origin can read the answer.
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

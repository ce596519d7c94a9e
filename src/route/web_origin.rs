//! The origin of a web page, as browsers write it in `Origin` and people in `cors.origins`.

use std::fmt;
use std::str::FromStr;

use http::header::HeaderValue;

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

    /// Accepts a trailing dot of the host, as host names do elsewhere.
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
                "has a dot at the end of its host, which is another origin to browsers; \
                 take it out",
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

/// Whether an origin is `https://` with this host.
pub(super) fn is_of(origin: &HeaderValue, own: &Authority) -> bool {
    // A trailing dot of `Host` was removed as well.
    let page = origin
        .to_str()
        .ok()
        .and_then(|text| WebOrigin::read(text).ok());
    page == Some(WebOrigin::new(true, own.clone()))
}

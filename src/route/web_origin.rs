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

    /// Whether this is how a browser writes it. Not every spelling of it is recognised: this is the
    /// usual case, without parsing.
    pub(super) fn is_written(&self, origin: &[u8]) -> bool {
        let (scheme, default) = self.scheme();
        let rest = origin
            .strip_prefix(scheme.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"://"))
            .and_then(|rest| rest.strip_prefix(self.host.as_str().as_bytes()));
        match rest {
            Some([]) => self.port == default,
            Some([b':', port @ ..]) => {
                let digits = port.iter().all(u8::is_ascii_digit).then_some(port);
                let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
                digits.and_then(|digits| digits.parse().ok()) == Some(self.port)
            }
            _ => false,
        }
    }

    /// Its scheme, and the port that need not be named with it.
    fn scheme(&self) -> (&'static str, u16) {
        match self.tls {
            true => ("https", 443),
            false => ("http", 80),
        }
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
        let (scheme, default) = self.scheme();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_origin_itself_is_written_like_it() {
        let listed = [
            "https://a.example",
            "https://a.example:8443",
            "http://a",
            "https://[::1]",
        ];
        let others = [
            "https://a.example:443",
            "https://a.example:+8443",
            "https://a.example:",
            "https://a.example.",
            "https://a.example/",
            "https://a.examples",
            "https://a",
            "http://a.example",
            "HTTPS://a.example",
            "https://A.example",
            "null",
            "",
        ];
        for ours in listed {
            let ours: WebOrigin = ours.parse().unwrap();
            for text in listed.iter().chain(&others) {
                let is_same = WebOrigin::read(text).is_ok_and(|other| other == ours);
                let is_written = ours.is_written(text.as_bytes());
                assert!(is_same || !is_written, "{ours} {text}");
                let is_plain = !text.contains('[') && *text == ours.to_string();
                assert!(is_written || !is_plain, "{ours} {text}");
            }
        }
    }
}

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
mod tests {
    use super::*;

    fn cors(origins: &[&str], credentials: bool) -> Cors {
        let listed = || {
            Origins::Listed(
                origins
                    .iter()
                    .map(|origin| origin.parse().unwrap())
                    .collect(),
            )
        };
        Cors {
            origins: if origins == ["*"] {
                Origins::Any
            } else {
                listed()
            },
            credentials,
            methods: HeaderValue::from_static("GET, POST"),
            headers: Some(HeaderValue::from_static("Content-Type")),
            max_age: 3600,
        }
    }

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers
    }

    #[derive(Debug, PartialEq)]
    enum Want {
        Preflight,
        Refused,
        Listed,
        Unlisted,
    }

    #[test]
    fn who_may() {
        use Want::{Listed, Preflight, Refused, Unlisted};
        let listed = cors(&["https://app.example.com", "http://localhost:3000"], true);
        let any = cors(&["*"], false);
        let own: Authority = "media.example.com:8443".parse().unwrap();
        let preflight = "access-control-request-method";
        let (get, options, ws) = (
            (Method::GET, false),
            (Method::OPTIONS, false),
            (Method::GET, true),
        );
        let a = "https://app.example.com";
        for (cors, (method, websocket), headers, want) in [
            // Ordinary requests go on, whoever asks.
            (&listed, &get, &[("origin", a)][..], Listed),
            (
                &listed,
                &get,
                &[("origin", "https://app.example.com:443")],
                Listed,
            ),
            (
                &listed,
                &get,
                &[("origin", "http://localhost:3000")],
                Listed,
            ),
            (&listed, &get, &[], Unlisted),
            (
                &listed,
                &get,
                &[("origin", "http://app.example.com")],
                Unlisted,
            ),
            (
                &listed,
                &get,
                &[("origin", "https://app.example.com:8443")],
                Unlisted,
            ),
            (
                &listed,
                &get,
                &[("origin", "https://app.example.com.evil.example")],
                Unlisted,
            ),
            (
                &listed,
                &get,
                &[("origin", "https://evil-app.example.com")],
                Unlisted,
            ),
            (
                &listed,
                &get,
                &[("origin", "https://user@app.example.com")],
                Unlisted,
            ),
            (
                &listed,
                &get,
                &[("origin", "https://app.example.com/")],
                Unlisted,
            ),
            (&listed, &get, &[("origin", "null")], Unlisted),
            (
                &listed,
                &get,
                &[("origin", "media.example.com:8443")],
                Unlisted,
            ),
            (
                &listed,
                &get,
                &[("origin", a), ("origin", "https://evil.example")],
                Unlisted,
            ),
            (&listed, &get, &[("origin", a), (preflight, "POST")], Listed),
            (&any, &get, &[("origin", "null")], Listed),
            // Preflights are answered or refused; another OPTIONS is the target's.
            (
                &listed,
                &options,
                &[("origin", a), (preflight, "POST")],
                Preflight,
            ),
            (
                &listed,
                &options,
                &[("origin", "https://evil.example"), (preflight, "POST")],
                Refused,
            ),
            (
                &listed,
                &options,
                &[("origin", "null"), (preflight, "POST")],
                Refused,
            ),
            (&listed, &options, &[(preflight, "POST")], Unlisted),
            (&listed, &options, &[("origin", a)], Listed),
            (
                &any,
                &options,
                &[("origin", "https://evil.example"), (preflight, "POST")],
                Preflight,
            ),
            // WebSockets.
            (&listed, &ws, &[("origin", a)], Listed),
            (&listed, &ws, &[], Unlisted),
            (&listed, &ws, &[("origin", "https://evil.example")], Refused),
            (&listed, &ws, &[("origin", "null")], Refused),
            (&listed, &ws, &[("origin", a), ("origin", a)], Refused),
            (
                &listed,
                &ws,
                &[("origin", "https://media.example.com:8443")],
                Unlisted,
            ),
            (
                &listed,
                &ws,
                &[("origin", "http://media.example.com:8443")],
                Refused,
            ),
            (
                &listed,
                &ws,
                &[("origin", "https://media.example.com")],
                Refused,
            ),
            (
                &listed,
                &ws,
                &[("origin", "media.example.com:8443")],
                Unlisted,
            ),
            (&listed, &ws, &[("origin", "media.example.com")], Refused),
            (&listed, &ws, &[("origin", "app.example.com")], Refused),
            (&any, &ws, &[("origin", "https://evil.example")], Listed),
            (&listed, &ws, &[("sec-fetch-site", "cross-site")], Refused),
            (&listed, &ws, &[("sec-fetch-site", "same-origin")], Unlisted),
        ] {
            let got = match cors.judge(method, &map(headers), *websocket, &own) {
                Verdict::Preflight(_) => Preflight,
                Verdict::Refused => Refused,
                Verdict::Goes(Some(_)) => Listed,
                Verdict::Goes(None) => Unlisted,
            };
            assert_eq!(got, want, "{method} {websocket} {headers:?}");
        }
    }

    #[test]
    fn pages_that_are_not_named_have_no_use_of_a_cookie() {
        let origin = |text| Some(HeaderValue::from_static(text));
        let (listed, any) = (
            cors(&["https://app.example.com"], false),
            cors(&["*"], false),
        );
        for (cors, origin, by_address, by_cookie) in [
            (&listed, origin("https://app.example.com"), true, true),
            (&listed, origin("https://www.app.example.com"), false, false),
            (&listed, origin("null"), false, false),
            (&listed, None, false, false),
            (&any, origin("https://evil.example"), true, false),
            (&any, None, true, false),
        ] {
            assert_eq!(
                cors.admits(origin.as_ref(), false),
                by_address,
                "{origin:?}"
            );
            assert_eq!(cors.admits(origin.as_ref(), true), by_cookie, "{origin:?}");
        }
    }

    #[test]
    fn a_dot_at_the_end_makes_another_origin() {
        let listed = cors(&["https://app.test"], true);
        let own: Authority = "media.test".parse().unwrap();
        let preflight = "access-control-request-method";
        for origin in [
            "https://app.test.",
            "https://app.test.:443",
            "https://app.test..",
            "https://app.test.:",
        ] {
            let goes = listed.judge(&Method::GET, &map(&[("origin", origin)]), false, &own);
            assert_eq!(goes, Verdict::Goes(None), "{origin}");
            for (method, is_websocket) in [(Method::OPTIONS, false), (Method::GET, true)] {
                let headers = map(&[("origin", origin), (preflight, "POST")]);
                assert_eq!(
                    listed.judge(&method, &headers, is_websocket, &own),
                    Verdict::Refused,
                    "{origin}"
                );
            }
            assert!(origin.parse::<WebOrigin>().is_err());
        }
        let own_page = map(&[("origin", "https://media.test.")]);
        assert_eq!(
            listed.judge(&Method::GET, &own_page, true, &own),
            Verdict::Goes(None)
        );
    }

    #[test]
    fn an_answer_has_one_word_of_cors() {
        let theirs = [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-origin", "https://evil.example"),
            ("access-control-max-age", "86400"),
            ("access-control-expose-headers", "X-Secret"),
            ("vary", "Accept-Encoding"),
        ];
        let text = |headers: &HeaderMap| {
            let mut lines: Vec<_> = headers
                .iter()
                .map(|(n, v)| format!("{n}: {}", v.to_str().unwrap()))
                .collect();
            lines.sort_unstable();
            lines
        };
        let origin = HeaderValue::from_static("https://app.example.com");
        let listed = cors(&["https://app.example.com"], true);
        let mut headers = map(&theirs);
        listed.dress(Some(&origin), &mut headers);
        assert_eq!(
            text(&headers),
            [
                "access-control-allow-credentials: true",
                "access-control-allow-origin: https://app.example.com",
                "vary: Accept-Encoding",
                "vary: Origin",
            ]
        );
        let mut headers = map(&theirs);
        listed.dress(None, &mut headers);
        assert_eq!(text(&headers), ["vary: Accept-Encoding", "vary: Origin"]);
        let mut headers = map(&[("vary", "accept, ORIGIN")]);
        cors(&["*"], false).dress(Some(&origin), &mut headers);
        listed.dress(None, &mut headers);
        assert_eq!(text(&headers), ["vary: accept, ORIGIN"]);
        cors(&["*"], false).dress(Some(&origin), &mut headers);
        assert_eq!(headers["access-control-allow-origin"], "*");
    }

    #[test]
    fn a_preflight_is_answered_in_full() {
        let headers = map(&[
            ("origin", "https://app.example.com"),
            ("access-control-request-method", "POST"),
        ]);
        let cors = cors(&["https://app.example.com"], true);
        let own = "media.example.com".parse().unwrap();
        let Verdict::Preflight(answer) = cors.judge(&Method::OPTIONS, &headers, false, &own) else {
            panic!()
        };
        assert_eq!(
            answer["access-control-allow-origin"],
            "https://app.example.com"
        );
        assert_eq!(answer["access-control-allow-methods"], "GET, POST");
        assert_eq!(answer["access-control-allow-headers"], "Content-Type");
        assert_eq!(answer["access-control-max-age"], "3600");
        assert_eq!(answer["vary"], "Origin");
    }

    #[test]
    fn origins() {
        for text in [
            "app.example.com",
            "https://",
            "wss://a",
            "https://a/",
            "https://a/b",
            "https://a:0x1",
            "null",
            "*",
        ] {
            assert!(text.parse::<WebOrigin>().is_err(), "{text}");
        }
        for (text, shown) in [
            ("https://A.example:443", "https://a.example"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(text.parse::<WebOrigin>().unwrap().to_string(), shown);
        }
    }
}

//! `redirect` of a route: another URL as the target.
//!
//! To a target that ends with `/`, the rest of the request's path and its query are appended. So
//! does one that is only an origin, since `https://example.org` and `https://example.org/` are the
//! same URL. Every other target is the whole answer, as with NGINX's `return` and Caddy's `redir`.

use std::fmt;
use std::str::FromStr;

use http::{StatusCode, Uri};

use crate::host::Authority;
use crate::route::path::PathPrefix;

/// A URL and the status with which clients are redirected to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectSpec {
    /// The status of the response.
    pub status: StatusCode,
    to: Box<str>,
    takes_rest: bool,
}

impl RedirectSpec {
    /// The default: clients keep method and body.
    pub const STATUS: StatusCode = StatusCode::PERMANENT_REDIRECT;

    /// The statuses that can be configured.
    pub const STATUSES: [StatusCode; 4] = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];

    /// The value of `Location` for a normalised path of the route.
    pub fn location(&self, route: &PathPrefix, path: &str, query: Option<&str>) -> String {
        let mut out = self.to.to_string();
        if !self.takes_rest {
            return out;
        }
        let rest = path.strip_prefix(route.as_str()).unwrap_or_default();
        // A normalised path has no `//`, so the rest cannot begin another authority.
        out.push_str(rest.trim_start_matches('/'));
        if let Some(query) = query {
            out.push('?');
            out.push_str(query);
        }
        out
    }

    /// The path, if the target is a path on the same host.
    pub fn own_path(&self) -> Option<&str> {
        let end = self.to.find(['?', '#']).unwrap_or(self.to.len());
        self.to.starts_with('/').then(|| &self.to[..end])
    }
}

impl FromStr for RedirectSpec {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WHAT: &str = "is neither a URL, \"https://example.org/\", nor a path, \"/elsewhere\"";
        let visible =
            |b: u8| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>' | b'`');
        if !text.bytes().all(visible) {
            return Err("has a character that URLs cannot have; write it percent-encoded");
        }
        if text.starts_with("//") {
            return Err("would lead to another host; write its scheme, \"https://\"");
        }
        let (before_fragment, _) = text.split_once('#').unwrap_or((text, ""));
        let uri: Uri = before_fragment.parse().map_err(|_| WHAT)?;
        if !text.starts_with('/') {
            let authority = uri.authority().ok_or(WHAT)?;
            if !matches!(uri.scheme_str(), Some("https" | "http"))
                || authority.as_str().parse::<Authority>().is_err()
            {
                return Err(WHAT);
            }
        }
        let is_origin = !text.starts_with('/') && uri.path() == "/" && uri.query().is_none();
        let is_origin = is_origin && before_fragment.len() == text.len();
        let slash = if is_origin && !text.ends_with('/') {
            "/"
        } else {
            ""
        };
        let takes_rest = is_origin || (text.ends_with('/') && !text.contains(['?', '#']));
        Ok(Self {
            status: Self::STATUS,
            to: format!("{text}{slash}").into(),
            takes_rest,
        })
    }
}

impl fmt::Display for RedirectSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gets_the_rest_and_all_else_is_whole() {
        for (to, route, path, query, want) in [
            (
                "https://a.example",
                "/",
                "/x/y",
                Some("q=1"),
                "https://a.example/x/y?q=1",
            ),
            (
                "https://a.example/",
                "/old",
                "/old/x",
                None,
                "https://a.example/x",
            ),
            (
                "https://a.example/",
                "/old",
                "/old",
                None,
                "https://a.example/",
            ),
            (
                "https://a.example/new/",
                "/old",
                "/old/",
                Some(""),
                "https://a.example/new/?",
            ),
            (
                "https://a.example/new",
                "/old",
                "/old/x",
                Some("q"),
                "https://a.example/new",
            ),
            (
                "https://a.example/?to=/",
                "/",
                "/x",
                Some("q"),
                "https://a.example/?to=/",
            ),
            (
                "https://a.example/#top/",
                "/",
                "/x",
                Some("q"),
                "https://a.example/#top/",
            ),
            ("/", "/old", "/old/evil.example", None, "/evil.example"),
            ("/demos/", "/", "/x", None, "/demos/x"),
            ("/demos", "/", "/x", None, "/demos"),
        ] {
            let spec: RedirectSpec = to.parse().unwrap();
            let route = route.parse().unwrap();
            assert_eq!(
                spec.location(&route, path, query),
                want,
                "{to} {route} {path}"
            );
        }
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for text in [
            "",
            "elsewhere",
            "//evil.example/",
            "ftp://a.example/",
            "https://",
            "https://user@a.example/",
            "javascript:alert(1)",
            "/a b",
            "/a\\b",
            "/a\r\nSet-Cookie: x",
            "https://ä.example/",
        ] {
            assert!(text.parse::<RedirectSpec>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_a_path_stays_on_the_host() {
        let own = |to: &str| {
            to.parse::<RedirectSpec>()
                .unwrap()
                .own_path()
                .map(str::to_owned)
        };
        assert_eq!(own("/a/b?c#d").as_deref(), Some("/a/b"));
        assert_eq!(own("https://a.example/a"), None);
    }
}

//! `Location` as the client has to see it. The upstream knows neither its public name nor that the
//! route has removed a prefix.

use http::Uri;
use http::header::{self, HeaderMap, HeaderValue};

use crate::host::Authority;
use crate::route::PathChange;
use crate::route::tenant::Tenant;
use crate::route::upstream::ServerAddr;

/// The upstream's own names, and the public ones to replace them with.
#[derive(Clone, Copy, Debug)]
pub struct Public<'a> {
    /// The upstream's own addresses.
    pub servers: &'a [ServerAddr],
    /// The `Host` that the route has set for the upstream.
    pub host: Option<&'a Authority>,
    /// How the route has changed the path.
    pub path: &'a PathChange,
    /// The tenant that the route has taken out of the path.
    pub tenant: Option<Tenant<'a>>,
    /// The gateway, as the client names it.
    pub authority: &'a Authority,
}

/// Rewrites `Location` and `Content-Location` where they point to the upstream itself.
pub fn rewrite(headers: &mut HeaderMap, to: Public<'_>) {
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let Some(value) = headers.get(&name) else {
            continue;
        };
        let Some(public) = value.to_str().ok().and_then(|value| to.public(value)) else {
            continue;
        };
        if let Ok(public) = HeaderValue::try_from(public) {
            headers.insert(name, public);
        }
    }
}

impl Public<'_> {
    /// The public form, or `None` where the value may stay as it is. A relative one stays.
    pub fn public(self, value: &str) -> Option<String> {
        if value.starts_with('/') && !value.starts_with("//") {
            return if self.path.is_none() && self.tenant.is_none() {
                None
            } else {
                self.public_path(value)
            };
        }
        let uri: Uri = value.parse().ok()?;
        // Without a scheme it is a relative path, though it may look like an authority.
        uri.scheme()?;
        let authority: Authority = uri.authority()?.as_str().parse().ok()?;
        let is_public_in_plain = uri.scheme_str() == Some("http") && authority == *self.authority;
        let is_upstream = self.servers.iter().any(|server| server.is(&authority))
            || self.host == Some(&authority);
        if !is_public_in_plain && !is_upstream {
            return None;
        }
        let rest = uri.path_and_query().map_or("/", |p| p.as_str());
        let path = self.public_path(rest).unwrap_or_else(|| rest.to_owned());
        let fragment = value.find('#').map_or("", |at| &value[at..]);
        Some(format!("https://{}{path}{fragment}", self.authority))
    }

    fn public_path(self, path: &str) -> Option<String> {
        let public = self.path.to_public(path)?;
        let of_tenant = self.tenant.and_then(|tenant| tenant.insert(&public));
        Some(of_tenant.unwrap_or(public))
    }

    /// The public path of a relative reference in an answer to a request for `base`, a path at the
    /// upstream (RFC 3986, section 5.2). `None` if it has a scheme, a host or a whole path, or if a
    /// browser could read the result as one with a host.
    pub fn resolve(self, reference: &str, base: &str) -> Option<String> {
        let end = reference.find(['?', '#']).unwrap_or(reference.len());
        let (path, rest) = reference.split_at(end);
        let first = path.split('/').next().unwrap_or_default();
        if path.starts_with('/') || first.contains(':') || reference.starts_with('#') {
            return None;
        }
        // To a browser, a backslash is a slash.
        if path.contains('\\') {
            return None;
        }
        let folder = base.rfind('/').map_or("", |at| &base[..at]);
        let whole = match path {
            "" => base.to_owned(),
            path => without_dots(folder, path),
        };
        let whole = whole + rest;
        let public = self.public_path(&whole).unwrap_or(whole);
        (!public.starts_with("//")).then_some(public)
    }
}

/// A relative path in a folder, with the dots taken out as clients do it (RFC 3986, section 5.2.4):
/// browsers read `%2e` as a dot, too.
pub fn without_dots(folder: &str, path: &str) -> String {
    let mut segments: Vec<&str> = folder.split('/').skip(1).collect();
    let mut is_folder = false;
    for segment in path.split('/') {
        let dots = dots(segment);
        match dots {
            0 => segments.push(segment),
            1 => {}
            _ => drop(segments.pop()),
        }
        is_folder = dots > 0;
    }
    let end = if is_folder && !segments.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{end}", segments.join("/"))
}

/// 1 for `.` and 2 for `..`; 0 for any other segment.
fn dots(segment: &str) -> usize {
    match &*segment.to_ascii_lowercase().replace("%2e", ".") {
        "." => 1,
        ".." => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(value: &str, strip: &str, add: &str) -> String {
        let to = Public {
            servers: &["http://127.0.0.1:8088".parse().unwrap()],
            host: Some(&"inner.example".parse().unwrap()),
            path: &PathChange {
                strip: strip.into(),
                add: add.into(),
            },
            tenant: None,
            authority: &"media.example.com".parse().unwrap(),
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, HeaderValue::try_from(value).unwrap());
        rewrite(&mut headers, to);
        headers[header::LOCATION].to_str().unwrap().to_owned()
    }

    #[test]
    fn a_relative_reference_becomes_a_whole_path_of_the_gateway() {
        let authority = "media.example.com".parse().unwrap();
        for (reference, base, strip, add, want) in [
            ("r/1", "/", "/whip", "", Some("/whip/r/1")),
            ("r/1?x#y", "/e/1", "", "", Some("/e/r/1?x#y")),
            ("./r/1", "/whip/e/1", "/live", "/whip", Some("/live/e/r/1")),
            ("../r/1", "/whip/e/1", "/live", "/whip", Some("/live/r/1")),
            ("../../r", "/whip/e", "/live", "/whip", Some("/r")),
            ("..", "/whip/e/1", "", "", Some("/whip/")),
            ("..", "/e", "", "", Some("/")),
            ("%2E./r", "/whip/e/1", "", "", Some("/whip/r")),
            ("?id=1", "/whip/e", "/live", "/whip", Some("/live/e?id=1")),
            ("", "/whip/e", "/live", "/whip", Some("/live/e")),
            ("r/a:b", "/", "", "", Some("/r/a:b")),
            ("turn:a", "/", "", "", None),
            ("http://a/b", "/", "", "", None),
            ("//a/b", "/", "", "", None),
            ("/a", "/", "", "", None),
            ("#a", "/", "", "", None),
            (".//evil.test", "/", "", "", None),
            ("../..//evil.test", "/whip/e", "/live", "/whip", None),
            ("\\evil.test", "/", "", "", None),
        ] {
            let (strip, add) = (strip.into(), add.into());
            let path = &PathChange { strip, add };
            let (servers, host, authority) = (&[][..], None, &authority);
            let to = Public {
                servers,
                host,
                path,
                tenant: None,
                authority,
            };
            assert_eq!(to.resolve(reference, base).as_deref(), want, "{reference}");
        }
    }

    #[test]
    fn what_points_to_the_upstream_points_to_the_gateway() {
        for (value, strip, add, want) in [
            ("/janus/1", "", "", "/janus/1"),
            ("/janus/1", "/media", "", "/media/janus/1"),
            (
                "/janus/1?x=/y",
                "/media/janus",
                "/janus",
                "/media/janus/1?x=/y",
            ),
            ("/elsewhere", "/media/janus", "/janus", "/elsewhere"),
            (
                "http://127.0.0.1:8088/janus/1",
                "",
                "",
                "https://media.example.com/janus/1",
            ),
            (
                "http://127.0.0.1:8088/janus/1",
                "/media",
                "",
                "https://media.example.com/media/janus/1",
            ),
            (
                "https://inner.example/janus/1",
                "/media",
                "",
                "https://media.example.com/media/janus/1",
            ),
            (
                "http://inner.example:81/janus/1",
                "/media",
                "",
                "http://inner.example:81/janus/1",
            ),
            (
                "http://media.example.com/janus/1",
                "",
                "",
                "https://media.example.com/janus/1",
            ),
            (
                "https://login.example.org/x",
                "/media",
                "",
                "https://login.example.org/x",
            ),
            ("//evil.example.org/x", "/media", "", "//evil.example.org/x"),
            ("relative", "/media", "", "relative"),
            ("127.0.0.1:8088", "", "", "127.0.0.1:8088"),
            (
                "http://127.0.0.1:8088/a?b#top",
                "",
                "",
                "https://media.example.com/a?b#top",
            ),
        ] {
            assert_eq!(rewritten(value, strip, add), want, "{value}");
        }
    }
}

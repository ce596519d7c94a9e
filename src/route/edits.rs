//! `headers`, `hsts` and `security_headers` of a route: headers that are removed and set.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Headers to remove first, and then to set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Headers that are removed, with all their values.
    pub remove: Box<[HeaderName]>,
    /// Headers that are set, replacing all their values.
    pub set: Box<[(HeaderName, HeaderValue)]>,
}

impl Edits {
    /// Changes the headers of a response.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
    }

    /// Whether nothing is changed.
    pub fn is_none(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty()
    }

    /// Changes the headers of a request. Names that a CGI-like server would confuse with one of
    /// these are removed too: `X_Tenant` and `X-Tenant` are the same to it.
    pub fn apply_to_request(&self, headers: &mut HeaderMap) {
        if self.is_none() {
            return;
        }
        let ours = || {
            self.remove
                .iter()
                .chain(self.set.iter().map(|(name, _)| name))
        };
        while let Some(name) = headers
            .keys()
            .find(|name| ours().any(|ours| reads_as(name.as_str(), ours.as_str())))
            .cloned()
        {
            headers.remove(name);
        }
        self.apply(headers);
    }
}

/// Whether a CGI-like server treats two header names alike: `-`, `_` and `.` are the same to it.
pub fn reads_as(name: &str, ours: &str) -> bool {
    let separates = |byte| matches!(byte, b'-' | b'_' | b'.');
    let same = |(a, b): (u8, u8)| a == b || (separates(a) && separates(b));
    name.len() == ours.len() && name.bytes().zip(ours.bytes()).all(same)
}

/// Security headers of responses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// `Strict-Transport-Security`. Replaces the target's, because TLS is terminated here.
    pub hsts: Option<HeaderValue>,
    /// Whether to add the usual ones, unless the target has set them itself.
    pub usual: bool,
}

impl Security {
    const USUAL: [(HeaderName, HeaderValue); 3] = [
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("strict-origin-when-cross-origin"),
        ),
        (
            header::X_FRAME_OPTIONS,
            HeaderValue::from_static("SAMEORIGIN"),
        ),
    ];

    /// Changes the headers of a response.
    pub fn apply(&self, headers: &mut HeaderMap) {
        if let Some(hsts) = &self.hsts {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        if self.usual {
            for (name, value) in Self::USUAL {
                headers.entry(name).or_insert(value);
            }
        }
    }
}

/// Why `headers` cannot change a header, or `None` if it can. The name is in lower case.
///
/// Framing and hop-by-hop headers belong to one connection, the WebSocket handshake to its two
/// ends. Servers can believe the headers about the client only if the gateway always sets them.
pub fn reserved(name: &HeaderName, direction: Direction) -> Option<&'static str> {
    let name = name.as_str();
    // CGI-like servers read underscores and dots as hyphens.
    let spelled = name.replace(['_', '.'], "-");
    let is = |names: &[&str]| names.contains(&&*spelled);
    if is(&[
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "expect",
    ]) || spelled == "http2-settings"
        || is(&[
            "proxy-authenticate",
            "proxy-authorization",
            "proxy-authentication-info",
        ])
    {
        return Some("ends at the gateway on both sides");
    }
    if is(&["content-length", "transfer-encoding"]) {
        return Some("says how long the body is, which the gateway sees to");
    }
    if spelled.starts_with("sec-websocket-") {
        return Some("belongs to the WebSocket handshake");
    }
    if direction == Direction::Answer {
        return None;
    }
    if spelled == "host" {
        return Some("is set by host_header");
    }
    if spelled.starts_with("x-forwarded-")
        || is(&["forwarded", "x-forwarded", "x-real-ip", "x-request-id"])
    {
        return Some("is set by the gateway, so that the upstream can believe it");
    }
    None
}

/// The direction of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the upstream.
    Request,
    /// To the client.
    Answer,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_of_an_edited_header_go_too() {
        let tenant = HeaderName::from_static("x-tenant");
        let edits = Edits {
            remove: [HeaderName::from_static("x-user")].into(),
            set: [(tenant, HeaderValue::from_static("a"))].into(),
        };
        let mut headers = HeaderMap::new();
        for name in ["x_tenant", "x-tenant", "x.user", "x-tenants", "y-tenant"] {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static("evil"),
            );
        }
        edits.apply_to_request(&mut headers);
        let mut left: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        left.sort_unstable();
        assert_eq!(
            left,
            [
                ("x-tenant", "a"),
                ("x-tenants", "evil"),
                ("y-tenant", "evil")
            ]
        );
    }

    #[test]
    fn out_first_then_in() {
        let name = |text: &'static str| HeaderName::from_static(text);
        let value = |text: &'static str| HeaderValue::from_static(text);
        let edits = Edits {
            remove: [name("server"), name("x-both")].into(),
            set: [(name("x-a"), value("1")), (name("x-both"), value("new"))].into(),
        };
        let mut headers = HeaderMap::new();
        for (k, v) in [
            ("server", "x"),
            ("x-a", "old"),
            ("x-a", "older"),
            ("x-both", "old"),
            ("x-kept", "k"),
        ] {
            headers.append(name(k), value(v));
        }
        edits.apply(&mut headers);
        let mut left: Vec<_> = headers
            .iter()
            .map(|(k, v)| (k.as_str(), v.to_str().unwrap()))
            .collect();
        left.sort_unstable();
        assert_eq!(left, [("x-a", "1"), ("x-both", "new"), ("x-kept", "k")]);
    }

    #[test]
    fn a_target_that_is_stricter_stays_so_but_not_about_tls() {
        let security = Security {
            hsts: Some(HeaderValue::from_static("max-age=1")),
            usual: true,
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=0"),
        );
        security.apply(&mut headers);
        assert_eq!(headers["x-frame-options"], "DENY");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["strict-transport-security"], "max-age=1");
        let mut untouched = HeaderMap::new();
        Security::default().apply(&mut untouched);
        assert!(untouched.is_empty());
    }

    #[test]
    fn what_the_gateway_owns_is_reserved() {
        use Direction::{Answer, Request};
        let reserved = |name: &str, direction| {
            reserved(&HeaderName::try_from(name).unwrap(), direction).is_some()
        };
        for name in [
            "Connection",
            "TE",
            "Upgrade",
            "HTTP2-Settings",
            "Content-Length",
            "content_length",
            "Transfer-Encoding",
            "Sec-WebSocket-Protocol",
            "Proxy-Authorization",
        ] {
            assert!(reserved(name, Request) && reserved(name, Answer), "{name}");
        }
        for name in [
            "Host",
            "X-Forwarded-For",
            "x_forwarded_user",
            "X-Real-IP",
            "X_Real_IP",
            "X-Request-Id",
            "Forwarded",
        ] {
            assert!(reserved(name, Request), "{name}");
        }
        for name in [
            "Authorization",
            "Cookie",
            "X-Forwardedfor",
            "Server",
            "Origin",
        ] {
            assert!(
                !reserved(name, Request) && !reserved(name, Answer),
                "{name}"
            );
        }
    }
}

//! Headers on their way through: what ends here, and what the upstream is told about the client.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::websocket::list_has;
use crate::addr::ClientAddr;
use crate::route::edits::reads_as;
use crate::telemetry::request_id::RequestId;

/// Headers that concern one connection and end at the gateway (RFC 9110, section 7.6.1). `Transfer-Encoding` is hyper's.
const HOP_BY_HOP: [HeaderName; 5] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::UPGRADE,
];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where requests of one connection come from, as header values made once.
#[derive(Clone, Debug)]
pub struct Origin {
    client: HeaderValue,
    port: HeaderValue,
}

impl Origin {
    /// Of a client that came to this port.
    pub fn new(client: ClientAddr, port: u16) -> Self {
        let text = client.to_string();
        // An IP address has only characters that a header value takes.
        let client = HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Self { client, port: HeaderValue::from(port) }
    }

    /// The same connection, another client: it came through a trusted proxy.
    pub fn of(&self, client: ClientAddr) -> Self {
        Self { port: self.port.clone(), ..Self::new(client, 0) }
    }
}

/// Makes a client's headers fit for the upstream: hop-by-hop ones are taken out, everything that only the gateway may
/// say is taken out and set. `Host` must already be the one that was routed on.
pub fn to_upstream(headers: &mut HeaderMap, origin: &Origin, id: RequestId) {
    let wants_trailers = list_has(headers, &header::TE, "trailers");
    strip_hop_by_hop(headers);
    headers.remove(header::TE);
    headers.remove(header::EXPECT);
    headers.remove(header::FORWARDED);
    remove_x_forwarded(headers);
    if wants_trailers {
        // TE is itself hop-by-hop: this is our own wish, which we can meet.
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
    }
    if let Some(host) = headers.get(header::HOST).cloned() {
        headers.insert(X_FORWARDED_HOST, host);
    }
    headers.insert(X_FORWARDED_FOR, origin.client.clone());
    headers.insert(X_REAL_IP, origin.client.clone());
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
    headers.insert(X_FORWARDED_PORT, origin.port.clone());
    if let Ok(id) = HeaderValue::from_bytes(id.as_bytes()) {
        headers.insert(X_REQUEST_ID, id);
    }
}

/// Every `X-Forwarded-*` there is, also those that we do not set: an application may believe `X-Forwarded-User`. Names
/// with underscores count too, since CGI-like servers read them as hyphens.
fn remove_x_forwarded(headers: &mut HeaderMap) {
    const FAMILY: &str = "x-forwarded";
    let is_ours = |name: &HeaderName| {
        let name = name.as_str();
        // The first letter spares most names the rest.
        name.starts_with('x')
            && (reads_as(name, X_REAL_IP.as_str())
                || reads_as(name, X_REQUEST_ID.as_str())
                || name.split_at_checked(FAMILY.len()).is_some_and(|(front, rest)| {
                    reads_as(front, FAMILY) && (rest.is_empty() || rest.starts_with(['-', '_', '.']))
                }))
    };
    // Most requests have none: they are looked through once and nothing is collected.
    while let Some(name) = headers.keys().find(|name| is_ours(name)).cloned() {
        headers.remove(name);
    }
}

/// Makes a client's trailers fit for the upstream: what could not be said in front cannot be said behind. Servers that
/// merge trailers into headers would believe it.
pub fn trailers_to_upstream(trailers: &mut HeaderMap) {
    strip_hop_by_hop(trailers);
    remove_x_forwarded(trailers);
    const IN_FRONT_ONLY: [HeaderName; 8] = [
        header::FORWARDED,
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::AUTHORIZATION,
        header::COOKIE,
        header::TE,
        header::TRAILER,
    ];
    for name in IN_FRONT_ONLY {
        trailers.remove(name);
    }
}

/// Makes an upstream's headers fit for the client.
pub fn to_client(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    if headers.remove(header::TRANSFER_ENCODING).is_some() {
        // The coding was what counted (RFC 9112, section 6.3); the length beside it says something else.
        headers.remove(header::CONTENT_LENGTH);
    }
}

/// Takes out hop-by-hop headers, among them whatever `Connection` names, but never what framing and routing rest on.
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|b| *b == b','))
            .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
            .filter(|name| !is_kept(name))
            .collect();
        headers.remove(header::CONNECTION);
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// `Connection: Host` or `Connection: Content-Length` must not make a request mean something else. Authorisation is
/// judged before this runs; cookies and credentials that a client names here are its own to drop.
fn is_kept(name: &HeaderName) -> bool {
    *name == header::HOST
        || *name == header::CONTENT_LENGTH
        || *name == header::TRANSFER_ENCODING
        || *name == header::TRAILER
        || *name == header::CACHE_CONTROL
        || name.as_str().starts_with("sec-websocket-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::request_id::RequestIds;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        headers
    }

    fn forwarded(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = map(pairs);
        let origin = Origin::new(ClientAddr::new("192.0.2.1".parse().unwrap()), 443);
        to_upstream(&mut headers, &origin, RequestIds::new().next());
        headers
    }

    #[test]
    fn only_the_gateway_speaks_about_the_client() {
        let headers = forwarded(&[
            ("host", "media.example.com"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "10.0.0.2"),
            ("X-Real-IP", "10.0.0.1"),
            ("x_forwarded_for", "10.0.0.1"),
            ("x-forwarded-user", "root"),
            ("x-forwarded", "for=10.0.0.1"),
            ("x.forwarded.for", "10.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-request-id", "mine"),
            ("forwarded", "for=10.0.0.1"),
            ("x-other", "kept"),
        ]);
        let all = |name: &str| headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(all("x-forwarded-for"), ["192.0.2.1"]);
        assert_eq!(all("x-real-ip"), ["192.0.2.1"]);
        assert_eq!(all("x-forwarded-proto"), ["https"]);
        assert_eq!(all("x-forwarded-host"), ["media.example.com"]);
        assert_eq!(all("x-forwarded-port"), ["443"]);
        assert_eq!(all("x-other"), ["kept"]);
        assert_eq!(all("x-request-id")[0].len(), 16);
        for gone in ["x_forwarded_for", "x-forwarded-user", "x-forwarded", "x.forwarded.for", "forwarded"] {
            assert!(all(gone).is_empty(), "{gone}");
        }
    }

    #[test]
    fn hop_by_hop_headers_end_here() {
        let headers = forwarded(&[
            ("host", "a"),
            ("connection", "close, X-Mine , host"),
            ("connection", "x-forwarded-for, content-length"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "gzip, trailers"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic x"),
            ("content-length", "5"),
            ("expect", "100-continue"),
        ]);
        for gone in ["x-mine", "keep-alive", "upgrade", "proxy-authorization", "expect"] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
        assert_eq!(headers["host"], "a");
        assert_eq!(headers["content-length"], "5");
        assert_eq!(headers["x-forwarded-for"], "192.0.2.1");
        assert_eq!(headers["te"], "trailers");
        assert_eq!(headers["connection"], "te");
    }

    #[test]
    fn trailers_cannot_say_what_headers_cannot() {
        let mut trailers =
            map(&[("x-forwarded-for", "6.6.6.6"), ("x_real_ip", "6.6.6.6"), ("host", "a"), ("x-sum", "1")]);
        trailers_to_upstream(&mut trailers);
        assert_eq!(trailers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-sum"]);
    }

    #[test]
    fn answers_lose_theirs_too() {
        let mut headers =
            map(&[("connection", "x-a"), ("x-a", "1"), ("transfer-encoding", "chunked"), ("trailer", "x-t")]);
        to_client(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["trailer"]);
    }
}

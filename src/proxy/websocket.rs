//! The WebSocket opening handshake (RFC 6455, section 4) as a gateway sees it.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::{alphabet, engine::DecodePaddingMode};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Version};

/// Whether the client asks for a WebSocket over HTTP/1.1. Any other `Upgrade` is removed, and the
/// request is forwarded as an ordinary one (RFC 9110, section 7.8).
pub fn is_upgrade<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11
        && list_has(request.headers(), &header::UPGRADE, "websocket")
        && list_has(request.headers(), &header::CONNECTION, "upgrade")
}

/// Whether the client asks for a WebSocket on a stream of HTTP/2 (RFC 8441, section 5).
pub fn is_extended_connect<B>(request: &Request<B>) -> bool {
    request.method() == Method::CONNECT
        && request
            .extensions()
            .get::<hyper::ext::Protocol>()
            .is_some_and(|protocol| protocol.as_str() == "websocket")
}

/// Whether the client asks for a WebSocket, over HTTP/1.1 or on a stream of HTTP/2.
pub fn is_handshake<B>(request: &Request<B>) -> bool {
    is_extended_connect(request) || is_upgrade(request)
}

/// Checks a handshake by RFC 6455, section 4.2.1, and returns its key.
///
/// # Errors
/// What is wrong with it.
pub fn check_request<B>(request: &Request<B>) -> Result<HeaderValue, BadHandshake> {
    if request.method() != Method::GET {
        return Err(BadHandshake::Method);
    }
    let headers = request.headers();
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    if lengths.any(|length| length != "0") || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(BadHandshake::Body);
    }
    check_version(headers)?;
    let key = single(headers, &header::SEC_WEBSOCKET_KEY).ok_or(BadHandshake::Key)?;
    match LENIENT.decode(key.as_bytes()) {
        Ok(bytes) if bytes.len() == KEY_BYTES => Ok(key.clone()),
        _ => Err(BadHandshake::Key),
    }
}

/// Checks that the client accepts version 13, which may be one of a list.
///
/// # Errors
/// If it does not.
pub fn check_version(headers: &HeaderMap) -> Result<(), BadHandshake> {
    if list_has(headers, &header::SEC_WEBSOCKET_VERSION, VERSION) {
        Ok(())
    } else {
        Err(BadHandshake::Version)
    }
}

/// The only version of the protocol (RFC 6455, section 4.1).
const VERSION: &str = "13";

const KEY_BYTES: usize = 16;

/// Bits behind the last byte of a key may be set: those of the RFC's own example in section 4.1
/// are. Nothing depends on them, nor on the padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Makes the head of a checked handshake fit for the upstream: it has no body, and asks for one
/// version.
pub(super) fn settle(headers: &mut HeaderMap) {
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(
        header::SEC_WEBSOCKET_VERSION,
        HeaderValue::from_static(VERSION),
    );
}

/// A new key, for a handshake by the gateway.
pub fn new_key() -> HeaderValue {
    let mut bytes = [0; KEY_BYTES];
    // The key protects against caches, not attackers: if there is no randomness, any key will do.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    HeaderValue::try_from(STANDARD.encode(bytes))
        .unwrap_or_else(|_| HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="))
}

/// The `Sec-WebSocket-Accept` that answers a key.
pub fn accept(key: &HeaderValue) -> String {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let mut sha1 = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    sha1.update(key.as_bytes());
    sha1.update(GUID);
    STANDARD.encode(sha1.finish())
}

/// Whether an upstream's 101 is the answer to this key.
pub fn is_accepted(headers: &HeaderMap, key: &HeaderValue) -> bool {
    list_has(headers, &header::UPGRADE, "websocket")
        && list_has(headers, &header::CONNECTION, "upgrade")
        && single(headers, &header::SEC_WEBSOCKET_ACCEPT)
            .is_some_and(|got| got.as_bytes() == accept(key).as_bytes())
}

fn single<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> Option<&'h HeaderValue> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

/// Whether a comma-separated header has a token, compared without case.
pub fn list_has(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    let mut values = headers.get_all(name).iter();
    values.any(|value| {
        value
            .as_bytes()
            .split(|b| *b == b',')
            .any(|t| t.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}

/// Why a handshake is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHandshake {
    /// Another method than GET.
    #[error("a WebSocket handshake is a GET")]
    Method,
    /// A request body.
    #[error("a WebSocket handshake has no body")]
    Body,
    /// Other versions than 13: answered by 426 and the version that is known.
    #[error("Sec-WebSocket-Version does not have 13")]
    Version,
    /// The key is missing, repeated, or not 16 bytes of base64.
    #[error("Sec-WebSocket-Key is not 16 bytes of base64")]
    Key,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake() -> Request<()> {
        Request::get("/janus-ws")
            .header("upgrade", "WebSocket")
            .header("connection", "keep-alive, Upgrade")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(())
            .unwrap()
    }

    #[test]
    fn the_rfcs_own_example() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let mut headers = HeaderMap::new();
        headers.insert("upgrade", HeaderValue::from_static("WebSocket"));
        headers.insert("connection", HeaderValue::from_static("Upgrade"));
        headers.insert(
            "sec-websocket-accept",
            HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        );
        assert!(is_accepted(&headers, &key));
        headers.insert(
            "sec-websocket-accept",
            HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOp="),
        );
        assert!(!is_accepted(&headers, &key));
    }

    #[test]
    fn only_websockets_are_upgrades() {
        assert!(is_upgrade(&handshake()));
        for (name, value) in [
            ("upgrade", "h2c"),
            ("upgrade", "TLS/1.0"),
            ("connection", "keep-alive"),
        ] {
            let mut request = handshake();
            request
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
            assert!(!is_upgrade(&request), "{name}: {value}");
        }
    }

    #[test]
    fn handshakes_that_other_proxies_accept_are_accepted() {
        for (name, value) in [
            ("content-length", "0"),
            ("sec-websocket-version", "13, 8"),
            ("sec-websocket-version", "8,\t13"),
            // The example of RFC 6455, section 4.1.
            ("sec-websocket-key", "AQIDBAUGBwgJCgsMDQ4PEC=="),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ"),
        ] {
            let mut request = handshake();
            request
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
            assert!(check_request(&request).is_ok(), "{name}: {value}");
        }
    }

    #[test]
    fn bad_handshakes_are_named() {
        assert!(check_request(&handshake()).is_ok());
        for (name, value, why) in [
            ("sec-websocket-version", "8", BadHandshake::Version),
            ("sec-websocket-key", "c2hvcnQ=", BadHandshake::Key),
            (
                "sec-websocket-key",
                "not base64 at all!!!!!!!",
                BadHandshake::Key,
            ),
            ("sec-websocket-version", "8, 130", BadHandshake::Version),
            ("content-length", "1", BadHandshake::Body),
            ("transfer-encoding", "chunked", BadHandshake::Body),
        ] {
            let mut request = handshake();
            request
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
            assert_eq!(check_request(&request), Err(why));
        }
        let mut request = handshake();
        *request.method_mut() = Method::POST;
        assert_eq!(check_request(&request), Err(BadHandshake::Method));
        let mut request = handshake();
        request.headers_mut().append(
            "sec-websocket-key",
            HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="),
        );
        assert_eq!(check_request(&request), Err(BadHandshake::Key));
    }
}

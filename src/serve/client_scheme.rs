//! How the client came to the proxies in front, as they say. It is asked of every peer: at most, it
//! sends a client to https.

use http::header::{self, HeaderMap, HeaderName};

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whether the first proxy of the chain says that its client used one of these schemes.
pub(super) fn client_came_by(headers: &HeaderMap, schemes: &[&str]) -> bool {
    let value = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let said = match value(X_FORWARDED_PROTO) {
        Some(list) => list.split(',').next(),
        None => value(header::FORWARDED).and_then(forwarded_proto),
    };
    said.is_some_and(|said| {
        let said = said.trim();
        schemes
            .iter()
            .any(|scheme| said.eq_ignore_ascii_case(scheme))
    })
}

/// The `proto` of the first element of `Forwarded` (RFC 7239, section 4).
fn forwarded_proto(list: &str) -> Option<&str> {
    let first = list.split(',').next()?;
    first.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let is_proto = name.trim().eq_ignore_ascii_case("proto");
        is_proto.then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_scheme_of_the_client_is_what_the_first_proxy_says() {
        for (name, value, want) in [
            ("x-forwarded-proto", "http", true),
            ("x-forwarded-proto", "HTTP", true),
            ("x-forwarded-proto", "ws", true),
            ("x-forwarded-proto", "http, https", true),
            ("x-forwarded-proto", "https", false),
            ("x-forwarded-proto", "https,http", false),
            ("x-forwarded-proto", "wss", false),
            ("x-forwarded-proto", "", false),
            ("forwarded", "for=192.0.2.7;proto=http", true),
            ("forwarded", "Proto=\"http\", proto=https", true),
            ("forwarded", "for=192.0.2.7;proto=https", false),
            ("forwarded", "for=192.0.2.7", false),
            ("x-other", "http", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(
                client_came_by(&headers, &["http", "ws"]),
                want,
                "{name}: {value}"
            );
        }
    }
}

//! Header fields that end at the gateway, in tables: what belongs to one connection, what servers
//! would take for the gateway's word, and what frameworks obey in the place of the method and path
//! that the policy was asked about.
//!
//! Names are compared as [`reads_as`] does: servers in the manner of CGI do not tell `_` and `.`
//! from `-`.

use http::header::{HeaderMap, HeaderName};

use crate::route::edits::reads_as;

/// Fields of one connection: removed in both directions, from headers and trailers, whether
/// `Connection` names them or not.
const CONNECTION: &[&str] = &[
    "connection",                // RFC 9110, 7.6.1; what it names is removed as well
    "keep-alive",                // RFC 9110, 7.6.1; RFC 9113, 8.2.2
    "proxy-connection",          // RFC 9110, 7.6.1; RFC 9113, 8.2.2
    "upgrade", // RFC 9110, 7.8; RFC 9113, 8.2.2. The WebSocket handshake is written anew
    "http2-settings", // RFC 7540, 3.2.1, obsolete by RFC 9113, 3.1; servers with h2c still obey it
    "proxy-authenticate", // RFC 9110, 11.7.1: the gateway asks for no proxy credentials
    "proxy-authorization", // RFC 9110, 11.7.2
    "proxy-authentication-info", // RFC 9110, 11.7.3
];

/// Fields of a request that end here beside those of the connection.
const REQUEST: &[&str] = &[
    "te",     // RFC 9110, 10.1.4: `trailers` is said again, for the gateway itself
    "expect", // RFC 9110, 10.1.1: the gateway has answered it
    "proxy", // no field of HTTP: CGI makes HTTP_PROXY of it, which HTTP clients obey (CVE-2016-5385)
    // Who the client is. The gateway says it, in X-Forwarded-For and X-Real-IP.
    "forwarded", // RFC 7239, 8.1
    "x-real-ip",
    "x-request-id",
    "client-ip", // PHP applications read HTTP_CLIENT_IP before anything else
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
    "do-connecting-ip",
    "proxy-client-ip",    // Java applications, before X-Real-IP
    "wl-proxy-client-ip", // WebLogic
    "remote-addr",
    "x-appengine-user-ip",
    "x-forward-for",
    "x-from-ip",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-envoy-external-address",
    "x-backend-host",
    "x-host",
    "x-scheme",
    "x-url-scheme",
    "front-end-https",
    "x-http-host-override",
    "x-nf-client-connection-ip",
    "x-original-forwarded-for",
    "x-original-host",
    "x-originating-ip",
    "x-proxyuser-ip",
    "x-remote-addr",
    "x-remote-ip",
    // Which certificate the client has shown. The gateway asks for none.
    "client-cert",       // RFC 9440, 2.2 and 4
    "client-cert-chain", // RFC 9440, 2.3 and 4
    "x-client-verify",
    "x-client-dn",
    "x-arr-clientcert",
    // Another path or method than the ones that were matched, authorised and, where that is safe,
    // sent twice.
    "x-original-url", // IIS, Symfony, Laminas
    "x-rewrite-url",
    "x-original-uri",
    "x-original-method",
    "x-override-url",
    "x-envoy-original-path",
    "x-waws-unencoded-url",
    "script-name", // gunicorn takes SCRIPT_NAME off the path
    "path-info",
    "x-script-name",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// Beginnings of a request's fields that end here: the name itself, and whatever follows behind a
/// separator.
const REQUEST_FAMILIES: &[&str] = &[
    "x-forwarded", // the gateway's own, and an application may believe X-Forwarded-User or X-Forwarded-Prefix
    "x-client-cert",
    "ssl-client", // client certificates, as Apache and NGINX are configured to pass them on
    "x-ssl",
    "x-tls-client",
    "x-amzn-mtls",
    "x-accel", // NGINX' own
];

/// Fields of an answer that end here beside those of the connection: instructions to a proxy, which
/// the gateway does not follow, and which show clients the server's paths.
const ANSWER: &[&str] = &[
    "alt-svc", // RFC 7838, 3: for an origin that is the gateway's; it names ports of the server
    "x-sendfile",
    "x-lighttpd-send-file",
    "x-lighttpd-send-tempfile",
    "x-reproxy-url",
];

/// Beginnings of an answer's fields that end here.
const ANSWER_FAMILIES: &[&str] = &["x-accel"];

/// Removes what ends here from a request's headers or trailers.
pub(super) fn remove_from_request(headers: &mut HeaderMap) {
    const LENGTHS: Lengths = lengths(CONNECTION, REQUEST);
    remove(headers, |name| {
        is_listed(name, &LENGTHS, [CONNECTION, REQUEST], REQUEST_FAMILIES)
    });
}

/// Removes what ends here from an answer's headers or trailers.
pub(super) fn remove_from_answer(headers: &mut HeaderMap) {
    const LENGTHS: Lengths = lengths(CONNECTION, ANSWER);
    remove(headers, |name| {
        is_listed(name, &LENGTHS, [CONNECTION, ANSWER], ANSWER_FAMILIES)
    });
}

/// Most messages have nothing to remove: their names are looked through once, and nothing is
/// collected.
fn remove(headers: &mut HeaderMap, ends_here: impl Fn(&str) -> bool) {
    let found: Vec<HeaderName> = headers
        .keys()
        .filter(|name| ends_here(name.as_str()))
        .cloned()
        .collect();
    for name in found {
        headers.remove(name);
    }
}

/// For each first letter, a bit for each length that a listed name with it has. It spares nearly
/// every name of a message the search.
type Lengths = [u64; 26];

const fn lengths(one: &[&str], other: &[&str]) -> Lengths {
    let (mut lengths, mut at) = ([0; 26], 0);
    while at < one.len() + other.len() {
        let name = if at < one.len() {
            one[at]
        } else {
            other[at - one.len()]
        }
        .as_bytes();
        lengths[(name[0] - b'a') as usize] |= 1 << name.len();
        at += 1;
    }
    lengths
}

fn is_listed(name: &str, lengths: &Lengths, tables: [&[&str]; 2], families: &[&str]) -> bool {
    let Some(first) = name.bytes().next() else {
        return false;
    };
    let lengths = lengths
        .get(usize::from(first.wrapping_sub(b'a')))
        .copied()
        .unwrap_or_default();
    let has_length = name.len() < 64 && (lengths >> name.len()) & 1 == 1;
    (has_length
        && tables
            .into_iter()
            .flatten()
            .any(|listed| reads_as(name, listed)))
        || families.iter().any(|family| is_of(name, family))
}

fn is_of(name: &str, family: &str) -> bool {
    name.as_bytes().first() == family.as_bytes().first()
        && name
            .split_at_checked(family.len())
            .is_some_and(|(front, rest)| {
                reads_as(front, family) && (rest.is_empty() || rest.starts_with(['-', '_', '.']))
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(names: &[&str], remove: fn(&mut HeaderMap)) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for name in names {
            headers.append(HeaderName::try_from(*name).unwrap(), "x".parse().unwrap());
            headers.append(HeaderName::try_from(*name).unwrap(), "y".parse().unwrap());
        }
        remove(&mut headers);
        headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect()
    }

    #[test]
    fn every_listed_name_ends_here_in_every_spelling() {
        for name in [CONNECTION, REQUEST, REQUEST_FAMILIES].concat() {
            for spelled in [
                name.to_owned(),
                name.replace('-', "_"),
                name.replace('-', "."),
            ] {
                assert!(
                    left(&[&spelled], remove_from_request).is_empty(),
                    "{spelled}"
                );
            }
        }
        for name in [CONNECTION, ANSWER, ANSWER_FAMILIES].concat() {
            assert!(left(&[name], remove_from_answer).is_empty(), "{name}");
        }
    }

    #[test]
    fn tables_are_in_lower_case_and_have_no_name_twice() {
        for (own, families) in [(REQUEST, REQUEST_FAMILIES), (ANSWER, ANSWER_FAMILIES)] {
            let mut all = [CONNECTION, own, families].concat();
            assert!(all.iter().all(|name| *name == name.to_ascii_lowercase()));
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), count);
        }
    }

    #[test]
    fn families_are_whole_words() {
        let gone = [
            "x-forwarded",
            "x-forwarded-user",
            "x_forwarded.for",
            "ssl_client_s_dn",
            "x-ssl-cert",
            "x-accel-mapping",
        ];
        assert!(left(&gone, remove_from_request).is_empty());
        let kept = ["x-forwardedfor", "ssl-clients", "x-sslx", "x-accelerate"];
        assert_eq!(left(&kept, remove_from_request).len(), kept.len());
    }

    #[test]
    fn what_is_meant_for_the_other_end_passes() {
        let request = [
            "accept",
            "authorization",
            "cookie",
            "content-length",
            "host",
            "origin",
            "trailer",
            "sec-websocket-key",
            "sec-websocket-protocol",
            "user-agent",
            // RFC 8470, 5.1: an intermediary must not remove it.
            "early-data",
            "via",
            "alt-used",
            "x-requested-with",
            "x-janus",
        ];
        assert_eq!(left(&request, remove_from_request).len(), request.len());
        let answer = [
            "content-type",
            "set-cookie",
            "trailer",
            "www-authenticate",
            "server",
            "x-forwarded-for",
        ];
        assert_eq!(left(&answer, remove_from_answer).len(), answer.len());
    }
}

//! Tables of the header fields that the gateway removes: those of one connection, those that
//! servers would believe to come from the gateway, and those that frameworks obey instead of the
//! method and path that the policy has permitted.
//!
//! Names are compared by [`reads_as`], as CGI-like servers do not distinguish `_` and `.` from `-`.

use http::header::{self, HeaderMap, HeaderName};

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

/// Fields that are removed from requests, besides those of the connection.
const REQUEST: &[&str] = &[
    "te",     // RFC 9110, 10.1.4: the gateway adds its own `TE: trailers`
    "expect", // RFC 9110, 10.1.1: the gateway has answered it
    "proxy",  // CGI makes HTTP_PROXY of it, which HTTP clients obey (CVE-2016-5385)
    // Who the client is. The gateway sets X-Forwarded-For and X-Real-IP itself.
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
    // The client's certificate. What servers are told of it is added afterwards.
    "client-cert",       // RFC 9440, 2.2 and 4
    "client-cert-chain", // RFC 9440, 2.3 and 4
    "x-client-verify",
    "x-client-dn",
    "x-arr-clientcert",
    // Another path or method than the one that was matched, authorized and possibly repeated.
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

/// Prefixes of fields that are removed from requests: the name itself, or the name, a separator and
/// anything else.
const REQUEST_FAMILIES: &[&str] = &[
    // The gateway sets its own, and an application may believe X-Forwarded-User or -Prefix.
    "x-forwarded",
    "x-client-cert",
    "ssl-client", // client certificates, as Apache and NGINX are configured to pass them on
    "x-ssl",
    "x-tls-client",
    "x-amzn-mtls",
    "x-accel", // NGINX' own
];

/// Fields that are removed from answers, besides those of the connection: instructions to a proxy,
/// which the gateway does not follow, and which show the server's paths to clients.
const ANSWER: &[&str] = &[
    "alt-svc", // RFC 7838, 3: it names the server's ports, but the origin is the gateway's
    "x-sendfile",
    "x-lighttpd-send-file",
    "x-lighttpd-send-tempfile",
    "x-reproxy-url",
];

/// Prefixes of fields that are removed from answers.
const ANSWER_FAMILIES: &[&str] = &["x-accel"];

/// What one walk over the fields of a message has found. Nearly all messages have none of it, and
/// are not searched again.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The names of those that are removed.
    removed: Vec<HeaderName>,
    /// There is a `Transfer-Encoding`.
    pub(super) has_coding: bool,
    /// There is a `Content-Length`.
    pub(super) has_length: bool,
    /// There is more than one `Content-Length`, or one that is a list.
    pub(super) has_lengths: bool,
    /// There is a `Location` or `Content-Location`.
    pub(super) has_location: bool,
}

impl Found {
    /// Walks over a request's headers or trailers.
    pub(super) fn in_request(headers: &HeaderMap) -> Self {
        const RULES: Rules = Rules::new([CONNECTION, REQUEST], REQUEST_FAMILIES);
        let mut found = Self::default();
        for name in headers.keys() {
            found.has_coding |= *name == header::TRANSFER_ENCODING;
            found.has_length |= *name == header::CONTENT_LENGTH;
            if RULES.removes(name.as_str()) {
                found.removed.push(name.clone());
            }
        }
        found
    }

    /// Walks over an answer's headers or trailers.
    pub(super) fn in_answer(headers: &HeaderMap) -> Self {
        const RULES: Rules = Rules::new([CONNECTION, ANSWER], ANSWER_FAMILIES);
        let mut found = Self::default();
        for (name, value) in headers {
            if *name == header::CONTENT_LENGTH {
                found.has_lengths |= found.has_length || value.as_bytes().contains(&b',');
                found.has_length = true;
            }
            found.has_coding |= *name == header::TRANSFER_ENCODING;
            found.has_location |= *name == header::LOCATION || *name == header::CONTENT_LOCATION;
            if RULES.removes(name.as_str()) {
                found.removed.push(name.clone());
            }
        }
        found
    }

    /// There is nothing to remove, and so no `Connection` and no `TE` either.
    pub(super) fn is_clean(&self) -> bool {
        self.removed.is_empty()
    }

    /// Removes what is removed in any case.
    pub(super) fn remove_from(self, headers: &mut HeaderMap) {
        for name in self.removed {
            headers.remove(name);
        }
    }
}

/// The tables of one direction, with what tells nearly all names apart from theirs at once.
struct Rules {
    tables: [&'static [&'static str]; 2],
    families: &'static [&'static str],
    /// For each first letter, a bit for each length of the listed names that begin with it.
    lengths: [u64; LETTERS],
    /// The same for each last byte, by its lowest bits.
    lengths_by_end: [u64; ENDS],
    /// For each first letter, whether a family begins with it.
    has_family: [bool; LETTERS],
}

const LETTERS: usize = 26;
const ENDS: usize = 32;

impl Rules {
    const fn new(tables: [&'static [&'static str]; 2], families: &'static [&'static str]) -> Self {
        let (mut lengths, mut has_family) = ([0; LETTERS], [false; LETTERS]);
        let (mut lengths_by_end, mut table) = ([0; ENDS], 0);
        while table < tables.len() {
            let mut at = 0;
            while at < tables[table].len() {
                let name = tables[table][at].as_bytes();
                let (first, last) = (name[0], name[name.len() - 1]);
                // A separator at the end could be spelled in another way.
                assert!(last.is_ascii_alphanumeric());
                lengths[(first - b'a') as usize] |= 1 << name.len();
                lengths_by_end[last as usize % ENDS] |= 1 << name.len();
                at += 1;
            }
            table += 1;
        }
        let mut at = 0;
        while at < families.len() {
            has_family[(families[at].as_bytes()[0] - b'a') as usize] = true;
            at += 1;
        }
        Self {
            tables,
            families,
            lengths,
            lengths_by_end,
            has_family,
        }
    }

    fn removes(&self, name: &str) -> bool {
        let (Some(first), Some(last)) = (name.as_bytes().first(), name.as_bytes().last()) else {
            return false;
        };
        let letter = usize::from(first.wrapping_sub(b'a'));
        let Some(lengths) = self.lengths.get(letter) else {
            return false;
        };
        let lengths = lengths & self.lengths_by_end[usize::from(*last) % ENDS];
        let may_be_listed = name.len() < 64 && (lengths >> name.len()) & 1 == 1;
        (may_be_listed && self.lists(name)) || (self.has_family[letter] && self.has_family_of(name))
    }

    fn lists(&self, name: &str) -> bool {
        let mut listed = self.tables.into_iter().flatten();
        listed.any(|listed| reads_as(name, listed))
    }

    fn has_family_of(&self, name: &str) -> bool {
        self.families.iter().any(|family| is_of(name, family))
    }
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

    fn remove_from_request(headers: &mut HeaderMap) {
        Found::in_request(headers).remove_from(headers);
    }

    fn remove_from_answer(headers: &mut HeaderMap) {
        Found::in_answer(headers).remove_from(headers);
    }

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
    fn every_listed_name_is_removed_in_every_spelling() {
        for name in [CONNECTION, REQUEST, REQUEST_FAMILIES].concat() {
            for separator in ["-", "_", "."] {
                let spelled = name.replace('-', separator);
                let left = left(&[&spelled], remove_from_request);
                assert!(left.is_empty(), "{spelled}");
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

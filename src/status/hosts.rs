//! The values of `Host` that the status listener accepts. A web page whose own name resolves to
//! this machine (DNS rebinding) could otherwise read the status; it cannot do that with an address.

use http::Request;
use http::header::{self, HeaderValue};

use crate::host::{Authority, HostName};

/// The response to requests with another `Host`.
pub(super) const UNKNOWN: &str = "421 Misdirected Request\n\
    This listener answers to an IP address, to localhost, and to the names in listen.status_hosts \
    of the gateway's configuration.\n";

/// Whether every host in a request is an address, `localhost` or one of these names. Requests
/// without a host are accepted: old probes send them, browsers do not.
pub(super) fn are_known<B>(request: &Request<B>, names: &[HostName]) -> bool {
    let is_known = |authority: &str| {
        authority
            .parse::<Authority>()
            .is_ok_and(|said| is_known_host(&said.host, names))
    };
    let says_known = |value: &HeaderValue| value.to_str().is_ok_and(is_known);
    request
        .uri()
        .authority()
        .is_none_or(|authority| is_known(authority.as_str()))
        && request
            .headers()
            .get_all(header::HOST)
            .iter()
            .all(says_known)
}

fn is_known_host(host: &HostName, names: &[HostName]) -> bool {
    host.ip().is_some() || host.as_str() == "localhost" || names.contains(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_names_that_were_written_are_known() {
        let names = ["metrics.internal".parse().unwrap()];
        for (target, hosts, want) in [
            ("/", &["127.0.0.1:9180"][..], true),
            ("/", &["127.0.0.1"], true),
            ("/", &["[::1]:9180"], true),
            ("/", &["192.0.2.7:9180"], true),
            ("/", &["localhost:9180"], true),
            ("/", &["LOCALHOST."], true),
            ("/", &["metrics.internal:80"], true),
            ("/", &[], true),
            ("http://127.0.0.1:9180/", &["127.0.0.1:9180"], true),
            ("/", &["evil.example:9180"], false),
            ("/", &["localhost.evil.example"], false),
            ("/", &["127.0.0.1.evil.example"], false),
            ("/", &["www.metrics.internal"], false),
            ("/", &["0x7f.1"], false),
            ("/", &[""], false),
            ("/", &["localhost", "evil.example"], false),
            ("/", &["evil.example", "localhost"], false),
            ("http://evil.example/", &["localhost"], false),
            ("http://localhost/", &["evil.example"], false),
        ] {
            let mut request = Request::get(target);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            assert_eq!(
                are_known(&request.body(()).unwrap(), &names),
                want,
                "{target} {hosts:?}"
            );
        }
    }
}

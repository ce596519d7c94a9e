//! The header fields that tell an upstream about the client.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::addr::ClientAddr;
use crate::host::Authority;
use crate::telemetry::request_id::RequestId;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Fields that a trusted proxy may add beside `X-Forwarded-For`. They pass if they name the same
/// client: then the proxy, and not its client, has written them.
static OF_PROXIES: [HeaderName; OF_PROXIES_LEN] = [
    HeaderName::from_static("cf-connecting-ip"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("client-ip"),
];

const OF_PROXIES_LEN: usize = 3;

const HTTPS_PORT: u16 = 443;

/// Where the requests of one connection come from, as header values that are made once.
#[derive(Clone, Debug)]
pub struct Origin {
    client: HeaderValue,
    port: HeaderValue,
    /// Which of [`OF_PROXIES`] a trusted proxy has sent with this client.
    of_proxy: [bool; OF_PROXIES_LEN],
}

impl Origin {
    /// A client, and the port that it has connected to.
    pub fn new(client: ClientAddr, port: u16) -> Self {
        let text = client.to_string();
        // An IP address has only characters that a header value takes.
        let client =
            HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Self {
            client,
            port: HeaderValue::from(port),
            of_proxy: Default::default(),
        }
    }

    /// A client that a trusted proxy has named in a request with these headers. The port is the one
    /// that the client knows: the proxy's.
    pub fn behind_proxy(client: ClientAddr, headers: &HeaderMap) -> Self {
        let is_client = |value: &HeaderValue| {
            let address = value.to_str().ok().and_then(|text| text.parse().ok());
            address.map(ClientAddr::new) == Some(client)
        };
        Self {
            of_proxy: OF_PROXIES.each_ref().map(|name| {
                let mut values = headers.get_all(name).iter().peekable();
                values.peek().is_some() && values.all(is_client)
            }),
            ..Self::new(client, port_of_proxy(headers).unwrap_or(HTTPS_PORT))
        }
    }

    /// Those of [`OF_PROXIES`] that are sent.
    fn of_proxy(&self) -> impl Iterator<Item = &'static HeaderName> {
        let sent = OF_PROXIES.iter().zip(self.of_proxy);
        sent.filter_map(|(name, is_sent)| is_sent.then_some(name))
    }
}

/// The port of a proxy: what it says itself, or what its client has written behind the host.
fn port_of_proxy(headers: &HeaderMap) -> Option<u16> {
    let single = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(value)
    };
    let said = single(X_FORWARDED_PORT).and_then(|port| port.parse().ok());
    let in_host = || {
        let host: Authority = single(header::HOST)?.parse().ok()?;
        host.port
    };
    said.or_else(in_host).filter(|port| *port != 0)
}

/// The fields of one request that tell the upstream about the client and the request itself. The
/// client's own fields of these names must have been removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientFields<'a> {
    pub(super) origin: &'a Origin,
    pub(super) id: RequestId,
}

impl ClientFields<'_> {
    /// Writes them as lines behind the others of a head. `headers` are the others: `Host` must be
    /// the host that was routed.
    pub(super) fn write(&self, headers: &HeaderMap, out: &mut Vec<u8>) {
        let origin = self.origin;
        let client = origin.client.as_bytes();
        if let Some(host) = headers.get(header::HOST) {
            out.extend_from_slice(b"x-forwarded-host: ");
            out.extend_from_slice(host.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"x-forwarded-for: ");
        out.extend_from_slice(client);
        out.extend_from_slice(b"\r\nx-real-ip: ");
        out.extend_from_slice(client);
        for name in origin.of_proxy() {
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(client);
        }
        out.extend_from_slice(b"\r\nx-forwarded-proto: https\r\nx-forwarded-port: ");
        out.extend_from_slice(origin.port.as_bytes());
        out.extend_from_slice(b"\r\nx-request-id: ");
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// Adds them to the others, where a route may still change them. `Host` must be the host that
    /// was routed.
    pub(super) fn insert_into(&self, headers: &mut HeaderMap) {
        let origin = self.origin;
        if let Some(host) = headers.get(header::HOST).cloned() {
            headers.insert(X_FORWARDED_HOST, host);
        }
        headers.insert(X_FORWARDED_FOR, origin.client.clone());
        headers.insert(X_REAL_IP, origin.client.clone());
        for name in origin.of_proxy() {
            headers.insert(name, origin.client.clone());
        }
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
        headers.insert(X_FORWARDED_PORT, origin.port.clone());
        if let Ok(id) = HeaderValue::from_bytes(self.id.as_bytes()) {
            headers.insert(X_REQUEST_ID, id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::request_id::RequestIds;

    #[test]
    fn the_fields_about_the_client_are_the_same_written_or_inserted() {
        let client = ClientAddr::new("192.0.2.1".parse().unwrap());
        let of_proxy = [
            ("cf-connecting-ip", "192.0.2.1"),
            ("client-ip", "192.0.2.1"),
            ("true-client-ip", "192.0.2.2"),
        ];
        let of_proxy = of_proxy.map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        let behind_proxy = Origin::behind_proxy(client, &of_proxy.into_iter().collect());
        for (origin, host, count) in [
            (Origin::new(client, 8443), Some("media.example.com"), 6),
            (Origin::new(client, 8443), None, 5),
            (behind_proxy, Some("media.example.com:8443"), 8),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(host) = host {
                headers.insert(header::HOST, HeaderValue::from_static(host));
            }
            let (origin, id) = (&origin, RequestIds::new().next());
            let fields = ClientFields { origin, id };
            let mut written = Vec::new();
            fields.write(&headers, &mut written);
            fields.insert_into(&mut headers);
            let inserted = headers.iter().filter(|(name, _)| **name != header::HOST);
            let inserted = inserted.map(|(name, value)| {
                let value = value.to_str().unwrap();
                format!("{name}: {value}\r\n")
            });
            let inserted: Vec<String> = inserted.collect();
            assert_eq!(inserted.len(), count);
            assert_eq!(String::from_utf8(written).unwrap(), inserted.concat());
        }
    }
}

//! The client's address behind trusted proxies: what `listen.client_address_header` says, or the
//! right-most address of the chain that is not one of the proxies. Everything to the left of it was
//! written by a client that is not trusted.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use http::HeaderName;
use http::header::{self, HeaderMap, HeaderValue};

use super::Inbound;
use super::reject::Rejection;
use crate::addr::{ClientAddr, NetworkSet};
use crate::proxy::origin::Origin;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The step of the stack. It changes nothing unless the connection comes from a trusted proxy.
pub(super) fn client_address(mut inbound: Inbound) -> Result<Inbound, Rejection> {
    let snapshot = &inbound.view.snapshot;
    let trusted = &snapshot.trusted_proxies;
    if !is_trusted(inbound.client, trusted) {
        return Ok(inbound);
    }
    let headers = inbound.request.headers();
    let named = from_header(headers, snapshot.client_address_header.as_ref());
    let named = named.and_then(|named| match named {
        Some(client) => Ok(Some(client)),
        None => from_chain(headers, trusted),
    });
    if let Some(client) = named.map_err(|_| Rejection::ForwardedChain)? {
        let origin = Origin::behind_proxy(client, headers);
        inbound.client = client;
        inbound.origin = Rc::new(origin);
        inbound.exchange.set_client(client);
    }
    Ok(inbound)
}

/// The client that a header field names by its address alone; `None` if the request does not have
/// the field.
fn from_header(
    headers: &HeaderMap,
    name: Option<&HeaderName>,
) -> Result<Option<ClientAddr>, BadChain> {
    let Some(name) = name else { return Ok(None) };
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let text = value.to_str().map_err(|_| BadChain)?;
            address(text.trim()).map(Some)
        }
        (Some(_), Some(_)) => Err(BadChain),
    }
}

pub(super) fn is_trusted(client: ClientAddr, trusted: &NetworkSet) -> bool {
    trusted.contains(client)
}

/// The chain cannot be parsed, or contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BadChain;

/// The client that `X-Forwarded-For` or `Forwarded` names; `None` if the request has neither.
fn from_chain(headers: &HeaderMap, trusted: &NetworkSet) -> Result<Option<ClientAddr>, BadChain> {
    let old = right_most(
        elements(headers, &X_FORWARDED_FOR)?
            .iter()
            .map(|text| address(text)),
        trusted,
    )?;
    let new = right_most(
        elements(headers, &header::FORWARDED)?
            .iter()
            .map(|text| forwarded_for(text)),
        trusted,
    )?;
    match (old, new) {
        (Some(old), Some(new)) if old != new => Err(BadChain),
        (old, new) => Ok(old.or(new)),
    }
}

/// All elements of a list header, left to right.
fn elements<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Vec<&'h str>, BadChain> {
    let mut all = Vec::new();
    for value in headers.get_all(name) {
        all.extend(split(
            HeaderValue::to_str(value).map_err(|_| BadChain)?,
            ',',
        )?);
    }
    Ok(all)
}

/// Splits at a separator outside of quoted strings (RFC 9110, section 5.6.4). Inside of them, a
/// proxy may have put what its client wrote.
fn split(text: &str, separator: char) -> Result<Vec<&str>, BadChain> {
    let (mut parts, mut begin, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == separator && !quoted => {
                parts.push(text[begin..at].trim());
                begin = at + separator.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text[begin..].trim());
    if quoted { Err(BadChain) } else { Ok(parts) }
}

/// From the right, the first address that is not a trusted proxy; the left-most if all are.
fn right_most<I>(chain: I, trusted: &NetworkSet) -> Result<Option<ClientAddr>, BadChain>
where
    I: DoubleEndedIterator<Item = Result<ClientAddr, BadChain>>,
{
    let mut last = None;
    for element in chain.rev() {
        let client = element?;
        last = Some(client);
        if !is_trusted(client, trusted) {
            break;
        }
    }
    Ok(last)
}

/// An address; some proxies add a port.
fn address(text: &str) -> Result<ClientAddr, BadChain> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(ClientAddr::new(ip));
    }
    if let Ok(addr) = text.parse::<SocketAddr>() {
        return Ok(ClientAddr::new(addr.ip()));
    }
    let bracketed = text
        .strip_prefix('[')
        .and_then(|t| t.strip_suffix(']'))
        .ok_or(BadChain)?;
    bracketed.parse().map(ClientAddr::new).map_err(|_| BadChain)
}

/// The `for` of one element of `Forwarded` (RFC 7239, section 4). `unknown` and `_hidden` are
/// rejected: without an address, a policy cannot be applied.
fn forwarded_for(element: &str) -> Result<ClientAddr, BadChain> {
    let mut found = None;
    for pair in split(element, ';')? {
        let (name, value) = pair.split_once('=').ok_or(BadChain)?;
        // Each value is checked, also those that are not used: a misplaced quote would shift all
        // that follow it.
        let value = unquoted(value)?;
        if name.eq_ignore_ascii_case("for") && found.replace(address(value)?).is_some() {
            return Err(BadChain);
        }
    }
    found.ok_or(BadChain)
}

/// The inside of one whole quoted string, or a text without any quote.
fn unquoted(value: &str) -> Result<&str, BadChain> {
    let Some(rest) = value.strip_prefix('"') else {
        return if value.contains(['"', '\\', ' ']) {
            Err(BadChain)
        } else {
            Ok(value)
        };
    };
    let mut escaped = false;
    let end = rest.char_indices().find(|(_, c)| {
        let closes = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        closes
    });
    match end {
        Some((at, _)) if at + 1 == rest.len() => Ok(&rest[..at]),
        _ => Err(BadChain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(headers: &[(&str, &str)]) -> Result<Option<String>, BadChain> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::try_from(*value).unwrap(),
            );
        }
        let trusted = ["10.0.0.0/8", "2001:db8::/32"].map(|net| net.parse().unwrap());
        let trusted = trusted.into_iter().collect();
        from_chain(&map, &trusted).map(|client| client.map(|client| client.to_string()))
    }

    #[test]
    fn the_right_most_untrusted_address_is_the_client() {
        for (headers, want) in [
            (&[][..], None),
            (&[("x-forwarded-for", "192.0.2.7")], Some("192.0.2.7")),
            (
                &[("x-forwarded-for", "127.0.0.1, 192.0.2.7, 10.0.0.1")],
                Some("192.0.2.7"),
            ),
            (
                &[
                    ("x-forwarded-for", "127.0.0.1"),
                    ("x-forwarded-for", "192.0.2.7,10.1.1.1"),
                ],
                Some("192.0.2.7"),
            ),
            (
                &[("x-forwarded-for", "10.0.0.2, 10.0.0.1")],
                Some("10.0.0.2"),
            ),
            (&[("x-forwarded-for", "192.0.2.7:1234")], Some("192.0.2.7")),
            (
                &[("x-forwarded-for", "[2001:db9::1]:1234")],
                Some("2001:db9::1"),
            ),
            (
                &[("x-forwarded-for", "::ffff:192.0.2.7")],
                Some("192.0.2.7"),
            ),
            // Left of the client anything may stand: it is not looked at.
            (
                &[("x-forwarded-for", "rubbish, 192.0.2.7")],
                Some("192.0.2.7"),
            ),
            (
                &[("forwarded", "for=192.0.2.7;proto=https")],
                Some("192.0.2.7"),
            ),
            (
                &[(
                    "forwarded",
                    "for=127.0.0.1, For=\"[2001:db9::1]:47\" , for=10.0.0.1",
                )],
                Some("2001:db9::1"),
            ),
            (
                &[
                    ("forwarded", "for=192.0.2.7"),
                    ("x-forwarded-for", "192.0.2.7"),
                ],
                Some("192.0.2.7"),
            ),
            // What a proxy quotes was written by its client.
            (
                &[("forwarded", "for=192.0.2.7;host=\"a, for=127.0.0.1;b=\"")],
                Some("192.0.2.7"),
            ),
            (
                &[("forwarded", "for=192.0.2.7;by=\"a,for=127.0.0.1;x=\\\"\"")],
                Some("192.0.2.7"),
            ),
        ] {
            assert_eq!(client(headers), Ok(want.map(str::to_owned)), "{headers:?}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        for headers in [
            &[("x-forwarded-for", "")][..],
            &[("x-forwarded-for", "unknown")],
            &[("x-forwarded-for", "192.0.2.7,")],
            &[("x-forwarded-for", "192.0.2.7, localhost")],
            &[("x-forwarded-for", "192.0.2.7, rubbish, 10.0.0.1")],
            &[("x-forwarded-for", "127.1")],
            &[("forwarded", "for=_hidden")],
            &[("forwarded", "for=unknown, for=10.0.0.1")],
            &[("forwarded", "proto=https")],
            &[("forwarded", "for=192.0.2.7;host=\"a, for=127.0.0.1")],
            // A prefix of the client's, and what a proxy has put behind it.
            &[(
                "forwarded",
                "for=6.6.6.6;x=\", for=192.0.2.7;host=\"a\\\"b\"",
            )],
            &[("forwarded", "for=192.0.2.7;for=127.0.0.1")],
            &[("forwarded", "192.0.2.7")],
            &[
                ("forwarded", "for=192.0.2.7"),
                ("x-forwarded-for", "127.0.0.1"),
            ],
        ] {
            assert_eq!(client(headers), Err(BadChain), "{headers:?}");
        }
    }
}

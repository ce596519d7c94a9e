//! Plain HTTP from a proxy in front that ends TLS (`listen.plain`). For its clients everything is
//! https, so cookies are `Secure` and URLs begin with `https://`; a client of which the proxy says
//! that it came by plain HTTP is sent to https.

use std::ops::ControlFlow;

use super::Inbound;
use super::client_addr::is_trusted;
use super::client_scheme::client_came_by;
use super::redirect::redirect;
use super::reject::Rejection;
use super::reply::{Reply, Served};
use crate::addr::{ClientAddr, Kind, NetworkSet};
use futures_util::future::{Ready, ready};

/// Answers what may not be served on `listen.plain`, and passes on what may, and every request of
/// another listener.
pub(super) fn behind_proxy(inbound: Inbound) -> ControlFlow<Ready<Served>, Inbound> {
    if inbound.conn.kind != Kind::Plain {
        return ControlFlow::Continue(inbound);
    }
    if !is_from_proxy(&inbound) {
        return ControlFlow::Break(ready(Err(Rejection::NotAProxy)));
    }
    if client_came_by(inbound.request.headers(), &["http", "ws"]) {
        return ControlFlow::Break(ready(redirect(&inbound).map(Reply::from)));
    }
    ControlFlow::Continue(inbound)
}

fn is_from_proxy(inbound: &Inbound) -> bool {
    let (conn, snapshot) = (&inbound.conn, &inbound.view.snapshot);
    conn.is_balanced
        || snapshot.plain_for_everybody
        || is_known(conn.client, &snapshot.trusted_proxies)
}

/// Whether the peer is a known proxy, or on this machine.
fn is_known(peer: ClientAddr, trusted: &NetworkSet) -> bool {
    peer.ip().is_loopback() || is_trusted(peer, trusted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_and_known_proxies_may_ask() {
        let trusted = ["10.0.0.0/8", "2001:db8::/32"].map(|net| net.parse().unwrap());
        let trusted = trusted.into_iter().collect();
        for (peer, want) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.1.2.3", true),
            ("2001:db8::1", true),
            ("192.0.2.1", false),
            ("192.168.0.1", false),
            ("fe80::1", false),
        ] {
            let peer = ClientAddr::new(peer.parse().unwrap());
            assert_eq!(is_known(peer, &trusted), want, "{peer}");
        }
    }
}

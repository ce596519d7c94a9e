//! Whether a request or tunnel that was accepted by one route table still belongs to the same route
//! and target in the table of a later configuration.

use std::sync::Arc;

use super::upstream::ServerAddr;
use super::{Forward, RouteId, RouteTable, Target};

/// A route and the table that it is in.
#[derive(Clone, Debug)]
pub struct Place {
    /// The table.
    pub table: Arc<RouteTable>,
    /// The route in it.
    pub route: RouteId,
}

/// A request or tunnel, as far as its target depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'s> {
    /// Its path, normalised.
    pub path: &'s str,
    /// Whether it is a WebSocket, or a handshake for one.
    pub is_websocket: bool,
    /// The server that it was sent to, if one has been chosen.
    pub server: Option<&'s ServerAddr>,
}

/// What a new configuration has changed for a request or tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another route, with another `host` or `path`, now matches.
    Route,
    /// The same route leads to another target.
    Target,
}

/// Compares a route of one table with a route of another, for one request. Policies are not
/// compared: the caller evaluates the new one.
///
/// # Errors
/// What is different.
pub fn compare(
    (old, was): (&RouteTable, RouteId),
    (new, is): (&RouteTable, RouteId),
    sent: Sent<'_>,
) -> Result<(), Change> {
    let (was, is) = (old.route(was), new.route(is));
    if was.host != is.host || was.path != is.path {
        return Err(Change::Route);
    }
    let path = is.path.without_tenant(sent.path);
    let sent = Sent {
        path: &path,
        ..sent
    };
    let rest = is.path.front().rest(sent.path).unwrap_or_default();
    let same = match (&was.target, &is.target) {
        (Target::Forward(was), Target::Forward(is)) => {
            leads_to_same((old, was), (new, is), sent, rest)
        }
        (Target::Files(was), Target::Files(is)) => was.root == is.root,
        // Immediate responses of the gateway itself.
        (Target::Redirect(_), Target::Redirect(_)) | (Target::Turn(_), Target::Turn(_)) => true,
        _ => false,
    };
    if same { Ok(()) } else { Err(Change::Target) }
}

/// Whether the upstream has the same name, still has the server for the path, and would get the
/// same path and the same `Host`.
fn leads_to_same(
    (old, was): (&RouteTable, &Forward),
    (new, is): (&RouteTable, &Forward),
    sent: Sent<'_>,
    rest: &str,
) -> bool {
    let Sent { path, server, .. } = sent;
    let before = old.upstream(was.upstream_of(sent.is_websocket));
    let now = new.upstream(is.upstream_of(sent.is_websocket));
    let has_server = |server: &ServerAddr| {
        // With another trusted CA or server name, it may be another server.
        now.leads_to(server, rest) && (!server.is_tls() || before.tls == now.tls)
    };
    before.name == now.name
        && server.is_none_or(has_server)
        && was.host.as_ref().map(|host| &host.value) == is.host.as_ref().map(|host| &host.value)
        && (was.path == is.path || was.path.to_upstream(path) == is.path.to_upstream(path))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::policy::{Policy, Rule};
    use crate::route::edits::{Edits, Security};
    use crate::route::files::FilesSpec;
    use crate::route::path::EncodedSlash;
    use crate::route::upstream::{
        Balance, InfoPolicy, KEEP_ALIVE, Protocol, UpstreamSpec, UpstreamTls, XmppDomain,
    };
    use crate::route::{HostHeader, PathChange, Route, RouteLimits, Timeouts, UpstreamId};
    use crate::slot::MaxConnections;

    fn table(adjust: impl Fn(&mut Route, &mut UpstreamSpec)) -> RouteTable {
        let mut upstream = UpstreamSpec {
            name: "app".into(),
            servers: ["http://127.0.0.1:1", "https://127.0.0.1:2"]
                .map(|server| server.parse().unwrap())
                .into(),
            backups: 0,
            bridges: [].into(),
            balance: Balance::Client,
            protocol: Protocol::Http,
            tls: UpstreamTls::default(),
            keep_alive: KEEP_ALIVE,
            max_connections: MaxConnections::Unlimited,
            health: None,
            queue: std::time::Duration::ZERO,
            forward_cookies: true,
            secret_file: None,
            token_auth_secret_file: None,
            identify: false,
            info: InfoPolicy::Full,
            domain: XmppDomain::default(),
        };
        let forward = Forward {
            upstream: UpstreamId(0),
            websocket: None,
            path: PathChange::default(),
            encoded_slash: EncodedSlash::default(),
            headers: Edits::default(),
            host: None,
            timeouts: Timeouts::default(),
            message_size: Forward::MESSAGE_SIZE,
        };
        let mut route = Route {
            host: None,
            path: "/ws".parse().unwrap(),
            policy: Arc::new(Policy::new(Policy::OPEN, Rule::Open)),
            target: Target::Forward(forward),
            forward_token: false,
            body_limit: 0,
            limits: RouteLimits::default(),
            cors: None,
            answers: Edits::default(),
            security: Security::default(),
            after_sign_in: None,
        };
        adjust(&mut route, &mut upstream);
        RouteTable::new(vec![route], vec![Arc::new(upstream)])
    }

    fn forward(route: &mut Route) -> &mut Forward {
        let Target::Forward(forward) = &mut route.target else {
            panic!("it leads to an upstream")
        };
        forward
    }

    fn changed(server: &str, adjust: impl Fn(&mut Route, &mut UpstreamSpec)) -> Result<(), Change> {
        let (old, new) = (table(|_, _| {}), table(adjust));
        compare(
            (&old, RouteId(0)),
            (&new, RouteId(0)),
            Sent {
                path: "/ws/1",
                is_websocket: true,
                server: Some(&server.parse().unwrap()),
            },
        )
    }

    const PLAIN: &str = "http://127.0.0.1:1";
    const TLS: &str = "https://127.0.0.1:2";

    #[test]
    fn what_an_operator_may_change_under_open_sockets() {
        let all: [fn(&mut Route, &mut UpstreamSpec); 6] = [
            |route, _| route.policy = Arc::new(Policy::new("other", Rule::Open)),
            |route, _| (route.forward_token, route.body_limit) = (true, 7),
            |route, _| forward(route).timeouts.response *= 2,
            |route, _| forward(route).headers.remove = [http::header::COOKIE].into(),
            |_, upstream| (upstream.balance, upstream.protocol) = (Balance::Least, Protocol::Janus),
            // The same path by other words.
            |route, _| {
                forward(route).path = PathChange {
                    strip: "/ws".into(),
                    add: "/ws".into(),
                }
            },
        ];
        assert!(all.into_iter().all(|adjust| changed(PLAIN, adjust).is_ok()));
        assert_eq!(
            changed(PLAIN, |_, upstream| upstream.servers =
                [PLAIN.parse().unwrap()].into()),
            Ok(())
        );
        assert_eq!(
            changed(PLAIN, |_, upstream| upstream.tls.ca_file =
                Some("ca.pem".into())),
            Ok(())
        );
    }

    #[test]
    fn another_route_is_one_with_another_host_or_path() {
        assert_eq!(
            changed(PLAIN, |route, _| route.path = "/".parse().unwrap()),
            Err(Change::Route)
        );
        assert_eq!(
            changed(PLAIN, |route, _| route.host =
                Some("a.test".parse().unwrap())),
            Err(Change::Route)
        );
    }

    #[test]
    fn another_target_is_another_upstream_server_host_or_path_there() {
        let host = || HostHeader {
            authority: "b.test".parse().unwrap(),
            value: HeaderValue::from_static("b.test"),
        };
        for (server, is) in [
            (
                PLAIN,
                changed(PLAIN, |_, upstream| upstream.name = "other".into()),
            ),
            (
                TLS,
                changed(TLS, |_, upstream| {
                    upstream.servers = [PLAIN.parse().unwrap()].into()
                }),
            ),
            (
                TLS,
                changed(TLS, |_, upstream| {
                    upstream.tls.ca_file = Some("ca.pem".into())
                }),
            ),
            (
                PLAIN,
                changed(PLAIN, |route, _| forward(route).host = Some(host())),
            ),
            (
                PLAIN,
                changed(PLAIN, |route, _| forward(route).path.strip = "/ws".into()),
            ),
            (
                PLAIN,
                changed(PLAIN, |route, _| {
                    route.target = Target::Files(FilesSpec {
                        root: "/srv".into(),
                        follow_symlinks: true,
                        compress: false,
                        spa: None,
                        not_found: None,
                    });
                }),
            ),
        ] {
            assert_eq!(is, Err(Change::Target), "{server}");
        }
    }
}

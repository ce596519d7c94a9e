//! Opens a WebSocket: the handshake is forwarded, and if the server accepts it the connection
//! becomes a tunnel.

use std::rc::Rc;

use bytes::Bytes;
use http::{Response, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::context::Forwarding;
use crate::clock::{self, UnixTime};
use crate::policy::Permit;
use crate::proxy::body::ClientRequest;
use crate::proxy::client::Pool;
use crate::proxy::{self, upgrade, websocket};
use crate::registry::Registered;
use crate::serve::admission::Admission;
use crate::serve::handoff::Handoff;
use crate::serve::in_flight::InFlight;
use crate::serve::judge::{Expiry, Withdrawn};
use crate::serve::messages::{MessageJudge, flooder};
use crate::serve::observer::MessageObserver;
use crate::serve::refusal_floods::FloodKey;
use crate::serve::reject::Rejection;
use crate::serve::response_body::ResponseBody;
use crate::serve::{ConnInfo, Worker};
use crate::signalling::Protocol;
use crate::signalling::audit::Transport;
use crate::signalling::janus::rest;
use crate::tunnel::{CloseReason, Grant, RouteTunnelKey, TunnelControl, TunnelKey};

/// The upstream's answer to the handshake.
#[expect(
    clippy::disallowed_methods,
    reason = "the task ends with the tunnel, which is registered"
)]
pub(super) async fn open(
    mut request: ClientRequest,
    forwarding: &Forwarding<'_>,
    permit: &Permit,
) -> Result<Response<ResponseBody>, Rejection> {
    let (conn, exchange, key) = (&forwarding.conn, &forwarding.exchange, forwarding.key);
    let under_way = &conn.worker.under_way;
    under_way.is_handshake(key);
    let is_understood = forwarding.backend().is_some();
    if let Some(backend) = forwarding.backend() {
        let rest = forwarding.path.rest(request.uri().path());
        if !rest.is_some_and(|rest| may_be_websocket(backend.protocol, rest)) {
            return Err(match backend.protocol {
                Protocol::Kurento => Rejection::KurentoPath,
                Protocol::Janus | Protocol::JanusAdmin => Rejection::MessagePath,
            });
        }
        check_flood(forwarding, permit)?;
        // The gateway reads the messages, and does not decompress them.
        request
            .headers_mut()
            .remove(header::SEC_WEBSOCKET_EXTENSIONS);
    }
    let open = forwarding.begin_tunnel(permit)?;
    let stream =
        websocket::is_extended_connect(&request).then(|| hyper::upgrade::on(&mut *request));
    let (answer, upgraded) = upgrade::open_websocket(request, &forwarding.context()).await?;
    let mut response = answer.map(ResponseBody::upstream);
    if is_understood && upgraded.is_none() && response.status().is_success() {
        // It is an answer to what the request says without the WebSocket, which was not judged.
        return Err(proxy::Error::NotUpgraded(response.status()).into());
    }
    forwarding.cleaning.apply(response.headers_mut(), exchange);
    under_way.answers(key, response.body().server());
    if let Some(upgraded) = upgraded {
        let (control, judge) = enter_tunnel(forwarding, upgraded.server())?;
        let handoff = Handoff {
            upgraded,
            control,
            judge,
            exchange: Rc::clone(exchange),
            open,
        };
        match stream {
            Some(stream) => drop(tokio::task::spawn_local(tunnel_on_stream(
                stream,
                handoff,
                Rc::clone(conn),
            ))),
            None => conn.control.hand_off(handoff),
        }
    }
    Ok(response)
}

/// Whether a WebSocket may be opened at the rest of a path.
fn may_be_websocket(protocol: Protocol, rest: &str) -> bool {
    match protocol {
        Protocol::Janus | Protocol::JanusAdmin => rest::may_be_websocket(rest),
        // KMS compares the whole path, and closes any other after the handshake.
        Protocol::Kurento => rest.is_empty(),
    }
}

/// Whether the client has not sent too much on its last WebSocket.
fn check_flood(forwarding: &Forwarding<'_>, permit: &Permit) -> Result<(), Rejection> {
    let key = || {
        FloodKey::new(
            flooder(permit, forwarding.exchange.client()),
            forwarding.route,
        )
    };
    let floods = &forwarding.conn.worker.shared.refusal_floods;
    floods
        .check(key, clock::monotonic())
        .map_err(Rejection::RefusalFlood)
}

/// Registers the tunnel. Configuration, keys and clock may have changed while the server was asked,
/// so the permission is checked once more.
fn enter_tunnel(
    forwarding: &Forwarding<'_>,
    server: &Rc<Pool>,
) -> Result<(Registered<TunnelControl>, Option<Box<MessageJudge>>), Rejection> {
    let worker = &forwarding.conn.worker;
    let mut admission = worker
        .under_way
        .take(forwarding.key)
        .ok_or(Withdrawn::Route)?;
    admission.server = Some(Rc::clone(server));
    let mut verdict = admission.judge(&worker.view(), Expiry::Ignored);
    let Admission {
        view,
        route,
        authority,
        path,
        client,
        permit,
        ..
    } = admission;
    let key = RouteTunnelKey::new(
        authority.host.clone(),
        path.into_copy(),
        server.addr().clone(),
        view.place(route),
    );
    let backend = view.websocket_backend(route, &permit).cloned();
    if backend.is_some() != forwarding.backend().is_some() {
        // The handshake was another one.
        verdict = verdict.and(Err(Withdrawn::Messages));
    }
    let judge = backend.as_ref().map(|backend| {
        let observer = MessageObserver {
            flood_key: Some(FloodKey::new(flooder(&permit, client), forwarding.route)),
            ..forwarding.observer(Transport::WebSocket)
        };
        let verifier = Rc::<Worker>::clone(worker);
        view.judge_of(route, backend, (&permit, client), observer, verifier)
    });
    let grant = Grant {
        permit: Some(permit),
        backend,
    };
    let control = TunnelControl::new(TunnelKey::Route(key), client, grant);
    match verdict {
        Ok(()) => control.close_if_expired(UnixTime::now()),
        Err(why) => control.close(CloseReason::by_policy(why.reason())),
    }
    Ok((worker.enter_tunnel(control), judge))
}

/// Runs a tunnel on a stream of HTTP/2. While it is open, its connection counts as busy.
async fn tunnel_on_stream(stream: OnUpgrade, handoff: Handoff, conn: Rc<ConnInfo>) {
    let in_flight = InFlight::new(&conn.control);
    // An error means that the client left before it got the answer.
    let Ok(stream) = stream.await else { return };
    let kept = (Rc::clone(&conn.slot), in_flight);
    let client = (TokioIo::new(stream), Bytes::new());
    handoff.start(client, &conn.worker.ticks, kept);
}

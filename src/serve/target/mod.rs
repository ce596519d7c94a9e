//! What is behind the doors. Nothing here runs without a permit.

pub(super) mod turn;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, Uri, Version};
use hyper::body::Body as _;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tower::Service;

use crate::clock::UnixTime;
use crate::files;
use crate::policy::{Denied, Permit};
use crate::proxy::body::ResponseBody;
use crate::proxy::client::Pool;
use crate::proxy::{self, ForwardContext, upgrade, websocket};
use crate::registry::Registered;
use crate::route::path::{BadPath, PathPrefix};
use crate::route::redirect::RedirectSpec;
use crate::route::{self, Forward};
use crate::serve::admission::Admission;
use crate::serve::answer::Cleaning;
use crate::serve::handoff::Handoff;
use crate::serve::in_flight::InFlight;
use crate::serve::judge::{Expiry, Withdrawn};
use crate::serve::reject::Rejection;
use crate::serve::under_way::Key;
use crate::serve::{Admitted, ConnInfo, Inbound, Normal, Routed, Worker};
use crate::slot::FileSlot;
use crate::token::BadToken;
use crate::tunnel::{CloseReason, RouteTunnelKey, TunnelControl, TunnelKey};

/// The service at the end of the stack.
#[derive(Clone, Copy, Debug)]
pub(in crate::serve) struct Target;

impl Service<Admitted> for Target {
    type Response = Response<ResponseBody>;
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Rejection>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, admitted: Admitted) -> Self::Future {
        Box::pin(serve_while_permitted(admitted))
    }
}

/// Serves a request until there is an answer, or the permission ends, or the route is taken away.
async fn serve_while_permitted(admitted: Admitted) -> Result<Response<ResponseBody>, Rejection> {
    let Admitted {
        routed:
            Routed {
                normal: Normal { inbound, authority },
                route,
            },
        permit,
    } = &admitted;
    let (worker, key) = (&inbound.conn.worker, inbound.key);
    let under_way = Rc::clone(&worker.under_way);
    under_way.admit(
        key,
        Admission::new(inbound, authority, *route, permit),
        &worker.view.borrow(),
    )?;
    let mut served = pin!(serve(admitted));
    poll_fn(|cx| {
        if let Some(why) = under_way.cut(key) {
            return Poll::Ready(Err(why.into()));
        }
        let polled = served.as_mut().poll(cx);
        if polled.is_pending() {
            under_way.watch(key, cx);
        }
        polled
    })
    .await
}

async fn serve(admitted: Admitted) -> Result<Response<ResponseBody>, Rejection> {
    let Admitted {
        routed: Routed { normal, route },
        permit,
    } = admitted;
    let local = Rc::clone(&normal.inbound.local);
    let route = local.snapshot.routes.route(route);
    match &route.target {
        route::Target::Forward(to) => forward(normal, to, route.body_limit, permit).await,
        route::Target::Files(spec) => {
            // An open file takes a descriptor as a socket does, for as long as its client takes.
            let room = Box::pin(room_for_file(&normal.inbound)).await;
            normal
                .inbound
                .exchange
                .hold_file(room.ok_or(Rejection::OpenFiles)?);
            // Boxed, as is what follows: the state of what a request does not do is not carried
            // along.
            let response = Box::pin(files::serve(
                &normal.inbound.request,
                spec,
                &route.path,
                &local.snapshot.guard,
            ))
            .await?;
            Ok(without_body(
                &normal.inbound,
                response.map(ResponseBody::file),
            ))
        }
        route::Target::Redirect(spec) => {
            let response = redirect(normal.inbound.request.uri(), spec, &route.path)?;
            Ok(without_body(&normal.inbound, response))
        }
        route::Target::Turn(id) => {
            let response = Box::pin(turn::serve(
                &normal.inbound,
                local.snapshot.turn(*id),
                &permit,
            ))
            .await?;
            Ok(without_body(&normal.inbound, response))
        }
    }
}

/// Nobody reads the request's body, and what is left of it cannot be told from a next request. The
/// client may still be sending: a connection that is closed in its face would take the answer
/// along.
pub(in crate::serve) fn without_body(
    inbound: &Inbound,
    response: Response<ResponseBody>,
) -> Response<ResponseBody> {
    if inbound.request.version() < Version::HTTP_2 && !inbound.request.body().is_end_stream() {
        return close_after(response, &inbound.conn);
    }
    response
}

/// How many ticks a page that asks for all its parts at once waits for the first of them to be
/// sent.
const FILE_TICKS: usize = 4;

async fn room_for_file(inbound: &Inbound) -> Option<FileSlot> {
    let (worker, client) = (&inbound.conn.worker, inbound.counted());
    for _ in 0..FILE_TICKS {
        let room = worker.shared.files.take(&client);
        if room.is_some() {
            return room;
        }
        worker.ticks.next().await;
    }
    None
}

/// Has the connection closed after this answer, and what the client is still sending read.
fn close_after(mut response: Response<ResponseBody>, conn: &ConnInfo) -> Response<ResponseBody> {
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    conn.control.set_lingers();
    response
}

fn redirect(
    asked: &Uri,
    spec: &RedirectSpec,
    route: &PathPrefix,
) -> Result<Response<ResponseBody>, Rejection> {
    let location = HeaderValue::try_from(spec.location(route, asked.path(), asked.query()));
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = spec.status;
    // Its parts were a URI and a request's target, which are made of what a header value takes.
    response.headers_mut().insert(
        header::LOCATION,
        location.map_err(|_| Rejection::Path(BadPath::Control))?,
    );
    Ok(response)
}

async fn forward(
    normal: Normal,
    forward: &Forward,
    body_limit: u64,
    permit: Permit,
) -> Result<Response<ResponseBody>, Rejection> {
    let Normal { inbound, authority } = normal;
    let counted = inbound.counted();
    let Inbound {
        request,
        conn,
        local,
        exchange,
        key,
        origin,
        ..
    } = inbound;
    let via = ForwardContext {
        upstream: local.upstream(forward.upstream),
        forward,
        origin: &origin,
        authority: &authority,
        counted: &counted,
        body_limit,
        exchange: &exchange,
    };
    let cleaning = Cleaning::of(&permit, via.upstream.spec().protocol.is_control());
    let is_h2 = websocket::is_extended_connect(&request);
    if !is_h2 && !websocket::is_upgrade(&request) {
        if proxy::declares_more_than(&request, body_limit) {
            return Err(proxy::Error::BodyTooLarge.into());
        }
        let is_h1 = request.version() < Version::HTTP_2;
        let body = request.body().progress();
        let mut response = proxy::forward(request, &via)
            .await?
            .map(ResponseBody::upstream);
        cleaning.apply(response.headers_mut(), &exchange);
        conn.worker.under_way.answers(key, response.body().server());
        // The upstream has answered before it had all of the body, which may not come to its end
        // any more.
        let is_early = body.is_some_and(|body| !body.has_ended());
        return Ok(if is_h1 && is_early {
            close_after(response, &conn)
        } else {
            response
        });
    }
    if permit.ends().is_some() && permit.has_ended(UnixTime::now()) {
        return Err(Denied::Token(BadToken::Expired).into());
    }
    let under_way = &conn.worker.under_way;
    under_way.is_handshake(key);
    let mut request = request;
    let stream = is_h2.then(|| hyper::upgrade::on(&mut request));
    let (response, upgraded) = Box::pin(upgrade::open_websocket(request, &via)).await?;
    let mut response = response.map(ResponseBody::upstream);
    cleaning.apply(response.headers_mut(), &exchange);
    under_way.answers(key, response.body().server());
    if let Some(upgraded) = upgraded {
        let control = enter_tunnel(&conn.worker, key, upgraded.server())?;
        let handoff = Handoff {
            upgraded,
            control,
            exchange: Rc::clone(&exchange),
        };
        match stream {
            Some(stream) => drop(tokio::task::spawn_local(tunnel_on_stream(
                stream,
                handoff,
                Rc::clone(&conn),
            ))),
            None => conn.control.hand_off(handoff),
        }
    }
    Ok(response)
}

/// Enters the tunnel that a handshake has become. What has changed while the server was asked is
/// made up for: the configuration, the keys and the clock of now are asked.
fn enter_tunnel(
    worker: &Worker,
    key: Key,
    server: &Rc<Pool>,
) -> Result<Registered<TunnelControl>, Rejection> {
    let mut admission = worker.under_way.take(key).ok_or(Withdrawn::Route)?;
    admission.server = Some(Rc::clone(server));
    let verdict = admission.judge(&worker.view(), Expiry::Ignored);
    let Admission {
        view: local,
        route,
        authority,
        path,
        client,
        permit,
        ..
    } = admission;
    let door = RouteTunnelKey::new(
        authority.host.clone(),
        path.into_text(),
        server.addr().clone(),
        local.place(route),
    );
    let control = TunnelControl::new(TunnelKey::Route(door), client, Some(permit));
    match verdict {
        Ok(()) => control.close_if_expired(UnixTime::now()),
        Err(why) => control.close(CloseReason::by_policy(why.reason())),
    }
    Ok(worker.enter_tunnel(control))
}

/// A tunnel on a stream of HTTP/2: as long as it is open, its connection is busy with a request.
async fn tunnel_on_stream(stream: OnUpgrade, handoff: Handoff, conn: Rc<ConnInfo>) {
    let under_way = InFlight::new(&conn.control);
    // An error means that the client has gone before it could be told.
    let Ok(stream) = stream.await else { return };
    let kept = (Rc::clone(&conn.slot), under_way);
    handoff
        .into_tunnel(
            (TokioIo::new(stream), Bytes::new()),
            &conn.worker.ticks,
            kept,
        )
        .await;
}

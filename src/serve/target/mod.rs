//! The targets of routes: what answers an admitted request. Nothing here runs without a permit.

mod bosh;
mod context;
mod files;
mod forward;
mod message;
mod redirect;
mod turn;
mod websocket;
mod whip;

use std::future::ready;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::{Method, Response};
use tower::Service;

use super::admission::Admission;
use super::reject::Rejection;
use super::reply::{Reply, Served};
use super::request_limits::limit_concurrent;
use super::response_body::ResponseBody;
use super::under_way::{Key, UnderWay};
use super::unread_body::close_if_unread;
use super::{Admitted, Routed};
use crate::policy::Permit;
use crate::proxy::body::ClientRequest;
use crate::route;
use crate::route::upstream;
use crate::signalling::Protocol;
use crate::signalling::janus::rest::Place;
use bosh::BoshTarget;
use context::Forwarding;
use message::MessageTarget;
use turn::TurnRequest;
use whip::WhipTarget;

/// The service at the end of the stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target;

impl Service<Admitted> for Target {
    type Response = Reply;
    type Error = Rejection;
    type Future = WhilePermitted;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, admitted: Admitted) -> WhilePermitted {
        let Routed { normal, route, .. } = &admitted.routed;
        let (worker, key) = (&normal.inbound.conn.worker, normal.inbound.key);
        let under_way = Rc::clone(&worker.under_way);
        let admission = Admission::new(normal, *route, &admitted.permit);
        let is_admitted = under_way.admit(key, admission, &worker.view.borrow());
        let is_admitted = is_admitted
            .map_err(Rejection::from)
            .and_then(|()| limit_concurrent(&admitted.routed));
        WhilePermitted {
            under_way,
            key,
            served: match is_admitted {
                Ok(()) => serve(admitted),
                Err(why) => Box::pin(ready(Err(why))),
            },
        }
    }
}

/// A request that is served until there is an answer, or its permission ends, or its route is
/// removed.
pub(super) struct WhilePermitted {
    under_way: Rc<UnderWay>,
    key: Key,
    served: Serving,
}

impl Future for WhilePermitted {
    type Output = Served;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Served> {
        if let Some(why) = self.under_way.cut(self.key) {
            return Poll::Ready(Err(why.into()));
        }
        let polled = self.served.as_mut().poll(cx);
        if polled.is_pending() {
            self.under_way.watch(self.key, cx);
        }
        polled
    }
}

type Serving = Pin<Box<dyn Future<Output = Served>>>;

/// Asks the route's target. The future is copied into its box, so it is kept small: parts of the
/// request are used where they are, and all but forwarding is boxed.
fn serve(admitted: Admitted) -> Serving {
    Box::pin(async move {
        let view = Rc::clone(&admitted.routed.normal.inbound.view);
        let route = view.snapshot.routes.route(admitted.routed.route);
        let permit = &admitted.permit;
        let mut response = match &route.target {
            route::Target::Forward(to) => {
                let (request, to) = Forwarding::new(admitted.routed.normal, route, to, permit)?;
                return forward_to(request, &to, permit).await.map(Reply::from);
            }
            route::Target::Files(spec) => {
                let inbound = &admitted.routed.normal.inbound;
                Box::pin(files::serve(inbound, route, spec)).await?
            }
            route::Target::Redirect(spec) => {
                let uri = admitted.routed.normal.inbound.request.uri();
                redirect::redirect(uri, spec, route.path.front())?
            }
            route::Target::Turn(id) => {
                let request = TurnRequest {
                    inbound: &admitted.routed.normal.inbound,
                    form: admitted.routed.form.as_ref(),
                    permit,
                };
                Box::pin(request.serve(view.snapshot.turn(*id))).await?
            }
        };
        close_if_unread(&admitted.routed.normal.inbound, &mut response);
        Ok(response.into())
    })
}

/// Forwards a request, or has its messages judged.
async fn forward_to(
    request: ClientRequest,
    forwarding: &Forwarding<'_>,
    permit: &Permit,
) -> Result<Response<ResponseBody>, Rejection> {
    if forwarding.protocol() == upstream::Protocol::Whip
        && let Some(whip) = WhipTarget::new(forwarding, permit)
    {
        return Box::pin(whip.serve(request, permit)).await;
    }
    if forwarding.is_websocket {
        return Box::pin(websocket::open(request, forwarding, permit)).await;
    }
    match forwarding.backend() {
        Some(backend) if backend.protocol == Protocol::Kurento => Err(Rejection::NotWebSocket),
        Some(backend) => {
            let messages = MessageTarget::new(forwarding, backend);
            Box::pin(messages.serve(request)).await
        }
        None => match (forwarding.protocol(), forwarding.owners()) {
            (upstream::Protocol::Jitsi, Some(owners)) => {
                let bosh = BoshTarget::new(forwarding, owners);
                Box::pin(bosh.serve(request)).await
            }
            (upstream::Protocol::Janus, _) if is_poll(&request, forwarding) => {
                forwarding.begin_poll()?;
                forward::forward(request, forwarding).await
            }
            _ => forward::forward(request, forwarding).await,
        },
    }
}

/// Whether a Janus whose messages are not judged answers the request when a session has events.
fn is_poll(request: &ClientRequest, forwarding: &Forwarding<'_>) -> bool {
    let is_session = |path| matches!(forwarding.place(path), Some(Place::Session(_)));
    *request.method() == Method::GET && is_session(request.uri().path())
}

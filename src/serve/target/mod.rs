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

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use http::Response;
use tower::Service;

use super::admission::Admission;
use super::reject::Rejection;
use super::reply::{Reply, Served};
use super::response_body::ResponseBody;
use super::unread_body::close_if_unread;
use super::{Admitted, Normal, Routed};
use crate::route;
use crate::route::upstream;
use crate::signalling::Protocol;
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
    type Future = Pin<Box<dyn Future<Output = Served>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, admitted: Admitted) -> Self::Future {
        Box::pin(async { serve_while_permitted(admitted).await.map(Reply::from) })
    }
}

/// Serves a request until there is an answer, or its permission ends, or its route is removed.
async fn serve_while_permitted(admitted: Admitted) -> Result<Response<ResponseBody>, Rejection> {
    let Admitted {
        routed:
            Routed {
                normal: Normal { inbound, authority },
                route,
                ..
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

/// Asks the route's target. All but forwarding is boxed, so that a forwarded request does not carry
/// the state of the others.
async fn serve(admitted: Admitted) -> Result<Response<ResponseBody>, Rejection> {
    let Admitted {
        routed: Routed {
            normal,
            route,
            form,
        },
        permit,
    } = admitted;
    let view = Rc::clone(&normal.inbound.view);
    let route = view.snapshot.routes.route(route);
    let inbound = &normal.inbound;
    let mut response = match &route.target {
        route::Target::Forward(to) => {
            let (request, forwarding) = Forwarding::new(normal, route, to, &permit)?;
            if forwarding.protocol() == upstream::Protocol::Whip
                && let Some(whip) = WhipTarget::new(&forwarding, &permit)
            {
                return Box::pin(whip.serve(request, &permit)).await;
            }
            if forwarding.is_websocket {
                return Box::pin(websocket::open(request, &forwarding, &permit)).await;
            }
            return match &forwarding.backend {
                Some(backend) if backend.protocol == Protocol::Kurento => {
                    Err(Rejection::NotWebSocket)
                }
                Some(backend) => {
                    let messages = MessageTarget::new(&forwarding, backend);
                    Box::pin(messages.serve(request)).await
                }
                None => match (forwarding.protocol(), forwarding.owners()) {
                    (upstream::Protocol::Jitsi, Some(owners)) => {
                        let bosh = BoshTarget::new(&forwarding, owners);
                        Box::pin(bosh.serve(request)).await
                    }
                    _ => forward::forward(request, &forwarding).await,
                },
            };
        }
        route::Target::Files(spec) => Box::pin(files::serve(inbound, route, spec)).await?,
        route::Target::Redirect(spec) => {
            redirect::redirect(inbound.request.uri(), spec, route.path.front())?
        }
        route::Target::Turn(id) => {
            let request = TurnRequest {
                inbound,
                form: form.as_ref(),
                permit: &permit,
            };
            Box::pin(request.serve(view.snapshot.turn(*id))).await?
        }
    };
    close_if_unread(inbound, &mut response);
    Ok(response)
}

//! What is behind the doors. Nothing here runs without a permit.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::Response;
use http::header;
use tower::Service;

use super::control::Handoff;
use super::reject::Rejection;
use super::{Admitted, Inbound, Normal, Routed};
use crate::proxy::body::ResponseBody;
use crate::proxy::tunnel::TunnelControl;
use crate::proxy::{self, Via, websocket};
use crate::route;

/// The service at the end of the stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target;

impl Service<Admitted> for Target {
    type Response = Response<ResponseBody>;
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Rejection>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, admitted: Admitted) -> Self::Future {
        Box::pin(serve(admitted))
    }
}

async fn serve(admitted: Admitted) -> Result<Response<ResponseBody>, Rejection> {
    let Admitted { routed: Routed { normal: Normal { inbound, authority }, route }, permit } = admitted;
    let Inbound { request, conn, local, exchange } = inbound;
    let route = local.snapshot.routes.route(route);
    let route::Target::Forward(forward) = &route.target;
    let via = Via {
        upstream: local.upstream(forward.upstream),
        ticks: &conn.worker.ticks,
        path: &forward.path,
        origin: &conn.origin,
        authority: &authority,
        body_limit: route.body_limit,
        exchange: &exchange,
    };
    if !websocket::is_upgrade(&request) {
        if declares_more_than(&request, route.body_limit) {
            return Err(proxy::Error::BodyTooLarge.into());
        }
        return Ok(proxy::forward(request, &via).await?);
    }
    let control = TunnelControl::new(authority.host.clone(), request.uri().path(), conn.client);
    let (response, joined) = proxy::open_websocket(request, &via).await?;
    if let Some(joined) = joined {
        let exchange = Rc::clone(&exchange);
        conn.control.hand_off(Handoff { joined, control, exchange, permit });
    }
    Ok(response)
}

fn declares_more_than<B>(request: &http::Request<B>, limit: u64) -> bool {
    let declared = request.headers().get(header::CONTENT_LENGTH);
    declared.and_then(|value| value.to_str().ok()?.parse::<u64>().ok()).is_some_and(|declared| declared > limit)
}
